//! The life of catalogs beside requests: loading in the background, changes while serving, and what a record costs.

use std::sync::Arc;

use super::*;
use crate::support::heap;
use crate::support::pictures::{png, textured};
use crate::support::records::{id, image_table};
use crate::support::site::{Site, get, property, text};
use imprint::service::{Service, Share};

/// Waits for something that a thread is about to do; a minute is an eternity.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never: {what}");
        std::thread::yield_now();
    }
}

const OFTEN: Duration = Duration::ZERO;

#[test]
fn catalogs_serve_while_others_are_still_loading() {
    // Each of them reads the file for itself, one after the other; the last one has a while to go.
    let names: Vec<String> = (0..6).map(|number| format!("big{number}")).collect();
    let folder = Folder::new(&[
        ("default.ini", "CatalogFile=d.txt"),
        ("d.txt", "Id\na\n"),
        ("small.ini", "RootId=small\nCatalogFile=d.txt"),
        ("broken.ini", "RootId=broken\nCatalogFile=nowhere.txt"),
        ("big.txt", &image_table(100_000)),
    ]);
    for name in &names {
        folder.write(
            &format!("{name}.ini"),
            format!("RootId={name}\nCatalogFile=big.txt").as_bytes(),
        );
    }
    let first = id(0);
    let store = CatalogStore::watch(folder.path(), OFTEN, Duration::ZERO, Duration::ZERO).unwrap();
    let mut busy = 0;
    eventually("all are loaded", || {
        let catalogs = store.current();
        assert_eq!(
            by_path(&catalogs, "a"),
            "record default:a",
            "the default catalog is there first"
        );
        let mut is_all = by_path(&catalogs, "small/a") == "record small:a";
        for name in &names {
            match by_path(&catalogs, &format!("{name}/{first}")).as_str() {
                // Neither a file nor a record of the default catalog stands in for it.
                "Busy" => (is_all, busy) = (false, busy + 1),
                found => assert_eq!(found, format!("record {name}:{first}")),
            }
        }
        is_all.then_some(())
    });
    assert!(busy > 0, "while it is loading, its RootId is busy");
    assert_eq!(by_path(&store.current(), "broken/a"), "Busy", "for ever");
    // What patience is for: everything is there when it returns.
    let patient =
        CatalogStore::watch(folder.path(), OFTEN, Duration::ZERO, Duration::from_secs(60)).unwrap();
    for name in &names {
        let found = by_path(&patient.current(), &format!("{name}/{first}"));
        assert_eq!(found, format!("record {name}:{first}"));
    }
}

#[test]
fn a_watched_folder_is_read_again_without_a_request() {
    let folder = Folder::new(&[
        ("default.ini", ""),
        ("cat.ini", "RootId=cat\nCatalogFile=c.txt"),
        ("c.txt", "Id\tPath\na\told\n"),
    ]);
    let patience = Duration::from_secs(60);
    let store = CatalogStore::watch(folder.path(), OFTEN, Duration::ZERO, patience).unwrap();
    let path = |catalogs: &Catalogs| {
        let catalog = catalogs.named("cat").ok().flatten()?;
        catalog.image_record("a").and_then(|record| record.path.map(str::to_owned))
    };
    let first = store.current();
    assert_eq!(path(&first).as_deref(), Some("old"));
    folder.write("c.txt", b"Id\tPath\na\tnew\n");
    folder.touch("cat.ini");
    eventually("S-18", || path(&store.current()).filter(|path| path == "new"));
    assert_eq!(path(&first).as_deref(), Some("old"), "S-20 a running request keeps its state");
    // A broken file and a rule set that is none keep the last good state; the default catalog tells that they were read.
    for (count, (name, ini)) in [
        ("S-20 data", "RootId=cat\nCatalogFile=bad.txt"),
        ("S-20 S-57 rules", "RootId=cat\nCatalogFile=c.txt\nRuleSetFile=rules.xml"),
        ("S-20 no RootId", "CatalogFile=c.txt"),
    ]
    .into_iter()
    .enumerate()
    {
        folder.write("bad.txt", b"Id\tId\n");
        folder.write("rules.xml", b"<ruleset><rule></ruleset>");
        folder.write("cat.ini", ini.as_bytes());
        let quality = 50 + count;
        folder.write("default.ini", format!("JpegQuality={quality}").as_bytes());
        eventually(name, || {
            let catalogs = store.current();
            let own = catalogs.default_catalog().unwrap().attributes.jpeg_quality;
            (usize::from(own) == quality).then_some(())
        });
        assert_eq!(path(&store.current()).as_deref(), Some("new"), "{name}");
        folder.write("imprint.conf", b"[CS]\ncatalog.rootPath=.");
        let report = check(&folder.path().join("imprint.conf"), no_env());
        assert!(!report.is_good(), "{name}: imprint check says so");
    }
    std::fs::remove_file(folder.path().join("cat.ini")).unwrap();
    eventually("S-21", || store.current().named("cat").ok()?.is_none().then_some(()));
}

