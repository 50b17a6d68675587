//! Numbers as weapons: L-1 on every command that takes one, L-4 results that would be huge.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::Scene;
use crate::support::site::{self, FIXTURE_INI, request, text};
use imprint::limits::Deadline;
use imprint::request::Method;

const VALUES: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "0.5",
    "-0.5",
    "255",
    "65535",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "1e308",
    "-1e308",
    "1e309",
    "1e-300",
    "1e",
    "NaN",
    "inf",
    "-inf",
    "0x10",
    "1_000",
    "",
    ",",
    ",,,",
    "1,,1",
    ".",
    "-",
    "+",
    "--1",
    "1e99999",
];

/// Commands and how many numbers they take.
const COMMANDS: &[(&str, usize)] = &[
    ("wid", 1),
    ("hei", 1),
    ("scl", 1),
    ("rgn", 4),
    ("rect", 4),
    ("rect", 5),
    ("align", 2),
    ("fit", 1),
    ("qlt", 1),
    ("qlt", 2),
    ("jpegSize", 1),
    ("pscan", 1),
    ("printRes", 1),
    ("dpr", 1),
    ("dpr", 2),
    ("quantize", 3),
    ("bgc", 1),
    ("bgc", 3),
    ("bgc", 4),
    ("crop", 4),
    ("cropN", 4),
    ("size", 1),
    ("size", 2),
    ("sizeN", 2),
    ("scale", 1),
    ("res", 1),
    ("anchor", 2),
    ("anchorN", 2),
    ("origin", 2),
    ("originN", 2),
    ("pos", 2),
    ("posN", 2),
    ("extend", 1),
    ("extend", 4),
    ("extendN", 4),
    ("rotate", 1),
    ("perspective", 8),
    ("perspectiveN", 8),
    ("opac", 1),
    ("opac", 2),
    ("op_blur", 1),
    ("op_brightness", 1),
    ("op_contrast", 1),
    ("op_colorbalance", 3),
    ("op_colorize", 3),
    ("op_grow", 1),
    ("op_hue", 1),
    ("op_noise", 1),
    ("op_saturation", 1),
    ("op_sharpen", 1),
    ("op_usm", 4),
    ("op_usmR", 4),
    ("op_growMask", 1),
    ("op_growMaskR", 1),
    ("color", 1),
    ("color", 4),
    ("bgColor", 3),
    ("textAngle", 1),
    ("layer", 1),
    ("effect", 1),
    ("timeout", 1),
    ("clipPath", 6),
    ("hide", 1),
    ("bfc", 1),
    ("icc", 1),
    ("iccEmbed", 1),
    ("cache", 1),
    ("flip", 1),
    ("resMode", 1),
    ("fmt", 3),
    ("network", 1),
];

/// Asks for saves and collects what must not happen.
struct Asked<'a> {
    scene: &'a Scene,
    count: usize,
    wrong: Vec<String>,
    slowest: (Duration, String),
}

impl Asked<'_> {
    fn new(scene: &Scene) -> Asked<'_> {
        Asked { scene, count: 0, wrong: Vec::new(), slowest: (Duration::ZERO, String::new()) }
    }

    fn ask(&mut self, query: &str) {
        let target = format!("tiny.png?{query}&req=saveToFile&name=a.png");
        let deadline = Deadline::after(Duration::from_secs(120));
        let raw = request(Method::Get, &target);
        let start = Instant::now();
        let answer = || site::answer(&self.scene.service, &raw, &deadline);
        match catch_unwind(AssertUnwindSafe(answer)) {
            Ok(reply) if matches!(reply.status, 200 | 403) => {}
            Ok(reply) => self.wrong.push(format!("{query}: {}", text(&reply))),
            Err(_) => self.wrong.push(format!("{query}: panics")),
        }
        let taken = start.elapsed();
        if taken > self.slowest.0 {
            self.slowest = (taken, query.to_owned());
        }
        self.count += 1;
    }

    fn check(self, least: usize) {
        let count = self.wrong.len();
        let first: Vec<String> = self.wrong.into_iter().take(40).collect();
        assert!(first.is_empty(), "L-1: {count} of {} are wrong: {first:#?}", self.count);
        assert!(self.count >= least, "{} requests", self.count);
        // Generous: the machine may be busy; work on millions of pixels by mistake takes longer.
        assert!(self.slowest.0 < Duration::from_secs(20), "L-1 slowest: {:?}", self.slowest);
    }
}

