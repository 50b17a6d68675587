//! FastCGI requests to the handler and its reply back. The only file that uses the crate `fastcgi`; the bytes of a
//! record are in `src/fastcgi`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use fastcgi::{BodyError, Finish, Options, Request, Responder, Server};

use crate::error::{Error, Kind};
use crate::reply::Reply;
use crate::request::{Method, RawRequest};

use super::answer::{Answer, Content, refusal};
use super::environment::{asked, raw_request};
use super::sockets::Listener;
use super::visit::{Sending, Visit};
use super::watchdog::Client;
use super::worker::Desk;
use super::{Front, Settings};

pub(super) use fastcgi::Stopper;

/// Stack of the thread that renders; nested requests and decoders go deeper than the crate's default.
const STACK_BYTES: usize = 8 << 20;

/// Opens a Unix socket at `path`; a stale file is replaced, the mode is 0660.
pub(super) fn listen_unix(path: &Path, group: Option<u32>) -> io::Result<OwnedFd> {
    fastcgi::Listener::unix(path, group).map(OwnedFd::from)
}

/// Opens a TCP socket.
pub(super) fn listen_tcp(address: SocketAddr) -> io::Result<OwnedFd> {
    fastcgi::Listener::tcp(address).map(OwnedFd::from)
}

/// A FastCGI server that does not run yet.
pub(super) struct FastCgi {
    server: Server,
    listeners: Vec<fastcgi::Listener>,
}

impl FastCgi {
    /// Takes the sockets; `max_connections` has been held against the limit of descriptors.
    pub(super) fn new(
        listeners: Vec<Listener>,
        settings: &Settings,
        max_connections: usize,
    ) -> Result<FastCgi, Error> {
        let options = Options {
            max_connections,
            idle_timeout: settings.idle_limit,
            max_body_bytes: settings.front.body_limit,
            allowed_peers: allowed_peers(settings)?,
            stack_bytes: STACK_BYTES,
            ..Options::default()
        };
        let broken = |cause| Error::new(Kind::Internal, "FastCGI server").with_cause(cause);
        let server = Server::new(options).map_err(broken)?;
        let taken = listeners.into_iter().map(|l| fastcgi::Listener::from_fd(l.into_socket()));
        let listeners = taken.collect::<Result<_, _>>().map_err(broken)?;
        Ok(FastCgi { server, listeners })
    }

    /// What stops it: it accepts no more, and `run` returns when the last request is answered.
    pub(super) fn stopper(&self) -> Stopper {
        self.server.stopper()
    }

    /// Serves until it is stopped.
    pub(super) fn run(&self, desk: Arc<Desk>) -> Result<(), Error> {
        let served = self.server.run(&self.listeners, move |request| serve_one(request, &desk));
        served.map_err(|cause| Error::new(Kind::Internal, "FastCGI listener").with_cause(cause))
    }
}

fn allowed_peers(settings: &Settings) -> Result<Vec<std::net::IpAddr>, Error> {
    let mut peers = settings.allowed_peers.clone();
    if let Ok(listed) = std::env::var("FCGI_WEB_SERVER_ADDRS") {
        let added = fastcgi::parse_peers(&listed).map_err(|entry| {
            Error::new(
                Kind::Syntax,
                format!("FCGI_WEB_SERVER_ADDRS has {entry}, expected addresses"),
            )
        })?;
        peers.extend(added);
    }
    Ok(peers)
}

fn serve_one(mut request: Request<'_>, desk: &Desk) {
    let responder = request.responder();
    let visit = desk.visit(|headers| asked(request.params(), headers));
    match read(&mut request, &desk.front) {
        Ok(Some(raw)) => {
            let client = FastCgiClient { responder, method: raw.method, visit };
            let (responder, visit) = (client.responder.clone(), client.visit.clone());
            let watched = desk.watch(client);
            let reply = desk.answer(&raw, &watched);
            watched.answering();
            send(&responder, &reply, raw.method, &visit);
        }
        Ok(None) => {}
        Err(error) => {
            log::info!("{error}");
            send(&responder, &refusal(&error), Method::Other, &visit);
        }
    }
}

/// The request with the body of a POST, others without theirs; `None` when nobody is there any more to be answered.
fn read(request: &mut Request<'_>, front: &Front) -> Result<Option<RawRequest>, Error> {
    let (mut raw, length) = raw_request(request.params(), front)?;
    // mod_proxy_fcgi uses a connection again whose body it has not sent to the end, so the body that a GET announces is
    // read before its answer.
    if raw.method == Method::Post || length.is_some_and(|length| length > 0) {
        let body = match request.read_body(front.body_limit) {
            Ok(body) => body,
            Err(BodyError::TooLarge) => {
                let limit = front.body_limit;
                return Err(Error::new(Kind::BodyTooLarge, format!("body exceeds {limit} bytes")));
            }
            Err(error @ BodyError::BadLength) => {
                return Err(Error::new(Kind::BadRequest, error.to_string()));
            }
            Err(error @ (BodyError::Aborted | BodyError::Io(_))) => {
                log::debug!("{error}");
                return Ok(None);
            }
        };
        if raw.method == Method::Post {
            raw.body = body;
        }
    }
    Ok(Some(raw))
}

fn send(responder: &Responder, reply: &Reply, method: Method, visit: &Visit) {
    let start = Instant::now();
    let answer = Answer::cgi(reply, method);
    let finish = match answer.body {
        Content::Bytes(body) => responder.finish(&answer.head, body),
        Content::File(part) => responder.finish_reading(&answer.head, part.reader()),
    };
    match finish {
        Ok(Finish::Sent) => visit.tell(reply, method, Sending::since(start, true)),
        Ok(Finish::TooLate) => log::debug!("the request was answered before its handler ended"),
        Err(cause) => {
            log::debug!("reply not sent: {cause}");
            visit.tell(reply, method, Sending::since(start, false));
        }
    }
}

/// The web server's side of one request, for the watchdog.
struct FastCgiClient {
    responder: Responder,
    method: Method,
    visit: Arc<Visit>,
}

impl Client for FastCgiClient {
    fn finish_now(&self, reply: &Reply) {
        let start = Instant::now();
        let answer = Answer::cgi(reply, self.method);
        let Content::Bytes(body) = answer.body else { return };
        match self.responder.finish_now(&answer.head, body) {
            Ok(Finish::Sent) => self.visit.tell(reply, self.method, Sending::since(start, true)),
            Ok(Finish::TooLate) => {}
            Err(cause) => {
                log::debug!("reply at the deadline not sent: {cause}");
                self.visit.tell(reply, self.method, Sending::since(start, false));
            }
        }
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.responder.as_fd())
    }
}
