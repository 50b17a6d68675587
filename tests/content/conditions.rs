//! Lifetimes, validators, conditions and byte ranges.

use super::*;

const FILM: &str = "/is/content/cat/film";

#[test]
fn lifetimes_and_dates_come_from_the_record() {
    let service_site = site("", "");
    let service = service_site.service();
    for (row, target, control, modified) in [
        ("RQ-141", "cat/film", "public, max-age=7200", MODIFIED_TEXT),
        ("RQ-141 attribute", "cat/plain", "public, max-age=10800", MODIFIED_TEXT),
        (
            "S-69 RQ-151",
            "cat/stamped",
            "public, max-age=315360000",
            "Sun, 09 Sep 2001 01:46:40 GMT",
        ),
        ("13.1", "cat/film?cache=off", "no-store", MODIFIED_TEXT),
        ("13.1", "cat/film?cache=on", "public, max-age=7200", MODIFIED_TEXT),
    ] {
        let reply = get(&service, &format!("/is/content/{target}"));
        assert_eq!(reply.header("Cache-Control"), Some(control), "{row}: {target}");
        assert_eq!(reply.header("Last-Modified"), Some(modified), "{row}: {target}");
        assert_eq!(reply.header("Accept-Ranges"), Some("bytes"), "{row}: {target}");
    }
    let post = answer(&service, &request(Method::Post, FILM), &unhurried());
    assert_eq!(post.header("Cache-Control"), Some("no-store"), "U-post");
    assert_eq!(bytes(&post), b"0123456789", "U-post");
}

