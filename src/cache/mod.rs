//! The reply cache on disk: bytes under a key, shared by all workers, bounded, never wrong. Renders nothing, and knows
//! neither requests nor replies; no name from a request reaches it, only a hash.
//!
//! A reader meets [`ReplyCache`] and [`Key`] first. `entry` is the form of a file, `usage` counts what is there, `tend`
//! looks through the folders and evicts, `flight` lets one of several equal requests work.
//!
//! **Validation** (`catalogs-and-server.md` 15, `requests.md` 24.3). A key is a hash of everything that the bytes depend
//! on: identity and dates of all sources, the record's fields, the whole plan, the build. Each request opens its sources
//! and plans (no pixel is decoded), and only then asks the cache. So an entry is never stale, and nothing has to be
//! invalidated when a catalog is loaded again. This is stricter than both values of `CacheValidationPolicy`:
//! - 0, "5 minutes have passed since its last validation": files are compared at every request, not each 5 minutes;
//! - 1, "the record's TimeStamp (…) is newer than the entry": a file that changed is noticed without a new TimeStamp;
//! - "A stale entry is validated by comparing the file dates of all image files used for it";
//! - "Entries become invalid immediately when a record involved changes in a way that can change the reply";
//! - "Fonts and profiles are not checked": whoever replaces one under the same name asks with `cache=update`.
//!
//! **On disk.** `root/replies/aa/…`, where `aa` and the file name are the key in hexadecimal digits; `replies` and all in
//! it belong to the cache. Files are written under a temporary name beside their place and renamed, so a reader sees a
//! whole entry or none; one that a power cut tore fails its checksums and is removed. Nothing is synced. Links in it are
//! never followed. A worker that is killed leaves at most a temporary file, which is removed when it is old.
//!
//! **Intermediate results** (`cache=on` in a nested request, S-75) are entries like others: the caller gives them a media
//! type of its own, [`CANVAS_MIME`], and a key that no reply has.

#![forbid(unsafe_code)]

mod entry;
mod flight;
mod tend;
mod usage;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;

pub use self::entry::CachedReply;
pub use self::flight::{Flight, Turn};

use self::usage::{Amount, Change, Usage, in_store};
use crate::confined::{Folder, Links, RelativeName};
use crate::error::Error;

/// Media type of a stored canvas, the lossless result of a nested request with `cache=on`.
pub const CANVAS_MIME: &str = "application/x-imprint-canvas";

/// The folder within each root that belongs to the cache.
const STORE: &str = "replies";

/// Folders of entries within a store.
const FOLDERS: usize = 256;

/// How long storing rests after a failure of the disk.
const PAUSE: Duration = Duration::from_secs(60);

/// How exact the time of the last use is: younger ones are not renewed.
const USE_PRECISION: Duration = Duration::from_secs(60);

/// How often all folders are looked at for leftovers.
const LOOK_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Names an entry: a hash that no one can steer, of everything that its content depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// From a cryptographic hash: a weak one would let a client make its request meet another's entry (L-8).
    pub fn new(hash: [u8; 32]) -> Key {
        Key(hash)
    }

    /// Folder and name of the file, relative to the store (`%{CacheKey}r`).
    pub fn path(&self) -> String {
        let [first, rest @ ..] = &self.0;
        format!("{first:02x}/{}", hex(rest))
    }

    fn folder(&self) -> u8 {
        let [first, ..] = self.0;
        first
    }

    /// The last element of `path`.
    fn file(&self) -> String {
        let [_, rest @ ..] = &self.0;
        hex(rest)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a request and the cache had to do with each other (`%{CacheUse}r`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CacheUse {
    /// The reply was there.
    Reused,
    /// It was not, and has been stored.
    Created,
    /// It was made anew and stored, as `cache=update` says.
    Updated,
    /// The reply was there and `cache=validate` asked whether it still holds.
    Validated,
    /// A second server answered instead (error redirect).
    Remote,
    /// The cache is switched off, by settings or by the request, or could not store the reply.
    Ignored,
    /// Not applicable.
    #[default]
    Undefined,
}

impl CacheUse {
    /// The word in logs.
    pub fn word(self) -> &'static str {
        match self {
            CacheUse::Reused => "REUSED",
            CacheUse::Created => "CREATED",
            CacheUse::Updated => "UPDATED",
            CacheUse::Validated => "VALIDATED",
            CacheUse::Remote => "REMOTE",
            CacheUse::Ignored => "IGNORED",
            CacheUse::Undefined => "UNDEFINED",
        }
    }
}

/// Where the cache is and how large it may grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// `cache.rootPaths`; a folder that is missing or cannot be written is not used. Entries are spread evenly.
    pub roots: Vec<PathBuf>,
    /// `cache.maxSize`: bytes of all entries in all roots; 0 keeps nothing.
    pub max_bytes: u64,
    /// `cache.maxEntries`: entries in all roots; 0 keeps nothing.
    pub max_entries: u64,
}

