//! Watermarks (requests.md 18), default images and error images (23.3, 23.4), thumbnails (16.3).

use imprint::reply::Reply;

use super::*;

/// `shop` with a watermark: `mark` is a flat blue picture, half covering.
fn marked(attributes: &str) -> Site {
    let site = site_with(attributes);
    let mark = "mark\tblue.png\t\tsizeN=0.9,0.9&opac=20\t\t\ncorner\tblue.png\t\talign=1,-1&wid=5&bgc=0\t\t\n\
        broken\tnowhere.png\t\t\t\t\nonError\t\t\tsize=30,20&color=ff00ff&fmt=png\t\t\n\
        badError\t\t\tsrc=nowhere.png\t\t\ndefault\tblue.png\t\t\t\t\n";
    site.write("catalogs/shop.txt", format!("{RECORDS}{mark}"));
    site
}

#[test]
fn a_watermark_lies_on_the_composite_never_on_margins() {
    let site = marked("Watermark=mark\n");
    let service = site.service();
    // 90 % of 400x300 for a square mark: 270x270 in the middle, 20 % blue over red: 204,0,51.
    let canvas = picture(&get(&service, "shop/lake?wid=400&fmt=png"), "CX-62 K-31 RQ-139 S-68");
    let near = |found: &[u8], expected: [u8; 3]| {
        found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 1)
    };
    assert!(near(pixel(&canvas, 100, 100), [204, 0, 51]), "{:?}", pixel(&canvas, 100, 100));
    assert_pixel(&canvas, (30, 100), &[255, 0, 0], "beside the mark");
    assert_pixel(&canvas, (100, 10), &[255, 0, 0], "above the mark");
    let wide = picture(&get(&service, "shop/lake?wid=600&hei=300&fmt=png"), "RQ-140");
    assert_pixel(&wide, (50, 150), &[255, 255, 255], "RQ-140 margins are never marked");
    let saved = get(&service, "shop/lake?req=saveToFile&name=a.png&fmt=png&wid=400");
    assert_eq!(saved.status, 200, "{}", text(&saved));
    let bytes = std::fs::read(site.path("saved/web/a.png")).expect("the saved file");
    assert_eq!(decoded(&bytes).data, canvas.data, "RQ-139 a save is marked");
    let thumb = picture(&get(&service, "shop/lake?req=tmb&wid=40&hei=30&fmt=png"), "RQ-139 tmb");
    assert_pixel(&thumb, (10, 10), &[255, 0, 0], "RQ-139 S-68 a thumbnail is not");
    let mask = picture(&get(&service, "shop/lake?req=mask&fmt=png&wid=40"), "RQ-139 mask");
    assert!(mask.data.iter().all(|sample| *sample == 255), "RQ-139 a mask is not");
    let nested = picture(&get(&service, "q.png?src=is(shop/lake)&fmt=png"), "U-nest-watermark");
    assert_pixel(&nested, (100, 100), &[255, 0, 0], "U-nest-watermark, another main catalog");

    let corner = marked("Watermark=corner\n");
    let canvas = picture(&corner.get("shop/lake?fmt=png&scl=1"), "RQ-140 align");
    assert_pixel(&canvas, (399, 0), &[0, 0, 255], "RQ-140 S-68 align=1,-1, its own size");
    assert_pixel(&canvas, (340, 59), &[0, 0, 255], "RQ-140 S-68");
    assert_pixel(&canvas, (339, 0), &[0, 255, 0], "RQ-140 S-68");
    assert_pixel(&canvas, (399, 60), &[0, 255, 0], "RQ-140 S-68");
}

#[test]
fn a_watermark_that_cannot_be_had_fails_the_request() {
    for attribute in ["Watermark=broken\n", "Watermark=nowhere\n"] {
        let site = marked(attribute);
        let service = site.service();
        for target in
            ["shop/lake?wid=20", "shop/lake?req=props", "shop/lake?req=saveToFile&name=a.jpg"]
        {
            let reply = get(&service, target);
            assert_eq!(reply.status, 403, "U-wm-types {target}: {}", text(&reply));
        }
        assert_eq!(get(&service, "shop/lake?req=tmb").status, 200, "a thumbnail needs none");
        assert_eq!(get(&service, "q.png?wid=20").status, 200, "nor does another catalog");
    }
    let off = marked("Watermark=\n");
    assert_eq!(off.get("shop/lake?wid=20").status, 200, "RQ-139 empty switches off");
}

/// Status, and the first pixel of the picture or the text.
fn shown(reply: &Reply) -> (u16, Vec<u8>) {
    let is_image = reply.header("Content-Type").is_some_and(|mime| mime.starts_with("image/"));
    match is_image {
        true => (reply.status, pixel(&decoded(&reply.body), 0, 0).to_vec()),
        false => (reply.status, Vec::new()),
    }
}

