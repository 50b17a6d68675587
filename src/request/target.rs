//! The request target: context, object and query. Looks nothing up.

use super::object::Object;
use super::query::{decode, to_text};
use super::{Target, TextLimits};
use crate::error::{Error, Kind, shown};

/// What is served below a path prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// Images, properties, saves (`/is/image`).
    Image,
    /// Static content (`/is/content`).
    Content,
    /// Image rendering (`/ir/render`).
    Render,
}

/// Path prefixes of the contexts (`U-prefix`), each starting with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// `prefix.image`.
    pub image: String,
    /// `prefix.content`.
    pub content: String,
    /// Of image rendering, if that is served.
    pub render: Option<String>,
}

impl Default for Prefixes {
    /// `/is/image`, `/is/content`, none.
    fn default() -> Prefixes {
        Prefixes { image: "/is/image".into(), content: "/is/content".into(), render: None }
    }
}

/// A target taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The context.
    pub context: Context,
    /// The object; empty when the path ends with the prefix.
    pub object: Object,
    /// The object as it arrived, still encoded, without the leading slash (`$object$`, `U-var-object-form`).
    pub object_encoded: String,
    /// What follows the first unencoded `?`, undecoded; `None` without a `?` (a lock tells the two apart).
    pub query: Option<Vec<u8>>,
}

impl Located {
    /// Neither an object nor modifiers: the banner is asked for (requests.md 1.4).
    pub fn is_banner(&self) -> bool {
        self.object.is_empty() && self.query.as_ref().is_none_or(Vec::is_empty)
    }
}

/// Splits the target at the first unencoded `?`, matches the context and decodes the path, each element once.
///
/// An absolute form and a fragment are cut off (G-11). `UnknownContext` outside the prefixes, `TargetTooLong` beyond
/// the limits, `Syntax` for bad escapes and for elements that an [`Object`] must not hold (dots, commas, `\`,
/// control characters), encoded or not.
pub fn split_target(
    target: &Target,
    prefixes: &Prefixes,
    limits: &TextLimits,
) -> Result<Located, Error> {
    match target {
        Target::Raw(raw) => {
            let raw = origin_form(raw);
            let cut = raw.iter().position(|&b| b == b'#').unwrap_or(raw.len());
            let raw = raw.get(..cut).unwrap_or_default();
            let (path, query) = match raw.iter().position(|&b| b == b'?') {
                Some(at) => {
                    (raw.get(..at).unwrap_or_default(), Some(raw.get(at + 1..).unwrap_or_default()))
                }
                None => (raw, None),
            };
            locate(path, query, true, prefixes, limits)
        }
        Target::Decoded { path, query } => {
            let query = (!query.is_empty()).then_some(query.as_slice());
            locate(path, query, false, prefixes, limits)
        }
    }
}

/// `http://host/path` without scheme and host; other forms unchanged.
fn origin_form(raw: &[u8]) -> &[u8] {
    for scheme in ["http://", "https://"] {
        let Some((start, rest)) = raw.split_at_checked(scheme.len()) else { continue };
        if start.eq_ignore_ascii_case(scheme.as_bytes()) {
            let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#'));
            return rest.get(end.unwrap_or(rest.len())..).unwrap_or_default();
        }
    }
    raw
}

fn locate(
    path: &[u8],
    query: Option<&[u8]>,
    is_encoded: bool,
    prefixes: &Prefixes,
    limits: &TextLimits,
) -> Result<Located, Error> {
    let query_bytes = query.map_or(0, <[u8]>::len);
    if query_bytes > limits.query_bytes {
        let most = limits.query_bytes;
        return Err(too_long(format!("query of {query_bytes} bytes, expected at most {most}")));
    }
    // An escape is three bytes for one, so a longer path cannot be short enough after decoding.
    if path.len() > limits.path_bytes.saturating_mul(3).saturating_add(1024) {
        return Err(too_long(format!("path of {} bytes", path.len())));
    }
    let raw: Vec<&[u8]> = path.split(|&b| b == b'/').filter(|e| !e.is_empty()).collect();
    let mut elements = Vec::with_capacity(raw.len());
    for element in &raw {
        elements.push(match is_encoded {
            true => decode(element, false)?,
            false => to_text(element.to_vec())?,
        });
    }
    let contexts = [
        (Context::Image, Some(&prefixes.image)),
        (Context::Content, Some(&prefixes.content)),
        (Context::Render, prefixes.render.as_ref()),
    ];
    // The longest prefix wins, so that one may lie below another.
    let (context, skip) = contexts
        .into_iter()
        .filter_map(|(context, prefix)| Some((context, matched(&elements, prefix?)?)))
        .max_by_key(|&(_, length)| length)
        .ok_or_else(|| {
            let found = shown(&elements.join("/"));
            Error::new(
                Kind::UnknownContext,
                format!("path {found}, expected {} or {}", prefixes.image, prefixes.content),
            )
        })?;
    let object = Object::from_elements(elements.into_iter().skip(skip))?;
    let path_bytes = object.id().len();
    if path_bytes > limits.path_bytes {
        let most = limits.path_bytes;
        return Err(too_long(format!("path of {path_bytes} bytes, expected at most {most}")));
    }
    let rest = raw.get(skip..).unwrap_or_default().join(&b'/');
    let object_encoded = match is_encoded {
        true => super::query::query_text(&rest),
        false => encode_path(&rest),
    };
    Ok(Located { context, object, object_encoded, query: query.map(<[u8]>::to_vec) })
}

fn too_long(detail: String) -> Error {
    Error::new(Kind::TargetTooLong, detail)
}

/// How many elements `prefix` has, when the path starts with them.
fn matched(elements: &[String], prefix: &str) -> Option<usize> {
    let wanted: Vec<&str> = prefix.split('/').filter(|element| !element.is_empty()).collect();
    let start = elements.get(..wanted.len())?;
    start.iter().zip(&wanted).all(|(a, b)| a == b).then_some(wanted.len())
}

/// Escapes what has a meaning in a path or value.
fn encode_path(path: &[u8]) -> String {
    let mut text = String::new();
    for &byte in path {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b'/' | b'$' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Appends the body of a POST to the query, joined by `&` (`U-post`).
///
/// `BadRequest` for a body that is neither `application/x-www-form-urlencoded` nor `text/plain`, `BodyTooLarge` beyond
/// the limit of the query. Line ends around the body are dropped.
pub fn append_body(
    query: Option<Vec<u8>>,
    body: &[u8],
    content_type: Option<&[u8]>,
    limits: &TextLimits,
) -> Result<Option<Vec<u8>>, Error> {
    if body.is_empty() {
        return Ok(query);
    }
    if body.len() > limits.query_bytes {
        return Err(Error::new(
            Kind::BodyTooLarge,
            format!("body of {} bytes, expected at most {}", body.len(), limits.query_bytes),
        ));
    }
    let media_type = content_type.unwrap_or_default();
    let end = media_type.iter().position(|&b| b == b';').unwrap_or(media_type.len());
    let media_type = media_type.get(..end).unwrap_or_default().trim_ascii();
    let is_known = ["application/x-www-form-urlencoded", "text/plain"]
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known.as_bytes()));
    if !is_known {
        let found = shown(&String::from_utf8_lossy(media_type));
        return Err(Error::new(
            Kind::BadRequest,
            format!(
                "body of type {found}, expected application/x-www-form-urlencoded or text/plain"
            ),
        ));
    }
    let mut joined = query.unwrap_or_default();
    if !joined.is_empty() {
        joined.push(b'&');
    }
    joined.extend_from_slice(body.trim_ascii());
    Ok(Some(joined))
}
