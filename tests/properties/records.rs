//! What answers from the texts of a record or catalog: `catalogprops`, `imageset`, `targets`, `userdata`, `xlate`, and
//! `metadata.version`.

use imprint::request::Method;

use super::readers::{documents, scripts};
use super::*;
use crate::support::pictures::unhurried;
use crate::support::site::{answer, get, property, request, text};

#[test]
fn catalogprops_tells_the_attributes_with_inheritance() {
    let own = "BkgColor=0a141e\nDefaultPix=300,200\nExpiration=-1\nJpegQuality=70,1\nMaxPix=900,800\nResMode=5\n\
        TimeStamp=03/04/2025 09:15:02 GMT\nThumbType=3\nThumbHorizAlign=1\nPublishInfo=it = so\n\
        SavePath=secret\n";
    let default = "DefaultExt=.tif\nThumbBkgColor=ff0000\nNonImgExpiration=0.5\nWatermark=mark\nResolution=150\n\
        PrintResolution=300\nThumbVertAlign=3\nRootPath=pictures\n";
    let site = shop_with("[PS]\nallowDefaultCatalogRequests=false\n", default, own);
    let service = site.service();
    let expected = [
        ("catalog.bkgColor", "0a141e"),
        ("catalog.defaultExt", ".tif"),
        ("catalog.defaultPix", "300,200"),
        ("catalog.defaultThumbPix", "100,100"),
        ("catalog.expiration", "-1.0"),
        ("catalog.defaultExpiration", "1.0"),
        ("catalog.nonImgExpiration", "0.5"),
        ("catalog.fileTime", "03/04/2025 09:15:02 GMT"),
        ("catalog.jpegQuality", "70,1"),
        ("catalog.maxPix", "900,800"),
        ("catalog.printResolution", "300"),
        ("catalog.publishInfo", "it = so"),
        ("catalog.resMode", "5"),
        ("catalog.resolution", "150.0"),
        ("catalog.thumbBkgColor", "ff0000"),
        ("catalog.thumbHorizAlign", "1"),
        ("catalog.thumbRes", "1.0"),
        ("catalog.thumbType", "3"),
        ("catalog.thumbVertAlign", "3"),
        ("catalog.watermark", "mark"),
    ];
    for (name, target) in [
        ("S-86 S-30 RQ-101 CX-50", "shop?req=catalogprops"),
        ("others ignored", "shop/?wid=%zz&req=catalogprops"),
        ("an id behind it", "shop/lake?req=catalogprops"),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 200, "{name}: {}", text(&reply));
        let body = text(&reply);
        let found: Vec<_> = body.lines().skip(2).filter_map(|line| line.split_once('=')).collect();
        assert_eq!(found, expected, "{name}: all 20 in order");
        assert_eq!(reply.header("Cache-Control"), Some("public, max-age=1800"), "RQ-149 {name}");
    }
    let default = get(&service, "/is/image?req=catalogprops");
    assert_eq!(default.status, 200, "RQ-101 RQ-042: the default catalog without an id");
    assert_eq!(property(&default, "catalog.bkgColor").as_deref(), Some("ffffff"), "RQ-101");
    assert_eq!(property(&default, "catalog.maxPix").as_deref(), Some("0,0"), "RQ-101 no limit");
    assert_eq!(property(&default, "catalog.jpegQuality").as_deref(), Some("80,0"), "RQ-101");
    for target in ["nowhere?req=catalogprops", "a.png?req=catalogprops", "Shop?req=catalogprops"] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 403, "U-catalogprops-names {target}: {}", text(&reply));
    }
}

