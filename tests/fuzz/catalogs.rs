//! Files of the catalog folder: whatever stands in them, the folder loads, and what it holds can be looked up.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use imprint::catalog::{Catalogs, ImageSet, RuleContext, SetField, Suffixes};

use super::fuzz;

/// A catalog folder with the sample catalog and `content` as `file`.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(ini: &str) -> Folder {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("default.ini"), "SavePath=\n").expect("a file");
        fs::write(folder.path().join("cat.ini"), format!("RootId=cat\n{ini}")).expect("a file");
        Folder(folder)
    }

    fn load(&self, file: &str, content: &[u8]) -> Catalogs {
        fs::write(self.0.path().join(file), content).expect("a file");
        Catalogs::load(self.0.path(), None, &mut Vec::new())
    }
}

/// What a reader of the tables does.
fn look_up(catalogs: &Catalogs) {
    for catalog in catalogs.all() {
        for id in ["a", "shoe", "", "a/b", "\u{e9}"] {
            if let Some(record) = catalog.image_record(id) {
                let _ = record.path.map(|path| catalog.source_path(path));
                let _ = record.mask_path.map(|path| catalog.plain_path(path));
            }
            let _ = catalog.static_record(id);
            let _ = catalogs.resolve(catalog, &format!("/{id}"), &Suffixes::none());
            let _ = catalogs.macro_definition(catalog, id);
        }
        let _ = catalog.fonts().count();
    }
}

#[test]
fn attribute_files() {
    let folder = Folder::new("");
    fuzz("attributes", 600, |bytes| {
        look_up(&folder.load("cat.ini", bytes));
        look_up(&folder.load("default.ini", bytes));
    });
}

#[test]
fn data_tables() {
    let folder = Folder::new(
        "CatalogFile=table.txt\nStaticContentCatalogFile=table.txt\nFontMapFile=table.txt\n\
         IccProfileMapFile=table.txt\nSvgCatalogFile=table.txt\n",
    );
    fuzz("table", 600, |bytes| look_up(&folder.load("table.txt", bytes)));
}

#[test]
fn macro_files() {
    let folder = Folder::new("MacroFile=macros.txt\n");
    fuzz("macros", 600, |bytes| look_up(&folder.load("macros.txt", bytes)));
}

#[test]
fn rule_sets() {
    let folder = Folder::new("RuleSetFile=rules.xml\n");
    let client = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let subjects = ["cat/shoe?wid=200&$a=1", "cat/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", ""];
    fuzz("rules", 500, |bytes| {
        let catalogs = folder.load("rules.xml", bytes);
        for catalog in catalogs.all() {
            let Some(rules) = catalog.rules() else { continue };
            for subject in subjects {
                for context in [RuleContext::Image, RuleContext::Static] {
                    if let Ok(applied) = rules.apply(subject, context, client) {
                        let _ = applied.overrides.applied(&catalog.attributes);
                    }
                }
            }
        }
    });
}

/// Every item has a first parameter, at every level.
fn check_set(set: &ImageSet) {
    for item in &set.items {
        let first = item.fields.first().expect("an item has a parameter");
        assert_ne!(*first, SetField::Empty, "{set:?}");
        let _ = item.bracketed_pair();
        for field in &item.fields {
            match field {
                SetField::Inline(inner) => check_set(inner),
                SetField::Pages(ids) => assert!((2..=3).contains(&ids.len()), "{set:?}"),
                SetField::Empty | SetField::Id(_) | SetField::Color { .. } => {}
            }
        }
    }
    let _ = set.shape();
}

#[test]
fn image_sets() {
    fuzz("set", 3000, |bytes| {
        if let Ok(set) = ImageSet::parse(&String::from_utf8_lossy(bytes)) {
            check_set(&set);
        }
    });
}
