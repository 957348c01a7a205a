//! Arrays as a dataset. They are read once, to see that every number is finite; that they are is then remembered.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hourglass_files::{Hashing, hex_sha256, write_quickly};
use hourglass_samples::{Input, Scaling};
use serde::{Deserialize, Serialize};

use super::array::Array;
use super::fault::VectorsFault;
use super::npy_array::npy_array;
use crate::cache::{FileState, Progress};
use crate::dataset::{Bytes, Dataset, Splits, Values};
use crate::error::DataError;
use crate::source::kind::Request;

/// Bytes that are checked between two calls of the progress function.
const BLOCK_BYTES: usize = 1 << 24;

/// A file that is mapped.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) bytes: Bytes,
}

impl File {
    pub(super) fn map(path: &Path) -> Result<Self, DataError> {
        Ok(Self {
            path: path.into(),
            bytes: Bytes::map(path)?,
        })
    }
}

/// The arrays of some files, one after the other; `label` is an array of labels in the first.
pub(super) fn open_vectors(
    files: Vec<(File, Array)>,
    label: Option<(&str, Array)>,
    request: &Request<'_>,
    progress: Progress<'_>,
) -> Result<Splits, DataError> {
    let Some((first, first_array)) = files.first() else {
        let fault = VectorsFault::Several("none".into());
        return Err(DataError::format(request.name, fault));
    };
    let in_first = |fault: VectorsFault| DataError::format(&first.path, fault);
    let [_, width] = first_array.matrix().map_err(in_first)?;
    let number = first_array.number;
    let input = match request.options.input.as_deref() {
        Some(Input::Vectors {
            width: expected, ..
        }) if *expected != width => {
            let expected = *expected;
            return Err(in_first(VectorsFault::Width {
                expected,
                found: width,
            }));
        }
        Some(input @ Input::Vectors { .. }) => input.clone(),
        _ => Input::Vectors {
            width,
            scaling: Scaling::None,
            affine: Vec::new(),
        },
    };
    let labels = match (&request.options.rows.label, label) {
        (Some(_), Some((name, array))) => Some(
            labels_of(name, Bytes::map(&first.path)?, &array, request.label_names)
                .map_err(in_first)?,
        ),
        (Some(name), None) => {
            let path = Path::new(name);
            let none = || {
                in_first(VectorsFault::Labels {
                    name: name.clone(),
                    reason: "expected an array of the file, or the path of a .npy file of whole numbers, found neither".into(),
                })
            };
            if !path.is_file() {
                return Err(none());
            }
            let bytes = Bytes::map(path)?;
            let found = npy_array(&bytes)
                .and_then(|array| labels_of(name, bytes, &array, request.label_names));
            Some(found.map_err(|fault| DataError::format(path, fault))?)
        }
        (None, _) => None,
    };
    let key = key(&files)?;
    let mut parts = Vec::with_capacity(files.len());
    let first_name = first.path.display().to_string();
    let first_array = first_array.clone();
    let mut paths = Vec::with_capacity(files.len());
    for (file, array) in files {
        let fault = |fault: VectorsFault| DataError::format(&file.path, fault);
        let [_, found] = array.matrix().map_err(fault)?;
        if found != width || array.number != number {
            return Err(fault(VectorsFault::Disagree {
                first: first_name,
                expected: first_array.describe(),
                found: array.describe(),
            }));
        }
        parts.push(array.take(file.bytes).map_err(fault)?);
        paths.push(file.path);
    }
    let directory = request
        .locations
        .data_directory()
        .ok()
        .map(|directory| directory.join("arrays"));
    let remembered = directory
        .as_ref()
        .map(|directory| directory.join(format!("{key}.json")));
    let known = remembered.as_ref().and_then(|path| {
        let bytes = hourglass_files::read(path).ok()?;
        serde_json::from_slice::<Checked>(&bytes).ok()
    });
    let values = Values::new(number, width, parts);
    let checked = match known {
        Some(checked) => checked,
        None => {
            let checked = check(&values, &paths, progress)?;
            if let (Some(directory), Some(path)) = (&directory, &remembered) {
                // Where it can't be remembered, it is checked again next time.
                let text = serde_json::to_vec(&checked).expect("texts");
                let _ = fs_err::create_dir_all(directory).and_then(|()| write_quickly(path, &text));
            }
            checked
        }
    };
    let rows = values.rows();
    if rows > u32::MAX as usize {
        let message = format!("expected at most {} vectors, found {rows}", u32::MAX);
        return Err(DataError::format(
            request.name,
            VectorsFault::Unreadable(message),
        ));
    }
    let (label_names, labels) = labels.unzip();
    if let (Some(labels), Some(name)) = (&labels, &request.options.rows.label)
        && labels.len() != rows
    {
        return Err(DataError::format(
            &paths[0],
            VectorsFault::Labels {
                name: name.clone(),
                reason: format!(
                    "expected {rows} labels, one for each vector, found {}",
                    labels.len()
                ),
            },
        ));
    }
    let dataset = Dataset::new(request.name, input, values, labels.map(Bytes::owned));
    Splits::new(
        dataset.with_details(checked.sha256, None, label_names),
        None,
    )
}

