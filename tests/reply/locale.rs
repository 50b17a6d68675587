//! `locale=` through the whole pipeline: which records answer, and what is refused.

use super::*;
use crate::support::pictures::{decoded, pixel};
use crate::support::site::{get, property};

/// A shop whose records have German and French versions, known apart by their files.
fn translated(more: &str) -> Site {
    let site = shop_with(
        "",
        "ErrorDetail=2\n",
        &format!("LocaleMap=de,_D,|fr,_F,|,\nCatalogFile=words.txt\n{more}"),
    );
    site.write(
        "catalogs/words.txt",
        "Id\tPath\tModifier\nword\ta.png\t\nword_D\tm.png\t\nframe\t\tsize=30,20&color=ff0000\n\
         frame_D\t\tsize=20,30&color=ff0000\nlate\ta.png\tlocale=de\n",
    );
    site.write(
        "catalogs/macros.txt",
        "Name\tDefinition\ngerman\tlocale=de\ninfo\treq=imageprops\n",
    );
    site
}

#[test]
fn the_locale_decides_which_record_answers() {
    let site = translated("");
    let service = site.service();
    let mut count = 0;
    for (name, target, expected) in [
        ("RQ-045", "shop/word?locale=de", "shop/word_D"),
        ("RQ-045 case", "shop/word?LOCALE=DE", "shop/word_D"),
        ("RQ-045 next suffix", "shop/word?locale=fr", "shop/word"),
        ("RQ-045 unknown: default rule", "shop/word?locale=ja", "shop/word"),
        ("absent", "shop/word?", "shop/word"),
        ("empty", "shop/word?locale=", "shop/word"),
        ("RQ-014 the last counts", "shop/word?locale=fr&locale=de", "shop/word_D"),
        ("of a macro", "shop/word?$german$", "shop/word_D"),
        ("of a variable", "shop/word?$l=de&locale=$l$", "shop/word_D"),
        ("decoded", "shop/word?locale=%64e", "shop/word_D"),
        ("wherever it stands", "shop/word?layer=1&locale=de", "shop/word_D"),
        ("a record's Modifier comes too late", "shop/late?", "shop/late"),
        ("CX-14", "shop/none?locale=de", "403"),
        ("RQ-049", "shop/a.png?", "403"),
        ("no map, no meaning", "a.png?locale=xx", ""),
    ] {
        let reply = get(&service, &format!("{target}&req=imageprops"));
        let found = match reply.status {
            200 => property(&reply, "image.translatedId").unwrap_or_default(),
            status => status.to_string(),
        };
        assert_eq!(found, expected, "{name}: {target}: {}", text(&reply));
        count += 1;
    }
    assert_eq!(count, 15);
    for (name, target, expected) in [
        ("RQ-048 path", "shop/word?locale=de&wid=20", (20, 20)),
        ("RQ-048 path, plain", "shop/word?wid=20", (20, 15)),
        ("RQ-048 src", "shop?src=word&locale=de&wid=20", (20, 20)),
        ("RQ-048 src of the shop", "shop?src=shop/word&locale=de&wid=20", (20, 20)),
        ("RQ-048 src from outside", "?src=shop/word&locale=de&wid=20", (20, 15)),
    ] {
        assert_eq!(size(&get(&service, target)), expected.into(), "{name}: {target}");
    }
    for (target, expected) in [
        ("shop/word_D?locale=fr", "1"),
        ("shop/word?locale=fr", "1"),
        ("shop/none?locale=de", "0"),
        ("shop/a.png?locale=de", "0"),
    ] {
        let reply = get(&service, &format!("{target}&req=exists"));
        let found = property(&reply, "catalogRecord.exists");
        assert_eq!(found.as_deref(), Some(expected), "U-exists {target}");
    }
}

#[test]
fn a_locale_without_rule_is_refused() {
    let site = shop_with("", "ErrorDetail=2\n", "LocaleMap=de,_D,|fr,_F,\n");
    let service = site.service();
    let with_strings = shop_with("", "ErrorDetail=2\n", "LocaleStrMap=de,D\n");
    let strings = with_strings.service();
    let with_default = shop_with("", "", "LocaleMap=de,\nDefaultLocale=DE\n");
    let by_default = with_default.service();
    let mut count = 0;
    for (name, service, target, status, told) in [
        (
            "RQ-046 CX-15",
            &service,
            "shop/lake?locale=xx",
            403,
            "locale is xx, expected one of LocaleMap",
        ),
        (
            "RQ-046 absent",
            &service,
            "shop/lake?wid=9",
            403,
            "locale is , expected one of LocaleMap",
        ),
        ("RQ-046 saving", &service, "shop/lake?req=saveToFile&name=a.jpg", 403, ""),
        ("known", &service, "shop/lake?locale=fr&wid=9", 200, ""),
        (
            "U-loc-missing",
            &strings,
            "shop/lake?locale=xx&wid=9",
            403,
            "expected one of LocaleStrMap",
        ),
        ("U-loc-missing known", &strings, "shop/lake?locale=de&wid=9", 200, ""),
        ("files with a string map alone", &strings, "shop/a.png?locale=de&wid=9", 200, ""),
        ("RQ-047", &by_default, "shop/lake?wid=9", 200, ""),
        ("RQ-047 an own one wins", &by_default, "shop/lake?wid=9&locale=fr", 403, ""),
        (
            "not printable",
            &service,
            "shop/lake?locale=d%C3%A9",
            403,
            "locale is dé, expected one of LocaleMap",
        ),
    ] {
        let reply = get(service, target);
        assert_eq!(reply.status, status, "{name}: {target}: {}", text(&reply));
        assert!(told.is_empty() || text(&reply).contains(told), "{name}: {}", text(&reply));
        count += 1;
    }
    assert_eq!(count, 10);
    let properties = get(&service, "shop/lake?req=props&locale=xx");
    assert!(text(&properties).starts_with('#'), "in the form of its type: {}", text(&properties));
    let saved = std::fs::read_dir(site.path("saved/web")).expect("the folder").count();
    assert_eq!(saved, 0);
}