#[test]
fn s_17_a_catalog_in_force_keeps_its_root_id_from_files_that_claim_it_later() {
    let folder = Folder::new(&[
        ("default.ini", ""),
        ("cat.ini", "RootId=cat\nCatalogFile=c.txt"),
        ("other.ini", "RootId=other\nCatalogFile=o.txt"),
        ("c.txt", "Id\nmine\n"),
        ("o.txt", "Id\nothers\n"),
    ]);
    let first = folder.load().0;
    let mut count = 0;
    for (name, file, ini, other) in [
        ("a broken file", "a.ini", "RootId=cat\nCatalogFile=nowhere.txt", "record other:others"),
        ("a good file", "b.ini", "RootId=cat\nCatalogFile=o.txt", "record other:others"),
        ("a broken change", "other.ini", "RootId=cat\nCatalogFile=no.txt", "record other:others"),
        ("a good change", "other.ini", "RootId=cat\nCatalogFile=o.txt", "record other:others"),
    ] {
        folder.write(file, ini.as_bytes());
        let mut faults = Vec::new();
        let catalogs = Catalogs::load(folder.path(), Some(&first), &mut faults);
        assert_eq!(by_path(&catalogs, "cat/mine"), "record cat:mine", "{name}");
        assert_eq!(by_path(&catalogs, "other/others"), other, "{name}");
        let told = shown(&faults, folder.path());
        assert!(told.iter().any(|fault| fault.starts_with(file)), "{name}: {told:?}");
        // The next look finds the same, though the file is not read again.
        let catalogs = Catalogs::load(folder.path(), Some(&catalogs), &mut faults);
        assert_eq!(by_path(&catalogs, "cat/mine"), "record cat:mine", "{name}");
        assert_eq!(by_path(&catalogs, "other/others"), other, "{name}");
        std::fs::remove_file(folder.path().join(file)).unwrap();
        folder.write("other.ini", b"RootId=other\nCatalogFile=o.txt");
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn requests_are_answered_while_a_large_catalog_is_read_again() {
    let quick = "[CS]\ncatalog.refreshInterval=0\ncatalog.modificationWaitTime=0\n";
    let site = Site::with(quick, "ErrorDetail=2\n");
    site.image("a.png", png(&textured(20, 20)));
    site.write("catalogs/big.txt", image_table(150_000));
    site.write("catalogs/big.ini", "RootId=big\nCatalogFile=big.txt\n");
    let service = Arc::new(Service::start(site.config(), Share { workers: 1 }).unwrap());
    let exists = |id: &str| {
        let reply = get(&service, &format!("big/{id}?req=exists"));
        (reply.status == 200).then(|| property(&reply, "catalogRecord.exists")).flatten()
    };
    let (first, later) = (id(0), id(150_000));
    eventually("loaded", || exists(&first).filter(|found| found == "1"));
    assert_eq!(exists(&later).as_deref(), Some("0"));
    site.write("catalogs/big.txt", image_table(150_001));
    site.write("catalogs/big.ini", "RootId=big\nCatalogFile=big.txt\nPublishInfo=later\n");
    let mut answered = 0;
    eventually("read again", || {
        assert_eq!(exists(&first).as_deref(), Some("1"), "the last good state serves");
        let image = get(&service, "a.png?wid=5");
        assert_eq!(image.status, 200, "{}", text(&image));
        let found = exists(&later).expect("an answer");
        answered += 1;
        (found == "1").then_some(())
    });
    // A reload within a request would leave one or two.
    assert!(answered > 5, "{answered} rounds while 150,000 records were read");
}

#[test]
fn a_record_costs_little_more_than_its_text() {
    const ROWS: u32 = 50_000;
    let table = image_table(ROWS);
    let folder = Folder::new(&[("default.ini", "CatalogFile=d.txt"), ("d.txt", &table)]);
    let (most, (held, catalogs)) = heap::most_held(|| heap::held(|| folder.load().0));
    let rows = u64::from(ROWS);
    let of_text = table.len() as u64 / rows;
    // An end of four bytes for each of six fields, six bytes of the index.
    let bound = of_text + 32;
    assert!(held / rows <= bound, "{} bytes a record, expected {bound}", held / rows);
    // Beyond that at most the text once more, its spare room and the lines of the records.
    let most_bound = 2 * of_text + 80;
    assert!(most / rows <= most_bound, "{} bytes at most, expected {most_bound}", most / rows);
    let catalog = catalogs.default_catalog().unwrap();
    for number in [0, 1, ROWS / 2, ROWS - 1] {
        let record = catalog.image_record(&id(number)).unwrap();
        let stamp = 1_700_000_000_000 + i64::from(number) * 61_000;
        assert_eq!(record.time_stamp_ms, Some(stamp), "{number}");
    }
    // Rows that later ones replace, and columns without a text, cost nothing.
    let mut twice = table.replacen("Expiration\r\n", "Expiration\tMap\tTargets\r\n", 1);
    twice.push_str(table.split_once('\n').unwrap().1);
    folder.write("d.txt", twice.as_bytes());
    folder.touch("default.ini");
    drop(catalogs);
    let (held, catalogs) = heap::held(|| folder.load().0);
    assert!(held / rows <= bound, "{} bytes a record, expected {bound}", held / rows);
    assert_eq!(catalogs.default_catalog().unwrap().image_record(&id(7)).unwrap().map, None);
}

#[test]
fn rows_keep_their_fields_when_others_are_taken_out() {
    let data = "Id\tTargets\tPath\tModifier\tMap\tUserData\n\
                a\t\tfirst\tm1\t\t\"q \"\"1\"\"\"\n\
                b,b\t\tlong path that goes\tm2\t\tu2\n\
                c\t\tthird\t\t\t\"\"\n\
                \t\tnone\t\t\tu\n\
                a\t\tlater\tm4\t\t\"two\nlines\"\n\
                d\t\t\u{e4}\u{20ac}\tm5\t\tu5\n\
                c\t\tfourth\t\t\t\n";
    let folder = Folder::new(&[("default.ini", "CatalogFile=d.txt"), ("d.txt", "")]);
    folder.write("d.txt", format!("\u{feff}{data}").as_bytes());
    let (catalogs, faults) = folder.load();
    assert_eq!(
        faults,
        [
            "d.txt:3: error: Id is b,b, expected no comma and no ?; the record is left out",
            "d.txt:5: warning: record without Id; it is left out",
        ]
    );
    let catalog = catalogs.default_catalog().unwrap();
    let mut count = 0;
    for (id, path, modifier, user_data) in [
        ("a", "later", Some("m4"), Some(("two\nlines", true))),
        ("c", "fourth", None, None),
        ("d", "\u{e4}\u{20ac}", Some("m5"), Some(("u5", false))),
    ] {
        let record = catalog.image_record(id).unwrap();
        let own = record.user_data.map(|data| (data.text, data.is_quoted));
        assert_eq!((record.path, record.modifier, own), (Some(path), modifier, user_data), "{id}");
        assert_eq!((record.targets, record.map), (None, None), "{id}");
        count += 1;
    }
    assert_eq!(count, 3);
    for id in ["b,b", "b", "first", ""] {
        assert_eq!(catalog.image_record(id), None, "{id}");
    }
}
