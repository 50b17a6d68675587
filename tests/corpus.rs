//! Files that the project did not make: every one decodes, or fails, as the corpus says, and none panics or hangs.
//!
//! `IMPRINT_CORPUS` names the folder with the files and their `MANIFEST.tsv`. Cut and flipped files come on top.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use imprint::codec::{self, Chroma, Encoding, Form, Header, Input, Metadata, Orientation};
use imprint::codec::{PaletteKind, Quantization, TiffCompression, Wanted};
use imprint::error::{Error, Kind};
use imprint::geometry::{Rect, Size};
use imprint::limits::{Deadline, Limits};
use imprint::raster::{Alpha, Canvas, Model, Pixels};

/// Rows of the manifest; a change of the corpus has to be seen.
const ROWS: usize = 1213;

/// Time for one file.
const TIME: Duration = Duration::from_secs(10);

/// Suffixes of formats that this build does not read.
const UNREAD_FORMATS: [&str; 7] = ["avif", "avifs", "heif", "ico", "psb", "psd", "svg"];

/// Files of a format that is read, in a variant that is not: logarithmic luminance and LZMA, which libtiff has too.
const UNREAD_FILES: [&str; 3] =
    ["tiff/libtiff-off_l16.tif", "tiff/libtiff-off_luv32.tif", "tiff/pil-hopper_lzma.tif"];

/// Broken files that the oracles guess at, and that are refused here: two PNG with a filter that does not exist, a GIF
/// whose data end within the picture, a bitmap whose runs leave the row, a JPEG without picture data.
const STRICTER: [&str; 5] = [
    "bmp/irs-rle_overflow.bmp",
    "fuzz/gofuzz-2587975f00d9.png",
    "fuzz/gofuzz-899741350f3b.gif",
    "fuzz/gofuzz-b38bfe4a3b67.png",
    "jpeg/pil-ultrahdr.jpg",
];

/// A file whose deflate data break behind the last row, which is not read; the oracles refuse it for that.
const MILDER: &str = "fuzz/gofuzz-bab09f517bbc.tif";

/// The one file whose orientation stands in its XMP alone, which is not interpreted.
const XMP_ORIENTATION: &str = "png/pil-xmp_tags_orientation_exiftool.png";

/// Valid pictures whose profile is broken.
const BROKEN_PROFILES: [&str; 3] = [
    "jpeg/jdicc-icc_chunk_count_mismatch.jpeg",
    "jpeg/jdicc-icc_chunk_double_seq_no.jpeg",
    "jpeg/jdicc-icc_chunk_seq_no_0.jpeg",
];

/// Cuts and flips of one file.
const CUTS: u64 = 48;
const FLIPS: u64 = 64;

/// Files that are cut and flipped are at most this long.
const MUTATED_BYTES: usize = 64 << 10;

fn limits() -> Limits {
    Limits { source_pixels: 100_000_000, memory_bytes: 1 << 30, ..Limits::default() }
}

/// Header, whole picture and smallest level of some bytes.
fn read(bytes: &[u8]) -> Result<Header, Error> {
    let limits = limits();
    let deadline = Deadline::after(TIME);
    let owned = bytes.to_vec();
    let mut input = Input::new(&owned, &deadline);
    let header = codec::probe(&mut input, &limits)?;
    let smallest = header.levels.len() - 1;
    for level in BTreeSet::from([0, smallest]) {
        let region = Rect::of(header.levels[level].size);
        let wanted = Wanted { level, region, form: Form::Canvas };
        let pixels = codec::decode(&mut input, &header, &wanted, &limits)?;
        assert_eq!(pixels.size(), region.size(), "level {level}");
    }
    Ok(header)
}

/// What reading came to; `Err` for what no input may cause.
fn outcome(bytes: &[u8]) -> Result<Result<Header, Error>, String> {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| read(bytes))).map_err(|_| "panic".to_owned())?;
    if start.elapsed() > TIME + Duration::from_secs(2) {
        return Err(format!("took {:?}", start.elapsed()));
    }
    match result {
        Err(error) if error.detail() == "decoder fault" => Err("a decoder panicked".to_owned()),
        Err(error) if error.kind() == Kind::Internal => Err(error.to_string()),
        result => Ok(result),
    }
}