#[test]
fn default_images_stand_in_for_missing_ones() {
    let (blue, red, none): (&[u8], &[u8], &[u8]) = (&[0, 0, 255], &[255, 0, 0], &[]);
    let layered = "shop?src=red&layer=1&src=nowhere&size=60,60&fmt=png";
    for (name, attributes, target, status, first) in [
        ("none configured", "", "shop/nowhere?fmt=png", 403, none),
        ("S-65 mode 0", "DefaultImage=default\n", "shop/nowhere?fmt=png", 200, blue),
        (
            "a file of a record that is gone",
            "DefaultImage=default\n",
            "shop/broken?fmt=png",
            200,
            blue,
        ),
        ("a file as default image", "DefaultImage=blue.png\n", "shop/nowhere?fmt=png", 200, blue),
        (
            "RQ-148 S-14 empty",
            "DefaultImage=default\n",
            "shop/nowhere?defaultImage=&fmt=png",
            403,
            none,
        ),
        (
            "defaultImage= overrides",
            "DefaultImage=red\n",
            "shop/nowhere?defaultImage=default&fmt=png",
            200,
            blue,
        ),
        ("RQ-147 mode 0, one layer is missing", "DefaultImage=default\n", layered, 200, blue),
        (
            "RQ-147 S-65 mode 1, the layer only",
            "DefaultImage=default\nDefaultImageMode=1\n",
            layered,
            200,
            blue,
        ),
        (
            "RQ-147 mode 1, its attributes apply",
            "DefaultImage=default\nDefaultImageMode=1\n",
            "shop?src=red&layer=1&src=nowhere&size=20,20&fmt=png",
            200,
            red,
        ),
        (
            "mode 1 in a nested request",
            "DefaultImage=default\nDefaultImageMode=1\n",
            "shop?src=is(shop/nowhere)&fmt=png",
            200,
            blue,
        ),
        (
            "mode 0 in a nested request",
            "DefaultImage=default\n",
            "shop?src=is(shop/nowhere)&fmt=png",
            200,
            blue,
        ),
        (
            "the default image is missing too",
            "DefaultImage=broken\n",
            "shop/nowhere?fmt=png",
            403,
            none,
        ),
        (
            "mode 1, it is missing too",
            "DefaultImage=broken\nDefaultImageMode=1\n",
            "shop/nowhere?fmt=png",
            403,
            none,
        ),
        (
            "not for a parse error",
            "DefaultImage=default\n",
            "shop/nowhere?wid=x&fmt=png",
            403,
            none,
        ),
        ("not for props", "DefaultImage=default\n", "shop/nowhere?req=props", 403, none),
        ("not for mask", "DefaultImage=default\n", "shop/nowhere?req=mask&fmt=png", 403, none),
        (
            "RQ-133 not for a save",
            "DefaultImage=default\n",
            "shop/nowhere?req=saveToFile&name=a.jpg",
            403,
            none,
        ),
        (
            "not for a missing template",
            "DefaultImage=default\n",
            "shop/red?template=nowhere&fmt=png",
            403,
            none,
        ),
        ("CX-14", "DefaultImage=default\n", "shop/nothing?fmt=png", 200, blue),
    ] {
        let reply = marked(attributes).get(target);
        assert_eq!(shown(&reply), (status, first.to_vec()), "{name}: {}", text(&reply));
    }
    let site = marked("DefaultImage=default\nDefaultExpiration=2\nExpiration=7\n");
    let service = site.service();
    let kept = get(&service, "shop/nowhere?wid=20&hei=10&fmt=png&rotate=45&bgc=0&crop=0,0,1,1");
    assert_eq!(picture(&kept, "RQ-147").size, (20, 10).into(), "RQ-147 wid= and hei= are kept");
    assert_eq!(kept.header("Cache-Control"), Some("public, max-age=7200"), "DefaultExpiration");
    let thumb = get(&service, "shop/nowhere?req=tmb&wid=30&hei=10&fmt=png");
    assert_eq!(picture(&thumb, "tmb").size, (30, 10).into(), "a thumbnail stays one");
    assert_ne!(kept.header("ETag"), None);
}

