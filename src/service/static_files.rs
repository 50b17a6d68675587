//! Where static content lies: its roots, and opening a file beneath them. Knows no command.

use std::path::PathBuf;

use crate::catalog::SourcePath;
use crate::error::{Error, Kind};
use crate::source::{Candidate, RootSettings, Roots, SourceFile};

/// Title of everything that is not there, or is not to be told from that.
pub(super) const MISSING: &str = "Content not found";

/// `PS::staticContent.rootPaths`, opened once at start.
#[derive(Debug)]
pub(super) struct StaticRoots {
    roots: Vec<(PathBuf, Roots)>,
    /// Opens what an absolute folder of a catalog names.
    elsewhere: Roots,
}

/// An open static file.
pub(super) struct StaticFile {
    /// The file.
    pub file: SourceFile,
    /// Its absolute path, where it lies beneath a root; `None` for the folders that catalogs name.
    pub path: Option<PathBuf>,
    name: String,
}

impl StaticFile {
    /// The last element of its name, whose suffix decides the type.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl StaticRoots {
    /// Opens the roots. One that cannot be opened is passed over, since the default one does not exist (requests.md
    /// 21); the log says so.
    pub fn open(paths: &[PathBuf], settings: RootSettings) -> Result<StaticRoots, Error> {
        // A video may be larger than any image; it is never held in memory.
        let settings = RootSettings { max_bytes: u64::MAX, ..settings };
        let mut roots = Vec::with_capacity(paths.len());
        for path in paths {
            match Roots::open(std::slice::from_ref(path), settings) {
                Ok(root) => roots.push((path.clone(), root)),
                // The default folder need not be there; `imprint check` tells of one that is named.
                Err(error) => log::debug!("static content is not served: {error}"),
            }
        }
        Ok(StaticRoots { roots, elsewhere: Roots::open(&[], settings)? })
    }

    /// Opens the first file of that path, by the order of the roots; errors as those of [`Roots::open_first`].
    pub fn find(&self, path: &SourcePath) -> Result<StaticFile, Error> {
        let name = path.path.as_str();
        if let Some(folder) = &path.root {
            let file = self.elsewhere.open_first(&[Candidate::Within { folder, name }])?;
            return Ok(StaticFile { file, path: None, name: last(name) });
        }
        let mut missing = None;
        for (root, files) in &self.roots {
            match files.open_first(&[Candidate::Beneath(name)]) {
                Ok(file) => {
                    let path = root.is_absolute().then(|| root.join(name));
                    return Ok(StaticFile { file, path, name: last(name) });
                }
                Err(error) if error.kind() == Kind::NotFound => {
                    missing.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(missing.unwrap_or_else(|| Error::new(Kind::NotFound, "there is no static root")))
    }
}

fn last(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}
