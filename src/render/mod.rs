//! Carries out a plan: decodes what it names, turns, scales, fills, merges and converts. Decides nothing.
//!
//! A reader meets [`pixels`] and what it gets beside the plan, the [`Sources`], first. `layers` makes the composite,
//! `planes` the replies that never become RGB.

#![forbid(unsafe_code)]

mod layers;
mod planes;

use crate::codec::{self, Header, Input, ReadAt};
use crate::color::convert;
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::{Deadline, Limits};
use crate::plan::sampling::Sampling;
use crate::plan::{Output, Plan, Work};
use crate::raster::resample::{Kernel, resample};
use crate::raster::turn::{placed, turned};
use crate::raster::{Alpha, Canvas, Model, Pixels, alpha, mask};

/// Where the pixels of a source are.
pub enum Origin<'a> {
    /// In a file or body that a codec reads.
    Bytes(&'a dyn ReadAt),
    /// In the result of a nested request.
    Nested {
        /// Its plan.
        plan: &'a Plan,
        /// Its own sources.
        sources: Sources<'a>,
    },
    /// In memory: the kept result of a nested request.
    Canvas(Canvas),
}

/// A source and what its header says.
pub struct Source<'a> {
    /// Where its pixels are.
    pub origin: Origin<'a>,
    /// Its header, as `codec::probe` read it or `Plan::as_header` made it.
    pub header: &'a Header,
}

/// The sources of a layer.
pub struct LayerSources<'a> {
    /// Its number.
    pub number: u32,
    /// Its image.
    pub image: Option<Source<'a>>,
    /// Its separate mask.
    pub mask: Option<Source<'a>>,
}

/// Everything that a plan draws from.
#[derive(Default)]
pub struct Sources<'a> {
    /// Of the layers that have any.
    pub layers: Vec<LayerSources<'a>>,
    /// Of the watermark.
    pub watermark: Option<Box<Sources<'a>>>,
}

impl<'a> Sources<'a> {
    fn layer(&self, number: u32) -> Option<&LayerSources<'a>> {
        self.layers.iter().find(|layer| layer.number == number)
    }

    fn image(&self, number: u32) -> Result<&Source<'a>, Error> {
        self.layer(number)
            .and_then(|layer| layer.image.as_ref())
            .ok_or_else(|| Error::new(Kind::Internal, "the plan has a source, the call has none"))
    }

    fn mask(&self, number: u32) -> Result<&Source<'a>, Error> {
        self.layer(number)
            .and_then(|layer| layer.mask.as_ref())
            .ok_or_else(|| Error::new(Kind::Internal, "the plan has a mask, the call has none"))
    }
}

/// What every step of a rendering needs.
struct Context<'a> {
    limits: &'a Limits,
    deadline: &'a Deadline,
}

/// The pixels of the reply, in the model and alpha of the plan's output, straight where they have alpha.
///
/// Fails as `codec::decode` does, and with `TimedOut`, `TooLarge`.
pub fn pixels(
    plan: &Plan,
    sources: &Sources<'_>,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Pixels, Error> {
    let context = Context { limits, deadline };
    match &plan.work {
        Work::Direct(sampling) => {
            let view = context.sampled(sources.image(0)?, sampling)?;
            context.finished(view, sampling.covered, plan).map(Pixels::Canvas)
        }
        Work::Planes(sampling) => context.planes(sampling, sources, plan).map(Pixels::Planes),
        Work::Blank => {
            let output = &plan.output;
            let alpha = if output.keeps_alpha { Alpha::Straight } else { Alpha::Opaque };
            let nothing =
                Canvas { size: Size::default(), model: output.model, alpha, data: Vec::new() };
            let corner = Rect::at(plan.view.window.left, plan.view.window.top, Size::default());
            context.finished(nothing, corner, plan).map(Pixels::Canvas)
        }
        Work::Steps(steps) => {
            let mut composite = context.composite(steps, sources)?;
            if let Some(watermark) = &plan.watermark {
                composite = context.watermarked(composite, watermark, sources)?;
            }
            let (view, covered) = context.view(composite, plan, steps.kernel)?;
            context.finished(view, covered, plan).map(Pixels::Canvas)
        }
    }
}

