//! Saves at the same time: F-12, F-15, W-4, RQ-138, and what is left after a panic-free crowd.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;

use super::{QUICK, Scene, assert_done};
use crate::save::temporaries;
use crate::support::pictures::{flat, png};
use crate::support::site::{self, FIXTURE_INI, property, text};

#[test]
fn parallel_saves_to_one_name_leave_one_whole_file() {
    let settings = "saveToFile.simultaneous = 8\n[IS]\nWorkerThreads = 8\n";
    let scene = Scene::with(settings, FIXTURE_INI, &[]);
    // Each of another size, so that a reply can be told from the others.
    let images: Vec<u32> = (0..50).map(|index| 20 + index).collect();
    let mut expected = BTreeMap::new();
    for &wid in &images {
        let image = scene.get(&format!("photo.png?wid={wid}&hei=11&fit=stretch&fmt=png"));
        expected.insert(wid, image.body.to_vec());
    }
    thread::scope(|scope| {
        let scene = &scene;
        for &wid in &images {
            scope.spawn(move || {
                let target = format!(
                    "photo.png?wid={wid}&hei=11&fit=stretch&fmt=png&req=saveToFile&name=one.png"
                );
                let reply = scene.get(&target);
                assert_done("F-12 RQ-138", &reply);
                let pixels = property(&reply, "pixelsTotal");
                assert_eq!(pixels, Some((wid * 11).to_string()), "F-12: its own");
            });
        }
    });
    let last = fs::read(scene.saved("one.png")).expect("F-12");
    assert!(expected.values().any(|bytes| *bytes == last), "F-12: one of them, whole");
    assert_eq!(temporaries(scene.site.root()), Vec::<PathBuf>::new(), "F-12");
}

#[test]
fn the_same_save_twice_at_once_succeeds_twice() {
    for (id, settings, least) in
        [("W-4", "", 2), ("W-4 overwrite=false", "saveToFile.overwrite = false\n", 1)]
    {
        let scene = Scene::with(settings, FIXTURE_INI, &[]);
        let target = "photo.png?fmt=png&req=saveToFile&name=a.png";
        let delivered = scene.get("photo.png?fmt=png").body;
        let done = thread::scope(|scope| {
            let ask = || scope.spawn(|| scene.get(target).status);
            let both = [ask(), ask()];
            both.into_iter()
                .filter_map(|one| one.join().ok())
                .filter(|status| *status == 200)
                .count()
        });
        assert!(done == least || done == 2 && least == 2, "{id}: {done}");
        assert_eq!(fs::read(scene.saved("a.png")).expect(id), *delivered, "{id}");
    }
}

#[test]
fn a_crowd_of_saves_leaves_room_for_images() {
    let settings = "saveToFile.simultaneous = 1\n[IS]\nWorkerThreads = 2\n[imprint]\nqueue = 300\n";
    let scene = Scene::with(settings, FIXTURE_INI, &[]);
    scene.site.image("large.png", png(&flat(600, 600, [9, 99, 199])));
    let (saved, shown) = thread::scope(|scope| {
        let scene = &scene;
        let saves: Vec<_> = (0..200)
            .map(|index| {
                scope.spawn(move || {
                    let target = format!("large.png?fmt=png&req=saveToFile&name={index}.png");
                    scene.get(&target).status
                })
            })
            .collect();
        let shown: Vec<u16> = (0..20).map(|_| scene.get("photo.png?wid=20").status).collect();
        let saved: Vec<u16> = saves.into_iter().filter_map(|save| save.join().ok()).collect();
        (saved, shown)
    });
    assert_eq!(shown, [200; 20], "F-15: images are answered");
    assert_eq!(saved.iter().filter(|status| **status == 200).count(), 200, "F-15: all wait");
    assert_eq!(fs::read_dir(scene.site.path("saved/web")).expect("folder").count(), 200);
}

#[test]
fn a_crowd_beyond_the_queue_is_told_to_come_back() {
    let settings = "saveToFile.simultaneous = 1\n[IS]\nWorkerThreads = 1\n[imprint]\nqueue = 2\n";
    let scene = Scene::with(&format!("{settings}[PS]\n{QUICK}"), FIXTURE_INI, &[]);
    scene.site.image("large.png", png(&flat(1500, 1500, [9, 99, 199])));
    let replies = thread::scope(|scope| {
        let scene = &scene;
        let ask = |index: usize| {
            move || {
                let target = format!("large.png?fmt=png&req=saveToFile&name={index}.png");
                site::get(&scene.service, &target)
            }
        };
        let saves: Vec<_> = (0..40).map(|index| scope.spawn(ask(index))).collect();
        saves.into_iter().filter_map(|save| save.join().ok()).collect::<Vec<_>>()
    });
    for reply in &replies {
        match reply.status {
            200 => assert_done("F-15", reply),
            status => {
                assert_eq!(status, 503, "F-15: {}", text(reply));
                assert_eq!(reply.header("Retry-After"), Some("1"), "F-15");
                assert!(text(reply).ends_with("status=failed\n"), "F-15: {}", text(reply));
            }
        }
    }
    let done = replies.iter().filter(|reply| reply.status == 200).count();
    assert!(done >= 1, "F-15: {done}");
    let files = fs::read_dir(scene.site.path("saved/web")).expect("folder").count();
    assert_eq!(files, done, "F-15: a file for each success");
}
