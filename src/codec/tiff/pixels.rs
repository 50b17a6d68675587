//! Stored samples to canvas components: depth, sign, palette, YCbCr and Lab. It reads no files.

use super::chunk::{bit_field, number};
use super::page::{Meaning, Page, Samples};
use crate::raster::Alpha;

/// The stored samples `from..from + count` of a row, as 8-bit components; indices of a palette stay numbers.
pub(super) fn samples(row: &[u8], from: usize, count: usize, page: &Page, out: &mut Vec<u32>) {
    out.clear();
    let bytes = page.bits as usize / 8;
    let is_index = page.meaning == Meaning::Palette;
    for index in from..from + count {
        let value = match page.bits {
            8 => u32::from(row.get(index).copied().unwrap_or(0)),
            16 | 24 | 32 => row
                .get(index * bytes..(index + 1) * bytes)
                .map_or(0, |sample| number(sample, page.is_big_endian)),
            bits => bit_field(row, index, bits),
        };
        out.push(if is_index { value } else { component(value, page.kind, page.bits) });
    }
}

/// A stored number as 0 to 255, rounded.
fn component(value: u32, kind: Samples, bits: u32) -> u32 {
    match (kind, bits) {
        (Samples::Unsigned, 8) => value,
        (Samples::Unsigned, _) => scaled(value, bits),
        (Samples::Signed, _) => scaled(value ^ 1 << (bits - 1), bits),
        (Samples::Float, 16) => unit(half(value)),
        (Samples::Float, 24) => unit(three_byte(value)),
        (Samples::Float, _) => unit(f32::from_bits(value)),
    }
}

fn scaled(value: u32, bits: u32) -> u32 {
    let most = (1u64 << bits) - 1;
    ((u64::from(value) * 255 + most / 2) / most) as u32
}

/// 0.0 to 1.0 as 0 to 255; what is no number is 0.
fn unit(value: f32) -> u32 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u32
}

fn half(bits: u32) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = ((bits >> 10 & 31) as i32, (bits & 0x3ff) as f32);
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 => {
            if fraction == 0.0 {
                sign * f32::INFINITY
            } else {
                f32::NAN
            }
        }
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

/// The 24-bit format of some scanners: 7 bits of exponent, 16 of fraction.
fn three_byte(bits: u32) -> f32 {
    let sign = if bits & 0x80_0000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = ((bits >> 16 & 127) as i32, (bits & 0xffff) as f32);
    match exponent {
        0 => sign * fraction * 2f32.powi(-78),
        _ => sign * (1.0 + fraction / 65_536.0) * 2f32.powi(exponent - 63),
    }
}

/// Puts one pixel of components into the canvas.
pub(super) fn put(samples: &[u32], page: &Page, is_rgb: bool, target: &mut [u8]) {
    let byte = |index: usize| samples.get(index).copied().unwrap_or(0) as u8;
    match page.meaning {
        Meaning::WhiteIsZero => target[0] = 255 - byte(0),
        Meaning::BlackIsZero => target[0] = byte(0),
        Meaning::Cmyk => target[..4].copy_from_slice(&[byte(0), byte(1), byte(2), byte(3)]),
        Meaning::Palette => {
            let index = samples.first().copied().unwrap_or(0) as usize;
            target[..3].copy_from_slice(&page.palette.get(index).copied().unwrap_or([0; 3]));
        }
        Meaning::YCbCr if !is_rgb => target[..3].copy_from_slice(&ycbcr(byte(0), byte(1), byte(2))),
        Meaning::Rgb | Meaning::YCbCr => target[..3].copy_from_slice(&[byte(0), byte(1), byte(2)]),
        Meaning::Lab => target[..3].copy_from_slice(&lab(byte(0), byte(1) as i8, byte(2) as i8)),
        Meaning::IccLab => {
            let signed = |value: u8| (value ^ 0x80) as i8;
            target[..3].copy_from_slice(&lab(byte(0), signed(byte(1)), signed(byte(2))));
        }
    }
    let Some(alpha_sample) = page.alpha_sample else { return };
    let color = target.len() - 1;
    let alpha = match page.meaning {
        // Indices were left as stored, and so was this.
        Meaning::Palette => {
            component(samples.get(alpha_sample).copied().unwrap_or(0), page.kind, page.bits) as u8
        }
        _ => byte(alpha_sample),
    };
    target[color] = alpha;
    // Broken files have more color than alpha allows.
    if page.alpha == Alpha::Premultiplied {
        for component in &mut target[..color] {
            *component = (*component).min(alpha);
        }
    }
}

/// Full-range BT.601, as in JPEG.
fn ycbcr(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let part = |value: f32| (value + 0.5).clamp(0.0, 255.0) as u8;
    [part(y + 1.402 * cr), part(y - 0.344_136 * cb - 0.714_136 * cr), part(y + 1.772 * cb)]
}

/// CIE L*a*b* of D50 to sRGB.
fn lab(l: u8, a: i8, b: i8) -> [u8; 3] {
    let fy = (f32::from(l) / 2.55 + 16.0) / 116.0;
    let (fx, fz) = (fy + f32::from(a) / 500.0, fy - f32::from(b) / 200.0);
    let cube = |f: f32| if f > 6.0 / 29.0 { f * f * f } else { (f - 4.0 / 29.0) * 0.128_419 };
    let (x, y, z) = (0.9642 * cube(fx), cube(fy), 0.8249 * cube(fz));
    let encoded = |v: f32| {
        let v = v.clamp(0.0, 1.0);
        let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
        (v * 255.0 + 0.5) as u8
    };
    [
        encoded(3.134_136 * x - 1.617_386 * y - 0.490_663 * z),
        encoded(-0.978_795 * x + 1.916_254 * y + 0.033_442 * z),
        encoded(0.071_955 * x - 0.228_977 * y + 1.405_386 * z),
    ]
}
