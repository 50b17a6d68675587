//! Values of settings: text to type. Each function fails with what it expected. It knows no name of a setting.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::{Durability, LogFormat, Memory, Sendfile, Suffixes};
use crate::config::{Address, AddressFilter, RemoteHost};

/// A value, or what was expected instead.
pub type Parsed<T> = Result<T, String>;

/// Takes off one pair of double quotes, which keep blanks.
pub fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

/// `true`/`false`, also `1`/`0`, `on`/`off`, `yes`/`no`.
pub fn flag(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

/// A whole number of `unit` within `range`.
pub fn number(text: &str, unit: &str, range: RangeInclusive<u64>) -> Parsed<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u64>().ok().filter(|value| is_number && range.contains(value)).ok_or_else(|| {
        let unit = if unit.is_empty() { String::new() } else { format!(" of {unit}") };
        format!("a whole number{unit}, {} to {}", range.start(), range.end())
    })
}

/// As `number`, for counts.
pub fn count(text: &str, range: RangeInclusive<u32>) -> Parsed<u32> {
    let range = u64::from(*range.start())..=u64::from(*range.end());
    number(text, "", range).map(|value| u32::try_from(value).unwrap_or(u32::MAX))
}

/// Millions, 1 to 1,000,000; returns the product.
pub fn millions(text: &str) -> Parsed<u64> {
    number(text, "millions", 1..=1_000_000).map(|value| value * 1_000_000)
}

/// Milliseconds.
pub fn milliseconds(text: &str, range: RangeInclusive<u64>) -> Parsed<Duration> {
    number(text, "milliseconds", range).map(Duration::from_millis)
}

/// Seconds.
pub fn seconds(text: &str, range: RangeInclusive<u64>) -> Parsed<Duration> {
    number(text, "seconds", range).map(Duration::from_secs)
}

/// Bytes, with `k`, `M`, `G` or `T` (times 1024) behind the number if wanted.
pub fn bytes(text: &str, least: u64) -> Parsed<u64> {
    let expected = || format!("bytes, {least} or more, such as 1500000, 64M or 2G");
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match lower.get(digits.len()..).unwrap_or("").trim_start() {
        "" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(expected()),
    };
    let value =
        number(digits, "", 0..=u64::MAX).ok().and_then(|value| value.checked_mul(1 << shift));
    value.filter(|value| *value >= least).ok_or_else(expected)
}

/// Percent of the machine's memory (`20` or `20%`), or bytes with a suffix (`512M`).
pub fn memory(text: &str) -> Parsed<Memory> {
    let expected = || "percent, 10 to 90, or bytes such as 512M or 2G, 64M or more".to_owned();
    let (digits, is_percent) = match text.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), true),
        None => (text, text.bytes().all(|byte| byte.is_ascii_digit())),
    };
    if is_percent {
        let value = number(digits, "", 10..=90).map_err(|_| expected())?;
        return u8::try_from(value).map(Memory::Percent).map_err(|_| expected());
    }
    bytes(text, 64 << 20).map(Memory::Bytes).map_err(|_| expected())
}

/// Permission bits in octal.
pub fn mode(text: &str, least: u32, most: u32) -> Parsed<u32> {
    let expected = || format!("permission bits in octal, such as {least:04o} or {most:04o}");
    let is_octal =
        (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let value = u32::from_str_radix(text, 8).ok().filter(|_| is_octal).ok_or_else(expected)?;
    if value & least != least || value & !most != 0 {
        return Err(expected());
    }
    Ok(value)
}

/// A path without NUL; not empty.
pub fn path(text: &str) -> Parsed<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        return Err("a path".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// A path, or nothing.
pub fn optional_path(text: &str) -> Parsed<Option<PathBuf>> {
    if text.is_empty() { Ok(None) } else { path(text).map(Some) }
}

/// Paths separated by `;`, or nothing.
pub fn paths(text: &str) -> Parsed<Vec<PathBuf>> {
    let parts = text.split(';').map(|part| unquoted(part.trim())).filter(|part| !part.is_empty());
    parts.map(path).collect()
}

/// Any text without control characters, or nothing.
pub fn optional_text(text: &str) -> Parsed<Option<String>> {
    if text.chars().any(char::is_control) {
        return Err("text without control characters".to_owned());
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// How the names of access logs begin: a part of a file name, and not that of trace logs.
pub fn log_prefix(text: &str) -> Parsed<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match (1..=64).contains(&text.len()) && text.chars().all(is_plain) && text != "trace-" {
        true => Ok(text.to_owned()),
        false => Err("1 to 64 letters, digits, . _ and -, other than trace-".to_owned()),
    }
}

/// A URL path that begins with `/`.
pub fn url_path(text: &str, ends_with_slash: bool) -> Parsed<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let is_good = text.len() > 1
        && text.starts_with('/')
        && text.ends_with('/') == ends_with_slash
        && !text.contains("//")
        && !text.split('/').any(|element| element == "." || element == "..")
        && text.chars().all(is_plain);
    let example = if ends_with_slash { "/_imprint/" } else { "/is/image" };
    if is_good { Ok(text.to_owned()) } else { Err(format!("a URL path such as {example}")) }
}

/// `http://host[:port]`, or nothing.
pub fn server_url(text: &str) -> Parsed<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_good = url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    if is_good {
        Ok(Some(text.trim_end_matches('/').to_owned()))
    } else {
        Err("http://host or http://host:port".to_owned())
    }
}

/// Words of letters and digits, separated by blanks or commas, in lower case without a leading period.
pub fn words(text: &str) -> Parsed<Vec<String>> {
    let words = text.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let word = word.strip_prefix('.').unwrap_or(word);
            if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                Ok(word.to_ascii_lowercase())
            } else {
                Err("words of letters and digits, separated by blanks".to_owned())
            }
        })
        .collect()
}

