//! Alpha arithmetic: associated and unassociated form, fills under a picture, flattening.

use crate::error::Error;
use crate::limits::{Deadline, Limits};
use crate::raster::{Alpha, Canvas};

/// `round(a * b / 255)` for values of 0 to 255, exact.
pub fn multiplied(a: u8, b: u8) -> u8 {
    let product = u32::from(a) * u32::from(b) + 128;
    ((product + (product >> 8)) >> 8) as u8
}

/// Multiplies color by alpha, so that the picture can be filtered; opaque and associated pictures stay.
pub fn premultiply(canvas: &mut Canvas, deadline: &Deadline) -> Result<(), Error> {
    if canvas.alpha != Alpha::Straight {
        return Ok(());
    }
    let channels = canvas.channels();
    for_rows(canvas, deadline, |row| {
        for pixel in row.chunks_exact_mut(channels) {
            if let Some((&mut alpha, color)) = pixel.split_last_mut()
                && alpha != 255
            {
                for value in color {
                    *value = multiplied(*value, alpha);
                }
            }
        }
    })?;
    canvas.alpha = Alpha::Premultiplied;
    Ok(())
}

/// Divides color by alpha, as formats store it; color of transparent pixels becomes 0.
pub fn unpremultiply(canvas: &mut Canvas, deadline: &Deadline) -> Result<(), Error> {
    if canvas.alpha != Alpha::Premultiplied {
        return Ok(());
    }
    let channels = canvas.channels();
    for_rows(canvas, deadline, |row| {
        for pixel in row.chunks_exact_mut(channels) {
            if let Some((&mut alpha, color)) = pixel.split_last_mut()
                && alpha != 255
                && alpha != 0
            {
                let alpha = u32::from(alpha);
                for value in color {
                    *value = ((u32::from(*value) * 255 + alpha / 2) / alpha).min(255) as u8;
                }
            }
        }
    })?;
    canvas.alpha = Alpha::Straight;
    Ok(())
}

/// Gives an opaque picture an alpha component of 255; others stay.
pub fn with_alpha(canvas: Canvas, limits: &Limits, deadline: &Deadline) -> Result<Canvas, Error> {
    if canvas.alpha != Alpha::Opaque {
        return Ok(canvas);
    }
    let mut out = Canvas::zeroed(canvas.size, canvas.model, Alpha::Premultiplied, limits)?;
    let (from, to) = (canvas.channels(), out.channels());
    let rows = canvas.data.chunks_exact(canvas.row_bytes().max(1));
    let out_row_bytes = out.row_bytes().max(1);
    for (index, (row, target)) in rows.zip(out.data.chunks_exact_mut(out_row_bytes)).enumerate() {
        if index % 256 == 0 {
            deadline.tick()?;
        }
        for (pixel, place) in row.chunks_exact(from).zip(target.chunks_exact_mut(to)) {
            place[..from].copy_from_slice(pixel);
            place[from] = 255;
        }
    }
    Ok(out)
}

/// Draws a color under a premultiplied picture: `color` holds its components, straight, then its alpha of 0 to 255.
///
/// Opaque pictures stay. The result is premultiplied.
pub fn fill_under(canvas: &mut Canvas, color: &[u8], deadline: &Deadline) -> Result<(), Error> {
    premultiply(canvas, deadline)?;
    if canvas.alpha == Alpha::Opaque {
        return Ok(());
    }
    let channels = canvas.channels();
    let Some((&fill_alpha, components)) = color.split_last() else { return Ok(()) };
    let mut fill: Vec<u8> = components.iter().map(|&c| multiplied(c, fill_alpha)).collect();
    fill.push(fill_alpha);
    for_rows(canvas, deadline, |row| {
        for pixel in row.chunks_exact_mut(channels) {
            let rest = 255 - pixel[channels - 1];
            if rest != 0 {
                for (value, &under) in pixel.iter_mut().zip(&fill) {
                    *value = value.saturating_add(multiplied(under, rest));
                }
            }
        }
    })
}

/// Lays the picture over an opaque color and drops alpha (`bgc=`): `foreground·α + bgc·(1 − α)`.
pub fn flatten(
    canvas: Canvas,
    color: &[u8],
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Canvas, Error> {
    if canvas.alpha == Alpha::Opaque {
        return Ok(canvas);
    }
    let is_associated = canvas.alpha == Alpha::Premultiplied;
    let mut out = Canvas::zeroed(canvas.size, canvas.model, Alpha::Opaque, limits)?;
    let (from, to) = (canvas.channels(), out.channels());
    let rows = canvas.data.chunks_exact(canvas.row_bytes().max(1));
    let out_row_bytes = out.row_bytes().max(1);
    for (index, (row, target)) in rows.zip(out.data.chunks_exact_mut(out_row_bytes)).enumerate() {
        if index % 256 == 0 {
            deadline.tick()?;
        }
        for (pixel, place) in row.chunks_exact(from).zip(target.chunks_exact_mut(to)) {
            let alpha = pixel[to];
            for ((value, &over), &under) in place.iter_mut().zip(&pixel[..to]).zip(color) {
                *value = match (alpha, is_associated) {
                    (255, _) => over,
                    (_, true) => over.saturating_add(multiplied(under, 255 - alpha)),
                    (_, false) => blended(over, under, alpha),
                };
            }
        }
    }
    Ok(out)
}

fn blended(over: u8, under: u8, alpha: u8) -> u8 {
    let (over, under, alpha) = (u32::from(over), u32::from(under), u32::from(alpha));
    ((over * alpha + under * (255 - alpha) + 127) / 255) as u8
}

/// Calls `each` for every row and looks at the deadline in between.
pub fn for_rows(
    canvas: &mut Canvas,
    deadline: &Deadline,
    mut each: impl FnMut(&mut [u8]),
) -> Result<(), Error> {
    let row_bytes = canvas.row_bytes().max(1);
    for (index, row) in canvas.data.chunks_exact_mut(row_bytes).enumerate() {
        if index % 256 == 0 {
            deadline.tick()?;
        }
        each(row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_rounded_exactly() {
        for a in 0..=255u32 {
            for b in 0..=255u32 {
                let exact = (a * b * 2 + 255) / 510;
                assert_eq!(u32::from(multiplied(a as u8, b as u8)), exact, "{a} * {b}");
            }
        }
    }
}
