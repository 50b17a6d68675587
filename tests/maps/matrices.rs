//! Coordinates of image maps against plain matrices: the oracle is `oracle.py`, which shares nothing with the library.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{SOURCE, encoded, map, site};

/// One comparison with the oracle.
struct Case {
    name: String,
    /// Commands of view and layer 0, without the map.
    commands: String,
    space: &'static str,
    shape: &'static str,
    coords: &'static str,
}

fn cases() -> Vec<Case> {
    let shapes = [
        ("RECT", "50,40,250,160"),
        ("RECT", "0,0,400,300"),
        ("POLY", "60,50,320,90,280,260,90,210"),
        ("POLY", "-100,150,200,-50,500,150,200,400"),
        ("CIRCLE", "150,140,90"),
        ("DEFAULT", ""),
    ];
    let commands = [
        "scl=1&layer=0&crop=30,20,200,150",
        "scl=1&layer=0&crop=-30,-20,460,340",
        "scl=1&layer=0&cropN=0.1,0.2,0.5,0.45",
        "scl=1&layer=0&size=123,77",
        "scl=1&layer=0&size=0,501",
        "scl=1&layer=0&scale=0.37",
        "scl=1&layer=0&flip=lr",
        "scl=1&layer=0&flip=ud&crop=30,20,200,150",
        "scl=1&layer=0&flip=lrud&rotate=90",
        "scl=1&layer=0&rotate=90",
        "scl=1&layer=0&rotate=180",
        "scl=1&layer=0&rotate=-90&crop=30,20,200,150",
        "scl=1&layer=0&rotate=30",
        "scl=1&layer=0&rotate=-12.5&size=200,200",
        "scl=1&layer=0&rotate=200&flip=lr",
        "scl=1&layer=0&extend=10,20,30,40",
        "scl=1&layer=0&extend=-60,-50,-40,-30",
        "scl=1&layer=0&extend=-60,-50,40,30&rotate=45",
        "scl=1&flip=lr&layer=0&crop=30,20,200,150",
        "scl=1&flip=ud&layer=0&rotate=90",
        "scl=1&flip=lrud&layer=0&rotate=10&extend=5,6,7,8",
        "wid=200&layer=0&scale=1",
        "hei=133&layer=0&rotate=90",
        "wid=200&hei=200&layer=0&scale=1",
        "wid=200&hei=200&align=1,-1&layer=0&scale=1",
        "wid=200&hei=200&fit=crop&layer=0&scale=1",
        "wid=200&hei=200&fit=crop&align=-1,0&layer=0&scale=1",
        "wid=200&hei=200&fit=wrap&layer=0&scale=1",
        "wid=200&hei=100&fit=stretch&layer=0&scale=1",
        "wid=200&hei=100&fit=hfit&layer=0&scale=1",
        "wid=200&hei=100&fit=vfit&layer=0&scale=1",
        "wid=200&hei=100&fit=constrain&layer=0&scale=1",
        "wid=800&hei=800&fit=fit,1&layer=0&scale=1",
        "wid=800&hei=800&layer=0&scale=1",
        "scl=3&layer=0&scale=1",
        "scl=0.5&layer=0&scale=1",
        "scl=2&wid=100&hei=100&layer=0&scale=1",
        "scl=1&wid=500&layer=0&scale=1",
        "rgn=100,100,200,100&wid=100&layer=0&scale=1",
        "rgn=100,100,200,100&wid=200&hei=200&layer=0&scale=1",
        "rgn=300,0,200,100&scl=1&layer=0&scale=1",
        "scl=1&rect=90,80,100,120&layer=0&scale=1",
        "scl=2&rect=90,80,100,120,1.5&layer=0&scale=1",
        "wid=300&hei=300&fit=crop&flip=lr&layer=0&crop=5,6,300,222&size=250,250&flip=ud&rotate=33&extend=4,-8,15,16",
    ];
    let mut cases = Vec::new();
    for commands in commands {
        for (shape, coords) in shapes {
            for space in ["source", "layer"] {
                let name = format!("{commands} {space} {shape} {coords}");
                cases.push(Case { name, commands: commands.to_owned(), space, shape, coords });
            }
        }
    }
    cases
}

