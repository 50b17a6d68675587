//! The files of the catalog folder to [`Catalogs`], taking over what has not changed. The only reader of catalog
//! files; it opens what catalog files name, never a name of a request.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::ini::{self, Dialect, Entry};
use crate::config::{Fault, Severity};
use crate::error::shown;

use super::assemble::assemble;
use super::inherit::{self, Source};
use super::record;
use super::rule_file;
use super::rules::RuleSet;
use super::table::{Accept, Columns, Table};
use super::{Attributes, Catalogs, Rooted, macros, value};

/// When a file was changed, and its length; a file of another stamp is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: SystemTime,
    bytes: u64,
}

/// The stamps of all `.ini` files of a folder, by file name.
pub(super) type Stamps = BTreeMap<String, Stamp>;

/// One data file as it was read.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    stamp: Stamp,
    columns: &'static Columns,
    pub(super) table: Arc<Table>,
}

/// A catalog as its files say, before inheritance.
#[derive(Debug)]
pub(super) struct Loaded {
    path: PathBuf,
    pub(super) entries: Vec<Entry>,
    modified_ms: i64,
    /// Later files win.
    pub(super) images: Vec<Part>,
    /// Later files win; image records win over all of them.
    pub(super) svgs: Vec<Part>,
    pub(super) statics: Vec<Part>,
    pub(super) macros: Option<Part>,
    /// Names, in lower case, of macros that refer forward and are therefore not defined.
    pub(super) failed_macros: HashSet<String>,
    pub(super) profiles: Option<Part>,
    pub(super) fonts: Option<Part>,
    pub(super) rules: Option<RuleSet>,
}

/// What is known of one `.ini` file.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    stamp: Stamp,
    /// The last good state.
    pub(super) good: Option<Arc<Loaded>>,
    /// The RootId of a newest state that is not good, and why it is not.
    pub(super) reserved: Option<(String, Rooted)>,
}

/// An attribute file that is read, while its data files are not.
struct Ini {
    name: String,
    path: PathBuf,
    stamp: Stamp,
    entries: Vec<Entry>,
    modified_ms: i64,
    /// Names of files are not inherited, so the own file alone tells them; faults come with inheritance.
    own: Attributes,
}

const DEFAULT: &str = "default.ini";

/// Bytes of the largest attribute file.
const MAX_INI_BYTES: u64 = 16 << 20;

/// Bytes of the largest data file.
const MAX_TABLE_BYTES: u64 = (1 << 31) - 1;

fn stamp_of(path: &Path) -> io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    Ok(Stamp { modified: metadata.modified()?, bytes: metadata.len() })
}

/// The stamps of the `.ini` files directly in `folder`.
pub(super) fn stamps(folder: &Path) -> io::Result<Stamps> {
    let mut out = Stamps::new();
    for item in std::fs::read_dir(folder)? {
        let Ok(name) = item?.file_name().into_string() else { continue };
        let is_ini = name.len() > 4 && name.to_ascii_lowercase().ends_with(".ini");
        if !is_ini || name.starts_with('.') {
            continue;
        }
        if let Ok(stamp) = stamp_of(&folder.join(&name)) {
            out.insert(name, stamp);
        }
    }
    Ok(out)
}

/// The whole file, decoded as catalog files are.
fn read_text(path: &Path, limit: u64, faults: &mut Vec<Fault>) -> io::Result<String> {
    stamp_of(path)?;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is longer than {limit} bytes")));
    }
    let (text, is_broken) = ini::decode(bytes);
    if is_broken {
        let message = "invalid UTF-8 is replaced by U+FFFD";
        faults.push(Fault::new(Severity::Warning, path, None, message));
    }
    Ok(text)
}

/// Reads the files of one catalog.
struct Reading<'a> {
    folder: &'a Path,
    ini: &'a Path,
    entries: &'a [Entry],
    previous: Option<&'a Loaded>,
    faults: &'a mut Vec<Fault>,
    is_good: bool,
}

