//! Opening datasets: what is embedded, directories in every spelling, and each way they can be wrong.

mod common;

use std::path::Path;

use common::{gzip, images, labels};
use hourglass_data::{DataError, Dataset, Locations, Shape, Split, Splits, catalog, open};
use tempfile::TempDir;

/// A directory for data and one for the user's files.
struct Place {
    data: TempDir,
    user: TempDir,
}

impl Place {
    fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let place = Self {
            data: TempDir::new().unwrap(),
            user: TempDir::new().unwrap(),
        };
        for (name, bytes) in files {
            fs_err::write(place.user.path().join(name), bytes).unwrap();
        }
        place
    }

    fn locations(&self) -> Locations {
        Locations::new(self.data.path(), None)
    }

    fn open(&self) -> Result<Splits, DataError> {
        open(self.user.path().to_str().unwrap(), &self.locations())
    }

    fn refusal(&self) -> String {
        self.open().unwrap_err().to_string()
    }

    /// Files in the cache of unpacked ones.
    fn unpacked(&self) -> Vec<std::path::PathBuf> {
        let Ok(files) = fs_err::read_dir(self.data.path().join("unpacked")) else {
            return Vec::new();
        };
        files.map(|file| file.unwrap().path()).collect()
    }
}

#[test]
fn mini_is_embedded() {
    let splits = open("mnist-mini", &Locations::default()).unwrap();
    let (train, test) = (splits.train(), splits.test().unwrap());
    assert_eq!((train.len(), test.len()), (5000, 1000));
    assert_eq!(train.shape(), Shape::new(1, 28, 28));
    assert_eq!(&train.labels().unwrap()[..5], [5, 0, 4, 1, 9]);
    assert_eq!(&test.labels().unwrap()[..5], [7, 2, 1, 0, 4]);
    assert_eq!(
        train.sha256(),
        "a853ca5da5c224d531837eaa3fe56ac036778bb2fdfad445143b5b7d4ec1c739"
    );
    assert_eq!(train.image(4999).len(), 784);
}

#[test]
fn directories_open_in_every_spelling() {
    let place = Place::new(&[
        ("train-images-idx3-ubyte", images(4)),
        ("train-labels.idx1-ubyte", labels(4)),
        ("t10k-images-idx3-ubyte.gz", gzip(&images(2))),
        ("t10k-labels.idx1-ubyte.gz", gzip(&labels(2))),
    ]);
    let splits = place.open().unwrap();
    let test = splits.test().unwrap();
    assert_eq!((splits.train().len(), test.len()), (4, 2));
    assert_eq!(test.image(1), [10, 11, 12, 13, 14, 15]);
    assert_eq!(
        (splits.train().label(3), test.label(1), test.label(2)),
        (Some(3), Some(1), None)
    );
}

#[test]
fn labels_and_test_images_may_be_absent() {
    let place = Place::new(&[("train-images-idx3-ubyte", images(4))]);
    let splits = place.open().unwrap();
    assert_eq!((splits.train().label(0), splits.has_test()), (None, false));
    let error = splits.test().unwrap_err().to_string();
    assert!(
        error.contains("no test images: expected t10k-images-idx3-ubyte"),
        "{error}"
    );
}

#[test]
fn packed_files_are_unpacked_once() {
    let place = Place::new(&[("train-images-idx3-ubyte.gz", gzip(&images(4)))]);
    place.open().unwrap();
    let copy = place
        .unpacked()
        .into_iter()
        .find(|path| path.extension().unwrap() == "idx")
        .unwrap();
    let written = copy.metadata().unwrap().modified().unwrap();
    place.open().unwrap();
    assert_eq!(copy.metadata().unwrap().modified().unwrap(), written);

    fs_err::write(&copy, b"damaged").unwrap();
    assert_eq!(place.open().unwrap().train().len(), 4);
    fs_err::write(
        place.user.path().join("train-images-idx3-ubyte.gz"),
        gzip(&images(5)),
    )
    .unwrap();
    assert_eq!(place.open().unwrap().train().len(), 5);
}

