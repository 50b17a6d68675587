//! Color arithmetic and sampling positions against numbers computed here in floating point (`commands.md` 8, 10, 12.5).

use imprint::codec::{Chroma, Encoding};
use imprint::color::convert;
use imprint::geometry::{Rect, Size};
use imprint::limits::Limits;
use imprint::raster::alpha;
use imprint::raster::resample::{Kernel, Mapping, resample};
use imprint::raster::{Alpha, Canvas, Model};

use crate::support::pictures::{decoded, drawn, file, pixel, png, unhurried};
use crate::support::site::{Site, get, text};

fn round(value: f64) -> u8 {
    (value + 0.5).floor().clamp(0.0, 255.0) as u8
}

#[test]
fn naive_conversions_are_the_formulas_of_12_5() {
    let mut count = 0;
    for red in (0..=255u8).step_by(15) {
        for green in (0..=255u8).step_by(17) {
            for blue in (0..=255u8).step_by(5) {
                let (r, g, b) = (f64::from(red), f64::from(green), f64::from(blue));
                let gray = convert::components(&[red, green, blue], Model::Rgb, Model::Gray)[0];
                let exact = 0.299 * r + 0.587 * g + 0.114 * b;
                let apart = (f64::from(gray) - exact).abs();
                assert!(apart <= 0.5 + 1e-9, "{red} {green} {blue}: {gray}");
                let (r, g, b) = (r / 255.0, g / 255.0, b / 255.0);
                let k = 1.0 - r.max(g).max(b);
                let ink = |v: f64| if k == 1.0 { 0.0 } else { (1.0 - v - k) / (1.0 - k) };
                let expected = [ink(r), ink(g), ink(b), k].map(|v| v * 255.0);
                let cmyk = convert::components(&[red, green, blue], Model::Rgb, Model::Cmyk);
                for (value, expected) in cmyk.iter().zip(expected) {
                    let apart = (f64::from(*value) - expected).abs();
                    assert!(apart <= 0.5 + 1e-9, "{red} {green} {blue}: {cmyk:?} {expected}");
                }
                let back = convert::components(&cmyk, Model::Cmyk, Model::Rgb);
                for (value, own) in back.iter().zip([red, green, blue]) {
                    assert!(value.abs_diff(own) <= 1, "{red} {green} {blue} came back {back:?}");
                }
                count += 1;
            }
        }
    }
    assert!(count > 10_000);
    for v in 0..=255u8 {
        assert_eq!(convert::components(&[v], Model::Gray, Model::Rgb)[..3], [v; 3]);
        assert_eq!(convert::components(&[v], Model::Gray, Model::Cmyk), [0, 0, 0, 255 - v]);
        let gray = convert::components(&[0, 0, 0, v], Model::Cmyk, Model::Gray)[0];
        assert_eq!(gray, 255 - v, "CMYK to gray goes by RGB");
    }
}

/// Every color with every alpha, in one row for each alpha.
fn every_alpha() -> Canvas {
    let mut data = Vec::new();
    for alpha in 0..=255u8 {
        for color in 0..=255u8 {
            data.extend([color, alpha]);
        }
    }
    Canvas { size: Size::new(256, 256), model: Model::Gray, alpha: Alpha::Straight, data }
}

#[test]
fn colors_survive_their_alpha_as_well_as_eight_bits_allow() {
    let own = every_alpha();
    let mut canvas = own.clone();
    alpha::premultiply(&mut canvas, &unhurried()).expect("time enough");
    for (pixel, own) in canvas.data.chunks_exact(2).zip(own.data.chunks_exact(2)) {
        let exact = f64::from(own[0]) * f64::from(own[1]) / 255.0;
        assert_eq!(pixel, [round(exact), own[1]], "{own:?}");
    }
    alpha::unpremultiply(&mut canvas, &unhurried()).expect("time enough");
    for (pixel, own) in canvas.data.chunks_exact(2).zip(own.data.chunks_exact(2)) {
        if own[1] == 0 {
            assert_eq!(pixel[0], 0);
            continue;
        }
        let allowed = 127.5 / f64::from(own[1]) + 0.5;
        let apart = f64::from(pixel[0].abs_diff(own[0]));
        assert!(apart <= allowed && pixel[1] == own[1], "{own:?} came back {pixel:?}");
    }
}

