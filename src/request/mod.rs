//! URL text to a typed request. No files, no pixels, no clock.
//!
//! A reader meets [`RawRequest`] (what a gateway hands over) first, then [`split_target`] (context, object, query),
//! [`parse`] and what it makes, a [`Request`]. The stages are pure functions: text -> [`split`] -> modifiers ->
//! [`expand_macros`] -> [`substitute`] -> [`merge()`] -> `Request`; [`resolve_text`] prints the merged commands again.

#![forbid(unsafe_code)]

use std::net::IpAddr;

mod commands;
mod conditional;
mod content;
mod disguise;
mod expand;
mod format;
mod merge;
mod object;
mod operations;
mod path;
mod placement;
mod query;
mod range;
mod req;
mod resolve;
mod table;
mod target;
mod value;

pub use commands::{
    EffectCommands, LayerCommands, LayerSource, PictureCommands, RequestCommands, ViewCommands,
};
pub use conditional::http_date_seconds;
pub use content::{ContentCommands, ContentKind};
pub use disguise::{lock_sum, revealed, split_lock, unlocked};
pub use expand::{Surroundings, expand_macros, substitute};
pub use format::{
    Chroma, Compression, Dpr, Fmt, Icc, Intent, Palette, PixelType, Pscan, Qlt, Quality, Quantize,
    ReplyFormat, ResMode,
};
pub use merge::{MergedCommand, Request, Scope, State, merge};
pub use object::{Object, SourceExpr};
pub use operations::{
    BlendMode, Colorize, Distribution, MaskUse, OpColorize, OpNoise, OpUsm, Opac, Operations,
};
pub use path::{PathData, Segment, Subpath};
pub use placement::{
    Align, AntiAliasing, Crop, Extend, Fit, FitMode, Flip, PathAttr, PathDirection, Perspective,
    PerspectiveSampling, Place, SizeArg, TextAttr, TextResMode, Unit, ViewRect, WordWrap,
};
pub use query::{Modifier, Origin, decode_value, last_value, query_text, split};
pub use range::ByteRange;
pub use req::{
    Asked, CacheControl, DefaultImage, INVALID_TIMEOUT, PropertyFormat, Req, ReqType, XmlEncoding,
};
pub use resolve::{encode_value, resolve_text};
pub use target::{Context, Located, Prefixes, append_body, split_target};

use crate::error::Error;

/// What part a request plays; it decides which commands count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// The request of a client.
    #[default]
    Main,
    /// A request within `src=` or `mask=`: what concerns the reply is ignored (requests.md 11, `U-nest-watermark`).
    Nested,
    /// The record of a watermark: `sizeN=` of layer 0 is allowed; of request and view commands `align=` alone counts.
    Watermark,
}

/// Bounds of the text of one request (`U-limits-uri`, security L-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLimits {
    /// Bytes of the query, and of a body.
    pub query_bytes: usize,
    /// Modifiers of all source strings together.
    pub modifiers: usize,
    /// Bytes of the object path after decoding.
    pub path_bytes: usize,
}

impl Default for TextLimits {
    /// 64 KiB, 2000, 4096.
    fn default() -> TextLimits {
        TextLimits { query_bytes: 64 << 10, modifiers: 2000, path_bytes: 4096 }
    }
}

/// How source strings are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// The part the request plays.
    pub role: Role,
    /// Bounds of the text.
    pub limits: TextLimits,
}

/// One string of commands that takes part in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceText<'a> {
    /// Commands as in a query, encoded; of a query see [`query_text`].
    pub text: &'a str,
    /// Where it comes from.
    pub origin: Origin,
    /// The layer it belongs to: `None` for the template, the path record and the URL, which start in `layer=comp`;
    /// `Some(n)` for the Modifier of a record that layer `n` refers to (`U-scope-reset`, `U-layer-modifier-scope`).
    pub layer: Option<u32>,
}

impl<'a> SourceText<'a> {
    /// The text of the URL's query.
    pub fn url(text: &'a str) -> SourceText<'a> {
        SourceText { text, origin: Origin::Url, layer: None }
    }
}

/// A parsed request and what it hands on.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Parsed {
    /// The request.
    pub request: Request,
    /// Its variables, name in lower case and encoded value, for nested requests ([`Surroundings::inherited`]).
    pub variables: Vec<(String, String)>,
}

