//! Faults of settings and catalogs: where, what was found, what was expected. It finds none itself.

use std::fmt;
use std::path::{Path, PathBuf};

/// How much a fault matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing: a setting without effect here, a built-in value that holds.
    Note,
    /// Something was ignored or replaced by its default.
    Warning,
    /// The settings, the catalog or the record cannot be used as written.
    Error,
}

impl Severity {
    /// The word that reports show.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One fault in one place; shown as `file:line: severity: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file that holds the fault, or the name of an environment variable.
    pub file: PathBuf,
    /// Line, counted from 1; `None` when the whole file is meant.
    pub line: Option<u32>,
    /// How much it matters.
    pub severity: Severity,
    /// What was found and what was expected, one clause, lower case, no full stop.
    pub message: String,
}

impl Fault {
    /// A fault of the given severity in `file`, at `line` if one is known.
    pub fn new(
        severity: Severity,
        file: &Path,
        line: Option<u32>,
        message: impl Into<String>,
    ) -> Fault {
        Fault { file: file.to_owned(), line, severity, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", crate::error::shown(&self.file.to_string_lossy()))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}: {}", self.severity.name(), self.message)
    }
}

/// Everything that `imprint check` found, in the order of reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The faults.
    pub faults: Vec<Fault>,
    /// Number of catalogs that can be served, the default catalog included.
    pub catalogs: usize,
    /// Number of image, SVG and static records in them.
    pub records: usize,
}

impl Report {
    /// Whether nothing of severity `Error` was found.
    pub fn is_good(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// Number of faults of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.faults.iter().filter(|fault| fault.severity == severity).count()
    }
}
