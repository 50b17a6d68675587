//! Request, catalog attributes and source headers to a [`Plan`]: every size in whole pixels, every default filled in,
//! every limit checked. Pure: no I/O, no clock, no pixels; so `req=props`, admission and rendering cannot disagree.

#![forbid(unsafe_code)]

mod cost;
pub mod layer;
pub mod output;
pub mod sampling;
pub mod supported;
pub mod view;

use crate::catalog::Attributes;
use crate::codec::{Chroma, Form, Header};
use crate::color::Color;
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::Limits;
use crate::raster::resample::{AxisMap, Kernel, Mapping};
use crate::raster::turn::Turn;
use crate::raster::{Alpha, Model};
use crate::request::{Dpr, LayerCommands, Request, ResMode};

use layer::{LayerGeometry, LayerInputs, Rotation, flip_turn};
use sampling::{Picture, Sampling};
use view::{View, ViewInputs};

pub use output::Output;

/// Fields of a record that decide pixels; all `None` for a file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecordFields {
    /// `catalog::Resolution`.
    pub resolution: Option<f64>,
    /// `catalog::PrintResolution`.
    pub print_resolution: Option<u32>,
    /// Whether a record supplies the source (`U-printRes`: attributes count for records only).
    pub is_record: bool,
    /// Whether it has a `catalog::MaskPath`.
    pub has_mask_path: bool,
}

/// Settings of the server that a plan depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanSettings {
    /// `IS::MaxRenderRgnPixels` in pixels.
    pub max_render_pixels: u64,
    /// `IS::MaxSavePixels` in pixels.
    pub max_save_pixels: u64,
    /// `defaultUpscale` (`U022`).
    pub default_upscale: bool,
    /// `saveToFile.applyMaxPix` (`U-save-maxpix`).
    pub save_applies_max_pix: bool,
    /// Bounds of sources and memory.
    pub limits: Limits,
}

impl Default for PlanSettings {
    /// 16 and 100 million pixels, no enlargement by default, MaxPix not for saves.
    fn default() -> PlanSettings {
        PlanSettings {
            max_render_pixels: 16_000_000,
            max_save_pixels: 100_000_000,
            default_upscale: false,
            save_applies_max_pix: false,
            limits: Limits::default(),
        }
    }
}

/// What the image is for; it decides which limits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A client gets it.
    Reply,
    /// It is saved to a file.
    Save,
}

/// Whether fast paths may be taken; the tests compare both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Smaller levels, one scaling for several steps, planes.
    Fast,
    /// Full resolution, step by step, as the specification lists the steps.
    Plain,
}

/// Everything a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The typed request.
    pub request: &'a Request,
    /// The attributes of the main catalog.
    pub attributes: &'a Attributes,
    /// Attributes of the catalog that supplies layer 0 (its `Resolution`).
    pub layer_attributes: &'a Attributes,
    /// Fields of the record behind layer 0.
    pub record: RecordFields,
    /// Header of the source of layer 0; `None` for a solid color layer.
    pub source: Option<&'a Header>,
    /// The server's settings.
    pub settings: &'a PlanSettings,
    /// What the image is for.
    pub purpose: Purpose,
    /// Which paths may be taken.
    pub paths: Paths,
}

/// How the pixels of the view come about.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// One decode and one scaling.
    Direct(Sampling),
    /// The same on YCbCr planes, which are then encoded as they are.
    Planes(Sampling),
    /// Step by step through layer and composite.
    Steps(Box<Steps>),
    /// Nothing of the composite lies in the view: background only.
    Blank,
}

/// What the foreground of layer 0 is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A source, cropped and scaled.
    Sampled(Sampling),
    /// A solid color: the whole rectangle is filled by `color=`.
    Solid,
    /// Nothing: a crop wholly beyond the source, which `color=` does not fill.
    Empty,
}

/// Layer 0 and the composite, step by step (`commands.md` 3.1, 3.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Steps {
    /// The foreground.
    pub content: Content,
    /// Its color model.
    pub model: Model,
    /// Sizes after each step.
    pub geometry: LayerGeometry,
    /// `color=`: components of `model`, straight, then alpha.
    pub color: Option<Vec<u8>>,
    /// `bgColor=`, in the same form.
    pub bg_color: Option<Vec<u8>>,
    /// `flip=` of the composite.
    pub composite_flip: Turn,
    /// The filter of every scaling.
    pub kernel: Kernel,
}

