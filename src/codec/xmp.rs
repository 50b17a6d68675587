//! XMP packets: the document in one, as UTF-8 and proved well-formed. It knows no property of XMP.

#![forbid(unsafe_code)]

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

/// Depth of elements at which a document counts as broken; a real one has under twenty.
const DEPTH: u32 = 256;

/// The document of a packet: UTF-8 without declaration, `<?xpacket?>` wrapper and padding (`U-xmp`), with a line end.
///
/// `None` for what is no well-formed XML with namespaces, for a document type declaration (entities), and where
/// elements lie more than 256 deep. A packet may be UTF-8, UTF-16 or UTF-32 in either byte order.
pub fn document(packet: &[u8]) -> Option<String> {
    let text = decoded(packet)?;
    let content = unwrapped(&text);
    is_well_formed(content).then(|| format!("{content}\n"))
}

/// The text by its byte order mark or its first `<`.
fn decoded(packet: &[u8]) -> Option<Cow<'_, str>> {
    // Writers pad with zeros as well as with blanks.
    let end = packet.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let units = |width: usize, is_big: bool| {
        let value = move |unit: &[u8]| {
            let join = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
            if is_big { unit.iter().fold(0, join) } else { unit.iter().rev().fold(0, join) }
        };
        packet.chunks_exact(width).map(value)
    };
    let utf_16 = |is_big: bool| {
        let units = units(2, is_big).filter_map(|unit| u16::try_from(unit).ok());
        char::decode_utf16(units).collect::<Result<String, _>>().ok()
    };
    let utf_32 = |is_big: bool| units(4, is_big).map(char::from_u32).collect::<Option<String>>();
    let wide = match packet {
        [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, b'<', ..] => utf_32(true)?,
        [0xff, 0xfe, 0, 0, ..] | [b'<', 0, 0, 0, ..] => utf_32(false)?,
        [0xfe, 0xff, ..] | [0, b'<', ..] => utf_16(true)?,
        [0xff, 0xfe, ..] | [b'<', 0, ..] => utf_16(false)?,
        _ => return std::str::from_utf8(packet.get(..end)?).ok().map(Cow::Borrowed),
    };
    Some(Cow::Owned(wide.trim_end_matches('\0').to_owned()))
}

/// Without a byte order mark, XML declaration and packet wrapper at the start, and wrapper and padding at the end.
fn unwrapped(text: &str) -> &str {
    let is_padding = |c: char| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{feff}');
    let mut rest = text.trim_matches(is_padding);
    while let Some(instruction) =
        ["<?xpacket", "<?xml "].into_iter().find_map(|start| rest.strip_prefix(start))
    {
        let Some((_, behind)) = instruction.split_once("?>") else { break };
        rest = behind.trim_start_matches(is_padding);
    }
    if let Some(at) = rest.rfind("<?xpacket")
        && rest.get(at..).is_some_and(|wrapper| wrapper.find("?>") == Some(wrapper.len() - 2))
    {
        rest = rest.get(..at).unwrap_or_default().trim_end_matches(is_padding);
    }
    rest
}

/// Whether a document reads to its end in a parser that knows namespaces, with one element around all.
fn is_well_formed(text: &str) -> bool {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    let (mut depth, mut roots) = (0_u32, 0_u32);
    if !text.chars().all(is_char) {
        return false;
    }
    loop {
        let Ok(event) = reader.read_event() else { return false };
        let is_good = match &event {
            Event::Start(start) => {
                roots += u32::from(depth == 0);
                depth += 1;
                depth <= DEPTH && is_element(&reader, start)
            }
            Event::Empty(start) => {
                roots += u32::from(depth == 0);
                is_element(&reader, start)
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                true
            }
            Event::Text(text) => {
                !text.contains("]]>")
                    && (depth > 0 || text.chars().all(|c| c.is_ascii_whitespace()))
            }
            Event::GeneralRef(reference) => depth > 0 && is_reference(reference),
            Event::CData(_) => depth > 0,
            Event::PI(instruction) => {
                let target = instruction.target();
                is_name(target) && !target.eq_ignore_ascii_case("xml")
            }
            Event::Comment(_) => true,
            Event::Decl(_) | Event::DocType(_) => false,
            Event::Eof => return depth == 0 && roots == 1,
        };
        if !is_good || roots > 1 {
            return false;
        }
    }
}

/// Whether the names and attributes of an element are well-formed and their prefixes are bound.
fn is_element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> bool {
    let (resolved, _) = reader.resolver().resolve_element(start.name());
    if matches!(resolved, ResolveResult::Unknown(_)) || !is_qualified(start.name().as_ref()) {
        return false;
    }
    start.attributes().all(|attribute| {
        let Ok(attribute) = attribute else { return false };
        let (resolved, _) = reader.resolver().resolve_attribute(attribute.key);
        let is_bound = !matches!(resolved, ResolveResult::Unknown(_));
        is_bound && is_qualified(attribute.key.as_ref()) && is_value(&attribute.value)
    })
}

fn is_value(value: &str) -> bool {
    let mut parts = value.split('&');
    let is_plain = parts.next().is_none_or(|plain| !plain.contains('<'));
    is_plain
        && parts.all(|part| {
            let Some((reference, plain)) = part.split_once(';') else { return false };
            !plain.contains('<') && is_reference(&BytesRef::new(reference))
        })
}

/// A reference to one of the five entities or to a character that XML allows.
fn is_reference(reference: &BytesRef<'_>) -> bool {
    match reference.resolve_char_ref() {
        Ok(Some(c)) => is_char(c),
        Ok(None) => resolve_predefined_entity(reference).is_some(),
        Err(_) => false,
    }
}

/// A name with at most one colon, between two names.
fn is_qualified(name: &str) -> bool {
    match name.split_once(':') {
        Some((prefix, local)) => is_name(prefix) && is_name(local) && !local.contains(':'),
        None => is_name(name),
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |c: char| {
        let is_mark = matches!(c, '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}');
        is_name_start(c) || c.is_ascii_digit() || matches!(c, '-' | '.') || is_mark
    };
    name.chars().next().is_some_and(is_name_start) && name.chars().all(is_part)
}

/// `NameStartChar` of XML 1.0, without the colon.
fn is_name_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}'
        | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}'
        | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

/// The characters of XML 1.0.
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
