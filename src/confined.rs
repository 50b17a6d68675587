//! Opening names beneath an open folder, never outside it. Decides nothing about which names are wanted, and holds
//! no path: a folder is a handle, so renaming or replacing it by a link does not lead elsewhere (F-7).
//!
//! Names go through `openat2` with `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS` (`U-save-contain`,
//! `U-path-safety`); where the kernel has none, element by element without following links.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{Error, Kind};

/// Longest name that is looked at, in bytes; one more than this cannot be opened by the system either.
const NAME_BYTES: usize = 4095;

/// Longest element of a name in bytes, as file systems have it.
pub const ELEMENT_BYTES: usize = 255;

/// How often a lookup that lost a race against a rename is repeated before links are given up.
const RETRIES: usize = 32;

/// A relative name of one or more elements, none of them empty, `.` or `..`, without `\`, NUL and control characters,
/// each at most 255 bytes (`U-path-safety`); the constructor is the only check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelativeName(String);

impl RelativeName {
    /// `None` for a name that breaks a rule of the type.
    pub fn new(text: &str) -> Option<RelativeName> {
        let is_good = text.len() <= NAME_BYTES
            && !text.contains(|c: char| c == '\\' || c.is_control())
            && text.split('/').all(|element| {
                !matches!(element, "" | "." | "..") && element.len() <= ELEMENT_BYTES
            });
        is_good.then(|| RelativeName(text.to_owned()))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder part, if there is one, and the last element.
    fn split(&self) -> (Option<RelativeName>, &str) {
        match self.0.rsplit_once('/') {
            Some((folder, file)) => (Some(RelativeName(folder.to_owned())), file),
            None => (None, &self.0),
        }
    }
}

/// What becomes of symbolic links in a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Followed while they stay beneath the folder; absolute links leave it.
    #[default]
    Beneath,
    /// Refused.
    Refused,
}

/// How names are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    /// By `openat2`, in one call.
    Kernel,
    /// Element by element, refusing links.
    Walk,
}

/// An open folder. Everything reached through it lies beneath it.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    links: Links,
    lookup: Lookup,
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Folder {
    /// Opens a folder by a path of the operator (a setting or a catalog file); links in this path are followed.
    ///
    /// Fails with `NotFound`, `Refused` (no permission), `Unreadable` or `Internal`.
    pub fn open(path: &Path, links: Links) -> Result<Folder, Error> {
        let fd = rustix::fs::open(path, FOLDER, Mode::empty()).map_err(failure)?;
        let probe = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Old container sandboxes answer EPERM for system calls that they do not know.
        let lookup = match rustix::fs::openat2(&fd, ".", probe, Mode::empty(), beneath(links)) {
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => Lookup::Walk,
            _ => Lookup::Kernel,
        };
        Ok(Folder { fd, links, lookup })
    }

    /// The same folder with the lookup of kernels without `openat2`: element by element, all links refused.
    pub fn by_walk(self) -> Folder {
        Folder { lookup: Lookup::Walk, ..self }
    }

    /// A second handle of this folder.
    pub fn duplicate(&self) -> Result<Folder, Error> {
        let fd = self.fd.try_clone().map_err(|e| failure(io_errno(&e)))?;
        Ok(Folder { fd, links: self.links, lookup: self.lookup })
    }

    /// Opens a folder beneath this one.
    ///
    /// `NotFound` for a name that is missing, no folder, or leads outside, all with the same text.
    pub fn open_folder(&self, name: &RelativeName) -> Result<Folder, Error> {
        let fd = self.open_beneath(name.as_str(), FOLDER).map_err(failure)?;
        Ok(Folder { fd, links: self.links, lookup: self.lookup })
    }

    /// Opens a regular file beneath this folder for reading; never blocks on a FIFO.
    ///
    /// `NotFound` for a name that is missing, leads outside or is a folder, FIFO, socket or device, all with the
    /// same text; the reason is the error's cause.
    pub fn open_file(&self, name: &RelativeName) -> Result<File, Error> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = self.open_beneath(name.as_str(), flags).map_err(failure)?;
        let stat = rustix::fs::fstat(&fd).map_err(failure)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(File::from(fd)),
            kind => Err(missing().with_cause(format!("{kind:?} instead of a regular file"))),
        }
    }

    /// Opens the folder part of `name` beneath this folder and keeps its last element for `save`, which may exist or
    /// not. Fails as `open_folder` does.
    pub fn confine(&self, name: &RelativeName) -> Result<Confined, Error> {
        let (folder, file) = name.split();
        let folder = match folder {
            Some(folder) => self.open_folder(&folder)?,
            None => self.duplicate()?,
        };
        Ok(Confined { folder, file: file.to_owned() })
    }

    fn open_beneath(&self, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        if self.lookup == Lookup::Walk {
            return self.walk(name, flags);
        }
        for _ in 0..RETRIES {
            match rustix::fs::openat2(&self.fd, name, flags, Mode::empty(), beneath(self.links)) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return result,
            }
        }
        // The kernel cannot rule out an escape while folders are being renamed; without links there is none.
        self.walk(name, flags)
    }

    fn walk(&self, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut held: Option<OwnedFd> = None;
        let mut elements = name.split('/').peekable();
        while let Some(element) = elements.next() {
            let at = held.as_ref().map_or(self.fd.as_fd(), |fd| fd.as_fd());
            let flags = match elements.peek() {
                Some(_) => OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                None => flags,
            };
            let opened = rustix::io::retry_on_intr(|| {
                rustix::fs::openat(at, element, flags | OFlags::NOFOLLOW, Mode::empty())
            })?;
            held = Some(opened);
        }
        held.ok_or(Errno::NOENT)
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn beneath(links: Links) -> ResolveFlags {
    let flags = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match links {
        Links::Beneath => flags,
        Links::Refused => flags | ResolveFlags::NO_SYMLINKS,
    }
}

/// What a name stands for, without following it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    Missing,
    /// A regular file of this length in bytes.
    File {
        /// Length in bytes.
        bytes: u64,
    },
    /// A link, folder, FIFO, socket or device.
    Other,
}

