//! The reply half of a request: the first to finish wins, later replies are refused.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use rustix::event::PollFlags;

use crate::record::{self, Framing, Status};
use crate::socket::{Socket, lock};

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Finish {
    /// This one was the first, and all of it is on its way to the web server.
    Sent,
    /// Another reply was first (or the request is over): nothing of this one was written.
    TooLate,
}

/// What is known of the web server's side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Both directions are open.
    Connected,
    /// It sends no more. Over TCP this is also what a closed connection looks like until something is written;
    /// over a Unix socket it is a true half close. No web server is known to half-close.
    HalfClosed,
    /// It closed or reset the connection: nobody will read the reply.
    Gone,
}

impl Peer {
    /// The events to ask `poll` for beside the ones it always reports (`HUP`, `ERR`).
    ///
    /// They are levels: once a half close was seen, ask for `PollFlags::empty()` or `poll` returns at once.
    pub const EVENTS: PollFlags = PollFlags::RDHUP;

    /// Reads the events that `poll` returned for a [`Responder`].
    pub fn from_events(events: PollFlags) -> Peer {
        if events.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            Peer::Gone
        } else if events.contains(PollFlags::RDHUP) {
            Peer::HalfClosed
        } else {
            Peer::Connected
        }
    }
}

/// The reply half of one request; cheap to clone, usable from any thread, harmless after the request is over.
///
/// Holds the connection's descriptor open (but shut down) until the last clone is dropped, so that
/// [`Responder::as_fd`] never names a foreign connection. It may name a later request of the same one.
#[derive(Clone, Debug)]
pub struct Responder {
    reply: Arc<Reply>,
}

#[derive(Debug)]
struct Reply {
    socket: Arc<Socket>,
    id: u16,
    /// One of the states below; only the thread that swaps `OPEN` for `CLAIMED` may write.
    state: AtomicU8,
    is_aborted: AtomicBool,
    settling: Mutex<()>,
    settled: Condvar,
}

/// Bytes of a body that are in memory at a time while it is read: whole records, so that few are short.
const READ_BYTES: usize = 4 * record::CHUNK_BYTES;

/// Nobody replied.
const OPEN: u8 = 0;
/// Somebody is writing a reply.
const CLAIMED: u8 = 1;
/// The whole reply was written; the connection may serve another request.
const SENT: u8 = 2;
/// The reply was lost, or was the last of its connection.
const CLOSED: u8 = 3;

impl Responder {
    pub(crate) fn new(socket: Arc<Socket>, id: u16) -> Responder {
        Responder {
            reply: Arc::new(Reply {
                socket,
                id,
                state: AtomicU8::new(OPEN),
                is_aborted: AtomicBool::new(false),
                settling: Mutex::new(()),
                settled: Condvar::new(),
            }),
        }
    }

    /// Writes a whole reply: `head` (header lines with the blank line), `body`, end of request.
    ///
    /// Blocks until the web server took everything, at most `write_timeout` for each 64 KiB. An error means
    /// that the reply was lost and the connection is closed; no other reply can follow.
    pub fn finish(&self, head: &[u8], body: &[u8]) -> io::Result<Finish> {
        self.finish_with(head, body, 0)
    }

    /// Like [`Responder::finish`], with an application status.
    pub(crate) fn finish_with(
        &self,
        head: &[u8],
        body: &[u8],
        app_status: u32,
    ) -> io::Result<Finish> {
        self.claimed(|reply| {
            let framing = Framing::new(reply.id, head.len() + body.len(), app_status);
            let outcome = reply.socket.send_all(&mut framing.slices(head, body));
            (outcome, SENT)
        })
    }

    /// Like [`Responder::finish`], with a body that is read to its end while it is sent, in bounded memory.
    ///
    /// An error of `body` closes the connection too: only so does the web server learn that the reply is not whole.
    pub fn finish_reading(&self, head: &[u8], mut body: impl Read) -> io::Result<Finish> {
        self.claimed(|reply| (reply.send_reading(head, &mut body), SENT))
    }

