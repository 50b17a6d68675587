//! What lies in the save folder before a save: links, hard links, wrong kinds, moved roots, leftovers, quotas.

use std::fs::{self, File, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, SystemTime};

use imprint::error::Kind;
use imprint::limits::Deadline;
use imprint::save::{
    Existing, NO_FOLDER, NOT_WRITTEN, Quota, SaveFolder, SaveSettings, Saved, TIMED_OUT,
};

use super::{QUICK, Scene, is_root, listing, name, save, soon, temporaries, title};

#[test]
fn a_target_that_is_no_file_is_refused() {
    let mut scene = Scene::new();
    let inside = scene.out().join("inside.jpg");
    fs::write(&inside, b"old").expect("a file");
    scene.link(scene.outside().join("secret.jpg"), "outside.jpg");
    scene.link("inside.jpg", "link.jpg");
    scene.link(scene.outside().join("none.jpg"), "dangling.jpg");
    scene.link("self.jpg", "self.jpg");
    scene.link("/dev/stdout", "stdout.jpg");
    scene.link("/proc/self/mem", "mem.jpg");
    fs::create_dir(scene.out().join("folder.jpg")).expect("a folder");
    let _socket = UnixListener::bind(scene.out().join("socket.jpg")).expect("a socket");
    let made = |program: &str, args: &[&str]| {
        let made = Command::new(program).args(args).current_dir(scene.out()).status();
        made.is_ok_and(|status| status.success())
    };
    assert!(made("mkfifo", &["fifo.jpg"]), "a FIFO");
    let has_device = is_root() && made("mknod", &["device.jpg", "c", "1", "3"]);
    if !has_device {
        eprintln!("F-6 device: left out, for making one needs root");
    }
    scene.remember();
    let before = listing(&scene.root());
    for (label, folder) in scene.folders(QUICK) {
        for (id, file) in [
            ("F-1 RQ-127 to an outside file", "outside.jpg"),
            ("F-1 to an inside file", "link.jpg"),
            ("F-1 dangling", "dangling.jpg"),
            ("F-1 to itself", "self.jpg"),
            ("F-1 to a device", "stdout.jpg"),
            ("F-1 to memory", "mem.jpg"),
            ("F-6 folder", "folder.jpg"),
            ("F-6 socket", "socket.jpg"),
            ("F-6 FIFO", "fifo.jpg"),
            ("F-6 device", "device.jpg"),
        ] {
            if file == "device.jpg" && !has_device {
                continue;
            }
            let result = folder.target("out", &name(file)).map(|_| ()).map_err(|e| e.title());
            assert_eq!(result, Err(NOT_WRITTEN), "{label}, {id}");
            scene.check(id);
            assert_eq!(listing(&scene.root()), before, "{label}, {id}");
        }
    }
}

#[test]
fn links_in_the_folder_part_stay_beneath() {
    let scene = Scene::new();
    fs::create_dir(scene.out().join("sub/inner")).expect("a folder");
    for (target, link) in [
        (scene.outside().to_str().expect("text"), "absolute"),
        ("../../outside", "relative"),
        ("..", "parent"),
        ("sub", "sibling"),
        ("sub/inner/..", "around"),
        ("loop", "loop"),
        ("/proc/self/root", "magic_root"),
        ("/proc/self/cwd", "magic_cwd"),
        ("/proc/self/fd/3", "magic_fd"),
    ] {
        scene.link(target, link);
    }
    std::os::unix::fs::symlink("out/sub", scene.root().join("path")).expect("a link");
    std::os::unix::fs::symlink("../outside", scene.root().join("bad")).expect("a link");
    for (label, folder) in scene.folders(QUICK) {
        let inside = if label == "kernel" { "saved" } else { NO_FOLDER };
        for (id, save_path, file, expected) in [
            ("F-2 RQ-127 absolute", "out", "absolute/x.jpg", NO_FOLDER),
            ("F-2 RQ-127 relative", "out", "relative/x.jpg", NO_FOLDER),
            ("F-2 above SavePath", "out", "parent/x.jpg", NO_FOLDER),
            ("F-2 sibling", "out", "sibling/x.jpg", inside),
            ("F-2 up and down beneath", "out", "around/x.jpg", inside),
            ("F-2 loop", "out", "loop/x.jpg", NO_FOLDER),
            ("F-2 magic root", "out", "magic_root/x.jpg", NO_FOLDER),
            ("F-2 magic cwd", "out", "magic_cwd/x.jpg", NO_FOLDER),
            ("F-2 magic fd", "out", "magic_fd/x.jpg", NO_FOLDER),
            ("F-2 link as SavePath", "path", "x.jpg", inside),
            ("F-2 link as SavePath, outside", "bad", "x.jpg", NO_FOLDER),
        ] {
            let result = save(&folder, save_path, file, b"x");
            assert_eq!(title(&result), expected, "{label}, {id}");
            if let Err(error) = result {
                assert_eq!(
                    error.detail(),
                    format!("{file}: no such folder beneath SaveDirectory"),
                    "{label}, {id}: one text for all"
                );
            }
            scene.check(id);
        }
    }
    assert!(scene.out().join("sub/x.jpg").exists());
}

