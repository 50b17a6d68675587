//! Commands that are read but not carried out yet: each is refused by name, so that no reply shows a wrong image.

use super::{Inputs, LayerFacts, Purpose, is_drawn};
use crate::codec::Header;
use crate::error::{Error, Kind};
use crate::raster::{Alpha, Model};
use crate::request::{
    EffectCommands, LayerCommands, LayerSource, Operations, PictureCommands, SourceExpr,
};

/// Refuses with `Unsupported` what would change the image and is not carried out. Commands at a value that changes
/// nothing pass, and so do those that have no effect in their place.
pub(super) fn check(inputs: &Inputs<'_>) -> Result<(), Error> {
    let request = inputs.request;
    let attributes = &request.attributes;
    let source_0 = inputs.facts(0).source;
    if attributes.icc.is_some() {
        return missing("icc=");
    }
    if attributes.path_embed == Some(true)
        && source_0.is_some_and(|header| !header.path_names.is_empty())
    {
        return missing("pathEmbed=1");
    }
    if attributes.xmp_embed == Some(true) && source_0.is_some_and(|header| header.has_xmp) {
        return missing("xmpEmbed=1");
    }
    picture(&request.composite, source_0, "")?;
    for (number, layer) in &request.layers {
        if *number > 0 && !is_drawn(layer) {
            continue;
        }
        let facts = inputs.facts(*number);
        check_layer(layer, &facts, number)?;
        let place = format!(" (layer={number})");
        picture(&layer.picture, facts.source, &place)?;
        if let Some(header) = facts.source {
            profiles(inputs, header)?;
        }
    }
    match source_0 {
        Some(header) => profiles(inputs, header),
        None => embedded_profile(inputs),
    }
}

fn missing<T>(what: &str) -> Result<T, Error> {
    Err(Error::new(Kind::Unsupported, format!("{what} is not carried out by this build")))
}

fn check_layer(layer: &LayerCommands, facts: &LayerFacts<'_>, number: &u32) -> Result<(), Error> {
    let named = |command: &str| missing(&format!("{command} (layer={number})"));
    match &layer.source {
        Some(LayerSource::Image(SourceExpr::RenderNested(_))) => return named("src=ir()"),
        Some(LayerSource::Image(SourceExpr::Fxg(_))) => return named("src=fxg()"),
        Some(LayerSource::Text(_)) => return named("text="),
        Some(LayerSource::TextPs(_)) => return named("textPs="),
        Some(LayerSource::Image(
            SourceExpr::Object(_) | SourceExpr::Nested(_) | SourceExpr::Foreign(_),
        ))
        | None => {}
    }
    match &layer.mask {
        Some(SourceExpr::RenderNested(_)) => return named("mask=ir()"),
        Some(SourceExpr::Fxg(_)) => return named("mask=fxg()"),
        Some(SourceExpr::Object(_) | SourceExpr::Nested(_) | SourceExpr::Foreign(_)) | None => {}
    }
    let has_alpha =
        facts.mask.is_some() || facts.source.is_some_and(|header| header.alpha != Alpha::Opaque);
    if has_alpha && (layer.grow_mask_px.unwrap_or(0) != 0 || layer.grow_mask_r_px.unwrap_or(0) != 0)
    {
        return named("op_growMask=");
    }
    if layer.perspective.is_some() {
        return named("perspective=");
    }
    Ok(())
}

/// Commands that a layer and the composite share.
fn picture(commands: &PictureCommands, source: Option<&Header>, place: &str) -> Result<(), Error> {
    let named = |command: &str| missing(&format!("{command}{place}"));
    let known = |names: &Option<Vec<String>>| {
        let paths = source.map(|header| header.path_names.as_slice()).unwrap_or_default();
        names.iter().flatten().any(|name| paths.contains(name))
    };
    if commands.clip_path.is_some() {
        return named("clipPath=");
    }
    if known(&commands.clip_path_e) {
        return named("clipPathE=");
    }
    if known(&commands.crop_path_e) {
        return named("cropPathE=");
    }
    // `clipXPath` and `clipXPathE` are ignored without `clipPath` (`U059`).
    if commands.clip_path_e.is_some() && commands.clip_x_path.is_some() {
        return named("clipXPath=");
    }
    if commands.clip_path_e.is_some() && known(&commands.clip_x_path_e) {
        return named("clipXPathE=");
    }
    if let Some((number, _)) = commands.effects.iter().find(|(_, effect)| is_visible(effect)) {
        return named(&format!("effect={number}"));
    }
    match operation(&commands.operations) {
        Some(name) => named(name),
        None => Ok(()),
    }
}

