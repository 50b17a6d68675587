//! Targets and queries: no text panics or takes long, and what is printed reads back as the same request.

use imprint::request::*;

use super::{corpus, fuzz};

fn parsed(text: &str) -> Option<Request> {
    parse(&[SourceText::url(text)], &Options::default()).ok()
}

/// Everything but how it was written, and the type, which `resolve_text` leaves out.
fn meaning(request: &Request) -> Request {
    let mut request = request.clone();
    request.merged.clear();
    request.attributes.req = None;
    request
}

/// `U-resolve-format`: the printed commands mean the same, and print as they are.
fn check_query(bytes: &[u8]) {
    let text = query_text(bytes);
    let _ = requested_type_of(&text);
    let Ok(list) = split(&text, Origin::Url, 2000) else { return };
    for modifier in &list {
        let _ = decode_value(&modifier.value);
    }
    let _ = last_value(&list, "layer");
    let Some(request) = parsed(&text) else { return };
    let printed = resolve_text(&request.merged);
    let again = parsed(&printed).unwrap_or_else(|| panic!("{printed} cannot be read"));
    assert_eq!(meaning(&again), meaning(&request), "{printed}");
    assert_eq!(resolve_text(&again.merged), printed);
}

fn requested_type_of(text: &str) -> ReqType {
    let nothing = Surroundings { macros: &|_, _| None, object: None, inherited: &[] };
    asked(&[SourceText::url(text)], &nothing, &Options::default()).req.kind
}

#[test]
fn queries() {
    let seeds = corpus("query");
    let readable = seeds.iter().filter(|seed| parsed(&query_text(seed)).is_some()).count();
    assert!(readable > 15, "{readable} of {} seeds are requests", seeds.len());
    fuzz("query", 3000, check_query);
}

#[test]
fn objects_and_nested_requests() {
    fuzz("object", 2000, |bytes| {
        if let Ok(object) = Object::parse(&String::from_utf8_lossy(bytes)) {
            assert!(!object.elements().iter().any(|element| element == ".."), "{object:?}");
        }
        for start in ["src=", "layer=2&mask=", "template="] {
            check_query(&[start.as_bytes(), bytes].concat());
        }
    });
}

#[test]
fn targets() {
    fuzz("target", 3000, |bytes| {
        let (path, query) = bytes.split_at(bytes.len() / 2);
        let decoded = Target::Decoded { path: path.to_vec(), query: query.to_vec() };
        for target in [Target::Raw(bytes.to_vec()), decoded] {
            let found = split_target(&target, &Prefixes::default(), &TextLimits::default());
            let Ok(located) = found else { continue };
            for element in located.object.elements() {
                let is_clean = !element.chars().any(char::is_control) && element != "..";
                assert!(is_clean, "{element:?}");
            }
            if let Some(query) = &located.query {
                let _ = append_body(Some(query.clone()), path, None, &TextLimits::default());
            }
        }
    });
}

/// Standard base64, written for the test.
fn base64(bytes: &[u8]) -> Vec<u8> {
    const SYMBOLS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for group in bytes.chunks(3) {
        let part = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for index in 0..4 {
            let symbol = SYMBOLS[(bits >> (18 - 6 * index) & 63) as usize];
            out.push(if index > group.len() { b'=' } else { symbol });
        }
    }
    out
}

#[test]
fn locks_and_base64() {
    fuzz("disguise", 3000, |bytes| {
        let _ = (unlocked(bytes).is_ok(), split_lock(bytes));
        if let Some(clear) = revealed(bytes) {
            assert_eq!(revealed(&base64(&clear)), Some(clear));
        }
        assert_eq!(revealed(&base64(bytes)).as_deref(), Some(bytes));
        let locked = [bytes, format!("&{:04x}", lock_sum(bytes)).as_bytes()].concat();
        assert_eq!(unlocked(&locked).ok(), Some(bytes));
    });
}

#[test]
fn macros_and_variables() {
    fuzz("expand", 1500, |bytes| {
        let text = query_text(bytes);
        let definition = format!("wid=5&{text}");
        let macros = |_: usize, name: &str| match name {
            "a" | "view" => Some(definition.clone()),
            "b" => Some("$a$&$b$".to_owned()),
            _ => None,
        };
        let inherited = [("v".to_owned(), text.clone())];
        let surroundings =
            Surroundings { macros: &macros, object: Some("cat/shoe"), inherited: &inherited };
        let sources = [
            SourceText { text: &text, origin: Origin::Modifier, layer: None },
            SourceText::url(&text),
            SourceText { text: &text, origin: Origin::PostModifier, layer: None },
        ];
        let _ = parse_within(&sources, &surroundings, &Options::default());
    });
}
