//! A log file for each day, in UTC, shared by processes; files that are too old are removed. Knows nothing of lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::reply::date::day_name;

/// How often it is looked whether the file was moved or deleted.
const LOOK: Duration = Duration::from_secs(1);

/// How long nothing is tried after a failure.
const PAUSE: Duration = Duration::from_secs(10);

/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

/// Permissions of a new file before the umask: lines name clients.
const MODE: u32 = 0o640;

/// `PREFIXyyyy-mm-dd.log` in a folder.
#[derive(Debug)]
pub(super) struct DayFile {
    folder: PathBuf,
    prefix: String,
    max_days: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: Option<Open>,
    failed_at: Option<SystemTime>,
    is_told: bool,
}

#[derive(Debug)]
struct Open {
    file: Arc<File>,
    path: PathBuf,
    day: u64,
    looked_at: SystemTime,
}

impl DayFile {
    /// Opens nothing yet. Files of more than `max_days` days ago are removed when a new one is made.
    pub(super) fn new(folder: &Path, prefix: &str, max_days: u32) -> DayFile {
        DayFile {
            folder: folder.to_owned(),
            prefix: prefix.to_owned(),
            max_days,
            state: Mutex::default(),
        }
    }

    /// Whether it is worth while to make a line: not within the pause after a failure.
    pub(super) fn is_usable(&self, now: SystemTime) -> bool {
        !self.state().failed_at.is_some_and(|at| is_within(at, now, PAUSE))
    }

    /// Appends one line, its line end included, by one write. The value is what to tell somebody: why lines are lost,
    /// the first time. A folder that does not exist is no failure to tell.
    pub(super) fn append(&self, line: &[u8], now: SystemTime) -> Option<String> {
        let written = self.file(now).and_then(|file| {
            // More than one write would let lines of other processes in between.
            match (&*file).write(line)? {
                count if count == line.len() => Ok(()),
                _ => Err(io::Error::new(ErrorKind::WriteZero, "a line was cut short")),
            }
        });
        let mut state = self.state();
        match written {
            Ok(()) => {
                state.failed_at = None;
                state.is_told = false;
                None
            }
            Err(error) => {
                state.failed_at = Some(now);
                state.open = None;
                let is_new = !std::mem::replace(&mut state.is_told, true);
                let is_missing = error.kind() == ErrorKind::NotFound;
                (is_new && !is_missing).then(|| format!("{}: {error}", self.folder.display()))
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open file of the day; opened anew at midnight and when its name leads elsewhere (logrotate).
    fn file(&self, now: SystemTime) -> io::Result<Arc<File>> {
        let day = day_of(now);
        let mut state = self.state();
        if let Some(open) = state.open.as_mut().filter(|open| open.day == day) {
            if is_within(open.looked_at, now, LOOK) {
                return Ok(open.file.clone());
            }
            if is_named(&open.path, &open.file) {
                open.looked_at = now;
                return Ok(open.file.clone());
            }
        }
        let path = self.path(now);
        let (file, is_new) = opened(&path)?;
        let file = Arc::new(file);
        state.open = Some(Open { file: file.clone(), path, day, looked_at: now });
        drop(state);
        if is_new {
            self.remove_old(day);
        }
        Ok(file)
    }

    fn path(&self, now: SystemTime) -> PathBuf {
        self.folder.join(format!("{}{}.log", self.prefix, day_name(now)))
    }

    /// Removes files of this prefix from more than `max_days` days before `today`; nothing else is touched.
    fn remove_old(&self, today: u64) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let day = name.to_str().and_then(|name| self.day_in(name));
            if day.is_some_and(|day| day.saturating_add(u64::from(self.max_days)) < today) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The day in the name of a file of ours.
    fn day_in(&self, name: &str) -> Option<u64> {
        let date = name.strip_prefix(&self.prefix)?.strip_suffix(".log")?;
        if date.len() != "yyyy-mm-dd".len() {
            return None;
        }
        let mut parts = date.split('-').map(str::parse::<u64>);
        let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
        if parts.next().is_some() || !(1970..=9999).contains(&year) {
            return None;
        }
        // The day is looked for near an estimate, so that there is one calendar only, that of `day_name`.
        let near = (year - 1970) * 365 + (year - 1969) / 4 + month.checked_sub(1)? * 30 + day;
        let days = near.saturating_sub(4)..near.saturating_add(9);
        let named = |&day: &u64| day_name(UNIX_EPOCH + Duration::from_secs(day * DAY_SECONDS));
        days.into_iter().find(|day| named(day) == date)
    }
}

fn day_of(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |past| past.as_secs() / DAY_SECONDS)
}

/// Whether `now` lies less than `time` behind `since`; a clock that was set back says no.
fn is_within(since: SystemTime, now: SystemTime, time: Duration) -> bool {
    now.duration_since(since).is_ok_and(|passed| passed < time)
}

/// The file for appending, and whether it was made.
fn opened(path: &Path) -> io::Result<(File, bool)> {
    // Not through a link, and never waiting for the reader of a FIFO.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.append(true).mode(MODE).custom_flags(flags.bits().cast_signed());
    let (file, is_new) = match options.clone().create_new(true).open(path) {
        Ok(file) => (file, true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            (options.create(true).open(path)?, false)
        }
        Err(error) => return Err(error),
    };
    match file.metadata()?.is_file() {
        true => Ok((file, is_new)),
        false => Err(io::Error::other("the log is no file")),
    }
}

/// Whether `path` still leads to `file`.
fn is_named(path: &Path, file: &File) -> bool {
    let (Ok(named), Ok(open)) = (fs::symlink_metadata(path), file.metadata()) else { return false };
    (named.dev(), named.ino()) == (open.dev(), open.ino())
}
