//! Saving: file names, the folder opened at start, temporary files, publication. Renders nothing, replies nothing.
//!
//! A reader meets [`SaveFolder`] (`IS::SaveDirectory`, opened once), [`SaveName`] (an accepted `name=`), [`Target`]
//! (a file of an open folder) and [`PendingFile`] (what is written and then published) first. Folders are never
//! created; nothing outside `SaveDirectory/SavePath` is created, replaced or removed (`requests.md` 17.9.5).

#![forbid(unsafe_code)]

mod name;
mod publish;
mod space;
mod sweep;
mod temporary;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

pub use self::name::{NAME_BYTES, SaveName, SuffixRules, Suffixes};
pub use self::publish::{PendingFile, Saved};
pub use self::space::Quota;
pub use self::sweep::Swept;

use self::space::Space;
use crate::confined::{Confined, Entry, Folder, Links, RelativeName};
use crate::error::{Error, Kind, shown};
use crate::limits::Deadline;

/// Title of a save without a usable `SavePath` or `SaveDirectory`.
pub const DISABLED: &str = "Saving to file is disabled";
/// Title of a missing or refused `name=`.
pub const INVALID_NAME: &str = "Invalid file name";
/// Title of a target folder that is missing or leads outside.
pub const NO_FOLDER: &str = "Target folder does not exist";
/// Title of a file that could not be written.
pub const NOT_WRITTEN: &str = "File could not be written";
/// Title of a save whose time ran out.
pub const TIMED_OUT: &str = "Save timed out";

/// What happens to an existing file of the same name (`saveToFile.overwrite`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Replaced in one step (`U-save-overwrite`).
    #[default]
    Replaced,
    /// Kept; the save fails.
    Kept,
}

/// What is on disk before a save counts as done (`saveToFile.durability`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Data and folder are synced (`full`).
    #[default]
    Full,
    /// Nothing is synced: readers see the old or the new file, a power cut may take the new one (`rename`).
    Rename,
}

/// How files are saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveSettings {
    /// What happens to an existing file.
    pub existing: Existing,
    /// What is synced.
    pub durability: Durability,
    /// Permissions of a saved file before the umask is taken off; bits other than 0o666 are ignored (F-11).
    pub mode: u32,
    /// How full the folder may become.
    pub quota: Quota,
}

impl Default for SaveSettings {
    /// Replace, sync, mode 0644, no quota.
    fn default() -> SaveSettings {
        SaveSettings {
            existing: Existing::Replaced,
            durability: Durability::Full,
            mode: 0o644,
            quota: Quota { max_bytes: None, min_free_bytes: 0 },
        }
    }
}

/// What targets and pending files of one folder share.
#[derive(Debug)]
struct Shared {
    root: Folder,
    settings: SaveSettings,
    /// Permissions of a published file: the configured ones without those that the umask takes.
    mode: u32,
    /// Whether unnamed files can get a name, which needs `/proc`.
    has_proc: bool,
    space: Space,
}

/// `IS::SaveDirectory`, opened once at start; or the reason why saving is disabled (`U-save-root`).
#[derive(Clone, Debug)]
pub struct SaveFolder {
    state: Result<Arc<Shared>, String>,
}

impl SaveFolder {
    /// Opens the folder. An empty path, a missing folder, something else than a folder and `/` disable saving.
    ///
    /// From here on a file beyond `RLIMIT_FSIZE` is an error of the write and no longer ends the process (F-10).
    pub fn open(directory: &Path, settings: SaveSettings) -> SaveFolder {
        SaveFolder { state: Shared::open(directory, settings).map(Arc::new) }
    }

    /// Saving is disabled for `reason`.
    pub fn disabled(reason: impl Into<String>) -> SaveFolder {
        SaveFolder { state: Err(reason.into()) }
    }

    /// Why saving is disabled, if it is; for the log at start.
    pub fn disabled_reason(&self) -> Option<&str> {
        self.state.as_ref().err().map(String::as_str)
    }

    /// The same folder with the lookup of kernels without `openat2` and with named temporary files: what older
    /// systems do.
    pub fn by_walk(self) -> SaveFolder {
        let state = self.state.and_then(|shared| {
            let root = shared.root.duplicate().map_err(|error| error.to_string())?;
            let space = Space::new(shared.settings.quota);
            let root = root.by_walk();
            let (settings, mode) = (shared.settings, shared.mode);
            Ok(Arc::new(Shared { root, settings, mode, has_proc: false, space }))
        });
        SaveFolder { state }
    }

