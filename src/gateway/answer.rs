//! A `Reply` to the bytes of a CGI answer (`Status:` line) or of an HTTP/1.1 answer. Decides nothing but framing:
//! length, HEAD, replies without a body.

use std::any::Any;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Kind};
use crate::limits::Deadline;
use crate::reply::body::{Body, FilePart};
use crate::reply::{Facts, HeaderValue, Reply};
use crate::request::{Method, RawRequest};

use super::Handler;

/// The body of a reply as it goes out.
pub(super) enum Content<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A part of a file, read while it is sent.
    File(&'a FilePart),
}

/// A reply as it goes out: head with the blank line, and body.
pub(super) struct Answer<'a> {
    /// Status line, headers, length, blank line.
    pub(super) head: Vec<u8>,
    /// The body; empty for HEAD and for statuses without one.
    pub(super) body: Content<'a>,
}

impl<'a> Answer<'a> {
    /// For CGI and FastCGI: begins with `Status: 200 OK`.
    pub(super) fn cgi(reply: &'a Reply, method: Method) -> Answer<'a> {
        let first = format!("Status: {} {}\r\n", reply.status, reply.reason());
        framed(first, reply, method)
    }

    /// For HTTP/1.1; `is_last` announces that the connection ends with it.
    pub(super) fn http(reply: &'a Reply, method: Method, is_last: bool) -> Answer<'a> {
        let ending = if is_last { "Connection: close\r\n" } else { "" };
        let first = format!("HTTP/1.1 {} {}\r\n{ending}", reply.status, reply.reason());
        framed(first, reply, method)
    }

    /// Writes head and body, a body in memory together with its head.
    ///
    /// Fails as `output` does, and when a file has become shorter; a part may have been written by then.
    pub(super) fn write_to(self, output: &mut impl Write) -> io::Result<()> {
        let mut bytes = self.head;
        match self.body {
            Content::Bytes(body) => {
                bytes.extend_from_slice(body);
                output.write_all(&bytes)
            }
            Content::File(part) => {
                output.write_all(&bytes)?;
                part.write_to(output)
            }
        }
    }

    /// Head and body in one buffer, for short texts; `None` for a file.
    pub(super) fn into_bytes(self) -> Option<Vec<u8>> {
        let Content::Bytes(body) = self.body else { return None };
        let mut bytes = self.head;
        bytes.extend_from_slice(body);
        Some(bytes)
    }
}

fn framed(first: String, reply: &Reply, method: Method) -> Answer<'_> {
    let mut bytes = first.into_bytes();
    let is_bodiless = matches!(reply.status, 100..=199 | 204 | 304);
    let mut has_type = false;
    let mut has_allow = false;
    for (name, value) in &reply.headers {
        let name = name.as_str();
        let is_type = name.eq_ignore_ascii_case("Content-Type");
        let is_framing =
            ["Content-Length", "Status", "Connection"].iter().any(|n| name.eq_ignore_ascii_case(n));
        if is_framing || (is_type && is_bodiless) {
            continue;
        }
        has_type |= is_type;
        has_allow |= name.eq_ignore_ascii_case("Allow");
        line(&mut bytes, name, value.as_str());
    }
    if reply.status == 405 && !has_allow {
        line(&mut bytes, "Allow", "GET, HEAD, POST");
    }
    if !is_bodiless {
        if !has_type {
            line(&mut bytes, "Content-Type", "text/plain; charset=utf-8");
        }
        line(&mut bytes, "Content-Length", &reply.body.len().to_string());
    }
    bytes.extend_from_slice(b"\r\n");
    let has_body = !is_bodiless && method != Method::Head;
    let body = match &reply.body {
        _ if !has_body => Content::Bytes(&[]),
        Body::Bytes(body) => Content::Bytes(body),
        Body::File(part) => Content::File(part),
    };
    Answer { head: bytes, body }
}

fn line(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value.as_bytes());
    bytes.extend_from_slice(b"\r\n");
}

/// What the handler answers, or a 500 of our own when it panics (G9); the panic ends with the request.
pub(super) fn caught(handler: &Handler, raw: &RawRequest, deadline: &Deadline) -> Reply {
    catch_unwind(AssertUnwindSafe(|| handler(raw, deadline))).unwrap_or_else(|panic| {
        let error = Error::new(Kind::Internal, format!("panic: {}", panic_text(panic.as_ref())));
        log::error!("{error}");
        refusal(&error)
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

/// The reply to a request that cannot be handed to the service: the public title as text, never cached.
pub(super) fn refusal(error: &Error) -> Reply {
    let mut body = error.public_text(0).into_bytes();
    body.push(b'\n');
    let headers = vec![
        ("Content-Type".into(), HeaderValue::new("text/plain; charset=utf-8")),
        ("Cache-Control".into(), HeaderValue::new("no-store")),
    ];
    let mut reply = Reply::new(error.kind().status(), headers, Body::Bytes(body));
    *reply.facts = Facts::of_error(error);
    reply
}
