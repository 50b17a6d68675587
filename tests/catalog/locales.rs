//! Locales: maps, ids and strings in, records and localized texts out.

use super::*;

const DOCUMENTED: &str = "en,_E,|en_us,_E,|en_uk,_E,|fr,_F,|de,_D,|de_at,_D,|de_de,_D,|,_E,";
const DASHES: &str = "w1,-W,|w2,-W2,-W,|w3,-W,|m1,-M1,-M,|m2,-M2,-M,|,";
const NUMBERS: &str = ",_1,_2,_3|fr,_22,_23,_1,_2,_3|de,_470,_480,_1,_2,_3| \
                       de_at,_470,_480,_1,_2,_3| de_de,_470,_480,_1,_2,_3";
const STRINGS: &str = "en,E|en_us,EUS,E|en_uk,EUK,E|de,D|de_at,DAT,D|de_de,D";

/// The catalogs of a default catalog with these lines.
fn with_default(ini: &str) -> (Catalogs, Vec<String>) {
    Folder::new(&[("default.ini", ini)]).load()
}

fn order(map: &str, locale: &str) -> Result<Vec<String>, Kind> {
    let (catalogs, faults) = with_default(&format!("LocaleMap={map}"));
    assert_eq!(faults, Vec::<String>::new(), "{map}");
    let catalog = catalogs.default_catalog().unwrap();
    let suffixes = catalog.suffixes(Some(locale)).map_err(|error| error.kind())?;
    Ok(suffixes.iter().map(|suffix| format!("myImg{suffix}")).collect())
}

#[test]
fn suffixes_are_tried_in_the_order_of_the_map() {
    let mut count = 0;
    for (name, map, locales, expected) in [
        ("CX-11 C-34", DOCUMENTED, "de_de de de_at", "myImg_D myImg"),
        ("CX-13 C-35", DOCUMENTED, "ja en en_us en_uk", "myImg_E myImg"),
        ("case", DOCUMENTED, "DE_de De", "myImg_D myImg"),
        ("CX-16", DASHES, "w1 w3", "myImg-W myImg"),
        ("CX-17", DASHES, "w2", "myImg-W2 myImg-W myImg"),
        ("CX-18", DASHES, "m1", "myImg-M1 myImg-M myImg"),
        ("CX-18", DASHES, "m2", "myImg-M2 myImg-M myImg"),
        ("CX-19 C-36", DASHES, "x w", "myImg"),
        ("CX-20", NUMBERS, "fr", "myImg_22 myImg_23 myImg_1 myImg_2 myImg_3"),
        ("CX-21 C-37", NUMBERS, "de de_at de_de", "myImg_470 myImg_480 myImg_1 myImg_2 myImg_3"),
        ("CX-22", NUMBERS, "ja", "myImg_1 myImg_2 myImg_3"),
        ("an item without suffix", "en|,_X", "en", "myImg"),
    ] {
        for locale in locales.split(' ') {
            let expected: Vec<String> = expected.split(' ').map(str::to_owned).collect();
            assert_eq!(order(map, locale), Ok(expected), "{name}: {locale}");
            count += 1;
        }
    }
    assert_eq!(count, 22);
    assert_eq!(order("en,_E", "xx"), Err(Kind::Refused), "CX-15 RQ-046");
    assert_eq!(order("en,_E", ""), Err(Kind::Refused), "U-locale-empty-default");
}

#[test]
fn the_default_locale_stands_in_for_an_absent_one() {
    let mut count = 0;
    for (name, ini, locale, expected) in [
        ("RQ-047 absent", "LocaleMap=de,_D|,_E\nDefaultLocale=DE", None, Ok("_D")),
        ("RQ-047 empty", "LocaleMap=de,_D|,_E\nDefaultLocale=de", Some(""), Ok("_D")),
        ("own wins", "LocaleMap=de,_D|fr,_F|,_E\nDefaultLocale=de", Some("fr"), Ok("_F")),
        ("U-locale-empty-default unknown", "LocaleMap=de,_D|,_E", Some("xx"), Ok("_E")),
        ("an unknown DefaultLocale", "LocaleMap=de,_D|,_E\nDefaultLocale=xx", None, Ok("_E")),
        ("RQ-046", "LocaleMap=de,_D\nDefaultLocale=de", Some("xx"), Err(Kind::Refused)),
        ("no map", "DefaultLocale=de", Some("xx"), Ok("")),
        ("U-locale-nomap", "LocaleStrMap=en,E\nDefaultLocale=de", Some("xx"), Ok("")),
        ("K-15 quotes around the value", "LocaleMap=\"de,_D|,_E\"", Some("de"), Ok("_D")),
        ("continued lines", "LocaleMap=de,_D|\\\n  fr , _F |\\\n  ,_E", Some("fr"), Ok("_F")),
    ] {
        let (catalogs, faults) = with_default(ini);
        assert_eq!(faults, Vec::<String>::new(), "{name}");
        let catalog = catalogs.default_catalog().unwrap();
        let suffixes = catalog.suffixes(locale).map_err(|error| error.kind());
        let first = suffixes.map(|suffixes| suffixes.iter().next().unwrap_or("none"));
        assert_eq!(first, expected, "{name}: {ini}");
        count += 1;
    }
    assert_eq!(count, 10);
}

