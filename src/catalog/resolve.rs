//! Objects of a request to records, files or nothing (catalogs-and-server.md section 8, requests.md section 6).
//!
//! Pure: it looks into tables and joins text, and opens nothing.

use crate::error::{Error, Kind, shown};

use super::attributes::AccessType;
use super::locale::Suffixes;
use super::record::{self, FontRecord, ImageRecord, RecordKind, StaticRecord};
use super::{Catalog, Catalogs, Found, FoundStatic, Main, Profile, Rooted, SourcePath};

/// Where the search for the object of a path has ended.
enum Searched<'a, 't, T> {
    /// At a record.
    Found(T),
    /// At a file, by the attributes of a catalog.
    File { catalog: &'a Catalog, elements: Vec<&'t str> },
    /// Nowhere: there is no object, or files are not looked for (`U-locale-file`).
    Missing,
}

fn no_default() -> Error {
    Error::new(Kind::Busy, "there is no usable default.ini")
}

/// The elements of an object, the empty ones passed over, checked for what no object may hold.
fn checked<'t>(parts: impl Iterator<Item = &'t str>) -> Result<Vec<&'t str>, Error> {
    let elements: Vec<&str> = parts.filter(|element| !element.is_empty()).collect();
    for element in &elements {
        if element.contains([',', '?']) {
            let found = shown(element);
            return Err(Error::new(
                Kind::Syntax,
                format!("object holds {found}, expected no , and no ?"),
            ));
        }
        // An encoded slash may hide it within one element.
        if element.split(['/', '\\']).any(|part| part == "..") {
            return Err(Error::new(Kind::Refused, "object holds an element .."));
        }
    }
    Ok(elements)
}

/// Whether elements of a request can name a file (`U-path-safety`).
fn can_be_file(elements: &[&str]) -> bool {
    let is_bad = |c: char| c == '/' || c == '\\' || c.is_control();
    !elements.iter().any(|element| element.contains(is_bad) || matches!(*element, "." | ".."))
}

fn access_type(elements: &[&str]) -> AccessType {
    let last = elements.last().map(|last| last.to_ascii_lowercase()).unwrap_or_default();
    if last.ends_with(".svg") || last.ends_with(".svgz") {
        AccessType::Svg
    } else {
        AccessType::Image
    }
}

/// Joins folder and file of a catalog; the right one wins if it is absolute.
fn joined(folder: &str, elements: &[&str]) -> Option<SourcePath> {
    let of_folder: Vec<&str> =
        folder.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let has_file = elements.iter().any(|part| !part.is_empty() && *part != ".");
    let mut all = of_folder.iter().chain(elements);
    if !has_file || all.any(|part| *part == ".." || part.contains('\0')) {
        return None;
    }
    let file = elements.iter().filter(|part| !part.is_empty() && **part != ".").copied();
    if folder.starts_with('/') {
        let path = file.collect::<Vec<&str>>().join("/");
        return Some(SourcePath { root: Some(format!("/{}", of_folder.join("/"))), path });
    }
    let path = of_folder.into_iter().chain(file).collect::<Vec<&str>>().join("/");
    Some(SourcePath { root: None, path })
}

/// Appends `DefaultExt` to a last element without suffix (S-27).
fn with_default_ext(mut path: SourcePath, catalog: &Catalog) -> SourcePath {
    let last = path.path.rsplit('/').next().unwrap_or_default();
    let has_suffix = last.rfind('.').is_some_and(|at| at + 1 < last.len());
    if let Some(ext) = catalog.attributes.default_ext.as_deref().filter(|_| !has_suffix) {
        path.path.push_str(ext);
    }
    path
}

/// A path that a catalog file names, with the folder of an attribute in front of it.
fn beneath(folder: &str, path: &str) -> Option<SourcePath> {
    if path.starts_with('/') {
        let (folder, file) = path.trim_end_matches('/').rsplit_once('/')?;
        return joined(&format!("/{folder}"), &[file]);
    }
    joined(folder, &path.split('/').collect::<Vec<&str>>())
}

impl Catalog {
    /// Where the file of a record's `Path` or `MaskPath` would be: `RootPath` in front, `DefaultExt` appended.
    /// `None` for a path that leaves its folder or holds what a path cannot hold.
    pub fn source_path(&self, path: &str) -> Option<SourcePath> {
        self.plain_path(path).map(|path| with_default_ext(path, self))
    }

