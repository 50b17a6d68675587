//! The line of an entry: fields in their places, escaping, cuts, faults of patterns.

use imprint::cache::CacheUse;
use imprint::config::{Config, LogPattern};
use imprint::error::{Error, Kind};
use imprint::reply::{Facts, HeaderValue, Reply};

use super::{asked, image, line};

#[test]
fn the_default_pattern_has_its_fields_where_playlog_looks() {
    let line = line(None, &asked(), &image());
    let fields: Vec<&str> = line.split(' ').collect();
    let mut count = 0;
    for (position, expected) in [
        (1, "2025-03-04"),
        (2, "09:15:02.118"),
        (3, "+0000"),
        (4, "192.0.2.7"),
        (5, "200"),
        (6, "0"),
        (7, "4"),
        (8, "1045"),
        (9, "3"),
        (10, "40"),
        (11, "5"),
        (12, "IMG"),
        (13, "'shop'"),
        (14, "UNDEFINED"),
        // S-81: what playlog asks again (-o 15, -n 16), as it was asked.
        (15, "GET"),
        (16, "/is/image/shop/a%20b?wid=20"),
        (17, "HTTP/1.1"),
        (18, "[4711]"),
        (19, "'-'"),
        (20, "images.example.com"),
        (21, "-"),
        // S-81: playlog={25}.
        (25, "0123abcd"),
        (26, "image/jpeg"),
        (27, "443"),
        (28, "-"),
        (31, "2"),
        (34, "false"),
    ] {
        assert_eq!(fields.get(position - 1), Some(&expected), "S-81 field {position}: {line}");
        count += 1;
    }
    assert_eq!((count, fields.len()), (27, 34), "{line}");
}

#[test]
fn every_variable_has_its_value() {
    let mut reply = image();
    reply.headers.push(("X-Own".into(), HeaderValue::new("a b")));
    *reply.facts = Facts {
        context: "/is/image".to_owned(),
        transformed_url: "/is/image/x?wid=1".to_owned(),
        is_by_path: true,
        cache_use: CacheUse::Reused,
        cache_key: "ab/cd".to_owned(),
        processing: 3,
        exception: "no disk".to_owned(),
        ..*reply.facts
    };
    let mut asked = asked();
    asked.user = b"ann".to_vec();
    for (pattern, expected) in [
        ("%a %A %p %v %u", "192.0.2.7 192.0.2.1 443 images.example.com ann"),
        ("%b %B %D %T %O %I %S", "4 4 1045 1 5 4711 -"),
        ("%m %U %q", "GET /is/image/shop/a%2520b ?wid=20"),
        ("%r", "GET%20/is/image/shop/a%2520b?wid=20%20HTTP/1.1"),
        ("%R", "GET /is/image/shop/a%20b?wid=20 HTTP/1.1"),
        ("%t", "04/Mar/2025:09:15:02%20+0000"),
        ("%{CacheKey}r %{CacheUse}r %{Context}r", "ab/cd REUSED /is/image"),
        ("%{Exception}r %{ProcessingStatus}r", "no%20disk 3"),
        ("%{PathBasedAccess}r %{PeerServer}r", "true -"),
        ("%{TransformedUrl}r %{Size}r", "/is/image/x?wid=1 4"),
        ("%{Host}i %{x-own}o %{nosuch}o", "images.example.com a%20b -"),
        ("%{reqtype}r %{ROOTID}r", "IMG shop"),
        ("100%% 'of' [it]", "100% 'of' [it]"),
    ] {
        assert_eq!(line(Some(pattern), &asked, &reply), expected, "S-81 {pattern}");
    }
    let nothing = Reply::new(204, Vec::new(), Vec::new());
    let none = imprint::journal::Asked::default();
    assert_eq!(line(Some("%b%B|%m|%R|%r|%q"), &none, &nothing), "44|-|- - -|-|-");
}

