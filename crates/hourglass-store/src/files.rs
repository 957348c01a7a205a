//! The files of a model: their names, how much of them is read at most, and their hashes.

use std::io::{self, Read};
use std::path::Path;

use fs_err as fs;
use hourglass_files::open_file;

/// The name of the settings in a model's directory.
pub const CONFIG_FILE: &str = "config.json";

/// The name of the weights in a model's directory.
pub const WEIGHTS_FILE: &str = "model.safetensors";

/// The name of a fine-tuned classifier's weights in a model's directory.
pub const CLASSIFIER_FILE: &str = "classifier.safetensors";

/// The name of the resolved recipe in a model's directory, where Hourglass has trained the model.
pub const RECIPE_FILE: &str = "config.toml";

/// The name of what `hourglass evaluate --json` printed of a model, in its directory.
pub const METRICS_FILE: &str = "metrics.json";

/// Reads a file of at most so many bytes, so that a damaged or a hostile one can't ask for more memory than what it should
/// hold needs.
///
/// # Errors
/// Names the path.
pub(crate) fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_file(path)?;
    let length = check_length(path, &file, most)?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The length of a file, which must be at most so many bytes.
///
/// # Errors
/// Names the path.
pub(crate) fn check_length(path: &Path, file: &fs::File, most: u64) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if length <= most {
        return Ok(length);
    }
    let path = path.display();
    let message = format!("{path}: expected at most {most} bytes, found {length}");
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}
