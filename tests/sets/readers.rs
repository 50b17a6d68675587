//! Replies as other programs read them: JSONP by the pattern that clients use, XML in each encoding.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::support::site::get;

/// Labels that end a string, a script or a document where escapes are wrong.
const LABELS: [&str; 12] = [
    "plain",
    "\"double\" and 'single'",
    "</script><script>alert(1)</script>",
    "a\u{2028}b\u{2029}c",
    "\u{1f600} emoji \u{1d11e}",
    "back\\slash \\\" \\u0041",
    "café ÿ €",
    "]]> <!-- & &amp; --> <?x?>",
    "tab\there",
    "\");alert(1);(\"",
    "{\"n\":1},\"0\");",
    "☃ 雪",
];

/// A site with a set of an image for each label.
fn labelled() -> Site {
    let site = site_with("", "", "");
    let mut records = "\u{feff}Id\tPath\tImageSet\tUserData\n".to_owned();
    let mut ids = Vec::new();
    for (index, label) in LABELS.iter().enumerate() {
        let field = format!("label={label}").replace('"', "\"\"");
        records.push_str(&format!("l{index}\ta.png\t\t\"{field}\"\n"));
        ids.push(format!("l{index}"));
    }
    records.push_str(&format!("set\ta.png\t{}\t\n", ids.join(",")));
    records.push_str("one\ta.png\tl0\t\n");
    site.write("catalogs/cat.txt", records);
    site
}

