//! A FastCGI client of our own, and handlers that behave as the query says. No images.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use imprint::error::Error;
use imprint::gateway::{Address, Ending, Handlers, Protocol, Settings, Stop, Worker, open};
use imprint::limits::Deadline;
use imprint::reply::body::Body;
use imprint::reply::{HeaderValue, Reply};
use imprint::request::{RawRequest, Target};

/// Long enough for anything that happens at all, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("record of a test");
    let [high, low] = length.to_be_bytes();
    [&[1, kind, 0, 1, high, low, 0, 0], content].concat()
}

/// The bytes of a whole FastCGI request.
pub fn request_bytes(params: &[(&str, &[u8])], body: &[u8], keeps: bool) -> Vec<u8> {
    let mut pairs = Vec::new();
    for (name, value) in params {
        for length in [name.len(), value.len()] {
            let length = u32::try_from(length).expect("parameter of a test");
            pairs.extend_from_slice(&(length | 0x8000_0000).to_be_bytes());
        }
        pairs.extend_from_slice(name.as_bytes());
        pairs.extend_from_slice(value);
    }
    let mut bytes = record(1, &[0, 1, u8::from(keeps), 0, 0, 0, 0, 0]);
    for chunk in pairs.chunks(60_000) {
        bytes.extend(record(4, chunk));
    }
    bytes.extend(record(4, &[]));
    for chunk in body.chunks(60_000) {
        bytes.extend(record(5, chunk));
    }
    bytes.extend(record(5, &[]));
    bytes
}

/// A GET of `uri`.
pub fn get(uri: &str) -> Vec<u8> {
    request_bytes(&[("REQUEST_METHOD", b"GET"), ("REQUEST_URI", uri.as_bytes())], &[], false)
}

/// Standard output of one reply, up to its END_REQUEST.
pub fn read_reply(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    loop {
        let mut header = [0; 8];
        stream.read_exact(&mut header)?;
        let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let mut content = vec![0; length + usize::from(header[6])];
        stream.read_exact(&mut content)?;
        match header[1] {
            6 => output.extend_from_slice(&content[..length]),
            3 => return Ok(output),
            _ => {}
        }
    }
}

/// A connection that gives up after `PATIENCE`.
pub fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One request on a connection of its own, as text.
pub fn ask(socket: &Path, request: &[u8]) -> io::Result<String> {
    let mut stream = connect(socket)?;
    stream.write_all(request)?;
    read_reply(&mut stream).map(|output| String::from_utf8_lossy(&output).into_owned())
}

/// Waits until `holds`, and fails the test when it never does.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A reply of plain text.
pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    let headers = vec![("Content-Type".into(), HeaderValue::new("text/plain"))];
    Reply::new(status, headers, Body::Bytes(body.into()))
}

/// Handlers with `answer`; the reply at the deadline is `403 timed out`.
pub fn handlers(
    answer: impl Fn(&RawRequest, &Deadline) -> Reply + Send + Sync + 'static,
) -> Handlers {
    let timed_out = |deadline: &Deadline| {
        text(403, if deadline.is_save() { "save timed out" } else { "timed out" })
    };
    Handlers { answer: Arc::new(answer), timed_out: Arc::new(timed_out) }
}

/// The query of a request, as text.
pub fn query(raw: &RawRequest) -> String {
    let bytes = match &raw.target {
        Target::Raw(uri) => uri.split(|&b| b == b'?').nth(1).unwrap_or_default().to_vec(),
        Target::Decoded { query, .. } => query.clone(),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Does what the query says: `sleep=MS` works that long and looks at the deadline, `spin` works for ever and never
/// looks, `panic` panics, `big` answers 4 MB, `pid` tells the process; anything else is echoed.
pub fn obey(raw: &RawRequest, deadline: &Deadline) -> Reply {
    let query = query(raw);
    match query.split_once('=').unwrap_or((&query, "")) {
        ("sleep", ms) => {
            let end = Instant::now() + Duration::from_millis(ms.parse().unwrap_or(0));
            while Instant::now() < end {
                if deadline.tick().is_err() {
                    return text(403, "stopped");
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            text(200, "slept")
        }
        ("spin", _) => loop {
            std::thread::sleep(Duration::from_millis(50));
        },
        ("panic", _) => panic!("asked to"),
        ("big", _) => text(200, vec![b'x'; 4 << 20]),
        ("pid", _) => text(200, std::process::id().to_string()),
        _ => text(200, format!("{:?} {} {}", raw.method, query, raw.body.len())),
    }
}

/// A worker in this process, on sockets of its own.
pub struct Server {
    /// The FastCGI socket.
    pub socket: PathBuf,
    /// The preview's port.
    pub port: u16,
    folder: tempfile::TempDir,
    stop: Stop,
    thread: Option<JoinHandle<Result<Ending, Error>>>,
}

impl Server {
    /// Starts it.
    pub fn start(settings: &Settings, handlers: Handlers) -> Server {
        let folder = tempfile::tempdir().expect("scratch folder");
        let socket = folder.path().join("socket");
        let fastcgi = open(&Address::Unix(socket.clone()), Protocol::FastCgi, settings);
        let http =
            open(&Address::Tcp { host: "127.0.0.1".into(), port: 0 }, Protocol::Http, settings);
        let (fastcgi, http) = (fastcgi.expect("socket"), http.expect("port"));
        let port = http.local_address().expect("address").port();
        let kept = fastcgi.duplicate().expect("handle");
        let worker = Worker::new(vec![fastcgi, http], settings, handlers).expect("worker");
        let stop = worker.stop();
        let thread = std::thread::spawn(move || {
            let ending = worker.run(|| {});
            drop(kept);
            ending
        });
        Server { socket, port, folder, stop, thread: Some(thread) }
    }

    /// A scratch folder of its own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether the worker has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops it and waits.
    pub fn end(mut self) -> Ending {
        self.stop.stop();
        let thread = self.thread.take().expect("running");
        thread.join().expect("no panic").expect("no fault")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.stop();
    }
}
