//! The list of the datasets that can be opened by name. To add a dataset, add an [`Entry`].

use super::entry::{Content, Entry, File};
use crate::source::idx::FILE_NAMES;

/// Finds an entry by its name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// The catalog name most like `name`, if one is close enough to be what was meant.
pub fn closest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase().replace('_', "-");
    let distance = |entry: &Entry| match strsim::levenshtein(entry.name, &name) {
        // A part of a name is a near miss, however much is missing.
        far if far > 2 && name.len() >= 4 && entry.name.contains(&name) => 2,
        distance => distance,
    };
    let close = ENTRIES.iter().filter(|entry| distance(entry) <= 2);
    close
        .min_by_key(|entry| distance(entry))
        .map(|entry| entry.name)
}

const fn files(facts: [(&'static str, u64); 4]) -> [File; 4] {
    let [a, b, c, d] = FILE_NAMES;
    [
        file(a, facts[0]),
        file(b, facts[1]),
        file(c, facts[2]),
        file(d, facts[3]),
    ]
}

const fn file(name: &'static str, (sha256, bytes): (&'static str, u64)) -> File {
    File {
        name,
        sha256,
        bytes,
    }
}

macro_rules! embedded {
    ($file:literal) => {
        include_bytes!(concat!("../../data/mnist-mini/", $file, ".gz"))
    };
}

/// All datasets that can be opened by name.
pub static ENTRIES: &[Entry] = &[
    Entry {
        name: "mnist-mini",
        description: "The first 5,000 training and 1,000 test images of MNIST, part of this program",
        licence: "CC BY-SA 3.0",
        source: "MNIST, cut by scripts/make-mnist-mini.py",
        files: &files([
            (
                "1e3ffdb2f57e22d9e5363dde25c2d057542c2e72baa312f0f3b03948bb3802b7",
                3_920_016,
            ),
            (
                "685aeb7baef68233efa643639a5e9c15bb48be09a628f96fb7f606ca2a1ea7bc",
                5_008,
            ),
            (
                "de7c252b04f05e1f8309634180ccdf286dc6dbac8c579b74e76e02ae0331ca52",
                784_016,
            ),
            (
                "832c0d20f0dc42e575488c75a83a970787d4c8d4d05831b2ef03701b4a478a90",
                1_008,
            ),
        ]),
        content: Content::Embedded([
            embedded!("train-images-idx3-ubyte"),
            embedded!("train-labels-idx1-ubyte"),
            embedded!("t10k-images-idx3-ubyte"),
            embedded!("t10k-labels-idx1-ubyte"),
        ]),
    },
    Entry {
        name: "breast-cancer",
        description: "Cell nuclei of 569 breast masses: 30 measurements each, benign or malignant; part of this program",
        licence: "CC BY 4.0",
        source: "William Wolberg, Olvi Mangasarian, Nick Street and W. Street: Breast Cancer Wisconsin (Diagnostic), UCI, 1993",
        files: &[File {
            name: "breast-cancer.csv",
            sha256: "518936fa92ca3d8a78c420aee22030c4e519ffcba3be15dd23e83f2fc22e20e5",
            bytes: 123_865,
        }],
        content: Content::Table {
            packed: include_bytes!("../../data/breast-cancer/breast-cancer.csv.gz"),
            label: "diagnosis",
        },
    },
    Entry {
        name: "mnist",
        description: "Handwritten digits: 60,000 training and 10,000 test images of 28x28 grey pixels",
        licence: "CC BY-SA 3.0",
        source: "Yann LeCun, Corinna Cortes and Christopher J. C. Burges, from NIST's Special Databases 1 and 3",
        files: &files([
            (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                47_040_016,
            ),
            (
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                60_008,
            ),
            (
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                7_840_016,
            ),
            (
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                10_008,
            ),
        ]),
        content: Content::Mirrors(&[
            "https://ossci-datasets.s3.amazonaws.com/mnist",
            "https://storage.googleapis.com/cvdf-datasets/mnist",
        ]),
    },
    Entry {
        name: "fashion-mnist",
        description: "Zalando's articles in ten classes: 60,000 training and 10,000 test images of 28x28 grey pixels",
        licence: "MIT",
        source: "Han Xiao, Kashif Rasul and Roland Vollgraf, https://github.com/zalandoresearch/fashion-mnist",
        files: &files([
            (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                47_040_016,
            ),
            (
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                60_008,
            ),
            (
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                7_840_016,
            ),
            (
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                10_008,
            ),
        ]),
        content: Content::Mirrors(&[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        ]),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use hourglass_files::hex_sha256;

    #[test]
    fn embedded_files_are_those_listed() {
        for entry in ENTRIES {
            let packed = match &entry.content {
                Content::Embedded(packed) => packed.to_vec(),
                Content::Table { packed, .. } => vec![*packed],
                Content::Mirrors(_) => continue,
            };
            for (file, packed) in entry.files.iter().zip(packed) {
                let mut bytes = Vec::new();
                std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
                assert_eq!(
                    (bytes.len() as u64, hex_sha256(&bytes)),
                    (file.bytes, file.sha256.into())
                );
            }
        }
    }

    #[test]
    fn suggests_what_was_meant() {
        assert_eq!(closest("minst"), Some("mnist"));
        assert_eq!(closest("MNIST"), Some("mnist"));
        assert_eq!(closest("fashion"), Some("fashion-mnist"));
        assert_eq!(closest("fashion_mnist"), Some("fashion-mnist"));
        assert_eq!(closest("mnist-mimi"), Some("mnist-mini"));
        assert_eq!(closest("cifar10"), None);
        assert_eq!(closest(""), None);
    }
}
