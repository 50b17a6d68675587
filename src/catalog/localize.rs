//! Localized strings of record fields: of `^loc=id^` alternatives the one of the locale (requests.md 25, text.md 15.3).
//!
//! It reads no field of a table and formats no reply: text in, text out, in the same notation.

use std::borrow::Cow;

use crate::error::Error;

use super::{Catalog, PropertyText};

/// Picks the strings of one locale.
#[derive(Clone, Copy, Debug)]
pub struct Localizer<'a> {
    /// String ids in the order to be searched; `None` leaves every string as it is (`U-locale-nomap`).
    ids: Option<&'a [String]>,
}

impl Catalog {
    /// The strings of a request with this main catalog; `locale` is the value of `locale=`.
    ///
    /// `Refused` for a locale that `LocaleStrMap` does not list and has no default rule for (`U-loc-missing`).
    pub fn localizer(&self, locale: Option<&str>) -> Result<Localizer<'_>, Error> {
        let map = self.attributes.locale_str_map.as_ref();
        let ids = map.map(|map| map.ids(self.effective_locale(locale))).transpose()?;
        Ok(Localizer { ids })
    }
}

/// A token `^loc=id^` in a text.
struct Token<'t> {
    start: usize,
    end: usize,
    id: &'t str,
}

/// What a token is made of may be HTTP-encoded, each character by itself.
fn strip<'t>(text: &'t str, plain: &str, encoded: &str) -> Option<&'t str> {
    let coded = || {
        let head = text.get(..encoded.len())?;
        head.eq_ignore_ascii_case(encoded).then(|| text.get(encoded.len()..))?
    };
    text.strip_prefix(plain).or_else(coded)
}

/// The place of the first `^`, and of what follows it.
fn caret(text: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let next = at + rest.find(['^', '%'])?;
        let behind = text.get(next..)?;
        if let Some(after) = strip(behind, "^", "%5e") {
            return Some((next, text.len() - after.len()));
        }
        at = next + 1;
    }
}

/// The first token from `from` on. A `^` that begins no token is an ordinary character.
fn token(text: &str, from: usize) -> Option<Token<'_>> {
    let mut at = from;
    loop {
        let (open, behind) = caret(text.get(at..)?)?;
        let (start, behind) = (at + open, at + behind);
        at = behind;
        let Some(rest) = text.get(behind..)?.strip_prefix("loc") else { continue };
        let Some(rest) = strip(rest, "=", "%3d") else { continue };
        // Without another ^ there is no token further on either.
        let (length, end) = caret(rest)?;
        let id = rest.get(..length)?;
        if !id.is_empty() && id.is_ascii() {
            return Some(Token { start, end: text.len() - rest.len() + end, id });
        }
    }
}

