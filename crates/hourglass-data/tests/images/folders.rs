//! Which files are images, in which order, and what their folders mean.

use hourglass_data::Shape;
use proptest::prelude::*;

use crate::{Place, firsts, grey, ids};

#[test]
fn every_image_at_any_depth_in_the_order_of_paths() {
    let place = Place::with_images(&[
        "b/x.PNG",
        "b/deep/er/z.png",
        "a-b/1.png",
        "a/2.png",
        "ä/é ü.png",
    ]);
    place.write("notes.txt", b"no image");
    place.write("a/table.csv", b"no image");
    place.write(".hidden.png", b"passed over");
    place.write(".git/x.png", b"passed over");
    let splits = place.open();
    let train = splits.train();
    // `-` is a smaller byte than `/`.
    assert_eq!(
        ids(train),
        [
            "a-b/1.png",
            "a/2.png",
            "b/deep/er/z.png",
            "b/x.PNG",
            "ä/é ü.png"
        ]
    );
    assert_eq!(firsts(train), [2, 3, 1, 0, 4]);
    assert_eq!(train.shape(), Shape::new(1, 2, 3));
    assert_eq!(train.image(0), [2; 6]);
    assert_eq!((train.id(5), train.id(usize::MAX)), (None, None));
    assert!(!splits.has_test());
    let report = splits.report();
    assert_eq!((report.ignored, report.skipped.len()), (2, 0));
    assert!(report.notes.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_order_of_writing_shows(names in proptest::collection::hash_set("[a-c./é -]{1,4}", 1..6)) {
        let place = Place::new();
        let mut paths = Vec::new();
        for name in names {
            // Only names that are paths below the folder, and not hidden.
            if name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
                continue;
            }
            let path = format!("{name}/i.png");
            if !paths.contains(&path) {
                place.image(&path, &grey(1, 1, 0));
                paths.push(path);
            }
        }
        prop_assume!(!paths.is_empty());
        paths.sort_by(|left, right| left.as_bytes().cmp(right.as_bytes()));
        let splits = place.open();
        prop_assert_eq!(ids(splits.train()), paths);
    }
}

#[test]
fn subfolders_are_labels() {
    let place = Place::with_images(&["dog/1.png", "cat/deep/2.png", "cat/3.png", "Zebra/4.png"]);
    place.write("empty/readme.txt", b"a folder without images is no label");
    let splits = place.open();
    let train = splits.train();
    assert_eq!(train.label_names().unwrap(), ["Zebra", "cat", "dog"]);
    assert_eq!(train.labels().unwrap(), [0, 1, 1, 2]);
    assert_eq!(firsts(train), [3, 2, 1, 0]);
}

#[test]
fn images_beside_the_folders_leave_no_labels() {
    let place = Place::with_images(&["cat/1.png", "2.png"]);
    let splits = place.open();
    assert_eq!(splits.train().labels(), None);
    assert_eq!(splits.train().label_names(), None);
    assert_eq!(
        splits.report().notes,
        ["no labels: 1 images lie beside the 1 folders"]
    );
}

#[test]
fn more_labels_than_a_byte_holds_are_none() {
    let place = Place::new();
    for folder in 0..256 {
        place.image(format!("{folder:03}/i.png"), &grey(1, 1, 0));
    }
    let splits = place.open();
    assert_eq!(splits.train().label(255), Some(255));
    place.image("256/i.png", &grey(1, 1, 0));
    let splits = place.open();
    assert_eq!((splits.train().len(), splits.train().labels()), (257, None));
    assert_eq!(
        splits.report().notes,
        ["no labels: 257 folders are more than 256"]
    );
}

