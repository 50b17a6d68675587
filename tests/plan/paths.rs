//! Smaller levels, one scaling for several steps and YCbCr planes give what the plain path gives.

use imprint::codec::{Chroma, Scans};
use imprint::color::convert;
use imprint::geometry::{Rect, Size};
use imprint::limits::Limits;
use imprint::plan::{Content, Paths, Plan, Work};
use imprint::raster::{Alpha, Canvas, Model, Pixels, Plane, alpha};

use super::{Picture, Table, jpeg_of, oriented, pyramid, slopes};
use crate::support::pictures::{pixel, png, unhurried};

/// Geometry of every kind; formats come on top.
const REQUESTS: [&str; 64] = [
    "scl=1",
    "wid=31",
    "hei=20",
    "wid=40&hei=40",
    "wid=7",
    "wid=200",
    "wid=40&hei=40&fit=crop",
    "wid=40&hei=40&fit=crop&align=1,1",
    "wid=30&hei=50&fit=stretch",
    "wid=24&hei=10&fit=hfit",
    "wid=24&hei=10&fit=vfit",
    "wid=150&hei=150&fit=fit,1",
    "wid=33&hei=33&fit=constrain",
    "wid=21&hei=33&fit=wrap",
    "scl=2",
    "scl=3",
    "scl=4.3",
    "scl=8",
    "scl=3&wid=20&hei=20&align=1,-1",
    "scl=1&wid=150",
    "rgn=11,7,33,21",
    "rgn=11,7,33,21&wid=16",
    "rgn=11,7,33,21&wid=40&hei=40",
    "rgn=-5,-3,40,40&wid=60",
    "rgn=30,20,60,60&scl=3",
    "rgn=40,30,1,1&wid=9",
    "rgn=500,0,20,20",
    "crop=5,3,31,29",
    "crop=5,3,31,29&wid=15",
    "crop=5,3,31,29&wid=9&flip=ud",
    "cropN=.25,.1,.5,.7&wid=12",
    "cropN=.25,.1,.5,.7&scl=4",
    "scale=0.5",
    "scale=0.37",
    "scale=0.37&rgn=3,4,10,9",
    "scale=0.2&rgn=-3,-4,20,19",
    "size=20,20",
    "size=20,0&wid=10",
    "size=20,20&wid=40&hei=40",
    "res=25",
    "flip=lr&wid=21",
    "flip=lrud",
    "layer=0&flip=ud&wid=33",
    "layer=0&flip=lr&scale=0.3",
    "rotate=90&wid=20",
    "rotate=180&wid=23",
    "rotate=-90&scl=1",
    "rotate=90&flip=lr&layer=0&flip=ud&wid=17",
    "rotate=270&scale=.5&crop=3,3,40,33",
    "wid=30&rect=3,5,9,7",
    "wid=30&rect=-3,5,90,7",
    "wid=30&rect=3,2,20,30,0.5",
    "wid=30&hei=30&fit=crop&rect=20,20,30,30",
    "extend=3,4,5,6&wid=40",
    "extend=-3,-2,-1,0&bgColor=9,8,7&wid=20",
    "bgc=250,30,20&wid=50&hei=51&align=-1,1",
    "dpr=on,2&wid=15",
    "rotate=30&wid=25",
    "crop=-5,-5,40,40&wid=20",
    "color=0,0,255&wid=20",
    "bgColor=1,2,3,100&crop=3,3,10,10",
    "wid=19&resMode=bilin",
    "wid=19&resMode=bicub",
    "wid=150&resMode=bisharp",
];

fn level_of(plan: &Plan) -> usize {
    match &plan.work {
        Work::Direct(sampling) | Work::Planes(sampling) => sampling.wanted.level,
        Work::Steps(composite) => match composite.layers.first().map(|layer| &layer.content) {
            Some(Content::Sampled(sampling) | Content::Stencil(sampling)) => sampling.wanted.level,
            Some(Content::Solid | Content::Empty) | None => 0,
        },
        Work::Blank => 0,
    }
}

