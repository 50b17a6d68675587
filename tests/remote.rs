//! Foreign sources and the second server, against servers of our own on loopback: RQ-080 to RQ-082, S-76 to S-79,
//! CX-76, R-4, R-5, G-9. No other address is ever connected to.

mod addresses;
mod answers;
mod keeping;
mod pictures;
mod redirect;
mod secure;
mod urls;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use imprint::catalog::{Attributes, Catalogs};
use imprint::config::RemoteHost;
use imprint::error::{Error, Kind};
use imprint::limits::Deadline;
use imprint::source::{Remote, RemoteImage, RemoteSettings, RemoteUrl, Resolver};

use super::support::pictures::{flat, png, unhurried};

/// Longer than anything takes here, much shorter than a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that does with each connection what the test says; `answer` gets the head of the request as text.
pub struct Origin {
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    pub fn new(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Origin {
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let known = heads.clone();
        let mut origin = Origin::raw(move |stream| {
            let head = head(stream);
            known.lock().expect("no panic").push(head.clone());
            answer(&head, stream);
        });
        origin.heads = heads;
        origin
    }

    /// One that reads for itself.
    pub fn raw(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ends = Arc::<AtomicBool>::default();
        let (stopped, answer) = (ends.clone(), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let answer = answer.clone();
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    let _ = stream.set_write_timeout(Some(PATIENCE));
                    answer(&mut stream);
                });
            }
        });
        Origin { port, heads: Arc::default(), ends, thread: Some(thread) }
    }

    /// One that answers each request with the same bytes.
    pub fn saying(bytes: impl Into<Vec<u8>>) -> Origin {
        let bytes = bytes.into();
        Origin::new(move |_, stream| {
            let _ = stream.write_all(&bytes);
        })
    }

    /// The heads of the requests that came, in order.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.heads().len()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A request up to its blank line.
fn head(stream: &TcpStream) -> String {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|count| count > 2) {}
    head
}

/// A reply of a server: status line, headers, body with its length.
pub fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A small picture as a PNG.
pub fn picture() -> Vec<u8> {
    png(&flat(20, 10, [200, 100, 50]))
}

/// The attributes of a default catalog of these lines.
pub fn attributes(ini: &str) -> Attributes {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("default.ini"), ini).expect("a new file");
    let catalogs = Catalogs::load(folder.path(), None, &mut Vec::new());
    catalogs.default_catalog().expect("a default catalog").attributes.clone()
}

/// A URL of a catalog that allows all of them.
pub fn direct(text: &str) -> RemoteUrl {
    let url = RemoteUrl::parse(text, &attributes("AllowDirectUrls=1\n"));
    url.unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Settings under which `hosts` may have any address.
pub fn settings(hosts: &[&str]) -> RemoteSettings {
    let hosts = hosts.iter().map(|host| RemoteHost::parse(host).expect("a host"));
    RemoteSettings {
        timeout: PATIENCE,
        default_expiration: Duration::from_secs(36_000),
        hosts: hosts.collect(),
        max_bytes: 1 << 20,
        cache_bytes: 16 << 20,
        authorities: None,
    }
}

/// A client that may ask loopback, and looks up no name.
pub fn remote() -> Remote {
    remote_with(settings(&["127.0.0.1"]))
}

pub fn remote_with(settings: RemoteSettings) -> Remote {
    let none: Resolver = Arc::new(|host| panic!("{host} is looked up"));
    Remote::with_resolver(settings, none).expect("a client")
}

/// Fetches without haste.
pub fn fetch(remote: &Remote, url: &str) -> Result<RemoteImage, Error> {
    remote.fetch(&direct(url), &unhurried())
}

/// The kind and the text of a failure.
pub fn failure<T>(result: Result<T, Error>) -> (Kind, String) {
    match result {
        Ok(_) => panic!("it succeeds"),
        Err(error) => (error.kind(), error.to_string()),
    }
}

/// What stands in an image.
pub fn bytes(image: &RemoteImage) -> Vec<u8> {
    use imprint::codec::ReadAt;
    let mut bytes = vec![0; usize::try_from(image.len()).expect("a small image")];
    let count = image.read_at(&mut bytes, 0).expect("bytes in memory");
    assert_eq!(count, bytes.len());
    bytes
}
