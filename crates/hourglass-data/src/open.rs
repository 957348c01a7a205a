//! Finding and opening a dataset, by its catalog name or by its path.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;
use hourglass_files::open_file as open_regular;

use crate::catalog::{self, Content, Entry, FILE_NAMES};
use crate::idx::{self, Header, Kind};
use crate::make::Progress;
use crate::mapped::Bytes;
use crate::options::{ImageOptions, ImageReport};
use crate::unpack::{self, Length};
use crate::{DataError, Dataset, Locations, decode, images, npy, resized, stamp};

/// A dataset's training images and, where it has them, its test images.
#[derive(Clone, Debug)]
pub struct Splits {
    train: Arc<Dataset>,
    test: Option<Arc<Dataset>>,
    report: Arc<ImageReport>,
}

impl Splits {
    /// Refuses images of two shapes.
    pub fn new(train: Dataset, test: Option<Dataset>) -> Result<Self, DataError> {
        match &test {
            Some(test) if test.shape() != train.shape() => Err(DataError::ShapesDisagree {
                name: train.name().into(),
                train: train.shape(),
                test: test.shape(),
            }),
            _ => Ok(Self {
                train: train.into(),
                test: test.map(Arc::new),
                report: Arc::default(),
            }),
        }
    }

    pub(crate) fn with_report(self, report: ImageReport) -> Self {
        Self {
            report: report.into(),
            ..self
        }
    }

    /// What was found besides the images, and left out.
    pub fn report(&self) -> &ImageReport {
        &self.report
    }

    /// The training images.
    pub fn train(&self) -> &Arc<Dataset> {
        &self.train
    }

    /// The test images, or an error that says which file is missing.
    pub fn test(&self) -> Result<&Arc<Dataset>, DataError> {
        self.test.as_ref().ok_or_else(|| DataError::NoTestSplit {
            dataset: self.train.name().into(),
        })
    }

    /// Whether there are test images.
    pub fn has_test(&self) -> bool {
        self.test.is_some()
    }
}

/// Opens a dataset of the catalog, or what lies at a path, with the default [`ImageOptions`]. See [`open_with`].
pub fn open(name_or_path: &str, locations: &Locations) -> Result<Splits, DataError> {
    open_with(
        name_or_path,
        locations,
        &ImageOptions::default(),
        &mut |_, _| {},
    )
}

/// Opens a dataset of the catalog, or what lies at a path: a directory of IDX files, a folder of PNG and JPEG images, one
/// image, a `.npy` file or an IDX file of images. A catalog name goes before a path of that name; a directory that holds one
/// of the IDX files is one of IDX files; a file is what its first bytes say.
///
/// Images that must be decoded or resized are, once, into the data directory; meanwhile `progress` is called with the images
/// done and all of them.
pub fn open_with(
    name_or_path: &str,
    locations: &Locations,
    options: &ImageOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Splits, DataError> {
    options.check()?;
    let request = Request {
        name: name_or_path,
        locations,
        options,
    };
    match catalog::find(name_or_path) {
        Some(entry) => {
            let splits = match &entry.content {
                Content::Embedded(packed) => open_embedded(entry, packed),
                Content::Mirrors(_) => open_fetched(entry, locations),
            };
            resized::open(splits?, &request, progress)
        }
        None => open_path(&request, progress),
    }
}

/// What was asked for.
pub(crate) struct Request<'a> {
    /// The catalog name or the path.
    pub(crate) name: &'a str,
    pub(crate) locations: &'a Locations,
    pub(crate) options: &'a ImageOptions,
}

/// Where one file's bytes are, and what to call them in errors.
type Opened = (PathBuf, Bytes);

