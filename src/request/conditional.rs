//! Dates of conditional requests. Compares nothing.

/// Seconds since 1970-01-01 UTC of an HTTP date in its preferred form, `Tue, 04 Mar 2025 09:15:02 GMT`.
///
/// `None` for the obsolete forms and for nonsense; such a condition is passed over.
pub fn http_date_seconds(text: &[u8]) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = std::str::from_utf8(text).ok()?.trim();
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let is_valid = (1..=31).contains(&day)
        && (1..=9999).contains(&year)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second)
        && words.next() == Some("GMT");
    if !is_valid {
        return None;
    }
    // Years begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_preferred_form_only() {
        for (text, seconds) in [
            ("Tue, 04 Mar 2025 09:15:02 GMT", Some(1_741_079_702)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400)),
            ("Tuesday, 04-Mar-25 09:15:02 GMT", None),
            ("Tue Mar  4 09:15:02 2025", None),
            ("", None),
            ("Tue, 99 Mar 2025 09:15:02 GMT", None),
        ] {
            assert_eq!(http_date_seconds(text.as_bytes()), seconds, "{text}");
        }
    }
}
