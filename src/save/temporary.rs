//! What the system lends to temporary files: random names, the umask, `/proc`, the signal of large files.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use rustix::fs::AtFlags;
use rustix::rand::GetRandomFlags;

use crate::error::Error;

const RANDOM_BYTES: usize = 16;
const SUFFIX: &str = ".tmp";

/// A name that nobody can foresee (F-8): `.`, 32 hexadecimal digits, `.tmp`.
pub(super) fn random_name() -> Result<String, Error> {
    let mut random = [0u8; RANDOM_BYTES];
    let count = rustix::rand::getrandom(&mut random, GetRandomFlags::empty())
        .map_err(|errno| super::unwritable("no random numbers").with_cause(errno))?;
    if count != RANDOM_BYTES {
        return Err(super::unwritable("too few random numbers"));
    }
    Ok(format!(".{:032x}{SUFFIX}", u128::from_be_bytes(random)))
}

/// Whether `name` is one that `random_name` makes.
pub(super) fn is_random_name(name: &[u8]) -> bool {
    name.strip_prefix(b".").and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes())).is_some_and(
        |digits| {
            digits.len() == 2 * RANDOM_BYTES
                && digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        },
    )
}

/// The umask of the process, read without changing it; all but the owner's bits where it cannot be read.
pub(super) fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok())
        .unwrap_or(0o077)
}

/// The path under which an open file can be given a name.
pub(super) fn proc_path(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Whether `/proc` shows our open files.
pub(super) fn has_proc(file: &impl AsFd) -> bool {
    let path = proc_path(file.as_fd());
    rustix::fs::statat(rustix::fs::CWD, path.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

/// Makes a write beyond `RLIMIT_FSIZE` fail with `EFBIG` instead of ending the process (F-10).
pub(super) fn survive_file_size_limit() -> Result<(), String> {
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    REGISTERED
        .get_or_init(|| {
            let unread = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal_hook::consts::SIGXFSZ, unread)
                .map(|_| ())
                .map_err(|error| error.to_string())
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_are_told_from_others() {
        for _ in 0..100 {
            let name = random_name().map_err(|e| e.to_string());
            assert!(name.as_ref().is_ok_and(|n| is_random_name(n.as_bytes())), "{name:?}");
        }
        for name in
            [".x.tmp", "x.tmp", ".tmp", ".htaccess", ".0123456789ABCDEF0123456789abcdef.tmp"]
        {
            assert!(!is_random_name(name.as_bytes()), "{name}");
        }
    }
}
