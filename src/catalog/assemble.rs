//! What the files of the folder say, put in force: inheritance, and which catalog owns which RootId. Reads no file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use crate::config::ini;
use crate::config::{Fault, Severity};
use crate::error::shown;

use super::inherit;
use super::load::{Loaded, Slot, is_default};
use super::{Attributes, Catalog, Catalogs, Rooted};

/// Catalogs as they come into force.
#[derive(Default)]
struct InForce {
    catalogs: Vec<Catalog>,
    by_root: HashMap<String, Rooted>,
}

impl InForce {
    /// Adds a catalog of a RootId that is free.
    fn add(&mut self, attributes: Attributes, loaded: &Arc<Loaded>) {
        let index = self.catalogs.len();
        self.by_root.insert(attributes.root_id.clone(), Rooted::Catalog(index));
        self.catalogs.push(Catalog { attributes, loaded: Arc::clone(loaded) });
    }
}

/// Applies inheritance and decides which catalog owns which RootId: the one that owned it in `previous`, else the first
/// by file name. One whose RootId belongs to another stays as it was in `previous`. Faults are told for `fresh` files.
pub(super) fn assemble(
    folder: &Path,
    mut slots: BTreeMap<String, Slot>,
    previous: Option<&Catalogs>,
    fresh: &HashSet<String>,
    faults: &mut Vec<Fault>,
) -> Catalogs {
    let default_slot = slots.iter().find(|(name, _)| is_default(name));
    let default = default_slot.and_then(|(_, slot)| slot.good.clone());
    if default_slot.is_none() {
        let message = "there is no default.ini, so every request gets 503";
        faults.push(Fault::new(Severity::Error, folder, None, message));
    }
    let mut in_force = InForce::default();
    let mut default_index = None;
    let mut names: Vec<String> = slots.keys().cloned().collect();
    // A faulty copy that comes first by name does not drive out the catalog that serves.
    let is_owner = |slot: &Slot| previous.is_some_and(|previous| previous.has_in_force(slot));
    names.sort_by_key(|name| !slots.get(name).is_some_and(is_owner));
    for name in names {
        let Some(slot) = slots.get_mut(&name) else { continue };
        let mut told = Vec::new();
        if let Some(loaded) = slot.good.clone() {
            let behind = default.as_deref().filter(|_| !is_default(&name)).map(Loaded::source);
            let mut attributes = inherit::resolve(&loaded.source(), behind.as_ref(), &mut told);
            warn_of_marks(&loaded, &attributes, &mut told);
            if is_default(&name) {
                note_of_default(&loaded, &mut attributes, &mut told);
                default_index = Some(in_force.catalogs.len());
                in_force.catalogs.push(Catalog { attributes, loaded });
            } else if !in_force.by_root.contains_key(&attributes.root_id) {
                in_force.add(attributes, &loaded);
            } else {
                let before = previous.and_then(|previous| previous.slots.get(&name));
                slot.good = before.and_then(|slot| slot.good.clone());
                let kept = slot.good.as_ref().map(|loaded| {
                    (loaded, inherit::resolve(&loaded.source(), behind.as_ref(), &mut Vec::new()))
                });
                let kept = kept.filter(|(_, own)| !in_force.by_root.contains_key(&own.root_id));
                let ends = if kept.is_some() {
                    "its last good state stays"
                } else {
                    "this one is left out"
                };
                let id = shown(&attributes.root_id);
                let message = format!("RootId {id} belongs to another catalog; {ends}");
                told.push(Fault::new(
                    Severity::Error,
                    loaded.file(),
                    loaded.line_of("RootId"),
                    message,
                ));
                if let Some((loaded, attributes)) = kept {
                    in_force.add(attributes, loaded);
                }
            }
        }
        if fresh.contains(&name) {
            faults.append(&mut told);
        }
        if let Some((id, state)) = &slot.reserved {
            in_force.by_root.entry(id.clone()).or_insert(*state);
        }
    }
    let InForce { catalogs, by_root } = in_force;
    Catalogs { slots, catalogs, by_root, default_index }
}

fn warn_of_marks(loaded: &Loaded, attributes: &Attributes, told: &mut Vec<Fault>) {
    if let Some(line) = loaded.line_of("DigimarcId")
        && attributes.digimarc_id.is_some()
    {
        let message = "DigimarcId is set, but this server embeds no marks";
        told.push(Fault::new(Severity::Warning, loaded.file(), Some(line), message));
    }
}

/// Takes a RootId from the default catalog, and tells which attributes have built-in values.
fn note_of_default(loaded: &Loaded, attributes: &mut Attributes, told: &mut Vec<Fault>) {
    if !std::mem::take(&mut attributes.root_id).is_empty() {
        let message = "RootId is set, expected none in default.ini; ignored";
        told.push(Fault::new(Severity::Warning, loaded.file(), loaded.line_of("RootId"), message));
    }
    let missing = inherit::undefined_in_default(&loaded.entries);
    if !missing.is_empty() {
        let message = format!("built-in values hold for {}", missing.join(", "));
        told.push(Fault::new(Severity::Note, loaded.file(), None, message));
    }
}

impl Catalogs {
    /// Whether the good state of that file answers for its RootId.
    fn has_in_force(&self, slot: &Slot) -> bool {
        let Some(loaded) = &slot.good else { return false };
        let id = ini::last(&loaded.entries, "RootId").map_or("", |entry| entry.value.as_str());
        match self.by_root.get(id) {
            Some(Rooted::Catalog(index)) => {
                self.catalogs.get(*index).is_some_and(|owner| owner.loaded.file() == loaded.file())
            }
            Some(Rooted::Loading | Rooted::Broken) | None => false,
        }
    }
}