/// What a program prints for `input`.
fn read(program: &str, script: &str, input: &[u8]) -> Value {
    let flag = if program == "node" { "-e" } else { "-c" };
    let mut command = Command::new(program);
    command.args([flag, script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().expect("piped").write_all(input).expect("the reader reads");
    let output = child.wait_with_output().expect("the reader ends");
    assert!(output.status.success(), "{program}: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("the reader prints JSON")
}

/// Matches the reply as clients do, and runs it as a script of a page does; prints both.
const NODE: &str = r#"
const body = require("fs").readFileSync(0, "utf8");
const match = body.match(/^(?:\/\*jsonp\*\/)?\s*([^()]+)\(([\s\S]+),\s*"[0-9]*"\);?$/);
const calls = [];
new Function("s7jsonResponse", "own", body)((value, id) => calls.push([value, id]), (value, id) => calls.push([value, id]));
console.log(JSON.stringify({ handler: match && match[1], object: match && JSON.parse(match[2]), calls }));
"#;

#[test]
fn clients_read_the_jsonp() {
    let site = labelled();
    let service = site.service();
    for (name, query, handler, id) in [
        ("RQ-110 plain", "req=set,json", "s7jsonResponse", ""),
        ("id", "req=set,json&id=123456", "s7jsonResponse", "123456"),
        ("handler", "req=set,json&handler=own&id=5", "own", "5"),
        ("U-req-unknown encoding", "req=set,json,UTF-8&id=0", "s7jsonResponse", "0"),
        ("U-req-json-alias", "req=set,jsonp", "s7jsonResponse", ""),
    ] {
        let reply = get(&service, &format!("cat/set?{query}&labelkey=label"));
        assert_eq!(reply.status, 200, "{name}: {}", text(&reply));
        for dangerous in ["<", ">", "&", "\u{2028}", "\u{2029}"] {
            assert!(!text(&reply).contains(dangerous), "{name}: {dangerous:?} is escaped");
        }
        let found = read("node", NODE, &reply.body);
        assert_eq!(found["handler"], handler, "{name}");
        assert_eq!(found["calls"][0][0], found["object"], "{name}: a script gets the same");
        assert_eq!(found["calls"][0][1], id, "{name}");
        let set = &found["object"]["set"];
        assert_eq!((&set["pv"], &set["type"]), (&"1.0".into(), &"img_set".into()), "{name}");
        let items = set["item"].as_array().expect("an array");
        assert_eq!(items.len(), LABELS.len(), "{name}");
        for (index, (item, label)) in items.iter().zip(LABELS).enumerate() {
            let expected = serde_json::json!({"n": format!("cat/l{index}"), "l": label});
            assert_eq!((&item["i"], &item["s"]), (&expected, &expected), "{name}");
            let members: Vec<&String> = item.as_object().expect("an object").keys().collect();
            let mut known = ["i", "s", "dx", "dy", "iv"];
            known.sort_unstable();
            let mut members: Vec<&str> = members.into_iter().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, known, "{name}: the members of the capture and no other");
            assert_eq!((&item["dx"], &item["dy"]), (&"40".into(), &"30".into()), "{name}");
            assert!(item["iv"].as_str().is_some_and(|iv| !iv.is_empty()), "{name}");
        }
    }
    let one = get(&service, "cat/one?req=set,json&labelkey=label");
    let found = read("node", NODE, &one.body);
    assert_eq!(found["object"]["set"]["item"]["i"]["l"], "plain", "a single element is an object");
}

/// The order of members as written, which JSON objects of most readers do not keep.
#[test]
fn members_stand_in_the_order_of_the_original() {
    let site = site_with("set\ta;sw,{b,c};sw;spin,clip;sw;video\n", "", "");
    let body = text(&site.get("cat/set?req=set,json&labelkey=label"));
    let order = |names: &[&str]| {
        let mut from = 0;
        for name in names {
            let key = format!("\"{name}\":");
            let rest = body.get(from..).expect("within");
            let at = rest.find(&key).unwrap_or_else(|| panic!("{name} after {from} in {body}"));
            from += at + key.len();
        }
    };
    order(&["set", "pv", "type", "n", "item", "i", "n", "l", "s", "n", "l", "dx", "dy", "iv"]);
    order(&["iv", "s", "n", "l", "type", "set", "type", "item"]);
    order(&["iv", "iv", "iv", "s", "type", "v", "path", "bitrate", "dx", "dy"]);
}

/// Prints the elements of a document as `[name, attributes, children]`, and its declaration.
const PYTHON: &str = r#"
import json, sys, xml.etree.ElementTree as tree
def told(element): return [element.tag, dict(element.attrib), [told(child) for child in element]]
print(json.dumps(told(tree.fromstring(sys.stdin.buffer.read()))))
"#;

#[test]
fn another_reader_reads_the_xml_in_each_encoding() {
    let site = labelled();
    let service = site.service();
    let mut documents = Vec::new();
    for (option, charset, start) in [
        ("", "UTF-8", b"<?xml version".as_slice()),
        (",xml", "UTF-8", b"<?xml"),
        (",xml,UTF-8", "UTF-8", b"<?xml"),
        (",xml,utf-16", "UTF-16", b"\xfe\xff\0<\0?"),
        (",xml,UTF-16LE", "UTF-16LE", b"<\0?\0"),
        (",xml,UTF-16BE", "UTF-16BE", b"\0<\0?"),
        (",xml,ISO-8859-1", "ISO-8859-1", b"<?xml"),
    ] {
        let reply = get(&service, &format!("cat/set?req=set{option}&labelkey=label"));
        assert_eq!(reply.status, 200, "RQ-119 {option}: {}", text(&reply));
        let mime = format!("text/xml; charset={charset}");
        assert_eq!(reply.header("Content-Type"), Some(mime.as_str()), "RQ-119 {option}");
        assert!(reply.body.starts_with(start), "RQ-119 {option}");
        let found = read("python3", PYTHON, &reply.body);
        assert_eq!(found[0], "set", "RQ-119 {option}");
        let attributes = serde_json::json!({"pv": "1.0", "type": "img_set", "n": "cat/set"});
        assert_eq!(found[1], attributes, "RQ-119 {option}");
        let items = found[2].as_array().expect("items");
        assert_eq!(items.len(), LABELS.len(), "RQ-119 {option}");
        for (index, (item, label)) in items.iter().zip(LABELS).enumerate() {
            let parts = item[2].as_array().expect("parts");
            assert_eq!((&item[0], parts.len()), (&"item".into(), 2), "RQ-119 {option}");
            let expected = serde_json::json!({"n": format!("cat/l{index}"), "l": label});
            assert_eq!((&parts[0][0], &parts[0][1]), (&"i".into(), &expected), "RQ-119 {option}");
            assert_eq!((&parts[1][0], &parts[1][1]), (&"s".into(), &expected), "RQ-119 {option}");
        }
        documents.push(found);
    }
    assert_eq!(documents.len(), 7);
    assert!(documents.iter().all(|document| *document == documents[0]), "the same in each");
}

#[test]
fn characters_that_xml_does_not_allow_are_left_out() {
    let site = site_with("", "", "");
    let records = "\u{feff}Id\tPath\tUserData\na\ta.png\t\"label=x\u{1}\u{b}y\u{fffe}z\"\n";
    site.write("catalogs/cat.txt", records);
    let service = site.service();
    let xml = get(&service, "cat/a?req=set&labelkey=label");
    let found = read("python3", PYTHON, &xml.body);
    assert_eq!(found[2][0][2][0][1]["l"], "xyz", "U-xml-group");
    let json = get(&service, "cat/a?req=set,json&labelkey=label");
    let found = read("node", NODE, &json.body);
    assert_eq!(found["object"]["set"]["item"]["i"]["l"], "x\u{1}\u{b}y\u{fffe}z");
}

#[test]
fn errors_have_the_format_of_the_request() {
    let site = site_with("", "", "");
    let service = site.service();
    for (name, target, status, start, mime) in [
        (
            "U-json-error",
            "cat/nobody?req=set,json&id=5&handler=own",
            200,
            "/*jsonp*/s7jsonError({\"message\":\"",
            "text/javascript; charset=utf-8",
        ),
        (
            "XML by default",
            "cat/nobody?req=set",
            403,
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<prop-group>",
            "text/xml; charset=UTF-8",
        ),
        (
            "XML in an encoding",
            "cat/nobody?req=set,xml,ISO-8859-1",
            403,
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<prop-group>",
            "text/xml; charset=ISO-8859-1",
        ),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, status, "{name}: {}", text(&reply));
        assert!(text(&reply).starts_with(start), "{name}: {}", text(&reply));
        assert_eq!(reply.header("Content-Type"), Some(mime), "{name}");
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{name}");
    }
}
