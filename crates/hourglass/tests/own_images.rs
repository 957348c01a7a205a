//! Images of the user's own on the command line.

mod support;

use std::fs;

use image::{GrayImage, Luma, Rgb, RgbImage};
use support::{Workplace, read};

/// A folder of 24 images in colour, 12 x 10, beside a file that is damaged and one that is no image.
fn photographs(workplace: &Workplace) {
    fs::create_dir_all(workplace.path("photographs")).expect("a directory");
    for index in 0..24_u8 {
        let image = RgbImage::from_fn(12, 10, |x, y| {
            Rgb([index * 10, (x * 20) as u8, (y * 25) as u8])
        });
        let path = workplace.path(format!("photographs/{index:02}.png"));
        image.save(path).expect("written");
    }
    workplace.write("photographs/notes.txt", "none");
}

#[test]
fn a_folder_is_trained_on_in_the_shape_asked_for_and_resumed() {
    let workplace = Workplace::new();
    photographs(&workplace);
    let brief = ["--data", "photographs", "--set", "training.steps=3"];
    let small = [&brief[..], &["--shape", "3x6x6"]].concat();
    let ran = workplace.train("run", &small).succeeds();
    let told = [
        "photographs: passed over 1 file of other kinds",
        "the data as they were read are kept in",
    ];
    assert!(
        told.iter().all(|told| ran.stderr.contains(told)),
        "{ran:#?}"
    );
    let recipe = String::from_utf8(read(workplace.path("run/config.toml"))).expect("text");
    assert!(recipe.contains("shape = [3, 6, 6]"), "{recipe}");
    assert!(recipe.contains("on_error = \"stop\""), "{recipe}");

    // The shape is the run's: it need not be said again, and no other can be.
    let resume = ["train", "--resume", "--out", "run"];
    workplace.run(&resume).succeeds();
    workplace
        .run(&[&resume[..], &["--shape", "3x5x5"]].concat())
        .fails(1, &["expected the settings that the run began with"]);

    // A model decides the shape: of these images, and of grey ones of another size.
    let evaluate = [
        "evaluate",
        "run",
        "--measures",
        "reconstruction",
        "--split",
        "train",
    ];
    workplace.run(&evaluate).succeeds();
    GrayImage::from_pixel(7, 9, Luma([40]))
        .save(workplace.path("one.png"))
        .expect("written");
    let one = [&evaluate[..], &["--data", "one.png"]].concat();
    workplace.run(&one).succeeds();
    workplace.run(&[&one[..], &["--strict"]].concat()).fails(
        1,
        &["one.png", "expected 6x6 pixels of 8-bit RGB, found 7x9"],
    );
}

#[test]
fn damaged_files_stop_or_are_skipped_and_listed() {
    let workplace = Workplace::new();
    photographs(&workplace);
    workplace.write("photographs/x.png", "not an image");
    let brief = ["--data", "photographs", "--set", "training.steps=3"];
    workplace
        .train("run", &brief)
        .fails(1, &["x.png", "--on-error skip"]);
    let skipping = [&brief[..], &["--on-error", "skip"]].concat();
    let ran = workplace.train("run", &skipping).succeeds();
    assert!(ran.stderr.contains("skipped 1 file\n  x.png: "), "{ran:#?}");
    // What was skipped for the training is skipped when it is measured.
    let evaluate = [
        "evaluate",
        "run",
        "--measures",
        "reconstruction",
        "--split",
        "train",
    ];
    workplace.run(&evaluate).succeeds();

    let info = ["data", "info", "photographs", "--json"];
    workplace.run(&info).fails(1, &["x.png"]);
    let info = [&info[..], &["--on-error", "skip", "--shape", "8x8"]].concat();
    let report = workplace.run(&info).succeeds().json();
    assert_eq!(report["train"]["images"], 24);
    assert_eq!(report["train"]["shape"], "1x8x8");
    assert_eq!(report["skipped"][0]["path"], "x.png");
    workplace
        .run(&["data", "info", "photographs", "--shape", "8"])
        .fails(2, &["CHANNELSxHEIGHTxWIDTH"]);
}
