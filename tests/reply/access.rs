//! Who may ask for what: address filters, access by path, roots and links, and catalogs that change while serving.

use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use imprint::request::Method;
use imprint::service::Service;

use super::*;
use crate::support::site::{answer, get, property, request};

fn status_for(service: &Service, peer: Option<&str>, forwarded: Option<&str>) -> u16 {
    let mut raw = request(Method::Get, "a.png?wid=9");
    raw.peer = peer.map(|text| text.parse::<IpAddr>().expect("an address"));
    raw.headers.forwarded_for = forwarded.map(|text| text.as_bytes().to_vec());
    answer(service, &raw, &unhurried()).status
}

#[test]
fn clients_outside_the_address_filter_are_refused() {
    let mut count = 0;
    for (filter, clients) in [
        ("0.0.0.0/0", [("CX-33", "8.8.8.8", 200), ("CX-33 IPv6", "2001:db8::1", 200)].as_slice()),
        ("192.0.0.0/8", &[("CX-34 inside", "192.1.2.3", 200), ("CX-34 outside", "193.1.2.3", 403)]),
        (
            "192.168.12.0/23",
            &[
                ("CX-35 first", "192.168.12.0", 200),
                ("CX-35 last", "192.168.13.255", 200),
                ("CX-35 behind", "192.168.14.0", 403),
            ],
        ),
        (
            "192.168.2.117",
            &[("CX-36", "192.168.2.117", 200), ("CX-36 other", "192.168.2.118", 403)],
        ),
        (
            "192.168.2.117/32",
            &[("CX-36 /32", "192.168.2.117", 200), ("CX-36", "192.168.2.116", 403)],
        ),
        ("nonsense", &[("a filter that names nobody", "127.0.0.1", 403)]),
    ] {
        let site = shop_with("", &format!("ClientAddressFilter={filter}\n"), "");
        let service = site.service();
        for (name, client, status) in clients {
            assert_eq!(
                status_for(&service, Some(client), None),
                *status,
                "RQ-029 {name}: {client}"
            );
            count += 1;
        }
        let unknown = if filter == "0.0.0.0/0" { 200 } else { 403 };
        assert_eq!(status_for(&service, None, None), unknown, "{filter}: an unknown client");
        // U-addr: nobody may claim another address.
        let claimed = status_for(&service, Some("9.9.9.9"), Some("192.168.2.117"));
        assert_eq!(claimed, unknown, "{filter}: X-Forwarded-For of a stranger");
    }
    assert_eq!(count, 12);
}

#[test]
fn only_trusted_proxies_say_who_the_client_is() {
    let site = shop_with(
        "[imprint]\ntrustedProxies=127.0.0.1, 10.0.0.0/8\n",
        "ClientAddressFilter=192.0.0.0/8\n",
        "",
    );
    let service = site.service();
    for (name, peer, forwarded, status) in [
        ("U-addr by proxy", "127.0.0.1", Some("192.1.2.3"), 200),
        ("by two proxies", "127.0.0.1", Some("192.1.2.3, 10.1.1.1"), 200),
        ("the last untrusted one counts", "127.0.0.1", Some("192.1.2.3, 8.8.8.8"), 403),
        ("a prefix that the client sent", "127.0.0.1", Some("192.1.2.3, 8.8.8.8, 10.0.0.1"), 403),
        ("other client", "127.0.0.1", Some("8.8.8.8"), 403),
        ("nonsense", "127.0.0.1", Some("192.1.2.3, x"), 403),
        ("proxy itself", "127.0.0.1", None, 403),
        ("no proxy", "8.8.8.8", Some("192.1.2.3"), 403),
        ("direct", "192.1.2.3", Some("8.8.8.8"), 200),
    ] {
        assert_eq!(status_for(&service, Some(peer), forwarded), status, "{name}");
    }
}

#[test]
fn access_by_path_is_what_the_catalog_allows() {
    for (name, value, is_served) in [
        ("CX-37", "include:IS,STATIC", true),
        ("CX-37 without keyword", "IS,STATIC", true),
        ("CX-38", "exclude:IS,STATIC", false),
        ("CX-39 RQ-043", "include:", false),
        ("CX-39 empty", "", false),
        ("CX-40", "exclude:", true),
        ("another type", "include:SVG", false),
    ] {
        let site = shop_with("", &format!("ErrorDetail=2\nAllowDirectAccess={value}\n"), "");
        let service = site.service();
        let expected = if is_served { 200 } else { 403 };
        for target in ["a.png?wid=9", "shop/a.png?wid=9", "shop?src=a.png&wid=9"] {
            assert_eq!(get(&service, target).status, expected, "{name} {target}");
        }
        assert_eq!(
            get(&service, "shop/lake?wid=9").status,
            200,
            "{name}: records are never affected"
        );
        let refused = text(&get(&service, "a.svg")).replace("a.svg", "");
        let missing = text(&get(&service, "nowhere.png")).replace("nowhere.png", "");
        assert_eq!(
            refused.split(':').next(),
            missing.split(':').next(),
            "{name}: existence is not told"
        );
    }
}