    /// As `source_path` without `DefaultExt`: profiles and fonts.
    pub fn plain_path(&self, path: &str) -> Option<SourcePath> {
        beneath(&self.attributes.root_path, path)
    }

    /// Where the file of a static record's `Path` would be: `StaticContentRootPath` in front. Without a root it lies
    /// beneath each of `PS::staticContent.rootPaths`, in order. `None` as `source_path`.
    pub fn static_path(&self, path: &str) -> Option<SourcePath> {
        beneath(&self.attributes.static_content_root_path, path)
    }

    /// The image or SVG record of an id in this catalog alone; the image record wins. Constant time.
    pub fn image_record(&self, id: &str) -> Option<ImageRecord<'_>> {
        let tables = |parts| -> Option<_> {
            let parts: &Vec<super::load::Part> = parts;
            parts.iter().rev().find_map(|part| part.table.get(id))
        };
        let (row, kind) = match tables(&self.loaded.images) {
            Some(row) => (row, RecordKind::Image),
            None => (tables(&self.loaded.svgs)?, RecordKind::Svg),
        };
        Some(record::image_record(row, kind, &mut |_, _| {}))
    }

    /// The static content record of an id in this catalog alone. Constant time.
    pub fn static_record(&self, id: &str) -> Option<StaticRecord<'_>> {
        let row = self.loaded.statics.iter().rev().find_map(|part| part.table.get(id))?;
        Some(record::static_record(row, &mut |_, _| {}))
    }

    /// The fonts of this catalog's font map, in the order of the file.
    pub fn fonts(&self) -> impl Iterator<Item = FontRecord<'_>> {
        let rows = self.loaded.fonts.iter().flat_map(|part| part.table.rows());
        rows.filter_map(record::font_record)
    }

    fn own_macro(&self, name: &str) -> Option<&str> {
        if self.loaded.failed_macros.contains(&name.to_ascii_lowercase()) {
            return None;
        }
        self.loaded.macros.as_ref()?.table.get(name)?.text(1)
    }

    fn own_profile(&self, name: &str) -> Option<Profile> {
        let path = self.loaded.profiles.as_ref()?.table.get(name)?.text(1)?;
        Some(self.plain_path(path).map_or(Profile::Missing, Profile::File))
    }

    fn found(&self, id: &str) -> Option<Found<'_>> {
        let record = Box::new(self.image_record(id)?);
        Some(Found::Record { catalog: self, record })
    }

    fn found_static(&self, id: &str) -> Option<FoundStatic<'_>> {
        let record = Box::new(self.static_record(id)?);
        Some(FoundStatic::Record { catalog: self, record })
    }

    /// As `file_of`, for static content; nothing is appended.
    fn static_file_of(&self, elements: &[&str]) -> FoundStatic<'_> {
        let is_allowed = self.attributes.allow_direct_access.allows(AccessType::Static);
        if !is_allowed || !can_be_file(elements) {
            return FoundStatic::Missing;
        }
        match joined(&self.attributes.static_content_root_path, elements) {
            Some(path) => FoundStatic::File { catalog: self, path },
            None => FoundStatic::Missing,
        }
    }

    /// A path of a request with this catalog in force; `Missing` if direct access is not allowed.
    fn file_of(&self, elements: &[&str]) -> Found<'_> {
        if !can_be_file(elements) {
            return Found::Missing;
        }
        let Some(path) = joined(&self.attributes.root_path, elements) else {
            return Found::Missing;
        };
        if !self.attributes.allow_direct_access.allows(access_type(elements)) {
            return Found::Missing;
        }
        let path = with_default_ext(path, self);
        if !self.attributes.allow_direct_access.allows(access_type(&[&path.path])) {
            return Found::Missing;
        }
        Found::File { catalog: self, path }
    }
}

impl Catalogs {
    /// The default catalog; `Busy` (503) without a usable `default.ini`.
    pub fn default_catalog(&self) -> Result<&Catalog, Error> {
        self.default_index.and_then(|index| self.catalogs.get(index)).ok_or_else(no_default)
    }

    /// The catalogs in force, in the order of their file names.
    pub fn all(&self) -> &[Catalog] {
        &self.catalogs
    }

