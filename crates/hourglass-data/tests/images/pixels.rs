//! How pixels become those of the wanted shape, against values computed by hand.

use hourglass_data::Shape;
use image::{
    DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, RgbImage,
    Rgba, RgbaImage,
};

use crate::{Place, grey, strict, wanting};

/// A grey image of these rows.
fn rows<const WIDTH: usize>(rows: &[[u8; WIDTH]]) -> DynamicImage {
    GrayImage::from_raw(WIDTH as u32, rows.len() as u32, rows.concat())
        .unwrap()
        .into()
}

/// The pixels that an image file becomes.
fn pixels_of(image: &DynamicImage, options: &hourglass_data::ImageOptions) -> Vec<u8> {
    let place = Place::new();
    place.image("i.png", image);
    let splits = place.open_as("", options).unwrap();
    splits.train().image(0).to_vec()
}

#[test]
fn colours_lie_plane_by_plane() {
    let image = RgbImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6])
        .unwrap()
        .into();
    let place = Place::new();
    place.image("i.png", &image);
    let splits = place.open();
    assert_eq!(splits.train().shape(), Shape::new(3, 1, 2));
    assert_eq!(splits.train().image(0), [1, 4, 2, 5, 3, 6]);
}

#[test]
fn grey_is_rec_709_luma_and_becomes_three_planes() {
    let image = RgbImage::from_raw(4, 1, vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9]).unwrap();
    // 255 times 0.2126, 0.7152 and 0.0722.
    assert_eq!(
        pixels_of(&image.into(), &wanting(1, 1, 4)),
        [54, 182, 18, 9]
    );
    assert_eq!(
        pixels_of(&rows(&[[7, 8]]), &wanting(3, 1, 2)),
        [7, 8, 7, 8, 7, 8]
    );
}

#[test]
fn what_is_transparent_lies_over_white() {
    let image =
        RgbaImage::from_raw(3, 1, vec![9, 8, 7, 0, 9, 8, 7, 255, 100, 0, 255, 129]).unwrap();
    // 126 of white, and 129 / 255 of 100, 0 and 255: 176.6, 126, 255.
    assert_eq!(
        pixels_of(&image.into(), &Default::default()),
        [255, 9, 177, 255, 8, 126, 255, 7, 255]
    );
    let image = GrayAlphaImage::from_raw(2, 1, vec![9, 0, 100, 129]).unwrap();
    assert_eq!(pixels_of(&image.into(), &Default::default()), [255, 177]);
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    let image: ImageBuffer<Luma<u16>, _> =
        ImageBuffer::from_raw(4, 1, vec![0u16, 128, 129, 65535]).unwrap();
    // 128 / 257 is just below a half, 129 / 257 above.
    assert_eq!(
        pixels_of(&image.into(), &Default::default()),
        [0, 0, 1, 255]
    );
}

#[test]
fn sides_are_scaled_by_a_triangle() {
    // Two to one: weights 3, 3, 1 of the pixels at distances 1/2, 1/2 and 3/2.
    let image = rows(&[[0, 70, 140, 210]; 4]);
    assert_eq!(
        pixels_of(&image, &wanting(1, 4, 4)),
        [0, 70, 140, 210].repeat(4)
    );
    assert_eq!(pixels_of(&image, &wanting(1, 2, 2)), [50, 160, 50, 160]);
    // One to two: a quarter of the neighbour.
    let image = rows(&[[0, 100], [0, 100]]);
    assert_eq!(
        pixels_of(&image, &wanting(1, 4, 4)),
        [0, 25, 75, 100].repeat(4)
    );
}

