//! Frame, scan headers and tables of a Huffman-coded JPEG, as far as DC values need them. It reads no entropy-coded data.

#![forbid(unsafe_code)]

use super::huffman::Codes;
use crate::geometry::Size;

/// What a step gives: a value, or `None` where the library has to decide.
pub(super) type Step<T> = Option<T>;

/// A component while its scans are read.
pub(super) struct Component {
    pub id: u8,
    pub horizontal: usize,
    pub vertical: usize,
    /// The largest factors over these.
    pub divisors: (u32, u32),
    /// Quantization table.
    pub table: usize,
    /// Blocks that hold part of the picture.
    pub columns: usize,
    pub rows: usize,
    /// Blocks of a row in whole MCUs.
    pub stride: usize,
    /// DC coefficients, by block.
    pub values: Vec<i16>,
    /// Bits of the DC values that are still missing; `None` before the first scan.
    pub missing_bits: Option<u8>,
}

pub(super) struct Frame {
    pub is_progressive: bool,
    pub components: Vec<Component>,
    /// MCUs of an interleaved scan.
    pub unit_columns: usize,
    pub unit_rows: usize,
}

/// Tables as the segments between scans define them.
#[derive(Default)]
pub(super) struct Tables {
    /// Quantizers of the DC coefficient.
    pub quantizers: [Option<u16>; 4],
    pub dc: [Option<Codes>; 4],
    pub ac: [Option<Codes>; 4],
    pub restart_interval: usize,
}

/// The header of a scan.
pub(super) struct Scan {
    /// Component, DC table, AC table.
    pub parts: Vec<(usize, usize, usize)>,
    pub first: u8,
    pub last: u8,
    pub high: u8,
    pub low: u8,
}

impl Tables {
    pub fn take_quantizers(&mut self, segment: &[u8]) -> Step<()> {
        let mut rest = segment;
        while let [id, tail @ ..] = rest {
            let place = self.quantizers.get_mut(usize::from(id & 15))?;
            let (value, length) = match (id >> 4, tail) {
                (0, [value, ..]) => (u16::from(*value), 64),
                (1, [high, low, ..]) => (u16::from_be_bytes([*high, *low]), 128),
                _ => return None,
            };
            // The library holds quantizers as signed numbers.
            *place = Some(value).filter(|value| (1..1 << 15).contains(value));
            rest = tail.get(length..)?;
        }
        Some(())
    }

    pub fn take_codes(&mut self, segment: &[u8]) -> Step<()> {
        let mut rest = segment;
        while let [id, tail @ ..] = rest {
            let (counts, tail) = tail.split_first_chunk::<16>()?;
            let length = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, tail) = tail.split_at_checked(length)?;
            let class = match id >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *class.get_mut(usize::from(id & 15))? = Some(Codes::new(counts, symbols)?);
            rest = tail;
        }
        Some(())
    }

    pub fn take_interval(&mut self, segment: &[u8]) -> Step<()> {
        let interval: [u8; 2] = segment.try_into().ok()?;
        self.restart_interval = usize::from(u16::from_be_bytes(interval));
        Some(())
    }
}

impl Frame {
    pub fn taken(&mut self) -> Frame {
        Frame { components: std::mem::take(&mut self.components), ..*self }
    }
}

pub(super) fn frame_header(marker: u8, segment: &[u8], size: Size) -> Step<Frame> {
    let [8, h0, h1, w0, w1, count, rest @ ..] = segment else { return None };
    let (height, width) = (u16::from_be_bytes([*h0, *h1]), u16::from_be_bytes([*w0, *w1]));
    let is_usual = Size::new(width.into(), height.into()) == size
        && matches!(count, 1 | 3)
        && rest.len() == usize::from(*count) * 3;
    if !is_usual || width == 0 || height == 0 {
        return None;
    }
    let factors = |part: &[u8]| (usize::from(part[1] >> 4), usize::from(part[1] & 15));
    let (mut max_h, mut max_v) = (1, 1);
    for part in rest.chunks_exact(3) {
        let (h, v) = factors(part);
        if !matches!((h, v), (1..=2, 1..=2)) {
            return None;
        }
        (max_h, max_v) = (max_h.max(h), max_v.max(v));
    }
    let (width, height) = (usize::from(width), usize::from(height));
    let (unit_columns, unit_rows) = (width.div_ceil(8 * max_h), height.div_ceil(8 * max_v));
    let component = |part: &[u8]| {
        let (horizontal, vertical) = factors(part);
        Component {
            id: part[0],
            horizontal,
            vertical,
            divisors: ((max_h / horizontal) as u32, (max_v / vertical) as u32),
            table: usize::from(part[2]),
            columns: (width * horizontal).div_ceil(8 * max_h),
            rows: (height * vertical).div_ceil(8 * max_v),
            stride: unit_columns * horizontal,
            values: Vec::new(),
            missing_bits: None,
        }
    };
    Some(Frame {
        is_progressive: marker == 0xc2,
        components: rest.chunks_exact(3).map(component).collect(),
        unit_columns,
        unit_rows,
    })
}

pub(super) fn scan_header(segment: &[u8], frame: &Frame) -> Step<Scan> {
    let [count @ 1..=3, rest @ ..] = segment else { return None };
    let (parts, [first, last, approximation]) = rest.split_at_checked(usize::from(*count) * 2)?
    else {
        return None;
    };
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    for part in parts.chunks_exact(2) {
        let index = frame.components.iter().position(|component| component.id == part[0])?;
        // In the order of the frame, each once.
        if found.last().is_some_and(|(before, ..)| *before >= index) {
            return None;
        }
        found.push((index, usize::from(part[1] >> 4), usize::from(part[1] & 15)));
    }
    let (high, low) = (approximation >> 4, approximation & 15);
    Some(Scan { parts: found, first: *first, last: *last, high, low })
}
