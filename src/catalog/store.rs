//! Which state of the catalogs is current, and when the folder is looked at again. It reads no file itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::config::{Fault, Severity};

use super::{Catalogs, load};

/// The current catalogs, shared by all threads.
#[derive(Debug)]
pub struct CatalogStore {
    folder: PathBuf,
    refresh_interval: Duration,
    wait: Duration,
    current: RwLock<Arc<Catalogs>>,
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    /// No look before this.
    next: Option<Instant>,
    /// When a change was first seen that has not been read yet.
    changed: Option<Instant>,
}

impl CatalogStore {
    /// Loads the catalogs of `folder`; faults are logged. Never fails: without `default.ini` requests get `Busy`.
    ///
    /// `refresh_interval` is the least time between two looks (`catalog.refreshInterval`), `wait` the time between
    /// noticing a change and reading it (`catalog.modificationWaitTime`).
    pub fn open(folder: &Path, refresh_interval: Duration, wait: Duration) -> CatalogStore {
        let mut faults = Vec::new();
        let catalogs = Catalogs::load(folder, None, &mut faults);
        tell(&faults);
        CatalogStore {
            folder: folder.to_owned(),
            refresh_interval,
            wait,
            current: RwLock::new(Arc::new(catalogs)),
            watch: Mutex::new(Watch::default()),
        }
    }

    /// The current state; a request takes it once and keeps it to its end.
    pub fn current(&self) -> Arc<Catalogs> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks for changes if the interval has passed at `now`; called before a request. One thread looks, the others
    /// go on with the current state.
    pub fn refresh(&self, now: Instant) {
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
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogs);
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
