//! G1: the hostile FastCGI client against `imprint serve`, over its Unix socket and over TCP, with more connections
//! than descriptors.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use crate::support::gateway::until;
use crate::support::servers::{Backend, IMPRINT, site};

#[path = "../../src/fastcgi/tests/hostile/mod.rs"]
mod attack;

use attack::{Pairs, Stream, Target, run_all};

/// Cases that need no echo server, `nothing_leaked` included.
const CASES: usize = 62;
/// So few descriptors that a worker serves 64 connections.
const DESCRIPTORS: u32 = 192;
/// More connections than two such workers have places for.
const FLOOD: usize = 200;

fn params() -> Pairs {
    [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/is/image/shop/photo?wid=20"),
        ("QUERY_STRING", "wid=20"),
        ("REMOTE_ADDR", "127.0.0.1"),
    ]
    .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
    .to_vec()
}

/// Descriptors and threads of the workers.
fn usage(backend: &Backend) -> Option<(usize, usize)> {
    let mut counts = (0, 0);
    for worker in backend.workers() {
        let (descriptors, threads) = self::counts(worker)?;
        counts.0 += descriptors;
        counts.1 += threads;
    }
    Some(counts)
}

fn counts(worker: u32) -> Option<(usize, usize)> {
    let count = |name| Some(fs::read_dir(format!("/proc/{worker}/{name}")).ok()?.count());
    Some((count("fd")?, count("task")?))
}

fn survives(connect: impl Fn(&Backend) -> io::Result<Stream> + Sync) {
    let mut command = Command::new("sh");
    let limited = format!("ulimit -n {DESCRIPTORS}; exec \"$0\" \"$@\"");
    command.args(["-c", &limited, IMPRINT]);
    let backend = Backend::start_with(site("idleTimeout = 2000"), command);
    let workers = backend.settled_workers();
    // One of them serves; the other does too when it has as many threads and descriptors.
    until("both workers serve", || {
        let counts = |&worker| counts(worker);
        let each: Vec<_> = workers.iter().map(counts).collect();
        each.iter().all(|counts| counts.is_some() && *counts == each[0])
    });
    let target = Target {
        connect: &|| connect(&backend),
        is_echo: false,
        params: params(),
        timeout: Duration::from_secs(10),
        flood: FLOOD,
        check_alive: &|| match backend.workers() {
            same if same == workers => Ok(()),
            other => Err(format!("workers {workers:?} became {other:?}")),
        },
        usage: &|| usage(&backend),
    };
    let (ran, failures) = run_all(&target);
    let log = backend.log();
    assert!(failures.is_empty(), "{}\n{log}", failures.join("\n"));
    assert_eq!(ran.len(), CASES, "{ran:?}");
    assert!(!log.contains("panic"), "{log}");
}

#[test]
fn the_unix_socket_survives_a_hostile_web_server() {
    survives(|backend| {
        UnixStream::connect(backend.site.path("run/imprint.sock")).map(Stream::Unix)
    });
}

#[test]
fn the_tcp_socket_survives_a_hostile_web_server() {
    survives(|backend| TcpStream::connect((Ipv4Addr::LOCALHOST, backend.port)).map(Stream::Tcp));
}
