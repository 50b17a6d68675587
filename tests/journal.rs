//! The logs: rows S-81 to S-84, S-89, RQ-113, CX-48 and L-9. Lines as a journal writes them, files of a day, what a
//! gateway tells of a request, and `imprint check --images`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use imprint::config::{Config, LogPattern};
use imprint::gateway::Settings;
use imprint::journal::{Asked, Entry, Journal};
use imprint::reply::{HeaderValue, Reply};

use crate::support::gateway::{Server, handlers};

#[path = "journal/files.rs"]
mod files;
#[path = "journal/images.rs"]
mod images;
#[path = "journal/lines.rs"]
mod lines;
#[path = "journal/requests.rs"]
mod requests;

/// 2025-03-04 09:15:02.118 UTC.
fn morning() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_741_079_702_118)
}

/// A journal with logs in `folder`.
fn journal(folder: &Path, pattern: Option<&str>) -> Journal {
    let mut config = Config::default();
    config.tc.directory = folder.to_owned();
    if let Some(pattern) = pattern {
        config.tc.pattern = LogPattern::parse(pattern).expect(pattern);
    }
    Journal::new(&config)
}

fn asked() -> Asked {
    Asked {
        method: b"GET".to_vec(),
        uri: b"/is/image/shop/a%20b?wid=20".to_vec(),
        protocol: b"HTTP/1.1".to_vec(),
        remote: b"192.0.2.7".to_vec(),
        local: b"192.0.2.1".to_vec(),
        port: b"443".to_vec(),
        server: b"images.example.com".to_vec(),
        user: Vec::new(),
        headers: vec![("host".to_owned(), b"images.example.com".to_vec())],
    }
}

fn image() -> Reply {
    let headers = vec![
        ("Content-Type".into(), HeaderValue::new("image/jpeg")),
        ("ETag".into(), HeaderValue::new("\"0123abcd\"")),
    ];
    let mut reply = Reply::new(200, headers, b"four".to_vec());
    reply.facts.req_type = "IMG".to_owned();
    reply.facts.root_id = "shop".to_owned();
    reply.facts.parse_time = Duration::from_millis(3);
    reply.facts.fetch_time = Duration::from_millis(40);
    reply
}

fn entry<'a>(asked: &'a Asked, reply: &'a Reply, sent_at: SystemTime) -> Entry<'a> {
    Entry {
        asked,
        reply,
        sent_at,
        body_bytes: 4,
        total: Duration::from_millis(1045),
        sending: Duration::from_millis(2),
        in_progress: 5,
        thread: 4711,
    }
}

/// The files of a folder, by name, with their texts.
fn texts(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut texts: Vec<(String, String)> = entries
        .flatten()
        .map(|entry| {
            let text = fs::read(entry.path()).expect("a file");
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, String::from_utf8(text).expect("a log is text"))
        })
        .collect();
    texts.sort();
    texts
}

/// The line of an entry.
fn line(pattern: Option<&str>, asked: &Asked, reply: &Reply) -> String {
    let folder = tempfile::tempdir().expect("scratch folder");
    journal(folder.path(), pattern).write(&entry(asked, reply, morning()));
    let texts = texts(folder.path());
    let [(name, text)] = texts.as_slice() else { panic!("one file: {texts:?}") };
    assert_eq!(name, "access-2025-03-04.log");
    let line = text.strip_suffix('\n').expect("a whole line");
    assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "printable: {line:?}");
    line.to_owned()
}

/// A worker in this process that writes to `logs` in a folder of its own.
struct Logged {
    server: Server,
    folder: tempfile::TempDir,
}

impl Logged {
    fn start(
        pattern: &str,
        deadline: Duration,
        answer: impl Fn(&imprint::request::RawRequest, &imprint::limits::Deadline) -> Reply
        + Send
        + Sync
        + 'static,
    ) -> Logged {
        let folder = tempfile::tempdir().expect("scratch folder");
        let journal = Arc::new(journal(folder.path(), Some(pattern)));
        let settings = Settings { journal: Some(journal), deadline, ..Settings::default() };
        Logged { server: Server::start(&settings, handlers(answer)), folder }
    }

    fn socket(&self) -> &PathBuf {
        &self.server.socket
    }

    /// The lines, once there are `count` of them.
    fn lines(&self, count: usize) -> Vec<String> {
        let lines = || -> Vec<String> {
            let texts = texts(self.folder.path());
            // A reader may see the first part of a line that is being written.
            let whole = |text: &str| text.rfind('\n').map_or(0, |at| at + 1);
            let lines = texts.iter().flat_map(|(_, text)| text[..whole(text)].lines());
            lines.map(str::to_owned).collect()
        };
        crate::support::gateway::until("all lines are there", || lines().len() >= count);
        lines()
    }
}
