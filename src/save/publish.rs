//! A file that is being written, and the rename that publishes it. Creates no folders and truncates no file.
//!
//! The file has no name while it is written (`O_TMPFILE`), or a random one where the file system cannot do that.
//! Everything slow comes before [`Deadline::commit`]; after it only link, rename and the sync of the folder are left.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::space::Published;
use super::temporary::{proc_path, random_name};
use super::{Durability, Existing, Target, timed_out, unwritable};
use crate::confined::{Entry, Folder};
use crate::error::{Error, Kind};
use crate::limits::Deadline;

/// What a save reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Modification time of the file in milliseconds since 1970-01-01 00:00 UTC (`lastUpdated`).
    pub modified_ms: i64,
    /// Length in bytes, for the log.
    pub bytes: u64,
}

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// Bytes after which the free space is looked at again.
const CHECK_BYTES: u64 = 1 << 20;

/// A file that nobody sees yet. Dropping it, also by a panic, leaves nothing behind.
///
/// It is an `Output` of the codecs: each write looks at the deadline, the quota and the free space.
#[derive(Debug)]
pub struct PendingFile {
    out: BufWriter<Sink>,
}

impl PendingFile {
    pub(super) fn create(target: Target, deadline: &Deadline) -> Result<PendingFile, Error> {
        deadline.tick().map_err(timed_out)?;
        target.shared.space.begin(&target.shared.root, deadline)?;
        target.shared.space.check_free(target.confined.folder(), 0)?;
        let (file, temporary) = create_file(target.confined.folder(), target.shared.has_proc)?;
        let sink = Sink {
            target,
            file,
            temporary,
            deadline: deadline.clone(),
            position: 0,
            length: 0,
            reserved: 0,
            unchecked: 0,
            has_failed: false,
            failure: None,
        };
        Ok(PendingFile { out: BufWriter::with_capacity(BUFFER_BYTES, sink) })
    }

    /// Why a write failed. An encoder only passes on that one did; this says whether it was time, quota or disk.
    pub fn take_failure(&mut self) -> Option<Error> {
        self.out.get_mut().failure.take()
    }

    /// Completes the file and gives it its name in one step (`U-save-atomic`).
    ///
    /// Data are synced first, then the deadline is committed, then the name is given. On every failure an existing
    /// file is untouched and nothing of this one remains. Fails with `Unwritable`, or with `TimedOut` and the title
    /// `Save timed out` when the watchdog was first. A folder that cannot be synced after the rename is logged, for
    /// the file is there.
    pub fn publish(mut self) -> Result<Saved, Error> {
        if let Err(error) = self.out.flush() {
            return Err(self.take_failure().unwrap_or_else(|| io_failure(error)));
        }
        self.out.get_mut().publish()
    }
}

impl Write for PendingFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.out.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Seek for PendingFile {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        self.out.seek(target)
    }
}

/// The file below the buffer.
#[derive(Debug)]
struct Sink {
    target: Target,
    file: File,
    /// The name to be removed when this is dropped.
    temporary: Option<String>,
    deadline: Deadline,
    position: u64,
    length: u64,
    /// Bytes set aside in the quota.
    reserved: u64,
    /// Bytes written since the free space was looked at.
    unchecked: u64,
    /// Whether a write failed: the file has a hole and is never published.
    has_failed: bool,
    failure: Option<Error>,
}

