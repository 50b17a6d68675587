//! Looks after the folders of the cache: counts them, removes leftovers, evicts what was used longest ago. Serves no
//! request: it runs in a thread of one process at a time.
//!
//! It works in steps of a few thousand entries and keeps no index: keys are hashes, so a few folders are a fair sample of
//! all, and the quarter of them that was used longest ago is what a list of all entries would give up soon too. A cache
//! that is smaller than one step is evicted in exact order. The folders take turns.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::usage::{Amount, Mark, Table};
use super::{FOLDERS, LOOK_EVERY, Root, Shared, low, store_folder};

/// Entries that one step of eviction compares.
const SAMPLE: usize = 4096;

/// Age from which a temporary or lock file belongs to nobody.
const STALE: Duration = Duration::from_secs(10 * 60);

const LOCK_NAME: &str = "tending";

/// An entry of a folder that was looked at.
struct Found {
    root: usize,
    folder: u8,
    name: String,
    bytes: u64,
    /// Time of the last use in nanoseconds since 1970.
    used_ns: i128,
}

/// Whether there is something to do.
pub(super) fn is_due(shared: &Shared) -> bool {
    let tables = tables(shared);
    is_over(shared, total(&tables)) || tables.iter().any(|table| next_look(table).is_some())
}

/// The lock of who tends, for as long as the file is open; `None` when another does.
pub(super) fn lock(shared: &Shared) -> Option<File> {
    let store = store_folder(&shared.roots.first()?.folder).ok()?;
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&store, LOCK_NAME, flags, Mode::from_raw_mode(0o600)).ok()?;
    let file = File::from(fd);
    file.try_lock().ok().map(|()| file)
}

/// Does what is due under `lock`, step by step, at least one step and until the cache is closed.
pub(super) fn run(shared: &Shared, lock: File) {
    let mut lock = Some(lock);
    while let Some(held) = lock.take() {
        let end = steps(shared);
        drop(held);
        shared.is_tending.store(false, Ordering::SeqCst);
        // A reply that was stored since the last look found this thread at work and left the rest to it.
        let goes_on =
            end == End::Done && is_due(shared) && !shared.is_tending.swap(true, Ordering::SeqCst);
        if goes_on {
            lock = self::lock(shared);
            if lock.is_none() {
                shared.is_tending.store(false, Ordering::SeqCst);
            }
        }
    }
}

/// Why the steps ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing is left to do.
    Done,
    /// The rest has to wait for another time.
    Left,
}

fn steps(shared: &Shared) -> End {
    // A table that cannot be written must not keep this going.
    for _ in 0..4 * FOLDERS * shared.roots.len() {
        let tables = tables(shared);
        if is_over(shared, total(&tables)) {
            if evict(shared) == 0 && is_over(shared, shared.total()) {
                log::warn!("nothing of the reply cache could be removed, but it is too large");
                return End::Left;
            }
        } else {
            let due = shared
                .roots
                .iter()
                .zip(&tables)
                .find_map(|(root, table)| next_look(table).map(|folder| (root, table, folder)));
            let Some((root, table, folder)) = due else { return End::Done };
            look_and_note(root, table, folder);
        }
        if shared.is_closing.load(Ordering::SeqCst) {
            return End::Left;
        }
    }
    End::Left
}

fn tables(shared: &Shared) -> Vec<Table> {
    shared.roots.iter().map(|root| root.usage.table(&root.folder)).collect()
}

fn total(tables: &[Table]) -> Amount {
    tables.iter().map(Table::total).fold(Amount::default(), Amount::plus)
}

fn is_over(shared: &Shared, total: Amount) -> bool {
    total.entries > shared.most.entries || total.bytes > shared.most.bytes
}

