//! Image catalogs: the files of the catalog folder to looked-up records and attributes. It knows no URL command.
//!
//! A reader meets [`Catalogs`] (one consistent state of all catalogs), [`CatalogStore`] (which state is current) and
//! [`Found`] (what an object of a request is) first. Looking up opens no file: `load.rs` and `store.rs` alone touch
//! files, and only those that the catalog folder names. This room uses room `config` (`Fault`, the line reader).

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::config::Fault;

mod assemble;
mod attributes;
mod check;
mod image_set;
mod index;
mod inherit;
mod load;
mod locale;
mod localize;
mod macros;
mod pattern;
mod record;
mod resolve;
mod rule_file;
mod rules;
mod scan;
mod sources;
mod store;
mod table;
mod value;

pub use crate::config::AddressFilter;
pub use attributes::{
    AccessType, Align, Attributes, CacheValidationPolicy, DefaultImageMode, DigimarcId,
    DirectAccess, Expiration, RenderIntent, ResMode, ThumbType,
};
pub use check::check;
pub use image_set::{ImageSet, SetField, SetItem, SetShape, SetType};
pub use locale::{LocaleMap, LocaleStrMap, Suffixes};
pub use localize::Localizer;
pub use record::{FontRecord, ImageRecord, PropertyText, RecordKind, StaticRecord};
pub use rules::{
    Applied, HeaderAction, OnMatch, Overrides, Replace, RuleContext, RuleHeader, RuleSet,
};
pub use sources::NamedSource;
pub use store::CatalogStore;

/// One catalog: its attributes and tables, unchanging.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The attributes, inheritance applied.
    pub attributes: Attributes,
    loaded: Arc<load::Loaded>,
}

/// A file that a record or a request names, not opened yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourcePath {
    /// The folder beneath which the file must lie: an absolute folder that a catalog file names; `None` means each
    /// of `IS::RootPath`, in order, until the file exists.
    pub root: Option<String>,
    /// The path beneath it: elements joined by single `/`, none of them empty, `.` or `..`.
    pub path: String,
}

/// The catalog in force for a request, by its URL path.
#[derive(Clone, Copy, Debug)]
pub struct Main<'a, 't> {
    /// The main catalog; the default catalog where no element names one.
    pub catalog: &'a Catalog,
    /// The path elements of the object: all of them, or those behind the RootId.
    pub rest: &'t [String],
    /// All elements of the path.
    pub elements: &'t [String],
    /// Whether the first element is the RootId of `catalog`.
    pub is_named: bool,
}

/// What an object of a request is.
#[derive(Clone, Debug)]
pub enum Found<'a> {
    /// A record, with the catalog that holds it: its `RootPath`, `DefaultExt` and macros apply to the record.
    Record {
        /// The catalog whose table holds the record.
        catalog: &'a Catalog,
        /// The record.
        record: Box<ImageRecord<'a>>,
    },
    /// No record; perhaps a file, with the catalog whose attributes apply (`FullMatch`). `DefaultExt` is appended.
    File {
        /// The catalog whose attributes apply.
        catalog: &'a Catalog,
        /// Where the file would be.
        path: SourcePath,
    },
    /// Neither, or access by path is not allowed; both are reported as a missing image.
    Missing,
}

/// What an object of `/is/content` is.
#[derive(Clone, Debug)]
pub enum FoundStatic<'a> {
    /// A record, with the catalog that holds it.
    Record {
        /// The catalog whose table holds the record.
        catalog: &'a Catalog,
        /// The record.
        record: Box<StaticRecord<'a>>,
    },
    /// No record; perhaps a file, with the catalog whose attributes apply (`FullMatch`).
    File {
        /// The catalog whose attributes apply.
        catalog: &'a Catalog,
        /// Where the file would be; without a root, beneath each of `PS::staticContent.rootPaths`.
        path: SourcePath,
    },
    /// Neither, or access by path is not allowed; both are reported as missing.
    Missing,
}

/// What `icc=` or an `IccProfile…` attribute names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// An entry of a profile map, or a path of the request: where the file would be.
    File(SourcePath),
    /// No such profile.
    Missing,
}

/// One consistent state of all catalogs of the folder.
#[derive(Clone, Debug, Default)]
pub struct Catalogs {
    /// By file name.
    slots: BTreeMap<String, load::Slot>,
    catalogs: Vec<Catalog>,
    by_root: HashMap<String, Rooted>,
    default_index: Option<usize>,
}

/// What a RootId stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rooted {
    /// The catalog of that index.
    Catalog(usize),
    /// A catalog whose data files are being read for the first time.
    Loading,
    /// A catalog that could never be loaded.
    Broken,
}

impl Catalogs {
    /// Reads the catalog folder. What has not changed since `previous` is taken from it; a catalog that cannot be
    /// read keeps its state of `previous`, and `faults` says why.
    pub fn load(folder: &Path, previous: Option<&Catalogs>, faults: &mut Vec<Fault>) -> Catalogs {
        load::load(folder, previous, faults)
    }
}

/// The names of all attributes, of which some only stand in the documentation of records.
pub fn attribute_names() -> &'static [&'static str] {
    &inherit::NAMES
}

/// The attribute that names a kind of data file, with the names of all its fields.
pub fn table_fields() -> [(&'static str, &'static [&'static str]); 6] {
    [
        ("CatalogFile", record::IMAGE_COLUMNS.names),
        ("SvgCatalogFile", record::IMAGE_COLUMNS.names),
        ("StaticContentCatalogFile", record::STATIC_COLUMNS.names),
        ("MacroFile", record::MACRO_COLUMNS.names),
        ("IccProfileMapFile", record::PROFILE_COLUMNS.names),
        ("FontMapFile", record::FONT_COLUMNS.names),
    ]
}

impl Catalog {
    /// The rule set, if the catalog names one.
    pub fn rules(&self) -> Option<&RuleSet> {
        self.loaded.rules.as_ref()
    }

    /// The `.ini` file, for messages.
    pub fn file(&self) -> &Path {
        self.loaded.file()
    }
}
