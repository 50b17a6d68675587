//! The buffered byte stream of one connection's input, with deadlines. Knows the record header, not its meaning.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Instant;

use crate::record::{HEADER_BYTES, Header};
use crate::socket::Socket;

/// Most requests fit: nginx sends 1 to 4 KiB.
const BUFFER_BYTES: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) struct Input {
    socket: Arc<Socket>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes that may yet be received; bounds a drain.
    allowance: usize,
}

impl Input {
    pub(crate) fn new(socket: Arc<Socket>) -> Input {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Input { socket, buffer, start: 0, end: 0, allowance: usize::MAX }
    }

    /// Whether no received byte waits to be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bounds what is received from here on; `usize::MAX` lifts the bound.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// Receives at least one byte if none waits. `UnexpectedEof` at the end, `FileTooLarge` beyond the allowance.
    pub(crate) fn fill(&mut self, deadline: Instant) -> io::Result<()> {
        if !self.is_empty() {
            return Ok(());
        }
        if self.allowance == 0 {
            return Err(ErrorKind::FileTooLarge.into());
        }
        (self.start, self.end) = (0, 0);
        match self.socket.receive(&mut self.buffer, deadline)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            received => {
                self.end = received;
                if self.allowance != usize::MAX {
                    self.allowance = self.allowance.saturating_sub(received);
                }
                Ok(())
            }
        }
    }

    /// Between 1 and `longest` bytes (none only if `longest` is 0), valid until the next call.
    pub(crate) fn take(&mut self, longest: usize, deadline: Instant) -> io::Result<&[u8]> {
        if longest > 0 {
            self.fill(deadline)?;
        }
        let start = self.start;
        self.start += longest.min(self.end - start);
        Ok(self.buffer.get(start..self.start).unwrap_or_default())
    }

    pub(crate) fn skip(&mut self, bytes: usize, deadline: Instant) -> io::Result<()> {
        let mut left = bytes;
        while left > 0 {
            left -= self.take(left, deadline)?.len();
        }
        Ok(())
    }

    /// The next eight bytes: a header or the body of a `BEGIN_REQUEST`.
    pub(crate) fn eight(&mut self, deadline: Instant) -> io::Result<[u8; HEADER_BYTES]> {
        let mut eight = [0; HEADER_BYTES];
        let mut rest = &mut eight[..];
        while !rest.is_empty() {
            let taken = self.take(rest.len(), deadline)?;
            let (filled, left) = std::mem::take(&mut rest).split_at_mut(taken.len());
            filled.copy_from_slice(taken);
            rest = left;
        }
        Ok(eight)
    }

    /// The next header; `InvalidData` when it is not one of version 1.
    pub(crate) fn header(&mut self, deadline: Instant) -> io::Result<Header> {
        let bytes = self.eight(deadline)?;
        Header::parse(bytes)
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "record of another version"))
    }
}
