//! Pictures that tests draw, by the fixtures of `commands.md` 18, and files made of them.

use std::io::Cursor;
use std::time::Duration;

use imprint::codec::{self, Chroma, Encoding, Input, Metadata, Wanted};
use imprint::geometry::{Rect, Size};
use imprint::limits::{Deadline, Limits};
use imprint::raster::{Alpha, Canvas, Model, Pixels};

/// A deadline that no test reaches.
pub fn unhurried() -> Deadline {
    Deadline::after(Duration::from_secs(600))
}

/// An RGB picture from a function of the pixel.
pub fn drawn(width: u32, height: u32, color: impl Fn(u32, u32) -> [u8; 3]) -> Canvas {
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            data.extend(color(x, y));
        }
    }
    Canvas { size: Size::new(width, height), model: Model::Rgb, alpha: Alpha::Opaque, data }
}

/// Content that repeats nowhere: smooth slopes with texture (fixtures A, T, S100).
pub fn textured(width: u32, height: u32) -> Canvas {
    drawn(width, height, |x, y| {
        let wave = |a: u32, b: u32| {
            let phase = f64::from(x * a + y * b) / 97.0;
            (phase.sin() * 60.0) as i32
        };
        let slope = |v: u32, length: u32| (v * 160 / length.max(1)) as i32 + 40;
        let byte = |v: i32| v.clamp(0, 255) as u8;
        [
            byte(slope(x, width) + wave(3, 1) / 2),
            byte(slope(y, height) + wave(1, 4) / 2),
            byte(slope(x + y, width + height) + wave(2, 5) / 2),
        ]
    })
}

/// Q: four flat quadrants of 200x150: red, green, blue, white.
pub fn quadrants() -> Canvas {
    drawn(400, 300, |x, y| match (x < 200, y < 150) {
        (true, true) => [255, 0, 0],
        (false, true) => [0, 255, 0],
        (true, false) => [0, 0, 255],
        (false, false) => [255, 255, 255],
    })
}

/// M: 200x200 with an opaque red square at 50 to 149; elsewhere transparent with hidden green.
pub fn masked() -> Canvas {
    let mut data = Vec::new();
    for y in 0..200 {
        for x in 0..200 {
            let inside = (50..150).contains(&x) && (50..150).contains(&y);
            data.extend(if inside { [255, 0, 0, 255] } else { [0, 255, 0, 0] });
        }
    }
    Canvas { size: Size::new(200, 200), model: Model::Rgb, alpha: Alpha::Straight, data }
}

/// A flat picture.
pub fn flat(width: u32, height: u32, color: [u8; 3]) -> Canvas {
    drawn(width, height, |_, _| color)
}

/// The canvas as a file of the given form.
pub fn file(canvas: &Canvas, encoding: &Encoding) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    codec::encode(
        &Pixels::Canvas(canvas.clone()),
        encoding,
        &Metadata::default(),
        &mut out,
        &Limits::default(),
        &unhurried(),
    )
    .expect("the picture can be encoded");
    out.into_inner()
}

/// The canvas as a PNG.
pub fn png(canvas: &Canvas) -> Vec<u8> {
    file(canvas, &Encoding::Png)
}

/// The canvas as a JPEG.
pub fn jpeg(canvas: &Canvas, quality: u8, chroma: Chroma) -> Vec<u8> {
    file(canvas, &Encoding::Jpeg { quality, chroma, progressive: None, limit_bytes: None })
}

/// The pixels of a file, in full resolution.
pub fn decoded(bytes: &[u8]) -> Canvas {
    let deadline = unhurried();
    let limits = Limits::default();
    let bytes = bytes.to_vec();
    let header = codec::probe(&mut Input::new(&bytes, &deadline), &limits).expect("a picture");
    let wanted = Wanted { level: 0, region: Rect::of(header.size), form: codec::Form::Canvas };
    match codec::decode(&mut Input::new(&bytes, &deadline), &header, &wanted, &limits) {
        Ok(Pixels::Canvas(canvas)) => canvas,
        other => panic!("no canvas: {other:?}"),
    }
}

/// The pixel at `x`, `y`.
pub fn pixel(canvas: &Canvas, x: u32, y: u32) -> &[u8] {
    let channels = canvas.channels();
    let at = (y as usize * canvas.size.width as usize + x as usize) * channels;
    &canvas.data[at..at + channels]
}

/// The largest difference of any component of two pictures of one size.
pub fn difference(one: &Canvas, other: &Canvas) -> u8 {
    assert_eq!((one.size, one.model, one.alpha), (other.size, other.model, other.alpha));
    one.data.iter().zip(&other.data).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}
