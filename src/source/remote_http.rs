//! One HTTP exchange with a server whose addresses are known: question out, bounded answer in. It looks up no name,
//! follows no redirect, knows no proxy and undoes no content coding; what the answer means is for its callers.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};
use ureq::Agent;
use ureq::config::Config;
use ureq::http::{Method, Request, Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, RustlsConnector, Transport,
};
use url::Url;

use crate::error::{Error, Kind};
use crate::limits::Deadline;

/// How long a cancelled request is not noticed, at most.
const SLICE: Duration = Duration::from_millis(50);
/// Bytes of a status line with its headers.
const HEAD_LIMIT: usize = 32 << 10;
const READ_BYTES: usize = 64 << 10;

/// What is asked of a server.
pub(super) struct Question<'a> {
    /// `http` or `https`.
    pub url: &'a Url,
    /// Where its server is; tried in order.
    pub addresses: &'a [SocketAddr],
    /// Headers beside `Host`, `User-Agent`, `Accept` and those of the body.
    pub headers: &'a [(&'static str, &'a [u8])],
    /// A body makes it a POST.
    pub body: Option<&'a [u8]>,
    /// Time for connections, all addresses together.
    pub connect_limit: Duration,
    /// Longest body that is read.
    pub limit_bytes: u64,
    /// Whether the body is read for this status.
    pub is_wanted: fn(u16) -> bool,
}

/// What a server said.
pub(super) struct Answer {
    /// The status, 200..=999.
    pub status: u16,
    /// Names in lower case, values as they came.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body; empty where it is not wanted.
    pub body: Vec<u8>,
}

impl Answer {
    /// The values of a header of this lower-case name, as far as they are ASCII.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.headers.iter().filter(move |(known, _)| known == name);
        of_name.filter_map(|(_, value)| std::str::from_utf8(value).ok().filter(|v| v.is_ascii()))
    }
}

/// The end of an exchange: its own limit or the deadline of the request, whichever is first.
#[derive(Clone)]
pub(super) struct Timer {
    deadline: Deadline,
    until: Instant,
}

impl Timer {
    /// `limit` from now.
    pub fn new(deadline: &Deadline, limit: Duration) -> Timer {
        let now = Instant::now();
        Timer { deadline: deadline.clone(), until: now.checked_add(limit).unwrap_or(now) }
    }

    fn within(&self, limit: Duration) -> Timer {
        let own = Timer::new(&self.deadline, limit);
        Timer { until: own.until.min(self.until), ..own }
    }

