//! CCITT group 3 and 4 fax lines to rows of one bit a pixel. The code tables are those of the `fax` crate.

use std::convert::Infallible;

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

use crate::error::{Error, Kind};
use crate::limits::Deadline;

/// How lines are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Runs only; each line begins at a byte, no end marks (TIFF compression 2).
    Lines,
    /// Group 3, with end marks; `true` if lines may refer to the line above.
    Group3(bool),
    /// Group 4: every line refers to the line above.
    Group4,
}

/// Fills `rows` of `width` pixels with bits, 1 where ink is, the first pixel in the highest bit.
///
/// Where the data end or break, the lines below stay white, as readers of fax expect of a disturbed line; only a picture
/// without any line fails.
pub(super) fn decode(
    data: &[u8],
    scheme: Scheme,
    width: u32,
    rows: &mut [u8],
    deadline: &Deadline,
) -> Result<(), Error> {
    let row_bytes = (width as usize).div_ceil(8);
    let mut lines = Lines { bits: Bits { data, at: 0 }, width, above: vec![], current: vec![] };
    for (count, row) in rows.chunks_exact_mut(row_bytes.max(1)).enumerate() {
        if count % 256 == 0 {
            deadline.tick()?;
        }
        let is_read = match scheme {
            Scheme::Lines => {
                let fill = lines.bits.bits_to_byte_boundary();
                lines.bits.skip(usize::from(fill));
                lines.runs()
            }
            Scheme::Group3(is_mixed) => {
                lines.bits.skip_mark();
                match is_mixed && !lines.bits.take_bit() {
                    true => lines.relative(),
                    false => lines.runs(),
                }
            }
            Scheme::Group4 => lines.relative(),
        };
        if !is_read {
            if count == 0 {
                return Err(Error::new(
                    Kind::Unreadable,
                    format!("broken fax data at row {count}"),
                ));
            }
            break;
        }
        draw(&lines.current, width, row);
        std::mem::swap(&mut lines.above, &mut lines.current);
    }
    Ok(())
}

/// Bits of the data from the highest of each byte on, zeros behind the end, and the tests for end marks.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl BitReader for Bits<'_> {
    type Error = Infallible;

    fn peek(&self, bits: u8) -> Option<u16> {
        let byte = |index: usize| u32::from(self.data.get(index).copied().unwrap_or(0));
        let first = self.at / 8;
        let window = byte(first) << 16 | byte(first + 1) << 8 | byte(first + 2);
        let value = (window << (8 + self.at % 8)) >> (32 - u32::from(bits.clamp(1, 16)));
        (1..=16).contains(&bits).then_some(value as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), Infallible> {
        self.skip(usize::from(bits));
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        ((8 - self.at % 8) % 8) as u8
    }
}

impl Bits<'_> {
    fn skip(&mut self, bits: usize) {
        self.at = self.at.saturating_add(bits).min(self.data.len() * 8);
    }

    /// Whether at least eleven zeros follow, which only an end mark has.
    fn is_at_mark(&self) -> bool {
        self.peek(11) == Some(0)
    }

    /// Passes fill bits and one end mark, if they come next.
    fn skip_mark(&mut self) {
        if !self.is_at_mark() {
            return;
        }
        while self.peek(1) == Some(0) && self.at < self.data.len() * 8 {
            self.skip(1);
        }
        self.skip(1);
    }

    fn take_bit(&mut self) -> bool {
        let bit = self.peek(1) == Some(1);
        self.skip(1);
        bit
    }
}

/// Lines as the columns where the color changes, beginning with white.
struct Lines<'a> {
    bits: Bits<'a>,
    width: u32,
    above: Vec<u32>,
    current: Vec<u32>,
}

impl Lines<'_> {
    /// One line of runs of white and black in turn; `false` where no code is found.
    fn runs(&mut self) -> bool {
        self.current.clear();
        let (mut at, mut is_black) = (0, false);
        while at < self.width {
            let Some(run) = self.run(is_black) else {
                // A line that an end mark breaks off is white from there on.
                return !self.current.is_empty() && self.bits.is_at_mark();
            };
            at = (at + run).min(self.width);
            self.current.push(at);
            is_black = !is_black;
        }
        true
    }

    fn run(&mut self, is_black: bool) -> Option<u32> {
        let mut length = 0u32;
        loop {
            let part = match is_black {
                true => black::decode(&mut self.bits)?,
                false => white::decode(&mut self.bits)?,
            };
            length = length.checked_add(u32::from(part))?;
            if part < 64 {
                return Some(length);
            }
            if length > 1 << 20 {
                return None;
            }
        }
    }

    /// One line coded relative to the line above; `false` where no code is found.
    fn relative(&mut self) -> bool {
        self.current.clear();
        let (mut at, mut is_black, mut is_start) = (0u32, false, true);
        // Index of the first change above that lies right of `at`; it only ever moves a little.
        let mut above = 0usize;
        while at < self.width {
            let Some(code) = mode::decode(&mut self.bits) else { return false };
            while above > 0 && self.above.get(above - 1).is_some_and(|change| *change > at) {
                above -= 1;
            }
            while self.above.get(above).is_some_and(|c| *c < at || (*c == at && !is_start)) {
                above += 1;
            }
            // Changes to black have even indices: the next one of the opposite color counts.
            let opposite = above + usize::from((above % 2 == 1) != is_black);
            let change = |index: usize| self.above.get(index).copied().unwrap_or(self.width);
            let (b1, b2) = (change(opposite), change(opposite + 1));
            match code {
                Mode::Pass => {
                    at = b2;
                    is_start = false;
                }
                Mode::Horizontal => {
                    for color in [is_black, !is_black] {
                        let Some(run) = self.run(color) else { return false };
                        at = at.saturating_add(run).min(self.width);
                        self.current.push(at);
                    }
                    is_start = false;
                }
                Mode::Vertical(by) => {
                    let target = i64::from(b1) + i64::from(by);
                    if target < i64::from(at) {
                        return false;
                    }
                    at = u32::try_from(target).unwrap_or(0).min(self.width);
                    self.current.push(at);
                    is_black = !is_black;
                    is_start = false;
                }
                Mode::Extension | Mode::EOF => return false,
            }
            if self.current.len() > 2 * self.width as usize + 2 {
                return false;
            }
        }
        true
    }
}

fn draw(changes: &[u32], width: u32, row: &mut [u8]) {
    let mut index = 0;
    while let Some(start) = changes.get(index) {
        let end = changes.get(index + 1).copied().unwrap_or(width).min(width);
        for x in *start..end {
            if let Some(byte) = row.get_mut(x as usize / 8) {
                *byte |= 0x80 >> (x % 8);
            }
        }
        index += 2;
    }
}