#[test]
fn every_reference_to_a_record_is_translated() {
    let site = translated("");
    let records = "Id\tPath\tModifier\nword\ta.png\t\nword_D\tm.png\t\nframe\t\tsize=30,20&color=ff0000\n\
                   frame_D\t\tsize=20,30&color=ff0000\nfall\ta.png\t\nfall_D\tm.png\t\n\
                   mark\t\tsize=8,8&color=00ff00\nmark_D\t\tsize=8,8&color=0000ff\n";
    site.write("catalogs/words.txt", records);
    let ini = "RootId=shop\nCatalogFile=words.txt\nLocaleMap=de,_D,|,\n";
    let mut count = 0;
    for (name, more, target, german, other) in [
        ("RQ-048 template=", "", "shop?template=frame&fmt=png", (20, 30), (30, 20)),
        ("RQ-048 mask=", "", "shop?src=word&mask=word&wid=20&fmt=png", (20, 20), (20, 15)),
        ("RQ-048 nested", "", "shop?src=is{shop/word?wid=40}&wid=20&fmt=png", (20, 20), (20, 15)),
        ("RQ-048 defaultImage=", "", "shop/none?defaultImage=fall&wid=20", (20, 20), (20, 15)),
        (
            "RQ-048 CX-14 DefaultImage",
            "DefaultImage=fall\n",
            "shop/none?wid=20",
            (20, 20),
            (20, 15),
        ),
    ] {
        site.write("catalogs/shop.ini", format!("{ini}{more}"));
        let service = site.service();
        for (locale, expected) in [("de", german), ("ja", other)] {
            let reply = get(&service, &format!("{target}&locale={locale}"));
            assert_eq!(size(&reply), expected.into(), "{name}: {target} {locale}");
            count += 1;
        }
    }
    assert_eq!(count, 10);
    site.write("catalogs/shop.ini", format!("{ini}Watermark=mark\n"));
    let service = site.service();
    for (locale, expected) in [("de", [0, 0, 255]), ("ja", [0, 255, 0])] {
        let target = format!("shop?size=40,40&color=ffffff&fmt=png&locale={locale}");
        let drawn = decoded(&get(&service, &target).body);
        assert_eq!(pixel(&drawn, 20, 20), expected, "RQ-048 watermark {locale}");
    }
}

#[test]
fn strings_of_records_are_those_of_the_locale() {
    let site = shop();
    site.write(
        "catalogs/shop.ini",
        "RootId=shop\nCatalogFile=words.txt\nLocaleMap=nl,_N,|de,_D,|,\nLocaleStrMap=en,E|nl,N|de,D|,\n",
    );
    let strings = "val1=111??str1=Default1^loc=N^Dutch1^loc=D^German1??val2=value2??\
                   str2=^loc=E^English2^loc=N^Dutch2^loc=D^German2??str3=Default3^loc=N^Dutch3^loc=D^German3";
    let targets =
        "Target.1.rect=0,0,9,9??Target.1.label=Toe^loc=N^Teen??Target.1.userData=^loc=N^x";
    site.write(
        "catalogs/words.txt",
        format!(
            "Id\tPath\tUserData\tTargets\tImageSet\nitem\ta.png\t{strings}\t{targets}\ta;{{0xff0000Red^loc=N^Rood}}\n\
             item_D\ta.png\tplain\t\t\n"
        ),
    );
    let service = site.service();
    let mut count = 0;
    for (name, target, expected) in [
        (
            "CX-23 RQ-152",
            "shop/item?req=userdata&locale=nl",
            "val1=111\r\nstr1=Dutch1\r\nval2=value2\r\nstr2=Dutch2\r\nstr3=Dutch3\r\n",
        ),
        (
            "CX-24",
            "shop/item?req=userdata&locale=ja",
            "val1=111\r\nstr1=Default1\r\nval2=value2\r\nstr2=\r\nstr3=Default3\r\n",
        ),
        ("another record of the locale", "shop/item?req=userdata&locale=de", "plain\r\n"),
        (
            "RQ-152 targets",
            "shop/item?req=targets&locale=nl",
            "Target.1.rect=0,0,9,9\r\nTarget.1.label=Teen\r\nTarget.1.userData=x\r\n",
        ),
        ("RQ-152 image set", "shop/item?req=imageset&locale=nl", "a;{0xff0000Rood}\r\n"),
        ("RQ-152 image set, default", "shop/item?req=imageset&locale=ja", "a;{0xff0000Red}\r\n"),
    ] {
        assert_eq!(text(&get(&service, target)), expected, "{name}: {target}");
        count += 1;
    }
    assert_eq!(count, 6);
    for locale in ["nl", "de", "ja"] {
        let reply = get(&service, &format!("shop/item?req=xlate&locale={locale}"));
        let ids = property(&reply, "xlate.translatedIds");
        assert_eq!(ids.as_deref(), Some("item,item_D"), "CX-29 U-xlate {locale}");
    }
}