#[test]
fn malformed_items_are_told_and_left_out() {
    let mut count = 0;
    for (name, ini, expected, suffixes) in [
        (
            "empty item",
            "LocaleMap=de,_D|",
            "LocaleMap: an item is empty, expected a locale or a comma; left out",
            "_D",
        ),
        (
            "locale not ASCII",
            "LocaleMap=d\u{e9},_X|de,_D",
            "LocaleMap: item is d\u{e9},_X, expected a locale in printable ASCII; left out",
            "_D",
        ),
        (
            "no id may hold ?",
            "LocaleMap=fr,a?b|de,_D",
            "LocaleMap: item is fr,a?b, expected id suffixes without ? and controls; left out",
            "_D",
        ),
        ("twice", "LocaleMap=de,_D|DE,_X", "LocaleMap: locale DE comes again; left out", "_D"),
        (
            "string id with ^",
            "LocaleMap=de,_D\nLocaleStrMap=fr,F^|de,D",
            "LocaleStrMap: item is fr,F^, expected string ids in ASCII without ^; left out",
            "_D",
        ),
    ] {
        // The mark makes the file UTF-8.
        let (catalogs, faults) = with_default(&format!("\u{feff}{ini}"));
        let line = ini.lines().count();
        assert_eq!(faults, [format!("default.ini:{line}: warning: {expected}")], "{name}");
        let catalog = catalogs.default_catalog().unwrap();
        let found: Vec<&str> = catalog.suffixes(Some("de")).unwrap().iter().collect();
        assert_eq!(found, [suffixes], "{name}");
        count += 1;
    }
    assert_eq!(count, 5);
    // A map without a good item counts as not defined, so that it inherits; an empty one switches off.
    for (own, expected) in [
        ("LocaleMap=|", Ok("_D")),
        ("LocaleMap=", Ok("")),
        ("", Ok("_D")),
        ("LocaleMap=de,_O", Ok("_O")),
    ] {
        let folder = Folder::new(&[("default.ini", "LocaleMap=de,_D"), ("c.ini", "")]);
        folder.write("c.ini", format!("RootId=c\n{own}").as_bytes());
        let (catalogs, faults) = folder.load();
        let catalog = catalogs.named("c").unwrap().unwrap();
        let first = catalog.suffixes(Some("de")).map(|suffixes| suffixes.iter().next().unwrap());
        assert_eq!(first.map_err(|error| error.kind()), expected, "{own}: {faults:?}");
    }
}

fn locale_site() -> Folder {
    Folder::new(&[
        (
            "default.ini",
            "CatalogFile=d.txt\nStaticContentCatalogFile=ds.txt\nStaticContentRootPath=dstatic\nIccProfileMapFile=p.txt",
        ),
        ("d.txt", "Id\tPath\nonly\tp\nonly_D\tp\nboth_D\tp\ncat/whole_D\tp\n"),
        ("ds.txt", "Id\tPath\nonly_D\ts.css\n"),
        ("p.txt", "Name\tProfilePath\nrgb\trgb.icc\nrgb_D\tother.icc\n"),
        (
            "cat.ini",
            "RootId=cat\nCatalogFile=c.txt\nStaticContentCatalogFile=cs.txt\nLocaleMap=de,_D,_E,|fr,_F,|,\nDefaultLocale=fr",
        ),
        ("c.txt", "Id\tPath\nboth\tp\na\tp\na_E\tp\nimage_F\tp\nimage_D\tp\nimage\tp\nplain\tp\n"),
        (
            "cs.txt",
            "Id\tPath\nmovie\tm.mp4\nmovie_D\tdir/m_de.mp4\nabs\t/data/abs.mp4\nup\t../m.mp4\n",
        ),
        ("free.ini", "RootId=free\nStaticContentRootPath=files\nRootPath=pics"),
        ("shut.ini", "RootId=shut\nAllowDirectAccess=exclude:STATIC\nFullMatch=1"),
    ])
}

