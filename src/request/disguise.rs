//! Request lock and obfuscation (requests.md 4): a checksum behind the query, and base64 around it. Neither is a
//! protection against people, so neither decides alone who may save. Knows no catalog.

use crate::error::{Error, Kind};

/// Bytes of a lock suffix: `&` and four hexadecimal digits.
const SUFFIX_BYTES: usize = 5;

/// The lock of a query's text: `sum = (sum * 131 + byte) mod 65536`.
pub fn lock_sum(text: &[u8]) -> u16 {
    text.iter().fold(0, |sum: u16, &byte| sum.wrapping_mul(131).wrapping_add(u16::from(byte)))
}

/// The same with bytes above 127 as negative numbers, as compilers with a signed `char` did (`U-lock-sign`).
fn signed_lock_sum(text: &[u8]) -> u16 {
    text.iter().fold(0, |sum: u16, &byte| {
        sum.wrapping_mul(131).wrapping_add_signed(i16::from(byte.cast_signed()))
    })
}

/// A query without its lock suffix, and the digits of that; `None` where it does not end in `&` and four digits.
pub fn split_lock(query: &[u8]) -> Option<(&[u8], u16)> {
    let (text, suffix) = query.split_at_checked(query.len().checked_sub(SUFFIX_BYTES)?)?;
    let digits = suffix.strip_prefix(b"&")?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
    Some((text, u16::from_str_radix(digits, 16).ok()?))
}

/// The query without its lock; `Refused` when the lock is missing or wrong (`U-lock-case`, `U-lock-empty`).
pub fn unlocked(query: &[u8]) -> Result<&[u8], Error> {
    let refused = || Error::new(Kind::Refused, "the request lock is missing or wrong");
    let (text, sum) = split_lock(query).ok_or_else(refused)?;
    match sum == lock_sum(text) || sum == signed_lock_sum(text) {
        true => Ok(text),
        false => Err(refused()),
    }
}

/// The clear text of a query in base64: standard or URL-safe alphabet, with `=`, `%3D` or no padding (`U-b64`).
///
/// `None` for any other character, blanks too, and for lengths that base64 cannot have.
pub fn revealed(query: &[u8]) -> Option<Vec<u8>> {
    let mut text = query;
    for _ in 0..2 {
        text = text
            .strip_suffix(b"=")
            .or_else(|| text.strip_suffix(b"%3D"))
            .or_else(|| text.strip_suffix(b"%3d"))
            .unwrap_or(text);
    }
    if text.len() % 4 == 1 {
        return None;
    }
    let mut clear = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut bits = 0u32;
        for &symbol in group {
            let value = match symbol {
                b'A'..=b'Z' => symbol - b'A',
                b'a'..=b'z' => symbol - b'a' + 26,
                b'0'..=b'9' => symbol - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let missing = 4 - group.len();
        let [_, bytes @ ..] = (bits << (6 * missing)).to_be_bytes();
        clear.extend_from_slice(bytes.get(..3 - missing)?);
    }
    Some(clear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_those_of_the_documented_algorithm() {
        for (query, sum) in [
            ("", 0x0000),
            ("wid=200", 0x4a1f),
            ("wid=200&fmt=png", 0x59d2),
            ("layer=0&src=a&wid=100", 0xa23e),
            ("req=exists", 0xa5ef),
            ("wid=300&hei=200", 0x99fb),
            ("$txt=my%20text", 0x331b),
        ] {
            assert_eq!(lock_sum(query.as_bytes()), sum, "{query}");
            let locked = format!("{query}&{sum:04X}");
            let own = unlocked(locked.as_bytes());
            assert_eq!(own.ok(), Some(query.as_bytes()), "{locked}");
        }
        for wrong in ["", "wid=200", "wid=201&4a1f", "wid=200&4a1", "wid=200&4a1g", "&4a1f"] {
            assert!(unlocked(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let latin = b"text=\xe9";
        for sum in [lock_sum(latin), signed_lock_sum(latin)] {
            let locked = [latin.as_slice(), format!("&{sum:04x}").as_bytes()].concat();
            assert!(unlocked(&locked).is_ok(), "U-lock-sign");
        }
    }

    #[test]
    fn base64_is_read_in_every_accepted_spelling() {
        for (obscured, clear) in [
            ("d2lkPTIwMCZmbXQ9cG5n", Some("wid=200&fmt=png")),
            ("d2lkPTIwMCZmbXQ9cG5nJjU5ZDI=", Some("wid=200&fmt=png&59d2")),
            ("d2lkPTIwMCZmbXQ9cG5nJjU5ZDI", Some("wid=200&fmt=png&59d2")),
            ("d2lkPTIwMCZmbXQ9cG5nJjU5ZDI%3D", Some("wid=200&fmt=png&59d2")),
            (
                "JHR4dD1teSB0ZXh0IHN0cmluZyYkaW1nPW15SW1hZ2U=",
                Some("$txt=my text string&$img=myImage"),
            ),
            ("d2lkPTMwMCZoZWk9MjAwJjk5ZmI=", Some("wid=300&hei=200&99fb")),
            ("Pz8_Pz4-", Some("????>>")),
            ("", Some("")),
            ("YQ==", Some("a")),
            ("wid=200", None),
            ("d2lk PTIw", None),
            ("YWJjZ", None),
        ] {
            let own = revealed(obscured.as_bytes());
            assert_eq!(own.as_deref(), clear.map(str::as_bytes), "{obscured}");
        }
    }
}
