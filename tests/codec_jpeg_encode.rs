//! JPEG encoding against libjpeg-turbo's own tools, and against a small marker reader of the tests.

use std::io::Write;

use imprint::codec::{self, Chroma, Encoding, Form, Format, Metadata, Scans};
use imprint::error::Kind;
use imprint::geometry::{Rect, Size};
use imprint::limits::{Deadline, Limits};
use imprint::raster::{Model, Pixels};

use crate::codec_jpeg::{
    LONG, decode, drawn, encode, find, jpeg, kind, planes, pnm, probe, segments, tool, whole,
};

#[test]
fn baseline_equals_cjpeg_byte_for_byte() {
    for (width, height) in [(1, 1), (16, 16), (67, 45)] {
        for quality in [1u8, 25, 50, 80, 95, 100] {
            for (chroma, sampling) in [(Chroma::Halved, "2x2"), (Chroma::Full, "1x1")] {
                for model in [Model::Gray, Model::Rgb] {
                    let picture = drawn(width, height, model);
                    let text = quality.to_string();
                    let options = ["-baseline", "-quality", &text, "-sample", sampling];
                    let expected = tool("cjpeg", &options, &pnm(&picture));
                    let pixels = Pixels::Canvas(picture);
                    let found = encode(&pixels, &jpeg(quality, chroma, None), &Metadata::default());
                    let name = format!("{width}x{height} {model:?} q{quality} {sampling}");
                    // cjpeg gives gray the factors of luma where we leave 1x1; that changes no coefficient.
                    let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
                    if model == Model::Gray {
                        assert!(
                            whole(&found, 0).expect("ours") == whole(&expected, 0).expect("cjpeg"),
                            "{name}"
                        );
                    } else {
                        assert!(found == expected, "{name}: bytes differ");
                    }
                }
            }
        }
    }
}

#[test]
fn planes_encode_to_the_same_planes_at_high_quality() {
    for (chroma, sampling) in [(Chroma::Halved, "2x2"), (Chroma::Full, "1x1")] {
        for (width, height) in [(1, 1), (16, 16), (17, 33), (131, 93)] {
            let source = pnm(&drawn(width, height, Model::Rgb));
            let options = ["-quality", "100", "-sample", sampling];
            let bytes = tool("cjpeg", &options, &source);
            let area = Rect::of(Size::new(width, height));
            let first = decode(&bytes, 0, area, Form::Planes).expect("decodes");
            for progressive in [None, Some(Scans::Auto)] {
                let settings = jpeg(100, chroma, progressive);
                let again = encode(&first, &settings, &Metadata::default()).expect("encodes");
                let second = planes(decode(&again, 0, area, Form::Planes).expect("decodes"));
                let first = planes(first.clone());
                for (a, b) in
                    [(&first.luma, &second.luma), (&first.cb, &second.cb), (&first.cr, &second.cr)]
                {
                    assert_eq!(a.size, b.size);
                    let worst = a.data.iter().zip(&b.data).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(worst <= Some(3), "{width}x{height} {sampling}: {worst:?}");
                }
            }
        }
    }
}

/// Components counted from 1, first and last coefficient, and approximation of each scan.
fn scans(bytes: &[u8]) -> Vec<(Vec<u8>, u8, u8, u8)> {
    let frame = find(bytes, 0xc2).or_else(|| find(bytes, 0xc0)).expect("a frame");
    let ids: Vec<u8> = frame[6..].chunks(3).map(|component| component[0]).collect();
    let number = |id: u8| ids.iter().position(|i| *i == id).expect("a component") as u8 + 1;
    segments(bytes)
        .into_iter()
        .filter(|(code, _)| *code == 0xda)
        .map(|(_, p)| {
            let count = usize::from(p[0]);
            let ids = (0..count).map(|c| number(p[1 + 2 * c])).collect();
            (ids, p[1 + 2 * count], p[2 + 2 * count], p[3 + 2 * count])
        })
        .collect()
}

