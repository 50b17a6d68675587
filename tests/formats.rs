//! Reply formats through the service, read back by readers of this file's own and by libvips (F154 to F169, F172).

use std::io::Read;
use std::process::Command;

use imprint::codec::{self, Chroma, Encoding, Metadata};
use imprint::limits::Limits;
use imprint::raster::{Canvas, Pixels};
use imprint::reply::Reply;
use imprint::service::Service;

use crate::codec_jpeg::{find, segments};
use crate::support::pictures::{
    decoded, difference, drawn, masked, pixel, png, quadrants, textured, unhurried,
};
use crate::support::site::{Site, get, text};

/// A profile's shape; nobody looks inside.
fn profile() -> Vec<u8> {
    let mut icc: Vec<u8> = (0..3000u32).map(|i| (i * 7 % 251) as u8).collect();
    icc[..4].copy_from_slice(&3000u32.to_be_bytes());
    icc[36..40].copy_from_slice(b"acsp");
    icc[16..20].copy_from_slice(b"RGB ");
    icc
}

fn with(canvas: &Canvas, encoding: &Encoding, metadata: &Metadata<'_>) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let pixels = Pixels::Canvas(canvas.clone());
    codec::encode(&pixels, encoding, metadata, &mut out, &Limits::default(), &unhurried())
        .expect("the picture can be encoded");
    out.into_inner()
}

fn site() -> Site {
    let site = Site::new();
    site.image("A.png", png(&textured(400, 300)));
    site.image("Q.png", png(&quadrants()));
    site.image("M.png", png(&masked()));
    let noise = drawn(300, 300, |x, y| {
        let mix = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).wrapping_mul(97);
        [(mix >> 8) as u8, (mix >> 16) as u8, (mix >> 24) as u8]
    });
    site.image("noise.png", png(&noise));
    let icc = profile();
    let tagged = Metadata { icc: Some(&icc), ..Metadata::default() };
    site.image("tagged.png", with(&textured(120, 90), &Encoding::Png, &tagged));
    let dense = Metadata { density_ppi: Some(150.0), ..Metadata::default() };
    let jpeg =
        Encoding::Jpeg { quality: 90, chroma: Chroma::Full, progressive: None, limit_bytes: None };
    site.image("dense.jpg", with(&textured(60, 40), &jpeg, &dense));
    site
}

fn ok(service: &Service, target: &str) -> Reply {
    let reply = get(service, target);
    assert_eq!(reply.status, 200, "{target}: {}", text(&reply));
    reply
}

fn body(service: &Service, target: &str) -> Vec<u8> {
    ok(service, target).body.to_vec()
}

/// Frame marker, and for each component its horizontal and vertical factor.
fn frame(jpeg: &[u8]) -> (u8, Vec<(u8, u8)>) {
    let all = segments(jpeg);
    let is_frame = |code: u8| (0xc0..=0xcf).contains(&code) && ![0xc4, 0xc8, 0xcc].contains(&code);
    let (code, payload) = all.iter().find(|(code, _)| is_frame(*code)).expect("a frame");
    let factors = payload[6..].chunks_exact(3).map(|c| (c[1] >> 4, c[1] & 15)).collect();
    (*code, factors)
}

/// Of each scan: number of components, first and last coefficient, approximation byte.
fn scans(jpeg: &[u8]) -> Vec<(u8, u8, u8, u8)> {
    let all = segments(jpeg);
    let starts = all.iter().filter(|(code, _)| *code == 0xda);
    starts
        .map(|(_, payload)| {
            let at = 1 + 2 * usize::from(payload[0]);
            (payload[0], payload[at], payload[at + 1], payload[at + 2])
        })
        .collect()
}

/// The chunks of a PNG.
fn chunks(png: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut at = 8;
    while at + 12 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes")) as usize;
        let name = String::from_utf8_lossy(&png[at + 4..at + 8]).into_owned();
        found.push((name, png[at + 8..at + 8 + length].to_vec()));
        at += 12 + length;
    }
    found
}

fn chunk(png: &[u8], name: &str) -> Option<Vec<u8>> {
    chunks(png).into_iter().find(|(own, _)| own == name).map(|(_, data)| data)
}