    /// The next stretch of waiting, or the failure that the time is over.
    pub fn slice(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() || self.deadline.is_over() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the time is over"));
        }
        Ok(left.min(self.deadline.remaining()).min(SLICE).max(Duration::from_millis(1)))
    }

    fn wait(&self, socket: impl AsFd, flags: PollFlags) -> io::Result<()> {
        loop {
            let slice = Timespec::try_from(self.slice()?).ok();
            match poll(&mut [PollFd::new(&socket, flags)], slice.as_ref()) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The error for a failed exchange: `TimedOut` when the request's own time is over, else `Unreadable`.
    pub fn failure(&self, cause: impl Into<io::Error>) -> Error {
        if let Err(error) = self.deadline.tick() {
            return error;
        }
        let cause = cause.into();
        let detail = match Instant::now() >= self.until {
            true => "the server did not answer in time".to_owned(),
            false => format!("the server did not answer: {cause}"),
        };
        Error::new(Kind::Unreadable, detail).with_cause(cause)
    }
}

/// The authorities that vouch for `https` servers: those of the system, read at the first use, and given ones.
pub(super) struct Authorities {
    given: Vec<Certificate<'static>>,
    tls: OnceLock<TlsConfig>,
}

impl Authorities {
    /// `path` is a PEM file of further authorities. Fails with `Internal` when it cannot be read or holds none.
    pub fn open(path: Option<&Path>) -> Result<Authorities, Error> {
        let mut given = Vec::new();
        if let Some(path) = path {
            let fault = |what: &str| {
                Error::new(Kind::Internal, format!("remoteAuthorities {} {what}", path.display()))
            };
            let pem =
                std::fs::read(path).map_err(|cause| fault("cannot be read").with_cause(cause))?;
            for item in parse_pem(&pem) {
                let item = item.map_err(|cause| fault("is no PEM file").with_cause(cause))?;
                if let PemItem::Certificate(certificate) = item {
                    given.push(certificate);
                }
            }
            if given.is_empty() {
                return Err(fault("holds no certificate"));
            }
        }
        Ok(Authorities { given, tls: OnceLock::new() })
    }

    fn tls(&self) -> TlsConfig {
        let make = || {
            let system = rustls_native_certs::load_native_certs();
            for error in &system.errors {
                log::warn!("authorities of the system: {error}");
            }
            let system = system.certs.iter().map(|cert| Certificate::from_der(cert).to_owned());
            let all: Vec<_> = system.chain(self.given.iter().cloned()).collect();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            TlsConfig::builder()
                .provider(TlsProvider::Rustls)
                .root_certs(RootCerts::Specific(Arc::new(all)))
                .unversioned_rustls_crypto_provider(provider)
                .build()
        };
        self.tls.get_or_init(make).clone()
    }
}

/// Asks and reads the answer, within `timer`.
///
/// `Unreadable` when the server fails, `TooLarge` for a body over the limit, `TimedOut` when the deadline of the
/// request passed.
pub(super) fn ask(
    question: &Question<'_>,
    authorities: &Authorities,
    timer: &Timer,
) -> Result<Answer, Error> {
    let (stream, address) = connected(question, timer)?;
    let uri: Uri = question.url.as_str().parse().map_err(|cause| {
        Error::new(Kind::Refused, "the URL cannot be asked for").with_cause(cause)
    })?;
    let config = Config::builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("imprint/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .max_response_header_size(HEAD_LIMIT)
        .input_buffer_size(READ_BYTES)
        .max_idle_connections(0);
    let config = match question.url.scheme() {
        "https" => config.tls_config(authorities.tls()),
        _ => config,
    };
    let line =
        Line { buffers: LazyBuffers::new(READ_BYTES, READ_BYTES), stream, timer: timer.clone() };
    let line = Once(Mutex::new(Some(line)));
    let agent =
        Agent::with_parts(config.build(), line.chain(RustlsConnector::default()), Known(address));
    let method = if question.body.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder().method(method).uri(uri).header("Connection", "close");
    for (name, value) in question.headers {
        request = request.header(*name, *value);
    }
    let broken = |cause: ureq::http::Error| {
        Error::new(Kind::Internal, "a question cannot be put").with_cause(cause)
    };
    let response = match question.body {
        Some(body) => agent.run(request.body(body).map_err(broken)?),
        None => agent.run(request.body(()).map_err(broken)?),
    };
    answered(response.map_err(|cause| timer.failure(cause.into_io()))?, question, timer)
}

fn answered(
    response: Response<ureq::Body>,
    question: &Question<'_>,
    timer: &Timer,
) -> Result<Answer, Error> {
    let (head, body) = response.into_parts();
    let headers = head.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let status = head.status.as_u16();
    let mut answer = Answer { status, headers: headers.collect(), body: Vec::new() };
    if !(question.is_wanted)(status) {
        return Ok(answer);
    }
    let coded = |coding: &str| !coding.trim().eq_ignore_ascii_case("identity");
    if let Some(coding) = answer.values("content-encoding").find(|coding| coded(coding)) {
        let coding = crate::error::shown(coding);
        let detail = format!("the body is coded as {coding}, expected none");
        return Err(Error::new(Kind::Unreadable, detail));
    }
    let limit = question.limit_bytes;
    let too_large = || Error::new(Kind::TooLarge, format!("the body exceeds {limit} bytes"));
    if body.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut reader = body.into_reader();
    let mut chunk = vec![0; READ_BYTES];
    loop {
        timer.slice().map_err(|cause| timer.failure(cause))?;
        let count = match reader.read(&mut chunk) {
            Ok(0) => return Ok(answer),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(timer.failure(error)),
        };
        let read = chunk.get(..count).unwrap_or_default();
        if (answer.body.len() + read.len()) as u64 > limit {
            return Err(too_large());
        }
        answer.body.try_reserve(read.len()).map_err(|_| too_large())?;
        answer.body.extend_from_slice(read);
    }
}

/// Connects to the first address that answers.
fn connected(question: &Question<'_>, timer: &Timer) -> Result<(TcpStream, SocketAddr), Error> {
    let limit = timer.within(question.connect_limit);
    let mut last = None;
    for (at, address) in question.addresses.iter().enumerate() {
        // A silent address leaves time for the others.
        let others = u32::try_from(question.addresses.len() - at).unwrap_or(u32::MAX);
        let left = limit.until.saturating_duration_since(Instant::now());
        match connected_to(*address, &limit.within(left / others)) {
            Ok(stream) => return Ok((stream, *address)),
            Err(error) => last = Some(error),
        }
    }
    Err(limit.failure(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())))
}

fn connected_to(address: SocketAddr, timer: &Timer) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => {
            timer.wait(&socket, PollFlags::OUT)?;
            sockopt::socket_error(&socket)??;
        }
        Err(errno) => return Err(errno.into()),
    }
    let stream = TcpStream::from(socket);
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A connection that waits in short stretches and no longer than its timer.
struct Line {
    stream: TcpStream,
    buffers: LazyBuffers,
    timer: Timer,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({:?})", self.stream)
    }
}

impl Line {
    /// `step` as soon as the socket is ready for it.
    fn when_ready<T>(
        &mut self,
        flags: PollFlags,
        mut step: impl FnMut(&mut Line) -> io::Result<T>,
    ) -> Result<T, ureq::Error> {
        loop {
            self.timer.slice()?;
            match step(self) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.timer.wait(&self.stream, flags)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Ok(result?),
            }
        }
    }
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let mut sent = 0;
        while sent < amount {
            sent += self.when_ready(PollFlags::OUT, |line| {
                let rest = line.buffers.output().get(sent..amount).unwrap_or_default();
                match (&line.stream).write(rest)? {
                    0 => Err(io::ErrorKind::WriteZero.into()),
                    count => Ok(count),
                }
            })?;
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let count = self.when_ready(PollFlags::IN, |line| {
            (&line.stream).read(line.buffers.input_append_buf())
        })?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

/// Gives the one connection that was made to a checked address, and no second one.
#[derive(Debug)]
struct Once(Mutex<Option<Line>>);

impl Connector for Once {
    type Out = Line;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Line>, ureq::Error> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

/// The address that the connection has already.
#[derive(Debug)]
struct Known(SocketAddr);

impl Resolver for Known {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}