impl Sink {
    fn write_some(&mut self, buf: &[u8]) -> Result<usize, Error> {
        self.deadline.tick().map_err(timed_out)?;
        let buf = buf.get(..BUFFER_BYTES).unwrap_or(buf);
        let end = self.position.saturating_add(buf.len() as u64);
        let space = &self.target.shared.space;
        if let Some(more) = end.checked_sub(self.reserved).filter(|more| *more > 0) {
            space.reserve(more)?;
            self.reserved = end;
        }
        if self.unchecked >= CHECK_BYTES {
            space.check_free(self.target.confined.folder(), 0)?;
            self.unchecked = 0;
        }
        let count = loop {
            match self.file.write_at(buf, self.position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.deadline.tick().map_err(timed_out)?;
                }
                result => break result.map_err(io_failure)?,
            }
        };
        self.position = self.position.saturating_add(count as u64);
        self.unchecked = self.unchecked.saturating_add(count as u64);
        self.length = self.length.max(self.position);
        Ok(count)
    }

    fn publish(&mut self) -> Result<Saved, Error> {
        if self.has_failed {
            return Err(self.failure.take().unwrap_or_else(|| unwritable("a write failed")));
        }
        let settings = self.target.shared.settings;
        self.deadline.tick().map_err(timed_out)?;
        self.target.shared.space.check_free(self.target.confined.folder(), 0)?;
        rustix::fs::fchmod(&self.file, Mode::from_raw_mode(self.target.shared.mode))
            .map_err(errno_failure)?;
        if settings.durability == Durability::Full {
            self.file.sync_all().map_err(io_failure)?;
        }
        let meta = self.file.metadata().map_err(io_failure)?;
        let replaced_bytes = match self.target.check_existing()? {
            Entry::File { bytes } => bytes,
            Entry::Missing | Entry::Other => 0,
        };
        self.deadline.commit().map_err(timed_out)?;
        let temporary = match self.temporary.take() {
            Some(name) => name,
            None => self.link()?,
        };
        self.temporary = Some(temporary.clone());
        self.rename(&temporary, settings.existing)?;
        if settings.durability == Durability::Full
            && let Err(errno) = rustix::fs::fsync(self.target.confined.folder())
        {
            log::warn!("the folder of {:?} is not synced: {errno}", self.target.confined.file());
        }
        let published = Published { bytes: meta.size(), replaced_bytes };
        self.target.shared.space.finish(self.reserved, Some(published));
        self.reserved = 0;
        let modified_ms =
            meta.mtime().saturating_mul(1000).saturating_add(meta.mtime_nsec() / 1_000_000);
        Ok(Saved { modified_ms, bytes: meta.size() })
    }

    /// Gives the unnamed file a random name.
    fn link(&self) -> Result<String, Error> {
        let folder = self.target.confined.folder();
        let path = proc_path(self.file.as_fd());
        with_random_name(|name| {
            rustix::fs::linkat(CWD, path.as_str(), folder, name, AtFlags::SYMLINK_FOLLOW)
        })
        .map(|(name, ())| name)
    }

    /// Moves the temporary name to the final one; a rename replaces a name and never opens what it stands for (F-4).
    fn rename(&mut self, temporary: &str, existing: Existing) -> Result<(), Error> {
        let (folder, file) = (self.target.confined.folder(), self.target.confined.file());
        match existing {
            Existing::Replaced => {
                rustix::fs::renameat(folder, temporary, folder, file).map_err(errno_failure)?;
            }
            Existing::Kept => {
                let flags = RenameFlags::NOREPLACE;
                match rustix::fs::renameat_with(folder, temporary, folder, file, flags) {
                    // A file system without this rename: a link does not replace either. The temporary name is
                    // removed when this is dropped.
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        return rustix::fs::linkat(
                            folder,
                            temporary,
                            folder,
                            file,
                            AtFlags::empty(),
                        )
                        .map_err(errno_failure);
                    }
                    result => result.map_err(errno_failure)?,
                }
            }
        }
        self.temporary = None;
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.has_failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        if buf.is_empty() {
            return Ok(0);
        }
        self.write_some(buf).map_err(|error| {
            let kind = match error.kind() {
                Kind::TimedOut => io::ErrorKind::TimedOut,
                _ => io::ErrorKind::Other,
            };
            let passed_on = io::Error::new(kind, error.to_string());
            self.has_failed = true;
            self.failure = Some(error);
            passed_on
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sink {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let position = match target {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(delta) => self.length.checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary {
            let folder = self.target.confined.folder();
            if let Err(errno) = rustix::fs::unlinkat(folder, name.as_str(), AtFlags::empty()) {
                log::warn!("temporary file {name} is not removed: {errno}");
            }
        }
        self.target.shared.space.finish(self.reserved, None);
    }
}

/// An empty file of mode 0600 in `folder`: without a name, or with a random one that is returned too.
fn create_file(folder: &Folder, has_proc: bool) -> Result<(File, Option<String>), Error> {
    let mode = Mode::RUSR | Mode::WUSR;
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    if has_proc {
        match rustix::fs::openat(folder, ".", flags | OFlags::TMPFILE, mode) {
            Ok(fd) => return Ok((File::from(fd), None)),
            // What file systems and kernels without unnamed files answer.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
            Err(errno) => return Err(errno_failure(errno)),
        }
    }
    let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let (name, fd): (String, OwnedFd) =
        with_random_name(|name| rustix::fs::openat(folder, name, flags, mode))?;
    Ok((File::from(fd), Some(name)))
}

/// Calls `make` with random names until one is free.
fn with_random_name<T>(make: impl Fn(&str) -> Result<T, Errno>) -> Result<(String, T), Error> {
    for _ in 0..8 {
        let name = random_name()?;
        match make(&name) {
            Ok(made) => return Ok((name, made)),
            Err(Errno::EXIST | Errno::INTR) => {}
            Err(errno) => return Err(errno_failure(errno)),
        }
    }
    Err(unwritable("no free temporary name"))
}

fn errno_failure(errno: Errno) -> Error {
    io_failure(io::Error::from(errno))
}

fn io_failure(error: io::Error) -> Error {
    unwritable("the file system refused the file").with_cause(error)
}