impl Context<'_> {
    fn decoded(&self, source: &Source<'_>, sampling: &Sampling) -> Result<Pixels, Error> {
        let canvas = match &source.origin {
            Origin::Bytes(bytes) => {
                let mut input = Input::new(*bytes, self.deadline);
                return codec::decode(&mut input, source.header, &sampling.wanted, self.limits);
            }
            Origin::Nested { plan, sources } => {
                match pixels(plan, sources, self.limits, self.deadline)? {
                    Pixels::Canvas(canvas) => canvas,
                    Pixels::Planes(_) => {
                        return Err(Error::new(Kind::Internal, "planes of a nested request"));
                    }
                }
            }
            Origin::Canvas(canvas) => canvas.clone(),
        };
        cut(canvas, sampling.wanted.region, self.limits).map(Pixels::Canvas)
    }

    fn decoded_canvas(&self, source: &Source<'_>, sampling: &Sampling) -> Result<Canvas, Error> {
        match self.decoded(source, sampling)? {
            Pixels::Canvas(canvas) => turned(canvas, sampling.turn, self.limits, self.deadline),
            Pixels::Planes(_) => {
                Err(Error::new(Kind::Internal, "planes where a canvas was asked for"))
            }
        }
    }

    /// The covered pixels of a sampling, not yet in place.
    fn sampled(&self, source: &Source<'_>, sampling: &Sampling) -> Result<Canvas, Error> {
        let canvas = self.decoded_canvas(source, sampling)?;
        self.scaled(canvas, sampling)
    }

    /// A decoded part, scaled.
    fn scaled(&self, canvas: Canvas, sampling: &Sampling) -> Result<Canvas, Error> {
        let mut canvas = canvas;
        if !(sampling.mapping.x.is_identity() && sampling.mapping.y.is_identity()) {
            alpha::premultiply(&mut canvas, self.deadline)?;
        }
        if sampling.covered == sampling.part && canvas.size == sampling.part.size() {
            let whole = sampling.mapping.x.is_identity() && sampling.mapping.y.is_identity();
            if whole && sampling.mapping.x.origin == 0.0 && sampling.mapping.y.origin == 0.0 {
                return Ok(canvas);
            }
        }
        resample(
            &canvas,
            sampling.part,
            sampling.extent,
            sampling.mapping,
            sampling.covered,
            sampling.kernel,
            self.limits,
            self.deadline,
        )
    }

    /// The window of the view, scaled from the composite; only what the composite covers.
    fn view(
        &self,
        composite: Canvas,
        plan: &Plan,
        kernel: Kernel,
    ) -> Result<(Canvas, Rect), Error> {
        let mut composite = composite;
        let mapping = plan.view.mapping;
        let size = composite.size;
        let covered = mapping.covered(size).intersection(plan.view.shown());
        if covered.is_empty() {
            let empty = Canvas { size: Size::default(), data: Vec::new(), ..composite };
            return Ok((empty, covered));
        }
        if mapping.x.is_identity() && mapping.y.is_identity() {
            let (dx, dy) = (mapping.x.origin as i64, mapping.y.origin as i64);
            let (left, top) = (dx - covered.left, dy - covered.top);
            let cut = placed(composite, left, top, covered.size(), self.limits, self.deadline)?;
            return Ok((cut, covered));
        }
        alpha::premultiply(&mut composite, self.deadline)?;
        let whole = Rect::of(size);
        let view = resample(
            &composite,
            whole,
            size,
            mapping,
            covered,
            kernel,
            self.limits,
            self.deadline,
        )?;
        Ok((view, covered))
    }

    /// Color model, background and place of the view in the reply (V6, V7).
    fn finished(&self, view: Canvas, covered: Rect, plan: &Plan) -> Result<Canvas, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let output = &plan.output;
        let window = plan.view.window;
        let mut view = view;
        if view.model != output.model && !output.shows_mask {
            alpha::unpremultiply(&mut view, deadline)?;
            view = convert::canvas(view, output.model, limits, deadline)?;
        }
        let (left, top) = (covered.left - window.left, covered.top - window.top);
        if output.shows_mask {
            return self.shown_mask(view, left, top, window.size(), output);
        }
        if output.keeps_alpha {
            let mut canvas = match covered.is_empty() {
                true => Canvas::zeroed(window.size(), output.model, Alpha::Straight, limits)?,
                false => {
                    let view = self.with_alpha(view)?;
                    placed(view, left, top, window.size(), limits, deadline)?
                }
            };
            alpha::unpremultiply(&mut canvas, deadline)?;
            return Ok(canvas);
        }
        let flat = alpha::flatten(view, &output.bgc, limits, deadline)?;
        if covered == window {
            return Ok(flat);
        }
        self.on_background(flat, left, top, window.size(), output)
    }

    /// Straight alpha stays straight, so that unscaled pixels keep their hidden colors; opaque gets 255.
    fn with_alpha(&self, view: Canvas) -> Result<Canvas, Error> {
        alpha::with_alpha(view, self.limits, self.deadline)
    }

    fn on_background(
        &self,
        canvas: Canvas,
        left: i64,
        top: i64,
        size: Size,
        output: &Output,
    ) -> Result<Canvas, Error> {
        let mut out = Canvas::zeroed(size, output.model, Alpha::Opaque, self.limits)?;
        let channels = out.channels();
        alpha::for_rows(&mut out, self.deadline, |row| {
            for pixel in row.chunks_exact_mut(channels) {
                pixel.copy_from_slice(&output.bgc[..channels]);
            }
        })?;
        let row_bytes = canvas.row_bytes();
        let out_row_bytes = out.row_bytes();
        if row_bytes == 0 {
            return Ok(out);
        }
        for (row, pixels) in canvas.data.chunks_exact(row_bytes).enumerate() {
            // The covered part lies within the window.
            let at = (top as usize + row) * out_row_bytes + left as usize * channels;
            out.data[at..at + row_bytes].copy_from_slice(pixels);
        }
        Ok(out)
    }

    /// The alpha of the view as gray (`req=mask`): white without alpha, black where nothing lies (`U-mask-none`).
    fn shown_mask(
        &self,
        view: Canvas,
        left: i64,
        top: i64,
        size: Size,
        output: &Output,
    ) -> Result<Canvas, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let mut gray = Canvas::zeroed(size, Model::Gray, Alpha::Opaque, limits)?;
        if !view.data.is_empty() {
            let view = alpha::with_alpha(view, limits, deadline)?;
            let view = placed(view, left, top, size, limits, deadline)?;
            gray.data = mask::coverage(view, limits, deadline)?.data;
        }
        let mut shown = convert::canvas(gray, output.model, limits, deadline)?;
        if output.keeps_alpha {
            shown = alpha::with_alpha(shown, limits, deadline)?;
            shown.alpha = Alpha::Straight;
        }
        Ok(shown)
    }
}

/// The part `region` of a canvas, which lies within it.
fn cut(canvas: Canvas, region: Rect, limits: &Limits) -> Result<Canvas, Error> {
    if region == Rect::of(canvas.size) {
        return Ok(canvas);
    }
    if region.intersection(Rect::of(canvas.size)) != region {
        return Err(Error::new(Kind::Internal, format!("{region:?} of {}", canvas.size)));
    }
    let mut out = Canvas::zeroed(region.size(), canvas.model, canvas.alpha, limits)?;
    let channels = canvas.channels();
    let (from, to) = (canvas.row_bytes(), out.row_bytes().max(1));
    let start = region.top as usize * from + region.left as usize * channels;
    for (row, target) in out.data.chunks_exact_mut(to).enumerate() {
        let at = start + row * from;
        target.copy_from_slice(&canvas.data[at..at + to]);
    }
    Ok(out)
}
