//! JSONP: a call of the handler with an object and the id of the request (`requests.md` 15.4). Reads no JSON.

use std::fmt::Write;

use super::property::Properties;

/// `/*jsonp*/handler(value,"id");` without a line end, as the clients' pattern wants it.
pub(super) fn call(handler: &str, value: &str, id: &str) -> String {
    format!("/*jsonp*/{handler}({value},{});", quoted(id))
}

/// The properties as one flat object of strings, names in full.
pub fn object(properties: &Properties) -> String {
    let members = properties.pairs().iter();
    let members: Vec<String> =
        members.map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
    format!("{{{}}}", members.join(","))
}

/// A JSON string, with the characters escaped that mean something in HTML, and those that older JavaScript takes for
/// line ends (`U-json-compact`).
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{7f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