fn open_embedded(entry: &Entry, packed: &[&'static [u8]; 4]) -> Result<Splits, DataError> {
    let mut opened = [const { None }; 4];
    for ((slot, file), packed) in opened.iter_mut().zip(&entry.files).zip(packed) {
        let path = Path::new(entry.name).join(file.name);
        let mut bytes = Vec::with_capacity(file.bytes as usize);
        GzDecoder::new(*packed)
            .read_to_end(&mut bytes)
            .map_err(|error| DataError::Gzip {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        *slot = Some((path, Bytes::owned(bytes)));
    }
    assemble(entry.name, opened, Path::new(entry.name))
}

fn open_fetched(entry: &'static Entry, locations: &Locations) -> Result<Splits, DataError> {
    let directory = entry.directory(locations)?;
    let mut opened = [const { None }; 4];
    for (slot, file) in opened.iter_mut().zip(&entry.files) {
        let path = find_file(&directory, file.name).ok_or_else(|| DataError::NotFetched {
            dataset: entry.name,
            path: directory.join(file.name),
        })?;
        let plain = unpacked(&path, locations, |_| Ok(Length::AtMost(file.bytes)))?;
        let found = stamp::sha256_of_file(&plain)?;
        if found != file.sha256 {
            return Err(DataError::WrongChecksum {
                path,
                expected: file.sha256,
                found,
                dataset: entry.name,
            });
        }
        *slot = Some((path, Bytes::map(&plain)?));
    }
    assemble(entry.name, opened, &directory)
}

fn open_path(request: &Request<'_>, progress: Progress<'_>) -> Result<Splits, DataError> {
    let path = Path::new(request.name);
    if !path.exists() {
        let known = catalog::ENTRIES
            .iter()
            .map(|entry| entry.name)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(DataError::UnknownDataset {
            name: request.name.into(),
            suggestion: catalog::closest(request.name),
            known,
        });
    }
    if !path.is_dir() {
        return open_file(path, request, progress);
    }
    let files = FILE_NAMES.map(|file| find_file(path, file));
    if files.iter().all(Option::is_none) {
        return images::open_folder(path, request, progress);
    }
    let mut opened = [const { None }; 4];
    let kinds = [Kind::Images, Kind::Labels, Kind::Images, Kind::Labels];
    for ((slot, file), kind) in opened.iter_mut().zip(files).zip(kinds) {
        if let Some(path) = file {
            let length = |start: &[u8]| idx::claimed_bytes(start, kind, &path).map(Length::Exactly);
            let plain = unpacked(&path, request.locations, length)?;
            *slot = Some((path, Bytes::map(&plain)?));
        }
    }
    resized::open(assemble(request.name, opened, path)?, request, progress)
}

/// Opens a file by its first bytes.
fn open_file(
    path: &Path,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let plain = unpacked(path, request.locations, |start| length(path, start))?;
    let mut start = Vec::new();
    open_regular(&plain)?.take(16).read_to_end(&mut start)?;
    if start.starts_with(npy::MAGIC) {
        return npy::open(&plain, request, progress);
    }
    // Every type of IDX file, so that one of another type is told by what it is.
    if start.starts_with(&[0, 0]) {
        let dataset = dataset(request.name, (path.into(), Bytes::map(&plain)?), None)?;
        return resized::open(Splits::new(dataset, None)?, request, progress);
    }
    if decode::is_image(&start) {
        return images::open_file(&plain, request, progress);
    }
    Err(unknown(path, &start))
}

/// How long the file is that begins with `start`, once it is unpacked; an error for what is of no known kind.
fn length(path: &Path, start: &[u8]) -> Result<Length, DataError> {
    if start.starts_with(npy::MAGIC) {
        return npy::claimed_bytes(start, path).map(Length::Exactly);
    }
    if start.starts_with(&[0, 0]) {
        return idx::claimed_bytes(start, Kind::Images, path).map(Length::Exactly);
    }
    match decode::is_image(start) {
        true => Ok(Length::AtMost(decode::MAX_BYTES)),
        false => Err(unknown(path, start)),
    }
}

fn unknown(path: &Path, start: &[u8]) -> DataError {
    DataError::UnknownFile {
        path: path.into(),
        found: decode::describe(start),
    }
}

/// The file of this official name in `directory`: plain or packed, spelt with a hyphen or, as in some copies, with a dot.
pub(crate) fn find_file(directory: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    [
        name.into(),
        dotted.clone(),
        format!("{name}.gz"),
        format!("{dotted}.gz"),
    ]
    .into_iter()
    .map(|name: String| directory.join(name))
    .find(|path| path.is_file())
}

/// The unpacked file of `path`: itself, or its copy in the data directory. `length` is given the first bytes of what is
/// unpacked.
fn unpacked(
    path: &Path,
    locations: &Locations,
    length: impl FnOnce(&[u8]) -> Result<Length, DataError>,
) -> Result<PathBuf, DataError> {
    let is_packed = path.extension().is_some_and(|extension| extension == "gz");
    match is_packed {
        true => unpack::unpack_once(path, &locations.data_directory()?.join("unpacked"), length),
        false => Ok(path.into()),
    }
}

/// Makes the splits of four files in the order of [`FILE_NAMES`], of which only the training images must be there.
fn assemble(name: &str, files: [Option<Opened>; 4], directory: &Path) -> Result<Splits, DataError> {
    let [train_images, train_labels, test_images, test_labels] = files;
    let train_images = train_images.ok_or_else(|| DataError::NoImages {
        path: directory.into(),
        expected: FILE_NAMES[0],
        found: "other IDX files".into(),
    })?;
    let train = dataset(name, train_images, train_labels)?;
    let test = test_images
        .map(|images| dataset(name, images, test_labels))
        .transpose()?;
    Splits::new(train, test)
}

fn dataset(name: &str, images: Opened, labels: Option<Opened>) -> Result<Dataset, DataError> {
    let (images_path, bytes) = images;
    let (header, images) = idx::read(bytes, Kind::Images, &images_path)?;
    let labels = match labels {
        None => None,
        Some((labels_path, bytes)) => {
            let (Header { count: labels, .. }, bytes) =
                idx::read(bytes, Kind::Labels, &labels_path)?;
            if labels != header.count {
                return Err(DataError::CountsDisagree {
                    images_path,
                    images: header.count,
                    labels_path,
                    labels,
                });
            }
            Some(bytes)
        }
    };
    Ok(Dataset::new(name, header.shape, images, labels))
}
