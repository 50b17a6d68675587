//! How much a root holds, counted folder by folder in a small file that all processes share. Looks at no entries.
//!
//! Every change is made under a lock of that file that is held for microseconds. A process that cannot get it soon
//! keeps its change and adds it with the next one; what a killed process did not add is found when its folder is
//! looked at again.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::{FOLDERS, STORE};
use crate::confined::{Folder, RelativeName};

const NAME: &str = "usage";
const MAGIC: &[u8; 8] = b"imprintU";
/// Magic, time of the last whole look, next folder to look at, next folder to evict from.
const HEAD_BYTES: usize = 32;
const ROW_BYTES: usize = 16;
const TABLE_BYTES: usize = HEAD_BYTES + FOLDERS * ROW_BYTES;

/// A row whose folder was not looked at yet.
const UNKNOWN: u64 = u64::MAX;

/// How often the lock is tried, a millisecond apart.
const TRIES: u32 = 20;

/// Entries and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    /// Files.
    pub(super) entries: u64,
    /// Their lengths, added up.
    pub(super) bytes: u64,
}

impl Amount {
    pub(super) fn plus(self, other: Amount) -> Amount {
        Amount {
            entries: self.entries.saturating_add(other.entries),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// A change of one folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Files more or fewer.
    pub(super) entries: i64,
    /// Bytes more or fewer.
    pub(super) bytes: i64,
}

/// A number in the head of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// When all folders had been looked at last, in seconds since 1970; 0: never.
    Complete,
    /// The folder that is looked at next.
    Look,
    /// The folder that is evicted from next.
    Evict,
}

/// The table of one root.
#[derive(Debug)]
pub(super) struct Usage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    pending: BTreeMap<u8, Change>,
}

/// What a table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    bytes: Vec<u8>,
}

impl Table {
    fn new() -> Table {
        let mut bytes = MAGIC.to_vec();
        bytes.resize(HEAD_BYTES, 0);
        bytes.resize(TABLE_BYTES, 0xff);
        Table { bytes }
    }

    fn number(&self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(UNKNOWN, u64::from_le_bytes)
    }

    pub(super) fn mark(&self, mark: Mark) -> u64 {
        self.number(mark_at(mark))
    }

    /// What a folder holds; `None` when nobody has looked.
    pub(super) fn row(&self, folder: u8) -> Option<Amount> {
        let at = row_at(folder);
        let (entries, bytes) = (self.number(at), self.number(at + 8));
        (entries != UNKNOWN && bytes != UNKNOWN).then_some(Amount { entries, bytes })
    }

    /// What the known folders hold together.
    pub(super) fn total(&self) -> Amount {
        let rows = (0..=u8::MAX).filter_map(|folder| self.row(folder));
        rows.fold(Amount::default(), Amount::plus)
    }

    /// A folder that nobody has looked at.
    pub(super) fn unknown(&self) -> Option<u8> {
        (0..=u8::MAX).find(|folder| self.row(*folder).is_none())
    }
}

fn mark_at(mark: Mark) -> usize {
    match mark {
        Mark::Complete => 8,
        Mark::Look => 16,
        Mark::Evict => 24,
    }
}

fn row_at(folder: u8) -> usize {
    HEAD_BYTES + usize::from(folder) * ROW_BYTES
}

impl Usage {
    /// Opens the table beneath `root`, or makes an empty one; fails where nothing can be written.
    pub(super) fn open(root: &Folder) -> Result<Usage, std::io::Error> {
        let file = open_file(root)?;
        Ok(Usage { state: Mutex::new(State { file: Some(file), pending: BTreeMap::new() }) })
    }

    /// The table at this moment; an empty one where it cannot be read.
    pub(super) fn table(&self, root: &Folder) -> Table {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.current(root).map(read).unwrap_or_else(Table::new)
    }

    /// Adds a change of one folder, and those that are pending.
    pub(super) fn add(&self, root: &Folder, folder: u8, change: Change) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = state.pending.entry(folder).or_default();
        sum.entries = sum.entries.saturating_add(change.entries);
        sum.bytes = sum.bytes.saturating_add(change.bytes);
        let pending = std::mem::take(&mut state.pending);
        let is_done = state.locked(root, |file| {
            let table = read(file);
            for (folder, change) in &pending {
                let Some(row) = table.row(*folder) else { continue };
                let row = Amount {
                    entries: row.entries.saturating_add_signed(change.entries),
                    bytes: row.bytes.saturating_add_signed(change.bytes),
                };
                write_row(file, *folder, row);
            }
        });
        if is_done.is_none() {
            state.pending = pending;
        }
    }

    /// Says what a folder holds, as was just counted.
    pub(super) fn set(&self, root: &Folder, folder: u8, counted: Amount) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pending.remove(&folder);
        state.locked(root, |file| write_row(file, folder, counted));
    }

    /// Writes a number of the head.
    pub(super) fn set_mark(&self, root: &Folder, mark: Mark, value: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.locked(root, |file| {
            let _ = file.write_all_at(&value.to_le_bytes(), mark_at(mark) as u64);
        });
    }
}

impl State {
    /// The open table; opened again when an operator has emptied the folder.
    fn current(&mut self, root: &Folder) -> Option<&File> {
        let is_there = |file: &File| file.metadata().is_ok_and(|meta| meta.nlink() > 0);
        if !self.file.as_ref().is_some_and(is_there) {
            self.file = open_file(root).ok();
        }
        self.file.as_ref()
    }

    /// Runs `work` under the lock of the file, on a table that is whole; `None` when the lock was not to be had.
    fn locked<T>(&mut self, root: &Folder, work: impl FnOnce(&File) -> T) -> Option<T> {
        let file = self.current(root)?;
        let mut tries = 0;
        while file.try_lock().is_err() {
            tries += 1;
            if tries > TRIES {
                return None;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if !is_whole(file) {
            let _ = file.set_len(0);
            let _ = file.write_all_at(&Table::new().bytes, 0);
        }
        let result = work(file);
        let _ = file.unlock();
        Some(result)
    }
}

fn is_whole(file: &File) -> bool {
    let mut magic = [0; 8];
    let length = file.metadata().map_or(0, |meta| meta.size());
    length == TABLE_BYTES as u64 && file.read_exact_at(&mut magic, 0).is_ok() && magic == *MAGIC
}

fn read(file: &File) -> Table {
    let mut bytes = vec![0; TABLE_BYTES];
    let is_read = is_whole(file) && file.read_exact_at(&mut bytes, 0).is_ok();
    if is_read { Table { bytes } } else { Table::new() }
}

fn write_row(file: &File, folder: u8, row: Amount) {
    let [entries, bytes] = [row.entries, row.bytes].map(|n| n.min(UNKNOWN - 1).to_le_bytes());
    // A number that is lost is counted again with its folder.
    let _ = file.write_all_at(&[entries, bytes].concat(), row_at(folder) as u64);
}

fn open_file(root: &Folder) -> Result<File, std::io::Error> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let store = super::store_folder(root)?;
    let file = File::from(rustix::fs::openat(&store, NAME, flags, Mode::from_raw_mode(0o600))?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::other(format!("{STORE}/{NAME} is no file"))),
    }
}

/// A name below the store.
pub(super) fn in_store(name: &str) -> Option<RelativeName> {
    RelativeName::new(&format!("{STORE}/{name}"))
}
