//! Bytes to pixels and back: round trips, regions, palettes, what is kept beside the pixels, and other programs' views.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use imprint::codec::{self, Chroma, Encoding, Form, Format, Header, Input, Metadata};
use imprint::codec::{PaletteKind, Quantization, TiffCompression, Wanted};
use imprint::error::{Error, Kind};
use imprint::geometry::{Rect, Size};
use imprint::limits::{Deadline, Limits};
use imprint::raster::{Alpha, Canvas, Model, Pixels};

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

/// A picture without two equal neighbors, with every alpha where it has one.
fn drawn(width: u32, height: u32, model: Model, alpha: Alpha) -> Canvas {
    let channels = model.components() as u32 + u32::from(alpha != Alpha::Opaque);
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            data.extend((0..channels).map(|c| (x * 5 + y * (3 + c) + c * 40 + x * y % 7) as u8));
        }
    }
    Canvas { size: Size::new(width, height), model, alpha, data }
}

/// A picture whose pixels are given one by one.
fn painted(width: u32, height: u32, alpha: Alpha, color: impl Fn(u32, u32) -> [u8; 4]) -> Canvas {
    let channels = if alpha == Alpha::Opaque { 3 } else { 4 };
    let pixels = (0..width * height).map(|i| color(i % width, i / width));
    let data = pixels.flat_map(|pixel| pixel.into_iter().take(channels)).collect();
    Canvas { size: Size::new(width, height), model: Model::Rgb, alpha, data }
}

fn encoded_with(
    canvas: &Canvas,
    encoding: &Encoding,
    metadata: &Metadata<'_>,
) -> Result<Vec<u8>, Error> {
    let mut output = Cursor::new(Vec::new());
    let pixels = Pixels::Canvas(canvas.clone());
    codec::encode(&pixels, encoding, metadata, &mut output, &Limits::default(), &deadline())?;
    Ok(output.into_inner())
}

fn encoded(canvas: &Canvas, encoding: &Encoding) -> Vec<u8> {
    encoded_with(canvas, encoding, &Metadata::default())
        .unwrap_or_else(|error| panic!("{encoding:?}: {error}"))
}

fn probed(bytes: &[u8]) -> Result<Header, Error> {
    let (bytes, deadline) = (bytes.to_vec(), deadline());
    codec::probe(&mut Input::new(&bytes, &deadline), &Limits::default())
}

fn part(bytes: &[u8], level: usize, region: Option<Rect>) -> Result<Canvas, Error> {
    let (bytes, deadline, limits) = (bytes.to_vec(), deadline(), Limits::default());
    let mut input = Input::new(&bytes, &deadline);
    let header = codec::probe(&mut input, &limits)?;
    let region = region.unwrap_or(Rect::of(header.levels[level].size));
    let wanted = Wanted { level, region, form: Form::Canvas };
    match codec::decode(&mut input, &header, &wanted, &limits)? {
        Pixels::Canvas(canvas) => Ok(canvas),
        Pixels::Planes(_) => panic!("planes were not asked for"),
    }
}

fn decoded(bytes: &[u8]) -> Canvas {
    part(bytes, 0, None).expect("own bytes decode")
}

fn cropped(whole: &Canvas, region: Rect) -> Canvas {
    let mut data = Vec::new();
    for y in region.top..region.bottom {
        let at = |x: i64| y as usize * whole.row_bytes() + x as usize * whole.channels();
        data.extend(&whole.data[at(region.left)..at(region.right)]);
    }
    Canvas { size: region.size(), data, ..whole.clone() }
}

