//! Facts about plans alone: limits hold, nothing panics, regions lie in their levels, costs cover what is held.

use std::time::{Duration, Instant};

use imprint::codec::{Chroma, Encoding, Scans};
use imprint::error::Kind;
use imprint::geometry::{Rect, Size};
use imprint::plan::sampling::Sampling;
use imprint::plan::{Content, Inputs, LayerFacts, Paths, Plan, Purpose, RecordFields, Work};
use imprint::raster::{Alpha, Model};
use imprint::request::{Options, SourceText, parse};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::{Picture, Table, jpeg_of, oriented, pyramid, slopes};
use crate::support::heap::most_held;
use crate::support::pictures::{file, png};

/// What every cost adds for rows and tables; the pictures here are too small to hide behind it.
const FIXED_BYTES: u64 = 4 << 20;

fn sampling(plan: &Plan) -> Option<&Sampling> {
    match &plan.work {
        Work::Direct(sampling) | Work::Planes(sampling) => Some(sampling),
        Work::Steps(composite) => composite.layers.iter().find_map(|layer| match &layer.content {
            Content::Sampled(sampling) | Content::Stencil(sampling) => Some(sampling),
            Content::Solid | Content::Empty => None,
        }),
        Work::Blank => None,
    }
}

/// What has to hold of every plan.
fn check(picture: &Picture, table: &Table, plan: &Plan, name: &str) {
    let reply = plan.reply();
    assert!(reply.pixels() <= table.settings.max_render_pixels, "{name}: {reply}");
    assert!(reply.width > 0 && reply.height > 0, "{name}: {reply}");
    assert!(plan.cost.bytes <= table.settings.limits.memory_bytes, "{name}: {:?}", plan.cost);
    let Some(sampling) = sampling(plan) else { return };
    let level = &picture.header.levels[sampling.wanted.level];
    let region = sampling.wanted.region;
    assert!(!region.is_empty(), "{name}: {sampling:?}");
    assert_eq!(region.intersection(Rect::of(level.size)), region, "{name}: {sampling:?}");
    assert_eq!(sampling.turn.of_size(region.size()), sampling.part.size(), "{name}: {sampling:?}");
    assert!(!sampling.covered.is_empty(), "{name}: {sampling:?}");
    let covered = sampling.covered;
    assert_eq!(covered.intersection(sampling.window), covered, "{name}: {sampling:?}");
}

fn small_pictures() -> Vec<Picture> {
    let size = Size::new(97, 61);
    let jpeg = jpeg_of(size, Model::Rgb, Chroma::Halved, None);
    let pages = [1.0, 0.5, 0.25].map(|scale| slopes(size, Model::Rgb, Alpha::Opaque, scale));
    vec![
        Picture::new("jpeg", jpeg.clone()),
        Picture::new("turned jpeg", oriented(&jpeg, 6)),
        Picture::new("mirrored jpeg", oriented(&jpeg, 7)),
        Picture::new("png", png(&slopes(Size::new(40, 33), Model::Rgb, Alpha::Straight, 1.0))),
        Picture::new("pyramid", pyramid(&pages, 8)),
        Picture::new("dot", png(&slopes(Size::new(1, 1), Model::Gray, Alpha::Opaque, 1.0))),
    ]
}

