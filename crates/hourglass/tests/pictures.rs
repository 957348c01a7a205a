//! `sample`, `interpolate` and `traverse`.

mod support;

use std::io::Cursor;

use image::AnimationDecoder;
use image::codecs::gif::GifDecoder;
use support::{Workplace, read};

fn size(workplace: &Workplace, name: &str) -> (u32, u32) {
    let picture = image::open(workplace.path(name)).expect("a picture");
    (picture.width(), picture.height())
}

fn frames(workplace: &Workplace, name: &str) -> usize {
    let gif = GifDecoder::new(Cursor::new(read(workplace.path(name)))).expect("a GIF");
    gif.into_frames().collect_frames().expect("frames").len()
}

/// The length of a row of `count` images of 28 pixels at a scale.
fn row(count: u32, scale: u32) -> u32 {
    count * (28 + 2) * scale + 2 * scale
}

#[test]
fn every_family_is_drawn_from() {
    let workplace = Workplace::new();
    let sample = [
        "sample",
        "conv",
        "--data",
        "mnist-mini",
        "--limit",
        "1000",
        "--components",
        "4",
        "--backend",
        "flex",
    ];
    let eight = ["--count", "8", "--columns", "4", "--scale", "1"];
    let draw = |more: &[&str]| workplace.run(&[&sample[..], &eight, more].concat());
    let told = draw(&["--out", "a.png"]).succeeds().stderr;
    assert!(
        told.contains("4 components fitted to the codes of 1000 images"),
        "{told}"
    );
    assert_eq!(size(&workplace, "a.png"), (row(4, 1), row(2, 1)));
    draw(&["--out", "b.png"]).succeeds();
    draw(&["--out", "c.png", "--seed", "1"]).succeeds();
    let [a, b, c] = ["a.png", "b.png", "c.png"].map(|name| read(workplace.path(name)));
    assert!(a == b && a != c);
    draw(&["--out", "a.gif"]).succeeds();
    assert_eq!(frames(&workplace, "a.gif"), 8);
    draw(&["--out", "a.bmp"]).fails(2, &["--out", ".png or .gif"]);
    draw(&["--out", "d.png", "--components", "2000"]).fails(2, &["--components"]);

    // Codes of more dimensions than covariances are fitted to, which are made sparse again.
    let sparse = [
        "sample",
        "sparse",
        "--data",
        "mnist-mini",
        "--limit",
        "300",
        "--components",
        "2",
        "--out",
        "sparse.png",
    ];
    let told = workplace
        .run(&[&sparse[..], &eight].concat())
        .succeeds()
        .stderr;
    assert!(told.contains("64 principal components"), "{told}");
    // A mixture in place of the prior.
    let prior = ["sample", "variational", "--out", "prior.png"];
    workplace.run(&[&prior[..], &eight].concat()).succeeds();
    let mixture = [
        "sample",
        "variational",
        "--components",
        "3",
        "--data",
        "mnist-mini",
        "--out",
        "mixture.png",
    ];
    workplace.run(&[&mixture[..], &eight].concat()).succeeds();
    assert!(read(workplace.path("prior.png")) != read(workplace.path("mixture.png")));
}

#[test]
fn images_are_gone_between() {
    let workplace = Workplace::new();
    let go = |more: &[&str]| {
        let interpolate = [
            "interpolate",
            "variational",
            "--data",
            "mnist-mini",
            "--scale",
            "1",
            "--steps",
            "5",
        ];
        workplace.run(&[&interpolate[..], more].concat())
    };
    go(&["test:0", "test:1", "--out", "way.png"]).succeeds();
    assert_eq!(size(&workplace, "way.png"), (row(7, 1), row(1, 1)));
    // The ends are the images themselves, and beside them their reconstructions.
    let picture = image::open(workplace.path("way.png"))
        .expect("a picture")
        .into_luma8();
    let images = hourglass_data::open("mnist-mini", &hourglass_data::Locations::from_env(None))
        .expect("embedded");
    let test = images.test().expect("test images");
    for (column, index) in [(0, 0), (6, 1)] {
        let image = image::imageops::crop_imm(&picture, 2 + column * 30, 2, 28, 28).to_image();
        assert_eq!(image.into_raw(), test.image(index));
    }
    go(&[
        "test:0",
        "test:1",
        "--path",
        "spherical",
        "--out",
        "round.png",
    ])
    .succeeds();
    assert!(read(workplace.path("way.png")) != read(workplace.path("round.png")));
    go(&["test:0", "test:1", "--out", "way.gif"]).succeeds();
    assert_eq!(frames(&workplace, "way.gif"), 8, "five there, three back");
    // A file, in place of a number.
    picture.save(workplace.path("own.png")).expect("written");
    go(&["own.png", "train:4999", "--out", "own-way.png"]).succeeds();
    go(&["test:1000", "test:1", "--out", "none.png"]).fails(1, &["test:1000", "below 1000"]);
    go(&["nothing.png", "test:1", "--out", "none.png"]).fails(1, &["nothing.png", "test:NUMBER"]);
}

#[test]
fn dimensions_are_changed_one_at_a_time() {
    let workplace = Workplace::new();
    let walk = |more: &[&str]| {
        workplace.run(&[&["traverse", "variational", "--scale", "1"], more].concat())
    };
    walk(&["--out", "all.png"]).succeeds();
    assert_eq!(size(&workplace, "all.png"), (row(11, 1), row(20, 1)));
    let two = [
        "--dimensions",
        "3,0",
        "--steps",
        "5",
        "--image",
        "test:7",
        "--data",
        "mnist-mini",
    ];
    walk(&[&two[..], &["--out", "two.png"]].concat()).succeeds();
    assert_eq!(size(&workplace, "two.png"), (row(5, 1), row(2, 1)));
    walk(&[&two[..], &["--out", "two.gif"]].concat()).succeeds();
    assert_eq!(frames(&workplace, "two.gif"), 8);
    walk(&["--dimensions", "20", "--out", "none.png"]).fails(2, &["--dimensions", "below 20"]);
    let conv = [
        "traverse",
        "conv",
        "--data",
        "mnist-mini",
        "--steps",
        "3",
        "--scale",
        "1",
        "--out",
        "conv.png",
    ];
    let told = workplace.run(&conv).succeeds().stderr;
    assert!(told.contains("dimensions "), "{told}");
    assert_eq!(size(&workplace, "conv.png"), (row(3, 1), row(20, 1)));
}
