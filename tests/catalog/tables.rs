//! Catalog data files: text in, records and faults out.

use super::*;

#[test]
fn data_files_are_read_as_documented() {
    let mut count = 0;
    for (name, data, id, path) in [
        ("plain", "Id\tPath\na\tp\n", "a", Some("p")),
        ("S-07 header without case", "iD\tPATH\na\tp", "a", Some("p")),
        ("CR", "Id\tPath\ra\tp\r", "a", Some("p")),
        ("CR LF", "Id\tPath\r\na\tp\r\n", "a", Some("p")),
        (
            "S-08 quoted TAB, line end and quotes",
            "Id\tPath\na\t\"x\ty\r\n\"\"z\"\"\"\n",
            "a",
            Some("x\ty\r\n\"z\""),
        ),
        ("S-08 a quote inside is literal", "Id\tPath\na\tx\"y\"\n", "a", Some("x\"y\"")),
        ("S-08 text behind a closing quote", "Id\tPath\na\t\"x\"y\nb\tq\n", "a", None),
        ("S-08 the next record counts", "Id\tPath\na\t\"x\"y\nb\tq\n", "b", Some("q")),
        ("an open quote loses its record only", "Id\tPath\na\t\"x\nb\tq\n", "b", Some("q")),
        ("S-09 dot column", ".note\tId\tFoo\tPath\nn\ta\tf\tp\n", "a", Some("p")),
        ("S-10 the later record", "Id\tPath\na\tp\na\tq\n", "a", Some("q")),
        ("S-11 blanks of fields stay", "Id\tPath\na \tp\n", "a ", Some("p")),
        ("S-11 and make another id", "Id\tPath\na \tp\n", "a", None),
        ("ids with case", "Id\tPath\nAbc\tp\n", "abc", None),
        ("too few fields", "Id\tPath\na\n", "a", None),
        ("too many fields", "Id\tPath\na\tp\tx\ty\n", "a", Some("p")),
        ("empty lines", "Id\tPath\n\n\na\tp\n\n", "a", Some("p")),
        ("an id with a comma is left out", "Id\tPath\na,b\tp\n", "a,b", None),
        ("UTF-8", "\u{feff}Id\tPath\né\tp\n", "é", Some("p")),
        ("ISO-8859-1", "Id\tPath\né\tp\n", "Ã©", Some("p")),
        ("S-43 braces that match", "Id\tPath\tImageSet\na\tp\t{b,(c)}\n", "a", Some("p")),
        ("S-43 braces that do not", "Id\tPath\tImageSet\na\tp\t{b,(c})\n", "a", None),
    ] {
        let folder = Folder::new(&[("default.ini", "CatalogFile=d.txt"), ("d.txt", data)]);
        let (catalogs, faults) = folder.load();
        let record = catalogs.default_catalog().unwrap().image_record(id);
        assert_eq!(record.and_then(|record| record.path), path, "{name}: {faults:?}");
        count += 1;
    }
    assert_eq!(count, 22);
    for (name, data, fault) in [
        (
            "S-07 blank name",
            "Id\t\tPath\n",
            "d.txt:1: error: header names field , expected letters, digits, - and _",
        ),
        (
            "S-07 blank in a name",
            "Id\tMy Path\n",
            "d.txt:1: error: header names field My Path, expected letters, digits, - and _",
        ),
        (
            "S-07 duplicate name",
            "Id\tPath\tPATH\n",
            "d.txt:1: error: header names field PATH twice",
        ),
        ("S-07 no key", "Path\na\n", "d.txt:1: error: header has no field Id"),
        (
            "S-07 empty file",
            "",
            "d.txt:1: error: header names field , expected letters, digits, - and _",
        ),
    ] {
        let folder = Folder::new(&[("default.ini", "CatalogFile=d.txt"), ("d.txt", data)]);
        let (catalogs, faults) = folder.load();
        assert_eq!(faults.first().map(String::as_str), Some(fault), "{name}");
        assert_eq!(by_path(&catalogs, "a"), "Busy", "{name}");
        count += 1;
    }
    assert_eq!(count, 27);
}

