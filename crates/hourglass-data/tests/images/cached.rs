//! What is kept: read once, made again when anything changed, never half there.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use hourglass_data::{DataOptions, open, open_with};

use crate::{Place, firsts, grey, ids, skip, wanting};

fn set_modified(path: &Path, time: SystemTime) {
    let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    file.file().set_modified(time).unwrap();
}

#[test]
fn the_second_opening_reads_no_image() {
    let place = Place::with_images(&["a/1.png", "b/2.png"]);
    let path = place.path("a/1.png");
    let first = place.open();
    let cache = first.report().cache.clone().unwrap();
    assert!(cache.starts_with(place.data.path().join("images")));
    let sha256 = hourglass_data::Dataset::from_memory(
        "",
        first.train().shape(),
        [[0; 6], [1; 6]].concat(),
        None,
    )
    .unwrap();
    assert_eq!(first.train().sha256(), sha256.sha256());

    let modified = path.metadata().unwrap().modified().unwrap();
    let bytes = path.metadata().unwrap().len() as usize;
    fs_err::write(&path, vec![b'x'; bytes]).unwrap();
    set_modified(&path, modified);
    let mut calls = 0;
    let name = place.user.path().to_str().unwrap();
    let second = open_with(
        name,
        &place.locations(),
        &DataOptions::default(),
        &mut |_, _| calls += 1,
    )
    .unwrap();
    assert_eq!(calls, 0);
    assert_eq!(firsts(second.train()), [0, 1]);
    assert_eq!(second.train().sha256(), first.train().sha256());
    assert_eq!(second.train().labels(), first.train().labels());
    assert_eq!(second.train().label_names(), first.train().label_names());
    assert_eq!(ids(second.train()), ids(first.train()));
    assert_eq!(second.report(), first.report());

    // Its size tells that the file is another, and so does its time.
    fs_err::write(&path, vec![b'x'; bytes + 1]).unwrap();
    set_modified(&path, modified);
    assert!(
        place
            .refusal()
            .contains("1.png: expected PNG or JPEG data, found text")
    );
    fs_err::write(&path, vec![b'x'; bytes]).unwrap();
    set_modified(&path, modified + Duration::from_nanos(1000));
    assert!(
        place
            .refusal()
            .contains("1.png: expected PNG or JPEG data, found text")
    );
}

#[test]
fn every_change_is_seen_and_the_old_cache_goes() {
    let place = Place::with_images(&["1.png", "2.png"]);
    place.open();
    let later = SystemTime::now() + Duration::from_secs(1);
    place.image("1.png", &grey(3, 2, 77));
    set_modified(&place.path("1.png"), later);
    assert_eq!(firsts(place.open().train()), [77, 1]);
    place.image("3.png", &grey(3, 2, 88));
    assert_eq!(firsts(place.open().train()), [77, 1, 88]);
    fs_err::remove_file(place.path("2.png")).unwrap();
    assert_eq!(firsts(place.open().train()), [77, 88]);
    fs_err::rename(place.path("1.png"), place.path("4.png")).unwrap();
    assert_eq!(firsts(place.open().train()), [88, 77]);
    assert_eq!(place.caches().len(), 1);

    // Another wish is kept beside it.
    place.open_as("", &wanting(1, 1, 1)).unwrap();
    place.open();
    assert_eq!(place.caches().len(), 2);
}

#[test]
fn a_damaged_cache_is_made_again() {
    let place = Place::with_images(&["a/1.png", "b/2.png"]);
    for part in [
        "train.pixels",
        "train.labels",
        "train.ids",
        "about.json",
        "train.pixels.sha256",
    ] {
        let path = place.open().report().cache.clone().unwrap().join(part);
        // As long as before, so that only the stamp tells.
        let bytes = fs_err::read(&path).unwrap();
        fs_err::write(&path, bytes.iter().map(|byte| !byte).collect::<Vec<_>>()).unwrap();
        let splits = place.open();
        assert_eq!(firsts(splits.train()), [0, 1], "{part}");
        assert_eq!(splits.train().labels().unwrap(), [0, 1], "{part}");
        assert_eq!(ids(splits.train()), ["a/1.png", "b/2.png"], "{part}");
    }
    assert_eq!(place.caches().len(), 1);
}

#[test]
fn what_stops_leaves_nothing_and_what_was_left_is_cleared() {
    let place = Place::with_images(&["1.png"]);
    place.write("2.png", b"no image");
    place.refusal();
    assert!(place.caches().is_empty());

    let cache = place.open_skipping().report().cache.clone().unwrap();
    let name = cache.file_name().unwrap().to_str().unwrap();
    let killed = format!(".writing-{}-killed", name.split_once('-').unwrap().0);
    let killed = cache.with_file_name(killed);
    fs_err::create_dir(&killed).unwrap();
    fs_err::write(killed.join("train.pixels"), b"part").unwrap();
    place.image("3.png", &grey(3, 2, 3));
    place.open_skipping();
    assert!(!killed.exists());
}

#[test]
fn progress_counts_the_images_of_all_splits() {
    let paths: Vec<String> = (0..600).map(|image| format!("train/{image}.png")).collect();
    let mut paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    paths.extend(["test/1.png", "test/2.png"]);
    let place = Place::with_images(&paths);
    place.write("train/0.png", b"no image, but done as well");
    let mut calls = Vec::new();
    let name = place.user.path().to_str().unwrap();
    open_with(
        name,
        &place.locations(),
        &skip().into(),
        &mut |done, total| calls.push((done, total)),
    )
    .unwrap();
    assert_eq!((calls[0], calls[calls.len() - 1]), ((0, 602), (602, 602)));
    assert!(calls.is_sorted() && calls.len() > 3, "{calls:?}");
}

#[test]
fn openings_at_once_scan_once() {
    let paths: Vec<String> = (0..200).map(|image| format!("{image}.png")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let place = Place::with_images(&paths);
    let scans = AtomicUsize::new(0);
    let open = || {
        let name = place.user.path().to_str().unwrap();
        let mut progress = |done, _| {
            scans.fetch_add(usize::from(done == 0), Ordering::Relaxed);
        };
        let options = DataOptions::default();
        open_with(name, &place.locations(), &options, &mut progress).unwrap()
    };
    let sums: Vec<String> = std::thread::scope(|scope| {
        let opening = || scope.spawn(|| open().train().sha256().to_owned());
        let threads = [opening(), opening(), opening(), opening()];
        threads.map(|thread| thread.join().unwrap()).into()
    });
    assert!(sums.iter().all(|sum| *sum == sums[0]));
    assert_eq!((scans.into_inner(), place.caches().len()), (1, 1));
}

#[test]
fn without_a_data_directory_there_is_a_hint() {
    let place = Place::with_images(&["1.png"]);
    let name = place.user.path().to_str().unwrap();
    let error = open(name, &Default::default()).unwrap_err().to_string();
    assert!(error.contains("--data-dir or HOURGLASS_DATA"), "{error}");
}