#[test]
fn objects_are_found_under_their_translated_ids() {
    let (catalogs, faults) = locale_site().load();
    assert_eq!(faults, Vec::<String>::new());
    let found = |path: &str, locale: &str| {
        let elements = elements(path);
        let main = catalogs.main(&elements, true).unwrap();
        let suffixes = main.catalog.suffixes(Some(locale)).unwrap();
        told(catalogs.resolve_path(&main, &suffixes))
    };
    let mut count = 0;
    for (name, path, locale, expected) in [
        ("RQ-045 first suffix", "cat/image", "de", "record cat:image_D"),
        ("RQ-045 second suffix", "cat/a", "de", "record cat:a_E"),
        ("CX-12 untranslated last", "cat/plain", "de", "record cat:plain"),
        ("RQ-047", "cat/image", "", "record cat:image_F"),
        ("CX-14", "cat/none", "de", "missing"),
        ("U-lookup-order all suffixes of a step first", "cat/both", "de", "record cat:both"),
        ("S-15 then those of the default catalog", "cat/only", "de", "record default:only_D"),
        ("then the whole path", "cat/whole", "de", "record default:cat/whole_D"),
        ("no suffix of another locale", "cat/only", "fr", "record default:only"),
        ("RQ-049 U-locale-file", "cat/f.tif", "de", "missing"),
        ("another catalog has files", "free/f.tif", "de", "file free:pics/f.tif"),
        ("and no translation", "only", "de", "record default:only"),
    ] {
        assert_eq!(found(path, locale), expected, "{name}: {path}?locale={locale}");
        count += 1;
    }
    assert_eq!(count, 12);
    let main = catalogs.named("cat").unwrap().unwrap();
    let german = main.suffixes(Some("de")).unwrap();
    for (name, object, expected) in [
        ("RQ-048 main catalog", "image", "record cat:image_D"),
        ("RQ-048 named", "cat/image", "record cat:image_D"),
        ("RQ-048 leading slash", "/only", "record default:only_D"),
        ("RQ-048 another catalog", "free/only", "record default:only_D"),
        ("RQ-049 no file", "f.tif", "missing"),
    ] {
        assert_eq!(told(catalogs.resolve(main, object, &german)), expected, "{name}: {object}");
    }
    let profile = catalogs.profile(main, "rgb").unwrap();
    let rgb = SourcePath { root: None, path: "rgb.icc".to_owned() };
    assert_eq!(profile, Profile::File(rgb), "RQ-048 profiles are not translated");
    let ids = |path: &str| {
        let elements = elements(path);
        let main = catalogs.main(&elements, true).unwrap();
        catalogs.translations(&main).map(|ids| ids.join(",")).map_err(|error| error.kind())
    };
    for (name, path, expected) in [
        ("CX-29 order of the map", "cat/image", Ok("image,image_D,image_F")),
        ("some", "cat/a", Ok("a,a_E")),
        ("with the default catalog's", "cat/only", Ok("only,only_D")),
        ("none", "cat/none", Ok("")),
        ("no map", "only", Ok("only")),
        ("no object", "cat", Ok("")),
        ("RQ-019", "cat/a,b", Err(Kind::Syntax)),
    ] {
        assert_eq!(ids(path), expected.map(str::to_owned), "U-xlate {name}: {path}");
    }
}

