//! What others do in the save folder and the roots while we work there: F-3, F-4, F-9, F-12, R-3.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use imprint::codec::ReadAt;
use imprint::error::Kind;
use imprint::source::{Candidate, RootSettings, Roots};
use rustix::fs::{CWD, RenameFlags};

use super::{QUICK, Scene, save, title};

/// Runs `disturb` over and over while `work` runs; says how often it ran.
fn while_disturbed(disturb: impl Fn() + Sync, work: impl FnOnce()) -> usize {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (done, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                disturb();
                rounds.fetch_add(1, Ordering::SeqCst);
            }
        });
        let _stop = Stop(&done);
        work();
    });
    rounds.into_inner()
}

fn exchange(a: &Path, b: &Path) {
    rustix::fs::renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).expect("an exchange");
}

#[test]
fn a_folder_that_becomes_a_link_never_leads_outside() {
    let scene = Scene::new();
    let (sub, other) = (scene.out().join("sub"), scene.out().join("other"));
    symlink(scene.outside(), &other).expect("a link");
    for (label, folder) in scene.folders(QUICK) {
        let mut saved = 0;
        let rounds = while_disturbed(
            || exchange(&sub, &other),
            || {
                for round in 0..2_000 {
                    let result = save(&folder, "out", "sub/x.jpg", b"inside");
                    let title = title(&result);
                    assert!(
                        ["saved", imprint::save::NO_FOLDER, imprint::save::NOT_WRITTEN]
                            .contains(&title),
                        "F-3, {label}, round {round}: {title}"
                    );
                    saved += usize::from(title == "saved");
                }
            },
        );
        assert!(rounds > 0 && saved > 0, "F-3, {label}: {rounds} exchanges, {saved} saves");
        scene.check("F-3");
    }
}

#[test]
fn a_target_that_becomes_a_link_is_never_written_through() {
    let scene = Scene::new();
    let (file, link) = (scene.out().join("x.jpg"), scene.out().join("link"));
    for (label, folder) in scene.folders(QUICK) {
        let rounds = while_disturbed(
            || {
                let _ = symlink(scene.outside().join("secret.jpg"), &link);
                let _ = fs::rename(&link, &file);
                let _ = fs::remove_file(&file);
            },
            || {
                for round in 0..500 {
                    let result = save(&folder, "out", "x.jpg", b"inside");
                    let title = title(&result);
                    assert!(
                        ["saved", imprint::save::NOT_WRITTEN].contains(&title),
                        "F-4, {label}, round {round}: {title}"
                    );
                }
            },
        );
        assert!(rounds > 0, "F-4, {label}");
        scene.check("F-4");
    }
}

/// A picture of its own length, whole only if each byte is the version.
fn version(number: usize) -> Vec<u8> {
    let byte = u8::try_from(number % 251).expect("below 251");
    vec![byte; 40_000 + 97 * usize::from(byte)]
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| bytes == version(usize::from(*first)))
}

#[test]
fn a_reader_sees_whole_files_only() {
    let scene = Scene::new();
    let file = scene.out().join("x.jpg");
    for (label, folder) in scene.folders(QUICK) {
        save(&folder, "out", "x.jpg", &version(0)).expect("a first version");
        let reads = while_disturbed(
            || assert!(is_whole(&fs::read(&file).expect("F-9 the file is always there")), "F-9"),
            || {
                for number in 0..500 {
                    save(&folder, "out", "x.jpg", &version(number)).expect("RQ-131");
                }
            },
        );
        assert!(reads > 0, "F-9, {label}");
        scene.check("F-9");
    }
}

#[test]
fn parallel_saves_to_one_name_leave_one_whole_file() {
    let scene = Scene::new();
    for (label, folder) in scene.folders(QUICK) {
        let barrier = Barrier::new(50);
        thread::scope(|scope| {
            for number in 0..50 {
                let (folder, barrier) = (&folder, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let bytes = version(number);
                    let saved = save(folder, "out", "x.jpg", &bytes).expect("F-12 a save");
                    assert_eq!(saved.bytes, bytes.len() as u64, "F-12 its own length");
                });
            }
        });
        let bytes = fs::read(scene.out().join("x.jpg")).expect("F-12 the file");
        assert!(is_whole(&bytes), "F-12 RQ-138, {label}");
        scene.check("F-12");
    }
}

#[test]
fn a_source_folder_that_becomes_a_link_shows_nothing_outside() {
    let scene = Scene::new();
    let (sub, other) = (scene.out().join("sub"), scene.out().join("other"));
    fs::write(sub.join("secret.jpg"), b"inside").expect("a file");
    symlink(scene.outside(), &other).expect("a link");
    let paths = [scene.out()];
    let open = || Roots::open(&paths, RootSettings::default()).expect("a root");
    for (label, roots) in [("kernel", open()), ("walk", open().by_walk())] {
        let mut found = 0;
        while_disturbed(
            || exchange(&sub, &other),
            || {
                for _ in 0..5_000 {
                    match roots.open_first(&[Candidate::Beneath("sub/secret.jpg")]) {
                        Ok(file) => {
                            let mut bytes = [0; 16];
                            let count = file.read_at(&mut bytes, 0).expect("R-3 a read");
                            assert_eq!(&bytes[..count], b"inside", "R-3, {label}");
                            found += 1;
                        }
                        Err(error) => assert_eq!(error.kind(), Kind::NotFound, "R-3, {label}"),
                    }
                }
            },
        );
        assert!(found > 0, "R-3, {label}");
    }
}
