//! One request from its arrival to its line in the access log; whoever answers it first tells. Answers nothing itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::journal::{Asked, Entry, Journal, thread_number};
use crate::reply::Reply;
use crate::request::Method;

/// A request in progress.
pub(super) struct Visit {
    asked: Asked,
    journal: Option<Arc<Journal>>,
    since: Instant,
    thread: u32,
    running: Arc<AtomicUsize>,
    is_told: AtomicBool,
}

impl Visit {
    /// Counts the request among those in progress until the last handle is dropped. `asked` makes what the log says
    /// of it, with the headers it is given; it is called only where there is a log.
    pub(super) fn new(
        journal: Option<Arc<Journal>>,
        running: &Arc<AtomicUsize>,
        asked: impl FnOnce(&[String]) -> Asked,
    ) -> Arc<Visit> {
        running.fetch_add(1, Ordering::Relaxed);
        Arc::new(Visit {
            asked: journal.as_ref().map(|log| asked(log.request_headers())).unwrap_or_default(),
            journal,
            since: Instant::now(),
            thread: thread_number(),
            running: running.clone(),
            is_told: AtomicBool::new(false),
        })
    }

    /// Writes the line of this reply, which was handed over or could not be; once for each request.
    pub(super) fn tell(&self, reply: &Reply, method: Method, sending: Sending) {
        let Some(journal) = &self.journal else { return };
        if self.is_told.swap(true, Ordering::Relaxed) {
            return;
        }
        let has_body = method != Method::Head && !matches!(reply.status, 100..=199 | 204 | 304);
        journal.write(&Entry {
            asked: &self.asked,
            reply,
            sent_at: SystemTime::now(),
            body_bytes: if sending.is_sent && has_body { reply.body.len() } else { 0 },
            total: self.since.elapsed(),
            sending: sending.time,
            in_progress: self.running.load(Ordering::Relaxed),
            thread: self.thread,
        });
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How a reply was handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    /// Whether all of it was taken.
    pub(super) is_sent: bool,
    /// How long it took.
    pub(super) time: Duration,
}

impl Sending {
    /// Since `start`.
    pub(super) fn since(start: Instant, is_sent: bool) -> Sending {
        Sending { is_sent, time: start.elapsed() }
    }
}