#[test]
fn raw_texts_end_in_one_line_end() {
    let site = shop();
    let service = site.service();
    for (name, target, body) in [
        ("RQ-103", "lake?req=imageset", "{shop/a,shop/b},{shop/c;;0xff00aa}\r\n"),
        (
            "RQ-103 text by name",
            "lake?req=imageset,text&wid=%zz",
            "{shop/a,shop/b},{shop/c;;0xff00aa}\r\n",
        ),
        ("RQ-103 unknown record", "nobody?req=imageset", "\r\n"),
        ("RQ-103 no set", "bare?req=imageset", "\r\n"),
        ("a file that is missing", "gone?req=imageset", "shop/x\r\n"),
        ("a path that leaves its folder", "outside?req=imageset", "shop/y\r\n"),
        (
            "RQ-104 S-92",
            "lake?req=targets",
            "Target.1.rect=1,2,30,40\r\nTarget.1.label=Left = right\r\njunk\r\nTarget.2.frame=1\r\n\
             Target.2.rect=5,6,7,8\r\n",
        ),
        ("RQ-104 unknown record", "nobody?req=targets", "\r\n"),
        ("RQ-104 no targets", "bare?req=targets", "\r\n"),
        ("S-92 quoted", "quoted?req=targets", "Target.1.rect=1,1,2,2\r\nTarget.1.label=what??\r\n"),
        (
            "RQ-104 S-92 colon passes",
            "lake?req=userdata",
            "color=red\r\na.b.size = 10 \r\ncol:or=x\r\n=nothing\r\ncolor=blue\r\n",
        ),
        ("RQ-104 no property data", "plain?req=userdata", "just a note\r\nof two lines\r\n"),
        ("S-92 quoted", "quoted?req=userdata", "one=1\r\ntwo=a??b\r\n\r\n"),
        ("RQ-104 unknown record", "nobody?req=userdata,text", "\r\n"),
        ("a file, no record", "a.png?req=userdata", "\r\n"),
    ] {
        let reply = get(&service, &format!("shop/{target}"));
        assert_eq!((reply.status, text(&reply).as_str()), (200, body), "{name}");
        assert_typed(&reply, "text/plain; charset=utf-8", name);
    }
    for kind in ["imageset", "targets", "userdata"] {
        assert_eq!(text(&get(&service, &format!("shop?req={kind}"))), "\r\n", "no id: {kind}");
    }
}

/// Name, request, and the properties of its reply.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

#[test]
fn targets_and_user_data_are_properties_in_xml_and_json() {
    let site = shop();
    let service = site.service();
    let rows: &[Row] = &[
        (
            "RQ-104 U-targets-text",
            "lake?req=targets",
            &[
                ("Target.1.rect", "1,2,30,40"),
                ("Target.1.label", "Left = right"),
                ("Target.2.frame", "1"),
                ("Target.2.rect", "5,6,7,8"),
            ],
        ),
        (
            "RQ-104 U-userdata-nonprop",
            "lake?req=userdata",
            &[("color", "blue"), ("a.b.size", "10")],
        ),
        (
            "U-userdata-nonprop",
            "plain?req=userdata",
            &[("userdata", "just a note\r\nof two lines")],
        ),
        ("S-92", "quoted?req=userdata", &[("one", "1"), ("two", "a??b")]),
        (
            "S-92",
            "quoted?req=targets",
            &[("Target.1.rect", "1,1,2,2"), ("Target.1.label", "what??")],
        ),
        ("unknown record", "nobody?req=userdata", &[]),
        ("unknown record", "nobody?req=targets", &[]),
        ("unknown record", "nobody?req=imageset", &[("IMAGE_SET", "")]),
    ];
    let replies: Vec<[Reply; 2]> = rows
        .iter()
        .map(|(_, target, _)| {
            ["xml", "json"].map(|format| get(&service, &format!("shop/{target},{format}&id=5")))
        })
        .collect();
    let documents = documents(&replies.iter().map(|[xml, _]| xml).collect::<Vec<_>>());
    let scripts = scripts(&replies.iter().map(|[_, json]| (json, "")).collect::<Vec<_>>());
    for (index, (name, target, expected)) in rows.iter().enumerate() {
        let expected: Vec<(String, String)> =
            expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        assert_eq!(documents[index].error, None, "{name} {target}");
        assert_eq!(documents[index].pairs, expected, "{name} {target}");
        let call = scripts[index].calls.first().unwrap_or_else(|| panic!("{name} {target}"));
        let expected = expected.into_iter().collect();
        assert_eq!((call.0.as_str(), &call.1, call.2.as_str()), ("s7jsonResponse", &expected, "5"));
    }
    let xml = text(&get(&service, "shop/lake?req=targets,xml"));
    assert!(xml.contains(" <prop-group name=\"Target.1\">\n  <property name=\"rect\""), "{xml}");
}

