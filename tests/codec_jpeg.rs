//! JPEG headers and pixels against libjpeg-turbo's own tools. Encoding is tested in `codec_jpeg_encode`.

use std::io::{Cursor, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use imprint::codec::{
    self, Chroma, Encoding, Form, Header, Input, Metadata, Orientation, Scans, Wanted,
};
use imprint::error::{Error, Kind};
use imprint::geometry::{Rect, Size};
use imprint::limits::{Deadline, Limits};
use imprint::raster::{Alpha, Canvas, Model, Pixels, Plane, Planes};

pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn probe(bytes: &[u8]) -> Result<Header, Error> {
    let source = bytes.to_vec();
    codec::probe(&mut Input::new(&source, &Deadline::after(LONG)), &Limits::default())
}

pub(crate) fn decode(
    bytes: &[u8],
    level: usize,
    region: Rect,
    form: Form,
) -> Result<Pixels, Error> {
    let source = bytes.to_vec();
    let header = probe(bytes)?;
    let deadline = Deadline::after(LONG);
    let wanted = Wanted { level, region, form };
    codec::decode(&mut Input::new(&source, &deadline), &header, &wanted, &Limits::default())
}

pub(crate) fn whole(bytes: &[u8], level: usize) -> Result<Canvas, Error> {
    let size = probe(bytes)?.levels[level].size;
    decode(bytes, level, Rect::of(size), Form::Canvas).map(canvas)
}

fn canvas(pixels: Pixels) -> Canvas {
    match pixels {
        Pixels::Canvas(canvas) => canvas,
        Pixels::Planes(_) => panic!("planes where a canvas was asked for"),
    }
}

pub(crate) fn planes(pixels: Pixels) -> Planes {
    match pixels {
        Pixels::Planes(planes) => planes,
        Pixels::Canvas(_) => panic!("a canvas where planes were asked for"),
    }
}

pub(crate) fn encode(
    pixels: &Pixels,
    encoding: &Encoding,
    metadata: &Metadata<'_>,
) -> Result<Vec<u8>, Error> {
    let mut output = Cursor::new(Vec::new());
    let deadline = Deadline::after(LONG);
    codec::encode(pixels, encoding, metadata, &mut output, &Limits::default(), &deadline)?;
    Ok(output.into_inner())
}

pub(crate) fn jpeg(quality: u8, chroma: Chroma, progressive: Option<Scans>) -> Encoding {
    Encoding::Jpeg { quality, chroma, progressive, limit_bytes: None }
}

pub(crate) fn kind<T>(result: Result<T, Error>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

/// Runs a tool of libjpeg-turbo-progs.
pub(crate) fn tool(name: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} (package libjpeg-turbo-progs): {error}"));
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    let bytes = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().expect("the tool ends");
    let _ = writer.join();
    assert!(output.status.success(), "{name} {arguments:?}");
    output.stdout
}

/// Width, height and samples of a binary PNM.
fn read_pnm(bytes: &[u8]) -> (u32, u32, &[u8]) {
    let mut words = Vec::new();
    let mut at = 0;
    while words.len() < 4 {
        let end = at + bytes[at..].iter().position(u8::is_ascii_whitespace).expect("a PNM header");
        words.push(std::str::from_utf8(&bytes[at..end]).expect("text"));
        at = end + 1;
    }
    (words[1].parse().expect("a width"), words[2].parse().expect("a height"), &bytes[at..])
}

pub(crate) fn pnm(canvas: &Canvas) -> Vec<u8> {
    let magic = if canvas.model == Model::Gray { "P5" } else { "P6" };
    let head = format!("{magic}\n{} {}\n255\n", canvas.size.width, canvas.size.height);
    [head.as_bytes(), &canvas.data].concat()
}

/// Slopes, edges and noise, so that every block and both chroma planes differ.
pub(crate) fn drawn(width: u32, height: u32, model: Model) -> Canvas {
    let mut data = Vec::new();
    let mut noise = 12345u32;
    for y in 0..height {
        for x in 0..width {
            for c in 0..model.components() as u32 {
                noise = noise.wrapping_mul(1_103_515_245).wrapping_add(12345);
                let slope = (x * (3 + c) + y * (5 - c)) % 256;
                let edge = if (x / 11 + y / 7 + c) % 3 == 0 { 80 } else { 0 };
                data.push(((slope + edge + (noise >> 27)) % 256) as u8);
            }
        }
    }
    Canvas { size: Size::new(width, height), model, alpha: Alpha::Opaque, data }
}

fn cropped(canvas: &Canvas, region: Rect) -> Vec<u8> {
    let channels = canvas.channels();
    let row = canvas.row_bytes();
    (region.top..region.bottom)
        .flat_map(|y| {
            let from = y as usize * row + region.left as usize * channels;
            canvas.data[from..from + region.width() as usize * channels].to_vec()
        })
        .collect()
}

/// Marker codes with their payloads up to the end marker; entropy-coded data are passed over.
pub(crate) fn segments(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    let mut at = 2;
    while at + 4 <= bytes.len() {
        if bytes[at] != 0xff || matches!(bytes[at + 1], 0 | 0xd0..=0xd7 | 0xff) {
            at += 1;
            continue;
        }
        let length = usize::from(bytes[at + 2]) << 8 | usize::from(bytes[at + 3]);
        found.push((bytes[at + 1], bytes[at + 4..at + 2 + length].to_vec()));
        at += 2 + length;
    }
    found
}

pub(crate) fn find(bytes: &[u8], marker: u8) -> Option<Vec<u8>> {
    segments(bytes).into_iter().find(|(code, _)| *code == marker).map(|(_, payload)| payload)
}

/// Puts a segment right behind the start of the image.
fn with_segment(bytes: &[u8], marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 2).to_be_bytes();
    [&bytes[..2], &[0xff, marker], &length, payload, &bytes[2..]].concat()
}

