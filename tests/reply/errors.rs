//! Errors: status, form and detail; methods; bodies of POST; what may stand in a header.

use imprint::request::Method;

use super::*;
use crate::support::site::{answer, get, property, request};

#[test]
fn methods_are_those_of_the_protocol() {
    let site = shop();
    let service = site.service();
    let ask = |method, target: &str| answer(&service, &request(method, target), &unhurried());
    for target in ["a.png?wid=20", "/is/image", "/nowhere"] {
        let put = ask(Method::Other, target);
        assert_eq!(put.status, 405, "RQ-004 {target}");
        assert_eq!(put.header("Allow"), Some("GET, HEAD, POST"), "RQ-004 {target}");
        let options = ask(Method::Options, target);
        assert_eq!((options.status, options.body.len()), (204, 0), "U-post {target}");
        assert_eq!(options.header("Allow"), Some("GET, HEAD, POST"), "U-post {target}");
    }
    for target in ["a.png?wid=20", "shop/lake?req=props", "nowhere.png", "/is/content/x"] {
        let (got, head) = (ask(Method::Get, target), ask(Method::Head, target));
        assert_eq!((got.status, got.headers), (head.status, head.headers), "RQ-004 HEAD {target}");
    }
    let save = ask(Method::Head, "a.png?req=saveToFile&name=a.jpg");
    assert_eq!(save.status, 405, "RQ-135");
    assert_eq!(save.header("Allow"), Some("GET, POST"), "RQ-135: HEAD does not save");
}

#[test]
fn each_situation_has_its_status() {
    let site = shop_with("", "MaxPix=500,500\n", "");
    let not_found = shop_with("[imprint]\nmissingStatus=404\n", "", "");
    let filtered = shop_with("", "ClientAddressFilter=10.0.0.1\n", "");
    let closed = shop_with("[PS]\nallowDefaultCatalogRequests=false\n", "", "");
    let no_default = shop();
    std::fs::remove_file(no_default.path("catalogs/default.ini")).expect("it was there");
    let long_path = format!("/is/image/{}", "a".repeat(20_000));
    let long_query = format!("a.png?{}", "a".repeat(70_000));
    let many = format!("a.png?{}", "wid=5&".repeat(2001));
    for (name, site, target, status) in [
        ("RQ-144 missing file", &site, "nowhere.png?wid=5", 403),
        ("missing record", &site, "shop/nobody?wid=5", 403),
        ("record without file", &site, "shop/gone", 403),
        ("unreadable", &site, "bad.png", 403),
        ("missingStatus", &not_found, "nowhere.png", 404),
        ("missingStatus, record", &not_found, "shop/gone?req=props", 404),
        ("missingStatus is not of broken images", &not_found, "bad.png", 403),
        ("missingStatus is not of saves", &not_found, "nowhere.png?req=saveToFile&name=a.jpg", 403),
        ("parse", &site, "a.png?wid=x", 403),
        ("RQ-153 MaxPix", &site, "a.png?wid=501", 403),
        ("unknown macro", &site, "a.png?$nosuch$", 403),
        ("too many commands", &site, &many, 403),
        ("address filter", &filtered, "a.png", 403),
        ("RQ-042 S-30 default catalog closed", &closed, "a.png", 403),
        ("RQ-042 a catalog is open", &closed, "shop/a.png", 200),
        ("save without name", &site, "a.png?req=saveToFile", 403),
        ("RQ-002 context", &site, "/xfl/flash/x", 404),
        ("RQ-002 render", &site, "/ir/render/x", 404),
        ("RQ-002 agm", &site, "/is/agm/x", 404),
        ("RQ-002 alias", &site, "/is/static/x", 404),
        ("static content without an item", &site, "/is/content/x", 403),
        ("path too long", &site, &long_path, 414),
        ("query too long", &site, &long_query, 414),
        ("no default catalog", &no_default, "a.png", 503),
    ] {
        let reply = site.get(target);
        assert_eq!(reply.status, status, "U-status {name}: {}", text(&reply));
        if status != 200 {
            assert_eq!(mime(&reply), "text/plain", "{name}");
            assert_eq!(reply.header("Cache-Control"), Some("no-store"), "RQ-144 {name}");
            assert_eq!(reply.header("Expires").or(reply.header("ETag")), None, "RQ-144 {name}");
        }
        let waits = (status == 503).then_some("1");
        assert_eq!(reply.header("Retry-After"), waits, "{name}");
    }
}

