//! Caching headers and conditional requests (`requests.md` 24).

use std::time::{Duration, SystemTime};

use super::body::Body;
use super::date::http_date;
use super::{HeaderValue, Reply};

/// How long a client may keep a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ttl {
    /// Not at all: errors, saves, `cache=off`.
    Never,
    /// It may keep it, but has to ask each time (0 hours).
    AskAlways,
    /// For this many hours, above 0.
    Hours(f64),
    /// For ever (-1); conditional requests are answered 304 without a check.
    Forever,
}

impl Ttl {
    /// From the hours of a record or attribute: -1 for ever, 0 ask always.
    pub fn from_hours(hours: f64) -> Ttl {
        if hours < 0.0 {
            Ttl::Forever
        } else if hours == 0.0 {
            Ttl::AskAlways
        } else {
            Ttl::Hours(hours)
        }
    }
}

/// Seconds of a reply that never expires (`U-ttl-headers`).
const FOREVER_SECONDS: u64 = 315_360_000;

/// Adds `Cache-Control` and `Expires` (`U-ttl-headers`).
pub fn add_ttl(reply: &mut Reply, ttl: Ttl, now: SystemTime) {
    let seconds = match ttl {
        Ttl::Never => {
            reply.headers.push(("Cache-Control".into(), HeaderValue::new("no-store")));
            return;
        }
        Ttl::AskAlways => {
            reply.headers.push(("Cache-Control".into(), HeaderValue::new("no-cache, max-age=0")));
            return;
        }
        Ttl::Hours(hours) => (hours * 3600.0).round().clamp(0.0, FOREVER_SECONDS as f64) as u64,
        Ttl::Forever => FOREVER_SECONDS,
    };
    let control = HeaderValue::new(format!("public, max-age={seconds}"));
    reply.headers.push(("Cache-Control".into(), control));
    let expires = http_date(now + Duration::from_secs(seconds));
    reply.headers.push(("Expires".into(), HeaderValue::new(expires)));
}

/// Whether `If-None-Match` names `etag` (weak comparison, as for GET) or is `*`.
pub fn matches_etag(if_none_match: &[u8], etag: &str) -> bool {
    let Ok(text) = std::str::from_utf8(if_none_match) else { return false };
    text.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// The 304 of a reply: the same validators and lifetime, no content (`U-etag`).
pub fn not_modified(reply: Reply) -> Reply {
    const KEPT: [&str; 5] = ["ETag", "Cache-Control", "Expires", "Vary", "Last-Modified"];
    let headers =
        reply.headers.into_iter().filter(|(name, _)| KEPT.contains(&name.as_str())).collect();
    Reply { status: 304, headers, body: Body::empty(), facts: reply.facts }
}
