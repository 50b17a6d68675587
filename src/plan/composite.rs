//! The layers of a composite and their places, and the watermark on it (`commands.md` 1.4, 3, 5, 14). No pixels.

use super::layer::{self, LayerGeometry, LayerInputs, flip_turn};
use super::thumbnail::{Rule, Thumbnail};
use super::{
    Composite, Content, Inputs, Layer, LayerFacts, MaskPlan, Output, Paths, Plan, Purpose,
    Watermark, dpr, kernel, output, work,
};
use crate::codec::Header;
use crate::color::Color;
use crate::error::{Error, Kind};
use crate::geometry::{Size, rnd};
use crate::raster::Model;
use crate::raster::blend::Blend;
use crate::raster::resample::Kernel;
use crate::raster::turn::Turn;
use crate::request::{BlendMode, LayerCommands, MaskUse, Opac, Place, Request, SizeArg};

/// Places a rendered watermark record in a composite of `target` (requests.md 18): `align=` of the record, `blendMode=`
/// and `opac=` of its layer 0 or comp.
pub fn placed_watermark(request: &Request, plan: Plan, target: Size) -> Watermark {
    let size = plan.reply();
    let align = request.view.align.map_or((0.0, 0.0), |align| (align.horiz, align.vert));
    let offset = |target: u32, own: u32, align: f64| {
        ((f64::from(target) - f64::from(own)) * (1.0 + align) / 2.0).trunc() as i64
    };
    let layer_0 = request.layers.get(&0).map(|layer| &layer.picture);
    let of_either = |opac: Option<Opac>| opac.or(request.composite.opac);
    let mode = layer_0.and_then(|picture| picture.blend_mode).or(request.composite.blend_mode);
    Watermark {
        plan,
        top_left: (
            offset(target.width, size.width, align.0),
            offset(target.height, size.height, align.1),
        ),
        blend: blend(mode, 0),
        opacity: opacity(of_either(layer_0.and_then(|picture| picture.opac))),
    }
}

/// The thumbnail's view and rule, for the cropped source of layer 0.
pub(super) fn thumbnail(inputs: &Inputs<'_>) -> Result<Thumbnail, Error> {
    let no_commands = LayerCommands::default();
    let layer = inputs.request.layers.get(&0).unwrap_or(&no_commands);
    let facts = inputs.facts(0);
    let unscaled = LayerInputs { size: None, ..layer_inputs(layer, &facts, None, None)? };
    let cropped = layer::geometry(&unscaled)?.crop.size();
    super::thumbnail::thumbnail(inputs, &facts, cropped, dpr(inputs))
}

/// The layers in their places.
pub(super) fn composite(
    inputs: &Inputs<'_>,
    output: &Output,
    thumbnail: Option<Thumbnail>,
) -> Result<Composite, Error> {
    let kernel = kernel(inputs);
    let no_commands = LayerCommands::default();
    let layer_0 = inputs.request.layers.get(&0).unwrap_or(&no_commands);
    let above =
        inputs.request.layers.iter().filter(|(number, layer)| **number > 0 && is_drawn(layer));
    let drawn: Vec<(u32, &LayerCommands)> = std::iter::once((0, layer_0))
        .chain(above.map(|(number, layer)| (*number, layer)))
        .collect();
    let model = merge_model(inputs, &drawn, output);
    let mut layers: Vec<Layer> = Vec::with_capacity(drawn.len());
    for (number, commands) in drawn {
        let facts = inputs.facts(number);
        let canvas = match (layers.first(), inputs.purpose) {
            (Some(layer_0), _) => Some(layer_0.geometry.size),
            (None, Purpose::Watermark(target, _)) => Some(target),
            (None, _) => None,
        };
        let rule = thumbnail.map(|thumbnail| thumbnail.rule);
        let geometry = layer::geometry(&layer_inputs(commands, &facts, canvas, rule)?)?;
        let top_left = match layers.first() {
            Some(layer_0) => layer::top_left(&geometry, &layer_0.geometry, commands.pos),
            None => (0, 0),
        };
        layers.push(planned_layer(
            inputs, number, commands, &facts, geometry, top_left, model, kernel,
        ));
    }
    let size = layers.first().map_or_else(Size::default, |layer| layer.geometry.size);
    let comp = &inputs.request.composite;
    // What a watermark's comp says acts when it is laid over its target.
    let is_watermark = matches!(inputs.purpose, Purpose::Watermark(..));
    Ok(Composite {
        layers,
        size,
        model,
        flip: flip_turn(comp.flip),
        opacity: if is_watermark { 255 } else { opacity(comp.opac) },
        kernel,
    })
}

/// Whether a layer above 0 has anything to draw (`U010`).
pub(crate) fn is_drawn(layer: &LayerCommands) -> bool {
    layer.hide != Some(true) && (layer.source.is_some() || layer.color.is_some())
}

/// The model that all layers share, else that of the reply (`commands.md` 12.4).
fn merge_model(inputs: &Inputs<'_>, drawn: &[(u32, &LayerCommands)], output: &Output) -> Model {
    let mut models =
        drawn.iter().filter_map(|(number, _)| inputs.facts(*number).source).map(|h| h.model);
    match models.next() {
        Some(first) if models.all(|model| model == first) => first,
        _ => output.model,
    }
}

