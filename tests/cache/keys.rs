//! L-8: never another's reply. Requests that could be mistaken for one another, and what must not tell them apart.

use imprint::request::{Method, RawRequest};
use imprint::service::Service;

use super::requests::{aged, site_with};
use super::*;
use crate::support::pictures::{flat, png, unhurried};
use crate::support::site::{Site, answer, get, request, text};

/// What the requests get without a cache.
fn uncached(site: &Site, target: &str) -> (u16, Vec<u8>) {
    let mut config = site.config();
    config.ps.cache.root_paths.clear();
    let share = imprint::service::Share { workers: 1 };
    let reply = get(&Service::open(config, share).expect("the site opens"), target);
    (reply.status, reply.body.to_vec())
}

#[test]
fn l_8_no_request_gets_anothers_reply() {
    let rules = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ruleset>\n\
        <rule><expression>^shop/byrule\\b</expression><substitution>shop/red?wid=33&amp;</substitution></rule>\n\
        <rule OnMatch=\"continue\" MaxPix=\"40,40\"><expression>qualified=1</expression></rule>\n\
        <rule OnMatch=\"error\"><expression>private=1</expression>\
        <addressfilter>10.0.0.0/8</addressfilter></rule>\n</ruleset>\n";
    let site = site_with("", "ErrorDetail=2\n");
    for (name, color) in [("red.png", [255, 0, 0]), ("blue.png", [0, 0, 255])] {
        aged(&site, name, &png(&flat(120, 90, color)));
    }
    let shop = "RootId=shop\nCatalogFile=shop.txt\n";
    site.write("catalogs/shop.ini", format!("{shop}RuleSetFile=rules.xml\nJpegQuality=60,0\n"));
    site.write("catalogs/rules.xml", rules);
    let records = "Id\tPath\tModifier\tResolution\nred\tred.png\t\t\nblue\tblue.png\t\t\n\
        Red\tblue.png\t\t\nsmall\tred.png\twid=20\t\nfine\tred.png\t\t300\ncoarse\tred.png\t\t72\n";
    site.write("catalogs/shop.txt", records);
    site.write("catalogs/other.ini", "RootId=other\nCatalogFile=shop.txt\nBkgColor=00FF00\n");
    let service = site.service();
    let targets = [
        "shop/red?wid=50",
        "shop/Red?wid=50",
        "shop/blue?wid=50",
        "other/red?wid=50",
        "shop/small",
        "shop/byrule",
        "shop/red?wid=50&qualified=1",
        "shop/red?wid=50&private=1",
        "shop/red?wid=50&locale=de",
        "shop/red?wid=51",
        "shop/red?wid=50&fmt=png",
        "shop/red?wid=50&hei=50",
        "other/red?wid=50&hei=50",
        "shop/red?wid=50&hei=50&bgc=00ff00",
        "shop/fine?res=100",
        "shop/coarse?res=100",
        "shop/red?$c=0&rotate=$c$&wid=50",
        "shop/red?$c=90&rotate=$c$&wid=50",
        "shop/red?$C=90&rotate=$c$&wid=50",
        "red.png?wid=50",
        "blue.png?wid=50",
        "blue.png?wid=50&src=red.png",
    ];
    let expected: Vec<_> = targets.iter().map(|target| uncached(&site, target)).collect();
    let refused = expected.iter().filter(|(status, _)| *status != 200).count();
    assert_eq!(refused, 2, "the two that rules refuse, though others have stored the same picture");
    for round in 0..2 {
        for (target, expected) in targets.iter().zip(&expected) {
            let reply = get(&service, target);
            assert!(
                (reply.status, reply.body.to_vec()) == *expected,
                "L-8 {target}, round {round}"
            );
        }
    }
    let stored = entries(&site.path("cache")).len();
    assert!((10..=targets.len()).contains(&stored), "{stored} entries");
}

