//! Redirect on error (requests.md 23.5): which failures a second server is asked about, and its answer as a reply.

use crate::cache::CacheUse;
use crate::config::Config;
use crate::error::{Error, Kind, shown};
use crate::limits::Deadline;
use crate::reply::{Facts, HeaderName, HeaderValue, Reply};
use crate::request::{Context, Located, Method, RawRequest, Target};
use crate::source::{Remote, Secondary, SecondaryAnswer, SecondaryQuestion, SecondarySettings};

use super::{Call, Service};

/// Headers of the second server that are passed on; all others describe a connection or a server that is not ours.
const PASSED_ON: [&str; 8] = [
    "Cache-Control",
    "Content-Disposition",
    "Content-Language",
    "Content-Type",
    "ETag",
    "Expires",
    "Retry-After",
    "X-Content-Type-Options",
];

/// The second server, if there is one.
pub(super) fn secondary(config: &Config, remote: &Remote) -> Option<Secondary> {
    let settings = SecondarySettings {
        root_url: config.ps.error_redirect_root_url.clone()?,
        connect_timeout: config.ps.error_redirect_connect_timeout,
        socket_timeout: config.ps.error_redirect_socket_timeout,
        max_bytes: config.is.max_message_bytes,
    };
    Some(Secondary::beside(remote, settings))
}

/// Marks a failure to open what the second server may be asked about: the file of a record that is missing, and a file
/// that cannot be read as an image, of a record or not. Missing files without a record never count.
pub(super) fn judged(error: Error, is_record: bool) -> Error {
    match error.kind() {
        Kind::NotFound if is_record => error.blaming_source(),
        Kind::Unreadable | Kind::Unsupported => error.blaming_source(),
        _ => error,
    }
}

/// Marks pixels that cannot be decoded: the image is corrupt.
pub(super) fn judged_pixels(error: Error) -> Error {
    match error.kind() {
        Kind::Unreadable => error.blaming_source(),
        _ => error,
    }
}

/// Whether a failure is one that the second server is asked about, for a request that may be passed on: no save, not
/// passed on already (`U-redirect`), no `|` in its path.
fn is_passed_on(error: &Error, is_save: bool, raw: &RawRequest) -> bool {
    let path = match &raw.target {
        Target::Raw(uri) => uri.split(|byte| *byte == b'?').next().unwrap_or_default(),
        Target::Decoded { path, .. } => path,
    };
    let has_bar =
        path.contains(&b'|') || path.windows(3).any(|three| three.eq_ignore_ascii_case(b"%7c"));
    error.blames_source() && !is_save && !raw.headers.is_redirected && !has_bar
}

impl Call<'_> {
    /// As `Service::redirects`, for the failure of a part of the request.
    pub(super) fn redirects(&self, error: &Error) -> bool {
        self.service.redirects(self.raw, self.deadline, error)
    }
}

impl Service {
    /// Whether the second server is asked instead of showing `error`; then neither a default image nor an error image
    /// takes its place.
    pub(super) fn redirects(&self, raw: &RawRequest, deadline: &Deadline, error: &Error) -> bool {
        self.secondary.is_some() && is_passed_on(error, deadline.is_save(), raw)
    }

    /// The second server's reply, good or bad; `None`, with the reason in the log, when there is none to pass on.
    pub(super) fn redirected(
        &self,
        raw: &RawRequest,
        located: &Located,
        error: &Error,
        deadline: &Deadline,
    ) -> Option<Reply> {
        let prefix = match located.context {
            Context::Content => &self.prefixes.content,
            Context::Image | Context::Render => &self.prefixes.image,
        };
        let mut target = format!("{prefix}/{}", located.object_encoded).into_bytes();
        if let Some(query) = &located.query {
            target.push(b'?');
            target.extend_from_slice(query);
        }
        let body = (raw.method == Method::Post).then_some(raw.body.as_slice());
        let headers = &raw.headers;
        let content_type = headers.content_type.as_deref().filter(|_| body.is_some());
        let headers: Vec<(&str, &[u8])> = [
            headers.accept.as_deref().map(|accept| ("Accept", accept)),
            content_type.map(|content_type| ("Content-Type", content_type)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let question = SecondaryQuestion { target: &target, headers: &headers, body };
        let shown_target = shown(&String::from_utf8_lossy(&target));
        let answer = self.secondary.as_ref()?.ask(question, deadline);
        match answer.and_then(reply) {
            Ok(mut reply) => {
                *reply.facts = Facts { cache_use: CacheUse::Remote, ..Facts::of_error(error) };
                log::info!("REMOTE {} {shown_target} because of: {error}", reply.status);
                Some(reply)
            }
            Err(failure) => {
                log::warn!("REMOTE failed {shown_target}: {failure}");
                None
            }
        }
    }
}

/// The answer as ours: status, type, body and harmless headers.
fn reply(answer: SecondaryAnswer) -> Result<Reply, Error> {
    if !matches!(answer.status, 200..=299 | 400..=599) {
        let detail = format!("the second server answers {}", answer.status);
        return Err(Error::new(Kind::Unreadable, detail));
    }
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for name in PASSED_ON {
        let of_name = answer.headers.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        if let Some((_, value)) = of_name {
            headers.push((name.into(), HeaderValue::new(String::from_utf8_lossy(value))));
        }
    }
    if !answer.body.is_empty() && !headers.iter().any(|(name, _)| name.as_str() == "Content-Type") {
        headers.push(("Content-Type".into(), HeaderValue::new("application/octet-stream")));
    }
    Ok(Reply::new(answer.status, headers, answer.body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::RequestHeaders;

    #[test]
    fn s_79_only_missing_files_of_records_and_corrupt_images_are_passed_on() {
        let raw = |path: &str, is_redirected| RawRequest {
            method: Method::Get,
            target: Target::Raw(path.as_bytes().to_vec()),
            peer: None,
            headers: RequestHeaders { is_redirected, ..RequestHeaders::default() },
            body: Vec::new(),
        };
        let mut count = 0;
        for (name, kind, is_record, expected) in [
            ("missing file of a record", Kind::NotFound, true, true),
            ("missing file without record", Kind::NotFound, false, false),
            ("corrupt image of a record", Kind::Unreadable, true, true),
            ("corrupt image without record", Kind::Unreadable, false, true),
            ("what is no image at all", Kind::Unsupported, true, true),
            ("too large", Kind::TooLarge, true, false),
            ("too late", Kind::TimedOut, true, false),
            ("too busy", Kind::Busy, true, false),
            ("refused", Kind::Refused, true, false),
            ("own fault", Kind::Internal, true, false),
        ] {
            let error = judged(Error::new(kind, name), is_record).context("in a source");
            assert_eq!(is_passed_on(&error, false, &raw("/a", false)), expected, "{name}");
            count += 1;
        }
        let missing = judged(Error::new(Kind::NotFound, "missing"), true);
        for (name, is_save, is_redirected, path, expected) in [
            ("plain", false, false, "/a?b|c%7c", true),
            ("a save", true, false, "/a", false),
            ("passed on already", false, true, "/a", false),
            ("a bar", false, false, "/a|b", false),
            ("an encoded bar", false, false, "/a%7Cb?c", false),
        ] {
            let found = is_passed_on(&missing, is_save, &raw(path, is_redirected));
            assert_eq!(found, expected, "{name}");
            count += 1;
        }
        let unjudged = Error::new(Kind::NotFound, "no record");
        assert!(!is_passed_on(&unjudged, false, &raw("/a", false)), "not judged");
        assert_eq!(count, 15);
    }
}
