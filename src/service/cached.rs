//! Images through the reply cache: what `cache=` means for the server, look-up, rendering, storing, `req=loadcache`.
//!
//! The key is made from open sources and the whole plan (see room `cache`), so an entry that is found is the reply.
//! Only images that were rendered are stored: no errors, no property replies, nothing that a POST asked for (`U-post`).

use std::io::{Cursor, Write};

use crate::cache::{CacheUse, Key, Turn};
use crate::error::{Error, Kind};
use crate::plan::{Plan, Purpose};
use crate::reply::Reply;
use crate::reply::property::Properties;
use crate::request::{CacheControl, Method, Request};
use crate::save::PendingFile;

use super::admission::Class;
use super::prepare::Prepared;
use super::{Call, guard, validators};

/// Whether an image may go through the server's cache at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caching {
    /// As `cache=` says.
    Allowed,
    /// No: the image shows an error.
    Never,
}

/// What a request may do with the server's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Read and store; a hit is logged as `found`.
    Shared { found: CacheUse },
    /// Store only (`cache=update`).
    Renewed,
    /// Neither.
    Ignored,
}

/// An image and where it comes from.
pub(super) struct Served {
    /// The encoded image.
    pub body: Vec<u8>,
    /// What the cache had to do with it.
    pub cache_use: CacheUse,
    /// Under which key.
    pub key: Key,
}

impl Call<'_> {
    /// The encoded image of a plan whose ETag is `etag`: from the cache, or rendered and stored.
    ///
    /// Fails as rendering does, with `TooLarge` beyond `MaxMessageSize`; never because of the cache.
    pub(super) fn served(
        &self,
        prepared: &Prepared<'_>,
        plan: &Plan,
        etag: &str,
        caching: Caching,
    ) -> Result<Served, Error> {
        let key = validators::key(prepared, etag);
        let access = match (caching, self.raw.method) {
            (Caching::Allowed, Method::Get | Method::Head) => self.access(&prepared.request),
            (Caching::Never, _) | (_, Method::Post | Method::Options | Method::Other) => {
                Access::Ignored
            }
        };
        let (body, cache_use) = match access {
            Access::Ignored => (self.rendered(prepared, plan)?, CacheUse::Ignored),
            Access::Renewed => {
                let body = self.rendered(prepared, plan)?;
                let is_stored = self.stored(prepared, plan, &key, &body);
                (body, if is_stored { CacheUse::Updated } else { CacheUse::Ignored })
            }
            Access::Shared { found } => self.shared(prepared, plan, &key, found)?,
        };
        let served = Served { body, cache_use, key };
        log::debug!("cache {} {}", served.cache_use.word(), served.key.path());
        Ok(served)
    }

    /// From the cache, or rendered by one of several equal requests.
    fn shared(
        &self,
        prepared: &Prepared<'_>,
        plan: &Plan,
        key: &Key,
        found: CacheUse,
    ) -> Result<(Vec<u8>, CacheUse), Error> {
        if let Some(body) = self.found(key, plan) {
            return Ok((body, found));
        }
        let flight = match self.service.cache.turn(key, self.deadline)? {
            Turn::First(flight) => Some(flight),
            Turn::Alone => None,
            Turn::Landed => match self.found(key, plan) {
                Some(body) => return Ok((body, found)),
                None => None,
            },
        };
        let body = self.rendered(prepared, plan)?;
        let is_stored = self.stored(prepared, plan, key, &body);
        if let Some(flight) = flight.filter(|_| is_stored) {
            flight.land();
        }
        Ok((body, if is_stored { CacheUse::Created } else { CacheUse::Ignored }))
    }

    fn access(&self, request: &Request) -> Access {
        let service = self.service;
        let is_obeyed = |_: &CacheControl| {
            guard::check_address(&service.config.imprint.cache_control_from, self.client).is_ok()
        };
        if !service.cache.is_on() {
            return Access::Ignored;
        }
        // For others the server's part of `cache=` is on (`U-cache-abuse`).
        match request.attributes.cache.filter(is_obeyed) {
            None | Some(CacheControl::Each { client: _, server: true }) => {
                Access::Shared { found: CacheUse::Reused }
            }
            Some(CacheControl::Validate) => Access::Shared { found: CacheUse::Validated },
            Some(CacheControl::Update) => Access::Renewed,
            Some(CacheControl::Each { client: _, server: false }) => Access::Ignored,
        }
    }

    /// The content of an entry, unless it is larger than the settings allow by now.
    fn found(&self, key: &Key, plan: &Plan) -> Option<Vec<u8>> {
        let entry = self.service.cache.get(key).filter(|entry| entry.mime() == plan.output.mime)?;
        let is_small = entry.length() <= self.service.config.is.max_message_bytes;
        entry.content(&self.service.plan_settings.limits).filter(|_| is_small)
    }

    fn stored(&self, prepared: &Prepared<'_>, plan: &Plan, key: &Key, body: &[u8]) -> bool {
        validators::is_settled(prepared, self.now)
            && self.service.cache.put(key, plan.output.mime, body)
    }

    fn rendered(&self, prepared: &Prepared<'_>, plan: &Plan) -> Result<Vec<u8>, Error> {
        let limit = self.service.config.is.max_message_bytes;
        let mut body = Cursor::new(Vec::new());
        {
            let _permit = self.admitted(plan, Class::Image)?;
            self.encoded(prepared, plan, &mut body)?;
        }
        let body = body.into_inner();
        if body.len() as u64 > limit {
            return Err(Error::new(
                Kind::TooLarge,
                format!("reply of {} bytes exceeds MaxMessageSize {limit}", body.len()),
            ));
        }
        Ok(body)
    }

    /// Writes the image into a file to be saved: from the cache where it is there (`U-save-cache`), or rendered.
    pub(super) fn written(
        &self,
        prepared: &Prepared<'_>,
        plan: &Plan,
        file: &mut PendingFile,
    ) -> Result<(), Error> {
        let found = match self.access(&prepared.request) {
            Access::Shared { found: _ } => {
                let etag = validators::etag(prepared, plan);
                self.found(&validators::key(prepared, &etag), plan)
            }
            Access::Renewed | Access::Ignored => None,
        };
        match found {
            Some(body) => file
                .write_all(&body)
                .map_err(|error| Error::new(Kind::Unwritable, "a write failed").with_cause(error)),
            None => self.encoded(prepared, plan, file),
        }
    }

    /// `req=loadcache`: runs as `img`, answers how long the reply is (`U-loadcache`).
    pub(super) fn load_cache(&self) -> Result<Reply, Error> {
        let prepared = self.prepared()?;
        let plan = prepared.planned(self, Purpose::Reply)?;
        let etag = validators::etag(&prepared, &plan);
        let served = self.served(&prepared, &plan, &etag, Caching::Allowed)?;
        let mut properties = Properties::new();
        properties.int("image.length", served.body.len() as u64);
        let mut reply = self.text_reply(&properties);
        reply.facts.cache_use = served.cache_use;
        reply.facts.cache_key = served.key.path();
        Ok(reply)
    }

    /// Bytes of the reply (`image.length`), 0 while it is not in the cache (`U-length-unit`).
    pub(super) fn stored_length(&self, prepared: &Prepared<'_>, plan: &Plan) -> u64 {
        let etag = validators::etag(prepared, plan);
        self.service.cache.length(&validators::key(prepared, &etag)).unwrap_or(0)
    }
}
