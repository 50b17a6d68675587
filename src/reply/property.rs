//! Property lists and how they are printed: the style, and the body in its format. Each format has its own file.

use std::borrow::Cow;
use std::time::SystemTime;

use crate::request::{Asked, PropertyFormat, RequestCommands, XmlEncoding};

use super::body::Body;
use super::{HeaderValue, Reply, javascript, json, text, xml};

/// Named values in the order they are printed (`U-prop-order`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Vec<(Cow<'static, str>, String)>);

impl Properties {
    /// No properties.
    pub fn new() -> Properties {
        Properties::default()
    }

    /// Adds a value of text.
    pub fn text(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Adds a whole number.
    pub fn int(&mut self, name: &'static str, value: u64) {
        self.text(name, value.to_string());
    }

    /// Adds `0` or `1`.
    pub fn flag(&mut self, name: &'static str, value: bool) {
        self.text(name, if value { "1" } else { "0" });
    }

    /// Adds a real number in its shortest form with at least one decimal.
    pub fn real(&mut self, name: &'static str, value: f64) {
        self.text(name, format!("{value:?}"));
    }

    /// The pairs.
    pub fn pairs(&self) -> &[(Cow<'static, str>, String)] {
        &self.0
    }

    /// `#S7Z OK`, the time, then `name=value` lines.
    pub fn to_text(&self, now: SystemTime) -> String {
        text::printed(self, "#S7Z OK", now)
    }

    /// The same for an error: `#S7Z ERROR` (`U-error-body`).
    pub fn to_error_text(&self, now: SystemTime) -> String {
        text::printed(self, "#S7Z ERROR", now)
    }
}

/// Bytes of `id=` that a reply repeats (`U-json-compact`).
const ID_BYTES: usize = 256;

/// The function of JSONP replies without `handler=`.
const HANDLER: &str = "s7jsonResponse";

/// How a reply of properties is printed: the options of `req=`, and what a JSONP call needs (requests.md 14, 15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyStyle {
    format: PropertyFormat,
    encoding: XmlEncoding,
    handler: String,
    id: String,
}

impl Default for PropertyStyle {
    /// Text.
    fn default() -> PropertyStyle {
        PropertyStyle::of(&Asked::default())
    }
}

impl From<&RequestCommands> for PropertyStyle {
    /// The style of a typed request.
    fn from(commands: &RequestCommands) -> PropertyStyle {
        PropertyStyle::of(&Asked {
            req: commands.req_or_default(),
            handler: commands.handler.clone(),
            id: commands.id.clone(),
        })
    }
}

impl PropertyStyle {
    /// The style that a request asks for; the id is cut to 256 bytes at a whole character.
    pub fn of(asked: &Asked) -> PropertyStyle {
        let id = asked.id.as_deref().unwrap_or_default();
        let id = id.get(..id.floor_char_boundary(ID_BYTES)).unwrap_or_default();
        PropertyStyle {
            format: asked.req.format_or_default(),
            encoding: asked.req.encoding,
            handler: asked.handler.as_deref().unwrap_or(HANDLER).to_owned(),
            id: id.to_owned(),
        }
    }

    /// The format.
    pub fn format(&self) -> PropertyFormat {
        self.format
    }

    /// The encoding of XML.
    pub fn encoding(&self) -> XmlEncoding {
        self.encoding
    }

    /// `Content-Type` of the format, with the charset of its bytes (`U-xml-mime`).
    pub fn content_type(&self) -> String {
        match self.format {
            PropertyFormat::Text => "text/plain; charset=utf-8".to_owned(),
            PropertyFormat::JavaScript | PropertyFormat::Json => {
                "text/javascript; charset=utf-8".to_owned()
            }
            PropertyFormat::Xml => format!("text/xml; charset={}", xml::charset(self.encoding)),
        }
    }

    /// The reply with a body of this style, which nobody may keep.
    pub fn reply(&self, status: u16, body: impl Into<Vec<u8>>) -> Reply {
        let headers = vec![
            ("Content-Type".into(), HeaderValue::new(self.content_type())),
            ("X-Content-Type-Options".into(), HeaderValue::new("nosniff")),
            ("Cache-Control".into(), HeaderValue::new("no-store")),
        ];
        Reply::new(status, headers, Body::Bytes(body.into()))
    }

    /// The reply that holds `properties`, which nobody may keep.
    pub fn properties(&self, properties: &Properties, now: SystemTime) -> Reply {
        let body = match self.format {
            PropertyFormat::Text => properties.to_text(now).into_bytes(),
            PropertyFormat::JavaScript => javascript::printed(properties).into_bytes(),
            PropertyFormat::Xml => xml::document(&xml::printed(properties), self.encoding),
            PropertyFormat::Json => self.jsonp(&json::object(properties)).into_bytes(),
        };
        self.reply(200, body)
    }

    /// The reply that shows an error, which nobody may keep (`U-error-body`); of JSON it calls the error function,
    /// whatever the handler (`U-json-error`).
    pub(super) fn error(&self, status: u16, title: &str, message: &str, now: SystemTime) -> Reply {
        let mut properties = Properties::new();
        if self.format == PropertyFormat::Json {
            properties.text("message", message);
            properties.text("title", title);
        } else {
            properties.text("error.title", title);
            properties.text("error.message", message);
        }
        match self.format {
            PropertyFormat::Text => self.reply(status, properties.to_error_text(now)),
            PropertyFormat::JavaScript | PropertyFormat::Xml => {
                Reply { status, ..self.properties(&properties, now) }
            }
            PropertyFormat::Json => {
                let call = json::call("s7jsonError", &json::object(&properties), &self.id);
                self.reply(status, call)
            }
        }
    }

    /// The call of the handler with a value that is JSON already.
    pub fn jsonp(&self, value: &str) -> String {
        json::call(&self.handler, value, &self.id)
    }
}
