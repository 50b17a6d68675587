//! How long clients may keep a reply, validators, and conditional requests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imprint::reply::body::Body;
use imprint::request::{Method, RawRequest, http_date_seconds};

use super::*;
use crate::support::site::{answer, get, request};

fn etag(reply: &Reply) -> String {
    reply.header("ETag").unwrap_or_else(|| panic!("an ETag: {}", text(reply))).to_owned()
}

#[test]
fn a_reply_lives_as_long_as_its_record_and_catalog_say() {
    let site = shop_with("", "Expiration=4\nNonImgExpiration=0.5\n", "Expiration=3\n");
    let endless = shop_with("", "NonImgExpiration=-1\n", "Expiration=-1\nNonImgExpiration=0\n");
    for (name, site, target, control) in [
        ("RQ-149 record", &site, "shop/lake?wid=9", "public, max-age=9000"),
        ("RQ-149 attribute of the catalog", &site, "shop/Abc?wid=9", "public, max-age=10800"),
        ("RQ-149 -2", &site, "shop/inherits?wid=9", "public, max-age=10800"),
        ("RQ-149 file in a catalog", &site, "shop/a.png?wid=9", "public, max-age=10800"),
        ("RQ-149 attribute of the default catalog", &site, "a.png?wid=9", "public, max-age=14400"),
        ("RQ-149 0", &site, "shop/always?wid=9", "no-cache, max-age=0"),
        ("RQ-149 -1", &site, "shop/never?wid=9", "public, max-age=315360000"),
        ("RQ-149 attribute -1", &endless, "shop/Abc?wid=9", "public, max-age=315360000"),
        ("S-36 another record by src=", &site, "shop/Abc?src=lake&wid=9", "public, max-age=9000"),
        ("props", &site, "shop/lake?wid=9&req=props", "public, max-age=1800"),
        ("imageprops", &site, "shop/lake?req=imageprops", "public, max-age=1800"),
        ("exists", &site, "shop/lake?req=exists", "public, max-age=1800"),
        ("props 0", &endless, "shop/lake?req=props", "no-cache, max-age=0"),
        ("props -1", &endless, "a.png?req=props", "public, max-age=315360000"),
        ("validate", &site, "shop/lake?req=validate", "no-store"),
        ("resolve", &site, "shop/lake?req=resolve", "no-store"),
        ("save", &site, "a.png?wid=9&req=saveToFile&name=a.jpg", "no-store"),
        ("RQ-085", &site, "shop/lake?wid=9&cache=off", "no-store"),
        ("RQ-085 client", &site, "shop/lake?wid=9&cache=off,on", "no-store"),
        ("U-cache-neg", &site, "shop/never?wid=9&cache=off", "no-store"),
        ("server only", &site, "shop/lake?wid=9&cache=on,off", "public, max-age=9000"),
        ("cache=update", &site, "shop/lake?wid=9&cache=update", "public, max-age=9000"),
        ("cache=validate", &site, "shop/lake?wid=9&cache=validate", "public, max-age=9000"),
        ("no reply image", &site, "shop/lake?cache=off&req=props", "public, max-age=1800"),
    ] {
        let reply = site.get(target);
        assert_eq!(reply.status, 200, "{name}: {}", text(&reply));
        assert_eq!(reply.header("Cache-Control"), Some(control), "{name}");
        let is_kept = control.starts_with("public");
        assert_eq!(reply.header("Expires").is_some(), is_kept, "U-ttl-headers {name}");
        assert_eq!(reply.header("ETag").is_some(), control != "no-store", "U-etag {name}");
        if let Some(seconds) = control.strip_prefix("public, max-age=") {
            let expires =
                reply.header("Expires").and_then(|text| http_date_seconds(text.as_bytes()));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
            let left =
                expires.expect("a date") - i64::try_from(now).expect("before the end of time");
            let expected: i64 = seconds.parse().expect("a number");
            assert!(
                (expected - 120..=expected + 1).contains(&left),
                "{name}: {left} of {expected}"
            );
        }
    }
}

fn with_headers(target: &str, none_match: Option<&str>, since: Option<&str>) -> RawRequest {
    let mut raw = request(Method::Get, target);
    raw.headers.if_none_match = none_match.map(|text| text.as_bytes().to_vec());
    raw.headers.if_modified_since = since.map(|text| text.as_bytes().to_vec());
    raw
}

