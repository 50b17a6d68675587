//! Several processes over one folder, under load, evicting, killed: every reply is whole and right.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::requests::aged;
use super::*;
use crate::faults::{self, Over, Program};
use crate::support::gateway::until;
use crate::support::pictures::{png, textured};

const ROOT: &str = "IMPRINT_TEST_CACHE_SHARED";

/// The content that belongs to a key, of a length of its own.
fn right(number: u64) -> Vec<u8> {
    let length = (number * 7919 % 30_000) as usize;
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}

fn bounded(root: &Path) -> ReplyCache {
    let roots = vec![root.join("one"), root.join("two")];
    ReplyCache::open(&CacheOptions { roots, max_bytes: 2_000_000, max_entries: 150 })
}

/// Puts and gets at random for ever.
fn hammer(cache: &ReplyCache, seed: u64, end: Instant) -> (u64, u64) {
    let mut state = seed;
    let (mut hits, mut puts) = (0, 0);
    while Instant::now() < end {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let number = (state >> 33) % 400;
        match content(cache, &key(number)) {
            Some(content) => {
                assert!(content == right(number), "L-8 {number}");
                hits += 1;
            }
            None => puts += u64::from(cache.put(&key(number), "image/jpeg", &right(number))),
        }
    }
    (hits, puts)
}

#[test]
fn processes_that_are_killed_leave_no_wrong_entry() {
    if let Some(root) = std::env::var_os(ROOT) {
        let cache = bounded(Path::new(&root));
        hammer(&cache, u64::from(std::process::id()), Instant::now() + Duration::from_secs(60));
        return;
    }
    let folder = Folder::new();
    for name in ["one", "two"] {
        fs::create_dir(folder.path().join(name)).expect("a folder");
    }
    let start = || {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let test = "cache::processes::processes_that_are_killed_leave_no_wrong_entry";
        command.args(["--exact", test, "--nocapture"]).env(ROOT, folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process")
    };
    let mut processes: Vec<Child> = (0..3).map(|_| start()).collect();
    let cache = bounded(folder.path());
    let mut kills = 0;
    let mut sum = (0, 0);
    for round in 0..25_u64 {
        let end = Instant::now() + Duration::from_millis(80 + round * 3 % 40);
        let (hits, puts) = hammer(&cache, round + 1, end);
        sum = (sum.0 + hits, sum.1 + puts);
        let index = round as usize % 3;
        let ended = processes[index].try_wait().expect("waited");
        assert!(ended.is_none(), "a process found a wrong entry: {ended:?}");
        processes[index].kill().expect("killed");
        processes[index].wait().expect("waited");
        processes[index] = start();
        kills += 1;
    }
    for mut process in processes {
        assert!(process.try_wait().expect("waited").is_none(), "a process found a wrong entry");
        process.kill().expect("killed");
        process.wait().expect("waited");
    }
    assert!(sum.0 > 100 && sum.1 > 100 && kills == 25, "{sum:?}, {kills} kills");
    let mut whole = 0;
    for number in 0..400 {
        let Some(content) = content(&cache, &key(number)) else { continue };
        assert!(content == right(number), "{number}");
        whole += 1;
    }
    assert!(whole > 20, "{whole} entries");
    let files = || ["one", "two"].map(|name| entries(&folder.path().join(name)));
    // What the killed ones did not count is found at the next look; a cache opened anew looks, for nobody did for a day.
    for name in ["one", "two"] {
        fs::remove_file(folder.path().join(name).join("replies/usage")).expect("removed");
    }
    let anew = bounded(folder.path());
    until("the bounds hold", || {
        let files = files().concat();
        let bytes: u64 = files.iter().map(|path| fs::metadata(path).map_or(0, |m| m.len())).sum();
        files.len() <= 150 && bytes <= 2_000_000
    });
    drop(anew);
}

#[test]
fn workers_that_share_a_cache_send_right_replies() {
    let site = faults::site("cache.maxEntries = 40\n");
    fs::create_dir(site.path("cache")).expect("a folder");
    aged(&site, "photo.png", &png(&textured(300, 200)));
    let program = Program::over(site, "exec \"$@\"");
    let target = |number: u64| format!("photo.png?wid={}", 20 + number % 80);
    let expected: Vec<Vec<u8>> = (0..80)
        .map(|number| {
            let target = format!("{}&cache=off", target(number));
            program.ask(&target).expect("an image").1
        })
        .collect();
    assert_eq!(entries(&program.site.path("cache")).len(), 1, "cache=off stores nothing");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (program, is_over, expected) = (&program, &is_over, &expected);
        let killer = scope.spawn(move || {
            let mut kills = 0;
            while !is_over.load(Ordering::SeqCst) {
                if let Some(&id) = program.workers().iter().nth(kills % 2) {
                    faults::kill(id);
                    kills += 1;
                }
                thread::sleep(Duration::from_millis(150));
            }
            kills
        });
        let over = Over(is_over);
        let clients: Vec<_> = (0..4_u64)
            .map(|client| {
                scope.spawn(move || {
                    for request in 0..150 {
                        let number = (request * (client + 3) + client * 31) % 80;
                        let mut reply = None;
                        until("a reply", || {
                            reply = program.ask(&target(number));
                            reply.is_some()
                        });
                        let (status, body) = reply.expect("answered");
                        assert_eq!(status, 200, "{number}");
                        assert!(body == expected[number as usize], "L-8 {number}");
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().expect("right replies");
        }
        drop(over);
        assert!(killer.join().expect("the killer") > 2);
    });
    let stored = entries(&program.site.path("cache"));
    assert!(stored.len() > 5, "{} entries", stored.len());
}