#[test]
fn an_error_has_the_form_of_its_request_type() {
    let site = shop();
    let service = site.service();
    for (name, target, head) in [
        ("img", "nowhere.png", None),
        ("img by name", "nowhere.png?req=img", None),
        ("mask", "nowhere.png?req=mask", None),
        ("tmb", "nowhere.png?req=tmb", None),
        ("message", "a.png?wid=x&req=message", None),
        ("loadcache", "nowhere.png?req=loadcache", None),
        ("xmp", "nowhere.png?req=xmp", None),
        ("resolve", "a.png?wid=x&req=resolve", None),
        ("U-req-unknown type", "a.png?req=nosuch", None),
        ("U-req-unknown option", "a.png?req=img,text", None),
        ("two types, the last counts", "nowhere.png?req=props&req=img", None),
        ("unknown context", "/xfl/flash/x?req=props", None),
        ("props", "nowhere.png?req=props", Some("#S7Z ERROR")),
        ("PROPS", "nowhere.png?REQ=PROPS", Some("#S7Z ERROR")),
        ("encoded", "nowhere.png?req=%70rops", Some("#S7Z ERROR")),
        ("option", "nowhere.png?req=props,text", Some("#S7Z ERROR")),
        ("unknown option", "a.png?req=props,nosuch", Some("#S7Z ERROR")),
        ("macro", "shop/gone?$info$", Some("#S7Z ERROR")),
        ("variable", "nowhere.png?$r=props&req=$r$", Some("#S7Z ERROR")),
        ("imageprops", "nowhere.png?req=imageprops", Some("#S7Z ERROR")),
        ("validate", "a.png?wid=x&req=validate", Some("#S7Z ERROR")),
        ("catalogprops", "nowhere?req=catalogprops", Some("#S7Z ERROR")),
        ("mbrSet", "shop/lake?req=mbrSet", Some("#S7Z ERROR")),
        ("userdata", "shop/lake?req=userdata,nosuch", Some("#S7Z ERROR")),
        ("saveToFile", "a.png?req=saveToFile&name=.x", Some("#S7Z ERROR")),
    ] {
        let reply = get(&service, target);
        let text = text(&reply);
        assert!(reply.status == 403 || reply.status == 404, "{name}: {text}");
        match head {
            None => assert_eq!(
                (text.lines().count(), text.ends_with('\n')),
                (1, true),
                "{name}: {text}"
            ),
            Some(head) => {
                assert_head(&reply, head, name);
                let status = if name == "saveToFile" { vec!["status"] } else { vec![] };
                let expected = [vec!["error.title", "error.message"], status].concat();
                assert_eq!(names(&reply), expected, "U-error-body {name}");
            }
        }
    }
}

#[test]
fn detail_is_shown_from_level_two_on() {
    for level in 0..=3_u8 {
        let site = shop_with("", &format!("ErrorDetail={level}\n"), "");
        let service = site.service();
        let root = site.root().to_str().expect("a plain path").to_owned();
        for (name, target, title, detail) in [
            ("missing", "nowhere.png", "Image not found", "nowhere.png"),
            ("record", "shop/gone", "Image not found", "nowhere.png"),
            ("broken", "bad.png", "Image could not be read", "bad.png"),
            ("value", "a.png?wid=%1b%0d%0ax", "Invalid request", "wid"),
            ("unsupported", "a.png?op_blur=2", "Not supported", "op_blur"),
            ("props", "nowhere.png?req=props", "Image not found", "nowhere.png"),
            ("save", "a.png?req=saveToFile&name=../x.jpg", "", ".."),
        ] {
            let reply = get(&service, target);
            let text = text(&reply);
            let message =
                property(&reply, "error.message").unwrap_or_else(|| text.trim_end().to_owned());
            let is_open = level >= 2;
            assert_eq!(
                message.contains(detail),
                is_open,
                "RQ-145 S-67 {name} at {level}: {message}"
            );
            assert!(message.starts_with(title), "RQ-145 S-67 {name} at {level}: {message}");
            assert!(is_open || !text.contains(&root), "RQ-145 S-67 {name} at {level}: {text}");
            assert!(is_open || !message.contains('/'), "RQ-145 S-67 {name} at {level}: {message}");
            let is_clean = text.chars().all(|c| c == '\n' || !c.is_control());
            assert!(is_clean, "{name} at {level}: {text:?}");
            assert!(message.len() < 400, "{name} at {level}: user text is cut");
        }
        let long = get(&service, &format!("a.png?wid={}", "9x".repeat(30_000)));
        assert!(long.body.len() < 400, "U-error-body: {} bytes at {level}", long.body.len());
    }
}