    /// The catalog of that RootId; `Busy` if it is still being loaded or could never be. `rootId` is case-sensitive.
    pub fn named(&self, root_id: &str) -> Result<Option<&Catalog>, Error> {
        let state = match self.by_root.get(root_id) {
            None => return Ok(None),
            Some(Rooted::Catalog(index)) => return Ok(self.catalogs.get(*index)),
            Some(Rooted::Loading) => "is still being loaded",
            Some(Rooted::Broken) => "is not loaded",
        };
        Err(Error::new(Kind::Busy, format!("catalog {} {state}", shown(root_id))))
    }

    /// The main catalog of a URL path, whose elements are decoded one by one; empty elements are passed over
    /// (`U-rootid-depth`).
    ///
    /// `Busy` when the catalog named could never be loaded or there is no default catalog; `Refused` when no
    /// element names a catalog and `allow_default` (`PS::allowDefaultCatalogRequests`) is false.
    pub fn main<'a, 't>(
        &'a self,
        elements: &'t [String],
        allow_default: bool,
    ) -> Result<Main<'a, 't>, Error> {
        let default = self.default_catalog()?;
        let start = elements.iter().position(|element| !element.is_empty());
        let first = start.and_then(|start| elements.get(start));
        if let Some(catalog) = first.map(|first| self.named(first)).transpose()?.flatten() {
            let rest = start.and_then(|start| elements.get(start + 1..)).unwrap_or_default();
            return Ok(Main { catalog, rest, elements, is_named: true });
        }
        if !allow_default {
            return Err(Error::new(Kind::Refused, "the path names no catalog"));
        }
        Ok(Main { catalog: default, rest: elements, elements, is_named: false })
    }

