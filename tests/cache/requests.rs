//! The cache as requests see it: hits and misses by `cache=`, who may control it, `loadcache`, `props`, saves.
//!
//! A hit is proved by exchanging the stored content for a marker: whoever is served the marker was served the entry.

use std::net::IpAddr;

use imprint::reply::Reply;
use imprint::request::{Method, RawRequest};
use imprint::service::Service;

use super::*;
use crate::support::pictures::{flat, png, textured, unhurried};
use crate::support::site::{FIXTURE_INI, Site, answer, get, property, request, text};

const MARKER: &[u8] = b"what the cache holds";

/// A site with a cache and a picture `a.png`, which is an hour old.
pub fn site_with(settings: &str, ini: &str) -> Site {
    let site = Site::with(settings, &format!("{FIXTURE_INI}{ini}"));
    fs::create_dir(site.path("cache")).expect("a folder");
    aged(&site, "a.png", &png(&textured(120, 90)));
    site
}

/// Adds an image that was written an hour ago: one of this moment is not stored.
pub fn aged(site: &Site, name: &str, bytes: &[u8]) {
    site.image(name, bytes);
    let file = fs::File::options().write(true).open(site.path(&format!("images/{name}")));
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    file.expect("a file").set_modified(hour_ago).expect("its time");
}

/// Exchanges the content of every entry; returns how many there are.
fn mark(site: &Site) -> usize {
    let root = site.path("cache");
    let cache = ReplyCache::open(&CacheOptions {
        roots: vec![root.clone()],
        max_bytes: 1 << 30,
        max_entries: 1000,
    });
    let entries = entries(&root);
    for entry in &entries {
        assert!(cache.put(&key_of(entry), "image/jpeg", MARKER));
    }
    entries.len()
}

fn is_marked(reply: &Reply) -> bool {
    assert_eq!(reply.status, 200, "{}", text(reply));
    *reply.body == *MARKER
}

fn by(method: Method, service: &Service, target: &str) -> Reply {
    answer(service, &request(method, target), &unhurried())
}

#[test]
fn s_74_cache_says_what_the_server_may_do() {
    for (name, query, is_hit, is_left_marked) in [
        ("S-74 default", "", true, true),
        ("S-74 on", "&cache=on", true, true),
        ("S-74 on,on", "&cache=on,on", true, true),
        ("S-74 client off", "&cache=off,on", true, true),
        ("S-74 validate", "&cache=validate", true, true),
        ("S-74 off", "&cache=off", false, true),
        ("S-74 server off", "&cache=on,off", false, true),
        ("S-74 both off", "&cache=off,off", false, true),
        ("RQ-086 update", "&cache=update", false, false),
    ] {
        let site = site_with("", "");
        let service = site.service();
        let plain = get(&service, "a.png?wid=50");
        assert_eq!(mark(&site), 1, "{name}: stored");
        let reply = get(&service, &format!("a.png?wid=50{query}"));
        assert_eq!(is_marked(&reply), is_hit, "{name}");
        assert!(is_hit || reply.body == plain.body, "{name}: rendered");
        assert_eq!(reply.header("Content-Type"), Some("image/jpeg"), "{name}");
        assert_eq!(reply.header("ETag").is_some(), !query.contains("=off"), "RQ-085 {name}");
        let no_store = reply.header("Cache-Control") == Some("no-store");
        assert_eq!(no_store, query.contains("=off"), "RQ-085 {name}");
        assert_eq!(is_marked(&get(&service, "a.png?wid=50")), is_left_marked, "{name}: afterwards");
        assert_eq!(mark(&site), 1, "{name}: one entry");
    }
    for (name, query, count) in [
        ("S-74 off stores nothing", "cache=off", 0),
        ("S-74 server off stores nothing", "cache=on,off", 0),
        ("S-74 client off stores", "cache=off,on", 1),
        ("S-74 validate stores", "cache=validate", 1),
        ("RQ-086 update stores", "cache=update", 1),
    ] {
        let site = site_with("", "");
        assert_eq!(site.get(&format!("a.png?wid=50&{query}")).status, 200, "{name}");
        assert_eq!(entries(&site.path("cache")).len(), count, "{name}");
    }
}

