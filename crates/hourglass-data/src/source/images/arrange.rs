//! What the subfolders of a folder of images mean: splits and labels.
//!
//! - If there is a folder `train` (or `training`) directly in the root, it is a split, and so is `test` (or `testing`); case is
//!   ignored. `val` (`valid`, `validation`) serves as the test split where there is no `test`.
//! - The folders directly in the root, or directly in the splits, are labels: 0, 1, ... in the order of their names across all
//!   splits. There are no labels if images lie beside these folders, or if there are more than 256 of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::folder::{ImageFile, text};
use crate::dataset::Split;
use crate::error::DataError;

/// A label is stored in a byte.
const MAX_LABELS: usize = 256;

/// What the files of a folder are for.
#[derive(Debug)]
pub(crate) struct Arrangement {
    /// The training images, and the test images where there are some.
    pub(crate) splits: Vec<(Split, Vec<ImageFile>)>,
    pub(crate) label_names: Option<Vec<String>>,
    /// Decisions that may surprise.
    pub(crate) notes: Vec<String>,
}

/// Finds the splits and the labels of `files`, which lie in `root`.
pub(crate) fn arrange(files: Vec<ImageFile>, root: &Path) -> Result<Arrangement, DataError> {
    let mut notes = Vec::new();
    let mut splits = splits(files, root, &mut notes)?;
    let label_names = label(&mut splits, &mut notes);
    Ok(Arrangement {
        splits: splits
            .into_iter()
            .map(|(split, _, files)| (split, files))
            .collect(),
        label_names,
        notes,
    })
}

/// A split, the bytes of its folder's path with the `/` behind it, and its files.
type SplitFiles = (Split, usize, Vec<ImageFile>);

fn splits(
    files: Vec<ImageFile>,
    root: &Path,
    notes: &mut Vec<String>,
) -> Result<Vec<SplitFiles>, DataError> {
    let is_train =
        |file: &ImageFile| first_folder(file.path_bytes()).and_then(split_of) == Some(Split::Train);
    if !files.iter().any(is_train) {
        return Ok(vec![(Split::Train, 0, files)]);
    }
    // Folders without an image don't count. `None`: directly in the folder.
    let mut folders: BTreeMap<Option<Vec<u8>>, Vec<ImageFile>> = BTreeMap::new();
    for file in files {
        let folder = first_folder(file.path_bytes()).map(<[u8]>::to_vec);
        folders.entry(folder).or_default().push(file);
    }
    let mut found: Vec<SplitFiles> = Vec::new();
    for (folder, files) in folders {
        let split = folder.as_deref().and_then(split_of);
        match (split, folder) {
            (Some(split), Some(folder)) if found.iter().all(|(other, ..)| *other != split) => {
                found.push((split, folder.len() + 1, files));
            }
            (_, folder) => return Err(mixed(root, folder.as_deref(), files.len())),
        }
    }
    let has_test = found.iter().any(|(split, ..)| *split == Split::Test);
    if has_test && found.iter().any(|(split, ..)| *split == Split::Validation) {
        notes.push("the folder of validation images is left out: beside a test split, validation images are taken from the training images".into());
        found.retain(|(split, ..)| *split != Split::Validation);
    }
    for (split, ..) in &mut found {
        if *split == Split::Validation {
            *split = Split::Test;
        }
    }
    found.sort_by_key(|(split, ..)| *split != Split::Train);
    Ok(found)
}

/// The error for a folder, or for images outside any folder, that has no place beside splits.
fn mixed(root: &Path, folder: Option<&[u8]>, images: usize) -> DataError {
    DataError::MixedSplits {
        path: root.into(),
        found: match folder {
            Some(folder) => format!("the folder {}", text(folder)),
            None => format!("{images} images"),
        },
    }
}

/// The split that a folder of this name is.
fn split_of(folder: &[u8]) -> Option<Split> {
    match folder.to_ascii_lowercase().as_slice() {
        b"train" | b"training" => Some(Split::Train),
        b"val" | b"valid" | b"validation" => Some(Split::Validation),
        b"test" | b"testing" => Some(Split::Test),
        _ => None,
    }
}

/// The folder that `path` begins with, where it is in one.
fn first_folder(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().position(|&byte| byte == b'/')?;
    Some(&path[..end])
}

/// Labels the files by their folders, and names the labels.
fn label(splits: &mut [SplitFiles], notes: &mut Vec<String>) -> Option<Vec<String>> {
    let folders = splits
        .iter()
        .flat_map(|(_, skip, files)| files.iter().map(|file| label_folder(file, *skip)));
    let outside = folders.clone().filter(Option::is_none).count();
    let names: BTreeSet<Vec<u8>> = folders.flatten().map(<[u8]>::to_vec).collect();
    if names.is_empty() {
        return None;
    }
    if outside > 0 {
        notes.push(format!(
            "no labels: {outside} images lie beside the {} folders",
            names.len()
        ));
        return None;
    }
    if names.len() > MAX_LABELS {
        notes.push(format!(
            "no labels: {} folders are more than {MAX_LABELS}",
            names.len()
        ));
        return None;
    }
    let names: Vec<Vec<u8>> = names.into_iter().collect();
    for (_, skip, files) in splits {
        for file in files {
            let position = label_folder(file, *skip).and_then(|folder| {
                names
                    .binary_search_by(|name| name.as_slice().cmp(folder))
                    .ok()
            });
            file.label = position.map(|position| position as u8);
        }
    }
    Some(names.iter().map(|name| text(name)).collect())
}

fn label_folder(file: &ImageFile, skip: usize) -> Option<&[u8]> {
    first_folder(&file.path_bytes()[skip..])
}
