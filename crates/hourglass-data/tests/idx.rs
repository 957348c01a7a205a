//! The IDX header: every fault is told from the others, and no bytes make it panic.

use hourglass_data::idx::{IdxFault, Kind, parse_header};
use proptest::prelude::*;

/// An IDX file of these header words and this many zero bytes.
fn idx(words: &[u32], payload: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.resize(bytes.len() + payload, 0);
    bytes
}

#[test]
fn whole_files_parse() {
    let header = parse_header(&idx(&[0x803, 5, 2, 3], 30), Kind::Images).unwrap();
    assert_eq!((header.count, header.shape.to_array()), (5, [1, 2, 3]));
    assert_eq!(
        parse_header(&idx(&[0x801, 5], 5), Kind::Labels)
            .unwrap()
            .count,
        5
    );
}

#[test]
fn lengths_must_agree() {
    let fault = parse_header(&idx(&[0x803, 5, 2, 3], 29), Kind::Images).unwrap_err();
    assert_eq!(
        fault,
        IdxFault::Truncated {
            kind: Kind::Images,
            count: 5,
            expected: 46,
            found: 45
        }
    );
    let fault = parse_header(&idx(&[0x801, 5], 6), Kind::Labels).unwrap_err();
    assert_eq!(
        fault,
        IdxFault::Trailing {
            kind: Kind::Labels,
            count: 5,
            expected: 13,
            found: 14
        }
    );
    let fault = parse_header(&idx(&[0x803, 5], 0), Kind::Images).unwrap_err();
    assert_eq!(
        fault,
        IdxFault::ShortHeader {
            expected: 16,
            found: 8
        }
    );
    assert!(matches!(
        parse_header(&[], Kind::Labels),
        Err(IdxFault::ShortHeader { .. })
    ));
}

#[test]
fn nothing_inside_is_a_fault() {
    for words in [[0x803, 0, 28, 28], [0x803, 1, 0, 28], [0x803, 1, 28, 0]] {
        assert!(matches!(
            parse_header(&idx(&words, 0), Kind::Images),
            Err(IdxFault::Empty { .. })
        ));
    }
    assert!(matches!(
        parse_header(&idx(&[0x801, 0], 0), Kind::Labels),
        Err(IdxFault::Empty { .. })
    ));
}

#[test]
fn huge_claims_are_faults_and_allocate_nothing() {
    let fault = parse_header(
        &idx(&[0x803, u32::MAX, u32::MAX, u32::MAX], 0),
        Kind::Images,
    );
    assert!(matches!(fault, Err(IdxFault::Overflow { .. })));
    let fault = parse_header(&idx(&[0x803, 1 << 20, 1 << 10, 1 << 10], 0), Kind::Images);
    assert!(matches!(fault, Err(IdxFault::Truncated { .. })));
}

#[test]
fn wrong_files_are_named() {
    let said = |bytes: &[u8], kind| parse_header(bytes, kind).unwrap_err().to_string();
    assert_eq!(
        said(&idx(&[0x803, 1, 1, 1], 1), Kind::Labels),
        "expected an IDX file of labels (magic number 0x00000801), found an IDX file of images; are the two files swapped?"
    );
    assert!(said(&idx(&[0x801, 1], 1), Kind::Images).contains("found an IDX file of labels"));
    assert!(said(&[0x1f, 0x8b, 8, 0], Kind::Images).contains("found gzip data"));
    assert!(said(b"\x89PNG", Kind::Images).contains("found 0x89504e47"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), labels: bool) {
        let kind = if labels { Kind::Labels } else { Kind::Images };
        let _ = parse_header(&bytes, kind).map_err(|fault| fault.to_string());
    }

    #[test]
    fn no_dimensions_panic(count: u32, height: u32, width: u32, payload in 0usize..64) {
        let bytes = idx(&[0x803, count, height, width], payload);
        if let Ok(header) = parse_header(&bytes, Kind::Images) {
            prop_assert_eq!(header.count * header.shape.features(), payload);
        }
    }

    #[test]
    fn every_whole_file_parses(count in 1u32..9, height in 1u32..9, width in 1u32..9) {
        let bytes = idx(&[0x803, count, height, width], (count * height * width) as usize);
        prop_assert_eq!(parse_header(&bytes, Kind::Images).unwrap().count, count as usize);
    }
}
