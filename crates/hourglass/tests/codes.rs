//! `hourglass encode`, `decode`, `compress` and `decompress`, from images to files and back.

mod support;

use std::fs;

use support::{Workplace, read};

/// The shape and the numbers of a `.npy` file, which the program has written.
fn array(path: impl AsRef<std::path::Path>) -> (String, Vec<u8>) {
    let bytes = read(path);
    assert_eq!(&bytes[..6], b"\x93NUMPY");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8(bytes[10..header].to_vec()).expect("a header");
    (text, bytes[header..].to_vec())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let words = bytes.chunks_exact(4);
    words
        .map(|word| f32::from_le_bytes(word.try_into().expect("4 bytes")))
        .collect()
}

fn trained() -> Workplace {
    let workplace = Workplace::new();
    workplace.train("run", &[]).succeeds();
    workplace
}

#[test]
fn codes_come_back_as_images_from_every_format() {
    let workplace = trained();
    let backend = ["--backend", "ndarray"];
    for format in ["npy", "csv", "parquet"] {
        let out = format!("codes.{format}");
        let more = ["--out", &out, "--labels", &format!("{format}-labels.npy")];
        let encode = [&["encode", "run"], &backend[..], &more].concat();
        let ran = workplace.run(&encode).succeeds();
        assert_eq!(ran.stdout, format!("{out}\n"));
        let images = format!("{format}.npy");
        workplace
            .run(&[&["decode", "run", &out, "--out", &images], &backend[..]].concat())
            .succeeds();
    }
    let (header, codes) = array(workplace.path("codes.npy"));
    assert!(
        header.contains("'<f4'") && header.contains("(1000, 4"),
        "{header}"
    );
    let (header, labels) = array(workplace.path("npy-labels.npy"));
    assert!(header.contains("'|u1'") && labels.len() == 1000, "{header}");
    assert_eq!(labels[..4], [7, 2, 1, 0]);

    let table = fs::read_to_string(workplace.path("codes.csv")).expect("a table");
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("id,label,z0,z1,z2,z3"));
    let first: Vec<&str> = lines.next().expect("a row").split(',').collect();
    assert_eq!(first[..2], ["0", "7"]);
    let numbers: Vec<f32> = first[2..]
        .iter()
        .map(|text| text.parse().expect("a number"))
        .collect();
    assert_eq!(numbers, floats(&codes)[..4]);

    let (header, images) = array(workplace.path("npy.npy"));
    assert!(header.contains("(1000, 28, 28"), "{header}");
    for format in ["csv", "parquet"] {
        assert_eq!(
            array(workplace.path(format!("{format}.npy"))).1,
            images,
            "{format}"
        );
        assert_eq!(
            read(workplace.path(format!("{format}-labels.npy"))),
            read(workplace.path("npy-labels.npy"))
        );
    }
    // The pictures are the array's bytes.
    workplace
        .run(&[
            "decode",
            "run",
            "codes.npy",
            "--out",
            "pictures",
            "--backend",
            "ndarray",
        ])
        .succeeds();
    workplace
        .run(&[
            "decode",
            "run",
            "codes.npy",
            "--out",
            "bytes.npy",
            "--bytes",
            "--backend",
            "ndarray",
        ])
        .succeeds();
    let (header, bytes) = array(workplace.path("bytes.npy"));
    assert!(header.contains("'|u1'"), "{header}");
    assert_eq!(
        bytes[..784],
        floats(&images)[..784]
            .iter()
            .map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8)
            .collect::<Vec<_>>()
    );
    assert_eq!(
        fs::read_dir(workplace.path("pictures"))
            .expect("pictures")
            .count(),
        1000
    );
    // They are images that the program reads: encoded again by --data.
    workplace
        .run(&[
            "encode",
            "run",
            "pictures",
            "--out",
            "again.csv",
            "--backend",
            "ndarray",
        ])
        .succeeds();
    let table = fs::read_to_string(workplace.path("again.csv")).expect("a table");
    assert!(
        table.starts_with("id,z0,z1,z2,z3\n000000.png,"),
        "{}",
        &table[..60]
    );
}