/// What is remembered of arrays that were found to be finite.
#[derive(Serialize, Deserialize)]
struct Checked {
    sha256: String,
}

/// A name for what lies in some files, which changes with whatever is written to them.
fn key(files: &[(File, Array)]) -> Result<String, DataError> {
    let mut text = String::new();
    for (file, array) in files {
        let place = fs_err::canonicalize(&file.path)?;
        let state = FileState::new(&fs_err::metadata(&file.path)?);
        text += &format!("{place:?} {state} {array:?}\n");
    }
    Ok(hex_sha256(text.as_bytes())[..32].into())
}

/// Reads all numbers, and refuses any that is not finite.
fn check(values: &Values, paths: &[PathBuf], progress: Progress<'_>) -> Result<Checked, DataError> {
    let total = values.rows();
    let mut hashing = Hashing::new(io::sink());
    let mut done = 0;
    let mut numbers = Vec::new();
    for (part, path) in values.parts().zip(paths) {
        let row_bytes = values.row_bytes();
        let rows = (BLOCK_BYTES / row_bytes).max(1);
        for (block, bytes) in part.chunks(rows * row_bytes).enumerate() {
            hashing.write_all(bytes).expect("a sink takes everything");
            numbers.clear();
            values.number().read(bytes, &mut numbers);
            if let Some(place) = numbers
                .iter()
                .position(|&number| !(number as f32).is_finite())
            {
                let width = numbers.len() / (bytes.len() / row_bytes);
                let fault = VectorsFault::NotFinite {
                    row: block * rows + place / width + 1,
                    column: place % width + 1,
                    found: numbers[place].to_string(),
                };
                return Err(DataError::format(path, fault));
            }
            done += bytes.len() / row_bytes;
            progress(done, total);
        }
    }
    Ok(Checked {
        sha256: hashing.finish(),
    })
}

/// Labels and their names: whole numbers, one for each vector.
fn labels_of(
    name: &str,
    file: Bytes,
    array: &Array,
    known: &[String],
) -> Result<(Vec<String>, Vec<u8>), VectorsFault> {
    let fault = |reason: String| VectorsFault::Labels {
        name: name.into(),
        reason,
    };
    let expected = "expected an array of whole numbers with one axis";
    if array.axes.len() != 1 && !matches!(*array.axes, [_, 1]) {
        return Err(fault(format!("{expected}, found {:?}", array.axes)));
    }
    let bytes = array.take(file)?;
    let mut numbers = Vec::new();
    array.number.read(&bytes, &mut numbers);
    // -0 is 0.
    numbers.iter_mut().for_each(|number| *number += 0.0);
    if let Some(number) = numbers.iter().find(|number| number.fract() != 0.0) {
        return Err(fault(format!("{expected}, found {number}")));
    }
    let mut names: Vec<f64> = numbers.clone();
    names.sort_unstable_by(f64::total_cmp);
    names.dedup();
    let mut all = known.to_vec();
    all.extend(
        names
            .iter()
            .map(f64::to_string)
            .filter(|name| !known.contains(name)),
    );
    if all.len() > 256 {
        return Err(fault(format!(
            "expected at most 256 different labels, found {}",
            all.len()
        )));
    }
    let places: std::collections::HashMap<&str, u8> =
        all.iter().map(String::as_str).zip(0..=u8::MAX).collect();
    let labels = numbers
        .iter()
        .map(|number| places[number.to_string().as_str()]);
    let labels = labels.collect();
    Ok((all, labels))
}
