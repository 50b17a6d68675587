//! The catalog folder as a whole: which catalogs are in force, and when they change.

use super::*;

#[test]
fn s_12_without_default_catalog_every_request_fails() {
    let folder = Folder::new(&[("cat.ini", "RootId=cat\nCatalogFile=c.txt"), ("c.txt", "Id\na\n")]);
    let (catalogs, faults) = folder.load();
    assert!(
        faults
            .iter()
            .any(|fault| fault
                .ends_with("error: there is no default.ini, so every request gets 503")),
        "{faults:?}"
    );
    assert_eq!(by_path(&catalogs, "cat/a"), "Busy");
    assert_eq!(by_path(&catalogs, "a"), "Busy");
    let (none, faults) = (
        Catalogs::load(&folder.path().join("nowhere"), None, &mut Vec::new()),
        Folder::new(&[]).load().1,
    );
    assert_eq!(by_path(&none, "a"), "Busy");
    assert_eq!(faults.len(), 1);
}

#[test]
fn s_17_the_first_of_two_equal_root_ids_wins() {
    let folder = Folder::new(&[
        ("default.ini", ""),
        ("b.ini", "RootId=same\nPublishInfo=b"),
        ("a.ini", "RootId=same\nPublishInfo=a"),
        ("none.ini", "PublishInfo=none"),
        ("deep.ini", "RootId=a/b"),
        ("up.ini", "RootId=.."),
    ]);
    let (catalogs, faults) = folder.load();
    let info = |id: &str| {
        catalogs
            .named(id)
            .map(|c| c.and_then(|c| c.attributes.publish_info.clone()))
            .map_err(|e| e.kind())
    };
    assert_eq!(info("same"), Ok(Some("a".to_owned())));
    assert_eq!(info("a/b"), Err(Kind::Busy));
    assert_eq!(catalogs.all().len(), 2);
    for expected in [
        "b.ini:1: error: RootId same belongs to another catalog; this one is left out",
        "none.ini: error: there is no RootId, expected one that no other catalog has",
        "deep.ini:1: error: RootId is a/b, expected one element of a URL path",
        "up.ini:1: error: RootId is .., expected one element of a URL path",
    ] {
        assert!(faults.contains(&expected.to_owned()), "{expected}: {faults:?}");
    }
}

