//! Property lists in their text form (`requests.md` 15.1). The other forms come with their request types.

use std::fmt::Write;
use std::time::SystemTime;

use super::date::property_date;

/// Named values in the order they are printed (`U-prop-order`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(Vec<(&'static str, String)>);

impl Properties {
    /// No properties.
    pub fn new() -> Properties {
        Properties::default()
    }

    /// Adds a value of text.
    pub fn text(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, value.into()));
    }

    /// Adds a whole number.
    pub fn int(&mut self, name: &'static str, value: u64) {
        self.text(name, value.to_string());
    }

    /// Adds `0` or `1`.
    pub fn flag(&mut self, name: &'static str, value: bool) {
        self.text(name, if value { "1" } else { "0" });
    }

    /// Adds a real number in its shortest form with at least one decimal.
    pub fn real(&mut self, name: &'static str, value: f64) {
        self.text(name, format!("{value:?}"));
    }

    /// The pairs.
    pub fn pairs(&self) -> &[(&'static str, String)] {
        &self.0
    }

    /// `#S7Z OK`, the time, then `name=value` lines.
    pub fn to_text(&self, now: SystemTime) -> String {
        self.with_head("#S7Z OK", now)
    }

    /// The same for an error: `#S7Z ERROR` (`U-error-body`).
    pub fn to_error_text(&self, now: SystemTime) -> String {
        self.with_head("#S7Z ERROR", now)
    }

    fn with_head(&self, head: &str, now: SystemTime) -> String {
        let mut out = format!("{head}\n#{}\n", property_date(now));
        for (name, value) in &self.0 {
            out.push_str(name);
            out.push('=');
            escape(value, &mut out);
            out.push('\n');
        }
        out
    }
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