fn assert_regions_are_crops(name: &str, bytes: &[u8]) {
    let header = probed(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    for (level, form) in header.levels.iter().enumerate() {
        let whole = part(bytes, level, None).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(whole.size, form.size, "{name}, level {level}");
        let (w, h) = (i64::from(form.size.width), i64::from(form.size.height));
        for (left, top, right, bottom) in [
            (0, 0, 1, 1),
            (w - 1, h - 1, w, h),
            (0, h / 2, w, h / 2 + 1),
            (w / 3, h / 3, w - w / 4, h - h / 4),
            (w / 2, 0, w, h),
        ] {
            let region = Rect { left, top, right, bottom };
            let got = part(bytes, level, Some(region));
            let got = got.unwrap_or_else(|e| panic!("{name}, level {level}, {region:?}: {e}"));
            assert_eq!(got, cropped(&whole, region), "{name}, level {level}, {region:?}");
        }
    }
}

fn quantization(colors: u16, is_dithered: bool) -> Quantization {
    Quantization { palette: PaletteKind::Adaptive, is_dithered, colors, forced: Vec::new() }
}

fn tiff(compression: TiffCompression) -> Encoding {
    Encoding::Tiff { compression, quality: 92, chroma: Chroma::Full }
}

const FORMS: [(Model, Alpha); 6] = [
    (Model::Gray, Alpha::Opaque),
    (Model::Gray, Alpha::Straight),
    (Model::Rgb, Alpha::Opaque),
    (Model::Rgb, Alpha::Straight),
    (Model::Cmyk, Alpha::Opaque),
    (Model::Cmyk, Alpha::Straight),
];

const LOSSLESS: [TiffCompression; 3] =
    [TiffCompression::None, TiffCompression::Lzw, TiffCompression::Zip];

#[test]
fn lossless_formats_give_every_pixel_back_and_regions_are_crops() {
    let mut ran = 0;
    for (model, alpha) in FORMS {
        for (width, height) in [(1, 1), (67, 41), (3, 700), (700, 3)] {
            let canvas = drawn(width, height, model, alpha);
            let mut encodings: Vec<Encoding> = LOSSLESS.map(tiff).into();
            if model != Model::Cmyk {
                encodings.push(Encoding::Png);
            }
            for encoding in encodings {
                let name = format!("{encoding:?}, {model:?}, {alpha:?}, {width}x{height}");
                let bytes = encoded(&canvas, &encoding);
                let header = probed(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!((header.size, header.model), (canvas.size, model), "{name}");
                assert_eq!((header.alpha, header.frames), (alpha, 1), "{name}");
                assert_eq!(decoded(&bytes), canvas, "{name}");
                assert_regions_are_crops(&name, &bytes);
                ran += 1;
            }
        }
    }
    assert_eq!(ran, 4 * (6 * 3 + 4), "cases");
}

#[test]
fn tiff_with_jpeg_strips_comes_back_within_a_few_levels() {
    for model in [Model::Gray, Model::Rgb, Model::Cmyk] {
        for chroma in [Chroma::Full, Chroma::Halved] {
            let mut canvas = drawn(67, 41, model, Alpha::Opaque);
            for (index, byte) in canvas.data.iter_mut().enumerate() {
                *byte = (40 + index / canvas.size.width as usize) as u8;
            }
            let encoding =
                Encoding::Tiff { compression: TiffCompression::Jpeg, quality: 95, chroma };
            let bytes = encoded(&canvas, &encoding);
            let got = decoded(&bytes);
            assert_eq!((got.size, got.model), (canvas.size, model), "{model:?}");
            let pairs = got.data.iter().zip(&canvas.data);
            let worst = pairs.map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(12), "{model:?}, {chroma:?}: {worst:?}");
        }
    }
}

#[test]
fn palettes_of_few_colors_are_exact() {
    let key = |c: [u8; 4]| if c[3] < 128 { [0; 4] } else { [c[0], c[1], c[2], 255] };
    for alpha in [Alpha::Opaque, Alpha::Straight] {
        for colors in [2u32, 3, 5, 16, 17, 200] {
            let color = |x: u32, y: u32| {
                let n = (x + y * 31) % colors;
                let shade = if alpha == Alpha::Opaque { 255 } else { (n * 83 % 256) as u8 };
                [(n * 37) as u8, (n * 11) as u8, (n * 5 + 3) as u8, shade]
            };
            let canvas = painted(31, 23, alpha, color);
            for is_dithered in [false, true] {
                let name = format!("{alpha:?}, {colors}, {is_dithered}");
                let options = quantization(256, is_dithered);
                let png = decoded(&encoded(&canvas, &Encoding::Png8(options.clone())));
                let straight = |c: [u8; 4]| if c[3] == 0 { [0; 4] } else { c };
                let expected = painted(31, 23, png.alpha, |x, y| straight(color(x, y)));
                assert_eq!(png, expected, "png8, {name}");
                let gif = decoded(&encoded(&canvas, &Encoding::Gif(options)));
                let expected = painted(31, 23, gif.alpha, |x, y| key(color(x, y)));
                assert_eq!(gif, expected, "gif, {name}");
                assert_regions_are_crops(&name, &encoded(&canvas, &Encoding::Png));
            }
        }
    }
}

fn colors_of(canvas: &Canvas) -> BTreeSet<Vec<u8>> {
    canvas.data.chunks_exact(canvas.channels()).map(<[u8]>::to_vec).collect()
}

#[test]
fn palettes_hold_what_was_asked_for() {
    let canvas = drawn(120, 90, Model::Rgb, Alpha::Opaque);
    let with = |palette, is_dithered, colors, forced: &[[u8; 3]]| Quantization {
        palette,
        is_dithered,
        colors,
        forced: forced.to_vec(),
    };
    let seen = |options: Quantization| {
        let png = colors_of(&decoded(&encoded(&canvas, &Encoding::Png8(options.clone()))));
        let gif = colors_of(&decoded(&encoded(&canvas, &Encoding::Gif(options))));
        assert_eq!(png, gif, "png8 and gif");
        png
    };
    let (black, white) = ([0, 0, 0], [255, 255, 255]);
    let two = BTreeSet::from([black.to_vec(), white.to_vec()]);
    let adaptive = PaletteKind::Adaptive;
    assert_eq!(seen(with(adaptive, false, 2, &[black, white])), two, "F167");
    assert_eq!(seen(with(adaptive, true, 2, &[black, white, [9, 9, 9]])), two, "U079");
    let web = seen(with(PaletteKind::Web, false, 2, &[[1, 2, 3]]));
    assert!(web.len() > 20 && web.iter().flatten().all(|c| c % 0x33 == 0), "F167 web");
    let mac = seen(with(PaletteKind::Mac, true, 2, &[]));
    assert!(mac.iter().flatten().all(|c| c % 0x11 == 0), "F167 mac");
    for colors in [2, 7, 64, 256] {
        for is_dithered in [false, true] {
            let count = seen(with(adaptive, is_dithered, colors, &[])).len();
            assert!(count <= usize::from(colors), "{colors}: {count}");
            assert!(count * 10 >= usize::from(colors) * 8, "{colors}: only {count}");
        }
    }
    let forced = with(adaptive, false, 16, &[[1, 254, 3]]);
    let file = encoded(&canvas, &Encoding::Png8(forced));
    let palette = chunk(&file, b"PLTE").expect("a palette");
    assert!(palette.chunks(3).any(|c| c == [1, 254, 3]), "F167 forced");
}

#[test]
fn quantized_pictures_stay_close_to_the_source() {
    for alpha in [Alpha::Opaque, Alpha::Straight] {
        let smooth =
            |x: u32, y: u32| [(x * 2) as u8, (y * 2) as u8, (x + y) as u8, (255 - y) as u8];
        let canvas = painted(120, 110, alpha, smooth);
        let got = decoded(&encoded(&canvas, &Encoding::Png8(quantization(256, false))));
        let errors = got.data.iter().zip(&canvas.data).map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = errors.sum::<f64>() / got.data.len() as f64;
        assert!(mean < 6.0, "{alpha:?}: mean error {mean}");
    }
}

#[test]
fn hidden_colors_take_no_palette_entry_and_clear_pixels_stay_clear() {
    let color = |x: u32, y: u32| match x % 2 {
        0 => [(x * 7) as u8, (y * 9) as u8, (x * y) as u8, 0],
        _ => [[10, 200, 30, 255], [200, 10, 30, 255], [7, 8, 9, 255]][(y % 3) as usize],
    };
    let canvas = painted(40, 30, Alpha::Straight, color);
    for is_dithered in [false, true] {
        for encoding in [
            Encoding::Gif(quantization(3, is_dithered)),
            Encoding::Png8(quantization(4, is_dithered)),
        ] {
            let got = decoded(&encoded(&canvas, &encoding));
            let expected = painted(40, 30, Alpha::Straight, |x, y| match color(x, y) {
                [_, _, _, 0] => [0; 4],
                color => color,
            });
            assert_eq!(got, expected, "{encoding:?}");
        }
    }
    for (name, value) in [("all clear", [9, 9, 9, 0]), ("one color", [9, 9, 9, 255])] {
        let canvas = painted(5, 5, Alpha::Straight, |_, _| value);
        let gif = decoded(&encoded(&canvas, &Encoding::Gif(quantization(256, true))));
        let expected = if value[3] == 0 { [0; 4] } else { value };
        assert_eq!(gif, painted(5, 5, Alpha::Straight, |_, _| expected), "{name}");
    }
}

#[test]
fn gif_alpha_turns_at_128_and_keeps_one_index_for_the_key() {
    let canvas = painted(256, 3, Alpha::Straight, |x, y| [x as u8, 7, (y * 100) as u8, x as u8]);
    let bytes = encoded(&canvas, &Encoding::Gif(quantization(256, false)));
    let got = decoded(&bytes);
    for (x, pixel) in got.data.chunks_exact(4).enumerate() {
        assert_eq!(pixel[3] == 255, x % 256 >= 128, "F158, U080: alpha {}", x % 256);
    }
}

#[test]
fn the_same_picture_gives_the_same_bytes_on_every_thread() {
    let canvas = drawn(90, 70, Model::Rgb, Alpha::Straight);
    let bytes = || encoded(&canvas, &Encoding::Png8(quantization(64, true)));
    let first = bytes();
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..4).map(|_| scope.spawn(bytes)).collect();
        for other in others {
            assert!(other.join().expect("a thread ends") == first);
        }
    });
}