#[test]
fn frames_and_scans_follow_the_request() {
    let picture = |model| Pixels::Canvas(drawn(40, 30, model));
    let dc = |count: u8| ((1..=count).collect::<Vec<u8>>(), 0, 0, 0);
    let band = |count: u8, first, last| (1..=count).map(move |c| (vec![c], first, last, 0));
    let none = Metadata::default();
    for (name, model, count, sampling, settings) in [
        ("F154 F155 rgb", Model::Rgb, 3, 0x22, jpeg(80, Chroma::Halved, None)),
        ("F165 4:4:4", Model::Rgb, 3, 0x11, jpeg(90, Chroma::Full, None)),
        ("F156 gray", Model::Gray, 1, 0x11, jpeg(80, Chroma::Halved, None)),
        ("F156 cmyk", Model::Cmyk, 4, 0x11, jpeg(80, Chroma::Halved, None)),
    ] {
        let bytes = encode(&picture(model), &settings, &none).expect(name);
        let frame = find(&bytes, 0xc0).expect(name);
        assert_eq!((frame[0], frame[5], frame[7]), (8, count, sampling), "{name}");
        assert_eq!(scans(&bytes).len(), 1, "{name}");
        assert_eq!(find(&bytes, 0xee).is_some(), model == Model::Cmyk, "{name}");
    }
    for (model, count) in [(Model::Gray, 1), (Model::Rgb, 3), (Model::Cmyk, 4)] {
        for (name, script, bands) in [
            ("F155 pscan=3", Scans::Three, &[(1, 5), (6, 63)][..]),
            ("D58 pscan=4", Scans::Four, &[(1, 5), (6, 20), (21, 63)]),
            ("F155 pscan=5", Scans::Five, &[(1, 5), (6, 14), (15, 27), (28, 63)]),
        ] {
            let settings = jpeg(80, Chroma::Halved, Some(script));
            let bytes = encode(&picture(model), &settings, &none).expect(name);
            assert!(find(&bytes, 0xc2).is_some() && find(&bytes, 0xc0).is_none(), "{name}");
            let mut expected = vec![dc(count)];
            expected.extend(bands.iter().flat_map(|(first, last)| band(count, *first, *last)));
            assert_eq!(scans(&bytes), expected, "{name} {model:?}");
            let baseline = encode(&picture(model), &jpeg(80, Chroma::Halved, None), &none);
            let baseline = whole(&baseline.expect(name), 0).expect(name);
            assert!(whole(&bytes, 0).expect(name) == baseline, "{name} {model:?}");
        }
    }
    let auto = encode(&picture(Model::Rgb), &jpeg(80, Chroma::Halved, Some(Scans::Auto)), &none);
    let expected =
        tool("cjpeg", &["-progressive", "-quality", "80"], &pnm(&drawn(40, 30, Model::Rgb)));
    assert_eq!(scans(&auto.expect("auto")), scans(&expected), "F155 pscan=auto");
}

#[test]
fn cmyk_is_inverted_in_the_file_and_full_ink_in_memory() {
    let mut picture = drawn(32, 16, Model::Cmyk);
    picture.data[..32 * 8 * 4].fill(255);
    let pixels = Pixels::Canvas(picture.clone());
    let bytes =
        encode(&pixels, &jpeg(100, Chroma::Halved, None), &Metadata::default()).expect("encodes");
    let adobe = find(&bytes, 0xee).expect("an Adobe marker");
    assert_eq!((&adobe[..5], adobe[11]), (&b"Adobe"[..], 0), "U090");
    let header = probe(&bytes).expect("a header");
    assert_eq!((header.model, header.has_planes), (Model::Cmyk, false));
    let found = whole(&bytes, 0).expect("decodes");
    let worst = found.data.iter().zip(&picture.data).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(3), "{worst:?}");
    // Without the marker the stored values show: 0 for full ink.
    let at = bytes.windows(5).position(|w| w == b"Adobe").expect("the marker");
    let mut bare = bytes.clone();
    bare[at] = b'X';
    assert!(whole(&bare, 0).expect("decodes").data[..32 * 8 * 4].iter().all(|v| *v <= 3));
}

