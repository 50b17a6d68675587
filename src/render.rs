//! Carries out a plan: decodes what it names, turns, scales, fills and converts. Decides nothing.

#![forbid(unsafe_code)]

use crate::codec::{self, Header, Input, ReadAt};
use crate::color::convert;
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::limits::{Deadline, Limits};
use crate::plan::layer::Rotation;
use crate::plan::sampling::Sampling;
use crate::plan::{Content, Output, Plan, Steps, Work};
use crate::raster::resample::{AxisMap, Kernel, Mapping, resample, resample_plane};
use crate::raster::turn::{placed, turned, turned_plane};
use crate::raster::{Alpha, Canvas, Pixels, Plane, Planes, alpha, rotate};

/// An open source and what its header says.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its bytes.
    pub bytes: &'a dyn ReadAt,
    /// Its header, as `codec::probe` read it.
    pub header: &'a Header,
}

/// What every step of a rendering needs.
struct Context<'a> {
    source: Option<Source<'a>>,
    limits: &'a Limits,
    deadline: &'a Deadline,
}

/// The pixels of the reply, in the model and alpha of the plan's output, straight where they have alpha.
///
/// Fails as `codec::decode` does, and with `TimedOut`, `TooLarge`.
pub fn pixels(
    plan: &Plan,
    source: Option<Source<'_>>,
    limits: &Limits,
    deadline: &Deadline,
) -> Result<Pixels, Error> {
    let context = Context { source, limits, deadline };
    match &plan.work {
        Work::Direct(sampling) => {
            let view = context.sampled(sampling)?;
            context.finished(view, sampling.covered, plan).map(Pixels::Canvas)
        }
        Work::Planes(sampling) => context.planes(sampling, plan).map(Pixels::Planes),
        Work::Blank => {
            let output = &plan.output;
            let alpha = if output.keeps_alpha { Alpha::Straight } else { Alpha::Opaque };
            let nothing =
                Canvas { size: Size::default(), model: output.model, alpha, data: Vec::new() };
            let corner = Rect::at(plan.view.window.left, plan.view.window.top, Size::default());
            context.finished(nothing, corner, plan).map(Pixels::Canvas)
        }
        Work::Steps(steps) => {
            let composite = context.composite(steps)?;
            let (view, covered) = context.view(composite, plan, steps.kernel)?;
            context.finished(view, covered, plan).map(Pixels::Canvas)
        }
    }
}

