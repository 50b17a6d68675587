//! Files of the cache: what is put is got, what is torn, foreign or a link is not, and faults of the disk only pause it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use imprint::cache::{CacheOptions, ReplyCache};
use imprint::limits::Limits;

use super::*;
use crate::support::gateway::until;

#[test]
fn what_is_put_is_got_until_it_is_replaced() {
    let folder = Folder::new();
    let cache = folder.open();
    assert!(cache.is_on());
    for (number, length) in [(1, 0), (2, 1), (3, 100_000), (4, 5)] {
        let bytes: Vec<u8> = (0..length).map(|i: u32| (i * 7 + number) as u8).collect();
        let key = key(number.into());
        assert!(cache.get(&key).is_none(), "{length}: nothing yet");
        assert_eq!(cache.length(&key), None, "{length}");
        assert!(cache.put(&key, "image/jpeg", &bytes), "{length}");
        let entry = cache.get(&key).expect("an entry");
        assert_eq!((entry.mime(), entry.length()), ("image/jpeg", u64::from(length)));
        assert_eq!(cache.length(&key), Some(u64::from(length)));
        assert!(cache.put(&key, "image/png", b"other"), "{length}: replaced");
        assert_eq!(entry.content(&Limits::default()), Some(bytes), "an open entry stays whole");
        let entry = cache.get(&key).expect("an entry");
        assert_eq!(entry.mime(), "image/png");
        assert_eq!(entry.content(&Limits::default()).as_deref(), Some(b"other".as_slice()));
        fs::remove_file(file(folder.path(), &key)).expect("removed");
        assert_eq!(entry.content(&Limits::default()).as_deref(), Some(b"other".as_slice()));
        assert!(cache.get(&key).is_none());
    }
    assert!(cache.put(&key(9), "image/jpeg", &[7; 1000]));
    let small = Limits { memory_bytes: 999, ..Limits::default() };
    assert_eq!(cache.get(&key(9)).expect("an entry").content(&small), None, "no memory for it");
    let other = folder.open();
    assert_eq!(content(&other, &key(9)), Some(vec![7; 1000]), "another process finds it");
}

#[test]
fn a_media_type_is_short_and_printable() {
    let folder = Folder::new();
    let cache = folder.open();
    for (name, mime, is_good) in [
        ("short", "a", true),
        ("longest", &*"x".repeat(128), true),
        ("longer", &*"x".repeat(129), false),
        ("far longer", &*"x".repeat(300), false),
        ("empty", "", false),
        ("line feed", "a\nb", false),
        ("not ASCII", "é", false),
    ] {
        assert_eq!(cache.put(&key(1), mime, b"x"), is_good, "{name}");
    }
    assert!(cache.put(&key(1), "b", b"x"), "a refusal is no failure of the disk");
}

#[test]
fn names_and_permissions_are_those_of_a_private_store() {
    let folder = Folder::new();
    let cache = folder.open();
    for number in 0..50 {
        assert!(cache.put(&key(number), "image/jpeg", b"x"));
    }
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    let store = folder.path().join("replies");
    assert_eq!(mode(&store), 0o700);
    let entries = entries(folder.path());
    assert_eq!(entries.len(), 50);
    for entry in entries {
        assert_eq!(mode(&entry), 0o600);
        let parent = entry.parent().expect("a folder");
        assert_eq!(mode(parent), 0o700);
        for name in [parent.file_name(), entry.file_name()] {
            let name = name.and_then(|name| name.to_str()).expect("a name");
            assert!(name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        }
    }
}

#[test]
fn torn_and_foreign_files_are_never_served() {
    let folder = Folder::new();
    let cache = folder.open();
    let own = key(1);
    let path = file(folder.path(), &own);
    assert!(cache.put(&own, "image/jpeg", b"the content of an entry"));
    let whole = fs::read(&path).expect("a file");
    assert!(cache.put(&key(2), "image/jpeg", b"the content of an entry"));
    let others = fs::read(file(folder.path(), &key(2))).expect("a file");
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("empty".into(), Vec::new()),
        ("longer".into(), [&whole[..], b"x"].concat()),
        ("another key's".into(), others),
        ("a picture".into(), b"\x89PNG\r\n\x1a\n".repeat(100)),
        ("zeros".into(), vec![0; whole.len()]),
    ];
    cases.extend((1..whole.len()).map(|at| (format!("cut at {at}"), whole[..at].to_vec())));
    for at in 0..HEAD {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        cases.push((format!("bit of byte {at}"), bytes));
    }
    assert!(cases.len() > 300, "{} cases", cases.len());
    for (name, bytes) in cases {
        fs::write(&path, bytes).expect("written");
        assert!(cache.get(&own).is_none(), "{name}");
        assert!(!path.exists(), "{name}: removed");
    }
    for at in HEAD..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).expect("written");
        assert_eq!(content(&cache, &own), None, "content, byte {at}");
    }
    assert!(cache.put(&own, "image/jpeg", b"again"));
    assert_eq!(content(&cache, &own).as_deref(), Some(b"again".as_slice()));
}

