//! The files of a model: their names, how much of them is read at most, and their hashes.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use fs_err as fs;
use hourglass_files::open_file;
use sha2::{Digest, Sha256};

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

/// SHA-256 of what comes from readers one after the other, in hexadecimal.
///
/// # Errors
/// When one can't be read.
pub(crate) fn sha256_of_readers(readers: [Box<dyn Read>; 2]) -> io::Result<String> {
    let mut hash = Sha256::new();
    for reader in readers {
        let mut reader = BufReader::new(reader);
        loop {
            let bytes = reader.fill_buf()?;
            let length = bytes.len();
            if length == 0 {
                break;
            }
            hash.update(bytes);
            reader.consume(length);
        }
    }
    Ok(hex(&hash.finalize()))
}

/// SHA-256 of parts one after the other, in hexadecimal.
pub fn hex_sha256(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hex(&hash.finalize())
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
