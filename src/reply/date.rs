//! Dates as replies and logs print them, always in UTC. Reads no clock.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment split into the fields of the proleptic Gregorian calendar.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    fn of(moment: SystemTime) -> Civil {
        let seconds = match moment.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX / 2),
            Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX / 2),
        };
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days are counted in eras of 400 years that begin on 1 March.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month =
            if month_from_march < 10 { month_from_march + 2 } else { month_from_march - 10 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month < 2),
            month: month as usize,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            weekday: (days + 3).rem_euclid(7) as usize,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }
}

/// `Tue Mar 04 09:15:02 UTC 2025`, the second line of property replies (`U-text-detail`).
pub fn property_date(moment: SystemTime) -> String {
    let c = Civil::of(moment);
    let (day, month) = (DAYS[c.weekday], MONTHS[c.month]);
    format!(
        "{day} {month} {:02} {:02}:{:02}:{:02} UTC {:04}",
        c.day, c.hour, c.minute, c.second, c.year
    )
}

/// `Tue, 04 Mar 2025 09:15:02 GMT`, the date of HTTP headers.
pub fn http_date(moment: SystemTime) -> String {
    let c = Civil::of(moment);
    let (day, month) = (DAYS[c.weekday], MONTHS[c.month]);
    format!(
        "{day}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT",
        c.day, c.year, c.hour, c.minute, c.second
    )
}

/// `03/04/2025 09:15:02 GMT`, the time stamp of `req=imageprops` (`U-imageprops-detail`).
pub fn stamp_date(moment: SystemTime) -> String {
    let c = Civil::of(moment);
    format!(
        "{:02}/{:02}/{:04} {:02}:{:02}:{:02} GMT",
        c.month + 1,
        c.day,
        c.year,
        c.hour,
        c.minute,
        c.second
    )
}

/// `2025-03-04 09:15:02.118`, the time of a log line.
pub fn log_date(moment: SystemTime) -> String {
    let c = Civil::of(moment);
    let past = moment.duration_since(UNIX_EPOCH).map_or(0, |past| past.subsec_millis());
    format!("{} {:02}:{:02}:{:02}.{past:03}", day_name(moment), c.hour, c.minute, c.second)
}

/// `04/Mar/2025:09:15:02 +0000`, the date of the Common Log Format.
pub fn common_log_date(moment: SystemTime) -> String {
    let c = Civil::of(moment);
    let month = MONTHS[c.month];
    format!(
        "{:02}/{month}/{:04}:{:02}:{:02}:{:02} +0000",
        c.day, c.year, c.hour, c.minute, c.second
    )
}

/// `2025-03-04`, the day in the name of a log file.
pub fn day_name(moment: SystemTime) -> String {
    let c = Civil::of(moment);
    format!("{:04}-{:02}-{:02}", c.year, c.month + 1, c.day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn known_moments_print_as_documented() {
        for (seconds, property, http) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_741_079_702, "Tue Mar 04 09:15:02 UTC 2025", "Tue, 04 Mar 2025 09:15:02 GMT"),
            (951_782_400, "Tue Feb 29 00:00:00 UTC 2000", "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_102_444_799, "Thu Dec 31 23:59:59 UTC 2099", "Thu, 31 Dec 2099 23:59:59 GMT"),
        ] {
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(property_date(moment), property);
            assert_eq!(http_date(moment), http);
        }
        let moment = UNIX_EPOCH + Duration::from_secs(1_741_079_702);
        assert_eq!(stamp_date(moment), "03/04/2025 09:15:02 GMT");
        assert_eq!(log_date(moment + Duration::from_millis(118)), "2025-03-04 09:15:02.118");
        assert_eq!(common_log_date(moment), "04/Mar/2025:09:15:02 +0000");
        assert_eq!(day_name(moment), "2025-03-04");
    }
}