#[test]
fn u_cache_abuse_only_trusted_clients_force_work() {
    let site = site_with("[imprint]\ncacheControlFrom = 10.0.0.0/8, ::1\n", "");
    let service = site.service();
    let ask = |peer: Option<&str>, query: &str| {
        let peer = peer.map(|peer| peer.parse::<IpAddr>().expect("an address"));
        let raw = RawRequest { peer, ..request(Method::Get, &format!("a.png?wid=50{query}")) };
        answer(&service, &raw, &unhurried())
    };
    ask(None, "");
    assert_eq!(mark(&site), 1);
    for (peer, query, is_hit) in [
        (Some("10.1.2.3"), "&cache=off", false),
        (Some("::1"), "&cache=off", false),
        (Some("11.1.2.3"), "&cache=off", true),
        (Some("11.1.2.3"), "&cache=on,off", true),
        (Some("11.1.2.3"), "&cache=update", true),
        (Some("11.1.2.3"), "&cache=validate", true),
        (None, "&cache=update", true),
        (Some("10.1.2.3"), "&cache=update", false),
    ] {
        let reply = ask(peer, query);
        assert_eq!(is_marked(&reply), is_hit, "U-cache-abuse {peer:?} {query}");
        let is_off = query.contains("=off");
        let no_store = reply.header("Cache-Control") == Some("no-store");
        assert_eq!(no_store, is_off, "the client's part holds for all: {peer:?} {query}");
    }
    for (setting, is_hit) in [("", true), ("cacheControlFrom =", true)] {
        // Nobody, in the second; everyone by default, so that the first update renders.
        let site = site_with(&format!("[imprint]\n{setting}\n"), "");
        let service = site.service();
        let mut raw = request(Method::Get, "a.png?wid=50");
        raw.peer = None;
        answer(&service, &raw, &unhurried());
        assert_eq!(mark(&site), 1);
        raw = request(Method::Get, "a.png?wid=50&cache=on,off");
        raw.peer = None;
        let is_marked = is_marked(&answer(&service, &raw, &unhurried()));
        assert_eq!(is_marked, is_hit && !setting.is_empty(), "U-cache-abuse {setting:?}");
    }
}

#[test]
fn only_images_that_were_sent_are_stored() {
    let site = site_with("", "SavePath=web\nErrorDetail=2\n");
    let service = site.service();
    for (name, method, target, status) in [
        ("missing", Method::Get, "nowhere.png", 403),
        ("syntax", Method::Get, "a.png?wid=x", 403),
        ("unsupported", Method::Get, "a.png?req=mask&fmt=heic", 403),
        ("props", Method::Get, "a.png?wid=50&req=props", 200),
        ("imageprops", Method::Get, "a.png?req=imageprops", 200),
        ("validate", Method::Get, "a.png?req=validate", 200),
        ("banner", Method::Get, "", 200),
        ("save", Method::Get, "a.png?wid=50&req=saveToFile&name=a.jpg", 200),
        ("U-post", Method::Post, "a.png?wid=50", 200),
        ("U-post loadcache", Method::Post, "a.png?wid=50&req=loadcache", 200),
    ] {
        let reply = by(method, &service, target);
        assert_eq!(reply.status, status, "{name}: {}", text(&reply));
        assert_eq!(entries(&site.path("cache")), Vec::<PathBuf>::new(), "{name}");
    }
    let plain = by(Method::Post, &service, "a.png?wid=50");
    assert_eq!(by(Method::Head, &service, "a.png?wid=50").status, 200);
    assert_eq!(mark(&site), 1, "HEAD stores");
    assert!(is_marked(&by(Method::Head, &service, "a.png?wid=50")), "HEAD finds");
    assert!(is_marked(&get(&service, "a.png?wid=50")), "GET finds what HEAD stored");
    assert!(by(Method::Post, &service, "a.png?wid=50").body == plain.body, "U-post: not served");
}

