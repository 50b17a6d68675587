//! Which state of the catalogs is current, and when the folder is looked at again. It reads no file itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::config::{Fault, Severity};
use crate::error::{Error, Kind};

use super::Catalogs;
use super::load::{self, Opening};

/// The current catalogs, shared by all threads.
#[derive(Debug)]
pub struct CatalogStore {
    shared: Arc<Shared>,
    /// Whether a thread of its own looks at the folder; it ends with the store.
    is_watched: bool,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    refresh_interval: Duration,
    wait: Duration,
    current: RwLock<Arc<Catalogs>>,
    watch: Mutex<Watch>,
    phase: Mutex<Phase>,
    turning: Condvar,
}

/// How far the thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Catalogs are read for the first time.
    Loading,
    /// All of them have been.
    Watching,
    /// The store is gone.
    Closed,
}

#[derive(Debug, Default)]
struct Watch {
    /// No look before this.
    next: Option<Instant>,
    /// When a change was first seen that has not been read yet.
    changed: Option<Instant>,
}

/// The shortest pause between two looks of the thread.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// Between two states that differ in catalogs read meanwhile: putting all catalogs in force takes time of its own.
const PUBLISH_PAUSE: Duration = Duration::from_millis(250);

impl CatalogStore {
    /// Loads the catalogs of `folder` whole; faults are logged. Never fails: without `default.ini` requests get `Busy`.
    ///
    /// `refresh_interval` is the least time between two looks (`catalog.refreshInterval`), `wait` the time between
    /// noticing a change and reading it (`catalog.modificationWaitTime`). Nobody looks but [`CatalogStore::refresh`].
    pub fn open(folder: &Path, refresh_interval: Duration, wait: Duration) -> CatalogStore {
        let mut faults = Vec::new();
        let catalogs = Catalogs::load(folder, None, &mut faults);
        tell(&faults);
        let shared = Arc::new(Shared::new(folder, refresh_interval, wait, catalogs));
        CatalogStore { shared, is_watched: false }
    }

    /// Loads catalogs on a thread, which looks for changes from then on: no request waits for a file. Returns as soon as
    /// all are loaded, or `patience` has passed and the default catalog is there; until another catalog is there, its
    /// RootId is `Busy`.
    ///
    /// Other arguments as `open`; the thread looks every 50 ms at most. `Internal` if there can be no thread.
    pub fn watch(
        folder: &Path,
        refresh_interval: Duration,
        wait: Duration,
        patience: Duration,
    ) -> Result<CatalogStore, Error> {
        let mut faults = Vec::new();
        let mut opening = Opening::begin(folder, &mut faults);
        let catalogs = opening.state(&mut faults);
        tell(&faults);
        let shared = Arc::new(Shared::new(folder, refresh_interval, wait, catalogs));
        let store = CatalogStore { shared: Arc::clone(&shared), is_watched: true };
        let thread = std::thread::Builder::new().name("catalogs".into());
        let spawned = thread.spawn(move || shared.run(opening));
        spawned.map_err(|cause| Error::new(Kind::Internal, "thread").with_cause(cause))?;
        store.shared.remains(Phase::Loading, patience);
        Ok(store)
    }

    /// The current state; a request takes it once and keeps it to its end.
    pub fn current(&self) -> Arc<Catalogs> {
        self.shared.current()
    }

    /// Looks for changes if the interval has passed at `now`, and reads them; called before a request. One thread
    /// looks, the others go on with the current state. Does nothing for a store that is watched.
    pub fn refresh(&self, now: Instant) {
        if !self.is_watched {
            self.shared.look(now);
        }
    }
}

impl Drop for CatalogStore {
    fn drop(&mut self) {
        self.shared.turn(Phase::Closed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(
        folder: &Path,
        refresh_interval: Duration,
        wait: Duration,
        catalogs: Catalogs,
    ) -> Shared {
        Shared {
            folder: folder.to_owned(),
            refresh_interval,
            wait,
            current: RwLock::new(Arc::new(catalogs)),
            watch: Mutex::new(Watch::default()),
            phase: Mutex::new(Phase::Loading),
            turning: Condvar::new(),
        }
    }

    fn current(&self) -> Arc<Catalogs> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, catalogs: Catalogs) {
        let fresh = Arc::new(catalogs);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, fresh);
        // The last one to hold a state frees it, which takes time; no request waits for that.
        drop(current);
        drop(old);
    }

    /// The thread goes on to the next phase, but never back from its end.
    fn turn(&self, next: Phase) {
        let mut phase = locked(&self.phase);
        if *phase != Phase::Closed {
            *phase = next;
        }
        self.turning.notify_all();
    }

    /// Waits as long as it is that phase, `most` at most; whether it still is.
    fn remains(&self, phase: Phase, most: Duration) -> bool {
        let own = locked(&self.phase);
        let waited = self.turning.wait_timeout_while(own, most, |own| *own == phase);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == phase
    }

    /// The thread: what is not loaded yet, then changes, until the store is closed.
    fn run(&self, mut opening: Opening) {
        let mut published = Instant::now();
        loop {
            let mut faults = Vec::new();
            let is_more = opening.step(&mut faults);
            if *locked(&self.phase) == Phase::Closed {
                return;
            }
            if !is_more || published.elapsed() >= PUBLISH_PAUSE {
                self.publish(opening.state(&mut faults));
                published = Instant::now();
            }
            tell(&faults);
            if !is_more {
                break;
            }
        }
        drop(opening);
        log::info!("catalogs loaded: {} in force", self.current().all().len());
        self.turn(Phase::Watching);
        loop {
            let next = locked(&self.watch).next;
            let pause = next.map_or(self.refresh_interval, |next| {
                next.saturating_duration_since(Instant::now())
            });
            if !self.remains(Phase::Watching, pause.max(LEAST_PAUSE)) {
                return;
            }
            self.look(Instant::now());
        }
    }

    fn look(&self, now: Instant) {
        let Ok(mut watch) = self.watch.try_lock() else { return };
        if watch.next.is_some_and(|next| now < next) {
            return;
        }
        watch.next = now.checked_add(self.refresh_interval);
        let current = self.current();
        match load::stamps(&self.folder) {
            Ok(stamps) if stamps == current.stamps() => {
                watch.changed = None;
                return;
            }
            Ok(_) => {}
            Err(error) => {
                log::error!("catalog folder {} cannot be read: {error}", self.folder.display());
                return;
            }
        }
        let first_seen = *watch.changed.get_or_insert(now);
        let ready = first_seen.checked_add(self.wait).unwrap_or(now);
        if now < ready {
            watch.next = watch.next.map(|next| next.min(ready));
            return;
        }
        watch.changed = None;
        let mut faults = Vec::new();
        let catalogs = Catalogs::load(&self.folder, Some(&current), &mut faults);
        tell(&faults);
        log::info!("catalogs reloaded: {} in force", catalogs.all().len());
        drop(current);
        self.publish(catalogs);
    }
}

fn tell(faults: &[Fault]) {
    for fault in faults {
        match fault.severity {
            Severity::Error => log::error!("{fault}"),
            Severity::Warning => log::warn!("{fault}"),
            // For `imprint check`, which lists them at leisure.
            Severity::Note => log::debug!("{fault}"),
        }
    }
}
