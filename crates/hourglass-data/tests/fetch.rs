//! Fetching from a server of our own: whole, interrupted, resumed, refused, wrong.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use common::{gzip, images, labels};
use hourglass_data::catalog::{Content, Entry, FILE_NAMES, File};
use hourglass_data::{FetchEvent, Locations, fetch};
use hourglass_files::hex_sha256;
use tempfile::TempDir;

/// How a server answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Knows ranges.
    Ranges,
    /// Sends the whole file, whatever is asked for.
    WholeFiles,
    /// Knows ranges, and hangs up after 40 bytes of a file.
    HangsUp,
    /// Sends other data under the right names.
    OtherData,
    /// Knows no file.
    Empty,
}

const MANNERS: [(&str, Manner); 5] = [
    ("ranges", Manner::Ranges),
    ("whole-files", Manner::WholeFiles),
    ("hangs-up", Manner::HangsUp),
    ("other-data", Manner::OtherData),
    ("empty", Manner::Empty),
];

/// A server that answers in the manner that the first part of the path names; what was asked for is noted.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &noted);
            }
        });
        Self { url, requests }
    }

    fn locations(&self, manner: &str, data: &TempDir) -> Locations {
        Locations::new(data.path(), Some(format!("{}/{manner}/", self.url)))
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, noted: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap())
        .lines()
        .map_while(Result::ok);
    let path = lines
        .next()
        .unwrap_or_default()
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let range = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.to_lowercase()
                .strip_prefix("range: bytes=")
                .map(str::to_owned)
        })
        .next();
    noted
        .lock()
        .unwrap()
        .push(format!("{path} {}", range.as_deref().unwrap_or("whole")));

    let (manner, name) = path.trim_start_matches('/').split_once('/').unwrap();
    let manner = MANNERS.iter().find(|(name, _)| *name == manner).unwrap().1;
    let name = name.trim_start_matches("tiny/").trim_end_matches(".gz");
    let file = FILE_NAMES
        .iter()
        .position(|file| *file == name)
        .filter(|_| manner != Manner::Empty);
    let Some(file) = file else {
        stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        return;
    };
    let bytes = match manner {
        Manner::OtherData => gzip(b"something else"),
        _ => gzip(&contents()[file]),
    };
    let start: usize = match range {
        Some(range) if manner != Manner::WholeFiles => range.trim_end_matches('-').parse().unwrap(),
        _ => 0,
    };
    let status = match start {
        0 => "200 OK",
        _ if start < bytes.len() => "206 Partial Content",
        _ => "416 Range Not Satisfiable",
    };
    let rest = bytes.get(start..).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        rest.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let sent = if manner == Manner::HangsUp {
        rest.len().min(40)
    } else {
        rest.len()
    };
    stream.write_all(&rest[..sent]).unwrap();
}

fn contents() -> [Vec<u8>; 4] {
    [images(20), labels(20), images(8), labels(8)]
}

fn leak<T: ?Sized>(value: Box<T>) -> &'static T {
    Box::leak(value)
}

/// A catalog entry of tiny files at these public mirrors.
fn entry(mirrors: &[String]) -> Entry {
    let contents = contents();
    let files: [File; 4] = std::array::from_fn(|file| {
        let sha256 = hex_sha256(&contents[file]);
        File {
            name: FILE_NAMES[file],
            sha256: leak(sha256.into()),
            bytes: contents[file].len() as u64,
        }
    });
    let mirrors: Vec<&str> = mirrors
        .iter()
        .map(|mirror| leak(mirror.as_str().into()))
        .collect();
    let content = Content::Mirrors(leak(mirrors.into()));
    Entry {
        name: "tiny",
        description: "",
        licence: "",
        source: "",
        files: leak(Box::new(files)),
        content,
    }
}

/// Names in the dataset's directory, stamps aside.
fn files(data: &TempDir) -> Vec<String> {
    let directory = fs_err::read_dir(data.path().join("tiny")).unwrap();
    let mut names: Vec<String> = directory
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".sha256"))
        .collect();
    names.sort();
    names
}

fn assert_complete(data: &TempDir) {
    let mut expected = FILE_NAMES;
    expected.sort_unstable();
    assert_eq!(files(data), expected);
    for (name, bytes) in FILE_NAMES.iter().zip(contents()) {
        assert_eq!(
            fs_err::read(data.path().join("tiny").join(name)).unwrap(),
            bytes
        );
    }
}

fn part(data: &TempDir) -> std::path::PathBuf {
    data.path()
        .join("tiny")
        .join(format!("{}.gz.part", FILE_NAMES[0]))
}