/// How far two pictures are apart: the largest difference, and the mean difference of each channel with its sign.
struct Apart {
    largest: u8,
    means: Vec<f64>,
}

fn apart(one: &[u8], other: &[u8], channels: usize) -> Apart {
    assert_eq!(one.len(), other.len());
    let mut sums = vec![0i64; channels];
    let mut largest = 0;
    for (a, b) in one.chunks_exact(channels).zip(other.chunks_exact(channels)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            largest = largest.max(a.abs_diff(*b));
            *sum += i64::from(*a) - i64::from(*b);
        }
    }
    let pixels = (one.len() / channels).max(1) as f64;
    Apart { largest, means: sums.iter().map(|sum| *sum as f64 / pixels).collect() }
}

fn canvas(pixels: Pixels) -> Canvas {
    match pixels {
        Pixels::Canvas(canvas) => canvas,
        Pixels::Planes(_) => panic!("planes from the plain path"),
    }
}

/// The canvas's luma, by the same constants as JPEG.
fn luma(canvas: &Canvas) -> Vec<u8> {
    canvas.data.chunks_exact(3).map(|p| convert::ycc([p[0], p[1], p[2]])[0]).collect()
}

/// The chroma samples that lie wholly within `shown`, with the mean of the pixels that each of them covers: what the
/// reply has, then what the canvas has.
fn chroma(plane: &Plane, canvas: &Canvas, shown: Rect, channel: usize) -> (Vec<u8>, Vec<u8>) {
    let step = |whole: u32, samples: u32| if whole == samples { 1 } else { 2 };
    let step_x = step(canvas.size.width, plane.size.width);
    let step_y = step(canvas.size.height, plane.size.height);
    let (mut own, mut expected) = (Vec::new(), Vec::new());
    for y in 0..plane.size.height {
        for x in 0..plane.size.width {
            let (left, top) = (i64::from(x * step_x), i64::from(y * step_y));
            let cell = Rect::at(left, top, Size::new(step_x, step_y));
            if cell.intersection(shown) != cell {
                continue;
            }
            let mut sum = 0.0;
            for py in top as u32..top as u32 + step_y {
                for px in left as u32..left as u32 + step_x {
                    let pixel = pixel(canvas, px, py);
                    sum += f64::from(convert::ycc([pixel[0], pixel[1], pixel[2]])[channel]);
                }
            }
            own.push(plane.data[(y * plane.size.width + x) as usize]);
            expected.push((sum / f64::from(step_x * step_y)).round() as u8);
        }
    }
    (own, expected)
}

#[derive(Default)]
struct Seen {
    cases: usize,
    planes: usize,
    levels: usize,
    direct: usize,
    steps: usize,
    blank: usize,
}

