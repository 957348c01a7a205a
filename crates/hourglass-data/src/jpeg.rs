//! Whether a JPEG file is whole. The decoder fills what is missing of one with grey, without a word.

/// First byte of every marker.
const MARKER: u8 = 0xff;
const END_OF_IMAGE: u8 = 0xd9;

/// Whether the segments of `bytes` lead to the end marker. An end marker inside a segment, as in a thumbnail, is none.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..);
    while let Some((marker, behind)) = rest.and_then(next_marker) {
        if marker == END_OF_IMAGE {
            return true;
        }
        let length = behind.first_chunk().map_or(usize::MAX, |&length| {
            usize::from(u16::from_be_bytes(length))
        });
        rest = behind.get(length..);
    }
    false
}

/// The next marker of a segment and what lies behind it. Passed over are a scan's data, in which a stuffed zero or a restart
/// follows 0xff, and fill bytes.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let at = bytes.windows(2).position(|pair| {
        pair[0] == MARKER && !matches!(pair[1], 0x00 | 0x01 | 0xd0..=0xd7 | MARKER)
    })?;
    Some((bytes[at + 1], &bytes[at + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, a segment that holds an end marker, a scan with a stuffed zero and a restart, end.
    const IMAGE: [u8; 25] = [
        0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd9, 7, 7, 0xff, 0xda, 0, 3, 1, 8, 0xff, 0, 8, 0xff,
        0xd0, 8, 8, 0xff, 0xd9,
    ];

    #[test]
    fn only_the_whole_image_is_whole() {
        assert!(is_whole(&IMAGE));
        assert!(is_whole(&[&IMAGE[..], b"more"].concat()));
        for length in 0..IMAGE.len() {
            assert!(!is_whole(&IMAGE[..length]), "{length}");
        }
    }
}
