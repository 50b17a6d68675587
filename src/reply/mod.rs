//! Replies: status, headers, bodies and the text formats of properties. Parses nothing.
//!
//! A reader meets [`Reply`] and its [`body::Body`] first, then [`property::Properties`] and the style that prints them.
//! Each format of properties has its own file: `text`, `javascript`, `xml`, `json`.

#![forbid(unsafe_code)]

pub mod body;
pub mod caching;
pub mod content_type;
pub mod date;
mod facts;
mod javascript;
pub mod json;
pub mod map;
pub mod property;
pub mod set;
mod text;
pub mod xml;

use std::borrow::Cow;
use std::time::SystemTime;

use crate::error::{Error, Kind};
use crate::request::PropertyFormat;
use body::Body;
use property::{Properties, PropertyStyle};

pub use facts::Facts;

/// One header value: printable text without control bytes (G-12); the constructor is the only check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValue(String);

impl HeaderValue {
    /// Drops every control character, so that no text can end the line or start another header.
    pub fn new(text: impl Into<String>) -> HeaderValue {
        let text = text.into();
        if text.chars().any(char::is_control) {
            return HeaderValue(text.chars().filter(|c| !c.is_control()).collect());
        }
        HeaderValue(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A header name: a token of HTTP; the constructor is the only check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(Cow<'static, str>);

impl HeaderName {
    /// `None` for what is no token.
    pub fn new(text: &str) -> Option<HeaderName> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let is_name = !text.is_empty() && text.len() <= 256 && text.bytes().all(is_token);
        is_name.then(|| HeaderName(Cow::Owned(text.to_owned())))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for HeaderName {
    /// For names written in the code.
    fn from(text: &'static str) -> HeaderName {
        HeaderName(Cow::Borrowed(text))
    }
}

/// A whole answer; the gateway adds `Content-Length` and, for HEAD, leaves the body out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status, for example 200.
    pub status: u16,
    /// Headers in the order they are sent, without `Content-Length`; `Content-Type` among them when there is a body.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; empty for 204 and 304.
    pub body: Body,
    /// What the access log says of it; never sent.
    pub facts: Box<Facts>,
}

impl Reply {
    /// A reply of which the log knows nothing yet.
    pub fn new(
        status: u16,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: impl Into<Body>,
    ) -> Reply {
        Reply { status, headers, body: body.into(), facts: Box::default() }
    }

    /// The reason phrase of the status.
    pub fn reason(&self) -> &'static str {
        match self.status {
            200 => "OK",
            204 => "No Content",
            206 => "Partial Content",
            304 => "Not Modified",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            413 => "Content Too Large",
            414 => "URI Too Long",
            416 => "Range Not Satisfiable",
            500 => "Internal Server Error",
            503 => "Service Unavailable",
            _ => "Status",
        }
    }
}

/// In which form an error is shown (`U-error-body`): that of the request type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorForm {
    /// One line, for image types and requests that could not be read.
    Line,
    /// Properties, for property types, in the style that the request asks for.
    Properties(PropertyStyle),
    /// Properties with `status=failed` or `status=timeout`, for saveToFile (`U-save-fail-body`).
    Save,
}

/// How much of an error a client sees, and with which status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorStyle {
    /// `attribute::ErrorDetail`, 0..=3.
    pub detail_level: u8,
    /// Status of a missing image, 403 or 404 (`missingStatus`).
    pub missing_status: u16,
    /// Status of errors of JSON requests (`jsonErrorStatus`): 200, since a script element never runs what comes with
    /// another one, or 403 for the status that the other formats have.
    pub json_error_status: u16,
}

impl Default for ErrorStyle {
    fn default() -> ErrorStyle {
        ErrorStyle { detail_level: 0, missing_status: 403, json_error_status: 200 }
    }
}

impl Reply {
    /// A text reply that nobody may keep.
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        PropertyStyle::default().reply(status, body)
    }

    /// Adds a header of a rule: sets it, or appends to an earlier one after a comma (`U-rule-header`).
    ///
    /// A name that is no token and those that the gateway decides are passed over; control characters of the value
    /// are dropped.
    pub fn add_rule_header(&mut self, name: &str, value: &str, appends: bool) {
        const OURS: [&str; 9] = [
            "Content-Length",
            "Transfer-Encoding",
            "Connection",
            "Status",
            "X-Accel-Redirect",
            "X-Sendfile",
            "X-Sendfile2",
            "X-LIGHTTPD-send-file",
            "Location",
        ];
        let is_ours = OURS.iter().any(|own| own.eq_ignore_ascii_case(name));
        let Some(name) = HeaderName::new(name).filter(|_| !is_ours) else { return };
        let is_same = |own: &HeaderName| own.as_str().eq_ignore_ascii_case(name.as_str());
        let value = match self.headers.iter().find(|(own, _)| is_same(own)) {
            Some((_, earlier)) if appends => format!("{},{value}", earlier.as_str()),
            _ => value.to_owned(),
        };
        self.headers.retain(|(own, _)| !is_same(own));
        self.headers.push((name, HeaderValue::new(value)));
    }

    /// Adds a header that the reply has not yet.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.push((name.into(), HeaderValue::new(value)));
    }

    /// The value of a header, by its name as sent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.as_str() == name).map(|(_, value)| value.as_str())
    }
}

/// The reply that shows an error; the only place that does (`requests.md` 23).
pub fn of_error(error: &Error, form: &ErrorForm, style: ErrorStyle, now: SystemTime) -> Reply {
    let status = match error.kind() {
        Kind::NotFound if *form != ErrorForm::Save => style.missing_status,
        // Any failure of a save is 403 (`requests.md` 17.7), overload and method apart.
        kind if *form == ErrorForm::Save => match kind.status() {
            status @ (405 | 503) => status,
            _ => 403,
        },
        kind => kind.status(),
    };
    let message = error.public_text(style.detail_level);
    let mut reply = match form {
        ErrorForm::Line => Reply::text(status, message + "\n"),
        ErrorForm::Properties(own) => {
            let is_run = own.format() == PropertyFormat::Json && style.json_error_status == 200;
            own.error(if is_run { 200 } else { status }, error.title(), &message, now)
        }
        ErrorForm::Save => {
            let mut properties = Properties::new();
            properties.text("error.title", error.title());
            properties.text("error.message", message);
            let is_timeout = error.kind() == Kind::TimedOut;
            properties.text("status", if is_timeout { "timeout" } else { "failed" });
            Reply::text(status, properties.to_error_text(now))
        }
    };
    match error.kind() {
        Kind::Method => {
            let allowed = if *form == ErrorForm::Save { "GET, POST" } else { "GET, HEAD, POST" };
            reply.headers.push(("Allow".into(), HeaderValue::new(allowed)));
        }
        Kind::Busy => reply.headers.push(("Retry-After".into(), HeaderValue::new("1"))),
        _ => {}
    }
    *reply.facts = Facts::of_error(error);
    reply
}