/// Renders both ways and compares. Full resolution and no planes: equal, but for the rounding of mirrored weights.
fn compare(
    table: &Table,
    picture: &Picture,
    query: &str,
    seen: &mut Seen,
    faults: &mut Vec<String>,
) {
    let (fast_plan, fast) = table.drawn(picture, query, Paths::Fast);
    let (plain_plan, plain) = table.drawn(picture, query, Paths::Plain);
    let name = format!("{}?{query}", picture.name);
    assert_eq!(fast_plan.view, plain_plan.view, "{name}");
    assert_eq!(level_of(&plain_plan), 0, "{name}");
    assert!(!matches!(plain_plan.work, Work::Direct(_) | Work::Planes(_)), "{name}");
    let plain = canvas(plain);
    let level = level_of(&fast_plan);
    seen.cases += 1;
    seen.levels += usize::from(level > 0);
    match &fast_plan.work {
        Work::Direct(_) => seen.direct += 1,
        Work::Planes(_) => seen.planes += 1,
        Work::Steps(_) => seen.steps += 1,
        Work::Blank => seen.blank += 1,
    }
    let mut check = |what: &str, apart: Apart, largest: u8, mean: f64| {
        let worst = apart.means.iter().fold(0.0f64, |worst, mean| worst.max(mean.abs()));
        if apart.largest > largest || worst > mean {
            faults.push(format!(
                "{name}: {what} differs by {} (allowed {largest}), mean {:.2?} (allowed {mean}), \
                 level {level}",
                apart.largest, apart.means
            ));
        }
    };
    match fast {
        Pixels::Canvas(fast) => {
            let (size, model, alpha) = (plain.size, plain.model, plain.alpha);
            assert_eq!((fast.size, fast.model, fast.alpha), (size, model, alpha), "{name}");
            // Where alpha is small, colors that are almost the same are far apart before they are multiplied by it.
            let [mut fast, mut plain] = [fast, plain];
            for canvas in [&mut fast, &mut plain] {
                alpha::premultiply(canvas, &unhurried()).expect("time enough");
            }
            let apart = apart(&fast.data, &plain.data, plain.channels());
            // A level holds means of pixels: what they lose at borders and by the rounding of JPEG shows.
            let (largest, mean) = match (level, picture.header.alpha) {
                (0, Alpha::Opaque) => (1, 0.2),
                (0, _) => (2, 0.2),
                _ => (8, 0.6),
            };
            check("canvas", apart, largest, mean);
        }
        Pixels::Planes(fast) => {
            let (largest, mean) = if level == 0 { (2, 0.3) } else { (8, 0.6) };
            check("luma", apart(&fast.luma.data, &luma(&plain), 1), largest, mean);
            let Work::Planes(sampling) = &fast_plan.work else { panic!("{name}") };
            let window = sampling.window;
            let shown = sampling.covered.shifted(-window.left, -window.top);
            for (plane, channel) in [(&fast.cb, 1), (&fast.cr, 2)] {
                let (own, expected) = chroma(plane, &plain, shown, channel);
                let (largest, mean) = if level == 0 { (6, 0.9) } else { (10, 1.2) };
                check("chroma", apart(&own, &expected, 1), largest, mean);
            }
        }
    }
}

fn run(pictures: &[Picture], formats: &[&str]) -> Seen {
    let table = Table::new();
    let mut seen = Seen::default();
    let mut faults = Vec::new();
    for picture in pictures {
        for request in REQUESTS {
            for format in formats {
                compare(&table, picture, &format!("{request}&{format}"), &mut seen, &mut faults);
            }
        }
    }
    let shown = faults.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} of {} differ:\n{shown}", faults.len(), seen.cases);
    assert_eq!(seen.cases, pictures.len() * REQUESTS.len() * formats.len());
    seen
}

fn all_orientations(name: &str, jpeg: &[u8]) -> Vec<Picture> {
    (1..=8)
        .map(|orientation| {
            Picture::new(format!("{name}, turned {orientation}"), oriented(jpeg, orientation))
        })
        .collect()
}

const OUTPUTS: [&str; 3] = ["fmt=jpeg&qlt=90", "fmt=jpeg&qlt=90,1", "fmt=png"];

#[test]
fn jpeg_with_halved_chroma_in_every_orientation() {
    let jpeg = jpeg_of(Size::new(97, 61), Model::Rgb, Chroma::Halved, None);
    let seen = run(&all_orientations("4:2:0", &jpeg), &OUTPUTS);
    assert!(seen.planes > 300 && seen.levels > 300 && seen.direct > 300 && seen.steps > 100);
    assert!(seen.blank > 0);
}

#[test]
fn jpeg_with_full_chroma_in_every_orientation() {
    let jpeg = jpeg_of(Size::new(131, 77), Model::Rgb, Chroma::Full, None);
    let seen = run(&all_orientations("4:4:4", &jpeg), &OUTPUTS);
    assert!(seen.planes > 300 && seen.levels > 300);
}

