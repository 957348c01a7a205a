//! `reconstruct`, `denoise` and `inpaint` on the published models and on images of the user's own.

mod support;

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;
use support::{Workplace, read};

const BRIEF: [&str; 4] = ["--limit", "20", "--backend", "flex"];

fn number(report: &Value, path: &str) -> f64 {
    let found = report.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no {path} in {report:#}"))
}

fn grey(path: impl AsRef<Path>) -> Vec<u8> {
    let image =
        image::open(path.as_ref()).unwrap_or_else(|error| panic!("{:?}: {error}", path.as_ref()));
    image.into_luma8().into_raw()
}

#[test]
fn images_are_reconstructed_into_files_and_a_grid() {
    let workplace = Workplace::new();
    let reconstruct = [
        "reconstruct",
        "conv",
        "mnist-mini",
        "--out",
        "made",
        "--json",
    ];
    let report = workplace
        .run(&[&reconstruct[..], &BRIEF].concat())
        .succeeds()
        .json();
    assert_eq!(report["images"], 20);
    let error = number(&report, "/errors/model/squared_error/value");
    assert!((1.0..10.0).contains(&error), "{error}");
    assert_eq!(grey(workplace.path("made/images/000019.png")).len(), 784);
    assert!(!workplace.path("made/images/000020.png").exists());
    // 16 columns of 2 x 28 pixels and the gaps between: two blocks of images above their reconstructions.
    let grid = image::open(workplace.path("made/grid.png")).expect("a picture");
    assert_eq!(
        (grid.width(), grid.height()),
        (16 * 60 + 4, 4 * 60 + 4 + 12)
    );

    // The same numbers as those of `evaluate`.
    let evaluate = [
        "evaluate",
        "conv",
        "--data",
        "mnist-mini",
        "--measures",
        "reconstruction",
    ];
    let evaluated = workplace.run(&[&evaluate[..], &["--json", "--backend", "flex"]].concat());
    let all = [
        "reconstruct",
        "conv",
        "mnist-mini",
        "--out",
        "all",
        "--grid-only",
        "--json",
        "--backend",
        "flex",
    ];
    let report = workplace.run(&all).succeeds().json();
    let evaluated = evaluated.succeeds().json();
    for (ours, theirs) in [
        (
            "/errors/model/squared_error/value",
            "/reconstruction/model/squared_error/value",
        ),
        (
            "/errors/model/psnr/value",
            "/reconstruction/model/psnr_decibels/value",
        ),
    ] {
        let (ours, theirs) = (number(&report, ours), number(&evaluated, theirs));
        assert!((ours - theirs).abs() < 1e-6 * theirs, "{ours} {theirs}");
    }
    assert!(!workplace.path("all/images").exists());

    workplace
        .run(&[&reconstruct[..], &BRIEF].concat())
        .fails(1, &["made", "not empty", "--force"]);
    let forced = [&reconstruct[..], &BRIEF, &["--force"]].concat();
    workplace.run(&forced).succeeds();
    let temporary = workplace
        .listing()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "tmp"));
    assert_eq!(temporary.count(), 0);
}

#[test]
fn own_images_keep_their_names_and_become_the_models_shape() {
    let workplace = Workplace::new();
    fs::create_dir_all(workplace.path("own/deep")).expect("a directory");
    let colour = RgbImage::from_fn(40, 30, |x, y| Rgb([x as u8 * 6, y as u8 * 8, 90]));
    colour
        .save(workplace.path("own/deep/a.jpg"))
        .expect("written");
    GrayImage::from_pixel(28, 28, Luma([7]))
        .save(workplace.path("own/a.PNG"))
        .expect("written");
    workplace
        .run(&["reconstruct", "conv", "own", "--out", "made"])
        .succeeds();
    for file in ["images/a.PNG", "images/deep/a.jpg.png"] {
        assert_eq!(grey(workplace.path("made").join(file)).len(), 784, "{file}");
    }
    workplace
        .run(&["reconstruct", "conv", "own", "--out", "strict", "--strict"])
        .fails(
            1,
            &["own/deep/a.jpg", "expected 28x28 pixels of 8-bit grey"],
        );
    assert!(!workplace.path("strict").exists());
    workplace
        .run(&["reconstruct", "conv", "--data", "own/a.PNG", "--out", "one"])
        .succeeds();
    assert_eq!(
        fs::read_dir(workplace.path("one/images"))
            .expect("a directory")
            .count(),
        1
    );
    workplace
        .run(&["reconstruct", "conv", "nowhere", "--out", "none"])
        .fails(1, &["nowhere"]);
    // Its own data is not on this machine.
    workplace
        .run(&["reconstruct", "conv", "--out", "none"])
        .fails(1, &["mnist", "data fetch", "mnist-mini"]);
    workplace
        .run(&[
            "reconstruct",
            "conv",
            "mnist-mini",
            "--split",
            "validation",
            "--out",
            "none",
        ])
        .fails(1, &["--split validation", "train or test"]);
}

