//! The variables of a request (FastCGI parameters, CGI environment, preview headers) to a `RawRequest`. Reads only
//! the names listed here, so no setting, path or proxy can come from a request (G-8, G-9). Decodes no path.

use std::net::IpAddr;

use crate::error::{Error, Kind};
use crate::journal::{Asked, TARGET_BYTES, VALUE_BYTES};
use crate::request::{Method, RawRequest, RequestHeaders, Target};

/// What a request's environment is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// Paths under which we are reached (`prefix.image`, `prefix.content`), without a trailing slash. Empty: any.
    pub prefixes: Vec<Vec<u8>>,
    /// Longest body that is read, in bytes (`U-post`: the limit of the query); 64 KiB.
    pub body_limit: usize,
}

impl Default for Front {
    fn default() -> Front {
        Front {
            prefixes: vec![b"/is/image".to_vec(), b"/is/content".to_vec()],
            body_limit: 64 << 10,
        }
    }
}

#[derive(Default)]
struct Variables<'a> {
    method: Option<&'a [u8]>,
    uri: Option<&'a [u8]>,
    script: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    query: Option<&'a [u8]>,
    peer: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    headers: RequestHeaders,
}

/// A request without its body, and the length of that body if it was announced.
///
/// `REQUEST_URI` decides (`U-raw-uri`). `SCRIPT_NAME` + `PATH_INFO` + `QUERY_STRING` count when it is absent, or when
/// it lies under none of `front.prefixes` and there is a `PATH_INFO` (the site rewrites): a `SCRIPT_NAME` alone is a
/// constant of the web server's settings and says nothing about the request.
///
/// Of a variable that comes twice the last counts, as web servers' default parameter lists are meant to be overridden;
/// headers that are lists are joined; a second, different method, length or single-valued header is refused.
/// Fails with `BadRequest`, or with `BodyTooLarge` when the announced length exceeds the limit (G-6, G-7).
pub fn raw_request<'a>(
    variables: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    front: &Front,
) -> Result<(RawRequest, Option<usize>), Error> {
    let mut found = Variables::default();
    for (name, value) in variables {
        match name {
            b"REQUEST_METHOD" => once(&mut found.method, value, "REQUEST_METHOD")?,
            b"CONTENT_LENGTH" => once(&mut found.length, value, "CONTENT_LENGTH")?,
            b"REQUEST_URI" => found.uri = Some(value),
            b"SCRIPT_NAME" => found.script = Some(value),
            b"PATH_INFO" => found.path = Some(value),
            b"QUERY_STRING" => found.query = Some(value),
            b"REMOTE_ADDR" => found.peer = Some(value),
            _ => header(&mut found.headers, name, value)?,
        }
    }
    let method = match filled(found.method) {
        Some(token) => Method::from_token(token),
        None => return Err(bad("request without REQUEST_METHOD")),
    };
    let length = match filled(found.length) {
        Some(text) => Some(body_length(text, front.body_limit)?),
        None => None,
    };
    let target = target(&found, front)?;
    let peer = found.peer.and_then(address);
    let headers = found.headers;
    Ok((RawRequest { method, target, peer, headers, body: Vec::new() }, length))
}

/// What the access log says of a request, with the values of `headers` (in lower case). Everything is cut to what a
/// line holds of it; the last of several values counts.
pub(super) fn asked<'a>(
    variables: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    headers: &[String],
) -> Asked {
    let mut asked = Asked::default();
    let (mut script, mut path, mut query): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
    for (name, value) in variables {
        match name {
            b"REQUEST_METHOD" => asked.method = kept(value, VALUE_BYTES),
            b"REQUEST_URI" => asked.uri = kept(value, TARGET_BYTES),
            b"SCRIPT_NAME" => script = value,
            b"PATH_INFO" => path = value,
            b"QUERY_STRING" => query = value,
            b"SERVER_PROTOCOL" => asked.protocol = kept(value, VALUE_BYTES),
            b"REMOTE_ADDR" => asked.remote = kept(value, VALUE_BYTES),
            b"SERVER_ADDR" => asked.local = kept(value, VALUE_BYTES),
            b"SERVER_PORT" => asked.port = kept(value, VALUE_BYTES),
            b"SERVER_NAME" => asked.server = kept(value, VALUE_BYTES),
            b"REMOTE_USER" => asked.user = kept(value, VALUE_BYTES),
            _ => {}
        }
        if let Some(header) = headers.iter().find(|header| is_variable_of(name, header)) {
            asked.headers.retain(|(known, _)| known != header);
            asked.headers.push((header.clone(), kept(value, VALUE_BYTES)));
        }
    }
    if asked.uri.is_empty() {
        asked.uri = kept(&[script, path].concat(), TARGET_BYTES);
        if !query.is_empty() {
            asked.uri.push(b'?');
            asked.uri.extend_from_slice(query.get(..TARGET_BYTES).unwrap_or(query));
        }
    }
    asked
}

/// One byte more than a line holds, so that it shows that something was cut.
fn kept(value: &[u8], most: usize) -> Vec<u8> {
    value.get(..most.saturating_add(1)).unwrap_or(value).to_vec()
}

