//! The reply cache: what is stored and found, what is never served, its bounds, its use by requests and by several
//! processes at once.

mod bounds;
mod flights;
mod keys;
mod processes;
mod requests;
mod store;

use std::fs;
use std::path::{Path, PathBuf};

use imprint::cache::{CacheOptions, Key, ReplyCache};
use imprint::limits::Limits;

/// Bytes of a file in front of its content.
const HEAD: usize = 192;

/// A cache folder of its own; removed when dropped.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn open(&self) -> ReplyCache {
        self.bounded(1 << 30, 1_000_000)
    }

    fn bounded(&self, max_bytes: u64, max_entries: u64) -> ReplyCache {
        let roots = vec![self.path().to_owned()];
        ReplyCache::open(&CacheOptions { roots, max_bytes, max_entries })
    }
}

/// A key that differs in all bytes from the next one's.
fn key(number: u64) -> Key {
    let mut hash = [0; 32];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    for byte in &mut hash {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    Key::new(hash)
}

fn file(root: &Path, key: &Key) -> PathBuf {
    root.join("replies").join(key.path())
}

/// The content of an entry; `None` when there is none.
fn content(cache: &ReplyCache, key: &Key) -> Option<Vec<u8>> {
    cache.get(key)?.content(&Limits::default())
}

/// The files of entries below a root.
fn entries(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(root.join("replies")).into_iter().flatten().flatten() {
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            if file.file_name().len() == 62 {
                found.push(file.path());
            }
        }
    }
    found.sort();
    found
}

/// The key of the file of an entry.
fn key_of(file: &Path) -> Key {
    let text =
        |path: Option<&std::ffi::OsStr>| path.expect("a name").to_string_lossy().into_owned();
    let digits = text(file.parent().and_then(Path::file_name)) + &text(file.file_name());
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits");
    Key::new(std::array::from_fn(byte))
}
