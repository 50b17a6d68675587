//! What a saved file holds: nothing of the source but its pixels (W-8), and no type that a browser runs (W-9).

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::{Scene, assert_done};
use crate::support::pictures::{jpeg, png, textured};
use crate::support::site::{FIXTURE_INI, text};
use imprint::codec::Chroma;

const MARKER: &[u8] = b"<script>marker()</script><?php marker(); ?>";

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = (content.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    out.extend_from_slice(content);
    out.extend_from_slice(&crc(&out[4..]).to_be_bytes());
    out
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// A profile of sRGB's size class with the marker as its description; it need not be usable.
fn profile() -> Vec<u8> {
    let mut profile = vec![0u8; 128];
    profile[8..12].copy_from_slice(&[4, 0, 0, 0]);
    profile[12..24].copy_from_slice(b"mntrRGB XYZ ");
    profile[36..40].copy_from_slice(b"acsp");
    profile.extend_from_slice(&1u32.to_be_bytes());
    profile.extend_from_slice(b"desc");
    profile.extend_from_slice(&144u32.to_be_bytes());
    profile.extend_from_slice(&((12 + MARKER.len() + 1) as u32).to_be_bytes());
    profile.extend_from_slice(b"desc\0\0\0\0");
    profile.extend_from_slice(&((MARKER.len() + 1) as u32).to_be_bytes());
    profile.extend_from_slice(MARKER);
    profile.push(0);
    let length = (profile.len() as u32).to_be_bytes();
    profile[..4].copy_from_slice(&length);
    profile
}

fn png_with_markers() -> Vec<u8> {
    let plain = png(&textured(60, 40));
    // After the signature and IHDR.
    let (head, rest) = plain.split_at(33);
    let text = [b"Comment\0".as_slice(), MARKER].concat();
    let packed = [b"Raw profile type xmp\0\0".as_slice(), &deflated(MARKER)].concat();
    let xmp = [b"XML:com.adobe.xmp\0\0\0\0\0".as_slice(), MARKER].concat();
    let icc = [b"marker()\0\0".as_slice(), &deflated(&profile())].concat();
    let mut out = head.to_vec();
    for (kind, content) in
        [(b"iCCP", &icc), (b"tEXt", &text), (b"zTXt", &packed), (b"iTXt", &xmp), (b"maRk", &text)]
    {
        out.extend(chunk(kind, content));
    }
    out.extend_from_slice(&chunk(b"eXIf", &exif()));
    out.extend_from_slice(rest);
    out.extend_from_slice(MARKER);
    out
}

/// TIFF structure with an ImageDescription.
fn exif() -> Vec<u8> {
    let mut out = b"II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0".to_vec();
    out.extend_from_slice(&(MARKER.len() as u32).to_le_bytes());
    out.extend_from_slice(&26u32.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(MARKER);
    out
}

fn jpeg_with_markers() -> Vec<u8> {
    let plain = jpeg(&textured(60, 40), 90, Chroma::Full);
    let segment = |marker: u8, content: &[u8]| {
        let length = (content.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker], length.as_slice(), content].concat()
    };
    let mut out = plain[..2].to_vec();
    out.extend(segment(0xfe, MARKER));
    out.extend(segment(0xe1, &[b"Exif\0\0".as_slice(), &exif()].concat()));
    out.extend(segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0".as_slice(), MARKER].concat()));
    out.extend(segment(0xe2, &[b"ICC_PROFILE\0\x01\x01".as_slice(), &profile()].concat()));
    out.extend(segment(0xed, &[b"Photoshop 3.08BIM".as_slice(), MARKER].concat()));
    out.extend_from_slice(&plain[2..]);
    out.extend_from_slice(MARKER);
    // A second picture of the file.
    out.extend_from_slice(&plain[..2]);
    out.extend(segment(0xfe, MARKER));
    out.extend_from_slice(&plain[2..]);
    out
}

fn gif_with_markers(plain: &[u8]) -> Vec<u8> {
    let flags = plain[10];
    let table = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let (head, rest) = plain.split_at(13 + table);
    let comment = [&[0x21, 0xfe, MARKER.len() as u8], MARKER, &[0]].concat();
    let application =
        [&[0x21, 0xff, 11], b"XMP DataXMP".as_slice(), &[MARKER.len() as u8], MARKER, &[0]]
            .concat();
    [head, &comment, &application, rest, MARKER].concat()
}

fn webp_with_markers(plain: &[u8]) -> Vec<u8> {
    let mut out = plain.to_vec();
    for kind in [b"XMP ", b"EXIF", b"mARK"] {
        out.extend_from_slice(kind);
        out.extend_from_slice(&(MARKER.len() as u32).to_le_bytes());
        out.extend_from_slice(MARKER);
        out.resize(out.len() + MARKER.len() % 2, 0);
    }
    let length = (out.len() as u32 - 8).to_le_bytes();
    out[4..8].copy_from_slice(&length);
    out
}

#[test]
fn nothing_of_a_source_but_its_pixels_is_saved() {
    let scene = Scene::new();
    let delivered = |query: &str| scene.get(&format!("photo.png?wid=60&{query}")).body.to_vec();
    let sources = [
        ("s.png", png_with_markers()),
        ("s.jpg", jpeg_with_markers()),
        ("s.gif", gif_with_markers(&delivered("fmt=gif"))),
        ("s.webp", webp_with_markers(&delivered("fmt=webp"))),
        ("s.tif", [delivered("fmt=tif"), MARKER.to_vec()].concat()),
    ];
    let mut count = 0;
    for (source, bytes) in &sources {
        assert!(holds(bytes, MARKER), "{source}");
        scene.site.image(source, bytes);
        for format in [
            "jpeg",
            "jpeg,cmyk",
            "pjpeg",
            "png",
            "png-alpha",
            "png8",
            "gif",
            "gif-alpha",
            "tif",
            "tif,,zip",
            "tif,,jpeg",
            "tif-alpha",
            "webp",
            "webp,,lossless",
            "webp-alpha",
        ] {
            // Unscaled, so that nothing stands between source and encoder.
            let id = format!("W-8 {source} {format}");
            let target = format!("{source}?fmt={format}&req=saveToFile&name=x.jpg");
            assert_done(&id, &scene.get(&target));
            let saved = fs::read(scene.saved("x.jpg")).expect(&id);
            assert!(!holds(&saved, b"marker()"), "{id}");
            assert!(!holds(&saved, b"<?php"), "{id}");
            count += 1;
        }
    }
    assert_eq!(count, 75);
    let with_xmp = scene.get("s.jpg?xmpEmbed=1&req=saveToFile&name=x.jpg");
    assert_eq!(with_xmp.status, 403, "W-8: not copied: {}", text(&with_xmp));
}

#[test]
fn default_suffixes_are_those_of_pictures() {
    let scene = Scene::new();
    let mut count = 0;
    for suffix in [
        "jpg", "jpeg", "jpe", "jfif", "png", "gif", "tif", "tiff", "webp", "avif", "heic", "jp2",
        "j2k", "jpx", "jxr", "wdp", "pdf", "eps", "JPG",
    ] {
        let target = format!("photo.png?wid=9&req=saveToFile&name=x.{suffix}");
        scene.saves(&format!("W-9 RQ-126 {suffix}"), &target, &format!("x.{suffix}"));
        count += 1;
    }
    assert_eq!(count, 19);
    for suffix in ["html", "htm", "xhtml", "svg", "svgz", "xml", "js", "mjs", "css", "wasm", "mht"]
    {
        let target = format!("photo.png?wid=9&req=saveToFile&name=x.{suffix}");
        scene.refuses(&format!("W-9 {suffix}"), &target, "Invalid file name");
    }
    let own = "saveToFile.suffixes = dat\nsaveToFile.deniedParts = cgi\n";
    let own = Scene::with(own, FIXTURE_INI, &[]);
    own.saves("U-save-suffix listed", "photo.png?req=saveToFile&name=x.dat", "x.dat");
    own.saves("U-save-suffix", "photo.png?req=saveToFile&name=x.php.dat", "x.php.dat");
    own.refuses("U-save-suffix", "photo.png?req=saveToFile&name=x.jpg", "Invalid file name");
    own.refuses("U-save-suffix", "photo.png?req=saveToFile&name=x.cgi.dat", "Invalid file name");
    let any = Scene::with("saveToFile.suffixes = *\n", FIXTURE_INI, &[]);
    any.saves("U-save-suffix any", "photo.png?req=saveToFile&name=x.abc", "x.abc");
}

#[test]
fn the_suffix_chooses_the_format_where_that_is_switched_on() {
    let scene = Scene::with("saveToFile.formatFromSuffix = true\n", FIXTURE_INI, &[]);
    for (id, name, query, start) in [
        ("jpeg", "a.JPG", "", b"\xff\xd8\xff".as_slice()),
        ("png", "a.png", "", b"\x89PNG"),
        ("gif", "a.gif", "", b"GIF8"),
        ("tif", "a.tiff", "", b"II*\0"),
        ("webp", "a.webp", "", b"RIFF"),
        ("none is jpeg", "a", "", b"\xff\xd8\xff"),
        ("another is jpeg", "a.jp2", "", b"\xff\xd8\xff"),
        ("fmt decides", "b.png", "&fmt=gif", b"GIF8"),
    ] {
        let id = format!("U-save-format {id}");
        let target = format!("photo.png?wid=20&req=saveToFile&name={name}{query}");
        let bytes = scene.saves(&id, &target, name);
        assert!(bytes.starts_with(start), "{id}");
    }
    scene.refuses("U-save-format", "photo.png?req=saveToFile&name=a.avif", "Not supported");
}
