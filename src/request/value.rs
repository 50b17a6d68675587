//! Numbers, flags, keywords and argument lists of command values. Knows no command.

use crate::error::{Error, Kind, shown};

/// Largest magnitude of a position in pixels (`r-restrictions-and-known-issues`).
pub const LARGEST_POSITION: i64 = 2_147_483_648;
/// Largest width, height or other count.
pub const LARGEST_COUNT: i64 = 2_147_483_647;

/// A `Syntax` error that says what was found and what was expected; the caller adds the name of the command.
pub fn unexpected(found: &str, expected: &str) -> Error {
    let found = match found.is_empty() {
        true => "empty".to_owned(),
        false => shown(found),
    };
    Error::new(Kind::Syntax, format!("is {found}, expected {expected}"))
}

/// `+` stands for a blank in values (`U-plus`), so a written plus sign arrives as a blank.
fn unsigned(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+' | b' ') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    }
}

/// A whole decimal number; digits beyond `i64` saturate, so that a range check or clamp follows.
pub fn int(text: &str) -> Result<i64, Error> {
    let (is_negative, digits) = unsigned(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(unexpected(text, "a whole number"));
    }
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX);
    Ok(if is_negative { -magnitude } else { magnitude })
}

/// A decimal number with optional fraction and exponent; never infinite, never `NaN`.
pub fn real(text: &str) -> Result<f64, Error> {
    let bad = || unexpected(text, "a number");
    let (is_negative, rest) = unsigned(text);
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => {
            (rest.get(..at).unwrap_or_default(), Some(rest.get(at + 1..).unwrap_or_default()))
        }
        None => (rest, None),
    };
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(bad());
    }
    let mut plain = format!("0{whole}.{fraction}0");
    if let Some(exponent) = exponent {
        let (is_small, power) = unsigned(exponent);
        if power.is_empty() || !digits(power) {
            return Err(bad());
        }
        plain.push('e');
        plain.push_str(if is_small { "-" } else { "" });
        plain.push_str(power);
    }
    let number: f64 = plain.parse().map_err(|_| bad())?;
    if !number.is_finite() {
        return Err(unexpected(text, "a number below 1.8e308"));
    }
    // A negative zero is a zero.
    Ok(if is_negative && number != 0.0 { -number } else { number })
}

/// A real number above zero (structural: `Syntax` otherwise).
pub fn positive_real(text: &str) -> Result<f64, Error> {
    let number = real(text)?;
    match number > 0.0 {
        true => Ok(number),
        false => Err(unexpected(text, "a number above 0")),
    }
}

/// A whole number within `low..=high` (structural: `Syntax` otherwise).
pub fn int_within(text: &str, low: i64, high: i64) -> Result<i64, Error> {
    let number = int(text)?;
    match (low..=high).contains(&number) {
        true => Ok(number),
        false => Err(unexpected(text, &format!("{low} to {high}"))),
    }
}

/// A whole number, clamped to `low..=high` (tuning value, U004).
pub fn int_clamped(text: &str, low: i32, high: i32) -> Result<i32, Error> {
    let clamped = int(text)?.clamp(i64::from(low), i64::from(high));
    Ok(i32::try_from(clamped).unwrap_or(low))
}

/// A real number, clamped to `low..=high` (tuning value, U004).
pub fn real_clamped(text: &str, low: f64, high: f64) -> Result<f64, Error> {
    Ok(real(text)?.clamp(low, high))
}

/// Width, height or another count of 1 to 2147483647.
pub fn count(text: &str) -> Result<u32, Error> {
    let number = int_within(text, 1, LARGEST_COUNT)?;
    u32::try_from(number).map_err(|_| unexpected(text, "a count"))
}

/// A pixel position: a fraction is truncated towards zero (U005), a magnitude above 2147483648 is an error.
pub fn position(text: &str) -> Result<i64, Error> {
    let number = real(text)?.trunc();
    if number.abs() > LARGEST_POSITION as f64 {
        return Err(unexpected(text, "at most 2147483648"));
    }
    Ok(number as i64)
}

/// A normalized position: a magnitude above 2147483648 is an error.
pub fn real_position(text: &str) -> Result<f64, Error> {
    let number = real(text)?;
    match number.abs() <= LARGEST_POSITION as f64 {
        true => Ok(number),
        false => Err(unexpected(text, "at most 2147483648")),
    }
}

/// A pixel length of `low` to 2147483647; a fraction is truncated (U005) before the check.
pub fn length(text: &str, low: u32) -> Result<u32, Error> {
    let number = real(text)?.trunc();
    if number < f64::from(low) || number > LARGEST_COUNT as f64 {
        return Err(unexpected(text, &format!("{low} to {LARGEST_COUNT}")));
    }
    Ok(number as u32)
}

/// A flag: `1|true|yes|on` or `0|false|no|off` in any case (`U-bool`).
pub fn flag(text: &str) -> Result<bool, Error> {
    keyword(
        text,
        &[
            ("1", true),
            ("0", false),
            ("true", true),
            ("false", false),
            ("yes", true),
            ("no", false),
            ("on", true),
            ("off", false),
        ],
    )
}

/// One of the words, in any case (`U-enum-case`).
pub fn keyword<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Error> {
    words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(text))
        .map(|&(_, value)| value)
        .ok_or_else(|| {
            let names: Vec<&str> = words.iter().map(|&(word, _)| word).collect();
            unexpected(text, &format!("one of {}", names.join(" ")))
        })
}

/// The comma-separated arguments of a value; refuses fewer than `least` and more than `most` (U003).
pub fn arguments(text: &str, least: usize, most: usize) -> Result<Vec<&str>, Error> {
    let found = text.bytes().filter(|&b| b == b',').count() + 1;
    if found < least || found > most {
        let expected = match least == most {
            true => format!("{least} arguments"),
            false => format!("{least} to {most} arguments"),
        };
        return Err(unexpected(text, &format!("{expected}, not {found}")));
    }
    Ok(text.split(',').collect())
}

/// Argument `index`; `None` when it is missing or empty, which takes its default (commands.md 1.1).
pub fn argument<'a>(arguments: &[&'a str], index: usize) -> Option<&'a str> {
    arguments.get(index).copied().filter(|text| !text.is_empty())
}

/// Argument `index` parsed, or `default` when it is missing or empty.
pub fn argument_or<T>(
    arguments: &[&str],
    index: usize,
    default: T,
    parse: impl Fn(&str) -> Result<T, Error>,
) -> Result<T, Error> {
    argument(arguments, index).map_or(Ok(default), parse)
}

/// Exactly `N` numbers of one kind.
pub fn numbers<T: Copy + Default, const N: usize>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, Error>,
) -> Result<[T; N], Error> {
    let mut out = [T::default(); N];
    for (slot, part) in out.iter_mut().zip(arguments(text, N, N)?) {
        *slot = parse(part)?;
    }
    Ok(out)
}
