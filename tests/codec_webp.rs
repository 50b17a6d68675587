//! WebP in and out against the decoder of the `image-webp` crate, which shares no code with libwebp.

use std::io::Cursor;
use std::time::Duration;

use imprint::codec::{self, Encoding, Form, Format, Header, Input, Metadata, Orientation, Wanted};
use imprint::error::{Error, Kind};
use imprint::geometry::{Rect, Size};
use imprint::limits::{Deadline, Limits};
use imprint::raster::{Alpha, Canvas, Model, Pixels};

const LONG: Duration = Duration::from_secs(60);

fn probe(bytes: &[u8]) -> Result<Header, Error> {
    let source = bytes.to_vec();
    codec::probe(&mut Input::new(&source, &Deadline::after(LONG)), &Limits::default())
}

fn decode(bytes: &[u8], region: Rect) -> Result<Canvas, Error> {
    let source = bytes.to_vec();
    let header = probe(bytes)?;
    let deadline = Deadline::after(LONG);
    let wanted = Wanted { level: 0, region, form: Form::Canvas };
    match codec::decode(&mut Input::new(&source, &deadline), &header, &wanted, &Limits::default())?
    {
        Pixels::Canvas(canvas) => Ok(canvas),
        Pixels::Planes(_) => panic!("planes of a WebP"),
    }
}

fn whole(bytes: &[u8]) -> Result<Canvas, Error> {
    decode(bytes, Rect::of(probe(bytes)?.size))
}

fn encode(canvas: &Canvas, encoding: &Encoding) -> Result<Vec<u8>, Error> {
    let mut output = Cursor::new(Vec::new());
    let metadata = Metadata { icc: Some(b"no place for it"), ..Metadata::default() };
    let deadline = Deadline::after(LONG);
    let pixels = Pixels::Canvas(canvas.clone());
    codec::encode(&pixels, encoding, &metadata, &mut output, &Limits::default(), &deadline)?;
    Ok(output.into_inner())
}

fn kind<T>(result: Result<T, Error>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

/// Slopes and noise; alpha runs through all values, also over colored pixels.
fn drawn(width: u32, height: u32, alpha: Alpha) -> Canvas {
    let mut data = Vec::new();
    let mut noise = 4242u32;
    for y in 0..height {
        for x in 0..width {
            noise = noise.wrapping_mul(1_103_515_245).wrapping_add(12345);
            let value = |slope: u32| ((slope + (noise >> 29)) % 256) as u8;
            data.extend([value(x * 3), value(y * 2), value(x + y)]);
            if alpha != Alpha::Opaque {
                data.push(if x % 5 == 0 { 0 } else { (x * 7 + y) as u8 });
            }
        }
    }
    Canvas { size: Size::new(width, height), model: Model::Rgb, alpha, data }
}

fn cropped(canvas: &Canvas, region: Rect) -> Vec<u8> {
    let (channels, row) = (canvas.channels(), canvas.row_bytes());
    (region.top..region.bottom)
        .flat_map(|y| {
            let from = y as usize * row + region.left as usize * channels;
            canvas.data[from..from + region.width() as usize * channels].to_vec()
        })
        .collect()
}

/// Pixels by the other decoder.
fn other(bytes: &[u8]) -> Vec<u8> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).expect("a WebP");
    let mut data = vec![0; decoder.output_buffer_size().expect("a size")];
    decoder.read_image(&mut data).expect("decodes");
    data
}

fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len() as f64
}

fn chunk(tag: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut out = [&tag[..], &(payload.len() as u32).to_le_bytes(), payload].concat();
    if payload.len() % 2 == 1 {
        out.push(0);
    }
    out
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let length = (body.len() as u32 + 4).to_le_bytes();
    [b"RIFF".as_slice(), &length, b"WEBP", &body].concat()
}

fn u24(value: u32) -> [u8; 3] {
    let [a, b, c, _] = value.to_le_bytes();
    [a, b, c]
}

fn extended(flags: u8, width: u32, height: u32) -> Vec<u8> {
    chunk(b"VP8X", &[&[flags, 0, 0, 0][..], &u24(width - 1), &u24(height - 1)].concat())
}

/// One frame at an even offset holding the picture chunks of a simple file.
fn frame(left: u32, top: u32, size: Size, file: &[u8]) -> Vec<u8> {
    let head = [
        &u24(left / 2)[..],
        &u24(top / 2),
        &u24(size.width - 1),
        &u24(size.height - 1),
        &u24(100),
        &[0],
    ];
    chunk(b"ANMF", &[&head.concat(), &file[12..]].concat())
}

