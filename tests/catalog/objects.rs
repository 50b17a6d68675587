//! Objects of requests: paths and ids in, records, files or refusals out.

use super::*;

fn resolution_site() -> Folder {
    Folder::new(&[
        (
            "default.ini",
            "CatalogFile=d.txt\nRootPath=droot\nJpegQuality=61\nMacroFile=dm.txt\nIccProfileMapFile=dp.txt",
        ),
        ("d.txt", "Id\tPath\nonly\tp\nx\tp\nhidden\tp\ncat/whole\tp\ntemplate\tp\n"),
        ("dm.txt", "Name\tDefinition\nview\twid=1\nboth\twid=2\n"),
        ("dp.txt", "Name\tProfilePath\nsRGB\ticc/srgb.icc\n"),
        (
            "cat.ini",
            "RootId=cat\nCatalogFile=c.txt,c2.txt\nRootPath=croot//sub/\nJpegQuality=42\nDefaultExt=.tif\nMacroFile=m.txt\n\
             IccProfileMapFile=p.txt",
        ),
        (
            "c.txt",
            "Id\tPath\na\tp\nx\tp\nother/a\tp\nhidden\tp\ndeep/er\tp\nabs\t/data/i/a.tif\nup\t../a\nnoext\tdir/f\nafter\told\n",
        ),
        ("c2.txt", "Id\tPath\nafter\tnew\n"),
        (
            "m.txt",
            "Name\tDefinition\none\twid=1\ntwo\t$one$&hei=2\nself\t$self$\nahead\twid=3&$later$\nlater\twid=4\nBOTH\thei=5\n",
        ),
        ("p.txt", "Name\tProfilePath\nsRGB\town.icc\nabs\t/icc/abs.icc\n"),
        ("other.ini", "RootId=other\nCatalogFile=o.txt\nFullMatch=1\nRootPath=/abs/root"),
        ("o.txt", "Id\tPath\na\tp\nMyImage\tp\n"),
        (
            "closed.ini",
            "RootId=closed\nCatalogFile=o.txt\nAllowDirectAccess=include:\nRootPath=closed",
        ),
        (
            "nosvg.ini",
            "RootId=nosvg\nAllowDirectAccess=exclude:SVG\nRootPath=nosvg\nDefaultExt=.svg",
        ),
        ("locale.ini", "RootId=locale\nCatalogFile=o.txt\nLocaleMap=en,_E|,"),
        ("broken.ini", "RootId=broken\nCatalogFile=missing.txt"),
    ])
}

