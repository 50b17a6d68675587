//! The composite: each layer step by step, merged from the bottom, and the watermark (`commands.md` 3.1, 3.2).

use super::{Context, Source, Sources};
use crate::color::convert;
use crate::error::{Error, Kind};
use crate::geometry::Rect;
use crate::plan::layer::Rotation;
use crate::plan::sampling::Sampling;
use crate::plan::{Composite, Content, Layer, MaskPlan, Watermark};
use crate::raster::blend;
use crate::raster::resample::{Kernel, Mapping, resample_plane};
use crate::raster::turn::{placed, turned};
use crate::raster::{Alpha, Canvas, Model, Pixels, Plane, alpha, mask, rotate};
use crate::request::MaskUse;

impl Context<'_> {
    /// The layers, merged, and what is done to the composite.
    pub(super) fn composite(
        &self,
        composite: &Composite,
        sources: &Sources<'_>,
    ) -> Result<Canvas, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let mut canvas: Option<Canvas> = None;
        for layer in &composite.layers {
            let picture = self.layer(layer, composite, sources)?;
            let picture = self.merged_form(picture, composite.model)?;
            canvas = Some(match canvas {
                // Layer 0 is the canvas itself.
                None => picture,
                Some(below) => {
                    let mut below = alpha::with_alpha(below, limits, deadline)?;
                    alpha::premultiply(&mut below, deadline)?;
                    let mut picture = picture;
                    alpha::premultiply(&mut picture, deadline)?;
                    blend::blend(&mut below, &picture, layer.top_left, layer.blend, 255, deadline)?;
                    below
                }
            });
        }
        let canvas =
            canvas.ok_or_else(|| Error::new(Kind::Internal, "a composite without layers"))?;
        let mut canvas = turned(canvas, composite.flip, limits, deadline)?;
        if composite.opacity < 255 {
            canvas = alpha::with_alpha(canvas, limits, deadline)?;
            alpha::premultiply(&mut canvas, deadline)?;
            blend::fade(&mut canvas, composite.opacity, deadline)?;
        }
        Ok(canvas)
    }

    /// The composite with its watermark.
    pub(super) fn watermarked(
        &self,
        composite: Canvas,
        watermark: &Watermark,
        sources: &Sources<'_>,
    ) -> Result<Canvas, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let own = sources.watermark.as_deref().ok_or_else(|| {
            Error::new(Kind::Internal, "the plan has a watermark, the call has none")
        })?;
        let Pixels::Canvas(picture) = super::pixels(&watermark.plan, own, limits, deadline)? else {
            return Err(Error::new(Kind::Internal, "planes of a watermark"));
        };
        let mut picture = self.merged_form(picture, composite.model)?;
        alpha::premultiply(&mut picture, deadline)?;
        let mut canvas = alpha::with_alpha(composite, limits, deadline)?;
        alpha::premultiply(&mut canvas, deadline)?;
        let (mode, opacity) = (watermark.blend, watermark.opacity);
        blend::blend(&mut canvas, &picture, watermark.top_left, mode, opacity, deadline)?;
        Ok(canvas)
    }

    /// The picture in the model in which layers are merged.
    fn merged_form(&self, picture: Canvas, model: Model) -> Result<Canvas, Error> {
        if picture.model == model {
            return Ok(picture);
        }
        let mut picture = picture;
        alpha::unpremultiply(&mut picture, self.deadline)?;
        convert::canvas(picture, model, self.limits, self.deadline)
    }

    /// One layer, from its source to its final rectangle.
    fn layer(
        &self,
        layer: &Layer,
        composite: &Composite,
        sources: &Sources<'_>,
    ) -> Result<Canvas, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let geometry = &layer.geometry;
        let mut canvas = match &layer.content {
            Content::Sampled(sampling) => {
                let covered = self.foreground(layer, sampling, composite.kernel, sources)?;
                self.framed(covered, layer, sampling)?
            }
            Content::Stencil(sampling) => {
                let source = sources.mask(layer.number)?;
                let shape = self.decoded_canvas(source, sampling)?;
                let shape = mask::coverage(shape, limits, deadline)?;
                let shape = match layer.mask_use {
                    MaskUse::Norm | MaskUse::Off => shape,
                    MaskUse::Invert => {
                        let data = shape.data.iter().map(|sample| 255 - sample).collect();
                        Plane { data, ..shape }
                    }
                };
                let color = layer.color.as_deref().unwrap_or_default();
                let canvas = mask::stencil(&shape, layer.model, color, limits, deadline)?;
                let covered = self.scaled(canvas, sampling)?;
                self.framed(covered, layer, sampling)?
            }
            Content::Solid | Content::Empty => {
                Canvas::zeroed(geometry.frame, layer.model, Alpha::Premultiplied, limits)?
            }
        };
        canvas = turned(canvas, geometry.flip, limits, deadline)?;
        // The foreground of a solid color layer is its color (`opac=`).
        let is_solid = layer.content == Content::Solid;
        if let Some(color) = layer.color.as_deref().filter(|_| is_solid) {
            alpha::fill_under(&mut canvas, color, deadline)?;
        }
        if layer.opacity < 255 {
            canvas = alpha::with_alpha(canvas, limits, deadline)?;
            alpha::premultiply(&mut canvas, deadline)?;
            blend::fade(&mut canvas, layer.opacity, deadline)?;
        }
        if let Some(color) = layer.color.as_deref().filter(|_| !is_solid) {
            canvas = self.filled(canvas, color, layer)?;
        }
        canvas = match geometry.rotation {
            Rotation::Quarters(turn) => turned(canvas, turn, limits, deadline)?,
            Rotation::Angle(angle) => {
                rotate::rotated(canvas, angle, composite.kernel, limits, deadline)?
            }
        };
        let (left, top) = geometry.shift;
        canvas = placed(canvas, left, top, geometry.size, limits, deadline)?;
        if let Some(color) = &layer.bg_color {
            alpha::fill_under(&mut canvas, color, deadline)?;
        }
        Ok(canvas)
    }

    /// Scaled pixels in the frame of their layer.
    fn framed(&self, covered: Canvas, layer: &Layer, sampling: &Sampling) -> Result<Canvas, Error> {
        let geometry = &layer.geometry;
        let left = sampling.covered.left + geometry.frame_shift.0;
        let top = sampling.covered.top + geometry.frame_shift.1;
        placed(covered, left, top, geometry.frame, self.limits, self.deadline)
    }

    /// The covered pixels of an image layer, its mask attached and used before they are scaled.
    fn foreground(
        &self,
        layer: &Layer,
        sampling: &Sampling,
        kernel: Kernel,
        sources: &Sources<'_>,
    ) -> Result<Canvas, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let mut canvas = self.decoded_canvas(sources.image(layer.number)?, sampling)?;
        if let Some(plan) = &layer.mask {
            let plane = self.stretched(sources.mask(layer.number)?, plan, kernel)?;
            let part = sampling.part.shifted(plan.start.0, plan.start.1);
            canvas = mask::attached(canvas, &plane, part, limits, deadline)?;
        }
        let how = match layer.mask_use {
            MaskUse::Norm => mask::Use::Norm,
            MaskUse::Invert => mask::Use::Invert,
            MaskUse::Off => mask::Use::Off,
        };
        let canvas = mask::used(canvas, how, limits, deadline)?;
        self.scaled(canvas, sampling)
    }

    /// A whole mask, upright, in the size of the source it belongs to (`U048`).
    fn stretched(
        &self,
        source: &Source<'_>,
        plan: &MaskPlan,
        kernel: Kernel,
    ) -> Result<Plane, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let whole = Sampling::whole(source.header, kernel);
        let canvas = self.decoded_canvas(source, &whole)?;
        let plane = mask::coverage(canvas, limits, deadline)?;
        if plane.size == plan.size {
            return Ok(plane);
        }
        let mapping = Mapping::between(plane.size, plan.size);
        let (part, window) = (Rect::of(plane.size), Rect::of(plan.size));
        let size = plane.size;
        resample_plane(&plane, part, size, mapping, window, kernel, limits, deadline)
    }

    /// `color=` under the foreground, but not in the crop-extension (L12).
    fn filled(&self, canvas: Canvas, color: &[u8], layer: &Layer) -> Result<Canvas, Error> {
        let (limits, deadline) = (self.limits, self.deadline);
        let mut canvas = canvas;
        let geometry = &layer.geometry;
        let inside = match &layer.content {
            Content::Sampled(sampling) => {
                let (dx, dy) = geometry.frame_shift;
                geometry.flip.of_rect(sampling.covered.shifted(dx, dy), geometry.frame)
            }
            // A stencil is its color already.
            Content::Solid | Content::Empty | Content::Stencil(_) => return Ok(canvas),
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
}
