//! `type=`, `req=`, `cache=`, and what a catalog's guards and rules do to static content.

use std::net::IpAddr;

use super::*;

#[test]
fn a_type_is_held_against_the_type_of_the_record() {
    let service_site = site("", "");
    let service = service_site.service();
    for (row, target, status) in [
        ("CX-82", "cat/film?type=swf", 200),
        ("CX-82", "cat/film?type=mp4", 403),
        ("S-46 case-sensitive", "cat/film?type=SWF", 403),
        ("S-46 empty", "cat/film?type=", 200),
        ("S-46 untyped record", "cat/plain?type=swf", 200),
        ("S-46 no record", "free/page.html?type=swf", 200),
        ("S-46 decoded", "cat/film?type=s%77f", 200),
        ("S-46 the last counts", "cat/film?type=mp4&type=swf", 200),
        ("S-46 properties", "cat/film?type=mp4&req=props", 403),
        ("S-46 user data", "cat/film?type=mp4&req=userdata", 403),
        ("RQ-102 ignores it", "cat/film?type=mp4&req=exists", 200),
        ("requests.md 21 unknown commands", "cat/film?wid=5&x&$a=1&$b$&layer=9", 200),
    ] {
        let reply = get(&service, &format!("/is/content/{target}"));
        assert_eq!(reply.status, status, "{row}: {target}: {}", text(&reply));
    }
}

#[test]
fn properties_come_from_record_and_file() {
    let service_site = site("", "NonImgExpiration=0.5\n");
    let service = service_site.service();
    let film = get(&service, "/is/content/cat/film?req=props");
    let stamped = get(&service, "/is/content/cat/stamped?req=props");
    let page = get(&service, "/is/content/free/page.html?req=props");
    for (row, reply, name, expected) in [
        ("U-content-path", &film, "path", "cat/film.mp4"),
        ("16.4", &film, "length", "10"),
        ("16.4", &film, "expiration", "2.0"),
        ("16.4", &film, "userType", "swf"),
        ("16.4 never", &stamped, "expiration", "-1.0"),
        ("16.4 without record", &page, "path", "free/page.html"),
        ("16.4 without record", &page, "userType", ""),
    ] {
        assert_eq!(property(reply, name).as_deref(), Some(expected), "{row}: {}", text(reply));
    }
    let dates = [&film, &stamped].map(|reply| property(reply, "lastModified"));
    assert!(dates[0].as_ref().is_some_and(|date| date.contains("2025")), "16.4 {dates:?}");
    assert!(dates[1].as_ref().is_some_and(|date| date.contains("2001")), "16.4 {dates:?}");
    assert_eq!(film.header("Cache-Control"), Some("public, max-age=1800"), "RQ-149");
    let tag = film.header("ETag").expect("a tag");
    let again = asked(&service, "/is/content/cat/film?req=props", &[("If-None-Match", tag)]);
    assert_eq!((again.status, again.body.len()), (304, 0), "RQ-150");
    let off = get(&service, "/is/content/cat/film?req=props&cache=off");
    assert_eq!(off.header("Cache-Control"), Some("no-store"), "13.1");
    assert_eq!(get(&service, "/is/content/cat/gone?req=props").status, 403, "no file");
}

#[test]
fn existence_is_that_of_a_record_in_the_static_table() {
    let service_site = site("", "");
    let service = service_site.service();
    for (row, path, expected) in [
        ("RQ-102", "cat/film", "1"),
        ("RQ-102 without file", "cat/gone", "1"),
        ("RQ-102 an image", "cat/onlyImage", "0"),
        ("U-exists a file", "free/page.html", "0"),
        ("RQ-102 no item", "cat", "0"),
    ] {
        let reply = get(&service, &format!("/is/content/{path}?req=exists"));
        assert_eq!(reply.status, 200, "{row}");
        let found = property(&reply, "catalogRecord.exists");
        assert_eq!(found.as_deref(), Some(expected), "{row}: {path}");
    }
    for (format, body) in [
        ("javascript", "catalogRecord.exists='1'\n"),
        ("json", "/*jsonp*/s7jsonResponse({\"catalogRecord.exists\":\"1\"},\"\");"),
        ("json&handler=f&id=7", "/*jsonp*/f({\"catalogRecord.exists\":\"1\"},\"7\");"),
    ] {
        let reply = get(&service, &format!("/is/content/cat/film?req=exists,{format}"));
        assert_eq!(text(&reply), body, "RQ-102 {format}");
        assert_eq!(reply.header("Content-Type"), Some("text/javascript; charset=utf-8"));
    }
    let xml = text(&get(&service, "/is/content/cat/film?req=exists,xml"));
    assert!(xml.contains("<property name=\"exists\" value=\"1\""), "RQ-102 {xml}");
}

