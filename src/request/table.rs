//! The table of commands: name, slot, scope and parser of each (commands.md 6, text.md 1). Merges nothing.
//!
//! Longer than other files because it is one table.

use super::commands::{
    EffectCommands, LayerCommands, LayerSource, PictureCommands, RequestCommands, ViewCommands,
};
use super::format::{Dpr, Fmt, Icc, Pscan, Qlt, Quantize, ResMode, jpeg_size};
use super::object::{Object, SourceExpr, bracketed};
use super::operations::{
    BlendMode, MaskUse, OpColorize, OpNoise, OpUsm, Opac, adjustment, blur, colorbalance, hue,
};
use super::path::PathData;
use super::placement::{
    Align, Crop, Extend, Fit, Flip, PathAttr, Perspective, Place, SizeArg, TextAttr, Unit,
    ViewRect, rgn,
};
use super::query::decode_value;
use super::req::{CacheControl, DefaultImage, Req, handler, locale, timeout};
use super::value::{count, flag, positive_real, real, unexpected};
use crate::color::Color;
use crate::error::Error;

/// Stores a value in its slot; the text is decoded, but for those commands whose `is_encoded` is set.
type Set<T> = fn(&mut T, &str) -> Result<(), Error>;

/// What a command acts on, and what becomes of it while the current layer is `comp` (commands.md 1.2).
pub(super) enum Subject {
    /// The request, wherever it stands.
    Request(Set<RequestCommands>),
    /// The view, wherever it stands.
    View(Set<ViewCommands>),
    /// The layer; on `comp` the composite.
    Picture(Set<PictureCommands>),
    /// The layer; on `comp` layer 0.
    Layer(Set<LayerCommands>),
    /// The layer; nothing on `comp`.
    LayerOnly(Set<LayerCommands>),
}

/// One command of the protocol.
pub(super) struct Entry {
    /// Its name in the protocol's spelling; the first is printed, further ones are aliases.
    pub names: &'static [&'static str],
    /// Commands of one slot replace each other (commands.md 1.3).
    pub slot: &'static str,
    /// Where it goes.
    pub subject: Subject,
    /// Where it goes in an effect layer; `None`: it is ignored there.
    pub effect: Option<Set<EffectCommands>>,
    /// Whether an empty value has a meaning; otherwise it resets the slot (U002).
    pub keeps_empty: bool,
    /// Whether the value is stored as written: it may hold a request, a URL or a set.
    pub is_encoded: bool,
    /// Whether it does not count in a nested request (requests.md 11, `U-nest-watermark`).
    pub is_outer_only: bool,
}

/// The entry of a name, compared without case.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

/// Stores `parse(text)`, or nothing for an empty text.
fn put<T>(
    slot: &mut Option<T>,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, Error>,
) -> Result<(), Error> {
    *slot = if text.is_empty() { None } else { Some(parse(text)?) };
    Ok(())
}

/// Stores `parse(text)`, also of an empty text.
fn put_any<T>(
    slot: &mut Option<T>,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, Error>,
) -> Result<(), Error> {
    *slot = Some(parse(text)?);
    Ok(())
}

fn text(text: &str) -> Result<String, Error> {
    Ok(text.to_owned())
}