#[test]
fn absurd_numbers_are_refused_before_pixels_and_never_panic() {
    let table = Table::new();
    let pictures = small_pictures();
    let largest = i64::from(i32::MAX);
    // Command, and whether it has to be refused for its size; the others may be planned.
    let rows: Vec<(String, bool)> = vec![
        ("wid=2147483647".into(), true),
        ("wid=2147483647&hei=2147483647".into(), true),
        ("wid=2147483647&hei=1&fit=stretch,1".into(), true),
        ("scl=1e-300".into(), true),
        ("scl=0.0001".into(), true),
        ("scl=1e300".into(), false),
        ("scl=1e300&wid=10&hei=10".into(), false),
        ("scale=1e300".into(), true),
        ("scale=1e9&wid=10".into(), false),
        ("scale=1e-300".into(), false),
        ("size=2147483647,2147483647".into(), true),
        ("size=2147483647,0&wid=10&bgColor=1,2,3&rotate=1".into(), true),
        (format!("rgn={largest},{largest},{largest},{largest}&wid=50&hei=50"), false),
        (format!("rgn=-{largest},-{largest},{largest},{largest}&wid=50&hei=50"), false),
        (format!("rgn=0,0,{largest},{largest}&wid=50"), false),
        (format!("rgn=0,0,{largest},{largest}"), true),
        (format!("rgn=-{largest},0,1,1&scl=1e-3"), false),
        (format!("rect=-{largest},-{largest},{largest},{largest}"), true),
        (format!("rect=-{largest},-{largest},9,9"), false),
        (format!("rect={largest},{largest},9,9,1e300"), false),
        ("rect=-5,-5,10,10,1e308".into(), false),
        ("wid=50&hei=50&rect=-5,-5,10,10,1e308".into(), false),
        ("rect=0,0,10,10,1e-300".into(), false),
        ("rect=0,0,10,10,5e-324&wid=3&hei=900".into(), false),
        ("rgn=40,0,7,7&rect=-9,9,10,10,1e300".into(), false),
        (format!("crop=-{largest},-{largest},{largest},{largest}&wid=20"), true),
        (format!("crop=-{largest},-{largest},{largest},{largest}&size=20,20"), false),
        ("crop=-1073741824,-1073741824,2147483647,2147483647&size=20,20".into(), false),
        ("crop=-1073741824,-1073741824,2147483647,2147483647&size=1,1".into(), false),
        ("crop=-1100000,-1100000,2147483,2147483&size=1,1".into(), false),
        (format!("crop={largest},{largest},1,1"), false),
        ("cropN=-2147483648,0,2147483648,1&size=9,9".into(), false),
        ("cropN=1e-300,0,1e-300,1".into(), false),
        (format!("extend={largest},{largest},{largest},{largest}"), true),
        (format!("extend=-{largest},-{largest},-{largest},-{largest}"), false),
        ("extendN=2147483648,2147483648,2147483648,2147483648".into(), true),
        ("rotate=1e300".into(), false),
        ("rotate=1e-300".into(), false),
        ("rotate=89.9999999999999".into(), false),
        ("dpr=on,1e300&wid=10".into(), true),
        ("dpr=on,1e-300&wid=10".into(), false),
        ("res=1e300".into(), true),
        ("res=1e-300".into(), false),
    ];
    let start = Instant::now();
    for picture in &pictures {
        for paths in [Paths::Fast, Paths::Plain] {
            for (query, is_refused) in &rows {
                let name = format!("{}?{query} {paths:?}", picture.name);
                match table.planned(Some(picture), query, Purpose::Reply, paths) {
                    Err(error) => assert_eq!(error.kind(), Kind::TooLarge, "{name}"),
                    Ok(plan) => {
                        assert!(!is_refused || picture.name == "dot", "{name}: {plan:?}");
                        check(picture, &table, &plan, &name);
                        if plan.cost.pixels < 100_000 {
                            let pixels = table.rendered(Some(picture), &plan);
                            let pixels = pixels.unwrap_or_else(|e| panic!("{name}: {e:?}"));
                            assert_eq!(pixels.size(), plan.reply(), "{name}");
                        }
                    }
                }
            }
        }
    }
    assert_eq!(rows.len(), 43);
    // A trap would cost minutes: a filter over 2^31 pixels, a picture of the whole crop.
    assert!(start.elapsed() < Duration::from_secs(60));
    for (query, kind) in [
        ("size=2147483647,2147483647&color=1,2,3", Kind::TooLarge),
        ("size=30000,30000&color=1,2,3&rotate=3&wid=10", Kind::TooLarge),
        ("size=0,10&color=1,2,3", Kind::Syntax),
    ] {
        let planned = table.planned(None, query, Purpose::Reply, Paths::Fast);
        assert_eq!(planned.map_err(|error| error.kind()).err(), Some(kind), "{query}");
    }
}

#[test]
fn saves_and_replies_have_limits_of_their_own() {
    let mut table = Table::new();
    table.settings.max_render_pixels = 10_000;
    table.settings.max_save_pixels = 20_000;
    table.attributes.max_pix = Some(Size::new(120, 120));
    let pictures = small_pictures();
    let planned = |table: &Table, query: &str, purpose| {
        let plan = table.planned(Some(&pictures[0]), query, purpose, Paths::Fast);
        plan.map(|plan| plan.reply()).map_err(|error| error.kind())
    };
    let of = |width, height| Ok(Size::new(width, height));
    assert_eq!(planned(&table, "wid=100&hei=100", Purpose::Reply), of(100, 100), "L-1");
    assert_eq!(planned(&table, "wid=100&hei=101", Purpose::Reply), Err(Kind::TooLarge), "L-1");
    assert_eq!(planned(&table, "wid=100&hei=200", Purpose::Save), of(100, 200), "L-1");
    assert_eq!(planned(&table, "wid=100&hei=201", Purpose::Save), Err(Kind::TooLarge), "L-1");
    assert_eq!(planned(&table, "wid=121&hei=9", Purpose::Reply), Err(Kind::TooLarge), "MaxPix");
    assert_eq!(planned(&table, "wid=121&hei=9", Purpose::Save), of(121, 9), "U-save-maxpix");
    table.settings.save_applies_max_pix = true;
    assert_eq!(planned(&table, "wid=121&hei=9", Purpose::Save), Err(Kind::TooLarge));
}

