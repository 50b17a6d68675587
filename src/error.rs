//! The one error of the library: what kind it is decides status, title and log class. It logs nothing itself.

use std::fmt;

/// What went wrong, as far as a client or operator would act differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A value or command that does not parse, is out of range or not permitted in its place.
    Syntax,
    /// A refusal by lock, address filter, rule, `SavePath` or another setting.
    Refused,
    /// An image, record, profile or static item that does not exist.
    NotFound,
    /// A source that exists but cannot be read or decoded.
    Unreadable,
    /// A valid protocol element that this build does not carry out.
    Unsupported,
    /// A reply, source or file beyond a limit.
    TooLarge,
    /// The deadline of the request passed.
    TimedOut,
    /// Too much is waiting already.
    Busy,
    /// A fault of ours or of the system below us.
    Internal,
    /// A file of the save folder that could not be written.
    Unwritable,
    /// A path outside the contexts that are served.
    UnknownContext,
    /// A method other than those the resource takes.
    Method,
    /// A request target beyond the limit of the URI.
    TargetTooLong,
    /// A request that is no HTTP request this gateway can read (bad length, bad bytes).
    BadRequest,
    /// A request body beyond the limit.
    BodyTooLarge,
}

impl Kind {
    /// The HTTP status of this kind (`U-status`).
    pub fn status(self) -> u16 {
        match self {
            Kind::Syntax
            | Kind::Refused
            | Kind::NotFound
            | Kind::Unreadable
            | Kind::Unsupported
            | Kind::TooLarge
            | Kind::TimedOut
            | Kind::Unwritable => 403,
            Kind::BadRequest => 400,
            Kind::UnknownContext => 404,
            Kind::Method => 405,
            Kind::BodyTooLarge => 413,
            Kind::TargetTooLong => 414,
            Kind::Internal => 500,
            Kind::Busy => 503,
        }
    }

    /// The public title (`error.title`), shown at every detail level.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Syntax => "Invalid request",
            Kind::Refused => "Request refused",
            Kind::NotFound => "Image not found",
            Kind::Unreadable => "Image could not be read",
            Kind::Unsupported => "Not supported",
            Kind::TooLarge => "Image too large",
            Kind::TimedOut => "Request timed out",
            Kind::Busy => "Server busy",
            Kind::Internal => "Internal server error",
            Kind::Unwritable => "File could not be written",
            Kind::UnknownContext => "Not found",
            Kind::Method => "Method not allowed",
            Kind::TargetTooLong => "Request target too long",
            Kind::BadRequest => "Bad request",
            Kind::BodyTooLarge => "Request body too large",
        }
    }

    /// The log class (`%{ProcessingStatus}r`): 1 not found, 2 usage or content, 3 server, 4 overload.
    pub fn log_class(self) -> u8 {
        match self {
            Kind::NotFound | Kind::Unreadable => 1,
            Kind::Syntax
            | Kind::Refused
            | Kind::Unsupported
            | Kind::TooLarge
            | Kind::TimedOut
            | Kind::UnknownContext
            | Kind::Method
            | Kind::TargetTooLong
            | Kind::BadRequest
            | Kind::BodyTooLarge => 2,
            Kind::Internal | Kind::Unwritable => 3,
            Kind::Busy => 4,
        }
    }
}

/// A failure with its kind, a detail for log and detail levels of 2 and more, and an optional cause.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    title: Option<&'static str>,
    detail: String,
    blames_source: bool,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// `detail` says what was found and what was allowed, in one clause, lower case, no full stop.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Error {
        Error { kind, title: None, detail: detail.into(), blames_source: false, cause: None }
    }

    /// Replaces the public title, for failures that the protocol names themselves (`U-save-fail-body`).
    pub fn with_title(mut self, title: &'static str) -> Error {
        self.title = Some(title);
        self
    }

    /// Keeps what lies behind this failure, for the log only.
    pub fn with_cause(
        mut self,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        self.cause = Some(cause.into());
        self
    }

    /// Says that the file of a record or static item is missing, or that an image, profile or font is corrupt: what a
    /// second server may have whole (requests.md 23.5). Foreign sources are never blamed.
    pub fn blaming_source(mut self) -> Error {
        self.blames_source = true;
        self
    }

    /// Whether `blaming_source` was said.
    pub fn blames_source(&self) -> bool {
        self.blames_source
    }

    /// Puts context, such as the name of a source, in front of the detail.
    pub fn context(mut self, context: impl fmt::Display) -> Error {
        self.detail = format!("{context}: {}", self.detail);
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The public title.
    pub fn title(&self) -> &'static str {
        self.title.unwrap_or(self.kind.title())
    }

    /// The detail; it may name paths, so it is public at detail level 2 and more only.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What a client may read, one line: the title below detail level 2 (`attribute::ErrorDetail`), else title and
    /// detail.
    pub fn public_text(&self, detail_level: u8) -> String {
        if detail_level < 2 || self.detail.is_empty() {
            return self.title().to_owned();
        }
        format!("{}: {}", self.title(), one_line(&self.detail))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.title())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if let Some(cause) = &self.cause {
            write!(f, " ({cause})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Text from outside for a message: cut at 80 characters, control characters escaped.
pub fn shown(text: &str) -> String {
    escaped(text, 80)
}

/// A whole message as one line: cut at 2000 characters, control characters escaped (L-9).
pub fn one_line(text: &str) -> String {
    escaped(text, 2000)
}

fn escaped(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == most {
            out.push('…');
            break;
        }
        match c {
            '\u{20}'..='\u{7e}' => out.push(c),
            c if c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) => {
                out.extend(c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}
