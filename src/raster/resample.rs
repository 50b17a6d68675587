//! Scales and cuts in one pass: the window of a scaled picture, row by row. Knows no levels and no layers.
//!
//! Weights belong to the absolute position of an output pixel, so a window of a picture holds exactly the pixels that
//! the whole scaled picture has there (`commands.md` 4.4). Integer arithmetic only after the weights are made: the
//! result is the same on every processor.

#![allow(unsafe_code)]

use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Plane};

/// The filter of a scaling (`resMode=`, `U104`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// `bilin`: triangle, support 1.
    Triangle,
    /// `bicub`: cubic convolution with a = -0.5, support 2.
    CatmullRom,
    /// `sharp2` and `sharp`: Lanczos, a = 3.
    Lanczos3,
    /// `bisharp`: cubic convolution with a = -1.0, support 2.
    CubicSharper,
}

impl Kernel {
    /// Half the width of the filter, in source pixels at scale 1.
    pub fn support(self) -> f64 {
        match self {
            Kernel::Triangle => 1.0,
            Kernel::CatmullRom | Kernel::CubicSharper => 2.0,
            Kernel::Lanczos3 => 3.0,
        }
    }

    /// The weight at distance `x` of the center.
    pub fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Kernel::Triangle => (1.0 - x).max(0.0),
            Kernel::CatmullRom => cubic(x, -0.5),
            Kernel::CubicSharper => cubic(x, -1.0),
            Kernel::Lanczos3 if x < 1e-9 => 1.0,
            Kernel::Lanczos3 if x >= 3.0 => 0.0,
            Kernel::Lanczos3 => {
                let t = std::f64::consts::PI * x;
                3.0 * t.sin() * (t / 3.0).sin() / (t * t)
            }
        }
    }
}

fn cubic(x: f64, a: f64) -> f64 {
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

/// One axis of a scaling: source coordinate `X` lands at `X * scale + origin`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisMap {
    /// Output pixels for one source pixel, above 0.
    pub scale: f64,
    /// Output coordinate of source coordinate 0.
    pub origin: f64,
}

impl AxisMap {
    /// Whether output pixels are source pixels, moved by whole pixels.
    pub fn is_identity(self) -> bool {
        self.scale == 1.0 && self.origin.fract() == 0.0
    }

    /// The output pixels whose centers lie on a source of `length` pixels: first, and one past the last.
    pub fn covered(self, length: u32) -> (i64, i64) {
        let first = (self.origin - 0.5).ceil();
        let end = (f64::from(length) * self.scale + self.origin - 0.5).ceil();
        (first as i64, end as i64)
    }

    /// The source pixels that output pixels `first..end` depend on, before cutting at the source's border.
    pub fn needed(self, first: i64, end: i64, kernel: Kernel) -> (i64, i64) {
        if self.is_identity() {
            let shift = self.origin as i64;
            return (first.saturating_sub(shift), end.saturating_sub(shift));
        }
        let reach = kernel.support() * (1.0 / self.scale).max(1.0);
        let low = (first as f64 + 0.5 - self.origin) / self.scale - reach - 0.5;
        let high = (end as f64 - 0.5 - self.origin) / self.scale + reach - 0.5;
        (low.floor() as i64, (high.ceil() + 1.0) as i64)
    }
}

/// Both axes of a scaling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mapping {
    /// Horizontal.
    pub x: AxisMap,
    /// Vertical.
    pub y: AxisMap,
}

impl Mapping {
    /// The scaling that takes a whole picture of size `from` to size `to`.
    pub fn between(from: Size, to: Size) -> Mapping {
        let axis = |from: u32, to: u32| AxisMap {
            scale: f64::from(to) / f64::from(from.max(1)),
            origin: 0.0,
        };
        Mapping { x: axis(from.width, to.width), y: axis(from.height, to.height) }
    }

    /// The output pixels that lie on a source of `size`.
    pub fn covered(self, size: Size) -> Rect {
        let (left, right) = self.x.covered(size.width);
        let (top, bottom) = self.y.covered(size.height);
        Rect { left, top, right, bottom }
    }