#[test]
fn no_request_text_becomes_a_header() {
    const KNOWN: [&str; 8] = [
        "Content-Type",
        "Cache-Control",
        "Expires",
        "ETag",
        "Last-Modified",
        "X-Content-Type-Options",
        "Allow",
        "Retry-After",
    ];
    let site = shop_with("", "ErrorDetail=3\nUseLastModified=1\n", "");
    let service = site.service();
    let mut count = 0;
    for inserted in [
        "%0d%0aX-Accel-Redirect:%20/etc/passwd",
        "%0aLocation:%20//x",
        "%C4%8ASet-Cookie:%20a",
        "%0d",
        "%c2%85X-Sendfile:%20/x",
        "%E2%80%A8x:y",
        "\r\nX-Sendfile: /x",
    ] {
        for target in [
            format!("a.png{inserted}"),
            format!("a.png?wid=20&id={inserted}"),
            format!("a.png?wid=20&$v={inserted}&id=$v$"),
            format!("a.png?wid=20&handler={inserted}"),
            format!("a.png?fmt=png{inserted}"),
            format!("a.png?wid=20&{inserted}=x"),
            format!("a.png?req=props{inserted}"),
            format!("a.png?req=props&id={inserted}"),
            format!("a.png?req=saveToFile&name=a{inserted}.jpg"),
            format!("shop/lake{inserted}?req=imageprops"),
            format!("/nowhere{inserted}"),
        ] {
            let reply = get(&service, &target);
            for (header, value) in &reply.headers {
                assert!(KNOWN.contains(&header.as_str()), "G-12 {target:?}: {header:?}");
                assert!(
                    !value.as_str().chars().any(char::is_control),
                    "G-12 {target:?}: {value:?}"
                );
            }
            assert!([200, 403, 404].contains(&reply.status), "G-12 {target:?}: {}", reply.status);
            count += 1;
        }
    }
    assert_eq!(count, 77);
}

#[test]
fn the_body_of_a_post_is_appended_to_the_query() {
    let site = shop();
    let service = site.service();
    let post = |target: &str, content_type: Option<&str>, body: &str| {
        let mut raw = request(Method::Post, target);
        raw.headers.content_type = content_type.map(|text| text.as_bytes().to_vec());
        raw.body = body.as_bytes().to_vec();
        answer(&service, &raw, &unhurried())
    };
    let form = Some("application/x-www-form-urlencoded");
    for (name, target, content_type, body, width) in [
        ("U-post form", "a.png", form, "wid=40", 40),
        ("U-post joined by &", "a.png?wid=30&hei=10", form, "hei=300", 30),
        ("the body counts last", "a.png?wid=30", form, "wid=50", 50),
        ("plain text", "a.png", Some("text/plain"), "wid=40\r\n", 40),
        ("parameter of the type", "a.png", Some("Text/Plain; charset=utf-8"), "wid=40", 40),
        ("no body", "a.png?wid=30", None, "", 30),
        ("catalog", "shop", form, "src=a.png&wid=20", 20),
    ] {
        let reply = post(target, content_type, body);
        assert_eq!(size(&reply).width, width, "{name}");
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "U-post {name}");
        assert_eq!(reply.header("ETag").or(reply.header("Expires")), None, "U-post {name}");
    }
    let props = post("a.png", form, "req=props&wid=20");
    assert_eq!(property(&props, "image.width").as_deref(), Some("20"), "U-post props");
    assert_eq!(props.header("Cache-Control"), Some("no-store"), "U-post props");
    let banner = post("/is/image", None, "");
    assert_eq!(banner.status, 200, "U-banner by POST");
    for (name, content_type, body, status) in [
        ("type", Some("application/json"), "{}".to_owned(), 400),
        ("no type", None, "wid=5".to_owned(), 400),
        ("multipart", Some("multipart/form-data; boundary=x"), "--x".to_owned(), 400),
        ("length", form, format!("id={}", "a".repeat(66_000)), 413),
        ("commands", form, "wid=x".to_owned(), 403),
    ] {
        let reply = post("a.png", content_type, &body);
        assert_eq!(reply.status, status, "U-post {name}: {}", text(&reply));
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "U-post {name}");
    }
}
