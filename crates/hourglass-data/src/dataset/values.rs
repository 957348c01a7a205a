//! The numbers of a dataset as they lie in files: rows of one type of number, in one or several files.

use half::{bf16, f16};
use hourglass_files::Hashing;
use std::io::{self, Write};

use super::mapped::Bytes;

/// Makes the types of numbers that can be read from files, little-endian.
macro_rules! numbers {
    ($($name:ident: $type:ty, $convert:expr;)+) => {
        /// A type of numbers in files.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Number {
            $($name,)+
        }

        impl Number {
            /// The size of one in bytes.
            pub(crate) const fn bytes(self) -> usize {
                match self { $(Self::$name => size_of::<$type>(),)+ }
            }

            /// Appends the numbers that lie in `bytes`.
            pub(crate) fn read(self, bytes: &[u8], numbers: &mut Vec<f64>) {
                match self {
                    $(Self::$name => {
                        let (each, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
                        let convert: fn($type) -> f64 = $convert;
                        numbers.extend(each.iter().map(|&bytes| convert(<$type>::from_le_bytes(bytes))));
                    })+
                }
            }
        }
    };
}

numbers! {
    U8: u8, f64::from;
    I8: i8, f64::from;
    U16: u16, f64::from;
    I16: i16, f64::from;
    U32: u32, f64::from;
    I32: i32, f64::from;
    U64: u64, |number| number as f64;
    I64: i64, |number| number as f64;
    F16: f16, f64::from;
    Bf16: bf16, f64::from;
    F32: f32, f64::from;
    F64: f64, |number| number;
}

/// Rows of so many numbers each, in parts that lie apart.
#[derive(Debug)]
pub(crate) struct Values {
    number: Number,
    width: usize,
    parts: Vec<Part>,
    rows: usize,
}

#[derive(Debug)]
struct Part {
    bytes: Bytes,
    /// Rows in the parts before this one.
    first: usize,
}

impl Values {
    /// Each part must hold whole rows of `width` numbers, at least one in all.
    pub(crate) fn new(number: Number, width: usize, parts: Vec<Bytes>) -> Self {
        let mut rows = 0;
        let parts = parts.into_iter().map(|bytes| {
            let first = rows;
            rows += bytes.len() / (width * number.bytes());
            Part { bytes, first }
        });
        Self {
            number,
            width,
            parts: parts.collect(),
            rows,
        }
    }

    /// Bytes, as images have them.
    pub(crate) fn bytes(width: usize, bytes: Bytes) -> Self {
        Self::new(Number::U8, width, vec![bytes])
    }

    pub(crate) fn number(&self) -> Number {
        self.number
    }

    /// Bytes in a row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.width * self.number.bytes()
    }

    /// The bytes of the parts, in their order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| &*part.bytes)
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The bytes of a row.
    ///
    /// # Panics
    /// If there are not so many.
    pub(crate) fn row(&self, index: usize) -> &[u8] {
        let after = self.parts.partition_point(|part| part.first <= index);
        let part = &self.parts[after - 1];
        let length = self.row_bytes();
        &part.bytes[(index - part.first) * length..][..length]
    }

    /// Appends the numbers of a row.
    ///
    /// # Panics
    /// If there are not so many.
    pub(crate) fn read(&self, index: usize, numbers: &mut Vec<f64>) {
        self.number.read(self.row(index), numbers);
    }

    /// SHA-256 of all bytes, in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        let mut hashing = Hashing::new(io::sink());
        for bytes in self.parts() {
            hashing.write_all(bytes).expect("a sink takes everything");
        }
        hashing.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_in_their_parts() {
        let bytes = |numbers: &[f32]| {
            let each = numbers.iter().flat_map(|number| number.to_le_bytes());
            Bytes::owned(each.collect())
        };
        let parts = vec![bytes(&[]), bytes(&[1.0, 2.0, 3.0, 4.0]), bytes(&[5.0, 6.0])];
        let values = Values::new(Number::F32, 2, parts);
        assert_eq!(values.rows(), 3);
        let mut found = Vec::new();
        (0..3).for_each(|index| values.read(index, &mut found));
        assert_eq!(found, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn every_type_of_number_is_read() {
        let minus_two = [
            (Number::I8, (-2_i8).to_le_bytes().to_vec()),
            (Number::I16, (-2_i16).to_le_bytes().to_vec()),
            (Number::I32, (-2_i32).to_le_bytes().to_vec()),
            (Number::I64, (-2_i64).to_le_bytes().to_vec()),
            (Number::F16, vec![0x00, 0xc0]),
            (Number::Bf16, vec![0x00, 0xc0]),
            (Number::F32, (-2_f32).to_le_bytes().to_vec()),
            (Number::F64, (-2_f64).to_le_bytes().to_vec()),
        ];
        let two_hundred = [
            (Number::U8, vec![200]),
            (Number::U16, vec![200, 0]),
            (Number::U32, vec![200, 0, 0, 0]),
            (Number::U64, vec![200, 0, 0, 0, 0, 0, 0, 0]),
        ];
        let all = minus_two.into_iter().map(|pair| (pair, -2.0));
        let all = all.chain(two_hundred.into_iter().map(|pair| (pair, 200.0)));
        for ((number, bytes), expected) in all {
            assert_eq!(number.bytes(), bytes.len(), "{number:?}");
            let mut found = Vec::new();
            number.read(&bytes, &mut found);
            assert_eq!(found, [expected], "{number:?}");
        }
    }
}
