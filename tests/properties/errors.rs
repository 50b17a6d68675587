//! Errors of property types in the format of their request (RQ-093, U-error-body, U-json-error).

use super::readers::{documents, scripts};
use super::*;
use crate::support::site::{get, property, text};

#[test]
fn an_error_has_the_format_of_its_request() {
    let site = shop();
    let service = site.service();
    let long = "a".repeat(20_000);
    for (name, target) in [
        ("RQ-093 missing file", "nowhere.png?req=props,FORMAT&id=7".to_owned()),
        ("missing record", "shop/nobody?req=imageprops,FORMAT&id=7".to_owned()),
        ("value", "a.png?wid=x&req=props,FORMAT&id=7".to_owned()),
        ("escape", "a.png?wid=%zz&req=validate,FORMAT&id=7".to_owned()),
        ("unknown macro", "a.png?req=props,FORMAT&$nosuch$&id=7".to_owned()),
        ("dot element", "../a.png?req=imageprops,FORMAT&id=7".to_owned()),
        ("comma in the object", "shop/a,b?req=userdata,FORMAT&id=7".replace("userdata", "exists")),
        ("path too long", format!("{long}?req=exists,FORMAT&id=7")),
        ("unknown encoding", "a.png?req=props,FORMAT,nosuch&id=7".to_owned()),
        ("no catalog", "nowhere?req=catalogprops,FORMAT&id=7".to_owned()),
        (
            "text of the user",
            "a.png?wid='%22%3C/script%3E%E2%80%A8%0A]]%3E&req=props,FORMAT&id=7".to_owned(),
        ),
    ] {
        let [javascript, xml, json] = ["javascript", "xml", "json"]
            .map(|format| get(&service, &target.replace("FORMAT", format)));
        let plain = get(&service, &target.replace("FORMAT", "text"));
        assert!(matches!(plain.status, 403 | 414), "{name}: {}", text(&plain));
        let title = property(&plain, "error.title").unwrap_or_else(|| panic!("{}", text(&plain)));
        for (reply, content_type, status) in [
            (&javascript, "text/javascript; charset=utf-8", plain.status),
            (&xml, "text/xml; charset=UTF-8", plain.status),
            (&json, "text/javascript; charset=utf-8", 200),
        ] {
            assert_eq!(reply.status, status, "U-json-error {name}: {}", text(reply));
            assert_typed(reply, content_type, name);
            assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{name}");
        }
        let scripts = scripts(&[(&javascript, ""), (&json, "")]);
        let [(called, object, id)] = scripts[1].calls.as_slice() else {
            panic!("{name}: {:?}", scripts[1]);
        };
        assert_eq!((called.as_str(), id.as_str()), ("s7jsonError", "7"), "RQ-093 {name}");
        assert_eq!(object.keys().collect::<Vec<_>>(), ["message", "title"], "U-json-error {name}");
        assert_eq!(object["title"], title, "{name}");
        assert!(object["message"].starts_with(&title), "{name}");
        let matched = scripts[1].matched.as_ref().map(|(called, _)| called.as_str());
        assert_eq!(matched, Some("s7jsonError"), "{name}");
        let pairs = documents(&[&xml]).remove(0).pairs;
        let message = object["message"].clone();
        let expected = [("error.title", title.clone()), ("error.message", message.clone())];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(pairs, expected, "U-error-body {name}");
        match message.contains('\'') {
            true => assert_eq!(scripts[0].error.as_deref(), Some("SyntaxError"), "{name}"),
            false => assert_eq!(scripts[0].values, expected.into_iter().collect(), "{name}"),
        }
    }
}

#[test]
fn a_bad_handler_is_refused_as_plain_text() {
    let site = shop();
    let service = site.service();
    let long = "a".repeat(65);
    for (name, handler) in [
        ("RQ-087", "a.b"),
        ("L-7", "alert(1)//"),
        ("empty", ""),
        ("quote", "%27"),
        ("not ASCII", "%C3%A9"),
        ("65 characters", &long),
    ] {
        for target in
            ["shop/lake?req=exists,json", "shop/lake?req=props,json", "x?req=userdata,json"]
        {
            let reply = get(&service, &format!("{target}&handler={handler}"));
            assert_eq!(reply.status, 403, "U-handler-bad {name}: {}", text(&reply));
            assert_typed(&reply, "text/plain; charset=utf-8", name);
            assert!(text(&reply).starts_with("#S7Z ERROR\n"), "{name}: {}", text(&reply));
        }
        // Another one behind it does not make it good.
        let target = format!("shop/lake?handler={handler}&req=exists,json&handler=ok");
        assert_typed(&get(&service, &target), "text/plain; charset=utf-8", name);
    }
    let longest = "a".repeat(64);
    let reply = get(&service, &format!("shop/lake?req=exists,json&handler={longest}"));
    assert!(text(&reply).starts_with(&format!("/*jsonp*/{longest}(")), "{}", text(&reply));
}

#[test]
fn the_status_of_json_errors_is_a_setting() {
    let own = "[imprint]\njsonErrorStatus=403\nmissingStatus=404\n";
    let site = shop_with(own, "", "");
    let service = site.service();
    for (name, target, status) in [
        ("missing", "nowhere.png?req=props,json", 404),
        ("value", "a.png?wid=x&req=props,json", 403),
        ("success", "a.png?req=props,json", 200),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, status, "U-json-error {name}: {}", text(&reply));
        assert_typed(&reply, "text/javascript; charset=utf-8", name);
    }
    assert_eq!(shop().get("nowhere.png?req=props,json").status, 200, "the default");
}

#[test]
fn formats_that_a_type_does_not_offer_are_refused_as_plain_text() {
    let site = shop();
    let service = site.service();
    for target in [
        "shop/lake?req=props,nosuch",
        "shop/lake?req=targets,javascript",
        "shop/lake?req=userdata,javascript",
        "shop/lake?req=xmp,json",
        "shop/lake?req=nosuch,json",
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 403, "U-req-unknown {target}: {}", text(&reply));
        assert_typed(&reply, "text/plain; charset=utf-8", target);
    }
}
