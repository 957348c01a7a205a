//! Images that come in one shape, where another is wanted; and single files.

use flate2::Compression;
use flate2::write::GzEncoder;
use hourglass_data::{ImageOptions, Shape, open_with};

use crate::{Place, strict, wanting};

/// An IDX file of two images of 2x4.
fn idx() -> Vec<u8> {
    let header = [0x803u32, 2, 2, 4].into_iter().flat_map(u32::to_be_bytes);
    header
        .chain([0, 70, 140, 210].repeat(2))
        .chain([9; 8])
        .collect()
}

#[test]
fn an_idx_file_alone_is_a_dataset() {
    let place = Place::new();
    place.write("some.idx", &idx());
    let splits = place.open_as("some.idx", &ImageOptions::default()).unwrap();
    assert_eq!(
        (splits.train().len(), splits.train().shape()),
        (2, Shape::new(1, 2, 4))
    );
    assert_eq!(
        (splits.train().id(0), splits.train().label(0)),
        (None, None)
    );
    assert!(place.caches().is_empty());

    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    std::io::Write::write_all(&mut encoder, &idx()).unwrap();
    place.write("packed.gz", &encoder.finish().unwrap());
    let packed = place
        .open_as("packed.gz", &ImageOptions::default())
        .unwrap();
    assert_eq!(packed.train().sha256(), splits.train().sha256());

    let labels: Vec<u8> = [0x801u32, 1]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .chain([7])
        .collect();
    place.write("labels.idx", &labels);
    let error = place.refusal_of("labels.idx", &ImageOptions::default());
    assert!(error.contains("found an IDX file of labels"), "{error}");
}

#[test]
fn idx_images_are_resized_by_the_same_rule() {
    let place = Place::new();
    place.write("train-images-idx3-ubyte", &idx());
    let labels: Vec<u8> = [0x801u32, 2]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .chain([7, 8])
        .collect();
    place.write("train-labels-idx1-ubyte", &labels);
    place.write("t10k-images-idx3-ubyte", &idx());
    for _ in 0..2 {
        let splits = place.open_as("", &wanting(3, 1, 2)).unwrap();
        let train = splits.train();
        assert_eq!(train.image(0), [50, 160, 50, 160, 50, 160]);
        assert_eq!(train.labels().unwrap(), [7, 8]);
        assert_eq!((train.id(0), splits.test().unwrap().len()), (None, 2));
        assert!(splits.report().cache.is_some());
    }
    // Other images under the same name.
    let mut other = idx();
    other[16..24].fill(5);
    place.write("train-images-idx3-ubyte", &other);
    assert_eq!(
        place
            .open_as("", &wanting(3, 1, 2))
            .unwrap()
            .train()
            .image(0),
        [5; 6]
    );

    assert_eq!(
        place
            .open_as("", &strict(wanting(1, 2, 4)))
            .unwrap()
            .train()
            .len(),
        2
    );
    let error = place.refusal_of("", &strict(wanting(3, 1, 2)));
    assert!(
        error.contains("expected images of 3x1x2, found 1x2x4\nhint: leave out --strict"),
        "{error}"
    );
}

#[test]
fn the_catalog_is_resized_too() {
    let place = Place::new();
    let splits = open_with(
        "mnist-mini",
        &place.locations(),
        &wanting(1, 14, 14).into(),
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!(splits.train().shape(), Shape::new(1, 14, 14));
    assert_eq!(
        (splits.train().len(), splits.test().unwrap().len()),
        (5000, 1000)
    );
    assert_eq!(&splits.train().labels().unwrap()[..5], [5, 0, 4, 1, 9]);
}
