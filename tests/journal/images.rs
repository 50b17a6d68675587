//! `imprint check --images` (S-89): exit statuses, types, pixels, profiles, depth, lists, sources of catalogs.

use std::path::Path;
use std::process::{Command, Output};

use imprint::codec::{Chroma, Encoding, Metadata, TiffCompression};
use imprint::limits::Limits;
use imprint::raster::Pixels;

use crate::support::pictures::{file, jpeg, png, textured, unhurried};
use crate::support::site::{FIXTURE_INI, Site};

fn check(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imprint"));
    command.env_remove("RUST_LOG").current_dir(folder).args(["check", "--images"]).args(arguments);
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A JPEG with a profile.
fn with_profile(icc: &[u8]) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let encoding =
        Encoding::Jpeg { quality: 80, chroma: Chroma::Full, progressive: None, limit_bytes: None };
    let metadata = Metadata { icc: Some(icc), ..Metadata::default() };
    let pixels = Pixels::Canvas(textured(20, 20));
    imprint::codec::encode(
        &pixels,
        &encoding,
        &metadata,
        &mut out,
        &Limits::default(),
        &unhurried(),
    )
    .expect("the picture can be encoded");
    out.into_inner()
}

/// A profile of `space` with one tag of `length` bytes.
fn profile(space: &[u8; 4], length: u32) -> Vec<u8> {
    let mut icc = vec![0; 160];
    icc[..4].copy_from_slice(&160_u32.to_be_bytes());
    icc[16..20].copy_from_slice(space);
    icc[36..40].copy_from_slice(b"acsp");
    icc[128..132].copy_from_slice(&1_u32.to_be_bytes());
    icc[132..136].copy_from_slice(b"desc");
    icc[136..140].copy_from_slice(&144_u32.to_be_bytes());
    icc[140..144].copy_from_slice(&length.to_be_bytes());
    icc
}

/// A PNG of one gray pixel with 16 bits, made by Python, whose zlib the decoder here does not share.
fn png_of_16_bits(folder: &Path) {
    let script = "import struct,sys,zlib\n\
        def chunk(n,d): return struct.pack('>I',len(d))+n+d+struct.pack('>I',zlib.crc32(n+d))\n\
        open('deep.png','wb').write(b'\\x89PNG\\r\\n\\x1a\\n'\
        +chunk(b'IHDR',struct.pack('>IIBBBBB',1,1,16,0,0,0,0))\
        +chunk(b'IDAT',zlib.compress(b'\\0\\x12\\x34'))+chunk(b'IEND',b''))\n";
    let made = Command::new("python3").current_dir(folder).args(["-c", script]).status();
    assert!(made.expect("python3").success());
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("scratch folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
    };
    let whole = jpeg(&textured(200, 160), 90, Chroma::Full);
    write("good.jpg", &whole);
    write("short.jpg", &whole[..whole.len() / 2]);
    write("good.png", &png(&textured(30, 20)));
    write("text.jpg", b"not an image");
    write("empty.jpg", b"");
    let tiff =
        Encoding::Tiff { compression: TiffCompression::Lzw, quality: 80, chroma: Chroma::Full };
    write("flat.tif", &file(&textured(300, 200), &tiff));
    write("small.tif", &file(&textured(128, 100), &tiff));
    write("profile.jpg", &with_profile(&profile(b"RGB ", 16)));
    write("gray.jpg", &with_profile(&profile(b"GRAY", 16)));
    write("tag.jpg", &with_profile(&profile(b"RGB ", 17)));
    png_of_16_bits(folder.path());
    folder
}

#[test]
fn files_are_checked_as_asked() {
    let folder = folder();
    let mut count = 0;
    for (name, arguments, status, fault) in [
        ("any", ["--any", "good.jpg", "good.png", "flat.tif"].as_slice(), 0, ""),
        ("no type is any", &["good.jpg", "good.png"], 0, ""),
        ("jpeg", &["--type", "jpeg", "good.jpg"], 0, ""),
        ("no jpeg", &["--type", "jpeg", "good.png"], 1, "good.png: error: Not supported"),
        ("no pyramid", &["--type", "ptif", "flat.tif"], 1, "flat.tif: error: Not supported"),
        ("small enough", &["--type", "ptif", "small.tif"], 0, ""),
        ("two types", &["--type", "ptif", "--type", "jpeg", "small.tif", "good.jpg"], 0, ""),
        ("header only", &["short.jpg"], 0, ""),
        ("S-89 -readPixels", &["--read-pixels", "short.jpg"], 1, "short.jpg: error: Image could"),
        ("all pixels are there", &["--read-pixels", "good.jpg", "flat.tif", "good.png"], 0, ""),
        ("content decides", &["text.jpg"], 1, "text.jpg: error: Not supported"),
        ("empty", &["empty.jpg"], 1, "empty.jpg: error: "),
        ("missing", &["nosuch.jpg"], 1, "nosuch.jpg: error: Image not found: cannot be opened"),
        ("folder", &["."], 1, ".: error: Image could not be read: is no file"),
        ("deep", &["deep.png"], 0, ""),
        ("-reject16Bit", &["--reject-16-bit", "deep.png"], 1, "deep.png: error: Not supported: "),
        ("-validatecolorprofile", &["--validate-color-profile", "profile.jpg"], 0, ""),
        ("not asked", &["gray.jpg", "tag.jpg"], 0, ""),
        (
            "other space",
            &["--validate-color-profile", "gray.jpg"],
            1,
            "gray.jpg: error: Not supported: color profile: its color space is GRAY, expected RGB",
        ),
        (
            "broken tag",
            &["--validate-color-profile", "tag.jpg"],
            1,
            "tag.jpg: error: Not supported: color profile: tag 0 lies beyond its end",
        ),
        ("nothing to check", &[], 2, "imprint: check --images expects FILE"),
        ("list and files", &["--file-list", "x", "good.jpg"], 2, "imprint: "),
        ("unknown type", &["--type", "gif", "good.jpg"], 2, "imprint: "),
        ("list is missing", &["--file-list", "nosuch"], 1, "imprint: nosuch: "),
    ] {
        let output = check(folder.path(), arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "S-89 {name}: {errors}");
        assert!(errors.starts_with(fault), "S-89 {name}: {errors}");
        assert_eq!(errors.is_empty(), status == 0, "S-89 {name}: {errors}");
        count += 1;
    }
    assert_eq!(count, 24);
}