#[test]
fn static_content_is_found_by_record_and_by_path() {
    let (catalogs, _) = locale_site().load();
    let mut count = 0;
    for (name, path, locale, expected) in [
        ("record", "cat/movie", "fr", "record movie file dstatic/m.mp4"),
        ("translated", "cat/movie", "de", "record movie_D file dstatic/dir/m_de.mp4"),
        ("inherited folder", "cat/only", "de", "record only_D file dstatic/s.css"),
        ("absolute", "cat/abs", "de", "record abs file /data|abs.mp4"),
        ("S-26 ..", "cat/up", "de", "record up file none"),
        ("image records are another table", "cat/image", "de", "missing"),
        ("RQ-049", "cat/m.mp4", "de", "missing"),
        ("U-static-path", "free/a/b.css", "", "file files/a/b.css"),
        ("no DefaultExt, no RootPath", "free/readme", "", "file files/readme"),
        ("S-29", "shut/b.css", "", "file dstatic/shut/b.css"),
        ("U-path-safety", "free/./b.css", "", "missing"),
        ("S-26", "free/../b.css", "", "Refused"),
        ("alone", "free", "", "missing"),
    ] {
        let elements = elements(path);
        let main = catalogs.main(&elements, true).unwrap();
        let suffixes = main.catalog.suffixes(Some(locale)).unwrap();
        let file = |path: SourcePath| match path.root {
            Some(root) => format!("{root}|{}", path.path),
            None => path.path,
        };
        let found = match catalogs.resolve_static(&main, &suffixes) {
            Ok(FoundStatic::Record { catalog, record }) => {
                let path = catalog.static_path(record.path.unwrap_or_default());
                let path = path.map_or("none".to_owned(), file);
                format!("record {} file {path}", record.id)
            }
            Ok(FoundStatic::File { path, .. }) => format!("file {}", file(path)),
            Ok(FoundStatic::Missing) => "missing".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        };
        assert_eq!(found, expected, "{name}: {path}");
        count += 1;
    }
    assert_eq!(count, 13);
}

#[test]
fn strings_are_those_of_the_locale() {
    let localized = |map: &str, locale: &str, text: &str| -> Result<String, Kind> {
        let (catalogs, faults) = with_default(&format!("LocaleStrMap={map}"));
        assert_eq!(faults, Vec::<String>::new(), "{map}");
        let catalog = catalogs.default_catalog().unwrap();
        let localizer = catalog.localizer(Some(locale)).map_err(|error| error.kind())?;
        Ok(localizer.string(text).into_owned())
    };
    let plain = "^loc=E^English^loc=D^German";
    let austrian = "^loc=E^English^loc=EUK^UK-English^loc=D^German^loc=DAT^Austrian";
    let american = "^loc=E^English^loc=EUS^US-English^loc=D^German^loc=DDE^Deutsch";
    let mut count = 0;
    for (name, map, locales, text, expected) in [
        ("CX-25", STRINGS, "en en_us en_uk EN", plain, "English"),
        ("CX-26", STRINGS, "de de_at de_de", plain, "German"),
        ("CX-27 C-32", STRINGS, "en en_us", austrian, "English"),
        ("CX-27", STRINGS, "en_uk", austrian, "UK-English"),
        ("CX-27", STRINGS, "de de_de", austrian, "German"),
        ("CX-27", STRINGS, "de_at", austrian, "Austrian"),
        ("CX-28", STRINGS, "en en_uk", american, "English"),
        ("CX-28", STRINGS, "en_us", american, "US-English"),
        ("CX-28 C-33", STRINGS, "de de_at de_de", american, "German"),
        ("the default string", "en,,E", "en", "Default^loc=E^English", "Default"),
        ("U-loc-missing no default goes on", "en,,E", "en", "^loc=E^English", "English"),
        ("none", "en,F", "en", "Default^loc=E^English", ""),
        ("an empty string counts", "en,E,D", "en", "x^loc=E^^loc=D^German", ""),
        ("U-loc-case", "en,e", "en", "x^loc=E^English", ""),
        ("encoded", "en,E", "en", "x%5Eloc=E%5EEnglish", "English"),
        ("encoded whole", "en,E", "en", "x%5eloc%3dE%5ea%2Cb", "a%2Cb"),
        ("encoded id", "en,E F", "en", "x%5Eloc=E%20F%5EEnglish", "English"),
        ("a lone ^ stays", "en,E", "en", "a^b", "a^b"),
        ("a lone ^ inside", "en,E", "en", "a^loc=E^x^y^loc=D^z", "x^y"),
        ("no id", "en,E", "en", "a^loc=^b", "a^loc=^b"),
        ("not ended", "en,E", "en", "a^loc=E", "a^loc=E"),
        ("id not ASCII", "en,E", "en", "a^loc=\u{e9}^b", "a^loc=\u{e9}^b"),
        ("no token", "en,E", "en", "100% a^%5", "100% a^%5"),
        ("empty", "en,E", "en", "", ""),
    ] {
        for locale in locales.split(' ') {
            assert_eq!(localized(map, locale, text).as_deref(), Ok(expected), "{name}: {locale}");
            count += 1;
        }
    }
    assert_eq!(count, 34);
    assert_eq!(localized("en,E", "xx", plain), Err(Kind::Refused), "U-loc-missing");
    let (catalogs, _) = with_default("LocaleMap=en,E");
    let without = catalogs.default_catalog().unwrap().localizer(Some("xx")).unwrap();
    assert_eq!(without.string(plain), plain, "U-locale-nomap");
    let strange: String = "^loc=".repeat(20_000);
    assert_eq!(localized("en,E", "en", &strange), Ok(strange), "time grows with the text alone");
}

