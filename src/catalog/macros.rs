//! The order of macro definitions. Expanding them is the request's part.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::config::{Fault, Severity};
use crate::error::shown;

use super::table::Table;

/// Names, in lower case, of the macros of a file that call themselves or one that stands later in it; those
/// definitions do not load, so that no call can go round (section 10.3).
pub(super) fn forward_references(
    table: &Table,
    file: &Path,
    faults: &mut Vec<Fault>,
) -> HashSet<String> {
    let definitions: Vec<(String, &str)> = table
        .rows()
        .map(|row| {
            let name = row.text(0).unwrap_or_default().to_ascii_lowercase();
            (name, row.text(1).unwrap_or_default())
        })
        .collect();
    let place: HashMap<&str, usize> =
        definitions.iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect();
    let mut failed = HashSet::new();
    for (index, (name, definition)) in definitions.iter().enumerate() {
        let called = calls(definition).map(str::to_ascii_lowercase);
        let mut forward =
            called.filter(|other| place.get(other.as_str()).is_some_and(|at| *at >= index));
        if let Some(other) = forward.next() {
            let message = format!(
                "macro {} calls {}, expected one that stands earlier in the file; it is left out",
                shown(name),
                shown(&other)
            );
            faults.push(Fault::new(Severity::Error, file, None, message));
            failed.insert(name.clone());
        }
    }
    failed
}

/// The names in `$name$` that stand as whole commands of a definition.
fn calls(definition: &str) -> impl Iterator<Item = &str> {
    definition.split('&').filter_map(|command| {
        let inner = command.trim().strip_prefix('$')?.strip_suffix('$')?;
        Some(inner).filter(|name| !name.is_empty() && !name.contains(['=', '$']))
    })
}
