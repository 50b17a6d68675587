//! One connection's socket: every wait has a deadline, and only one thread writes at a time. Knows no records.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

/// Slices of one gathering write; the kernel takes at most 1,024.
const SLICES: usize = 1_000;

/// Bytes that must go within one `write_timeout`.
const PROGRESS_BYTES: usize = 64 * 1024;

/// How long, and for how many bytes, input is read away after the write side was shut down.
///
/// Closing with unread input resets the connection, and the web server may lose the answer.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// The socket of one connection; shared with responders that may outlive it.
#[derive(Debug)]
pub(crate) struct Socket {
    descriptor: OwnedFd,
    /// Held during a write, so that records of two threads never mix.
    writing: Mutex<()>,
    write_timeout: Duration,
}

impl Socket {
    pub(crate) fn new(descriptor: OwnedFd, write_timeout: Duration) -> Socket {
        Socket { descriptor, writing: Mutex::new(()), write_timeout }
    }

    /// Receives at least one byte; 0 at the end of the peer's stream. `TimedOut` at the deadline.
    pub(crate) fn receive(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            match rustix::net::recv(&self.descriptor, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((received, _)) => return Ok(received),
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, deadline)?,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Sends everything; `TimedOut` when the peer took less than 64 KiB within the write timeout.
    pub(crate) fn send_all(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let _guard = lock(&self.writing);
        let mut rest = slices;
        let mut deadline = Instant::now() + self.write_timeout;
        let mut progress = 0;
        while !rest.is_empty() {
            match self.send_some(rest) {
                Ok(sent) => {
                    IoSlice::advance_slices(&mut rest, sent);
                    progress += sent;
                    if progress >= PROGRESS_BYTES {
                        progress = 0;
                        deadline = Instant::now() + self.write_timeout;
                    }
                }
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, deadline)?,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Sends everything by one write that does not block; `WouldBlock` when the peer did not take all of it.
    pub(crate) fn send_now(&self, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let _guard = match self.writing.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(ErrorKind::WouldBlock.into()),
        };
        let expected: usize = slices.iter().map(|slice| slice.len()).sum();
        match self.send_some(slices)? {
            sent if sent == expected => Ok(()),
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn send_some(&self, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        let slices = slices.get(..SLICES).unwrap_or(slices);
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::net::sendmsg(&self.descriptor, slices, &mut SendAncillaryBuffer::default(), flags)
    }

    /// The state of the socket without waiting.
    pub(crate) fn events(&self, wanted: PollFlags) -> PollFlags {
        let mut polled = [PollFd::new(&self.descriptor, wanted)];
        match rustix::event::poll(&mut polled, Some(&Timespec::default())) {
            Ok(_) => polled[0].revents(),
            Err(_) => PollFlags::empty(),
        }
    }

    fn wait(&self, wanted: PollFlags, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        poll(&mut [PollFd::new(&self.descriptor, wanted)], left)
    }

    /// The peer's next reads end, ours find what is queued and then the end: the gentle way to end an idle wait.
    pub(crate) fn shut_read(&self) {
        let _ = rustix::net::shutdown(&self.descriptor, Shutdown::Read);
    }

    /// Nothing more is written; the peer reads what was, then the end.
    pub(crate) fn shut_write(&self) {
        let _ = rustix::net::shutdown(&self.descriptor, Shutdown::Write);
    }

    /// Both directions end, although a [`Responder`](crate::Responder) may still hold the descriptor.
    pub(crate) fn shut(&self) {
        let _ = rustix::net::shutdown(&self.descriptor, Shutdown::Both);
    }

    /// Ends the connection so that the peer can still read the last answer: shuts the write side, reads, shuts.
    pub(crate) fn close(&self) {
        self.shut_write();
        let deadline = Instant::now() + LINGER_TIME;
        let mut buffer = [0; 16 * 1024];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match self.receive(&mut buffer, deadline) {
                Ok(0) | Err(_) => break,
                Ok(received) => left = left.saturating_sub(received),
            }
        }
        self.shut();
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Waits for an event of any of `polled`, or until `longest` is over: the caller looks at what it waited for.
pub(crate) fn poll(polled: &mut [PollFd<'_>], longest: Duration) -> io::Result<()> {
    let timeout = Timespec::try_from(longest).ok();
    match rustix::event::poll(polled, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Locks what holds no invariant that a panic could break.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
