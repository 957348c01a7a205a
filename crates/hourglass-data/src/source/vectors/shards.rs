//! A folder of shards: files of vectors that belong together.

use std::path::{Path, PathBuf};

use hourglass_samples::Kind;

use super::fault::VectorsFault;
use super::npy_array::npy_array;
use super::open::{File, open_vectors};
use super::safetensors;
use crate::cache::Progress;
use crate::dataset::Splits;
use crate::error::DataError;
use crate::source::kind::{Request, Source};
use crate::source::npy::MAGIC;

/// A folder of `.npy` or `.safetensors` files, in the order of their names, where numbers count as numbers.
pub(crate) struct Shards;

impl Source for Shards {
    fn describe_file(&self) -> &'static str {
        "a .safetensors file"
    }

    fn describe_path(&self) -> &'static str {
        "a folder of .npy or .safetensors files"
    }

    fn kind(&self) -> Kind {
        Kind::Vectors
    }

    fn knows(&self, path: &Path, start: Option<&[u8]>) -> bool {
        // Beside images, an array is something else.
        start.is_none()
            && files(path).is_ok_and(|files| !files.is_empty())
            && !holds_images(path).unwrap_or(false)
    }

    fn open(
        &self,
        path: &Path,
        request: &Request<'_>,
        progress: Progress<'_>,
    ) -> Result<Splits, DataError> {
        let mut shards = Vec::new();
        for path in files(path)? {
            let fault = |fault: VectorsFault| DataError::format(&path, fault);
            let file = File::map(&path)?;
            let array = match file.bytes.starts_with(MAGIC) {
                true => npy_array(&file.bytes).map_err(fault)?,
                false => {
                    let arrays = safetensors::arrays(&file.bytes).map_err(fault)?;
                    let name = request.options.rows.array.as_deref();
                    safetensors::chosen(&arrays, name).map_err(fault)?
                }
            };
            shards.push((file, array));
        }
        open_vectors(shards, None, request, progress)
    }
}

/// Whether there are images or further folders, which may hold some.
fn holds_images(folder: &Path) -> std::io::Result<bool> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let extension = path
            .extension()
            .map(|extension| extension.to_ascii_lowercase());
        let is_image = extension.is_some_and(|extension| {
            ["png", "jpg", "jpeg"]
                .iter()
                .any(|known| extension == *known)
        });
        if is_image || path.is_dir() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let is_shard = path
            .extension()
            .is_some_and(|extension| extension == "npy" || extension == "safetensors");
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_shard && !is_hidden {
            files.push(path);
        }
    }
    files.sort_by_cached_key(|path| {
        natural(&path.file_name().unwrap_or_default().to_string_lossy())
    });
    Ok(files)
}

/// A key by which `part-10` comes after `part-9`.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (words, after) = rest.split_at(text);
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        key.push((0, words.to_owned()));
        key.push((number.parse().unwrap_or(u64::MAX), number.to_owned()));
        rest = after;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn shards_are_in_the_order_of_their_numbers() {
        let mut names = [
            "part-10.npy",
            "part-9.npy",
            "part-1.npy",
            "a.npy",
            "part-02.npy",
        ];
        names.sort_by_key(|name| natural(name));
        assert_eq!(
            names,
            [
                "a.npy",
                "part-1.npy",
                "part-02.npy",
                "part-9.npy",
                "part-10.npy"
            ]
        );
    }
}