#[test]
fn links_and_special_files_lead_nowhere() {
    let folder = Folder::new();
    let outside = tempfile::tempdir().expect("a folder");
    let own = key(1);
    {
        let cache = folder.open();
        assert!(cache.put(&own, "image/jpeg", b"inside"));
    }
    let path = file(folder.path(), &own);
    let parent = path.parent().expect("a folder").to_owned();
    let target = outside.path().join("target");
    fs::copy(&path, &target).expect("a copy that is a whole entry");
    fs::remove_file(&path).expect("removed");
    symlink(&target, &path).expect("a link");
    let cache = folder.open();
    assert!(cache.get(&own).is_none(), "a link to an entry");
    assert!(cache.put(&own, "image/jpeg", b"new"), "a link is replaced");
    assert!(fs::symlink_metadata(&path).expect("there").is_file());
    assert!(fs::read(&target).expect("there").ends_with(b"inside"), "its target is untouched");

    fs::remove_file(&path).expect("removed");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a pipe");
    assert!(cache.get(&own).is_none(), "a pipe does not block");
    assert!(cache.put(&own, "image/jpeg", b"new"), "a pipe is replaced");

    fs::remove_dir_all(&parent).expect("removed");
    fs::rename(&target, outside.path().join(path.file_name().expect("a name"))).expect("moved");
    symlink(outside.path(), &parent).expect("a link");
    assert!(cache.get(&own).is_none(), "a link to a folder of entries");
    assert!(!cache.put(&own, "image/jpeg", b"new"));
    assert_eq!(fs::read_dir(outside.path()).expect("there").count(), 1, "nothing is written");
    drop(cache);

    let store = folder.path().join("replies");
    fs::remove_dir_all(&store).expect("removed");
    symlink(outside.path(), &store).expect("a link");
    assert!(!folder.open().is_on(), "a link instead of the store");
    fs::remove_file(&store).expect("removed");
    fs::create_dir(&store).expect("a folder");
    symlink(outside.path().join("usage"), store.join("usage")).expect("a link");
    assert!(!folder.open().is_on(), "a link instead of the table");
    assert_eq!(fs::read_dir(outside.path()).expect("there").count(), 1, "nothing is written");
}

#[test]
fn a_root_that_cannot_be_used_is_left_out() {
    let folder = Folder::new();
    fs::write(folder.path().join("file"), b"").expect("written");
    fs::create_dir(folder.path().join("good")).expect("a folder");
    fs::create_dir(folder.path().join("blocked")).expect("a folder");
    fs::write(folder.path().join("blocked/replies"), b"").expect("written");
    let open = |names: &[&str], max_bytes, max_entries| {
        let roots: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
        ReplyCache::open(&CacheOptions { roots, max_bytes, max_entries })
    };
    for (name, roots, bytes, entries, is_on) in [
        ("none", [].as_slice(), 1 << 20, 9, false),
        ("missing", &["missing"], 1 << 20, 9, false),
        ("a file", &["file"], 1 << 20, 9, false),
        ("a file in it", &["blocked"], 1 << 20, 9, false),
        ("no bytes", &["good"], 0, 9, false),
        ("no entries", &["good"], 1 << 20, 0, false),
        ("one of three", &["missing", "good", "file"], 1 << 20, 9, true),
    ] {
        let cache = open(roots, bytes, entries);
        assert_eq!(cache.is_on(), is_on, "{name}");
        assert_eq!(cache.put(&key(1), "image/jpeg", b"x"), is_on, "{name}");
        assert_eq!(cache.get(&key(1)).is_some(), is_on, "{name}");
    }
    assert!(!folder.path().join("missing").exists(), "a root is never made");
}