#[test]
fn bad_gzip_leaves_nothing() {
    let whole = gzip(&images(4));
    for bytes in [
        whole[..whole.len() - 3].to_vec(),
        b"no gzip at all".to_vec(),
    ] {
        let place = Place::new(&[("train-images-idx3-ubyte.gz", bytes)]);
        let error = place.refusal();
        assert!(
            error.contains("train-images-idx3-ubyte.gz: expected gzip data"),
            "{error}"
        );
        assert!(place.unpacked().is_empty());
    }
}

/// A small file that unpacks to one of many bytes is looked at before it is unpacked.
#[test]
fn no_more_is_unpacked_than_a_header_claims() {
    let zeros = |bytes: usize| gzip(&[images(4), vec![0; bytes]].concat());
    for (name, bytes, expected) in [
        (
            "train-images-idx3-ubyte.gz",
            zeros(64 << 20),
            "expected 40 bytes once unpacked, found more",
        ),
        (
            "train-images-idx3-ubyte.gz",
            gzip(&images(4)[..30]),
            "expected 40 bytes once unpacked, found 30",
        ),
        (
            "train-images-idx3-ubyte.gz",
            gzip(&vec![0; 64 << 20]),
            "found 0x00000000, which is neither",
        ),
        (
            "train-images-idx3-ubyte.gz",
            gzip(&labels(4)),
            "found an IDX file of labels",
        ),
    ] {
        let place = Place::new(&[(name, bytes)]);
        let error = place.refusal();
        assert!(error.contains(name) && error.contains(expected), "{error}");
        assert!(place.unpacked().is_empty());
    }
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 2), }\n";
    let length = (header.len() as u16).to_le_bytes();
    let array = [
        b"\x93NUMPY\x01\x00",
        &length[..],
        header.as_bytes(),
        &[7; 4],
    ]
    .concat();
    for (name, bytes, expected) in [
        ("a.gz", gzip(b"text"), "found text"),
        ("b.gz", zeros(64 << 20), "found more"),
        ("c.gz", gzip(&[&array[..], &[0; 9]].concat()), "found more"),
    ] {
        let place = Place::new(&[(name, bytes)]);
        let path = place.user.path().join(name);
        let error = open(path.to_str().unwrap(), &place.locations());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(place.unpacked().is_empty());
    }
    let place = Place::new(&[("d.gz", gzip(&array))]);
    let path = place.user.path().join("d.gz");
    let splits = open(path.to_str().unwrap(), &place.locations()).unwrap();
    assert_eq!(splits.train().image(0), [7; 4]);
}

#[test]
fn what_killed_unpackings_left_is_removed_but_nothing_that_is_being_unpacked() {
    let place = Place::new(&[("train-images-idx3-ubyte.gz", gzip(&images(4)))]);
    let directory = place.data.path().join("unpacked");
    fs_err::create_dir(&directory).unwrap();
    let at = |name: &str| directory.join(name);
    for name in [
        ".unpacking-aB3dE6",
        ".0123.idx.aB3dE6.tmp",
        ".4567.idx.aB3dE6.tmp",
    ] {
        fs_err::write(at(name), b"part").unwrap();
    }
    let running = fs_err::File::open(at(".4567.idx.aB3dE6.tmp")).unwrap();
    running.file().lock().unwrap();
    place.open().unwrap();
    assert!(!at(".unpacking-aB3dE6").exists() && !at(".0123.idx.aB3dE6.tmp").exists());
    assert!(at(".4567.idx.aB3dE6.tmp").exists());
}

#[test]
fn faults_name_the_file() {
    let place = Place::new(&[("train-images-idx3-ubyte", images(4)[..30].to_vec())]);
    let path = place.user.path().join("train-images-idx3-ubyte");
    assert!(place.refusal().starts_with(&format!(
        "{}: truncated: the header says 4 images",
        path.display()
    )));

    let place = Place::new(&[
        ("train-images-idx3-ubyte", images(4)),
        ("train-labels-idx1-ubyte", images(4)),
    ]);
    assert!(
        place
            .refusal()
            .contains("train-labels-idx1-ubyte: expected an IDX file of labels")
    );
    let place = Place::new(&[("train-images-idx3-ubyte", gzip(&images(4)))]);
    assert!(
        place
            .refusal()
            .contains("found gzip data; unpack the file, or name it .gz")
    );
    let place = Place::new(&[("train-images-idx3-ubyte", Vec::new())]);
    assert!(place.refusal().contains("found a file of 0"));
}

