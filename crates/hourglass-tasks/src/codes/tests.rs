use proptest::prelude::*;

use super::*;

const FORMATS: [&str; 3] = ["codes.npy", "codes.csv", "codes.parquet"];

fn layout(images: usize, code: usize, labels: LabelKind) -> CodesLayout {
    CodesLayout {
        images,
        code,
        labels,
    }
}

fn rows(codes: &[f32], code: usize) -> CodeRows {
    let images = codes.len() / code;
    CodeRows {
        ids: (0..images)
            .map(|row| format!("a, \"{row}\"\n.png"))
            .collect(),
        labels: (0..images).map(|row| row as u8 % 3).collect(),
        codes: codes.to_vec(),
    }
}

fn write(path: &Path, layout: CodesLayout, blocks: &[CodeRows]) -> Result<(), CodesError> {
    let mut writer = CodesWriter::create(path, layout)?;
    for rows in blocks {
        writer.write(rows)?;
    }
    writer.finish()
}

fn read(path: &Path, code: usize) -> Result<CodeRows, CodesError> {
    let mut all = CodeRows::default();
    for rows in CodesReader::open(path, code)? {
        let rows = rows?;
        all.ids.extend(rows.ids);
        all.codes.extend(rows.codes);
    }
    Ok(all)
}

fn bits(codes: &[f32]) -> Vec<u32> {
    codes.iter().map(|code| code.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_is_read_is_bit_for_bit_what_was_written(
        words in prop::collection::vec(any::<u32>(), 3..60),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let codes = words.into_iter().map(f32::from_bits).filter(|code| code.is_finite());
        let mut codes: Vec<f32> = codes.chain([0.0, -0.0, f32::MIN_POSITIVE / 8.0, f32::MAX]).collect();
        codes.truncate(codes.len() / 3 * 3);
        let images = codes.len() / 3;
        for name in FORMATS {
            let path = directory.path().join(name);
            for labels in [LabelKind::None, LabelKind::Numbers, LabelKind::Names(vec!["cat".into()])] {
                let whole = rows(&codes, 3);
                write(&path, layout(images, 3, labels), std::slice::from_ref(&whole)).unwrap();
                let found = read(&path, 3).unwrap();
                prop_assert_eq!(bits(&found.codes), bits(&codes));
                if name != "codes.npy" {
                    prop_assert_eq!(&found.ids, &whole.ids);
                }
                prop_assert_eq!(CodesReader::count_images(&path, 3).unwrap(), images as u64);
            }
        }
    }
}

#[test]
fn more_rows_than_a_block_and_a_group_are_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let codes: Vec<f32> = (0..150_000_u32)
        .map(|place| place as f32 * 0.37 - 9.0)
        .collect();
    for name in FORMATS {
        let path = directory.path().join(name);
        let blocks: Vec<CodeRows> = codes.chunks(500 * 2).map(|codes| rows(codes, 2)).collect();
        write(&path, layout(75_000, 2, LabelKind::Numbers), &blocks).unwrap();
        assert_eq!(bits(&read(&path, 2).unwrap().codes), bits(&codes), "{name}");
    }
}

#[test]
fn codes_that_are_no_numbers_or_too_few_leave_no_file() {
    let directory = tempfile::tempdir().unwrap();
    for name in FORMATS {
        let path = directory.path().join(name);
        let layout = || layout(2, 2, LabelKind::None);
        let error = write(&path, layout(), &[rows(&[1.0, 2.0, f32::NAN, 0.0], 2)]);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("row 1, z0: expected a finite number, found NaN"),
            "{error}"
        );
        let error = write(&path, layout(), &[rows(&[1.0, 2.0], 2)]).unwrap_err();
        assert!(
            error.to_string().contains("expected 2 images, found 1"),
            "{error}"
        );
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "{name}"
        );
    }
    let error = CodesFormat::of(Path::new("codes.txt"))
        .unwrap_err()
        .to_string();
    assert!(error.contains(".npy, .csv or .parquet"), "{error}");
}

#[test]
fn codes_of_another_model_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for name in FORMATS {
        let path = directory.path().join(name);
        write(
            &path,
            layout(1, 2, LabelKind::None),
            &[rows(&[1.0, 2.0], 2)],
        )
        .unwrap();
        for code in [1, 3] {
            let error = read(&path, code).unwrap_err().to_string();
            assert!(
                error.contains("the model's") || error.contains("the size of"),
                "{error}"
            );
        }
    }
}

/// Every byte of a small file damaged, and the file cut at every place: an error or other numbers, and never a panic.
#[test]
fn damaged_files_are_refused_or_read_but_never_panic() {
    let directory = tempfile::tempdir().unwrap();
    for name in FORMATS {
        let path = directory.path().join(name);
        let codes: Vec<f32> = (0..20).map(|place| place as f32 * 0.1).collect();
        write(&path, layout(10, 2, LabelKind::Numbers), &[rows(&codes, 2)]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let damaged = directory.path().join(format!("damaged-{name}"));
        for place in 0..whole.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] ^= change;
                std::fs::write(&damaged, &bytes).unwrap();
                let _ = read(&damaged, 2);
            }
            std::fs::write(&damaged, &whole[..place]).unwrap();
            let cut = read(&damaged, 2);
            // Lines of text may be cut between rows, or within the last number.
            assert!(cut.is_err() || name == "codes.csv", "{name} cut at {place}");
        }
    }
}

#[test]
fn tables_from_elsewhere_are_read_by_the_names_of_their_columns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("codes.csv");
    std::fs::write(&path, "z1,note,z0\n2,\"x\n\",1.5\n-3e-2,, 4\n").unwrap();
    assert_eq!(read(&path, 2).unwrap().codes, [1.5, 2.0, 4.0, -0.03]);
    for (text, expected) in [
        ("z0,z1\n1,one\n", "row 0, z1: a number, found `one`"),
        ("z0,z1\n1,2\n1\n", "comma-separated"),
        ("z0,z1\n1,NaN\n", "row 0, z1: expected a finite number"),
        ("z0\n1\n", "no z1"),
        ("", "no z0"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = read(&path, 2).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // A line without end does not fill the memory.
    std::fs::write(&path, vec![b'1'; 1 << 20]).unwrap();
    let error = read(&path, 2).unwrap_err().to_string();
    assert!(error.contains("a row of more than"), "{error}");
}

#[test]
fn arrays_of_other_types_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("codes.npy");
    let mut file = PendingFile::create(&path).unwrap();
    write_header::<f64>(&mut file, &[0, 2]).unwrap();
    file.finish().unwrap();
    let error = read(&path, 2).unwrap_err().to_string();
    assert!(
        error.contains("expected float32 (<f4), found '<f8'"),
        "{error}"
    );
}