#[test]
fn a_copy_that_is_still_good_is_not_sent_again() {
    let site = site("", "");
    let service = site.service();
    let first = get(&service, FILM);
    let tag = first.header("ETag").expect("U-etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() > 10, "U-etag {tag}");
    let weak = format!("W/{tag}");
    let both = format!("\"other\", {tag}");
    for (row, headers, status) in [
        ("RQ-150", &[("If-None-Match", tag.as_str())][..], 304),
        ("RQ-150 weak", &[("If-None-Match", &weak)], 304),
        ("RQ-150 list", &[("If-None-Match", &both)], 304),
        ("RQ-150 any", &[("If-None-Match", "*")], 304),
        ("RQ-150 other", &[("If-None-Match", "\"other\"")], 200),
        ("RQ-150", &[("If-Modified-Since", MODIFIED_TEXT)], 304),
        ("RQ-150 later", &[("If-Modified-Since", "Tue, 04 Mar 2025 09:15:03 GMT")], 304),
        ("RQ-150 earlier", &[("If-Modified-Since", "Tue, 04 Mar 2025 09:15:01 GMT")], 200),
        ("RQ-150 nonsense", &[("If-Modified-Since", "yesterday")], 200),
        (
            "RQ-150 the tag goes before the date",
            &[("If-None-Match", "\"other\""), ("If-Modified-Since", MODIFIED_TEXT)],
            200,
        ),
        ("condition before range", &[("If-None-Match", &tag), ("Range", "bytes=0-1")], 304),
    ] {
        let reply = asked(&service, FILM, headers);
        assert_eq!(reply.status, status, "{row}");
        if status == 304 {
            assert!(reply.body.is_empty(), "{row}");
            assert_eq!(reply.header("ETag"), Some(tag.as_str()), "{row}");
            assert_eq!(reply.header("Cache-Control"), Some("public, max-age=7200"), "{row}");
        }
    }
    let never = asked(&service, "/is/content/cat/stamped", &[("If-None-Match", "\"x\"")]);
    assert_eq!(never.status, 304, "24.1: -1 is confirmed without a check");
    site.write("static-content/cat/film.mp4", "9876543210");
    let changed = asked(&service, FILM, &[("If-None-Match", &tag)]);
    assert_eq!((changed.status, bytes(&changed)), (200, b"9876543210".to_vec()), "U-etag");
}

#[test]
fn a_range_is_a_part_of_the_file() {
    let site = site("", "");
    file(&site, "free/empty.bin", b"");
    let service = site.service();
    let tag = get(&service, FILM).header("ETag").expect("a tag").to_owned();
    let weak = format!("W/{tag}");
    let many = format!("bytes=0-0{}", ",1-1".repeat(1000));
    let part = |range: &'static str| (206, Some(range));
    let whole = (200, None);
    let none = (416, Some("bytes */10"));
    for (row, headers, (status, range), content) in [
        ("first byte", &[("Range", "bytes=0-0")][..], part("bytes 0-0/10"), "0"),
        ("middle", &[("Range", "bytes=2-5")], part("bytes 2-5/10"), "2345"),
        ("open", &[("Range", "bytes=7-")], part("bytes 7-9/10"), "789"),
        ("suffix", &[("Range", "bytes=-3")], part("bytes 7-9/10"), "789"),
        ("beyond the end", &[("Range", "bytes=8-99")], part("bytes 8-9/10"), "89"),
        ("all of it", &[("Range", "bytes=0-9")], part("bytes 0-9/10"), "0123456789"),
        ("behind the end", &[("Range", "bytes=10-")], none, "Range not satisfiable\n"),
        ("no suffix", &[("Range", "bytes=-0")], none, "Range not satisfiable\n"),
        ("R-7 reversed", &[("Range", "bytes=5-2")], whole, "0123456789"),
        ("R-7 two", &[("Range", "bytes=0-0,2-3")], whole, "0123456789"),
        ("R-7 a thousand", &[("Range", &many)], whole, "0123456789"),
        ("R-7 overlapping", &[("Range", "bytes=0-5,2-9,0-")], whole, "0123456789"),
        ("another unit", &[("Range", "pages=1-2")], whole, "0123456789"),
        ("nonsense", &[("Range", "bytes=x")], whole, "0123456789"),
        ("If-Range tag", &[("Range", "bytes=0-0"), ("If-Range", &tag)], part("bytes 0-0/10"), "0"),
        ("If-Range weak", &[("Range", "bytes=0-0"), ("If-Range", &weak)], whole, "0123456789"),
        ("If-Range other", &[("Range", "bytes=0-0"), ("If-Range", "\"x\"")], whole, "0123456789"),
        (
            "If-Range date",
            &[("Range", "bytes=0-0"), ("If-Range", MODIFIED_TEXT)],
            part("bytes 0-0/10"),
            "0",
        ),
        (
            "If-Range a later date",
            &[("Range", "bytes=0-0"), ("If-Range", "Tue, 04 Mar 2025 09:15:03 GMT")],
            whole,
            "0123456789",
        ),
        (
            "If-Range of an unsatisfiable",
            &[("Range", "bytes=99-"), ("If-Range", "\"x\"")],
            whole,
            "0123456789",
        ),
    ] {
        let reply = asked(&service, FILM, headers);
        assert_eq!(reply.status, status, "U-static-mime {row}");
        assert_eq!(reply.header("Content-Range"), range, "U-static-mime {row}");
        assert_eq!(String::from_utf8_lossy(&bytes(&reply)), content, "U-static-mime {row}");
    }
    let stamped = [("Range", "bytes=0-0"), ("If-Range", "Sun, 09 Sep 2001 01:46:40 GMT")];
    let reply = asked(&service, "/is/content/cat/stamped", &stamped);
    assert_eq!(reply.status, 200, "the stamp of a record does not tell files apart");
    let head = answer(&service, &with(Method::Head, FILM, &[("Range", "bytes=0-0")]), &unhurried());
    assert_eq!((head.status, head.body.len()), (200, 10), "a range counts for GET only");
    for range in ["bytes=0-", "bytes=-1"] {
        let empty = asked(&service, "/is/content/free/empty.bin", &[("Range", range)]);
        let found = (empty.status, empty.header("Content-Range"));
        assert_eq!(found, (416, Some("bytes */0")), "an empty file: {range}");
    }
    assert_eq!(bytes(&get(&service, "/is/content/free/empty.bin")), b"", "an empty file");
    let props = asked(&service, &format!("{FILM}?req=props"), &[("Range", "bytes=0-0")]);
    assert_eq!(props.status, 200, "ranges are of files");
}

#[test]
fn the_web_server_is_told_to_send_the_file_where_it_can() {
    for (setting, header) in [("x-accel", "X-Accel-Redirect"), ("x-sendfile", "X-Sendfile")] {
        let site = site(&format!("[imprint]\nsendfile = {setting}\n"), "");
        file(&site, "free/ä %.bin", b"x");
        let service = site.service();
        let reply = asked(&service, "/is/content/free/%C3%A4%20%25.bin", &[("Range", "bytes=0-0")]);
        let root = site.path("static-content").display().to_string();
        let prefix = if setting == "x-accel" { "/_imprint" } else { "" };
        let expected = format!("{prefix}{root}/free/%C3%A4%20%25.bin");
        assert_eq!(reply.header(header), Some(expected.as_str()), "G10 {setting}");
        assert_eq!((reply.status, reply.body.len()), (200, 0), "G10 {setting}");
        assert_eq!(
            (reply.header("ETag"), reply.header("Last-Modified")),
            (None, None),
            "{setting}"
        );
        let page = get(&service, "/is/content/free/page.html");
        assert_eq!(page.header(header), None, "R-7: nobody drops the sandbox");
        assert_eq!(bytes(&page), b"<script>1</script>", "R-7 {setting}");
        let missing = get(&service, "/is/content/free/none.bin");
        assert_eq!((missing.status, missing.header(header)), (403, None), "{setting}");
        let props = get(&service, "/is/content/cat/film?req=props");
        assert_eq!(props.header(header), None, "{setting}: properties are our own");
    }
}