/// What a rendering costs, known before any pixel is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Bytes held at once at most, by estimate from above.
    pub bytes: u64,
    /// Pixels decoded and computed.
    pub pixels: u64,
}

/// A rendering, decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Size of the composite.
    pub composite: Size,
    /// The view of it.
    pub view: View,
    /// How its pixels come about.
    pub work: Work,
    /// How they are encoded.
    pub output: Output,
    /// What that costs.
    pub cost: Cost,
}

impl Plan {
    /// Size of the reply.
    pub fn reply(&self) -> Size {
        self.view.reply()
    }
}

/// Makes the plan.
///
/// Fails with `Syntax` for commands that do not fit together, `TooLarge` past a limit, `Unsupported` for a command
/// that this build reads but does not carry out.
pub fn resolve(inputs: &Inputs<'_>) -> Result<Plan, Error> {
    supported::check(inputs)?;
    let no_commands = LayerCommands::default();
    let layer = inputs.request.layers.get(&0).unwrap_or(&no_commands);
    let output = output::output(inputs)?;
    let model = match inputs.source {
        Some(header) => header.model,
        None => output.model,
    };
    let geometry = layer::geometry(&layer_inputs(inputs, layer)?)?;
    let composite_flip = flip_turn(inputs.request.composite.flip);
    let composite = geometry.size;
    let view = view::view(&view_inputs(inputs, composite))?;
    check_reply(inputs, view.reply())?;
    let kernel = kernel(inputs);
    let fill = |color: &Color| {
        let fill = output::fill(color, model);
        (fill.last() != Some(&0)).then_some(fill)
    };
    let steps = Steps {
        content: Content::Solid,
        model,
        geometry,
        color: layer.color.as_ref().and_then(fill),
        bg_color: layer.bg_color.as_ref().and_then(fill),
        composite_flip,
        kernel,
    };
    let work = work(inputs, steps, &view, &output);
    let cost = cost::cost(inputs, &work, composite, view.reply(), &output);
    inputs.settings.limits.check_memory(cost.bytes)?;
    Ok(Plan { composite, view, work, output, cost })
}

fn layer_inputs(inputs: &Inputs<'_>, layer: &LayerCommands) -> Result<LayerInputs, Error> {
    let source = match inputs.source {
        Some(header) if header.orientation.transposes() => header.size.transposed(),
        Some(header) => header.size,
        None => solid_size(layer)?,
    };
    let is_solid = inputs.source.is_none();
    Ok(LayerInputs {
        source,
        crop: layer.crop.filter(|_| !is_solid),
        size: layer.size.filter(|_| !is_solid),
        scale: layer.scale.filter(|_| !is_solid),
        res: layer.res.filter(|_| !is_solid),
        resolution: inputs.record.resolution.unwrap_or(inputs.layer_attributes.resolution),
        flip: layer.picture.flip,
        rotate_deg: layer.rotate_deg.unwrap_or(0.0),
        extend: layer.extend,
    })
}

/// The size of a solid color layer 0 (`commands.md` 1.4).
fn solid_size(layer: &LayerCommands) -> Result<Size, Error> {
    match layer.size {
        Some(crate::request::SizeArg::Pixels { width, height }) if width > 0 && height > 0 => {
            Ok(Size::new(width, height))
        }
        _ => Err(Error::new(
            Kind::Syntax,
            "layer 0 has neither an image nor a size with both sides above 0",
        )),
    }
}

fn view_inputs(inputs: &Inputs<'_>, composite: Size) -> ViewInputs {
    let view = &inputs.request.view;
    let applies_max_pix = inputs.purpose == Purpose::Reply || inputs.settings.save_applies_max_pix;
    let max_pix = inputs.attributes.max_pix.filter(|_| applies_max_pix);
    ViewInputs {
        composite,
        rgn: view.rgn,
        wid: view.wid,
        hei: view.hei,
        scl: view.scl,
        fit: view.fit,
        align: view.align.map_or((0.0, 0.0), |align| (align.horiz, align.vert)),
        rect: view.rect,
        dpr: match inputs.request.attributes.dpr {
            // Without a trusted header the client's factor is 1 (`U041`).
            None | Some(Dpr::Off | Dpr::On(None)) => 1.0,
            Some(Dpr::On(Some(factor))) => factor,
        },
        default_pix: inputs.attributes.default_pix,
        max_pix: max_pix.unwrap_or_default(),
        default_upscale: inputs.settings.default_upscale,
    }
}

