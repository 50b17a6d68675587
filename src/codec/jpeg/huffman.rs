//! Huffman codes of a JPEG for a reader that wants DC values only: AC symbols are measured, not decoded.

#![forbid(unsafe_code)]

/// Bits that one look-up of AC symbols sees. 11, 12 and 14 are slower: two tables of 13 just fill the first-level cache.
const AC_BITS: u32 = 13;
/// Bits of the first look-up of a single symbol.
const SINGLE_BITS: u32 = 10;
/// Zigzag positions of an entry of `AcLengths` that ends a block, beside those it advances.
const END: u16 = 128;
/// Positions of an entry that has to be decoded symbol by symbol.
const SINGLY: u16 = 64;

/// A canonical code as a table segment defines it.
#[derive(Clone)]
pub(super) struct Codes {
    /// Length, code, symbol, in the order of the codes.
    all: Vec<(u32, u32, u8)>,
}

impl Codes {
    /// `None` for codes that do not fit their lengths.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Codes> {
        let mut all = Vec::with_capacity(symbols.len());
        let mut symbols = symbols.iter();
        let mut code = 0u32;
        for (length, count) in (1..).zip(counts) {
            for _ in 0..*count {
                all.push((length, code, *symbols.next()?));
                code += 1;
            }
            if code > 1 << length {
                return None;
            }
            code <<= 1;
        }
        // A table holds at most 256 symbols, so a code never reaches 32 bits.
        (all.len() <= 256).then_some(Codes { all })
    }
}

/// One symbol at a time: length and symbol by the next bits.
struct Single {
    /// Length in the low byte, symbol in the high one; 0 for longer codes and none.
    short: Box<[u16; 1 << SINGLE_BITS]>,
    /// Codes longer than `SINGLE_BITS`.
    long: Vec<(u32, u32, u8)>,
}

impl Single {
    fn new(codes: &Codes) -> Single {
        let mut short = Box::new([0; 1 << SINGLE_BITS]);
        let mut long = Vec::new();
        for &(length, code, symbol) in &codes.all {
            let Some(rest) = SINGLE_BITS.checked_sub(length) else {
                long.push((length, code, symbol));
                continue;
            };
            let first = (code << rest) as usize;
            let entry = u16::from(symbol) << 8 | length as u16;
            if let Some(places) = short.get_mut(first..first + (1 << rest)) {
                places.fill(entry);
            }
        }
        Single { short, long }
    }

    /// Length of the code and its symbol, by the next 16 bits and more at the top of `bits`.
    #[inline(always)]
    fn at(&self, bits: u64) -> Option<(u32, u8)> {
        let entry = self.short[(bits >> (64 - SINGLE_BITS)) as usize];
        if entry != 0 {
            return Some((u32::from(entry & 255), (entry >> 8) as u8));
        }
        let found = self
            .long
            .iter()
            .find(|(length, code, _)| bits.wrapping_shr(64 - *length) == u64::from(*code));
        found.map(|(length, _, symbol)| (*length, *symbol))
    }
}

/// Codes of DC differences.
pub(super) struct DcCodes {
    single: Single,
}

impl DcCodes {
    /// `None` for symbols of more than 15 bits, which the library refuses.
    pub fn new(codes: &Codes) -> Option<DcCodes> {
        let is_usual = codes.all.iter().all(|(_, _, symbol)| *symbol < 16);
        is_usual.then(|| DcCodes { single: Single::new(codes) })
    }

    /// For scans without differences.
    pub fn none() -> DcCodes {
        DcCodes { single: Single::new(&Codes { all: Vec::new() }) }
    }

    /// The next difference.
    #[inline(always)]
    pub fn difference(&self, reader: &mut Reader, data: &[u8]) -> Option<i32> {
        reader.refill(data)?;
        let (length, size) = self.single.at(reader.bits)?;
        reader.consume(length);
        let size = u32::from(size & 15);
        // Twice, since a shift by 64 is none.
        let raw = ((reader.bits >> 1) >> (63 - size)) as i32;
        reader.consume(size);
        let is_negative = size > 0 && raw < 1 << (size - 1);
        Some(if is_negative { raw - (1 << size) + 1 } else { raw })
    }
}

