//! Image files as a dataset: a folder of them, or a single one.

use std::path::Path;

use super::arrange::{self, Arrangement};
use super::decode;
use super::folder::{self, FolderContents, ImageFile};
use super::survey::survey;
use crate::cache::{self, CacheJob, Images, Key, Progress, Unusable};
use crate::dataset::{Split, Splits};
use crate::error::DataError;
use crate::options::{ImageOptions, OnError, Skipped, SourceReport};
use crate::source::fit;
use crate::source::idx::FILE_NAMES;
use crate::source::kind::{Request, Source};
use crate::source::unpack::Length;
use hourglass_samples::Shape;

/// A folder of image files, or one image file.
pub(crate) struct ImageFiles;

impl Source for ImageFiles {
    fn describe_file(&self) -> &'static str {
        "a PNG or JPEG image"
    }

    fn describe_path(&self) -> &'static str {
        "a folder of PNG or JPEG images"
    }

    fn knows(&self, _: &Path, start: Option<&[u8]>) -> bool {
        // In a directory, images may lie at any depth; whether there are any shows when it is opened.
        start.is_none_or(decode::is_image)
    }

    fn unpacked_length(&self, _: &[u8], _: &Path) -> Result<Length, DataError> {
        Ok(Length::AtMost(decode::MAX_BYTES))
    }

    fn open(
        &self,
        path: &Path,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Splits, DataError> {
        match path.is_dir() {
            true => open_folder(path, request, progress),
            false => open_file(path, request, progress),
        }
    }
}

/// Opens the folder of images at `root`.
fn open_folder(
    root: &Path,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let FolderContents {
        files,
        faults,
        ignored,
    } = folder::list(root)?;
    refuse_if_asked(root, &faults, &request.options.images)?;
    if files.is_empty() {
        return Err(DataError::NoImages {
            path: root.into(),
            expected: FILE_NAMES[0],
            found: match ignored {
                0 => "no such file in it".into(),
                count => format!("{count} files of other kinds"),
            },
        });
    }
    let arrangement = arrange::arrange(files, root)?;
    let report = SourceReport {
        skipped: faults,
        ignored,
        notes: arrangement.notes.clone(),
        cache: None,
    };
    let place = fs_err::canonicalize(root)?;
    open_arranged(root, &place, arrangement, report, request, progress)
}

/// Opens the image file at `path`.
fn open_file(
    path: &Path,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let file_name = path.file_name().unwrap_or(path.as_os_str());
    let file = ImageFile::new(file_name.into(), &fs_err::metadata(path)?);
    let arrangement = Arrangement {
        splits: vec![(Split::Train, vec![file])],
        label_names: None,
        notes: Vec::new(),
    };
    let root = path.parent().unwrap_or(Path::new(""));
    let place = fs_err::canonicalize(path)?;
    let report = SourceReport::default();
    open_arranged(root, &place, arrangement, report, request, progress)
}

/// `root` is where the files lie, `place` what their cache is kept for.
fn open_arranged(
    root: &Path,
    place: &Path,
    arrangement: Arrangement,
    mut report: SourceReport,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let Arrangement {
        splits,
        label_names,
        ..
    } = arrangement;
    let options = &request.options.images;
    let files = || splits.iter().flat_map(|(_, files)| files);
    let key = Key::new(
        place,
        options,
        files().map(|file| format!("{:?} {}", file.id(), file.state)),
    );
    let cached = cache::open_or_make(request.locations, &key, root, |directory| {
        let shape = match options.shape {
            Some(shape) => shape,
            None => survey(root, &files().collect::<Vec<_>>(), options)?,
        };
        decode_all(directory, root, &splits, shape, options, progress)
    })?;
    // The cache may have been made by an opening that was told to skip.
    refuse_if_asked(root, cached.skipped(), options)?;
    report.skipped.extend_from_slice(cached.skipped());
    report
        .skipped
        .sort_by(|left, right| left.path.cmp(&right.path));
    cached.into_splits(request.name, label_names, report)
}

/// An error for the first of `skipped`, where the options say to stop at a faulty file.
fn refuse_if_asked(
    root: &Path,
    skipped: &[Skipped],
    options: &ImageOptions,
) -> Result<(), DataError> {
    match (skipped, options.on_error) {
        ([first, ..], OnError::Stop) => Err(DataError::Image {
            path: root.join(&first.path),
            reason: first.reason.clone(),
        }),
        _ => Ok(()),
    }
}

/// Brings all images into the cache that is made in `directory`.
fn decode_all(
    directory: &Path,
    root: &Path,
    splits: &[(Split, Vec<ImageFile>)],
    shape: Shape,
    options: &ImageOptions,
    progress: Progress<'_>,
) -> Result<(), DataError> {
    let strict = options.strict;
    let images: Vec<(Split, Files<'_>)> = splits
        .iter()
        .map(|(split, files)| {
            let files = Files {
                root,
                files,
                shape,
                strict,
            };
            (*split, files)
        })
        .collect();
    let job = CacheJob {
        root,
        shape,
        splits: cache::borrowed(&images),
        on_error: options.on_error,
    };
    job.make(directory, progress)
}

/// The files of a split.
struct Files<'a> {
    root: &'a Path,
    files: &'a [ImageFile],
    shape: Shape,
    strict: bool,
}

impl Images for Files<'_> {
    fn count(&self) -> usize {
        self.files.len()
    }

    fn pixels(&self, index: usize) -> Result<Vec<u8>, Unusable> {
        let image = decode::open(&self.root.join(&self.files[index].relative))?;
        Ok(fit::fit(image, self.shape, self.strict)?)
    }

    fn id(&self, index: usize) -> Option<String> {
        Some(self.files[index].id())
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.files[index].label
    }
}