#[test]
fn train_and_test_are_splits_with_one_set_of_labels() {
    let place = Place::with_images(&[
        "Train/dog/1.png",
        "Train/cat/2.png",
        "testing/dog/3.png",
        "testing/ant/4.png",
    ]);
    let splits = place.open();
    let (train, test) = (splits.train(), splits.test().unwrap());
    assert_eq!(ids(train), ["Train/cat/2.png", "Train/dog/1.png"]);
    assert_eq!(ids(test), ["testing/ant/4.png", "testing/dog/3.png"]);
    assert_eq!(train.label_names().unwrap(), ["ant", "cat", "dog"]);
    assert_eq!(test.label_names(), train.label_names());
    assert_eq!(train.labels().unwrap(), [1, 2]);
    assert_eq!(test.labels().unwrap(), [0, 2]);
    assert_eq!((firsts(train), firsts(test)), (vec![1, 0], vec![3, 2]));
}

#[test]
fn validation_stands_in_for_test_and_is_left_out_beside_it() {
    let place = Place::with_images(&["train/1.png", "val/2.png"]);
    let splits = place.open();
    assert_eq!(ids(splits.test().unwrap()), ["val/2.png"]);
    assert_eq!(splits.train().labels(), None);
    assert!(splits.report().notes.is_empty());

    place.image("test/3.png", &grey(3, 2, 9));
    let splits = place.open();
    assert_eq!(ids(splits.test().unwrap()), ["test/3.png"]);
    assert!(splits.report().notes[0].starts_with("the folder of validation images is left out"));
}

#[test]
fn the_first_training_image_gives_the_shape() {
    let place = Place::with_images(&["train/1.png"]);
    place.image("test/0.png", &grey(4, 4, 9));
    let splits = place.open();
    assert_eq!(splits.train().shape(), Shape::new(1, 2, 3));
    assert_eq!(splits.test().unwrap().image(0), [9; 6]);
}

#[test]
fn splits_are_not_mixed_with_other_images() {
    for (other, found) in [
        ("extra/1.png", "found also the folder extra"),
        ("1.png", "found also 1 images"),
        ("training/1.png", "found also the folder training"),
    ] {
        let place = Place::with_images(&["train/1.png", "test/1.png", other]);
        let error = place.refusal();
        assert!(error.contains(found), "{error}");
        assert!(error.starts_with(place.user.path().to_str().unwrap()));
    }
    // Without `train` a folder `test` is a label like others.
    let place = Place::with_images(&["test/1.png", "other/1.png"]);
    assert_eq!(
        place.open().train().label_names().unwrap(),
        ["other", "test"]
    );
}

#[test]
fn one_image_is_a_dataset() {
    let place = Place::with_images(&["some/picture.png"]);
    let splits = place
        .open_as("some/picture.png", &Default::default())
        .unwrap();
    let train = splits.train();
    assert_eq!(ids(train), ["picture.png"]);
    assert_eq!((train.shape(), train.labels()), (Shape::new(1, 2, 3), None));
    assert_eq!(train.image(0), [0; 6]);
}

#[cfg(unix)]
#[test]
fn links_are_followed() {
    let place = Place::with_images(&["a/1.png"]);
    let elsewhere = Place::with_images(&["2.png", "deep/3.png"]);
    std::os::unix::fs::symlink(elsewhere.user.path(), place.path("b")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path("2.png"), place.path("a/link.png")).unwrap();
    assert_eq!(
        ids(place.open().train()),
        ["a/1.png", "a/link.png", "b/2.png", "b/deep/3.png"]
    );
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf_8_stay_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let place = Place::new();
    for (value, name) in [b"caf\xe8.png", b"caf\xe9.png"].into_iter().enumerate() {
        let name = OsStr::from_bytes(name);
        let mut bytes = std::io::Cursor::new(Vec::new());
        grey(1, 1, value as u8)
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        place.write(name, bytes.get_ref());
    }
    let splits = place.open();
    assert_eq!(ids(splits.train()), ["caf\\xE8.png", "caf\\xE9.png"]);
    assert_eq!(firsts(splits.train()), [0, 1]);
}
