//! From a view of a picture to the pixels to decode: which level, which part, how to scale it.
//!
//! Coordinates: *full* are pixels of the upright source, *stored* those of the file before any turn, *level* those of
//! one of its resolutions.

use crate::codec::{Form, Header, Level, Orientation, Wanted};
use crate::geometry::{Rect, Size};
use crate::raster::resample::{AxisMap, Kernel, Mapping};
use crate::raster::turn::Turn;

impl From<Orientation> for Turn {
    fn from(orientation: Orientation) -> Turn {
        match orientation {
            Orientation::Upright => Turn::NONE,
            Orientation::FlipHorizontal => Turn::MIRROR,
            Orientation::Rotate180 => Turn::quarters(2),
            Orientation::FlipVertical => Turn::FLIP,
            Orientation::Transpose => Turn { is_mirrored: true, quarters: 3 },
            Orientation::Rotate90 => Turn::quarters(1),
            Orientation::Transverse => Turn { is_mirrored: true, quarters: 1 },
            Orientation::Rotate270 => Turn::quarters(3),
        }
    }
}

/// One decode and one scaling, ready to be carried out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// What to decode, in stored coordinates of the level.
    pub wanted: Wanted,
    /// How the decoded part is turned before it is scaled.
    pub turn: Turn,
    /// Where the turned part lies in the picture that is scaled.
    pub part: Rect,
    /// Size of the picture that is scaled: the cropped source at the level, turned.
    pub extent: Size,
    /// That picture to the output.
    pub mapping: Mapping,
    /// The output pixels wanted.
    pub window: Rect,
    /// Those of them that are shown and that the picture covers.
    pub covered: Rect,
    /// The filter.
    pub kernel: Kernel,
}

impl Sampling {
    /// A whole source, upright, in full resolution and unscaled.
    pub fn whole(header: &Header, kernel: Kernel) -> Sampling {
        let turn = Turn::from(header.orientation);
        let upright = turn.of_size(header.size);
        let all = Rect::of(upright);
        Sampling {
            wanted: Wanted { level: 0, region: Rect::of(header.size), form: Form::Canvas },
            turn,
            part: all,
            extent: upright,
            mapping: Mapping::between(upright, upright),
            window: all,
            covered: all,
            kernel,
        }
    }
}

/// What a sampling starts from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Picture<'a> {
    /// Size as stored.
    pub stored: Size,
    /// The levels of the source.
    pub levels: &'a [Level],
    /// From stored to the orientation in which `crop` and the mapping count.
    pub turn: Turn,
    /// The part of the turned source that is the picture, within the source; nothing outside it is looked at.
    pub crop: Rect,
}