#[test]
fn fields_are_localized_element_by_element() {
    let (catalogs, _) = with_default("LocaleStrMap=en,E|nl,N|de,D|,");
    let catalog = catalogs.default_catalog().unwrap();
    let quoted = |text| PropertyText { text, is_quoted: true };
    let unquoted = |text| PropertyText { text, is_quoted: false };
    let strings = "val1=111??str1=Default1^loc=N^Dutch1^loc=D^German1??val2=value2??\
                   str2=^loc=E^English2^loc=N^Dutch2^loc=D^German2??str3=Default3^loc=N^Dutch3^loc=D^German3";
    let dutch = "val1=111??str1=Dutch1??val2=value2??str2=Dutch2??str3=Dutch3";
    let japanese = "val1=111??str1=Default1??val2=value2??str2=??str3=Default3";
    type Field = fn(&imprint::catalog::Localizer<'_>, &str) -> String;
    let user_data: Field =
        |l, text| l.user_data(PropertyText { text, is_quoted: false }).into_owned();
    let targets: Field = |l, text| l.targets(PropertyText { text, is_quoted: false }).into_owned();
    let map: Field = |l, text| l.map(text).into_owned();
    let image_set: Field = |l, text| l.image_set(text).into_owned();
    let mut count = 0;
    for (name, field, locale, text, expected) in [
        ("CX-23 C-30 RQ-152", user_data, "nl", strings, dutch),
        ("CX-24 C-31", user_data, "ja", strings, japanese),
        ("no property data", user_data, "nl", "Hi there^loc=N^Hallo^loc=D^Guten Tag", "Hallo"),
        ("no property data, several lines", user_data, "nl", "a??b^loc=N^c??d", "c??d"),
        ("a line that is none", user_data, "nl", "a=1??x^loc=N^y??b=2", "a=1??y??b=2"),
        ("names stay", user_data, "nl", "a^b=1^loc=N^x", "a^b=x"),
        ("no token", user_data, "nl", "a=^b??c", "a=^b??c"),
        (
            "RQ-152 targets",
            targets,
            "nl",
            "Target.1.rect=0,0,1,1^loc=N^x??target.1.LABEL=a^loc=N^b??Target.1.userData=^loc=N^c??label=d^loc=N^e",
            "Target.1.rect=0,0,1,1^loc=N^x??target.1.LABEL=b??Target.1.userData=c??label=d^loc=N^e",
        ),
        (
            "RQ-152 map",
            map,
            "nl",
            "<AREA SHAPE=\"a^loc=N^b\" coords='1^loc=N^2' ALT = \"Hi^loc=N^Hallo\" href='x?a=\"y^loc=N^z\"'>\r\n<area alt=a^loc=N^b>",
            "<AREA SHAPE=\"a^loc=N^b\" coords='1^loc=N^2' ALT = \"Hallo\" href='z\"'>\r\n<area alt=a^loc=N^b>",
        ),
        (
            "a quote without end",
            map,
            "nl",
            "<a b=\"c^loc=N^d\" e=\"f^loc=N^g",
            "<a b=\"d\" e=\"f^loc=N^g",
        ),
        (
            "RQ-152 image set",
            image_set,
            "nl",
            "a^loc=N^a_n;{0xff0000Red^loc=N^Rood},b:c^loc=N^c_n,({d^loc=D^e});0x00ff00",
            "a_n;{0xff0000Rood},b:c_n,({});0x00ff00",
        ),
        ("no color", image_set, "nl", "0xff00zz^loc=N^b", "b"),
    ] {
        let localizer = catalog.localizer(Some(locale)).unwrap();
        assert_eq!(field(&localizer, text), expected, "{name}");
        count += 1;
    }
    assert_eq!(count, 12);
    let localizer = catalog.localizer(Some("nl")).unwrap();
    let lines = "a=1^loc=N^one??\r\nb=^loc=N^two\nc=3\r";
    assert_eq!(localizer.user_data(quoted(lines)), "a=one??\r\nb=two\nc=3\r", "S-92 quoted");
    assert_eq!(localizer.user_data(unquoted("a=1^loc=N^o\nne")), "a=o\nne", "S-92 unquoted");
}
