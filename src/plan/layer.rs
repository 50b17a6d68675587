//! The geometry of layer 0 in whole pixels: crop, scale, flip, rotate, extend (`commands.md` 5).

use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size, dim, dim_ratio, rnd};
use crate::raster::rotate::bounding_box;
use crate::raster::turn::Turn;
use crate::request::{Crop, Extend, Flip, SizeArg};

/// What decides the rectangle of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerInputs {
    /// Upright size of the source in full resolution.
    pub source: Size,
    /// `crop=`, `cropN=`.
    pub crop: Option<Crop>,
    /// `size=`.
    pub size: Option<SizeArg>,
    /// `scale=`, above 0.
    pub scale: Option<f64>,
    /// `res=`, above 0.
    pub res: Option<f64>,
    /// `catalog::Resolution` or `attribute::Resolution`, above 0.
    pub resolution: f64,
    /// `flip=` of the layer.
    pub flip: Option<Flip>,
    /// `rotate=` in degrees clockwise.
    pub rotate_deg: f64,
    /// `extend=`, `extendN=`.
    pub extend: Option<Extend>,
}

/// How a layer is turned about its anchor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rotation {
    /// A multiple of 90 degrees: pixels move, none is computed.
    Quarters(Turn),
    /// Any other angle, in degrees clockwise.
    Angle(f64),
}

/// The rectangle of a layer after each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerGeometry {
    /// The cropped rectangle, in full source pixels; it may reach beyond the source (the crop-extension).
    pub crop: Rect,
    /// Size after scaling.
    pub scaled: Size,
    /// Mirroring after scaling.
    pub flip: Turn,
    /// Rotation after it.
    pub rotation: Rotation,
    /// Size after rotation.
    pub rotated: Size,
    /// Where the rotated content lies in the extended rectangle.
    pub shift: (i64, i64),
    /// Size after extending.
    pub size: Size,
}

/// The mirroring of `flip=` as a turn.
pub fn flip_turn(flip: Option<Flip>) -> Turn {
    match flip {
        None => Turn::NONE,
        Some(Flip::LeftRight) => Turn::MIRROR,
        Some(Flip::UpDown) => Turn::FLIP,
        Some(Flip::Both) => Turn::quarters(2),
    }
}

/// Computes the geometry. Fails with `Syntax` for `sizeN=` (it has no meaning on layer 0).
pub fn geometry(inputs: &LayerInputs) -> Result<LayerGeometry, Error> {
    let crop = match inputs.crop {
        None => Rect::of(inputs.source),
        Some(Crop::Pixels(rect)) => rect,
        Some(Crop::Normalized { x, y, width, height }) => {
            let across = normalized(x, width, inputs.source.width);
            let down = normalized(y, height, inputs.source.height);
            Rect { left: across.0, right: across.1, top: down.0, bottom: down.1 }
        }
    };
    let scaled = scaled(inputs, crop.size())?;
    let (rotation, rotated) = rotation(inputs.rotate_deg, scaled);
    let (shift, size) = extended(inputs.extend, rotated);
    Ok(LayerGeometry { crop, scaled, flip: flip_turn(inputs.flip), rotation, rotated, shift, size })
}

/// Start and end of a side given in units of `length`, at least one pixel apart (`U037`).
fn normalized(start: f64, extent: f64, length: u32) -> (i64, i64) {
    let length = f64::from(length);
    let first = rnd(start * length) as i64;
    let end = rnd((start + extent) * length) as i64;
    (first, end.max(first.saturating_add(1)))
}

/// Size after L5: `size` ▸ `scale` ▸ `res` ▸ 1:1.
fn scaled(inputs: &LayerInputs, crop: Size) -> Result<Size, Error> {
    match inputs.size {
        Some(SizeArg::Normalized { .. }) => {
            return Err(Error::new(Kind::Syntax, "sizeN is not permitted for layer 0"));
        }
        Some(SizeArg::Pixels { width: 0, height: 0 }) | None => {}
        Some(SizeArg::Pixels { width, height: 0 }) => {
            return Ok(Size::new(width, dim_ratio(crop.height, width, crop.width)));
        }
        Some(SizeArg::Pixels { width: 0, height }) => {
            return Ok(Size::new(dim_ratio(crop.width, height, crop.height), height));
        }
        Some(SizeArg::Pixels { width, height }) => {
            let width_decides = u64::from(width) * u64::from(crop.height)
                <= u64::from(height) * u64::from(crop.width);
            return Ok(match width_decides {
                true => Size::new(width, dim_ratio(crop.height, width, crop.width).min(height)),
                false => Size::new(dim_ratio(crop.width, height, crop.height).min(width), height),
            });
        }
    }
    let factor = match (inputs.scale, inputs.res) {
        (Some(scale), _) => scale,
        (None, Some(res)) => res / inputs.resolution,
        (None, None) => return Ok(crop),
    };
    Ok(Size::new(dim(f64::from(crop.width) * factor), dim(f64::from(crop.height) * factor)))
}

fn rotation(angle_deg: f64, size: Size) -> (Rotation, Size) {
    let angle_deg = angle_deg % 360.0;
    if angle_deg % 90.0 == 0.0 {
        let turn = Turn::quarters((angle_deg / 90.0) as i64);
        return (Rotation::Quarters(turn), turn.of_size(size));
    }
    (Rotation::Angle(angle_deg), bounding_box(size, angle_deg))
}

/// Where the content lies and how large the rectangle is after `extend`; nothing left is 1 x 1 (`U039`).
fn extended(extend: Option<Extend>, size: Size) -> ((i64, i64), Size) {
    let (left, top, right, bottom) = match extend {
        None => return ((0, 0), size),
        Some(Extend::Pixels { left, top, right, bottom }) => (left, top, right, bottom),
        Some(Extend::Normalized { left, top, right, bottom }) => {
            // Negative margins round half away from zero (`U037`).
            let margin = |n: f64, length: u32| (n * f64::from(length)).round() as i64;
            (
                margin(left, size.width),
                margin(top, size.height),
                margin(right, size.width),
                margin(bottom, size.height),
            )
        }
    };
    let side = |length: u32, before: i64, after: i64| {
        let sum = i64::from(length).saturating_add(before).saturating_add(after);
        u32::try_from(sum.max(1)).unwrap_or(u32::MAX)
    };
    let extended = Size::new(side(size.width, left, right), side(size.height, top, bottom));
    ((left, top), extended)
}
