//! `req=saveToFile` from request to file through the service: RQ-120 to RQ-138, CX-77 to CX-80. No processes.

mod content;
mod limits;
mod names;
mod numbers;
mod origin;
mod refusals;
mod together;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use imprint::reply::Reply;
use imprint::request::{Method, RawRequest};
use imprint::service::Service;

use super::save::{files, temporaries};
use super::support::pictures::{decoded, masked, png, textured, unhurried};
use super::support::site::{self, FIXTURE_INI, Site, property, text};

/// Saves need not survive a power cut here.
const QUICK: &str = "saveToFile.durability = rename\n";

/// A site with a photograph and a picture with alpha, and the service over it.
pub struct Scene {
    pub site: Site,
    pub service: Service,
}

impl Scene {
    pub fn new() -> Scene {
        Scene::with("", FIXTURE_INI, &[])
    }

    /// With further settings of `[PS]` (other sections may follow), an own `default.ini` and further files.
    pub fn with(settings: &str, default_ini: &str, further: &[(&str, &str)]) -> Scene {
        let site = Site::with(&format!("{QUICK}{settings}"), default_ini);
        site.image("photo.png", png(&textured(300, 200)));
        site.image("mask.png", png(&masked()));
        for (name, content) in further {
            site.write(name, content);
        }
        let service = site.service();
        Scene { site, service }
    }

    pub fn get(&self, target: &str) -> Reply {
        site::get(&self.service, target)
    }

    pub fn answer(&self, raw: &RawRequest) -> Reply {
        site::answer(&self.service, raw, &unhurried())
    }

    /// The path of a file in the folder of the default `SavePath`.
    pub fn saved(&self, name: &str) -> PathBuf {
        self.site.path(&format!("saved/web/{name}"))
    }

    /// Everything of the site, to be compared.
    pub fn files(&self) -> BTreeMap<PathBuf, impl PartialEq + std::fmt::Debug> {
        files(self.site.root())
    }

    /// The request is refused in the documented form, and nothing of the site has changed.
    pub fn refuses(&self, id: &str, target: &str, title: &str) {
        self.refuses_raw(id, &site::request(Method::Get, target), title);
    }

    pub fn refuses_raw(&self, id: &str, raw: &RawRequest, title: &str) {
        let before = self.files();
        let reply = self.answer(raw);
        assert_refused(id, &reply, title);
        assert_eq!(self.files(), before, "{id}: files");
    }

    /// The request saves `name`, and the reply describes that file.
    pub fn saves(&self, id: &str, target: &str, name: &str) -> Vec<u8> {
        let reply = self.get(target);
        assert_done(id, &reply);
        let path = self.saved(name);
        let meta = fs::metadata(&path).unwrap_or_else(|error| panic!("{id}: {name}: {error}"));
        let bytes = fs::read(&path).expect(id);
        let modified_ms = meta.mtime() * 1000 + meta.mtime_nsec() / 1_000_000;
        assert_eq!(property(&reply, "lastUpdated"), Some(modified_ms.to_string()), "{id}");
        let pixels = decoded(&bytes).size.pixels();
        assert_eq!(property(&reply, "pixelsTotal"), Some(pixels.to_string()), "{id}");
        assert_eq!(temporaries(self.site.root()), Vec::<PathBuf>::new(), "{id}");
        bytes
    }
}

fn is_stamp(line: &str) -> bool {
    let parts: Vec<&str> = line.split(' ').collect();
    line.starts_with('#') && parts.len() == 6 && parts[4] == "UTC"
}

fn assert_text_reply(id: &str, reply: &Reply) {
    assert_eq!(reply.header("Content-Type"), Some("text/plain; charset=utf-8"), "{id}");
    assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{id}");
    assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"), "{id}");
    for header in ["ETag", "Last-Modified", "Expires"] {
        assert_eq!(reply.header(header), None, "{id}");
    }
}

/// 200, the four lines of 17.6 and nothing else.
pub fn assert_done(id: &str, reply: &Reply) {
    let body = text(reply);
    assert_eq!(reply.status, 200, "{id}: {body}");
    assert_text_reply(id, reply);
    let lines: Vec<&str> = body.lines().collect();
    assert_eq!(lines.len(), 5, "{id}: {body}");
    assert_eq!(lines[0], "#S7Z OK", "{id}");
    assert!(is_stamp(lines[1]), "{id}: {body}");
    assert!(lines[2].starts_with("lastUpdated="), "{id}: {body}");
    assert!(lines[3].starts_with("pixelsTotal="), "{id}: {body}");
    assert_eq!(lines[4], "status=done", "{id}");
}

