//! Requests within requests (requests.md 11): what counts in them, how their result is used, and their limits.

use std::time::{Duration, Instant};

use super::*;
use crate::support::site::property;

#[test]
fn nested_requests_are_sources_of_layers() {
    let site = site();
    let service = site.service();
    for (name, nested, plain) in [
        ("RQ-016", "shop?src=is(shop/red?wid=30)&fmt=png", "shop?src=red&scl=2&fmt=png"),
        ("RQ-016 braces", "shop?src=is{shop/red?wid=30}&fmt=png", "shop?src=red&scl=2&fmt=png"),
        ("leading slash", "shop?src=is(/red.png?wid=30)&fmt=png", "shop/red?scl=2&fmt=png"),
        (
            "RQ-074",
            "shop?src=is(shop/red?wid=30&fmt=gif&qlt=1&printRes=9&quantize=web&req=exists&bgc=0)&fmt=png",
            "shop?src=red&scl=2&fmt=png",
        ),
        ("RQ-075 MaxPix, DefaultPix", "shop?src=is(other/big)&fmt=png", "shop/lake?fmt=png"),
        (
            "U-nest-main empty path",
            "shop?src=is(?src=red&wid=30)&fmt=png",
            "shop?src=red&scl=2&fmt=png",
        ),
        ("RQ-063 variables", "shop/deep?$inner=&fmt=png", "shop/red?size=50,50&fmt=png"),
        (
            "macro of the nested catalog",
            "shop?src=is(shop/red?$inner$)&fmt=png",
            "shop/red?size=10,10&fmt=png",
        ),
        (
            "CX-71",
            "shop?layer=0&src=is(shop/lake?wid=30&hei=30&fit=stretch)&resmode=bisharp&fmt=png",
            "shop/lake?wid=30&hei=30&fit=stretch&resmode=sharp2&fmt=png",
        ),
        ("three deep", "shop?src=is(?src=is(?src=is(shop/red)))&fmt=png", "shop/red?fmt=png"),
    ] {
        let (nested, plain) = (get(&service, nested), get(&service, plain));
        let (nested, plain) = (picture(&nested, name), picture(&plain, name));
        assert_eq!(nested.size, plain.size, "{name}");
        assert!(nested.data == plain.data, "{name}");
    }
}

#[test]
fn alpha_of_a_nested_result_masks_the_layer() {
    let site = site();
    let service = site.service();
    let target = "shop?size=200,200&color=0000ff&layer=1&src=is(m.png)&fmt=png";
    let canvas = picture(&get(&service, target), "RQ-076");
    assert_pixel(&canvas, (100, 100), &[255, 0, 0], "RQ-076 inside");
    assert_pixel(&canvas, (10, 10), &[0, 0, 255], "RQ-076 outside");
    // The view of the nested request may be larger than its composite: nothing lies there.
    let margin = "shop?size=200,200&color=0000ff&layer=1&src=is(shop/red?wid=200&hei=200)&fmt=png";
    let canvas = picture(&get(&service, margin), "margin");
    assert_pixel(&canvas, (10, 10), &[0, 0, 255], "margin");
    assert_pixel(&canvas, (100, 100), &[255, 0, 0], "margin");
}

#[test]
fn a_template_with_a_nested_request_draws_the_same_picture() {
    let site = site();
    let service = site.service();
    let plain = "shop?$img=lake&layer=0&src=$img$&size=30,30&layer=1&src=blue&size=9,9&fmt=png";
    let nested = "shop?$img=lake&layer=0&src=is(?src=$img$&size=30,30&cache=on)&layer=1&src=blue&size=9,9&fmt=png";
    let (plain, nested) = (get(&service, plain), get(&service, nested));
    let (plain, nested) = (picture(&plain, "CX-59"), picture(&nested, "CX-59 K-33"));
    assert_eq!(plain.data, nested.data, "CX-59 K-33");
}

#[test]
fn rules_of_a_nested_catalog_rewrite_its_path_only() {
    let site = site();
    site.write(
        "catalogs/ruled.xml",
        "<?xml version=\"1.0\"?><ruleset><rule MaxPix=\"5,5\"><expression>_hg</expression>\
         <substitution></substitution><header Name=\"X-Inner\">1</header></rule></ruleset>",
    );
    site.write("catalogs/ruled.txt", "Id\tPath\nred\tred.png\n");
    site.write(
        "catalogs/ruled.ini",
        "RootId=ruled\nCatalogFile=ruled.txt\nRuleSetFile=ruled.xml\n",
    );
    let service = site.service();
    let reply = get(&service, "shop?src=is(ruled/red_hg)&fmt=png");
    assert_eq!(picture(&reply, "RQ-033").size, (60, 60).into(), "RQ-033, overrides do not count");
    assert_eq!(reply.header("X-Inner"), None, "headers do not count");
}

