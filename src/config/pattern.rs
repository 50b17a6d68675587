//! The pattern of access logs (`TC::pattern`): text to pieces, once. It writes no line.

use super::value::Parsed;

/// Longest pattern, in bytes.
const MAX_BYTES: usize = 4096;

/// A pattern, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPattern {
    pieces: Vec<LogPiece>,
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPiece {
    /// As it is.
    Text(String),
    /// A value of the request.
    Field(LogField),
}

/// A variable of a pattern (`catalogs-and-server.md` 18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogField {
    /// `%a`
    RemoteAddress,
    /// `%A`
    LocalAddress,
    /// `%b`: body bytes, empty for 0.
    BodyBytesOrNone,
    /// `%B`
    BodyBytes,
    /// `%D`, ms.
    Milliseconds,
    /// `%T`, s.
    Seconds,
    /// `%I`
    Thread,
    /// `%G`: date, time and offset; keeps its blanks.
    SentAt,
    /// `%m`
    Method,
    /// `%p`
    LocalPort,
    /// `%q`: with its leading `?`.
    Query,
    /// `%O`
    InProgress,
    /// `%r`
    RequestLine,
    /// `%R`: keeps its blanks and the escapes of the URI.
    PlainRequestLine,
    /// `%s`
    Status,
    /// `%S`
    UserState,
    /// `%t`: Common Log Format.
    CommonDate,
    /// `%u`
    RemoteUser,
    /// `%U`
    Path,
    /// `%v`
    ServerName,
    /// `%{CacheKey}r`
    CacheKey,
    /// `%{CacheUse}r`
    CacheUse,
    /// `%{ContentType}r`
    ContentType,
    /// `%{Context}r`
    Context,
    /// `%{Digest}r`
    Digest,
    /// `%{Exception}r`
    Exception,
    /// `%{FetchTime}r`, ms.
    FetchTime,
    /// `%{ParseTime}r`, ms.
    ParseTime,
    /// `%{SendTime}r`, ms.
    SendTime,
    /// `%{PathBasedAccess}r`
    PathBasedAccess,
    /// `%{PeerServer}r`
    PeerServer,
    /// `%{ProcessingStatus}r`
    ProcessingStatus,
    /// `%{ReqType}r`
    ReqType,
    /// `%{RootId}r`
    RootId,
    /// `%{Size}r`: as `%B`, also of bodies that were not sent.
    Size,
    /// `%{TransformedUrl}r`
    TransformedUrl,
    /// `%{name}i`: a request header, in lower case.
    RequestHeader(String),
    /// `%{name}o`: a response header.
    ResponseHeader(String),
}

/// Variables of one letter.
const LETTERS: [(char, LogField); 20] = [
    ('a', LogField::RemoteAddress),
    ('A', LogField::LocalAddress),
    ('b', LogField::BodyBytesOrNone),
    ('B', LogField::BodyBytes),
    ('D', LogField::Milliseconds),
    ('T', LogField::Seconds),
    ('I', LogField::Thread),
    ('G', LogField::SentAt),
    ('m', LogField::Method),
    ('p', LogField::LocalPort),
    ('q', LogField::Query),
    ('O', LogField::InProgress),
    ('r', LogField::RequestLine),
    ('R', LogField::PlainRequestLine),
    ('s', LogField::Status),
    ('S', LogField::UserState),
    ('t', LogField::CommonDate),
    ('u', LogField::RemoteUser),
    ('U', LogField::Path),
    ('v', LogField::ServerName),
];

/// Variables of the form `%{name}r`; compared without case.
const NAMED: [(&str, LogField); 16] = [
    ("CacheKey", LogField::CacheKey),
    ("CacheUse", LogField::CacheUse),
    ("ContentType", LogField::ContentType),
    ("Context", LogField::Context),
    ("Digest", LogField::Digest),
    ("Exception", LogField::Exception),
    ("FetchTime", LogField::FetchTime),
    ("ParseTime", LogField::ParseTime),
    ("SendTime", LogField::SendTime),
    ("PathBasedAccess", LogField::PathBasedAccess),
    ("PeerServer", LogField::PeerServer),
    ("ProcessingStatus", LogField::ProcessingStatus),
    ("ReqType", LogField::ReqType),
    ("RootId", LogField::RootId),
    ("Size", LogField::Size),
    ("TransformedUrl", LogField::TransformedUrl),
];

impl LogPattern {
    /// Parses a pattern; `%%` is a percent sign. Fails with what was expected in place of what was found.
    pub fn parse(text: &str) -> Parsed<LogPattern> {
        if text.is_empty() || text.len() > MAX_BYTES || text.chars().any(char::is_control) {
            return Err(format!("1 to {MAX_BYTES} bytes without control characters"));
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('%') {
            plain.push_str(before);
            let mut letters = behind.chars();
            let field = match letters.next() {
                Some('%') => {
                    plain.push('%');
                    rest = letters.as_str();
                    continue;
                }
                Some('{') => {
                    let braced = letters.as_str().split_once('}');
                    let (name, behind) = braced.ok_or("a } behind each %{")?;
                    let mut letters = behind.chars();
                    let kind = letters.next();
                    rest = letters.as_str();
                    named(name, kind)?
                }
                letter => {
                    rest = letters.as_str();
                    let known = LETTERS.iter().find(|(own, _)| Some(*own) == letter);
                    let shown = letter.map(String::from).unwrap_or_default();
                    let (_, field) = known.ok_or_else(|| {
                        format!(
                            "a variable of access logs (%{shown} is none; %% is a percent sign)"
                        )
                    })?;
                    field.clone()
                }
            };
            if !plain.is_empty() {
                pieces.push(LogPiece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(LogPiece::Field(field));
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(LogPiece::Text(plain));
        }
        Ok(LogPattern { pieces })
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[LogPiece] {
        &self.pieces
    }

    /// Names of the request headers that the pattern wants, in lower case.
    pub fn request_headers(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            LogPiece::Field(LogField::RequestHeader(name)) => Some(name.as_str()),
            LogPiece::Field(_) | LogPiece::Text(_) => None,
        })
    }
}

fn named(name: &str, kind: Option<char>) -> Parsed<LogField> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&b);
    let is_header = !name.is_empty() && name.bytes().all(is_token);
    match kind {
        Some('i') if is_header => Ok(LogField::RequestHeader(name.to_ascii_lowercase())),
        Some('o') if is_header => Ok(LogField::ResponseHeader(name.to_owned())),
        Some('r') => {
            let known = NAMED.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
            let unknown = || format!("a variable of access logs (%{{{name}}}r is none)");
            known.map(|(_, field)| field.clone()).ok_or_else(unknown)
        }
        _ => Err(format!("%{{{name}}} with r, or i or o and the name of a header")),
    }
}