impl Reading<'_> {
    fn fail(&mut self, attribute: &str, message: String) {
        let line = ini::last(self.entries, attribute).map(|entry| entry.line);
        self.faults.push(Fault::new(Severity::Error, self.ini, line, message));
        self.is_good = false;
    }

    /// The rule set. Rules may restrict access, so a catalog without its rules must not go live (section 6).
    fn rules(&mut self, name: &str) -> Option<RuleSet> {
        let path = self.folder.join(name);
        // Opening a FIFO would block; the look before tells regular files.
        let bytes = stamp_of(&path).and_then(|_| {
            let mut bytes = Vec::new();
            let limit = rule_file::FILE_BYTES as u64 + 1;
            File::open(&path)?.take(limit).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        match bytes {
            Ok(bytes) => match rule_file::parse(&bytes) {
                Ok(rules) => return Some(rules),
                Err(invalid) => {
                    let line = Some(invalid.line);
                    self.faults.push(Fault::new(Severity::Error, &path, line, invalid.message));
                    self.is_good = false;
                }
            },
            Err(error) => {
                let found = shown(name);
                let message = format!("RuleSetFile names {found}, which cannot be read: {error}");
                self.fail("RuleSetFile", message);
            }
        }
        None
    }

    /// The table of a data file, from `previous` if the file has not changed (S-19).
    fn part(
        &mut self,
        attribute: &str,
        name: &str,
        columns: &'static Columns,
        accept: Accept,
    ) -> Option<Part> {
        let path = self.folder.join(name);
        let unreadable = |error: io::Error| {
            format!("{attribute} names {}, which cannot be read: {error}", shown(name))
        };
        let stamp = match stamp_of(&path) {
            Ok(stamp) => stamp,
            Err(error) => {
                self.fail(attribute, unreadable(error));
                return None;
            }
        };
        let known = self.previous.into_iter().flat_map(Loaded::parts).find(|part| {
            part.path == path && part.stamp == stamp && std::ptr::eq(part.columns, columns)
        });
        if let Some(part) = known {
            return Some(part.clone());
        }
        match read_text(&path, MAX_TABLE_BYTES, self.faults) {
            Ok(text) => match Table::read(text, columns, &path, accept, self.faults) {
                Some(table) => Some(Part { path, stamp, columns, table: Arc::new(table) }),
                None => {
                    self.is_good = false;
                    None
                }
            },
            Err(error) => {
                self.fail(attribute, unreadable(error));
                None
            }
        }
    }

    fn parts(
        &mut self,
        attribute: &str,
        names: &[String],
        columns: &'static Columns,
        accept: Accept,
    ) -> Vec<Part> {
        names.iter().filter_map(|name| self.part(attribute, name, columns, accept)).collect()
    }

    fn optional(
        &mut self,
        attribute: &str,
        name: Option<&String>,
        columns: &'static Columns,
        accept: Accept,
    ) -> Option<Part> {
        name.and_then(|name| self.part(attribute, name, columns, accept))
    }
}

impl Loaded {
    fn parts(&self) -> impl Iterator<Item = &Part> {
        let lists = self.images.iter().chain(&self.svgs).chain(&self.statics);
        lists.chain(&self.macros).chain(&self.profiles).chain(&self.fonts)
    }

    pub(super) fn file(&self) -> &Path {
        &self.path
    }

    /// The line of a non-empty value of an attribute in this very file.
    pub(super) fn line_of(&self, attribute: &str) -> Option<u32> {
        let entry = ini::last(&self.entries, attribute)?;
        (!entry.value.is_empty()).then_some(entry.line)
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source { file: &self.path, entries: &self.entries, modified_ms: self.modified_ms }
    }

    /// Records that can be looked up in the image, SVG and static tables.
    pub(super) fn record_count(&self) -> usize {
        let lists = self.images.iter().chain(&self.svgs).chain(&self.statics);
        lists.map(|part| part.table.len()).sum()
    }
}

/// Reads one `.ini` file alone.
fn read_ini(folder: &Path, name: &str, stamp: Stamp, faults: &mut Vec<Fault>) -> Option<Ini> {
    let path = folder.join(name);
    let text = match read_text(&path, MAX_INI_BYTES, faults) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot be read: {error}");
            faults.push(Fault::new(Severity::Error, &path, None, message));
            return None;
        }
    };
    let entries = ini::read(&text, Dialect::Attributes, &path, faults);
    let modified_ms = value::milliseconds(stamp.modified);
    let source = Source { file: &path, entries: &entries, modified_ms };
    let own = inherit::resolve(&source, None, &mut Vec::new());
    Some(Ini { name: name.to_owned(), path, stamp, entries, modified_ms, own })
}