fn planned_layer(
    inputs: &Inputs<'_>,
    number: u32,
    commands: &LayerCommands,
    facts: &LayerFacts<'_>,
    geometry: LayerGeometry,
    top_left: (i64, i64),
    merged: Model,
    kernel: Kernel,
) -> Layer {
    let model = facts.source.map_or(merged, |header| header.model);
    let fill = |color: &Color| {
        let fill = output::fill(color, model);
        (fill.last() != Some(&0)).then_some(fill)
    };
    let is_image = facts.source.is_some();
    let mask_use = commands.mask_use.unwrap_or_default();
    let is_watermark = matches!(inputs.purpose, Purpose::Watermark(..)) && number == 0;
    let mut layer = Layer {
        number,
        content: Content::Solid,
        mask: None,
        mask_use,
        model,
        geometry,
        opacity: if is_watermark { 255 } else { opacity(commands.picture.opac) },
        color: commands.color.as_ref().and_then(fill),
        bg_color: commands.bg_color.as_ref().and_then(fill),
        blend: blend(commands.picture.blend_mode.filter(|_| number > 0), number),
        top_left,
    };
    // Of a separate mask nothing is looked at where it is off.
    let mask = facts.mask.filter(|_| mask_use != MaskUse::Off || !is_image);
    if commands.hide == Some(true) {
        layer.content = Content::Empty;
        (layer.color, layer.bg_color) = (None, None);
    } else if let Some(header) = facts.source {
        let use_levels = inputs.paths == Paths::Fast && mask.is_none();
        let (content, start) = work::layer_content(header, &layer.geometry, kernel, use_levels);
        layer.content = content;
        layer.mask = mask.map(|_| {
            let size = Turn::from(header.orientation).of_size(header.size);
            MaskPlan { size, start }
        });
    } else if let Some(header) = mask {
        let use_levels = inputs.paths == Paths::Fast;
        let (content, _) = work::layer_content(header, &layer.geometry, kernel, use_levels);
        layer.content = match content {
            Content::Sampled(sampling) => Content::Stencil(sampling),
            other => other,
        };
    }
    layer
}

/// `opac=` as one factor, 0..=255.
fn opacity(opac: Option<Opac>) -> u8 {
    let Some(opac) = opac else { return 255 };
    let product = f64::from(opac.opacity_pct) * f64::from(opac.fill_pct) / 10_000.0;
    rnd(product * 255.0) as u8
}

fn blend(mode: Option<BlendMode>, number: u32) -> Blend {
    match mode.unwrap_or_default() {
        BlendMode::Norm => Blend::Norm,
        BlendMode::Dissolve => Blend::Dissolve(number),
        BlendMode::Lighten => Blend::Lighten,
        BlendMode::Darken => Blend::Darken,
        BlendMode::Mult => Blend::Mult,
        BlendMode::Screen => Blend::Screen,
    }
}

pub(super) fn layer_inputs(
    layer: &LayerCommands,
    facts: &LayerFacts<'_>,
    canvas: Option<Size>,
    thumbnail: Option<Rule>,
) -> Result<LayerInputs, Error> {
    let upright = |header: &Header| Turn::from(header.orientation).of_size(header.size);
    // A mask alone gives a solid color its shape, and is placed like an image.
    let pictured = facts.source.or(facts.mask);
    let source = match pictured {
        Some(header) => upright(header),
        None => solid_size(facts.number, layer, canvas)?,
    };
    let is_solid = pictured.is_none();
    let anchor = facts.record.anchor.map(|(x, y)| Place::Pixels { x: x.into(), y: y.into() });
    Ok(LayerInputs {
        source,
        crop: layer.crop.filter(|_| !is_solid),
        size: layer.size.filter(|_| !is_solid),
        scale: layer.scale.filter(|_| !is_solid),
        res: layer.res.filter(|_| !is_solid),
        resolution: facts.record.resolution.unwrap_or(facts.attributes.resolution),
        flip: layer.picture.flip,
        rotate_deg: layer.rotate_deg.unwrap_or(0.0),
        extend: layer.extend,
        anchor: layer.anchor.or(anchor),
        origin: layer.origin,
        canvas,
        thumbnail: thumbnail.filter(|_| !is_solid),
    })
}

/// The size of a solid color layer (`commands.md` 1.4).
fn solid_size(number: u32, layer: &LayerCommands, canvas: Option<Size>) -> Result<Size, Error> {
    let normalized = matches!(layer.size, Some(SizeArg::Normalized { .. }));
    match layer::box_of(layer.size, canvas)? {
        Some(size) if size.width > 0 && size.height > 0 => Ok(size),
        _ if number == 0 && !normalized => Err(Error::new(
            Kind::Syntax,
            "layer 0 has neither an image nor a size with both sides above 0",
        )),
        _ => Err(Error::new(
            Kind::Syntax,
            format!("layer {number} is a solid color without a size with both sides above 0"),
        )),
    }
}
