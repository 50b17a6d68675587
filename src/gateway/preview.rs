//! A small HTTP/1.1 front end for trying things out without a web server. It is not meant for the public: no TLS, no
//! compression, no chunked bodies, few connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, accept_with, send};

use crate::error::{Error, Kind};
use crate::journal::Asked;
use crate::reply::Reply;
use crate::request::{Method, RawRequest};

use super::Settings;
use super::answer::{Answer, refusal};
use super::environment::{asked, raw_request};
use super::sockets::Listener;
use super::visit::{Sending, Visit};
use super::watchdog::Client;
use super::worker::Desk;

/// Bytes of a request line and its headers.
const HEAD_LIMIT: usize = 16 << 10;
/// Time from the first byte of a request to its end, and longest silence of a new connection.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// Longest silence between requests.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
const WRITE_LIMIT: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 64;
/// How long a full house or a lack of descriptors pauses the accepting.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes and time spent on what a client still sends when we close.
const DRAIN_BYTES: usize = 256 << 10;
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
const STACK_BYTES: usize = 8 << 20;

/// The preview of a worker.
pub(super) struct Preview {
    listeners: Vec<Listener>,
    is_loopback: bool,
    stopped: Arc<UnixStream>,
    stopper: UnixStream,
}

/// Stops the preview: no new connections, idle ones closed.
pub(super) struct PreviewStopper {
    line: UnixStream,
}

impl PreviewStopper {
    pub(super) fn stop(&self) {
        let _ = self.line.shutdown(Shutdown::Both);
    }
}

impl Preview {
    pub(super) fn new(listeners: Vec<Listener>, settings: &Settings) -> Result<Preview, Error> {
        let (stopper, stopped) = UnixStream::pair().map_err(fault)?;
        let is_loopback = !settings.allow_public;
        Ok(Preview { listeners, is_loopback, stopped: Arc::new(stopped), stopper })
    }

    pub(super) fn stopper(&self) -> Result<PreviewStopper, Error> {
        Ok(PreviewStopper { line: self.stopper.try_clone().map_err(fault)? })
    }

    /// Serves until it is stopped and the last connection is closed.
    pub(super) fn run(&self, desk: Arc<Desk>) -> Result<(), Error> {
        let live = Arc::new(AtomicUsize::new(0));
        while !is_stopped(&self.stopped, Duration::ZERO) {
            if live.load(Ordering::SeqCst) >= CONNECTIONS {
                is_stopped(&self.stopped, PAUSE);
                continue;
            }
            let mut fds = vec![PollFd::new(&*self.stopped, PollFlags::empty())];
            fds.extend(self.listeners.iter().map(|l| PollFd::new(l, PollFlags::IN)));
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(fault(errno.into())),
            }
            for (listener, fd) in self.listeners.iter().zip(fds.iter().skip(1)) {
                if !fd.revents().is_empty() {
                    self.accept(listener, &desk, &live);
                }
            }
        }
        while live.load(Ordering::SeqCst) > 0 {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn accept(&self, listener: &Listener, desk: &Arc<Desk>, live: &Arc<AtomicUsize>) {
        let socket = match accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(socket) => socket,
            // Another worker was first, or the client has left already.
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return,
            Err(errno) => {
                log::warn!("preview accepts nothing for a moment: {errno}");
                is_stopped(&self.stopped, PAUSE);
                return;
            }
        };
        let guest = Guest::enter(live);
        let (desk, stopped, is_loopback) = (desk.clone(), self.stopped.clone(), self.is_loopback);
        let thread = std::thread::Builder::new().name("preview".into()).stack_size(STACK_BYTES);
        let spawned = thread.spawn(move || {
            let _guest = guest;
            match Connection::new(socket, stopped) {
                Ok(mut connection) => connection.serve(&desk, is_loopback),
                Err(error) => log::debug!("{error}"),
            }
        });
        if let Err(cause) = spawned {
            log::warn!("preview has no thread for a connection: {cause}");
        }
    }
}

/// A connection that counts.
struct Guest(Arc<AtomicUsize>);