impl Context<'_> {
    fn decoded(&self, sampling: &Sampling) -> Result<Pixels, Error> {
        let source = self.source.ok_or_else(|| {
            Error::new(Kind::Internal, "the plan has a source, the call has none")
        })?;
        let mut input = Input::new(source.bytes, self.deadline);
        codec::decode(&mut input, source.header, &sampling.wanted, self.limits)
    }

    /// The covered pixels of a sampling, not yet in place.
    fn sampled(&self, sampling: &Sampling) -> Result<Canvas, Error> {
        let canvas = match self.decoded(sampling)? {
            Pixels::Canvas(canvas) => canvas,
            Pixels::Planes(_) => {
                return Err(Error::new(Kind::Internal, "planes where a canvas was asked for"));
            }
        };
        let mut canvas = turned(canvas, sampling.turn, self.limits, self.deadline)?;
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

    /// Layer 0, step by step, and what is done to the composite (`commands.md` 3.1, 3.2).
    fn composite(&self, steps: &Steps) -> Result<Canvas, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let geometry = &steps.geometry;
        let mut canvas = match &steps.content {
            Content::Sampled(sampling) => {
                let covered = self.sampled(sampling)?;
                let (left, top) = (sampling.covered.left, sampling.covered.top);
                placed(covered, left, top, geometry.scaled, limits, deadline)?
            }
            Content::Solid | Content::Empty => {
                Canvas::zeroed(geometry.scaled, steps.model, Alpha::Premultiplied, limits)?
            }
        };
        canvas = turned(canvas, geometry.flip, limits, deadline)?;
        if let Some(color) = &steps.color {
            // The area that a crop adds beyond the source is not filled by `color=` (L12); a solid layer is.
            canvas = self.filled(canvas, color, steps)?;
        }
        canvas = match geometry.rotation {
            Rotation::Quarters(turn) => turned(canvas, turn, limits, deadline)?,
            Rotation::Angle(angle) => {
                rotate::rotated(canvas, angle, steps.kernel, limits, deadline)?
            }
        };
        let (left, top) = geometry.shift;
        canvas = placed(canvas, left, top, geometry.size, limits, deadline)?;
        if let Some(color) = &steps.bg_color {
            alpha::fill_under(&mut canvas, color, deadline)?;
        }
        turned(canvas, steps.composite_flip, limits, deadline)
    }

    /// `color=` under the foreground, but not in the crop-extension.
    fn filled(&self, canvas: Canvas, color: &[u8], steps: &Steps) -> Result<Canvas, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let mut canvas = canvas;
        let inside = match &steps.content {
            Content::Sampled(sampling) => {
                let flip = steps.geometry.flip;
                flip.of_rect(sampling.covered, steps.geometry.scaled)
            }
            Content::Solid => Rect::of(canvas.size),
            Content::Empty => return Ok(canvas),
        };
        if inside == Rect::of(canvas.size) {
            alpha::fill_under(&mut canvas, color, deadline)?;
            return Ok(canvas);
        }
        let size = canvas.size;
        let foreground = placed(canvas, -inside.left, -inside.top, inside.size(), limits, deadline);
        let mut foreground = foreground?;
        alpha::fill_under(&mut foreground, color, deadline)?;
        placed(foreground, inside.left, inside.top, size, limits, deadline)
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
        if view.model != output.model {
            alpha::unpremultiply(&mut view, deadline)?;
            view = convert::canvas(view, output.model, limits, deadline)?;
        }
        let (left, top) = (covered.left - window.left, covered.top - window.top);
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

    /// The whole reply as planes: no color conversion, chroma scaled from its own grid.
    fn planes(&self, sampling: &Sampling, plan: &Plan) -> Result<Planes, Error> {
        let planes = match self.decoded(sampling)? {
            Pixels::Planes(planes) => planes,
            Pixels::Canvas(_) => {
                return Err(Error::new(Kind::Internal, "a canvas where planes were asked for"));
            }
        };
        let halved = match plan.output.planes {
            Some(codec::Chroma::Halved) => 2,
            Some(codec::Chroma::Full) | None => 1,
        };
        let background = convert::ycc([plan.output.bgc[0], plan.output.bgc[1], plan.output.bgc[2]]);
        let luma_size = planes.luma.size;
        let reply = plan.view.window.size();
        let chroma_reply = Size::new(reply.width.div_ceil(halved), reply.height.div_ceil(halved));
        // The one sample of a side of one pixel shows that pixel, not the border of a second one.
        let step = |length: u32| if length == 1 { 1.0 } else { f64::from(halved) };
        let steps = (step(reply.width), step(reply.height));
        let scaled = |plane: Plane, steps: (f64, f64), background: u8, size: Size| {
            self.plane(plane, luma_size, sampling, steps, background, size)
        };
        Ok(Planes {
            luma: scaled(planes.luma, (1.0, 1.0), background[0], reply)?,
            cb: scaled(planes.cb, steps, background[1], chroma_reply)?,
            cr: scaled(planes.cr, steps, background[2], chroma_reply)?,
        })
    }

    /// One plane of the reply: `steps` luma pixels of the reply, across and down, for one sample of it.
    fn plane(
        &self,
        plane: Plane,
        luma: Size,
        sampling: &Sampling,
        steps: (f64, f64),
        background: u8,
        reply: Size,
    ) -> Result<Plane, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let stored = plane.size;
        // Samples for one luma pixel of the level; a halved side of odd length holds half a sample too much.
        let ratio =
            |samples: u32, luma: u32| if samples * 2 <= luma + 1 && luma > 1 { 0.5 } else { 1.0 };
        let (mut along_x, mut along_y) =
            (ratio(stored.width, luma.width), ratio(stored.height, luma.height));
        let mut spare_x = f64::from(stored.width) - f64::from(luma.width) * along_x;
        let mut spare_y = f64::from(stored.height) - f64::from(luma.height) * along_y;
        let turn = sampling.turn;
        let first = turn.of_rect(Rect::at(0, 0, Size::new(1, 1)), Size::new(2, 2));
        if turn.transposes() {
            (along_x, along_y) = (along_y, along_x);
            (spare_x, spare_y) = (spare_y, spare_x);
        }
        let spare_x = if first.left == 1 { spare_x } else { 0.0 };
        let spare_y = if first.top == 1 { spare_y } else { 0.0 };
        let plane = turned_plane(plane, turn, limits, deadline)?;
        // Sample s of the part lies at luma (s - spare) / along + part; the reply's sample at luma / step.
        let axis = |map: AxisMap, along: f64, spare: f64, start: i64, window: i64, step: f64| {
            let shift = start as f64 - spare / along;
            let origin = (map.origin + shift * map.scale - window as f64) / step;
            AxisMap { scale: map.scale / along / step, origin }
        };
        let window = sampling.window;
        let mapping = Mapping {
            x: axis(sampling.mapping.x, along_x, spare_x, sampling.part.left, window.left, steps.0),
            y: axis(sampling.mapping.y, along_y, spare_y, sampling.part.top, window.top, steps.1),
        };
        let extent = plane.size;
        let covered = sampling.covered.shifted(-window.left, -window.top);
        let down = |v: i64, step: f64| (v as f64 / step).floor() as i64;
        let up = |v: i64, step: f64| (v as f64 / step).ceil() as i64;
        let shown = Rect {
            left: down(covered.left, steps.0),
            top: down(covered.top, steps.1),
            right: up(covered.right, steps.0),
            bottom: up(covered.bottom, steps.1),
        }
        .intersection(Rect::of(reply));
        let part = Rect::of(extent);
        let kernel = sampling.kernel;
        let scaled =
            resample_plane(&plane, part, extent, mapping, shown, kernel, limits, deadline)?;
        if shown == Rect::of(reply) {
            return Ok(scaled);
        }
        let mut data = limits.zeroed(reply.pixels())?;
        data.fill(background);
        let length = shown.width() as usize;
        for (row, samples) in scaled.data.chunks_exact(length).enumerate() {
            let at = (shown.top as usize + row) * reply.width as usize + shown.left as usize;
            data[at..at + length].copy_from_slice(samples);
        }
        Ok(Plane { size: reply, data })
    }
}