/// The values of a tag in the first directory of a little- or big-endian TIFF; rationals as their quotients.
fn tag(tiff: &[u8], wanted: u16) -> Vec<f64> {
    let is_big = tiff.starts_with(b"MM");
    let number = |at: usize, bytes: usize| {
        let digits = tiff[at..at + bytes].iter();
        let fold = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if is_big { digits.fold(0, fold) } else { digits.rev().fold(0, fold) }
    };
    let directory = number(4, 4) as usize;
    for entry in 0..number(directory, 2) as usize {
        let at = directory + 2 + entry * 12;
        if number(at, 2) != u64::from(wanted) {
            continue;
        }
        let bytes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8][number(at + 2, 2) as usize];
        let count = number(at + 4, 4) as usize;
        let start = if bytes * count > 4 { number(at + 8, 4) as usize } else { at + 8 };
        return (0..count)
            .map(|index| {
                let at = start + index * bytes;
                match bytes {
                    8 => number(at, 4) as f64 / number(at + 4, 4) as f64,
                    bytes => number(at, bytes) as f64,
                }
            })
            .collect();
    }
    Vec::new()
}

#[test]
fn jpeg_replies_have_the_markers_that_were_asked_for() {
    let site = site();
    let service = site.service();
    let plain = ok(&service, "A.png");
    assert_eq!(plain.header("Content-Type"), Some("image/jpeg"), "F154");
    for same in ["A.png?fmt=jpeg", "A.png?fmt=jpg", "A.png?fmt=jpeg,rgb", "A.png?qlt=80"] {
        assert_eq!(body(&service, same), *plain.body, "F154 F165: {same}");
    }
    assert_eq!(frame(&plain.body), (0xc0, vec![(2, 2), (1, 1), (1, 1)]), "F154 F155");
    assert_eq!(body(&service, "A.png?fmt=jpeg&pscan=4"), *plain.body, "F155: ignored for jpeg");
    assert_eq!(frame(&body(&service, "A.png?fmt=pjpeg")).0, 0xc2, "F155");
    let passes = |pscan: &str| {
        let mut passes: Vec<(u8, u8)> = Vec::new();
        for (_, first, last, approximation) in
            scans(&body(&service, &format!("A.png?fmt=pjpeg&pscan={pscan}")))
        {
            assert_eq!(approximation, 0, "U076: no successive approximation");
            if passes.last() != Some(&(first, last)) && !passes.contains(&(first, last)) {
                passes.push((first, last));
            }
        }
        passes.sort_unstable();
        passes
    };
    assert_eq!(passes("3"), [(0, 0), (1, 5), (6, 63)], "F155 U076");
    assert_eq!(passes("4"), [(0, 0), (1, 5), (6, 20), (21, 63)], "F155 D58");
    assert_eq!(passes("5"), [(0, 0), (1, 5), (6, 14), (15, 27), (28, 63)], "F155");
    let gray = body(&service, "A.png?fmt=jpeg,gray&qlt=60&wid=200");
    assert_eq!(frame(&gray).1.len(), 1, "F156 D48");
    let cmyk = body(&service, "A.png?fmt=jpeg,cmyk");
    assert_eq!(frame(&cmyk).1, [(1, 1); 4], "F156");
    let adobe = find(&cmyk, 0xee).expect("F156: an Adobe marker");
    assert_eq!((&adobe[..5], adobe[11]), (&b"Adobe"[..], 0), "U090: transform 0");
    let inks = decoded(&body(&service, "Q.png?fmt=jpeg,cmyk&qlt=100"));
    assert!(pixel(&inks, 20, 20)[1] > 250 && pixel(&inks, 20, 20)[0] < 5, "U090: red is no cyan");
    let full = body(&service, "A.png?qlt=95,1&wid=300");
    assert_eq!(frame(&full), (0xc0, vec![(1, 1); 3]), "F165 D60");
    assert_eq!(frame(&body(&service, "A.png?qlt=90")).1[0], (2, 2), "F165 U077");
    assert_eq!(
        body(&service, "A.png?fmt=jpeg,gray&qlt=90,1"),
        body(&service, "A.png?fmt=jpeg,gray&qlt=90"),
        "F165: chroma is ignored for gray"
    );
    let bytes = |target: &str| body(&service, target).len();
    assert!(bytes("A.png?qlt=40") < bytes("A.png?qlt=90"), "F165");
    assert_eq!(
        body(&service, "A.png?fmt=png&qlt=10"),
        body(&service, "A.png?fmt=png"),
        "F165: no quality in PNG"
    );
    for (beyond, nearest) in [("qlt=0", "qlt=1"), ("qlt=101", "qlt=100")] {
        let (one, other) = (format!("A.png?{beyond}"), format!("A.png?{nearest}"));
        assert_eq!(body(&service, &one), body(&service, &other), "U004: {beyond}");
    }
    let d47 = decoded(&body(&service, "A.png?qlt=60&wid=200"));
    assert_eq!((d47.size.width, d47.size.height), (200, 150), "D47");
}

