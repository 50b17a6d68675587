//! Chooses how the pixels of a view come about: one scaling, planes, or layer by layer. Decides no size.

use super::layer::{LayerGeometry, Rotation};
use super::sampling::Picture;
use super::view::View;
use super::{Composite, Content, Inputs, Output, Paths, Work};
use crate::codec::{Chroma, Form, Header};
use crate::geometry::Rect;
use crate::raster::Alpha;
use crate::raster::resample::{AxisMap, Kernel, Mapping};
use crate::raster::turn::Turn;
use crate::request::MaskUse;

/// One scaling where nothing stands between source and view, planes where color does not matter, else steps.
pub(super) fn work(
    inputs: &Inputs<'_>,
    composite: Composite,
    view: &View,
    output: &Output,
    has_watermark: bool,
) -> Work {
    if view.mapping.covered(composite.size).intersection(view.shown()).is_empty() {
        return Work::Blank;
    }
    let Some(header) = inputs.facts(0).source.filter(|_| !has_watermark) else {
        return Work::Steps(Box::new(composite));
    };
    let Some((picture, mapping)) = direct(inputs, header, &composite, view) else {
        return Work::Steps(Box::new(composite));
    };
    let kernel = composite.kernel;
    let sampled = |form| picture.sampled(mapping, view.window, view.shown(), kernel, form, true);
    let sampling = sampled(Form::Canvas);
    if sampling.covered.is_empty() {
        return Work::Blank;
    }
    let is_whole = picture.crop == Rect::of(picture.turn.of_size(header.size));
    let form = match output.planes.filter(|_| header.has_planes && is_whole) {
        None => return Work::Direct(sampling),
        Some(Chroma::Full) => Form::Planes,
        Some(Chroma::Halved) => Form::HalvedPlanes,
    };
    Work::Planes(sampled(form))
}

/// Whether every pixel of the view is opaque for sure: layer 0 fills its rectangle, and the view shows nothing else.
pub(super) fn is_opaque(inputs: &Inputs<'_>, composite: &Composite, view: &View) -> bool {
    let Some(layer) = composite.layers.first() else { return false };
    let geometry = &layer.geometry;
    let is_full = |color: &Option<Vec<u8>>| {
        color.as_ref().and_then(|color| color.last()).is_some_and(|alpha| *alpha == 255)
    };
    let is_source_opaque = match &layer.content {
        Content::Sampled(sampling) => {
            let (dx, dy) = geometry.frame_shift;
            let fills = sampling.covered.shifted(dx, dy) == Rect::of(geometry.frame);
            let source = inputs.facts(0).source;
            let is_opaque = source.is_some_and(|header| header.alpha == Alpha::Opaque);
            let shows = match layer.mask_use {
                MaskUse::Norm => is_opaque && layer.mask.is_none(),
                MaskUse::Off => true,
                MaskUse::Invert => false,
            };
            fills && ((shows && layer.opacity == 255) || is_full(&layer.color))
        }
        Content::Solid => is_full(&layer.color) && layer.opacity == 255,
        Content::Stencil(_) | Content::Empty => false,
    };
    let is_unmoved = matches!(geometry.rotation, Rotation::Quarters(_))
        && geometry.shift == (0, 0)
        && geometry.size == geometry.rotated;
    let fills = (is_source_opaque && is_unmoved) || is_full(&layer.bg_color);
    let covered = view.mapping.covered(composite.size).intersection(view.shown());
    fills && composite.opacity == 255 && covered == view.window
}

/// The picture and mapping of the direct path, if what stands between source and view allows it.
fn direct<'a>(
    inputs: &Inputs<'_>,
    header: &'a Header,
    composite: &Composite,
    view: &View,
) -> Option<(Picture<'a>, Mapping)> {
    let [layer] = composite.layers.as_slice() else { return None };
    let geometry = &layer.geometry;
    let orientation = Turn::from(header.orientation);
    let upright = orientation.of_size(header.size);
    let Rotation::Quarters(rotation) = geometry.rotation else { return None };
    let is_cut_inside = geometry.crop.intersection(Rect::of(upright)) == geometry.crop;
    let is_opaque = header.alpha == Alpha::Opaque;
    let is_plain = geometry.shift == (0, 0)
        && geometry.size == geometry.rotated
        && geometry.frame == geometry.scaled
        && geometry.frame_shift == (0, 0)
        && is_cut_inside
        && layer.mask.is_none()
        && layer.content != Content::Empty
        && layer.opacity == 255
        && composite.opacity == 255
        && composite.model == layer.model
        && match layer.mask_use {
            MaskUse::Norm => true,
            MaskUse::Off => is_opaque,
            MaskUse::Invert => false,
        }
        && (is_opaque || (layer.color.is_none() && layer.bg_color.is_none()));
    if inputs.paths == Paths::Plain || !is_plain {
        return None;
    }
    let turn = geometry.flip.then(rotation).then(composite.flip);
    let crop = turn.of_rect(geometry.crop, upright);
    let cropped = turn.of_size(geometry.crop.size());
    let scaled = turn.of_size(geometry.scaled);
    let mapping = if cropped == scaled {
        view.mapping
    } else if view.mapping.x.is_identity() && view.mapping.y.is_identity() {
        let layer = Mapping::between(cropped, scaled);
        let axis = |layer: AxisMap, view: AxisMap| AxisMap { origin: view.origin, ..layer };
        Mapping { x: axis(layer.x, view.mapping.x), y: axis(layer.y, view.mapping.y) }
    } else {
        return None;
    };
    let picture =
        Picture { stored: header.size, levels: &header.levels, turn: orientation.then(turn), crop };
    Some((picture, mapping))
}

/// The foreground of a layer, cropped and scaled but not turned, and where its picture begins in the upright source.
pub(super) fn layer_content(
    header: &Header,
    geometry: &LayerGeometry,
    kernel: Kernel,
    use_levels: bool,
) -> (Content, (i64, i64)) {
    let turn = Turn::from(header.orientation);
    let upright = turn.of_size(header.size);
    let inside = geometry.crop.intersection(Rect::of(upright));
    let start = (inside.left, inside.top);
    if inside.is_empty() {
        return (Content::Empty, start);
    }
    let layer = Mapping::between(geometry.crop.size(), geometry.scaled);
    let moved = |map: AxisMap, inside: i64, crop: i64| AxisMap {
        origin: (inside - crop) as f64 * map.scale,
        ..map
    };
    let mapping = Mapping {
        x: moved(layer.x, inside.left, geometry.crop.left),
        y: moved(layer.y, inside.top, geometry.crop.top),
    };
    let picture = Picture { stored: header.size, levels: &header.levels, turn, crop: inside };
    // What sticks out of the frame of a thumbnail is not computed.
    let (left, top) = geometry.frame_shift;
    let window = Rect::at(left.saturating_neg(), top.saturating_neg(), geometry.frame)
        .intersection(Rect::of(geometry.scaled));
    if window.is_empty() {
        return (Content::Empty, start);
    }
    let sampling = picture.sampled(mapping, window, window, kernel, Form::Canvas, use_levels);
    match sampling.covered.is_empty() {
        true => (Content::Empty, start),
        false => (Content::Sampled(sampling), start),
    }
}
