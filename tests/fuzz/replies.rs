//! Writers of property replies: each format is read back by a strict reader and gives what went in.

use std::time::UNIX_EPOCH;

use imprint::codec::xmp;
use imprint::reply::property::{Properties, PropertyStyle};
use imprint::request::{Asked, PropertyFormat, Req, ReqType, XmlEncoding};
use quick_xml::events::Event;

use super::fuzz;

fn printed(properties: &Properties, format: PropertyFormat, id: &str) -> String {
    let req = Req { kind: ReqType::Props, format: Some(format), encoding: XmlEncoding::Utf8 };
    let asked = Asked { req, handler: None, id: Some(id.to_owned()) };
    let reply = PropertyStyle::of(&asked).properties(properties, UNIX_EPOCH);
    String::from_utf8(reply.body.to_vec()).expect("UTF-8")
}

/// One `java.util.Properties` value: escapes, and nothing that would end the line.
fn java(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        assert!((' '..='~').contains(&c), "{c:?} is printed as it is");
        if c != '\\' {
            units.push(c as u16);
            continue;
        }
        match chars.next().expect("an escape has a second character") {
            'n' => units.push(10),
            'r' => units.push(13),
            't' => units.push(9),
            'u' => {
                let digits: String = chars.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).expect("four digits"));
            }
            c @ ('\\' | ' ' | ':' | '=') => units.push(c as u16),
            c => panic!("unknown escape {c:?}"),
        }
    }
    String::from_utf16(&units).expect("whole characters")
}

fn check_text(properties: &Properties) {
    let text = printed(properties, PropertyFormat::Text, "");
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines.len(), properties.pairs().len() + 3, "one line for each: {text:?}");
    assert_eq!((lines[0], lines.last()), ("#S7Z OK", Some(&"")));
    for (line, (name, value)) in lines[2..].iter().zip(properties.pairs()) {
        let own = line.strip_prefix(name.as_ref()).and_then(|rest| rest.strip_prefix('='));
        assert_eq!(java(own.expect("a name")), *value);
    }
}

/// What stands between the quotes of JavaScript must not end the string (but by `''`), the line or the element.
fn check_javascript(properties: &Properties) {
    let text = printed(properties, PropertyFormat::JavaScript, "");
    assert!(!text.contains("</"), "{text:?}");
    let lines: Vec<&str> = text.split(['\n', '\r', '\u{2028}', '\u{2029}']).collect();
    assert_eq!(lines.len(), properties.pairs().len() + 1, "{text:?}");
    for (line, (name, _)) in lines.iter().zip(properties.pairs()) {
        let own = line.strip_prefix(name.as_ref()).and_then(|rest| rest.strip_prefix("='"));
        let own = own.and_then(|rest| rest.strip_suffix('\'')).expect("a quoted value");
        let own = own.replace("\\\\", "").replace("''", "");
        assert!(!own.contains('\'') && !own.ends_with('\\'), "{line:?}");
    }
}

fn check_xml(properties: &Properties) {
    let text = printed(properties, PropertyFormat::Xml, "");
    let mut reader = quick_xml::Reader::from_str(&text);
    reader.config_mut().check_end_names = true;
    let mut values = Vec::new();
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} in {text}")) {
            Event::Eof => break,
            Event::Empty(tag) => {
                let value = tag.try_get_attribute("value").expect("well-formed").expect("a value");
                let value = quick_xml::escape::unescape(&value.value).expect("escapes");
                values.push(value.into_owned());
            }
            _ => {}
        }
    }
    let is_allowed = |c: &char| match c {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    };
    let mut expected: Vec<String> =
        properties.pairs().iter().map(|(_, v)| v.chars().filter(is_allowed).collect()).collect();
    // Groups come together, whatever stood between them.
    values.sort();
    expected.sort();
    assert_eq!(values, expected, "{text}");
}

fn check_json(properties: &Properties, id: &str) {
    let text = printed(properties, PropertyFormat::Json, id);
    let inner = text.strip_prefix("/*jsonp*/s7jsonResponse(").and_then(|t| t.strip_suffix(");"));
    let inner = inner.expect("a call");
    assert!(!inner.contains(['<', '>', '&', '\n', '\r', '\u{2028}', '\u{2029}']), "{text:?}");
    let values: serde_json::Value = serde_json::from_str(&format!("[{inner}]")).expect("JSON");
    for (name, value) in properties.pairs() {
        assert_eq!(values[0][name.as_ref()], **value, "{text}");
    }
    let own = values[1].as_str().expect("the id");
    assert!(id.starts_with(own) && own.len() <= 256, "{own}");
}

#[test]
fn property_writers() {
    fuzz("properties", 2000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let mut properties = Properties::new();
        for (index, value) in text.splitn(4, '|').enumerate() {
            properties.text(format!("group{}.name{index}", index % 2), value);
        }
        properties.text("plain", text.as_ref());
        check_text(&properties);
        check_javascript(&properties);
        check_xml(&properties);
        check_json(&properties, &text);
    });
}

#[test]
fn xmp_packets() {
    fuzz("xmp", 1500, |bytes| {
        let Some(document) = xmp::document(bytes) else { return };
        let mut reader = quick_xml::Reader::from_str(&document);
        while reader.read_event().unwrap_or_else(|e| panic!("{e} in {document}")) != Event::Eof {}
    });
}