/// `*`, or suffixes.
pub fn suffixes(text: &str) -> Parsed<Suffixes> {
    if text == "*" {
        return Ok(Suffixes::Any);
    }
    words(text)
        .map(Suffixes::Listed)
        .map_err(|_| "* or suffixes of letters and digits, separated by blanks".to_owned())
}

/// `full` or `rename`.
pub fn durability(text: &str) -> Parsed<Durability> {
    match text.to_ascii_lowercase().as_str() {
        "full" => Ok(Durability::Full),
        "rename" => Ok(Durability::Rename),
        _ => Err("full or rename".to_owned()),
    }
}

/// `off`, `x-accel` or `x-sendfile`.
pub fn sendfile(text: &str) -> Parsed<Sendfile> {
    match text.to_ascii_lowercase().as_str() {
        "off" => Ok(Sendfile::Off),
        "x-accel" => Ok(Sendfile::XAccel),
        "x-sendfile" => Ok(Sendfile::XSendfile),
        _ => Err("off, x-accel or x-sendfile".to_owned()),
    }
}

/// `.suffix type/subtype`, separated by `;`, or nothing. Suffixes in lower case.
pub fn content_types(text: &str) -> Parsed<Vec<(String, String)>> {
    let is_token = |word: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !word.is_empty() && word.bytes().all(is_plain)
    };
    let entries = text.split(';').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (suffix, mime) = entry.split_once([' ', '\t'])?;
            let suffix = suffix.strip_prefix('.').filter(|suffix| {
                !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
            })?;
            let mime = mime.trim();
            let (kind, subtype) = mime.split_once('/')?;
            let is_type = is_token(kind) && is_token(subtype);
            is_type.then(|| (suffix.to_ascii_lowercase(), mime.to_owned()))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| "entries such as .vtt text/vtt, separated by ;".to_owned())
}

/// `text` or `json`.
pub fn log_format(text: &str) -> Parsed<LogFormat> {
    match text.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json".to_owned()),
    }
}

/// 403 or 404.
pub fn missing_status(text: &str) -> Parsed<u16> {
    match text {
        "403" => Ok(403),
        "404" => Ok(404),
        _ => Err("403 or 404".to_owned()),
    }
}

/// 200 or 403.
pub fn json_error_status(text: &str) -> Parsed<u16> {
    match text {
        "200" => Ok(200),
        "403" => Ok(403),
        _ => Err("200 or 403".to_owned()),
    }
}

/// Listen addresses separated by `;`, or nothing.
pub fn addresses(text: &str) -> Parsed<Vec<Address>> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            Address::parse(part).map_err(|_| {
                "unix:/path, host:port or [v6]:port, several separated by ;".to_owned()
            })
        })
        .collect()
}

/// Hosts of foreign sources separated by `;`, or nothing.
pub fn remote_hosts(text: &str) -> Parsed<Vec<RemoteHost>> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts.map(RemoteHost::parse).collect()
}

/// Addresses and prefixes separated by commas; one bad entry fails all.
pub fn peers(text: &str) -> Parsed<AddressFilter> {
    let (filter, faults) = AddressFilter::parse(text);
    if faults.is_empty() {
        Ok(filter)
    } else {
        Err("IPv4 or IPv6 addresses, optionally with /bits, separated by commas".to_owned())
    }
}

/// IP addresses separated by commas.
pub fn ip_addresses(text: &str) -> Parsed<Vec<IpAddr>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            part.parse().map_err(|_| format!("{} is no IP address", crate::error::shown(part)))
        })
        .collect()
}
