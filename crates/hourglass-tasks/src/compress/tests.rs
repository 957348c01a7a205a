use hourglass_models::Shape;
use proptest::prelude::*;

use super::*;

const SHAPE: Shape = Shape::new(1, 28, 28);

fn model() -> String {
    "0123456789abcdef".repeat(4)
}

fn spilled(codes: &[f32], code: usize) -> CodeSpill {
    let mut spill = CodeSpill::new(code).unwrap();
    codes
        .chunks(7 * code)
        .for_each(|part| spill.add(part).unwrap());
    spill
}

fn packed(codes: &[f32], code: usize, bits: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut spill = spilled(codes, code);
    let written = compress(&mut spill, bits, Steps::Own, SHAPE, &model(), &mut bytes);
    assert_eq!(written.unwrap(), bytes.len() as u64);
    bytes
}

/// Of dimensions of which one is a hundred times as wide, the narrow one costs nothing, and all are within half a step.
#[test]
fn steps_of_one_size_spend_nothing_on_narrow_dimensions() {
    let wide = normal(4000, 1);
    let codes: Vec<f32> = wide.iter().flat_map(|&z| [z, 5.0 + z / 100.0]).collect();
    let mut bytes = Vec::new();
    let mut spill = spilled(&codes, 2);
    compress(&mut spill, 4, Steps::Common, SHAPE, &model(), &mut bytes).unwrap();
    let restored = unpacked(&bytes, 2).unwrap();
    let largest = wide.iter().copied().fold(f32::MIN, f32::max);
    let step = (largest - wide.iter().copied().fold(f32::MAX, f32::min)) / 15.0;
    for (code, found) in codes.iter().zip(&restored) {
        assert!((code - found).abs() <= 0.501 * step, "{code} {found}");
    }
    // The wide one alone.
    let alone = packed(&wide, 1, 4).len();
    assert!(bytes.len() < alone + 100, "{} {alone}", bytes.len());
}

