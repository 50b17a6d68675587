//! What a plan costs in memory and pixels, by estimate from above; admission holds it against the machine. No pixels.

use super::sampling::Sampling;
use super::{Content, Cost, Inputs, Output, Purpose, Steps, Work};
use crate::codec::Encoding;
use crate::geometry::Size;
use crate::raster::turn::Turn;
use crate::raster::{Alpha, Model};

/// Rows, tables and states of a decoder, a scaling and an encoder together.
const FIXED_BYTES: u64 = 4 << 20;

/// The most bytes held at once, over all stages: decode, each step with its input and its output, encode.
pub(super) fn cost(
    inputs: &Inputs<'_>,
    work: &Work,
    composite: Size,
    reply: Size,
    output: &Output,
) -> Cost {
    let model = inputs.source.map_or(output.model, |header| header.model);
    let decoder_bytes = inputs.source.map_or(0, |header| header.decoder_bytes);
    let (rendered, pixels) = match work {
        Work::Direct(sampling) | Work::Planes(sampling) => {
            let (bytes, pixels) = decoded(sampling, model);
            let turned = if sampling.turn == Turn::NONE { bytes } else { bytes.saturating_mul(2) };
            let scaled = bytes.saturating_add(held(reply, model));
            (bytes.saturating_add(decoder_bytes).max(turned).max(scaled), pixels)
        }
        Work::Blank => (0, 0),
        Work::Steps(steps) => step_by_step(steps, composite, reply, decoder_bytes),
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
    let is_plain = inputs.source.is_some_and(|header| {
        header.model == output.model && header.alpha == Alpha::Opaque && !output.keeps_alpha
    });
    match work {
        Work::Direct(sampling) | Work::Planes(sampling) => {
            is_plain && sampling.covered == sampling.window
        }
        Work::Steps(_) | Work::Blank => false,
    }
}

fn step_by_step(steps: &Steps, composite: Size, reply: Size, decoder_bytes: u64) -> (u64, u64) {
    let model = steps.model;
    let (bytes, pixels) = match &steps.content {
        Content::Sampled(sampling) => decoded(sampling, model),
        Content::Solid | Content::Empty => (0, 0),
    };
    let scaled = held(steps.geometry.scaled, model);
    let rotated = held(steps.geometry.rotated, model);
    let whole = held(composite, model);
    let pairs = [
        (bytes, decoder_bytes),
        (bytes, bytes),
        (bytes, scaled),
        (scaled, scaled),
        (scaled, rotated),
        (rotated, whole),
        (whole, whole),
        (whole, held(reply, model)),
    ];
    let most = pairs.iter().map(|(one, other)| one.saturating_add(*other)).max().unwrap_or(0);
    (most, pixels.saturating_add(composite.pixels()))
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