/// What the oracle says of each case: the shape and its numbers.
fn oracle(cases: &[Case]) -> Vec<(String, Vec<f64>)> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/maps/oracle.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let lines: Vec<String> = cases
        .iter()
        .map(|case| {
            let Case { commands, space, shape, coords, .. } = case;
            format!("{}\t{}\t{commands}\t{space}\t{shape}\t{coords}\n", SOURCE.0, SOURCE.1)
        })
        .collect();
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
    let output = child.wait_with_output().expect("the oracle ends");
    writer.join().expect("no panic").expect("the oracle reads");
    assert!(output.status.success(), "the oracle fails");
    let answers = String::from_utf8(output.stdout).expect("text");
    let number = |word: &str| word.parse::<f64>().expect("a number");
    answers
        .lines()
        .map(|line| line.split_once(' ').expect("two words"))
        .map(|(kind, numbers)| {
            let numbers = numbers.split(',').filter(|word| !word.is_empty()).map(number);
            (kind.to_owned(), numbers.collect())
        })
        .collect()
}

/// The value of an attribute that is written with quotes or without.
fn value<'t>(area: &'t str, name: &str) -> &'t str {
    let (_, behind) = area.split_once(&format!(" {name}=")).expect("the attribute");
    let behind = behind.trim_start_matches('"');
    behind.split(['"', ' ', '>']).next().unwrap_or_default()
}

fn points(numbers: &[f64]) -> Vec<(f64, f64)> {
    numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect()
}

/// How far a point lies from the nearest edge of a polygon.
fn distance(polygon: &[(f64, f64)], (x, y): (f64, f64)) -> f64 {
    let next = polygon.iter().cycle().skip(1);
    let of_edge = |((x1, y1), (x2, y2)): (&(f64, f64), &(f64, f64))| {
        let (across, down) = (x2 - x1, y2 - y1);
        let square = (across * across + down * down).max(1e-12);
        let share = (((x - x1) * across + (y - y1) * down) / square).clamp(0.0, 1.0);
        (x - x1 - across * share).hypot(y - y1 - down * share)
    };
    polygon.iter().zip(next).map(of_edge).fold(f64::INFINITY, f64::min)
}

/// Whether each corner of one lies on the other but for rounding, both ways.
fn are_close(one: &[(f64, f64)], other: &[(f64, f64)]) -> bool {
    one.iter().all(|corner| distance(other, *corner) <= 1.0)
        && other.iter().all(|corner| distance(one, *corner) <= 1.0)
}

#[test]
fn coordinates_are_those_of_plain_matrices() {
    let site = site();
    let service = site.service();
    let cases = cases();
    let answers = oracle(&cases);
    assert_eq!(answers.len(), cases.len());
    let (mut shown, mut empty) = (0, 0);
    for (case, (kind, numbers)) in cases.iter().zip(&answers) {
        let Case { name, commands, space, shape, coords } = case;
        let area = match coords.is_empty() {
            true => format!("<area shape={shape} alt=x>"),
            false => format!("<area shape={shape} coords={coords} alt=x>"),
        };
        let command = if *space == "source" { "mapA" } else { "map" };
        let target = format!("shop/plain?req=map&{commands}&{command}={}", encoded(&area));
        let found = map(&service, &target);
        if kind == "NONE" {
            assert_eq!(found, "", "{name}");
            empty += 1;
            continue;
        }
        assert_eq!(
            value(&found, "shape").to_ascii_uppercase(),
            found_shape(kind, shape, &found),
            "{name}: {found}"
        );
        let attribute = if found.contains(" coords=") { "coords" } else { "COORDS" };
        let own: Vec<f64> = value(&found, attribute)
            .split(',')
            .map(|word| word.parse().expect("a number"))
            .collect();
        if value(&found, "shape").eq_ignore_ascii_case("circle") {
            assert_eq!(found, area, "{name}: untouched");
            shown += 1;
            continue;
        }
        match kind.as_str() {
            "RECT" => {
                let is_close = own.len() == 4
                    && own.iter().zip(numbers).all(|(own, number)| (own - number).abs() <= 0.501);
                assert!(is_close, "{name}: {own:?}, expected {numbers:?}");
            }
            _ => {
                let is_close = are_close(&points(&own), &points(numbers));
                assert!(is_close, "{name}: {own:?}, expected {numbers:?}");
            }
        }
        shown += 1;
    }
    assert!(shown > 400 && empty > 3, "{shown} shown, {empty} empty");
}

/// A circle that nothing moves or cuts stays one.
fn found_shape(kind: &str, shape: &str, found: &str) -> String {
    let stays = shape == "CIRCLE" && value(found, "shape").eq_ignore_ascii_case("circle");
    if stays { "CIRCLE".to_owned() } else { kind.to_owned() }
}