/// The cache. All processes that name the same roots share it.
#[derive(Debug)]
pub struct ReplyCache {
    shared: Option<Arc<Shared>>,
    tending: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    roots: Vec<Root>,
    most: Amount,
    paused_until: Mutex<Option<Instant>>,
    is_tending: AtomicBool,
    is_closing: AtomicBool,
    flights: flight::Flights,
}

#[derive(Debug)]
struct Root {
    folder: Folder,
    usage: Usage,
    /// Place in the settings, so that a root that is missing leaves the others their entries.
    number: u64,
}

impl ReplyCache {
    /// Opens the roots. Never fails: without a root that can be used, and with a limit of 0, the cache is off, and the
    /// log says why in one line, a warning where a folder is there and cannot be used. Reads no entries; leftovers are
    /// looked for in a thread.
    pub fn open(options: &CacheOptions) -> ReplyCache {
        let most = Amount { entries: options.max_entries, bytes: options.max_bytes };
        let mut roots = Vec::new();
        let mut reasons = Vec::new();
        let mut is_fault = false;
        if most.entries == 0 || most.bytes == 0 {
            reasons.push("a limit is 0".to_owned());
        } else if options.roots.is_empty() {
            reasons.push("no folder is named".to_owned());
        } else {
            survive_file_size_limit();
            for (number, path) in options.roots.iter().enumerate() {
                let opened = Folder::open(path, Links::Refused)
                    .map_err(of_error)
                    .and_then(|folder| Usage::open(&folder).map(|usage| (folder, usage)));
                match opened {
                    Ok((folder, usage)) => {
                        roots.push(Root { folder, usage, number: number as u64 });
                    }
                    Err(error) => {
                        is_fault |= path.exists();
                        reasons.push(format!("{}: {error}", path.display()));
                    }
                }
            }
        }
        let reasons = reasons.join("; ");
        match roots.is_empty() {
            true if is_fault => log::warn!("the reply cache is off: {reasons}"),
            // Most sites of one request at a time (CGI) have no cache, and a log of their own.
            true => log::debug!("the reply cache is off: {reasons}"),
            false if reasons.is_empty() => {}
            false => log::warn!("the reply cache leaves out {reasons}"),
        }
        let shared = Shared {
            roots,
            most,
            paused_until: Mutex::new(None),
            is_tending: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            flights: flight::Flights::default(),
        };
        let shared = (!shared.roots.is_empty()).then(|| Arc::new(shared));
        let cache = ReplyCache { shared, tending: Mutex::new(None) };
        cache.tend();
        cache
    }

    /// Whether there is a cache at all.
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// The entry of `key`, and a note that it was used (exact to a minute). A file that is no whole entry is removed.
    pub fn get(&self, key: &Key) -> Option<CachedReply> {
        self.shared.as_deref()?.get(key)
    }

    /// Bytes of the content of the entry, without counting as a use.
    pub fn length(&self, key: &Key) -> Option<u64> {
        let shared = self.shared.as_deref()?;
        Some(CachedReply::of_file(shared.root(key)?.open(key)?, key)?.length())
    }

    /// Stores `content` with its media type (1 to 128 printable ASCII characters), in place of an earlier one.
    ///
    /// `false` when it was not stored: the cache is off, the content alone exceeds its size, or the disk failed; then
    /// storing rests for a minute.
    pub fn put(&self, key: &Key, mime: &str, content: &[u8]) -> bool {
        let Some(shared) = self.shared.as_deref() else { return false };
        let is_large = (content.len() + entry::HEAD_BYTES) as u64 > low(shared.most.bytes);
        if is_large || shared.is_paused() {
            return false;
        }
        let Some(root) = shared.root(key) else { return false };
        match root.put(key, mime, content) {
            Ok(()) => {
                self.tend();
                true
            }
            Err(error) => {
                shared.pause(&error);
                false
            }
        }
    }

    /// Bytes and entries that are there, by count; other processes' included.
    pub fn load(&self) -> (u64, u64) {
        let total = self.shared.as_deref().map(Shared::total).unwrap_or_default();
        (total.bytes, total.entries)
    }

    /// Starts the thread that looks after the folders, if there is something to do and nobody does it.
    fn tend(&self) {
        let Some(shared) = &self.shared else { return };
        if !tend::is_due(shared) || shared.is_tending.swap(true, Ordering::SeqCst) {
            return;
        }
        let started = tend::lock(shared).and_then(|lock| {
            let shared = Arc::clone(shared);
            let thread = std::thread::Builder::new().name("cache".to_owned());
            thread.spawn(move || tend::run(&shared, lock)).ok()
        });
        match started {
            Some(thread) => *locked(&self.tending) = Some(thread),
            None => shared.is_tending.store(false, Ordering::SeqCst),
        }
    }
}

