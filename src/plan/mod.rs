//! Request, catalog attributes and source headers to a [`Plan`]: every size in whole pixels, every default filled in,
//! every limit checked. Pure: no I/O, no clock, no pixels; so `req=props`, admission and rendering cannot disagree.

#![forbid(unsafe_code)]

pub mod area;
mod composite;
mod cost;
pub mod layer;
pub mod map;
pub mod output;
pub mod sampling;
pub mod supported;
pub mod thumbnail;
pub mod view;
mod work;

use crate::catalog::{Attributes, ThumbType};
use crate::codec::{Header, Level, Orientation};
use crate::error::{Error, Kind};
use crate::geometry::Size;
use crate::limits::Limits;
use crate::raster::blend::Blend;
use crate::raster::resample::Kernel;
use crate::raster::turn::Turn;
use crate::raster::{Alpha, Model};
use crate::request::{Dpr, Fit, MaskUse, ReqType, Request, ResMode};

use layer::LayerGeometry;
use sampling::Sampling;
use thumbnail::Thumbnail;
use view::{View, ViewInputs};

pub(crate) use composite::is_drawn;
pub use composite::placed_watermark;
pub use output::Output;

/// Fields of a record that decide pixels; all `None` for a file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecordFields {
    /// `catalog::Resolution`.
    pub resolution: Option<f64>,
    /// `catalog::PrintResolution`.
    pub print_resolution: Option<u32>,
    /// `catalog::Anchor`.
    pub anchor: Option<(i32, i32)>,
    /// `catalog::ThumbType`.
    pub thumb_type: Option<ThumbType>,
    /// `catalog::ThumbRes`.
    pub thumb_res: Option<f64>,
    /// Whether a record supplies the source (`U-printRes`: attributes count for records only).
    pub is_record: bool,
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
    /// It is the source or mask of a layer of another request, in that one's color model: neither `DefaultPix` nor
    /// `MaxPix` count (requests.md 11).
    Nested(Model),
    /// It is laid over a composite of that size and model (requests.md 18).
    Watermark(Size, Model),
}

/// Whether fast paths may be taken; the tests compare both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Smaller levels, one scaling for several steps, planes.
    Fast,
    /// Full resolution, step by step, as the specification lists the steps.
    Plain,
}

/// What is known of the source and mask of a layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerFacts<'a> {
    /// Its number.
    pub number: u32,
    /// Attributes of the catalog that supplies it (its `Resolution`).
    pub attributes: &'a Attributes,
    /// Fields of the record behind it.
    pub record: RecordFields,
    /// Header of its source; `None` for a solid color layer.
    pub source: Option<&'a Header>,
    /// Header of its separate mask, from `mask=` or `catalog::MaskPath`.
    pub mask: Option<&'a Header>,
}

/// Everything a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The typed request.
    pub request: &'a Request,
    /// The attributes of the main catalog.
    pub attributes: &'a Attributes,
    /// The layers that have a source, a mask or a record, by ascending number.
    pub layers: &'a [LayerFacts<'a>],
    /// The server's settings.
    pub settings: &'a PlanSettings,
    /// What the image is for.
    pub purpose: Purpose,
    /// Which paths may be taken.
    pub paths: Paths,
}

impl<'a> Inputs<'a> {
    /// What is known of a layer; nothing but the main catalog's attributes for a solid color layer.
    pub fn facts(&self, number: u32) -> LayerFacts<'a> {
        let known = self.layers.iter().find(|facts| facts.number == number);
        known.copied().unwrap_or(LayerFacts {
            number,
            attributes: self.attributes,
            record: RecordFields::default(),
            source: None,
            mask: None,
        })
    }

    /// The type of request that the reply's form depends on; that of nested requests does not count.
    fn req(&self) -> ReqType {
        match self.purpose {
            Purpose::Reply | Purpose::Save => self.request.attributes.req_or_default().kind,
            Purpose::Nested(_) | Purpose::Watermark(..) => ReqType::Img,
        }
    }
}

