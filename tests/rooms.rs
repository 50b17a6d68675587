//! The room rule: a room uses rooms of lower rows only (the table in `ROWS`), and each row keeps its own promise.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by row; a room may use rooms of lower rows, and those that `ALLOWED` names.
const ROWS: [&[&str]; 11] = [
    &["error", "geometry", "limits"],
    &["confined", "color", "raster"],
    &["codec", "text"],
    &["config", "catalog"],
    &["request"],
    &["plan"],
    &["source", "cache", "save"],
    &["render", "reply"],
    &["service", "journal"],
    &["gateway"],
    &["cli"],
];

/// Uses within one row, with the reason.
const ALLOWED: &[(&str, &str)] = &[
    // Pixels are converted between color models.
    ("raster", "color"),
    ("color", "raster"),
    // Limits and geometry speak in errors and sizes.
    ("limits", "error"),
    ("limits", "geometry"),
    // Both read INI files and report faults.
    ("catalog", "config"),
];

/// Text that must not stand in a room, because of what the room promises.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("plan", &["std::fs", "std::time", "std::env", "std::io"]),
    ("request", &["std::fs", "std::time", "SystemTime", "Instant::"]),
    ("raster", &["std::fs"]),
    ("color", &["std::fs"]),
    ("codec", &["std::fs"]),
    ("service", &["fastcgi::", "GATEWAY_INTERFACE"]),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            found.push(path);
        }
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file of a room, with its text without unit tests and comments.
fn rooms() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    files(&source(), &mut found);
    let mut rooms: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for path in found {
        let relative = path.strip_prefix(source()).expect("below src").to_owned();
        let first = relative.components().next().expect("a file has a name");
        let room = Path::new(first.as_os_str()).with_extension("");
        let room = room.to_string_lossy().into_owned();
        if ["main", "lib", "build", "fastcgi"].contains(&room.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("source is UTF-8");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        rooms.entry(room).or_default().push((relative, code));
    }
    rooms
}

fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&room))
}

#[test]
fn a_room_uses_lower_rooms_only() {
    let rooms = rooms();
    let mut uses = 0;
    let mut faults = Vec::new();
    for (room, files) in &rooms {
        let Some(own) = row(room) else {
            faults.push(format!("room {room} stands in no row"));
            continue;
        };
        for (path, code) in files {
            for part in code.split("crate::").skip(1) {
                let other: String =
                    part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(theirs) = row(&other).filter(|_| other != *room) else { continue };
                uses += 1;
                let is_allowed = ALLOWED.contains(&(room.as_str(), other.as_str()));
                if theirs >= own && !is_allowed {
                    faults.push(format!("{} uses {other}", path.display()));
                }
            }
        }
    }
    assert!(rooms.len() >= 17, "only {} rooms were read", rooms.len());
    assert!(uses > 100, "only {uses} uses were found: the test reads the wrong files");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_room_keeps_its_promise() {
    let rooms = rooms();
    let mut faults = Vec::new();
    for (room, words) in FORBIDDEN {
        let files = rooms.get(*room).expect("the room is there");
        for (path, code) in files {
            for word in words.iter().filter(|word| code.contains(**word)) {
                faults.push(format!("{} holds {word}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn unsafe_code_stands_in_named_files_only() {
    const NAMED: [&str; 4] = ["raster/resample.rs", "confined.rs", "codec/webp.rs", "codec/jpeg/"];
    let mut faults = Vec::new();
    let mut blocks = 0;
    for (path, code) in rooms().into_values().flatten() {
        let name = path.to_string_lossy();
        let count = code.matches("unsafe {").count() + code.matches("unsafe extern").count();
        blocks += count;
        if count > 0 && !NAMED.iter().any(|named| name.starts_with(named)) {
            faults.push(name.into_owned());
        }
    }
    assert!(blocks > 0, "no unsafe block was found: the test reads the wrong files");
    assert!(faults.is_empty(), "unsafe code in {faults:?}");
}

#[test]
fn every_source_file_says_what_it_is_for_and_stays_short() {
    let mut found = Vec::new();
    files(&source(), &mut found);
    let mut faults = Vec::new();
    for path in &found {
        let text = fs::read_to_string(path).expect("source is UTF-8");
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//! ") {
            faults.push(format!("{} does not begin with what it is for", path.display()));
        }
        let is_table = first.contains("table");
        if text.lines().count() > 600 && !is_table {
            faults.push(format!("{} has {} lines", path.display(), text.lines().count()));
        }
    }
    assert!(found.len() > 50, "only {} files were read", found.len());
    assert!(faults.is_empty(), "{faults:#?}");
}