#[test]
fn a_jpeg_size_gives_the_best_quality_that_fits() {
    let site = site();
    let service = site.service();
    let limited = body(&service, "A.png?qlt=95&jpegSize=10");
    assert!(limited.len() <= 10_240, "F166: {}", limited.len());
    let same = (1..=95).rev().find(|q| body(&service, &format!("A.png?qlt={q}")) == limited);
    let quality = same.expect("F166: a quality gives these bytes");
    if quality < 95 {
        let next = body(&service, &format!("A.png?qlt={}", quality + 1));
        assert!(next.len() > 10_240, "F166: {} would fit at {}", next.len(), quality + 1);
    }
    let free = body(&service, "noise.png?qlt=95");
    assert!(free.len() > 40_960);
    assert_eq!(body(&service, "noise.png?qlt=95&jpegSize=0"), free, "F166: no limit");
    let noisy = body(&service, "noise.png?qlt=95&jpegSize=40");
    assert!(noisy.len() <= 40_960 && frame(&noisy).1[0] == (2, 2), "F166 U072");
    for impossible in ["noise.png?jpegSize=1", "A.png?jpegSize=-1"] {
        assert_eq!(get(&service, impossible).status, 403, "F166: {impossible}");
    }
    assert_eq!(get(&service, "noise.png?jpegSize=1&fmt=png").status, 200, "ignored beside png");
}

#[test]
fn png_and_gif_replies_have_the_types_that_were_asked_for() {
    let site = site();
    let service = site.service();
    for (target, color_type) in [
        ("A.png?fmt=png", 2),
        ("A.png?fmt=png,gray", 0),
        ("M.png?fmt=png-alpha", 6),
        ("M.png?fmt=png-alpha,gray", 4),
        ("A.png?fmt=png8", 3),
        ("M.png?fmt=png8-alpha", 3),
    ] {
        let png = body(&service, target);
        let header = chunk(&png, "IHDR").expect("a header");
        assert_eq!(header[9], color_type, "F157 F158: {target}");
        if color_type != 3 {
            assert_eq!(header[8], 8, "{target}: always 8 bits");
            assert_eq!(chunk(&png, "PLTE"), None, "{target}");
            let mut rows = Vec::new();
            let data: Vec<u8> = chunks(&png)
                .into_iter()
                .filter(|(name, _)| name == "IDAT")
                .flat_map(|(_, data)| data)
                .collect();
            flate2::read::ZlibDecoder::new(&data[..]).read_to_end(&mut rows).expect("zlib data");
            let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("4"));
            let channels = [1, 0, 3, 0, 2, 0, 4][usize::from(color_type)];
            assert_eq!(rows.len() as u32, number(4) * (1 + number(0) * channels), "{target}");
        }
    }
    let palette = chunk(&body(&service, "A.png?fmt=png8"), "PLTE").expect("a palette");
    assert!(palette.len() <= 768 && palette.len().is_multiple_of(3), "F158");
    let small = chunk(&body(&service, "A.png?fmt=png8&quantize=adaptive,off,5"), "PLTE");
    assert!(small.expect("a palette").len() <= 15, "F158 numColors");
    let transparent = chunk(&body(&service, "M.png?fmt=png8-alpha"), "tRNS").expect("F158: tRNS");
    assert!(transparent.contains(&0));
    let gif = body(&service, "A.png?fmt=gif");
    assert!(gif.starts_with(b"GIF8") && gif[10] & 0x80 != 0, "F158: a global palette");
    let keyed = body(&service, "M.png?fmt=gif-alpha");
    let control = keyed.windows(3).position(|w| w == [0x21, 0xf9, 4]).expect("F158: a control");
    assert_eq!(keyed[control + 3] & 1, 1, "F158: a transparent index");
    let web = decoded(&body(&service, "A.png?fmt=gif&quantize=web,off"));
    assert!(web.data.iter().all(|v| v % 51 == 0), "F167: web-safe colors only");
    let two = decoded(&body(&service, "A.png?fmt=gif&quantize=adaptive,off,2,000000,ffffff"));
    assert!(two.data.chunks_exact(3).all(|p| p == [0; 3] || p == [255; 3]), "F167");
    assert!(two.data.contains(&0) && two.data.contains(&255), "F167: both are used");
    let d54 = "M.png?fmt=gif-alpha&wid=100&quantize=adaptive,off,2,000000,ffffff";
    let d54 = decoded(&body(&service, d54));
    assert_eq!(d54.channels(), 4);
    for pixel in d54.data.chunks_exact(4).filter(|pixel| pixel[3] != 0) {
        assert!(pixel[..3] == [0; 3] || pixel[..3] == [255; 3], "D54: {pixel:?}");
    }
    assert!(d54.data.chunks_exact(4).any(|pixel| pixel[3] == 0), "D54: a key color");
}

