//! Layer 0 and the view in pixels: commands in, pixels out (`commands.md` 18, F005 to F072 and F149 to F153).

use imprint::codec::Chroma;
use imprint::geometry::Size;
use imprint::raster::{Alpha, Canvas, Model};
use imprint::service::Service;

use crate::support::pictures::{
    decoded, difference, drawn, flat, jpeg, masked, pixel, png, quadrants, textured,
};
use crate::support::site::{FIXTURE_INI, Site, get, property, text};

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const WHITE: [u8; 3] = [255; 3];

fn fixtures(ini: &str) -> Site {
    let site = Site::with("", ini);
    site.image("A.png", png(&textured(400, 300)));
    site.image("Q.png", png(&quadrants()));
    site.image("M.png", png(&masked()));
    site.image("S100.png", png(&textured(100, 100)));
    site.image("flat.png", png(&flat(97, 61, [10, 100, 200])));
    site
}

fn image(service: &Service, target: &str) -> Canvas {
    let reply = get(service, target);
    assert_eq!(reply.status, 200, "{target}: {}", text(&reply));
    decoded(&reply.body)
}

fn rgb(canvas: &Canvas, x: u32, y: u32) -> [u8; 3] {
    let pixel = pixel(canvas, x, y);
    match canvas.model {
        Model::Gray => [pixel[0]; 3],
        _ => [pixel[0], pixel[1], pixel[2]],
    }
}

fn alpha(canvas: &Canvas, x: u32, y: u32) -> u8 {
    match canvas.alpha {
        Alpha::Opaque => 255,
        _ => *pixel(canvas, x, y).last().expect("a pixel"),
    }
}