impl Drop for ReplyCache {
    /// Lets the thread end the step it is at, so that a process of one request gets somewhere too.
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.is_closing.store(true, Ordering::SeqCst);
        }
        if let Some(thread) = locked(&self.tending).take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn get(&self, key: &Key) -> Option<CachedReply> {
        let root = self.root(key)?;
        let file = root.open(key)?;
        let modified = file.metadata().ok()?.modified().ok()?;
        let Some(entry) = CachedReply::of_file(file, key) else {
            root.remove(key);
            return None;
        };
        let now = SystemTime::now();
        // A time in the future is set right too.
        if now.duration_since(modified).map_or(true, |age| age > USE_PRECISION) {
            let _ = entry.file().0.set_modified(now);
        }
        Some(entry)
    }

    /// The root of a key: the one with the highest weight, so that a root more or less moves few keys.
    fn root(&self, key: &Key) -> Option<&Root> {
        let [_, a, b, c, d, e, f, g, h, ..] = key.0;
        let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        self.roots.iter().max_by_key(|root| mixed(seed ^ mixed(root.number)))
    }

    fn total(&self) -> Amount {
        let tables = self.roots.iter().map(|root| root.usage.table(&root.folder).total());
        tables.fold(Amount::default(), Amount::plus)
    }

    fn is_paused(&self) -> bool {
        locked(&self.paused_until).is_some_and(|until| Instant::now() < until)
    }

    fn pause(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::InvalidInput {
            return;
        }
        log::warn!("the reply cache stores nothing for {} s: {error}", PAUSE.as_secs());
        *locked(&self.paused_until) = Instant::now().checked_add(PAUSE);
    }
}

impl Root {
    fn open(&self, key: &Key) -> Option<File> {
        self.folder.open_file(&in_store(&key.path())?).ok()
    }

    /// The folder of entries `folder`; `None` when it is missing or is none.
    fn entries(&self, folder: u8) -> Option<Folder> {
        self.folder.open_folder(&in_store(&format!("{folder:02x}"))?).ok()
    }

    /// The same, made if it is missing.
    fn entries_made(&self, folder: u8) -> io::Result<Folder> {
        if let Some(entries) = self.entries(folder) {
            return Ok(entries);
        }
        let store = store_folder(&self.folder)?;
        made(&store, &format!("{folder:02x}"))
    }

    fn put(&self, key: &Key, mime: &str, content: &[u8]) -> io::Result<()> {
        let folder = self.entries_made(key.folder())?;
        let temporary = random_name()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let mut file = File::from(rustix::fs::openat(&folder, &*temporary, flags, mode)?);
        let name = key.file();
        let earlier = length(&folder, &name);
        let written = entry::write(&mut file, key, mime, content).and_then(|()| {
            rustix::fs::renameat(&folder, &*temporary, &folder, &*name).map_err(io::Error::from)
        });
        if let Err(error) = written {
            let _ = rustix::fs::unlinkat(&folder, &*temporary, AtFlags::empty());
            return Err(error);
        }
        let bytes = i64::try_from(content.len() + entry::HEAD_BYTES).unwrap_or(i64::MAX);
        let change = match earlier {
            Some(earlier) => Change { entries: 0, bytes: bytes.saturating_sub_unsigned(earlier) },
            None => Change { entries: 1, bytes },
        };
        self.usage.add(&self.folder, key.folder(), change);
        Ok(())
    }

    fn remove(&self, key: &Key) {
        let Some(folder) = self.entries(key.folder()) else { return };
        let name = key.file();
        let earlier = length(&folder, &name);
        if rustix::fs::unlinkat(&folder, &*name, AtFlags::empty()).is_ok() {
            let bytes = 0_i64.saturating_sub_unsigned(earlier.unwrap_or(0));
            let change = Change { entries: -i64::from(earlier.is_some()), bytes };
            self.usage.add(&self.folder, key.folder(), change);
        }
    }
}

/// The store of a root, made if it is missing.
fn store_folder(root: &Folder) -> io::Result<Folder> {
    made(root, STORE)
}

/// A folder of ours, readable for our user only; made if it is missing.
fn made(folder: &Folder, name: &str) -> io::Result<Folder> {
    match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let name = RelativeName::new(name).ok_or(io::ErrorKind::InvalidInput)?;
    folder.open_folder(&name).map_err(of_error)
}

/// The detail alone: the title speaks of images.
fn of_error(error: Error) -> io::Error {
    io::Error::other(error.detail().to_owned())
}

/// The length of a regular file; `None` for anything else.
fn length(folder: &Folder, name: &str) -> Option<u64> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    u64::try_from(stat.st_size).ok().filter(|_| is_file)
}

/// A name that nobody can foresee, of 32 hexadecimal digits, which no entry has.
fn random_name() -> io::Result<String> {
    let mut random = [0; 16];
    let count = rustix::rand::getrandom(&mut random, GetRandomFlags::empty())?;
    match count == random.len() {
        true => Ok(hex(&random)),
        false => Err(io::Error::other("too few random numbers")),
    }
}

/// Makes a write beyond `RLIMIT_FSIZE` fail instead of ending the process (F-10).
fn survive_file_size_limit() {
    static IS_REGISTERED: OnceLock<bool> = OnceLock::new();
    IS_REGISTERED.get_or_init(|| {
        let unread = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGXFSZ, unread).is_ok()
    });
}

/// What eviction leaves of a limit.
fn low(limit: u64) -> u64 {
    limit - limit / 32
}

/// The last step of SplitMix64: every bit of the input changes half of the output's.
fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