#[test]
fn counts_and_shapes_must_agree() {
    let place = Place::new(&[
        ("train-images-idx3-ubyte", images(4)),
        ("train-labels-idx1-ubyte", labels(3)),
    ]);
    let error = place.refusal();
    assert!(
        error.contains(
            "train-labels-idx1-ubyte holds 3 labels, expected one for each of the 4 images of"
        ),
        "{error}"
    );

    let mut square = images(2);
    square[15] = 1;
    square.truncate(16 + 4);
    let place = Place::new(&[
        ("train-images-idx3-ubyte", images(4)),
        ("t10k-images-idx3-ubyte", square),
    ]);
    assert!(
        place
            .refusal()
            .contains("the training images are 1x2x3, the test images 1x2x1")
    );
}

#[test]
fn names_that_lead_nowhere() {
    let place = Place::new(&[]);
    let error = open("minst", &place.locations()).unwrap_err().to_string();
    assert!(
        error.contains("did you mean `mnist`?")
            && error.contains("mnist-mini, breast-cancer, mnist, fashion-mnist"),
        "{error}"
    );
    assert!(
        place
            .refusal()
            .contains("expected a directory that holds train-images-idx3-ubyte")
    );
    let file = place.user.path().join("picture.png");
    fs_err::write(&file, b"x").unwrap();
    let error = open(file.to_str().unwrap(), &place.locations())
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with(
            "expected a PNG or JPEG image, a .npy file, a Parquet file, a .csv or .tsv file, a .safetensors file or an IDX file of \
             images, found text"
        ),
        "{error}"
    );
}

#[test]
fn catalog_files_must_be_there_and_right() {
    let place = Place::new(&[]);
    let error = open("mnist", &place.locations()).unwrap_err().to_string();
    assert!(
        error.contains("run `hourglass data fetch mnist`"),
        "{error}"
    );
    assert!(!catalog::find("mnist").unwrap().is_here(&place.locations()));

    let directory = place.data.path().join("mnist");
    fs_err::create_dir(&directory).unwrap();
    for name in catalog::FILE_NAMES {
        fs_err::write(directory.join(name), images(4)).unwrap();
    }
    assert!(catalog::find("mnist").unwrap().is_here(&place.locations()));
    // The second time the hash comes from the stamp.
    for _ in 0..2 {
        let error = open("mnist", &place.locations()).unwrap_err().to_string();
        let path = directory.join(catalog::FILE_NAMES[0]);
        assert!(
            error.contains(&format!("{}: expected SHA-256 ba891046", path.display())),
            "{error}"
        );
        assert!(
            error.contains("found ") && error.contains("hourglass data fetch mnist"),
            "{error}"
        );
    }
}

#[test]
fn without_a_data_directory_there_is_a_hint() {
    let error = open("mnist", &Locations::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("--data-dir or HOURGLASS_DATA"), "{error}");
    let given = Locations::from_env(Some("given".into()));
    assert_eq!(given.data_directory().unwrap(), Path::new("given"));
}

#[test]
fn memory_must_hold_whole_images() {
    let shape = Shape::new(3, 2, 2);
    let dataset = Dataset::from_memory("made", shape, vec![7; 24], Some(vec![1, 2])).unwrap();
    assert_eq!(
        (dataset.len(), dataset.features(), dataset.label(1)),
        (2, 12, Some(2))
    );
    for (images, labels) in [
        (vec![], None),
        (vec![7; 23], None),
        (vec![7; 24], Some(vec![1])),
    ] {
        let error = Dataset::from_memory("made", shape, images, labels).unwrap_err();
        assert!(matches!(error, DataError::WrongLength { .. }), "{error}");
    }
}

#[test]
fn splits_have_names() {
    for split in [Split::Train, Split::Validation, Split::Test] {
        assert_eq!(split.to_string().parse::<Split>().unwrap(), split);
    }
    let error = "dev".parse::<Split>().unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown split `dev`: expected train, validation or test"
    );
}