/// 403 and the body of `U-save-fail-body` at detail level 0.
pub fn assert_refused(id: &str, reply: &Reply, title: &str) {
    let body = text(reply);
    assert_eq!(reply.status, 403, "{id}: {body}");
    assert_text_reply(id, reply);
    let lines: Vec<&str> = body.lines().collect();
    let status = if title == "Save timed out" { "timeout" } else { "failed" };
    assert_eq!(lines.len(), 5, "{id}: {body}");
    assert_eq!(lines[0], "#S7Z ERROR", "{id}");
    assert!(is_stamp(lines[1]), "{id}: {body}");
    assert_eq!(lines[2], format!("error.title={title}"), "{id}");
    assert_eq!(lines[3], format!("error.message={title}"), "{id}");
    assert_eq!(lines[4], format!("status={status}"), "{id}");
}

#[test]
fn a_save_is_the_image_that_img_delivers() {
    let scene = Scene::new();
    fs::create_dir(scene.saved("sub")).expect("a folder");
    for (id, query, name) in [
        ("RQ-120 RQ-123 CX-78", "", "a.jpg"),
        ("CX-78 with timeout", "&timeout=60000", "b.jpg"),
        ("RQ-124 sub-folder", "&wid=40", "sub/a.jpg"),
        ("RQ-132 jpeg whatever the suffix", "&wid=41", "c.png"),
        ("RQ-132 fmt decides", "&wid=42&fmt=png", "d.jpg"),
        ("17.5 view", "&rgn=10,20,100,90&scl=2&qlt=95", "e.jpg"),
        ("17.5 fit and background", "&wid=90&hei=90&fit=fit,1&bgc=ff0000&rotate=10", "f.jpg"),
        ("17.5 size of the file", "&jpegSize=4", "g.jpg"),
        ("17.5 resolution", "&printRes=300&fmt=tif", "h.tif"),
        ("U-save-cache", "&cache=off&wid=20", "i.jpg"),
    ] {
        let saved = scene.saves(id, &format!("photo.png?req=saveToFile&name={name}{query}"), name);
        let delivered = scene.get(&format!("photo.png?{}", query.trim_start_matches('&')));
        assert_eq!(delivered.status, 200, "{id}");
        assert!(saved == *delivered.body, "{id}: the bytes differ");
    }
    let reply = scene.get("photo.png?REQ=savetofile&NAME=z.jpg");
    assert_done("17.1 names without case", &reply);
    assert_done("U-save-reply text", &scene.get("photo.png?req=saveToFile,text&name=z.jpg"));
    scene.refuses("U-save-reply", "photo.png?req=saveToFile,json&name=y.jpg", "Invalid request");
    scene.refuses("U-save-reply", "photo.png?req=saveToFile,xml&name=y.jpg", "Invalid request");
}

#[test]
fn every_format_is_saved_as_it_is_delivered() {
    let scene = Scene::new();
    let formats = [
        "jpeg",
        "jpeg,gray",
        "jpeg,cmyk",
        "pjpeg",
        "png",
        "png,gray",
        "png-alpha",
        "png8",
        "png8-alpha",
        "gif",
        "gif-alpha",
        "tif",
        "tif,cmyk,none",
        "tif,,lzw",
        "tif,,zip",
        "tif,,jpeg",
        "tif,gray,lzw",
        "tif-alpha",
        "tif-alpha,,lzw",
        "tif-alpha,,zip",
        "webp",
        "webp,,lossless",
        "webp-alpha",
        "webp-alpha,,lossless",
    ];
    let mut count = 0;
    for source in ["photo.png", "mask.png"] {
        for (index, format) in formats.iter().enumerate() {
            let id = format!("RQ-120 {source} {format}");
            let name = format!("{index}-{source}");
            let delivered = scene.get(&format!("{source}?wid=90&fmt={format}"));
            assert_eq!(delivered.status, 200, "{id}: {}", text(&delivered));
            let target = format!("{source}?wid=90&fmt={format}&req=saveToFile&name={name}");
            assert_done(&id, &scene.get(&target));
            assert!(fs::read(scene.saved(&name)).expect(&id) == *delivered.body, "{id}");
            count += 1;
        }
    }
    assert_eq!(count, 48);
    assert_eq!(temporaries(scene.site.root()), Vec::<PathBuf>::new());
}