/// Parses source strings, from the lowest to the highest precedence, into one request (requests.md 10.3: records of
/// layers, template or path record, URL, PostModifier).
///
/// Knows no macros and no `$object$`; see [`parse_within`]. `Syntax` for a malformed or conflicting command, with the
/// name of the command and what was expected.
pub fn parse(sources: &[SourceText<'_>], options: &Options) -> Result<Request, Error> {
    let nothing = Surroundings { macros: &|_, _| None, object: None, inherited: &[] };
    parse_within(sources, &nothing, options).map(|parsed| parsed.request)
}

/// [`parse`] with the macros, the object and the outer variables that the text may refer to.
pub fn parse_within(
    sources: &[SourceText<'_>],
    surroundings: &Surroundings<'_>,
    options: &Options,
) -> Result<Parsed, Error> {
    let (lists, variables) = expanded(sources, surroundings, options)?;
    Ok(Parsed { request: merge(&lists, options)?, variables })
}

/// The type that source strings ask for together, and in which form; the last `req=` that can be read counts, `img`
/// where there is none.
///
/// Says so for text that cannot be parsed, too: an error is shown in the form of its type.
pub fn asked(
    sources: &[SourceText<'_>],
    surroundings: &Surroundings<'_>,
    options: &Options,
) -> Asked {
    match expanded(sources, surroundings, options) {
        Ok((lists, _)) => merge::asked(&lists),
        Err(_) => merge::asked(&sources.iter().map(plainly_split).collect::<Lists>()),
    }
}

/// The decoded value of the last command of this name that the source strings hold together, macros and variables
/// carried out: for `locale=` and `template=`, which decide what else takes part. `None` where it is missing or empty.
pub fn early_value(
    sources: &[SourceText<'_>],
    surroundings: &Surroundings<'_>,
    options: &Options,
    name: &str,
) -> Result<Option<String>, Error> {
    let (lists, _) = expanded(sources, surroundings, options)?;
    let all: Vec<Modifier> = lists.into_iter().flat_map(|(_, list)| list).collect();
    last_value(&all, name).map(|value| value.filter(|value| !value.is_empty()))
}

/// Modifiers of each source string and the layer it belongs to.
type Lists = Vec<(Option<u32>, Vec<Modifier>)>;

/// Split, macros expanded, variables substituted; and the variables.
fn expanded(
    sources: &[SourceText<'_>],
    surroundings: &Surroundings<'_>,
    options: &Options,
) -> Result<(Lists, Vec<(String, String)>), Error> {
    let mut lists = Vec::with_capacity(sources.len());
    let mut left = options.limits.modifiers;
    for (index, source) in sources.iter().enumerate() {
        let list = split(source.text, source.origin, left)?;
        let list = expand_macros(list, &|name| (surroundings.macros)(index, name), left)?;
        left -= list.len().min(left);
        lists.push((source.layer, list));
    }
    let variables = substitute(&mut lists, surroundings.object, surroundings.inherited)?;
    Ok((lists, variables))
}

/// The modifiers of a text that `split` or the expansion refuses.
fn plainly_split(source: &SourceText<'_>) -> (Option<u32>, Vec<Modifier>) {
    let pairs = source.text.split('&').filter_map(|modifier| modifier.split_once('='));
    let list = pairs.map(|(name, value)| Modifier {
        name: name.to_owned(),
        value: value.to_owned(),
        origin: source.origin,
        macro_name: None,
    });
    (source.layer, list.collect())
}

/// The method of a request, as far as it makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD: the reply of GET without its body.
    Head,
    /// POST: the body is appended to the query (`U-post`).
    Post,
    /// OPTIONS.
    Options,
    /// Any other.
    Other,
}

impl Method {
    /// From the token of the request line; case-sensitive.
    pub fn from_token(token: &[u8]) -> Method {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }
}

/// What the client asked for, as the gateway got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `REQUEST_URI`: path and query, undecoded; perhaps in absolute form (`U-raw-uri`).
    Raw(Vec<u8>),
    /// `SCRIPT_NAME` + `PATH_INFO` (decoded by the web server) and `QUERY_STRING` (raw), where the first is missing.
    Decoded {
        /// Path, already decoded.
        path: Vec<u8>,
        /// Query, raw.
        query: Vec<u8>,
    },
}

/// The request headers that are read; bytes as they came, nothing else of the client's headers reaches us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHeaders {
    /// `If-None-Match`.
    pub if_none_match: Option<Vec<u8>>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<Vec<u8>>,
    /// `Range`.
    pub range: Option<Vec<u8>>,
    /// `If-Range`.
    pub if_range: Option<Vec<u8>>,
    /// `Accept`.
    pub accept: Option<Vec<u8>>,
    /// `Origin`.
    pub origin: Option<Vec<u8>>,
    /// `Referer`.
    pub referer: Option<Vec<u8>>,
    /// `Sec-Fetch-Site`.
    pub sec_fetch_site: Option<Vec<u8>>,
    /// `Sec-Purpose` or `Purpose`.
    pub purpose: Option<Vec<u8>>,
    /// `X-Forwarded-For`.
    pub forwarded_for: Option<Vec<u8>>,
    /// `Host`.
    pub host: Option<Vec<u8>>,
    /// `Content-Type`.
    pub content_type: Option<Vec<u8>>,
    /// Whether `X-Imprint-Redirect` says that another server asks because of an error of its own (`U-redirect`).
    pub is_redirected: bool,
}

/// A request as a gateway hands it to `service::answer`: undecoded, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRequest {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: Target,
    /// `REMOTE_ADDR`, if it is an address.
    pub peer: Option<IpAddr>,
    /// The headers that are read.
    pub headers: RequestHeaders,
    /// The body of a POST, within the limit of the query.
    pub body: Vec<u8>,
}