    /// The object of the URL path (`U-lookup-order`), with the `suffixes` of the request's locale
    /// ([`Catalog::suffixes`] of the main catalog); `Missing` for an empty one.
    ///
    /// `Syntax` for `,` or `?` in it, `Refused` for an element `..`.
    pub fn resolve_path<'a>(
        &'a self,
        main: &Main<'a, '_>,
        suffixes: &Suffixes<'_>,
    ) -> Result<Found<'a>, Error> {
        Ok(match self.search_path(main, suffixes, Catalog::found)? {
            Searched::Found(found) => found,
            Searched::File { catalog, elements } => catalog.file_of(&elements),
            Searched::Missing => Found::Missing,
        })
    }

    /// As `resolve_path`, for `/is/content`: static records, else the file if `AllowDirectAccess` permits `STATIC`
    /// (`U-static-path`).
    pub fn resolve_static<'a>(
        &'a self,
        main: &Main<'a, '_>,
        suffixes: &Suffixes<'_>,
    ) -> Result<FoundStatic<'a>, Error> {
        Ok(match self.search_path(main, suffixes, Catalog::found_static)? {
            Searched::Found(found) => found,
            Searched::File { catalog, elements } => catalog.static_file_of(&elements),
            Searched::Missing => FoundStatic::Missing,
        })
    }

    /// The ids of the object of the URL path that are records: the id itself and each suffix of `LocaleMap`, in their
    /// order, without RootId (`req=xlate`, `U-xlate`). Errors as `resolve_path`.
    pub fn translations<'a>(&'a self, main: &Main<'a, '_>) -> Result<Vec<String>, Error> {
        let map = main.catalog.attributes.locale_map.as_ref();
        let mut suffixes = map.map(|map| map.suffixes()).unwrap_or_default();
        suffixes.retain(|suffix| !suffix.is_empty());
        suffixes.insert(0, "");
        let mut ids = Vec::new();
        for suffix in suffixes {
            let one = [suffix.to_owned()];
            let look = |catalog: &Catalog, id: &str| Some(catalog.image_record(id)?.id.to_owned());
            if let Searched::Found(id) = self.search_path(main, &Suffixes::only(&one), look)? {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// `U-lookup-order` for the URL path, all suffixes of one step before the next step.
    fn search_path<'a, 't, T>(
        &'a self,
        main: &Main<'a, 't>,
        suffixes: &Suffixes<'_>,
        look: impl Fn(&'a Catalog, &str) -> Option<T>,
    ) -> Result<Searched<'a, 't, T>, Error> {
        let default = self.default_catalog()?;
        let all = checked(main.elements.iter().map(String::as_str))?;
        let rest = checked(main.rest.iter().map(String::as_str))?;
        if rest.is_empty() {
            return Ok(Searched::Missing);
        }
        let id = rest.join("/");
        let whole = all.join("/");
        let steps = [(main.catalog, &id), (default, &id), (default, &whole)];
        let mut found = steps.into_iter();
        if let Some(found) =
            found.find_map(|(catalog, id)| suffixes.find(id, |id| look(catalog, id)))
        {
            return Ok(Searched::Found(found));
        }
        if main.catalog.attributes.locale_map.is_some() {
            return Ok(Searched::Missing);
        }
        Ok(match main.is_named && main.catalog.attributes.full_match {
            true => Searched::File { catalog: default, elements: all },
            false => Searched::File { catalog: main.catalog, elements: rest },
        })
    }

    /// An object of `src=`, `mask=`, `template=`, `defaultImage=` or an attribute, decoded, with its leading `/` if it
    /// has one (`U-lookup-order`, `U-leading-slash`) and the `suffixes` of the request's locale in the
    /// main catalog; errors as `resolve_path`, `Busy` as `main`.
    pub fn resolve<'a>(
        &'a self,
        main: &'a Catalog,
        object: &str,
        suffixes: &Suffixes<'_>,
    ) -> Result<Found<'a>, Error> {
        let default = self.default_catalog()?;
        let elements = checked(object.split('/'))?;
        if elements.is_empty() {
            return Ok(Found::Missing);
        }
        let catalog = if object.starts_with('/') { default } else { main };
        let look = |catalog: &'a Catalog, id: &str| suffixes.find(id, |id| catalog.found(id));
        if let Some(found) = self.search(catalog, default, &elements, look)? {
            return Ok(found);
        }
        if main.attributes.locale_map.is_some() {
            return Ok(Found::Missing);
        }
        Ok(if catalog.attributes.full_match { default } else { catalog }.file_of(&elements))
    }

    /// The static content record of an object, decoded, with the catalog that holds it, searched like the record of
    /// an image (`U-lookup-order`); errors as `resolve`.
    pub fn resolve_static_object<'a>(
        &'a self,
        main: &'a Catalog,
        object: &str,
        suffixes: &Suffixes<'_>,
    ) -> Result<Option<(&'a Catalog, StaticRecord<'a>)>, Error> {
        let default = self.default_catalog()?;
        let elements = checked(object.split('/'))?;
        if elements.is_empty() {
            return Ok(None);
        }
        let catalog = if object.starts_with('/') { default } else { main };
        let look = |catalog: &'a Catalog, id: &str| {
            suffixes.find(id, |id| catalog.static_record(id).map(|record| (catalog, record)))
        };
        self.search(catalog, default, &elements, look)
    }

    /// The profile that `icc=` or an `IccProfile…` attribute names, searched like an object in the profile maps, else
    /// a path below `RootPath`.
    pub fn profile(&self, main: &Catalog, object: &str) -> Result<Profile, Error> {
        let default = self.default_catalog()?;
        let elements = checked(object.split('/'))?;
        if elements.is_empty() {
            return Ok(Profile::Missing);
        }
        let catalog = if object.starts_with('/') { default } else { main };
        if let Some(found) = self.search(catalog, default, &elements, Catalog::own_profile)? {
            return Ok(found);
        }
        let catalog = if catalog.attributes.full_match { default } else { catalog };
        let path = Some(&elements).filter(|elements| can_be_file(elements));
        let path = path.and_then(|elements| joined(&catalog.attributes.root_path, elements));
        Ok(path.map_or(Profile::Missing, Profile::File))
    }

    /// Steps 1 to 4 of `U-lookup-order` for an object in a command.
    fn search<'a, T>(
        &'a self,
        main: &'a Catalog,
        default: &'a Catalog,
        elements: &[&str],
        look: impl Fn(&'a Catalog, &str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let whole = elements.join("/");
        if let Some(found) = look(main, &whole) {
            return Ok(Some(found));
        }
        if let Some((first, rest)) = elements.split_first().filter(|(_, rest)| !rest.is_empty())
            && let Some(catalog) = self.named(first)?
        {
            let id = rest.join("/");
            if let Some(found) = look(catalog, &id).or_else(|| look(default, &id)) {
                return Ok(Some(found));
            }
        }
        Ok(look(default, &whole))
    }

    /// The definition of a macro: of `catalog`, else of the default catalog; names compare without case.
    pub fn macro_definition<'a>(&'a self, catalog: &'a Catalog, name: &str) -> Option<&'a str> {
        catalog.own_macro(name).or_else(|| self.default_catalog().ok()?.own_macro(name))
    }
}