#[test]
fn values_from_outside_stay_one_field() {
    let long = [b'x'; 65_536];
    let mut count = 0;
    for (name, bytes, header, uri) in [
        ("S-82 blank", b"a b".as_slice(), "a%20b", "a%20b"),
        ("S-82 percent", b"a%20b", "a%2520b", "a%20b"),
        ("L-9 CR LF", b"a\r\nGET /b", "a%0D%0AGET%20/b", "a%0D%0AGET%20/b"),
        ("L-9 ESC", b"\x1b[2J", "%1B[2J", "%1B[2J"),
        ("L-9 quotes", b"\"it's\"", "%22it%27s%22", "%22it%27s%22"),
        ("L-9 not UTF-8", b"\xff\xc3\xa9", "%FF%C3%A9", "%FF%C3%A9"),
        ("L-9 C1 and DEL", b"\xc2\x85\x7f", "%C2%85%7F", "%C2%85%7F"),
        ("L-9 NUL and tab", b"\0\t", "%00%09", "%00%09"),
        ("S-82 empty", b"", "-", "-"),
        ("L-9 64 kB", &long, &("x".repeat(1024) + "..."), &("x".repeat(8192) + "...")),
    ] {
        let mut asked = asked();
        asked.headers = vec![("referer".to_owned(), bytes.to_vec())];
        asked.uri = bytes.to_vec();
        let line = line(Some("'%{Referer}i' %R %a"), &asked, &image());
        assert_eq!(line, format!("'{header}' GET {uri} HTTP/1.1 192.0.2.7"), "{name}");
        count += 1;
    }
    assert_eq!(count, 10);
    let mut reply = image();
    let error = Error::new(Kind::NotFound, "no record or file \u{202e}x\n");
    *reply.facts = Facts::of_error(&error);
    let line = line(Some("%{Exception}r"), &asked(), &reply);
    assert_eq!(line, "Image%20not%20found:%20no%20record%20or%20file%20%E2%80%AEx%0A", "L-9");
}

#[test]
fn a_pattern_that_cannot_be_is_a_fault_of_the_settings() {
    for (pattern, expected) in [
        ("%X", "a variable of access logs (%X is none; %% is a percent sign)"),
        ("a %", "a variable of access logs (% is none; %% is a percent sign)"),
        ("%{Nosuch}r", "a variable of access logs (%{Nosuch}r is none)"),
        ("%{Referer", "a } behind each %{"),
        ("%{Referer}x", "%{Referer} with r, or i or o and the name of a header"),
        ("%{}i", "%{} with r, or i or o and the name of a header"),
        ("%{a b}i", "%{a b} with r, or i or o and the name of a header"),
        ("", "1 to 4096 bytes without control characters"),
        ("%a\n%b", "1 to 4096 bytes without control characters"),
    ] {
        assert_eq!(LogPattern::parse(pattern), Err(expected.to_owned()), "{pattern:?}");
    }
    let folder = tempfile::tempdir().expect("scratch folder");
    let path = folder.path().join("imprint.conf");
    for (text, expected) in [
        ("[TC]\npattern = %a %X\n", "pattern is %a %X, expected a variable of access logs"),
        ("[TC]\nprefix = ../x\n", "prefix is ../x, expected 1 to 64 letters"),
        ("[TC]\nprefix = trace-\n", "prefix is trace-, expected 1 to 64 letters"),
    ] {
        std::fs::write(&path, text).expect("settings");
        let faults = Config::load(&path, std::iter::empty()).expect_err(text);
        let [fault] = faults.as_slice() else { panic!("one fault: {faults:?}") };
        assert_eq!(fault.line, Some(2), "{text}");
        assert!(fault.message.starts_with(expected), "{text}: {fault}");
    }
}

#[test]
fn the_processing_status_of_each_kind_is_as_documented() {
    let mut count = 0;
    for (kind, expected) in [
        (Kind::NotFound, 1),
        (Kind::Unreadable, 1),
        (Kind::Syntax, 2),
        (Kind::Refused, 2),
        (Kind::Unsupported, 2),
        (Kind::TooLarge, 2),
        (Kind::TimedOut, 2),
        (Kind::UnknownContext, 2),
        (Kind::Method, 2),
        (Kind::TargetTooLong, 2),
        (Kind::BadRequest, 2),
        (Kind::BodyTooLarge, 2),
        (Kind::Internal, 3),
        (Kind::Unwritable, 3),
        (Kind::Busy, 4),
    ] {
        let mut reply = image();
        *reply.facts = Facts::of_error(&Error::new(kind, ""));
        let line = line(Some("%{ProcessingStatus}r"), &asked(), &reply);
        assert_eq!(line, expected.to_string(), "S-84 {kind:?}");
        count += 1;
    }
    assert_eq!(count, 15);
}
