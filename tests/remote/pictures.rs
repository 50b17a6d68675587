//! Foreign sources drawn in requests: `src=(url)` and `mask=(url)` through the whole service.

use super::*;
use crate::support::pictures::{decoded, pixel};
use crate::support::site::{FIXTURE_INI, Site, get, text};

/// A site that may ask loopback, with a picture of its own.
fn site(ini: &str) -> Site {
    let site = Site::with("[imprint]\nremoteHosts = 127.0.0.1\n", &format!("{FIXTURE_INI}{ini}"));
    site.image("own.png", png(&flat(20, 10, [0, 0, 255])));
    site
}

#[test]
fn foreign_images_are_drawn_as_sources_and_masks() {
    let origin = Origin::new(|head, stream| {
        let color = if head.contains("mask") { [255, 255, 255] } else { [200, 100, 50] };
        let _ = stream.write_all(&reply("200 OK", "", &png(&flat(20, 10, color))));
    });
    let root = origin.url("/root");
    let site = site(&format!("AllowDirectUrls=1\nRootUrl={root}\n"));
    let service = site.service();
    let url = origin.url("/a.png?b=c&d=(e)");
    let encoded = url.replace(':', "%3A").replace('/', "%2F").replace('&', "%26");
    let mut count = 0;
    for (name, target, asked, color) in [
        ("absolute", format!("?src=({url})"), "GET /a.png?b=c&d=(e) ", [200, 100, 50]),
        ("braces", format!("?src={{{url}}}"), "GET /a.png?b=c&d=(e) ", [200, 100, 50]),
        (
            "encoded as a whole",
            format!("?src=({encoded})"),
            "GET /a.png?b=c&d=(e) ",
            [200, 100, 50],
        ),
        ("relative", "?src=(b%20c.png)".to_owned(), "GET /root/b%20c.png ", [200, 100, 50]),
        ("in the place of the path", format!("own.png?src=({url})"), "GET /a.png", [200, 100, 50]),
        ("a layer", format!("own.png?layer=1&src=({url})"), "GET /a.png", [200, 100, 50]),
        ("a mask", "own.png?mask=(mask.png)".to_owned(), "GET /root/mask.png ", [0, 0, 255]),
        ("nested", format!("?src=is(?src=({url}))"), "GET /a.png?b=c&d=(e) ", [200, 100, 50]),
        (
            "a variable",
            "?$u=b%2520c.png&src=($u$)".to_owned(),
            "GET /root/b%20c.png ",
            [200, 100, 50],
        ),
    ] {
        let before = origin.count();
        let answer = get(&service, &format!("{target}&fmt=png"));
        assert_eq!(answer.status, 200, "{name}: {}", text(&answer));
        let canvas = decoded(&answer.body);
        assert_eq!((canvas.size.width, canvas.size.height), (20, 10), "{name}");
        assert_eq!(pixel(&canvas, 5, 5), color, "{name}");
        let heads = origin.heads();
        assert_eq!(heads.len(), before + 1, "{name}");
        assert!(heads[before].starts_with(asked), "{name}: {}", heads[before]);
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn default_images_do_not_cover_foreign_sources() {
    let origin = Origin::saying(reply("404 Not Found", "", b""));
    let mut count = 0;
    for ini in ["DefaultImage=own.png\n", "DefaultImage=own.png\nDefaultImageMode=1\n"] {
        for (allowed, asked) in [("AllowDirectUrls=1\n", 1), ("AllowDirectUrls=0\n", 0)] {
            let before = origin.count();
            let site = site(&format!("{ini}{allowed}ErrorDetail=2\n"));
            for (command, detail) in [("src", "foreign source"), ("mask", "foreign source")] {
                let url = origin.url("/a.png");
                let answer = site.get(&format!("own.png?{command}=({url})"));
                assert_eq!(answer.status, 403, "RQ-080 {ini}{allowed}: {}", text(&answer));
                assert!(text(&answer).contains(detail), "{ini}{allowed}: {}", text(&answer));
                count += 1;
            }
            assert_eq!(origin.count() - before, 2 * asked, "{ini}{allowed}");
        }
    }
    assert_eq!(count, 8);
}

#[test]
fn the_tag_of_a_reply_follows_the_foreign_image() {
    let turn = AtomicUsize::new(0);
    let origin = Origin::new(move |_, stream| {
        let color = if turn.fetch_add(1, Ordering::SeqCst) < 2 { [1, 2, 3] } else { [3, 2, 1] };
        let _ = stream.write_all(&reply("200 OK", "", &png(&flat(20, 10, color))));
    });
    let service = site("AllowDirectUrls=1\n").service();
    let target = format!("?src=({})&fmt=png", origin.url("/a.png"));
    let tags: Vec<String> =
        (0..3).map(|_| get(&service, &target).header("ETag").expect("a tag").to_owned()).collect();
    assert_eq!(tags[0], tags[1]);
    assert_ne!(tags[0], tags[2]);
}
