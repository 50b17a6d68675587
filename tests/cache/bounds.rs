//! How much the cache holds, and what goes first.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use imprint::cache::{CacheOptions, ReplyCache};

use super::*;
use crate::support::gateway::until;

/// Says that an entry was used `seconds` ago.
fn used(folder: &Folder, number: u64, seconds: u64) {
    let path = file(folder.path(), &key(number));
    let file = File::options().write(true).open(path).expect("an entry");
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).expect("its time");
}

fn held(folder: &Folder, numbers: std::ops::Range<u64>) -> Vec<u64> {
    numbers.filter(|number| file(folder.path(), &key(*number)).exists()).collect()
}

fn bytes(folder: &Folder) -> u64 {
    entries(folder.path()).iter().map(|path| fs::metadata(path).map_or(0, |meta| meta.len())).sum()
}

#[test]
fn s_71_what_was_used_longest_ago_goes_first() {
    let folder = Folder::new();
    let cache = folder.bounded(1 << 30, 10);
    for number in 0..10 {
        assert!(cache.put(&key(number), "image/jpeg", b"x"));
        used(&folder, number, 10_000 - number * 100);
    }
    assert_eq!(held(&folder, 0..10).len(), 10, "exactly the limit is allowed");
    assert!(cache.get(&key(0)).is_some(), "this one is in use");
    assert!(cache.length(&key(1)).is_some(), "a look at the length is no use");
    assert!(cache.put(&key(10), "image/jpeg", b"x"));
    until("S-71 an entry goes", || held(&folder, 0..11).len() == 10);
    assert_eq!(held(&folder, 0..11), [0, 2, 3, 4, 5, 6, 7, 8, 9, 10], "S-71 entries");
    assert!(cache.put(&key(10), "image/jpeg", b"y"), "replacing one needs no room");
    until("the count is right", || cache.load().1 == 10);
    assert_eq!(held(&folder, 0..11).len(), 10);
}

#[test]
fn s_71_bytes_are_bounded_as_entries_are() {
    let folder = Folder::new();
    let cache = folder.bounded(100_000, 1000);
    for number in 0..9 {
        assert!(cache.put(&key(number), "image/jpeg", &[1; 10_000]));
        used(&folder, number, 10_000 - number * 100);
    }
    assert_eq!(bytes(&folder), 9 * 10_192);
    assert!(cache.put(&key(9), "image/jpeg", &[1; 30_000]));
    until("S-71 bytes", || bytes(&folder) <= 100_000);
    assert_eq!(
        held(&folder, 0..10),
        [3, 4, 5, 6, 7, 8, 9],
        "S-71 oldest first, no more than needed"
    );
    assert!(!cache.put(&key(11), "image/jpeg", &[1; 100_001]), "larger than all of it");
    assert!(!cache.put(&key(11), "image/jpeg", &[1; 100_000]), "as large as all of it");
    assert_eq!(held(&folder, 0..10).len(), 7, "nothing goes for what cannot be stored");
}

#[test]
fn s_71_a_crowd_of_entries_stays_bounded() {
    // More than one step of eviction compares, in three roots.
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let roots = folders.iter().map(|folder| folder.path().to_owned()).collect();
    let options = CacheOptions { roots, max_bytes: 1 << 30, max_entries: 6000 };
    let cache = ReplyCache::open(&options);
    for number in 0..9000 {
        assert!(cache.put(&key(number), "image/jpeg", b"x"));
        if number % 1000 == 0 {
            let (_, count) = cache.load();
            assert!(count <= 7000, "{count} entries");
        }
    }
    let count = || folders.iter().map(|folder| entries(folder.path()).len()).sum::<usize>();
    until("the rest goes", || cache.load().1 <= 6000);
    let left = count();
    assert!((5000..=6100).contains(&left), "{left} entries are left");
    let total =
        |range: std::ops::Range<u64>| range.filter(|n| cache.get(&key(*n)).is_some()).count();
    let (first, last) = (total(0..2000), total(7000..9000));
    assert!(last > 1900 && first < last / 2, "S-71: {first} old ones, {last} new ones");
    let spread: Vec<usize> = folders.iter().map(|folder| entries(folder.path()).len()).collect();
    assert!(spread.iter().all(|count| count * 4 > left), "evenly: {spread:?}");
}

#[test]
fn junk_in_the_folder_does_not_grow_the_cache() {
    let folder = Folder::new();
    drop(folder.bounded(50_000, 20));
    // Entries of nobody, as a copy of another cache would leave them.
    for number in 0..300_u64 {
        let path = file(folder.path(), &key(number));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, vec![0; 1000]).expect("written");
    }
    fs::remove_file(folder.path().join("replies/usage")).expect("removed");
    let cache = folder.bounded(50_000, 20);
    until("L-8 the junk goes", || entries(folder.path()).len() <= 20);
    let mut found = BTreeMap::new();
    for number in 1000..1100 {
        assert!(cache.put(&key(number), "image/jpeg", &number.to_le_bytes()));
        found.insert(number, content(&cache, &key(number)));
    }
    for (number, content) in found {
        let is_right = content.is_none_or(|content| content == number.to_le_bytes());
        assert!(is_right, "L-8 {number}");
    }
    until("L-8 bounded", || entries(folder.path()).len() <= 20);
}

#[test]
fn a_use_is_noted_once_a_minute() {
    let folder = Folder::new();
    let cache = folder.open();
    assert!(cache.put(&key(1), "image/jpeg", b"x"));
    let modified = || {
        let meta = fs::metadata(file(folder.path(), &key(1))).expect("there");
        meta.modified().expect("a time")
    };
    for (name, seconds, is_noted) in [("young", 30, false), ("old", 90, true)] {
        used(&folder, 1, seconds);
        let before = modified();
        assert!(cache.get(&key(1)).is_some());
        assert_eq!(modified() != before, is_noted, "{name}");
    }
    let file = File::options().write(true).open(file(folder.path(), &key(1))).expect("an entry");
    file.set_modified(SystemTime::now() + Duration::from_secs(100_000)).expect("its time");
    assert!(cache.get(&key(1)).is_some());
    assert!(modified() <= SystemTime::now(), "a time in the future would never go");
}
