//! What stands in a property is what a reader of each format gets (RQ-088 to RQ-092, RQ-119, L-7).

use super::readers::{documents, scripts};
use super::*;
use crate::support::site::{get, text};

/// Values that mean something in one of the formats.
const VALUES: &[&str] = &[
    "plain",
    "",
    "\"quoted\"",
    "a'b",
    "''",
    "');alert(1)//",
    "';alert(1)//",
    "\\",
    "\\'",
    "\\\"",
    "\\u0041\\n",
    "ends in \\",
    "line\nbreak",
    "cr\rand\r\n",
    "tab\there",
    "</script><!-- <script>",
    "]]>",
    "a & b &amp; &#65; &",
    "<x y=\"z\">",
    "=",
    "a=b:c",
    "\u{2028}\u{2029}",
    "\u{85}\u{7f}\u{a0}",
    "café €",
    "☃ 雪",
    "😀 𝄞",
    " blanks ",
    "*/",
    "`${alert(1)}`",
];

const ENCODINGS: [&str; 5] = ["UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "ISO-8859-1"];

/// A record for each value: as `Modifier`, as `ImageSet`, and as the value of a key of `UserData`.
fn site_of_values() -> Site {
    let site = shop();
    let mut records = "\u{feff}Id\tPath\tModifier\tImageSet\tUserData\n".to_owned();
    for (index, value) in VALUES.iter().enumerate() {
        let field = value.replace('"', "\"\"");
        // A line end cannot stand in a value of property data.
        let line = field.replace(['\r', '\n'], "");
        records.push_str(&format!(
            "r{index}\ta.png\t\"{field}\"\t\"{}\"\t\"k{index}.a={line}\"\n",
            field.replace(['{', '}', '(', ')'], "")
        ));
    }
    site.write("catalogs/shop.txt", records);
    site
}

/// The set that the record of a value has; brackets have to match in one.
fn set_of(value: &str) -> String {
    value.replace(['{', '}', '(', ')'], "")
}

fn pair_of(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
}

#[test]
fn javascript_and_jsonp_are_read_back_unchanged() {
    let site = site_of_values();
    let service = site.service();
    let mut replies = Vec::new();
    for index in 0..VALUES.len() {
        for (request, handler) in [
            ("imageprops,javascript", ""),
            ("imageset,javascript", ""),
            ("imageprops,json", "own7"),
            ("imageset,json", ""),
            ("userdata,json", ""),
        ] {
            let named = match handler {
                "" => String::new(),
                handler => format!("&handler={handler}"),
            };
            let reply = get(&service, &format!("shop/r{index}?req={request}&id={index}{named}"));
            assert_eq!(reply.status, 200, "{request}: {}", text(&reply));
            assert_typed(&reply, "text/javascript; charset=utf-8", request);
            assert!(!text(&reply).contains("</"), "{request}: a script element would end");
            replies.push((reply, handler));
        }
    }
    let inputs: Vec<_> = replies.iter().map(|(reply, handler)| (reply, *handler)).collect();
    let results = scripts(&inputs);
    let mut read = 0;
    for ((index, value), results) in VALUES.iter().enumerate().zip(results.chunks_exact(5)) {
        let [props, set, json_props, json_set, json_data] = results else { panic!("five replies") };
        let expected_set = set_of(value);
        for (name, script, property, expected) in [
            ("RQ-090", props, "image.modifier", (*value).to_owned()),
            ("RQ-103 U-imageset-formats", set, "IMAGE_SET", expected_set.clone()),
        ] {
            assert_eq!(script.calls, [], "{name} {value:?}: nothing is called");
            if expected.contains('\'') {
                // The documented quote, doubled, ends the string: an error, and nothing runs (`U-js-escape`).
                assert_eq!(script.error.as_deref(), Some("SyntaxError"), "{name} {value:?}");
                assert!(script.values.is_empty(), "{name} {value:?}");
            } else {
                assert_eq!(script.error, None, "{name} {value:?}");
                assert_eq!(script.values.get(property), Some(&expected), "{name} {value:?}");
            }
        }
        if !value.contains('\'') {
            let size = (props.values.get("image.width"), props.values.get("image.height"));
            assert_eq!(size, (Some(&"40".to_owned()), Some(&"30".to_owned())), "CX-51 {value:?}");
        }
        let data = value.replace(['\r', '\n'], "").trim().to_owned();
        for (name, script, handler, property, expected) in [
            ("RQ-092 RQ-087", json_props, "own7", "image.modifier".to_owned(), (*value).to_owned()),
            ("RQ-103 U-json-plain", json_set, "s7jsonResponse", "IMAGE_SET".into(), expected_set),
            ("RQ-104 U-json-plain", json_data, "s7jsonResponse", format!("k{index}.a"), data),
        ] {
            assert_eq!(script.error, None, "{name} {value:?}");
            let [(called, object, id)] = script.calls.as_slice() else {
                panic!("{name} {value:?}: one call, not {:?}", script.calls);
            };
            assert_eq!((called.as_str(), id.as_str()), (handler, &*index.to_string()), "{name}");
            assert_eq!(object.get(&property), Some(&expected), "{name} {value:?}");
            let matched = script.matched.as_ref().expect("the pattern of clients fits");
            assert_eq!(*matched, (called.clone(), object.clone()), "{name} {value:?}");
        }
        read += 1;
    }
    assert_eq!(read, VALUES.len());
}

#[test]
fn xml_is_read_back_unchanged_in_every_encoding() {
    let site = site_of_values();
    let service = site.service();
    let mut replies = Vec::new();
    for index in 0..VALUES.len() {
        for encoding in ENCODINGS {
            for kind in ["imageprops", "imageset", "userdata"] {
                let reply = get(&service, &format!("shop/r{index}?req={kind},xml,{encoding}"));
                assert_eq!(reply.status, 200, "{encoding}: {}", text(&reply));
                assert_typed(&reply, &format!("text/xml; charset={encoding}"), encoding);
                let has_mark = reply.body.starts_with(&[0xfe, 0xff]);
                assert_eq!(has_mark, encoding == "UTF-16", "RQ-119 {encoding}: byte order mark");
                replies.push((index, encoding, kind, reply));
            }
        }
    }
    let bodies: Vec<&Reply> = replies.iter().map(|(_, _, _, reply)| reply).collect();
    let mut read = 0;
    for ((index, encoding, kind, _), found) in replies.iter().zip(documents(&bodies)) {
        let value = VALUES[*index];
        let name = format!("RQ-091 RQ-119 {kind} {encoding} {value:?}");
        assert_eq!(found.error, None, "{name}");
        assert_eq!(
            (found.root.as_str(), found.declared.as_str()),
            ("prop-group", *encoding),
            "{name}"
        );
        let start =
            format!("<?xml version=\"1.0\" encoding=\"{encoding}\" ?>\n<prop-group>\n <prop");
        let text = found.text.trim_start_matches('\u{feff}');
        assert!(text.starts_with(&start), "{name}: {text}");
        let (property, expected) = match *kind {
            "imageprops" => ("image.modifier".to_owned(), value.to_owned()),
            "imageset" => ("IMAGE_SET".to_owned(), set_of(value)),
            _ => (format!("k{index}.a"), value.replace(['\r', '\n'], "").trim().to_owned()),
        };
        assert_eq!(pair_of(&found.pairs, &property), Some(expected), "{name}");
        read += 1;
    }
    assert_eq!(read, VALUES.len() * 15);
}

#[test]
fn characters_that_xml_lacks_are_dropped() {
    let site = shop();
    let records = "\u{feff}Id\tPath\tModifier\tImageSet\nodd\ta.png\t\"a\u{1}b\u{1f}c\u{fffe}d\u{ffff}\"\te\u{8}f\n";
    site.write("catalogs/shop.txt", records);
    let service = site.service();
    let reply = get(&service, "shop/odd?req=imageprops,xml");
    let found = documents(&[&reply]).remove(0);
    assert_eq!(found.error, None, "U-xml-group");
    assert_eq!(pair_of(&found.pairs, "image.modifier").as_deref(), Some("abcd"), "U-xml-group");
    let json = get(&service, "shop/odd?req=imageset,json");
    let found = scripts(&[(&json, "")]).remove(0);
    let set = found.calls.first().and_then(|(_, object, _)| object.get("IMAGE_SET"));
    assert_eq!(set.map(String::as_str), Some("e\u{8}f"), "JSON keeps them");
}

#[test]
fn each_format_looks_as_documented() {
    let site = shop();
    let service = site.service();
    for (name, request, content_type, body) in [
        (
            "RQ-090",
            "shop/lake?req=exists,javascript",
            "text/javascript; charset=utf-8",
            "catalogRecord.exists='1'\n",
        ),
        (
            "RQ-091",
            "shop/lake?req=exists,xml",
            "text/xml; charset=UTF-8",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<prop-group>\n <prop-group name=\"catalogRecord\">\n\
            \x20 <property name=\"exists\" value=\"1\" />\n </prop-group>\n</prop-group>\n",
        ),
        (
            "RQ-092 U-exists",
            "shop/lake?req=exists,json",
            "text/javascript; charset=utf-8",
            "/*jsonp*/s7jsonResponse({\"catalogRecord.exists\":\"1\"},\"\");",
        ),
        (
            "RQ-092 id",
            "shop/lake?req=exists,json&id=42",
            "text/javascript; charset=utf-8",
            "/*jsonp*/s7jsonResponse({\"catalogRecord.exists\":\"1\"},\"42\");",
        ),
        (
            "U-req-json-alias",
            "shop/lake?req=exists,jsonp&id=a%22%3C%26",
            "text/javascript; charset=utf-8",
            "/*jsonp*/s7jsonResponse({\"catalogRecord.exists\":\"1\"},\"a\\\"\\u003c\\u0026\");",
        ),
        (
            "RQ-087",
            "shop/lake?handler=Own1&req=exists,json&id=1",
            "text/javascript; charset=utf-8",
            "/*jsonp*/Own1({\"catalogRecord.exists\":\"1\"},\"1\");",
        ),
        (
            "U-req-unknown encoding behind another format",
            "shop/lake?req=exists,json,UTF-8",
            "text/javascript; charset=utf-8",
            "/*jsonp*/s7jsonResponse({\"catalogRecord.exists\":\"1\"},\"\");",
        ),
        (
            "CX-53 RQ-116",
            "shop/lake?wid=20&req=validate,json",
            "text/javascript; charset=utf-8",
            "/*jsonp*/s7jsonResponse({\"request.isValid\":\"1\"},\"\");",
        ),
        (
            "CX-52",
            "shop/nobody?req=exists,javascript",
            "text/javascript; charset=utf-8",
            "catalogRecord.exists='0'\n",
        ),
    ] {
        let reply = get(&service, request);
        assert_eq!((reply.status, text(&reply).as_str()), (200, body), "{name}");
        assert_typed(&reply, content_type, name);
    }
}

#[test]
fn the_id_is_cut_at_a_whole_character() {
    let site = shop();
    let service = site.service();
    for (name, id, expected) in [
        ("256 bytes", "a".repeat(256), "a".repeat(256)),
        ("257 bytes", "a".repeat(257), "a".repeat(256)),
        ("a character across the end", format!("{}%C3%A9", "a".repeat(255)), "a".repeat(255)),
    ] {
        let reply = get(&service, &format!("shop/lake?req=exists,json&id={id}"));
        let end = format!(",\"{expected}\");");
        assert!(text(&reply).ends_with(&end), "U-json-compact {name}: {}", text(&reply));
    }
}

#[test]
fn props_and_catalogprops_say_the_same_in_all_formats() {
    let site = shop();
    let service = site.service();
    for target in
        ["shop/lake?wid=20&req=props", "shop/lake?req=imageprops", "shop?req=catalogprops"]
    {
        let [plain, javascript, xml, json] = ["", ",javascript", ",xml", ",json"]
            .map(|format| get(&service, &format!("{target}{format}")));
        // Without escapes in it, the text form can be taken apart by hand.
        let body = text(&plain);
        assert!(!body.contains('\\'), "{body}");
        let lines = body.lines().filter(|line| !line.starts_with('#'));
        let expected: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert!(expected.len() >= 15, "{target}: {body}");
        assert_eq!(documents(&[&xml]).remove(0).pairs, expected, "{target} in order");
        let by_name = expected.into_iter().collect();
        let scripts = scripts(&[(&javascript, ""), (&json, "")]);
        assert_eq!(scripts[0].values, by_name, "{target}");
        assert_eq!(
            scripts[1].calls.first().map(|(_, object, _)| object),
            Some(&by_name),
            "{target}"
        );
        let tags = [&plain, &javascript, &xml, &json].map(|reply| reply.header("ETag"));
        assert!(tags.iter().enumerate().all(|(i, tag)| !tags[i + 1..].contains(tag)), "{tags:?}");
    }
}