#[test]
fn flattening_and_filling_follow_the_formula() {
    let limits = Limits::default();
    for under in [0u8, 1, 77, 128, 255] {
        let own = every_alpha();
        let flat = alpha::flatten(own.clone(), &[under], &limits, &unhurried()).expect("memory");
        let mut multiplied = own.clone();
        alpha::premultiply(&mut multiplied, &unhurried()).expect("time enough");
        let associated =
            alpha::flatten(multiplied, &[under], &limits, &unhurried()).expect("memory");
        let results = flat.data.iter().zip(&associated.data).zip(own.data.chunks_exact(2));
        for ((flat, associated), own) in results {
            let share = f64::from(own[1]) / 255.0;
            let exact = f64::from(own[0]) * share + f64::from(under) * (1.0 - share);
            assert_eq!(*flat, round(exact), "bgc: {own:?} over {under}");
            assert!(associated.abs_diff(round(exact)) <= 1, "{own:?} over {under}");
        }
        let mut filled = own.clone();
        alpha::fill_under(&mut filled, &[under, 255], &unhurried()).expect("time enough");
        assert!(filled.data.chunks_exact(2).all(|pixel| pixel[1] == 255));
        assert_eq!(filled.data.iter().step_by(2).copied().collect::<Vec<_>>(), associated.data);
        let mut half = own.clone();
        alpha::fill_under(&mut half, &[under, 128], &unhurried()).expect("time enough");
        for (pixel, own) in half.data.chunks_exact(2).zip(own.data.chunks_exact(2)) {
            let exact = f64::from(own[1]) + 128.0 * (255.0 - f64::from(own[1])) / 255.0;
            assert!(pixel[1].abs_diff(round(exact)) <= 1 && pixel[0] <= pixel[1], "{own:?}");
        }
    }
}

/// A smooth picture as a function of the place, in pixels.
fn hills(x: f64, y: f64) -> [f64; 3] {
    [
        128.0 + 70.0 * (x / 11.0).sin() + 40.0 * (y / 13.0).cos(),
        128.0 + 60.0 * ((x + y) / 17.0).cos() + 50.0 * (y / 9.0).sin(),
        40.0 + 170.0 * (x + 2.0 * y) / 400.0,
    ]
}