#[test]
fn an_emptied_folder_is_filled_again() {
    let folder = Folder::new();
    let cache = folder.open();
    let other = folder.open();
    assert!(cache.put(&key(1), "image/jpeg", b"x"));
    // The thread that counts may put its table back in between.
    let replies = folder.path().join("replies");
    until("removed", || fs::remove_dir_all(&replies).is_ok() || !replies.exists());
    assert!(cache.get(&key(1)).is_none());
    for cache in [&cache, &other] {
        assert!(cache.put(&key(1), "image/jpeg", b"x"));
        assert_eq!(content(cache, &key(1)).as_deref(), Some(b"x".as_slice()));
    }
}

#[test]
fn leftovers_are_removed_and_nothing_else() {
    let folder = Folder::new();
    drop(folder.open());
    let inner = folder.path().join("replies/ab");
    fs::create_dir_all(inner.join("folder")).expect("a folder");
    let outside = folder.path().join("outside");
    fs::write(&outside, b"kept").expect("written");
    let old = SystemTime::now() - Duration::from_secs(3600);
    let digits = |count: usize| "0123456789abcdef".repeat(4)[..count].to_owned();
    for (name, age) in [(digits(32), Some(old)), (digits(40), Some(old)), ("f".repeat(32), None)] {
        let file = File::create(inner.join(name)).expect("a file");
        if let Some(age) = age {
            file.set_modified(age).expect("its time");
        }
    }
    for name in ["junk.jpg", ".hidden", &"A".repeat(62), &"g".repeat(62), &digits(61)] {
        fs::write(inner.join(name), b"junk").expect("written");
    }
    symlink(&outside, inner.join(digits(62))).expect("a link");
    fs::remove_file(folder.path().join("replies/usage")).expect("removed");
    let cache = folder.open();
    let names = || {
        let names = fs::read_dir(&inner).expect("there").flatten();
        let mut names: Vec<_> = names.map(|e| e.file_name().into_string().expect("text")).collect();
        names.sort();
        names
    };
    until("the leftovers are gone", || names() == ["f".repeat(32), "folder".to_owned()]);
    assert_eq!(fs::read(&outside).expect("there"), b"kept");
    assert!(cache.is_on());
}

#[test]
fn a_disk_that_fails_only_pauses_storing() {
    const ROOT: &str = "IMPRINT_TEST_CACHE_ROOT";
    if let Some(root) = std::env::var_os(ROOT) {
        let roots = vec![PathBuf::from(root)];
        let cache = ReplyCache::open(&CacheOptions { roots, max_bytes: 1 << 30, max_entries: 99 });
        assert!(cache.put(&key(1), "image/jpeg", b"small"));
        assert!(!cache.put(&key(2), "image/jpeg", &[1; 500_000]), "beyond the limit of a file");
        assert!(!cache.put(&key(3), "image/jpeg", b"small"), "storing rests");
        assert_eq!(
            content(&cache, &key(1)).as_deref(),
            Some(b"small".as_slice()),
            "reading does not"
        );
        return;
    }
    let folder = Folder::new();
    let mut command = Command::new("sh");
    let test = "cache::store::a_disk_that_fails_only_pauses_storing";
    command.arg("-c").arg(format!("ulimit -f 60; exec \"$0\" --exact {test} --nocapture"));
    command.arg(std::env::current_exe().expect("this program")).env(ROOT, folder.path());
    let output = command.output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
    assert!(text.contains("1 passed"), "{text}");
    assert_eq!(entries(folder.path()).len(), 1);
    for entry in fs::read_dir(folder.path().join("replies")).expect("there").flatten() {
        let files = fs::read_dir(entry.path()).into_iter().flatten().flatten();
        for file in files {
            assert_eq!(file.file_name().len(), 62, "nothing half-written remains");
        }
    }
    // A folder without write permission says the same, where permissions count.
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).expect("a folder");
    fs::set_permissions(&locked, Permissions::from_mode(0o555)).expect("read-only");
    let options = CacheOptions { roots: vec![locked], max_bytes: 1 << 30, max_entries: 99 };
    assert_eq!(ReplyCache::open(&options).is_on(), rustix::process::geteuid().is_root());
}