#[test]
fn a_hard_link_is_replaced_and_not_written_through() {
    let scene = Scene::new();
    let (file, outside) = (scene.out().join("x.jpg"), scene.outside().join("secret.jpg"));
    for (label, folder) in scene.folders(QUICK) {
        let _ = fs::remove_file(&file);
        fs::hard_link(&outside, &file).expect("a hard link");
        save(&folder, "out", "x.jpg", b"new").expect("F-5");
        assert_eq!(fs::read(&file).expect("F-5"), b"new", "F-5, {label}");
        let inode = |path| fs::metadata(path).expect("F-5").ino();
        assert_ne!(inode(&file), inode(&outside), "F-5, {label}");
        scene.check("F-5");
    }
}

#[test]
fn a_moved_root_is_still_the_folder_opened_at_start() {
    for index in 0..2 {
        let scene = Scene::new();
        let [kernel, walk] = scene.folders(QUICK);
        let (label, folder) = if index == 0 { kernel } else { walk };
        let moved = scene.root().with_file_name("moved");
        fs::rename(scene.root(), &moved).expect("a rename");
        std::os::unix::fs::symlink(scene.outside(), scene.root()).expect("a link");
        save(&folder, "out", "x.jpg", b"x").expect("F-7");
        assert!(moved.join("out/x.jpg").exists(), "F-7, {label}");
        assert_eq!(temporaries(&moved), Vec::<std::path::PathBuf>::new(), "F-7, {label}");
        fs::remove_dir_all(moved.join("out")).expect("F-7 removal");
        assert_eq!(title(&save(&folder, "out", "x.jpg", b"x")), NO_FOLDER, "F-7, {label}");
        let outside = fs::read_dir(scene.outside()).expect("F-7").count();
        assert_eq!(outside, 1, "F-7, {label}: outside");
    }
}

#[test]
fn a_folder_removed_during_a_save_is_a_clean_failure() {
    let scene = Scene::new();
    let folder = &scene.folders(QUICK)[0].1;
    let mut pending =
        folder.target("out", &name("sub/x.jpg")).and_then(|t| t.create(&soon())).expect("F-7");
    pending.write_all(b"x").expect("F-7");
    fs::remove_dir(scene.out().join("sub")).expect("F-7");
    assert_eq!(title(&pending.publish()), NOT_WRITTEN, "F-7");
    scene.check("F-7");
}

#[test]
fn a_pending_file_is_unnamed_or_unforeseeable_and_private() {
    let scene = Scene::new();
    for (label, folder) in scene.folders(QUICK) {
        let create =
            || folder.target("out", &name("x.jpg")).and_then(|t| t.create(&soon())).expect("F-8");
        let (first, second) = (create(), create());
        let found = temporaries(&scene.root());
        assert_eq!(found.len(), if label == "kernel" { 0 } else { 2 }, "F-8, {label}");
        for path in &found {
            let meta = fs::metadata(path).expect("F-8");
            assert_eq!(meta.mode() & 0o7777, 0o600, "F-8, {label}");
            assert_eq!(path.file_name().map(|n| n.len()), Some(37), "F-8, {label}: its length");
        }
        assert!(!scene.out().join("x.jpg").exists(), "F-8, {label}");
        drop(first);
        drop(second);
        scene.check("F-8");
    }
}

#[test]
fn a_panic_or_a_dropped_save_leaves_nothing() {
    let scene = Scene::new();
    for (label, folder) in scene.folders(QUICK) {
        fs::write(scene.out().join("x.jpg"), b"old").expect("a file");
        let result = std::panic::catch_unwind(|| {
            let mut pending = folder
                .target("out", &name("x.jpg"))
                .and_then(|t| t.create(&soon()))
                .expect("a file");
            pending.write_all(&[7; 200_000]).expect("a write");
            std::panic::resume_unwind(Box::new("a codec panics"));
        });
        assert!(result.is_err());
        assert_eq!(fs::read(scene.out().join("x.jpg")).expect("old"), b"old", "{label}");
        scene.check("a panic");
    }
}

