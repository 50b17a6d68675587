//! What a plan costs in memory and pixels, by estimate from above; admission holds it against the machine. No pixels.

use super::sampling::Sampling;
use super::{Composite, Content, Cost, Inputs, Layer, Output, Purpose, Work};
use crate::codec::Encoding;
use crate::geometry::Size;
use crate::raster::turn::Turn;
use crate::raster::{Alpha, Model};

/// Rows, tables and states of a decoder, a scaling and an encoder together.
const FIXED_BYTES: u64 = 4 << 20;

/// The most bytes held at once, over all stages: decode, each step with its input and its output, encode.
pub(super) fn cost(inputs: &Inputs<'_>, work: &Work, reply: Size, output: &Output) -> Cost {
    let source = inputs.facts(0).source;
    let model = source.map_or(output.model, |header| header.model);
    let decoder_bytes = source.map_or(0, |header| header.decoder_bytes);
    let (rendered, pixels) = match work {
        Work::Direct(sampling) | Work::Planes(sampling) => {
            let (bytes, pixels) = decoded(sampling, model);
            let turned = if sampling.turn == Turn::NONE { bytes } else { bytes.saturating_mul(2) };
            let scaled = bytes.saturating_add(held(reply, model));
            (bytes.saturating_add(decoder_bytes).max(turned).max(scaled), pixels)
        }
        Work::Blank => (0, 0),
        Work::Steps(steps) => layer_by_layer(inputs, steps, reply),
    };
    let finished = match is_reply_at_once(inputs, work, output) {
        true => held(reply, output.model),
        false => held(reply, model).max(held(reply, output.model)).saturating_mul(2),
    };
    let mut encoded = held(reply, output.model).saturating_add(encoder_bytes(reply, output));
    if inputs.purpose == Purpose::Reply {
        // A save writes as it encodes; a reply is collected first, and at worst is as long as its pixels.
        encoded = encoded.saturating_add(held(reply, output.model));
    }
    // Weights of a scaling, which only the sides of very long replies make many.
    let sides = u64::from(reply.width) + u64::from(reply.height);
    let rendered = rendered.saturating_add(sides.saturating_mul(32));
    let most = rendered.max(finished).max(encoded);
    Cost { bytes: most.saturating_add(FIXED_BYTES), pixels: pixels.saturating_add(reply.pixels()) }
}

/// Bytes of a canvas with alpha.
fn held(size: Size, model: Model) -> u64 {
    size.pixels().saturating_mul(model.components() as u64 + 1)
}

/// Bytes and pixels of what is decoded.
fn decoded(sampling: &Sampling, model: Model) -> (u64, u64) {
    // What lies beside the region passes through one row only; decoders that hold it say so in their header.
    let level = sampling.wanted.region.size();
    (held(level, model), level.pixels())
}

/// Whether the scaled pixels are those of the reply: no color conversion, no background, no alpha.
fn is_reply_at_once(inputs: &Inputs<'_>, work: &Work, output: &Output) -> bool {
    let is_plain = inputs.facts(0).source.is_some_and(|header| {
        header.model == output.model && header.alpha == Alpha::Opaque && !output.keeps_alpha
    });
    match work {
        Work::Direct(sampling) | Work::Planes(sampling) => {
            is_plain && sampling.covered == sampling.window
        }
        Work::Steps(_) | Work::Blank => false,
    }
}

/// The layers one after the other, each beside the canvas it is merged into; at last the view.
fn layer_by_layer(inputs: &Inputs<'_>, composite: &Composite, reply: Size) -> (u64, u64) {
    let whole = held(composite.size, composite.model);
    let canvas = if composite.layers.len() > 1 { whole } else { 0 };
    let mut most = whole.saturating_mul(2).max(whole.saturating_add(held(reply, composite.model)));
    let mut pixels = composite.size.pixels();
    for layer in &composite.layers {
        let (bytes, decoded) = one_layer(inputs, layer);
        most = most.max(bytes.saturating_add(canvas));
        pixels = pixels.saturating_add(decoded);
    }
    (most, pixels)
}

fn one_layer(inputs: &Inputs<'_>, layer: &Layer) -> (u64, u64) {
    let facts = inputs.facts(layer.number);
    let (model, geometry) = (layer.model, &layer.geometry);
    let source_bytes = facts.source.or(facts.mask).map_or(0, |header| header.decoder_bytes);
    let (bytes, mut pixels) = match &layer.content {
        Content::Sampled(sampling) | Content::Stencil(sampling) => decoded(sampling, model),
        Content::Solid | Content::Empty => (0, 0),
    };
    // A mask is decoded whole and stretched before the source is.
    let mask = match (layer.mask, facts.mask) {
        (Some(plan), Some(header)) => {
            pixels = pixels.saturating_add(header.size.pixels());
            held(header.size, header.model)
                .saturating_add(header.decoder_bytes)
                .saturating_add(plan.size.pixels().saturating_mul(2))
        }
        _ => 0,
    };
    let framed = held(geometry.frame, model);
    let rotated = held(geometry.rotated, model);
    let last = held(geometry.size, model);
    let pairs = [
        (bytes, source_bytes),
        (bytes, bytes),
        (bytes, mask),
        (bytes, framed),
        (framed, framed),
        (framed, rotated),
        (rotated, last),
        (last, last),
    ];
    let most = pairs.iter().map(|(one, other)| one.saturating_add(*other)).max().unwrap_or(0);
    (most, pixels.saturating_add(geometry.size.pixels()))
}

/// What an encoder holds beside its pixels: measured for each format, then rounded up.
fn encoder_bytes(reply: Size, output: &Output) -> u64 {
    let for_each_pixel = match &output.encoding {
        // Rows only; with `jpegSize=` every try is collected.
        Encoding::Jpeg { progressive: None, limit_bytes: None, .. } => 0,
        Encoding::Jpeg { progressive: None, limit_bytes: Some(_), .. } => 1,
        // All coefficients, 2 bytes each.
        Encoding::Jpeg { progressive: Some(_), .. } => 2 * output.model.components() as u64 + 1,
        Encoding::Png | Encoding::Tiff { .. } => 1,
        // Indices, packed indices, and colors on their way to a palette.
        Encoding::Png8(_) | Encoding::Gif(_) => 4,
        Encoding::WebpLossy { .. } => 6,
        Encoding::WebpLossless => 8,
    };
    reply.pixels().saturating_mul(for_each_pixel)
}
