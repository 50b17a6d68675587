//! Every row of the failure table (17.7), who may save (W-1 to W-5), and what an error shows (W-7).

use std::net::IpAddr;
use std::time::Duration;

use imprint::limits::Deadline;
use imprint::request::{Method, RawRequest, RequestHeaders};
use imprint::service::Service;

use super::{Scene, assert_done, assert_refused};
use crate::support::pictures::{png, textured};
use crate::support::site::{self, FIXTURE_INI, request, text};

const SAVE: &str = "photo.png?wid=9&req=saveToFile&name=a.jpg";

/// A request that fails, by row of the table.
const FAILURES: [(&str, &str, &str); 13] = [
    ("SavePath empty", "off/photo.png?req=saveToFile&name=a.jpg", "Saving to file is disabled"),
    ("name missing", "photo.png?req=saveToFile", "Invalid file name"),
    ("name rejected", "photo.png?req=saveToFile&name=../a.jpg", "Invalid file name"),
    ("timeout", "photo.png?req=saveToFile&name=a.jpg&timeout=abc", "Invalid timeout"),
    ("folder", "photo.png?req=saveToFile&name=no/a.jpg", "Target folder does not exist"),
    ("name is a folder", "photo.png?req=saveToFile&name=sub", "File could not be written"),
    (
        "MaxSavePixels",
        "photo.png?req=saveToFile&name=a.jpg&wid=1001&hei=1001&fit=crop,1",
        "Image too large",
    ),
    ("source missing", "none.png?req=saveToFile&name=a.jpg", "Image not found"),
    ("source unreadable", "broken.png?req=saveToFile&name=a.jpg", "Image could not be read"),
    ("validation", "photo.png?req=saveToFile&name=a.jpg&wid=abc", "Invalid request"),
    ("brackets", "photo.png?req=saveToFile&name=a.jpg&src=is{a", "Invalid request"),
    ("macro unknown", "photo.png?req=saveToFile&name=a.jpg&$none$", "Invalid request"),
    ("not carried out", "photo.png?req=saveToFile&name=a.jpg&op_blur=3", "Not supported"),
];

fn failing(detail_level: u8) -> Scene {
    let ini = format!("{FIXTURE_INI}ErrorDetail={detail_level}\n");
    let files = [
        ("catalogs/off.ini", "RootId=off\nSavePath=\n"),
        ("images/broken.png", "\u{89}PNG, but no more than that"),
    ];
    let scene = Scene::with("[IS]\nMaxSavePixels = 1\n", &ini, &files);
    std::fs::create_dir(scene.saved("sub")).expect("a folder");
    scene.site.write("images/broken.png", b"\x89PNG\r\n\x1a\nno more than that");
    scene
}

#[test]
fn every_failure_has_its_title_and_form() {
    let scene = failing(0);
    for (id, target, title) in FAILURES {
        scene.refuses(&format!("17.7 {id}"), target, title);
    }
}

#[test]
fn no_detail_level_shows_where_the_site_lies() {
    for level in 0..=3 {
        let scene = failing(level);
        let root = scene.site.root().to_string_lossy().into_owned();
        for (id, target, title) in FAILURES {
            let reply = scene.get(target);
            let body = text(&reply);
            assert_eq!(reply.status, 403, "{id}");
            assert!(!body.contains(&root), "U-save-fail-body {id} at {level}: {body}");
            assert!(body.contains(&format!("error.title={title}\n")), "{id} at {level}: {body}");
            let has_detail = !body.contains(&format!("error.message={title}\n"));
            assert_eq!(has_detail, level >= 2, "{id} at {level}: {body}");
            assert_eq!(body.lines().count(), 5, "{id} at {level}: {body}");
        }
    }
}

#[test]
fn what_a_request_says_is_shown_cut_and_escaped() {
    let scene = failing(2);
    for (id, query) in [
        ("W-7 name", "req=saveToFile&name=<script>%0aalert(1)%1b[2J</script>.jpg"),
        ("W-7 value", "req=saveToFile&name=a.jpg&wid=<script>%0astatus=done"),
        ("W-7 command", "req=saveToFile&name=a.jpg&timeout=%3Cscript%3E%0dx"),
        ("W-7 object", "req=saveToFile&name=a.jpg&src=%0a<b>"),
    ] {
        let reply = scene.get(&format!("photo.png?{query}"));
        let body = text(&reply);
        assert_eq!(reply.status, 403, "{id}");
        assert_eq!(reply.header("Content-Type"), Some("text/plain; charset=utf-8"), "{id}");
        assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "{id}");
        assert_eq!(body.lines().count(), 5, "{id}: {body}");
        assert!(!body.contains('\u{1b}') && !body.contains('\r'), "{id}: {body:?}");
    }
    let long = "x".repeat(5000);
    let reply = scene.get(&format!("photo.png?req=saveToFile&name={long}/"));
    assert!(text(&reply).len() < 600, "W-7: cut");
}

