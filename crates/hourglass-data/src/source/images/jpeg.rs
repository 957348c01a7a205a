//! Checks whether a JPEG file is complete. The decoder would fill missing parts with grey and report no error.

use super::jpeg_scan::{Bits, Table, holds_block, holds_difference};

/// First byte of every marker.
const MARKER: u8 = 0xff;
const END_OF_IMAGE: u8 = 0xd9;
const HUFFMAN_TABLES: u8 = 0xc4;
const RESTART_INTERVAL: u8 = 0xdd;
const SCAN: u8 = 0xda;

/// Whether the segments of `bytes` lead to the end marker. An end marker inside a segment, as in a thumbnail, does not count.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    segments(bytes).any(|segment| segment.marker == END_OF_IMAGE)
}

/// Whether the scans of `bytes` hold every block of pixels that the frame claims. Kinds of frames that are not known here are
/// left to the decoder.
pub(crate) fn holds_all(bytes: &[u8]) -> bool {
    let mut reader = Reader::default();
    for segment in segments(bytes) {
        let read = match segment.marker {
            END_OF_IMAGE => break,
            HUFFMAN_TABLES => reader.read_tables(segment.content),
            RESTART_INTERVAL => reader.read_interval(segment.content),
            SCAN => match reader.holds_scan(segment) {
                Some(false) => return false,
                known => known.map(|_| ()),
            },
            // Sequential and progressive frames with Huffman codes; the other kinds hardly exist.
            0xc0..=0xc2 => reader.read_frame(segment),
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => None,
            _ => Some(()),
        };
        if read.is_none() {
            return true;
        }
    }
    let frame = reader.frame.as_ref();
    frame.is_none_or(|frame| frame.components.iter().all(|component| component.is_there))
}

/// A marker and what follows it.
#[derive(Clone, Copy)]
struct Segment<'a> {
    marker: u8,
    /// Without its length.
    content: &'a [u8],
    /// The rest of the file: a scan's data.
    behind: &'a [u8],
}

/// The segments up to the end of the file, or to where one reaches beyond it.
fn segments(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = bytes.get(2..);
    std::iter::from_fn(move || {
        let (marker, from) = rest.and_then(next_marker)?;
        let length = from.first_chunk().map_or(usize::MAX, |&length| {
            usize::from(u16::from_be_bytes(length))
        });
        rest = from.get(length..);
        Some(Segment {
            marker,
            content: from.get(2..length).unwrap_or_default(),
            behind: rest.unwrap_or_default(),
        })
    })
}

/// The next marker of a segment and what follows it. A scan's data, in which 0xff is followed by a stuffed zero or a restart,
/// and fill bytes are skipped.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let at = bytes.windows(2).position(|pair| {
        pair[0] == MARKER && !matches!(pair[1], 0x00 | 0x01 | 0xd0..=0xd7 | MARKER)
    })?;
    Some((bytes[at + 1], &bytes[at + 2..]))
}

/// What has been read of a file.
#[derive(Default)]
struct Reader {
    frame: Option<Frame>,
    /// Tables for the means of blocks, and tables for the other numbers of blocks.
    tables: [[Option<Table>; 4]; 2],
    /// The number of units between restarts, where a scan has restarts.
    interval: Option<usize>,
}

struct Frame {
    is_progressive: bool,
    height: usize,
    width: usize,
    components: Vec<Component>,
}

#[derive(Clone, Copy)]
struct Component {
    id: u8,
    /// How often it is sampled from left to right and from top to bottom, relative to the others.
    sampling: [usize; 2],
    /// Whether its means have been found.
    is_there: bool,
}

/// A component's place in the frame, and its tables.
type OfScan<'a> = (usize, Option<&'a Table>, Option<&'a Table>);

