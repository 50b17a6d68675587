//! What a merged request holds: one optional, typed field for each command of the protocol. `None` means that the
//! command was not given, or was reset by an empty value (U002); defaults are filled in by the plan.

use std::collections::BTreeMap;

use super::format::{Dpr, Fmt, Icc, Pscan, Qlt, Quantize, ResMode};
use super::object::{Object, SourceExpr};
use super::operations::{BlendMode, MaskUse, Opac, Operations};
use super::path::PathData;
use super::placement::{
    Align, Crop, Extend, Fit, Flip, PathAttr, Perspective, Place, SizeArg, TextAttr, ViewRect,
};
use super::req::{CacheControl, DefaultImage, Req};
use crate::color::Color;
use crate::geometry::Rect;

/// Request attributes: they act wherever they stand.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct RequestCommands {
    /// `req=`; `None` is `img`.
    pub req: Option<Req>,
    /// `name=`: target of a save, decoded and unchecked (`U-save-name` is checked by the save room); may be empty.
    pub name: Option<String>,
    /// `timeout=` in milliseconds, at least 1, not yet clamped to the server's maximum.
    pub timeout_ms: Option<u64>,
    /// `message=` of `req=message`.
    pub message: Option<String>,
    /// `template=`.
    pub template: Option<Object>,
    /// `locale=`, printable ASCII.
    pub locale: Option<String>,
    /// `id=`: version text without effect.
    pub id: Option<String>,
    /// `handler=`: 1 to 64 letters and digits.
    pub handler: Option<String>,
    /// `labelkey=`.
    pub label_key: Option<String>,
    /// `type=` of static content.
    pub content_type: Option<String>,
    /// `imageSet=`: the set string, still encoded, without the braces around it.
    pub image_set: Option<String>,
    /// `defaultImage=`.
    pub default_image: Option<DefaultImage>,
    /// `cache=`.
    pub cache: Option<CacheControl>,
    /// `fmt=`.
    pub fmt: Option<Fmt>,
    /// `qlt=`.
    pub qlt: Option<Qlt>,
    /// `jpegSize=` in kilobytes; 0 is unlimited.
    pub jpeg_size_kb: Option<u32>,
    /// `pscan=`.
    pub pscan: Option<Pscan>,
    /// `quantize=`.
    pub quantize: Option<Quantize>,
    /// `icc=`.
    pub icc: Option<Icc>,
    /// `iccEmbed=`.
    pub icc_embed: Option<bool>,
    /// `pathEmbed=`.
    pub path_embed: Option<bool>,
    /// `xmpEmbed=`.
    pub xmp_embed: Option<bool>,
    /// `printRes=` in dots per inch, above 0.
    pub print_res_ppi: Option<f64>,
    /// `resMode=`.
    pub res_mode: Option<ResMode>,
    /// `bfc=`.
    pub bfc: Option<bool>,
    /// `dpr=`.
    pub dpr: Option<Dpr>,
    /// `network=`.
    pub network: Option<bool>,
    /// `effectMask=`.
    pub effect_mask: Option<bool>,
}

impl RequestCommands {
    /// The type of request, `img` when none is given.
    pub fn req_or_default(&self) -> Req {
        self.req.unwrap_or_default()
    }
}

/// View attributes: they act wherever they stand.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ViewCommands {
    /// `wid=` in pixels, at least 1.
    pub wid: Option<u32>,
    /// `hei=` in pixels, at least 1.
    pub hei: Option<u32>,
    /// `fit=`; needs `wid` or `hei` (checked), has no effect beside `scl` (U044).
    pub fit: Option<Fit>,
    /// `scl=`: reduction, above 0; the scale is its inverse.
    pub scl: Option<f64>,
    /// `rgn=` in pixels of the composite, not empty; may reach beyond it.
    pub rgn: Option<Rect>,
    /// `rect=`.
    pub rect: Option<ViewRect>,
    /// `align=`.
    pub align: Option<Align>,
    /// `bgc=`; its alpha and its space do not count.
    pub bgc: Option<Color>,
}

/// What gives a layer its content: `src`, `text` and `textPs` share one slot, the last one counts.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerSource {
    /// `src=`.
    Image(SourceExpr),
    /// `text=`, decoded RTF or plain text; may be empty.
    Text(String),
    /// `textPs=`, decoded RTF; may be empty.
    TextPs(String),
}

