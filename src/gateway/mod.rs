//! FastCGI, CGI and the preview: sockets and environment to [`RawRequest`], [`Reply`] to bytes, and the processes
//! around them. Knows no image command, opens no image, reads no settings file.
//!
//! A reader meets [`Settings`], [`Handlers`] and [`serve`] first. `environment` makes the request, `answer` the
//! bytes of a reply, `fastcgi`, `cgi` and `preview` are the three ways in; `visit` tells the journal of a request, `watchdog` ends what takes too long,
//! `worker` is one process that answers, `supervisor` keeps the workers alive, `sockets` opens what they listen on,
//! and `start` tells how the process was started.

#![forbid(unsafe_code)]

mod answer;
mod ask;
mod cgi;
mod environment;
mod fastcgi;
mod preview;
mod sockets;
mod start;
mod supervisor;
mod visit;
mod watchdog;
mod worker;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::journal::Journal;
use crate::limits::Deadline;
use crate::reply::Reply;
use crate::request::RawRequest;

pub use crate::config::Address;
pub use ask::ask;
pub use cgi::answer_cgi;
pub use environment::{Front, raw_request};
pub use sockets::{Listener, Protocol, group_id, open};
pub use start::{Start, is_worker, start, start_mode};
pub use worker::{Ending, Stop, Worker};

/// Answers one request; a panic inside becomes a 500, so it need not catch its own.
pub type Handler = Arc<dyn Fn(&RawRequest, &Deadline) -> Reply + Send + Sync>;

/// The reply that is sent for a request whose deadline passed while its handler still runs.
pub type TimedOut = Arc<dyn Fn(&Deadline) -> Reply + Send + Sync>;

/// What a gateway calls: `service::Service`, or a handler of a test.
#[derive(Clone)]
pub struct Handlers {
    /// `Service::answer`.
    pub answer: Handler,
    /// `Service::timed_out`.
    pub timed_out: TimedOut,
}

/// What the gateways need to know; filled from the settings file and the command line, never from a request (G-8).
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses to open when no listening socket was handed to the process (`listen`, `--listen`).
    pub listen: Vec<Address>,
    /// Addresses of the preview (`--http`).
    pub http: Vec<Address>,
    /// Worker processes; 0 answers in this process without children, as mod_fcgid wants it (`workers`).
    pub workers: usize,
    /// Connections that one worker holds at most (`maxConnections`); kept below the descriptor limit by 128.
    pub max_connections: usize,
    /// Time a request gets before its handler says otherwise by `Deadline::move_to`.
    pub deadline: Duration,
    /// Time that work may go on after its deadline before its worker is replaced; 1.5 s.
    pub grace: Duration,
    /// Renders that one worker runs at once; when all of them are past their deadline the grace is a quarter.
    /// 0 means that nobody counts them.
    pub slots: usize,
    /// Longest time that requests may run on after SIGTERM; above the longest permitted timeout.
    pub stop_limit: Duration,
    /// Time that a connection may be silent or a peer may refuse our bytes.
    pub idle_limit: Duration,
    /// Mode of a Unix socket that we open; 0o660.
    pub socket_mode: u32,
    /// Group of a Unix socket that we open, see [`group_id`].
    pub socket_group: Option<u32>,
    /// Whether a TCP address other than loopback may be opened (G-13); each such address is logged as a warning.
    pub allow_public: bool,
    /// Addresses that may connect over TCP; empty means every one that can reach the socket.
    /// `FCGI_WEB_SERVER_ADDRS` of the process environment adds to them.
    pub allowed_peers: Vec<IpAddr>,
    /// What a request's environment is held against.
    pub front: Front,
    /// Where every answered request is written down; `None` writes nothing.
    pub journal: Option<Arc<Journal>>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: Vec::new(),
            http: Vec::new(),
            workers: 2,
            max_connections: 512,
            deadline: Duration::from_secs(60),
            grace: Duration::from_millis(1500),
            slots: 0,
            stop_limit: Duration::from_secs(610),
            idle_limit: Duration::from_secs(75),
            socket_mode: 0o660,
            socket_group: None,
            allow_public: false,
            allowed_peers: Vec::new(),
            front: Front::default(),
            journal: None,
        }
    }
}

/// Serves until it is told to stop; the value is the exit status of the process.
///
/// In the process that a user or service manager started this opens the sockets and supervises `settings.workers`
/// copies of the process (same program, same arguments); in such a copy it calls `handlers`, then answers. So the
/// caller reads its settings and calls this in every process alike. With `workers` 0 it answers here.
/// Sockets: those of socket activation, else descriptor 0 if it listens, else `settings.listen`.
///
/// Fails when a socket cannot be had, when `handlers` fails, and when no worker could start.
pub fn serve(
    settings: &Settings,
    handlers: impl FnOnce() -> Result<Handlers, Error>,
) -> Result<u8, Error> {
    if let Some(post) = supervisor::Post::of_this_process()? {
        return worker::serve_at(post, settings, handlers);
    }
    let listeners = sockets::acquire(settings)?;
    if settings.workers == 0 {
        return worker::serve_alone(listeners, settings, handlers);
    }
    supervisor::supervise(listeners, settings)
}
