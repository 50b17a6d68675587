//! The files of the access log: a new one each day, old ones removed, moved ones made anew, several processes.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{asked, entry, image, journal, morning, texts};

const DAY: Duration = Duration::from_secs(86_400);

/// Names the folder of a process that appends.
const FOLDER: &str = "IMPRINT_TEST_JOURNAL";

/// Lines of each process.
const LINES: usize = 1000;

#[test]
fn a_new_file_starts_at_midnight_and_old_ones_go() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let path = folder.path();
    for name in [
        "access-2025-02-21.log",
        "access-2025-02-22.log",
        "access-2024-02-29.log",
        "access-2025-02-30.log",
        "access-2025-02-01.log.gz",
        "access-2025-2-1.log",
        "access-2025-99999999999999999999-1.log",
        "access-2025-18446744073709551615-1.log",
        "other-2025-02-01.log",
        "trace-2025-02-01.log",
    ] {
        fs::write(path.join(name), "").expect("a file");
    }
    let (asked, reply) = (asked(), image());
    let journal = journal(path, Some("%G"));
    // 23:59:59.999, midnight, and a request that was answered earlier but written later.
    let before = morning() + Duration::from_millis(53_097_881);
    journal.write(&entry(&asked, &reply, before));
    journal.write(&entry(&asked, &reply, before + Duration::from_millis(1)));
    journal.write(&entry(&asked, &reply, before + DAY));
    let logs = texts(path);
    let found: Vec<(&str, &str)> = logs.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    assert_eq!(
        found,
        [
            // No such day, or not a name of ours: left alone.
            ("access-2025-02-01.log.gz", ""),
            ("access-2025-02-30.log", ""),
            ("access-2025-03-04.log", "2025-03-04 23:59:59.999 +0000\n"),
            (
                "access-2025-03-05.log",
                "2025-03-05 00:00:00.000 +0000\n2025-03-05 23:59:59.999 +0000\n"
            ),
            ("access-2025-18446744073709551615-1.log", ""),
            ("access-2025-2-1.log", ""),
            ("access-2025-99999999999999999999-1.log", ""),
            ("other-2025-02-01.log", ""),
            ("trace-2025-02-01.log", ""),
        ],
        "S-83: maxDays is 10"
    );
}

#[test]
fn the_last_days_are_kept() {
    let folder = tempfile::tempdir().expect("scratch folder");
    for day in 20..=28 {
        fs::write(folder.path().join(format!("access-2025-02-{day}.log")), "").expect("a file");
    }
    journal(folder.path(), Some("x")).write(&entry(&asked(), &image(), morning()));
    let names: Vec<String> = texts(folder.path()).into_iter().map(|(name, _)| name).collect();
    // From 2025-02-22 to 2025-03-04 are 10 days.
    assert_eq!(names.first().map(String::as_str), Some("access-2025-02-22.log"), "S-83 {names:?}");
    assert_eq!(names.len(), 8, "S-83 {names:?}");
}

#[test]
fn a_file_that_is_moved_or_deleted_is_made_anew() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let path = folder.path();
    let (asked, reply) = (asked(), image());
    let journal = journal(path, Some("%G"));
    let write = |ms| journal.write(&entry(&asked, &reply, morning() + Duration::from_millis(ms)));
    write(0);
    let name = path.join("access-2025-03-04.log");
    fs::rename(&name, path.join("moved")).expect("moved");
    // Within the second nobody looks: the line goes to the moved file.
    write(500);
    write(1100);
    fs::remove_file(&name).expect("deleted");
    write(2200);
    let logs = texts(path);
    let count = |name: &str| {
        let text = logs.iter().find(|(known, _)| known == name).map(|(_, text)| text);
        text.map(|text| text.lines().count())
    };
    assert_eq!(count("moved"), Some(2), "{logs:?}");
    assert_eq!(count("access-2025-03-04.log"), Some(1), "{logs:?}");
}

#[test]
fn a_log_that_cannot_be_written_fails_no_request() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let missing = folder.path().join("logs");
    let (asked, reply) = (asked(), image());
    let journal = journal(&missing, Some("x"));
    journal.write(&entry(&asked, &reply, morning()));
    assert!(!missing.exists(), "folders are never made");
    fs::create_dir(&missing).expect("a folder");
    journal.write(&entry(&asked, &reply, morning() + Duration::from_secs(1)));
    assert!(texts(&missing).is_empty(), "nothing is tried for a while");
    journal.write(&entry(&asked, &reply, morning() + Duration::from_secs(11)));
    assert_eq!(texts(&missing).len(), 1, "a folder that comes later is used");
}

#[test]
fn a_link_or_fifo_in_place_of_the_file_is_not_written_to() {
    let folder = tempfile::tempdir().expect("scratch folder");
    let target = folder.path().join("target");
    fs::write(&target, "kept").expect("a file");
    let name = "access-2025-03-04.log";
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).expect("a folder");
    std::os::unix::fs::symlink(&target, logs.join(name)).expect("a link");
    let (asked, reply) = (asked(), image());
    journal(&logs, Some("x")).write(&entry(&asked, &reply, morning()));
    assert_eq!(fs::read(&target).expect("a file"), b"kept", "F-3 link");
    fs::remove_file(logs.join(name)).expect("deleted");
    let made = Command::new("mkfifo").arg(logs.join(name)).status().expect("mkfifo");
    assert!(made.success());
    journal(&logs, Some("x")).write(&entry(&asked, &reply, morning()));
}

/// Appends when a test started it for that, each line as long as its number.
fn append(folder: &Path) {
    let journal = journal(folder, Some("%D %{Referer}i end"));
    let reply = image();
    for number in 0..LINES {
        let mut asked = asked();
        asked.headers = vec![("referer".to_owned(), vec![b'r'; number % 900 + 1])];
        let mut entry = entry(&asked, &reply, morning());
        entry.total = Duration::from_millis(number as u64);
        journal.write(&entry);
    }
}

#[test]
fn two_processes_share_a_file_without_a_torn_line() {
    if let Some(folder) = env::var_os(FOLDER) {
        append(Path::new(&folder));
        return;
    }
    let folder = tempfile::tempdir().expect("scratch folder");
    let test = "journal::files::two_processes_share_a_file_without_a_torn_line";
    let start = || {
        let mut command = Command::new(env::current_exe().expect("own program"));
        command.args(["--exact", test]).env(FOLDER, folder.path());
        command.spawn().expect("a process")
    };
    for mut process in [start(), start()] {
        assert!(process.wait().expect("a process").success());
    }
    let logs = texts(folder.path());
    let [(_, text)] = logs.as_slice() else { panic!("one file: {}", logs.len()) };
    let mut seen = vec![0; LINES];
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [number, referer, "end"] = fields.as_slice() else { panic!("torn: {line}") };
        let number: usize = number.parse().expect("a number");
        assert_eq!(referer.len(), number % 900 + 1, "torn: {line}");
        assert!(referer.bytes().all(|byte| byte == b'r'), "torn: {line}");
        seen[number] += 1;
    }
    assert!(seen.iter().all(|count| *count == 2), "each line of both is there once");
}