/// How the pixels of the view come about.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// One decode and one scaling of the source of layer 0.
    Direct(Sampling),
    /// The same on YCbCr planes, which are then encoded as they are.
    Planes(Sampling),
    /// Layer by layer, step by step.
    Steps(Box<Composite>),
    /// Nothing of the composite lies in the view: background only.
    Blank,
}

/// What the foreground of a layer is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A source, cropped and scaled.
    Sampled(Sampling),
    /// A solid color through a mask, which is cropped and scaled like a source.
    Stencil(Sampling),
    /// A solid color: the whole rectangle is filled by `color=`.
    Solid,
    /// Nothing: hidden, or a crop wholly beyond the source, which `color=` does not fill.
    Empty,
}

/// A separate mask of a sampled layer, in pixels of the upright source (`U048`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskPlan {
    /// The size to which the mask is stretched: that of the source.
    pub size: Size,
    /// Where the picture of the sampling begins in it.
    pub start: (i64, i64),
}

/// A layer, step by step (`commands.md` 3.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its number.
    pub number: u32,
    /// The foreground.
    pub content: Content,
    /// The separate mask of a sampled foreground.
    pub mask: Option<MaskPlan>,
    /// `maskUse=`.
    pub mask_use: MaskUse,
    /// Its color model before it is merged.
    pub model: Model,
    /// Sizes after each step.
    pub geometry: LayerGeometry,
    /// Opacity of the foreground, 0..=255 (`opac=`, both numbers).
    pub opacity: u8,
    /// `color=`: components of `model`, straight, then alpha.
    pub color: Option<Vec<u8>>,
    /// `bgColor=`, in the same form.
    pub bg_color: Option<Vec<u8>>,
    /// How it is merged with what lies below.
    pub blend: Blend,
    /// Its place in the canvas.
    pub top_left: (i64, i64),
}

/// The composite (`commands.md` 3.2).
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    /// Layers from the bottom; layer 0 is the first.
    pub layers: Vec<Layer>,
    /// The canvas.
    pub size: Size,
    /// The color model in which layers are merged.
    pub model: Model,
    /// `flip=` of the composite.
    pub flip: Turn,
    /// `opac=` of the composite, 0..=255.
    pub opacity: u8,
    /// The filter of every scaling.
    pub kernel: Kernel,
}

/// A watermark in its place on the composite.
#[derive(Clone, Debug, PartialEq)]
pub struct Watermark {
    /// Its rendering.
    pub plan: Plan,
    /// Its place in the composite.
    pub top_left: (i64, i64),
    /// How it is merged.
    pub blend: Blend,
    /// 0..=255.
    pub opacity: u8,
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
    /// What is laid over the composite.
    pub watermark: Option<Box<Watermark>>,
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

    /// The header of a nested request's result, for the plan of the outer request: a picture that is as large as the
    /// reply, has its model, and costs what its rendering costs.
    pub fn as_header(&self) -> Header {
        let size = self.reply();
        Header {
            format: None,
            size,
            model: self.output.model,
            alpha: if self.output.keeps_alpha { Alpha::Straight } else { Alpha::Opaque },
            bits: 8,
            orientation: Orientation::Upright,
            density_ppi: None,
            icc: None,
            has_xmp: false,
            path_names: Vec::new(),
            frames: 1,
            has_planes: false,
            decoder_bytes: self.cost.bytes,
            levels: vec![Level { size, scale_x: 1.0, scale_y: 1.0 }],
        }
    }
}

