//! Settings and catalogs: files in, settings, records, objects and faults out.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use imprint::catalog::{
    Catalog, CatalogStore, Catalogs, Expiration, Found, FoundStatic, Profile, PropertyText,
    SourcePath, Suffixes, check,
};
use imprint::codec::Chroma;
use imprint::config::{
    Address, AddressFilter, Config, Durability, Fault, Memory, Sendfile, Severity, Variable,
};
use imprint::error::Kind;

mod attributes;
mod complete;
mod life;
mod locales;
mod objects;
mod reload;
mod settings;
mod tables;

fn no_env() -> Vec<Variable> {
    Vec::new()
}

fn env(pairs: &[(&str, &str)]) -> Vec<Variable> {
    pairs.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect()
}

fn shown(faults: &[Fault], folder: &Path) -> Vec<String> {
    let prefix = format!("{}/", folder.display());
    faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
}

/// A catalog folder under construction. Every write moves the file's time forward, so that no test has to wait.
struct Folder {
    dir: tempfile::TempDir,
    clock: Cell<u64>,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder { dir: tempfile::tempdir().unwrap(), clock: Cell::new(1_400_000_000) };
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path().join(name), bytes).unwrap();
        self.touch(name);
    }

    fn touch(&self, name: &str) {
        self.clock.set(self.clock.get() + 1);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.clock.get());
        let file = std::fs::File::options().write(true).open(self.path().join(name)).unwrap();
        file.set_modified(time).unwrap();
    }

    fn load(&self) -> (Catalogs, Vec<String>) {
        let mut faults = Vec::new();
        let catalogs = Catalogs::load(self.path(), None, &mut faults);
        let told: Vec<Fault> =
            faults.into_iter().filter(|fault| fault.severity != Severity::Note).collect();
        (catalogs, shown(&told, self.path()))
    }
}

fn elements(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

/// `record CATALOG:ID`, `file CATALOG:[ROOT|]PATH`, `missing` or the kind of the error; `default` has no RootId.
fn told(found: Result<Found<'_>, imprint::error::Error>) -> String {
    let name = |catalog: &Catalog| {
        let id = catalog.attributes.root_id.clone();
        if id.is_empty() { "default".to_owned() } else { id }
    };
    match found {
        Ok(Found::Record { catalog, record }) => format!("record {}:{}", name(catalog), record.id),
        Ok(Found::File { catalog, path }) => match path.root {
            Some(root) => format!("file {}:{root}|{}", name(catalog), path.path),
            None => format!("file {}:{}", name(catalog), path.path),
        },
        Ok(Found::Missing) => "missing".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn by_path(catalogs: &Catalogs, path: &str) -> String {
    let elements = elements(path);
    told(catalogs.main(&elements, true).and_then(|main| {
        let suffixes = main.catalog.suffixes(None)?;
        catalogs.resolve_path(&main, &suffixes)
    }))
}

fn by_object(catalogs: &Catalogs, main: &str, object: &str) -> String {
    let elements = elements(main);
    told(catalogs.main(&elements, true).and_then(|main| {
        let suffixes = main.catalog.suffixes(None)?;
        catalogs.resolve(main.catalog, object, &suffixes)
    }))
}
