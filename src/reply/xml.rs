//! Properties as XML, and XML in its encodings (`requests.md` 15.3). Reads no XML.

use std::collections::HashMap;
use std::fmt::Write;

use super::property::Properties;
use crate::request::XmlEncoding;

/// The name of an encoding, for the XML declaration and for `charset`.
pub fn charset(encoding: XmlEncoding) -> &'static str {
    match encoding {
        XmlEncoding::Utf8 => "UTF-8",
        XmlEncoding::Utf16 => "UTF-16",
        XmlEncoding::Utf16Le => "UTF-16LE",
        XmlEncoding::Utf16Be => "UTF-16BE",
        XmlEncoding::Latin1 => "ISO-8859-1",
    }
}

/// A whole document: the declaration, then `content`, whose only characters beyond ASCII are those of values.
///
/// `UTF-16` is big-endian with a byte order mark. `ISO-8859-1` writes what it lacks as character references, and so the
/// range 0x80 to 0x9F, which browsers read as windows-1252.
pub fn document(content: &str, encoding: XmlEncoding) -> Vec<u8> {
    let declared = format!("<?xml version=\"1.0\" encoding=\"{}\" ?>\n", charset(encoding));
    let text = declared + content;
    match encoding {
        XmlEncoding::Utf8 => text.into_bytes(),
        XmlEncoding::Utf16 => {
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            units.flat_map(u16::to_be_bytes).collect()
        }
        XmlEncoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        XmlEncoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        XmlEncoding::Latin1 => latin_1(&text),
    }
}

fn latin_1(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(byte) if !(0x80..=0x9f).contains(&byte) => out.push(byte),
            Ok(_) | Err(_) => out.extend_from_slice(format!("&#{};", u32::from(c)).as_bytes()),
        }
    }
    out
}

/// A group's name, `None` for the outer one, and its properties.
type Group<'p> = (Option<&'p str>, Vec<(&'p str, &'p str)>);

/// The properties in their groups, without a declaration (`U-xml-group`): a name is split at its last dot; one without
/// a group stands in the outer one. A group stands where its first property does.
pub(super) fn printed(properties: &Properties) -> String {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places: HashMap<Option<&str>, usize> = HashMap::new();
    for (name, value) in properties.pairs() {
        let split =
            name.rsplit_once('.').filter(|(group, own)| !group.is_empty() && !own.is_empty());
        let (group, own) = match split {
            Some((group, own)) => (Some(group), own),
            None => (None, name.as_ref()),
        };
        let place = *places.entry(group).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, members)) => members.push((own, value)),
            None => groups.push((group, vec![(own, value)])),
        }
    }
    let mut out = "<prop-group>\n".to_owned();
    for (group, members) in &groups {
        let indent = match group {
            Some(name) => {
                out.push_str(&format!(" <prop-group name=\"{}\">\n", escaped(name)));
                "  "
            }
            None => " ",
        };
        for (name, value) in members {
            let (name, value) = (escaped(name), escaped(value));
            out.push_str(&format!("{indent}<property name=\"{name}\" value=\"{value}\" />\n"));
        }
        if group.is_some() {
            out.push_str(" </prop-group>\n");
        }
    }
    out + "</prop-group>\n"
}

/// The value of an attribute. White space other than blanks is written by number, since readers turn it into blanks;
/// characters that XML 1.0 does not allow are dropped.
pub fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}
