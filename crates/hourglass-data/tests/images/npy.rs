//! `.npy` files: those that NumPy wrote, and those that are damaged.

use hourglass_data::{ImageOptions, Shape};
use proptest::prelude::*;

use crate::{Place, strict, wanting};

/// An array as `numpy.save` lays it out.
fn npy(kind: &str, axes: &str, numbers: &[u8]) -> Vec<u8> {
    with_header(
        &format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {axes}, }}"),
        numbers,
    )
}

fn with_header(header: &str, numbers: &[u8]) -> Vec<u8> {
    let length = (header.len() as u16 + 1).to_le_bytes();
    [
        b"\x93NUMPY\x01\x00",
        &length[..],
        header.as_bytes(),
        b"\n",
        numbers,
    ]
    .concat()
}

fn refusal(bytes: &[u8]) -> String {
    let place = Place::new();
    place.write("a.npy", bytes);
    let error = place.refusal_of("a.npy", &ImageOptions::default());
    assert!(
        error.starts_with(place.path("a.npy").to_str().unwrap()),
        "{error}"
    );
    assert!(place.caches().is_empty());
    assert!(!error.contains("skipped"), "{error}");
    error
}

/// A file that `tests/data/make.py` wrote.
fn written_by_numpy(name: &str) -> hourglass_data::Splits {
    let place = Place::new();
    place.write(
        "a.npy",
        &fs_err::read(format!("tests/data/{name}")).unwrap(),
    );
    place.open_as("a.npy", &ImageOptions::default()).unwrap()
}

#[test]
fn bytes_are_mapped_where_they_lie_right() {
    for (name, shape) in [
        ("u1-nhw.npy", Shape::new(1, 2, 5)),
        ("u1-nchw.npy", Shape::new(3, 2, 5)),
    ] {
        let splits = written_by_numpy(name);
        let train = splits.train();
        assert_eq!((train.len(), train.shape()), (2, shape));
        let expected: Vec<u8> = (0..train.features() as u8).collect();
        assert_eq!(train.image(0), expected);
        assert_eq!(train.image(1)[0], train.features() as u8);
        assert_eq!((train.id(0), splits.report().cache.as_ref()), (None, None));
    }
}

#[test]
fn channels_behind_are_brought_before() {
    let splits = written_by_numpy("u1-nhwc.npy");
    assert_eq!(splits.train().shape(), Shape::new(3, 2, 5));
    let expected: Vec<u8> = (0..3)
        .flat_map(|channel| (0..10).map(move |pixel| 3 * pixel + channel))
        .collect();
    assert_eq!(splits.train().image(0), expected);
    assert!(splits.report().cache.is_some());
}

#[test]
fn floats_are_not_rounded_unasked() {
    for (name, kind) in [("f4-nhw.npy", "<f4"), ("f8-big-nhw.npy", ">f8")] {
        let error = refusal(&fs_err::read(format!("tests/data/{name}")).unwrap());
        let expected = format!("found floats ({kind}), which are not rounded unasked");
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains("astype(numpy.uint8)"), "{error}");
    }
}

/// A header that is parsed in a time that doubles with each bracket.
#[test]
fn deep_headers_are_refused_at_once() {
    let started = std::time::Instant::now();
    let error = refusal(&with_header(&"[".repeat(40), &[0; 4]));
    assert!(error.contains("expected a .npy header"), "{error}");
    assert!(started.elapsed().as_secs() < 5, "{error}");
}

#[test]
fn other_arrays_are_refused() {
    for (bytes, expected) in [
        (
            npy("<i8", "(1, 1, 1)", &[0; 8]),
            "found <i8; convert the array",
        ),
        (npy("|b1", "(1, 1, 1)", &[0]), "found |b1"),
        (npy("|u1", "(784,)", &[0; 784]), "found [784]"),
        (npy("|u1", "(1, 4, 4, 4)", &[0; 64]), "found [1, 4, 4, 4]"),
        (
            npy("|u1", "(0, 2, 2)", &[]),
            "at least 1 image, found [0, 2, 2]",
        ),
        (npy("|u1", "()", &[0]), "found []"),
        (
            npy("|u1", "(1, 3, 5, 3)", &[0; 45]),
            "found two in [1, 3, 5, 3]",
        ),
        (
            npy("|u1", "(1, 2, 2)", &[0; 3]),
            "the header says 4 bytes of numbers, found 3",
        ),
        (
            npy("|u1", "(1, 2, 2)", &[0; 5]),
            "the header says 4 bytes of numbers, found 5",
        ),
        (
            npy("|u1", "(9223372036854775807, 16384, 16384)", &[0; 5]),
            "bytes of numbers, found 5",
        ),
        (
            npy("|u1", "(1, 9223372036854775807, 4)", &[]),
            "sides of 1 to 16384",
        ),
        (
            with_header(
                "{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2, 2), }",
                &[0; 4],
            ),
            "found Fortran order",
        ),
        (
            with_header("not a header", &[0; 4]),
            "expected a .npy header, but it can't be read",
        ),
        (b"\x93NUMPY".to_vec(), "expected a .npy header"),
        (
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(),
            "expected a .npy header",
        ),
    ] {
        let error = refusal(&bytes);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_wanted_shape_is_given() {
    let place = Place::new();
    place.write(
        "u1.npy",
        &npy("|u1", "(1, 2, 4)", &[0, 70, 140, 210].repeat(2)),
    );
    place.write(
        "last.npy",
        &npy("|u1", "(1, 2, 4, 1)", &[0, 70, 140, 210].repeat(2)),
    );
    for name in ["u1.npy", "last.npy"] {
        let splits = place.open_as(name, &wanting(1, 1, 2)).unwrap();
        assert_eq!(splits.train().image(0), [50, 160], "{name}");
        let error = place.refusal_of(name, &strict(wanting(1, 1, 2)));
        assert!(
            error.contains("expected images of 1x1x2, found 1x2x4"),
            "{error}"
        );
        assert!(place.open_as(name, &strict(wanting(1, 2, 4))).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_panic(damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let place = Place::new();
        let mut bytes = npy("|u1", "(2, 2, 4)", &[0; 16]);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        place.write("a.npy", &bytes);
        let _ = place.open_as("a.npy", &ImageOptions::default());
    }
}
