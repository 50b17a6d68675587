//! Splits command strings into modifiers and decodes values. Knows which values nest, and no other command.

use super::object::{bracketed, closing};
use crate::error::{Error, Kind, shown};

/// Where a command comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The query of the URL, or the body of a POST.
    Url,
    /// `catalog::Modifier` of a record.
    Modifier,
    /// `catalog::Modifier` of the record that `template=` names.
    Template,
    /// `catalog::PostModifier`.
    PostModifier,
}

/// One command of a source string, its value still encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modifier {
    /// The name as written; it is compared without case and never decoded (security N-8).
    pub name: String,
    /// The value as written, after the first `=`; empty when there is none (`U-no-value`).
    pub value: String,
    /// The source string.
    pub origin: Origin,
    /// The macro of that string that it stands in, if any.
    pub macro_name: Option<String>,
}

/// Whether every character may stand in the name of a macro or variable, and there is one.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether a modifier calls a macro: `$name$` on its own (requests.md 8).
pub(super) fn is_macro(modifier: &Modifier) -> bool {
    let inner = modifier.name.strip_prefix('$').and_then(|name| name.strip_suffix('$'));
    modifier.value.is_empty() && inner.is_some_and(is_name)
}

/// Whether a command name defines a variable: `$name` (requests.md 9.1).
pub(super) fn is_variable(name: &str) -> bool {
    name.strip_prefix('$').is_some_and(is_name)
}

/// The bytes of a query as text: bytes beyond ASCII, and control bytes, become escapes, so that the charset of each
/// value is found out when it is decoded (`U-charset`).
pub fn query_text(query: &[u8]) -> String {
    let mut text = String::with_capacity(query.len());
    for &byte in query {
        if (0x20..0x7f).contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Splits command text at `&`, leaving out comments and empty modifiers (requests.md 2.2, 2.3).
///
/// White space around a modifier of a catalog string is trimmed (`U-ws`). More than `most` modifiers and unbalanced
/// brackets of a nested request are `Syntax`. Time grows with the length of the text alone.
pub fn split(text: &str, origin: Origin, most: usize) -> Result<Vec<Modifier>, Error> {
    split_string(text, origin, None, most)
}

/// The same for the definition of a macro, which is a catalog string wherever it is called.
pub(super) fn split_macro(
    text: &str,
    origin: Origin,
    name: &str,
    most: usize,
) -> Result<Vec<Modifier>, Error> {
    split_string(text, origin, Some(name), most)
}

fn split_string(
    text: &str,
    origin: Origin,
    macro_name: Option<&str>,
    most: usize,
) -> Result<Vec<Modifier>, Error> {
    let is_trimmed = origin != Origin::Url || macro_name.is_some();
    let mut modifiers = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (modifier, tail) = next(rest)?;
        rest = tail;
        let modifier = match is_trimmed {
            true => modifier.trim_matches(|c: char| c.is_ascii_whitespace()),
            false => modifier,
        };
        if modifier.is_empty() || modifier.starts_with('.') {
            continue;
        }
        if modifiers.len() == most {
            return Err(Error::new(Kind::Syntax, format!("more than {most} commands left")));
        }
        let (name, value) = modifier.split_once('=').unwrap_or((modifier, ""));
        modifiers.push(Modifier {
            name: name.to_owned(),
            value: value.to_owned(),
            origin,
            macro_name: macro_name.map(str::to_owned),
        });
    }
    Ok(modifiers)
}

/// The decoded value of the last command of this name, wherever it stands: for `locale=` and `template=`, which have to
/// be known before records are looked up and the whole request can be merged.
pub fn last_value(list: &[Modifier], name: &str) -> Result<Option<String>, Error> {
    let last = list.iter().rev().find(|modifier| modifier.name.eq_ignore_ascii_case(name));
    last.map(|modifier| decode_value(&modifier.value)).transpose()
}

/// The first modifier of `text` and what follows its `&`.
fn next(text: &str) -> Result<(&str, &str), Error> {
    let plain_end = text.find('&').unwrap_or(text.len());
    let mut end = plain_end;
    let head = text.get(..plain_end).unwrap_or_default();
    if let Some((name, _)) = head.split_once('=') {
        let value = text.get(name.len() + 1..).unwrap_or_default();
        let name = name.trim_start_matches(|c: char| c.is_ascii_whitespace());
        if let Some(length) = nested_length(name, value)? {
            end = text.len() - value.len() + length;
        }
    }
    let tail = text.get(end..).unwrap_or_default();
    Ok((text.get(..end).unwrap_or_default(), tail.strip_prefix('&').unwrap_or(tail)))
}

/// The length of a value that nests, up to the `&` after its closing bracket (`U-split`, `U-unbalanced`, also for
/// sets); `None` for others.
fn nested_length(name: &str, value: &str) -> Result<Option<usize>, Error> {
    let is_mask = name.eq_ignore_ascii_case("mask");
    let is_set = name.eq_ignore_ascii_case("imageSet");
    if !is_mask && !is_set && !name.eq_ignore_ascii_case("src") {
        return Ok(None);
    }
    let Some(found) = bracketed(value, is_mask).filter(|found| !is_set || found.prefix.is_empty())
    else {
        return Ok(None);
    };
    let start = value.len() - found.rest.len();
    let inner = closing(found.rest, found.open).ok_or_else(|| {
        Error::new(Kind::Syntax, format!("{name} {} has an unbalanced bracket", shown(value)))
    })?;
    let end = start + inner + 1;
    let after = value.get(end..).unwrap_or_default();
    let up_to_next = after.get(..after.find('&').unwrap_or(after.len())).unwrap_or_default();
    let is_closed = up_to_next.trim_matches(|c: char| c.is_ascii_whitespace()).is_empty();
    // A set may go on after its bracket; then the bracket was not around the whole value.
    if !is_closed && !is_set {
        return Err(Error::new(
            Kind::Syntax,
            format!("{name} has {} after its closing bracket", shown(up_to_next)),
        ));
    }
    Ok(Some(end + up_to_next.len()))
}

/// Decodes a value once: `%xx` to bytes, `+` to a blank, bytes to UTF-8 if valid, else ISO-8859-1.
///
/// `Syntax` for a bad escape (`U-bad-escape`) and for `%00`.
pub fn decode_value(value: &str) -> Result<String, Error> {
    decode(value.as_bytes(), true)
}

/// The same with a choice what `+` means (`U-plus`: itself, in a path).
pub(super) fn decode(text: &[u8], is_plus_blank: bool) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'%' => {
                let digit = |at: usize| tail.get(at).and_then(|&b| char::from(b).to_digit(16));
                let byte = digit(0)
                    .zip(digit(1))
                    .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
                    .ok_or_else(|| {
                        let found = String::from_utf8_lossy(tail.get(..2).unwrap_or(tail));
                        let found = shown(&found);
                        Error::new(
                            Kind::Syntax,
                            format!("escape %{found}, expected two hexadecimal digits"),
                        )
                    })?;
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            b'+' if is_plus_blank => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    to_text(bytes)
}

/// Decoded bytes as text; NUL is refused.
pub(super) fn to_text(bytes: Vec<u8>) -> Result<String, Error> {
    if bytes.contains(&0) {
        return Err(Error::new(Kind::Syntax, "a NUL character, expected text"));
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}