#[test]
fn loadcache_fills_the_cache_and_tells_the_length() {
    let site = site_with("", "");
    let service = site.service();
    let length = |target: &str| {
        let length = property(&get(&service, target), "image.length").expect("a length");
        length.parse::<usize>().expect("a number")
    };
    assert_eq!(length("a.png?wid=50&req=props"), 0, "RQ-098 before");
    let reply = get(&service, "a.png?wid=50&req=loadcache");
    let text = text(&reply);
    assert!(text.starts_with("#S7Z OK\n#"), "U-loadcache: {text}");
    let properties: Vec<&str> = text.lines().skip(2).collect();
    let loaded = property(&reply, "image.length").expect("a length");
    assert_eq!(properties, [format!("image.length={loaded}")], "RQ-114");
    assert_eq!(reply.header("Cache-Control"), Some("no-store"), "RQ-114 not cacheable");
    assert_eq!(reply.header("Content-Type"), Some("text/plain; charset=utf-8"), "RQ-114");
    let loaded: usize = loaded.parse().expect("a number");
    assert_eq!(length("a.png?wid=50&req=props"), loaded, "RQ-098 after");
    assert_eq!(length("a.png?wid=51&req=props"), 0, "RQ-098 another view");
    assert_eq!(length("a.png?wid=50&req=props&cache=off"), loaded, "no reply image: ignored");
    assert_eq!(mark(&site), 1);
    assert!(is_marked(&get(&service, "a.png?wid=50")), "RQ-114 a later img is a hit");
    let own = get(&service, "a.png?wid=50&cache=update");
    assert_eq!(own.body.len(), loaded as u64, "RQ-114 the length is that of the reply");
    assert_eq!(mark(&site), 1);
    let reply = get(&service, "a.png?wid=50&req=loadcache");
    assert_eq!(property(&reply, "image.length"), Some(MARKER.len().to_string()), "from the entry");
    assert_eq!(get(&service, "nowhere.png?req=loadcache").status, 403, "fails as img does");
    assert_eq!(get(&service, "a.png?wid=50&req=loadcache,xml").status, 403, "has no other form");
    let off = Site::new();
    off.image("a.png", png(&textured(40, 30)));
    let reply = off.get("a.png?wid=9&req=loadcache");
    assert_ne!(property(&reply, "image.length").as_deref(), Some("0"), "without a cache too");
    assert_eq!(property(&off.get("a.png?wid=9&req=props"), "image.length").as_deref(), Some("0"));
}

#[test]
fn u_save_cache_a_save_takes_what_is_there() {
    let site = site_with("", "SavePath=web\n");
    let service = site.service();
    let save = |query: &str| {
        let target = format!("a.png?wid=50&req=saveToFile&name=a.jpg{query}");
        let reply = get(&service, &target);
        assert_eq!(reply.status, 200, "{}", text(&reply));
        fs::read(site.path("saved/web/a.jpg")).expect("a file")
    };
    let rendered = save("");
    let plain = get(&service, "a.png?wid=50");
    assert!(rendered == *plain.body, "the bytes are those of a reply");
    assert_eq!(mark(&site), 1, "a save stores nothing");
    assert_eq!(save(""), MARKER, "U-save-cache");
    assert_eq!(save("&cache=validate"), MARKER, "U-save-cache validate");
    for query in ["&cache=off", "&cache=on,off", "&cache=update"] {
        assert!(save(query) == rendered, "U-save-cache {query}");
    }
    for format in ["png", "gif", "tif", "tif,,zip", "webp", "png8", "pjpeg"] {
        let target = format!("a.png?wid=50&fmt={format}");
        let reply = get(&service, &target);
        for query in ["&cache=off", ""] {
            let saved = get(&service, &format!("{target}&req=saveToFile&name=a.jpg{query}"));
            assert_eq!(saved.status, 200, "{format}: {}", text(&saved));
            let saved = fs::read(site.path("saved/web/a.jpg")).expect("a file");
            assert!(saved == *reply.body, "{format}{query}: the same bytes");
        }
    }
}