#[test]
fn rotated_content_is_that_of_the_formula() {
    let site = Site::new();
    let hilly = drawn(100, 50, |x, y| hills(f64::from(x) + 0.5, f64::from(y) + 0.5).map(round));
    site.image("hills.png", png(&hilly));
    let service = site.service();
    let mut compared = 0;
    for (angle, size) in
        [(30.0, (112, 94)), (-30.0, (112, 94)), (7.5, (106, 63)), (135.0, (107, 107))]
    {
        for mode in ["bicub", "sharp2", "bisharp"] {
            let target = format!("hills.png?rotate={angle}&resMode={mode}&fmt=png-alpha");
            let reply = get(&service, &target);
            assert_eq!(reply.status, 200, "{target}: {}", text(&reply));
            let canvas = decoded(&reply.body);
            assert_eq!((canvas.size.width, canvas.size.height), size, "F064 {target}");
            let (sin, cos) = f64::to_radians(angle).sin_cos();
            for y in 0..canvas.size.height {
                for x in 0..canvas.size.width {
                    // p' = Rot(angle)(p - c) + c', undone.
                    let dx = f64::from(x) + 0.5 - f64::from(size.0) / 2.0;
                    let dy = f64::from(y) + 0.5 - f64::from(size.1) / 2.0;
                    let (sx, sy) = (dx * cos + dy * sin + 50.0, dy * cos - dx * sin + 25.0);
                    let found = pixel(&canvas, x, y);
                    let inside = sx.min(sy).min(100.0 - sx).min(50.0 - sy);
                    if inside < -4.0 {
                        assert_eq!(found[3], 0, "{target} at {x},{y}");
                    }
                    if inside < 4.0 {
                        continue;
                    }
                    assert_eq!(found[3], 255, "{target} at {x},{y}");
                    for (value, exact) in found.iter().zip(hills(sx, sy)) {
                        let apart = (f64::from(*value) - exact).abs();
                        assert!(apart <= 2.5, "{target} at {x},{y}: {found:?} {:?}", hills(sx, sy));
                    }
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 30_000, "{compared}");
}

#[test]
fn scaled_content_lies_where_the_formula_puts_it_in_every_orientation() {
    let site = Site::new();
    // Upright 200 x 120; stored as the orientation says.
    let (width, height) = (200u32, 120u32);
    for orientation in 1..=8u8 {
        let (w, h) = if orientation > 4 { (height, width) } else { (width, height) };
        let stored = drawn(w, h, |x, y| {
            let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            let (across, down) = (f64::from(w), f64::from(h));
            let (x, y) = match orientation {
                1 => (x, y),
                2 => (across - x, y),
                3 => (across - x, down - y),
                4 => (x, down - y),
                5 => (y, x),
                6 => (down - y, x),
                7 => (down - y, across - x),
                _ => (y, across - x),
            };
            hills(x, y).map(round)
        });
        let encoding = Encoding::Jpeg {
            quality: 98,
            chroma: Chroma::Full,
            progressive: None,
            limit_bytes: None,
        };
        let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        let jpeg = file(&stored, &encoding);
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let bytes = [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat();
        site.image(&format!("{orientation}.jpg"), bytes);
    }
    let service = site.service();
    let mut compared = 0;
    // Request, size of the reply, scale and origin: place X of the source lands at X * scale + origin.
    type Row = (&'static str, (u32, u32), (f64, f64), (f64, f64));
    let rows: [Row; 9] = [
        ("scl=1", (200, 120), (1.0, 1.0), (0.0, 0.0)),
        ("wid=150", (150, 90), (0.75, 0.75), (0.0, 0.0)),
        ("wid=300", (300, 180), (1.5, 1.5), (0.0, 0.0)),
        ("wid=77", (77, 46), (0.385, 46.0 / 120.0), (0.0, 0.0)),
        ("wid=60&hei=60&fit=crop", (60, 60), (0.5, 0.5), (-20.0, 0.0)),
        ("rgn=31,17,100,90&wid=80", (80, 72), (0.8, 0.8), (-24.8, -13.6)),
        ("crop=31,17,100,90&wid=80", (80, 72), (0.8, 0.8), (-24.8, -13.6)),
        ("wid=150&rect=20,10,50,60", (50, 60), (0.75, 0.75), (-20.0, -10.0)),
        ("wid=90&hei=110&fit=stretch", (90, 110), (0.45, 110.0 / 120.0), (0.0, 0.0)),
    ];
    for orientation in 1..=8 {
        for (query, size, scale, origin) in rows {
            for format in ["fmt=png", "fmt=jpeg&qlt=98,1"] {
                let target = format!("{orientation}.jpg?{query}&{format}");
                let reply = get(&service, &target);
                assert_eq!(reply.status, 200, "{target}: {}", text(&reply));
                let canvas = decoded(&reply.body);
                assert_eq!((canvas.size.width, canvas.size.height), size, "{target}");
                for y in 3..size.1 - 3 {
                    for x in 3..size.0 - 3 {
                        let sx = (f64::from(x) + 0.5 - origin.0) / scale.0;
                        let sy = (f64::from(y) + 0.5 - origin.1) / scale.1;
                        let found = pixel(&canvas, x, y);
                        for (value, exact) in found.iter().zip(hills(sx, sy)) {
                            let apart = (f64::from(*value) - exact).abs();
                            assert!(apart <= 7.0, "{target} at {x},{y}: {found:?}, {exact}");
                        }
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 500_000, "{compared}");
}

#[test]
fn every_pixel_counts_when_tens_of_thousands_become_one() {
    let (limits, size) = (Limits::default(), Size::new(60_000, 1));
    // A third of the pixels are dark, in no order; a weight is less than one step of its integer.
    let data = (0..size.width)
        .map(|x| match (x.wrapping_mul(2_654_435_761) >> 16) % 3 {
            0 => 30,
            _ => 180,
        })
        .collect();
    let source = Canvas { size, model: Model::Gray, alpha: Alpha::Opaque, data };
    for (width, kernel) in [(3, Kernel::Lanczos3), (2, Kernel::Triangle), (1, Kernel::CatmullRom)] {
        let to = Size::new(width, 1);
        let mapping = Mapping::between(size, to);
        let (part, window) = (Rect::of(size), Rect::of(to));
        let scaled = resample(&source, part, size, mapping, window, kernel, &limits, &unhurried());
        let scaled = scaled.expect("a small picture").data;
        let spread = f64::from(size.width) / f64::from(width);
        for (index, value) in scaled.iter().enumerate() {
            let center = (index as f64 + 0.5) * spread;
            let reach = kernel.support() * spread;
            let (mut sum, mut weights) = (0.0, 0.0);
            for k in (center - reach) as i64 - 1..(center + reach) as i64 + 1 {
                let weight = kernel.weight((k as f64 + 0.5 - center) / spread);
                // Beyond the border the border pixel repeats.
                let at = k.clamp(0, i64::from(size.width) - 1) as usize;
                sum += weight * f64::from(source.data[at]);
                weights += weight;
            }
            let apart = (f64::from(*value) - sum / weights).abs();
            assert!(apart <= 2.0, "{kernel:?} {index}: {value}, {}", sum / weights);
        }
    }
}
