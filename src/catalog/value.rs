//! Values of attributes and data fields: text to type (catalogs-and-server.md section 3). A failure says what was
//! expected. It knows no name of an attribute or field.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::codec::Chroma;
use crate::geometry::Size;

use super::attributes::{
    AccessType, Align, CacheValidationPolicy, DefaultImageMode, DigimarcId, DirectAccess,
    Expiration, RenderIntent, ResMode, ThumbType,
};

/// A value, or what was expected instead.
pub type Parsed<T> = Result<T, String>;

/// A text string: one pair of single or double quotes is taken off, doubled ones inside become one (K-15).
pub fn text(raw: &str) -> Parsed<String> {
    for quote in ["\"", "'"] {
        if let Some(rest) = raw.strip_prefix(quote) {
            let Some(inner) = rest.strip_suffix(quote) else { break };
            let doubled = quote.repeat(2);
            if inner.replace(&doubled, "").contains(quote) {
                break;
            }
            return Ok(inner.replace(&doubled, quote));
        }
    }
    Ok(raw.to_owned())
}

/// A text without control characters.
pub fn plain_text(raw: &str) -> Parsed<String> {
    let value = text(raw)?;
    if value.chars().any(char::is_control) {
        return Err("text without control characters".to_owned());
    }
    Ok(value)
}

/// The parts of a list; a comma inside quotes does not split.
pub fn list(raw: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut quote = None;
    for c in raw.chars() {
        match (c, quote) {
            (',', None) => parts.push(std::mem::take(&mut part)),
            ('"' | '\'', None) if part.trim().is_empty() => {
                quote = Some(c);
                part.push(c);
            }
            (c, Some(open)) if c == open => {
                quote = None;
                part.push(c);
            }
            (c, _) => part.push(c),
        }
    }
    parts.push(part);
    let unquoted = |part: &String| text(part.trim()).unwrap_or_default();
    parts.iter().map(unquoted).filter(|part| !part.is_empty()).collect()
}

/// `0` or `1`; anything else is "not specified", which is a fault worth a warning.
pub fn flag(raw: &str) -> Parsed<bool> {
    match raw {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("0 or 1".to_owned()),
    }
}

/// `true` or `false`, also a flag.
pub fn boolean(raw: &str) -> Parsed<bool> {
    match raw.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

/// A signed decimal within the range of the type.
pub fn integer(raw: &str) -> Option<i64> {
    let raw = raw.trim();
    let digits = raw.strip_prefix(['-', '+']).unwrap_or(raw);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    raw.parse().ok().filter(|_| is_number)
}

/// A whole number from `least` to `most`.
pub fn whole(raw: &str, least: u32, most: u32) -> Parsed<u32> {
    integer(raw)
        .and_then(|value| u32::try_from(value).ok())
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("a whole number, {least} to {most}"))
}

fn small(raw: &str, least: u32, most: u32) -> Parsed<u8> {
    whole(raw, least, most).map(|value| u8::try_from(value).unwrap_or(u8::MAX))
}

/// A finite real number, perhaps with fraction and exponent.
pub fn real(raw: &str) -> Option<f64> {
    let raw = raw.trim();
    let is_plain = raw.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    raw.parse::<f64>().ok().filter(|value| is_plain && value.is_finite())
}

/// A real number above 0.
pub fn positive(raw: &str) -> Parsed<f64> {
    real(raw).filter(|value| *value > 0.0).ok_or_else(|| "a number above 0".to_owned())
}

/// Two whole numbers from `least` on.
pub fn size(raw: &str, least: u32) -> Parsed<Size> {
    let expected = || format!("two whole numbers from {least} on, separated by a comma");
    let (width, height) = raw.split_once(',').ok_or_else(expected)?;
    let side = |text| whole(text, least, i32::MAX.unsigned_abs()).map_err(|_| expected());
    Ok(Size::new(side(width)?, side(height)?))
}

/// Two signed whole numbers.
pub fn point(raw: &str) -> Parsed<(i32, i32)> {
    let expected = || "two whole numbers, separated by a comma".to_owned();
    let (x, y) = raw.split_once(',').ok_or_else(expected)?;
    let side =
        |text| integer(text).and_then(|value| i32::try_from(value).ok()).ok_or_else(expected);
    Ok((side(x)?, side(y)?))
}

/// `0,0` (unlimited) or two numbers above 0.
pub fn max_pix(raw: &str) -> Parsed<Option<Size>> {
    let expected = || "0,0 or two whole numbers above 0".to_owned();
    let size = size(raw, 0).map_err(|_| expected())?;
    match (size.width, size.height) {
        (0, 0) => Ok(None),
        (0, _) | (_, 0) => Err(expected()),
        _ => Ok(Some(size)),
    }
}

/// RRGGBB, with or without `0x` (K-14).
pub fn color(raw: &str) -> Parsed<[u8; 3]> {
    let expected = || "six hexadecimal digits, RRGGBB".to_owned();
    let digits = raw.strip_prefix("0x").or_else(|| raw.strip_prefix("0X")).unwrap_or(raw);
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(expected());
    }
    let value = u32::from_str_radix(digits, 16).map_err(|_| expected())?;
    let [_, red, green, blue] = value.to_be_bytes();
    Ok([red, green, blue])
}

