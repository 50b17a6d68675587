//! Single flight: one works, the others wait for its entry, within a process and across processes.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use imprint::cache::Turn;
use imprint::error::Kind;
use imprint::limits::Deadline;

use super::*;
use crate::support::pictures::unhurried;

/// Two caches over one folder behave as two processes: their locks are of different open files.
fn pair() -> (Folder, ReplyCache, ReplyCache) {
    let folder = Folder::new();
    let (one, other) = (folder.open(), folder.open());
    (folder, one, other)
}

fn first(cache: &ReplyCache, key: &Key) -> imprint::cache::Flight {
    match cache.turn(key, &unhurried()) {
        Ok(Turn::First(flight)) => flight,
        other => panic!("not first: {other:?}"),
    }
}

#[test]
fn one_of_many_works_and_the_others_wait() {
    let (folder, one, other) = pair();
    let (works, landed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for number in 0..8 {
            let cache = if number % 2 == 0 { &one } else { &other };
            let (works, landed, barrier) = (&works, &landed, &barrier);
            scope.spawn(move || {
                barrier.wait();
                match cache.turn(&key(1), &unhurried()).expect("in time") {
                    Turn::First(flight) => {
                        works.fetch_add(1, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(30));
                        assert!(cache.put(&key(1), "image/jpeg", b"x"));
                        flight.land();
                    }
                    Turn::Landed => {
                        landed.fetch_add(1, Ordering::SeqCst);
                        assert_eq!(content(cache, &key(1)).as_deref(), Some(b"x".as_slice()));
                    }
                    Turn::Alone => panic!("nobody failed"),
                }
            });
        }
    });
    assert_eq!((works.into_inner(), landed.into_inner()), (1, 7));
    let left: Vec<_> = fs::read_dir(folder.path().join("replies").join(&key(1).path()[..2]))
        .expect("there")
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "no lock remains: {left:?}");
}

#[test]
fn other_keys_do_not_wait() {
    let (_folder, one, other) = pair();
    let flights: Vec<_> = (0..20).map(|number| first(&one, &key(number))).collect();
    let more: Vec<_> = (20..40).map(|number| first(&other, &key(number))).collect();
    assert_eq!(flights.len() + more.len(), 40);
}

#[test]
fn work_that_fails_lets_the_others_work() {
    let (_folder, cache, _) = pair();
    let flight = first(&cache, &key(1));
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..4).map(|_| scope.spawn(|| cache.turn(&key(1), &unhurried()))).collect();
        thread::sleep(Duration::from_millis(20));
        drop(flight);
        for thread in waiting {
            match thread.join().expect("no panic").expect("in time") {
                // One that came after the end is first again.
                Turn::Alone | Turn::First(_) => {}
                Turn::Landed => panic!("nothing was stored"),
            }
        }
    });
    drop(first(&cache, &key(1)));
    let panicked = thread::scope(|scope| {
        let work = scope.spawn(|| {
            let _flight = first(&cache, &key(1));
            panic!("a decoder fails");
        });
        work.join().is_err()
    });
    assert!(panicked);
    drop(first(&cache, &key(1)));
}

#[test]
fn nobody_waits_beyond_its_time() {
    let (_folder, one, other) = pair();
    let _flight = first(&one, &key(1));
    let short = Deadline::after(Duration::from_millis(60));
    let outcome = one.turn(&key(1), &short);
    assert_eq!(outcome.map_err(|e| e.kind()).err(), Some(Kind::TimedOut), "in the process");
    let watched = Deadline::after(Duration::from_secs(600));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| one.turn(&key(1), &watched).map_err(|e| e.kind()).err());
        let across = scope.spawn(|| {
            let watched = Deadline::after(Duration::from_millis(200));
            other.turn(&key(1), &watched).map(|turn| matches!(turn, Turn::First(_))).ok()
        });
        assert_eq!(
            across.join().expect("no panic"),
            Some(true),
            "half of the time is left to work"
        );
        assert!(watched.expire());
        assert_eq!(
            waiting.join().expect("no panic"),
            Some(Kind::TimedOut),
            "the watchdog ended it"
        );
    });
    let over = Deadline::after(Duration::ZERO);
    let outcome = other.turn(&key(1), &over).map_err(|e| e.kind()).err();
    assert_eq!(outcome, Some(Kind::TimedOut), "the time was over before");
}

#[test]
fn a_late_look_finds_what_landed_meanwhile() {
    let (_folder, one, other) = pair();
    assert!(other.put(&key(1), "image/jpeg", b"x"));
    assert!(matches!(one.turn(&key(1), &unhurried()), Ok(Turn::Landed)));
    let flight = first(&one, &key(2));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| matches!(other.turn(&key(2), &unhurried()), Ok(Turn::Landed)));
        assert!(one.put(&key(2), "image/jpeg", b"x"));
        flight.land();
        assert!(waiting.join().expect("no panic"), "across processes");
    });
    let off = Folder::new().bounded(0, 0);
    assert!(matches!(off.turn(&key(1), &unhurried()), Ok(Turn::Alone)), "without a cache");
}
