//! The view transform: commands and sizes in, sizes and offsets out (`commands.md` 4, rows F001 to F038).

use imprint::error::Kind;
use imprint::geometry::{Rect, Size};
use imprint::plan::view::{ViewInputs, view};
use imprint::request::{Dpr, Options, SourceText, parse};

/// What a view has to be: scaled region, view, offset of the region in the view.
type Expected = ((u32, u32), (u32, u32), (i64, i64));

struct Site {
    composite: (u32, u32),
    default_pix: (u32, u32),
    max_pix: (u32, u32),
    default_upscale: bool,
}

const A: Site =
    Site { composite: (400, 300), default_pix: (0, 0), max_pix: (0, 0), default_upscale: false };

fn inputs(site: &Site, query: &str) -> Result<ViewInputs, Kind> {
    let request = parse(&[SourceText::url(query)], &Options::default()).map_err(|e| e.kind())?;
    let commands = &request.view;
    Ok(ViewInputs {
        composite: site.composite.into(),
        rgn: commands.rgn,
        wid: commands.wid,
        hei: commands.hei,
        scl: commands.scl,
        fit: commands.fit,
        align: commands.align.map_or((0.0, 0.0), |align| (align.horiz, align.vert)),
        rect: commands.rect,
        dpr: match request.attributes.dpr {
            Some(Dpr::On(Some(factor))) => factor,
            _ => 1.0,
        },
        default_pix: site.default_pix.into(),
        max_pix: site.max_pix.into(),
        default_upscale: site.default_upscale,
    })
}

fn planned(site: &Site, query: &str) -> Result<Expected, Kind> {
    let inputs = inputs(site, query)?;
    let view = view(&inputs).map_err(|e| e.kind())?;
    let region = inputs.rgn.unwrap_or(Rect::of(inputs.composite));
    let offset = |map: imprint::raster::resample::AxisMap, start: i64| {
        (map.origin + start as f64 * map.scale).round() as i64
    };
    Ok((
        (view.scaled.width, view.scaled.height),
        (view.reply().width, view.reply().height),
        (offset(view.mapping.x, region.left), offset(view.mapping.y, region.top)),
    ))
}

