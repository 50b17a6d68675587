//! Which file a path names, what may not be named, and the headers of its type.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn an_item_is_a_record_or_a_file_by_its_path() {
    let plain = site("", "");
    file(&plain, "cat/by path.bin", b"path");
    file(&plain, "top.txt", b"top");
    let service = plain.service();
    for (row, target, expected) in [
        ("S-45 RQ-141", "/is/content/cat/film", Some("0123456789")),
        ("S-45 an id with a slash", "/is/content/cat/a/b", Some("0123456789")),
        ("S-45 the slash encoded", "/is/content/cat/a%2Fb", Some("0123456789")),
        ("U-static-path", "/is/content/cat/by%20path.bin", Some("path")),
        ("U-static-path, default catalog", "/is/content/top.txt", Some("top")),
        ("U-static-path, no DefaultExt", "/is/content/cat/film.mp4", Some("0123456789")),
        ("U-static-path, encoded slash", "/is/content/free%2Fpage.html", None),
        ("S-45 a record of images is none", "/is/content/cat/onlyImage", None),
        ("a record without Path", "/is/content/cat/bare", None),
        ("a record without file", "/is/content/cat/gone", None),
        ("ids are case-sensitive", "/is/content/cat/Film", None),
        ("no item", "/is/content", None),
        ("no item", "/is/content/", None),
        ("a catalog alone", "/is/content/cat", None),
        ("a folder", "/is/content/free", None),
    ] {
        let reply = get(&service, target);
        match expected {
            Some(content) => {
                assert_eq!(reply.status, 200, "{row}: {target}: {}", text(&reply));
                assert_eq!(bytes(&reply), content.as_bytes(), "{row}: {target}");
            }
            None => {
                assert_eq!(reply.status, 403, "{row}: {target}");
                assert_eq!(text(&reply), "Content not found\n", "{row}: {target}");
            }
        }
    }
    let service_site = site("[imprint]\nmissingStatus = 404\n", "");
    let service = service_site.service();
    assert_eq!(get(&service, "/is/content/cat/nothing").status, 404, "U-static-path");
}

#[test]
fn access_by_path_is_what_the_catalog_allows() {
    for (row, attributes, status) in [
        ("U-static-path", "", 200),
        ("U-static-path include", "AllowDirectAccess=STATIC\n", 200),
        ("U-static-path others", "AllowDirectAccess=IS,SVG\n", 403),
        ("U-static-path exclude", "AllowDirectAccess=exclude:STATIC\n", 403),
    ] {
        let site = site("", attributes);
        file(&site, "cat/x.bin", b"x");
        let service = site.service();
        assert_eq!(get(&service, "/is/content/cat/x.bin").status, status, "{row}");
        assert_eq!(get(&service, "/is/content/cat/film").status, 200, "{row}: a record");
    }
    let site = site("", "FullMatch=1\n");
    file(&site, "cat/x.bin", b"of the catalog");
    let service = site.service();
    let reply = get(&service, "/is/content/cat/x.bin");
    assert_eq!(bytes(&reply), b"of the catalog", "FullMatch: the default catalog and the path");
}

#[test]
fn roots_are_tried_in_order_and_may_be_missing() {
    let two = site("[PS]\nstaticContent.rootPaths = nowhere; second; static-content\n", "");
    fs::create_dir_all(two.path("second/cat")).expect("a folder");
    two.write("second/cat/film.mp4", "second");
    let service = two.service();
    assert_eq!(bytes(&get(&service, "/is/content/cat/film")), b"second", "requests.md 21");
    assert_eq!(bytes(&get(&service, "/is/content/cat/plain")), "Grüße".as_bytes(), "the third");
    let none = Site::new();
    none.write("outside.txt", "x");
    assert_eq!(none.get("/is/content/outside.txt").status, 403, "disabled without a root");
    let elsewhere = site("", "");
    let folder = elsewhere.path("far");
    fs::create_dir(&folder).expect("a folder");
    elsewhere.write("far/film.mp4", "far");
    let ini = format!("RootId=far\nStaticContentRootPath={}\n", folder.display());
    elsewhere.write("catalogs/far.ini", ini);
    let service = elsewhere.service();
    assert_eq!(bytes(&get(&service, "/is/content/far/film.mp4")), b"far", "an absolute folder");
    let path = property(&get(&service, "/is/content/far/film.mp4?req=props"), "path");
    assert_eq!(path.as_deref(), Some("film.mp4"), "U-content-path");
}

#[test]
fn no_name_leads_out_of_the_roots() {
    confines("", false);
    confines("[imprint]\nfollowLinks = on\n", true);
}