impl Picture<'_> {
    /// Plans `window` of the picture scaled by `mapping` (cropped, turned, full coordinates to output).
    ///
    /// Output pixels outside `shown` stay uncovered.
    /// The smallest level that is at least as large as the output is taken, unless `use_levels` forbids it. For
    /// planes the part is widened to whole JPEG units, so that chroma samples are not split.
    pub fn sampled(
        &self,
        mapping: Mapping,
        window: Rect,
        shown: Rect,
        kernel: Kernel,
        form: Form,
        use_levels: bool,
    ) -> Sampling {
        let index = if use_levels { self.level_for(mapping) } else { 0 };
        let level = self.levels[index];
        // Axes of the turned picture.
        let (scale_x, scale_y) = match self.turn.transposes() {
            true => (level.scale_y, level.scale_x),
            false => (level.scale_x, level.scale_y),
        };
        let turned_level = self.turn.of_size(level.size);
        let (pad_x, pad_y) = self.padding(level);
        // The crop in pixels of the turned level, rounded outward.
        let outward = |low: i64, high: i64, scale: f64, pad: f64, length: u32| {
            let low = (low as f64 * scale + pad + 1e-9).floor() as i64;
            let high = (high as f64 * scale + pad - 1e-9).ceil() as i64;
            let low = low.clamp(0, i64::from(length) - 1);
            (low, high.clamp(low + 1, i64::from(length)))
        };
        let crop = self.crop;
        let (left, right) = outward(crop.left, crop.right, scale_x, pad_x, turned_level.width);
        let (top, bottom) = outward(crop.top, crop.bottom, scale_y, pad_y, turned_level.height);
        let base = Rect { left, top, right, bottom };
        // Level coordinate l, counted from base, lies at full coordinate (l + base - pad) / scale - crop.
        let axis = |map: AxisMap, scale: f64, pad: f64, base: i64, crop: i64| {
            if scale == 1.0 {
                return map;
            }
            let shift = (base as f64 - pad) / scale - crop as f64;
            AxisMap { scale: map.scale / scale, origin: map.origin + shift * map.scale }
        };
        let at_level = Mapping {
            x: axis(mapping.x, scale_x, pad_x, base.left, crop.left),
            y: axis(mapping.y, scale_y, pad_y, base.top, crop.top),
        };
        let covered = mapping.covered(crop.size()).intersection(window).intersection(shown);
        let extent = base.size();
        let part = at_level.needed(covered, extent, kernel);
        let in_level = part.shifted(base.left, base.top);
        let mut region = self.turn.inverse().of_rect(in_level, turned_level);
        if form != Form::Canvas {
            region = whole_units(reaching(region, &at_level, kernel, self.turn), level.size);
        }
        // Widened, the part may reach beyond the crop; scaling does not look there.
        let part = self.turn.of_rect(region, level.size).shifted(-base.left, -base.top);
        Sampling {
            wanted: Wanted { level: index, region, form },
            turn: self.turn,
            part,
            extent,
            mapping: at_level,
            window,
            covered,
            kernel,
        }
    }

    fn level_for(&self, mapping: Mapping) -> usize {
        let (along_x, along_y) = match self.turn.transposes() {
            true => (mapping.y.scale, mapping.x.scale),
            false => (mapping.x.scale, mapping.y.scale),
        };
        let enough = |level: &Level| level.scale_x >= along_x && level.scale_y >= along_y;
        let fitting = self.levels.iter().enumerate().filter(|(_, level)| enough(level));
        fitting.min_by_key(|(_, level)| level.size.pixels()).map_or(0, |(index, _)| index)
    }

    /// Where the source begins in the turned level: a mirrored axis has the padding of the level in front.
    fn padding(&self, level: Level) -> (f64, f64) {
        let rest_x = f64::from(level.size.width) - f64::from(self.stored.width) * level.scale_x;
        let rest_y = f64::from(level.size.height) - f64::from(self.stored.height) * level.scale_y;
        // The first stored pixel marks which ends are reversed.
        let size = Size::new(2, 2);
        let first = self.turn.of_rect(Rect::at(0, 0, Size::new(1, 1)), size);
        let (rest_x, rest_y) =
            if self.turn.transposes() { (rest_y, rest_x) } else { (rest_x, rest_y) };
        (if first.left == 1 { rest_x } else { 0.0 }, if first.top == 1 { rest_y } else { 0.0 })
    }
}

/// `rect` widened by the reach of the filter once more: halved chroma reaches twice as far.
fn reaching(rect: Rect, mapping: &Mapping, kernel: Kernel, turn: Turn) -> Rect {
    let reach = |map: AxisMap| {
        // Beyond any picture, and far from where sums overflow.
        let reach = (kernel.support() * (1.0 / map.scale).max(1.0)).ceil() + 1.0;
        reach.min(f64::from(u32::MAX)) as i64
    };
    let (x, y) = match turn.transposes() {
        true => (reach(mapping.y), reach(mapping.x)),
        false => (reach(mapping.x), reach(mapping.y)),
    };
    Rect { left: rect.left - x, top: rect.top - y, right: rect.right + x, bottom: rect.bottom + y }
}

/// `rect` widened to multiples of 16 pixels, within a picture of `size`.
fn whole_units(rect: Rect, size: Size) -> Rect {
    let down = |v: i64| v.div_euclid(16) * 16;
    let up = |v: i64| -(-v).div_euclid(16) * 16;
    Rect {
        left: down(rect.left),
        top: down(rect.top),
        right: up(rect.right),
        bottom: up(rect.bottom),
    }
    .intersection(Rect::of(size))
}