fn is_visible(effect: &EffectCommands) -> bool {
    effect.opac.is_none_or(|opac| opac.opacity_pct > 0)
}

/// The first operation that would change a pixel.
fn operation(operations: &Operations) -> Option<&'static str> {
    let is_usm = |usm: Option<crate::request::OpUsm>| {
        usm.is_some_and(|usm| usm.amount > 0.0 && usm.radius_px > 0.0)
    };
    let acts = [
        ("op_blur=", operations.blur_px.is_some_and(|radius| radius > 0.0)),
        ("op_brightness=", operations.brightness.is_some_and(|v| v != 0)),
        ("op_colorbalance=", operations.colorbalance.is_some_and(|v| v != [0; 3])),
        ("op_colorize=", operations.colorize.is_some()),
        ("op_contrast=", operations.contrast.is_some_and(|v| v != 0)),
        ("op_grow=", operations.grow_px.is_some_and(|v| v != 0)),
        ("op_hue=", operations.hue_deg.is_some_and(|v| v != 0)),
        ("op_invert=", operations.invert == Some(true)),
        ("op_noise=", operations.noise.is_some_and(|noise| noise.amount_pct != 0)),
        ("op_saturation=", operations.saturation.is_some_and(|v| v != 0)),
        ("op_sharpen=", operations.sharpen == Some(true)),
        ("op_usm=", is_usm(operations.usm)),
        ("op_usmR=", is_usm(operations.usm_r)),
    ];
    acts.into_iter().find(|(_, acts)| *acts).map(|(name, _)| name)
}

/// The model of the reply and the catalog's profile of it.
fn output_profile<'a>(inputs: &Inputs<'a>) -> (Model, Option<&'a String>) {
    let pixel_type = inputs.request.attributes.fmt.unwrap_or_default().pixel_type;
    let model = match (inputs.purpose, pixel_type) {
        (Purpose::Nested(model) | Purpose::Watermark(_, model), _) => model,
        (_, Some(crate::request::PixelType::Gray)) => Model::Gray,
        (_, Some(crate::request::PixelType::Cmyk)) => Model::Cmyk,
        (_, Some(crate::request::PixelType::Rgb) | None) => Model::Rgb,
    };
    let profile = match model {
        Model::Gray => &inputs.attributes.icc_profile_gray,
        Model::Rgb => &inputs.attributes.icc_profile_rgb,
        Model::Cmyk => &inputs.attributes.icc_profile_cmyk,
    };
    (model, profile.as_ref())
}

fn embedded_profile(inputs: &Inputs<'_>) -> Result<(), Error> {
    match output_profile(inputs).1 {
        Some(output) if inputs.request.attributes.icc_embed == Some(true) => {
            missing(&format!("iccEmbed=1 with the catalog's profile {output}"))
        }
        _ => Ok(()),
    }
}

/// Conversions through profiles (`commands.md` 12): refused unless input and output space are the same, or one of
/// them is unknown, in which case the conversion is naive (12.1, 12.2).
fn profiles(inputs: &Inputs<'_>, header: &Header) -> Result<(), Error> {
    embedded_profile(inputs)?;
    // The result of a nested request is in the space of the reply already.
    let (model, Some(output)) = output_profile(inputs) else { return Ok(()) };
    if header.format.is_none() {
        return Ok(());
    }
    if let Some(icc) = &header.icc {
        if header.model == model && is_srgb_name(output) && crate::color::profile::is_srgb(icc) {
            return Ok(());
        }
        return missing(&format!("conversion from the embedded profile to {output}"));
    }
    let main = inputs.attributes;
    let (src, own) = match header.model {
        Model::Gray => (&main.icc_profile_src_gray, &main.icc_profile_gray),
        Model::Rgb => (&main.icc_profile_src_rgb, &main.icc_profile_rgb),
        Model::Cmyk => (&main.icc_profile_src_cmyk, &main.icc_profile_cmyk),
    };
    match src.as_ref().or(own.as_ref()) {
        None => Ok(()),
        Some(input) if header.model == model && input == output => Ok(()),
        Some(input) => missing(&format!("conversion from {input} to {output}")),
    }
}

fn is_srgb_name(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| {
        last.eq_ignore_ascii_case("srgb") || last.eq_ignore_ascii_case("sRGB IEC61966-2.1")
    })
}
