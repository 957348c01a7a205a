//! The header of a `.npy` file. It is bounded before it is parsed, since the parser's time doubles with each nested bracket.

use std::io::{self, Read};

use npyz::NpyHeader;

/// NumPy's header of an array of numbers takes 128 bytes; one longer than this is of something else.
const MOST_TEXT_BYTES: usize = 4096;
/// The bytes of the magic, the version and the text's length.
const PRELUDE_BYTES: usize = 12;
/// Levels of brackets: the dictionary and the shape in it; for structured arrays, a list of pairs with a shape each.
const MOST_DEPTH: usize = 4;

/// No header has more bytes.
pub(super) const HEADER_BYTES: usize = PRELUDE_BYTES + MOST_TEXT_BYTES;

/// Reads the header at the start of `from`, and nothing after it. Also returns the header's length in bytes.
///
/// # Errors
/// When there is none, or one that is too long or too deep to be that of an array of numbers.
pub fn read_npy_header(from: &mut impl Read) -> io::Result<(NpyHeader, usize)> {
    let mut bytes = take(from, 8)?;
    let length_bytes = if bytes[6] == 1 { 2 } else { 4 };
    bytes.extend(take(from, length_bytes)?);
    let length = bytes[8..].iter().rev();
    let length = length.fold(0_usize, |length, &byte| length << 8 | usize::from(byte));
    if length > MOST_TEXT_BYTES {
        return Err(invalid(format!(
            "expected a header of at most {MOST_TEXT_BYTES} bytes, found one of {length}"
        )));
    }
    let text = take(from, length)?;
    if depth(&text) > MOST_DEPTH {
        return Err(invalid(format!(
            "expected at most {MOST_DEPTH} brackets inside each other, found more"
        )));
    }
    bytes.extend(text);
    Ok((NpyHeader::from_reader(bytes.as_slice())?, bytes.len()))
}

fn take(from: &mut impl Read, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The most brackets that are open at a time, including those within strings.
fn depth(text: &[u8]) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in text {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<u8> {
        let length = (text.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes()].concat()
    }

    #[test]
    fn what_stands_behind_a_header_is_left() {
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n";
        let bytes = [header(text), vec![7; 8]].concat();
        let mut rest = bytes.as_slice();
        let (found, length) = read_npy_header(&mut rest).unwrap();
        assert_eq!((found.shape(), length), (&[1, 2][..], 10 + text.len()));
        assert_eq!(rest, [7; 8]);
    }

    #[test]
    fn deep_and_long_headers_are_not_parsed() {
        let started = std::time::Instant::now();
        // A depth of 22 took the parser 19 s; with twice that it would never end.
        for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("((", "")] {
            let text = open.repeat(44) + &close.repeat(44);
            let error = read_npy_header(&mut header(&text).as_slice());
            let error = error.err().unwrap();
            assert!(error.to_string().contains("brackets inside"), "{error}");
        }
        let error = read_npy_header(&mut header(&"1,".repeat(5000)).as_slice());
        let error = error.err().unwrap();
        assert!(error.to_string().contains("found one of 10000"), "{error}");
        assert!(started.elapsed().as_secs() < 5);
    }
}