#[test]
fn colors_lie_where_the_specification_says() {
    let site = fixtures(FIXTURE_INI);
    let service = site.service();
    // Row, request, size of the reply, then pixels: x, y, color.
    type Row = (&'static str, &'static str, (u32, u32), Vec<(u32, u32, [u8; 3])>);
    let rows: Vec<Row> = vec![
        (
            "F012 stretch",
            "Q.png?wid=200&hei=200&fit=stretch&fmt=png",
            (200, 200),
            vec![(20, 20, RED), (180, 20, GREEN), (20, 180, BLUE), (180, 180, WHITE)],
        ),
        (
            "F005 bands",
            "Q.png?wid=200&hei=200&bgc=1,2,3&fmt=png",
            (200, 200),
            vec![(0, 24, [1, 2, 3]), (10, 30, RED), (190, 170, WHITE), (0, 175, [1, 2, 3])],
        ),
        (
            "F033 beyond",
            "Q.png?rgn=300,0,200,100&bgc=ff0000&fmt=png",
            (200, 100),
            vec![(99, 50, GREEN), (100, 50, RED), (199, 99, RED)],
        ),
        (
            "F036 rect",
            "Q.png?wid=200&rect=150,0,100,150&bgc=00ff01&fmt=png",
            (100, 150),
            vec![(49, 10, GREEN), (50, 10, [0, 255, 1]), (10, 140, WHITE)],
        ),
        (
            "4.4 beyond the view, where composite would go on",
            "Q.png?wid=150&hei=150&fit=crop&rect=100,0,70,150&bgc=1,2,3&fmt=png",
            (70, 150),
            vec![(49, 10, GREEN), (50, 10, [1, 2, 3]), (49, 140, WHITE), (69, 140, [1, 2, 3])],
        ),
        (
            "F040 bgc",
            "Q.png?wid=200&hei=200&bgc=0,0,250&fmt=png",
            (200, 200),
            vec![(0, 0, [0, 0, 250]), (199, 199, [0, 0, 250])],
        ),
        (
            "F041 under alpha",
            "M.png?fmt=png&bgc=0,254,0",
            (200, 200),
            vec![(10, 10, [0, 254, 0]), (100, 100, RED)],
        ),
        (
            "F042 alpha of bgc",
            "M.png?fmt=png&bgc=0,254,0,10",
            (200, 200),
            vec![(10, 10, [0, 254, 0])],
        ),
        ("F042 s of bgc", "M.png?fmt=png&bgc=0,254,0s", (200, 200), vec![(10, 10, [0, 254, 0])]),
        (
            "F043 naive gray",
            "Q.png?wid=200&hei=200&fmt=png,gray&bgc=255,0,0",
            (200, 200),
            vec![(0, 0, [76; 3])],
        ),
        ("F045 hex", "M.png?fmt=png&bgc=0x0a141e", (200, 200), vec![(0, 0, [10, 20, 30])]),
        ("F045 bare hex", "M.png?fmt=png&bgc=0a141e", (200, 200), vec![(0, 0, [10, 20, 30])]),
        ("F045 suffix", "M.png?fmt=png&bgc=0A141ER", (200, 200), vec![(0, 0, [10, 20, 30])]),
        ("F046 gray", "M.png?fmt=png&bgc=50g", (200, 200), vec![(0, 0, [128; 3])]),
        ("F046 80 percent", "M.png?fmt=png&bgc=80", (200, 200), vec![(0, 0, [204; 3])]),
        ("F046 hex gray", "M.png?fmt=png&bgc=0x80", (200, 200), vec![(0, 0, [128; 3])]),
        ("F047 cmyk", "M.png?fmt=png&bgc=0,100,100,0k", (200, 200), vec![(0, 0, RED)]),
        (
            "F050 crop",
            "Q.png?crop=200,0,200,150&fmt=png",
            (200, 150),
            vec![(0, 0, GREEN), (199, 149, GREEN)],
        ),
        (
            "F053 extension",
            "Q.png?crop=-10,-10,420,320&bgColor=9,8,7&fmt=png",
            (420, 320),
            vec![
                (0, 0, [9, 8, 7]),
                (9, 100, [9, 8, 7]),
                (10, 10, RED),
                (410, 100, [9, 8, 7]),
                (409, 309, WHITE),
            ],
        ),
        ("F062 lr", "Q.png?flip=lr&fmt=png", (400, 300), vec![(0, 0, GREEN), (399, 0, RED)]),
        ("F062 ud", "Q.png?flip=ud&fmt=png", (400, 300), vec![(0, 0, BLUE), (0, 299, RED)]),
        ("F062 lrud", "Q.png?flip=lrud&fmt=png", (400, 300), vec![(0, 0, WHITE), (399, 299, RED)]),
        ("F063 rotate", "Q.png?rotate=90&fmt=png", (300, 400), vec![(0, 0, BLUE), (299, 0, RED)]),
        ("F063 back", "Q.png?rotate=-90&fmt=png", (300, 400), vec![(0, 0, GREEN), (0, 399, RED)]),
        ("F063 270", "Q.png?rotate=270&fmt=png", (300, 400), vec![(0, 0, GREEN), (0, 399, RED)]),
        (
            "F066 bgColor",
            "M.png?bgColor=0,0,255&rotate=45&fmt=png",
            (283, 283),
            vec![(0, 0, BLUE), (141, 141, RED)],
        ),
        (
            "F070 frame",
            "Q.png?extend=5,5,5,5&bgColor=7,7,7&fmt=png",
            (410, 310),
            vec![(4, 4, [7; 3]), (5, 5, RED), (404, 304, WHITE), (405, 305, [7; 3])],
        ),
        (
            "F068 order",
            "Q.png?extend=1,2,4,8&bgColor=7,7,7&fmt=png",
            (405, 310),
            vec![
                (0, 2, [7; 3]),
                (1, 1, [7; 3]),
                (1, 2, RED),
                (400, 301, WHITE),
                (401, 301, [7; 3]),
                (400, 302, [7; 3]),
            ],
        ),
        (
            "F069 negative",
            "Q.png?extend=-10,0,-10,0&fmt=png",
            (380, 300),
            vec![(189, 0, RED), (190, 0, GREEN)],
        ),
        (
            "F069 N",
            "Q.png?rotate=90&extendN=0.1,0,0,0&bgColor=7,7,7&fmt=png",
            (330, 400),
            vec![(29, 0, [7; 3]), (30, 0, BLUE)],
        ),
        (
            "F071 D90",
            "Q.png?extend=40,0,0,0&flip=lr&bgColor=7,7,7&fmt=png",
            (440, 300),
            vec![(400, 0, [7; 3]), (0, 0, GREEN)],
        ),
        (
            "F072",
            "Q.png?layer=0&extend=40,0,0,0&flip=lr&bgColor=7,7,7&fmt=png",
            (440, 300),
            vec![(39, 0, [7; 3]), (40, 0, GREEN)],
        ),
        ("F109 src", "A.png?layer=0&src=Q.png&fmt=png", (400, 300), vec![(0, 0, RED)]),
        ("F027 anywhere", "Q.png?layer=0&wid=200&fmt=png", (200, 150), vec![(5, 5, RED)]),
        (
            "D20 1",
            "S100.png?cropN=.2,.3,.8,.9&extend=5,5,5,5&bgColor=255,0,0&fmt=png",
            (90, 100),
            vec![(4, 50, RED), (50, 4, RED), (50, 75, RED), (89, 50, RED)],
        ),
        (
            "D32",
            "A.png?size=800,0&extend=0,100,200,100&bgColor=7,7,7&fmt=png",
            (1000, 800),
            vec![(0, 99, [7; 3]), (800, 400, [7; 3]), (0, 700, [7; 3])],
        ),
        ("F107 pos", "Q.png?layer=0&pos=50,50&fmt=png", (400, 300), vec![(0, 0, RED)]),
    ];
    for (row, target, size, pixels) in &rows {
        let reply = image(&service, target);
        assert_eq!((reply.size.width, reply.size.height), *size, "{row}: {target}");
        for (x, y, color) in pixels {
            assert_eq!(rgb(&reply, *x, *y), *color, "{row}: {target} at {x},{y}");
        }
    }
    assert_eq!(rows.len(), 37);
}

