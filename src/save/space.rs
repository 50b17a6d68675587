//! How full the save folder may become. The sizes are those of one process: each measures for itself.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::sweep::folder_bytes;
use super::unwritable;
use crate::confined::Folder;
use crate::error::Error;
use crate::limits::Deadline;

/// Bounds of what saves may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all files beneath `SaveDirectory`, those being written included (`saveToFile.maxBytes`).
    ///
    /// The folder is measured at most every ten seconds; between two measurements the saves of this process count,
    /// those of others do not. A folder that is being saved to by several workers can therefore exceed it by what
    /// they write in that time.
    pub max_bytes: Option<u64>,
    /// Bytes that stay free on the file system (`saveToFile.minFreeBytes`); 0 does not look.
    pub min_free_bytes: u64,
}

/// How long a measurement of the folder counts.
const MEASURED: Duration = Duration::from_secs(10);

/// The counters behind a `Quota`.
#[derive(Debug)]
pub(super) struct Space {
    quota: Quota,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Bytes of named files, and when they were measured.
    measured: Option<(u64, Instant)>,
    /// Bytes of files that are being written.
    pending: u64,
}

impl Space {
    pub(super) fn new(quota: Quota) -> Space {
        Space { quota, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Measures the folder where the last measurement is too old, and fails when there is no room at all.
    pub(super) fn begin(&self, root: &Folder, deadline: &Deadline) -> Result<(), Error> {
        self.check_free(root, 0)?;
        let Some(limit) = self.quota.max_bytes else {
            return Ok(());
        };
        let is_fresh =
            self.counts().measured.is_some_and(|(_, measured_at)| measured_at.elapsed() < MEASURED);
        if !is_fresh {
            let bytes = folder_bytes(root, deadline)?;
            self.counts().measured = Some((bytes, Instant::now()));
        }
        let counts = self.counts();
        let used = counts.measured.map_or(0, |(bytes, _)| bytes).saturating_add(counts.pending);
        if used >= limit {
            return Err(over(limit));
        }
        Ok(())
    }

    /// Sets `bytes` more aside for a file that is being written.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Error> {
        let mut counts = self.counts();
        let pending = counts.pending.saturating_add(bytes);
        if let Some(limit) = self.quota.max_bytes {
            let measured = counts.measured.map_or(0, |(bytes, _)| bytes);
            if measured.saturating_add(pending) > limit {
                return Err(over(limit));
            }
        }
        counts.pending = pending;
        Ok(())
    }

    /// Ends a file for which `reserved` bytes were set aside; a published one took the place of `replaced` bytes.
    pub(super) fn finish(&self, reserved: u64, published: Option<Published>) {
        let mut counts = self.counts();
        counts.pending = counts.pending.saturating_sub(reserved);
        if let (Some(published), Some((bytes, _))) = (published, counts.measured.as_mut()) {
            *bytes = bytes.saturating_sub(published.replaced_bytes).saturating_add(published.bytes);
        }
    }

    /// Fails when the file system has not `bytes` beyond those that stay free.
    pub(super) fn check_free(&self, folder: &Folder, bytes: u64) -> Result<(), Error> {
        let min_free = self.quota.min_free_bytes;
        if min_free == 0 {
            return Ok(());
        }
        let stat = rustix::fs::fstatvfs(folder)
            .map_err(|errno| unwritable("free space cannot be read").with_cause(errno))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < min_free.saturating_add(bytes) {
            return Err(unwritable(format!("{free} bytes are free, minFreeBytes is {min_free}")));
        }
        Ok(())
    }
}

/// Sizes of a published file and of the one it replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    pub(super) bytes: u64,
    pub(super) replaced_bytes: u64,
}

fn over(limit: u64) -> Error {
    unwritable(format!("the save folder reached maxBytes {limit}"))
}