impl Reader {
    /// None where the content is not such a table; likewise in the functions below.
    fn read_tables(&mut self, mut content: &[u8]) -> Option<()> {
        while let [what, rest @ ..] = content {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let symbols: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols)?;
            let tables = self.tables.get_mut(usize::from(what >> 4))?;
            *tables.get_mut(usize::from(what & 15))? = Some(Table::new(counts, symbols)?);
            content = rest;
        }
        Some(())
    }

    fn read_interval(&mut self, content: &[u8]) -> Option<()> {
        let interval = usize::from(u16::from_be_bytes(*content.first_chunk()?));
        self.interval = (interval > 0).then_some(interval);
        Some(())
    }

    fn read_frame(&mut self, segment: Segment<'_>) -> Option<()> {
        let [_, h0, h1, w0, w1, count, rest @ ..] = segment.content else {
            return None;
        };
        let component = |bytes: &[u8]| Component {
            id: bytes[0],
            sampling: [bytes[1] >> 4, bytes[1] & 15].map(usize::from),
            is_there: false,
        };
        let components: Vec<_> = rest.chunks_exact(3).map(component).collect();
        let frame = Frame {
            is_progressive: segment.marker == 0xc2,
            height: u16::from_be_bytes([*h0, *h1]).into(),
            width: u16::from_be_bytes([*w0, *w1]).into(),
            components,
        };
        let is_known = self.frame.is_none()
            && frame.height > 0
            && frame.components.len() == usize::from(*count)
            && frame
                .components
                .iter()
                .all(|component| !component.sampling.contains(&0));
        self.frame = is_known.then_some(frame);
        is_known.then_some(())
    }

    /// Whether a scan holds all of its units; of a progressive frame only the scan of the means has something of each.
    fn holds_scan(&mut self, segment: Segment<'_>) -> Option<bool> {
        let frame = self.frame.as_ref()?;
        let (&count, rest) = segment.content.split_first()?;
        let (components, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let [start, _, bits] = *rest.first_chunk()?;
        if frame.is_progressive && (start, bits >> 4) != (0, 0) {
            return Some(true);
        }
        let find = |pair: &[u8]| -> Option<OfScan<'_>> {
            let mut all = frame.components.iter();
            let place = all.position(|component| component.id == pair[0])?;
            let [means, rest] = &self.tables;
            let table = means.get(usize::from(pair[1] >> 4))?.as_ref();
            Some((place, table, rest.get(usize::from(pair[1] & 15))?.as_ref()))
        };
        let components: Vec<_> = components
            .chunks_exact(2)
            .map(find)
            .collect::<Option<_>>()?;
        let holds = frame.holds(&components, Bits::new(segment.behind), self.interval)?;
        let places: Vec<usize> = components.iter().map(|(place, ..)| *place).collect();
        for place in places {
            self.frame.as_mut()?.components[place].is_there = true;
        }
        Some(holds)
    }
}

impl Frame {
    fn holds(
        &self,
        scan: &[OfScan<'_>],
        mut bits: Bits<'_>,
        interval: Option<usize>,
    ) -> Option<bool> {
        for unit in 0..self.units(scan) {
            let is_behind = |interval| unit > 0 && unit.is_multiple_of(interval);
            if interval.is_some_and(is_behind) && !bits.restart() {
                return Some(false);
            }
            for &(place, means, rest) in scan {
                let [across, down] = self.components[place].sampling;
                let blocks = if scan.len() == 1 { 1 } else { across * down };
                for _ in 0..blocks {
                    let holds = match self.is_progressive {
                        true => holds_difference(&mut bits, means?),
                        false => holds_block(&mut bits, means?, rest?),
                    };
                    if !holds {
                        return Some(false);
                    }
                }
            }
        }
        Some(true)
    }

    /// How many units a scan has: of one component's blocks, or of so many of each that all cover the same pixels.
    fn units(&self, scan: &[OfScan<'_>]) -> usize {
        let most = |axis: usize| {
            let samplings = self
                .components
                .iter()
                .map(|component| component.sampling[axis]);
            samplings.max().unwrap_or(1)
        };
        let along = |pixels: usize, axis: usize| match scan {
            [(place, ..)] => {
                let sampled = pixels * self.components[*place].sampling[axis];
                sampled.div_ceil(most(axis)).div_ceil(8)
            }
            _ => pixels.div_ceil(8 * most(axis)),
        };
        along(self.width, 0) * along(self.height, 1)
    }
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

    /// Files that `tests/data/make.py` wrote, of 50x40 pixels.
    #[test]
    fn what_a_frame_claims_must_be_there() {
        for name in ["grey", "colours", "subsampled", "progressive", "restarts"] {
            let bytes = fs_err::read(format!("tests/data/{name}.jpg")).unwrap();
            assert!(holds_all(&bytes), "{name}");
            for (width, height) in [(16_000, 5500), (50, 60), (70, 40), (100, 80)] {
                let claimed = claiming(&bytes, width, height);
                assert!(!holds_all(&claimed), "{name} {width}x{height}");
            }
            // What claims less than it holds is whole.
            assert!(holds_all(&claiming(&bytes, 50, 16)), "{name}");
            for length in 0..bytes.len() {
                let cut = [&bytes[..length], &[MARKER, END_OF_IMAGE]].concat();
                let _ = holds_all(&cut);
            }
        }
    }

    fn claiming(bytes: &[u8], width: u16, height: u16) -> Vec<u8> {
        let frame = segments(bytes).find(|segment| matches!(segment.marker, 0xc0 | 0xc2));
        let frame = frame.unwrap().content;
        let at = frame.as_ptr() as usize - bytes.as_ptr() as usize;
        let mut claiming = bytes.to_vec();
        claiming[at + 1..][..2].copy_from_slice(&height.to_be_bytes());
        claiming[at + 3..][..2].copy_from_slice(&width.to_be_bytes());
        claiming
    }
}