/// Cuts bytes and flips bits at places that depend on `seed` only; returns how many variants ran.
fn mutate(name: &str, bytes: &[u8], seed: u64, failures: &mut Vec<String>) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % end.max(1) as u64) as usize
    };
    let mut check = |what: String, variant: &[u8]| {
        if let Err(fault) = outcome(variant) {
            failures.push(format!("{name}, {what}: {fault}"));
        }
    };
    let places = (bytes.len() / 37).max(1);
    for _ in 0..CUTS {
        let length = below(places) * 37;
        check(format!("cut at {length}"), &bytes[..length]);
    }
    for _ in 0..FLIPS {
        let (at, bit) = (below(bytes.len()), below(8));
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << bit;
        check(format!("bit {bit} of byte {at} flipped"), &flipped);
    }
    (CUTS + FLIPS) as usize
}

struct Row {
    file: String,
    expected: String,
    detail: String,
}

fn rows(folder: &Path) -> Vec<Row> {
    let text = fs::read_to_string(folder.join("MANIFEST.tsv")).expect("the manifest is read");
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(cells.len(), 6, "cells of {line:?}");
        let (file, expected, detail) = (cells[0], cells[4], cells[5]);
        rows.push(Row { file: file.into(), expected: expected.into(), detail: detail.into() });
    }
    rows
}

/// Files in the folders of the corpus, by the names the manifest has for them.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("the corpus is a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() || name == "licences" {
            continue;
        }
        for file in fs::read_dir(entry.path()).expect("a folder of the corpus").flatten() {
            found.insert(format!("{name}/{}", file.file_name().to_string_lossy()));
        }
    }
    found
}

/// What is wrong with an outcome, and the word under which it is counted.
fn judged(row: &Row, outcome: &Result<Header, Error>) -> (&'static str, Option<String>) {
    let suffix = row.file.rsplit('.').next().unwrap_or_default();
    let is_unread = UNREAD_FORMATS.contains(&suffix);
    let error = match outcome {
        Ok(_) if is_unread => return ("decoded", Some("decoded, though not read".to_owned())),
        Ok(header) => {
            let size = format!("decodes {}", header.size);
            let wrong = match row.expected.as_str() {
                "either" => None,
                "rejected" if row.file == MILDER => None,
                expected if expected == size => metadata_fault(row, header),
                expected => Some(format!("{size}, expected {expected}")),
            };
            return ("decoded", wrong);
        }
        Err(error) => error,
    };
    let is_format = error.kind() == Kind::Unsupported && error.detail() == "unsupported format";
    if is_unread {
        return ("not read", (!is_format).then(|| format!("{error}, expected unsupported format")));
    }
    if UNREAD_FILES.contains(&row.file.as_str()) {
        return ("not read", (error.kind() != Kind::Unsupported).then(|| error.to_string()));
    }
    if error.detail().is_empty() {
        return ("refused", Some("an error without a cause".to_owned()));
    }
    let is_expected = row.expected == "rejected"
        || row.expected == "either"
        || STRICTER.contains(&row.file.as_str());
    ("refused", (!is_expected).then(|| format!("{error}, expected {}", row.expected)))
}

/// Orientation and profile as the manifest states them for valid files.
fn metadata_fault(row: &Row, header: &Header) -> Option<String> {
    if row.file.starts_with("corrupt/") || row.file.starts_with("fuzz/") {
        return None;
    }
    let stated = row.detail.split(' ').find_map(|word| word.strip_prefix("orientation="));
    let expected = Orientation::from_exif(stated.and_then(|v| v.parse().ok()).unwrap_or(1));
    if header.orientation != expected && row.file != XMP_ORIENTATION {
        return Some(format!("{:?}, expected {expected:?}", header.orientation));
    }
    // Profiles in parts that are missing or double are dropped (D-8); Pillow joins what it finds.
    let has_icc = row.detail.split(' ').any(|word| word == "icc")
        && !BROKEN_PROFILES.contains(&row.file.as_str());
    // The BMP decoder gives no profile.
    let is_missing = has_icc && header.icc.is_none() && !row.file.ends_with(".bmp");
    is_missing.then(|| "no profile".to_owned())
}

