//! Files and folders that are not what they should be: each named, and skipped or refused as asked.

use hourglass_data::Skipped;
use image::{ImageFormat, RgbImage};

use crate::{Place, firsts, grey, skip};

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::new(32, 32).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG header that claims this size.
fn huge_png(side: u32) -> Vec<u8> {
    let mut bytes = encoded(ImageFormat::Png);
    bytes[16..20].copy_from_slice(&side.to_be_bytes());
    bytes[20..24].copy_from_slice(&side.to_be_bytes());
    let checksum = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// A JPEG header that claims this size.
fn huge_jpeg(side: u16) -> Vec<u8> {
    claiming_jpeg(side, side)
}

/// A JPEG of 32x32 pixels that claims another size.
fn claiming_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = encoded(ImageFormat::Jpeg);
    let frame = bytes
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    bytes[frame + 5..][..2].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..][..2].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// The checksum of PNG chunks.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn every_fault_is_named_and_skipped_or_refused() {
    let jpeg = encoded(ImageFormat::Jpeg);
    let png = encoded(ImageFormat::Png);
    let faults: [(&str, Vec<u8>, &str); 12] = [
        (
            "text.png",
            b"no image".to_vec(),
            "expected PNG or JPEG data, found text",
        ),
        (
            "empty.png",
            Vec::new(),
            "expected PNG or JPEG data, found an empty file",
        ),
        (
            "animation.png",
            b"GIF89a______".to_vec(),
            "expected PNG or JPEG data, found Gif data",
        ),
        (
            "bytes.jpg",
            vec![0, 1, 2],
            "found data that starts [00, 01, 02]",
        ),
        (
            "half.jpg",
            jpeg[..jpeg.len() / 2].to_vec(),
            "it can't be decoded",
        ),
        (
            "cut.jpg",
            jpeg[..jpeg.len() - 2].to_vec(),
            "found one that ends before its end marker",
        ),
        (
            "cut.png",
            png[..png.len() - 20].to_vec(),
            "it can't be decoded",
        ),
        (
            "huge.png",
            huge_png(30_000),
            "found 30000x30000 and 2700000000 bytes",
        ),
        // No machine has as much memory.
        (
            "vast.png",
            huge_png(2_000_000_000),
            "expected at most 268435456 bytes in the file and in its pixels, found more",
        ),
        (
            "huge.jpg",
            huge_jpeg(30_000),
            "found 30000x30000 and 2700000000 bytes",
        ),
        (
            "claiming.jpg",
            claiming_jpeg(16_000, 5500),
            "found data for less than the 16000x5500 pixels that it claims",
        ),
        (
            "short.jpg",
            claiming_jpeg(48, 32),
            "found data for less than the 48x32 pixels that it claims",
        ),
    ];
    for (name, bytes, reason) in faults {
        let place = Place::with_images(&["0.png", "z.png"]);
        place.write(name, &bytes);
        let error = place.refusal();
        let path = place.path(name);
        assert!(
            error.starts_with(&format!("{}: ", path.display())) && error.contains(reason),
            "{error}"
        );
        assert!(error.contains("hint: "), "{error}");
        let splits = place.open_skipping();
        assert_eq!(firsts(splits.train()), [0, 1]);
        let [
            Skipped {
                path,
                reason: said,
                unreadable: false,
            },
        ] = splits.report().skipped.as_slice()
        else {
            panic!("{:?}", splits.report());
        };
        assert!(path == name && said.contains(reason), "{path}: {said}");
        // What was kept while skipping does not hide the fault from who wants to stop.
        assert_eq!(place.refusal(), error);
    }
}