/// Quality 1 to 100 and, if given, a flag for full chroma.
pub fn jpeg_quality(raw: &str) -> Parsed<(u8, Chroma)> {
    let expected = || "a quality from 1 to 100, then 0 or 1".to_owned();
    let (quality, chroma) = raw.split_once(',').unwrap_or((raw, "0"));
    let is_full = flag(chroma.trim()).map_err(|_| expected())?;
    let quality = small(quality, 1, 100).map_err(|_| expected())?;
    Ok((quality, if is_full { Chroma::Full } else { Chroma::Halved }))
}

/// Hours: 0 or more, or -1 for never.
pub fn expiration(raw: &str) -> Parsed<Expiration> {
    match real(raw) {
        Some(hours) if hours >= 0.0 => Ok(Expiration::Hours(hours)),
        Some(-1.0) => Ok(Expiration::Never),
        _ => Err("hours, 0 or more, or -1".to_owned()),
    }
}

/// As `expiration`; -2 means the attribute's value.
pub fn record_expiration(raw: &str) -> Parsed<Option<Expiration>> {
    if real(raw) == Some(-2.0) {
        return Ok(None);
    }
    expiration(raw).map(Some).map_err(|_| "hours, 0 or more, -1 or -2".to_owned())
}

/// 1 crop, 2 fit, 3 texture.
pub fn thumb_type(raw: &str) -> Parsed<ThumbType> {
    match whole(raw, 1, 3)? {
        1 => Ok(ThumbType::Crop),
        2 => Ok(ThumbType::Fit),
        _ => Ok(ThumbType::Texture),
    }
}

/// 1 left or top, 2 center, 3 right or bottom.
pub fn align(raw: &str) -> Parsed<Align> {
    match whole(raw, 1, 3)? {
        1 => Ok(Align::Start),
        2 => Ok(Align::Center),
        _ => Ok(Align::End),
    }
}

/// 0 or 1.
pub fn cache_validation_policy(raw: &str) -> Parsed<CacheValidationPolicy> {
    let is_catalog = flag(raw)?;
    Ok(if is_catalog { CacheValidationPolicy::Catalog } else { CacheValidationPolicy::Expiration })
}

/// 0 or 1.
pub fn default_image_mode(raw: &str) -> Parsed<DefaultImageMode> {
    Ok(if flag(raw)? { DefaultImageMode::Layer } else { DefaultImageMode::Request })
}

/// 0 to 3.
pub fn error_detail(raw: &str) -> Parsed<u8> {
    small(raw, 0, 3)
}

/// 1 (as 4) to 5.
pub fn res_mode(raw: &str) -> Parsed<ResMode> {
    match whole(raw, 1, 5)? {
        2 => Ok(ResMode::Bilin),
        3 => Ok(ResMode::Bicub),
        5 => Ok(ResMode::Bisharp),
        _ => Ok(ResMode::Sharp2),
    }
}

/// 0 to 3.
pub fn render_intent(raw: &str) -> Parsed<RenderIntent> {
    match whole(raw, 0, 3)? {
        0 => Ok(RenderIntent::Perceptual),
        1 => Ok(RenderIntent::RelativeColorimetric),
        2 => Ok(RenderIntent::Saturation),
        _ => Ok(RenderIntent::AbsoluteColorimetric),
    }
}

/// Four whole numbers: type, flags and two values (K-13).
pub fn digimarc_info(raw: &str) -> Parsed<[u32; 4]> {
    let expected = || "four whole numbers: type 0 to 4, flags 0 to 7, two values".to_owned();
    let mut values = [0; 4];
    let mut parts = raw.split(',');
    for (slot, most) in values.iter_mut().zip([4, 7, u32::MAX, u32::MAX]) {
        *slot = parts.next().and_then(|part| whole(part, 0, most).ok()).ok_or_else(expected)?;
    }
    if parts.next().is_some() { Err(expected()) } else { Ok(values) }
}

/// `creator-id,creator-pin,,,durability[,chroma]` (K-12).
pub fn digimarc_id(raw: &str) -> Parsed<DigimarcId> {
    let expected =
        || "creator id, PIN, two empty values, durability 1 to 4, perhaps 0 or 1".to_owned();
    let parts: Vec<&str> = raw.split(',').map(str::trim).collect();
    let (creator, pin, durability, chroma) = match parts.as_slice() {
        [creator, pin, _, _, durability] => (creator, pin, durability, &"0"),
        [creator, pin, _, _, durability, chroma] => (creator, pin, durability, chroma),
        _ => return Err(expected()),
    };
    Ok(DigimarcId {
        creator_id: whole(creator, 0, u32::MAX).map_err(|_| expected())?,
        creator_pin: whole(pin, 0, u32::MAX).map_err(|_| expected())?,
        durability: small(durability, 1, 4).map_err(|_| expected())?,
        is_chroma: flag(chroma).map_err(|_| expected())?,
    })
}

