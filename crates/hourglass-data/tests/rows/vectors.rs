//! Vectors: arrays of numbers in NumPy and safetensors files, and folders of them.

use hourglass_data::{DataOptions, Kind};

use super::Place;

fn npy(descr: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while !(10 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let length = (text.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), numbers].concat()
}

fn floats(numbers: &[f32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// `tensors` are name, dtype, shape and bytes.
fn safetensors(tensors: &[(&str, &str, &str, Vec<u8>)]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let start = data.len();
        data.extend(bytes);
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{}]}}"#,
            data.len()
        ));
    }
    let header = format!("{{{}}}", entries.join(","));
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &data,
    ]
    .concat()
}

fn array(name: &str) -> DataOptions {
    let mut options = DataOptions::default();
    options.rows.array = Some(name.into());
    options
}

#[test]
fn arrays_of_every_type_are_mapped() {
    let place = Place::new();
    let doubles = [1.5_f64, -2.0, 0.25, 1e-3]
        .iter()
        .flat_map(|number| number.to_le_bytes());
    for (name, bytes, row) in [
        (
            "f4.npy",
            npy("<f4", "(2, 2)", &floats(&[1.0, 2.0, 3.0, 4.0])),
            [3.0, 4.0],
        ),
        (
            "f8.npy",
            npy("<f8", "(2, 2)", &doubles.collect::<Vec<_>>()),
            [0.25, 1e-3],
        ),
        (
            "f2.npy",
            npy("<f2", "(2, 2)", &[0, 0x3c, 0, 0x40, 0, 0xc0, 0, 0]),
            [-2.0, 0.0],
        ),
        (
            "u1.npy",
            npy("|u1", "(2, 2)", &[1, 2, 3, 255]),
            [3.0, 255.0],
        ),
        (
            "bf16.safetensors",
            safetensors(&[(
                "x",
                "BF16",
                "[2,2]",
                vec![0x80, 0x3f, 0, 0x40, 0, 0xc0, 0, 0],
            )]),
            [-2.0, 0.0],
        ),
    ] {
        let path = place.write(name, &bytes);
        let splits = place.open(&path, &DataOptions::default());
        let splits = splits.unwrap_or_else(|error| panic!("{error}"));
        let train = splits.train();
        assert_eq!(
            (train.kind(), train.len(), train.features()),
            (Kind::Vectors, 2, 2),
            "{name}"
        );
        assert_eq!(train.raw(1), row, "{name}");
    }
}

#[test]
fn folders_of_shards_are_one_dataset() {
    let place = Place::new();
    place.write(
        "shards/part-10.npy",
        npy("<f4", "(1, 2)", &floats(&[5.0, 6.0])),
    );
    place.write(
        "shards/part-2.npy",
        npy("<f4", "(2, 2)", &floats(&[1.0, 2.0, 3.0, 4.0])),
    );
    let folder = place.files.path().join("shards");
    let splits = place.open(&folder, &DataOptions::default()).unwrap();
    let rows: Vec<f64> = (0..3).flat_map(|index| splits.train().raw(index)).collect();
    assert_eq!(rows, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    place.write(
        "shards/part-3.npy",
        npy("<f4", "(1, 3)", &floats(&[5.0, 6.0, 7.0])),
    );
    let error = place.refusal(&folder, &DataOptions::default());
    for part in ["part-3.npy", "part-2.npy", "2 numbers", "3 numbers"] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn one_array_of_several_is_named() {
    let place = Place::new();
    let rows = floats(&[1.0, 2.0, 3.0, 4.0]);
    let labels = [7_i64, 3]
        .iter()
        .flat_map(|label| label.to_le_bytes())
        .collect();
    let file = safetensors(&[
        ("a", "F32", "[2,2]", rows.clone()),
        ("b", "F32", "[2,2]", rows),
        ("y", "I64", "[2]", labels),
    ]);
    let path = place.write("two.safetensors", &file);
    let error = place.refusal(&path, &DataOptions::default());
    assert!(
        error.contains("a [2, 2], b [2, 2]") && error.contains("--array"),
        "{error}"
    );
    let error = place.refusal(&path, &array("c"));
    assert!(
        error.contains("--array c") && error.contains("y [2]"),
        "{error}"
    );
    let mut options = array("b");
    options.rows.label = Some("y".into());
    let splits = place.open(&path, &options).unwrap();
    assert_eq!(splits.train().label_names().unwrap(), ["3", "7"]);
    assert_eq!(splits.train().labels(), Some(&[1, 0][..]));
    options.rows.label = Some("z".into());
    let error = place.refusal(&path, &options);
    assert!(error.contains("--label z"), "{error}");
}

#[test]
fn numbers_that_are_not_finite_are_named() {
    let place = Place::new();
    let mut numbers = vec![0.5_f32; 30];
    numbers[17] = f32::NAN;
    let path = place.write("a.npy", npy("<f4", "(10, 3)", &floats(&numbers)));
    let error = place.refusal(&path, &DataOptions::default());
    assert!(
        error.contains("row 6, number 3") && error.contains("NaN"),
        "{error}"
    );
}

#[test]
fn damaged_and_foreign_arrays_are_refused() {
    let place = Place::new();
    let good = npy("<f4", "(2, 2)", &floats(&[1.0, 2.0, 3.0, 4.0]));
    let fortran = String::from_utf8_lossy(&good[..64]).contains("False");
    assert!(fortran);
    for (bytes, part) in [
        (good[..good.len() - 1].to_vec(), "the file says 16 bytes"),
        (npy(">f4", "(2, 2)", &[0; 16]), "little-endian"),
        (npy("<c8", "(2, 1)", &[0; 16]), "<c8"),
        (npy("<f4", "(0, 2)", &[]), "at least one of each"),
        (
            npy("<f4", "(4294967296, 4294967296)", &[0; 16]),
            "[4294967296, 4294967296]",
        ),
    ] {
        let path = place.write("bad.npy", &bytes);
        let error = place.refusal(&path, &DataOptions::default());
        assert!(
            error.contains(part) && error.contains("bad.npy"),
            "{part}: {error}"
        );
    }
    let whole = safetensors(&[("x", "F32", "[2,2]", floats(&[1.0; 4]))]);
    for length in [10, 20, whole.len() - 1] {
        let path = place.write("bad.safetensors", &whole[..length]);
        let error = place.refusal(&path, &DataOptions::default());
        assert!(error.contains("bad.safetensors"), "{error}");
    }
}
