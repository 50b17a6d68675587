//! Names to bytes: opens the files that requests and catalogs name, beneath the configured roots. Decodes for checks only.
//!
//! A reader meets [`Roots`] (where sources may lie), [`Candidate`] (a name to try) and [`SourceFile`] (an open one)
//! first. A name from a request is opened through `confined` only. [`Remote`] fetches foreign images; only addresses
//! that passed its guard are connected to. `inspect` checks files for `imprint check`.

#![forbid(unsafe_code)]

mod file;
mod inspect;
mod remote;
mod remote_cache;
mod remote_guard;
mod remote_http;
mod remote_names;
mod remote_url;
mod secondary;

use std::path::{Path, PathBuf};

pub use self::file::{Identity, SourceFile};
pub use self::inspect::{
    Checks, FileType, Inspected, format_name, inspect, inspect_files, inspect_sources,
};
pub use self::remote::{Remote, RemoteIdentity, RemoteImage, RemoteSettings, check_remote_header};
pub use self::remote_names::Resolver;
pub use self::remote_url::RemoteUrl;
pub use self::secondary::{Secondary, SecondaryAnswer, SecondaryQuestion, SecondarySettings};

use crate::confined::{Folder, Links, RelativeName};
use crate::error::{Error, Kind};

/// A name to try, in the order of the object's resolution (`requests.md` 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate<'a> {
    /// Relative to each root in turn. From a request or a catalog; every element is checked.
    Beneath(&'a str),
    /// An absolute path that stands wholly in a catalog file (`catalog::Path`, `catalog::MaskPath`).
    Absolute(&'a str),
    /// Relative to an absolute folder that stands in a catalog file (`attribute::RootPath`), and confined to it.
    Within {
        /// The absolute folder of the catalog.
        folder: &'a str,
        /// The rest, from a request or a catalog; every element is checked.
        name: &'a str,
    },
}

/// How sources are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootSettings {
    /// Symbolic links inside the roots.
    pub links: Links,
    /// Longest file in bytes that is a source at all.
    pub max_bytes: u64,
}

impl Default for RootSettings {
    /// Links that stay beneath their root are followed; 2 GiB.
    fn default() -> RootSettings {
        RootSettings { links: Links::Beneath, max_bytes: 2 << 30 }
    }
}

/// The configured roots of sources (`IS::RootPath`), opened once at start.
#[derive(Debug)]
pub struct Roots {
    roots: Vec<(PathBuf, Folder)>,
    settings: RootSettings,
}

impl Roots {
    /// Opens every root. Fails with `Internal`, naming the root, when one cannot be opened.
    pub fn open(paths: &[PathBuf], settings: RootSettings) -> Result<Roots, Error> {
        let mut roots = Vec::with_capacity(paths.len());
        for path in paths {
            let folder = Folder::open(path, settings.links).map_err(|error| {
                Error::new(Kind::Internal, format!("root {} cannot be opened", path.display()))
                    .with_cause(error)
            })?;
            roots.push((path.clone(), folder));
        }
        Ok(Roots { roots, settings })
    }

    /// The same roots with the lookup of kernels without `openat2`.
    pub fn by_walk(self) -> Roots {
        let roots = self.roots.into_iter().map(|(path, root)| (path, root.by_walk())).collect();
        Roots { roots, ..self }
    }

    /// Opens the first candidate that exists; each is tried in every root, in order.
    ///
    /// `NotFound` with one text for a missing file, a refused name, a link that leaves the root, a folder, FIFO or
    /// device, a file without read permission and one over `max_bytes`; the cause, for the log, tells
    /// them apart. `Unreadable` or `Internal` when the system fails.
    pub fn open_first(&self, candidates: &[Candidate<'_>]) -> Result<SourceFile, Error> {
        let mut cause = None;
        for candidate in candidates {
            match self.try_candidate(*candidate) {
                Ok(file) => return Ok(file),
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Refused) => {
                    cause.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        let error = Error::new(Kind::NotFound, "no such file beneath the roots");
        Err(match cause {
            Some(cause) => error.with_cause(cause),
            None => error,
        })
    }

    fn try_candidate(&self, candidate: Candidate<'_>) -> Result<SourceFile, Error> {
        match candidate {
            Candidate::Beneath(name) => self.beneath(name),
            Candidate::Absolute(path) => self.absolute(path),
            Candidate::Within { folder, name } => {
                let folder = Path::new(folder);
                if !folder.is_absolute() {
                    return Err(refused("the folder of a catalog is not absolute"));
                }
                self.open_in(&Folder::open(folder, self.settings.links)?, name)
            }
        }
    }

    fn beneath(&self, name: &str) -> Result<SourceFile, Error> {
        let mut first = None;
        for (_, root) in &self.roots {
            match self.open_in(root, name) {
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Refused) => {
                    first.get_or_insert(error);
                }
                result => return result,
            }
        }
        Err(first.unwrap_or_else(|| refused("no roots are configured")))
    }

    /// A path below a root is opened beneath that root; any other through its folder, as the catalog's editor said.
    fn absolute(&self, path: &str) -> Result<SourceFile, Error> {
        for (root_path, root) in &self.roots {
            if let Some(name) = Path::new(path).strip_prefix(root_path).ok().and_then(Path::to_str)
            {
                return self.open_in(root, name);
            }
        }
        match path.rsplit_once('/') {
            Some(("", name)) => {
                self.open_in(&Folder::open(Path::new("/"), self.settings.links)?, name)
            }
            Some((folder, name)) if folder.starts_with('/') => {
                self.open_in(&Folder::open(Path::new(folder), self.settings.links)?, name)
            }
            _ => Err(refused("the path of a catalog is not absolute")),
        }
    }

    fn open_in(&self, folder: &Folder, name: &str) -> Result<SourceFile, Error> {
        let Some(name) = RelativeName::new(name) else {
            return Err(refused("the name is not a plain relative path"));
        };
        let file = SourceFile::new(folder.open_file(&name)?)?;
        if file.identity().bytes > self.settings.max_bytes {
            return Err(refused(format!(
                "file of {} bytes exceeds {}",
                file.identity().bytes,
                self.settings.max_bytes
            )));
        }
        Ok(file)
    }
}

fn refused(detail: impl Into<String>) -> Error {
    Error::new(Kind::NotFound, detail)
}
