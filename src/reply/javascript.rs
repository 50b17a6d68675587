//! Properties as assignments of an include file (`requests.md` 15.2). The page makes the objects they are assigned to.

use super::property::Properties;

/// One assignment a line; lines end in LF. Names are ours, never those of user data, which has no such format.
pub(super) fn printed(properties: &Properties) -> String {
    let mut out = String::new();
    for (name, value) in properties.pairs() {
        out.push_str(name);
        out.push_str("='");
        escape(value, &mut out);
        out.push_str("'\n");
    }
    out
}

/// A single quote is doubled as documented, which makes such a line a syntax error and nothing worse; what ends a line
/// or a script element is escaped (`U-js-escape`).
fn escape(value: &str, out: &mut String) {
    let mut previous = ' ';
    for c in value.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\r' => out.push_str("\\r"),
            '\n' => out.push_str("\\n"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            '/' if previous == '<' => out.push_str("\\/"),
            c => out.push(c),
        }
        previous = c;
    }
}
