//! Where samples come from: the registry of the kinds of sources. Each kind has a module of its own.
//!
//! A kind implements the trait [`Source`] and has a line in the list below. The kinds share the code that brings images to
//! another shape ([`fit`], [`resized`]) and that unpacks `.gz` files ([`unpack`]).

pub(crate) mod fit;
pub(crate) mod kind;
pub(crate) mod resized;
pub(crate) mod unpack;

use std::collections::HashSet;
use std::path::Path;

use hourglass_samples::Kind;
use kind::Source;

/// Makes the list of the kinds of sources.
macro_rules! sources {
    ($($module:ident: $($name:ident),+;)+) => {
        $(pub mod $module;)+

        static SOURCES: &[&dyn Source] = &[$($(&$module::$name),+),+];
    };
}

// In the order in which they are asked. Any directory may hold image files, so these come last.
sources! {
    idx: Idx;
    vectors: NpyVectors, Safetensors, Shards;
    table: Csv, Parquet;
    npy: Npy;
    images: ImageFiles;
}

/// The kind of what lies at `path`, if any knows it: of a file that begins with `start`, or of a directory. Where a kind of
/// samples is `wanted`, only sources of that kind are asked.
pub(crate) fn find(
    path: &Path,
    start: Option<&[u8]>,
    wanted: Option<Kind>,
) -> Option<&'static dyn Source> {
    of_kind(wanted).find(|source| source.knows(path, start))
}

fn of_kind(wanted: Option<Kind>) -> impl DoubleEndedIterator<Item = &'static dyn Source> {
    let sources = SOURCES.iter().copied();
    sources.filter(move |source| wanted.is_none_or(|wanted| source.kind() == wanted))
}

/// What a file of some kind of samples, or of any, may be, for errors: `a PNG or JPEG image, ...`.
pub(crate) fn files(wanted: Option<Kind>) -> String {
    listed(wanted, |source| source.describe_file(), ", ", " or ")
}

/// What a path may lead to, for errors: `a folder of PNG or JPEG images, of ...`.
pub(crate) fn paths() -> String {
    listed(None, |source| source.describe_path(), ", of ", ", or of ")
}

/// The descriptions, joined by `between` and, before the last of them, by `last`. The most usual kind comes first, which is
/// the one that is asked last.
fn listed(
    wanted: Option<Kind>,
    describe: fn(&dyn Source) -> &'static str,
    between: &str,
    last: &str,
) -> String {
    let mut described: Vec<&str> = of_kind(wanted).rev().map(describe).collect();
    let mut seen = HashSet::new();
    described.retain(|kind| seen.insert(*kind));
    match described.split_last() {
        Some((end, rest @ [_, ..])) => format!("{}{last}{end}", rest.join(between)),
        _ => described.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_are_of_one_kind_or_none() {
        let path = Path::new("file");
        for (start, kind) in [
            (&b"\x93NUMPY\x01\x00"[..], Some("a .npy file")),
            (&[0, 0, 8, 3], Some("an IDX file of images")),
            (b"\x89PNG\r\n\x1a\n", Some("a PNG or JPEG image")),
            (b"\xff\xd8\xff\xe0", Some("a PNG or JPEG image")),
            (b"GIF89a", None),
            (b"text", None),
            (b"", None),
        ] {
            let known = SOURCES
                .iter()
                .filter(|source| source.knows(path, Some(start)));
            let known: Vec<&str> = known.map(|source| source.describe_file()).collect();
            assert_eq!(known, kind.into_iter().collect::<Vec<_>>(), "{start:02x?}");
        }
    }

    #[test]
    fn a_directory_with_one_of_the_idx_files_is_not_one_of_image_files() {
        let directory = tempfile::TempDir::new().unwrap();
        let kind = || find(directory.path(), None, None).map(|kind| kind.describe_file());
        assert_eq!(kind(), Some("a PNG or JPEG image"));
        fs_err::write(directory.path().join("t10k-labels.idx1-ubyte.gz"), "").unwrap();
        assert_eq!(kind(), Some("an IDX file of images"));
    }

    #[test]
    fn errors_name_every_kind() {
        assert_eq!(
            files(None),
            "a PNG or JPEG image, a .npy file, a Parquet file, a .csv or .tsv file, a .safetensors file or an IDX file of images"
        );
        assert_eq!(
            paths(),
            "a folder of PNG or JPEG images, of a .npy file, of a Parquet file, of a .csv or .tsv file, of a folder of .npy or \
             .safetensors files, of a .safetensors file, or of a directory that holds train-images-idx3-ubyte and the like \
             (plain or .gz)"
        );
    }
}