/// A file name inside an open folder: one element, so no lookup through it follows anything.
#[derive(Debug)]
pub struct Confined {
    folder: Folder,
    file: String,
}

impl Confined {
    /// The folder that holds the name.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The name, one element.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What the name stands for at this moment; a link is not followed.
    pub fn entry(&self) -> Result<Entry, Error> {
        match rustix::fs::statat(&self.folder, self.file.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Entry::File { bytes: u64::try_from(stat.st_size).unwrap_or(0) })
            }
            Ok(_) => Ok(Entry::Other),
            Err(Errno::NOENT) => Ok(Entry::Missing),
            Err(errno) => Err(failure(errno)),
        }
    }
}

fn missing() -> Error {
    Error::new(Kind::NotFound, "no such file")
}

fn io_errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// One text for everything that a client must not tell apart (R-1, R-2, N-12); the cause goes to the log.
fn failure(errno: Errno) -> Error {
    let error = match errno {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::ISDIR
        | Errno::XDEV
        | Errno::LOOP
        | Errno::NAMETOOLONG
        | Errno::NXIO
        | Errno::NODEV
        | Errno::OPNOTSUPP
        | Errno::INVAL
        | Errno::ILSEQ => missing(),
        Errno::ACCESS | Errno::PERM => Error::new(Kind::Refused, "no permission"),
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => {
            Error::new(Kind::Internal, "the system cannot open more files")
        }
        _ => Error::new(Kind::Unreadable, "the file system failed"),
    };
    error.with_cause(io::Error::from(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_name_never_names_a_place_above() {
        for (text, is_good) in [
            ("a", true),
            ("a/b/c.jpg", true),
            ("~root/x", true),
            ("..a/b..", true),
            ("", false),
            ("/a", false),
            ("a/", false),
            ("a//b", false),
            (".", false),
            ("a/./b", false),
            ("..", false),
            ("a/../b", false),
            ("a\\b", false),
            ("a\0b", false),
            ("a\nb", false),
            ("a\u{85}b", false),
        ] {
            assert_eq!(RelativeName::new(text).is_some(), is_good, "{text:?}");
        }
        assert!(RelativeName::new(&"x".repeat(ELEMENT_BYTES)).is_some());
        assert!(RelativeName::new(&"x".repeat(ELEMENT_BYTES + 1)).is_none());
        assert!(RelativeName::new(&["x"; 2049].join("/")).is_none());
    }
}