#[test]
fn error_images_show_errors_of_images() {
    for (name, attributes, target, status) in [
        ("CX-60 S-66 RQ-146", "ErrorImage=onError\n", "shop/nowhere", 200),
        ("a parse error", "ErrorImage=onError\n", "shop/red?wid=x", 200),
        ("a file", "ErrorImage=blue.png\n", "shop/nowhere", 200),
        ("mask", "ErrorImage=onError\n", "shop/nowhere?req=mask", 200),
        ("CX-61 S-66 broken", "ErrorImage=badError\n", "shop/nowhere", 403),
        ("CX-61 missing", "ErrorImage=broken\n", "shop/nowhere", 403),
        ("not for properties", "ErrorImage=onError\n", "shop/nowhere?req=props", 403),
        ("not for a save", "ErrorImage=onError\n", "shop/red?req=saveToFile&name=../a", 403),
        ("not for a lock", "ErrorImage=onError\nRequestLock=1\n", "shop/red?wid=5", 403),
        (
            "not for an address",
            "ErrorImage=onError\nClientAddressFilter=10.0.0.1\n",
            "shop/red",
            403,
        ),
    ] {
        let reply = marked(attributes).get(target);
        assert_eq!(reply.status, status, "{name}: {}", text(&reply));
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{name}");
    }
    let site = marked("ErrorImage=onError\nWatermark=corner\n");
    let canvas = picture(&site.get("shop/nowhere?wid=5&fmt=gif"), "U-errorimage");
    assert_eq!(canvas.size, (30, 20).into(), "U-errorimage commands of the request do not count");
    assert_pixel(&canvas, (29, 0), &[255, 0, 255], "U-wm-types an error is not marked");
}

#[test]
fn thumbnails_fill_their_rectangle_by_type() {
    let base = "ThumbBkgColor=00ffff\nDefaultThumbPix=80,80\n";
    let (cyan, red, green): ([u8; 3], [u8; 3], [u8; 3]) = ([0, 255, 255], [255, 0, 0], [0, 255, 0]);
    // q.png is 400x300: red and green above blue and white.
    for (name, attributes, query, size, spot, expected) in [
        ("RQ-096 CX-47 fit", "ThumbType=2\n", "wid=64&hei=64", (64, 64), (0, 0), cyan),
        ("RQ-096 fit, the image", "ThumbType=2\n", "wid=64&hei=64", (64, 64), (2, 10), red),
        ("RQ-096 crop", "ThumbType=1\n", "wid=64&hei=64", (64, 64), (0, 0), red),
        ("RQ-096 S-32 DefaultThumbPix", "ThumbType=2\n", "", (80, 80), (0, 0), cyan),
        ("one side", "ThumbType=2\n", "wid=40", (40, 80), (0, 0), cyan),
        ("left and top", "ThumbType=2\nThumbVertAlign=1\n", "wid=64&hei=64", (64, 64), (0, 0), red),
        ("align= overrides", "ThumbType=2\n", "wid=64&hei=64&align=0,-1", (64, 64), (0, 0), red),
        ("bgc= overrides", "ThumbType=2\n", "wid=64&hei=64&bgc=00ff00", (64, 64), (0, 0), green),
        (
            "crop to the right",
            "ThumbType=1\nThumbHorizAlign=3\n",
            "wid=30&hei=90",
            (30, 90),
            (0, 0),
            green,
        ),
        (
            "RQ-096 texture",
            "ThumbType=3\nThumbRes=7.2\nResolution=72\n",
            "wid=64&hei=64",
            (64, 64),
            (0, 0),
            cyan,
        ),
        (
            "texture, the image",
            "ThumbType=3\nThumbRes=7.2\nResolution=72\n",
            "wid=64&hei=64",
            (64, 64),
            (13, 18),
            red,
        ),
        (
            "texture, larger than the view",
            "ThumbType=3\nThumbRes=72\n",
            "wid=64&hei=64",
            (64, 64),
            (0, 0),
            red,
        ),
        (
            "size= is the canvas",
            "ThumbType=2\n",
            "wid=64&hei=64&size=40,20",
            (64, 64),
            (0, 0),
            cyan,
        ),
        ("scl= is ignored", "ThumbType=1\n", "wid=64&hei=64&scl=9", (64, 64), (0, 0), red),
        ("enlarged", "ThumbType=1\n", "wid=500&hei=500", (500, 500), (0, 0), red),
    ] {
        let site = site_with(&format!("{base}{attributes}"));
        let canvas = picture(&site.get(&format!("shop/lake?req=tmb&fmt=png&{query}")), name);
        assert_eq!(canvas.size, size.into(), "{name}");
        let found = pixel(&canvas, spot.0, spot.1);
        let apart = found.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
        assert!(apart <= Some(2), "{name}: {found:?}, expected {expected:?}");
    }
    let site = site_with(base);
    let service = site.service();
    assert_eq!(get(&service, "shop/lake?req=tmb&fit=crop&wid=9").status, 403, "RQ-096 fit=");
    let layered = "shop/card?req=tmb&wid=50&hei=50&fmt=png";
    assert_eq!(picture(&get(&service, layered), "layered").size, (50, 50).into());
    let zero = site_with("DefaultThumbPix=0,0\n");
    let canvas = picture(&zero.get("shop/lake?req=tmb&fmt=png"), "U-tmb-zero");
    assert_eq!(canvas.size, (400, 300).into(), "U-tmb-zero");
    let open = site_with("DefaultThumbPix=0,30\n");
    let canvas = picture(&open.get("shop/lake?req=tmb&fmt=png"), "U130");
    assert_eq!(canvas.size, (40, 30).into(), "U130");
}
