//! An open source file, read at offsets. Knows nothing of its name.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::codec::input::ReadAt;
use crate::error::{Error, Kind};

/// What tells one state of a file from another, for validators and cache keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device of the file system.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// Modification time in nanoseconds since 1970-01-01 00:00 UTC.
    pub modified_ns: i128,
    /// Time of the last change of the inode, which no program can set, likewise.
    pub changed_ns: i128,
}

impl Identity {
    fn of(file: &File) -> io::Result<Identity> {
        let meta = file.metadata()?;
        let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Ok(Identity {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.size(),
            modified_ns: ns(meta.mtime(), meta.mtime_nsec()),
            changed_ns: ns(meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// A regular file that was opened beneath a root.
///
/// It keeps the length it had when it was opened: a file that grew ends there, one that was cut short fails to read
/// with `UnexpectedEof`. It is never mapped (D-10).
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    identity: Identity,
}

impl SourceFile {
    pub(super) fn new(file: File) -> Result<SourceFile, Error> {
        let identity = Identity::of(&file).map_err(|error| {
            Error::new(Kind::Unreadable, "the file system failed").with_cause(error)
        })?;
        Ok(SourceFile { file, identity })
    }

    /// The open file itself, to be sent as it is.
    pub fn into_file(self) -> File {
        self.file
    }

    /// The state of the file when it was opened.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether length and dates of the file still are what they were when it was opened.
    pub fn is_unchanged(&self) -> bool {
        Identity::of(&self.file).is_ok_and(|identity| identity == self.identity)
    }
}

impl ReadAt for SourceFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.identity.bytes.saturating_sub(offset);
        let length = usize::try_from(rest).unwrap_or(usize::MAX).min(buf.len());
        let Some(buf) = buf.get_mut(..length).filter(|buf| !buf.is_empty()) else {
            return Ok(0);
        };
        match FileExt::read_at(&self.file, buf, offset)? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file was cut short")),
            count => Ok(count),
        }
    }

    fn len(&self) -> u64 {
        self.identity.bytes
    }
}
