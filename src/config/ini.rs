//! Lines `name = value` with their numbers, for settings and catalog attribute files. It knows no name.

use std::borrow::Cow;
use std::path::Path;

use crate::error::shown;

use super::fault::{Fault, Severity};

/// Which of the two kinds of file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `imprint.conf`: sections, `#` and `;` comments; what is not understood is an error.
    Settings,
    /// A catalog attribute file: no sections, `#` comments, a backslash before a line end continues the value; what
    /// is not understood is ignored with a warning (catalogs-and-server.md section 4).
    Attributes,
}

/// One `name = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The section, as written; empty in attribute files.
    pub section: String,
    /// The name, as written; compares without case.
    pub name: String,
    /// The value without blanks around it, quotes and all.
    pub value: String,
    /// Line of the name, from 1.
    pub line: u32,
}

/// The text of a catalog file: UTF-8 behind `EF BB BF`, else ISO-8859-1. The flag says that UTF-8 was broken and
/// replacement characters stand in it.
///
/// Text that is valid keeps its memory: a data file may be as large as the memory that is left.
pub fn decode(mut bytes: Vec<u8>) -> (String, bool) {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let is_utf8 = bytes.starts_with(MARK);
    if is_utf8 {
        bytes.drain(..MARK.len());
    } else if !bytes.is_ascii() {
        return (bytes.into_iter().map(char::from).collect(), false);
    }
    match String::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
    }
}

/// Splits at CR, LF and CR LF; where `joins` is set a backslash directly before the line end becomes one LF and the
/// line goes on. Each line comes with the number of its first one.
fn lines(text: &str, joins: bool) -> Vec<(u32, Cow<'_, str>)> {
    let mut out = Vec::new();
    let mut number = 0u32;
    let mut rest = text;
    let mut open: Option<(u32, String)> = None;
    while !rest.is_empty() {
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        let has_end = !tail.is_empty();
        rest = tail.strip_prefix("\r\n").or_else(|| tail.strip_prefix(['\r', '\n'])).unwrap_or("");
        number = number.saturating_add(1);
        let continued = line.strip_suffix('\\').filter(|_| joins && has_end);
        // A comment never continues.
        let continued = continued.filter(|_| open.is_some() || !line.trim_start().starts_with('#'));
        match (continued, open.take()) {
            (Some(part), None) => open = Some((number, format!("{part}\n"))),
            (Some(part), Some((first, text))) => open = Some((first, format!("{text}{part}\n"))),
            (None, None) => out.push((number, Cow::Borrowed(line))),
            (None, Some((first, text))) => out.push((first, Cow::Owned(text + line))),
        }
    }
    out.extend(open.map(|(first, text)| (first, Cow::Owned(text))));
    out
}

/// Reads all entries of `text`, in their order; `file` is named in faults.
pub fn read(text: &str, dialect: Dialect, file: &Path, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let (severity, consequence) = match dialect {
        Dialect::Settings => (Severity::Error, ""),
        Dialect::Attributes => (Severity::Warning, "; ignored"),
    };
    let mut entries = Vec::new();
    let mut section = String::new();
    let mut fault = |line: u32, message: String| {
        faults.push(Fault::new(severity, file, Some(line), message + consequence));
    };
    for (number, line) in lines(text, dialect == Dialect::Attributes) {
        let content = line.trim();
        let is_comment =
            content.starts_with('#') || (dialect == Dialect::Settings && content.starts_with(';'));
        if content.is_empty() || is_comment {
            continue;
        }
        if let Some(rest) = content.strip_prefix('[').filter(|rest| !rest.contains('=')) {
            match (dialect, rest.strip_suffix(']')) {
                (Dialect::Settings, Some(name)) => section = name.trim().to_owned(),
                (Dialect::Settings, None) => {
                    fault(number, format!("found {}, expected [section]", shown(content)));
                }
                (Dialect::Attributes, _) => {
                    fault(number, format!("found section {}, expected name=value", shown(content)));
                }
            }
            continue;
        }
        let Some((name, value)) = content.split_once('=') else {
            fault(number, format!("found {}, expected name=value", shown(content)));
            continue;
        };
        let name = name.trim_end();
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(is_name) {
            fault(
                number,
                format!("name is {}, expected letters, digits, '-', '_' and '.'", shown(name)),
            );
            continue;
        }
        entries.push(Entry {
            section: section.clone(),
            name: name.to_owned(),
            value: value.trim().to_owned(),
            line: number,
        });
    }
    entries
}

/// The last entry of that name, compared without case.
pub fn last<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Entry> {
    entries.iter().rev().find(|entry| entry.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String, u32)> {
        read(text, Dialect::Attributes, Path::new("a.ini"), &mut Vec::new())
            .into_iter()
            .map(|e| (e.name, e.value, e.line))
            .collect()
    }

    #[test]
    fn line_ends_and_continuations_count_lines() {
        for end in ["\n", "\r", "\r\n"] {
            let text = ["a = 1\\", "2", "# c \\", " # d", "b=x=y"].join(end);
            let expected =
                vec![("a".to_owned(), "1\n2".to_owned(), 1), ("b".to_owned(), "x=y".to_owned(), 5)];
            assert_eq!(values(&text), expected, "{end:?}");
        }
        assert_eq!(values("a=\\x\\"), vec![("a".to_owned(), "\\x\\".to_owned(), 1)]);
    }
}