#[test]
fn timeouts_are_integers_of_at_least_one() {
    let scene = Scene::new();
    let save = |timeout: &str| format!("{SAVE}&timeout={timeout}");
    for (id, timeout) in [
        ("F-13 zero", "0"),
        ("F-13 negative", "-1"),
        ("F-13 exponent", "1e9"),
        ("F-13 fraction", "1.5"),
        ("F-13 text", "abc"),
        ("F-13 hexadecimal", "0x10"),
        ("F-13 infinite", "inf"),
        ("F-13 other digits", "%D9%A1"),
        ("F-13 last one counts", "5&timeout=-5"),
    ] {
        scene.refuses(id, &save(timeout), "Invalid timeout");
    }
    for (id, timeout) in [
        ("F-13 clamped", "700000"),
        ("F-13 beyond 64 bits", "99999999999999999999"),
        ("F-13 sign", "%2B60000"),
        ("F-13 zeros", "00060000"),
        ("empty is as absent", ""),
    ] {
        assert_done(id, &scene.get(&save(timeout)));
    }
}

#[test]
fn a_save_ends_at_its_deadline_and_leaves_nothing() {
    let site = Scene::with("saveToFile.saveTimeout = 1\n", FIXTURE_INI, &[]);
    site.site.image("large.png", png(&textured(1600, 1200)));
    let target = "large.png?req=saveToFile&name=a.png&fmt=png&rotate=3";
    site.refuses("RQ-129 CX-80", target, "Save timed out");
    site.refuses("RQ-128", &format!("{target}&timeout=2"), "Save timed out");
    // One that nobody watches and that is over before it begins.
    let over = Deadline::after(Duration::ZERO);
    let longer = request(Method::Get, &format!("{SAVE}&timeout=60000"));
    assert_done("the time starts with the parsed request", &site.service.answer(&longer, &over));
    let expired = Deadline::after(Duration::from_secs(60));
    assert!(expired.expire());
    let before = site.files();
    let reply = site.service.answer(&longer, &expired);
    assert_refused("U-save-timeout expired by the watchdog", &reply, "Save timed out");
    assert_eq!(site.files(), before, "nothing appears later");
    let saves = Deadline::after(Duration::ZERO);
    saves.mark_save();
    assert_refused("the watchdog's own reply", &Service::timed_out(&saves), "Save timed out");
}

fn with_header(set: impl FnOnce(&mut RequestHeaders)) -> RawRequest {
    let mut raw = request(Method::Get, SAVE);
    raw.headers.host = Some(b"images.example".to_vec());
    set(&mut raw.headers);
    raw
}

#[test]
fn a_save_that_a_browser_marks_as_foreign_is_refused() {
    type Set = fn(&mut RequestHeaders);
    let foreign: [(&str, Set); 11] = [
        ("W-1 cross-site", |h| h.sec_fetch_site = Some(b"cross-site".to_vec())),
        ("W-1 unknown site", |h| h.sec_fetch_site = Some(b"elsewhere".to_vec())),
        ("W-1 Origin", |h| h.origin = Some(b"https://evil.example".to_vec())),
        ("W-1 Origin null", |h| h.origin = Some(b"null".to_vec())),
        ("W-1 Origin port", |h| h.origin = Some(b"http://images.example:8080".to_vec())),
        ("W-1 Origin with user", |h| h.origin = Some(b"http://images.example@evil".to_vec())),
        ("W-1 Referer", |h| h.referer = Some(b"https://evil.example/images.example".to_vec())),
        ("W-1 Referer no URL", |h| h.referer = Some(b"\xff".to_vec())),
        ("W-2 Sec-Purpose", |h| h.purpose = Some(b"prefetch;prerender".to_vec())),
        ("W-2 Purpose", |h| h.purpose = Some(b"Prefetch".to_vec())),
        ("W-2 preview", |h| h.purpose = Some(b"preview".to_vec())),
    ];
    let own: [(&str, Set); 6] = [
        ("W-1 none", |_| {}),
        ("W-1 typed", |h| h.sec_fetch_site = Some(b"none".to_vec())),
        ("W-1 same origin", |h| h.sec_fetch_site = Some(b"same-origin".to_vec())),
        ("W-1 own Origin", |h| h.origin = Some(b"https://images.example".to_vec())),
        ("W-1 own Origin in capitals", |h| h.origin = Some(b"HTTP://Images.Example:80".to_vec())),
        ("W-1 own Referer", |h| h.referer = Some(b"http://images.example/page?x".to_vec())),
    ];
    let scene = Scene::new();
    let open = Scene::with("saveToFile.allowCrossSite = true\n", FIXTURE_INI, &[]);
    for (id, set) in foreign {
        scene.refuses_raw(id, &with_header(set), "Request refused");
        assert_done(id, &open.answer(&with_header(set)));
        let mut post = with_header(set);
        post.method = Method::Post;
        scene.refuses_raw(id, &post, "Request refused");
        let mut image = with_header(set);
        image.target = request(Method::Get, "photo.png?wid=9").target;
        assert_eq!(scene.answer(&image).status, 200, "{id}: images are for all");
    }
    for (id, set) in own {
        assert_done(id, &scene.answer(&with_header(set)));
    }
}