#[test]
fn no_number_breaks_the_arithmetic() {
    let settings = "[IS]\nMaxSavePixels = 1\nMaxRenderRgnPixels = 1\nPhysicalMemory = 64M\n";
    let scene = Scene::with(settings, FIXTURE_INI, &[]);
    scene.site.image(
        "tiny.png",
        crate::support::pictures::png(&crate::support::pictures::textured(7, 5)),
    );
    let digits = "9".repeat(400);
    let mut asked = Asked::new(&scene);
    let mut ask = |query: &str| asked.ask(query);
    for (command, arity) in COMMANDS {
        for value in VALUES.iter().copied().chain([digits.as_str()]) {
            ask(&format!("{command}={}", vec![value; *arity].join(",")));
            // One wild value among tame ones reaches other code.
            for place in 0..*arity {
                if *arity < 2 || value.is_empty() {
                    break;
                }
                let mut values = vec!["1"; *arity];
                values[place] = value;
                ask(&format!("{command}={}", values.join(",")));
            }
        }
    }
    asked.check(6000);
    assert_eq!(scene.get("tiny.png").status, 200, "it still answers");
}

#[test]
fn pairs_of_numbers_do_not_break_the_arithmetic() {
    let settings = "[IS]\nMaxSavePixels = 1\nMaxRenderRgnPixels = 1\nPhysicalMemory = 64M\n";
    let scene = Scene::with(settings, FIXTURE_INI, &[]);
    scene.site.image(
        "tiny.png",
        crate::support::pictures::png(&crate::support::pictures::textured(7, 5)),
    );
    let extremes = ["2147483647", "-2147483648", "1e-300", "1e300", "0.0001", "1"];
    let mut asked = Asked::new(&scene);
    for first in
        ["wid", "scl", "scale", "rotate", "size", "res", "printRes", "extend", "crop=0,0,1"]
    {
        for second in [
            "hei",
            "scl",
            "rgn=-2147483648,-2147483648,2147483647",
            "rect=0,0,9",
            "rotate",
            "dpr=on",
            "cropN=0,0,1",
        ] {
            for a in extremes {
                for b in extremes {
                    let join = |name: &str, value: &str| match name.contains('=') {
                        true => format!("{name},{value}"),
                        false => format!("{name}={value}"),
                    };
                    let query = format!("{}&{}", join(first, a), join(second, b));
                    asked.ask(&query);
                }
            }
        }
    }
    asked.check(9 * 7 * 36);
}

#[test]
fn large_results_are_refused_before_there_are_pixels() {
    let scene = Scene::with("[IS]\nPhysicalMemory = 256M\n", FIXTURE_INI, &[]);
    for query in [
        "wid=65535&hei=65535&fit=stretch,1",
        "wid=2147483647",
        "scl=0.00001",
        "scl=1e-300",
        "scale=1e300",
        "scale=30000",
        "size=1000000,1000000",
        "size=2147483647,2147483647",
        "res=1e300",
        "extend=1000000,1000000,1000000,1000000",
        "extendN=10000,10000,10000,10000",
        "rotate=45&size=30000,30000",
        "crop=-1000000,-1000000,3000000,3000000",
        "cropN=-10000,-10000,30000,30000",
        "rgn=-100000,-100000,300000,300000&scl=1",
        "rect=0,0,100000,100000&scl=1",
        "src=none&size=50000,50000&color=ff0000",
    ] {
        let id = format!("L-4 {query}");
        let before = scene.files();
        let start = Instant::now();
        let reply = scene.get(&format!("photo.png?{query}&req=saveToFile&name=a.jpg"));
        assert_eq!(reply.status, 403, "{id}: {}", text(&reply));
        assert!(start.elapsed() < Duration::from_secs(10), "{id}: {:?}", start.elapsed());
        assert_eq!(scene.files(), before, "{id}");
    }
}