#[test]
fn an_etag_confirms_what_the_client_has() {
    let site = shop();
    let service = site.service();
    for target in [
        "shop/lake?wid=30",
        "m.png?fmt=png-alpha",
        "shop/lake?req=props",
        "shop/lake?req=imageprops",
        "shop/lake?req=exists",
    ] {
        let plain = get(&service, target);
        let tag = etag(&plain);
        assert!(
            tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10,
            "strong and quoted: {tag}"
        );
        assert_eq!(etag(&get(&service, target)), tag, "the same request, the same tag");
        let other = tag.replace('"', "");
        for (name, header, is_known) in [
            ("RQ-150 S-70 the tag", tag.clone(), true),
            ("RQ-150 weak", format!("W/{tag}"), true),
            ("RQ-150 list", format!("\"x\", {tag} ,\"y\""), true),
            ("RQ-150 list of weak ones", format!("W/\"x\",W/{tag}"), true),
            ("RQ-150 star", "*".to_owned(), true),
            ("another", "\"x\"".to_owned(), false),
            ("without quotes", other, false),
            ("empty", String::new(), false),
            ("control characters", format!("{tag}\u{1}"), false),
        ] {
            let reply = answer(&service, &with_headers(target, Some(&header), None), &unhurried());
            assert_eq!(reply.status, if is_known { 304 } else { 200 }, "{target} {name}: {header}");
            if is_known {
                let sent: Vec<&str> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
                assert!(reply.body.is_empty(), "{target} {name}: no body");
                assert_eq!(reply.header("ETag"), Some(tag.as_str()), "U-etag {target} {name}");
                assert!(sent.contains(&"Cache-Control") && sent.contains(&"Expires"), "{sent:?}");
                assert!(!sent.contains(&"Content-Type"), "{target} {name}: {sent:?}");
            } else {
                assert_eq!(reply.body.is_empty(), plain.body.is_empty(), "{target} {name}");
            }
        }
        let mut post = with_headers(target, Some("*"), None);
        post.method = Method::Post;
        assert_eq!(
            answer(&service, &post, &unhurried()).status,
            200,
            "U-post {target}: not conditional"
        );
        let mut head = with_headers(target, Some(&tag), None);
        head.method = Method::Head;
        assert_eq!(answer(&service, &head, &unhurried()).status, 304, "HEAD {target}");
    }
    for target in ["shop/lake?wid=30&cache=off", "shop/lake?req=resolve", "shop/lake?req=validate"]
    {
        let reply = answer(&service, &with_headers(target, Some("*"), None), &unhurried());
        assert_eq!(reply.status, 200, "{target}: nobody may keep it");
    }
    let missing = answer(&service, &with_headers("nowhere.png", Some("*"), None), &unhurried());
    assert_eq!(missing.status, 403, "an error is never confirmed");
    let never = with_headers("shop/never?wid=9", Some("\"old\""), None);
    assert_eq!(answer(&service, &never, &unhurried()).status, 304, "24.1: -1 is not checked");
}