#[test]
fn every_file_of_the_corpus_decodes_or_fails_as_stated() {
    let Some(folder) = std::env::var_os("IMPRINT_CORPUS") else {
        println!("IMPRINT_CORPUS is not set: only files of our own are cut and flipped");
        return;
    };
    let folder = Path::new(&folder);
    let rows = rows(folder);
    assert_eq!(rows.len(), ROWS, "rows of the manifest");
    let named: BTreeSet<String> = rows.iter().map(|row| row.file.clone()).collect();
    assert_eq!(named, files(folder), "rows and files");
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut slowest = (Duration::ZERO, String::new());
    let (mut variants, mut mutated) = (0, 0);
    for (index, row) in rows.iter().enumerate() {
        let part = row.file.split('/').next().unwrap_or_default().to_owned();
        if matches!(row.expected.as_str(), "profile" | "font") || part == "icc" || part == "font" {
            *counts.entry((part, "no picture")).or_default() += 1;
            continue;
        }
        let bytes = fs::read(folder.join(&row.file)).expect("a file of the corpus is read");
        let start = Instant::now();
        let word = match outcome(&bytes) {
            Ok(outcome) => {
                let (word, fault) = judged(row, &outcome);
                failures.extend(fault.map(|fault| format!("{}: {fault}", row.file)));
                if outcome.is_ok() && bytes.len() <= MUTATED_BYTES {
                    mutated += 1;
                    variants += mutate(&row.file, &bytes, index as u64, &mut failures);
                }
                word
            }
            Err(fault) => {
                failures.push(format!("{}: {fault}", row.file));
                "fault"
            }
        };
        slowest = slowest.max((start.elapsed(), row.file.clone()));
        *counts.entry((part, word)).or_default() += 1;
    }
    let mut seen = 0;
    for ((part, word), count) in &counts {
        println!("{part:8} {word:10} {count}");
        seen += count;
    }
    println!("{mutated} files in {variants} variants; slowest {slowest:?}");
    assert_eq!(seen, ROWS, "rows that ran");
    assert!(variants > 0, "no file was cut");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// One small file of each format and kind, made by our own encoders.
fn own_files() -> Vec<(&'static str, Vec<u8>)> {
    let quantization = || Quantization {
        palette: PaletteKind::Adaptive,
        is_dithered: true,
        colors: 32,
        forced: Vec::new(),
    };
    let tiff = |compression| Encoding::Tiff { compression, quality: 80, chroma: Chroma::Halved };
    let jpeg = Encoding::Jpeg {
        quality: 80,
        chroma: Chroma::Halved,
        progressive: None,
        limit_bytes: None,
    };
    let encodings = [
        ("png", Encoding::Png),
        ("png8", Encoding::Png8(quantization())),
        ("gif", Encoding::Gif(quantization())),
        ("tiff", tiff(TiffCompression::None)),
        ("tiff lzw", tiff(TiffCompression::Lzw)),
        ("tiff zip", tiff(TiffCompression::Zip)),
        ("tiff jpeg", tiff(TiffCompression::Jpeg)),
        ("jpeg", jpeg),
        ("webp", Encoding::WebpLossy { quality: 80 }),
        ("webp lossless", Encoding::WebpLossless),
    ];
    let size = Size::new(37, 29);
    let data = (0..37 * 29u32)
        .flat_map(|i| [(i * 7) as u8, (i / 37 * 8) as u8, (i * i % 251) as u8])
        .collect();
    let pixels = Pixels::Canvas(Canvas { size, model: Model::Rgb, alpha: Alpha::Opaque, data });
    let deadline = Deadline::after(TIME);
    encodings
        .into_iter()
        .map(|(name, encoding)| {
            let mut out = std::io::Cursor::new(Vec::new());
            let nothing = Metadata::default();
            codec::encode(&pixels, &encoding, &nothing, &mut out, &limits(), &deadline)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, out.into_inner())
        })
        .collect()
}

#[test]
fn own_files_cut_and_flipped_never_panic_or_hang() {
    let mut failures = Vec::new();
    let mut variants = 0;
    for (index, (name, bytes)) in own_files().iter().enumerate() {
        match outcome(bytes) {
            Ok(Ok(header)) => assert_eq!(header.size, Size::new(37, 29), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        variants += mutate(name, bytes, index as u64, &mut failures);
    }
    assert_eq!(variants, 10 * (CUTS + FLIPS) as usize, "variants that ran");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
