//! Foreign sources of a request: the text of `src=(url)` or `mask=(url)` to an image and its header (requests.md 11).

use crate::catalog::Attributes;
use crate::codec::{self, Header, Input};
use crate::config::Config;
use crate::error::{Error, Kind, shown};
use crate::limits::{Deadline, Limits};
use crate::request::decode_value;
use crate::source::{RemoteImage, RemoteSettings, RemoteUrl, check_remote_header};

use super::Service;

/// How foreign sources are fetched.
pub(super) fn settings(config: &Config, limits: &Limits) -> RemoteSettings {
    RemoteSettings {
        timeout: config.is.remote_url_timeout,
        default_expiration: config.is.remote_url_default_expiration,
        hosts: config.imprint.remote_hosts.clone(),
        max_bytes: config.imprint.remote_max_bytes.min(limits.source_bytes),
        cache_bytes: config.imprint.remote_cache_bytes,
        authorities: config.imprint.remote_authorities.clone(),
    }
}

impl Service {
    /// The image behind the text between the brackets of `src=(…)` or `mask=(…)`, with its header; `attributes` are
    /// those of the main catalog with what rules set.
    ///
    /// Variables must have been replaced: the final URL is what is checked (`U-ssrf`). The text is the URL as written,
    /// escapes of its own included (`U-var-raw`); one that a client encoded as a whole (`http%3A…`) is decoded once.
    ///
    /// `Syntax` for bad escapes, `Refused` for what catalog and settings do not allow, `Unreadable` for a server that
    /// fails and for content that is no image or has more than 8 bits a component, `TooLarge` past the limits. Default
    /// images do not cover any of them (requests.md 11).
    pub fn remote_source(
        &self,
        url_text: &str,
        attributes: &Attributes,
        deadline: &Deadline,
    ) -> Result<(RemoteImage, Header), Error> {
        let url = match is_encoded(url_text) {
            true => RemoteUrl::parse(&decode_value(url_text)?, attributes)?,
            false => RemoteUrl::parse(url_text, attributes)?,
        };
        let image = self.remote.fetch(&url, deadline)?;
        let mut input = Input::new(&image, deadline);
        let header = codec::probe(&mut input, &self.plan_settings.limits);
        let header = header.and_then(|header| check_remote_header(&header).map(|()| header));
        let header = header.map_err(|error| {
            let error = match error.kind() {
                Kind::Unsupported => Error::new(Kind::Unreadable, error.detail()),
                _ => error,
            };
            error.context(format_args!("foreign source {}", shown(url.as_str())))
        })?;
        Ok((image, header))
    }
}

/// Whether the colon of an absolute URL is escaped, and so all of it.
fn is_encoded(text: &str) -> bool {
    let starts = |prefix: &str| {
        text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    starts("http%3a") || starts("https%3a")
}