/// Makes the plan; `watermark` plans what is laid over the composite, for its size and model.
///
/// Fails with `Syntax` for commands that do not fit together, `TooLarge` past a limit, `Unsupported` for a command
/// that this build reads but does not carry out, and as `watermark` does.
pub fn resolve(
    inputs: &Inputs<'_>,
    watermark: &mut dyn FnMut(Size, Model) -> Result<Option<Watermark>, Error>,
) -> Result<Plan, Error> {
    supported::check(inputs)?;
    let output = output::output(inputs)?;
    let thumbnail = match inputs.req() {
        ReqType::Tmb => Some(composite::thumbnail(inputs)?),
        _ => None,
    };
    let composite = composite::composite(inputs, &output, thumbnail)?;
    let size = composite.size;
    let watermark = watermark(size, composite.model)?.map(Box::new);
    let view = view::view(&view_inputs(inputs, size, thumbnail))?;
    check_reply(inputs, view.reply())?;
    let mut output = output;
    if matches!(inputs.purpose, Purpose::Nested(_) | Purpose::Watermark(..)) {
        // Without alpha it is a plain picture to the outer request.
        output.keeps_alpha = !work::is_opaque(inputs, &composite, &view);
    }
    let work = work::work(inputs, composite, &view, &output, watermark.is_some());
    let mut cost = cost::cost(inputs, &work, view.reply(), &output);
    if let Some(watermark) = &watermark {
        cost.bytes = cost.bytes.saturating_add(watermark.plan.cost.bytes);
        cost.pixels = cost.pixels.saturating_add(watermark.plan.cost.pixels);
    }
    inputs.settings.limits.check_memory(cost.bytes)?;
    Ok(Plan { composite: size, view, work, watermark, output, cost })
}

/// `dpr=` as a factor, above 0.
fn dpr(inputs: &Inputs<'_>) -> f64 {
    match inputs.request.attributes.dpr {
        // Without a trusted header the client's factor is 1 (`U041`).
        None | Some(Dpr::Off | Dpr::On(None)) => 1.0,
        Some(Dpr::On(Some(factor))) => factor,
    }
}

fn view_inputs(inputs: &Inputs<'_>, composite: Size, thumbnail: Option<Thumbnail>) -> ViewInputs {
    let view = &inputs.request.view;
    let max_pix = match inputs.purpose {
        Purpose::Reply => inputs.attributes.max_pix,
        Purpose::Save => inputs.attributes.max_pix.filter(|_| inputs.settings.save_applies_max_pix),
        Purpose::Nested(_) | Purpose::Watermark(..) => None,
    }
    .unwrap_or_default();
    let plain = ViewInputs {
        composite,
        rgn: view.rgn,
        wid: view.wid,
        hei: view.hei,
        scl: view.scl,
        fit: view.fit,
        align: view.align.map_or((0.0, 0.0), |align| (align.horiz, align.vert)),
        rect: view.rect,
        dpr: dpr(inputs),
        default_pix: match inputs.purpose {
            Purpose::Reply | Purpose::Save => inputs.attributes.default_pix,
            Purpose::Nested(_) | Purpose::Watermark(..) => Size::default(),
        },
        max_pix,
        default_upscale: inputs.settings.default_upscale,
    };
    match (thumbnail, inputs.purpose) {
        (Some(thumbnail), _) => {
            let (across, down) = thumbnail.rule.place;
            let mode = thumbnail.mode();
            ViewInputs {
                rgn: None,
                wid: Some(thumbnail.view.width),
                hei: Some(thumbnail.view.height),
                scl: mode.is_none().then_some(1.0),
                fit: mode.map(|mode| Fit { mode, may_enlarge: true }),
                align: (across * 2.0 - 1.0, down * 2.0 - 1.0),
                // It is part of the view's size already.
                dpr: 1.0,
                ..plain
            }
        }
        // A watermark is the composite itself; its view commands do not count.
        (None, Purpose::Watermark(..)) => ViewInputs {
            rgn: None,
            wid: None,
            hei: None,
            scl: Some(1.0),
            fit: None,
            rect: None,
            dpr: 1.0,
            ..plain
        },
        (None, _) => plain,
    }
}

/// The pixel limit of replies or saves (`commands.md` 4.5, `requests.md` 17.2).
fn check_reply(inputs: &Inputs<'_>, reply: Size) -> Result<(), Error> {
    let (limit, name) = match inputs.purpose {
        Purpose::Reply => (inputs.settings.max_render_pixels, "MaxRenderRgnPixels"),
        Purpose::Save => (inputs.settings.max_save_pixels, "MaxSavePixels"),
        // The memory of a request bounds what nobody sees as a whole.
        Purpose::Nested(_) | Purpose::Watermark(..) => return Ok(()),
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
