//! Image maps in the forms of their reply (requests.md 19.2). Moves no area.

use crate::plan::area::Area;

/// A map as XML content without a declaration (`U-map-xml`): names in lower case, each value quoted and escaped. An
/// attribute without a value has an empty one. What XML does not allow as a name is left out. An empty map holds an
/// empty element.
pub fn elements(areas: &[Area]) -> String {
    let mut out = "<map>\n".to_owned();
    for area in areas {
        out.push_str("<area");
        for (name, value) in area.attributes() {
            if is_xml_name(name) {
                let (name, value) = (name.to_ascii_lowercase(), escaped(value.unwrap_or_default()));
                out.push_str(&format!(" {name}=\"{value}\""));
            }
        }
        out.push_str("/>\n");
    }
    if areas.is_empty() {
        out.push_str("<area/>\n");
    }
    out + "</map>\n"
}

/// A name that stays valid on its own: prefixes other than `xml:lang` would need a declaration.
fn is_xml_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let is_plain =
        starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let is_reserved = name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("xml"));
    (is_plain && !is_reserved) || name.eq_ignore_ascii_case("xml:lang")
}

/// The value of an attribute that is HTML already: references that XML knows stay, every other `&` is escaped.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((plain, behind)) = rest.split_once('&') {
        out.push_str(&super::xml::escaped(plain));
        match behind.split_once(';').filter(|(reference, _)| is_reference(reference)) {
            Some((reference, after)) => {
                out.push_str(&format!("&{reference};"));
                rest = after;
            }
            None => {
                out.push_str("&amp;");
                rest = behind;
            }
        }
    }
    out + &super::xml::escaped(rest)
}

/// Whether XML reads `&reference;` without a declaration: its five names, and characters that it allows by number.
fn is_reference(reference: &str) -> bool {
    if ["amp", "lt", "gt", "quot", "apos"].contains(&reference) {
        return true;
    }
    let Some(number) = reference.strip_prefix('#') else { return false };
    let code = match number.strip_prefix('x') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).ok()
        }
        None if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse().ok(),
        Some(_) | None => None,
    };
    code.and_then(char::from_u32).is_some_and(|c| match c {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    })
}
