//! `req=message`: a text of the client for the log (`requests.md` 16.10). Reads no object.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::reply::Reply;

use super::Call;

/// Target of the messages; the trace log holds them at every level.
const TARGET: &str = "imprint::message";

/// Most that is logged of one message, in bytes (`U-message`).
const MESSAGE_BYTES: usize = 1024;

/// Messages that one process logs in a second; more are counted only (`U-message`).
const MESSAGES_A_SECOND: u32 = 10;

/// Messages of the current second, and how many of them were not logged.
#[derive(Debug, Default)]
pub(super) struct Rate {
    second: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    began: Option<Instant>,
    seen: u32,
}

/// What to do with a message.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Log it; so many before it were not logged.
    Logged { dropped: u32 },
    /// Count it.
    Dropped,
}

impl Rate {
    fn take(&self, now: Instant) -> Verdict {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        let is_over = |began| now.saturating_duration_since(began) >= Duration::from_secs(1);
        if second.began.is_none_or(is_over) {
            dropped = second.seen.saturating_sub(MESSAGES_A_SECOND);
            *second = Second { began: Some(now), seen: 0 };
        }
        second.seen = second.seen.saturating_add(1);
        match second.seen <= MESSAGES_A_SECOND {
            true => Verdict::Logged { dropped },
            false => Verdict::Dropped,
        }
    }
}

impl Call<'_> {
    /// Logs `message=` with the client's address; the reply is empty and nobody may keep it.
    pub(super) fn message(&self) -> Result<Reply, Error> {
        let parsed = self.parsed(None)?;
        let text = parsed.request.attributes.message.as_deref().unwrap_or_default();
        if !text.is_empty()
            && let Verdict::Logged { dropped } = self.service.messages.take(Instant::now())
        {
            if dropped > 0 {
                log::info!(target: TARGET, "{dropped} messages were too many and are not logged");
            }
            let client = self.client.map_or("unknown".to_owned(), |client| client.to_string());
            log::info!(target: TARGET, "client={client} {}", logged(text));
        }
        Ok(Reply::text(200, Vec::new()))
    }
}

/// The message as one line: its first 1024 bytes, whole characters, control characters escaped.
fn logged(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MESSAGE_BYTES));
    for (at, c) in text.char_indices() {
        if at + c.len_utf8() > MESSAGE_BYTES {
            out.push('…');
            break;
        }
        // Beside control characters those that turn the direction of a line.
        match c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_messages_a_second_are_logged_and_the_others_counted() {
        let rate = Rate::default();
        let start = Instant::now();
        for number in 0..10 {
            assert_eq!(rate.take(start), Verdict::Logged { dropped: 0 }, "message {number}");
        }
        for number in 10..25 {
            assert_eq!(rate.take(start), Verdict::Dropped, "message {number}");
        }
        let later = start + Duration::from_millis(1000);
        assert_eq!(rate.take(later), Verdict::Logged { dropped: 15 }, "the next second");
        assert_eq!(rate.take(later), Verdict::Logged { dropped: 0 }, "told once");
    }

    #[test]
    fn a_message_stays_one_line_of_a_thousand_bytes() {
        for (name, text, expected) in [
            ("CX-48 plain", "This is the message", "This is the message".to_owned()),
            ("RQ-113 CR LF", "a\r\nERROR b", "a\\r\\nERROR b".to_owned()),
            ("L-9 ESC and C1", "\u{1b}[2J\u{85}", "\\u{1b}[2J\\u{85}".to_owned()),
            ("L-9 direction", "a\u{202e}b", "a\\u{202e}b".to_owned()),
            ("exactly the limit", &"x".repeat(1024), "x".repeat(1024)),
            ("cut", &"x".repeat(1025), "x".repeat(1024) + "…"),
            ("cut between characters", &("x".repeat(1023) + "é"), "x".repeat(1023) + "…"),
        ] {
            assert_eq!(logged(text), expected, "{name}");
        }
    }
}