#[test]
fn worked_examples_of_the_view_transform() {
    let d200 = Site { default_pix: (200, 200), ..A };
    let tall = Site { composite: (2000, 2400), ..A };
    let wide = Site { composite: (1000, 665), ..A };
    let cases: &[(&str, &Site, &str, Expected)] = &[
        ("4.6/1 F001", &A, "wid=200", ((200, 150), (200, 150), (0, 0))),
        ("4.6/2 F002", &A, "hei=100", ((133, 100), (133, 100), (0, 0))),
        ("4.6/3 F005", &A, "wid=200&hei=200", ((200, 150), (200, 200), (0, 25))),
        ("4.6/4", &A, "wid=200&hei=200&align=0,-1", ((200, 150), (200, 200), (0, 0))),
        ("4.6/5", &A, "wid=200&hei=200&align=1,1", ((200, 150), (200, 200), (0, 50))),
        ("4.6/6 F008", &A, "wid=200&hei=200&fit=constrain", ((200, 150), (200, 150), (0, 0))),
        ("4.6/7 F009", &A, "wid=200&hei=200&fit=crop", ((267, 200), (200, 200), (-33, 0))),
        ("4.6/8 F011", &A, "wid=200&hei=200&fit=wrap", ((267, 200), (267, 200), (0, 0))),
        ("4.6/9 F012", &A, "wid=200&hei=200&fit=stretch", ((200, 200), (200, 200), (0, 0))),
        ("4.6/10 F014", &A, "wid=200&hei=100&fit=hfit", ((200, 150), (200, 100), (0, -25))),
        ("4.6/11 F015", &A, "wid=200&hei=100&fit=vfit", ((133, 100), (200, 100), (33, 0))),
        ("4.6/12 F006", &A, "wid=800&hei=800", ((400, 300), (800, 800), (200, 250))),
        ("4.6/13 F007", &A, "wid=800&hei=800&fit=fit,1", ((800, 600), (800, 800), (0, 100))),
        ("4.6/14 F010", &A, "wid=800&hei=800&fit=crop,0", ((400, 300), (800, 800), (200, 250))),
        ("4.6/15 F017", &A, "scl=3", ((133, 100), (133, 100), (0, 0))),
        ("4.6/16 F019", &A, "scl=2&wid=100&hei=100", ((200, 150), (100, 100), (-50, -25))),
        ("4.6/17 F021", &A, "scl=1&wid=500", ((400, 300), (500, 300), (50, 0))),
        ("4.6/18 F023", &d200, "", ((200, 150), (200, 150), (0, 0))),
        ("4.6/19 F031", &A, "rgn=100,100,200,100&wid=100", ((100, 50), (100, 50), (0, 0))),
        (
            "4.6/20 F032",
            &A,
            "rgn=100,100,200,100&wid=200&hei=200",
            ((200, 100), (200, 200), (0, 50)),
        ),
        ("4.6/21 F033", &A, "rgn=300,0,200,100", ((200, 100), (200, 100), (0, 0))),
        ("F003 rounds up", &A, "wid=333", ((333, 250), (333, 250), (0, 0))),
        ("F003 199.5 rounds up", &wide, "wid=300", ((300, 200), (300, 200), (0, 0))),
        ("F004 enlarges", &A, "wid=800", ((800, 600), (800, 600), (0, 0))),
        ("F004 fit,0 does not", &A, "wid=800&fit=fit,0", ((400, 300), (400, 300), (0, 0))),
        ("F004 constrain,1", &A, "wid=800&fit=constrain,1", ((800, 600), (800, 600), (0, 0))),
        ("F008 odd", &A, "wid=201&hei=200&fit=constrain", ((201, 151), (201, 151), (0, 0))),
        ("F008 small", &A, "wid=800&hei=800&fit=constrain", ((400, 300), (400, 300), (0, 0))),
        ("F008 up", &A, "wid=800&hei=800&fit=constrain,1", ((800, 600), (800, 600), (0, 0))),
        ("F010 up", &A, "wid=800&hei=800&fit=crop,1", ((1067, 800), (800, 800), (-133, 0))),
        ("F013", &A, "wid=800&hei=800&fit=stretch,0", ((400, 300), (800, 800), (200, 250))),
        ("F017 up", &A, "scl=0.5", ((800, 600), (800, 600), (0, 0))),
        ("F018", &d200, "scl=1", ((400, 300), (400, 300), (0, 0))),
        ("F020 a", &A, "scl=2&wid=100&hei=100&align=-1,-1", ((200, 150), (100, 100), (0, 0))),
        ("F020 b", &A, "scl=2&wid=100&hei=100&align=1,1", ((200, 150), (100, 100), (-100, -50))),
        ("F020 c", &A, "scl=1&hei=100&align=0,1", ((400, 300), (400, 100), (0, -200))),
        (
            "F023 loose",
            &Site { default_pix: (1000, 1000), ..A },
            "",
            ((400, 300), (400, 300), (0, 0)),
        ),
        (
            "F023 one side",
            &Site { default_pix: (0, 150), ..A },
            "",
            ((200, 150), (200, 150), (0, 0)),
        ),
        (
            "F023 not beside wid",
            &Site { default_pix: (100, 100), ..A },
            "wid=200",
            ((200, 150), (200, 150), (0, 0)),
        ),
        (
            "F024 at the limit",
            &Site { max_pix: (300, 300), ..A },
            "wid=300",
            ((300, 225), (300, 225), (0, 0)),
        ),
        ("F025", &tall, "scl=1", ((2000, 2400), (2000, 2400), (0, 0))),
        ("F026 clamped", &A, "wid=200&hei=200&align=0,5", ((200, 150), (200, 200), (0, 50))),
        ("F027 last wins", &A, "wid=300&wid=200", ((200, 150), (200, 150), (0, 0))),
        ("F030", &A, "rgn=100,100,200,100", ((200, 100), (200, 100), (0, 0))),
        (
            "open side is never zero",
            &Site { composite: (9000, 3), ..A },
            "wid=1",
            ((1, 1), (1, 1), (0, 0)),
        ),
        (
            "F004 default upscale does not matter alone",
            &A,
            "hei=600",
            ((800, 600), (800, 600), (0, 0)),
        ),
        (
            "U022 default upscale",
            &Site { default_upscale: true, ..A },
            "wid=800&hei=800",
            ((800, 600), (800, 800), (0, 100)),
        ),
        ("U025 wrap small", &A, "wid=800&hei=800&fit=wrap", ((400, 300), (800, 800), (200, 250))),
        ("U044 fit beside scl", &A, "scl=2&wid=100&fit=crop", ((200, 150), (100, 150), (-50, 0))),
        (
            "dpr F028",
            &Site { composite: (2000, 2000), ..A },
            "wid=816&hei=500&fit=crop&dpr=on,2",
            ((1632, 1632), (1632, 1000), (0, -316)),
        ),
        ("dpr off", &A, "wid=200&dpr=off", ((200, 150), (200, 150), (0, 0))),
        ("dpr one", &A, "wid=200&dpr=on,1", ((200, 150), (200, 150), (0, 0))),
        ("dpr alone", &A, "dpr=on,2", ((800, 600), (800, 600), (0, 0))),
        ("dpr with scl", &A, "scl=2&dpr=on,2", ((400, 300), (400, 300), (0, 0))),
        ("dpr with DefaultPix", &d200, "dpr=on,1.5", ((300, 225), (300, 225), (0, 0))),
    ];
    for (name, site, query, expected) in cases {
        assert_eq!(planned(site, query), Ok(*expected), "{name}: ?{query}");
    }
    assert_eq!(cases.len(), 55);
}