#[test]
fn codes_that_are_not_the_models_are_refused_by_name() {
    let workplace = trained();
    let decode = |file: &str| {
        workplace.run(&[
            "decode",
            "run",
            file,
            "--out",
            "out.npy",
            "--backend",
            "ndarray",
        ])
    };
    workplace.write("narrow.csv", "id,z0,z1\na,1,2\n");
    decode("narrow.csv").fails(1, &["narrow.csv", "z0 to z3", "no z2"]);
    workplace.write("wide.csv", "z0,z1,z2,z3,z4\n1,2,3,4,5\n");
    decode("wide.csv").fails(1, &["wide.csv", "a code of 4 dimensions"]);
    workplace.write("nan.csv", "z0,z1,z2,z3\n1,2,3,4\n1,2,nan,4\n");
    decode("nan.csv").fails(1, &["nan.csv", "row 1, z2", "finite"]);
    workplace.write("text.npy", "not an array");
    decode("text.npy").fails(1, &["text.npy", ".npy header"]);
    workplace.write("text.parquet", "not a parquet file");
    decode("text.parquet").fails(1, &["text.parquet", "parquet"]);
    decode("missing.csv").fails(1, &["missing.csv"]);
    decode("codes.txt").fails(1, &["codes.txt", ".parquet"]);
    assert!(!workplace.path("out.npy").exists());

    workplace
        .run(&["encode", "run", "--out", "codes.txt"])
        .fails(2, &["codes.txt", ".csv"]);
    workplace.write("there.csv", "mine");
    workplace
        .run(&["encode", "run", "--out", "there.csv"])
        .fails(1, &["there.csv", "--force"]);
    assert_eq!(read(workplace.path("there.csv")), b"mine");
    workplace
        .run(&["decode", "run", "nan.csv", "--out", "pictures", "--bytes"])
        .fails(2, &["--bytes"]);
}

#[test]
fn compressed_images_are_restored_by_their_model_alone() {
    let workplace = trained();
    let compress = |bits: &str, more: &[&str]| {
        let out = format!("images-{bits}.hgz");
        let arguments = [
            "compress",
            "run",
            "--bits",
            bits,
            "--out",
            &out,
            "--backend",
            "ndarray",
            "--json",
        ];
        workplace
            .run(&[&arguments, more].concat())
            .succeeds()
            .json()
    };
    let decompress = |model: &str, file: &str, out: &str| {
        workplace.run(&[
            "decompress",
            model,
            file,
            "--out",
            out,
            "--backend",
            "ndarray",
        ])
    };
    // More bits, more bytes, and images that are nearer to those of the codes as they are.
    workplace
        .run(&[
            "encode",
            "run",
            "--out",
            "codes.npy",
            "--backend",
            "ndarray",
        ])
        .succeeds();
    workplace
        .run(&[
            "decode",
            "run",
            "codes.npy",
            "--out",
            "exact.npy",
            "--backend",
            "ndarray",
        ])
        .succeeds();
    let exact = floats(&array(workplace.path("exact.npy")).1);
    let (mut last_bytes, mut last_error) = (0, f64::INFINITY);
    for bits in ["2", "5", "10"] {
        let sizes = compress(bits, &[]);
        let bytes = sizes["bytes"].as_u64().expect("bytes");
        let file = format!("images-{bits}.hgz");
        assert_eq!(bytes, read(workplace.path(&file)).len() as u64);
        assert_eq!(
            (sizes["images"].as_u64(), sizes["code"].as_u64()),
            (Some(1000), Some(4))
        );
        decompress("run", &file, &format!("{bits}.npy")).succeeds();
        let restored = floats(&array(workplace.path(format!("{bits}.npy"))).1);
        let error: f64 = exact
            .iter()
            .zip(&restored)
            .map(|(a, b)| f64::from(a - b).powi(2))
            .sum();
        assert!(
            bytes > last_bytes && error < last_error,
            "{bits} bits: {bytes} bytes, {error}"
        );
        (last_bytes, last_error) = (bytes, error);
    }
    assert!(last_error < 1.0, "{last_error}");
    assert!(last_bytes < 4 * 1000 * 4 / 2, "{last_bytes}");
    compress("4", &["--steps", "common"]);
    decompress("run", "images-4.hgz", "pictures").succeeds();
    assert_eq!(
        fs::read_dir(workplace.path("pictures"))
            .expect("pictures")
            .count(),
        1000
    );

    workplace.train("other", &["--seed", "1"]).succeeds();
    decompress("other", "images-5.hgz", "none").fails(1, &["images-5.hgz", "made by this model"]);
    let whole = read(workplace.path("images-5.hgz"));
    let mut damaged = whole.clone();
    let middle = whole.len() - 100;
    damaged[middle] ^= 1;
    workplace.write("damaged.hgz", damaged);
    decompress("run", "damaged.hgz", "none").fails(1, &["damaged.hgz", "damaged", "CRC-32"]);
    workplace.write("cut.hgz", &whole[..middle]);
    decompress("run", "cut.hgz", "none").fails(1, &["cut.hgz", "the end of the file"]);
    workplace.write("picture.hgz", b"\x89PNG\r\n\x1a\n and more");
    decompress("run", "picture.hgz", "none").fails(1, &["picture.hgz", "hourglass compress"]);
    assert!(!workplace.path("none").exists());
}