#[test]
fn catalogs_reload_when_their_ini_changes() {
    let folder = Folder::new(&[
        ("default.ini", ""),
        ("cat.ini", "RootId=cat\nCatalogFile=one.txt,two.txt"),
        ("one.txt", "Id\tPath\na\told\n"),
        ("two.txt", "Id\tPath\nb\told\n"),
    ]);
    let interval = Duration::from_secs(10);
    let store = CatalogStore::open(folder.path(), interval, Duration::ZERO);
    let mut now = Instant::now();
    let mut look = || {
        now += interval;
        store.refresh(now);
        store.current()
    };
    let path = |catalogs: &Catalogs, id: &str| {
        let catalog = catalogs.named("cat").ok().flatten()?;
        catalog.image_record(id).and_then(|record| record.path.map(str::to_owned))
    };
    let first = look();
    folder.write("one.txt", b"Id\tPath\na\tnew\n");
    assert_eq!(
        path(&look(), "a").as_deref(),
        Some("old"),
        "S-18 a data file alone changes nothing"
    );
    // S-19: a file whose time and length stay is not read again, whatever it holds.
    let kept = std::fs::metadata(folder.path().join("two.txt")).unwrap().modified().unwrap();
    std::fs::write(folder.path().join("two.txt"), "Id\tPath\nb\tnew\n").unwrap();
    let two = std::fs::File::options().write(true).open(folder.path().join("two.txt")).unwrap();
    two.set_modified(kept).unwrap();
    folder.touch("cat.ini");
    let second = look();
    assert_eq!(path(&second, "a").as_deref(), Some("new"), "S-18 touched");
    assert_eq!(path(&second, "b").as_deref(), Some("old"), "S-19");
    assert_eq!(path(&first, "a").as_deref(), Some("old"), "S-20 a running request keeps its state");
    folder.write("one.txt", b"Id\tId\na\tbroken\n");
    folder.touch("cat.ini");
    assert_eq!(
        path(&look(), "a").as_deref(),
        Some("new"),
        "S-20 a broken file keeps the old catalog"
    );
    folder.write("one.txt", b"Id\tPath\na\trepaired\n");
    assert_eq!(path(&look(), "a").as_deref(), Some("new"), "S-18 repaired, not touched");
    folder.write("default.ini", b"JpegQuality=33");
    let inherited = look();
    assert_eq!(inherited.named("cat").unwrap().unwrap().attributes.jpeg_quality, 33);
    assert_eq!(path(&inherited, "a").as_deref(), Some("new"));
    folder.touch("cat.ini");
    assert_eq!(path(&look(), "a").as_deref(), Some("repaired"));
    folder.write("cat.ini", b"RootId=cat\nRuleSetFile=rules.xml\n");
    assert_eq!(
        path(&look(), "a").as_deref(),
        Some("repaired"),
        "a catalog does not go live without its rules"
    );
    std::fs::remove_file(folder.path().join("cat.ini")).unwrap();
    let last = look();
    assert!(last.named("cat").unwrap().is_none(), "S-21");
    assert_eq!(by_path(&last, "cat/a"), "file default:cat/a", "S-21");
    folder.write("new.ini", b"RootId=cat\nCatalogFile=none.txt");
    assert_eq!(by_path(&look(), "cat/a"), "Busy", "a catalog that never loaded is reserved");
}

#[test]
fn the_folder_is_looked_at_once_an_interval_and_read_after_the_wait() {
    let folder = Folder::new(&[("default.ini", "JpegQuality=1")]);
    let store = CatalogStore::open(folder.path(), Duration::from_secs(10), Duration::from_secs(5));
    let start = Instant::now();
    let quality = |seconds: u64| {
        store.refresh(start + Duration::from_secs(seconds));
        store.current().default_catalog().unwrap().attributes.jpeg_quality
    };
    assert_eq!(quality(0), 1);
    folder.write("default.ini", b"JpegQuality=2");
    assert_eq!(quality(9), 1, "within the interval");
    assert_eq!(quality(10), 1, "noticed");
    assert_eq!(quality(14), 1, "within the wait");
    assert_eq!(quality(15), 2, "read");
}

#[test]
fn check_reports_settings_and_catalogs_together() {
    let folder = Folder::new(&[
        ("default.ini", "SavePath=out\nCatalogFile=d.txt\n"),
        ("d.txt", "Id\na\nb\n"),
        ("imprint.conf", "[IS]\nRootPath=img\nBad=1\n[PS]\ncatalog.rootPath=.\n"),
    ]);
    let report = check(&folder.path().join("imprint.conf"), no_env());
    let told: Vec<Fault> =
        report.faults.iter().filter(|f| f.severity != Severity::Note).cloned().collect();
    let root = folder.path().display();
    assert_eq!(
        shown(&told, folder.path()),
        [
            "imprint.conf:3: error: found Bad, expected a setting of section [IS]".to_owned(),
            "imprint.conf: warning: RootPath is img, which is no folder; no source is found there".to_owned(),
            "default.ini:1: warning: SavePath is out, but SaveDirectory is empty; nothing can be saved".to_owned(),
        ],
        "{root}"
    );
    assert!(!report.is_good());
    assert_eq!((report.catalogs, report.records), (1, 2));
    folder.write("imprint.conf", b"[PS]\ncatalog.rootPath=.\n[IS]\nSaveDirectory=.\n");
    std::fs::create_dir(folder.path().join("out")).unwrap();
    assert!(check(&folder.path().join("imprint.conf"), no_env()).is_good());
}