#[test]
fn alpha_lies_where_the_specification_says() {
    let site = fixtures(FIXTURE_INI);
    let service = site.service();
    type Row = (&'static str, &'static str, (u32, u32), Vec<(u32, u32, u8)>);
    let rows: Vec<Row> = vec![
        (
            "F044 M",
            "M.png?fmt=png-alpha&bgc=0,255,0",
            (200, 200),
            vec![(10, 10, 0), (100, 100, 255)],
        ),
        (
            "F044 uncovered",
            "A.png?wid=200&hei=200&fmt=png-alpha",
            (200, 200),
            vec![(0, 24, 0), (0, 25, 255), (199, 174, 255), (0, 175, 0)],
        ),
        ("F048 solid", "?size=10,10&color=255,0,0,128&fmt=png-alpha", (10, 10), vec![(5, 5, 128)]),
        ("F048 gray", "?size=10,10&color=50,50g&fmt=png-alpha", (10, 10), vec![(5, 5, 128)]),
        (
            "F052 beyond",
            "A.png?crop=-10,-10,420,320&fmt=png-alpha",
            (420, 320),
            vec![(9, 9, 0), (10, 10, 255), (409, 309, 255), (410, 310, 0)],
        ),
        (
            "F053 color",
            "A.png?crop=-10,-10,420,320&color=255,0,0&fmt=png-alpha",
            (420, 320),
            vec![(5, 5, 0), (10, 10, 255)],
        ),
        (
            "F056 crop",
            "M.png?crop=50,50,100,100&fmt=png-alpha",
            (100, 100),
            vec![(0, 0, 255), (99, 99, 255)],
        ),
        (
            "F064 corner",
            "S100.png?rotate=45&fmt=png-alpha",
            (142, 142),
            vec![(0, 0, 0), (71, 71, 255)],
        ),
        (
            "F065 box",
            "M.png?color=0,0,255&rotate=45&fmt=png-alpha",
            (283, 283),
            vec![(0, 0, 0), (141, 10, 255)],
        ),
        (
            "F067 band",
            "A.png?size=200,0&extend=0,30,0,0&fmt=png-alpha",
            (200, 180),
            vec![(0, 29, 0), (0, 30, 255)],
        ),
        ("F084", "M.png?fmt=png-alpha", (200, 200), vec![(49, 50, 0), (50, 50, 255)]),
        ("opaque in an alpha format", "A.png?fmt=png-alpha&wid=40", (40, 30), vec![(0, 0, 255)]),
        ("tif-alpha", "M.png?fmt=tif-alpha", (200, 200), vec![(49, 50, 0), (50, 50, 255)]),
        (
            "webp-alpha",
            "M.png?fmt=webp-alpha,,lossless",
            (200, 200),
            vec![(49, 50, 0), (50, 50, 255)],
        ),
        ("gif-alpha F158", "M.png?fmt=gif-alpha", (200, 200), vec![(49, 50, 0), (50, 50, 255)]),
    ];
    for (row, target, size, pixels) in &rows {
        let reply = image(&service, target);
        assert_eq!((reply.size.width, reply.size.height), *size, "{row}: {target}");
        for (x, y, value) in pixels {
            assert_eq!(alpha(&reply, *x, *y), *value, "{row}: {target} at {x},{y}");
        }
    }
    assert_eq!(rows.len(), 15);
    let hidden = image(&service, "M.png?fmt=png-alpha&scl=1");
    assert_eq!(hidden, masked(), "unscaled pixels pass unchanged, hidden colors too");
    let filled = image(&service, "M.png?color=0,0,255&rotate=45&fmt=png-alpha");
    assert_eq!(rgb(&filled, 141, 10), BLUE, "F065: the box is filled before it is rotated");
}

