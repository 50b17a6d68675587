//! A picture with the entropy of a photograph: slopes, texture of all sizes, edges, grain. The same at every run.

use std::io::Cursor;
use std::time::Duration;

use imprint::codec::{Chroma, Encoding, Metadata, encode};
use imprint::geometry::Size;
use imprint::limits::{Deadline, Limits};
use imprint::raster::{Alpha, Canvas, Model, Pixels};

/// A JPEG of quality 90 with halved chroma.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let size = Size::new(width, height);
    let mut data = Vec::with_capacity(size.pixels() as usize * 3);
    for y in 0..height {
        for x in 0..width {
            data.extend(color(x, y));
        }
    }
    let canvas = Canvas { size, model: Model::Rgb, alpha: Alpha::Opaque, data };
    let encoding = Encoding::Jpeg {
        quality: 90,
        chroma: Chroma::Halved,
        progressive: None,
        limit_bytes: None,
    };
    let mut out = Cursor::new(Vec::new());
    encode(
        &Pixels::Canvas(canvas),
        &encoding,
        &Metadata::default(),
        &mut out,
        &Limits::default(),
        &Deadline::after(Duration::from_secs(600)),
    )
    .expect("the picture can be encoded");
    out.into_inner()
}

fn color(x: u32, y: u32) -> [u8; 3] {
    let coarse = texture(x, y, 9);
    let middle = texture(x, y, 6);
    // Half of the picture is sharp, half of it out of focus.
    let sharpness = (texture(x, y, 10) * 1.6 - 0.3).clamp(0.0, 1.0);
    let fine = (texture(x, y, 3) - 0.5) * sharpness + (texture(x, y, 2) - 0.5) * sharpness * 0.7;
    let edge = if middle > 0.55 { 0.18 * sharpness } else { 0.0 };
    let grain = (lattice(x, y, 77) - 0.5) * 0.035;
    let light = 0.18 + coarse * 0.45 + (middle - 0.5) * 0.25 + fine * 0.3 + edge + grain;
    let warmth = (texture(x, y, 8) - 0.5) * 0.3 + fine * 0.08;
    [light + warmth, light, light - warmth * 0.8].map(|value| (value.clamp(0.0, 1.0) * 255.0) as u8)
}

/// Smooth noise of 2^`octave` pixels a wave, 0.0 to 1.0.
fn texture(x: u32, y: u32, octave: u32) -> f32 {
    let step = 1u32 << octave;
    let (left, top) = (x >> octave, y >> octave);
    let ease = |v: u32| {
        let t = (v % step) as f32 / step as f32;
        t * t * (3.0 - 2.0 * t)
    };
    let (across, down) = (ease(x), ease(y));
    let at = |dx: u32, dy: u32| lattice(left + dx, top + dy, octave);
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    mix(mix(at(0, 0), at(1, 0), across), mix(at(0, 1), at(1, 1), across), down)
}

/// A value for a lattice point, 0.0 to 1.0.
fn lattice(x: u32, y: u32, seed: u32) -> f32 {
    let mut hash =
        x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ seed.wrapping_mul(0xC2B2_AE3D);
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297A_2D39);
    (hash >> 8) as f32 / (1 << 24) as f32
}
