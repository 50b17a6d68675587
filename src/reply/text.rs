//! Properties as text, the form of `java.util.Properties` (`requests.md` 15.1).

use std::fmt::Write;
use std::time::SystemTime;

use super::date::property_date;
use super::property::Properties;

/// The head, the time, then `name=value` lines that end in LF.
pub(super) fn printed(properties: &Properties, head: &str, now: SystemTime) -> String {
    let mut out = format!("{head}\n#{}\n", property_date(now));
    for (name, value) in properties.pairs() {
        out.push_str(name);
        out.push('=');
        escape(value, &mut out);
        out.push('\n');
    }
    out
}

/// Java property escapes (`U-text-detail`): backslash, line ends, tab, a leading space, and all but printable ASCII.
fn escape(value: &str, out: &mut String) {
    for (index, c) in value.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' ' if index == 0 => out.push_str("\\ "),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
}
