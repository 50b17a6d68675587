//! `req=xmp`: the packet of every format, and what of a packet reaches a client (RQ-118, U-xmp).

use std::io::Cursor;

use imprint::codec::{self, Chroma, Encoding, Metadata, TiffCompression, xmp};
use imprint::limits::Limits;
use imprint::raster::{Canvas, Pixels};

use super::readers::documents;
use super::*;
use crate::support::pictures::{file, flat, unhurried};
use crate::support::site::{get, text};

const DOCUMENT: &str = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
    xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" \
    xmlns:dc=\"http://purl.org/dc/elements/1.1/\" dc:title=\"Gr\u{fc}\u{df}e &amp; \u{96ea}\"/></rdf:RDF></x:xmpmeta>";

/// A packet as writers make them: wrapper and padding.
fn packet() -> String {
    let padding = format!("\n{}\n", " ".repeat(100)).repeat(20);
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n{DOCUMENT}{padding}<?xpacket end=\"w\"?>"
    )
}

fn picture() -> Canvas {
    flat(20, 10, [200, 100, 50])
}

fn with_metadata(encoding: &Encoding, packet: &[u8]) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let metadata = Metadata { xmp: Some(packet), ..Metadata::default() };
    let pixels = Pixels::Canvas(picture());
    codec::encode(&pixels, encoding, &metadata, &mut out, &Limits::default(), &unhurried())
        .expect("the picture can be encoded");
    out.into_inner()
}

fn jpeg(packet: &[u8]) -> Vec<u8> {
    let encoding =
        Encoding::Jpeg { quality: 90, chroma: Chroma::Full, progressive: None, limit_bytes: None };
    with_metadata(&encoding, packet)
}

fn tiff(packet: &[u8]) -> Vec<u8> {
    let encoding =
        Encoding::Tiff { compression: TiffCompression::None, quality: 90, chroma: Chroma::Full };
    with_metadata(&encoding, packet)
}

/// A PNG with an iTXt chunk behind its header, deflated or not.
fn png_with(packet: &[u8], is_deflated: bool) -> Vec<u8> {
    let mut data = b"iTXtXML:com.adobe.xmp\0".to_vec();
    data.extend([u8::from(is_deflated), 0, 0, 0]);
    match is_deflated {
        true => {
            let mut encoder = flate2::write::ZlibEncoder::new(data, flate2::Compression::best());
            std::io::Write::write_all(&mut encoder, packet).expect("a buffer");
            data = encoder.finish().expect("a buffer");
        }
        false => data.extend_from_slice(packet),
    }
    let mut sum = flate2::Crc::new();
    sum.update(&data);
    let mut chunk = u32::try_from(data.len() - 4).expect("short").to_be_bytes().to_vec();
    chunk.extend(data);
    chunk.extend(sum.sum().to_be_bytes());
    let mut bytes = png(&picture());
    // Signature and header chunk.
    bytes.splice(33..33, chunk);
    bytes
}

/// An extended WebP around a simple one.
fn webp(packet: &[u8]) -> Vec<u8> {
    let simple = file(&picture(), &Encoding::WebpLossless);
    let padded = |tag: &[u8], data: &[u8]| {
        let mut chunk = tag.to_vec();
        chunk.extend(u32::try_from(data.len()).expect("short").to_le_bytes());
        chunk.extend_from_slice(data);
        if data.len() % 2 == 1 {
            chunk.push(0);
        }
        chunk
    };
    let mut body = b"WEBP".to_vec();
    body.extend(padded(b"VP8X", &[4, 0, 0, 0, 19, 0, 0, 9, 0, 0]));
    body.extend_from_slice(&simple[12..]);
    body.extend(padded(b"XMP ", packet));
    padded(b"RIFF", &body)
}

/// A GIF with the application extension of XMP, whose packet is no chain of blocks but ends in a ramp that leads any
/// reader of blocks to the end.
fn gif(packet: &[u8]) -> Vec<u8> {
    let quantization = codec::Quantization {
        palette: codec::PaletteKind::Web,
        is_dithered: false,
        colors: 256,
        forced: Vec::new(),
    };
    let mut bytes = file(&picture(), &Encoding::Gif(quantization));
    let mut extension = b"\x21\xff\x0bXMP DataXMP".to_vec();
    extension.extend_from_slice(packet);
    extension.push(1);
    extension.extend((0..=255_u8).rev());
    extension.push(0);
    let colors = 3 << ((bytes[10] & 7) + 1);
    let at = 13 + if bytes[10] & 0x80 != 0 { colors } else { 0 };
    bytes.splice(at..at, extension);
    bytes
}

#[test]
fn the_packet_of_every_format_is_sent() {
    let site = shop();
    let own = packet();
    for (name, bytes) in [
        ("a.jpg", jpeg(own.as_bytes())),
        ("a.tif", tiff(own.as_bytes())),
        ("stored.png", png_with(own.as_bytes(), false)),
        ("deflated.png", png_with(own.as_bytes(), true)),
        ("a.webp", webp(own.as_bytes())),
        ("a.gif", gif(own.as_bytes())),
    ] {
        site.image(name, bytes);
    }
    let service = site.service();
    let names = ["a.jpg", "a.tif", "stored.png", "deflated.png", "a.webp", "a.gif"];
    let replies = names.map(|name| get(&service, &format!("{name}?req=xmp&wid=%zz&fit=nope")));
    let expected = format!("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n{DOCUMENT}\n");
    for ((name, reply), found) in
        names.iter().zip(&replies).zip(documents(&replies.iter().collect::<Vec<_>>()))
    {
        assert_eq!((reply.status, text(reply)), (200, expected.clone()), "RQ-118 {name}");
        assert_typed(reply, "text/xml; charset=UTF-8", name);
        assert_eq!(found.error, None, "RQ-118 {name}");
        assert_eq!(found.root, "{adobe:ns:meta/}xmpmeta", "RQ-118 {name}");
        let title = found.pairs.iter().find(|(own, _)| own.ends_with("}title"));
        assert_eq!(title.map(|(_, value)| value.as_str()), Some("Grüße & 雪"), "RQ-118 {name}");
        let props = get(&service, &format!("{name}?req=imageprops"));
        let flag = crate::support::site::property(&props, "image.embeddedXmpData");
        assert_eq!(flag.as_deref(), Some("1"), "RQ-100 {name}");
    }
}

