//! Results of nested requests with `cache=on`, kept without loss in the reply cache (requests.md 11, 13.1): what a
//! template has in common is drawn once for all its variables.

use crate::error::{Error, Kind};
use crate::geometry::Size;
use crate::limits::Limits;
use crate::raster::{Alpha, Canvas, Model, Pixels};
use crate::render;
use crate::request::CacheControl;

use super::scene::Nested;
use super::{Call, guard, validators};

/// The type of a kept canvas; no client ever gets one.
const MIME: &str = "application/x-imprint-canvas";
/// Bytes in front of the pixels: width and height, model, alpha.
const HEAD_BYTES: usize = 10;

impl Call<'_> {
    /// The pixels of a nested request that asks to be kept, from the cache or drawn now; `None` for all others, which
    /// are drawn where they are needed.
    pub(super) fn kept_canvas(&self, nested: &Nested<'_>) -> Result<Option<Canvas>, Error> {
        let cache = &self.service.cache;
        let is_obeyed =
            guard::check_address(&self.service.config.imprint.cache_control_from, self.client)
                .is_ok();
        let is_renewed = match nested.prepared.request.attributes.cache {
            Some(CacheControl::Each { server: true, .. } | CacheControl::Validate) => false,
            // For others it means `on` (`U-cache-abuse`).
            Some(CacheControl::Update) => is_obeyed,
            Some(CacheControl::Each { server: false, .. }) | None => return Ok(None),
        };
        if !cache.is_on() {
            return Ok(None);
        }
        let limits = &self.service.plan_settings.limits;
        let key = validators::canvas_key(&nested.prepared, &nested.plan);
        let entry = cache.get(&key).filter(|entry| !is_renewed && entry.mime() == MIME);
        if let Some(canvas) = entry.and_then(|entry| from_bytes(entry.content(limits)?)) {
            return Ok(Some(canvas));
        }
        let sources = nested.prepared.sources(self)?;
        let Pixels::Canvas(canvas) = render::pixels(&nested.plan, &sources, limits, self.deadline)?
        else {
            return Err(Error::new(Kind::Internal, "planes of a nested request"));
        };
        if validators::is_settled(&nested.prepared, self.now) {
            cache.put(&key, MIME, &to_bytes(&canvas, limits)?);
        }
        Ok(Some(canvas))
    }
}

fn to_bytes(canvas: &Canvas, limits: &Limits) -> Result<Vec<u8>, Error> {
    limits.check_memory((canvas.data.len() + HEAD_BYTES) as u64)?;
    let mut bytes = Vec::with_capacity(canvas.data.len() + HEAD_BYTES);
    bytes.extend_from_slice(&canvas.size.width.to_le_bytes());
    bytes.extend_from_slice(&canvas.size.height.to_le_bytes());
    bytes.push(match canvas.model {
        Model::Gray => 1,
        Model::Rgb => 3,
        Model::Cmyk => 4,
    });
    bytes.push(match canvas.alpha {
        Alpha::Opaque => 0,
        Alpha::Straight => 1,
        Alpha::Premultiplied => 2,
    });
    bytes.extend_from_slice(&canvas.data);
    Ok(bytes)
}

/// `None` for bytes that are no canvas.
fn from_bytes(bytes: Vec<u8>) -> Option<Canvas> {
    let (head, data) = bytes.split_at_checked(HEAD_BYTES)?;
    let side = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let size = Size::new(side(0)?, side(4)?);
    let model = match head.get(8)? {
        1 => Model::Gray,
        3 => Model::Rgb,
        4 => Model::Cmyk,
        _ => return None,
    };
    let alpha = match head.get(9)? {
        0 => Alpha::Opaque,
        1 => Alpha::Straight,
        2 => Alpha::Premultiplied,
        _ => return None,
    };
    let channels = model.components() as u64 + u64::from(alpha != Alpha::Opaque);
    let is_whole = size.pixels().checked_mul(channels) == Some(data.len() as u64);
    is_whole.then(|| Canvas { size, model, alpha, data: data.to_vec() })
}