/// A save that is past its time, or that the watchdog expires, at each of its steps.
#[test]
fn nothing_appears_after_the_deadline() {
    let scene = Scene::new();
    for (label, folder) in scene.folders(SaveSettings::default()) {
        fs::write(scene.out().join("x.jpg"), b"old").expect("a file");
        let run = |expire_before: usize| -> Result<Saved, imprint::error::Error> {
            let deadline = soon();
            let step = |number: usize| {
                if number == expire_before {
                    assert!(deadline.expire(), "the watchdog wins");
                }
            };
            step(0);
            let mut pending = folder.target("out", &name("x.jpg"))?.create(&deadline)?;
            step(1);
            if pending.write_all(&[1; 200_000]).is_err() {
                return Err(pending.take_failure().expect("a reason"));
            }
            step(2);
            pending.publish()
        };
        for step in 0..3 {
            let result = run(step);
            assert_eq!(title(&result), TIMED_OUT, "F-13 RQ-128, {label}, step {step}");
            assert_eq!(result.map_err(|e| e.kind()), Err(Kind::TimedOut), "step {step}");
            assert_eq!(
                fs::read(scene.out().join("x.jpg")).expect("old"),
                b"old",
                "RQ-131, {label}"
            );
            scene.check("F-13");
        }
        assert!(run(9).is_ok(), "{label}");
        let past = Deadline::after(Duration::ZERO);
        let late = folder.target("out", &name("x.jpg")).and_then(|t| t.create(&past)).map(|_| ());
        assert_eq!(late.map_err(|e| e.title()), Err(TIMED_OUT), "F-13, {label}");
    }
}

#[test]
fn a_committed_save_cannot_be_expired() {
    let scene = Scene::new();
    let deadline = soon();
    let folder = &scene.folders(QUICK)[0].1;
    let pending =
        folder.target("out", &name("x.jpg")).and_then(|t| t.create(&deadline)).expect("x");
    pending.publish().expect("a save");
    assert!(!deadline.expire(), "U-save-timeout: what was moved is a success");
}

#[test]
fn an_existing_file_is_replaced_or_kept() {
    let scene = Scene::new();
    for existing in [Existing::Replaced, Existing::Kept] {
        for (label, folder) in scene.folders(SaveSettings { existing, ..QUICK }) {
            let file = scene.out().join("x.jpg");
            let _ = fs::remove_file(&file);
            assert_eq!(title(&save(&folder, "out", "x.jpg", b"new")), "saved", "RQ-131 {label}");
            fs::write(&file, b"old").expect("a file");
            let again = save(&folder, "out", "x.jpg", b"newer");
            let (expected, content): (_, &[u8]) = match existing {
                Existing::Replaced => ("saved", b"newer"),
                Existing::Kept => (NOT_WRITTEN, b"old"),
            };
            assert_eq!(title(&again), expected, "RQ-131 U-save-overwrite, {label}");
            assert_eq!(fs::read(&file).expect("x"), content, "RQ-131, {label}");
            // One that appears during the save.
            fs::remove_file(&file).expect("x");
            let pending =
                folder.target("out", &name("x.jpg")).and_then(|t| t.create(&soon())).expect("x");
            fs::write(&file, b"old").expect("a file");
            let expected = if existing == Existing::Kept { NOT_WRITTEN } else { "saved" };
            assert_eq!(title(&pending.publish()), expected, "U-save-overwrite, {label}");
            scene.check("RQ-131");
        }
    }
}

#[test]
fn an_encoder_may_go_back_and_fill_in() {
    let scene = Scene::new();
    for (label, folder) in scene.folders(QUICK) {
        let mut pending =
            folder.target("out", &name("x.tif")).and_then(|t| t.create(&soon())).expect("x");
        let output: &mut dyn imprint::codec::Output = &mut pending;
        output.write_all(&[0; 100_000]).expect("a write");
        pending.seek(SeekFrom::Start(4)).expect("a seek");
        pending.write_all(b"head").expect("a write");
        assert_eq!(pending.seek(SeekFrom::End(0)).expect("a seek"), 100_000, "{label}");
        assert!(pending.seek(SeekFrom::Current(-100_001)).is_err(), "{label}");
        pending.write_all(b"tail").expect("a write");
        assert_eq!(pending.publish().expect("a save").bytes, 100_004, "{label}");
        let bytes = fs::read(scene.out().join("x.tif")).expect("x");
        assert_eq!((&bytes[4..8], &bytes[100_000..]), (&b"head"[..], &b"tail"[..]), "{label}");
    }
}