#[test]
fn the_centre_is_cut_out() {
    let wide = rows(&[[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]);
    assert_eq!(pixels_of(&wide, &wanting(1, 2, 2)), [3, 4, 9, 10]);
    // An odd pixel stays on the right.
    let odd = rows(&[[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]);
    assert_eq!(pixels_of(&odd, &wanting(1, 2, 2)), [2, 3, 7, 8]);
    let high = rows(&[[1], [2], [3], [4], [5]]);
    assert_eq!(pixels_of(&high, &wanting(1, 1, 1)), [3]);
    let colours = RgbImage::from_fn(3, 1, |x, _| Rgb([x as u8, 10, 20])).into();
    assert_eq!(pixels_of(&colours, &wanting(3, 1, 1)), [1, 10, 20]);
}

#[test]
fn without_a_wish_the_first_image_gives_the_size_and_all_the_colours() {
    let place = Place::new();
    place.image("1.png", &rows(&[[1, 2], [3, 4]]));
    place.image("2.png", &grey(4, 4, 9));
    let splits = place.open();
    assert_eq!(splits.train().shape(), Shape::new(1, 2, 2));
    assert_eq!(splits.train().image(1), [9; 4]);

    place.image("3.png", &RgbImage::from_pixel(2, 2, Rgb([5, 6, 7])).into());
    let splits = place.open();
    assert_eq!(splits.train().shape(), Shape::new(3, 2, 2));
    assert_eq!(splits.train().image(0), [1, 2, 3, 4].repeat(3));
    assert_eq!(
        splits.train().image(2),
        [5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7]
    );
}

#[test]
fn strict_takes_only_what_need_not_be_changed() {
    let others: [(DynamicImage, &str); 4] = [
        (grey(3, 2, 0), "found 3x2 of 8-bit grey"),
        (RgbImage::new(2, 2).into(), "found 2x2 of 8-bit RGB"),
        (
            GrayAlphaImage::from_pixel(2, 2, LumaA([0, 255])).into(),
            "found 2x2 of 8-bit grey and alpha",
        ),
        (
            ImageBuffer::<Luma<u16>, _>::new(2, 2).into(),
            "found 2x2 of 16-bit grey",
        ),
    ];
    for (other, found) in others {
        let place = Place::new();
        place.image("1.png", &grey(2, 2, 1));
        for options in [wanting(1, 2, 2), Default::default()] {
            assert_eq!(
                place.open_as("", &strict(options)).unwrap().train().len(),
                1
            );
        }
        place.image("2.png", &other);
        for options in [wanting(1, 2, 2), Default::default()] {
            // What is kept for who is not strict is not for who is.
            assert_eq!(place.open_as("", &options).unwrap().train().len(), 2);
            let error = place.refusal_of("", &strict(options));
            let path = place.path("2.png");
            assert!(
                error.starts_with(&format!(
                    "{}: expected 2x2 pixels of 8-bit grey, {found}",
                    path.display()
                )),
                "{error}"
            );
        }
    }
    let place = Place::new();
    place.image("1.png", &RgbaImage::from_pixel(2, 2, Rgba([0; 4])).into());
    assert!(
        place
            .refusal_of("", &strict(wanting(3, 2, 2)))
            .contains("8-bit RGB and alpha")
    );
}

#[test]
fn jpeg_is_decoded_and_turned_as_exif_says() {
    // Left black, right white.
    let image: DynamicImage =
        GrayImage::from_fn(16, 8, |x, _| Luma([if x < 8 { 0 } else { 255 }])).into();
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    let plain = bytes.into_inner();
    // Behind the start marker, APP1: Exif of one entry, orientation 6, "turn by 90 degrees to the right".
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let turned = [&plain[..2], exif, &plain[2..]].concat();

    let place = Place::new();
    place.write("1.jpg", &plain);
    let splits = place.open();
    assert_eq!(splits.train().shape(), Shape::new(1, 8, 16));
    assert_eq!(
        (splits.train().image(0)[0], splits.train().image(0)[15]),
        (0, 255)
    );

    let place = Place::new();
    place.write("1.JPEG", &turned);
    let splits = place.open();
    assert_eq!(splits.train().shape(), Shape::new(1, 16, 8));
    let turned = splits.train().image(0);
    assert_eq!((turned[0], turned[7], turned[15 * 8]), (0, 0, 255));
}

#[test]
fn shapes_that_no_image_can_have_are_refused() {
    let place = Place::with_images(&["1.png"]);
    for wanted in [wanting(2, 4, 4), wanting(1, 0, 4), wanting(3, 4, 16_385)] {
        let error = place.refusal_of("", &wanted);
        assert!(
            error.contains("expected 1 or 3 channels and sides of 1 to 16384"),
            "{error}"
        );
    }
}