/// Numbers around the borders that matter, and any others.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -20i64..120,
        2 => -2000i64..2000,
        1 => prop::sample::select(vec![0, 1, -1, 2_147_483_647, -2_147_483_648, 65_535, 46_341]),
    ]
}

fn ratio() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-200i32..400).prop_map(|v| format!("{}", f64::from(v) / 100.0)),
        1 => (-320i32..309, 1u8..10).prop_map(|(e, m)| format!("{m}e{e}")),
    ]
}

fn command() -> impl Strategy<Value = String> {
    let four = (number(), number(), number(), number());
    let ratios = (ratio(), ratio(), ratio(), ratio());
    prop_oneof![
        (prop::sample::select(vec!["wid", "hei"]), number()).prop_map(|(n, v)| format!("{n}={v}")),
        (prop::sample::select(vec!["rgn", "crop", "rect", "extend"]), four)
            .prop_map(|(n, (a, b, c, d))| format!("{n}={a},{b},{c},{d}")),
        (prop::sample::select(vec!["cropN", "extendN"]), ratios)
            .prop_map(|(n, (a, b, c, d))| format!("{n}={a},{b},{c},{d}")),
        (number(), number(), 1i64..90, 1i64..90, ratio())
            .prop_map(|(a, b, c, d, s)| format!("rect={a},{b},{c},{d},{s}")),
        (prop::sample::select(vec!["scl", "scale", "res", "rotate"]), ratio())
            .prop_map(|(n, v)| format!("{n}={v}")),
        (number(), number()).prop_map(|(a, b)| format!("size={a},{b}")),
        ratio().prop_map(|v| format!("dpr=on,{v}")),
        prop::sample::select(vec![
            "rotate=90",
            "rotate=-180",
            "flip=lr",
            "flip=ud",
            "layer=0",
            "layer=comp",
            "color=1,2,3,90",
            "bgColor=9,8,7",
            "fit=crop",
            "fit=wrap,1",
            "fit=stretch,1",
            "fit=constrain",
            "align=1,-1",
            "resMode=bilin",
            "resMode=bisharp",
            "fmt=png",
            "fmt=png-alpha",
            "fmt=jpeg,gray",
            "fmt=tif-alpha,cmyk",
            "qlt=50,1",
        ])
        .prop_map(str::to_owned),
    ]
}

