//! Commands that are read but not carried out yet: each is refused by name, so that no reply shows a wrong image.

use super::Inputs;
use crate::codec::Header;
use crate::error::{Error, Kind};
use crate::raster::{Alpha, Model};
use crate::request::{
    EffectCommands, LayerCommands, LayerSource, MaskUse, Operations, PictureCommands, SourceExpr,
};

/// Refuses with `Unsupported` what would change the image and is not carried out. Commands at a value that changes
/// nothing pass, and so do those that have no effect in their place.
pub(super) fn check(inputs: &Inputs<'_>) -> Result<(), Error> {
    let request = inputs.request;
    let attributes = &request.attributes;
    if attributes.template.is_some() {
        return missing("template=");
    }
    if attributes.icc.is_some() {
        return missing("icc=");
    }
    if attributes.path_embed == Some(true)
        && inputs.source.is_some_and(|header| !header.path_names.is_empty())
    {
        return missing("pathEmbed=1");
    }
    if attributes.xmp_embed == Some(true) && inputs.source.is_some_and(|header| header.has_xmp) {
        return missing("xmpEmbed=1");
    }
    if inputs.attributes.watermark.is_some() {
        return missing("the catalog's Watermark");
    }
    // Whether or not the request has a command for layer 0.
    if inputs.record.has_mask_path
        && !inputs.source.is_some_and(|header| header.alpha == Alpha::Premultiplied)
    {
        return missing("catalog::MaskPath");
    }
    picture(&request.composite, inputs.source, "")?;
    for (number, layer) in &request.layers {
        let named = |command: &str| missing(&format!("{command} (layer={number})"));
        if *number == 0 {
            layer_0(layer, inputs)?;
            picture(&layer.picture, inputs.source, " (layer=0)")?;
        } else if layer.hide != Some(true) && is_drawn(layer) {
            return named("a second layer");
        }
    }
    profiles(inputs)
}

fn missing<T>(what: &str) -> Result<T, Error> {
    Err(Error::new(Kind::Unsupported, format!("{what} is not carried out by this build")))
}

/// Whether a layer above 0 has anything to draw (`U010`).
fn is_drawn(layer: &LayerCommands) -> bool {
    let is_solid = layer.color.is_some();
    layer.source.is_some() || layer.mask.is_some() || is_solid
}

fn layer_0(layer: &LayerCommands, inputs: &Inputs<'_>) -> Result<(), Error> {
    match &layer.source {
        None | Some(LayerSource::Image(SourceExpr::Object(_))) => {}
        Some(LayerSource::Image(SourceExpr::Nested(_))) => return missing("src=is()"),
        Some(LayerSource::Image(SourceExpr::RenderNested(_))) => return missing("src=ir()"),
        Some(LayerSource::Image(SourceExpr::Fxg(_))) => return missing("src=fxg()"),
        Some(LayerSource::Image(SourceExpr::Foreign(_))) => return missing("src=(url)"),
        Some(LayerSource::Text(_)) => return missing("text="),
        Some(LayerSource::TextPs(_)) => return missing("textPs="),
    }
    if layer.mask.is_some() {
        return missing("mask=");
    }
    let has_alpha = inputs.source.is_some_and(|header| header.alpha != Alpha::Opaque);
    match layer.mask_use {
        None | Some(MaskUse::Norm) => {}
        Some(MaskUse::Off) if !has_alpha => {}
        Some(MaskUse::Off) => return missing("maskUse=off"),
        Some(MaskUse::Invert) => return missing("maskUse=invert"),
    }
    if has_alpha && (layer.grow_mask_px.unwrap_or(0) != 0 || layer.grow_mask_r_px.unwrap_or(0) != 0)
    {
        return missing("op_growMask=");
    }
    if layer.perspective.is_some() {
        return missing("perspective=");
    }
    if layer.hide == Some(true) {
        return missing("hide=1");
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
    if commands.opac.is_some_and(|opac| opac.opacity_pct != 100 || opac.fill_pct != 100) {
        return named("opac=");
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

/// Conversions through profiles (`commands.md` 12): refused unless input and output space are the same, or one of
/// them is unknown, in which case the conversion is naive (12.1, 12.2).
fn profiles(inputs: &Inputs<'_>) -> Result<(), Error> {
    let main = inputs.attributes;
    let pixel_type = inputs.request.attributes.fmt.unwrap_or_default().pixel_type;
    let model = match pixel_type {
        Some(crate::request::PixelType::Gray) => Model::Gray,
        Some(crate::request::PixelType::Cmyk) => Model::Cmyk,
        Some(crate::request::PixelType::Rgb) | None => Model::Rgb,
    };
    let of = |model: Model| match model {
        Model::Gray => (&main.icc_profile_src_gray, &main.icc_profile_gray),
        Model::Rgb => (&main.icc_profile_src_rgb, &main.icc_profile_rgb),
        Model::Cmyk => (&main.icc_profile_src_cmyk, &main.icc_profile_cmyk),
    };
    let Some(output) = of(model).1 else { return Ok(()) };
    if inputs.request.attributes.icc_embed == Some(true) {
        return missing(&format!("iccEmbed=1 with the catalog's profile {output}"));
    }
    let Some(header) = inputs.source else { return Ok(()) };
    if let Some(icc) = &header.icc {
        if header.model == model && is_srgb_name(output) && crate::color::profile::is_srgb(icc) {
            return Ok(());
        }
        return missing(&format!("conversion from the embedded profile to {output}"));
    }
    let (src, own) = of(header.model);
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
