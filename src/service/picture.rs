//! `req=img`: render, encode, reply; conditional requests end before any pixel is decoded.

use crate::codec::{self, Metadata, Output as CodecOutput};
use crate::error::Error;
use crate::limits::Limits;
use crate::plan::{Plan, Purpose};
use crate::render;
use crate::reply::body::Body;
use crate::reply::caching::{self, Ttl};
use crate::reply::date::http_date;
use crate::reply::{HeaderValue, Reply};

use super::admission::{Class, Cost, Permit};
use super::cached::Caching;
use super::lookup::moment;
use super::prepare::Prepared;
use super::{Call, redirect, validators};

impl Call<'_> {
    /// The image, or 304.
    pub(super) fn image(&self) -> Result<Reply, Error> {
        let (call, prepared) = self.scene_or_default()?;
        let ttl = prepared.ttl();
        call.reply_of(&prepared, ttl, Caching::Allowed)
    }

    /// The image of a scene with the lifetime `ttl`, or 304.
    pub(super) fn reply_of(
        &self,
        prepared: &Prepared<'_>,
        ttl: Ttl,
        caching: Caching,
    ) -> Result<Reply, Error> {
        let plan = prepared.planned(self, Purpose::Reply)?;
        let content_type = ("Content-Type".into(), HeaderValue::new(plan.output.mime));
        let mut reply = Reply::new(200, vec![content_type], Body::empty());
        caching::add_ttl(&mut reply, ttl, self.now);
        let modified_ms = (prepared.attributes.use_last_modified).then(|| prepared.modified_ms());
        let etag = validators::etag(prepared, &plan);
        if ttl != Ttl::Never {
            reply.headers.push(("ETag".into(), HeaderValue::new(etag.as_str())));
        }
        if let Some(ms) = modified_ms {
            reply.headers.push(("Last-Modified".into(), HeaderValue::new(http_date(moment(ms)))));
        }
        let modified = modified_ms.map(|ms| ms.div_euclid(1000));
        if ttl != Ttl::Never && self.is_unchanged(&reply, ttl, modified) {
            return Ok(caching::not_modified(reply));
        }
        let served = self.served(prepared, &plan, &etag, caching)?;
        reply.facts.cache_use = served.cache_use;
        reply.facts.cache_key = served.key.path();
        reply.body = served.body.into();
        Ok(reply)
    }

    /// Whether the client's copy is still the one it would get (`requests.md` 24.2).
    pub(super) fn is_unchanged(&self, reply: &Reply, ttl: Ttl, modified: Option<i64>) -> bool {
        validators::is_unchanged(self.raw, reply, ttl, modified)
    }

    /// Waits until the plan may run.
    pub(super) fn admitted(&self, plan: &Plan, class: Class) -> Result<Permit, Error> {
        let cost = Cost { bytes: plan.cost.bytes, pixels: plan.cost.pixels, class };
        self.service.admission.admit(cost, self.deadline)
    }

    /// Renders and encodes into `output`.
    pub(super) fn encoded(
        &self,
        prepared: &Prepared<'_>,
        plan: &Plan,
        output: &mut dyn CodecOutput,
    ) -> Result<(), Error> {
        let limits: &Limits = &self.service.plan_settings.limits;
        let pixels = prepared
            .sources(self)
            .and_then(|sources| render::pixels(plan, &sources, limits, self.deadline));
        let pixels = pixels.map_err(redirect::judged_pixels)?;
        let header = prepared.layer_0().and_then(|layer| layer.image.as_ref());
        let icc = match plan.output.embeds_icc {
            true => header.and_then(|picture| picture.header().icc.as_deref()),
            false => None,
        };
        let metadata = Metadata { icc, density_ppi: plan.output.density_ppi, xmp: None };
        codec::encode(&pixels, &plan.output.encoding, &metadata, output, limits, self.deadline)
    }
}