/// Whether a variable holds the header of this name in lower case.
fn is_variable_of(variable: &[u8], header: &str) -> bool {
    let is_same = |name: &[u8]| {
        name.len() == header.len()
            && name.iter().zip(header.bytes()).all(|(&known, wanted)| {
                known == wanted.to_ascii_uppercase() || (known == b'_' && wanted == b'-')
            })
    };
    match variable.strip_prefix(b"HTTP_") {
        Some(name) => is_same(name),
        None => variable.starts_with(b"CONTENT_") && is_same(variable),
    }
}

fn target(found: &Variables<'_>, front: &Front) -> Result<Target, Error> {
    let uri = filled(found.uri);
    if let Some(uri) = uri
        && (filled(found.path).is_none() || is_under(uri, &front.prefixes))
    {
        return Ok(Target::Raw(uri.to_vec()));
    }
    let path = [found.script.unwrap_or_default(), found.path.unwrap_or_default()].concat();
    if path.is_empty() {
        return Err(bad("request without REQUEST_URI, SCRIPT_NAME and PATH_INFO"));
    }
    Ok(Target::Decoded { path, query: found.query.unwrap_or_default().to_vec() })
}

/// Whether the path of `uri`, in origin or absolute form, lies under one of `prefixes`.
fn is_under(uri: &[u8], prefixes: &[Vec<u8>]) -> bool {
    if prefixes.is_empty() {
        return true;
    }
    let path = without_authority(uri);
    prefixes.iter().any(|prefix| {
        let rest = path.strip_prefix(prefix.as_slice());
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b'?' | b'#')))
    })
}

/// `http://host/path` without scheme and host; anything else as it is.
fn without_authority(uri: &[u8]) -> &[u8] {
    let Some(colon) = uri.windows(3).position(|three| three == b"://") else { return uri };
    let (scheme, rest) = uri.split_at(colon);
    if scheme.is_empty() || !scheme.iter().all(u8::is_ascii_alphanumeric) {
        return uri;
    }
    let rest = rest.get(3..).unwrap_or_default();
    let end = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    rest.get(end..).unwrap_or_default()
}

fn header(headers: &mut RequestHeaders, name: &[u8], value: &[u8]) -> Result<(), Error> {
    let (slot, is_list) = match name {
        b"HTTP_IF_NONE_MATCH" => (&mut headers.if_none_match, true),
        b"HTTP_IF_MODIFIED_SINCE" => (&mut headers.if_modified_since, false),
        b"HTTP_RANGE" => (&mut headers.range, false),
        b"HTTP_IF_RANGE" => (&mut headers.if_range, false),
        b"HTTP_ACCEPT" => (&mut headers.accept, true),
        b"HTTP_ORIGIN" => (&mut headers.origin, false),
        b"HTTP_REFERER" => (&mut headers.referer, false),
        b"HTTP_SEC_FETCH_SITE" => (&mut headers.sec_fetch_site, false),
        b"HTTP_SEC_PURPOSE" | b"HTTP_PURPOSE" => (&mut headers.purpose, true),
        b"HTTP_X_FORWARDED_FOR" => (&mut headers.forwarded_for, true),
        b"HTTP_HOST" => (&mut headers.host, false),
        b"CONTENT_TYPE" | b"HTTP_CONTENT_TYPE" => (&mut headers.content_type, false),
        b"HTTP_X_IMPRINT_REDIRECT" => {
            headers.is_redirected |= !value.is_empty();
            return Ok(());
        }
        _ => return Ok(()),
    };
    if value.is_empty() {
        return Ok(());
    }
    match slot {
        None => *slot = Some(value.to_vec()),
        Some(known) if known == value => {}
        Some(known) if is_list => {
            known.extend_from_slice(b", ");
            known.extend_from_slice(value);
        }
        Some(_) => return Err(bad("a header that may come once came twice")),
    }
    Ok(())
}

/// A second value may only repeat the first; an empty one says nothing.
fn once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8], name: &str) -> Result<(), Error> {
    if value.is_empty() {
        return Ok(());
    }
    if slot.is_some_and(|known| known != value) {
        return Err(bad(format!("request with two values of {name}")));
    }
    *slot = Some(value);
    Ok(())
}

/// Digits only, at most 19 of them, and not above `limit`.
fn body_length(text: &[u8], limit: usize) -> Result<usize, Error> {
    if !text.iter().all(u8::is_ascii_digit) {
        return Err(bad("CONTENT_LENGTH is not a number"));
    }
    let digits = text.iter().skip_while(|&&byte| byte == b'0');
    let length = digits.fold(0_usize, |length, &digit| {
        length.saturating_mul(10).saturating_add(usize::from(digit.saturating_sub(b'0')))
    });
    if length > limit {
        return Err(Error::new(
            Kind::BodyTooLarge,
            format!("body of {length} bytes exceeds the limit of {limit}"),
        ));
    }
    Ok(length)
}

/// An IP address; a zone is cut off, and an IPv4 address in IPv6 form is given as IPv4, as address filters expect.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.split('%').next()?;
    let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn filled(value: Option<&[u8]>) -> Option<&[u8]> {
    value.filter(|value| !value.is_empty())
}

fn bad(detail: impl Into<String>) -> Error {
    Error::new(Kind::BadRequest, detail)
}
