//! The DC values of a Huffman-coded JPEG: its picture at 1/8, without decoding what is thrown away.
//!
//! AC symbols are passed over, several a look-up. Whatever is unusual or broken gives `None`, and the library decodes
//! the same bytes; where there is a result, it is the library's, bit for bit. It decodes no other scale.

#![forbid(unsafe_code)]

use super::frame::{Component, Frame, Scan, Step, Tables, frame_header, scan_header};
use super::huffman::{AcLengths, DcCodes, Reader};
use crate::error::Error;
use crate::geometry::Size;
use crate::limits::{Deadline, Limits};

/// Scans looked at before the library decides whether the file serves only to keep a server busy.
const SCANS_LIMIT: usize = 100;
/// Blocks in an MCU, by the standard.
const UNIT_BLOCKS_LIMIT: usize = 10;
/// Zero bytes behind a segment, so that the reader may run a little past its end; then it stops.
const PADDING: [u8; 32] = [0; 32];

/// One component at 1/8 of its own size: a sample for each of its blocks.
pub(super) struct Reduced {
    /// Blocks that hold part of the picture.
    pub size: Size,
    /// Luma samples for one of these, horizontally and vertically.
    pub divisor_x: u32,
    pub divisor_y: u32,
    /// Samples of a row, with those of blocks that only fill MCUs.
    pub stride: usize,
    /// Rows from the top; at least `size.height` of them, complete down to the row that was asked for.
    pub data: Vec<u8>,
}

/// Reads the DC values of a picture of `size`, at least down to row `bottom` of the luma blocks.
///
/// `None` for files that are not 8-bit Huffman-coded JPEGs of one or three components, and for broken ones.
/// `TimedOut`, `TooLarge` as anywhere.
pub(super) fn reduced(
    bytes: &[u8],
    size: Size,
    bottom: u32,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Option<Vec<Reduced>>, Error> {
    let mut walk = Walk { bytes, at: 2, segment: Vec::new(), limits, deadline };
    let Some(frame) = walk.frame(size, bottom as usize)? else { return Ok(None) };
    let Some((frame, tables)) = frame else { return Ok(None) };
    Ok(frame.components.into_iter().map(|component| finished(component, &tables)).collect())
}

/// The samples: dequantized, divided by 8 and level-shifted with the rounding of libjpeg's 1x1 transform.
fn finished(component: Component, tables: &Tables) -> Step<Reduced> {
    let quantizer = i32::from((*tables.quantizers.get(component.table)?)?);
    let mut are_usual = true;
    let (divisor_x, divisor_y) = component.divisors;
    let sample = |value: &i16| {
        let value = (i32::from(*value).wrapping_mul(quantizer).wrapping_add(4)) >> 3;
        // Beyond this the library's range table wraps around.
        are_usual &= (-512..512).contains(&value);
        value.wrapping_add(128).clamp(0, 255) as u8
    };
    let data = component.values.iter().map(sample).collect();
    let side = |value: usize| u32::try_from(value).ok();
    let size = Size::new(side(component.columns)?, side(component.rows)?);
    are_usual.then_some(Reduced { size, divisor_x, divisor_y, stride: component.stride, data })
}

struct Walk<'a> {
    bytes: &'a [u8],
    /// Next byte to look at.
    at: usize,
    /// The entropy-coded segment at hand, without stuffed zeros.
    segment: Vec<u8>,
    limits: &'a Limits,
    deadline: &'a Deadline,
}