#[test]
fn sizes_of_layers_are_as_tabulated() {
    let site = fixtures(&format!("{FIXTURE_INI}Resolution=100\n"));
    let service = site.service();
    for (row, target, size) in [
        ("F051", "A.png?cropN=0.1,0,0.8,1", (320, 300)),
        ("F054", "A.png?crop=0,0,200,300&size=100,0", (100, 150)),
        ("F057 box", "A.png?size=100,100", (100, 75)),
        ("F057 height", "A.png?size=0,150", (200, 150)),
        ("F057 width", "A.png?size=200,0", (200, 150)),
        ("F057 default", "A.png?size=0,0", (400, 300)),
        ("F057 enlarges", "A.png?size=800,0", (800, 600)),
        ("F058 size wins", "A.png?scale=0.1&size=200,0", (200, 150)),
        ("F058 scale wins", "A.png?res=50&scale=0.25", (100, 75)),
        ("F059 half", "A.png?scale=0.5", (200, 150)),
        ("F059 twice", "A.png?scale=2", (800, 600)),
        ("F060", "A.png?res=50", (200, 150)),
        ("F064 box", "A.png?crop=0,0,100,50&rotate=30", (112, 94)),
        ("F064 square", "S100.png?rotate=45", (142, 142)),
        ("D17", "A.png?cropN=0.1,0,0.8,1", (320, 300)),
        ("D18", "A.png?cropN=0,0,1,0.8", (400, 240)),
        ("U039", "A.png?extend=-500,0,0,0", (1, 300)),
    ] {
        let reply = get(&service, &format!("{target}&req=props"));
        let number = |name| property(&reply, name).and_then(|text| text.parse::<u32>().ok());
        let planned = number("image.width").zip(number("image.height"));
        assert_eq!(planned, Some(size), "{row}: {target}: {}", text(&reply));
        let drawn = image(&service, &format!("{target}&fmt=png")).size;
        assert_eq!(drawn, Size::from(size), "{row}: drawn as planned");
    }
}

