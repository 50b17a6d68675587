//! The logs: one line of the access log for each HTTP request, and the trace log of everything else. Answers nothing.
//!
//! A reader meets [`Journal`] (what a gateway writes to), [`Entry`] and [`Asked`] first. `line` makes the line of an
//! entry, `day_file` appends it to the file of its day, `statistics` sums up; [`trace`] is the logger of the process.
//! Several processes append to the same files: a line is one write to a descriptor opened for appending.

#![forbid(unsafe_code)]

mod access;
mod day_file;
mod line;
mod statistics;
pub mod trace;

use std::time::{Duration, SystemTime};

use crate::config::Config;
use crate::reply::Reply;

use access::Access;
use statistics::Statistics;

/// Bytes that are kept of a request header or another short value from outside (L-9).
pub const VALUE_BYTES: usize = 1024;

/// Bytes that are kept of a request target (L-9).
pub const TARGET_BYTES: usize = 8192;

/// What the access log says of a request as it came, bytes as they were; a gateway has cut them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Method, for example `GET`.
    pub method: Vec<u8>,
    /// Path and query, undecoded.
    pub uri: Vec<u8>,
    /// `HTTP/1.1`.
    pub protocol: Vec<u8>,
    /// Address of the peer of the web server.
    pub remote: Vec<u8>,
    /// Address at which the web server was asked.
    pub local: Vec<u8>,
    /// Its port.
    pub port: Vec<u8>,
    /// Its name.
    pub server: Vec<u8>,
    /// User whom the web server made sure of.
    pub user: Vec<u8>,
    /// The headers that [`Journal::request_headers`] names, in lower case, with their values.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// One request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The request.
    pub asked: &'a Asked,
    /// The reply.
    pub reply: &'a Reply,
    /// When the reply had been handed over.
    pub sent_at: SystemTime,
    /// Bytes of the body that was sent.
    pub body_bytes: u64,
    /// From the arrival of the request to `sent_at`.
    pub total: Duration,
    /// The part of it that sending took.
    pub sending: Duration,
    /// Requests in progress in this process, this one included.
    pub in_progress: usize,
    /// The thread that answered, by its number in the trace log.
    pub thread: u32,
}

/// The access log and the statistics of one process.
#[derive(Debug)]
pub struct Journal {
    access: Access,
    statistics: Statistics,
}

impl Journal {
    /// By the settings; opens nothing yet.
    pub fn new(config: &Config) -> Journal {
        Journal {
            access: Access::new(&config.tc),
            statistics: Statistics::new(config.is.trace_stats_interval),
        }
    }

    /// Names of the request headers that lines hold, in lower case.
    pub fn request_headers(&self) -> &[String] {
        self.access.request_headers()
    }

    /// Writes the line of an answered request. Never fails: the trace log says once why lines are lost.
    pub fn write(&self, entry: &Entry<'_>) {
        self.access.write(entry);
        self.statistics.count(entry);
    }
}

/// The number of the calling thread, as the system shows it: `[%I]` and the trace log agree on it.
pub fn thread_number() -> u32 {
    u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap_or(0)
}
