//! The bytes of a source as decoders read them: in short reads that look at the deadline.

use std::io::{self, Read, Seek, SeekFrom};

use crate::error::{Error, Kind};
use crate::limits::{Deadline, Limits};

/// Bytes that can be read at any offset: a file or a buffer. Files that others can change are never mapped (D-10).
pub trait ReadAt: Send + Sync {
    /// Reads up to `buf.len()` bytes from `offset`; 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Length in bytes when it was opened.
    fn len(&self) -> u64;

    /// Whether it holds nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|o| self.get(o..)).unwrap_or(&[]);
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.as_slice().read_at(buf, offset)
    }

    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }
}

/// A position in a source. `Read` and `Seek` for libraries; each read is at most 64 KiB and ticks the deadline.
pub struct Input<'a> {
    source: &'a dyn ReadAt,
    position: u64,
    deadline: &'a Deadline,
}

const READ_BYTES: usize = 64 << 10;

impl<'a> Input<'a> {
    /// At the start of `source`.
    pub fn new(source: &'a dyn ReadAt, deadline: &'a Deadline) -> Input<'a> {
        Input { source, position: 0, deadline }
    }

    /// The deadline that every read looks at.
    pub fn deadline(&self) -> &'a Deadline {
        self.deadline
    }

    /// Length of the source in bytes.
    pub fn source_bytes(&self) -> u64 {
        self.source.len()
    }

    /// A second position in the same source, at its start.
    pub fn reopened(&self) -> Input<'a> {
        Input::new(self.source, self.deadline)
    }

    /// Up to `limit` bytes from the start, for telling the format.
    pub fn head(&self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut head = vec![0; limit];
        let mut filled = 0;
        while filled < limit {
            match self.source.read_at(&mut head[filled..], filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        head.truncate(filled);
        Ok(head)
    }

    /// The whole source as one buffer, within `limits.source_bytes` and `limits.memory_bytes`.
    pub fn read_all(&self, limits: &Limits) -> Result<Vec<u8>, Error> {
        let length = self.source.len();
        if length > limits.source_bytes {
            return Err(Error::new(
                Kind::TooLarge,
                format!("source of {length} bytes exceeds {}", limits.source_bytes),
            ));
        }
        let mut bytes = limits.zeroed(length)?;
        let mut filled = 0;
        while filled < bytes.len() {
            self.deadline.tick()?;
            let end = bytes.len().min(filled + (1 << 20));
            match self.source.read_at(&mut bytes[filled..end], filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::new(Kind::Unreadable, "the source cannot be read").with_cause(error)
}

impl Read for Input<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.deadline.tick().map_err(|e| io::Error::new(io::ErrorKind::TimedOut, e))?;
        let length = buf.len().min(READ_BYTES);
        let count = self.source.read_at(&mut buf[..length], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Input<'_> {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let position = match target {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(delta) => self.source.len().checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