#[test]
fn lists_stops_and_forms_of_the_report() {
    let folder = folder();
    let list = "good.jpg\r\n\ntext.jpg\nnosuch.jpg\n";
    std::fs::write(folder.path().join("list"), list).expect("a list");
    let output = check(folder.path(), &["--file-list", "list"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "3 files, 2 errors\n", "S-89 -fileList");
    assert_eq!(text(&output.stderr).lines().count(), 2, "S-89 goes on after a fault");
    let output = check(folder.path(), &["--file-list", "list", "--stop-on-error"]);
    assert_eq!(text(&output.stdout), "2 files, 1 errors\n", "S-89 -stopOnError");
    let output = check(folder.path(), &["--file-list", "list", "--silent"]);
    assert_eq!(output.status.code(), Some(1), "S-89 -silent");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "S-89 -silent");
    let output = check(folder.path(), &["--verbose", "good.jpg"]);
    let expected = "good.jpg: 200x160, Jpeg, Rgb, 8 bit\n1 files, 0 errors\n";
    assert_eq!(text(&output.stdout), expected, "S-89 -verbose");
    let output = check(folder.path(), &["--file-list", "list", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["files"], 3);
    let faults = report["faults"].as_array().expect("faults");
    let files: Vec<&str> = faults.iter().filter_map(|fault| fault["file"].as_str()).collect();
    assert_eq!(files, ["text.jpg", "nosuch.jpg"]);
    assert!(output.stderr.is_empty());
}

#[test]
fn the_sources_of_catalogs_are_checked() {
    let site = Site::with("", FIXTURE_INI);
    site.image("a.png", png(&textured(40, 30)));
    site.image("bad.png", b"no image");
    site.write("catalogs/shop.ini", "RootId=shop\nCatalogFile=shop.txt\n");
    let records = "Id\tPath\tMaskPath\nlake\ta.png\t\nsea\tnosuch.png\ta.png\nhill\ta.png\tbad.png\n\
                   set\t\t\nfar\thttp://127.0.0.1/x.png\t\nup\t../../etc/passwd\t\n";
    site.write("catalogs/shop.txt", records);
    let output = check(site.root(), &["-c", "imprint.conf", "--sources"]);
    assert_eq!(output.status.code(), Some(1));
    let folder = format!("{}/catalogs/", site.root().display());
    let errors = text(&output.stderr).replace(&folder, "");
    let mut lines = errors.lines().map(str::to_owned).collect::<Vec<_>>();
    lines.sort();
    for (line, expected) in lines.iter().zip([
        "shop.txt: error: record hill: MaskPath bad.png: Not supported",
        "shop.txt: error: record sea: Path nosuch.png: Image not found",
        "shop.txt: error: record up: Path ../../etc/passwd: Image not found",
    ]) {
        assert!(line.starts_with(expected), "{expected}\nin\n{errors}");
    }
    assert_eq!(lines.len(), 3, "{errors}");
    assert_eq!(text(&output.stdout), "6 files, 3 errors\n");
    let output = check(site.root(), &["-c", "imprint.conf", "--sources", "a.png"]);
    assert_eq!(output.status.code(), Some(2), "one of them");
}

/// Walks the pictures of the corpus that decode or fail in every program, if there is a corpus.
#[test]
fn files_of_others_are_judged_as_the_corpus_says() {
    let Some(corpus) = std::env::var_os("IMPRINT_CORPUS") else { return };
    let corpus = Path::new(&corpus);
    let manifest = std::fs::read_to_string(corpus.join("MANIFEST.tsv")).expect("the manifest");
    let sample = |wanted: &str| -> Vec<String> {
        let rows = manifest.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>());
        let names = rows.filter_map(|row| {
            let (name, expected) = (row.first()?, row.get(4)?);
            let is_read = name.starts_with("jpeg/") || name.starts_with("png/");
            (is_read && expected.starts_with(wanted)).then(|| (*name).to_owned())
        });
        names.step_by(9).take(12).collect()
    };
    let good = sample("decodes");
    assert!(good.len() >= 10, "{} files", good.len());
    let arguments: Vec<&str> =
        ["--read-pixels"].into_iter().chain(good.iter().map(String::as_str)).collect();
    let output = check(corpus, &arguments);
    assert_eq!(output.status.code(), Some(0), "S-89 {}", text(&output.stderr));
}