/// Names of the chunks of a PNG.
fn chunk_names(bytes: &[u8]) -> Vec<String> {
    chunks(bytes).map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}

fn chunk<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    chunks(bytes).find(|(found, _)| *found == name).map(|(_, data)| data)
}

fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = &bytes[8..];
    std::iter::from_fn(move || {
        let head = rest.first_chunk::<4>()?;
        let length = u32::from_be_bytes(*head) as usize;
        let found = (&rest[4..8], &rest[8..8 + length]);
        rest = &rest[12 + length..];
        Some(found)
    })
}

#[test]
fn replies_hold_profile_resolution_and_xmp_where_they_can_and_nothing_else() {
    let icc: Vec<u8> = (0..3000u32).map(|i| (i * i % 251) as u8).collect();
    let xmp = b"<x:xmpmeta>marker</x:xmpmeta>";
    let metadata = Metadata { icc: Some(&icc), density_ppi: Some(300.0), xmp: Some(xmp) };
    let canvas = drawn(20, 10, Model::Rgb, Alpha::Opaque);
    let with = |encoding: &Encoding| encoded_with(&canvas, encoding, &metadata).expect("encoded");
    for (name, encoding, keeps_xmp) in [
        ("png", Encoding::Png, false),
        ("png8", Encoding::Png8(quantization(16, false)), false),
        ("tif none", tiff(TiffCompression::None), true),
        ("tif lzw", tiff(TiffCompression::Lzw), true),
        ("tif zip", tiff(TiffCompression::Zip), true),
        ("tif jpeg", tiff(TiffCompression::Jpeg), true),
    ] {
        let header = probed(&with(&encoding)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(header.icc.as_deref(), Some(&icc[..]), "{name}, F169");
        let ppi = header.density_ppi.unwrap_or_default();
        assert!((ppi - 300.0).abs() < 0.02, "{name}, F172: {ppi}");
        assert_eq!(header.has_xmp, keeps_xmp, "{name}");
        let bare = probed(&encoded(&canvas, &encoding)).expect("probed");
        assert_eq!((bare.icc, bare.density_ppi, bare.has_xmp), (None, None, false), "{name}");
    }
    let names = |encoding| chunk_names(&with(&encoding));
    assert_eq!(names(Encoding::Png), ["IHDR", "pHYs", "iCCP", "IDAT", "IEND"], "D-2, W-8");
    let gif = with(&Encoding::Gif(quantization(16, false)));
    assert!(!gif.windows(6).any(|window| window == b"marker"), "W-8");
    assert!(!gif.windows(100).any(|window| window == &icc[..100]), "F169: nothing in gif");
}

#[test]
fn encoders_refuse_what_a_format_cannot_hold() {
    let gray = drawn(4, 4, Model::Gray, Alpha::Opaque);
    let cmyk = drawn(4, 4, Model::Cmyk, Alpha::Opaque);
    let straight = drawn(4, 4, Model::Rgb, Alpha::Straight);
    let multiplied = drawn(4, 4, Model::Rgb, Alpha::Premultiplied);
    for (name, canvas, encoding) in [
        ("png of premultiplied", &multiplied, Encoding::Png),
        ("png of cmyk", &cmyk, Encoding::Png),
        ("png8 of gray", &gray, Encoding::Png8(quantization(16, false))),
        ("gif of cmyk", &cmyk, Encoding::Gif(quantization(16, false))),
        ("tif of premultiplied", &multiplied, tiff(TiffCompression::Lzw)),
        ("jpeg tif with alpha", &straight, tiff(TiffCompression::Jpeg)),
    ] {
        let result = encoded_with(canvas, &encoding, &Metadata::default());
        assert_eq!(result.map_err(|error| error.kind()), Err(Kind::Internal), "{name}");
    }
}

#[test]
fn only_listed_formats_are_told_by_their_first_bytes() {
    for (name, bytes) in [
        ("nothing", &b""[..]),
        ("one byte", b"\x89"),
        ("delegate text, D-1", b"push graphic-context\nviewbox 0 0 1 1\n"),
        ("PostScript, D-1", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("HTML", b"<!doctype html><script>"),
        ("PSD", b"8BPS\0\x01"),
        ("AVIF", b"\0\0\0\x1cftypavif"),
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("RIFF of another kind", b"RIFF\x10\0\0\0WAVEfmt "),
        ("archive", b"PK\x03\x04"),
        ("II without a number", b"II\0\0\0\0\0\0"),
    ] {
        let error = probed(bytes).expect_err(name);
        assert_eq!(
            (error.kind(), error.detail()),
            (Kind::Unsupported, "unsupported format"),
            "{name}"
        );
    }
}

#[test]
fn decoding_refuses_levels_and_regions_that_are_not_there() {
    let bytes = encoded(&drawn(10, 8, Model::Rgb, Alpha::Opaque), &Encoding::Png);
    let deadline = deadline();
    let limits = Limits::default();
    let mut input = Input::new(&bytes, &deadline);
    let header = codec::probe(&mut input, &limits).expect("probed");
    let whole = Rect::of(header.size);
    for (name, level, region, form) in [
        ("level", 1, whole, Form::Canvas),
        ("empty region", 0, Rect { right: 0, ..whole }, Form::Canvas),
        ("region left of it", 0, whole.shifted(-1, 0), Form::Canvas),
        ("region below it", 0, whole.shifted(0, 1), Form::Canvas),
        ("planes", 0, whole, Form::Planes),
    ] {
        let wanted = Wanted { level, region, form };
        let result = codec::decode(&mut input, &header, &wanted, &limits);
        assert_eq!(result.map_err(|error| error.kind()), Err(Kind::Internal), "{name}");
    }
    let small = Limits { source_pixels: 79, ..limits };
    let result = codec::probe(&mut input, &small).map_err(|error| error.kind());
    assert_eq!(result, Err(Kind::TooLarge), "79 of 80 pixels");
    let short = Limits { source_bytes: bytes.len() as u64 - 1, ..limits };
    let result = codec::probe(&mut input, &short).map_err(|error| error.kind());
    assert_eq!(result, Err(Kind::TooLarge), "one byte too many");
    let over = Deadline::after(Duration::ZERO);
    let result = codec::probe(&mut Input::new(&bytes, &over), &limits);
    assert_eq!(result.map_err(|error| error.kind()), Err(Kind::TimedOut), "no time");
}

#[test]
fn a_render_never_shows_pixels_of_another() {
    // D-6: after pictures of one marked color, cut files of all formats end in an error, not in that color.
    let marked = painted(64, 64, Alpha::Straight, |_, _| [0xab, 0xcd, 0xef, 0x99]);
    let plain = drawn(64, 64, Model::Rgb, Alpha::Opaque);
    let mut ran = 0;
    for encoding in
        [Encoding::Png, Encoding::Gif(quantization(256, false)), tiff(TiffCompression::Zip)]
    {
        for _ in 0..20 {
            decoded(&encoded(&marked, &Encoding::Png));
        }
        let bytes = encoded(&plain, &encoding);
        let cut = &bytes[..bytes.len() / 2];
        let result = part(cut, 0, None).map_err(|error| error.kind());
        assert_eq!(result, Err(Kind::Unreadable), "{encoding:?}");
        ran += 1;
    }
    assert_eq!(ran, 3);
}

#[test]
fn encoders_tell_a_full_disk_from_a_fault_of_their_own() {
    let canvas = drawn(60, 60, Model::Rgb, Alpha::Opaque);
    for encoding in [
        Encoding::Png,
        Encoding::Png8(quantization(16, false)),
        Encoding::Gif(quantization(16, false)),
        tiff(TiffCompression::None),
        tiff(TiffCompression::Zip),
    ] {
        let mut space = [0u8; 40];
        let mut output = Cursor::new(&mut space[..]);
        let result = codec::encode(
            &Pixels::Canvas(canvas.clone()),
            &encoding,
            &Metadata::default(),
            &mut output,
            &Limits::default(),
            &deadline(),
        );
        assert_eq!(result.map_err(|error| error.kind()), Err(Kind::Unwritable), "{encoding:?}");
    }
}

/// Runs `vips` and fails with its words; the test machine has it (package libvips-tools).
fn vips(arguments: &[&str]) {
    let output = Command::new("vips").args(arguments).output().expect("vips is installed");
    assert!(
        output.status.success(),
        "vips {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The samples of a file as libvips reads them.
fn seen_by_vips(folder: &Path, name: &str) -> Vec<u8> {
    let (file, raw) = (folder.join(name), folder.join(format!("{name}.raw")));
    vips(&["rawsave", &file.to_string_lossy(), &raw.to_string_lossy()]);
    fs::read(raw).expect("raw samples")
}

#[test]
fn libvips_reads_the_pixels_that_were_written() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut ran = 0;
    let mut check = |name: String, bytes: Vec<u8>, expected: &[u8], slack: u8| {
        fs::write(folder.path().join(&name), bytes).expect("written");
        let got = seen_by_vips(folder.path(), &name);
        assert_eq!(got.len(), expected.len(), "{name}");
        let worst = got.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(slack), "{name}: {worst:?}");
        ran += 1;
    };
    for (model, alpha) in FORMS {
        let canvas = drawn(53, 37, model, alpha);
        for (word, compression) in ["none", "lzw", "zip"].iter().zip(LOSSLESS) {
            let name = format!("{word}-{model:?}-{alpha:?}.tif");
            check(name, encoded(&canvas, &tiff(compression)), &canvas.data, 0);
        }
        if model != Model::Cmyk {
            let name = format!("{model:?}-{alpha:?}.png");
            check(name, encoded(&canvas, &Encoding::Png), &canvas.data, 0);
        }
    }
    for model in [Model::Gray, Model::Rgb, Model::Cmyk] {
        let mut canvas = drawn(64, 48, model, Alpha::Opaque);
        canvas.data.fill(90);
        let bytes = encoded(&canvas, &tiff(TiffCompression::Jpeg));
        check(format!("jpeg-{model:?}.tif"), bytes, &canvas.data, 3);
    }
    let canvas = painted(40, 30, Alpha::Straight, |x, y| {
        if x < 10 { [0; 4] } else { [(x % 4 * 60) as u8, (y % 5 * 50) as u8, 9, 255] }
    });
    for (name, encoding) in [
        ("key.gif", Encoding::Gif(quantization(256, true))),
        ("clear.png", Encoding::Png8(quantization(256, true))),
    ] {
        let bytes = encoded(&canvas, &encoding);
        fs::write(folder.path().join(name), bytes).expect("written");
        let got = seen_by_vips(folder.path(), name);
        assert_eq!(got.len(), canvas.data.len(), "{name}");
        for (got, expected) in got.chunks_exact(4).zip(canvas.data.chunks_exact(4)) {
            assert_eq!(got[3], expected[3], "{name}");
            assert!(got[3] == 0 || got == expected, "{name}: {got:?}, expected {expected:?}");
        }
    }
    assert_eq!(ran, 6 * 3 + 4 + 3, "files");
}

#[test]
fn files_of_libvips_are_read_as_libvips_reads_them() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for (name, model, alpha) in [
        ("rgb.png", Model::Rgb, Alpha::Opaque),
        ("rgba.png", Model::Rgb, Alpha::Straight),
        ("gray.png", Model::Gray, Alpha::Opaque),
    ] {
        let bytes = encoded(&drawn(301, 211, model, alpha), &Encoding::Png);
        fs::write(path(name), bytes).expect("written");
    }
    let mut ran = 0;
    for (index, (source, options)) in [
        ("rgb.png", "compression=none"),
        ("rgb.png", "compression=lzw,predictor=horizontal"),
        ("rgb.png", "compression=lzw,predictor=none,tile,tile-width=64,tile-height=32"),
        ("rgb.png", "compression=deflate,bigtiff"),
        ("rgba.png", "compression=packbits"),
        ("rgba.png", "compression=deflate,tile,tile-width=128,tile-height=128,pyramid"),
        ("rgb.png", "compression=lzw,tile,tile-width=64,tile-height=64,pyramid,subifd"),
        ("gray.png", "compression=none,pyramid,tile,tile-width=32,tile-height=32"),
        ("gray.png", "compression=ccittfax4,bitdepth=1"),
        ("gray.png", "compression=none,bitdepth=1,miniswhite"),
        ("gray.png", "compression=deflate,predictor=none,bitdepth=4"),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("{index}.tif");
        vips(&["copy", &path(source), &format!("{}[{options}]", path(&name))]);
        let bytes = fs::read(path(&name)).expect("read");
        let header = probed(&bytes).unwrap_or_else(|error| panic!("{options}: {error}"));
        assert_eq!(header.format, Some(Format::Tiff), "{options}");
        let is_pyramid = options.contains("pyramid");
        assert_eq!(header.levels.len() > 1, is_pyramid, "{options}: {:?}", header.levels);
        assert_eq!(header.frames, 1, "{options}");
        assert!(decoded(&bytes).data == seen_by_vips(folder.path(), &name), "{options}");
        assert_regions_are_crops(options, &bytes);
        ran += 1;
    }
    for (name, options) in [("deep.png", "compression=9"), ("laced.png", "interlace")] {
        vips(&["copy", &path("rgba.png"), &format!("{}[{options}]", path(name))]);
        let bytes = fs::read(path(name)).expect("read");
        assert!(decoded(&bytes) == drawn(301, 211, Model::Rgb, Alpha::Straight), "{options}");
        assert_regions_are_crops(options, &bytes);
        ran += 1;
    }
    assert_eq!(ran, 13, "files");
}