#[test]
fn an_image_without_a_good_packet_has_an_empty_document() {
    let site = shop();
    site.write("catalogs/shop.txt", "Id\tPath\tModifier\ntemplate\t\tsize=5,5&color=0\n");
    let doubled =
        "<!DOCTYPE x [<!ENTITY a \"aa\">]><x:xmpmeta xmlns:x=\"adobe:ns:meta/\">&a;</x:xmpmeta>";
    let inflating = vec![b' '; 20 << 20];
    site.image("entities.jpg", jpeg(doubled.as_bytes()));
    site.image("broken.jpg", jpeg(b"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">"));
    site.image("latin.tif", tiff(b"<a b=\"\xe9\"/>"));
    site.image("bomb.png", png_with(&inflating, true));
    let service = site.service();
    let empty =
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/>\n";
    for target in ["a.png", "shop/template", "entities.jpg", "broken.jpg", "latin.tif", "bomb.png"]
    {
        let reply = get(&service, &format!("{target}?req=xmp"));
        assert_eq!((reply.status, text(&reply).as_str()), (200, empty), "RQ-118 U-xmp {target}");
        assert_typed(&reply, "text/xml; charset=UTF-8", target);
    }
    for target in ["nowhere.png", "shop/nobody", "shop"] {
        let reply = get(&service, &format!("{target}?req=xmp"));
        assert_eq!(reply.status, 403, "{target}: {}", text(&reply));
    }
}

/// Text in another encoding.
fn wide(text: &str, width: usize, is_big: bool) -> Vec<u8> {
    let units: Vec<u32> = match width {
        2 => text.encode_utf16().map(u32::from).collect(),
        _ => text.chars().map(u32::from).collect(),
    };
    let bytes = |unit: u32| {
        let all = unit.to_be_bytes();
        let mut bytes = all[4 - width..].to_vec();
        if !is_big {
            bytes.reverse();
        }
        bytes
    };
    units.into_iter().flat_map(bytes).collect()
}

#[test]
fn packets_are_unwrapped_and_checked() {
    let good = format!("{DOCUMENT}\n");
    let own = packet();
    let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n{DOCUMENT}");
    let nested = format!("{}{}", "<a>".repeat(300), "</a>".repeat(300));
    let padded = [DOCUMENT.as_bytes(), &[0; 50]].concat();
    for (name, bytes, is_good) in [
        ("wrapped", own.clone().into_bytes(), true),
        ("bare", DOCUMENT.as_bytes().to_vec(), true),
        ("padded with zeros", padded, true),
        ("declaration", declared.clone().into_bytes(), true),
        ("byte order mark", format!("\u{feff}{own}").into_bytes(), true),
        ("UTF-16BE", wide(&own, 2, true), true),
        ("UTF-16LE", wide(&own, 2, false), true),
        ("UTF-16BE with mark", wide(&format!("\u{feff}{declared}"), 2, true), true),
        ("UTF-16LE with mark", wide(&format!("\u{feff}{own}"), 2, false), true),
        ("UTF-32BE", wide(&own, 4, true), true),
        ("UTF-32LE with mark", wide(&format!("\u{feff}{own}"), 4, false), true),
        ("nothing", Vec::new(), false),
        ("text", b"no XML".to_vec(), false),
        ("two roots", b"<a/><b/>".to_vec(), false),
        ("text behind", b"<a/>x".to_vec(), false),
        ("wrong end", b"<a></b>".to_vec(), false),
        ("no end", b"<a><b></b>".to_vec(), false),
        ("prefix not bound", b"<x:a/>".to_vec(), false),
        ("prefix of an attribute not bound", b"<a x:b=\"\"/>".to_vec(), false),
        ("attribute twice", b"<a b=\"\" b=\"\"/>".to_vec(), false),
        ("attribute without quotes", b"<a b=c/>".to_vec(), false),
        ("less-than in an attribute", b"<a b=\"<\"/>".to_vec(), false),
        ("ampersand", b"<a>a & b</a>".to_vec(), false),
        ("unknown entity", b"<a>&nbsp;</a>".to_vec(), false),
        ("unknown entity of an attribute", b"<a b=\"&x;\"/>".to_vec(), false),
        ("character 0", b"<a>&#0;</a>".to_vec(), false),
        ("control character", b"<a>\x01</a>".to_vec(), false),
        ("end of CDATA", b"<a>]]></a>".to_vec(), false),
        ("name", b"<1a/>".to_vec(), false),
        ("not UTF-8", b"<a>\xff</a>".to_vec(), false),
        ("half a surrogate", wide("<a>", 2, true).into_iter().chain([0xd8, 0]).collect(), false),
        ("document type", b"<!DOCTYPE a><a/>".to_vec(), false),
        ("too deep", nested.into_bytes(), false),
    ] {
        let found = xmp::document(&bytes);
        assert_eq!(found, is_good.then(|| good.clone()), "U-xmp {name}");
    }
    let kept = "<a><!-- c --><![CDATA[<&]]>&lt;&#233;<?p q?></a>";
    assert_eq!(xmp::document(kept.as_bytes()), Some(format!("{kept}\n")), "U-xmp as stored");
}
