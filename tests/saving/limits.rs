//! What limits a save: pixels, MaxPix, the folder's quota, free space (RQ-130, U-save-maxpix, F-15).

use std::fs;

use imprint::codec::{Chroma, Encoding, Scans};

use super::Scene;
use crate::support::pictures::{file, flat};
use crate::support::site::{FIXTURE_INI, text};

#[test]
fn the_pixel_limit_of_saves_is_their_own() {
    let settings = "[IS]\nMaxSavePixels = 2\nMaxRenderRgnPixels = 1\n";
    let scene = Scene::with(settings, FIXTURE_INI, &[]);
    let sized = |wid: u32, hei: u32| format!("photo.png?wid={wid}&hei={hei}&fit=stretch,1");
    let save = "&req=saveToFile&name=a.jpg";
    for (id, wid, hei) in [
        ("RQ-130 below both", 900, 900),
        ("RQ-130 between the limits", 1500, 1000),
        ("RQ-130 exactly the limit", 2000, 1000),
    ] {
        scene.saves(id, &format!("{}{save}", sized(wid, hei)), "a.jpg");
    }
    for (id, wid, hei) in [
        ("RQ-130 one row more", 2000, 1001),
        ("L-4", 65_535, 65_535),
        ("L-4", 2_147_483_647, 1),
        ("L-4", 2_147_483_647, 2_147_483_647),
    ] {
        scene.refuses(id, &format!("{}{save}", sized(wid, hei)), "Image too large");
    }
    let image = scene.get(&sized(1500, 1000));
    assert_eq!(image.status, 403, "RQ-130 the client's limit: {}", text(&image));
}

#[test]
fn max_pix_limits_saves_only_where_it_is_applied() {
    let ini = FIXTURE_INI.replace("MaxPix=0,0", "MaxPix=200,200");
    let target = "photo.png?wid=290&req=saveToFile&name=a.jpg";
    Scene::with("", &ini, &[]).saves("U-save-maxpix", target, "a.jpg");
    let applied = Scene::with("saveToFile.applyMaxPix = true\n", &ini, &[]);
    applied.refuses("U-save-maxpix applied", target, "Image too large");
    let fits = "photo.png?wid=200&req=saveToFile&name=a.jpg";
    applied.saves("U-save-maxpix applied, the limit", fits, "a.jpg");
    let ini = FIXTURE_INI.replace("DefaultPix=0,0", "DefaultPix=100,100");
    let scene = Scene::with("", &ini, &[]);
    let reply = scene.get("photo.png?req=saveToFile&name=a.jpg");
    assert!(text(&reply).contains("pixelsTotal=6700\n"), "17.5 DefaultPix: {}", text(&reply));
    let reply = scene.get("photo.png?req=saveToFile&name=a.jpg&scl=1");
    assert!(text(&reply).contains("pixelsTotal=60000\n"), "17.5 scl=1: {}", text(&reply));
}

#[test]
fn the_folder_has_a_quota() {
    let scene = Scene::with("saveToFile.maxBytes = 200k\n", FIXTURE_INI, &[]);
    let target = |name: &str| format!("photo.png?fmt=tif&req=saveToFile&name={name}");
    // 300 x 200 x 3 bytes.
    let old = scene.saves("F-15", &target("a.tif"), "a.tif");
    assert!((180_000..190_000).contains(&old.len()), "{}", old.len());
    scene.refuses("F-15 maxBytes", &target("b.tif"), "File could not be written");
    let small = "photo.png?wid=9&req=saveToFile&name=small.jpg";
    scene.saves("F-15 what fits", small, "small.jpg");
    assert_eq!(fs::read(scene.saved("a.tif")).expect("old"), old, "F-10 old file intact");
    let full = Scene::with("saveToFile.minFreeBytes = 900000T\n", FIXTURE_INI, &[]);
    full.refuses("F-15 minFreeBytes", small, "File could not be written");
}

#[test]
fn a_folder_that_cannot_be_written_is_named_so() {
    // Root writes everywhere; what it cannot write is a folder that is gone while it is open.
    let scene = Scene::new();
    fs::create_dir(scene.saved("gone")).expect("a folder");
    fs::remove_dir(scene.saved("gone")).expect("a folder");
    let target = "photo.png?req=saveToFile&name=gone/a.jpg";
    scene.refuses("CX-79", target, "Target folder does not exist");
    // The whole save directory renamed: the folder that was opened at start counts (F-7).
    fs::rename(scene.site.path("saved"), scene.site.path("moved")).expect("renamed");
    fs::create_dir_all(scene.site.path("saved/web")).expect("another folder");
    let reply = scene.get("photo.png?req=saveToFile&name=a.jpg");
    assert_eq!(reply.status, 200, "F-7: {}", text(&reply));
    assert!(scene.site.path("moved/web/a.jpg").is_file(), "F-7");
    assert!(!scene.site.path("saved/web/a.jpg").exists(), "F-7");
}

#[test]
fn what_a_decoder_holds_counts() {
    let scene = Scene::with("[IS]\nPhysicalMemory = 64M\n", FIXTURE_INI, &[]);
    let picture = flat(4000, 3000, [200, 100, 50]);
    let jpeg = |progressive| {
        let (quality, chroma, limit_bytes) = (80, Chroma::Full, None);
        file(&picture, &Encoding::Jpeg { quality, chroma, progressive, limit_bytes })
    };
    scene.site.image("rows.jpg", jpeg(None));
    scene.site.image("whole.jpg", jpeg(Some(Scans::Auto)));
    let target = |source: &str| format!("{source}?wid=100&req=saveToFile&name=a.jpg");
    scene.saves("L-4 from row to row", &target("rows.jpg"), "a.jpg");
    // 36 million coefficients of 2 bytes, for a picture of 100 pixels.
    scene.refuses("L-4 coefficients", &target("whole.jpg"), "Image too large");
}