/// `[include:|exclude:]type,…` and the entries that are no type.
///
/// A mistyped entry after `exclude:` closes access altogether, since what it was meant to exclude is not known.
pub fn direct_access(raw: &str) -> (DirectAccess, Vec<String>) {
    let lower = raw.to_ascii_lowercase();
    let (excludes, types) = match (lower.strip_prefix("include:"), lower.strip_prefix("exclude:")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => (false, lower.as_str()),
    };
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for name in types.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "svg" => known.push(AccessType::Svg),
            "is" => known.push(AccessType::Image),
            "static" => known.push(AccessType::Static),
            "fxg" => known.push(AccessType::Fxg),
            "fla" => known.push(AccessType::Fla),
            "ir_vnt" => known.push(AccessType::IrVignette),
            "ir_mat" => known.push(AccessType::IrMaterial),
            _ => unknown.push(name.to_owned()),
        }
    }
    let access = match (excludes, unknown.is_empty()) {
        (true, true) => DirectAccess::Exclude(known),
        (true, false) => DirectAccess::Include(Vec::new()),
        (false, _) => DirectAccess::Include(known),
    };
    (access, unknown)
}

/// A folder below another or an absolute one, without `..` (S-26).
pub fn folder(raw: &str) -> Parsed<String> {
    let value = plain_text(raw)?;
    if value.split(['/', '\\']).any(|element| element == "..") {
        return Err("a folder without ..".to_owned());
    }
    Ok(value)
}

/// A folder beneath the save directory: relative, without `..`, NUL or a drive letter (`U-save-savepath-bad`).
pub fn save_path(raw: &str) -> Parsed<String> {
    let value = text(raw)?;
    let is_relative = !value.starts_with(['/', '\\']) && !value.contains([':', '\\']);
    let is_plain = !value.chars().any(char::is_control);
    if !is_relative || !is_plain || value.split('/').any(|element| element == "..") {
        return Err("a relative folder without .., drive letter or control characters".to_owned());
    }
    Ok(value)
}

/// `.suffix`.
pub fn suffix(raw: &str) -> Parsed<String> {
    let value = plain_text(raw)?;
    let is_good = value.len() > 1 && value.starts_with('.') && !value.contains(['/', '\\', ',']);
    if is_good && value != ".." { Ok(value) } else { Err("a period and a suffix".to_owned()) }
}

/// An http or https URL.
pub fn web_url(raw: &str) -> Parsed<String> {
    let value = plain_text(raw)?;
    let is_web = url::Url::parse(&value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_web { Ok(value) } else { Err("an absolute http or https URL".to_owned()) }
}

/// Zone codes that are understood, in minutes east of UTC (section 9.5).
const ZONES: [(&str, i64); 22] = [
    ("GMT", 0),
    ("UTC", 0),
    ("Z", 0),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("AKST", -540),
    ("AKDT", -480),
    ("HST", -600),
    ("WET", 0),
    ("WEST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("BST", 60),
    ("JST", 540),
];

/// A time stamp in ms since 1970-01-01 UTC: that number itself, or `mm/dd/yyyy hh:mm:ss zone`, or `… GMT offset`.
pub fn time_stamp(raw: &str) -> Parsed<i64> {
    stamp(raw.trim()).ok_or_else(|| {
        "milliseconds since 1970, mm/dd/yyyy hh:mm:ss zone or mm/dd/yyyy hh:mm:ss GMT offset"
            .to_owned()
    })
}

fn stamp(raw: &str) -> Option<i64> {
    if let Some(milliseconds) = integer(raw) {
        return Some(milliseconds).filter(|value| *value >= 0);
    }
    let mut parts = raw.split_ascii_whitespace();
    let (date, time, zone) = (parts.next()?, parts.next()?, parts.next()?);
    let offset = parts.next();
    if parts.next().is_some() {
        return None;
    }
    let [month, day, year] = three(date, '/')?;
    let [hour, minute, second] = three(time, ':')?;
    let is_date = (1..=12).contains(&month) && (1..=days_in(month, year)).contains(&day);
    if !is_date || !(1..=9999).contains(&year) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let minutes_east = match offset {
        None => ZONES.iter().find(|(code, _)| zone.eq_ignore_ascii_case(code)).map(|(_, m)| *m)?,
        Some(offset) if zone.eq_ignore_ascii_case("GMT") => offset_minutes(offset)?,
        Some(_) => return None,
    };
    let minutes = (days_from_1970(year, month, day) * 24 + hour) * 60 + minute - minutes_east;
    Some((minutes * 60 + second) * 1000)
}

fn three(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let is_number = (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i64>().ok().filter(|_| is_number)
    });
    let values = [parts.next()??, parts.next()??, parts.next()??];
    if parts.next().is_some() { None } else { Some(values) }
}

fn offset_minutes(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let (hours, minutes) = (whole(hours, 0, 14).ok()?, whole(minutes, 0, 59).ok()?);
    Some(sign * (i64::from(hours) * 60 + i64::from(minutes)))
}

fn days_in(month: i64, year: i64) -> i64 {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days of the proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A file time in ms since 1970-01-01 UTC; 0 before it.
pub fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
