//! Downloads a dataset of the catalog. A download resumes where it stopped, and a file is checked before it gets its name.
//!
//! `NAME.gz` is downloaded to `NAME.gz.part`, unpacked to a temporary file, checked against the catalog's SHA-256 and
//! renamed to `NAME`. An interruption leaves at most the `.part` file, from which the next attempt continues.

use std::path::Path;
use std::time::Duration;

use fs_err::{File, OpenOptions};
use ureq::Agent;
use ureq::http::{StatusCode, header};

use super::entry::{self, Content, Entry};
use crate::cache::stamp;
use crate::error::DataError;
use crate::locations::Locations;
use crate::source::unpack::{CopyError, Length, copy, unpack};

/// The progress of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// The file is already there, with the right content.
    Present {
        /// The file's name.
        file: &'a str,
    },
    /// A piece has arrived.
    Progress {
        /// The file's name.
        file: &'a str,
        /// Bytes of the packed file on disk, including those of an earlier attempt.
        done: u64,
        /// Bytes of the whole packed file, where the server says how many there are.
        total: Option<u64>,
    },
    /// A mirror failed; the next one is tried.
    MirrorFailed {
        /// What was asked for.
        url: &'a str,
        /// Why it failed.
        reason: &'a str,
    },
    /// The file is unpacked, checked and has its name.
    Fetched {
        /// The file's name.
        file: &'a str,
    },
}

/// Downloads the missing files of a dataset into its directory. For an embedded dataset there is nothing to do.
///
/// If `locations` has a mirror, it is the only source; a file may lie there as `DATASET/NAME.gz` or as `NAME.gz`.
pub fn fetch(
    entry: &Entry,
    locations: &Locations,
    progress: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), DataError> {
    let Content::Mirrors(public) = entry.content else {
        return Ok(());
    };
    let directory = entry.directory(locations)?;
    fs_err::create_dir_all(&directory)?;
    let mirrors = match locations.mirror() {
        Some(mirror) => {
            let mirror = mirror.trim_end_matches('/');
            vec![format!("{mirror}/{}", entry.name), mirror.into()]
        }
        None => public.iter().map(|&mirror| mirror.into()).collect(),
    };
    let agent = agent();
    for file in entry.files {
        let path = directory.join(file.name);
        if path.is_file() && stamp::sha256_of_file(&path)? == file.sha256 {
            progress(FetchEvent::Present { file: file.name });
            continue;
        }
        fetch_file(&agent, &mirrors, file, &path, progress)?;
        progress(FetchEvent::Fetched { file: file.name });
    }
    Ok(())
}

/// An HTTP client that leaves status codes to us and gives up on a server that goes silent.
fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        .build()
        .into()
}

/// Why an attempt failed: because of the mirror, so that the next one may do better, or because of this machine.
enum Failure {
    Mirror(String),
    Local(DataError),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Local(error.into())
    }
}

fn fetch_file(
    agent: &Agent,
    mirrors: &[String],
    file: &entry::File,
    path: &Path,
    progress: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), DataError> {
    let mut attempts = Vec::new();
    for mirror in mirrors {
        let url = format!("{mirror}/{}.gz", file.name);
        match fetch_from(agent, &url, file, path, progress) {
            Ok(()) => return Ok(()),
            Err(Failure::Local(error)) => return Err(error),
            Err(Failure::Mirror(reason)) => {
                progress(FetchEvent::MirrorFailed {
                    url: &url,
                    reason: &reason,
                });
                attempts.push(format!("  {url}: {reason}"));
            }
        }
    }
    Err(DataError::FetchFailed {
        file: file.name.into(),
        attempts,
    })
}

fn fetch_from(
    agent: &Agent,
    url: &str,
    file: &entry::File,
    path: &Path,
    progress: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), Failure> {
    let part = path.with_added_extension("gz.part");
    let resumed = part.exists();
    download(agent, url, &part, file.name, progress)?;
    match install(&part, path, file) {
        // The earlier part may be of another mirror's file, or damaged: try once more, from the start.
        Err(Failure::Mirror(_)) if resumed => {
            download(agent, url, &part, file.name, progress)?;
            install(&part, path, file)
        }
        result => result,
    }
}

/// Downloads `url` to `part`, after the bytes that are already there.
fn download(
    agent: &Agent,
    url: &str,
    part: &Path,
    name: &str,
    progress: &mut dyn FnMut(FetchEvent<'_>),
) -> Result<(), Failure> {
    let have = part.metadata().map_or(0, |metadata| metadata.len());
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let response = request
        .call()
        .map_err(|error| Failure::Mirror(error.to_string()))?;
    let (mut target, mut done) = match response.status() {
        // Servers that don't know ranges send the whole file.
        StatusCode::OK => (File::create(part)?, 0),
        StatusCode::PARTIAL_CONTENT => (OpenOptions::new().append(true).open(part)?, have),
        // There is nothing after what we have: it is complete, or `install` finds that it is wrong.
        StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(()),
        status => {
            return Err(Failure::Mirror(format!(
                "expected the file, the server answered {status}"
            )));
        }
    };
    let total = response.body().content_length().map(|rest| done + rest);
    let mut body = response.into_body().into_reader();
    copy(&mut body, &mut target, |count| {
        done += count as u64;
        progress(FetchEvent::Progress {
            file: name,
            done,
            total,
        });
    })
    .map_err(|error| match error {
        CopyError::Read(error) => Failure::Mirror(format!("stopped after {done} bytes: {error}")),
        CopyError::Write(error) => Failure::from(error),
    })?;
    match total {
        Some(total) if done < total => Err(Failure::Mirror(format!(
            "stopped after {done} bytes, expected {total}"
        ))),
        _ => Ok(()),
    }
}

/// Unpacks and checks `part` and puts it at `path`; what is wrong is deleted.
fn install(part: &Path, path: &Path, file: &entry::File) -> Result<(), Failure> {
    let length = Length::AtMost(file.bytes);
    let reason = match unpack(part, path, |_| Ok(length)) {
        Ok(unpacked) if unpacked.sha256 == file.sha256 => {
            unpacked.persist().map_err(Failure::Local)?;
            fs_err::remove_file(part)?;
            return Ok(());
        }
        Ok(unpacked) => format!(
            "expected SHA-256 {} once unpacked, found {}",
            file.sha256, unpacked.sha256
        ),
        Err(DataError::Gzip { reason, .. }) => {
            format!("expected gzip data, but it can't be unpacked: {reason}")
        }
        Err(DataError::UnpackedLength {
            expected, found, ..
        }) => {
            format!("expected {expected} bytes once unpacked, found {found}")
        }
        Err(error) => return Err(Failure::Local(error)),
    };
    fs_err::remove_file(part)?;
    Err(Failure::Mirror(reason))
}