#[test]
fn k_25_both_policies_notice_a_changed_file_at_once() {
    for (name, ini) in [
        ("S-73 expiration-based", "CacheValidationPolicy=0\n"),
        ("S-72 catalog-based", "CacheValidationPolicy=1\n"),
    ] {
        let site = site_with("", ini);
        let service = site.service();
        let plain = get(&service, "a.png?wid=50");
        assert_eq!(mark(&site), 1, "{name}");
        assert!(is_marked(&get(&service, "a.png?wid=50")), "{name}: reused");
        assert!(is_marked(&site.get("a.png?wid=50")), "{name}: after a restart too");
        aged(&site, "a.png", &png(&flat(120, 90, [255, 0, 0])));
        let changed = get(&service, "a.png?wid=50");
        assert!(!is_marked(&changed) && changed.body != plain.body, "{name}: changed file");
        assert!(get(&service, "a.png?wid=50").body == changed.body, "{name}");
        mark(&site);
        assert!(is_marked(&get(&service, "a.png?wid=50")), "{name}: stored again");
    }
}

#[test]
fn a_file_of_this_moment_is_not_stored() {
    let site = site_with("", "");
    let service = site.service();
    site.image("new.png", png(&textured(60, 45)));
    let file = fs::File::options().write(true).open(site.path("images/new.png")).expect("a file");
    // It may be written again within the same tick of the clock, with the same length and times.
    file.set_modified(std::time::SystemTime::now()).expect("its time");
    assert_eq!(get(&service, "new.png?wid=50").status, 200);
    assert_eq!(entries(&site.path("cache")).len(), 0);
}

#[test]
fn a_limit_that_shrinks_holds_for_entries_too() {
    let site = site_with("", "");
    let plain = site.get("a.png?fmt=tif&wid=1000&fit=fit,1");
    assert!(plain.body.len() > 1 << 20, "{} bytes", plain.body.len());
    let config = fs::read_to_string(site.path("imprint.conf")).expect("settings");
    site.write("imprint.conf", format!("{config}[IS]\nMaxMessageSize = 1\n"));
    let reply = site.get("a.png?fmt=tif&wid=1000&fit=fit,1");
    assert_eq!(reply.status, 403, "S-87 MaxMessageSize");
}

#[test]
fn a_nested_result_is_kept_only_where_it_asks_for_it() {
    for (name, nested, entries_of_one, entries_of_two) in [
        // One entry for each reply, and one for the nested result that both share.
        ("RQ-077 S-75 cache=on", "a.png?wid=60&cache=on", 2, 3),
        ("RQ-077 S-75 without", "a.png?wid=60", 1, 2),
        ("S-75 cache=off", "a.png?wid=60&cache=off", 1, 2),
    ] {
        let site = site_with("", "");
        let service = site.service();
        let target = |wid: u32| format!("?src=is({nested})&wid={wid}&fmt=png");
        let first = get(&service, &target(30));
        assert_eq!(first.status, 200, "{name}: {}", text(&first));
        assert_eq!(entries(&site.path("cache")).len(), entries_of_one, "{name}");
        let second = get(&service, &target(20));
        assert_eq!(entries(&site.path("cache")).len(), entries_of_two, "{name}");
        let plain = get(&service, "?src=is(a.png?wid=60)&wid=20&fmt=png&cache=off");
        assert!(second.body == plain.body, "{name}: without loss");
    }
}

#[test]
fn a_kept_nested_result_that_is_broken_is_drawn_again() {
    let site = site_with("", "");
    let service = site.service();
    let target = "?src=is(a.png?wid=60&cache=on)&wid=20&fmt=png";
    let plain = get(&service, target);
    assert_eq!(mark(&site), 2, "S-75 a marker is no canvas");
    let again = get(&service, &format!("{target}&cache=off"));
    assert_eq!(again.status, 200, "{}", text(&again));
    assert!(again.body == plain.body, "S-75");
}

#[test]
fn a_kept_canvas_is_never_the_reply_of_another_request() {
    let site = site_with("", "");
    let service = site.service();
    for fmt in ["jpeg,gray", "jpeg,cmyk", "jpeg"] {
        let nested = get(&service, &format!("?src=is(a.png?wid=60&cache=on)&fmt={fmt}"));
        assert_eq!(nested.status, 200, "L-8 {fmt}: {}", text(&nested));
        let plain = get(&service, &format!("a.png?wid=60&fmt={fmt}"));
        assert!(plain.body.starts_with(b"\xff\xd8"), "L-8 {fmt}: a JPEG");
    }
}