#[test]
fn user_data_are_text_or_properties() {
    let service_site = site("", "");
    let service = service_site.service();
    for (row, target, body) in [
        ("16.13", "cat/film?req=userdata", "a=1\r\nb:c=2\r\nd=3\r\n"),
        ("16.13 no data", "cat/stamped?req=userdata", "\r\n"),
        ("16.13 unresolved path", "cat/nothing?req=userdata", "\r\n"),
        (
            "16.13 json",
            "cat/film?req=userdata,json&id=4",
            "/*jsonp*/s7jsonResponse({\"a\":\"1\",\"d\":\"3\"},\"4\");",
        ),
        (
            "U-userdata-nonprop",
            "cat/plain?req=userdata,json",
            "/*jsonp*/s7jsonResponse({\"userdata\":\"just words\"},\"\");",
        ),
    ] {
        let reply = get(&service, &format!("/is/content/{target}"));
        assert_eq!((reply.status, text(&reply).as_str()), (200, body), "{row}: {target}");
    }
    let reply = get(&service, "/is/content/cat/film?req=userdata");
    assert_eq!(reply.header("Cache-Control"), Some("public, max-age=7200"), "static::Expiration");
}

#[test]
fn text_can_be_wrapped_in_a_call() {
    let site = site("", "");
    file(&site, "free/a.vtt", "\u{feff}WEBVTT\n</script>\"'\u{2028}é".as_bytes());
    file(&site, "free/latin.txt", b"\xfc");
    let most = 2 << 20;
    file(&site, "free/most.txt", &vec![b'a'; most]);
    file(&site, "free/more.txt", &vec![b'a'; most + 1]);
    let service = site.service();
    let reply = get(&service, "/is/content/free/a.vtt?req=content,json&id=9&handler=show");
    let expected =
        "/*jsonp*/show({\"content\":\"WEBVTT\\n\\u003C/script\\u003E\\\"'\\u2028é\"},\"9\");";
    assert_eq!(text(&reply).to_lowercase(), expected.to_lowercase(), "U-static-jsonp");
    assert_eq!(reply.header("Content-Type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "R-7");
    let tag = reply.header("ETag").expect("a tag");
    let target = "/is/content/free/a.vtt?req=content,json&id=9&handler=show";
    assert_eq!(asked(&service, target, &[("If-None-Match", tag)]).status, 304, "RQ-150");
    let whole = get(&service, "/is/content/free/most.txt?req=content,jsonp");
    assert!(whole.status == 200 && whole.body.len() > most as u64, "U-static-jsonp 2 MB");
    for (row, target, title) in [
        ("U-static-jsonp limit", "free/more.txt?req=content,json", "Content too large"),
        ("U-static-jsonp UTF-8", "free/latin.txt?req=content,json", "Content could not be read"),
        ("U-static-jsonp missing", "free/none.txt?req=content,json", "Content not found"),
    ] {
        let reply = get(&service, &format!("/is/content/{target}"));
        let body = text(&reply);
        assert!(body.starts_with("/*jsonp*/s7jsonError("), "{row}: {body}");
        assert!(body.contains(title), "{row}: {body}");
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{row}");
    }
    for target in [
        "cat/film?req=content,xml",
        "cat/film?req=img",
        "cat/film?req=nonsense",
        "cat/film?req=saveToFile&name=a.png",
        "cat/film?req=content,json&handler=a.b",
        "cat/film?cache=maybe",
    ] {
        let reply = get(&service, &format!("/is/content/{target}"));
        assert_eq!(reply.status, 403, "U-req-unknown {target}");
    }
    let film = get(&service, "/is/content/cat/film?req=content");
    assert_eq!(bytes(&film), b"0123456789", "without a format it is the file");
}

#[test]
fn guards_of_the_catalog_hold_for_static_content() {
    let locked_site = site("", "RequestLock=1\n");
    let locked = locked_site.service();
    assert_eq!(get(&locked, "/is/content/cat/film?type=swf").status, 403, "RQ-021");
    assert_eq!(get(&locked, "/is/content/cat/film?&0000").status, 200, "U-lock-empty");
    let hidden_site = site("", "RequestObfuscation=1\n");
    let hidden = hidden_site.service();
    assert_eq!(get(&hidden, "/is/content/cat/film?dHlwZT1zd2Y=").status, 200, "RQ-022 type=swf");
    assert_eq!(get(&hidden, "/is/content/cat/film?dHlwZT1tcDQ=").status, 403, "RQ-022 type=mp4");
    assert_eq!(get(&hidden, "/is/content/cat/film?type=swf").status, 403, "RQ-022 in clear");
    let listed_site = site("", "ClientAddressFilter=10.0.0.0/8\n");
    let listed = listed_site.service();
    for (peer, status) in [("10.1.2.3", 200), ("192.0.2.1", 403)] {
        let peer: IpAddr = peer.parse().expect("an address");
        let raw = RawRequest { peer: Some(peer), ..request(Method::Get, "/is/content/cat/film") };
        assert_eq!(answer(&listed, &raw, &unhurried()).status, status, "{peer}");
    }
    let nameless_site = site("[PS]\nallowDefaultCatalogRequests = false\n", "");
    let nameless = nameless_site.service();
    assert_eq!(get(&nameless, "/is/content/free/page.html").status, 403, "8.3");
    assert_eq!(get(&nameless, "/is/content/cat/film").status, 200, "8.3");
    let localized_site = site("", "LocaleMap=de,_de\n");
    let localized = localized_site.service();
    assert_eq!(get(&localized, "/is/content/cat/film").status, 403, "not carried out: refused");
}

#[test]
fn rules_count_in_the_context_they_name() {
    let rule = |kinds: &str, more: &str| format!("<rule {kinds}{more}</rule>");
    let rules = [
        rule("RequestType=\"static\" OnMatch=\"error\"", "><expression>^cat/gone</expression>"),
        rule("RequestType=\"is\" OnMatch=\"error\"", "><expression>^cat/plain</expression>"),
        rule(
            "RequestType=\"static\" Expiration=\"1\"",
            "><expression>^cat/nick</expression><substitution>cat/plain</substitution>\
             <header Name=\"X-Own\">$here$</header><header Name=\"X-Sendfile\">/etc/passwd</header>",
        ),
    ];
    let site = site("", "RuleSetFile=rules.xml\n");
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ruleset>\n";
    site.write("catalogs/rules.xml", format!("{head}{}\n</ruleset>\n", rules.join("\n")));
    site.image(
        "film.png",
        crate::support::pictures::png(&crate::support::pictures::flat(4, 4, [9; 3])),
    );
    let service = site.service();
    let title = |target: &str| {
        let reply = get(&service, target);
        (reply.status, text(&reply))
    };
    assert_eq!(title("/is/content/cat/gone").1, "Request refused\n", "S-52 static refuses");
    assert_eq!(title("/is/image/cat/gone").1, "Image not found\n", "S-52 not for images");
    assert_eq!(title("/is/image/cat/plain").1, "Request refused\n", "S-52 is refuses");
    assert_eq!(get(&service, "/is/content/cat/plain").status, 200, "S-52 not for content");
    let nick = get(&service, "/is/content/cat/nick");
    assert_eq!(bytes(&nick), "Grüße".as_bytes(), "S-52 substitution within /is/content");
    assert_eq!(nick.header("X-Own"), Some("$here$"), "U-rule-header without variables");
    assert_eq!(nick.header("X-Sendfile"), None, "G-12");
    assert_eq!(nick.header("Cache-Control"), Some("public, max-age=3600"), "5 Expiration");
    let part = asked(&service, "/is/content/cat/nick", &[("Range", "bytes=0-0")]);
    assert_eq!((part.status, part.header("X-Own")), (206, Some("$here$")), "U-rule-header");
}