#[test]
fn lossless_is_pixel_exact_with_hidden_colors() {
    for (width, height) in [(1, 1), (2, 3), (67, 45), (300, 200)] {
        for alpha in [Alpha::Opaque, Alpha::Straight] {
            let picture = drawn(width, height, alpha);
            let bytes = encode(&picture, &Encoding::WebpLossless).expect("encodes");
            let name = format!("{width}x{height} {alpha:?}");
            assert!(whole(&bytes).expect("decodes") == picture, "{name}");
            assert!(other(&bytes) == picture.data, "{name}: the other decoder");
            let header = probe(&bytes).expect("a header");
            assert_eq!((header.format, header.size), (Some(Format::Webp), picture.size), "{name}");
            assert_eq!((header.alpha, header.icc, header.frames), (alpha, None, 1), "{name}");
            assert_eq!((header.levels.len(), header.has_planes), (1, false), "{name}");
        }
    }
}

#[test]
fn lossy_is_near_and_grows_with_quality() {
    for alpha in [Alpha::Opaque, Alpha::Straight] {
        let mut picture = drawn(120, 90, alpha);
        let mut lengths = Vec::new();
        for quality in [10, 60, 95] {
            let bytes = encode(&picture, &Encoding::WebpLossy { quality }).expect("encodes");
            let found = whole(&bytes).expect("decodes");
            assert_eq!((found.size, found.alpha), (picture.size, alpha));
            assert!(mean_difference(&found.data, &other(&bytes)) < 1.0, "{alpha:?} q{quality}");
            if alpha == Alpha::Straight {
                let alphas = |data: &[u8]| -> Vec<u8> { data.chunks(4).map(|p| p[3]).collect() };
                assert_eq!(alphas(&found.data), alphas(&picture.data), "alpha is exact");
            } else if quality == 95 {
                assert!(mean_difference(&found.data, &picture.data) < 8.0);
            }
            lengths.push(bytes.len());
        }
        assert!(lengths.is_sorted() && lengths[0] < lengths[2], "{lengths:?}");
        let again = encode(&picture, &Encoding::WebpLossy { quality: 60 }).expect("encodes");
        assert_eq!(again, encode(&picture, &Encoding::WebpLossy { quality: 60 }).expect("encodes"));
        picture.data.clear();
        assert_eq!(kind(encode(&picture, &Encoding::WebpLossless)), Some(Kind::Internal));
    }
}

#[test]
fn a_region_equals_the_same_part_of_the_whole() {
    for alpha in [Alpha::Opaque, Alpha::Straight] {
        let picture = drawn(67, 45, alpha);
        for encoding in [Encoding::WebpLossless, Encoding::WebpLossy { quality: 80 }] {
            let bytes = encode(&picture, &encoding).expect("encodes");
            let all = whole(&bytes).expect("decodes");
            for (left, top, right, bottom) in
                [(0, 0, 67, 45), (1, 1, 2, 2), (13, 7, 60, 44), (66, 44, 67, 45), (0, 20, 67, 21)]
            {
                let region = Rect { left, top, right, bottom };
                let found = decode(&bytes, region).expect("decodes");
                assert_eq!(found.size, region.size());
                assert!(found.data == cropped(&all, region), "{alpha:?} {encoding:?} {region:?}");
            }
        }
    }
}

#[test]
fn the_first_frame_lies_on_a_transparent_canvas() {
    let small = drawn(10, 8, Alpha::Opaque);
    let full = drawn(30, 20, Alpha::Opaque);
    for encoding in [Encoding::WebpLossless, Encoding::WebpLossy { quality: 90 }] {
        let small_file = encode(&small, &encoding).expect("encodes");
        let full_file = encode(&full, &encoding).expect("encodes");
        let frames = |first: Vec<u8>| {
            riff(&[
                extended(0x02, 30, 20),
                chunk(b"ANIM", &[255, 255, 255, 255, 0, 0]),
                first,
                frame(0, 0, full.size, &full_file),
            ])
        };
        let bytes = frames(frame(4, 6, small.size, &small_file));
        let header = probe(&bytes).expect("a header");
        assert_eq!((header.frames, header.alpha), (2, Alpha::Straight));
        assert_eq!(header.size, Size::new(30, 20));
        let found = whole(&bytes).expect("decodes");
        let pixels = whole(&small_file).expect("decodes");
        for (index, pixel) in found.data.chunks(4).enumerate() {
            let (x, y) = (index % 30, index / 30);
            if (4..14).contains(&x) && (6..14).contains(&y) {
                let at = ((y - 6) * 10 + x - 4) * 3;
                assert_eq!(pixel, [&pixels.data[at..at + 3], &[255]].concat(), "{x},{y}");
            } else {
                assert_eq!(pixel, [0; 4], "{x},{y}");
            }
        }
        let region = Rect { left: 2, top: 3, right: 9, bottom: 9 };
        assert_eq!(decode(&bytes, region).expect("decodes").data, cropped(&found, region));
        let covering = frames(frame(0, 0, full.size, &full_file));
        assert_eq!(probe(&covering).expect("a header").alpha, Alpha::Opaque);
        assert_eq!(whole(&covering).expect("decodes"), whole(&full_file).expect("decodes"));
        let outside = frames(frame(22, 0, small.size, &small_file));
        assert_eq!(kind(probe(&outside)), Some(Kind::Unreadable));
        let lying = frames(frame(0, 0, Size::new(12, 8), &small_file));
        assert_eq!(kind(whole(&lying)), Some(Kind::Unreadable));
    }
}

