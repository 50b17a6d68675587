//! The object specifier (`[/][rootId/]objId` or a path) and the source expressions built on it. Looks nothing up.

use crate::error::{Error, Kind, shown};

/// Names an image, record, profile or template: `[/][rootId/]objId` or a relative path (requests.md 6.1).
///
/// Checked: no comma, `?`, `\`, control character, and no part that is `.` or `..`; empty parts are collapsed
/// (`U-rootid-depth`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Object {
    elements: Vec<String>,
    has_leading_slash: bool,
}

impl Object {
    /// Parses the decoded value of a command; `/` separates, a leading one is remembered.
    pub fn parse(text: &str) -> Result<Object, Error> {
        let object = Object::from_elements(text.split('/').map(str::to_owned))?;
        if object.is_empty() {
            return Err(Error::new(
                Kind::Syntax,
                format!("object is {}, expected an id or a path", shown(text)),
            ));
        }
        Ok(Object { has_leading_slash: text.starts_with('/'), ..object })
    }

    /// From the elements of a URL path, each decoded on its own; an element may hold a slash that was encoded.
    pub fn from_elements(elements: impl Iterator<Item = String>) -> Result<Object, Error> {
        let elements: Vec<String> = elements.filter(|element| !element.is_empty()).collect();
        for element in &elements {
            check(element)?;
        }
        Ok(Object { elements, has_leading_slash: false })
    }

    /// The elements in order, none of them empty. One with a `/` inside (an encoded slash of the path, RQ-005) names a
    /// record only, never a file (`U-path-safety`); see [`Object::is_path`].
    pub fn elements(&self) -> &[String] {
        &self.elements
    }

    /// The elements joined by `/`, for the look-up of records.
    pub fn id(&self) -> String {
        self.elements.join("/")
    }

    /// Whether it may name a file: no element holds a slash.
    pub fn is_path(&self) -> bool {
        !self.elements.iter().any(|element| element.contains('/'))
    }

    /// Whether a leading `/` puts the default catalog in the place of the main catalog.
    pub fn has_leading_slash(&self) -> bool {
        self.has_leading_slash
    }

    /// Whether there is no element at all.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}

fn check(element: &str) -> Result<(), Error> {
    let refuse = |what: &str| {
        Err(Error::new(Kind::Syntax, format!("object element {} {what}", shown(element))))
    };
    if element.split('/').any(|part| matches!(part, "." | "..")) {
        return refuse("is a dot element, expected a name");
    }
    if let Some(c) = element.chars().find(|&c| matches!(c, ',' | '?' | '\\') || c.is_control()) {
        return refuse(&format!("holds {c:?}, which an object must not"));
    }
    Ok(())
}

/// The value of `src=` and `mask=` (requests.md 11).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SourceExpr {
    /// A record or file.
    Object(Object),
    /// `is(…)`: the text of an Image Serving request, still encoded, without its brackets.
    Nested(String),
    /// `(…)`: an absolute or relative URL, as written.
    Foreign(String),
    /// `ir(…)`: an Image Rendering request, still encoded.
    RenderNested(String),
    /// `fxg(…)`: an FXG request, still encoded.
    Fxg(String),
}

/// A value that starts with a bracket or a prefix and a bracket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bracketed<'a> {
    /// `""`, `is`, `ir` or `fxg`.
    pub prefix: &'static str,
    /// What stands from the opening bracket on, without it.
    pub rest: &'a str,
    /// The opening bracket.
    pub open: char,
}

/// The prefixes and whether case matters for the command (`U-prefix-case`: for `src=` it does, for `mask=` not).
pub(super) fn bracketed(value: &str, is_mask: bool) -> Option<Bracketed<'_>> {
    ["", "is", "ir", "fxg"].into_iter().find_map(|prefix| {
        let start = value.get(..prefix.len())?;
        let fits = if is_mask { start.eq_ignore_ascii_case(prefix) } else { start == prefix };
        let open = value.get(prefix.len()..)?.chars().next().filter(|c| matches!(c, '(' | '{'))?;
        let rest = value.get(prefix.len() + 1..)?;
        fits.then_some(Bracketed { prefix, rest, open })
    })
}

/// The length in `rest` up to the bracket that closes `open`, counting that kind only (`U-split`).
pub(super) fn closing(rest: &str, open: char) -> Option<usize> {
    let close = if open == '(' { b')' } else { b'}' };
    let mut depth = 1_u32;
    for (at, byte) in rest.bytes().enumerate() {
        if byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        } else if char::from(byte) == open {
            depth = depth.saturating_add(1);
        }
    }
    None
}

impl SourceExpr {
    /// Parses the encoded value of `src=` or `mask=`; only an object is decoded, with `decode`.
    pub(super) fn parse(
        encoded: &str,
        is_mask: bool,
        decode: impl Fn(&str) -> Result<String, Error>,
    ) -> Result<SourceExpr, Error> {
        let Some(found) = bracketed(encoded, is_mask) else {
            return Object::parse(&decode(encoded)?).map(SourceExpr::Object);
        };
        let inner = closing(found.rest, found.open)
            .filter(|at| at + 1 == found.rest.len())
            .and_then(|at| found.rest.get(..at))
            .ok_or_else(|| {
                Error::new(
                    Kind::Syntax,
                    format!("nested request {} has unbalanced brackets", shown(encoded)),
                )
            })?;
        let inner = inner.to_owned();
        Ok(match found.prefix {
            "is" => SourceExpr::Nested(inner),
            "ir" => SourceExpr::RenderNested(inner),
            "fxg" => SourceExpr::Fxg(inner),
            _ => SourceExpr::Foreign(inner),
        })
    }
}
