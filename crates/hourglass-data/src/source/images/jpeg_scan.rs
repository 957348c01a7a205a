//! The data of a JPEG scan, read far enough to know how many blocks it holds.
//!
//! A block consists of the difference between its mean and that of the previous block, and up to 63 more numbers. Each number
//! begins with a Huffman code, which says how many bits follow (ITU T.81, annex F).

/// The numbers of a block, its mean among them.
const BLOCK: usize = 64;
/// Bits that are looked up at once; most codes have fewer.
const LOOKED_UP: usize = 8;
/// The longest code.
const MOST_BITS: usize = 16;

/// A Huffman code.
pub(crate) struct Table {
    /// For each value of the next [`LOOKED_UP`] bits, the length and the symbol of the code; length 0 for a longer code.
    short: [(u8, u8); 1 << LOOKED_UP],
    /// For each length, the code after its last one, and what is added to a code to get its symbol's place.
    ends: [(u32, i32); MOST_BITS + 1],
    symbols: Vec<u8>,
}

impl Table {
    /// `counts` codes of 1 to 16 bits each; None where there can't be so many.
    pub(crate) fn new(counts: &[u8; MOST_BITS], symbols: &[u8]) -> Option<Self> {
        let mut short = [(0, 0); 1 << LOOKED_UP];
        let mut ends = [(0, 0); MOST_BITS + 1];
        let (mut code, mut place) = (0_u32, 0);
        for (length, &count) in (1..).zip(counts) {
            let next = code + u32::from(count);
            if next > 1 << length {
                return None;
            }
            ends[length] = (next, place as i32 - code as i32);
            for symbol in symbols.get(place..place + usize::from(count))? {
                if length <= LOOKED_UP {
                    let free = LOOKED_UP - length;
                    short[(code as usize) << free..][..1 << free].fill((length as u8, *symbol));
                }
                code += 1;
            }
            place += usize::from(count);
            code <<= 1;
        }
        let symbols = symbols.to_vec();
        Some(Self {
            short,
            ends,
            symbols,
        })
    }
}

/// The bits of a scan up to its next marker.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    next: usize,
    /// The last ones read, `left` of which are still to come.
    buffer: u64,
    left: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            next: 0,
            buffer: 0,
            left: 0,
        }
    }

    /// Reads bytes as long as there is room for them and no marker.
    fn fill(&mut self) {
        while self.left <= 56 {
            let byte = match self.bytes.get(self.next..) {
                Some([0xff, 0, ..]) => {
                    self.next += 2;
                    0xff
                }
                Some([byte, ..]) if *byte != 0xff => {
                    self.next += 1;
                    *byte
                }
                _ => return,
            };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.left += 8;
        }
    }

    /// The next 16 bits, zeros where there are fewer.
    fn peek(&mut self) -> u32 {
        if self.left < MOST_BITS {
            self.fill();
        }
        let bits = match self.left.checked_sub(MOST_BITS) {
            Some(behind) => self.buffer >> behind,
            None => self.buffer << (MOST_BITS - self.left),
        };
        (bits & 0xffff) as u32
    }

    /// Skips so many bits, at most 16; false where there are fewer.
    fn skip(&mut self, count: usize) -> bool {
        if self.left < count {
            self.fill();
        }
        match self.left.checked_sub(count) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// The symbol of the next code; None where there is none.
    fn symbol(&mut self, table: &Table) -> Option<u8> {
        let bits = self.peek();
        let (length, symbol) = table.short[(bits >> (MOST_BITS - LOOKED_UP)) as usize];
        if length > 0 {
            return self.skip(length.into()).then_some(symbol);
        }
        for length in LOOKED_UP + 1..=MOST_BITS {
            let code = bits >> (MOST_BITS - length);
            let (end, offset) = table.ends[length];
            if code < end {
                let place = usize::try_from(code as i32 + offset).ok()?;
                let symbol = *table.symbols.get(place)?;
                return self.skip(length).then_some(symbol);
            }
        }
        None
    }

    /// Skips to the end of the next restart marker; false where another marker comes first, or none.
    pub(crate) fn restart(&mut self) -> bool {
        (self.buffer, self.left) = (0, 0);
        while let Some([first, second, ..]) = self.bytes.get(self.next..) {
            match (first, second) {
                (0xff, 0xd0..=0xd7) => {
                    self.next += 2;
                    return true;
                }
                (0xff, 1..=0xfe) => return false,
                _ => self.next += 1,
            }
        }
        false
    }
}

/// Skips the difference of a block's mean; false where it is not there.
pub(crate) fn holds_difference(bits: &mut Bits<'_>, means: &Table) -> bool {
    let size = bits.symbol(means).map(usize::from);
    size.is_some_and(|size| size <= MOST_BITS && bits.skip(size))
}

/// Skips a block; false where it is not there.
pub(crate) fn holds_block(bits: &mut Bits<'_>, means: &Table, rest: &Table) -> bool {
    if !holds_difference(bits, means) {
        return false;
    }
    let mut place = 1;
    while place < BLOCK {
        let Some(symbol) = bits.symbol(rest) else {
            return false;
        };
        // So many zeros, and the bits of the number behind them.
        let (zeros, size) = (usize::from(symbol >> 4), usize::from(symbol & 15));
        match (zeros, size) {
            (15, 0) => place += 16,
            (_, 0) => return true,
            _ => place += zeros + 1,
        }
        if !bits.skip(size) {
            return false;
        }
    }
    true
}