#[test]
fn progressive_jpeg_in_every_orientation() {
    let size = Size::new(98, 63);
    let jpeg = jpeg_of(size, Model::Rgb, Chroma::Halved, Some(Scans::Auto));
    let seen = run(&all_orientations("progressive", &jpeg), &OUTPUTS);
    assert!(seen.planes > 300 && seen.levels > 300);
}

#[test]
fn jpeg_with_chroma_halved_along_one_axis() {
    let canvas = slopes(Size::new(99, 55), Model::Rgb, Alpha::Opaque, 1.0);
    let pnm = crate::codec_jpeg::pnm(&canvas);
    for sample in ["2x1", "1x2"] {
        let arguments = ["-quality", "97", "-sample", sample];
        let jpeg = crate::codec_jpeg::tool("cjpeg", &arguments, &pnm);
        run(&all_orientations(sample, &jpeg), &OUTPUTS[..2]);
    }
}

#[test]
fn gray_and_cmyk_jpeg_in_every_orientation() {
    let gray = jpeg_of(Size::new(63, 50), Model::Gray, Chroma::Full, None);
    run(&all_orientations("gray", &gray), &["fmt=jpeg", "fmt=png,gray"]);
    let cmyk = jpeg_of(Size::new(51, 64), Model::Cmyk, Chroma::Full, None);
    run(&all_orientations("cmyk", &cmyk), &["fmt=jpeg,cmyk", "fmt=png"]);
}

#[test]
fn pictures_with_alpha() {
    let size = Size::new(65, 47);
    let pictures = [
        Picture::new("alpha", png(&slopes(size, Model::Rgb, Alpha::Straight, 1.0))),
        Picture::new("gray alpha", png(&slopes(size, Model::Gray, Alpha::Straight, 1.0))),
        Picture::new("opaque", png(&slopes(size, Model::Rgb, Alpha::Opaque, 1.0))),
    ];
    run(&pictures, &["fmt=png-alpha", "fmt=png", "fmt=png-alpha,gray", "fmt=jpeg,cmyk"]);
}

#[test]
fn pyramids_in_every_orientation() {
    let size = Size::new(203, 121);
    let pages = [1.0, 0.5, 0.25, 0.125].map(|s| slopes(size, Model::Rgb, Alpha::Opaque, s));
    let pictures: Vec<Picture> = (1..=8)
        .map(|orientation| {
            Picture::new(format!("pyramid, turned {orientation}"), pyramid(&pages, orientation))
        })
        .collect();
    assert_eq!(pictures[0].header.levels.len(), 4);
    let seen = run(&pictures, &["fmt=png", "fmt=jpeg"]);
    assert!(seen.levels > 300);
}

#[test]
fn one_pixel_wide_pictures() {
    for (width, height) in [(1, 1), (1, 40), (40, 1), (2, 3), (17, 2)] {
        let size = Size::new(width, height);
        let table = Table::new();
        for chroma in [Chroma::Halved, Chroma::Full] {
            let jpeg = jpeg_of(size, Model::Rgb, chroma, None);
            for picture in all_orientations(&format!("{size}"), &jpeg) {
                for query in ["scl=1", "wid=5", "scl=2", "scl=8", "wid=9&hei=9", "wid=1&hei=7"] {
                    for format in OUTPUTS {
                        let query = format!("{query}&{format}");
                        let (_, fast) = table.drawn(&picture, &query, Paths::Fast);
                        let (_, plain) = table.drawn(&picture, &query, Paths::Plain);
                        assert_eq!(fast.size(), plain.size(), "{size}?{query}");
                        let fast = match fast {
                            Pixels::Canvas(canvas) => canvas,
                            Pixels::Planes(planes) => {
                                convert::from_planes(&planes, &Limits::default(), &unhurried())
                                    .expect("a small picture")
                            }
                        };
                        let means = apart(&fast.data, &canvas(plain).data, 3).means;
                        assert!(
                            means.iter().all(|mean| mean.abs() < 24.0),
                            "{size}?{query} {means:?}"
                        );
                    }
                }
            }
        }
    }
}
