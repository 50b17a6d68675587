//! The 1/8 picture from DC values alone, against libjpeg-turbo: the same samples, or the library decodes.

use std::fs;
use std::path::Path;

use imprint::codec::{Form, Header};
use imprint::error::Kind;
use imprint::geometry::{Rect, Size};
use imprint::raster::{Model, Pixels, Plane};

use super::codec_jpeg::{decode, drawn, find, planes, pnm, probe, tool, whole};

/// Scan scripts of cjpeg: sequential with and without interleaving, progressive with and without refinement.
const SCRIPTS: [&str; 4] = [
    "0; 1; 2;",
    "0 1: 0-63, 0, 0; 2: 0-63, 0, 0;",
    "0 1 2: 0-0, 0, 3; 0: 1-63, 0, 0; 0 1 2: 0-0, 3, 2; 1: 1-63, 0, 0; 0 1 2: 0-0, 2, 1; 2: 1-63, 0, 0;
     0 1 2: 0-0, 1, 0;",
    "0: 0-0, 0, 1; 1: 0-0, 0, 0; 2: 0-0, 0, 2; 0: 1-5, 0, 2; 2: 0-0, 2, 1; 0: 6-63, 0, 2; 0: 0-0, 1, 0;
     0: 1-63, 2, 1; 0: 1-63, 1, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0; 2: 0-0, 1, 0;",
];

fn script(folder: &Path, text: &str) -> String {
    let path = folder.join("script");
    fs::write(&path, text).expect("a script is written");
    path.to_str().expect("a plain path").to_owned()
}

/// The components of a YCbCr file as gray files of their own: without interleaving each scan is one.
fn components(bytes: &[u8], folder: &Path) -> Vec<Vec<u8>> {
    let script = script(folder, SCRIPTS[0]);
    let apart = tool("jpegtran", &["-scans", &script], bytes);
    let frame = find(&apart, 0xc0).or(find(&apart, 0xc1)).expect("a sequential frame");
    let side = |at: usize| u32::from(frame[at]) << 8 | u32::from(frame[at + 1]);
    let (height, width) = (side(1), side(3));
    let part = |index: usize| &frame[6 + index * 3..9 + index * 3];
    let factors = |index: usize| (u32::from(part(index)[1] >> 4), u32::from(part(index)[1] & 15));
    let largest = (0..3).map(factors).fold((1, 1), |a, b| (a.0.max(b.0), a.1.max(b.1)));
    let (mut head, mut found, mut at) = (vec![0xff, 0xd8], Vec::new(), 2);
    while apart[at + 1] != 0xd9 {
        let end = at + 2 + (usize::from(apart[at + 2]) << 8) + usize::from(apart[at + 3]);
        match apart[at + 1] {
            0xda => {
                let index = found.len();
                let (h, v) = factors(index);
                let [w0, w1] = ((width * h).div_ceil(largest.0) as u16).to_be_bytes();
                let [h0, h1] = ((height * v).div_ceil(largest.1) as u16).to_be_bytes();
                let length = apart[end..]
                    .windows(2)
                    .position(|w| w[0] == 0xff && !matches!(w[1], 0 | 0xd0..=0xd7))
                    .expect("a marker behind the scan");
                let mut file = head.clone();
                file.extend([0xff, 0xc0, 0, 11, 8, h0, h1, w0, w1, 1]);
                file.extend([part(index)[0], 0x11, part(index)[2]]);
                file.extend(&apart[at..end + length]);
                file.extend([0xff, 0xd9]);
                found.push(file);
                at = end + length;
            }
            0xc4 | 0xdb | 0xdd => {
                head.extend(&apart[at..end]);
                at = end;
            }
            _ => at = end,
        }
    }
    found
}