impl Guest {
    fn enter(live: &Arc<AtomicUsize>) -> Guest {
        live.fetch_add(1, Ordering::SeqCst);
        Guest(live.clone())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether the preview is stopped, waiting up to `wait` for it.
fn is_stopped(stopped: &UnixStream, wait: Duration) -> bool {
    let mut fds = [PollFd::new(stopped, PollFlags::empty())];
    let wait = Timespec::try_from(wait).ok();
    poll(&mut fds, wait.as_ref()).is_ok_and(|count| count > 0)
}

struct Connection {
    stream: Arc<TcpStream>,
    stopped: Arc<UnixStream>,
    /// Bytes that came and belong to no request yet.
    ahead: Vec<u8>,
    served: usize,
    /// The request whose head has come, until it is answered.
    visit: Option<Arc<Visit>>,
}

/// A request as it stands in the stream.
struct Heard {
    raw: RawRequest,
    is_last: bool,
}

/// Why no request came.
enum Silence {
    /// The client closed, was silent, or the preview stops: nothing to answer.
    Over,
    /// Something came that gets a refusal, and the end of the connection.
    Refused(Error),
}

impl From<Error> for Silence {
    fn from(error: Error) -> Silence {
        Silence::Refused(error)
    }
}

impl Connection {
    fn new(socket: OwnedFd, stopped: Arc<UnixStream>) -> Result<Connection, Error> {
        let stream = TcpStream::from(socket);
        stream.set_nonblocking(false).map_err(fault)?;
        let _ = stream.set_nodelay(true);
        stream.set_write_timeout(Some(WRITE_LIMIT)).map_err(fault)?;
        let (stream, ahead) = (Arc::new(stream), Vec::new());
        Ok(Connection { stream, stopped, ahead, served: 0, visit: None })
    }

    fn serve(&mut self, desk: &Desk, is_loopback: bool) {
        loop {
            let is_last = match self.hear(desk, is_loopback) {
                Ok(heard) => self.answer(heard, desk),
                Err(Silence::Over) => break,
                Err(Silence::Refused(error)) => {
                    log::info!("preview: {error}");
                    let visit = self.visited(desk);
                    let _ = self.send(&refusal(&error), Method::Other, true, &Sent::new(visit));
                    true
                }
            };
            self.served += 1;
            if is_last {
                break;
            }
        }
        self.close();
    }

    /// Answers a request; whether the connection ends with it.
    fn answer(&mut self, heard: Heard, desk: &Desk) -> bool {
        let method = heard.raw.method;
        let sent = Sent::new(self.visited(desk));
        let client = PreviewClient { stream: self.stream.clone(), sent: sent.clone(), method };
        let watched = desk.watch(client);
        let reply = desk.answer(&heard.raw, &watched);
        watched.answering();
        let is_last = heard.is_last || is_stopped(&self.stopped, Duration::ZERO);
        let is_sent = self.send(&reply, method, is_last, &sent);
        is_last || !is_sent
    }

    /// The request that is being answered; one whose head cannot be read has nothing to say.
    fn visited(&mut self, desk: &Desk) -> Arc<Visit> {
        self.visit.take().unwrap_or_else(|| desk.visit(|_| Asked::default()))
    }

    /// Whether this reply went out whole.
    fn send(&self, reply: &Reply, method: Method, is_last: bool, sent: &Sent) -> bool {
        if !sent.begin() {
            return false;
        }
        let start = Instant::now();
        let written = Answer::http(reply, method, is_last).write_to(&mut &*self.stream);
        sent.visit.tell(reply, method, Sending::since(start, written.is_ok()));
        written.is_ok()
    }

    fn hear(&mut self, desk: &Desk, is_loopback: bool) -> Result<Heard, Silence> {
        let idle = if self.served == 0 { REQUEST_LIMIT } else { IDLE_LIMIT };
        if self.ahead.is_empty() && !self.more(Instant::now() + idle, true)? {
            return Err(Silence::Over);
        }
        let until = Instant::now() + REQUEST_LIMIT;
        let end = loop {
            match head_end(&self.ahead) {
                Some(end) if end <= HEAD_LIMIT => break end,
                None if self.ahead.len() <= HEAD_LIMIT => {}
                _ => {
                    let detail = format!("head exceeds {HEAD_LIMIT} bytes");
                    return Err(Error::new(Kind::TargetTooLong, detail).into());
                }
            }
            if !self.more(until, false)? {
                return Err(Silence::Over);
            }
        };
        let rest = self.ahead.split_off(end);
        let head = std::mem::replace(&mut self.ahead, rest);
        let peer = self.stream.peer_addr().map(|peer| peer.ip().to_string()).unwrap_or_default();
        let head = Head::parse(&head, peer, self.stream.local_addr().ok())?;
        self.visit = Some(desk.visit(|headers| asked(head.pairs(), headers)));
        if is_loopback && !head.names_this_machine() {
            let detail = "the preview answers to names of this machine only";
            return Err(Error::new(Kind::Refused, detail).into());
        }
        let (mut raw, length) = raw_request(head.pairs(), &desk.front)?;
        let length = length.unwrap_or(0);
        if head.expects_continue && length > self.ahead.len() {
            (&*self.stream)
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .map_err(|_| Silence::Over)?;
        }
        while self.ahead.len() < length {
            if !self.more(until, false)? {
                return Err(Silence::Over);
            }
        }
        let rest = self.ahead.split_off(length);
        let body = std::mem::replace(&mut self.ahead, rest);
        if raw.method == Method::Post {
            raw.body = body;
        }
        Ok(Heard { raw, is_last: head.is_last })
    }

    /// Reads once; `false` at the end of the stream or of the time, and, when the client may be idle, at our end.
    fn more(&mut self, until: Instant, may_stop: bool) -> Result<bool, Silence> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let mut fds = vec![PollFd::new(&*self.stream, PollFlags::IN)];
            if may_stop {
                fds.push(PollFd::new(&*self.stopped, PollFlags::empty()));
            }
            let wait = Timespec::try_from(left).ok();
            match poll(&mut fds, wait.as_ref()) {
                Ok(0) => return Ok(false),
                Err(Errno::INTR) => continue,
                Err(_) => return Err(Silence::Over),
                Ok(_) => {}
            }
            if fds.first().is_some_and(|fd| fd.revents().is_empty()) {
                return Ok(false);
            }
            let mut bytes = [0; 4096];
            return match (&*self.stream).read(&mut bytes) {
                Ok(0) => Ok(false),
                Ok(count) => {
                    self.ahead.extend_from_slice(bytes.get(..count).unwrap_or_default());
                    Ok(true)
                }
                Err(_) => Err(Silence::Over),
            };
        }
    }

