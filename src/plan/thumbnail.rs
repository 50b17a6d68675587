//! Thumbnails (`req=tmb`, `commands.md` 13): the view rectangle, and how layers are scaled into it. No pixels.

use crate::catalog::{Align, ThumbType};
use crate::error::Error;
use crate::geometry::{Size, dim, dim_ratio};
use crate::request::{FitMode, SizeArg};

use super::layer::box_of;
use super::{Inputs, LayerFacts};

/// How a source is brought into a rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// It covers the rectangle; the excess is cut.
    Cover,
    /// It lies within.
    Inside,
    /// It is scaled by this factor.
    Factor(f64),
}

/// The thumbnail rule of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// How it is scaled.
    pub fill: Fill,
    /// The canvas: where `size=` names no other rectangle.
    pub canvas: Size,
    /// Where it lies: 0.0 left or top, 0.5, 1.0 right or bottom.
    pub place: (f64, f64),
}

impl Rule {
    /// Scaled size, its place in the rectangle, and the rectangle, for a cropped source.
    pub(super) fn placed(&self, source: Size, size: Option<SizeArg>) -> (Size, (i64, i64), Size) {
        let target = match box_of(size, Some(self.canvas)).ok().flatten() {
            None | Some(Size { width: 0, height: 0 }) => self.canvas,
            Some(Size { width, height: 0 }) => {
                Size::new(width, dim_ratio(source.height, width, source.width))
            }
            Some(Size { width: 0, height }) => {
                Size::new(dim_ratio(source.width, height, source.height), height)
            }
            Some(size) => size,
        };
        let across = Size::new(target.width, dim_ratio(source.height, target.width, source.width));
        let down = Size::new(dim_ratio(source.width, target.height, source.height), target.height);
        // Whether the width is the tighter side.
        let is_wide = u64::from(target.width) * u64::from(source.height)
            <= u64::from(target.height) * u64::from(source.width);
        let scaled = match self.fill {
            Fill::Inside if is_wide => across,
            Fill::Inside => down,
            Fill::Cover if is_wide => down,
            Fill::Cover => across,
            Fill::Factor(factor) => Size::new(
                dim(f64::from(source.width) * factor),
                dim(f64::from(source.height) * factor),
            ),
        };
        let offset = |target: u32, scaled: u32, place: f64| {
            ((f64::from(target) - f64::from(scaled)) * place).trunc() as i64
        };
        let shift = (
            offset(target.width, scaled.width, self.place.0),
            offset(target.height, scaled.height, self.place.1),
        );
        (scaled, shift, target)
    }
}

/// A thumbnail: its view and the rule of its layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Thumbnail {
    /// The view rectangle, `dpr=` included.
    pub view: Size,
    /// What its layers are scaled by.
    pub rule: Rule,
}

impl Thumbnail {
    /// How the composite is brought into the view: mode, or `scl` 1 for textures.
    pub fn mode(&self) -> Option<FitMode> {
        match self.rule.fill {
            Fill::Cover => Some(FitMode::Crop),
            Fill::Inside => Some(FitMode::Fit),
            Fill::Factor(_) => None,
        }
    }
}

/// The thumbnail that a request asks for; `layer_0` gives the aspect ratio of an open side (`U130`, `U-tmb-zero`).
pub(super) fn thumbnail(
    inputs: &Inputs<'_>,
    layer_0: &LayerFacts<'_>,
    cropped: Size,
    dpr: f64,
) -> Result<Thumbnail, Error> {
    let attributes = inputs.attributes;
    let view = &inputs.request.view;
    let sides = Size::new(
        view.wid.unwrap_or(attributes.default_thumb_pix.width),
        view.hei.unwrap_or(attributes.default_thumb_pix.height),
    );
    let sides = match sides {
        Size { width: 0, height: 0 } => cropped,
        Size { width, height: 0 } => {
            Size::new(width, dim_ratio(cropped.height, width, cropped.width))
        }
        Size { width: 0, height } => {
            Size::new(dim_ratio(cropped.width, height, cropped.height), height)
        }
        sides => sides,
    };
    let view_size =
        Size::new(dim(f64::from(sides.width) * dpr), dim(f64::from(sides.height) * dpr));
    let fill = match layer_0.record.thumb_type.unwrap_or(attributes.thumb_type) {
        ThumbType::Crop => Fill::Cover,
        ThumbType::Fit => Fill::Inside,
        ThumbType::Texture => {
            let thumb_res = layer_0.record.thumb_res.unwrap_or(attributes.thumb_res);
            let resolution = layer_0.record.resolution.unwrap_or(layer_0.attributes.resolution);
            Fill::Factor(thumb_res / resolution)
        }
    };
    let side = |align: Align| match align {
        Align::Start => 0.0,
        Align::Center => 0.5,
        Align::End => 1.0,
    };
    // `align=` takes the place of both attributes (`U-tmb-zero`).
    let place = match view.align {
        Some(align) => ((1.0 + align.horiz) / 2.0, (1.0 + align.vert) / 2.0),
        None => (side(attributes.thumb_horiz_align), side(attributes.thumb_vert_align)),
    };
    let size = inputs.request.layers.get(&0).and_then(|layer| layer.size);
    let rule = Rule { fill, canvas: view_size, place };
    // `size=` of layer 0 is the canvas of all layers.
    let canvas = match box_of(size, Some(view_size))? {
        Some(_) => rule.placed(cropped, size).2,
        None => view_size,
    };
    Ok(Thumbnail { view: view_size, rule: Rule { canvas, ..rule } })
}