#[test]
fn l_8_files_that_share_size_and_time_are_not_mistaken() {
    let site = site_with("", "");
    let time = std::time::SystemTime::now() - std::time::Duration::from_secs(100_000);
    let files: Vec<(String, [u8; 3])> =
        (0..10_u8).map(|n| (format!("f{n}.bmp"), [n * 20, 255 - n * 20, n])).collect();
    for (name, [red, green, blue]) in &files {
        // A bitmap of 8 by 8 pixels: every one has the same length.
        let mut bytes =
            b"BM\xf6\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0\x08\0\0\0\x01\0\x18\0".to_vec();
        bytes.resize(54, 0);
        (0..64).for_each(|_| bytes.extend([*blue, *green, *red]));
        site.image(name, &bytes);
        let file = fs::File::options().write(true).open(site.path(&format!("images/{name}")));
        file.expect("a file").set_modified(time).expect("its time");
    }
    let service = site.service();
    for round in 0..2 {
        for (name, color) in &files {
            let reply = get(&service, &format!("{name}?fmt=png"));
            assert_eq!(reply.status, 200, "{}", text(&reply));
            let canvas = crate::support::pictures::decoded(&reply.body);
            assert_eq!(canvas.data.get(..3), Some(color.as_slice()), "L-8 {name}, round {round}");
        }
    }
    assert_eq!(entries(&site.path("cache")).len(), files.len());
    // Exchanged for another of the same length, its time put back.
    fs::copy(site.path("images/f9.bmp"), site.path("images/f0.bmp")).expect("copied");
    let file = fs::File::options().write(true).open(site.path("images/f0.bmp")).expect("a file");
    file.set_modified(time).expect("its time");
    let reply = get(&service, "f0.bmp?fmt=png");
    let canvas = crate::support::pictures::decoded(&reply.body);
    assert_eq!(canvas.data.get(..3), Some([180, 75, 9].as_slice()), "L-8 the time was put back");
}

#[test]
fn l_8_headers_that_are_not_used_do_not_split_entries() {
    let site = site_with("", "");
    let service = site.service();
    let plain = get(&service, "a.png?wid=50");
    for value in ["x", "image/webp", "other.example.com", "http://example.com/"] {
        let mut raw: RawRequest = request(Method::Get, "a.png?wid=50");
        let value = Some(value.as_bytes().to_vec());
        raw.headers.accept.clone_from(&value);
        raw.headers.host.clone_from(&value);
        raw.headers.referer.clone_from(&value);
        raw.headers.origin.clone_from(&value);
        raw.headers.forwarded_for = value;
        assert!(answer(&service, &raw, &unhurried()).body == plain.body, "L-8");
    }
    for query in
        ["wid=50&", ".ts=5&wid=50", "id=7&wid=50", "foo=bar&wid=50", "WID=50", "$w=50&wid=$w$"]
    {
        assert!(get(&service, &format!("a.png?{query}")).body == plain.body, "L-8 {query}");
    }
    assert_eq!(entries(&site.path("cache")).len(), 1, "L-8 one entry for all");
}

#[test]
fn l_8_a_catalog_that_changes_changes_its_replies() {
    let site =
        site_with("[CS]\ncatalog.refreshInterval = 0\ncatalog.modificationWaitTime = 0\n", "");
    aged(&site, "red.png", &png(&flat(120, 90, [255, 0, 0])));
    site.write("catalogs/shop.txt", "Id\tPath\tModifier\nx\ta.png\t\n");
    let service = site.service();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for (index, (records, attributes)) in [
        ("x\ta.png\t\n", "JpegQuality=80,0\n"),
        ("x\tred.png\t\n", "JpegQuality=80,0\n"),
        ("x\ta.png\tfmt=png\n", "JpegQuality=80,0\n"),
        ("x\ta.png\t\n", "JpegQuality=30,0\n"),
        ("x\ta.png\tfmt=png\n", "JpegQuality=30,0\nResMode=2\n"),
    ]
    .into_iter()
    .enumerate()
    {
        site.write("catalogs/shop.txt", format!("Id\tPath\tModifier\n{records}"));
        let ini = format!("RootId=shop\nCatalogFile=shop.txt\nTimeStamp={index}\n{attributes}");
        site.write("catalogs/shop.ini", ini);
        let expected = uncached(&site, "shop/x?wid=77");
        let mut reply = get(&service, "shop/x?wid=77");
        crate::support::gateway::until("the catalog is read again", || {
            reply = get(&service, "shop/x?wid=77");
            (reply.status, &*reply.body) == (expected.0, expected.1.as_slice())
        });
        assert!(!seen.contains(&reply.body.to_vec()), "L-8 generation {index}");
        seen.push(reply.body.to_vec());
    }
}
