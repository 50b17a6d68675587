//! The geometry of a layer in whole pixels: crop, scale, flip, rotate, extend, position (`commands.md` 5).

use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size, dim, dim_ratio, rnd};
use crate::raster::rotate::bounding_box;
use crate::raster::turn::Turn;
use crate::request::{Crop, Extend, Flip, Place, SizeArg};

use super::thumbnail::Rule;

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
    /// `anchor=`, `anchorN=`, else `catalog::Anchor`.
    pub anchor: Option<Place>,
    /// `origin=`, `originN=`.
    pub origin: Option<Place>,
    /// Size of layer 0, the unit of `sizeN=`; `None` for layer 0 itself.
    pub canvas: Option<Size>,
    /// In thumbnails what takes the place of the scaling (`commands.md` 13).
    pub thumbnail: Option<Rule>,
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
    /// Where the scaled content lies in its frame; at 0, 0 but in thumbnails, where it may stick out.
    pub frame_shift: (i64, i64),
    /// Size of the frame: `scaled` but in thumbnails.
    pub frame: Size,
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
    /// The point, from the top left of the extended rectangle, by which the layer is placed.
    pub origin: (f64, f64),
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

/// Computes the geometry. Fails with `Syntax` for `sizeN=` on layer 0, where it has no meaning.
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
    let (scaled, frame_shift, frame) = match inputs.thumbnail.filter(|_| inputs.res.is_none()) {
        Some(rule) => rule.placed(crop.size(), inputs.size),
        None => {
            let scaled = scaled(inputs, crop.size())?;
            (scaled, (0, 0), scaled)
        }
    };
    let (rotation, rotated) = rotation(inputs.rotate_deg, frame);
    let (shift, size) = extended(inputs.extend, rotated);
    let flip = flip_turn(inputs.flip);
    let steps = LayerGeometry {
        crop,
        scaled,
        frame_shift,
        frame,
        flip,
        rotation,
        rotated,
        shift,
        size,
        origin: (0.0, 0.0),
    };
    let origin = match (inputs.origin, inputs.anchor) {
        (Some(origin), _) => within(origin, size),
        (None, Some(anchor)) => steps.mapped(within(anchor, inputs.source), inputs.flip),
        (None, None) => within(Place::Normalized { x: 0.0, y: 0.0 }, size),
    };
    Ok(LayerGeometry { origin, ..steps })
}

/// A place in pixels from the top left of a picture of `size`.
fn within(place: Place, size: Size) -> (f64, f64) {
    match place {
        Place::Pixels { x, y } => (x as f64, y as f64),
        Place::Normalized { x, y } => {
            ((x + 0.5) * f64::from(size.width), (y + 0.5) * f64::from(size.height))
        }
    }
}

impl LayerGeometry {
    /// Where a point of the full-resolution source lies in the extended rectangle.
    pub fn mapped(&self, point: (f64, f64), flip: Option<Flip>) -> (f64, f64) {
        let ratio = |to: u32, from: u32| f64::from(to) / f64::from(from.max(1));
        let (mut x, mut y) = point;
        x = (x - self.crop.left as f64) * ratio(self.scaled.width, self.crop.width());
        y = (y - self.crop.top as f64) * ratio(self.scaled.height, self.crop.height());
        x += self.frame_shift.0 as f64;
        y += self.frame_shift.1 as f64;
        let (width, height) = (f64::from(self.frame.width), f64::from(self.frame.height));
        if matches!(flip, Some(Flip::LeftRight | Flip::Both)) {
            x = width - x;
        }
        if matches!(flip, Some(Flip::UpDown | Flip::Both)) {
            y = height - y;
        }
        let (sin, cos) = match self.rotation {
            Rotation::Quarters(turn) => {
                [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)][usize::from(turn.quarters) % 4]
            }
            Rotation::Angle(angle_deg) => angle_deg.to_radians().sin_cos(),
        };
        let (x, y) = (x - width / 2.0, y - height / 2.0);
        let turned = (x * cos - y * sin, x * sin + y * cos);
        (
            turned.0 + f64::from(self.rotated.width) / 2.0 + self.shift.0 as f64,
            turned.1 + f64::from(self.rotated.height) / 2.0 + self.shift.1 as f64,
        )
    }
}

/// The top left corner in the canvas of a layer above 0: its origin on that of layer 0, moved by `pos=` (`U036`).
pub fn top_left(layer: &LayerGeometry, layer_0: &LayerGeometry, pos: Option<Place>) -> (i64, i64) {
    let (pos_x, pos_y) = match pos {
        None => (0.0, 0.0),
        Some(Place::Pixels { x, y }) => (x as f64, y as f64),
        // In units of the size of layer 0, from its own place.
        Some(Place::Normalized { x, y }) => {
            (x * f64::from(layer_0.size.width), y * f64::from(layer_0.size.height))
        }
    };
    let place = |of_0: f64, pos: f64, own: f64| rnd(of_0 + pos - own) as i64;
    (place(layer_0.origin.0, pos_x, layer.origin.0), place(layer_0.origin.1, pos_y, layer.origin.1))
}

/// Start and end of a side given in units of `length`, at least one pixel apart (`U037`).
fn normalized(start: f64, extent: f64, length: u32) -> (i64, i64) {
    let length = f64::from(length);
    let first = rnd(start * length) as i64;
    let end = rnd((start + extent) * length) as i64;
    (first, end.max(first.saturating_add(1)))
}

/// `size=` in pixels, a side of 0 being open; `sizeN=` counts in sizes of layer 0.
pub(super) fn box_of(size: Option<SizeArg>, canvas: Option<Size>) -> Result<Option<Size>, Error> {
    match (size, canvas) {
        (None, _) => Ok(None),
        (Some(SizeArg::Pixels { width, height }), _) => Ok(Some(Size::new(width, height))),
        (Some(SizeArg::Normalized { .. }), None) => {
            Err(Error::new(Kind::Syntax, "sizeN is not permitted for layer 0"))
        }
        (Some(SizeArg::Normalized { width, height }), Some(canvas)) => {
            let side = |n: f64, length: u32| match n == 0.0 {
                true => 0,
                false => dim(n * f64::from(length)),
            };
            Ok(Some(Size::new(side(width, canvas.width), side(height, canvas.height))))
        }
    }
}

/// Size after L5: `size` ▸ `scale` ▸ `res` ▸ 1:1.
fn scaled(inputs: &LayerInputs, crop: Size) -> Result<Size, Error> {
    match box_of(inputs.size, inputs.canvas)? {
        Some(Size { width: 0, height: 0 }) | None => {}
        Some(Size { width, height: 0 }) => {
            return Ok(Size::new(width, dim_ratio(crop.height, width, crop.width)));
        }
        Some(Size { width: 0, height }) => {
            return Ok(Size::new(dim_ratio(crop.width, height, crop.height), height));
        }
        Some(Size { width, height }) => {
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