#[test]
fn metadata_is_written_and_read_back() {
    let pixels = Pixels::Canvas(drawn(20, 10, Model::Rgb));
    let icc: Vec<u8> = (0..150_000u32).map(|i| (i % 251) as u8).collect();
    let xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>";
    let metadata = Metadata { icc: Some(&icc), density_ppi: Some(299.6), xmp: Some(xmp) };
    for encoding in [jpeg(80, Chroma::Halved, None), jpeg(80, Chroma::Full, Some(Scans::Four))] {
        let bytes = encode(&pixels, &encoding, &metadata).expect("encodes");
        let header = probe(&bytes).expect("a header");
        assert_eq!(header.format, Some(Format::Jpeg));
        assert_eq!(header.icc.as_deref(), Some(icc.as_slice()));
        assert_eq!(header.density_ppi, Some(300.0), "F172 U075");
        assert!(header.has_xmp);
        let jfif = find(&bytes, 0xe0).expect("JFIF");
        assert_eq!(&jfif[7..12], &[1, 1, 44, 1, 44], "300 dots an inch");
        let packet = find(&bytes, 0xe1).expect("XMP");
        assert!(packet.ends_with(xmp) && packet.starts_with(b"http://ns.adobe.com/xap/1.0/\0"));
        let parts = segments(&bytes).into_iter().filter(|(code, _)| *code == 0xe2).count();
        assert_eq!(parts, 3);
    }
    let bytes = encode(&pixels, &jpeg(80, Chroma::Halved, None), &Metadata::default());
    let bytes = bytes.expect("encodes");
    assert_eq!(&find(&bytes, 0xe0).expect("JFIF")[7..12], &[0, 0, 1, 0, 1], "U074");
    let header = probe(&bytes).expect("a header");
    assert_eq!((header.density_ppi, header.icc, header.has_xmp), (None, None, false));
    let cmyk = Pixels::Canvas(drawn(20, 10, Model::Cmyk));
    let bytes = encode(&cmyk, &jpeg(80, Chroma::Halved, None), &metadata).expect("encodes");
    let header = probe(&bytes).expect("a header");
    assert_eq!((header.density_ppi, header.model), (Some(300.0), Model::Cmyk), "F172 cmyk");
}

#[test]
fn jpeg_size_gives_the_highest_quality_that_fits() {
    let pixels = Pixels::Canvas(drawn(200, 150, Model::Rgb));
    let none = Metadata::default();
    let at = |quality| encode(&pixels, &jpeg(quality, Chroma::Halved, None), &none).expect("fits");
    let limited = |quality, limit| {
        let (chroma, progressive) = (Chroma::Halved, None);
        let encoding = Encoding::Jpeg { quality, chroma, progressive, limit_bytes: Some(limit) };
        encode(&pixels, &encoding, &none)
    };
    for limit in [4096u64, 10_240, 15_000] {
        let found = limited(95, limit).expect("D59 F166");
        assert!(found.len() as u64 <= limit, "{limit}");
        let quality = (1..=95).find(|q| at(*q) == found).expect("one of the qualities");
        assert!(quality < 95 && at(quality + 1).len() as u64 > limit, "{limit}: q{quality}");
    }
    assert_eq!(limited(95, 10_000_000).expect("fits"), at(95));
    let smallest = at(1).len() as u64;
    assert_eq!(limited(95, smallest).expect("fits").len() as u64, smallest);
    assert_eq!(kind(limited(95, smallest - 1)), Some(Kind::TooLarge));
    assert_eq!(kind(limited(1, 100)), Some(Kind::TooLarge));
}

/// An output that refuses after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Seek for Full {
    fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn a_full_disk_is_unwritable() {
    let pixels = Pixels::Canvas(drawn(600, 400, Model::Rgb));
    let (metadata, limits) = (Metadata::default(), Limits::default());
    let deadline = Deadline::after(LONG);
    for (encoding, room) in [
        (jpeg(95, Chroma::Full, None), 0),
        (jpeg(95, Chroma::Full, None), 100_000),
        (jpeg(95, Chroma::Full, Some(Scans::Auto)), 100_000),
        (Encoding::WebpLossless, 0),
        (Encoding::WebpLossy { quality: 80 }, 0),
    ] {
        let mut output = Full(room);
        let result = codec::encode(&pixels, &encoding, &metadata, &mut output, &limits, &deadline);
        assert_eq!(kind(result), Some(Kind::Unwritable), "{encoding:?}");
    }
}