#[test]
fn tiff_and_webp_replies_have_the_forms_that_were_asked_for() {
    let site = site();
    let service = site.service();
    for (target, compression, samples, photometric) in [
        ("A.png?fmt=tif", 1.0, 3.0, 2.0),
        ("A.png?fmt=tif,,none", 1.0, 3.0, 2.0),
        ("A.png?fmt=tif,,lzw", 5.0, 3.0, 2.0),
        ("A.png?fmt=tif,,zip", 8.0, 3.0, 2.0),
        ("A.png?fmt=tif,,jpeg&qlt=95&wid=300", 7.0, 3.0, 6.0),
        ("A.png?fmt=tif,cmyk&wid=300", 1.0, 4.0, 5.0),
        ("A.png?fmt=tif,gray", 1.0, 1.0, 1.0),
        ("M.png?fmt=tif-alpha", 1.0, 4.0, 2.0),
        ("M.png?fmt=tif-alpha,cmyk", 1.0, 5.0, 5.0),
        ("M.png?fmt=tif-alpha,gray,zip", 8.0, 2.0, 1.0),
    ] {
        let tiff = body(&service, target);
        assert_eq!(tag(&tiff, 259), [compression], "F159: {target}");
        assert_eq!(tag(&tiff, 277), [samples], "F159: {target}");
        assert_eq!(tag(&tiff, 262), [photometric], "F159: {target}");
        let extra = if target.contains("alpha") { vec![2.0] } else { Vec::new() };
        assert_eq!(tag(&tiff, 338), extra, "F159: {target}: unassociated");
    }
    let plain = decoded(&body(&service, "A.png?fmt=png"));
    for lossless in ["tif", "tif,,lzw", "tif,,zip", "webp,,lossless"] {
        assert_eq!(decoded(&body(&service, &format!("A.png?fmt={lossless}"))), plain, "{lossless}");
    }
    for (target, name) in [
        ("A.png?fmt=webp&qlt=80", &b"VP8 "[..]),
        ("A.png?fmt=webp,,lossy", b"VP8 "),
        ("A.png?fmt=webp,,lossless", b"VP8L"),
        ("M.png?fmt=webp-alpha,,lossless", b"VP8L"),
    ] {
        let webp = body(&service, target);
        assert!(webp.windows(4).any(|w| w == name), "F160: {target}");
        let length = u32::from_le_bytes(webp[4..8].try_into().expect("4")) as usize + 8;
        assert!(webp.len() == length || webp.len() == length + 1, "{target}: the RIFF length");
    }
    let exact = decoded(&body(&service, "M.png?fmt=webp-alpha,,lossless"));
    assert_eq!(exact, masked(), "F160 D56: pixel-exact with alpha, hidden colors too");
    let lossy = decoded(&body(&service, "A.png?fmt=webp&qlt=90"));
    let lossy = difference(&lossy, &plain);
    assert!((1..60).contains(&lossy), "D55: lossy by {lossy}");
    let covered = decoded(&body(&service, "M.png?fmt=webp,,lossless&bgc=1,2,3"));
    assert_eq!(pixel(&covered, 0, 0), [1, 2, 3], "no alpha: laid over bgc");
}