    /// Ends our side, and reads a little of what still comes: closing with unread bytes would reset the connection,
    /// and the client might lose the reply.
    fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let until = Instant::now() + DRAIN_LIMIT;
        let mut drained = 0;
        while drained < DRAIN_BYTES {
            self.ahead.clear();
            match self.more(until, true) {
                Ok(true) => drained += self.ahead.len(),
                _ => break,
            }
        }
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Behind the blank line that ends a head, if it is there; a line may end with LF alone.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|&byte| byte == b'\n') {
        let after = from + at + 1;
        let rest = bytes.get(after..)?;
        match rest {
            [b'\n', ..] => return Some(after + 1),
            [b'\r', b'\n', ..] => return Some(after + 2),
            _ => from = after,
        }
    }
    None
}

/// The head of a request as the variables that a web server would make of it.
struct Head {
    variables: Vec<(Vec<u8>, Vec<u8>)>,
    is_last: bool,
    expects_continue: bool,
}

impl Head {
    fn parse(bytes: &[u8], peer: String, local: Option<SocketAddr>) -> Result<Head, Error> {
        let bad = |what: &str| Error::new(Kind::BadRequest, what);
        let mut lines = bytes.split(|&byte| byte == b'\n');
        let mut next = || lines.next().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut words = next().unwrap_or_default().split(|&byte| byte == b' ');
        let (method, target, version) =
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some(method), Some(target), Some(version), None) => (method, target, version),
                _ => return Err(bad("request line has not three words")),
            };
        let is_last = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(bad("request line names no HTTP/1 version")),
        };
        if !method.iter().all(|&byte| is_token(byte)) || method.is_empty() || target.is_empty() {
            return Err(bad("request line without method or target"));
        }
        let mut head = Head { variables: Vec::new(), is_last, expects_continue: false };
        head.push(b"REQUEST_METHOD", method);
        head.push(b"REQUEST_URI", target);
        head.push(b"SERVER_PROTOCOL", version);
        head.push(b"REMOTE_ADDR", peer.as_bytes());
        if let Some(local) = local {
            head.push(b"SERVER_ADDR", local.ip().to_string().as_bytes());
            head.push(b"SERVER_PORT", local.port().to_string().as_bytes());
        }
        while let Some(line) = next() {
            if line.is_empty() {
                break;
            }
            if line.iter().any(|&byte| byte == 0 || byte == b'\r') {
                return Err(bad("header with a control byte"));
            }
            let colon = line.iter().position(|&byte| byte == b':');
            let (name, value) = line.split_at(colon.ok_or_else(|| bad("header without a colon"))?);
            if name.is_empty() || !name.iter().all(|&byte| is_token(byte)) {
                return Err(bad("header name is no token"));
            }
            head.header(name, value.get(1..).unwrap_or_default().trim_ascii())?;
        }
        Ok(head)
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        self.variables.push((name.to_vec(), value.to_vec()));
    }

    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let upper = name.to_ascii_uppercase();
        match upper.as_slice() {
            b"CONTENT-LENGTH" if value.is_empty() => {
                return Err(Error::new(Kind::BadRequest, "Content-Length is empty"));
            }
            b"CONTENT-LENGTH" => self.push(b"CONTENT_LENGTH", value),
            b"CONTENT-TYPE" => self.push(b"CONTENT_TYPE", value),
            b"TRANSFER-ENCODING" => {
                return Err(Error::new(Kind::BadRequest, "the preview takes no coded bodies"));
            }
            b"CONNECTION" => {
                let mut options = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                self.is_last |= options.any(|option| option.eq_ignore_ascii_case(b"close"));
            }
            b"EXPECT" => self.expects_continue = value.eq_ignore_ascii_case(b"100-continue"),
            // `_` and `-` would become one name.
            name if name.contains(&b'_') => {}
            name => {
                let mut variable = b"HTTP_".to_vec();
                variable.extend(name.iter().map(|&byte| if byte == b'-' { b'_' } else { byte }));
                self.push(&variable, value);
            }
        }
        Ok(())
    }

    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.variables.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Whether `Host` is absent or a name of this machine: a page from elsewhere whose name was made to lead here
    /// (DNS rebinding) would otherwise count as our own.
    fn names_this_machine(&self) -> bool {
        let mut hosts = self.pairs().filter(|(name, _)| *name == b"HTTP_HOST");
        hosts.all(|(_, host)| is_local(host))
    }
}

fn is_local(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a reply was begun, by whomever.
#[derive(Clone)]
struct Sent {
    is_begun: Arc<Mutex<bool>>,
    visit: Arc<Visit>,
}

impl Sent {
    fn new(visit: Arc<Visit>) -> Sent {
        Sent { is_begun: Arc::default(), visit }
    }

    /// `true` for the first caller only.
    fn begin(&self) -> bool {
        let mut is_begun = self.is_begun.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut *is_begun, true)
    }
}

struct PreviewClient {
    stream: Arc<TcpStream>,
    sent: Sent,
    method: Method,
}

impl Client for PreviewClient {
    fn finish_now(&self, reply: &Reply) {
        if self.sent.begin() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let start = Instant::now();
            if let Some(bytes) = Answer::http(reply, self.method, true).into_bytes() {
                let taken = send(&*self.stream, &bytes, flags);
                let is_sent = taken.is_ok_and(|taken| taken == bytes.len());
                self.sent.visit.tell(reply, self.method, Sending::since(start, is_sent));
            }
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.stream.as_fd())
    }
}

fn fault(cause: std::io::Error) -> Error {
    Error::new(Kind::Internal, "preview").with_cause(cause)
}