/// The bytes of an id with `%xx` decoded; anything else stands for itself.
fn decoded(id: &str) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(id.len());
    let mut rest = id.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let pair = (hex(behind.first()), hex(behind.get(1)));
        match (*first, pair) {
            (b'%', (Some(high), Some(low))) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

impl<'a> Localizer<'a> {
    /// One localizable string: `[default]*{^loc=id^text}`. Without a token it is unchanged; where no id of the locale
    /// is there, it is empty. Ids compare with case (`U-loc-case`). Time grows with the text times the ids.
    pub fn string<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let (Some(ids), Some(first)) = (self.ids, token(text, 0)) else {
            return Cow::Borrowed(text);
        };
        let default = text.get(..first.start).unwrap_or_default();
        let mut parts: Vec<(&str, &str)> = Vec::new();
        let mut current = Some(first);
        while let Some(own) = current {
            let next = token(text, own.end);
            let end = next.as_ref().map_or(text.len(), |next| next.start);
            parts.push((own.id, text.get(own.end..end).unwrap_or_default()));
            current = next;
        }
        let is_it = |own: &str, id: &str| own == id || decoded(own) == id.as_bytes();
        let part_of = |id: &String| match id.as_str() {
            // A default string that is absent lets the search go on (`U-loc-missing`).
            "" => Some(default).filter(|default| !default.is_empty()),
            id => parts.iter().find(|(own, _)| is_it(own, id)).map(|(_, text)| *text),
        };
        Cow::Borrowed(ids.iter().find_map(part_of).unwrap_or_default())
    }

    /// Whether nothing in a field can change, so that it is passed on as it is.
    fn leaves(&self, text: &str) -> bool {
        self.ids.is_none() || token(text, 0).is_none()
    }

    /// `ImageSet`: each part between `, ; : { } ( )`; a leading `0xrrggbb` is passed through.
    pub fn image_set<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.leaves(text) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        for piece in text.split_inclusive([',', ';', ':', '{', '}', '(', ')']) {
            let element = piece.trim_end_matches([',', ';', ':', '{', '}', '(', ')']);
            let (color, label) = element.split_at(color_length(element));
            out.push_str(color);
            out.push_str(&self.string(label));
            out.push_str(piece.get(element.len()..).unwrap_or_default());
        }
        Cow::Owned(out)
    }

    /// `Map`: each quoted attribute value but those of `coords` and `shape`.
    pub fn map<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.leaves(text) {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find(['"', '\'']) {
            let (before, quoted) = rest.split_at(open);
            let (quote, inner) = quoted.split_at(1);
            // A quote that does not end quotes nothing.
            let Some((value, behind)) = inner.split_once(quote) else { break };
            let name = before.trim_end().strip_suffix('=').map(str::trim_end).and_then(|before| {
                before.rsplit(|c: char| c.is_ascii_whitespace() || "<>\"'/=".contains(c)).next()
            });
            let is_kept = name.is_none_or(|name| {
                ["", "coords", "shape"].iter().any(|kept| name.eq_ignore_ascii_case(kept))
            });
            let value = if is_kept { Cow::Borrowed(value) } else { self.string(value) };
            for part in [before, quote, &value, quote] {
                out.push_str(part);
            }
            rest = behind;
        }
        out.push_str(rest);
        Cow::Owned(out)
    }

    /// `Targets`: the values of `Target.n.label` and `Target.n.userData`.
    pub fn targets<'t>(&self, field: PropertyText<'t>) -> Cow<'t, str> {
        self.properties(field, |name| {
            let name = name.trim().to_ascii_lowercase();
            name.starts_with("target.") && (name.ends_with(".label") || name.ends_with(".userdata"))
        })
    }

    /// `UserData`: the value of every property, or the whole text where it is no property data.
    pub fn user_data<'t>(&self, field: PropertyText<'t>) -> Cow<'t, str> {
        let mut items = separated(field).into_iter().map(|(item, _)| item);
        if !items.any(|item| name_length(item).is_some()) {
            return self.string(field.text);
        }
        self.properties(field, |_| true)
    }

    fn properties<'t>(
        &self,
        field: PropertyText<'t>,
        is_localized: impl Fn(&str) -> bool,
    ) -> Cow<'t, str> {
        if self.leaves(field.text) {
            return Cow::Borrowed(field.text);
        }
        let mut out = String::with_capacity(field.text.len());
        for (item, separator) in separated(field) {
            let (head, value) = item.split_at(name_length(item).unwrap_or(0));
            out.push_str(head);
            match is_localized(head.strip_suffix('=').unwrap_or(head)) {
                true => out.push_str(&self.string(value)),
                false => out.push_str(value),
            }
            out.push_str(separator);
        }
        Cow::Owned(out)
    }
}

/// The length of `0xrrggbb` in front of a label; 0 without it.
fn color_length(element: &str) -> usize {
    let blanks = element.len() - element.trim_start().len();
    let color = element.get(blanks..blanks + 8).unwrap_or_default();
    let digits = color.strip_prefix("0x").or_else(|| color.strip_prefix("0X")).unwrap_or_default();
    let is_color = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_color { blanks + 8 } else { 0 }
}

/// The length of `name=` of a property; `None` where the first `=` belongs to a token or there is none.
fn name_length(item: &str) -> Option<usize> {
    let equals = item.find('=')?;
    let is_name = token(item, 0).is_none_or(|token| equals < token.start);
    is_name.then_some(equals + 1)
}

/// The items of property data, each with the separator behind it: `??`, or line ends where the field is quoted.
fn separated(field: PropertyText<'_>) -> Vec<(&str, &str)> {
    let mut items = Vec::new();
    let mut rest = field.text;
    loop {
        let found = match field.is_quoted {
            true => rest.find(['\r', '\n']),
            false => rest.find("??"),
        };
        let Some(at) = found else { break };
        let (item, behind) = rest.split_at(at);
        let length = match field.is_quoted && !behind.starts_with("\r\n") {
            true => 1,
            false => 2,
        };
        let (separator, behind) = behind.split_at(length);
        items.push((item, separator));
        rest = behind;
    }
    items.push((rest, ""));
    items
}