#[test]
fn formats_are_sent_with_their_types_or_refused() {
    let site = site();
    let service = site.service();
    let sent = [
        ("jpeg", "image/jpeg"),
        ("jpg", "image/jpeg"),
        ("pjpeg", "image/jpeg"),
        ("png", "image/png"),
        ("png-alpha", "image/png"),
        ("png8", "image/png"),
        ("png8-alpha", "image/png"),
        ("gif", "image/gif"),
        ("gif-alpha", "image/gif"),
        ("tif", "image/tiff"),
        ("tif-alpha", "image/tiff"),
        ("tiff", "image/tiff"),
        ("webp", "image/webp"),
        ("webp-alpha", "image/webp"),
        ("web-alpha", "image/webp"),
    ];
    for (format, mime) in sent {
        let reply = ok(&service, &format!("M.png?wid=20&fmt={format}"));
        assert_eq!(reply.header("Content-Type"), Some(mime), "F164: {format}");
    }
    for format in [
        "avif",
        "avif-alpha",
        "jpeg2000",
        "jpeg2000-alpha",
        "jpegxr",
        "jpegxr-alpha",
        "heic",
        "eps",
        "pdf",
        "swf",
        "swf3",
        "swf-alpha",
        "swf3-alpha",
        "f4m",
        "m3u8",
    ] {
        let status = get(&service, &format!("A.png?wid=20&fmt={format}")).status;
        assert_eq!(status, 403, "U088 U-status: {format}");
    }
    for refused in [
        "fmt=jpeg,,lzw",
        "fmt=png,,zip",
        "fmt=webp,,none",
        "fmt=bmp",
        "fmt=png,cmyk",
        "fmt=png8,gray",
        "fmt=webp,gray",
        "fmt=gif,cmyk",
        "fmt=tif-alpha,,jpeg",
        "fmt=jpeg,purple",
        "fmt=pjpeg&pscan=7",
        "fmt=gif&quantize=adaptive,off,1",
        "fmt=gif&quantize=adaptive,off,257",
        "fmt=gif&quantize=adaptive,off,2,0xffffff",
        "fmt=gif-alpha&quantize=mac",
        "fmt=png8-alpha&quantize=mac",
        "printRes=0",
    ] {
        assert_eq!(get(&service, &format!("A.png?{refused}")).status, 403, "F163 F168: {refused}");
    }
}

/// What a reply embeds as its profile.
fn embedded(bytes: &[u8]) -> Option<Vec<u8>> {
    match bytes {
        [0xff, 0xd8, ..] => {
            let payload = find(bytes, 0xe2)?;
            payload.strip_prefix(b"ICC_PROFILE\0\x01\x01").map(<[u8]>::to_vec)
        }
        [0x89, ..] => {
            let data = chunk(bytes, "iCCP")?;
            let name = data.iter().position(|b| *b == 0)?;
            let mut icc = Vec::new();
            flate2::read::ZlibDecoder::new(&data[name + 2..]).read_to_end(&mut icc).ok()?;
            Some(icc)
        }
        [b'I' | b'M', ..] => {
            let icc = tag(bytes, 34675);
            (!icc.is_empty()).then(|| icc.iter().map(|v| *v as u8).collect())
        }
        _ => bytes.windows(4).any(|w| w == b"ICCP").then(Vec::new),
    }
}

