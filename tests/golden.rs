//! Pictures that were drawn once, looked at, and must not change: one feature each, on the fixtures of 18.
//!
//! `GOLDEN=write` makes those that are missing and never replaces one. A difference is written below `target/golden/`:
//! what was expected, what was drawn, and where they differ.

use std::fs;
use std::path::Path;

use imprint::codec::Chroma;
use imprint::raster::Canvas;

use crate::support::pictures::{
    decoded, difference, drawn, jpeg, masked, pixel, png, quadrants, textured,
};
use crate::support::site::{Site, get, text};

/// Name, request, largest difference; floating point in rotation may round otherwise elsewhere.
const CASES: [(&str, &str, u8); 14] = [
    ("bands", "A.png?wid=120&hei=120&bgc=30,60,90&fmt=png", 0),
    ("cover", "Q.png?wid=100&hei=100&fit=crop&align=0.5,0&fmt=png", 0),
    ("stretch", "Q.png?wid=80&hei=120&fit=stretch&fmt=png", 0),
    ("rotate", "A.png?size=110,0&rotate=30&fmt=png-alpha", 1),
    ("rotate-filled", "M.png?size=90,0&color=0,0,255&rotate=45&bgColor=255,255,0&fmt=png", 1),
    ("extend-flip", "A.png?size=100,0&extend=5,10,20,30&bgColor=255,0,0&flip=lr&fmt=png", 0),
    ("crop-beyond", "A.png?crop=-60,-40,520,380&bgColor=0,128,0&wid=130&fmt=png", 0),
    ("crop-beyond-color", "M.png?crop=-20,-20,240,240&color=0,0,255&wid=120&fmt=png-alpha", 0),
    ("region", "A.png?rgn=100,100,200,100&wid=120&hei=120&fmt=png", 0),
    ("window", "Q.png?wid=200&rect=60,50,80,60,0.5&bgc=0&fmt=png", 0),
    ("zone-bilin", "zone.png?scl=2&resMode=bilin&fmt=png,gray", 0),
    ("zone-sharp2", "zone.png?scl=2&resMode=sharp2&fmt=png,gray", 0),
    ("turned", "turned.jpg?wid=90&fmt=png", 0),
    ("web-palette", "A.png?wid=120&fmt=gif&quantize=web", 0),
];

fn site() -> Site {
    let site = Site::new();
    site.image("A.png", png(&textured(400, 300)));
    site.image("Q.png", png(&quadrants()));
    site.image("M.png", png(&masked()));
    let zone = drawn(256, 256, |x, y| {
        let (dx, dy) = (f64::from(x) - 128.0, f64::from(y) - 128.0);
        [(((dx * dx + dy * dy) / 170.0).cos() * 127.0 + 128.0) as u8; 3]
    });
    site.image("zone.png", png(&zone));
    // Stored lying on its left side: orientation 6 puts the red quadrant at the top right.
    let lying = jpeg(&quadrants(), 90, Chroma::Full);
    let exif =
        b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    site.image("turned.jpg", [&lying[..2], exif, &lying[2..]].concat());
    site
}

/// Expected, drawn and their difference (amplified) beside each other.
fn beside(expected: &Canvas, actual: &Canvas) -> Canvas {
    let width = expected.size.width.max(actual.size.width);
    let height = expected.size.height.max(actual.size.height);
    let at = |canvas: &Canvas, x: u32, y: u32| match x < canvas.size.width && y < canvas.size.height
    {
        true => {
            let pixel = pixel(canvas, x, y);
            [pixel[0], pixel[pixel.len() / 2], pixel[pixel.len() - 1]]
        }
        false => [0; 3],
    };
    drawn(width * 3, height, |x, y| match x / width {
        0 => at(expected, x, y),
        1 => at(actual, x - width, y),
        _ => {
            let (one, other) = (at(expected, x - 2 * width, y), at(actual, x - 2 * width, y));
            [0, 1, 2].map(|c| one[c].abs_diff(other[c]).saturating_mul(16))
        }
    })
}

#[test]
fn pictures_are_those_that_were_looked_at() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/golden/layers");
    let writes = std::env::var_os("GOLDEN").is_some_and(|value| value == "write");
    let site = site();
    let service = site.service();
    let mut faults = Vec::new();
    for (name, target, tolerance) in CASES {
        let reply = get(&service, target);
        assert_eq!(reply.status, 200, "{name}: {}", text(&reply));
        let actual = decoded(&reply.body);
        assert!(actual.size.width <= 200 && actual.size.height <= 200, "{name}: {}", actual.size);
        let path = folder.join(format!("{name}.png"));
        if writes && !path.exists() {
            fs::create_dir_all(&folder).expect("the project can be written");
            fs::write(&path, png(&actual)).expect("the project can be written");
        }
        let Ok(bytes) = fs::read(&path) else {
            faults.push(format!("{name}: no golden image; GOLDEN=write makes it"));
            continue;
        };
        let expected = decoded(&bytes);
        let form = |canvas: &Canvas| (canvas.size, canvas.model, canvas.alpha);
        if form(&expected) == form(&actual) && difference(&expected, &actual) <= tolerance {
            continue;
        }
        let out = root.join("target/golden");
        let shown = beside(&expected, &actual);
        let written = fs::create_dir_all(&out)
            .and_then(|()| fs::write(out.join(format!("{name}.png")), png(&shown)));
        faults.push(format!("{name} ({target}) differs: target/golden/{name}.png {written:?}"));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(CASES.iter().all(|(_, _, tolerance)| *tolerance <= 1));
}
