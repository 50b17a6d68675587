//! Static content through real web servers: parts, conditions, HEAD, and files that the web server sends itself.

use super::*;
use crate::support::servers::{Backend, Front, Way, site as served};

fn backend(settings: &str) -> Backend {
    let site = served(settings);
    fs::create_dir(site.path("static-content")).expect("a folder");
    let pattern: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    file(&site, "pattern.bin", &pattern);
    file(&site, "page.html", b"<script>1</script>");
    file(&site, "a%2Fb \u{e9}.bin", b"named");
    Backend::start(site)
}

/// What holds whoever sends the file.
fn behaves(front: &Front, backend: &Backend) {
    let way = front.way;
    let pattern = fs::read(backend.site.path("static-content/pattern.bin")).expect("a file");
    let target = "/is/content/pattern.bin";
    let whole = front.get(target);
    assert_eq!((whole.status, whole.length()), (200, Some(800_000)), "{way:?}");
    assert!(whole.body == pattern, "{way:?}: the file arrives");
    assert_eq!(whole.header("Content-Type"), Some("application/octet-stream"), "{way:?}");
    assert_eq!(whole.header("Cache-Control"), Some("public, max-age=36000"), "{way:?}");
    assert_eq!(whole.header("Last-Modified"), Some(MODIFIED_TEXT), "RQ-151 {way:?}");
    let tag = whole.header("ETag").expect("a tag").to_owned();
    let part = front.ask("GET", target, &[("Range", b"bytes=1000-599999")], &[]);
    let range = part.header("Content-Range");
    assert_eq!((part.status, range), (206, Some("bytes 1000-599999/800000")), "{way:?}");
    assert!(part.body == pattern[1000..600_000], "{way:?}: the part arrives");
    let same = [("Range", &b"bytes=-4"[..]), ("If-Range", tag.as_bytes())];
    let resumed = front.ask("GET", target, &same, &[]);
    assert_eq!((resumed.status, resumed.body.as_slice()), (206, &pattern[799_996..]), "{way:?}");
    let other = [("Range", &b"bytes=-4"[..]), ("If-Range", &b"\"other\""[..])];
    assert_eq!(front.ask("GET", target, &other, &[]).status, 200, "If-Range {way:?}");
    let behind = front.ask("GET", target, &[("Range", b"bytes=800000-")], &[]);
    assert_eq!(behind.status, 416, "{way:?}");
    // lighttpd does not say how long the file is.
    let range = (way != Way::Lighttpd).then_some("bytes */800000");
    assert_eq!(behind.header("Content-Range"), range, "{way:?}");
    let known = front.ask("GET", target, &[("If-None-Match", tag.as_bytes())], &[]);
    assert_eq!((known.status, known.body.len()), (304, 0), "RQ-150 {way:?}");
    let head = front.ask("HEAD", target, &[], &[]);
    assert_eq!((head.status, head.length(), head.body.len()), (200, Some(800_000), 0), "{way:?}");
    let page = front.get("/is/content/page.html");
    assert_eq!(page.body, b"<script>1</script>", "{way:?}");
    assert_eq!(page.header("Content-Security-Policy"), Some("sandbox"), "R-7 {way:?}");
    for reply in [&whole, &part, &page] {
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "R-7 {way:?}");
    }
    assert_eq!(front.get("/is/content/none.bin").status, 403, "{way:?}");
}

#[test]
fn static_content_through_nginx() {
    let backend = backend("");
    let front = Front::start(Way::Nginx, &backend.site, backend.port, &[]);
    behaves(&front, &backend);
}

#[test]
fn static_content_through_apache() {
    let backend = backend("");
    let front = Front::start(Way::ApacheProxy, &backend.site, backend.port, &[]);
    behaves(&front, &backend);
}

#[test]
fn nginx_sends_the_files_itself() {
    let backend = backend("sendfile = x-accel\n");
    let root = backend.site.path("static-content").display().to_string();
    let location = format!(
        "location ^~ /_imprint{root}/ {{ internal; alias {root}/; \
         add_header X-Content-Type-Options nosniff; }}\nlocation ^~ /is/ {{"
    );
    let more = [("location ^~ /is/ {", location.as_str())];
    let front = Front::start(Way::Nginx, &backend.site, backend.port, &more);
    behaves(&front, &backend);
    let named = front.get("/is/content/a%252Fb%20%C3%A9.bin");
    assert_eq!((named.status, named.body.as_slice()), (200, &b"named"[..]), "a name with escapes");
    let inside = front.get(format!("/_imprint{root}/pattern.bin"));
    assert_eq!(inside.status, 404, "G10 the location is internal");
    // Two parts are nginx's to make: imprint has not sent the file.
    let two = front.ask("GET", "/is/content/pattern.bin", &[("Range", b"bytes=0-0,4-4")], &[]);
    assert_eq!(two.status, 206, "nginx sent the file");
}

#[test]
fn lighttpd_sends_the_files_itself() {
    let backend = backend("sendfile = x-sendfile\n");
    let root = backend.site.path("static-content").display().to_string();
    let check = "\"check-local\" => \"disable\"";
    let enabled =
        format!("{check}, \"x-sendfile\" => \"enable\", \"x-sendfile-docroot\" => ( \"{root}\" )");
    let front = Front::start(Way::Lighttpd, &backend.site, backend.port, &[(check, &enabled)]);
    behaves(&front, &backend);
    let named = front.get("/is/content/a%252Fb%20%C3%A9.bin");
    assert_eq!((named.status, named.body.as_slice()), (200, &b"named"[..]), "a name with escapes");
}