impl Ini {
    /// The RootId that is kept from other catalogs while this one is not in force.
    fn reserved(&self, state: Rooted) -> Option<(String, Rooted)> {
        let id = &self.own.root_id;
        (!id.is_empty() && !is_default(&self.name)).then(|| (id.clone(), state))
    }

    /// Bytes of its data files; what cannot be read counts nothing.
    fn data_bytes(&self, folder: &Path) -> u64 {
        let own = &self.own;
        let lists = [&own.catalog_files, &own.svg_catalog_files, &own.static_content_catalog_files];
        let names = lists.into_iter().flatten();
        names.filter_map(|name| stamp_of(&folder.join(name)).ok()).map(|stamp| stamp.bytes).sum()
    }
}

/// Reads what an `.ini` names: the new slot, good or not.
fn read_data(folder: &Path, ini: Ini, previous: Option<&Slot>, faults: &mut Vec<Fault>) -> Slot {
    let old = previous.and_then(|slot| slot.good.clone());
    let own = &ini.own;
    let mut reading = Reading {
        folder,
        ini: &ini.path,
        entries: &ini.entries,
        previous: old.as_deref(),
        faults,
        is_good: true,
    };
    let r = &mut reading;
    if !is_default(&ini.name)
        && let Err(message) = check_root_id(&own.root_id)
    {
        r.fail("RootId", message);
    }
    let (image, statics) = (&record::IMAGE_COLUMNS, &record::STATIC_COLUMNS);
    let images = r.parts("CatalogFile", &own.catalog_files, image, record::accept_image);
    let svgs = r.parts("SvgCatalogFile", &own.svg_catalog_files, image, record::accept_svg);
    let static_files = &own.static_content_catalog_files;
    let statics = r.parts("StaticContentCatalogFile", static_files, statics, record::accept_static);
    let macros = r.optional(
        "MacroFile",
        own.macro_file.as_ref(),
        &record::MACRO_COLUMNS,
        record::accept_macro,
    );
    let profiles = r.optional(
        "IccProfileMapFile",
        own.icc_profile_map_file.as_ref(),
        &record::PROFILE_COLUMNS,
        record::accept_profile,
    );
    let fonts = r.optional(
        "FontMapFile",
        own.font_map_file.as_ref(),
        &record::FONT_COLUMNS,
        record::accept_font,
    );
    let rules = own.rule_set_file.as_ref().and_then(|name| r.rules(name));
    let is_good = reading.is_good;
    if !is_good {
        let kept = if old.is_some() {
            "its last good state stays"
        } else {
            "requests that name it get 503"
        };
        let message = format!("the catalog is not loaded; {kept}");
        faults.push(Fault::new(Severity::Error, &ini.path, None, message));
        return Slot { stamp: ini.stamp, good: old, reserved: ini.reserved(Rooted::Broken) };
    }
    let failed_macros = match &macros {
        Some(part) => macros::forward_references(&part.table, &part.path, faults),
        None => HashSet::new(),
    };
    warn_of_hidden_svgs(&images, &svgs, faults);
    let stamp = ini.stamp;
    let Ini { path, entries, modified_ms, .. } = ini;
    let loaded = Loaded {
        path,
        entries,
        modified_ms,
        images,
        svgs,
        statics,
        macros,
        failed_macros,
        profiles,
        fonts,
        rules,
    };
    Slot { stamp, good: Some(Arc::new(loaded)), reserved: None }
}

pub(super) fn is_default(name: &str) -> bool {
    name == DEFAULT
}

fn check_root_id(id: &str) -> Result<(), String> {
    let is_bad = |c: char| c.is_control() || "/\\,?#%".contains(c);
    if id.is_empty() {
        Err("there is no RootId, expected one that no other catalog has".to_owned())
    } else if id.contains(is_bad) || id == "." || id == ".." {
        Err(format!("RootId is {}, expected one element of a URL path", shown(id)))
    } else {
        Ok(())
    }
}

