//! Walks the save folder: how many bytes it holds, and which stale temporary files it removes. Follows no links.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::temporary::is_random_name;
use super::unwritable;
use crate::confined::Folder;
use crate::error::Error;
use crate::limits::Deadline;

/// Age from which a temporary file belongs to no living save (`U-save-atomic`).
pub(super) const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// Entries that one walk looks at.
const MAX_ENTRIES: u64 = 1_000_000;

/// Folders within folders that one walk enters; each holds two handles while it is open.
const MAX_DEPTH: u32 = 64;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Temporary files that were removed.
    pub removed: u64,
    /// Whether the walk saw every entry; it ends at a million entries, 64 folders deep.
    pub is_complete: bool,
}

/// Removes temporary files beneath `root` that are older than `age`.
pub(super) fn sweep(root: &Folder, age: Duration) -> Swept {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let oldest_kept = i64::try_from(now.saturating_sub(age).as_secs()).unwrap_or(i64::MAX);
    let mut removed = 0;
    let walked = walk(root, &mut |folder, name, stat| {
        // The name is looked up again only here, and only ever removed: a link put in its place goes, not its target.
        if is_random_name(name.to_bytes())
            && stat.st_mtime < oldest_kept
            && rustix::fs::unlinkat(folder, name, AtFlags::empty()).is_ok()
        {
            removed += 1;
        }
        Ok(())
    });
    Swept { removed, is_complete: matches!(walked, Ok(true)) }
}

/// Bytes of the regular files beneath `root`, without temporary ones; a file with several names counts for each.
///
/// Fails with `Unwritable` when there are too many entries to measure, or with `TimedOut`.
pub(super) fn folder_bytes(root: &Folder, deadline: &Deadline) -> Result<u64, Error> {
    let mut bytes = 0u64;
    let is_complete = walk(root, &mut |_, name, stat| {
        deadline.tick().map_err(super::timed_out)?;
        if !is_random_name(name.to_bytes()) {
            bytes = bytes.saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
        }
        Ok(())
    })?;
    match is_complete {
        true => Ok(bytes),
        false => Err(unwritable("the save folder is too large to be measured for maxBytes")),
    }
}

type Visit<'a> = &'a mut dyn FnMut(BorrowedFd<'_>, &CStr, &Stat) -> Result<(), Error>;

/// Shows every regular file beneath `root`; `false` when a bound or an unreadable folder left some out.
fn walk(root: &Folder, visit: Visit<'_>) -> Result<bool, Error> {
    let mut left = MAX_ENTRIES;
    walk_folder(root.as_fd(), 0, &mut left, visit)
}

fn walk_folder(
    folder: BorrowedFd<'_>,
    depth: u32,
    left: &mut u64,
    visit: Visit<'_>,
) -> Result<bool, Error> {
    let Ok(entries) = Dir::read_from(folder) else {
        return Ok(false);
    };
    let mut is_complete = true;
    for entry in entries {
        let Ok(entry) = entry else {
            return Ok(false);
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Some(rest) = left.checked_sub(1) else {
            return Ok(false);
        };
        *left = rest;
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(_) => {
                is_complete = false;
                continue;
            }
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => visit(folder, name, &stat)?,
            FileType::Directory if depth < MAX_DEPTH => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                match rustix::fs::openat(folder, name, flags, Mode::empty()) {
                    Ok(inner) => {
                        is_complete &= walk_folder(inner.as_fd(), depth + 1, left, visit)?;
                    }
                    Err(Errno::NOENT) => {}
                    Err(_) => is_complete = false,
                }
            }
            FileType::Directory => is_complete = false,
            _ => {}
        }
    }
    Ok(is_complete)
}