#[test]
fn faults_of_records_name_their_lines() {
    let data = "Id\tPath\tFoo\tResolution\t.x\tImageSet\na\tp\t\t-3\n\tp\nb\t\"q\nr\"\nc\t\"\"x\nd,e\nf\tp\t\t\t\t{\ng\t../p\n\
                h\tp\t\t\t\t\t\ti\n";
    let folder = Folder::new(&[("default.ini", "CatalogFile=d.txt"), ("d.txt", data)]);
    assert_eq!(
        folder.load().1,
        [
            "d.txt:1: warning: field Foo is not known; ignored",
            "d.txt:2: warning: Resolution is -3, expected a number above 0; ignored",
            "d.txt:3: warning: record without Id; it is left out",
            "d.txt:6: error: text stands behind the closing quote of a field, expected TAB; the record is left out",
            "d.txt:7: error: Id is d,e, expected no comma and no ?; the record is left out",
            "d.txt:8: error: braces of ImageSet do not match; the record is left out",
            "d.txt:9: warning: Path holds .., so the file is never found",
            "d.txt:10: warning: 8 fields, expected 6; the others are ignored",
        ]
    );
    let many: String = (0..500).map(|n| format!("a{n},\n")).collect();
    let folder =
        Folder::new(&[("default.ini", "CatalogFile=d.txt"), ("d.txt", &format!("Id\n{many}"))]);
    let (_, faults) = folder.load();
    assert_eq!(faults.len(), 101);
    assert_eq!(
        faults.last().map(String::as_str),
        Some("d.txt: warning: 400 more faults in this file")
    );
}

#[test]
fn record_fields_are_typed() {
    use imprint::catalog::{RecordKind, ThumbType};
    use imprint::geometry::Size;
    let header = "Id\tPath\tAnchor\tResolution\tPrintResolution\tSize\tExpiration\tTimeStamp\tThumbType\tThumbRes\tModifier\tPostModifier\tUserData\tTargets\tMap\n";
    let data = format!(
        "{header}full\tp.tif\t-5, 7\t300\t150\t4000,3000\t-1\t1406334512000\t1\t.5\twid=1&$x$\tqlt=9\ta=1??b=2\t\"t=1??\"\t<AREA>\n\
         zero\tp\t\t0\t0\t\t-2\t\t0\t0\n\
         bad\tp\tx\tx\t1.5\t0,5\t-3\tx\t4\t-1\n"
    );
    let folder = Folder::new(&[
        ("default.ini", "CatalogFile=d.txt\nSvgCatalogFile=s.txt"),
        ("d.txt", &data),
        ("s.txt", "Id\tPath\nfull\ts.svg\nsvg\ts.svg\nnone\t\n"),
    ]);
    let (catalogs, faults) = folder.load();
    let catalog = catalogs.default_catalog().unwrap();
    let full = catalog.image_record("full").unwrap();
    assert_eq!(full.kind, RecordKind::Image, "S-44");
    assert_eq!(
        (full.anchor, full.resolution, full.print_resolution),
        (Some((-5, 7)), Some(300.0), Some(150))
    );
    assert_eq!(
        (full.size, full.expiration),
        (Some(Size::new(4000, 3000)), Some(Expiration::Never))
    );
    assert_eq!(
        (full.time_stamp_ms, full.thumb_type),
        (Some(1_406_334_512_000), Some(ThumbType::Crop))
    );
    assert_eq!(
        (full.thumb_res, full.modifier, full.post_modifier),
        (Some(0.5), Some("wid=1&$x$"), Some("qlt=9"))
    );
    assert_eq!(
        full.user_data.map(|data| (data.text, data.is_quoted)),
        Some(("a=1??b=2", false)),
        "S-92"
    );
    assert_eq!(full.targets.map(|data| (data.text, data.is_quoted)), Some(("t=1??", true)), "S-92");
    assert_eq!((full.map, full.mask_path), (Some("<AREA>"), None));
    for id in ["zero", "bad"] {
        let record = catalog.image_record(id).unwrap();
        assert_eq!(
            (record.anchor, record.resolution, record.print_resolution),
            (None, None, None),
            "S-34 {id}"
        );
        assert_eq!(
            (record.size, record.expiration, record.time_stamp_ms),
            (None, None, None),
            "S-35 {id}"
        );
        assert_eq!((record.thumb_type, record.thumb_res), (None, None), "S-34 {id}");
    }
    assert_eq!(catalog.image_record("svg").map(|record| record.kind), Some(RecordKind::Svg));
    assert_eq!(catalog.image_record("none"), None);
    assert_eq!(
        faults.iter().filter(|fault| fault.starts_with("d.txt:4:")).count(),
        8,
        "{faults:?}"
    );
    assert!(
        faults.contains(&"s.txt: warning: SVG record full is hidden by an image record".to_owned()),
        "S-44"
    );
}