/// An image record wins over an SVG record of its id (S-44).
fn warn_of_hidden_svgs(images: &[Part], svgs: &[Part], faults: &mut Vec<Fault>) {
    for part in svgs {
        let ids = part.table.rows().filter_map(|row| row.text(0));
        let hidden = |id: &&str| images.iter().any(|image| image.table.get(id).is_some());
        for id in ids.filter(hidden).take(100) {
            let message = format!("SVG record {} is hidden by an image record", shown(id));
            faults.push(Fault::new(Severity::Warning, &part.path, None, message));
        }
    }
}

fn told_stamps(folder: &Path, faults: &mut Vec<Fault>) -> Option<Stamps> {
    let stamps = stamps(folder);
    if let Err(error) = &stamps {
        let message = format!("the catalog folder cannot be read: {error}");
        faults.push(Fault::new(Severity::Error, folder, None, message));
    }
    stamps.ok()
}

/// See `Catalogs::load`.
pub(super) fn load(
    folder: &Path,
    previous: Option<&Catalogs>,
    faults: &mut Vec<Fault>,
) -> Catalogs {
    let Some(stamps) = told_stamps(folder, faults) else {
        return previous.cloned().unwrap_or_default();
    };
    let mut slots = BTreeMap::new();
    let mut fresh = HashSet::new();
    for (name, stamp) in stamps {
        let old = previous.and_then(|previous| previous.slots.get(&name));
        let slot = match old {
            // A broken catalog is tried again only when its .ini changes (S-18).
            Some(old) if old.stamp == stamp => old.clone(),
            _ => {
                fresh.insert(name.clone());
                match read_ini(folder, &name, stamp, faults) {
                    Some(ini) => read_data(folder, ini, old, faults),
                    None => Slot {
                        stamp,
                        good: old.and_then(|old| old.good.clone()),
                        reserved: old.and_then(|old| old.reserved.clone()),
                    },
                }
            }
        };
        slots.insert(name, slot);
    }
    assemble(folder, slots, previous, &fresh, faults)
}

/// A folder whose catalogs are read one after the other, while those that are read serve already.
pub(super) struct Opening {
    folder: PathBuf,
    slots: BTreeMap<String, Slot>,
    /// The next one last: small catalogs do not wait for large ones.
    waiting: Vec<Ini>,
    /// Files whose faults of inheritance are not told yet.
    fresh: HashSet<String>,
}

impl Opening {
    /// Reads all `.ini` files, so that every RootId is known, and the default catalog whole.
    pub(super) fn begin(folder: &Path, faults: &mut Vec<Fault>) -> Opening {
        let mut waiting = Vec::new();
        let mut slots = BTreeMap::new();
        let mut fresh = HashSet::new();
        for (name, stamp) in told_stamps(folder, faults).unwrap_or_default() {
            let slot = match read_ini(folder, &name, stamp, faults) {
                Some(ini) if is_default(&name) => {
                    fresh.insert(name.clone());
                    read_data(folder, ini, None, faults)
                }
                Some(ini) => {
                    let reserved = ini.reserved(Rooted::Loading);
                    waiting.push((ini.data_bytes(folder), ini));
                    Slot { stamp, good: None, reserved }
                }
                None => Slot { stamp, good: None, reserved: None },
            };
            slots.insert(name, slot);
        }
        waiting.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let waiting = waiting.into_iter().map(|(_, ini)| ini).collect();
        Opening { folder: folder.to_owned(), slots, waiting, fresh }
    }

    /// Reads one more catalog; `false` if all are read.
    pub(super) fn step(&mut self, faults: &mut Vec<Fault>) -> bool {
        let Some(ini) = self.waiting.pop() else { return false };
        let name = ini.name.clone();
        let slot = read_data(&self.folder, ini, None, faults);
        self.fresh.insert(name.clone());
        self.slots.insert(name, slot);
        true
    }

    /// What is in force; catalogs that are not read yet only reserve their RootIds.
    pub(super) fn state(&mut self, faults: &mut Vec<Fault>) -> Catalogs {
        let fresh = std::mem::take(&mut self.fresh);
        assemble(&self.folder, self.slots.clone(), None, &fresh, faults)
    }
}

impl Catalogs {
    /// The stamps of the `.ini` files that this state was read from.
    pub(super) fn stamps(&self) -> Stamps {
        self.slots.iter().map(|(name, slot)| (name.clone(), slot.stamp)).collect()
    }
}
