//! Rotation by any angle into the bounding box (`rotate=`). Quarter turns are `turn`'s, exact.

use crate::error::Error;
use crate::geometry::Size;
use crate::limits::{Deadline, Limits};
use crate::raster::alpha;
use crate::raster::resample::Kernel;
use crate::raster::{Alpha, Canvas};

/// The bounding box of a rectangle turned by `angle_deg`, rounded up so that nothing is cut (`U038`).
pub fn bounding_box(size: Size, angle_deg: f64) -> Size {
    let (sin, cos) = angle_deg.to_radians().sin_cos();
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let side = |length: f64| {
        let rounded = (length - 1e-6).ceil();
        if rounded < 1.0 { 1 } else { rounded.min(f64::from(u32::MAX)) as u32 }
    };
    Size {
        width: side((width * cos).abs() + (height * sin).abs()),
        height: side((width * sin).abs() + (height * cos).abs()),
    }
}

/// Most source pixels that a kernel touches along one axis: twice the largest support, and one.
const TAPS: usize = 7;

/// Turns clockwise by `angle_deg` about the center; the rest of the bounding box is transparent.
///
/// The kernel is evaluated in both directions at each output pixel, on premultiplied values; outside the source is
/// transparent, so edges are smooth (`U107`). Costs the area of the box times the square of twice the support.
pub fn rotated(
    canvas: Canvas,
    angle_deg: f64,
    kernel: Kernel,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    let mut source = alpha::with_alpha(canvas, limits, deadline)?;
    alpha::premultiply(&mut source, deadline)?;
    let size = bounding_box(source.size, angle_deg);
    let mut out = Canvas::zeroed(size, source.model, Alpha::Premultiplied, limits)?;
    let (sin, cos) = angle_deg.to_radians().sin_cos();
    let (width, height) = (i64::from(source.size.width), i64::from(source.size.height));
    let (center_x, center_y) = (width as f64 / 2.0, height as f64 / 2.0);
    let (box_x, box_y) = (f64::from(size.width) / 2.0, f64::from(size.height) / 2.0);
    let channels = out.channels();
    let support = kernel.support();
    let out_row_bytes = out.row_bytes();
    let mut sums = vec![0.0f32; channels];
    let mut weights_x = [0.0f64; TAPS];
    for (row, places) in out.data.chunks_exact_mut(out_row_bytes).enumerate() {
        if row % 8 == 0 {
            deadline.tick()?;
        }
        let dy = row as f64 + 0.5 - box_y;
        for (column, place) in places.chunks_exact_mut(channels).enumerate() {
            let dx = column as f64 + 0.5 - box_x;
            let x = dx * cos + dy * sin + center_x - 0.5;
            let y = dy * cos - dx * sin + center_y - 0.5;
            if x <= -support
                || y <= -support
                || x >= width as f64 - 1.0 + support
                || y >= height as f64 - 1.0 + support
            {
                continue;
            }
            let (left, top) = ((x - support).ceil() as i64, (y - support).ceil() as i64);
            let (right, bottom) = ((x + support).floor() as i64, (y + support).floor() as i64);
            for (weight, source_x) in weights_x.iter_mut().zip(left..=right) {
                *weight = kernel.weight(source_x as f64 - x);
            }
            sums.fill(0.0);
            let mut total = 0.0f32;
            for source_y in top..=bottom {
                let weight_y = kernel.weight(source_y as f64 - y);
                for (weight_x, source_x) in weights_x.iter().zip(left..=right) {
                    let weight = (weight_x * weight_y) as f32;
                    total += weight;
                    if (0..width).contains(&source_x) && (0..height).contains(&source_y) {
                        let at = (source_y * width + source_x) as usize * channels;
                        for (sum, &value) in sums.iter_mut().zip(&source.data[at..at + channels]) {
                            *sum += weight * f32::from(value);
                        }
                    }
                }
            }
            let alpha = clamp(sums[channels - 1] / total, 255);
            for (value, sum) in place.iter_mut().zip(&sums) {
                *value = clamp(sum / total, alpha);
            }
        }
    }
    Ok(out)
}

fn clamp(value: f32, largest: u8) -> u8 {
    (value + 0.5).floor().clamp(0.0, f32::from(largest)) as u8
}