impl<'a> Walk<'a> {
    /// All segments and scans, as far as DC values need them.
    fn frame(&mut self, size: Size, bottom: usize) -> Result<Step<Option<(Frame, Tables)>>, Error> {
        let mut tables = Tables::default();
        let mut frame: Option<Frame> = None;
        let mut scans = 0;
        loop {
            self.deadline.tick()?;
            let Some((marker, segment)) = self.next_segment() else { return Ok(None) };
            let is_taken = match marker {
                0xd9 => {
                    let is_whole =
                        |f: &Frame| f.components.iter().all(|c| c.missing_bits.is_some());
                    return Ok(Some(frame.filter(is_whole).map(|frame| (frame, tables))));
                }
                // A table that changes between scans is the library's matter.
                0xdb if scans == 0 => tables.take_quantizers(segment),
                0xc4 => tables.take_codes(segment),
                0xdd => tables.take_interval(segment),
                0xc0..=0xc2 if frame.is_none() => match frame_header(marker, segment, size) {
                    Some(mut header) => {
                        for component in &mut header.components {
                            let rows = header.unit_rows * component.vertical;
                            let count = component.stride * rows;
                            // Coefficients and samples, the file, and a copy of its data.
                            let held = (count as u64).saturating_mul(9);
                            let file = (self.bytes.len() as u64).saturating_mul(2);
                            self.limits.check_memory(held.saturating_add(file))?;
                            component.values = vec![0; count];
                        }
                        frame = Some(header);
                        Some(())
                    }
                    None => None,
                },
                0xda => match (&mut frame, scans < SCANS_LIMIT) {
                    (Some(frame), true) => {
                        scans += 1;
                        match self.scan(frame, &tables, segment, bottom)? {
                            // The only scan of a sequential file: what follows does not count.
                            Some(true) => return Ok(Some(Some((frame.taken(), tables)))),
                            Some(false) => Some(()),
                            None => None,
                        }
                    }
                    _ => None,
                },
                0xe0..=0xef | 0xfe => Some(()),
                _ => None,
            };
            if is_taken.is_none() {
                return Ok(None);
            }
        }
    }

    /// The next marker and its payload.
    fn next_segment(&mut self) -> Step<(u8, &'a [u8])> {
        let bytes = self.bytes;
        if *bytes.get(self.at)? != 0xff {
            return None;
        }
        while *bytes.get(self.at)? == 0xff {
            self.at += 1;
        }
        let marker = *bytes.get(self.at)?;
        self.at += 1;
        if marker == 0xd9 {
            return Some((marker, &[]));
        }
        let length = bytes.get(self.at..)?.first_chunk::<2>()?;
        let end = self.at.checked_add(usize::from(u16::from_be_bytes(*length)))?;
        let segment = bytes.get(self.at + 2..end)?;
        self.at = end;
        Some((marker, segment))
    }

    /// Moves the next entropy-coded segment, up to a marker, to `self.segment`; the marker is not passed.
    fn unstuff(&mut self) -> Step<u8> {
        self.segment.clear();
        loop {
            let rest = self.bytes.get(self.at..)?;
            let run = find_ff(rest)?;
            match *rest.get(run + 1)? {
                0 => {
                    self.segment.extend_from_slice(rest.get(..=run)?);
                    self.at += run + 2;
                }
                // Fill bytes before a marker are for `next_segment`; elsewhere they are unusual.
                0xff => {
                    let code = *rest.get(run..)?.iter().find(|byte| **byte != 0xff)?;
                    self.segment.extend_from_slice(rest.get(..run)?);
                    self.at += run;
                    self.segment.extend_from_slice(&PADDING);
                    return (!matches!(code, 0 | 0xd0..=0xd7)).then_some(code);
                }
                code => {
                    self.segment.extend_from_slice(rest.get(..run)?);
                    self.at += run;
                    self.segment.extend_from_slice(&PADDING);
                    return Some(code);
                }
            }
        }
    }