fn unpacked(bytes: &[u8], code: usize) -> Result<Vec<f32>, CompressError> {
    open(bytes, code, SHAPE, &model())?.check()?;
    let blocks = open(bytes, code, SHAPE, &model())?;
    Ok(blocks.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Numbers that are about normal, the later dimensions wider.
fn normal(images: usize, code: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut uniform = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..images * code)
        .map(|place| (0..8).map(|_| uniform()).sum::<f32>() * (1.0 + (place % code) as f32))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_restored_is_within_half_a_step(
        codes in prop::collection::vec(-1e3_f32..1e3, 3..300),
        bits in 1..=MOST_BITS,
    ) {
        let codes = &codes[..codes.len() / 3 * 3];
        let restored = unpacked(&packed(codes, 3, bits), 3).unwrap();
        prop_assert_eq!(restored.len(), codes.len());
        for dimension in 0..3 {
            let column = || codes.iter().skip(dimension).step_by(3).copied();
            let (low, high) = (column().fold(f32::MAX, f32::min), column().fold(f32::MIN, f32::max));
            let half = f64::from(high - low) / f64::from(1_u32 << bits) / 2.0;
            for (code, found) in column().zip(restored.iter().skip(dimension).step_by(3)) {
                let error = f64::from(code - found).abs();
                prop_assert!(error <= half + 1e-3 * half + 1e-4, "{} {}", error, half);
            }
        }
    }
}

/// Several blocks; of the same steps the same bytes, and restored codes are restored as themselves.
#[test]
fn blocks_follow_each_other() {
    let codes = normal(2 * 4096 + 5, 2);
    for bits in [1, 4, 8, 11] {
        let bytes = packed(&codes, 2, bits);
        assert_eq!(bytes, packed(&codes, 2, bits));
        let restored = unpacked(&bytes, 2).unwrap();
        assert_eq!(restored.len(), codes.len());
    }
}

/// The bytes are those of the entropy, and hardly more.
#[test]
fn the_size_is_that_of_the_entropy() {
    let (images, code) = (20_000, 4);
    let codes = normal(images, code);
    for bits in [2, 4, 6, 8] {
        let quantiser = Quantiser::new(bits, spilled(&codes, code).ranges().unwrap());
        let entropy: f64 = (0..code)
            .map(|dimension| {
                let mut counts = vec![0_u32; 1 << bits];
                let column = codes.iter().skip(dimension).step_by(code);
                column
                    .for_each(|&value| counts[usize::from(quantiser.step(dimension, value))] += 1);
                let some = counts.iter().filter(|&&count| count > 0);
                some.map(|&count| f64::from(count) * (images as f64 / f64::from(count)).log2())
                    .sum::<f64>()
            })
            .sum();
        let bytes = packed(&codes, code, bits).len() as f64;
        assert!(bytes * 8.0 >= entropy, "{bits}");
        assert!(
            bytes < entropy / 8.0 * 1.01 + 1200.0,
            "{bits}: {bytes} of {}",
            entropy / 8.0
        );
    }
}

#[test]
fn a_dimension_that_never_varies_is_exact_and_takes_no_space() {
    let codes: Vec<f32> = (0..8000)
        .flat_map(|image| [0.3, (image % 16) as f32])
        .collect();
    let bytes = packed(&codes, 2, 4);
    // 4 bits per image for the one that varies.
    assert!(bytes.len() < 4000 + 300, "{}", bytes.len());
    let restored = unpacked(&bytes, 2).unwrap();
    assert!(restored.iter().step_by(2).all(|&value| value == 0.3));
}

#[test]
fn other_files_and_models_are_refused_with_the_reason() {
    let bytes = packed(&normal(50, 2), 2, 6);
    let error = |bytes: &[u8], code, shape, model: &str| {
        open(bytes, code, shape, model)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let other = "f".repeat(64);
    assert!(error(&bytes, 2, SHAPE, &other).contains("expected a file made by this model"));
    assert!(error(&bytes, 3, SHAPE, &model()).contains("damaged"));
    assert!(error(&bytes, 2, Shape::new(1, 8, 8), &model()).contains("damaged"));
    assert!(error(b"\x89PNG....", 2, SHAPE, &model()).contains("`hourglass compress`"));
    assert!(error(b"", 2, SHAPE, &model()).contains("`hourglass compress`"));
    let mut later = bytes.clone();
    later[4] = 9;
    assert!(error(&later, 2, SHAPE, &model()).contains("found 9"));
    assert!(error(&bytes, 2, SHAPE, "abc").contains("SHA-256"));
    let longer = [&bytes[..], &[0]].concat();
    assert!(
        unpacked(&longer, 2)
            .unwrap_err()
            .to_string()
            .contains("the end of the file")
    );
    let mut spill = CodeSpill::new(2).unwrap();
    assert!(compress(&mut spill, 4, Steps::Own, SHAPE, &model(), &mut Vec::new()).is_err());
    let error = spill.add(&[0.0, f32::NAN]).unwrap_err().to_string();
    assert!(error.contains("image 0: expected a finite code"), "{error}");
}

/// Every byte changed and the file cut at every place: always refused.
#[test]
fn damage_is_found() {
    let bytes = packed(&normal(60, 2), 2, 5);
    for place in 0..bytes.len() {
        for change in [0x01, 0x80] {
            let mut damaged = bytes.clone();
            damaged[place] ^= change;
            unpacked(&damaged, 2).expect_err(&format!("byte {place}"));
        }
        unpacked(&bytes[..place], 2).expect_err(&format!("cut at {place}"));
    }
}

/// A file that says it holds as many images as there can be, with checksums that hold, is refused before it is believed.
#[test]
fn hostile_files_do_not_ask_for_memory() {
    let mut bytes = packed(&normal(60, 2), 2, 5);
    let header = bytes.len() - 8 - {
        // The only block is the last thing in the file.
        let whole = bytes.clone();
        let blocks = open(&whole[..], 2, SHAPE, &model()).unwrap();
        let words = coder::encode(
            &blocks.header().tables,
            &blocks.header().quantiser,
            &normal(60, 2),
        );
        words.unwrap().len() * 4
    };
    bytes[23..31].copy_from_slice(&u64::MAX.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..header - 4]);
    bytes[header - 4..header].copy_from_slice(&crc.to_le_bytes());
    let mut blocks = open(&bytes[..], 2, SHAPE, &model()).unwrap();
    assert_eq!(blocks.header().images(), u64::MAX);
    assert!(blocks.next().unwrap().is_err());
    bytes[header..header + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut blocks = open(&bytes[..], 2, SHAPE, &model()).unwrap();
    let error = blocks.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("at most"), "{error}");
    assert!(blocks.next().is_none());
}