#[test]
fn nesting_is_bounded_in_depth_count_and_time() {
    let site = site();
    let service = site.service();
    let deep = |levels: usize| {
        format!("shop?src={}red{}&fmt=png&wid=9", "is(?src=".repeat(levels), ")".repeat(levels))
    };
    let many = |count: usize| {
        let layers: String =
            (1..=count).map(|n| format!("&layer={n}&src=is(shop/small?wid=1)")).collect();
        format!("shop?size=9,9&color=0&fmt=png{layers}")
    };
    for (name, target, status) in [
        ("RQ-078 depth 16", deep(16), 200),
        ("RQ-078 L-2 depth 17", deep(17), 403),
        ("L-2 depth 400", deep(400), 403),
        ("U-nest-limit 256 requests", many(256), 200),
        ("L-2 257 requests", many(257), 403),
    ] {
        let start = Instant::now();
        let reply = get(&service, &target);
        assert_eq!(reply.status, status, "{name}: {}", text(&reply));
        assert!(start.elapsed() < Duration::from_secs(60), "{name}");
    }
}

#[test]
fn cycles_end_with_a_refusal() {
    let site = site();
    site.write(
        "catalogs/loop.txt",
        "Id\tPath\tModifier\na\t\tsrc=is(loop/b)&size=9,9\nb\t\tsrc=is(loop/a)\n\
         self\t\tsrc=is(loop/self)\nwide\t\tsize=9,9&color=0&layer=1&src=is(loop/wide)&layer=2&src=is(loop/wide)\n",
    );
    site.write("catalogs/loop.ini", "RootId=loop\nCatalogFile=loop.txt\n");
    let service = site.service();
    for target in ["loop/a", "loop/b", "loop/self", "loop/wide", "shop?mask=is(loop/a)&src=red"] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 403, "L-2 {target}: {}", text(&reply));
        assert!(text(&reply).contains("nested"), "L-2 {target}: {}", text(&reply));
    }
}

#[test]
fn what_a_nested_request_cannot_do_is_refused() {
    let site = site();
    let service = site.service();
    for (name, target) in [
        ("RQ-017", "shop?src=is(shop/red?wid=5&wid=20"),
        ("RQ-079 ir", "shop?src=ir(red)"),
        ("RQ-079 fxg", "shop?src=fxg(red)"),
        ("RQ-080 absolute", "shop?src=(http://192.0.2.1/a.png)"),
        ("RQ-080 relative", "shop?src=(a.png)"),
        ("missing inside", "shop?src=is(nowhere.png)"),
        ("N-10 save inside", "shop?src=is(shop/red?req=saveToFile%26name=a.jpg)&wid=$x$"),
        ("RQ-020 dots", "shop?src=is(../red.png)"),
        ("RQ-020 encoded dots", "shop?src=is(%2e%2e/red.png)"),
        ("RQ-019 comma", "shop?src=is(a,b)"),
        ("text behind the bracket", "shop?src=is(shop/red)x"),
        ("not found twice encoded", "shop?src=is%28red%29"),
    ] {
        let reply = get(&service, target);
        assert_eq!(reply.status, 403, "{name}: {}", text(&reply));
    }
    // A save in a nested request has no effect (N-10).
    let reply = get(&service, "shop?src=is(shop/red?req=saveToFile&name=a.jpg)&fmt=png");
    assert_eq!(reply.status, 200, "N-10: {}", text(&reply));
    let saved = std::fs::read_dir(site.path("saved/web")).expect("the folder").count();
    assert_eq!(saved, 0, "N-10");
}

#[test]
fn versions_and_tags_see_what_is_nested() {
    let site = site();
    let service = site.service();
    let etag = |target: &str| {
        let reply = get(&service, target);
        assert_eq!(reply.status, 200, "{target}: {}", text(&reply));
        reply.header("ETag").unwrap_or_default().to_owned()
    };
    let one = etag("shop?src=is(shop/red?wid=30)");
    assert_eq!(one, etag("shop?src=is(shop/red?wid=30)"));
    assert_ne!(one, etag("shop?src=is(shop/blue?wid=30)"), "L-8 another source");
    assert_ne!(one, etag("shop?src=is(shop/red?wid=30&flip=lr)"), "L-8 another nested view");
    let version =
        |target: &str| property(&get(&service, &format!("{target}&req=props")), "image.version");
    assert_eq!(
        version("shop?src=is(shop/red)&wid=9"),
        version("shop?src=is(shop/red)&wid=5"),
        "RQ-099"
    );
    assert_ne!(
        version("shop?src=is(shop/red)&wid=9"),
        version("shop?src=is(shop/blue)&wid=9"),
        "RQ-099"
    );
}
