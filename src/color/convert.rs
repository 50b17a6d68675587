//! Naive conversions between gray, RGB and CMYK (`commands.md` 12.5, `U129`). Profiles play no part here.

use crate::error::Error;
use crate::limits::{Deadline, Limits};
use crate::raster::{Canvas, Model, Planes};

/// Converts 8-bit color components from one model to another; `from` holds at least the components of `model`.
pub fn components(from: &[u8], model: Model, to: Model) -> [u8; 4] {
    let mut out = [0; 4];
    match (model, to) {
        (Model::Gray, Model::Gray) => out[0] = from[0],
        (Model::Gray, Model::Rgb) => out[..3].fill(from[0]),
        (Model::Gray, Model::Cmyk) => out[3] = 255 - from[0],
        (Model::Rgb, Model::Gray) => out[0] = gray([from[0], from[1], from[2]]),
        (Model::Rgb, Model::Rgb) => out[..3].copy_from_slice(&from[..3]),
        (Model::Rgb, Model::Cmyk) => out = cmyk([from[0], from[1], from[2]]),
        (Model::Cmyk, Model::Rgb) => {
            out[..3].copy_from_slice(&rgb([from[0], from[1], from[2], from[3]]));
        }
        (Model::Cmyk, Model::Gray) => out[0] = gray(rgb([from[0], from[1], from[2], from[3]])),
        (Model::Cmyk, Model::Cmyk) => out.copy_from_slice(&from[..4]),
    }
    out
}

/// `0.299 R + 0.587 G + 0.114 B`, rounded half up.
pub fn gray([red, green, blue]: [u8; 3]) -> u8 {
    ((299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue) + 500) / 1000) as u8
}

/// `R = (1 − C)(1 − K)` and so on, rounded.
pub fn rgb([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    [cyan, magenta, yellow].map(|ink| {
        let product = (255 - u32::from(ink)) * (255 - u32::from(black));
        ((product * 2 + 255) / 510) as u8
    })
}

/// `K = 1 − max(R, G, B)`, `C = (1 − R − K) / (1 − K)` and so on, rounded; black alone where `K` is 1.
pub fn cmyk(rgb: [u8; 3]) -> [u8; 4] {
    let [red, green, blue] = rgb;
    let largest = u32::from(red.max(green).max(blue));
    if largest == 0 {
        return [0, 0, 0, 255];
    }
    let ink = |value: u8| (((largest - u32::from(value)) * 510 + largest) / (2 * largest)) as u8;
    [ink(red), ink(green), ink(blue), 255 - largest as u8]
}

/// The canvas in another model, alpha untouched. Color must be straight or opaque where the models differ.
pub fn canvas(
    canvas: Canvas,
    to: Model,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    let from = canvas.model;
    if from == to {
        return Ok(canvas);
    }
    let mut out = Canvas::zeroed(canvas.size, to, canvas.alpha, limits)?;
    let (src_channels, dst_channels) = (canvas.channels(), out.channels());
    let (src_colors, dst_colors) = (from.components(), to.components());
    let rows = canvas.data.chunks_exact(canvas.row_bytes().max(1));
    let out_row_bytes = out.row_bytes().max(1);
    for (index, (row, target)) in rows.zip(out.data.chunks_exact_mut(out_row_bytes)).enumerate() {
        if index % 128 == 0 {
            deadline.tick()?;
        }
        let pixels = row.chunks_exact(src_channels).zip(target.chunks_exact_mut(dst_channels));
        for (pixel, place) in pixels {
            place[..dst_colors].copy_from_slice(&components(pixel, from, to)[..dst_colors]);
            place[dst_colors..].copy_from_slice(&pixel[src_colors..]);
        }
    }
    Ok(out)
}

/// An RGB color as full-range YCbCr of BT.601, as JPEG files hold it.
pub fn ycc([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (f64::from(red), f64::from(green), f64::from(blue));
    let byte = |v: f64| (v + 0.5).floor().clamp(0.0, 255.0) as u8;
    [
        byte(0.299 * r + 0.587 * g + 0.114 * b),
        byte(-0.168_735_892 * r - 0.331_264_108 * g + 0.5 * b + 128.0),
        byte(0.5 * r - 0.418_687_589 * g - 0.081_312_411 * b + 128.0),
    ]
}

/// The planes as an RGB canvas; chroma repeats its nearest sample. The plain reference of the plane path.
pub fn from_planes(planes: &Planes, limits: &Limits, deadline: &Deadline) -> Result<Canvas, Error> {
    let size = planes.luma.size;
    let mut out = Canvas::zeroed(size, Model::Rgb, crate::raster::Alpha::Opaque, limits)?;
    let width = size.width as usize;
    let chroma_row = planes.cb.size.width as usize;
    let column = |x: usize| (x * chroma_row / width.max(1)).min(chroma_row.saturating_sub(1));
    let columns: Vec<usize> = (0..width).map(column).collect();
    for (y, row) in out.data.chunks_exact_mut(width * 3).enumerate() {
        if y % 128 == 0 {
            deadline.tick()?;
        }
        let chroma_y = y * planes.cb.size.height as usize / (size.height as usize).max(1);
        let luma = &planes.luma.data[y * width..(y + 1) * width];
        let cb = &planes.cb.data[chroma_y * chroma_row..(chroma_y + 1) * chroma_row];
        let cr = &planes.cr.data[chroma_y * chroma_row..(chroma_y + 1) * chroma_row];
        for ((place, &luma), &at) in row.chunks_exact_mut(3).zip(luma).zip(&columns) {
            place.copy_from_slice(&rgb_of_ycc([luma, cb[at], cr[at]]));
        }
    }
    Ok(out)
}

/// Full-range YCbCr of BT.601 as RGB, rounded and clamped.
pub fn rgb_of_ycc([luma, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(luma), i32::from(cb) - 128, i32::from(cr) - 128);
    let byte = |v: i32| v.clamp(0, 255) as u8;
    // Fixed point of 16 bits, as libjpeg computes it.
    [
        byte(y + ((91_881 * cr + 32_768) >> 16)),
        byte(y + ((-22_554 * cb - 46_802 * cr + 32_768) >> 16)),
        byte(y + ((116_130 * cb + 32_768) >> 16)),
    ]
}