#[test]
fn the_quota_counts_what_is_there_and_what_is_being_written() {
    let scene = Scene::new();
    fs::write(scene.out().join("sub/there.jpg"), [1; 50_000]).expect("a file");
    let quota = Quota { max_bytes: Some(200_000), min_free_bytes: 0 };
    for (label, folder) in scene.folders(SaveSettings { quota, ..QUICK }) {
        let _ = fs::remove_file(scene.out().join("x.jpg"));
        for (id, file, bytes, expected) in [
            ("F-15 too much", "x.jpg", 150_001, NOT_WRITTEN),
            ("F-15 exactly", "x.jpg", 150_000, "saved"),
            ("F-15 full", "y.jpg", 1, NOT_WRITTEN),
        ] {
            let result = save(&folder, "out", file, &vec![1; bytes]);
            assert_eq!(title(&result), expected, "{label}, {id}");
            scene.check(id);
        }
    }
    let _ = fs::remove_file(scene.out().join("x.jpg"));
    let folder = &scene.folders(SaveSettings { quota, ..QUICK })[0].1;
    let create =
        |file| folder.target("out", &name(file)).and_then(|t| t.create(&soon())).expect("x");
    let (mut first, mut second) = (create("a.jpg"), create("b.jpg"));
    first.write_all(&[1; 100_000]).and_then(|()| first.flush()).expect("within");
    assert!(second.write_all(&[1; 100_000]).is_err(), "F-15 two together");
    assert!(second.take_failure().is_some(), "F-15 with a reason");
    assert_eq!(title(&second.publish()), NOT_WRITTEN, "a file with a hole is never published");
    assert!(!scene.out().join("b.jpg").exists());
    drop(first);
    assert_eq!(title(&save(folder, "out", "c.jpg", &[1; 150_000])), "saved", "F-15 given back");
    let quota = Quota { max_bytes: None, min_free_bytes: u64::MAX / 2 };
    let folder = &scene.folders(SaveSettings { quota, ..QUICK })[0].1;
    assert_eq!(title(&save(folder, "out", "d.jpg", b"x")), NOT_WRITTEN, "F-15 free space");
    scene.check("F-15");
}

#[test]
fn stale_temporary_files_are_swept() {
    let mut scene = Scene::new();
    let ours = format!(".{}.tmp", "0123456789abcdef".repeat(2));
    let old = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    let put = |path: &str, modified: SystemTime| {
        let file = File::create(scene.root().join(path)).expect("a file");
        file.set_modified(modified).expect("a time");
    };
    fs::create_dir(scene.root().join("deep")).expect("a folder");
    put(&ours, old);
    put(&format!("out/sub/{ours}"), old);
    put(&format!("out/{ours}"), SystemTime::now());
    put("out/.other.tmp", old);
    put("out/x.jpg", old);
    File::create(scene.outside().join(&ours)).and_then(|f| f.set_modified(old)).expect("a file");
    std::os::unix::fs::symlink(scene.outside(), scene.root().join("link")).expect("a link");
    let target = scene.outside().join("secret.jpg");
    std::os::unix::fs::symlink(target, scene.root().join("deep").join(&ours)).expect("a link");
    scene.remember();
    let before: Vec<_> = listing(&scene.root()).into_keys().collect();
    let swept = SaveFolder::open(&scene.root(), QUICK).sweep();
    assert_eq!((swept.removed, swept.is_complete), (2, true), "U-save-atomic");
    let after: Vec<_> = listing(&scene.root()).into_keys().collect();
    let gone: Vec<_> = before.into_iter().filter(|path| !after.contains(path)).collect();
    let expected = [scene.root().join(&ours), scene.out().join("sub").join(&ours)];
    assert_eq!(gone, expected, "U-save-atomic");
    let outside = listing(&scene.outside());
    assert!(outside.contains_key(&scene.outside().join(&ours)), "U-save-atomic: no link followed");
}

#[test]
fn a_folder_without_permission_is_not_written() {
    let scene = Scene::new();
    let sub = scene.out().join("sub");
    fs::set_permissions(&sub, Permissions::from_mode(0o555)).expect("permissions");
    if is_root() {
        eprintln!("F-10 read-only folder: permissions do not hold for root; the mount is tested");
    } else {
        for (label, folder) in scene.folders(QUICK) {
            let result = save(&folder, "out", "sub/x.jpg", b"x");
            assert_eq!(title(&result), NOT_WRITTEN, "F-10, {label}");
            scene.check("F-10");
        }
    }
    fs::set_permissions(&sub, Permissions::from_mode(0o755)).expect("permissions");
}
