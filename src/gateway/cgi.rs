//! One CGI request: process environment and standard input in, standard output out. Arguments are not looked at (G-10).

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{Error, Kind};
use crate::reply::Reply;
use crate::request::{Method, RawRequest};

use super::answer::{Answer, refusal};
use super::environment::{asked, raw_request};
use super::visit::{Sending, Visit};
use super::watchdog::Client;
use super::worker::Desk;
use super::{Front, Handlers, Settings};

/// Time in which the rest of a body may come.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// The most that is read of it.
const DRAIN_BYTES: usize = 16 << 20;

/// Answers the request that the process environment describes; the value is the exit status.
///
/// At the deadline the reply of `handlers.timed_out` is written and the process ends, whatever the handler does.
pub fn answer_cgi(settings: &Settings, handlers: Handlers) -> Result<u8, Error> {
    // A write beyond the limit of file sizes shall fail, not end the process.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    // Nothing is left to be replaced: the process ends with its request.
    let desk = Desk::new(settings, handlers, || {})?;
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let visit = desk.visit(|headers| asked(variables(&environment), headers));
    let output = Output::new(visit);
    let (reply, method) = match read(&environment, &desk.front) {
        Err(error) => (refusal(&error), Method::Other),
        Ok(raw) => {
            let watched =
                desk.watch(OutputAtDeadline { output: output.clone(), method: raw.method });
            let reply = desk.answer(&raw, &watched);
            watched.answering();
            (reply, raw.method)
        }
    };
    output.write(&reply, method);
    let is_announced = environment
        .iter()
        .any(|(name, length)| name == "CONTENT_LENGTH" && !length.is_empty() && length != "0");
    drain(std::io::stdin(), if is_announced { DRAIN_TIME } else { Duration::ZERO });
    Ok(0)
}

/// Reads away what is left of a body, in bounded time and bytes; without `patience` only what is there already.
///
/// With mod_cgid standard input and output are one socket: closed with unread bytes, it would lose the reply.
fn drain(input: impl AsFd, patience: Duration) {
    let end = Instant::now() + patience;
    let mut left = DRAIN_BYTES;
    let mut bytes = [0; 16 << 10];
    while left > 0 {
        let wait = Timespec::try_from(end.saturating_duration_since(Instant::now())).ok();
        let ready = poll(&mut [PollFd::new(&input, PollFlags::IN)], wait.as_ref());
        if !matches!(ready, Ok(1)) {
            return;
        }
        match rustix::io::read(&input, &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(read) => left = left.saturating_sub(read),
        }
    }
}

fn variables(environment: &[(OsString, OsString)]) -> impl Iterator<Item = (&[u8], &[u8])> {
    environment.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

fn read(environment: &[(OsString, OsString)], front: &Front) -> Result<RawRequest, Error> {
    let (mut raw, length) = raw_request(variables(environment), front)?;
    // Without a length there is no body: standard input need not end (RFC 3875 4.2).
    if let (Method::Post, Some(length)) = (raw.method, length) {
        let bytes = u64::try_from(length).unwrap_or(u64::MAX);
        let read = std::io::stdin().lock().take(bytes).read_to_end(&mut raw.body);
        let read = read.map_err(|e| Error::new(Kind::BadRequest, "body").with_cause(e))?;
        if read != length {
            let found = format!("body has {read} bytes, CONTENT_LENGTH says {length}");
            return Err(Error::new(Kind::BadRequest, found));
        }
    }
    Ok(raw)
}

/// Standard output, for whoever answers first.
#[derive(Clone)]
struct Output {
    is_written: Arc<Mutex<bool>>,
    visit: Arc<Visit>,
}

impl Output {
    fn new(visit: Arc<Visit>) -> Output {
        Output { is_written: Arc::default(), visit }
    }

    /// The lock is held while writing, so that the process does not end in the middle of another thread's reply.
    fn write(&self, reply: &Reply, method: Method) {
        let mut is_written = self.is_written.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_written {
            return;
        }
        *is_written = true;
        let start = Instant::now();
        let mut output = std::io::stdout().lock();
        let written = Answer::cgi(reply, method).write_to(&mut output);
        let written = written.and_then(|()| output.flush());
        self.visit.tell(reply, method, Sending::since(start, written.is_ok()));
        if let Err(cause) = written {
            log::debug!("reply not written: {cause}");
        }
    }
}

struct OutputAtDeadline {
    output: Output,
    method: Method,
}

impl Client for OutputAtDeadline {
    fn finish_now(&self, reply: &Reply) {
        self.output.write(reply, self.method);
        std::process::exit(0);
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