/// Comma-separated names of embedded paths; ASCII only.
fn names(text: &str) -> Result<Vec<String>, Error> {
    if !text.is_ascii() {
        return Err(unexpected(text, "names of ASCII characters"));
    }
    Ok(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// `imageSet=` without the bracket pair around it.
fn image_set(text: &str) -> Result<String, Error> {
    let inner = bracketed(text, false).filter(|found| found.prefix.is_empty()).and_then(|found| {
        let at = super::object::closing(found.rest, found.open)?;
        (at + 1 == found.rest.len()).then(|| found.rest.get(..at)).flatten()
    });
    Ok(inner.unwrap_or(text).to_owned())
}

fn src(text: &str) -> Result<LayerSource, Error> {
    SourceExpr::parse(text, false, decode_value).map(LayerSource::Image)
}

fn mask(text: &str) -> Result<SourceExpr, Error> {
    SourceExpr::parse(text, true, decode_value)
}

/// An entry with the usual traits; the macros below fill in what differs.
const fn entry(names: &'static [&'static str], slot: &'static str, subject: Subject) -> Entry {
    Entry {
        names,
        slot,
        subject,
        effect: None,
        keeps_empty: false,
        is_encoded: false,
        is_outer_only: false,
    }
}

/// `kind "name" / "slot" (field.path) = parser` as an entry whose empty value resets.
macro_rules! command {
    ($subject:ident $name:literal $(| $alias:literal)* / $slot:literal ($($field:ident).+) $parse:expr) => {
        entry(&[$name $(, $alias)*], $slot, Subject::$subject(|c, v| put(&mut c.$($field).+, v, $parse)))
    };
    ($subject:ident $name:literal $(| $alias:literal)* ($($field:ident).+) $parse:expr) => {
        command!($subject $name $(| $alias)* / $name ($($field).+) $parse)
    };
}

static TABLE: &[Entry] = &[
    // Request commands.
    Entry { is_outer_only: true, ..command!(Request "req" (req) Req::parse) },
    Entry {
        keeps_empty: true,
        is_outer_only: true,
        ..entry(&["name"], "name", Subject::Request(|c, v| put_any(&mut c.name, v, text)))
    },
    Entry { is_outer_only: true, ..command!(Request "timeout" (timeout_ms) timeout) },
    command!(Request "message" (message) text),
    command!(Request "template" (template) Object::parse),
    command!(Request "locale" (locale) locale),
    command!(Request "id" (id) text),
    Entry {
        keeps_empty: true,
        ..entry(
            &["handler"],
            "handler",
            Subject::Request(|c, v| put_any(&mut c.handler, v, handler)),
        )
    },
    command!(Request "labelkey" (label_key) text),
    command!(Request "type" (content_type) text),
    Entry { is_encoded: true, ..command!(Request "imageSet" (image_set) image_set) },
    Entry {
        keeps_empty: true,
        ..entry(
            &["defaultImage"],
            "defaultImage",
            Subject::Request(|c, v| put_any(&mut c.default_image, v, DefaultImage::parse)),
        )
    },
    command!(Request "cache" (cache) CacheControl::parse),
    Entry { is_outer_only: true, ..command!(Request "fmt" (fmt) Fmt::parse) },
    Entry { is_outer_only: true, ..command!(Request "qlt" (qlt) Qlt::parse) },
    command!(Request "jpegSize" (jpeg_size_kb) jpeg_size),
    command!(Request "pscan" (pscan) Pscan::parse),
    Entry { is_outer_only: true, ..command!(Request "quantize" (quantize) Quantize::parse) },
    command!(Request "icc" (icc) Icc::parse),
    Entry { is_outer_only: true, ..command!(Request "iccEmbed" (icc_embed) flag) },
    command!(Request "pathEmbed" (path_embed) flag),
    command!(Request "xmpEmbed" (xmp_embed) flag),
    Entry { is_outer_only: true, ..command!(Request "printRes" (print_res_ppi) positive_real) },
    command!(Request "resMode" (res_mode) ResMode::parse),
    command!(Request "bfc" (bfc) flag),
    command!(Request "dpr" (dpr) Dpr::parse),
    command!(Request "network" (network) flag),
    command!(Request "effectMask" (effect_mask) flag),
    // View commands.
    command!(View "wid" (wid) count),
    command!(View "hei" (hei) count),
    command!(View "fit" (fit) Fit::parse),
    command!(View "scl" (scl) positive_real),
    command!(View "rgn" (rgn) rgn),
    command!(View "rect" (rect) ViewRect::parse),
    command!(View "align" (align) Align::parse),
    Entry { is_outer_only: true, ..command!(View "bgc" (bgc) Color::parse) },
    // The layer, on comp the composite.
    command!(Picture "clipPath" (clip_path) PathData::parse),
    command!(Picture "clipPathE" (clip_path_e) names),
    command!(Picture "clipXPath" (clip_x_path) PathData::parse),
    command!(Picture "clipXPathE" (clip_x_path_e) names),
    command!(Picture "cropPathE" (crop_path_e) names),
    command!(Picture "flip" (flip) Flip::parse),
    Entry {
        effect: Some(|c, v| put(&mut c.opac, v, Opac::parse)),
        ..command!(Picture "opac" (opac) Opac::parse)
    },
    Entry {
        effect: Some(|c, v| put(&mut c.blend_mode, v, BlendMode::parse)),
        ..command!(Picture "blendMode" (blend_mode) BlendMode::parse)
    },
    Entry {
        keeps_empty: true,
        ..entry(&["map"], "map", Subject::Picture(|c, v| put_any(&mut c.map, v, text)))
    },
    Entry {
        keeps_empty: true,
        ..entry(&["mapA"], "mapA", Subject::Picture(|c, v| put_any(&mut c.map_a, v, text)))
    },
    Entry {
        effect: Some(|c, v| put(&mut c.blur_px, v, blur)),
        ..command!(Picture "op_blur" (operations.blur_px) blur)
    },
    command!(Picture "op_brightness" (operations.brightness) adjustment),
    command!(Picture "op_colorbalance" (operations.colorbalance) colorbalance),
    command!(Picture "op_colorize" | "colorize" (operations.colorize) OpColorize::parse),
    command!(Picture "op_contrast" (operations.contrast) adjustment),
    Entry {
        effect: Some(|c, v| put(&mut c.grow_px, v, adjustment)),
        ..command!(Picture "op_grow" (operations.grow_px) adjustment)
    },
    command!(Picture "op_hue" (operations.hue_deg) hue),
    command!(Picture "op_invert" (operations.invert) flag),
    Entry {
        effect: Some(|c, v| put(&mut c.noise, v, OpNoise::parse)),
        ..command!(Picture "op_noise" (operations.noise) OpNoise::parse)
    },
    command!(Picture "op_saturation" (operations.saturation) adjustment),
    command!(Picture "op_sharpen" (operations.sharpen) flag),
    command!(Picture "op_usm" (operations.usm) OpUsm::parse),
    command!(Picture "op_usmR" (operations.usm_r) OpUsm::parse),
    // The layer, on comp layer 0.
    Entry { is_encoded: true, ..command!(Layer "src" / "src" (source) src) },
    Entry {
        keeps_empty: true,
        ..entry(
            &["text"],
            "src",
            Subject::Layer(|c, v| put_any(&mut c.source, v, |v| text(v).map(LayerSource::Text))),
        )
    },
    Entry {
        keeps_empty: true,
        ..entry(
            &["textPs"],
            "src",
            Subject::Layer(|c, v| put_any(&mut c.source, v, |v| text(v).map(LayerSource::TextPs))),
        )
    },
    Entry { is_encoded: true, ..command!(Layer "mask" (mask) mask) },
    Entry {
        effect: Some(|c, v| put(&mut c.mask_use, v, MaskUse::parse)),
        ..command!(Layer "maskUse" (mask_use) MaskUse::parse)
    },
    command!(Layer "op_growMask" (grow_mask_px) adjustment),
    command!(Layer "op_growMaskR" (grow_mask_r_px) adjustment),
    command!(Layer "crop" / "crop" (crop) Crop::parse),
    command!(Layer "cropN" / "crop" (crop) Crop::parse_normalized),
    command!(Layer "size" / "size" (size) SizeArg::parse),
    command!(Layer "sizeN" / "size" (size) SizeArg::parse_normalized),
    command!(Layer "scale" (scale) positive_real),
    command!(Layer "res" (res) positive_real),
    command!(Layer "anchor" / "anchor" (anchor) Place::parse),
    command!(Layer "anchorN" / "anchor" (anchor) Place::parse_normalized),
    command!(Layer "origin" / "origin" (origin) Place::parse),
    command!(Layer "originN" / "origin" (origin) Place::parse_normalized),
    Entry {
        effect: Some(|c, v| put(&mut c.pos, v, Place::parse)),
        ..command!(LayerOnly "pos" / "pos" (pos) Place::parse)
    },
    Entry {
        effect: Some(|c, v| put(&mut c.pos, v, Place::parse_normalized)),
        ..command!(LayerOnly "posN" / "pos" (pos) Place::parse_normalized)
    },
    command!(Layer "extend" / "extend" (extend) Extend::parse),
    command!(Layer "extendN" / "extend" (extend) Extend::parse_normalized),
    command!(Layer "rotate" (rotate_deg) real),
    command!(Layer "perspective" / "perspective" (perspective) |v: &str| Perspective::parse(v, Unit::Pixels)),
    command!(Layer "perspectiveN" / "perspective" (perspective) |v: &str| Perspective::parse(v, Unit::Normalized)),
    command!(Layer "hide" (hide) flag),
    Entry {
        effect: Some(|c, v| put(&mut c.color, v, Color::parse)),
        ..command!(Layer "color" (color) Color::parse)
    },
    command!(Layer "bgColor" (bg_color) Color::parse),
    command!(Layer "textAttr" (text_attr) TextAttr::parse),
    command!(Layer "textPath" (text_path) PathData::parse),
    command!(Layer "pathAttr" (path_attr) PathAttr::parse),
    command!(Layer "textFlowPath" (text_flow_path) PathData::parse),
    command!(Layer "textFlowXPath" (text_flow_x_path) PathData::parse),
    command!(Layer "textAngle" (text_angle_deg) real),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<String> = TABLE
            .iter()
            .flat_map(|entry| entry.names)
            .map(|name| name.to_ascii_lowercase())
            .collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(count, 93);
    }
}