    /// The source pixels that `window` of the output depends on, cut at a source of `size`.
    pub fn needed(self, window: Rect, size: Size, kernel: Kernel) -> Rect {
        let (left, right) = self.x.needed(window.left, window.right, kernel);
        let (top, bottom) = self.y.needed(window.top, window.bottom, kernel);
        let needed = Rect { left, top, right, bottom }.intersection(Rect::of(size));
        if !needed.is_empty() {
            return needed;
        }
        // A window beyond the source still takes its border pixels.
        let clamp = |v: i64, length: u32| v.clamp(0, i64::from(length) - 1);
        let (left, top) = (clamp(left, size.width), clamp(top, size.height));
        Rect::at(left, top, Size::new(1, 1))
    }
}

/// Fraction bits of a weight.
const WEIGHT_BITS: u32 = 14;
/// Fraction bits of a value between the two passes.
const VALUE_BITS: u32 = 6;
/// Largest width of a filter's unit, in lengths of the source.
const WIDEST: f64 = 16.0;
/// Weights are padded to a multiple of this many taps, so that the inner loop has no rest.
const LANES: usize = 8;

/// Weights of consecutive output pixels along one axis.
struct Taps {
    /// First source index of each output pixel, relative to the available source part.
    first: Vec<usize>,
    /// `stride` weights for each output pixel, zero behind its last.
    weights: Vec<i16>,
    /// Weights stored for one output pixel.
    stride: usize,
    /// Weights used by any output pixel.
    used: usize,
}

impl Taps {
    /// Taps for output pixels `first..end`; the source has `length` pixels, of which `part.0..part.1` are at hand.
    fn new(
        map: AxisMap,
        kernel: Kernel,
        first: i64,
        end: i64,
        length: u32,
        part: (i64, i64),
        limits: &Limits,
        deadline: &Deadline,
    ) -> Result<Taps, Error> {
        // A source far smaller than one output pixel needs no wider filter: all but its border has no weight.
        let widest = f64::from(length) * WIDEST;
        let spread = (1.0 / map.scale).max(1.0).min(widest.max(WIDEST));
        let reach = kernel.support() * spread;
        let used = (2.0 * reach).ceil() as usize + 1;
        let used = used.min(length as usize).max(1);
        let stride = used.next_multiple_of(LANES);
        let count = usize::try_from(end - first).unwrap_or(0);
        let weights = (count as u64).saturating_mul(stride as u64 * 2 + 8);
        limits.check_memory(weights.saturating_add(used as u64 * 8))?;
        let mut taps = Taps {
            first: Vec::with_capacity(count),
            weights: vec![0; count * stride],
            stride,
            used,
        };
        let last = i64::from(length) - 1;
        let mut exact = vec![0.0; used];
        for (index, u) in (first..end).enumerate() {
            if index % 1024 == 0 {
                deadline.tick()?;
            }
            let center = (u as f64 + 0.5 - map.origin) / map.scale;
            let low = (center - reach - 0.5).ceil() as i64;
            let high = (center + reach - 0.5).floor() as i64;
            let start = low.clamp(0, i64::from(length) - used as i64).max(part.0);
            exact.fill(0.0);
            for k in low..=high {
                let weight = kernel.weight((k as f64 + 0.5 - center) / spread);
                // Beyond the border the border pixel repeats (`commands.md` 10).
                let at = usize::try_from(k.clamp(0, last) - start);
                let place = at.ok().and_then(|at| exact.get_mut(at));
                *place.ok_or_else(|| outside(map, part))? += weight;
            }
            let sum: f64 = exact.iter().sum();
            let target = &mut taps.weights[index * stride..index * stride + used];
            // Running sums are rounded, not weights: all weights together are exactly 1, so that a flat picture keeps
            // its value, and thousands of weights too small for an integer still count.
            let (mut running, mut before) = (0.0, 0i32);
            for (place, weight) in target.iter_mut().zip(&exact) {
                running += weight;
                let after = (running / sum * f64::from(1 << WEIGHT_BITS)).round() as i32;
                *place = (after - before) as i16;
                before = after;
            }
            let start = start - part.0;
            let start = usize::try_from(start).map_err(|_| outside(map, part))?;
            if start + used > usize::try_from(part.1 - part.0).unwrap_or(0) {
                // Weights of zero may reach past the part; all others lie inside by `needed`.
                let room = usize::try_from(part.1 - part.0).unwrap_or(0);
                if start >= room || target[room - start..].iter().any(|w| *w != 0) {
                    return Err(outside(map, part));
                }
            }
            taps.first.push(start);
        }
        Ok(taps)
    }