/// The pixel limit of replies or saves (`commands.md` 4.5, `requests.md` 17.2).
fn check_reply(inputs: &Inputs<'_>, reply: Size) -> Result<(), Error> {
    let (limit, name) = match inputs.purpose {
        Purpose::Reply => (inputs.settings.max_render_pixels, "MaxRenderRgnPixels"),
        Purpose::Save => (inputs.settings.max_save_pixels, "MaxSavePixels"),
    };
    if reply.pixels() > limit {
        return Err(Error::new(Kind::TooLarge, format!("reply of {reply} exceeds {name} {limit}")));
    }
    Ok(())
}

fn kernel(inputs: &Inputs<'_>) -> Kernel {
    use crate::catalog::ResMode as Default;
    match inputs.request.attributes.res_mode {
        Some(ResMode::Bilin) => Kernel::Triangle,
        Some(ResMode::Bicub) => Kernel::CatmullRom,
        Some(ResMode::Sharp2) => Kernel::Lanczos3,
        Some(ResMode::Bisharp) => Kernel::CubicSharper,
        None => match inputs.attributes.res_mode {
            Default::Bilin => Kernel::Triangle,
            Default::Bicub => Kernel::CatmullRom,
            Default::Sharp2 => Kernel::Lanczos3,
            Default::Bisharp => Kernel::CubicSharper,
        },
    }
}

/// Chooses the path: one scaling where nothing stands between source and view, planes where color does not matter.
fn work(inputs: &Inputs<'_>, steps: Steps, view: &View, output: &Output) -> Work {
    if view.mapping.covered(steps.geometry.size).intersection(view.shown()).is_empty() {
        return Work::Blank;
    }
    let Some(header) = inputs.source else {
        return Work::Steps(Box::new(steps));
    };
    if let Some(direct) = direct(inputs, header, &steps, view) {
        let (picture, mapping) = direct;
        let sampled =
            |form| picture.sampled(mapping, view.window, view.shown(), steps.kernel, form, true);
        let sampling = sampled(Form::Canvas);
        if sampling.covered.is_empty() {
            return Work::Blank;
        }
        let is_whole = picture.crop == Rect::of(picture.turn.of_size(header.size));
        let form = match output.planes.filter(|_| header.has_planes && is_whole) {
            None => Form::Canvas,
            Some(Chroma::Full) => Form::Planes,
            Some(Chroma::Halved) => Form::HalvedPlanes,
        };
        if form != Form::Canvas {
            return Work::Planes(sampled(form));
        }
        return Work::Direct(sampling);
    }
    let mut steps = steps;
    steps.content = layer_content(inputs, header, &steps);
    Work::Steps(Box::new(steps))
}

/// The picture and mapping of the direct path, if the steps between source and view allow it.
fn direct<'a>(
    inputs: &Inputs<'_>,
    header: &'a Header,
    steps: &Steps,
    view: &View,
) -> Option<(Picture<'a>, Mapping)> {
    let geometry = &steps.geometry;
    let orientation = Turn::from(header.orientation);
    let upright = orientation.of_size(header.size);
    let Rotation::Quarters(rotation) = geometry.rotation else { return None };
    let is_cut_inside = geometry.crop.intersection(Rect::of(upright)) == geometry.crop;
    let is_opaque = header.alpha == Alpha::Opaque;
    let is_plain = geometry.shift == (0, 0)
        && geometry.size == geometry.rotated
        && is_cut_inside
        && (is_opaque || (steps.color.is_none() && steps.bg_color.is_none()));
    if inputs.paths == Paths::Plain || !is_plain {
        return None;
    }
    let turn = geometry.flip.then(rotation).then(steps.composite_flip);
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

/// The foreground of layer 0, cropped and scaled but not turned.
fn layer_content(inputs: &Inputs<'_>, header: &Header, steps: &Steps) -> Content {
    let geometry = &steps.geometry;
    let turn = Turn::from(header.orientation);
    let upright = turn.of_size(header.size);
    let inside = geometry.crop.intersection(Rect::of(upright));
    if inside.is_empty() {
        return Content::Empty;
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
    let window = Rect::of(geometry.scaled);
    let use_levels = inputs.paths == Paths::Fast;
    let sampling = picture.sampled(mapping, window, window, steps.kernel, Form::Canvas, use_levels);
    match sampling.covered.is_empty() {
        true => Content::Empty,
        false => Content::Sampled(sampling),
    }
}
