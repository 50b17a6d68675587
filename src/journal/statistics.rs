//! What a process did, summed up in the trace log every `IS::TraceStatsInterval`. It keeps no clock of its own.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::Entry;

/// Sums since the last line.
#[derive(Debug)]
pub(super) struct Statistics {
    interval: Duration,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    since: Option<SystemTime>,
    requests: u64,
    errors: u64,
    body_bytes: u64,
    time: Duration,
}

impl Statistics {
    pub(super) fn new(interval: Duration) -> Statistics {
        Statistics { interval, sums: Mutex::default() }
    }

    /// Counts a request; logs and begins anew when the interval is over, so an idle process says nothing.
    pub(super) fn count(&self, entry: &Entry<'_>) {
        if let Some(text) = self.counted(entry) {
            log::info!("{text}, {} MB resident", resident_bytes() >> 20);
        }
    }

    fn counted(&self, entry: &Entry<'_>) -> Option<String> {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let now = entry.sent_at;
        let since = *sums.since.get_or_insert(now);
        sums.requests += 1;
        sums.errors += u64::from(entry.reply.status >= 400);
        sums.body_bytes = sums.body_bytes.saturating_add(entry.body_bytes);
        sums.time = sums.time.saturating_add(entry.total);
        // A clock that was set back begins a new interval.
        let passed = match now.duration_since(since) {
            Ok(passed) if passed < self.interval => return None,
            Ok(passed) => passed,
            Err(_) => Duration::ZERO,
        };
        let done = std::mem::replace(&mut *sums, Sums { since: Some(now), ..Sums::default() });
        let average = done.time.as_millis() / u128::from(done.requests.max(1));
        Some(format!(
            "statistics: {} requests in {} s, {} with an error status, {} bytes sent, {average} ms on average, {} in \
             progress",
            done.requests,
            passed.as_secs(),
            done.errors,
            done.body_bytes,
            entry.in_progress,
        ))
    }
}

/// Memory of this process that is in use; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Asked;
    use crate::reply::Reply;
    use std::time::UNIX_EPOCH;

    #[test]
    fn an_interval_is_summed_up_by_the_first_request_behind_it() {
        let statistics = Statistics::new(Duration::from_secs(10));
        let asked = Asked::default();
        let counted = |second, status| {
            statistics.counted(&Entry {
                asked: &asked,
                reply: &Reply::text(status, "x"),
                sent_at: UNIX_EPOCH + Duration::from_secs(second),
                body_bytes: 7,
                total: Duration::from_millis(20),
                sending: Duration::ZERO,
                in_progress: 3,
                thread: 1,
            })
        };
        assert_eq!(counted(100, 200), None);
        assert_eq!(counted(109, 403), None);
        let text = "statistics: 3 requests in 10 s, 1 with an error status, 21 bytes sent, 20 ms on average, 3 in \
                    progress";
        assert_eq!(counted(110, 200).as_deref(), Some(text));
        assert_eq!(counted(119, 200), None, "a new interval has begun");
    }
}