#[test]
fn whatever_is_asked_a_plan_keeps_its_promises() {
    let table = Table::new();
    let pictures = small_pictures();
    let mut runner =
        TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() });
    let queries = (prop::collection::vec(command(), 1..6), 0..pictures.len());
    let (mut plans, mut drawn) = (0, 0);
    let result = runner.run(&queries.prop_map(|(c, p)| (c.join("&"), p)), |(query, index)| {
        let picture = &pictures[index];
        for paths in [Paths::Fast, Paths::Plain] {
            let Ok(plan) = table.planned(Some(picture), &query, Purpose::Reply, paths) else {
                continue;
            };
            let name = format!("{}?{query} {paths:?}", picture.name);
            check(picture, &table, &plan, &name);
            if plan.cost.pixels < 20_000 {
                let pixels = table.rendered(Some(picture), &plan);
                prop_assert!(pixels.is_ok(), "{name}: {pixels:?}");
                prop_assert_eq!(pixels.map(|p| p.size()).ok(), Some(plan.reply()), "{}", name);
            }
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    // The strategy has to reach both plans and pixels.
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let tree = prop::collection::vec(command(), 1..6).new_tree(&mut runner).expect("a value");
        let query = tree.current().join("&");
        if let Ok(plan) = table.planned(Some(&pictures[0]), &query, Purpose::Reply, Paths::Fast) {
            plans += 1;
            drawn += usize::from(plan.cost.pixels < 20_000);
        }
    }
    assert!(plans > 30 && drawn > 20, "{plans} plans, {drawn} drawn");
}

#[test]
fn the_cost_covers_what_a_rendering_holds() {
    let table = Table::new();
    let size = Size::new(400, 300);
    let rgb = slopes(size, Model::Rgb, Alpha::Opaque, 1.0);
    let with_alpha = slopes(size, Model::Rgb, Alpha::Straight, 1.0);
    let jpeg = jpeg_of(size, Model::Rgb, Chroma::Halved, None);
    let pages = [1.0, 0.5, 0.25].map(|scale| slopes(size, Model::Rgb, Alpha::Opaque, scale));
    let gray = slopes(size, Model::Gray, Alpha::Opaque, 1.0);
    let pictures = [
        Picture::new("jpeg", jpeg.clone()),
        Picture::new("turned jpeg", oriented(&jpeg, 6)),
        Picture::new("progressive", jpeg_of(size, Model::Rgb, Chroma::Full, Some(Scans::Auto))),
        Picture::new("cmyk", jpeg_of(size, Model::Cmyk, Chroma::Full, None)),
        Picture::new("png", png(&rgb)),
        Picture::new("gray", png(&gray)),
        Picture::new("alpha", png(&with_alpha)),
        Picture::new("webp", file(&with_alpha, &Encoding::WebpLossless)),
        Picture::new("lossy webp", file(&rgb, &Encoding::WebpLossy { quality: 90 })),
        Picture::new("pyramid", pyramid(&pages, 6)),
    ];
    let mut faults = Vec::new();
    let mut cases = 0;
    let held_by = |picture: &Picture, plan: &Plan| {
        let (held, pixels) = most_held(|| table.rendered(Some(picture), plan));
        pixels.unwrap_or_else(|error| panic!("{}: {error:?}", picture.name));
        held
    };
    for picture in &pictures {
        // What a decoder holds of its own shows where only the last pixels are rendered.
        let dot = table.planned(
            Some(picture),
            "cropN=.997,.996,.003,.004&fmt=png",
            Purpose::Reply,
            Paths::Fast,
        );
        let own = held_by(picture, &dot.expect("a small plan")).min(512 << 10);
        for query in [
            "wid=35",
            "scl=1",
            "scl=2",
            "wid=700",
            "rgn=30,30,100,70",
            "crop=230,200,30,30&wid=20",
            "crop=-30,-30,460,360&wid=100",
            "rotate=90&scl=1",
            "rotate=30&wid=100",
            "rotate=3&scl=1&bgColor=1,2,3&resMode=bilin",
            "flip=lr&layer=0&flip=ud&extend=15,15,15,15&wid=30",
            "color=1,2,3&crop=-10,-10,430,330",
            "scale=0.3",
            "scale=0.3&wid=60",
            "wid=350&hei=350&rect=0,0,350,170",
        ] {
            for format in ["fmt=png-alpha", "fmt=tif,cmyk"] {
                let query = format!("{query}&{format}");
                let planned = table.planned(Some(picture), &query, Purpose::Reply, Paths::Fast);
                let plan = planned.unwrap_or_else(|e| panic!("{}?{query}: {e:?}", picture.name));
                let held = held_by(picture, &plan);
                // Weights and rows come on top.
                let slack = own + (96 << 10);
                if held > plan.cost.bytes - FIXED_BYTES + slack {
                    faults.push(format!(
                        "{}?{query}: held {held}, cost {}, file {}",
                        picture.name,
                        plan.cost.bytes,
                        picture.bytes.len()
                    ));
                }
                cases += 1;
            }
        }
    }
    assert!(faults.is_empty(), "{} of {cases}:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(cases, 10 * 15 * 2);
}

#[test]
fn print_resolution_comes_from_the_first_that_states_one() {
    let table = Table::new();
    let mut attributes = table.attributes.clone();
    attributes.print_resolution = 150;
    let canvas = slopes(Size::new(8, 8), Model::Rgb, Alpha::Opaque, 1.0);
    let mut stated = Picture::new("stated", png(&canvas));
    stated.header.density_ppi = Some(96.0);
    let silent = Picture::new("silent", png(&canvas));
    let record = |print_resolution| RecordFields {
        print_resolution,
        is_record: true,
        ..RecordFields::default()
    };
    for (name, picture, query, record, expected) in [
        ("printRes", &stated, "printRes=300", record(Some(200)), Some(300.0)),
        ("the record", &stated, "", record(Some(200)), Some(200.0)),
        ("the catalog, for records", &stated, "", record(None), Some(150.0)),
        ("the source, for files", &stated, "", RecordFields::default(), Some(96.0)),
        ("nobody", &silent, "", RecordFields::default(), None),
        ("U075 a fraction", &silent, "printRes=72.5", RecordFields::default(), Some(72.5)),
    ] {
        let request = parse(&[SourceText::url(query)], &Options::default()).expect("valid");
        let facts = LayerFacts {
            number: 0,
            attributes: &attributes,
            record,
            source: Some(&picture.header),
            mask: None,
        };
        let inputs = Inputs {
            request: &request,
            attributes: &attributes,
            layers: &[facts],
            settings: &table.settings,
            purpose: Purpose::Reply,
            paths: Paths::Fast,
        };
        let plan = imprint::plan::resolve(&inputs, &mut |_, _| Ok(None));
        let density = plan.map(|plan| plan.output.density_ppi).expect("a plan");
        assert_eq!(density, expected, "F172: {name}");
    }
}
