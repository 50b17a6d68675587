//! Separate masks: a picture as coverage, attached to another one, and what `maskUse=` makes of alpha. Scales nothing.

use crate::color::convert;
use crate::error::{Error, Kind};
use crate::geometry::Rect;
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas, Model, Plane, alpha};

/// What becomes of a picture's alpha (`maskUse=`, `commands.md` 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It stays.
    Norm,
    /// It is inverted; an associated picture is laid over black first.
    Invert,
    /// It goes: all colors show, an associated picture over black.
    Off,
}

/// The coverage that a mask picture means: its alpha if it has one, else its brightness (`mask=`).
pub fn coverage(canvas: Canvas, limits: &Limits, deadline: &Deadline) -> Result<Plane, Error> {
    let size = canvas.size;
    if canvas.alpha == Alpha::Opaque {
        let gray = convert::canvas(canvas, Model::Gray, limits, deadline)?;
        return Ok(Plane { size, data: gray.data });
    }
    let channels = canvas.channels();
    let data = canvas.data.chunks_exact(channels).map(|pixel| pixel[channels - 1]).collect();
    Ok(Plane { size, data })
}

/// The picture with the part `part` of `mask` as its alpha; its own alpha goes, its colors stay (`U049`).
///
/// `part` is as large as the picture and lies within the mask. The result is straight.
pub fn attached(
    canvas: Canvas,
    mask: &Plane,
    part: Rect,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    if part.size() != canvas.size || part.intersection(Rect::of(mask.size)) != part {
        return Err(Error::new(
            Kind::Internal,
            format!("part {part:?} of a mask of {}", mask.size),
        ));
    }
    let mut canvas = canvas;
    alpha::unpremultiply(&mut canvas, deadline)?;
    let mut canvas = alpha::with_alpha(canvas, limits, deadline)?;
    canvas.alpha = Alpha::Straight;
    let channels = canvas.channels();
    let row_bytes = canvas.row_bytes().max(1);
    let (left, width) = (part.left as usize, mask.size.width as usize);
    for (y, row) in (part.top as usize..).zip(canvas.data.chunks_exact_mut(row_bytes)) {
        if y % 256 == 0 {
            deadline.tick()?;
        }
        let samples = &mask.data[y * width + left..];
        for (pixel, &sample) in row.chunks_exact_mut(channels).zip(samples) {
            pixel[channels - 1] = sample;
        }
    }
    Ok(canvas)
}

/// A solid color through a mask: `color` holds the components of `model`, straight, then its alpha. Premultiplied.
pub fn stencil(
    mask: &Plane,
    model: Model,
    color: &[u8],
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    let mut canvas = Canvas::zeroed(mask.size, model, Alpha::Premultiplied, limits)?;
    let channels = canvas.channels();
    let Some((&own_alpha, components)) = color.split_last() else { return Ok(canvas) };
    let samples = mask.data.iter();
    for (index, (pixel, &sample)) in canvas.data.chunks_exact_mut(channels).zip(samples).enumerate()
    {
        if index % (1 << 16) == 0 {
            deadline.tick()?;
        }
        let alpha = alpha::multiplied(own_alpha, sample);
        for (value, &component) in pixel.iter_mut().zip(components) {
            *value = alpha::multiplied(component, alpha);
        }
        pixel[channels - 1] = alpha;
    }
    Ok(canvas)
}

/// Applies `maskUse=` to a decoded picture, before it is scaled: the colors of what alpha hides are still there.
pub fn used(
    canvas: Canvas,
    how: Use,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    match (how, canvas.alpha) {
        (Use::Norm, _) | (Use::Off, Alpha::Opaque) => Ok(canvas),
        (Use::Off, Alpha::Straight | Alpha::Premultiplied) => {
            let (channels, model) = (canvas.channels(), canvas.model);
            let mut data = Vec::with_capacity(canvas.data.len() / channels * model.components());
            for pixel in canvas.data.chunks_exact(channels) {
                data.extend_from_slice(&pixel[..channels - 1]);
            }
            Ok(Canvas { size: canvas.size, model, alpha: Alpha::Opaque, data })
        }
        // Without a mask nothing is visible.
        (Use::Invert, Alpha::Opaque) => {
            let mut canvas = alpha::with_alpha(canvas, limits, deadline)?;
            canvas.data.fill(0);
            canvas.alpha = Alpha::Straight;
            Ok(canvas)
        }
        (Use::Invert, Alpha::Straight | Alpha::Premultiplied) => {
            let mut canvas = canvas;
            let channels = canvas.channels();
            alpha::for_rows(&mut canvas, deadline, |row| {
                for pixel in row.chunks_exact_mut(channels) {
                    pixel[channels - 1] = 255 - pixel[channels - 1];
                }
            })?;
            // Colors over black are those that are stored.
            canvas.alpha = Alpha::Straight;
            Ok(canvas)
        }
    }
}
