//! The image files in a folder, and their order.
//!
//! - Every `.png`, `.jpg` and `.jpeg` file at any depth is an image; the case of the extension is ignored. Links are followed.
//!   Files and folders whose names begin with a dot are hidden, and ignored.
//! - Images are ordered by the bytes of their path below the folder, with `/` between its parts, whatever order the file
//!   system lists them in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::cache::FileState;
use crate::error::DataError;
use crate::options::Skipped;

/// The extensions of images, in lower case.
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

/// An image file as the file system describes it.
#[derive(Debug)]
pub(crate) struct ImageFile {
    /// The path below the folder, with `/` between its parts.
    pub(crate) relative: PathBuf,
    pub(crate) state: FileState,
    pub(crate) label: Option<u8>,
}

impl ImageFile {
    pub(crate) fn new(relative: PathBuf, metadata: &std::fs::Metadata) -> Self {
        Self {
            relative,
            state: FileState::new(metadata),
            label: None,
        }
    }

    pub(crate) fn path_bytes(&self) -> &[u8] {
        self.relative.as_os_str().as_encoded_bytes()
    }

    /// The path as text.
    pub(crate) fn id(&self) -> String {
        text(self.path_bytes())
    }
}

/// `bytes` as text: what is not UTF-8 is written as `\xE9`, so that different paths stay different.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

/// What lies in a folder.
#[derive(Debug, Default)]
pub(crate) struct FolderContents {
    pub(crate) files: Vec<ImageFile>,
    /// What can't be listed: links that lead nowhere or in a circle, folders that can't be read.
    pub(crate) faults: Vec<Skipped>,
    /// The number of files with other extensions.
    pub(crate) ignored: usize,
}

/// Lists the folder at `root`.
pub(crate) fn list(root: &Path) -> Result<FolderContents, DataError> {
    let mut contents = FolderContents::default();
    let hidden = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    };
    let entries = WalkDir::new(root).follow_links(true).into_iter();
    for entry in entries.filter_entry(|entry| entry.depth() == 0 || !hidden(entry.path())) {
        match entry {
            Ok(entry) if !entry.file_type().is_file() => {}
            Ok(entry) if !is_image(entry.path()) => contents.ignored += 1,
            Ok(entry) => match entry.metadata() {
                Ok(metadata) => {
                    let relative = below(entry.path(), root);
                    contents.files.push(ImageFile::new(relative, &metadata));
                }
                Err(error) => contents.faults.push(fault(&error, root)),
            },
            Err(error) if error.depth() == 0 => {
                return Err(DataError::Image {
                    path: root.into(),
                    reason: reason(&error),
                });
            }
            Err(error) if error.path().is_some_and(hidden) => {}
            Err(error) => contents.faults.push(fault(&error, root)),
        }
    }
    contents
        .files
        .sort_unstable_by(|left, right| left.path_bytes().cmp(right.path_bytes()));
    contents
        .faults
        .sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(contents)
}

fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        EXTENSIONS
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// The part of `path` below `root`, with `/` between its parts.
fn below(path: &Path, root: &Path) -> PathBuf {
    let mut joined = OsString::new();
    for (depth, part) in path.strip_prefix(root).unwrap_or(path).iter().enumerate() {
        if depth > 0 {
            joined.push("/");
        }
        joined.push(part);
    }
    joined.into()
}

fn fault(error: &walkdir::Error, root: &Path) -> Skipped {
    let path = below(error.path().unwrap_or(root), root);
    Skipped {
        path: text(path.as_os_str().as_encoded_bytes()),
        reason: reason(error),
        unreadable: true,
    }
}

fn reason(error: &walkdir::Error) -> String {
    match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => {
            format!("the link leads back to {}, above it", ancestor.display())
        }
        (None, Some(error)) => format!("it can't be read: {error}"),
        (None, None) => error.to_string(),
    }
}
