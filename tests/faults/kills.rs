//! Workers that are killed, clients that leave, stops, deadlines: files are whole, and the program goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::{Over, Program, Random, ask, kill, site};
use crate::save::{files, temporaries};
use crate::support::gateway::until;
use crate::support::pictures::{png, textured};

/// Renders for long enough to be caught in the middle.
const SLOW: &str = "large.png?fmt=tif,,zip&req=saveToFile&timeout=600000";

fn with_large() -> Program {
    let site = site("");
    site.image("large.png", png(&textured(1600, 1200)));
    Program::over(site, "exec \"$@\"")
}

#[test]
fn killed_workers_leave_old_or_new_files() {
    const SAVES: u64 = 500;
    let program = Program::start("");
    let mut outside = files(program.site.root());
    outside.retain(|path, _| !path.starts_with(program.site.path("saved")));
    let versions: Vec<Vec<u8>> =
        (0..4).map(|version| program.ask(&image(version)).expect("an image").1).collect();
    let is_over = AtomicBool::new(false);
    let mut kills = 0;
    let mut repeats = 0;
    thread::scope(|scope| {
        let (program, is_over) = (&program, &is_over);
        let killer = scope.spawn(move || {
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            let mut kills = 0;
            while !is_over.load(Ordering::SeqCst) {
                let workers: Vec<i32> = program.workers().into_iter().collect();
                if let Some(&id) = workers.get(random.below(2) as usize) {
                    kill(id);
                    kills += 1;
                }
                thread::sleep(Duration::from_millis(20 + random.below(200)));
            }
            kills
        });
        let over = Over(is_over);
        let mut random = Random(42);
        for save in 0..SAVES {
            let version = random.below(4);
            let target = format!("{}&req=saveToFile&name=n{}.png", image(version), save % 7);
            let mut done = None;
            until("the save is answered", || {
                done = program.ask(&target);
                repeats += u64::from(done.is_none());
                done.is_some()
            });
            let (status, body) = done.expect("answered");
            assert_eq!(status, 200, "F-9 {save}: {}", String::from_utf8_lossy(&body));
            let file = program.site.path(&format!("saved/web/n{}.png", save % 7));
            let bytes = fs::read(file).expect("F-9 a save that is answered has its file");
            assert!(bytes == versions[version as usize], "F-9 {save}: the file is the one saved");
        }
        drop(over);
        kills = killer.join().expect("the killer");
    });
    assert!(kills > 5, "F-9: {kills} kills, {repeats} repeats");
    for (path, _) in files(&program.site.path("saved")) {
        let bytes = fs::read(&path).expect("a file");
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_temporary = name.len() == 37 && name.starts_with('.') && name.ends_with(".tmp");
        assert!(is_temporary || versions.contains(&bytes), "F-9: {name}");
    }
    let mut after = files(program.site.root());
    after.retain(|path, _| !path.starts_with(program.site.path("saved")));
    assert_eq!(after, outside, "F-9: nothing outside");
    until("the program answers", || matches!(program.ask("photo.png?wid=9"), Some((200, _))));
}

fn image(version: u64) -> String {
    format!("photo.png?fmt=png&wid={}", 100 + 40 * version)
}

#[test]
fn a_start_removes_stale_temporary_files_only() {
    let site = site("");
    let stale = "saved/web/.0123456789abcdef0123456789abcdef.tmp";
    let fresh = "saved/web/.00000000000000000000000000000000.tmp";
    let other = ["saved/web/.htaccess", "saved/web/.x.tmp", "saved/web/old.jpg"];
    let two_days_ago = SystemTime::now() - Duration::from_secs(48 * 60 * 60);
    for name in other.iter().chain([&stale]) {
        site.write(name, b"x");
        let file = fs::File::options().write(true).open(site.path(name)).expect("a file");
        file.set_modified(two_days_ago).expect("a time");
    }
    site.write(fresh, b"x");
    let program = Program::over(site, "exec \"$@\"");
    until("the stale file is gone", || !program.site.path(stale).exists());
    for name in other.iter().chain([&fresh]) {
        assert!(program.site.path(name).exists(), "U-save-atomic {name}");
    }
}