#[test]
fn sources_come_from_beneath_the_roots() {
    let site = shop_with("", "", "");
    std::fs::create_dir_all(site.path("more/deep")).expect("folders");
    std::fs::create_dir(site.path("images/folder.png")).expect("a folder");
    site.write("more/second.png", png(&textured(33, 44)));
    site.write("more/a.png", png(&textured(7, 7)));
    site.write("secret.png", png(&textured(9, 9)));
    symlink(site.path("secret.png"), site.path("images/link.png")).expect("a link");
    symlink("a.png", site.path("images/inner.png")).expect("a link");
    symlink(site.root(), site.path("images/up")).expect("a link");
    let own =
        "[IS]\nRootPath = images;more\nSaveDirectory = saved\n[PS]\ncatalog.rootPath = catalogs\n";
    site.write("imprint.conf", own);
    let service = site.service();
    for (name, target, width) in [
        ("RQ-041 S-28 second root", "second.png", Some(33)),
        ("RQ-041 S-28 the first wins", "a.png", Some(400)),
        ("RQ-044 link out", "link.png", None),
        ("RQ-044 link within, followLinks=false", "inner.png", None),
        ("RQ-044 folder link", "up/secret.png", None),
        ("folder", "folder.png", None),
        ("empty elements", "/is/image//second.png", Some(33)),
        ("U-path-safety encoded slash", "deep%2f..%2fsecond.png", None),
        ("absolute", "%2Fetc%2Fpasswd", None),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status == 200, width.is_some(), "{name}: {}", text(&reply));
        assert!(width.is_none_or(|width| size(&reply).width == width), "{name}");
    }
    site.write("imprint.conf", format!("{own}[imprint]\nfollowLinks=true\n"));
    let service = site.service();
    assert_eq!(size(&get(&service, "inner.png")).width, 400, "RQ-044 followLinks");
    for target in ["link.png", "up/secret.png"] {
        assert_eq!(get(&service, target).status, 403, "RQ-044 never outside: {target}");
    }
}

/// Writes a catalog file with a time of its own, so that no clock decides whether it has changed.
fn write_at(site: &Site, name: &str, text: &str, seconds: u64) {
    site.write(name, text);
    let file = std::fs::File::options().write(true).open(site.path(name)).expect("a file");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).expect("its time");
}

#[test]
fn catalogs_are_read_again_when_they_change() {
    let quick = "[CS]\ncatalog.refreshInterval=0\ncatalog.modificationWaitTime=0\n";
    let site = shop_with(quick, "", "");
    let service = site.service();
    let quality =
        |target: &str| property(&get(&service, &format!("{target}?req=props")), "image.quality");
    assert_eq!(quality("shop/Abc").as_deref(), Some("70"));
    let ini = |more: &str| format!("RootId=shop\nCatalogFile=shop.txt\n{more}");
    write_at(&site, "catalogs/shop.ini", &ini("JpegQuality=41\n"), 1_500_000_001);
    assert_eq!(quality("shop/Abc").as_deref(), Some("41"), "a touched .ini is picked up");
    write_at(&site, "catalogs/shop.txt", "Id\tPath\tModifier\nnew\tq.png\tqlt=13\n", 1_500_000_002);
    assert_eq!(quality("shop/Abc").as_deref(), Some("41"), "data count when the .ini changes");
    write_at(&site, "catalogs/shop.ini", &ini("JpegQuality=42\n"), 1_500_000_003);
    assert_eq!(quality("shop/new").as_deref(), Some("13"), "new records");
    assert_eq!(get(&service, "shop/Abc?req=props").status, 403, "removed records");
    write_at(
        &site,
        "catalogs/shop.ini",
        &ini("JpegQuality=43\nMacroFile=nowhere.txt\n"),
        1_500_000_004,
    );
    assert_eq!(
        quality("shop/new").as_deref(),
        Some("13"),
        "a broken catalog keeps its last good state"
    );
    write_at(&site, "catalogs/shop.ini", &ini("JpegQuality=44\n"), 1_500_000_005);
    assert_eq!(quality("shop/a.png").as_deref(), Some("44"), "mended");
    write_at(&site, "catalogs/default.ini", "JpegQuality=20\nDefaultPix=0,0\n", 1_500_000_006);
    assert_eq!(quality("a.png").as_deref(), Some("20"), "the default catalog");
    write_at(&site, "catalogs/more.ini", "RootId=more\nJpegQuality=21\n", 1_500_000_007);
    assert_eq!(quality("more/a.png").as_deref(), Some("21"), "a new catalog");
    std::fs::remove_file(site.path("catalogs/more.ini")).expect("it was there");
    assert_eq!(get(&service, "more/a.png").status, 403, "a removed catalog");
    std::fs::remove_file(site.path("catalogs/default.ini")).expect("it was there");
    assert_eq!(get(&service, "a.png").status, 503, "S-12: no default catalog, nothing is served");
}

#[test]
fn the_suffix_chooses_the_format_where_the_settings_say_so() {
    let on = shop_with("[PS]\nsaveToFile.formatFromSuffix=true\n", "", "");
    let off = shop();
    for (name, site, query, start) in [
        ("U-save-format", &off, "name=a.png", b"\xff\xd8\xff".as_slice()),
        ("suffix", &on, "name=a.png", b"\x89PNG"),
        ("suffix, capitals", &on, "name=a.GIF", b"GIF8"),
        ("fmt= wins", &on, "name=a.png&fmt=jpeg", b"\xff\xd8\xff"),
        ("no suffix", &on, "name=a", b"\xff\xd8\xff"),
        ("jpeg", &on, "name=a.jpe", b"\xff\xd8\xff"),
        ("tiff", &on, "name=a.tiff", b"II"),
    ] {
        let reply = site.get(&format!("a.png?wid=9&req=saveToFile&{query}"));
        assert_eq!(reply.status, 200, "{name}: {}", text(&reply));
        let file = query.trim_start_matches("name=").split('&').next().unwrap_or_default();
        let bytes = std::fs::read(site.path(&format!("saved/web/{file}"))).expect("the saved file");
        assert!(bytes.starts_with(start), "{name}: {:?}", bytes.get(..4));
    }
    let reply = on.get("a.png?wid=9&req=saveToFile&name=a.avif");
    assert_eq!(reply.status, 403, "no encoder: {}", text(&reply));
}
