//! The ids of a dataset's images: the text of all ids, followed by the offset at which each begins.

use std::io::{self, Write};

use super::mapped::Bytes;

/// The size of an offset in bytes.
const OFFSET: usize = size_of::<u64>();

/// One text per image, read from a file that [`IdsWriter`] wrote.
#[derive(Debug)]
pub(crate) struct Ids {
    bytes: Bytes,
    /// Where the offsets begin: `count + 1` of them.
    table: usize,
}

impl Ids {
    /// None where `bytes` can't be the ids of `count` images.
    pub(crate) fn read(bytes: Bytes, count: usize) -> Option<Self> {
        let table = bytes.len().checked_sub((count + 1) * OFFSET)?;
        let ids = Self { bytes, table };
        (ids.offset(count)? == table).then_some(ids)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        let range = self.offset(index)?..self.offset(index + 1)?;
        std::str::from_utf8(self.bytes[..self.table].get(range)?).ok()
    }

    fn offset(&self, index: usize) -> Option<usize> {
        let bytes = self.bytes.get(self.table + index * OFFSET..)?;
        usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()
    }
}

/// Writes ids one after the other.
pub(crate) struct IdsWriter {
    offsets: Vec<u64>,
}

impl IdsWriter {
    pub(crate) fn new() -> Self {
        Self { offsets: vec![0] }
    }

    /// Writes the next id.
    pub(crate) fn push(&mut self, id: &str, target: &mut impl Write) -> io::Result<()> {
        let end = self.offsets[self.offsets.len() - 1] + id.len() as u64;
        self.offsets.push(end);
        target.write_all(id.as_bytes())
    }

    /// Writes where each id begins.
    pub(crate) fn finish(self, target: &mut impl Write) -> io::Result<()> {
        self.offsets
            .iter()
            .try_for_each(|offset| target.write_all(&offset.to_le_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_id_comes_back(texts in proptest::collection::vec(".{0,9}", 0..9)) {
            let mut bytes = Vec::new();
            let mut writer = IdsWriter::new();
            for text in &texts {
                writer.push(text, &mut bytes).unwrap();
            }
            writer.finish(&mut bytes).unwrap();
            let ids = Ids::read(Bytes::owned(bytes.clone()), texts.len()).unwrap();
            for (index, text) in texts.iter().enumerate() {
                prop_assert_eq!(ids.get(index), Some(text.as_str()));
            }
            prop_assert_eq!(ids.get(texts.len()), None);
            bytes.push(0);
            prop_assert!(Ids::read(Bytes::owned(bytes), texts.len()).is_none());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), count in 0usize..9) {
            if let Some(ids) = Ids::read(Bytes::owned(bytes), count) {
                (0..=count).for_each(|index| _ = ids.get(index));
            }
        }
    }
}