/// The folder to look at next: one that nobody has counted, or the next of the daily round.
fn next_look(table: &Table) -> Option<u8> {
    let now = seconds_now();
    let since = now.checked_sub(table.mark(Mark::Complete));
    let is_round_due = since.is_none_or(|since| since > LOOK_EVERY.as_secs());
    let next = || u8::try_from(table.mark(Mark::Look) % FOLDERS as u64).ok();
    if is_round_due { next() } else { table.unknown() }
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn look_and_note(root: &Root, table: &Table, folder: u8) {
    let counted = look(root, folder, &mut |_, _, _| {});
    root.usage.set(&root.folder, folder, counted);
    if u64::from(folder) != table.mark(Mark::Look) % FOLDERS as u64 {
        return;
    }
    match folder.checked_add(1) {
        Some(next) => root.usage.set_mark(&root.folder, Mark::Look, u64::from(next)),
        None => {
            root.usage.set_mark(&root.folder, Mark::Look, 0);
            root.usage.set_mark(&root.folder, Mark::Complete, seconds_now());
        }
    }
}

/// Removes the entries that were used longest ago, until the cache is a little below its limits or the sample has given
/// up its quarter. Returns how many.
fn evict(shared: &Shared) -> usize {
    let Some(first) = shared.roots.first() else { return 0 };
    let positions = FOLDERS * shared.roots.len();
    let mark = first.usage.table(&first.folder).mark(Mark::Evict);
    let start = usize::try_from(mark % positions as u64).unwrap_or(0);
    let mut sample = Vec::new();
    let mut looked = 0;
    while looked < positions && sample.len() < SAMPLE {
        let position = (start + looked) % positions;
        looked += 1;
        let Some(root) = shared.roots.get(position / FOLDERS) else { continue };
        let Ok(folder) = u8::try_from(position % FOLDERS) else { continue };
        let counted = look(root, folder, &mut |name, bytes, used_ns| {
            let name = name.to_owned();
            sample.push(Found { root: position / FOLDERS, folder, name, bytes, used_ns });
        });
        root.usage.set(&root.folder, folder, counted);
    }
    let next = (start + looked) % positions;
    first.usage.set_mark(&first.folder, Mark::Evict, next as u64);
    sample.sort_unstable_by_key(|found| found.used_ns);
    let most = if looked == positions { sample.len() } else { sample.len() / 4 + 1 };
    // A little more is removed than has to be, so that the next reply does not start this again.
    let mut left = shared.total();
    let mut removed = 0;
    for found in sample.iter().take(most) {
        if left.entries <= low(shared.most.entries) && left.bytes <= low(shared.most.bytes) {
            break;
        }
        let Some(root) = shared.roots.get(found.root) else { continue };
        if root.evict(found) {
            removed += 1;
            left.entries = left.entries.saturating_sub(1);
            left.bytes = left.bytes.saturating_sub(found.bytes);
        }
    }
    removed
}

impl Root {
    fn evict(&self, found: &Found) -> bool {
        let Some(folder) = self.entries(found.folder) else { return false };
        let is_gone = rustix::fs::unlinkat(&folder, &*found.name, AtFlags::empty()).is_ok();
        if is_gone {
            let bytes = 0_i64.saturating_sub_unsigned(found.bytes);
            self.usage.add(&self.folder, found.folder, super::Change { entries: -1, bytes });
        }
        is_gone
    }
}

/// Shows every entry of a folder, its bytes and time of use, and counts them. Removes what is no entry (links
/// themselves, never what they lead to) and temporary files that belong to nobody; leaves folders alone.
fn look(root: &Root, folder: u8, show: &mut dyn FnMut(&str, u64, i128)) -> Amount {
    let mut counted = Amount::default();
    let Some(entries) = root.entries(folder) else { return counted };
    let Ok(names) = Dir::read_from(&entries) else { return counted };
    for name in names {
        let Ok(name) = name else { break };
        let name = name.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(stat) = rustix::fs::statat(&entries, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let text = name.to_str().unwrap_or_default();
        match (kind, form(text)) {
            (FileType::RegularFile, Form::Entry) => {
                let bytes = u64::try_from(stat.st_size).unwrap_or(0);
                counted = counted.plus(Amount { entries: 1, bytes });
                show(text, bytes, used_ns(&stat));
            }
            (FileType::Directory, _) => {}
            (FileType::RegularFile, Form::Passing) if !is_stale(&stat) => {}
            _ => drop(rustix::fs::unlinkat(&entries, name, AtFlags::empty())),
        }
    }
    counted
}

/// What a name is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// An entry: a key without its first byte.
    Entry,
    /// A temporary file or a lock.
    Passing,
    /// Nothing of ours.
    Foreign,
}

fn form(name: &str) -> Form {
    let is_hex = name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match name.len() {
        62 if is_hex => Form::Entry,
        32 | super::flight::LOCK_DIGITS if is_hex => Form::Passing,
        _ => Form::Foreign,
    }
}

fn used_ns(stat: &Stat) -> i128 {
    i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec)
}

fn is_stale(stat: &Stat) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let age_ns = i128::try_from(now.as_nanos()).unwrap_or(0) - used_ns(stat);
    age_ns > i128::try_from(STALE.as_nanos()).unwrap_or(i128::MAX)
}