#[test]
fn objects_of_paths_resolve_in_the_documented_order() {
    let (catalogs, faults) = resolution_site().load();
    assert_eq!(faults.len(), 5, "{faults:?}");
    let mut count = 0;
    for (name, path, expected) in [
        ("RQ-034 record of the catalog named", "cat/a", "record cat:a"),
        ("RQ-035 no catalog named", "only", "record default:only"),
        ("RQ-038 S-15 fallback behind a RootId", "cat/only", "record default:only"),
        (
            "U-lookup-order 4: the whole path in the default catalog",
            "cat/whole",
            "record default:cat/whole",
        ),
        ("RootId with case", "CAT/a", "file default:droot/CAT/a"),
        ("U-rootid-depth empty elements", "/cat//deep///er", "record cat:deep/er"),
        ("the catalog alone has no object", "cat", "missing"),
        ("nothing", "", "missing"),
        (
            "an encoded slash finds the record too",
            "cat/deep%/er",
            "file cat:croot/sub/deep%/er.tif",
        ),
        (
            "S-24 RQ-039 CX-43 K-18 FullMatch 0",
            "cat/my/image/path/myImage.tif",
            "file cat:croot/sub/my/image/path/myImage.tif",
        ),
        ("S-25 RQ-039 FullMatch 1", "other/dir/f.tif", "file default:droot/other/dir/f.tif"),
        ("FullMatch 1 does not hide records", "other/a", "record other:a"),
        ("S-27 RQ-040 DefaultExt appended", "cat/dir/f", "file cat:croot/sub/dir/f.tif"),
        ("S-27 not with a suffix", "cat/dir/f.x", "file cat:croot/sub/dir/f.x"),
        ("S-27 a period alone is no suffix", "cat/dir/f.", "file cat:croot/sub/dir/f..tif"),
        ("S-27 a suffix of a folder does not count", "cat/d.x/f", "file cat:croot/sub/d.x/f.tif"),
        ("S-27 none by default", "dir/f", "file default:droot/dir/f"),
        ("S-26 CX-75 ..", "cat/../a", "Refused"),
        ("S-26 .. before a record", "..", "Refused"),
        ("S-26 .. behind an encoded backslash", "cat/a\\..\\b", "Refused"),
        ("U-path-safety .", "cat/./f.tif", "missing"),
        ("U-path-safety backslash", "cat/d\\f.tif", "missing"),
        ("U-path-safety NUL", "cat/f.tif\0", "missing"),
        ("U-path-safety control", "cat/f\n.tif", "missing"),
        ("RQ-019 comma", "cat/a,b", "Syntax"),
        ("question mark", "cat/a?b", "Syntax"),
        ("S-29 RQ-043 CX-39 direct access closed", "closed/f.tif", "missing"),
        ("S-29 RQ-043 records still work", "closed/a", "record closed:a"),
        ("CX-38 SVG by path refused", "nosvg/a.SVG", "missing"),
        ("an appended suffix counts", "nosvg/a", "missing"),
        ("images by path allowed", "nosvg/a.png", "file nosvg:nosvg/a.png"),
        ("U-locale-file no files with a LocaleMap", "locale/f.tif", "missing"),
        ("RQ-049 records still work", "locale/a", "record locale:a"),
        ("a catalog that never loaded is reserved", "broken/a", "Busy"),
        ("a data file later in the list wins", "cat/after", "record cat:after"),
    ] {
        assert_eq!(by_path(&catalogs, path), expected, "{name}: {path:?}");
        count += 1;
    }
    assert_eq!(count, 35);
    // An element that holds a decoded slash is one element: a record may have that id, a file may not.
    let parts = ["cat".to_owned(), "deep/er".to_owned()];
    let main = catalogs.main(&parts, true).unwrap();
    assert_eq!(
        told(catalogs.resolve_path(&main, &Suffixes::none())),
        "record cat:deep/er",
        "RQ-005"
    );
    let parts = ["cat".to_owned(), "no/file.tif".to_owned()];
    let main = catalogs.main(&parts, true).unwrap();
    assert_eq!(told(catalogs.resolve_path(&main, &Suffixes::none())), "missing", "U-path-safety");
    let parts = elements("cat/a");
    assert_eq!(catalogs.main(&parts, true).unwrap().catalog.attributes.jpeg_quality, 42, "RQ-034");
    let parts = elements("none/a");
    assert_eq!(catalogs.main(&parts, true).unwrap().catalog.attributes.jpeg_quality, 61, "RQ-035");
}

#[test]
fn objects_of_commands_resolve_in_the_documented_order() {
    let (catalogs, _) = resolution_site().load();
    let mut count = 0;
    for (name, main, object, expected) in [
        ("record of the main catalog", "cat", "a", "record cat:a"),
        ("S-22 RQ-036 id before RootId", "cat", "other/a", "record cat:other/a"),
        ("RootId of another catalog", "cat", "other/MyImage", "record other:MyImage"),
        ("S-23 RQ-037 leading slash", "cat", "/hidden", "record default:hidden"),
        ("without it", "cat", "hidden", "record cat:hidden"),
        ("CX-44 K-19 another catalog with slash", "cat", "/other/MyImage", "record other:MyImage"),
        ("U-leading-slash and without", "cat", "other/MyImage", "record other:MyImage"),
        ("U-lookup-order 1 skipped by the slash", "cat", "/other/a", "record other:a"),
        ("U-lookup-order 3 default behind a RootId", "cat", "other/only", "record default:only"),
        ("U-lookup-order 4", "other", "only", "record default:only"),
        ("U-lookup-order 4 whole string", "other", "cat/whole", "record default:cat/whole"),
        ("own RootId written", "cat", "cat/a", "record cat:a"),
        ("U-lookup-order 5 file of the main catalog", "cat", "d/f", "file cat:croot/sub/d/f.tif"),
        ("5 with FullMatch 1", "other", "d/f", "file default:droot/d/f"),
        ("5 with a slash", "cat", "/d/f", "file default:droot/d/f"),
        ("a RootId alone is a name", "cat", "other", "file cat:croot/sub/other.tif"),
        ("S-26 ..", "cat", "a/../b", "Refused"),
        ("RQ-019", "cat", "a,b", "Syntax"),
        ("nothing", "cat", "", "missing"),
        ("slashes alone", "cat", "//", "missing"),
        ("direct access of the catalog in force", "closed", "f.tif", "missing"),
        ("U-locale-file", "locale", "f.tif", "missing"),
        ("U-locale-file with a slash", "locale", "/f.tif", "missing"),
        ("a reserved RootId does not fall through", "cat", "broken/only", "Busy"),
        ("S-20 unless the main catalog has the id", "cat", "x", "record cat:x"),
    ] {
        assert_eq!(by_object(&catalogs, main, object), expected, "{name}: {object:?}");
        count += 1;
    }
    assert_eq!(count, 25);
}