#[test]
fn xlate_lists_the_ids_that_exist() {
    let site = shop_with("", "CatalogFile=own.txt\n", "");
    site.write("catalogs/own.txt", "Id\tPath\nonly\ta.png\n");
    let service = site.service();
    for (name, target, expected) in [
        ("RQ-117 U-xlate", "shop/lake?req=xlate", "lake"),
        ("U-xlate none", "shop/nobody?req=xlate", ""),
        ("U-xlate a file is no id", "a.png?req=xlate", ""),
        ("of the default catalog", "shop/only?req=xlate", "only"),
        ("no id", "shop?req=xlate", ""),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 200, "{name}: {}", text(&reply));
        let found = property(&reply, "xlate.translatedIds");
        assert_eq!(found.as_deref(), Some(expected), "{name}: {}", text(&reply));
    }
    let json = text(&get(&service, "shop/lake?req=xlate,json"));
    assert_eq!(json, "/*jsonp*/s7jsonResponse({\"xlate.translatedIds\":\"lake\"},\"\");", "RQ-117");
}

#[test]
fn replies_from_records_live_as_long_as_documented() {
    let site = shop_with("", "Expiration=4\nNonImgExpiration=0.5\n", "Expiration=3\n");
    let service = site.service();
    for (name, target, control) in [
        ("record", "shop/lake?req=targets", "public, max-age=9000"),
        ("record", "shop/lake?req=userdata,json", "public, max-age=9000"),
        ("record", "shop/lake?req=xlate", "public, max-age=9000"),
        ("record", "shop/lake?req=xmp", "public, max-age=9000"),
        ("attribute", "shop/bare?req=userdata", "public, max-age=10800"),
        ("no record", "shop/nobody?req=userdata", "public, max-age=10800"),
        ("no catalog", "a.png?req=xmp", "public, max-age=14400"),
        ("-1", "shop/quoted?req=targets", "public, max-age=315360000"),
        ("NonImgExpiration", "shop/lake?req=imageset", "public, max-age=1800"),
        ("NonImgExpiration", "shop/lake?req=imageset,xml", "public, max-age=1800"),
        ("NonImgExpiration", "shop?req=catalogprops,json", "public, max-age=1800"),
        ("NonImgExpiration", "shop/lake?req=exists,json", "public, max-age=1800"),
        ("not kept", "shop/lake?req=validate,json", "no-store"),
    ] {
        let reply = get(&service, target);
        let found = (reply.status, reply.header("Cache-Control"));
        assert_eq!(found, (200, Some(control)), "RQ-149 {name} {target}");
        let etag = reply.header("ETag").map(str::to_owned);
        assert_eq!(etag.is_some(), control != "no-store", "U-etag {target}");
        let Some(etag) = etag else { continue };
        let mut again = request(Method::Get, target);
        again.headers.if_none_match = Some(etag.into_bytes());
        let reply = answer(&service, &again, &unhurried());
        assert_eq!((reply.status, reply.body.len()), (304, 0), "RQ-150 {target}");
    }
}

#[test]
fn the_metadata_version_follows_the_metadata() {
    let site = shop();
    let service = site.service();
    let version = |id: &str| {
        let reply = get(&service, &format!("{id}?req=props"));
        property(&reply, "metadata.version").unwrap_or_else(|| panic!("{id}: {}", text(&reply)))
    };
    let lake = version("shop/lake");
    assert!(lake.bytes().all(|b| b.is_ascii_alphanumeric()), "U-version {lake}");
    assert_ne!(lake, version("shop/plain"), "RQ-099");
    assert_eq!(version("shop/bare"), version("a.png"), "U-version: constant without metadata");
    assert_ne!(lake, version("shop/bare"), "U-version");
    assert_eq!(version("shop/lake"), lake, "the same again");
    for (name, from, to) in [
        ("UserData", "color=blue", "color=green"),
        ("Targets", "5,6,7,8", "5,6,7,9"),
        ("ImageSet", "0xff00aa", "0xff00ab"),
    ] {
        let changed = shop();
        changed.write("catalogs/shop.txt", RECORDS.replace(from, to));
        let service = changed.service();
        let props = get(&service, "shop/lake?req=props");
        assert_ne!(property(&props, "metadata.version"), Some(lake.clone()), "RQ-099 {name}");
    }
    let changed = shop();
    changed.write("catalogs/shop.txt", RECORDS.replace("qlt=60", "qlt=61"));
    let props = get(&changed.service(), "shop/lake?req=props");
    assert_eq!(property(&props, "metadata.version"), Some(lake), "RQ-099: not with the Modifier");
}
