//! The sources that the catalogs name, checked as a service would open them (`imprint check --sources`).

use crate::catalog::Catalogs;
use crate::codec::Header;
use crate::config::{Config, Fault, Severity};
use crate::error::Error;
use crate::limits::Limits;
use crate::source::{Checks, Inspected, Roots, inspect_sources};

use super::root_settings;

/// Checks every file that a record of the catalogs of `config` names; `seen` is told of each. Errors of the catalogs
/// themselves come before those of the files.
///
/// Fails with `Internal` when a source root cannot be opened.
pub fn check_sources(
    config: &Config,
    checks: &Checks,
    seen: impl FnMut(&str, Result<&Header, &Fault>),
) -> Result<Inspected, Error> {
    let roots = Roots::open(&config.is.root_paths, root_settings(config))?;
    let limits = Limits { source_pixels: config.is.max_non_dsf_pixels, ..Limits::default() };
    let mut faults = Vec::new();
    let catalogs = Catalogs::load(&config.cs.root_path, None, &mut faults);
    let mut inspected = inspect_sources(&catalogs, &roots, checks, &limits, seen);
    // A catalog that is not loaded names nothing; its lesser faults are for `imprint check` alone.
    faults.retain(|fault| fault.severity == Severity::Error);
    inspected.faults.splice(0..0, faults);
    Ok(inspected)
}
