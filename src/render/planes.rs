//! The reply as YCbCr planes: decoded, scaled and encoded without ever becoming RGB. Decides nothing.

use super::{Context, Sources};
use crate::codec;
use crate::color::convert;
use crate::error::{Error, Kind};
use crate::geometry::{Rect, Size};
use crate::plan::Plan;
use crate::plan::sampling::Sampling;
use crate::raster::resample::{AxisMap, Mapping, resample_plane};
use crate::raster::turn::turned_plane;
use crate::raster::{Pixels, Plane, Planes};

impl Context<'_> {
    /// The whole reply as planes: no color conversion, chroma scaled from its own grid.
    pub(super) fn planes(
        &self,
        sampling: &Sampling,
        sources: &Sources<'_>,
        plan: &Plan,
    ) -> Result<Planes, Error> {
        let planes = match self.decoded(sources.image(0)?, sampling)? {
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