const SAMPLINGS: [&str; 4] = ["1x1", "2x1", "1x2", "2x2"];

#[test]
fn pixels_equal_djpeg_at_every_level() {
    let mut cases = 0;
    for (width, height) in [(1, 1), (2, 3), (17, 13), (67, 45), (130, 96)] {
        let source = pnm(&drawn(width, height, Model::Rgb));
        for sampling in SAMPLINGS {
            for options in [
                &["-baseline"][..],
                &["-progressive"],
                &["-restart", "1"],
                &["-grayscale"],
                &["-rgb"],
                &["-arithmetic"],
            ] {
                if options[0] == "-rgb" && sampling != "1x1" {
                    continue;
                }
                let arguments = [options, &["-quality", "80", "-sample", sampling]].concat();
                let bytes = tool("cjpeg", &arguments, &source);
                for (level, scale) in ["8/8", "4/8", "2/8", "1/8"].iter().enumerate() {
                    let expected = tool("djpeg", &["-pnm", "-dct", "int", "-scale", scale], &bytes);
                    let (expected_width, expected_height, samples) = read_pnm(&expected);
                    let name = format!("{width}x{height} {arguments:?} {scale}");
                    let found = whole(&bytes, level).unwrap_or_else(|e| panic!("{name}: {e}"));
                    assert_eq!(found.size, (expected_width, expected_height).into(), "{name}");
                    assert!(found.data == samples, "{name}: pixels differ");
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 5 * (4 * 5 + 1) * 4);
}

#[test]
fn a_region_equals_the_same_part_of_the_whole() {
    let source = pnm(&drawn(131, 93, Model::Rgb));
    let mut cases = 0;
    for sampling in SAMPLINGS {
        for option in ["-baseline", "-progressive", "-grayscale"] {
            let bytes = tool("cjpeg", &[option, "-sample", sampling], &source);
            for level in 0..4 {
                let all = whole(&bytes, level).expect("decodes");
                let (w, h) = (i64::from(all.size.width), i64::from(all.size.height));
                let columns = [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 50, w / 2, w - 2, w - 1];
                let rows = [0, 1, 2, 7, 8, 15, 16, 17, 32, 33, h / 2, h - 2, h - 1];
                for (index, &left) in columns.iter().enumerate() {
                    for (other, &top) in rows.iter().enumerate() {
                        if left < 0 || top < 0 || left >= w || top >= h {
                            continue;
                        }
                        let right = (left + [1, 2, 5, 16, 40, 200][(index + other) % 6]).min(w);
                        let bottom = (top + [1, 3, 8, 30, 200][(index * 2 + other) % 5]).min(h);
                        let region = Rect { left, top, right, bottom };
                        let name = format!("{sampling} {option} level {level} {region:?}");
                        let found = decode(&bytes, level, region, Form::Canvas).map(canvas);
                        let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
                        assert_eq!(found.size, region.size(), "{name}");
                        assert!(found.data == cropped(&all, region), "{name}: pixels differ");
                        cases += 1;
                    }
                }
            }
        }
    }
    assert!(cases > 5000, "{cases}");
}

/// One pixel by the conversion that JFIF defines, rounded.
fn rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb]
        .map(|value| value.round().clamp(0.0, 255.0) as u8)
}

#[test]
fn planes_hold_luma_and_chroma_of_their_true_sizes() {
    for (width, height) in [(1, 1), (17, 13), (131, 93)] {
        let source = pnm(&drawn(width, height, Model::Rgb));
        for (sampling, x, y) in [("1x1", 1, 1), ("2x1", 2, 1), ("1x2", 1, 2), ("2x2", 2, 2)] {
            for option in ["-baseline", "-progressive"] {
                let bytes = tool("cjpeg", &[option, "-sample", sampling], &source);
                assert!(probe(&bytes).expect("a header").has_planes);
                for (level, scale) in ["8/8", "4/8", "2/8", "1/8"].iter().enumerate() {
                    let name = format!("{width}x{height} {sampling} {option} {scale}");
                    let all = whole(&bytes, level).expect("decodes");
                    let found = decode(&bytes, level, Rect::of(all.size), Form::Planes);
                    let found = planes(found.unwrap_or_else(|e| panic!("{name}: {e}")));
                    let gray = ["-pnm", "-grayscale", "-dct", "int", "-scale", scale];
                    let gray = tool("djpeg", &gray, &bytes);
                    assert!(found.luma.data == read_pnm(&gray).2, "{name}: luma differs");
                    // Chroma of a scaled 4:2:0 picture comes at the size of luma.
                    let (x, y) = if level > 0 && x * y == 4 { (1, 1) } else { (x, y) };
                    let chroma = Size::new(all.size.width.div_ceil(x), all.size.height.div_ceil(y));
                    assert_eq!((found.cb.size, found.cr.size), (chroma, chroma), "{name}");
                    assert_eq!(found.cb.data.len() as u64, chroma.pixels(), "{name}");
                    if (x, y) == (1, 1) {
                        for (index, pixel) in all.data.chunks_exact(3).enumerate() {
                            let at = |plane: &Plane| plane.data[index];
                            let expected = rgb(at(&found.luma), at(&found.cb), at(&found.cr));
                            for (a, b) in pixel.iter().zip(expected) {
                                assert!(a.abs_diff(b) <= 1, "{name}: {pixel:?} {expected:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn planes_of_a_region_equal_the_same_part_of_the_whole() {
    let bytes = tool("cjpeg", &["-sample", "2x2"], &pnm(&drawn(131, 93, Model::Rgb)));
    let all = planes(decode(&bytes, 0, Rect::of((131, 93).into()), Form::Planes).expect("decodes"));
    let part = |plane: &Plane, region: Rect| {
        let size = plane.size;
        let data = plane.data.clone();
        cropped(&Canvas { size, model: Model::Gray, alpha: Alpha::Opaque, data }, region)
    };
    for (left, top, right, bottom) in
        [(0, 0, 131, 93), (2, 4, 31, 33), (64, 48, 131, 93), (16, 16, 32, 32), (130, 92, 131, 93)]
    {
        let region = Rect { left, top, right, bottom };
        let found = planes(decode(&bytes, 0, region, Form::Planes).expect("decodes"));
        assert!(found.luma.data == part(&all.luma, region), "{region:?}");
        let halved =
            Rect { left: left / 2, top: top / 2, right: (right + 1) / 2, bottom: (bottom + 1) / 2 };
        assert_eq!(found.cb.size, halved.size(), "{region:?}");
        assert!(found.cb.data == part(&all.cb, halved), "{region:?}");
        assert!(found.cr.data == part(&all.cr, halved), "{region:?}");
    }
    // A region that begins inside a chroma sample gets chroma at the size of luma, as a canvas is computed from.
    let region = Rect { left: 3, top: 5, right: 40, bottom: 41 };
    let found = planes(decode(&bytes, 0, region, Form::Planes).expect("decodes"));
    assert!(found.luma.data == part(&all.luma, region));
    assert_eq!(found.cb.size, region.size());
    let colors = canvas(decode(&bytes, 0, region, Form::Canvas).expect("decodes"));
    for (index, pixel) in colors.data.chunks_exact(3).enumerate() {
        let expected = rgb(found.luma.data[index], found.cb.data[index], found.cr.data[index]);
        assert!(pixel.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1));
    }
}

#[test]
fn ycck_is_cmyk() {
    // A CMYK file whose marker says YCCK: libjpeg turns the first three components to inverted RGB.
    let pixels = Pixels::Canvas(drawn(32, 16, Model::Cmyk));
    let bytes = encode(&pixels, &jpeg(100, Chroma::Full, None), &Metadata::default());
    let mut bytes = bytes.expect("encodes");
    let plain = whole(&bytes, 0).expect("decodes");
    let at = bytes.windows(5).position(|w| w == b"Adobe").expect("the marker");
    bytes[at + 11] = 2;
    let header = probe(&bytes).expect("a header");
    assert_eq!((header.model, header.has_planes), (Model::Cmyk, false));
    let found = whole(&bytes, 0).expect("decodes");
    for (ycck, cmyk) in found.data.chunks_exact(4).zip(plain.data.chunks_exact(4)) {
        // Stored Y, Cb, Cr are 255 minus the plain reading; RGB of them is the ink's absence, twice inverted.
        let expected = rgb(255 - cmyk[0], 255 - cmyk[1], 255 - cmyk[2]);
        assert!(
            ycck.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1),
            "{ycck:?} {expected:?}"
        );
        assert_eq!(ycck[3], cmyk[3]);
    }
}

/// EXIF with an orientation and a resolution in pixels a centimeter.
fn exif(orientation: u16) -> Vec<u8> {
    let mut bytes = b"Exif\0\0MM\0*\0\0\0\x08\0\x03".to_vec();
    bytes.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1]);
    bytes.extend(orientation.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend([0x01, 0x1a, 0, 5, 0, 0, 0, 1, 0, 0, 0, 50]);
    bytes.extend([0x01, 0x28, 0, 3, 0, 0, 0, 1, 0, 3, 0, 0]);
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 1]);
    bytes
}

#[test]
fn headers_tell_orientation_paths_and_profiles() {
    let plain = tool("cjpeg", &[], &pnm(&drawn(20, 10, Model::Rgb)));
    let header = probe(&with_segment(&plain, 0xe1, &exif(6))).expect("a header");
    assert_eq!(header.orientation, Orientation::Rotate90);
    assert_eq!(header.density_ppi, Some(254.0));
    let broken = probe(&with_segment(&plain, 0xe1, b"Exif\0\0MM\0*\xff\xff\xff\xff")).expect("ok");
    assert_eq!(broken.orientation, Orientation::Upright);
    let resource = |id: u16, name: &str, bytes: &[u8]| {
        let mut out = b"8BIM".to_vec();
        out.extend(id.to_be_bytes());
        out.push(name.len() as u8);
        out.extend(name.as_bytes());
        if name.len().is_multiple_of(2) {
            out.push(0);
        }
        out.extend((bytes.len() as u32).to_be_bytes());
        out.extend(bytes);
        if bytes.len() % 2 == 1 {
            out.push(0);
        }
        out
    };
    let paths = [
        b"Photoshop 3.0\0".to_vec(),
        resource(0x03ed, "", &[0, 72, 0x80, 0, 0, 1, 0, 1, 0, 72, 0x80, 0, 0, 1, 0, 1]),
        resource(1999, "no", &[1]),
        resource(2000, "Path 1", &[0; 26]),
        resource(2001, "Outline", &[0; 27]),
        resource(2998, "no", &[]),
    ];
    let header = probe(&with_segment(&plain, 0xed, &paths.concat())).expect("a header");
    assert_eq!(header.path_names, ["Path 1", "Outline"]);
    assert_eq!(header.density_ppi, Some(72.5));
    let part = |sequence: u8, count: u8, text: &[u8]| {
        [b"ICC_PROFILE\0", [sequence, count].as_slice(), text].concat()
    };
    for (name, parts, expected) in [
        ("in order", [part(2, 2, b"two"), part(1, 2, b"one")], Some(b"onetwo".to_vec())),
        ("reversed", [part(1, 2, b"one"), part(2, 2, b"two")], Some(b"onetwo".to_vec())),
        ("double", [part(1, 2, b"one"), part(1, 2, b"two")], None),
        ("missing", [part(1, 3, b"one"), part(2, 3, b"two")], None),
        ("from zero", [part(0, 2, b"one"), part(1, 2, b"two")], None),
    ] {
        let mut bytes = plain.clone();
        for part in &parts {
            bytes = with_segment(&bytes, 0xe2, part);
        }
        assert_eq!(probe(&bytes).expect(name).icc, expected, "{name}");
    }
}

#[test]
fn levels_are_halves_rounded_up() {
    let bytes = tool("cjpeg", &[], &pnm(&drawn(131, 93, Model::Rgb)));
    let levels = probe(&bytes).expect("a header").levels;
    let expected = [(131, 93, 1.0), (66, 47, 0.5), (33, 24, 0.25), (17, 12, 0.125)];
    assert_eq!(levels.len(), 4);
    for (level, (width, height, scale)) in levels.iter().zip(expected) {
        assert_eq!(level.size, Size::new(width, height));
        assert_eq!((level.scale_x, level.scale_y), (scale, scale));
    }
}

#[test]
fn what_a_jpeg_cannot_hold_is_refused() {
    let none = Metadata::default();
    let settings = jpeg(80, Chroma::Halved, None);
    let mut alpha = drawn(4, 4, Model::Rgb);
    alpha.alpha = Alpha::Straight;
    alpha.data.resize(64, 0);
    assert_eq!(kind(encode(&Pixels::Canvas(alpha), &settings, &none)), Some(Kind::Internal));
    let mut short = drawn(4, 4, Model::Rgb);
    short.data.pop();
    assert_eq!(kind(encode(&Pixels::Canvas(short), &settings, &none)), Some(Kind::Internal));
    let plane = |w, h| Plane { size: Size::new(w, h), data: vec![9; (w * h) as usize] };
    let full = Pixels::Planes(Planes { luma: plane(4, 4), cb: plane(4, 4), cr: plane(4, 4) });
    assert_eq!(kind(encode(&full, &settings, &none)), Some(Kind::Internal));
    assert_eq!(kind(encode(&full, &jpeg(80, Chroma::Full, None), &none)), None);
    let long = drawn(65_501, 1, Model::Gray);
    assert_eq!(kind(encode(&Pixels::Canvas(long), &settings, &none)), Some(Kind::TooLarge));

    let good = tool("cjpeg", &[], &pnm(&drawn(20, 10, Model::Rgb)));
    let frame = good.windows(2).position(|w| w == [0xff, 0xc0]).expect("a frame");
    let patched = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[frame + at] = value;
        probe(&bytes).err().map(|error| error.kind())
    };
    for (name, at, value, expected) in [
        ("lossless", 1, 0xc3, Kind::Unsupported),
        ("hierarchical", 1, 0xc5, Kind::Unsupported),
        ("12 bits", 4, 12, Kind::Unsupported),
        ("two components", 9, 2, Kind::Unreadable),
        ("no rows", 6, 0, Kind::Unreadable),
    ] {
        assert_eq!(patched(at, value), Some(expected), "{name}");
    }
    let mut tall = good.clone();
    tall[frame + 5] = 0x40;
    let error = probe(&tall).expect_err("too few bytes for its blocks");
    assert!(error.detail().contains("truncated"), "{error}");
    let mut huge = good.clone();
    huge[frame + 5..frame + 9].fill(0xff);
    assert_eq!(kind(probe(&huge)), Some(Kind::TooLarge));
    assert_eq!(kind(probe(b"")), Some(Kind::Unsupported));
    let outside = Rect { left: 0, top: 0, right: 21, bottom: 5 };
    assert_eq!(kind(decode(&good, 0, outside, Form::Canvas)), Some(Kind::Internal));
    let inside = Rect { left: 0, top: 0, right: 1, bottom: 1 };
    assert_eq!(kind(decode(&good, 4, inside, Form::Canvas)), Some(Kind::Internal));
    let gray = tool("cjpeg", &["-grayscale"], &pnm(&drawn(20, 10, Model::Rgb)));
    assert!(!probe(&gray).expect("a header").has_planes);
    assert_eq!(kind(decode(&gray, 0, inside, Form::Planes)), Some(Kind::Internal));
}

#[test]
fn a_cut_file_is_an_error_that_names_the_row() {
    let picture = drawn(200, 300, Model::Rgb);
    for option in ["-baseline", "-progressive", "-arithmetic"] {
        let bytes = tool("cjpeg", &[option], &pnm(&picture));
        let half = &bytes[..bytes.len() / 2];
        let error = whole(half, 0).expect_err(option);
        assert_eq!(error.kind(), Kind::Unreadable, "{option}");
        assert!(error.detail().contains("truncated"), "{option}: {error}");
        // Rows above the cut can still be had from a file that is read from top to bottom.
        let top = Rect { left: 0, top: 0, right: 200, bottom: 20 };
        let found = decode(half, 0, top, Form::Canvas).map(canvas);
        if option == "-baseline" {
            assert_eq!(found.expect("the top").data, cropped(&whole(&bytes, 0).expect("all"), top));
        }
    }
    let bytes = tool("cjpeg", &[], &pnm(&picture));
    assert_eq!(
        whole(&bytes[..bytes.len() - 2], 0).expect("only the end marker is missing"),
        whole(&bytes, 0).expect("decodes")
    );
}

#[test]
fn time_and_scans_are_bounded() {
    let picture = drawn(64, 64, Model::Rgb);
    let bytes = tool("cjpeg", &["-progressive"], &pnm(&picture));
    let header = probe(&bytes).expect("a header");
    let over = Deadline::after(LONG);
    assert!(over.expire());
    let wanted = Wanted { level: 0, region: Rect::of(header.size), form: Form::Canvas };
    let decoded =
        codec::decode(&mut Input::new(&bytes, &over), &header, &wanted, &Limits::default());
    assert_eq!(kind(decoded), Some(Kind::TimedOut));
    for progressive in [None, Some(Scans::Auto)] {
        let encoding = jpeg(80, Chroma::Halved, progressive);
        let mut output = Cursor::new(Vec::new());
        let (metadata, limits) = (Metadata::default(), Limits::default());
        let pixels = Pixels::Canvas(picture.clone());
        let encoded = codec::encode(&pixels, &encoding, &metadata, &mut output, &limits, &over);
        assert_eq!(kind(encoded), Some(Kind::TimedOut));
    }
    let last = bytes.windows(2).rposition(|w| w == [0xff, 0xda]).expect("a scan");
    let mut bomb = bytes[..bytes.len() - 2].to_vec();
    for _ in 0..200 {
        bomb.extend(&bytes[last..bytes.len() - 2]);
    }
    bomb.extend([0xff, 0xd9]);
    assert_eq!(kind(whole(&bomb, 0)), Some(Kind::Unsupported));
    // Room for file and pixels, none for coefficients.
    let bytes = tool("cjpeg", &["-progressive"], &pnm(&drawn(64, 512, Model::Rgb)));
    let header = probe(&bytes).expect("a header");
    let wanted = Wanted { level: 0, region: Rect::of(header.size), form: Form::Canvas };
    let memory_bytes = 64 * 512 * 4 + bytes.len() as u64 + 2000;
    let small = Limits { memory_bytes, ..Limits::default() };
    let deadline = Deadline::after(LONG);
    let decoded = codec::decode(&mut Input::new(&bytes, &deadline), &header, &wanted, &small);
    assert_eq!(kind(decoded), Some(Kind::TooLarge), "coefficients past the memory of a request");
}

#[test]
fn cut_and_flipped_files_never_panic() {
    let mut cases = 0;
    for options in [&["-baseline"][..], &["-progressive"], &["-arithmetic"], &["-restart", "2"]] {
        let good = tool("cjpeg", options, &pnm(&drawn(90, 70, Model::Rgb)));
        let cuts = (0..good.len()).step_by(37).map(|end| good[..end].to_vec());
        let flips = (0..64).map(|index| {
            let mut bytes = good.clone();
            let at = (index * 7919 + 13) % bytes.len();
            bytes[at] ^= 1 << (index % 8);
            bytes
        });
        for bytes in cuts.chain(flips) {
            if let Ok(header) = probe(&bytes) {
                for level in [0, 2, 3] {
                    let size = header.levels[level].size;
                    if size.pixels() > 1_000_000 {
                        continue;
                    }
                    let part = Rect {
                        left: i64::from(size.width / 2),
                        top: i64::from(size.height / 2),
                        right: size.width.into(),
                        bottom: size.height.into(),
                    };
                    let _ = decode(&bytes, level, part, Form::Canvas);
                    if header.has_planes {
                        let _ = decode(&bytes, level, Rect::of(size), Form::Planes);
                    }
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 200, "{cases}");
}
