//! Single flight: of requests for one key that come together, one works and the others wait for its entry. Renders and
//! stores nothing itself.
//!
//! Within a process they wait for each other. Across processes the one that works holds a lock file beside the entry; the
//! system lets go of it when the process dies, and others wait half of their time at most before they work themselves.
//! Two that work at once do no harm.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::{Key, ReplyCache, Root, Shared, hex, locked};
use crate::confined::Folder;
use crate::error::Error;
use crate::limits::Deadline;

/// How long a waiting request sleeps at most before it looks at its deadline, which a watchdog may have expired.
const SLICE: Duration = Duration::from_millis(50);

/// How often a lock of another process is tried.
const POLL: Duration = Duration::from_millis(4);

/// Digits of the name of a lock file; neither entries nor temporary files have as many.
pub(super) const LOCK_DIGITS: usize = 40;

/// Who works at present.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flying: Mutex<HashMap<Key, Arc<Slot>>>,
}

#[derive(Debug)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Flying,
    /// The entry is there.
    Landed,
    /// It ended without an entry.
    Ended,
}

/// Whose turn it is.
#[derive(Debug)]
pub enum Turn {
    /// Yours: put the entry and call [`Flight::land`]. Others wait until you do or drop this.
    First(Flight),
    /// Another has stored the entry: get it.
    Landed,
    /// Yours, and nobody waits: another has tried and stored nothing, or the cache is off.
    Alone,
}

/// The work for one key. Dropped without landing, it lets those that wait work for themselves.
#[derive(Debug)]
pub struct Flight {
    shared: Arc<Shared>,
    key: Key,
    slot: Arc<Slot>,
    has_landed: bool,
    lock: Option<Lock>,
}

impl Flight {
    /// The entry is stored.
    pub fn land(mut self) {
        self.has_landed = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        locked(&self.shared.flights.flying).remove(&self.key);
        let state = if self.has_landed { State::Landed } else { State::Ended };
        *locked(&self.slot.state) = state;
        self.slot.changed.notify_all();
    }
}

impl ReplyCache {
    /// Says whose turn it is to make the entry of `key`, which `get` did not find; waits for another that makes it.
    ///
    /// Take it before a permit to render, or all permits may wait for one that has none. Fails only with `TimedOut`.
    pub fn turn(&self, key: &Key, deadline: &Deadline) -> Result<Turn, Error> {
        let Some(shared) = &self.shared else { return Ok(Turn::Alone) };
        let slot = {
            let mut flying = locked(&shared.flights.flying);
            match flying.get(key).map(Arc::clone) {
                Some(slot) => {
                    drop(flying);
                    return slot.wait(deadline);
                }
                None => {
                    let slot = Arc::new(Slot::flying());
                    flying.insert(*key, Arc::clone(&slot));
                    slot
                }
            }
        };
        let mut flight =
            Flight { shared: Arc::clone(shared), key: *key, slot, has_landed: false, lock: None };
        flight.lock = shared.root(key).and_then(|root| Lock::waited(root, key, deadline));
        deadline.tick()?;
        // Another may have landed between the caller's look and this turn.
        if self.length(key).is_some() {
            flight.land();
            return Ok(Turn::Landed);
        }
        Ok(Turn::First(flight))
    }
}

impl Slot {
    fn flying() -> Slot {
        Slot { state: Mutex::new(State::Flying), changed: Condvar::new() }
    }

    fn wait(&self, deadline: &Deadline) -> Result<Turn, Error> {
        let mut state = locked(&self.state);
        loop {
            match *state {
                State::Landed => return Ok(Turn::Landed),
                State::Ended => return Ok(Turn::Alone),
                State::Flying => deadline.tick()?,
            }
            let slice = deadline.remaining().clamp(Duration::from_millis(1), SLICE);
            state = match self.changed.wait_timeout(state, slice) {
                Ok((state, _)) => state,
                Err(poisoned) => PoisonError::into_inner(poisoned).0,
            };
        }
    }
}

/// A lock file of this process; removed when dropped.
#[derive(Debug)]
struct Lock {
    folder: Folder,
    name: String,
    _file: File,
}

impl Lock {
    /// Waits for the lock, half of the time that is left at most; `None` where it is not to be had.
    fn waited(root: &Root, key: &Key, deadline: &Deadline) -> Option<Lock> {
        let folder = root.entries_made(key.folder()).ok()?;
        let name = hex(key.0.get(1..1 + LOCK_DIGITS / 2)?);
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = File::from(rustix::fs::openat(&folder, &*name, flags, mode).ok()?);
        let end = Instant::now().checked_add(deadline.remaining() / 2)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Some(Lock { folder, name, _file: file }),
                Err(std::fs::TryLockError::WouldBlock) => {}
                Err(std::fs::TryLockError::Error(_)) => return None,
            }
            if deadline.is_over() || Instant::now() >= end {
                return None;
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Who waits for the file without a name gets it, finds the entry, and is done.
        let _ = rustix::fs::unlinkat(&self.folder, &*self.name, AtFlags::empty());
    }
}