#[test]
fn the_main_catalog_decides_where_a_save_goes() {
    let files = [
        ("catalogs/own.ini", "RootId=own\nSavePath=own\n"),
        ("catalogs/heir.ini", "RootId=heir\n"),
        ("catalogs/off.ini", "RootId=off\nSavePath=\n"),
        ("catalogs/full.ini", "RootId=full\nSavePath=own\nFullMatch=1\nCatalogFile=full.txt\n"),
        ("catalogs/full.txt", "Id\tPath\nrec\tphoto.png\n"),
        ("catalogs/above.ini", "RootId=above\nSavePath=../out\n"),
        ("catalogs/abs.ini", "RootId=abs\nSavePath=/tmp\n"),
        ("catalogs/drive.ini", "RootId=drive\nSavePath=C:out\n"),
        ("catalogs/gone.ini", "RootId=gone\nSavePath=gone\n"),
        ("catalogs/dot.ini", "RootId=dot\nSavePath=.\n"),
    ];
    let scene = Scene::with("", FIXTURE_INI, &files);
    fs::create_dir(scene.site.path("saved/own")).expect("a folder");
    fs::create_dir(scene.site.path("out")).expect("a folder");
    fs::create_dir(scene.site.path("images/full")).expect("a folder");
    scene.site.image("full/photo.png", png(&textured(30, 20)));
    let query = "?wid=9&req=saveToFile&name=x.jpg";
    for (id, object, expected) in [
        ("RQ-123 default", "photo.png", Ok("saved/web/x.jpg")),
        ("RQ-122 own", "own/photo.png", Ok("saved/own/x.jpg")),
        ("RQ-122 inherited", "heir/photo.png", Ok("saved/web/x.jpg")),
        ("17.2 FullMatch, record", "full/rec", Ok("saved/own/x.jpg")),
        ("17.2 FullMatch, default catalog", "full/photo.png", Ok("saved/web/x.jpg")),
        ("U-save-savepath-bad .", "dot/photo.png", Ok("saved/x.jpg")),
        ("RQ-122 U-save-empty-inherit", "off/photo.png", Err("Saving to file is disabled")),
        ("N-11 above", "above/photo.png", Err("Saving to file is disabled")),
        ("N-11 absolute", "abs/photo.png", Err("Saving to file is disabled")),
        ("N-11 drive", "drive/photo.png", Err("Saving to file is disabled")),
        ("N-11 missing", "gone/photo.png", Err("Target folder does not exist")),
        (
            "N-11 source of a catalog that saves",
            "off/?src=own/photo.png",
            Err("Saving to file is disabled"),
        ),
    ] {
        let target = match object.contains('?') {
            true => format!("{object}&{}", &query[1..]),
            false => format!("{object}{query}"),
        };
        match expected {
            Ok(path) => {
                assert_done(id, &scene.get(&target));
                assert!(fs::remove_file(scene.site.path(path)).is_ok(), "{id}: not in {path}");
            }
            Err(title) => scene.refuses(id, &target, title),
        }
    }
}

#[test]
fn saving_is_off_without_save_path_or_directory() {
    let own = FIXTURE_INI.replace("SavePath=web\n", "");
    let target = "photo.png?req=saveToFile&name=a.jpg";
    for (id, settings, ini) in [
        ("CX-77 RQ-121 no SavePath", "", own.clone()),
        ("CX-77 empty SavePath", "", format!("SavePath=\n{own}")),
        ("U-save-root empty", "[IS]\nSaveDirectory =\n", FIXTURE_INI.to_owned()),
        ("U-save-root missing", "[IS]\nSaveDirectory = none\n", FIXTURE_INI.to_owned()),
        ("U-save-root a file", "[IS]\nSaveDirectory = imprint.conf\n", FIXTURE_INI.to_owned()),
    ] {
        Scene::with(settings, &ini, &[]).refuses(id, target, "Saving to file is disabled");
    }
}

#[test]
fn an_existing_file_is_replaced_and_stays_after_a_failure() {
    let scene = Scene::new();
    let first = scene.saves("RQ-131", "photo.png?wid=50&req=saveToFile&name=a.jpg", "a.jpg");
    let inode = fs::metadata(scene.saved("a.jpg")).expect("saved").ino();
    let again = scene.saves("RQ-136", "photo.png?wid=50&req=saveToFile&name=a.jpg", "a.jpg");
    assert_eq!(first, again, "RQ-136: the same image");
    assert_ne!(fs::metadata(scene.saved("a.jpg")).expect("saved").ino(), inode, "saved again");
    let other = scene.saves("RQ-131", "photo.png?wid=60&req=saveToFile&name=a.jpg", "a.jpg");
    assert_ne!(other, again);
    scene.refuses("RQ-131", "none.png?req=saveToFile&name=a.jpg", "Image not found");
    fs::write(scene.site.path("images/broken.png"), b"\x89PNG\r\n\x1a\nbroken").expect("a file");
    let reply = scene.get("broken.png?req=saveToFile&name=a.jpg");
    assert_eq!(reply.status, 403, "RQ-131");
    assert_eq!(fs::read(scene.saved("a.jpg")).expect("still"), other, "RQ-131 U-save-atomic");
    let kept = Scene::with("saveToFile.overwrite = false\n", FIXTURE_INI, &[]);
    let target = "photo.png?wid=50&req=saveToFile&name=a.jpg";
    kept.saves("U-save-overwrite", target, "a.jpg");
    kept.refuses("U-save-overwrite", target, "File could not be written");
}

#[test]
fn a_missing_source_is_never_saved_as_its_default_image() {
    let ini = format!("{FIXTURE_INI}DefaultImage=photo.png\nErrorImagePath=photo.png\n");
    let scene = Scene::with("", &ini, &[]);
    for (id, target) in [
        ("RQ-133 attribute", "none.png?req=saveToFile&name=a.jpg"),
        ("RQ-133 command", "none.png?defaultImage=mask.png&req=saveToFile&name=a.jpg"),
    ] {
        scene.refuses(id, target, "Image not found");
    }
}