/// Samples of a gray file at 1/8, by djpeg.
fn eighth(gray: &[u8]) -> Vec<u8> {
    let pgm = tool("djpeg", &["-pnm", "-grayscale", "-dct", "int", "-scale", "1/8"], gray);
    // Magic, width and height on two lines, largest value.
    let lines: Vec<usize> =
        pgm.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at).take(3).collect();
    assert!(lines.len() == 3, "a PGM header");
    pgm[lines[2] + 1..].to_vec()
}

#[test]
fn an_eighth_equals_the_librarys_dc_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cases = 0;
    for (width, height) in [(1, 1), (17, 13), (131, 93), (300, 205)] {
        let source = pnm(&drawn(width, height, Model::Rgb));
        for (sampling, x, y) in [("1x1", 1, 1), ("2x1", 2, 1), ("1x2", 1, 2), ("2x2", 2, 2)] {
            let mut files: Vec<(String, Vec<u8>)> = [
                &["-baseline"][..],
                &["-baseline", "-optimize", "-quality", "97"],
                &["-quality", "8"],
                &["-progressive"],
                &["-restart", "1"],
                &["-restart", "5B"],
                &["-progressive", "-restart", "3B"],
            ]
            .iter()
            .map(|options| {
                let arguments = [options, &["-sample", sampling][..]].concat();
                (format!("{options:?}"), tool("cjpeg", &arguments, &source))
            })
            .collect();
            for text in SCRIPTS {
                let path = script(folder.path(), text);
                let bytes = tool("cjpeg", &["-sample", sampling, "-scans", &path], &source);
                files.push((text.to_owned(), bytes));
            }
            for (options, bytes) in files {
                let name = format!("{width}x{height} {sampling} {options}");
                let size = probe(&bytes).expect("a header").levels[3].size;
                let found = decode(&bytes, 3, Rect::of(size), Form::HalvedPlanes);
                let found = planes(found.unwrap_or_else(|e| panic!("{name}: {e}")));
                let chroma = Size::new(size.width.div_ceil(x), size.height.div_ceil(y));
                assert_eq!((found.cb.size, found.cr.size), (chroma, chroma), "{name}");
                let expected = components(&bytes, folder.path());
                assert_eq!(expected.len(), 3, "{name}");
                for (plane, gray) in [&found.luma, &found.cb, &found.cr].iter().zip(&expected) {
                    assert!(plane.data == eighth(gray), "{name}: samples differ");
                    // Gray files take the same way.
                    let canvas = whole(gray, 3).unwrap_or_else(|e| panic!("{name}: {e}"));
                    assert!(canvas.data == plane.data, "{name}: gray differs");
                }
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 4 * 4 * 11);
}

#[test]
fn a_region_of_an_eighth_equals_the_same_part_of_the_whole() {
    let source = pnm(&drawn(1200, 700, Model::Rgb));
    for (sampling, x, y) in [("1x1", 1, 1), ("2x1", 2, 1), ("2x2", 2, 2)] {
        for option in ["-baseline", "-progressive"] {
            let bytes = tool("cjpeg", &[option, "-sample", sampling], &source);
            let size = probe(&bytes).expect("a header").levels[3].size;
            let all = decode(&bytes, 3, Rect::of(size), Form::HalvedPlanes).expect("decodes");
            let all = planes(all);
            for (left, top, right, bottom) in
                [(0, 0, 150, 16), (16, 32, 64, 80), (48, 64, 150, 88), (2, 4, 9, 11)]
            {
                let region = Rect { left, top, right, bottom };
                let found = decode(&bytes, 3, region, Form::HalvedPlanes).expect("decodes");
                let found = planes(found);
                for (part, of, x, y) in [
                    (&found.luma, &all.luma, 1, 1),
                    (&found.cb, &all.cb, x, y),
                    (&found.cr, &all.cr, x, y),
                ] {
                    let up = |v: i64, step: i64| -(-v).div_euclid(step);
                    let place = Rect {
                        left: left / x,
                        top: top / y,
                        right: up(right, x),
                        bottom: up(bottom, y),
                    };
                    assert_eq!(part.size, place.size(), "{sampling} {option} {region:?}");
                    assert!(part.data == cut(of, place), "{sampling} {option} {region:?}");
                }
            }
        }
    }
}

fn cut(plane: &Plane, place: Rect) -> Vec<u8> {
    let width = plane.size.width as usize;
    let columns = place.left as usize..place.right as usize;
    (place.top as usize..place.bottom as usize)
        .flat_map(|row| plane.data[row * width..(row + 1) * width][columns.clone()].to_vec())
        .collect()
}

/// Decodes both ways and compares luma; `Form::Planes` of a 4:2:0 file is the library's work. Says whether the DC
/// values alone were enough.
fn compare(name: &str, bytes: &[u8], header: &Header) -> bool {
    let size = header.levels[3].size;
    let own = decode(bytes, 3, Rect::of(size), Form::HalvedPlanes);
    let library = decode(bytes, 3, Rect::of(size), Form::Planes);
    match (own, library) {
        (Ok(Pixels::Planes(own)), Ok(Pixels::Planes(library))) => {
            assert!(own.luma == library.luma, "{name}: luma differs");
            own.cb.size != own.luma.size
        }
        (Err(own), Err(library)) => {
            assert_eq!(own.kind(), library.kind(), "{name}");
            false
        }
        // AC scans are not read: what is broken in them is not noticed.
        (Ok(_), Err(library)) => {
            assert_eq!(library.kind(), Kind::Unreadable, "{name}: {library}");
            true
        }
        (own, library) => panic!("{name}: {:?} but {:?}", own.err(), library.err()),
    }
}

#[test]
fn broken_files_give_the_librarys_samples_or_its_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut scanned = 0;
    let mut cases = 0;
    let mut state = 88_172_645_463_325_252u64;
    let mut random = move |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end as u64) as usize
    };
    let source = pnm(&drawn(150, 110, Model::Rgb));
    let script = script(folder.path(), SCRIPTS[3]);
    for options in [
        &["-baseline"][..],
        &["-optimize"],
        &["-progressive"],
        &["-restart", "2B"],
        &["-scans", &script],
    ] {
        let good = tool("cjpeg", &[options, &["-sample", "2x2"]].concat(), &source);
        for round in 0..400 {
            let mut bytes = good.clone();
            let at = random(bytes.len());
            match round % 5 {
                0 => bytes.truncate(at),
                1 => bytes[at] = 0xff,
                2 => bytes.splice(at..at, [0xff, 0xd0 + (round % 8) as u8]).for_each(drop),
                3 => drop(bytes.drain(at..(at + 1 + random(9)).min(good.len()))),
                _ => bytes[at] ^= 1 << random(8),
            }
            let name = format!("{options:?} round {round} at {at}");
            let Ok(header) = probe(&bytes) else { continue };
            if header.has_planes && header.size == Size::new(150, 110) {
                scanned += usize::from(compare(&name, &bytes, &header));
                cases += 1;
            }
        }
    }
    assert!(cases > 1000 && scanned > 100, "{cases} cases, {scanned} scanned");
}

#[test]
fn the_corpus_gives_the_librarys_samples() {
    let Ok(folder) = std::env::var("IMPRINT_CORPUS") else {
        println!("IMPRINT_CORPUS is not set");
        return;
    };
    let mut scanned = 0;
    for folder in ["jpeg", "corrupt", "fuzz"].map(|name| Path::new(&folder).join(name)) {
        for entry in fs::read_dir(folder).expect("a folder of the corpus") {
            let path = entry.expect("an entry").path();
            let bytes = fs::read(&path).expect("a file of the corpus");
            if let Ok(header) = probe(&bytes)
                && header.has_planes
            {
                scanned += usize::from(compare(&path.display().to_string(), &bytes, &header));
            }
        }
    }
    assert!(scanned > 20, "{scanned}");
}