#[test]
fn fetches_checks_and_skips_what_is_there() {
    let (server, data) = (Server::start(), TempDir::new().unwrap());
    let locations = server.locations("ranges", &data);
    let mut last = None;
    fetch(&entry(&[]), &locations, &mut |event| {
        if let FetchEvent::Progress { done, total, .. } = event {
            last = Some((done, total));
        }
    })
    .unwrap();
    assert_complete(&data);
    let size = gzip(&labels(8)).len() as u64;
    assert_eq!(last, Some((size, Some(size))));
    assert_eq!(server.requests().len(), 4);

    // One file is damaged: it alone is fetched again.
    fs_err::write(data.path().join("tiny").join(FILE_NAMES[1]), b"damaged").unwrap();
    let mut present = 0;
    fetch(&entry(&[]), &locations, &mut |event| {
        present += usize::from(matches!(event, FetchEvent::Present { .. }))
    })
    .unwrap();
    assert_complete(&data);
    assert_eq!(
        (present, server.requests()),
        (3, vec![format!("/ranges/tiny/{}.gz whole", FILE_NAMES[1])])
    );
}

#[test]
fn an_interrupted_download_is_resumed() {
    let (server, data) = (Server::start(), TempDir::new().unwrap());
    let error = fetch(
        &entry(&[]),
        &server.locations("hangs-up", &data),
        &mut |_| {},
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("stopped after") && error.contains("run it again"),
        "{error}"
    );
    assert_eq!(files(&data), [format!("{}.gz.part", FILE_NAMES[0])]);
    let have = part(&data).metadata().unwrap().len();
    assert!(have >= 40);
    server.requests();

    fetch(&entry(&[]), &server.locations("ranges", &data), &mut |_| {}).unwrap();
    assert_eq!(
        server.requests()[0],
        format!("/ranges/tiny/{}.gz {have}-", FILE_NAMES[0])
    );
    assert_complete(&data);
}

#[test]
fn a_server_without_ranges_starts_again() {
    let (server, data) = (Server::start(), TempDir::new().unwrap());
    fs_err::create_dir(data.path().join("tiny")).unwrap();
    fs_err::write(part(&data), &gzip(&contents()[0])[..40]).unwrap();
    fetch(
        &entry(&[]),
        &server.locations("whole-files", &data),
        &mut |_| {},
    )
    .unwrap();
    assert_complete(&data);
}

#[test]
fn a_whole_part_and_a_wrong_part_both_end_well() {
    for earlier in [
        gzip(&contents()[0]),
        b"of another file".to_vec(),
        vec![0; 5000],
    ] {
        let (server, data) = (Server::start(), TempDir::new().unwrap());
        fs_err::create_dir(data.path().join("tiny")).unwrap();
        fs_err::write(part(&data), earlier).unwrap();
        fetch(&entry(&[]), &server.locations("ranges", &data), &mut |_| {}).unwrap();
        assert_complete(&data);
    }
}

#[test]
fn other_data_is_refused_and_deleted() {
    let (server, data) = (Server::start(), TempDir::new().unwrap());
    let entry = entry(&[]);
    let error = fetch(&entry, &server.locations("other-data", &data), &mut |_| {})
        .unwrap_err()
        .to_string();
    let expected = format!(
        "{}.gz: expected SHA-256 {} once unpacked, found ",
        FILE_NAMES[0], entry.files[0].sha256
    );
    assert!(error.contains(&expected), "{error}");
    assert!(files(&data).is_empty());
}

#[test]
fn refusals_name_the_url_and_what_to_do() {
    let (server, data) = (Server::start(), TempDir::new().unwrap());
    let error = fetch(&entry(&[]), &server.locations("empty", &data), &mut |_| {})
        .unwrap_err()
        .to_string();
    let url = format!(
        "{}/empty/tiny/{}.gz: expected the file, the server answered 404",
        server.url, FILE_NAMES[0]
    );
    assert!(error.contains(&url), "{error}");
    assert!(
        error.contains("HOURGLASS_MIRROR") && error.contains("scripts/fetch-data.sh"),
        "{error}"
    );
    assert!(files(&data).is_empty());

    // A port that nobody listens on any more.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let locations = Locations::new(data.path(), Some(format!("http://{closed}")));
    let error = fetch(&entry(&[]), &locations, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("http://{closed}/tiny/{}.gz: ", FILE_NAMES[0])),
        "{error}"
    );
}

#[test]
fn mirrors_are_tried_in_turn() {
    let (server, data) = (Server::start(), TempDir::new().unwrap());
    let entry =
        entry(&["empty", "other-data", "ranges"].map(|manner| format!("{}/{manner}", server.url)));
    let mut failed = 0;
    fetch(&entry, &Locations::new(data.path(), None), &mut |event| {
        failed += usize::from(matches!(event, FetchEvent::MirrorFailed { .. }));
    })
    .unwrap();
    assert_eq!(failed, 8);
    assert_complete(&data);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let data = TempDir::new().unwrap();
    fs_err::write(
        data.path().join("tiny"),
        b"a file where the directory should be",
    )
    .unwrap();
    let error = fetch(&entry(&[]), &Locations::new(data.path(), None), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(data.path().join("tiny").to_str().unwrap()),
        "{error}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_named() {
    let (server, data) = (Server::start(), TempDir::new().unwrap());
    fs_err::create_dir(data.path().join("tiny")).unwrap();
    // Every write to this device fails as on a full disk.
    std::os::unix::fs::symlink("/dev/full", part(&data)).unwrap();
    let error = fetch(&entry(&[]), &server.locations("ranges", &data), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("No space left") && error.contains(part(&data).to_str().unwrap()),
        "{error}"
    );
}