    fn of(&self, index: usize) -> &[i16] {
        &self.weights[index * self.stride..(index + 1) * self.stride]
    }
}

fn outside(map: AxisMap, part: (i64, i64)) -> Error {
    Error::new(Kind::Internal, format!("scaling {map:?} needs pixels outside {part:?}"))
}

/// Interleaved samples of a source, or of the part of it that was decoded.
struct Samples<'a> {
    data: &'a [u8],
    channels: usize,
    /// Where `data` lies in the source.
    part: Rect,
    /// The whole source.
    size: Size,
}

/// Scales a canvas and cuts `window` of the result.
///
/// `source` is the part `part` of a picture of `size`; it must hold what [`Mapping::needed`] names. Straight alpha is
/// refused (`Internal`): color is filtered premultiplied, and afterwards clamped to alpha. Beyond the border the
/// border pixel repeats, so an opaque picture stays opaque. Costs area of the window times the taps of both axes.
///
/// Fails with `TimedOut`, `TooLarge`.
pub fn resample(
    source: &Canvas,
    part: Rect,
    size: Size,
    mapping: Mapping,
    window: Rect,
    kernel: Kernel,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    if source.alpha == Alpha::Straight && !(mapping.x.is_identity() && mapping.y.is_identity()) {
        return Err(Error::new(Kind::Internal, "straight alpha cannot be filtered"));
    }
    let mut out = Canvas::zeroed(window.size(), source.model, source.alpha, limits)?;
    let samples = Samples { data: &source.data, channels: source.channels(), part, size };
    scale(&samples, mapping, window, kernel, &mut out.data, limits, deadline)?;
    if source.alpha == Alpha::Premultiplied {
        let channels = out.channels();
        for pixel in out.data.chunks_exact_mut(channels) {
            let alpha = pixel[channels - 1];
            for value in &mut pixel[..channels - 1] {
                *value = (*value).min(alpha);
            }
        }
    }
    Ok(out)
}

