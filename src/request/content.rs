//! The commands of static content (requests.md 21): no macros, no variables, no modifiers. Looks nothing up.

use super::query::{Origin, last_value, query_text, split};
use super::req::{Asked, CacheControl, Req, ReqType, handler, locale};
use super::value::unexpected;
use super::{PropertyFormat, TextLimits};
use crate::error::Error;

/// What is asked for of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// Its file.
    File,
    /// The text of its file within a JSONP call (`req=content,json`, `U-static-jsonp`).
    Wrapped,
    /// Properties of its file.
    Props,
    /// Whether there is a record.
    Exists,
    /// The record's user data.
    UserData,
}

/// The commands of a request for static content; those that it does not know are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentCommands {
    /// `req=`.
    pub kind: ContentKind,
    /// How properties are printed: format and encoding of `req=`, `handler=` and `id=`.
    pub asked: Asked,
    /// Whether clients may keep the reply (`cache=`).
    pub is_kept: bool,
    /// `type=`; `None` is no test.
    pub user_type: Option<String>,
    /// `locale=`.
    pub locale: Option<String>,
}

impl ContentCommands {
    /// Reads a clear query without its lock. Of a command that comes twice the last one counts.
    ///
    /// `Syntax` for a value that cannot be read, and for a request type that static content has not
    /// (`U-req-unknown`).
    pub fn parse(query: &[u8], limits: &TextLimits) -> Result<ContentCommands, Error> {
        let list = split(&query_text(query), Origin::Url, limits.modifiers)?;
        let value = |name: &str| last_value(&list, name);
        let text = |name: &str| value(name).map(|value| value.filter(|text| !text.is_empty()));
        let (kind, req) = match text("req")? {
            Some(req) => requested(&req)?,
            None => (ContentKind::File, Req::default()),
        };
        let cache = text("cache")?.map(|cache| CacheControl::parse(&cache)).transpose()?;
        Ok(ContentCommands {
            kind,
            asked: Asked {
                req,
                handler: text("handler")?.map(|name| handler(&name)).transpose()?,
                id: value("id")?,
            },
            is_kept: !matches!(cache, Some(CacheControl::Each { client: false, .. })),
            user_type: text("type")?,
            locale: text("locale")?.map(|id| locale(&id)).transpose()?,
        })
    }
}

fn requested(text: &str) -> Result<(ContentKind, Req), Error> {
    let (word, format) = text.split_once(',').unwrap_or((text, ""));
    if word.eq_ignore_ascii_case("content") {
        let is_json = ["json", "jsonp"].iter().any(|known| format.eq_ignore_ascii_case(known));
        return match format {
            "" => Ok((ContentKind::File, Req::default())),
            _ if is_json => {
                let format = Some(PropertyFormat::Json);
                Ok((ContentKind::Wrapped, Req { format, ..Req::default() }))
            }
            _ => Err(unexpected(text, "content or content,json")),
        };
    }
    let req = Req::parse(text)?;
    let kind = match req.kind {
        ReqType::Props => ContentKind::Props,
        ReqType::Exists => ContentKind::Exists,
        ReqType::UserData => ContentKind::UserData,
        _ => return Err(unexpected(text, "props, exists, userdata or content")),
    };
    Ok((kind, req))
}