    /// Opens the folder of `SavePath` and `name` and looks at what has that name (`requests.md` 17.3, step 5).
    ///
    /// `Refused` with the title `Saving to file is disabled` for an empty or bad `save_path`
    /// (`U-save-savepath-bad`); `NotFound` with `Target folder does not exist`; `Unwritable` where permission is
    /// missing, or the name is a link, folder, FIFO, socket or device, or exists and is kept.
    pub fn target(&self, save_path: &str, name: &SaveName) -> Result<Target, Error> {
        let shared = self.state.as_ref().map_err(|reason| disabled(reason.clone()))?;
        let folder = match check_save_path(save_path).map_err(disabled)? {
            SavePath::Root => shared.root.duplicate(),
            SavePath::Beneath(path) => shared.root.open_folder(&path),
        };
        let confined = folder
            .and_then(|folder| folder.confine(name.relative()))
            .map_err(|error| folder_failure(error).context(shown(name.as_str())))?;
        let target = Target { shared: Arc::clone(shared), confined };
        target.check_existing()?;
        Ok(target)
    }

    /// Removes temporary files that dead processes left behind, older than a day (`U-save-atomic`).
    ///
    /// Only regular files of our pattern beneath the folder, without following links.
    pub fn sweep(&self) -> Swept {
        match &self.state {
            Ok(shared) => sweep::sweep(&shared.root, sweep::STALE),
            Err(_) => Swept::default(),
        }
    }
}

impl Shared {
    fn open(directory: &Path, settings: SaveSettings) -> Result<Shared, String> {
        if directory.as_os_str().is_empty() {
            return Err("SaveDirectory is empty".to_owned());
        }
        let shown = directory.display();
        let root = Folder::open(directory, Links::Beneath)
            .map_err(|error| format!("SaveDirectory {shown} cannot be opened: {error}"))?;
        let opened = rustix::fs::fstat(&root).map_err(|e| e.to_string())?;
        let top = fs::metadata("/").map_err(|e| e.to_string())?;
        if (opened.st_dev, opened.st_ino) == (top.dev(), top.ino()) {
            return Err(format!("SaveDirectory {shown} is the root of the file system"));
        }
        temporary::survive_file_size_limit()
            .map_err(|error| format!("SIGXFSZ cannot be handled: {error}"))?;
        let mode = settings.mode & 0o666 & !temporary::umask();
        let has_proc = temporary::has_proc(&root);
        let space = Space::new(settings.quota);
        Ok(Shared { root, settings, mode, has_proc, space })
    }
}

/// A file to be saved: its folder is open, its name accepted.
#[derive(Debug)]
pub struct Target {
    shared: Arc<Shared>,
    confined: Confined,
}

impl Target {
    /// Creates the file that is written and published later; it has no name until then, or a temporary one.
    ///
    /// Fails with `Unwritable` (permission, quota, file system) or `TimedOut`.
    pub fn create(self, deadline: &Deadline) -> Result<PendingFile, Error> {
        PendingFile::create(self, deadline)
    }

    /// Fails where the name cannot be replaced: F-1, F-6, and an existing file that is kept.
    fn check_existing(&self) -> Result<Entry, Error> {
        let entry = self
            .confined
            .entry()
            .map_err(|error| unwritable("the target cannot be looked at").with_cause(error))?;
        match (entry, self.shared.settings.existing) {
            (Entry::Other, _) => Err(unwritable("the target is a link, folder or special file")),
            (Entry::File { .. }, Existing::Kept) => Err(unwritable("the target exists")),
            (Entry::Missing, _) | (Entry::File { .. }, Existing::Replaced) => Ok(entry),
        }
    }
}

/// A checked `attribute::SavePath`.
enum SavePath {
    Root,
    Beneath(RelativeName),
}

/// The text of a SavePath as folder; `Err` with the reason for an empty one and one that is a configuration error.
fn check_save_path(text: &str) -> Result<SavePath, String> {
    let bytes = text.as_bytes();
    if text.is_empty() {
        return Err("SavePath is empty".to_owned());
    }
    if bytes.get(1) == Some(&b':') && bytes.first().is_some_and(u8::is_ascii_alphabetic) {
        return Err("SavePath has a drive letter".to_owned());
    }
    if text.starts_with('/') {
        return Err("SavePath is absolute".to_owned());
    }
    let elements: Vec<&str> = text.split('/').filter(|e| !matches!(*e, "" | ".")).collect();
    if elements.is_empty() {
        return Ok(SavePath::Root);
    }
    match RelativeName::new(&elements.join("/")) {
        Some(name) => Ok(SavePath::Beneath(name)),
        None => Err("SavePath is no relative path without '..'".to_owned()),
    }
}

fn disabled(reason: String) -> Error {
    Error::new(Kind::Refused, reason).with_title(DISABLED)
}

fn unwritable(detail: impl Into<String>) -> Error {
    Error::new(Kind::Unwritable, detail).with_title(NOT_WRITTEN)
}

/// A failure as a save reports it: one for time has the title `Save timed out`.
pub fn timed_out(error: Error) -> Error {
    match error.kind() {
        Kind::TimedOut => error.with_title(TIMED_OUT),
        _ => error,
    }
}

fn folder_failure(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound => Error::new(Kind::NotFound, "no such folder beneath SaveDirectory")
            .with_title(NO_FOLDER)
            .with_cause(error),
        _ => unwritable("the target folder cannot be opened").with_cause(error),
    }
}