/// Scales one plane; as [`resample`].
pub fn resample_plane(
    source: &Plane,
    part: Rect,
    size: Size,
    mapping: Mapping,
    window: Rect,
    kernel: Kernel,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Plane, Error> {
    let mut data = limits.zeroed(window.size().pixels())?;
    let samples = Samples { data: &source.data, channels: 1, part, size };
    scale(&samples, mapping, window, kernel, &mut data, limits, deadline)?;
    Ok(Plane { size: window.size(), data })
}

fn scale(
    source: &Samples<'_>,
    mapping: Mapping,
    window: Rect,
    kernel: Kernel,
    out: &mut [u8],
    limits: &Limits,
    deadline: &Deadline,
) -> Result<(), Error> {
    let channels = source.channels;
    let row_bytes = source.part.width() as usize * channels;
    if source.data.len() != row_bytes * source.part.height() as usize {
        return Err(Error::new(Kind::Internal, "source part and data differ in size"));
    }
    if mapping.x.is_identity() && mapping.y.is_identity() {
        return copy(source, mapping, window, out, deadline);
    }
    let (part, size) = (source.part, source.size);
    let columns = Taps::new(
        mapping.x,
        kernel,
        window.left,
        window.right,
        size.width,
        (part.left, part.right),
        limits,
        deadline,
    )?;
    let rows = Taps::new(
        mapping.y,
        kernel,
        window.top,
        window.bottom,
        size.height,
        (part.top, part.bottom),
        limits,
        deadline,
    )?;
    let part_width = part.width() as usize;
    let plane_width = part_width + columns.stride;
    limits
        .check_memory((row_bytes as u64).saturating_mul(6).saturating_add(columns.stride as u64))?;
    let mut sums = vec![0i32; row_bytes];
    let mut planes = vec![0i16; plane_width * channels];
    let out_row_bytes = window.width() as usize * channels;
    let work = (rows.used as u64 * row_bytes as u64).max(1);
    let rows_per_tick = (4_000_000 / work).clamp(1, 64) as usize;
    for (index, out_row) in out.chunks_exact_mut(out_row_bytes.max(1)).enumerate() {
        if index % rows_per_tick == 0 {
            deadline.tick()?;
        }
        let start = rows.first[index];
        let weights = &rows.of(index)[..rows.used];
        kernels::vertical(source.data, row_bytes, start, weights, &mut sums);
        kernels::spread(&sums, channels, &mut planes, plane_width);
        kernels::horizontal(&planes, plane_width, channels, &columns, out_row);
    }
    Ok(())
}

fn copy(
    source: &Samples<'_>,
    mapping: Mapping,
    window: Rect,
    out: &mut [u8],
    deadline: &Deadline,
) -> Result<(), Error> {
    let channels = source.channels;
    let from = window.shifted(-(mapping.x.origin as i64), -(mapping.y.origin as i64));
    let inside = from.intersection(source.part);
    if inside != from {
        return Err(Error::new(Kind::Internal, format!("{from:?} is outside {:?}", source.part)));
    }
    let row_bytes = source.part.width() as usize * channels;
    let skip = (from.left - source.part.left) as usize * channels;
    let top = (from.top - source.part.top) as usize;
    let length = from.width() as usize * channels;
    for (row, out_row) in out.chunks_exact_mut(length.max(1)).enumerate() {
        if row % 256 == 0 {
            deadline.tick()?;
        }
        let start = (top + row) * row_bytes + skip;
        out_row.copy_from_slice(&source.data[start..start + length]);
    }
    Ok(())
}

/// The inner loops, compiled twice from one text: for any x86-64 and for AVX2. Both give the same integers.
mod kernels {
    use super::{LANES, Taps, VALUE_BITS, WEIGHT_BITS};

    #[inline(always)]
    fn vertical_any(
        data: &[u8],
        row_bytes: usize,
        start: usize,
        weights: &[i16],
        sums: &mut [i32],
    ) {
        sums.fill(1 << (WEIGHT_BITS - VALUE_BITS - 1));
        for (tap, &weight) in weights.iter().enumerate() {
            if weight == 0 {
                continue;
            }
            let from = (start + tap) * row_bytes;
            let row = &data[from..from + row_bytes];
            let weight = i32::from(weight);
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(i32::from(value).wrapping_mul(weight));
            }
        }
    }

    #[inline(always)]
    fn spread_any(sums: &[i32], channels: usize, planes: &mut [i16], plane_width: usize) {
        let narrow = |sum: i32| {
            (sum >> (WEIGHT_BITS - VALUE_BITS)).clamp(i32::from(i16::MIN), i32::from(i16::MAX))
                as i16
        };
        match channels {
            1 => {
                for (value, &sum) in planes.iter_mut().zip(sums) {
                    *value = narrow(sum);
                }
            }
            3 => {
                let (first, rest) = planes.split_at_mut(plane_width);
                let (second, third) = rest.split_at_mut(plane_width);
                let places = first.iter_mut().zip(second).zip(third);
                for (((a, b), c), sum) in places.zip(sums.chunks_exact(3)) {
                    *a = narrow(sum[0]);
                    *b = narrow(sum[1]);
                    *c = narrow(sum[2]);
                }
            }
            4 => {
                let (first, rest) = planes.split_at_mut(plane_width);
                let (second, rest) = rest.split_at_mut(plane_width);
                let (third, fourth) = rest.split_at_mut(plane_width);
                let places = first.iter_mut().zip(second).zip(third).zip(fourth);
                for ((((a, b), c), d), sum) in places.zip(sums.chunks_exact(4)) {
                    *a = narrow(sum[0]);
                    *b = narrow(sum[1]);
                    *c = narrow(sum[2]);
                    *d = narrow(sum[3]);
                }
            }
            _ => {
                for (channel, plane) in planes.chunks_exact_mut(plane_width).enumerate() {
                    let values = sums.iter().skip(channel).step_by(channels);
                    for (value, &sum) in plane.iter_mut().zip(values) {
                        *value = narrow(sum);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn horizontal_any(
        planes: &[i16],
        plane_width: usize,
        channels: usize,
        columns: &Taps,
        out: &mut [u8],
    ) {
        const SHIFT: u32 = WEIGHT_BITS + VALUE_BITS;
        for (channel, plane) in planes.chunks_exact(plane_width).enumerate() {
            let weights = columns.weights.chunks_exact(columns.stride);
            let places = out.iter_mut().skip(channel).step_by(channels);
            for ((place, &first), weights) in places.zip(&columns.first).zip(weights) {
                let (values, _) = plane[first..first + weights.len()].as_chunks::<LANES>();
                let (weights, _) = weights.as_chunks::<LANES>();
                // Eight sums side by side, one register: most filters are two or three of these long.
                let mut sums = [0i32; LANES];
                for (values, weights) in values.iter().zip(weights) {
                    for ((sum, &value), &weight) in sums.iter_mut().zip(values).zip(weights) {
                        let product = i32::from(value).wrapping_mul(i32::from(weight));
                        *sum = sum.wrapping_add(product);
                    }
                }
                let sum = sums.iter().fold(0i32, |all, &sum| all.wrapping_add(sum));
                *place = ((sum + (1 << (SHIFT - 1))) >> SHIFT).clamp(0, 255) as u8;
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    mod wide {
        use super::Taps;

        #[target_feature(enable = "avx2")]
        pub fn vertical(d: &[u8], row_bytes: usize, start: usize, w: &[i16], sums: &mut [i32]) {
            super::vertical_any(d, row_bytes, start, w, sums);
        }

        #[target_feature(enable = "avx2")]
        pub fn spread(sums: &[i32], channels: usize, planes: &mut [i16], plane_width: usize) {
            super::spread_any(sums, channels, planes, plane_width);
        }

        #[target_feature(enable = "avx2")]
        pub fn horizontal(p: &[i16], width: usize, channels: usize, c: &Taps, out: &mut [u8]) {
            super::horizontal_any(p, width, channels, c, out);
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn has_avx2() -> bool {
        std::arch::is_x86_feature_detected!("avx2")
    }

    pub fn vertical(d: &[u8], row_bytes: usize, start: usize, w: &[i16], sums: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        if has_avx2() {
            // SAFETY: the processor has AVX2, as just asked; the function is safe otherwise.
            return unsafe { wide::vertical(d, row_bytes, start, w, sums) };
        }
        vertical_any(d, row_bytes, start, w, sums);
    }

    pub fn spread(sums: &[i32], channels: usize, planes: &mut [i16], plane_width: usize) {
        #[cfg(target_arch = "x86_64")]
        if has_avx2() {
            // SAFETY: the processor has AVX2, as just asked; the function is safe otherwise.
            return unsafe { wide::spread(sums, channels, planes, plane_width) };
        }
        spread_any(sums, channels, planes, plane_width);
    }

    pub fn horizontal(p: &[i16], width: usize, channels: usize, c: &Taps, out: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if has_avx2() {
            // SAFETY: the processor has AVX2, as just asked; the function is safe otherwise.
            return unsafe { wide::horizontal(p, width, channels, c, out) };
        }
        horizontal_any(p, width, channels, c, out);
    }

    #[cfg(test)]
    mod tests {
        use super::super::{AxisMap, Kernel};
        use super::*;
        use crate::limits::{Deadline, Limits};

        #[test]
        fn both_compilations_give_the_same_integers() {
            let map = AxisMap { scale: 0.37, origin: -1.3 };
            let limits = Limits::default();
            let deadline = Deadline::after(std::time::Duration::from_secs(60));
            for channels in 1..=5usize {
                let (width, height) = (97, 61);
                let data: Vec<u8> = (0..width * channels * height)
                    .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
                    .collect();
                let taps = Taps::new(map, Kernel::Lanczos3, 0, 30, 97, (0, 97), &limits, &deadline)
                    .expect("the axis is inside");
                let rows = Taps::new(map, Kernel::Lanczos3, 0, 20, 61, (0, 61), &limits, &deadline)
                    .expect("the axis is inside");
                let plane_width = width + taps.stride;
                let mut sums = (vec![0; width * channels], vec![0; width * channels]);
                let mut planes = (vec![0; plane_width * channels], vec![0; plane_width * channels]);
                let mut out = (vec![0; 30 * channels], vec![0; 30 * channels]);
                for row in 0..20 {
                    let (start, weights) = (rows.first[row], &rows.of(row)[..rows.used]);
                    vertical(&data, width * channels, start, weights, &mut sums.0);
                    vertical_any(&data, width * channels, start, weights, &mut sums.1);
                    spread(&sums.0, channels, &mut planes.0, plane_width);
                    spread_any(&sums.1, channels, &mut planes.1, plane_width);
                    horizontal(&planes.0, plane_width, channels, &taps, &mut out.0);
                    horizontal_any(&planes.1, plane_width, channels, &taps, &mut out.1);
                    assert_eq!(sums.0, sums.1, "{channels} channels, row {row}");
                    assert_eq!(out.0, out.1, "{channels} channels, row {row}");
                }
            }
        }
    }
}