#[test]
fn an_etag_changes_with_every_byte_that_changes() {
    let site = shop();
    let service = site.service();
    let mut seen: Vec<(String, String, Body)> = Vec::new();
    for query in [
        "",
        "wid=51",
        "hei=51",
        "wid=50&hei=50",
        "wid=50&hei=50&fit=crop",
        "wid=50&hei=50&fit=stretch",
        "wid=50&hei=50&align=-1,-1",
        "wid=50&hei=50&bgc=ff0000",
        "scl=7",
        "rgn=0,0,50,50",
        "rgn=1,0,50,50",
        "wid=50&rect=0,0,9,9",
        "wid=50&rect=1,0,9,9",
        "fmt=png",
        "fmt=png-alpha",
        "fmt=gif",
        "fmt=tif",
        "fmt=tif,,lzw",
        "fmt=webp",
        "fmt=webp,,lossless",
        "fmt=png8",
        "fmt=png8&quantize=web",
        "fmt=pjpeg",
        "fmt=pjpeg&pscan=3",
        "fmt=jpeg,gray",
        "qlt=50",
        "qlt=80,1",
        "jpegSize=5",
        "printRes=301",
        "resMode=bilin&wid=77",
        "resMode=bicub&wid=77",
        "wid=77",
        "wid=50&dpr=on,2",
        "crop=0,0,100,100",
        "crop=5,0,100,100",
        "rotate=90",
        "rotate=10",
        "rotate=10&bgColor=00ff00",
        "flip=lr",
        "flip=ud",
        "size=90,90",
        "scale=0.5",
        "extend=5,5,5,5",
        "extend=5,5,5,5&bgc=00ff00",
    ] {
        let reply = get(&service, &format!("a.png?{query}"));
        assert_eq!(reply.status, 200, "?{query}: {}", text(&reply));
        let tag = etag(&reply);
        for (earlier, earlier_tag, body) in &seen {
            let is_same = *body == reply.body;
            assert!(
                is_same || *earlier_tag != tag,
                "?{query} and ?{earlier} differ, their tags do not"
            );
        }
        seen.push((query.to_owned(), tag, reply.body));
    }
    assert_eq!(seen.len(), 44);
    let plain = get(&service, "a.png?wid=50");
    for query in ["id=5", ".ts=9", "foo=1", "cache=update", "cache=on", "&", "WID=50", "locale=de"]
    {
        let reply = get(&service, &format!("a.png?wid=50&{query}"));
        assert_eq!(etag(&reply), etag(&plain), "U-etag ?{query}");
        assert!(reply.body == plain.body, "?{query}");
    }
    assert_ne!(etag(&get(&service, "q.png?wid=50")), etag(&plain), "another file");
    site.image("a.png", png(&textured(400, 301)));
    assert_ne!(etag(&get(&service, "a.png?wid=50")), etag(&plain), "the file changed");
    let before = etag(&get(&service, "a.png?wid=50"));
    let file =
        std::fs::File::options().write(true).open(site.path("images/a.png")).expect("a file");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).expect("its time");
    assert_ne!(etag(&get(&service, "a.png?wid=50")), before, "the file was touched");
}

#[test]
fn last_modified_is_sent_where_the_catalog_says_so() {
    let site = shop_with("", "", "UseLastModified=1\n");
    let time = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let file =
        std::fs::File::options().write(true).open(site.path("images/q.png")).expect("a file");
    file.set_modified(time).expect("its time");
    let service = site.service();
    let stamp = "Tue, 04 Mar 2025 09:15:02 GMT";
    assert_eq!(get(&service, "a.png?wid=9").header("Last-Modified"), None, "RQ-151 off");
    let props = get(&service, "shop/lake?req=props");
    assert_eq!(props.header("Last-Modified"), None, "image requests only");
    let reply = get(&service, "shop/lake?wid=9");
    assert_eq!(reply.header("Last-Modified"), Some(stamp), "RQ-151 TimeStamp of the record");
    let of_file = get(&service, "shop/q.png?wid=9");
    let newer = "Tue, 02 Oct 2096 07:06:40 GMT";
    assert_eq!(of_file.header("Last-Modified"), Some(newer), "a file has its own time");
    let tag = etag(&reply);
    for (name, none_match, since, status) in [
        ("RQ-151 the same", None, Some(stamp), 304),
        ("later", None, Some("Wed, 05 Mar 2025 09:15:02 GMT"), 304),
        ("earlier", None, Some("Tue, 04 Mar 2025 09:15:01 GMT"), 200),
        ("no date", None, Some("yesterday"), 200),
        ("U-etag the tag decides: other", Some("\"x\""), Some(stamp), 200),
        (
            "U-etag the tag decides: same",
            Some(tag.as_str()),
            Some("Tue, 04 Mar 2025 09:15:01 GMT"),
            304,
        ),
    ] {
        let raw = with_headers("shop/lake?wid=9", none_match, since);
        assert_eq!(answer(&service, &raw, &unhurried()).status, status, "{name}");
    }
    let raw = with_headers("shop/q.png?wid=9", None, Some(stamp));
    assert_eq!(answer(&service, &raw, &unhurried()).status, 200, "the file is newer");
    let raw = with_headers("a.png?wid=9", None, Some("Tue, 02 Oct 2096 07:06:40 GMT"));
    assert_eq!(answer(&service, &raw, &unhurried()).status, 200, "RQ-151 off: no date to compare");
}