#[test]
fn unscaled_pixels_are_those_of_the_source() {
    let site = fixtures(FIXTURE_INI);
    let service = site.service();
    let own = textured(400, 300);
    for mode in ["bilin", "bicub", "sharp2", "bisharp", "sharp"] {
        let reply = image(&service, &format!("A.png?scl=1&resMode={mode}&fmt=png"));
        assert_eq!(reply, own, "F149 {mode}");
    }
    let window = image(&service, "A.png?rgn=100,100,200,100&fmt=png");
    for (x, y) in [(0, 0), (199, 99), (57, 31)] {
        assert_eq!(pixel(&window, x, y), pixel(&own, x + 100, y + 100), "F030");
    }
    let around = image(&service, "A.png?rgn=100,100,200,100&wid=200&hei=200&fmt=png");
    for y in [0, 49, 50, 149, 199] {
        assert_eq!(pixel(&around, 7, y), pixel(&own, 107, y + 50), "F032: row {y}");
    }
    let cropped = image(&service, "A.png?cropN=0.1,0,0.8,1&fmt=png");
    assert_eq!(pixel(&cropped, 0, 9), pixel(&own, 40, 9), "F051");
    let placed = image(&service, "A.png?wid=800&hei=800&fmt=png");
    assert_eq!(pixel(&placed, 200, 250), pixel(&own, 0, 0), "F006");
    assert_eq!(rgb(&placed, 199, 250), WHITE, "F006");
    let none = image(&service, "A.png?fmt=png&op_usm=0,0,0,0&op_contrast=0&op_blur=0&opac=100");
    assert_eq!(none, own, "D87: operations at their defaults change nothing");
    let id = get(&service, "A.png?wid=200&id=xyz");
    assert_eq!(id.body, get(&service, "A.png?wid=200").body, "F039");
}

#[test]
fn flat_colors_survive_every_scaling() {
    let site = fixtures(FIXTURE_INI);
    let service = site.service();
    let mut count = 0;
    for mode in ["bilin", "bicub", "sharp2", "bisharp"] {
        for size in ["wid=3", "wid=31", "wid=96", "wid=98", "wid=500", "hei=7", "scl=0.7"] {
            let reply = image(&service, &format!("flat.png?{size}&resMode={mode}&fmt=png"));
            for pixel in reply.data.chunks_exact(3) {
                assert_eq!(pixel, [10, 100, 200], "F150 {mode} {size}");
            }
            count += 1;
        }
    }
    assert_eq!(count, 28);
    let own = textured(400, 300);
    let mean = |canvas: &Canvas| {
        let sum: u64 = canvas.data.iter().map(|v| u64::from(*v)).sum();
        sum as f64 / canvas.data.len() as f64
    };
    for mode in ["bilin", "bicub", "sharp2", "bisharp"] {
        let small = image(&service, &format!("A.png?scl=4&resMode={mode}&fmt=png"));
        assert!((mean(&small) - mean(&own)).abs() < 0.5, "F150 mean, {mode}");
    }
}

