//! Regular expressions of Java's `java.util.regex` in the spelling of our engine. Matches nothing itself.

/// Names of Java's POSIX and `java.lang.Character` classes, and what they stand for.
const CLASSES: [(&str, &str); 16] = [
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", r"\x00-\x7F"),
    ("Alpha", "a-zA-Z"),
    ("Digit", "0-9"),
    ("Alnum", "a-zA-Z0-9"),
    ("Punct", r"!-/:-@\[-`{-~"),
    ("Graph", "!-~"),
    ("Print", " -~"),
    ("Blank", r" \t"),
    ("Cntrl", r"\x00-\x1F\x7F"),
    ("XDigit", "0-9a-fA-F"),
    ("Space", r" \t\n\x0B\f\r"),
    ("javaLowerCase", r"\p{Lowercase}"),
    ("javaUpperCase", r"\p{Uppercase}"),
    ("javaWhitespace", r"\s"),
];

/// Longest expression, in bytes.
const PATTERN_BYTES: usize = 16 << 10;

/// Translates what is spelled differently: `\Q…\E`, `\p{Lower}` and its kin, `\h`, `\Z`, ASCII `\d \w \s`.
///
/// `Err` for an expression over 16 KiB and for a quotation or class without end.
pub(super) fn java_pattern(text: &str) -> Result<String, String> {
    if text.len() > PATTERN_BYTES {
        return Err(format!("{} bytes, expected at most {PATTERN_BYTES}", text.len()));
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    // Depth of nested classes: within one, a class is spelled without its own brackets.
    let mut depth = 0_usize;
    while let Some(first) = rest.chars().next() {
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        if first != '\\' {
            match first {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            out.push(first);
            rest = behind;
            continue;
        }
        let Some(kind) = behind.chars().next() else {
            return Err("a backslash at the end".to_owned());
        };
        let after = behind.get(kind.len_utf8()..).unwrap_or_default();
        rest = after;
        match kind {
            'Q' => {
                let end = after.find("\\E");
                let quoted = after.get(..end.unwrap_or(after.len())).unwrap_or_default();
                quoted.chars().for_each(|c| literal(&mut out, c));
                rest = end.and_then(|end| after.get(end + 2..)).unwrap_or_default();
            }
            'E' => {}
            'p' | 'P' if after.starts_with('{') => {
                let (name, behind) = after
                    .get(1..)
                    .and_then(|inner| inner.split_once('}'))
                    .ok_or_else(|| "\\p{ without }".to_owned())?;
                let bare = name.strip_prefix("Is").unwrap_or(name);
                match CLASSES.iter().find(|(own, _)| *own == name) {
                    Some((_, members)) => class(&mut out, members, kind == 'P', depth),
                    None => out.push_str(&format!("\\{kind}{{{bare}}}")),
                }
                rest = behind;
            }
            // Java's predefined classes are ASCII.
            'd' => class(&mut out, "0-9", false, depth),
            'D' => class(&mut out, "0-9", true, depth),
            'w' => class(&mut out, "a-zA-Z_0-9", false, depth),
            'W' => class(&mut out, "a-zA-Z_0-9", true, depth),
            's' => class(&mut out, r" \t\n\x0B\f\r", false, depth),
            'S' => class(&mut out, r" \t\n\x0B\f\r", true, depth),
            'h' => {
                class(&mut out, r" \t\xA0\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}", false, depth)
            }
            'Z' => out.push_str(r"(?=\n?\z)"),
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    Ok(out)
}

fn class(out: &mut String, members: &str, is_negated: bool, depth: usize) {
    match (is_negated, depth) {
        (false, 0) => out.push_str(&format!("[{members}]")),
        (false, _) => out.push_str(members),
        (true, _) => out.push_str(&format!("[^{members}]")),
    }
}

fn literal(out: &mut String, c: char) {
    if r"\.+*?()|[]{}^$#&-~".contains(c) {
        out.push('\\');
    }
    out.push(c);
}