#[test]
fn sides_and_bytes_have_limits() {
    let place = Place::new();
    // 16,384 pixels on a side are allowed, but not their 768 MiB.
    place.write("1.png", &huge_png(16_384));
    assert!(
        place
            .refusal()
            .contains("found 16384x16384 and 805306368 bytes")
    );
    place.image("1.png", &grey(16_384, 1, 0));
    assert_eq!(place.open().train().shape().width, 16_384);
    place.image("1.png", &grey(16_385, 1, 0));
    assert!(place.refusal().contains("found 16385x1 and 16385 bytes"));
}

#[test]
fn nothing_usable_is_an_error() {
    let place = Place::new();
    place.write("a.png", b"no image");
    place.write("b.png", b"");
    let error = place.refusal_of("", &skip());
    assert!(
        error.contains(
            "found 2 files that can't be used\n  a.png: expected PNG or JPEG data, found text"
        ),
        "{error}"
    );
    let place = Place::with_images(&["train/1.png"]);
    place.write("test/1.png", b"no image");
    assert!(
        place
            .refusal_of("", &skip())
            .contains("found 1 files that can't be used")
    );
    assert!(place.caches().is_empty());
}

#[test]
fn a_folder_without_images_says_what_was_expected() {
    let place = Place::new();
    assert!(
        place
            .refusal()
            .contains("or PNG or JPEG images (.png, .jpg, .jpeg), found no such file in it")
    );
    place.write("a.txt", b"text");
    place.write("b/c.gif", b"GIF");
    assert!(place.refusal().contains("found 2 files of other kinds"));
}

#[test]
fn mixed_sizes_are_all_brought_to_one() {
    let place = Place::with_images(&["1.png"]);
    place.image("2.png", &grey(100, 1, 50));
    place.image("3.png", &grey(1, 100, 60));
    let splits = place.open();
    assert_eq!(firsts(splits.train()), [0, 50, 60]);
    assert_eq!(splits.train().image(2), [60; 6]);
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_or_to_nothing_are_named() {
    use std::os::unix::fs::symlink;
    let place = Place::with_images(&["a/1.png"]);
    symlink(place.user.path(), place.path("a/loop")).unwrap();
    symlink("nowhere", place.path("a/.#lock")).unwrap();
    let error = place.refusal();
    assert!(error.contains("a/loop: the link leads back to"), "{error}");
    symlink("nowhere", place.path("a/gone.png")).unwrap();
    place.write("a/2.png", b"no image");
    let splits = place.open_skipping();
    assert_eq!(firsts(splits.train()), [0]);
    let skipped: Vec<_> = splits
        .report()
        .skipped
        .iter()
        .map(|file| (file.path.as_str(), file.reason.as_str()))
        .collect();
    let [("a/2.png", _), ("a/gone.png", gone), ("a/loop", _)] = skipped.as_slice() else {
        panic!("{skipped:?}");
    };
    assert!(gone.starts_with("it can't be read: "), "{gone}");
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_refuse_to_be_read_are_named() {
    let place = Place::with_images(&["1.png"]);
    // Its first bytes are mapped in no process.
    std::os::unix::fs::symlink("/proc/self/mem", place.path("2.png")).unwrap();
    assert!(place.refusal().contains("2.png: it can't be read: "));
    let splits = place.open_skipping();
    assert!(splits.report().skipped[0].unreadable);
}

#[cfg(unix)]
#[test]
fn files_that_become_readable_are_read() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_images(&["1.png", "2.png"]);
    let set_mode = |mode| {
        fs_err::set_permissions(place.path("2.png"), std::fs::Permissions::from_mode(mode))
            .unwrap();
    };
    set_mode(0o000);
    if std::fs::File::open(place.path("2.png")).is_ok() {
        // Nothing is refused to root: nothing to see.
        return;
    }
    assert!(
        place
            .refusal()
            .contains("2.png: it can't be read: Permission denied")
    );
    assert_eq!(firsts(place.open_skipping().train()), [0]);
    assert_eq!(firsts(place.open_skipping().train()), [0]);
    set_mode(0o644);
    assert_eq!(firsts(place.open_skipping().train()), [0, 1]);
}