#[test]
fn paths_of_records_profiles_and_macros() {
    let (catalogs, faults) = resolution_site().load();
    let path = |root: Option<&str>, path: &str| {
        Some(SourcePath { root: root.map(str::to_owned), path: path.to_owned() })
    };
    let cat = catalogs.named("cat").unwrap().unwrap();
    let other = catalogs.named("other").unwrap().unwrap();
    let of = |id: &str| cat.image_record(id).and_then(|record| cat.source_path(record.path?));
    assert_eq!(of("noext"), path(None, "croot/sub/dir/f.tif"), "S-27 for records");
    assert_eq!(of("abs"), path(Some("/data/i"), "a.tif"), "absolute Path");
    assert_eq!(of("up"), None, "S-26 in a record");
    assert_eq!(cat.source_path(""), None);
    assert_eq!(cat.source_path("."), None);
    assert_eq!(cat.source_path("/"), None);
    assert_eq!(cat.source_path("/etc/../x"), None);
    assert_eq!(cat.source_path("a\0b"), None);
    assert_eq!(other.source_path("a/./b"), path(Some("/abs/root"), "a/b"), "absolute RootPath");
    let profile = |object: &str| match catalogs.profile(cat, object) {
        Ok(Profile::File(path)) => format!("{}|{}", path.root.unwrap_or_default(), path.path),
        Ok(Profile::Missing) => "missing".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    assert_eq!(profile("sRGB"), "|croot/sub/own.icc", "S-41");
    assert_eq!(profile("/sRGB"), "|droot/icc/srgb.icc");
    assert_eq!(profile("other/sRGB"), "|droot/icc/srgb.icc");
    assert_eq!(profile("abs"), "/icc|abs.icc");
    assert_eq!(profile("dir/x.icc"), "|croot/sub/dir/x.icc");
    assert_eq!(profile("a,b"), "Syntax");
    let definition = |name: &str| catalogs.macro_definition(cat, name);
    assert_eq!(definition("TWO"), Some("$one$&hei=2"), "S-40 backward");
    assert_eq!(definition("self"), None, "S-40 itself");
    assert_eq!(definition("ahead"), None, "S-40 RQ-054 forward");
    assert_eq!(definition("view"), Some("wid=1"), "macro of the default catalog");
    assert_eq!(definition("both"), Some("hei=5"), "own macro first");
    assert_eq!(catalogs.macro_definition(other, "both"), Some("wid=2"));
    assert!(faults.iter().any(|fault| fault.contains("macro ahead calls later")), "{faults:?}");
}

#[test]
fn s_30_rq_042_requests_without_catalog_can_be_refused() {
    let (catalogs, _) = resolution_site().load();
    let kind = |path: &str| {
        catalogs.main(&elements(path), false).map(|main| main.is_named).map_err(|e| e.kind())
    };
    assert_eq!(kind("only"), Err(Kind::Refused));
    assert_eq!(kind(""), Err(Kind::Refused));
    assert_eq!(kind("cat/a"), Ok(true));
    assert_eq!(kind("broken/a"), Err(Kind::Busy));
    assert_eq!(
        catalogs.main(&elements("only"), true).map(|main| main.is_named).map_err(|e| e.kind()),
        Ok(false)
    );
}
