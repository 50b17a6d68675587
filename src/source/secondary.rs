//! The second server, which is asked when a source is missing or broken (requests.md 23.5). What is missing or broken
//! and what becomes of the answer is decided by `service`.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::error::{Error, Kind};
use crate::limits::Deadline;

use super::remote::Remote;
use super::remote_http::{Authorities, Question, Timer, ask};
use super::remote_names::Names;

/// The header that keeps two servers from asking each other for ever (`U-redirect`).
const GUARD: (&str, &[u8]) = ("X-Imprint-Redirect", b"1");

/// How the second server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondarySettings {
    /// `PS::errorRedirect.rootUrl`: scheme, host and perhaps a port. The operator's word, so any address will do.
    pub root_url: String,
    /// `PS::errorRedirect.connectTimeout`.
    pub connect_timeout: Duration,
    /// `PS::errorRedirect.socketTimeout`, for the whole answer after connecting.
    pub socket_timeout: Duration,
    /// Longest body in bytes.
    pub max_bytes: u64,
}

/// What is asked of the second server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondaryQuestion<'a> {
    /// Path and query, beginning with `/`; bytes that a URL cannot hold are encoded.
    pub target: &'a [u8],
    /// Further headers.
    pub headers: &'a [(&'static str, &'a [u8])],
    /// A body makes it a POST.
    pub body: Option<&'a [u8]>,
}

/// What the second server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondaryAnswer {
    /// The status.
    pub status: u16,
    /// Names in lower case, values as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A server that has what this one lacks.
pub struct Secondary {
    settings: SecondarySettings,
    authorities: Arc<Authorities>,
    names: Arc<Names>,
}

impl Secondary {
    /// With the resolver and the authorities of `remote`.
    pub fn beside(remote: &Remote, settings: SecondarySettings) -> Secondary {
        Secondary { settings, authorities: remote.authorities.clone(), names: remote.names.clone() }
    }

    /// Asks, and reads the answer of any status; redirects are not followed.
    ///
    /// `Unreadable` when it cannot be reached or fails, `TooLarge` past `max_bytes`, `TimedOut` when the deadline of the
    /// request passed.
    pub fn ask(
        &self,
        question: SecondaryQuestion<'_>,
        deadline: &Deadline,
    ) -> Result<SecondaryAnswer, Error> {
        let settings = &self.settings;
        let text = format!("{}{}", settings.root_url, encoded(question.target));
        let url = Url::parse(&text).map_err(|cause| {
            Error::new(Kind::Unreadable, "the target is no URL").with_cause(cause)
        })?;
        let addresses =
            self.names.addresses(&url, &Timer::new(deadline, settings.connect_timeout))?;
        let headers = [&[GUARD], question.headers].concat();
        let limit = settings.connect_timeout.saturating_add(settings.socket_timeout);
        let asked = Question {
            url: &url,
            addresses: &addresses,
            headers: &headers,
            body: question.body,
            connect_limit: settings.connect_timeout,
            limit_bytes: settings.max_bytes,
            is_wanted: |_| true,
        };
        let answer = ask(&asked, &self.authorities, &Timer::new(deadline, limit))?;
        Ok(SecondaryAnswer { status: answer.status, headers: answer.headers, body: answer.body })
    }
}

/// Encodes what cannot stand in a URL; what is encoded already stays.
fn encoded(target: &[u8]) -> String {
    let mut out = String::with_capacity(target.len());
    for byte in target {
        match byte {
            b'#' | b'"' | b'<' | b'>' | b'`' | b'\\' => out.push_str(&format!("%{byte:02X}")),
            b'!'..=b'~' => out.push(char::from(*byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_encoded_where_it_must_be() {
        for (target, expected) in [
            (&b"/is/image/a?b=c%20d&e={f}|g"[..], "/is/image/a?b=c%20d&e={f}|g"),
            (b"/a b\xc3\xa9\n", "/a%20b%C3%A9%0A"),
            (b"/a?x=\"<>#\\`\x7f", "/a?x=%22%3C%3E%23%5C%60%7F"),
        ] {
            assert_eq!(encoded(target), expected);
        }
    }
}