#[test]
fn resampling_modes_differ_and_hidden_colors_do_not_bleed() {
    let site = fixtures(FIXTURE_INI);
    let zone = drawn(256, 256, |x, y| {
        let (dx, dy) = (f64::from(x) - 128.0, f64::from(y) - 128.0);
        let value = ((dx * dx + dy * dy) / 170.0).cos() * 127.0 + 128.0;
        [value as u8; 3]
    });
    site.image("zone.png", png(&zone));
    let service = site.service();
    let of = |mode: &str| image(&service, &format!("zone.png?scl=2&resMode={mode}&fmt=png"));
    let replies = [of("bilin"), of("bicub"), of("sharp2"), of("bisharp")];
    for (index, one) in replies.iter().enumerate() {
        for other in &replies[index + 1..] {
            assert!(difference(one, other) > 0, "F151");
        }
    }
    let energy = |canvas: &Canvas| -> u64 {
        let steps = canvas.data.chunks_exact(3).map(|pixel| i32::from(pixel[0]));
        steps.clone().zip(steps.skip(1)).map(|(a, b)| u64::from(a.abs_diff(b))).sum()
    };
    assert!(energy(&replies[0]) < energy(&replies[1]), "F151: bilin is softer than bicub");
    assert!(energy(&replies[1]) < energy(&replies[2]), "F151: bicub is softer than sharp2");
    for (mode, number) in [("bilin", 2), ("bicub", 3), ("sharp2", 4)] {
        let site = fixtures(&format!("{FIXTURE_INI}ResMode={number}\n"));
        site.image("zone.png", png(&zone));
        let by_attribute = image(&site.service(), "zone.png?scl=2&fmt=png");
        assert_eq!(by_attribute, of(mode), "F152");
    }
    let half = image(&service, "M.png?scl=2&fmt=png-alpha");
    for pixel in half.data.chunks_exact(4).filter(|pixel| pixel[3] > 8) {
        assert!(pixel[0] > 250 && pixel[1] < 5 && pixel[2] < 5, "F153: {pixel:?}");
    }
}

#[test]
fn windows_of_a_view_join_without_a_seam() {
    let site = fixtures(FIXTURE_INI);
    site.image("T.jpg", jpeg(&textured(1600, 1200), 90, Chroma::Halved));
    let service = site.service();
    let mut count = 0;
    for view in [
        "A.png?wid=333",
        "A.png?wid=777",
        "A.png?wid=200&hei=200",
        "A.png?rgn=33,21,200,150&wid=140",
        "M.png?wid=77",
        "T.jpg?wid=150",
        "T.jpg?wid=401&rotate=90",
        "T.jpg?scl=1",
        "A.png?wid=200&rotate=30",
    ] {
        let whole = image(&service, &format!("{view}&fmt=png"));
        let (width, height) = (whole.size.width, whole.size.height);
        for (left, top, w, h) in [
            (0, 0, width, 7.min(height)),
            (0, 7, width, height - 7),
            (width / 3, height / 3, width / 3, height / 4),
            (width - 5, height - 5, 5, 5),
        ] {
            let part = image(&service, &format!("{view}&rect={left},{top},{w},{h}&fmt=png"));
            assert_eq!((part.size.width, part.size.height), (w, h), "{view}");
            for y in 0..h {
                for x in 0..w {
                    assert_eq!(
                        pixel(&part, x, y),
                        pixel(&whole, left + x, top + y),
                        "F035 D14: {view} at {x},{y} of {left},{top}"
                    );
                }
            }
            count += 1;
        }
    }
    assert_eq!(count, 36);
}

#[test]
fn gray_and_cmyk_sources_convert_naively() {
    let site = fixtures(FIXTURE_INI);
    let cmyk = Canvas {
        size: Size::new(2, 1),
        model: Model::Cmyk,
        alpha: Alpha::Opaque,
        data: vec![0, 255, 255, 0, 51, 0, 0, 102],
    };
    let tiff = imprint::codec::Encoding::Tiff {
        compression: imprint::codec::TiffCompression::None,
        quality: 90,
        chroma: Chroma::Full,
    };
    site.image("inks.tif", crate::support::pictures::file(&cmyk, &tiff));
    let service = site.service();
    let reply = image(&service, "inks.tif?fmt=png");
    assert_eq!(rgb(&reply, 0, 0), RED, "F178");
    assert_eq!(rgb(&reply, 1, 0), [122, 153, 153], "F178: (1 - C)(1 - K)");
    let gray = image(&service, "Q.png?fmt=png,gray");
    assert_eq!(gray.model, Model::Gray, "F157");
    assert_eq!(rgb(&gray, 0, 0), [76; 3], "0.299 R");
    let inks = image(&service, "Q.png?fmt=tif,cmyk");
    assert_eq!(inks.model, Model::Cmyk, "F159");
    assert_eq!(pixel(&inks, 0, 0), [0, 255, 255, 0]);
}