#[test]
fn a_density_is_lowered_to_max_pix_and_never_refused_for_it() {
    let site = Site { composite: (2000, 2000), max_pix: (2000, 2000), ..A };
    for (name, query, reply) in [
        ("F029", "wid=816&hei=500&fit=crop,1&dpr=on,4", (2000, 1225)),
        ("D12 1", "wid=816&hei=500&fit=crop&dpr=on,1", (816, 500)),
        ("D12 2", "wid=816&hei=500&fit=crop&dpr=on,2", (1632, 1000)),
        ("tall", "wid=500&hei=816&fit=crop,1&dpr=on,4", (1225, 2000)),
    ] {
        let planned = planned(&site, query).map(|(_, reply, _)| reply);
        assert_eq!(planned, Ok(reply), "{name}: ?{query}");
    }
}

#[test]
fn max_pix_refuses_what_is_larger_in_either_dimension() {
    let limit = |width, height| Site { max_pix: (width, height), ..A };
    for (name, site, query) in [
        ("F024 wid", limit(300, 300), "wid=400"),
        ("F024 no size", limit(300, 300), ""),
        ("F024 wrap", limit(250, 250), "wid=200&hei=200&fit=wrap"),
        ("U032 one side open", limit(0, 200), "wid=400"),
        ("dpr with a request that is too large anyway", limit(300, 300), "wid=400&dpr=on,2"),
    ] {
        let planned = planned(&site, query).map(|_| ());
        assert_eq!(planned, Err(Kind::TooLarge), "{name}: ?{query}");
    }
    let open = limit(0, 200);
    assert!(planned(&open, "hei=200").is_ok(), "U032: the other side is unlimited");
    let window = Site { composite: (2000, 2400), max_pix: (1000, 1000), ..A };
    let reply = planned(&window, "scl=1&rect=0,0,500,500").map(|(_, reply, _)| reply);
    assert_eq!(reply, Ok((500, 500)), "F038: the window is compared, not the view");
}

#[test]
fn a_rect_window_lies_in_the_scaled_view() {
    let view_of = |query: &str| view(&inputs(&A, query).expect("valid query")).expect("fits");
    let window = view_of("wid=200&rect=150,0,100,150");
    assert_eq!(window.size, Size::new(200, 150), "F036");
    assert_eq!(window.window, Rect::at(150, 0, Size::new(100, 150)), "F036");
    let covered = window.mapping.covered(Size::new(400, 300)).intersection(window.window);
    assert_eq!(covered, Rect::at(150, 0, Size::new(50, 150)), "F036: the rest is background");
    let half = view_of("wid=200&rect=0,0,50,50,0.5");
    let same = view_of("wid=100");
    assert_eq!(half.mapping, same.mapping, "F037: one resampling with both factors");
    assert_eq!(half.size, same.size, "F037");
}

#[test]
fn wrong_view_commands_are_refused() {
    for (name, query) in [
        ("F016 fit alone", "fit=crop"),
        ("F016 unknown mode", "wid=200&hei=200&fit=fill"),
        ("F022 scl 0", "scl=0"),
        ("F022 scl -1", "scl=-1"),
        ("F022 scl abc", "scl=abc"),
        ("F022 wid 0", "wid=0"),
        ("F022 variable", "wid=$n$"),
        ("F028 dpr 0", "wid=10&dpr=on,0"),
        ("F033 empty rgn", "rgn=0,0,0,10"),
    ] {
        assert_eq!(inputs(&A, query).map(|_| ()), Err(Kind::Syntax), "{name}: ?{query}");
    }
}
