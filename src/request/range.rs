//! `Range` of a GET to a part of a file (RFC 9110 section 14). Compares no validators, reads no file.

/// What `Range` asks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// All of it: another unit, text that is no range, and several ranges, which are answered as if there were none
    /// (`U-static-mime`), so that no request makes many parts of one file.
    Whole,
    /// This part, which the file has.
    Part {
        /// Its first byte.
        start: u64,
        /// Its length in bytes, at least 1.
        length: u64,
    },
    /// A part that begins behind the end of the file.
    Unsatisfiable,
}

impl ByteRange {
    /// Reads the header's value for a file of `file_bytes`. A part that reaches beyond the end is cut there.
    pub fn parse(text: &[u8], file_bytes: u64) -> ByteRange {
        let read = || {
            let text = std::str::from_utf8(text).ok()?;
            let (unit, set) = text.trim().split_once('=')?;
            let (first, last) = set.trim().split_once('-')?;
            unit.eq_ignore_ascii_case("bytes").then_some(())?;
            match (first, last) {
                ("", last) => Some(suffix(number(last)?, file_bytes)),
                (first, "") => Some(part(number(first)?, u64::MAX, file_bytes)),
                (first, last) => {
                    let (first, last) = (number(first)?, number(last)?);
                    (first <= last).then(|| part(first, last, file_bytes))
                }
            }
        };
        read().unwrap_or(ByteRange::Whole)
    }
}

/// From `first` to `last`, both included.
fn part(first: u64, last: u64, file_bytes: u64) -> ByteRange {
    if first >= file_bytes {
        return ByteRange::Unsatisfiable;
    }
    let end = last.saturating_add(1).min(file_bytes);
    ByteRange::Part { start: first, length: end.saturating_sub(first) }
}

/// The last `count` bytes.
fn suffix(count: u64, file_bytes: u64) -> ByteRange {
    let length = count.min(file_bytes);
    match length {
        0 => ByteRange::Unsatisfiable,
        length => ByteRange::Part { start: file_bytes.saturating_sub(length), length },
    }
}

/// Digits only; what is too large for the type is behind the end of every file.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::ByteRange::{Part, Unsatisfiable, Whole};
    use super::*;

    #[test]
    fn one_range_is_a_part_and_everything_else_the_whole() {
        for (text, file_bytes, expected) in [
            ("bytes=0-0", 10, Part { start: 0, length: 1 }),
            ("bytes=2-5", 10, Part { start: 2, length: 4 }),
            ("BYTES=2-5", 10, Part { start: 2, length: 4 }),
            ("bytes=0-", 10, Part { start: 0, length: 10 }),
            ("bytes=9-", 10, Part { start: 9, length: 1 }),
            ("bytes=9-99", 10, Part { start: 9, length: 1 }),
            ("bytes=-3", 10, Part { start: 7, length: 3 }),
            ("bytes=-99", 10, Part { start: 0, length: 10 }),
            ("bytes=0-18446744073709551615", 10, Part { start: 0, length: 10 }),
            ("bytes=0-99999999999999999999", 10, Part { start: 0, length: 10 }),
            ("bytes=0-", u64::MAX, Part { start: 0, length: u64::MAX }),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=10-11", 10, Unsatisfiable),
            ("bytes=99999999999999999999-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Unsatisfiable),
            ("bytes=5-2", 10, Whole),
            ("bytes=0-0,2-3", 10, Whole),
            ("bytes=0-0,", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=1-2-3", 10, Whole),
            ("bytes=--3", 10, Whole),
            ("lines=0-1", 10, Whole),
            ("", 10, Whole),
        ] {
            let found = ByteRange::parse(text.as_bytes(), file_bytes);
            assert_eq!(found, expected, "R-7 {text} of {file_bytes}");
        }
        assert_eq!(ByteRange::parse(b"bytes=\xff-1", 10), Whole, "R-7 no text");
    }
}