    /// Like [`Responder::finish`], by one write that never blocks, for a watchdog; then shuts the connection down.
    ///
    /// Fails with `WouldBlock` when the web server does not take all of it at once: meant for a short text.
    pub fn finish_now(&self, head: &[u8], body: &[u8]) -> io::Result<Finish> {
        self.claimed(|reply| {
            let framing = Framing::new(reply.id, head.len() + body.len(), 0);
            let outcome = reply.socket.send_now(&framing.slices(head, body));
            if outcome.is_ok() {
                // The read side stays: closing it with unread input would cost the web server the reply.
                reply.socket.shut_write();
            }
            (outcome, CLOSED)
        })
    }

    /// Ends the request with the protocol status `FCGI_OVERLOADED` and no reply; web servers make a 502 of it.
    pub fn overloaded(&self) -> io::Result<Finish> {
        self.end(Status::Overloaded)
    }

    /// Ends the request without a reply.
    pub(crate) fn end(&self, status: Status) -> io::Result<Finish> {
        self.claimed(|reply| {
            let end = record::end_request(reply.id, 0, status);
            (reply.socket.send_all(&mut [io::IoSlice::new(&end)]), SENT)
        })
    }

    /// Runs `write` if nobody replied yet; it returns its outcome and the state that a success leads to.
    fn claimed(&self, write: impl FnOnce(&Reply) -> (io::Result<()>, u8)) -> io::Result<Finish> {
        let reply = &*self.reply;
        let order = (Ordering::AcqRel, Ordering::Acquire);
        if reply.state.compare_exchange(OPEN, CLAIMED, order.0, order.1).is_err() {
            return Ok(Finish::TooLate);
        }
        let (outcome, success) = write(reply);
        if outcome.is_err() {
            reply.socket.shut();
        }
        let state = if outcome.is_ok() { success } else { CLOSED };
        let guard = lock(&reply.settling);
        reply.state.store(state, Ordering::Release);
        reply.settled.notify_all();
        drop(guard);
        outcome.map(|()| Finish::Sent)
    }

    /// Waits until the reply that was begun is written; whether the connection can serve another request.
    pub(crate) fn settle(&self) -> bool {
        let mut guard = lock(&self.reply.settling);
        loop {
            match self.reply.state.load(Ordering::Acquire) {
                CLAIMED => {
                    guard = self
                        .reply
                        .settled
                        .wait(guard)
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                state => return state == SENT,
            }
        }
    }

    /// Whether a reply was begun, by whomever.
    pub fn is_finished(&self) -> bool {
        self.reply.state.load(Ordering::Acquire) != OPEN
    }

    /// Notes that the web server aborted the request.
    pub(crate) fn abort(&self) {
        self.reply.is_aborted.store(true, Ordering::Release);
    }

    /// The state of the web server's side right now; never blocks.
    pub fn peer(&self) -> Peer {
        if self.reply.is_aborted.load(Ordering::Acquire) {
            return Peer::Gone;
        }
        Peer::from_events(self.reply.socket.events(Peer::EVENTS))
    }
}

impl Reply {
    fn send_reading(&self, head: &[u8], body: &mut impl Read) -> io::Result<()> {
        let mut block = vec![0; READ_BYTES];
        let mut head = head;
        loop {
            let filled = fill(body, &mut block)?;
            let content = block.get(..filled).unwrap_or_default();
            let framing = Framing::new(self.id, head.len() + filled, 0);
            if filled < READ_BYTES {
                return self.socket.send_all(&mut framing.slices(head, content));
            }
            self.socket.send_all(&mut framing.content_slices(head, content))?;
            head = &[];
        }
    }
}

/// Reads until the buffer is full or the input ends; the count of bytes read.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(filled)
}

impl AsFd for Responder {
    /// For `poll` with [`Peer::EVENTS`] only: reading or writing it breaks the protocol.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reply.socket.as_fd()
    }
}