    /// Passes over entropy-coded data up to a marker other than a restart.
    fn pass(&mut self) -> Step<()> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            let run = find_ff(rest)?;
            self.at += run;
            match *rest.get(run + 1)? {
                0 | 0xd0..=0xd7 => self.at += 2,
                _ => return Some(()),
            }
        }
    }

    /// One scan; `true` when it was the only one of a sequential file.
    fn scan(
        &mut self,
        frame: &mut Frame,
        tables: &Tables,
        segment: &[u8],
        bottom: usize,
    ) -> Result<Step<bool>, Error> {
        let Some(scan) = scan_header(segment, frame) else { return Ok(None) };
        if scan.first > 0 {
            let is_usual = frame.is_progressive
                && scan.parts.len() == 1
                && scan.first <= scan.last
                && scan.last < 64
                && scan.parts.iter().all(|part| tables.ac.get(part.2).is_some_and(Option::is_some));
            return Ok(if is_usual { self.pass().map(|()| false) } else { None });
        }
        let Some(mode) = scan.mode(frame) else { return Ok(None) };
        let mut values = Vec::new();
        for (part, ..) in &scan.parts {
            match frame.components.get_mut(*part) {
                Some(component) => values.push(std::mem::take(&mut component.values)),
                None => return Ok(None),
            }
        }
        let is_whole = scan.parts.len() == frame.components.len() && !frame.is_progressive;
        let bottom = if is_whole { bottom } else { usize::MAX };
        let read = self.blocks(frame, tables, &scan, mode, bottom, &mut values)?;
        for ((part, ..), values) in scan.parts.iter().zip(values) {
            if let Some(component) = frame.components.get_mut(*part) {
                component.values = values;
                component.missing_bits = Some(scan.low);
            }
        }
        Ok(read.map(|()| is_whole))
    }

    /// The blocks of a scan, MCU by MCU.
    fn blocks(
        &mut self,
        frame: &Frame,
        tables: &Tables,
        scan: &Scan,
        mode: Mode,
        bottom: usize,
        values: &mut [Vec<i16>],
    ) -> Result<Step<()>, Error> {
        let Some(layout) = Layout::of(frame, scan) else { return Ok(None) };
        let Some(codes) = Coders::of(tables, scan, mode) else { return Ok(None) };
        let mut predictors = vec![0i32; scan.parts.len()];
        let Some(mut end) = self.unstuff() else { return Ok(None) };
        let mut reader = Reader::new();
        let mut segment = std::mem::take(&mut self.segment);
        let mut left = tables.restart_interval;
        let mut restarts = 0u8;
        for unit_row in 0..layout.unit_rows {
            self.deadline.tick()?;
            if unit_row * layout.unit_height >= bottom {
                break;
            }
            for unit_column in 0..layout.unit_columns {
                if tables.restart_interval > 0 {
                    if left == 0 {
                        let is_next = reader.is_at_end(segment.len() - PADDING.len())
                            && end == 0xd0 + restarts % 8;
                        self.at += 2;
                        self.segment = segment;
                        let next = if is_next { self.unstuff() } else { None };
                        segment = std::mem::take(&mut self.segment);
                        let Some(next) = next else { return Ok(None) };
                        end = next;
                        restarts = (restarts + 1) % 8;
                        left = tables.restart_interval;
                        predictors.fill(0);
                        reader = Reader::new();
                    }
                    left -= 1;
                }
                for block in &layout.blocks {
                    let (Some(predictor), Some(coder)) =
                        (predictors.get_mut(block.part), codes.parts.get(block.part))
                    else {
                        return Ok(None);
                    };
                    let at = (unit_row * block.rows + block.y) * block.stride
                        + unit_column * block.columns
                        + block.x;
                    let place = values.get_mut(block.part).and_then(|part| part.get_mut(at));
                    let Some(place) = place else { return Ok(None) };
                    let read = match mode {
                        Mode::Sequential => dc(&mut reader, &segment, coder, predictor, 0, place)
                            .and_then(|()| coder.ac.as_ref()?.pass_block(&mut reader, &segment)),
                        Mode::First(low) => dc(&mut reader, &segment, coder, predictor, low, place),
                        Mode::Refinement(low) => reader.bit(&segment).map(|bit| {
                            *place |= i16::from(bit) << low;
                        }),
                    };
                    if read.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
        let is_inside = reader.is_within(segment.len() - PADDING.len());
        self.segment = segment;
        // Restarts behind the last row that was asked for do not count.
        let is_ended = bottom != usize::MAX || !matches!(end, 0xd0..=0xd7);
        Ok((is_inside && is_ended).then_some(()))
    }
}

/// One DC difference, added up.
#[inline(always)]
fn dc(
    reader: &mut Reader,
    segment: &[u8],
    coder: &Coder,
    predictor: &mut i32,
    low: u8,
    place: &mut i16,
) -> Step<()> {
    let difference = coder.dc.difference(reader, segment)?;
    *predictor = predictor.wrapping_add(difference);
    // Values of 8-bit pictures have 11 bits; more than 16 the library would cut.
    *place = i16::try_from(predictor.wrapping_shl(u32::from(low))).ok()?;
    (-(1 << 15)..1 << 15).contains(predictor).then_some(())
}

/// What a scan with DC values holds.
#[derive(Clone, Copy)]
enum Mode {
    /// All coefficients.
    Sequential,
    /// DC but its lowest bits.
    First(u8),
    /// One more bit of DC.
    Refinement(u8),
}

impl Scan {
    /// `None` where a component is not in the state that the scan needs.
    fn mode(&self, frame: &Frame) -> Step<Mode> {
        let states = self.parts.iter().map(|part| frame.components.get(part.0));
        let are = |wanted: Option<u8>| {
            states.clone().all(|c| c.is_some_and(|component| component.missing_bits == wanted))
        };
        match (frame.is_progressive, self.last, self.high, self.low) {
            (false, 63, 0, 0) if are(None) => Some(Mode::Sequential),
            (true, 0, 0, low @ 0..=13) if are(None) => Some(Mode::First(low)),
            (true, 0, high @ 1..=13, low) if low + 1 == high && are(Some(high)) => {
                Some(Mode::Refinement(low))
            }
            _ => None,
        }
    }
}

/// Where the blocks of an MCU lie.
struct Layout {
    unit_columns: usize,
    unit_rows: usize,
    /// Rows of luma blocks, or of the only component's, that one row of MCUs holds.
    unit_height: usize,
    blocks: Vec<Block>,
}

struct Block {
    /// Which component of the scan.
    part: usize,
    x: usize,
    y: usize,
    /// Blocks of this component in an MCU.
    columns: usize,
    rows: usize,
    stride: usize,
}

impl Layout {
    fn of(frame: &Frame, scan: &Scan) -> Step<Layout> {
        if let [(part, ..)] = scan.parts.as_slice() {
            let component = frame.components.get(*part)?;
            let block =
                Block { part: 0, x: 0, y: 0, columns: 1, rows: 1, stride: component.stride };
            return Some(Layout {
                unit_columns: component.columns,
                unit_rows: component.rows,
                unit_height: 1,
                blocks: vec![block],
            });
        }
        let mut blocks = Vec::new();
        for (part, (index, ..)) in scan.parts.iter().enumerate() {
            let component = frame.components.get(*index)?;
            let (columns, rows) = (component.horizontal, component.vertical);
            for y in 0..rows {
                for x in 0..columns {
                    blocks.push(Block { part, x, y, columns, rows, stride: component.stride });
                }
            }
        }
        let unit_height = frame.components.iter().map(|c| c.vertical).max()?;
        (blocks.len() <= UNIT_BLOCKS_LIMIT).then_some(Layout {
            unit_columns: frame.unit_columns,
            unit_rows: frame.unit_rows,
            unit_height,
            blocks,
        })
    }
}

/// The tables of a scan's components, ready for use.
struct Coders {
    parts: Vec<Coder>,
}

struct Coder {
    dc: DcCodes,
    ac: Option<AcLengths>,
}

impl Coders {
    fn of(tables: &Tables, scan: &Scan, mode: Mode) -> Step<Coders> {
        let coder = |part: &(usize, usize, usize)| {
            let dc = match mode {
                Mode::Refinement(_) => DcCodes::none(),
                _ => DcCodes::new(tables.dc.get(part.1)?.as_ref()?)?,
            };
            let ac = match mode {
                Mode::Sequential => Some(AcLengths::new(tables.ac.get(part.2)?.as_ref()?)),
                _ => None,
            };
            Some(Coder { dc, ac })
        };
        Some(Coders { parts: scan.parts.iter().map(coder).collect::<Step<_>>()? })
    }
}

/// Where the first 0xFF is; whole lanes are asked at once.
fn find_ff(bytes: &[u8]) -> Step<usize> {
    const LANES: usize = 32;
    let mut at = 0;
    for lane in bytes.chunks_exact(LANES) {
        if lane.iter().fold(false, |found, byte| found | (*byte == 0xff)) {
            break;
        }
        at += LANES;
    }
    Some(at + bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?)
}
