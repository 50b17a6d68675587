//! An entry and a pattern to the line of the access log (`catalogs-and-server.md` 18). Writes to no file.
//!
//! Values are percent-encoded, so a line is printable ASCII, its fields stay apart, and nothing is lost: a blank is
//! `%20`, `%` is `%25`, quotes, control characters and bytes beyond ASCII are `%XX` (L-9). `%R` keeps the blanks
//! between its words and the escapes of its URI, so that field 16 can be asked again as it is. Empty is `-`.

use std::time::Duration;

use crate::config::{LogField, LogPattern, LogPiece};
use crate::reply::date::{common_log_date, log_date};

use super::{Entry, TARGET_BYTES, VALUE_BYTES};

/// The line with its end.
pub(super) fn line(pattern: &LogPattern, entry: &Entry<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(1024);
    for piece in pattern.pieces() {
        match piece {
            LogPiece::Text(text) => line.extend_from_slice(text.as_bytes()),
            LogPiece::Field(field) => {
                let start = line.len();
                add(&mut line, field, entry);
                if line.len() == start {
                    line.push(b'-');
                }
            }
        }
    }
    line.push(b'\n');
    line
}

fn add(line: &mut Vec<u8>, field: &LogField, entry: &Entry<'_>) {
    let Entry { asked, reply, .. } = *entry;
    let facts = &reply.facts;
    match field {
        LogField::RemoteAddress => value(line, &asked.remote),
        LogField::LocalAddress => value(line, &asked.local),
        LogField::BodyBytesOrNone if entry.body_bytes == 0 => {}
        LogField::BodyBytesOrNone | LogField::BodyBytes => number(line, entry.body_bytes),
        LogField::Milliseconds => milliseconds(line, entry.total),
        LogField::Seconds => number(line, entry.total.as_secs()),
        LogField::Thread => number(line, u64::from(entry.thread)),
        LogField::SentAt => {
            line.extend_from_slice(log_date(entry.sent_at).as_bytes());
            line.extend_from_slice(b" +0000");
        }
        LogField::Method => value(line, &asked.method),
        LogField::LocalPort => value(line, &asked.port),
        LogField::Query => value_within(line, split_uri(&asked.uri).1, TARGET_BYTES),
        LogField::InProgress => number(line, entry.in_progress as u64),
        LogField::RequestLine => {
            let words = [&asked.method, &asked.uri, &asked.protocol].map(|word| &word[..]);
            if words.iter().any(|word| !word.is_empty()) {
                value_within(line, &words.join(&b' '), TARGET_BYTES);
            }
        }
        LogField::PlainRequestLine => {
            let words = [&asked.method, &asked.uri, &asked.protocol];
            for (index, word) in words.into_iter().enumerate() {
                if index > 0 {
                    line.push(b' ');
                }
                match word.is_empty() {
                    true => line.push(b'-'),
                    false => encode(line, word, TARGET_BYTES, Percent::Kept),
                }
            }
        }
        LogField::Status => number(line, u64::from(reply.status)),
        // There are no sessions.
        LogField::UserState => {}
        LogField::CommonDate => text(line, &common_log_date(entry.sent_at)),
        LogField::RemoteUser => value(line, &asked.user),
        LogField::Path => value_within(line, split_uri(&asked.uri).0, TARGET_BYTES),
        LogField::ServerName => value(line, &asked.server),
        LogField::CacheKey => text(line, &facts.cache_key),
        LogField::CacheUse => text(line, facts.cache_use.word()),
        LogField::ContentType => text(line, header(entry, "Content-Type")),
        LogField::Context => text(line, &facts.context),
        LogField::Digest => text(line, header(entry, "ETag").trim_matches('"')),
        LogField::Exception => text(line, &facts.exception),
        LogField::FetchTime => milliseconds(line, facts.fetch_time),
        LogField::ParseTime => milliseconds(line, facts.parse_time),
        LogField::SendTime => milliseconds(line, entry.sending),
        LogField::PathBasedAccess => {
            text(line, if facts.is_by_path { "true" } else { "false" });
        }
        // There are no peers.
        LogField::PeerServer => {}
        LogField::ProcessingStatus => number(line, u64::from(facts.processing)),
        LogField::ReqType => text(line, &facts.req_type),
        LogField::RootId => text(line, &facts.root_id),
        LogField::Size => number(line, reply.body.len()),
        LogField::TransformedUrl => {
            value_within(line, facts.transformed_url.as_bytes(), TARGET_BYTES);
        }
        LogField::RequestHeader(name) => {
            let known = asked.headers.iter().find(|(own, _)| own == name);
            value(line, known.map_or(&[], |(_, bytes)| bytes));
        }
        LogField::ResponseHeader(name) => text(line, header(entry, name)),
    }
}

fn header<'a>(entry: &Entry<'a>, name: &str) -> &'a str {
    let headers = &entry.reply.headers;
    let known = headers.iter().find(|(own, _)| own.as_str().eq_ignore_ascii_case(name));
    known.map_or("", |(_, value)| value.as_str())
}

/// Path, and query with its `?`.
fn split_uri(uri: &[u8]) -> (&[u8], &[u8]) {
    let at = uri.iter().position(|&byte| byte == b'?').unwrap_or(uri.len());
    uri.split_at(at)
}

fn number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(number.to_string().as_bytes());
}

fn milliseconds(line: &mut Vec<u8>, time: Duration) {
    number(line, u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
}

fn text(line: &mut Vec<u8>, text: &str) {
    value(line, text.as_bytes());
}

fn value(line: &mut Vec<u8>, bytes: &[u8]) {
    value_within(line, bytes, VALUE_BYTES);
}

fn value_within(line: &mut Vec<u8>, bytes: &[u8], most: usize) {
    encode(line, bytes, most, Percent::Encoded);
}

/// What becomes of `%` in a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Percent {
    Encoded,
    Kept,
}

/// Printable ASCII without blanks and quotes; `...` stands for what is cut.
fn encode(line: &mut Vec<u8>, bytes: &[u8], most: usize, percent: Percent) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes.iter().take(most) {
        let is_plain = match byte {
            b'%' => percent == Percent::Kept,
            b'"' | b'\'' => false,
            byte => byte.is_ascii_graphic(),
        };
        if is_plain {
            line.push(byte);
        } else {
            let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or(b'0');
            line.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    if bytes.len() > most {
        line.extend_from_slice(b"...");
    }
}