#[test]
fn headers_tell_profile_orientation_and_xmp() {
    let picture = drawn(9, 7, Alpha::Opaque);
    let simple = encode(&picture, &Encoding::WebpLossless).expect("encodes");
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".to_vec();
    exif.extend([0; 4]);
    let bytes = riff(&[
        extended(0x2c, 9, 7),
        chunk(b"ICCP", b"a profile"),
        simple[12..].to_vec(),
        chunk(b"EXIF", &exif),
        chunk(b"XMP ", b"<x/>"),
    ]);
    let header = probe(&bytes).expect("a header");
    assert_eq!(header.icc.as_deref(), Some(b"a profile".as_slice()));
    assert_eq!(header.orientation, Orientation::Rotate90);
    assert!(header.has_xmp);
    assert_eq!(whole(&bytes).expect("decodes"), picture);
    let prefixed = riff(&[
        extended(0x08, 9, 7),
        simple[12..].to_vec(),
        chunk(b"EXIF", &[b"Exif\0\0".as_slice(), &exif].concat()),
    ]);
    assert_eq!(probe(&prefixed).expect("a header").orientation, Orientation::Rotate90);
    let other_size = riff(&[extended(0, 10, 7), simple[12..].to_vec()]);
    assert_eq!(kind(probe(&other_size)), Some(Kind::Unreadable));
    assert_eq!(kind(probe(&riff(&[extended(0, 9, 7)]))), Some(Kind::Unreadable));
}

#[test]
fn what_a_webp_cannot_hold_is_refused() {
    let lossy = Encoding::WebpLossy { quality: 80 };
    for encoding in [&lossy, &Encoding::WebpLossless] {
        let mut gray = drawn(4, 4, Alpha::Opaque);
        gray.model = Model::Gray;
        gray.data.truncate(16);
        assert_eq!(kind(encode(&gray, encoding)), Some(Kind::Internal));
        let mut associated = drawn(4, 4, Alpha::Straight);
        associated.alpha = Alpha::Premultiplied;
        assert_eq!(kind(encode(&associated, encoding)), Some(Kind::Internal));
        let long = drawn(16_384, 1, Alpha::Opaque);
        assert_eq!(kind(encode(&long, encoding)), Some(Kind::TooLarge));
    }
    // 16383 x 16383 lossless: more pixels than a source may have.
    let bits = 16_382u32 | 16_382 << 14;
    let flat = riff(&[chunk(b"VP8L", &[&[0x2f][..], &bits.to_le_bytes(), &[0; 5]].concat())]);
    assert_eq!(kind(probe(&flat)), Some(Kind::TooLarge));
}

#[test]
fn cut_and_flipped_files_never_panic() {
    let mut cases = 0;
    let picture = drawn(70, 50, Alpha::Straight);
    for encoding in [Encoding::WebpLossless, Encoding::WebpLossy { quality: 70 }] {
        let simple = encode(&picture, &encoding).expect("encodes");
        let animated = riff(&[
            extended(0x12, 80, 60),
            chunk(b"ANIM", &[0; 6]),
            // A lossy file with alpha is an extended one: its frame holds the chunks behind the VP8X chunk.
            frame(
                2,
                4,
                picture.size,
                if simple[12..].starts_with(b"VP8X") { &simple[18..] } else { &simple },
            ),
        ]);
        assert_eq!(whole(&animated).expect("decodes").size, Size::new(80, 60));
        for good in [&simple, &animated] {
            for end in (0..good.len()).step_by(37) {
                assert!(whole(&good[..end]).is_err(), "cut at {end} of {}", good.len());
                cases += 1;
            }
            for index in 0..64 {
                let mut bytes = good.clone();
                let at = (index * 7919 + 13) % bytes.len();
                bytes[at] ^= 1 << (index % 8);
                if probe(&bytes).is_ok_and(|header| header.size.pixels() < 1_000_000) {
                    let _ = whole(&bytes);
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 300, "{cases}");
}

#[test]
fn a_passed_deadline_ends_the_work() {
    let picture = drawn(64, 64, Alpha::Opaque);
    let over = Deadline::after(LONG);
    assert!(over.expire());
    for encoding in [Encoding::WebpLossless, Encoding::WebpLossy { quality: 80 }] {
        let bytes = encode(&picture, &encoding).expect("encodes");
        let header = probe(&bytes).expect("a header");
        let wanted = Wanted { level: 0, region: Rect::of(header.size), form: Form::Canvas };
        let limits = Limits::default();
        let decoded = codec::decode(&mut Input::new(&bytes, &over), &header, &wanted, &limits);
        assert_eq!(kind(decoded), Some(Kind::TimedOut));
        let mut output = Cursor::new(Vec::new());
        let pixels = Pixels::Canvas(picture.clone());
        let metadata = Metadata::default();
        let encoded = codec::encode(&pixels, &encoding, &metadata, &mut output, &limits, &over);
        assert_eq!(kind(encoded), Some(Kind::TimedOut));
    }
}