/// Commands that a layer and the composite both take; given for `layer=comp` they act on the composite.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PictureCommands {
    /// `clipPath=`.
    pub clip_path: Option<PathData>,
    /// `clipPathE=`: names of embedded paths, ASCII.
    pub clip_path_e: Option<Vec<String>>,
    /// `clipXPath=`.
    pub clip_x_path: Option<PathData>,
    /// `clipXPathE=`.
    pub clip_x_path_e: Option<Vec<String>>,
    /// `cropPathE=`.
    pub crop_path_e: Option<Vec<String>>,
    /// `flip=`.
    pub flip: Option<Flip>,
    /// `opac=`.
    pub opac: Option<Opac>,
    /// `blendMode=`; without effect on layer 0 and the composite, except in the record of a watermark.
    pub blend_mode: Option<BlendMode>,
    /// `op_*`.
    pub operations: Operations,
    /// `map=`; empty means no map.
    pub map: Option<String>,
    /// `mapA=`; empty means no map.
    pub map_a: Option<String>,
    /// `effect=`: effect layers by number, never 0; negative ones lie behind.
    pub effects: BTreeMap<i32, EffectCommands>,
}

/// A layer. Its number is the key in [`super::Request::layers`].
#[derive(Clone, Debug, PartialEq, Default)]
pub struct LayerCommands {
    /// `src=`, `text=` or `textPs=`.
    pub source: Option<LayerSource>,
    /// `mask=`.
    pub mask: Option<SourceExpr>,
    /// `maskUse=`.
    pub mask_use: Option<MaskUse>,
    /// `op_growMask=`: -100..=100 pixels of the full-resolution mask.
    pub grow_mask_px: Option<i32>,
    /// `op_growMaskR=`: -100..=100 pixels of the scaled layer.
    pub grow_mask_r_px: Option<i32>,
    /// `crop=` or `cropN=`.
    pub crop: Option<Crop>,
    /// `size=` or `sizeN=`.
    pub size: Option<SizeArg>,
    /// `scale=`: factor above 0.
    pub scale: Option<f64>,
    /// `res=`: resolution above 0, in the unit of `catalog::Resolution`.
    pub res: Option<f64>,
    /// `anchor=` (from the source's top left) or `anchorN=` (from its center).
    pub anchor: Option<Place>,
    /// `origin=` (from the layer's top left) or `originN=` (from its center).
    pub origin: Option<Place>,
    /// `pos=` or `posN=`; without effect on layer 0.
    pub pos: Option<Place>,
    /// `extend=` or `extendN=`.
    pub extend: Option<Extend>,
    /// `rotate=` in degrees, clockwise.
    pub rotate_deg: Option<f64>,
    /// `perspective=` or `perspectiveN=`.
    pub perspective: Option<Perspective>,
    /// `hide=`.
    pub hide: Option<bool>,
    /// `color=`.
    pub color: Option<Color>,
    /// `bgColor=`.
    pub bg_color: Option<Color>,
    /// `textAttr=`.
    pub text_attr: Option<TextAttr>,
    /// `textPath=`.
    pub text_path: Option<PathData>,
    /// `pathAttr=`.
    pub path_attr: Option<PathAttr>,
    /// `textFlowPath=`.
    pub text_flow_path: Option<PathData>,
    /// `textFlowXPath=`.
    pub text_flow_x_path: Option<PathData>,
    /// `textAngle=` in degrees, clockwise.
    pub text_angle_deg: Option<f64>,
    /// What layers and the composite share.
    pub picture: PictureCommands,
}

/// An effect layer (commands.md 9); other commands in its segment are ignored.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct EffectCommands {
    /// `color=`; required (checked).
    pub color: Option<Color>,
    /// `blendMode=`.
    pub blend_mode: Option<BlendMode>,
    /// `maskUse=`.
    pub mask_use: Option<MaskUse>,
    /// `opac=`; its second number has no effect.
    pub opac: Option<Opac>,
    /// `op_grow=`: -100..=100 pixels.
    pub grow_px: Option<i32>,
    /// `op_blur=`: 0.0..=100.0 pixels.
    pub blur_px: Option<f64>,
    /// `op_noise=`.
    pub noise: Option<super::operations::OpNoise>,
    /// `pos=` or `posN=`: shift against the parent.
    pub pos: Option<Place>,
}
