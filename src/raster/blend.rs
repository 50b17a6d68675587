//! Merges a picture onto a canvas (`commands.md` 8): both premultiplied, of one color model. Scales nothing.

use crate::error::Error;
use crate::geometry::Rect;
use crate::limits::Deadline;
use crate::raster::alpha::multiplied;
use crate::raster::{Alpha, Canvas, Model};

/// How a picture is merged with what lies below (`blendMode=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blend {
    /// Laid over it.
    Norm,
    /// Each pixel whole or not at all, by a fixed pattern of canvas coordinates and this layer number (`U093`).
    Dissolve(u32),
    /// The lighter component.
    Lighten,
    /// The darker component.
    Darken,
    /// The product.
    Mult,
    /// The product of the complements.
    Screen,
}

/// Merges `picture` onto `canvas` with its top left corner at `left`, `top`; what sticks out is dropped.
///
/// `canvas` is premultiplied; `picture` opaque or premultiplied, of the same model. `opacity` of 0..=255 multiplies
/// its alpha. Components are blended as they are stored, inks as their complements (`U092`).
pub fn blend(
    canvas: &mut Canvas,
    picture: &Canvas,
    (left, top): (i64, i64),
    mode: Blend,
    opacity: u8,
    deadline: &Deadline,
) -> Result<(), Error> {
    let shown = Rect::at(left, top, picture.size).intersection(Rect::of(canvas.size));
    if shown.is_empty() || opacity == 0 {
        return Ok(());
    }
    debug_assert!(canvas.alpha == Alpha::Premultiplied && canvas.model == picture.model);
    let components = canvas.model.components();
    let (channels, own_channels) = (canvas.channels(), picture.channels());
    let (row_bytes, own_row_bytes) = (canvas.row_bytes(), picture.row_bytes());
    let width = shown.width() as usize;
    for y in shown.top..shown.bottom {
        if y % 256 == 0 {
            deadline.tick()?;
        }
        // Within both pictures, by the intersection.
        let at = y as usize * row_bytes + shown.left as usize * channels;
        let own_at =
            (y - top) as usize * own_row_bytes + (shown.left - left) as usize * own_channels;
        let target = &mut canvas.data[at..at + width * channels];
        let source = &picture.data[own_at..own_at + width * own_channels];
        let pairs = target.chunks_exact_mut(channels).zip(source.chunks_exact(own_channels));
        for (x, (below, above)) in (shown.left..).zip(pairs) {
            let mut over = [0u8; 5];
            over[..components].copy_from_slice(&above[..components]);
            over[components] = above.get(components).copied().unwrap_or(255);
            if opacity < 255 {
                over[..=components]
                    .iter_mut()
                    .for_each(|value| *value = multiplied(*value, opacity));
            }
            if let Blend::Dissolve(layer) = mode {
                over = dissolved(over, components, x, y, layer);
            }
            match mode {
                Blend::Norm | Blend::Dissolve(_) => lay_over(below, &over[..=components]),
                Blend::Lighten | Blend::Darken | Blend::Mult | Blend::Screen => {
                    mixed(below, &over[..=components], mode, canvas.model);
                }
            }
        }
    }
    Ok(())
}

/// Multiplies the picture by `opacity`, 0..=255; an opaque one has to get alpha first.
pub fn fade(canvas: &mut Canvas, opacity: u8, deadline: &Deadline) -> Result<(), Error> {
    if opacity == 255 {
        return Ok(());
    }
    super::alpha::for_rows(canvas, deadline, |row| {
        row.iter_mut().for_each(|value| *value = multiplied(*value, opacity));
    })
}

fn lay_over(below: &mut [u8], over: &[u8]) {
    let rest = 255 - over.last().copied().unwrap_or(255);
    for (value, &above) in below.iter_mut().zip(over) {
        *value = above.saturating_add(multiplied(*value, rest));
    }
}

/// The separable model: `αs·(1−αb)·s + αb·(1−αs)·b + αs·αb·B(b, s)`, premultiplied.
fn mixed(below: &mut [u8], over: &[u8], mode: Blend, model: Model) {
    let (Some((alpha, colors)), Some((&over_alpha, over_colors))) =
        (below.split_last_mut(), over.split_last())
    else {
        return;
    };
    let (alpha_below, alpha_over) = (f32::from(*alpha) / 255.0, f32::from(over_alpha) / 255.0);
    for (value, &above) in colors.iter_mut().zip(over_colors) {
        let straight = |premultiplied: u8, alpha: f32| match alpha > 0.0 {
            true => (f32::from(premultiplied) / 255.0 / alpha).min(1.0),
            false => 0.0,
        };
        let (b, s) = (straight(*value, alpha_below), straight(above, alpha_over));
        let blended = match model {
            Model::Cmyk => 1.0 - function(1.0 - b, 1.0 - s, mode),
            Model::Gray | Model::Rgb => function(b, s, mode),
        };
        let result = alpha_over * (1.0 - alpha_below) * s
            + alpha_below * (1.0 - alpha_over) * b
            + alpha_over * alpha_below * blended;
        *value = (result * 255.0 + 0.5) as u8;
    }
    let union = alpha_below + alpha_over - alpha_below * alpha_over;
    *alpha = (union * 255.0 + 0.5) as u8;
}

fn function(b: f32, s: f32, mode: Blend) -> f32 {
    match mode {
        Blend::Norm | Blend::Dissolve(_) => s,
        Blend::Lighten => b.max(s),
        Blend::Darken => b.min(s),
        Blend::Mult => b * s,
        Blend::Screen => 1.0 - (1.0 - b) * (1.0 - s),
    }
}

/// Whole where the pattern lies below alpha, nothing elsewhere.
fn dissolved(over: [u8; 5], components: usize, x: i64, y: i64, layer: u32) -> [u8; 5] {
    let alpha = over[components];
    if alpha == 255 || alpha == 0 {
        return over;
    }
    // A mix of the coordinates in which neighbors have nothing in common.
    let mut hash = (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        ^ u64::from(layer).wrapping_mul(0x1656_67b1_9e37_79f9);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 29;
    if (hash >> 24) % 255 >= u64::from(alpha) {
        return [0; 5];
    }
    let mut whole = [0; 5];
    for (value, &color) in whole.iter_mut().zip(&over[..components]) {
        *value =
            ((u32::from(color) * 255 + u32::from(alpha) / 2) / u32::from(alpha)).min(255) as u8;
    }
    whole[components] = 255;
    whole
}