#[test]
fn noise_is_removed() {
    let workplace = Workplace::new();
    let denoise = [
        "denoise",
        "denoising",
        "mnist-mini",
        "--json",
        "--backend",
        "flex",
        "--grid-only",
    ];
    let masked = [
        &denoise[..],
        &["--corrupt", "masking:0.3", "--out", "masked"],
    ]
    .concat();
    let report = workplace.run(&masked).succeeds().json();
    let [model, noisy] = ["model", "baseline"]
        .map(|what| number(&report, &format!("/errors/{what}/squared_error/value")));
    assert!(model < 7.0 && noisy > 20.0, "{model} {noisy}");
    // What is noisy already has no truth beside it.
    let report = workplace
        .run(&[&denoise[..], &["--out", "noisy"]].concat())
        .succeeds()
        .json();
    assert_eq!(report["errors"]["model"], Value::Null);
    for bad in ["masking", "masking:2", "fog:0.5", "gaussian:-1"] {
        workplace
            .run(&[&denoise[..], &["--corrupt", bad, "--out", "none"]].concat())
            .fails(2, &["--corrupt", "expected"]);
    }
}

#[test]
fn what_is_known_of_an_image_stays_and_the_rest_is_better_than_its_mean() {
    let workplace = Workplace::new();
    // The files of the images themselves: a model that changes nothing would write these.
    let masks = [
        ("variational", "half:bottom"),
        ("undercomplete", "rect:9,9,10,10"),
        ("conv", "random:0.5"),
    ];
    for (model, mask) in masks {
        let inpaint = [
            "inpaint",
            model,
            "mnist-mini",
            "--training",
            "mnist-mini",
            "--mask",
            mask,
            "--json",
            "--out",
            model,
        ];
        let report = workplace
            .run(&[&inpaint[..], &BRIEF].concat())
            .succeeds()
            .json();
        let [ours, mean] = ["model", "baseline"].map(|what| {
            number(
                &report,
                &format!("/errors/{what}/unknown_squared_error/value"),
            )
        });
        assert!(ours < 0.9 * mean, "{model} {mask}: {ours} {mean}");
    }
    let images = hourglass_data::open("mnist-mini", &hourglass_data::Locations::from_env(None))
        .expect("embedded");
    // Without the images that the model was trained on.
    let blind = [
        "inpaint",
        "conv",
        "mnist-mini",
        "--mask",
        "half:left",
        "--out",
        "blind",
        "--json",
    ];
    let ran = workplace.run(&[&blind[..], &BRIEF].concat()).succeeds();
    assert!(ran.stderr.contains("--training"), "{ran:#?}");
    assert_eq!(ran.json()["method"], "projection");
    let mut changed = 0;
    for index in 0..20 {
        let found = grey(workplace.path(format!("variational/images/{index:06}.png")));
        let image = images.test().expect("test images").image(index);
        assert_eq!(found[..392], image[..392], "the upper half of {index}");
        changed += usize::from(found[392..] != image[392..]);
    }
    assert_eq!(changed, 20);
}

#[test]
fn colours_are_filled_in_by_the_mask_of_an_image() {
    let workplace = Workplace::new();
    fs::create_dir_all(workplace.path("own")).expect("a directory");
    for index in 0..30_u8 {
        let image = RgbImage::from_fn(8, 8, |x, y| Rgb([index * 8, x as u8 * 30, y as u8 * 30]));
        image
            .save(workplace.path(format!("own/{index:02}.png")))
            .expect("written");
    }
    workplace
        .train("run", &["--data", "own", "--set", "training.steps=30"])
        .succeeds();
    let mask = GrayImage::from_fn(16, 16, |x, y| Luma([if x + y < 14 { 255 } else { 0 }]));
    mask.save(workplace.path("mask.png")).expect("written");
    let inpaint = [
        "inpaint", "run", "own", "--mask", "mask.png", "--out", "filled",
    ];
    let text = workplace.run(&inpaint).succeeds().stdout;
    assert!(
        text.contains("30 images of own") && text.contains("the mean of what is known"),
        "{text}"
    );
    let mut changed = 0;
    for index in 0..30 {
        let name = format!("{index:02}.png");
        let before = image::open(workplace.path("own").join(&name))
            .expect("an image")
            .into_rgb8();
        let after = image::open(workplace.path("filled/images").join(&name))
            .expect("an image")
            .into_rgb8();
        for (x, y, pixel) in before.enumerate_pixels() {
            // Half as large, the mask covers x + y < 7.
            if x + y > 7 {
                assert_eq!(pixel, after.get_pixel(x, y), "{name} at {x}, {y}");
            }
        }
        changed += usize::from(before != after);
    }
    assert_eq!(changed, 30);
    assert!(read(workplace.path("filled/grid.png")).starts_with(b"\x89PNG"));

    for (mask, code, part) in [
        ("rect:0,0,9,9", 1, "a rectangle"),
        ("rect:0,0,8,8", 1, "known and unknown"),
        ("circle:3", 2, "rect:X,Y,WIDTH,HEIGHT"),
    ] {
        workplace
            .run(&["inpaint", "run", "own", "--mask", mask, "--out", "none"])
            .fails(code, &[part]);
    }
    workplace
        .run(&[
            "inpaint",
            "run",
            "own",
            "--mask",
            "half:left",
            "--method",
            "gibbs",
            "--out",
            "none",
        ])
        .fails(2, &["--method", "projection or latent", "undercomplete"]);
}