#[test]
fn methods_other_than_get_and_post_do_not_save() {
    let scene = Scene::new();
    let before = scene.files();
    let head = scene.answer(&request(Method::Head, SAVE));
    assert_eq!((head.status, head.header("Allow")), (405, Some("GET, POST")), "RQ-135 W-2");
    assert_eq!(scene.answer(&request(Method::Options, SAVE)).status, 204, "W-2");
    assert_eq!(scene.answer(&request(Method::Other, SAVE)).status, 405, "W-2");
    assert_eq!(scene.files(), before, "RQ-135");
    let posted = |scene: &Scene| {
        let mut post = request(Method::Post, "photo.png?wid=9");
        post.headers.content_type = Some(b"application/x-www-form-urlencoded".to_vec());
        post.body = b"req=saveToFile&name=post.jpg".to_vec();
        scene.answer(&post)
    };
    assert_done("U-save-method POST", &posted(&scene));
    let strict = Scene::with("saveToFile.requirePost = true\n", FIXTURE_INI, &[]);
    strict.refuses("U-save-method requirePost", SAVE, "Request refused");
    assert_done("U-save-method requirePost", &posted(&strict));
}

#[test]
fn conditions_and_ranges_change_nothing() {
    type Set = fn(&mut RequestHeaders);
    let sets: [(&str, Set); 4] = [
        ("W-3 RQ-136", |_| {}),
        ("W-3 RQ-136 again", |_| {}),
        ("W-3 If-None-Match", |h| h.if_none_match = Some(b"*".to_vec())),
        ("W-3 If-Modified-Since", |h| {
            h.if_modified_since = Some(b"Fri, 01 Jan 2999 00:00:00 GMT".to_vec());
        }),
    ];
    let ini = format!("{FIXTURE_INI}Expiration=-1\nUseLastModified=1\n");
    let scene = Scene::with("", &ini, &[]);
    for (id, set) in sets {
        let _ = std::fs::remove_file(scene.saved("a.jpg"));
        assert_done(id, &scene.answer(&with_header(set)));
        assert!(scene.saved("a.jpg").is_file(), "{id}");
    }
}

#[test]
fn the_address_of_the_peer_decides_and_no_header() {
    let ini = format!("{FIXTURE_INI}ClientAddressFilter=10.1.0.0/16\n");
    let scene = Scene::with("", &ini, &[]);
    let from = |peer: Option<&str>, forwarded: Option<&str>| {
        let mut raw = request(Method::Get, SAVE);
        raw.peer = peer.map(|text| text.parse::<IpAddr>().expect("an address"));
        raw.headers.forwarded_for = forwarded.map(|text| text.as_bytes().to_vec());
        raw
    };
    for (id, peer, forwarded) in [
        ("W-5 outside", Some("192.0.2.1"), None),
        ("W-5 X-Forwarded-For", Some("192.0.2.1"), Some("10.1.2.3")),
        ("W-5 none", None, None),
        ("W-5 none, forwarded", None, Some("10.1.2.3")),
        ("W-5 mapped outside", Some("::ffff:192.0.2.1"), None),
    ] {
        scene.refuses_raw(id, &from(peer, forwarded), "Request refused");
    }
    for (id, peer) in [("W-5 inside", "10.1.2.3"), ("W-5 mapped", "::ffff:10.1.2.3")] {
        assert_done(id, &scene.answer(&from(Some(peer), Some("192.0.2.1"))));
    }
    let behind = Scene::with("[imprint]\ntrustedProxies = 192.0.2.0/24\n", &ini, &[]);
    let proxy = Some("192.0.2.1");
    assert_done("W-5 trusted", &behind.answer(&from(proxy, Some("10.1.2.3"))));
    for (id, forwarded) in [
        ("W-5 trusted, outside", "198.51.100.1"),
        ("W-5 trusted, the last untrusted counts", "10.1.2.3, 198.51.100.1"),
        ("W-5 trusted, no address", "10.1.2.3.evil"),
        ("W-5 trusted, a name", "localhost"),
    ] {
        behind.refuses_raw(id, &from(proxy, Some(forwarded)), "Request refused");
    }
}

#[test]
fn rules_locks_and_what_is_not_carried_out_refuse() {
    for (id, line) in [
        ("RQ-122 rules", "RuleSetFile=rules.xml\n"),
        ("17.3.1 lock", "RequestLock=1\n"),
        ("17.3.1 obfuscation", "RequestObfuscation=1\n"),
        ("RQ-046 locale", "LocaleMap=en,_E\n"),
    ] {
        let rule = "<rule OnMatch=\"error\"><expression>req=save</expression></rule>";
        let rules = format!("<ruleset>{rule}</ruleset>");
        let rules = [("catalogs/rules.xml", rules.as_str())];
        let scene = Scene::with("", &format!("{FIXTURE_INI}{line}"), &rules);
        scene.refuses(id, SAVE, "Request refused");
    }
    let scene = Scene::new();
    let reply = site::get(&scene.service, "/is/other/photo.png?req=saveToFile&name=a.jpg");
    assert_eq!(reply.status, 404, "1.1 other contexts do not save");
    assert!(!scene.saved("a.jpg").exists());
}
