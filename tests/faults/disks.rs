//! Disks that are full or read-only, file size limits, folders and targets that are swapped during saves.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{Over, Program, site};
use crate::save::process::Mount;
use crate::save::{files, is_root, temporaries};

const SMALL: &str = "photo.png?wid=9&req=saveToFile&name=small.jpg";
/// 180,000 bytes.
const LARGE: &str = "photo.png?fmt=tif&req=saveToFile&name=a.tif";

/// The save fails as 17.7 says, the old file stays, and the program lives.
fn assert_unwritten(id: &str, program: &Program, target: &str) {
    let folder = program.site.path("saved");
    let before = files(&folder);
    let workers = program.workers();
    for round in 0..4 {
        let (status, body) = program.ask(target).expect(id);
        let body = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(status, 403, "{id} {round}: {body}");
        assert!(body.contains("error.title=File could not be written\n"), "{id}: {body}");
        assert!(body.ends_with("status=failed\n"), "{id}: {body}");
    }
    assert_eq!(files(&folder), before, "{id}");
    assert_eq!(temporaries(&folder), Vec::<PathBuf>::new(), "{id}");
    assert_eq!(program.workers(), workers, "{id}: no worker died");
}

fn assert_saves(id: &str, program: &Program) {
    let (status, body) = program.ask(SMALL).expect(id);
    assert_eq!(status, 200, "{id}: {}", String::from_utf8_lossy(&body));
}

#[test]
fn a_file_size_limit_ends_the_save_and_not_the_program() {
    let site = site("");
    site.write("saved/web/a.tif", b"old");
    // Blocks of 512 or 1024 bytes.
    let program = Program::over(site, "ulimit -f 40; exec \"$@\"");
    assert_unwritten("F-10 RLIMIT_FSIZE", &program, LARGE);
    assert_saves("F-10 RLIMIT_FSIZE", &program);
}

#[test]
fn a_full_disk_ends_the_save_and_not_the_program() {
    let site = site("saveToFile.minFreeBytes = 0");
    let Some(_mount) = Mount::new(&site.path("saved"), "size=1m") else { return };
    fs::create_dir(site.path("saved/web")).expect("a folder");
    site.write("saved/web/a.tif", b"old");
    site.write("saved/filler", vec![1; 900_000]);
    let program = Program::over(site, "exec \"$@\"");
    assert_unwritten("F-10 full disk", &program, LARGE);
    assert_saves("F-10 full disk", &program);
    assert_eq!(fs::read(program.site.path("saved/web/a.tif")).expect("old"), b"old", "F-10");
    drop(program);
}

#[test]
fn a_folder_that_is_read_only_is_not_written() {
    let site = site("saveToFile.minFreeBytes = 0");
    let mut mount = None;
    if is_root() {
        mount = Mount::new(&site.path("saved"), "size=1m");
        if mount.is_none() {
            return;
        }
        fs::create_dir(site.path("saved/web")).expect("a folder");
    }
    site.write("saved/web/a.tif", b"old");
    let program = Program::over(site, "exec \"$@\"");
    match &mount {
        Some(mount) => {
            let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&mount.0).status();
            assert!(remounted.is_ok_and(|status| status.success()), "F-7 a remount");
        }
        None => {
            let read_only = fs::Permissions::from_mode(0o555);
            fs::set_permissions(program.site.path("saved/web"), read_only).expect("permissions");
        }
    }
    assert_unwritten("F-7 F-10 read-only", &program, LARGE);
    assert_unwritten("F-7 F-10 read-only", &program, SMALL);
    let image = program.ask("photo.png?wid=9");
    assert_eq!(image.map(|(status, _)| status), Some(200), "images are still answered");
    drop(program);
}

#[test]
fn swapped_folders_and_targets_lead_nowhere() {
    let program = Program::start("");
    let site = &program.site;
    fs::create_dir_all(site.path("outside")).expect("a folder");
    site.write("outside/x.jpg", b"secret");
    fs::create_dir(site.path("saved/web/sub")).expect("a folder");
    symlink(site.path("outside"), site.path("saved/web/link")).expect("a link");
    symlink(site.path("outside/x.jpg"), site.path("saved/web/target")).expect("a link");
    let before = files(&site.path("outside"));
    let is_over = AtomicBool::new(false);
    let (mut done, mut refused) = (0, 0);
    thread::scope(|scope| {
        let is_over = &is_over;
        scope.spawn(move || {
            let exchange = |one: &str, other: &str| {
                let (one, other) = (site.path(one), site.path(other));
                let _ = renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
            };
            while !is_over.load(Ordering::SeqCst) {
                exchange("saved/web/sub", "saved/web/link");
                exchange("saved/web/t.jpg", "saved/web/target");
            }
        });
        let _over = Over(is_over);
        for round in 0..400 {
            let name = if round % 2 == 0 { "sub/x.jpg" } else { "t.jpg" };
            let target = format!("photo.png?wid=9&req=saveToFile&name={name}");
            let (status, body) = program.ask(&target).expect("F-3: a reply");
            match status {
                200 => done += 1,
                403 => refused += 1,
                _ => panic!("F-3 F-4: {status} {}", String::from_utf8_lossy(&body)),
            }
        }
    });
    assert_eq!(done + refused, 400);
    assert!(done > 0, "F-3 F-4: {done} done, {refused} refused");
    assert_eq!(files(&site.path("outside")), before, "F-3 F-4: not one byte outside");
    assert_eq!(temporaries(&site.path("saved")), Vec::<PathBuf>::new(), "F-3 F-4");
}
