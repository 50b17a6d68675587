//! The URL of a foreign source: text and catalog attributes to a checked URL (requests.md 11). It resolves no name.

use url::{Host, Url};

use crate::catalog::Attributes;
use crate::error::{Error, Kind, shown};

/// Longest URL in bytes.
const MOST_BYTES: usize = 8 << 10;

/// The URL of a foreign source, allowed by the catalog: `http` or `https`, without user, password and fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteUrl {
    url: Url,
}

impl RemoteUrl {
    /// Reads the URL of `src=(…)` or `mask=(…)` after the substitution of variables.
    ///
    /// An absolute URL needs `AllowDirectUrls`, and a host within `TrustedDomains` where that lists any (the list
    /// itself is documented for another purpose; whoever trusts certain domains is taken at their word here too). A
    /// relative one is put behind `RootUrl`, whatever slashes lie between, and must stay below it.
    ///
    /// `Refused` for everything that the catalog does not allow and for spellings that browsers and servers read
    /// differently: other schemes (`U-foreign-schemes`), user-info, fragments, backslashes, control characters
    /// and blanks, `//host`, `http:host`, dot elements that leave `RootUrl`.
    pub fn parse(text: &str, attributes: &Attributes) -> Result<RemoteUrl, Error> {
        if text.is_empty() || text.len() > MOST_BYTES {
            return Err(refused(text, &format!("expected 1 to {MOST_BYTES} bytes")));
        }
        let is_bad = |c: char| c.is_control() || c.is_whitespace() || c == '\\' || c == '#';
        if let Some(c) = text.chars().find(|c| is_bad(*c)) {
            return Err(refused(text, &format!("it holds {c:?}")));
        }
        match scheme(text) {
            Some(scheme) => absolute(text, scheme, attributes),
            None => relative(text, attributes),
        }
    }

    /// The URL as it is asked for; the key of caches.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }
}

/// What stands in front of the first colon, if it is a scheme by its letters.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    is_scheme.then_some(scheme)
}

fn absolute(text: &str, scheme: &str, attributes: &Attributes) -> Result<RemoteUrl, Error> {
    if !attributes.allow_direct_urls {
        return Err(refused(text, "AllowDirectUrls is off"));
    }
    if !["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        return Err(refused(text, "expected http or https"));
    }
    let url = checked(text)?;
    let host = url.host_str().unwrap_or_default();
    let trusted = &attributes.trusted_domains;
    if !trusted.is_empty() && !trusted.iter().any(|domain| is_within(host, domain)) {
        return Err(refused(text, "the host is not in TrustedDomains"));
    }
    Ok(RemoteUrl { url })
}

fn relative(text: &str, attributes: &Attributes) -> Result<RemoteUrl, Error> {
    let Some(root) = attributes.root_url.as_deref().filter(|root| !root.is_empty()) else {
        return Err(refused(text, "RootUrl is empty"));
    };
    if text.starts_with("//") {
        return Err(refused(text, "it begins with two slashes"));
    }
    let root = checked(root).map_err(|error| error.context("RootUrl"))?;
    if root.query().is_some() {
        return Err(refused(root.as_str(), "RootUrl has a query"));
    }
    let prefix = format!("{}/", root.as_str().trim_end_matches('/'));
    let url = checked(&format!("{prefix}{}", text.trim_start_matches('/')))?;
    let leaves = url.origin() != root.origin() || !url.as_str().starts_with(&prefix);
    if leaves || has_dots(url.path()) {
        return Err(refused(text, "it leaves RootUrl"));
    }
    Ok(RemoteUrl { url })
}

/// A URL with `scheme://host` as written, without user and fragment.
fn checked(text: &str) -> Result<Url, Error> {
    // The parser would mend what is missing or too much behind the colon.
    let rest = text.split_once("://").map(|(_, rest)| rest);
    let authority = rest.and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    if authority.is_empty() {
        return Err(refused(text, "expected scheme://host"));
    }
    if authority.contains('@') {
        return Err(refused(text, "it names a user"));
    }
    let url = Url::parse(text).map_err(|cause| refused(text, "it is no URL").with_cause(cause))?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && url.port() != Some(0);
    match url.host() {
        Some(Host::Domain(name)) if name.trim_end_matches('.').is_empty() => {
            Err(refused(text, "expected scheme://host"))
        }
        Some(_) if is_plain => Ok(url),
        _ => Err(refused(text, "expected http or https, a host and a path")),
    }
}

/// Whether a server that decodes once more could see an element of dots.
fn has_dots(path: &str) -> bool {
    let mut decoded = path.to_ascii_lowercase();
    for (code, byte) in [("%25", "%"), ("%2e", "."), ("%2f", "/"), ("%5c", "/")] {
        decoded = decoded.replace(code, byte);
    }
    decoded.split('/').any(|element| matches!(element, "." | ".."))
}

/// Whether `host` is `domain` or lies below it; `*.domain` and `.domain` mean the same.
fn is_within(host: &str, domain: &str) -> bool {
    let domain = domain.strip_prefix('*').unwrap_or(domain);
    let domain = domain.trim_matches('.').to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    let below =
        host.strip_suffix(domain.as_str()).map(|rest| rest.is_empty() || rest.ends_with('.'));
    // An address has no domains below it, and an entry of nothing but a star trusts nobody.
    below == Some(true)
        && !domain.is_empty()
        && (host == domain || host.parse::<std::net::Ipv4Addr>().is_err())
}

fn refused(text: &str, why: &str) -> Error {
    Error::new(Kind::Refused, format!("foreign source {}: {why}", shown(text)))
}