#[test]
fn the_profile_of_the_source_is_embedded_on_request_only() {
    let site = site();
    let service = site.service();
    for format in ["jpeg", "pjpeg", "png", "png-alpha", "png8", "tif", "tif-alpha", "tif,,jpeg"] {
        let target = format!("tagged.png?wid=60&fmt={format}");
        assert_eq!(embedded(&body(&service, &target)), None, "F169: {format}, none by default");
        let with = body(&service, &format!("{target}&iccEmbed=1"));
        assert_eq!(embedded(&with), Some(profile()), "F169: {format}");
    }
    for format in ["gif", "webp", "webp-alpha,,lossless", "jpeg,gray", "tif,cmyk"] {
        let reply = body(&service, &format!("tagged.png?fmt={format}&iccEmbed=1"));
        assert_eq!(embedded(&reply), None, "F169: {format} takes none");
    }
    assert_eq!(embedded(&body(&service, "A.png?fmt=png&iccEmbed=1")), None, "F169: none known");
    let values = decoded(&body(&service, "tagged.png?fmt=png&iccEmbed=1"));
    assert_eq!(values, textured(120, 90), "F179: unchanged values");
}

#[test]
fn print_resolution_is_written_where_the_format_holds_it() {
    let site = site();
    let service = site.service();
    let jfif = |target: &str| {
        let payload = find(&body(&service, target), 0xe0).expect("JFIF");
        (payload[7], [payload[8], payload[9], payload[10], payload[11]])
    };
    let at = |ppi: u16| (1, [(ppi >> 8) as u8, ppi as u8, (ppi >> 8) as u8, ppi as u8]);
    assert_eq!(jfif("A.png?printRes=300"), at(300), "F172");
    assert_eq!(jfif("dense.jpg"), at(150), "F172: then the source's own");
    assert_eq!(jfif("dense.jpg?printRes=300"), at(300), "F172");
    assert_eq!(jfif("A.png"), (0, [0, 1, 0, 1]), "U074: none known");
    let physical = chunk(&body(&service, "A.png?printRes=300&fmt=png"), "pHYs").expect("F172");
    let meter = 11_811u32.to_be_bytes();
    assert_eq!(physical, [&meter[..], &meter, &[1]].concat(), "F172");
    assert_eq!(chunk(&body(&service, "A.png?fmt=png"), "pHYs"), None, "U074");
    let tiff = body(&service, "A.png?printRes=300&fmt=tif&wid=50");
    assert_eq!(
        (tag(&tiff, 282), tag(&tiff, 283), tag(&tiff, 296)),
        (vec![300.0], vec![300.0], vec![2.0])
    );
    let size = decoded(&body(&service, "A.png?printRes=300&fmt=png")).size;
    assert_eq!((size.width, size.height), (400, 300), "F172: size unchanged");
}

#[test]
fn libvips_reads_what_is_sent() {
    let site = site();
    let service = site.service();
    let mut count = 0;
    for (target, bands, interpretation) in [
        ("A.png?wid=90", 3, "srgb"),
        ("A.png?wid=90&fmt=pjpeg,gray", 1, "b-w"),
        ("A.png?wid=90&fmt=jpeg,cmyk", 4, "cmyk"),
        ("M.png?wid=90&fmt=png-alpha", 4, "srgb"),
        ("M.png?wid=90&fmt=tif-alpha,cmyk", 5, "cmyk"),
        ("A.png?wid=90&fmt=tif,gray,zip", 1, "b-w"),
        ("A.png?wid=90&fmt=tif,,jpeg", 3, "srgb"),
        ("M.png?wid=90&fmt=webp-alpha", 4, "srgb"),
        ("A.png?wid=90&fmt=gif", 3, "srgb"),
    ] {
        site.write("reply", body(&service, target));
        let output = Command::new("vipsheader").arg("-a").arg(site.path("reply")).output();
        let output = output.unwrap_or_else(|e| panic!("vipsheader (package libvips-tools): {e}"));
        let fields = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{target}: {}", String::from_utf8_lossy(&output.stderr));
        for field in [
            "width: 90".to_owned(),
            format!("bands: {bands}"),
            format!("interpretation: {interpretation}"),
        ] {
            assert!(fields.lines().any(|line| line == field), "{target}: no {field} in\n{fields}");
        }
        count += 1;
    }
    assert_eq!(count, 9);
}