#[test]
fn a_worker_killed_in_a_save_is_replaced() {
    let program = with_large();
    fs::write(program.site.path("saved/web/a.png"), b"old").expect("a file");
    thread::scope(|scope| {
        let client = scope.spawn(|| program.ask(&format!("{SLOW}&name=a.png")));
        until("the save runs", || !program.pending().is_empty());
        let before = program.workers();
        program.pending().into_iter().for_each(|(id, _)| kill(id));
        assert_eq!(client.join().expect("the client"), None, "F-9: no reply of a killed worker");
        let old = fs::read(program.site.path("saved/web/a.png")).expect("the old file");
        assert_eq!(old, b"old", "F-9: the old file");
        until("the worker is replaced", || {
            let workers = program.workers();
            workers.len() == 2 && workers != before
        });
    });
    assert_eq!(temporaries(&program.site.path("saved")), Vec::<PathBuf>::new(), "F-9 O_TMPFILE");
    let reply = program.ask("photo.png?wid=9&req=saveToFile&name=a.png");
    assert_eq!(reply.map(|(status, _)| status), Some(200), "the next request works");
}

#[test]
fn a_save_goes_on_when_its_client_leaves() {
    let program = Program::start("");
    let image = program.ask("photo.png?fmt=png").expect("an image").1;
    let names: Vec<String> = (0..30).map(|index| format!("f{index}.png")).collect();
    for name in &names {
        program.send_and_leave(&format!("photo.png?fmt=png&req=saveToFile&name={name}"));
    }
    until("the saves are done", || {
        names.iter().all(|name| program.site.path(&format!("saved/web/{name}")).exists())
    });
    for name in &names {
        let saved = fs::read(program.site.path(&format!("saved/web/{name}"))).expect("F-14");
        assert!(saved == image, "F-14 U-save-abort {name}: whole");
    }
    for _ in 0..4 {
        let reply = program.ask("photo.png?wid=9&req=saveToFile&name=next.jpg");
        assert_eq!(reply.map(|(status, _)| status), Some(200), "F-14: the workers are free");
    }
}

#[test]
fn a_stop_lets_a_running_save_finish() {
    let mut program = with_large();
    let socket = program.socket();
    let client = thread::spawn(move || ask(&socket, &format!("{SLOW}&name=a.png")));
    until("the save runs", || !program.pending().is_empty());
    program.signal(Signal::TERM);
    assert_eq!(program.ended().code(), Some(0), "SIGTERM");
    let (status, body) = client.join().expect("the client").expect("a reply");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    assert!(fs::read(program.site.path("saved/web/a.png")).expect("saved").starts_with(b"II*\0"));
}

#[test]
fn nothing_appears_after_a_timeout() {
    let program = with_large();
    let mut statuses = BTreeMap::new();
    for round in 0..12 {
        let timeout = 1 + round * 12;
        let name = format!("t{round}.png");
        let target = format!("large.png?fmt=tif,,zip&req=saveToFile&name={name}&timeout={timeout}");
        let (status, body) = program.ask(&target).expect("F-13: a reply");
        let body = String::from_utf8_lossy(&body).into_owned();
        let is_there = program.site.path(&format!("saved/web/{name}")).exists();
        assert_eq!(status == 200, is_there, "F-13 {timeout}: {body}");
        if status != 200 {
            assert!(body.contains("error.title=Save timed out\n"), "F-13 {timeout}: {body}");
            assert!(body.ends_with("status=timeout\n"), "F-13 {timeout}: {body}");
        }
        statuses.insert(name, is_there);
    }
    assert!(statuses.values().any(|is_there| !is_there), "F-13: some ran out of time");
    until("no save is left", || program.pending().is_empty());
    for (name, was_there) in statuses {
        let is_there = program.site.path(&format!("saved/web/{name}")).exists();
        assert_eq!(is_there, was_there, "F-13: nothing appears later");
    }
    assert_eq!(temporaries(&program.site.path("saved")), Vec::<PathBuf>::new(), "F-13");
    let reply = program.ask("photo.png?wid=9&req=saveToFile&name=next.jpg");
    assert_eq!(reply.map(|(status, _)| status), Some(200), "F-13: the workers are free");
}
