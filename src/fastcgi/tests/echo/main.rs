//! The tests' server: its replies are functions of the request. `fastcgi-echo SETTING=VALUE…`, stops at the end of its input.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastcgi::{BodyError, Finish, Listener, Options, Request, Responder, Server};
use rustix::process::{Resource, Rlimit};

/// What the server saw, for the reply of `ECHO_STATS`.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    gone: AtomicUsize,
    refused_replies: AtomicUsize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = Options::default();
    let mut listener = None;
    for argument in std::env::args().skip(1) {
        let (name, value) = argument.split_once('=').ok_or("expected SETTING=VALUE")?;
        let millis = || value.parse().map(Duration::from_millis);
        match name {
            "unix" => listener = Some(Listener::unix(Path::new(value), None)?),
            "tcp" => listener = Some(Listener::tcp(value.parse::<SocketAddr>()?)?),
            "inherited" => listener = Some(Listener::inherited(value.parse()?)?),
            "connections" => options.max_connections = value.parse()?,
            "idle_ms" => options.idle_timeout = millis()?,
            "request_ms" => options.request_timeout = millis()?,
            "write_ms" => options.write_timeout = millis()?,
            "stack" => options.stack_bytes = value.parse()?,
            "peers" => options.allowed_peers = fastcgi::parse_peers(value)?,
            "descriptors" => {
                let count = Some(value.parse()?);
                let limit = Rlimit { current: count, maximum: count };
                rustix::process::setrlimit(Resource::Nofile, limit)?;
            }
            _ => return Err(format!("unknown setting {name}").into()),
        }
    }
    let listener = listener.ok_or("expected unix=, tcp= or inherited=")?;
    let server = Server::new(options)?;
    let stopper = server.stopper();
    let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
    println!("listening {address}");
    // Descriptor 0 may be the listening socket, which has no end.
    let has_input = !fastcgi::is_listening(io::stdin());
    thread::spawn(move || {
        if !has_input {
            return;
        }
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        stopper.stop();
    });
    let seen = Arc::new(Seen::default());
    server.run(&[listener], move |request| answer(request, &seen))?;
    println!("stopped");
    Ok(())
}

fn number(request: &Request<'_>, name: &str) -> Option<u64> {
    std::str::from_utf8(request.param(name)?).ok()?.parse().ok()
}

fn answer(mut request: Request<'_>, seen: &Arc<Seen>) {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let responder = request.responder();
    if request.param("ECHO_STATS").is_some() {
        let load = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        let counts = [&seen.requests, &seen.gone, &seen.refused_replies].map(load);
        return reply(&responder, seen, "200 OK", format!("{counts:?}").as_bytes());
    }
    if request.param("ECHO_PANIC").is_some() {
        let _ = write!(request, "Status: 200 OK\r\n\r\nhalf a reply");
        std::panic::resume_unwind(Box::new("on demand"));
    }
    if request.param("ECHO_SILENCE").is_some() {
        return;
    }
    if request.param("ECHO_OVERLOADED").is_some() {
        let _ = responder.overloaded();
        return;
    }
    if let Some(app_status) = number(&request, "ECHO_EXIT") {
        let _ = write!(request, "Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nexit\n");
        let _ = request.exit(app_status.try_into().unwrap_or(0));
        return;
    }
    if let Some(bytes) = number(&request, "ECHO_READ") {
        let mut some = vec![0; bytes.try_into().unwrap_or(0)];
        let _ = request.read_exact(&mut some);
        return reply(&responder, seen, "200 OK", &some);
    }
    if request.param("ECHO_BODY").is_some() {
        return match request.read_body(64 * 1024) {
            Ok(body) => reply(&responder, seen, "200 OK", &body),
            Err(BodyError::TooLarge) => reply(&responder, seen, "413 Content Too Large", b"large"),
            Err(err) => reply(&responder, seen, "400 Bad Request", err.to_string().as_bytes()),
        };
    }
    if let Some(longest) = number(&request, "ECHO_GONE_MS") {
        let end = Instant::now() + Duration::from_millis(longest);
        while !request.peer_gone() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        if request.peer_gone() {
            seen.gone.fetch_add(1, Ordering::SeqCst);
        }
    }
    if request.param("ECHO_WATCHDOG").is_some() {
        let watchdog = request.responder();
        let thread = thread::spawn(move || {
            let head = b"Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n";
            watchdog.finish_now(head, b"time is up")
        });
        let _ = thread.join();
    }
    if let Some(millis) = number(&request, "ECHO_WAIT_MS") {
        thread::sleep(Duration::from_millis(millis));
    }
    let body = match number(&request, "ECHO_SIZE") {
        Some(bytes) => (0..bytes).map(|i| (i % 251) as u8).collect(),
        None => {
            let mut body = Vec::new();
            for (name, value) in request.params() {
                for part in [name, value] {
                    body.extend_from_slice(&(part.len() as u32).to_be_bytes());
                    body.extend_from_slice(part);
                }
            }
            body
        }
    };
    if request.param("REQUEST_METHOD") == Some(b"HEAD") {
        let head = format!("Status: 200 OK\r\nContent-Type: x/y\r\nContent-Length: {}", body.len());
        let _ = responder.finish(format!("{head}\r\n\r\n").as_bytes(), b"");
        return;
    }
    reply(&responder, seen, "200 OK", &body);
}

fn reply(responder: &Responder, seen: &Seen, status: &str, body: &[u8]) {
    let head = format!(
        "Status: {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    if let Ok(Finish::TooLate) = responder.finish(head.as_bytes(), body) {
        seen.refused_replies.fetch_add(1, Ordering::SeqCst);
    }
}