/// Codes of AC symbols, as many a look-up as fit.
pub(super) struct AcLengths {
    /// Bits of the symbols, extra bits included, in the low four bits; above them the zigzag positions they advance,
    /// `END` more if the last one ends the block, or `SINGLY`.
    several: Box<[u16; 1 << AC_BITS]>,
    single: Single,
}

impl AcLengths {
    pub fn new(codes: &Codes) -> AcLengths {
        let single = Single::new(codes);
        let mut several = Box::new([SINGLY << 4; 1 << AC_BITS]);
        for (index, entry) in several.iter_mut().enumerate() {
            let (mut used, mut positions) = (0u32, 0u16);
            // Behind the known bits stand zeros, so a code counts only if it ends within them.
            let bits = (index as u64) << (64 - AC_BITS);
            while let Some((length, symbol)) = single.at(bits << used) {
                let (run, size) = (u16::from(symbol >> 4), u32::from(symbol & 15));
                let is_end = size == 0 && run < 15;
                let advance = if is_end { END } else { run + 1 };
                if used + length + size > AC_BITS || (!is_end && positions + advance > 63) {
                    break;
                }
                used += length + size;
                positions += advance;
                if is_end {
                    break;
                }
            }
            if used > 0 {
                *entry = positions << 4 | used as u16;
            }
        }
        AcLengths { several, single }
    }

    /// Passes over the AC coefficients of a block.
    #[inline(always)]
    pub fn pass_block(&self, reader: &mut Reader, data: &[u8]) -> Option<()> {
        let mut position = 1u32;
        loop {
            reader.refill(data)?;
            // Four look-ups take at most 52 of the 56 bits at hand.
            let mut is_single = false;
            for _ in 0..4 {
                let entry = self.several[(reader.bits >> (64 - AC_BITS)) as usize];
                let next = position.wrapping_add(u32::from(entry >> 4));
                if next < 64 {
                    reader.consume(u32::from(entry & 15));
                    position = next;
                } else if next & 192 == 128 {
                    reader.consume(u32::from(entry & 15));
                    return Some(());
                } else {
                    is_single = true;
                    break;
                }
            }
            if is_single {
                // A long code, or a block that may end without an end code.
                reader.refill(data)?;
                let (length, symbol) = self.single.at(reader.bits)?;
                let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
                reader.consume(length + size);
                if size == 0 && run < 15 {
                    return Some(());
                }
                position += run + 1;
                if position > 63 {
                    return Some(());
                }
            }
        }
    }
}

/// Bits of an entropy-coded segment without stuffed zeros, padded by its owner.
pub(super) struct Reader {
    /// The next bits at the top; `count` of them are valid, those below may be too.
    bits: u64,
    count: u32,
    /// Next byte to load.
    at: usize,
}

impl Reader {
    /// At the start of a segment.
    pub fn new() -> Reader {
        Reader { bits: 0, count: 0, at: 0 }
    }

    /// At least 56 bits at hand; `None` past the padding.
    #[inline(always)]
    fn refill(&mut self, data: &[u8]) -> Option<()> {
        let next = data.get(self.at..)?.first_chunk::<8>()?;
        self.bits |= u64::from_be_bytes(*next) >> self.count;
        self.at = self.at.wrapping_add((63u32.wrapping_sub(self.count) >> 3) as usize);
        self.count |= 56;
        Some(())
    }

    /// `length` is at most what is at hand.
    #[inline(always)]
    fn consume(&mut self, length: u32) {
        self.bits = self.bits.wrapping_shl(length);
        self.count = self.count.wrapping_sub(length);
    }

    /// One bit.
    pub fn bit(&mut self, data: &[u8]) -> Option<bool> {
        if self.count == 0 {
            self.refill(data)?;
        }
        let is_set = self.bits >> 63 == 1;
        self.consume(1);
        Some(is_set)
    }

    fn consumed_bits(&self) -> usize {
        self.at * 8 - self.count as usize
    }

    /// Whether only bits of the first `bytes` were consumed.
    pub fn is_within(&self, bytes: usize) -> bool {
        self.consumed_bits() <= bytes * 8
    }

    /// Whether all of the first `bytes` were consumed, but for the rest of the last one.
    pub fn is_at_end(&self, bytes: usize) -> bool {
        self.consumed_bits().div_ceil(8) == bytes
    }
}