#[test]
fn large_tables_find_every_record_and_the_later_of_two() {
    let rows = 40_000;
    let mut data = "Id\tPath\tUserData\n".to_owned();
    for n in 0..rows {
        data += &format!("id/{n}\tfirst/{n}.tif\t\n");
    }
    for n in (0..rows).step_by(3) {
        data += &format!("id/{n}\tlater/{n}.tif\tx\n");
    }
    let folder = Folder::new(&[("default.ini", "CatalogFile=d.txt"), ("d.txt", &data)]);
    let (catalogs, faults) = folder.load();
    assert_eq!(faults, Vec::<String>::new());
    let catalog = catalogs.default_catalog().unwrap();
    for n in 0..rows {
        let record = catalog.image_record(&format!("id/{n}")).unwrap();
        let expected = if n % 3 == 0 { "later" } else { "first" };
        assert_eq!(record.path, Some(format!("{expected}/{n}.tif").as_str()), "S-10 {n}");
    }
    assert_eq!(catalog.image_record("id/"), None);
    assert_eq!(catalog.image_record(&format!("id/{rows}")), None);
    folder.write("imprint.conf", b"[CS]\ncatalog.rootPath=.");
    assert_eq!(check(&folder.path().join("imprint.conf"), no_env()).records, rows);
}

#[test]
fn static_records_and_fonts_stand_in_tables_of_their_own() {
    let folder = Folder::new(&[
        ("default.ini", "CatalogFile=d.txt\nStaticContentCatalogFile=s.txt\nFontMapFile=f.txt"),
        ("d.txt", "Id\tPath\na\timage.tif\n"),
        ("s.txt", "Id\tPath\tUserType\tVideoSize\tVideoBitRate\na\tmovie.mp4\tmp4\t640,480\t-1\n"),
        (
            "f.txt",
            "Name\tBold\tItalic\tFontPath\nArial\t0\t0\ta.ttf\nArial\t1\t0\tb.ttf\nArial\t1\t0\tc.ttf\nNone\t0\t0\t\n",
        ),
    ]);
    let (catalogs, faults) = folder.load();
    let catalog = catalogs.default_catalog().unwrap();
    let record = catalog.static_record("a").unwrap();
    assert_eq!((record.path, record.user_type), (Some("movie.mp4"), Some("mp4")), "S-45");
    assert_eq!((record.video_size, record.video_bit_rate), (Some((640, 480).into()), None));
    assert_eq!(catalog.image_record("a").and_then(|record| record.path), Some("image.tif"), "S-45");
    let fonts: Vec<_> =
        catalog.fonts().map(|font| (font.name, font.bold, font.font_path)).collect();
    assert_eq!(fonts, [("Arial", false, "a.ttf"), ("Arial", true, "c.ttf")]);
    assert_eq!(faults.len(), 2, "{faults:?}");
}

mod hostile {
    use crate::catalog::{Catalogs, Folder};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_catalog_file_makes_the_reader_panic(
            ini in proptest::collection::vec(any::<u8>(), 0..200),
            data in "(Id|Path|[\"\t\r\n,{}a\\\\]){0,60}",
            path in "[a-c./,\\\\\u{0}?%]{0,20}",
        ) {
            let folder = Folder::new(&[("default.ini", "CatalogFile=d.txt\nMacroFile=d.txt"), ("d.txt", &data)]);
            folder.write("a.ini", &[b"RootId=a\nCatalogFile=d.txt\n".as_slice(), &ini].concat());
            let header = format!("Id\tPath\n{data}");
            folder.write("e.txt", header.as_bytes());
            folder.write("default.ini", b"CatalogFile=e.txt\n");
            let catalogs = Catalogs::load(folder.path(), None, &mut Vec::new());
            let found = crate::catalog::by_path(&catalogs, &path);
            prop_assert!(!found.split(['/', ':', '|']).any(|part| part == ".."), "{found}");
            crate::catalog::by_object(&catalogs, "", &path);
        }
    }
}