fn confines(settings: &str, follows: bool) {
    let site = site(settings, "");
    site.write("secret.txt", "secret");
    symlink(site.path("secret.txt"), site.path("static-content/absolute.txt")).expect("a link");
    symlink("../secret.txt", site.path("static-content/relative.txt")).expect("a link");
    symlink("..", site.path("static-content/above")).expect("a link");
    symlink("/proc/self", site.path("static-content/proc")).expect("a link");
    symlink("free/page.html", site.path("static-content/within.html")).expect("a link");
    let fifo = site.path("static-content/fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
    assert!(made.success());
    site.write("catalogs/cat.ini", "RootId=cat\nStaticContentCatalogFile=bad.txt\n");
    site.write("catalogs/bad.txt", "Id\tPath\nup\t../secret.txt\nlink\trelative.txt\n");
    let service = site.service();
    let mut count = 0;
    for name in [
        "absolute.txt",
        "relative.txt",
        "above/secret.txt",
        "proc/environ",
        "fifo",
        "free",
        "cat/up",
        "cat/link",
        "../secret.txt",
        "free/../../secret.txt",
        "..",
        "./x",
        "free/./x",
        "//etc/passwd",
        "/etc/passwd",
        "\\x",
        "free\\..\\x",
        "C:x.txt",
        "~root/x",
        "%2e%2e/secret.txt",
        "%2E%2E%2fsecret.txt",
        "..%2fsecret.txt",
        "%2e%2e%5csecret.txt",
        "%252e%252e%252fsecret.txt",
        "%c0%ae%c0%ae%c0%afsecret.txt",
        "%e0%80%ae/x",
        "%EF%BC%8E%EF%BC%8E/secret.txt",
        "%ff%fe",
        "within.html%00.txt",
        "x%0a.txt",
        "x%0d%0aSet-Cookie:a=b",
        "x%1b[2J",
        "x%7f",
        "x%c2%85",
        "-rf",
        "$(id)",
        "%7cx",
        "*",
    ] {
        let reply = get(&service, &format!("/is/content/{name}"));
        assert_eq!(reply.status, 403, "R-1 R-2 {name}");
        assert!(reply.body.len() < 64 && !text(&reply).contains("secret"), "R-1 {name}");
        let exists = get(&service, &format!("/is/content/{name}?req=exists"));
        let answer = property(&exists, "catalogRecord.exists");
        assert!(answer.is_none_or(|own| own == "0" || name.starts_with("cat/")), "U-exists {name}");
        count += 1;
    }
    assert_eq!(count, 38);
    let long = "x".repeat(256);
    assert_eq!(get(&service, &format!("/is/content/{long}")).status, 403, "R-1 length");
    let within = get(&service, "/is/content/within.html").status;
    assert_eq!(within, if follows { 200 } else { 403 }, "R-2 a link that stays within");
}

#[test]
fn the_suffix_decides_type_and_sandbox() {
    let own = "[imprint]\ncontentTypes = .xyz chemical/x-xyz; .MD text/html\n";
    let site = site(own, "");
    let latin = b"Gr\xfc\xdfe";
    let cut = [vec![b'a'; (64 << 10) - 1], "é".into()].concat();
    for (row, name, content, expected, is_sandboxed) in [
        ("RQ-141", "a.mp4", &b"x"[..], "video/mp4", false),
        ("RQ-141 case", "a.MP4", b"x", "video/mp4", false),
        ("RQ-141 unknown", "a.qqq", b"x", "application/octet-stream", false),
        ("RQ-141 no suffix", "a", b"x", "application/octet-stream", false),
        ("U-static-mime own", "a.xyz", b"x", "chemical/x-xyz", false),
        ("U-static-mime replaced", "a.md", b"x", "text/html; charset=utf-8", true),
        ("U-static-mime utf-8", "a.vtt", "ß".as_bytes(), "text/vtt; charset=utf-8", false),
        ("U-static-mime empty", "e.css", b"", "text/css; charset=utf-8", false),
        ("U-static-mime latin", "l.txt", latin, "text/plain", false),
        ("U-static-mime cut", "c.txt", &cut, "text/plain; charset=utf-8", false),
        ("R-7 HTML", "a.html", b"<p>", "text/html; charset=utf-8", true),
        ("R-7 XHTML", "a.xhtml", b"<p>", "application/xhtml+xml", true),
        ("R-7 SVG", "a.svg", b"<svg/>", "image/svg+xml", true),
        ("R-7 XML", "a.xml", b"<a/>", "text/xml", true),
        ("R-7 XSLT", "a.xslt", b"<a/>", "application/xslt+xml", true),
        ("R-7 JS", "a.js", b"1", "text/javascript; charset=utf-8", true),
        ("R-7 W-9", "a.html.gif", b"<p>", "image/gif", false),
    ] {
        file(&site, &format!("free/{name}"), content);
        let reply = site.get(&format!("/is/content/free/{name}"));
        assert_eq!(reply.header("Content-Type"), Some(expected), "{row} {name}");
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "R-7 {row} {name}");
        let policy = reply.header("Content-Security-Policy");
        assert_eq!(policy, is_sandboxed.then_some("sandbox"), "{row} {name}");
        assert_eq!(bytes(&reply), content, "{row} {name}");
    }
    let open = self::site("[imprint]\ncontentSandbox = off\n", "");
    let reply = open.get("/is/content/free/page.html");
    assert_eq!((reply.status, reply.header("Content-Security-Policy")), (200, None), "R-7 off");
}
