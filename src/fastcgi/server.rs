//! The accept loop: one thread a connection, bounded; lack of descriptors or threads is a pause.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{SocketFlags, sockopt};

use crate::connection::{Connection, Surroundings};
use crate::idle::Idle;
use crate::listener::Listener;
use crate::options::Options;
use crate::request::Request;
use crate::socket::{self, Socket, lock};

/// How long to wait for a descriptor, memory or a thread before the next try.
const PAUSE: Duration = Duration::from_millis(50);

/// How long another process that shares the listener has to take a connection for which there is no place here.
const OTHERS_PAUSE: Duration = Duration::from_millis(2);

/// How long an evicted connection has to make room before the next one goes.
const EVICTION_PAUSE: Duration = Duration::from_millis(20);

/// Nothing but events ends a wait.
const ALWAYS: Duration = Duration::MAX;

type Handler = dyn Fn(Request<'_>) + Send + Sync;

/// Accepts connections and runs the handler for each request.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

/// Stops a server from any thread; cheap to clone.
#[derive(Clone, Debug)]
pub struct Stopper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    surroundings: Arc<Surroundings>,
    is_stopping: AtomicBool,
    connections: AtomicUsize,
    /// An event counter: ends the accept loop's wait.
    wake: OwnedFd,
}

impl Server {
    /// A server that does not run yet. Fails only when the process has no descriptor left.
    pub fn new(options: Options) -> io::Result<Server> {
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Server {
            shared: Arc::new(Shared {
                surroundings: Arc::new(Surroundings { options, idle: Idle::default() }),
                is_stopping: AtomicBool::new(false),
                connections: AtomicUsize::new(0),
                wake,
            }),
        })
    }

    /// What stops this server.
    pub fn stopper(&self) -> Stopper {
        Stopper { shared: Arc::clone(&self.shared) }
    }

    /// Serves all `listeners` until [`Stopper::stop`]; returns when the last request in flight is answered.
    ///
    /// `handler` runs on the connection's thread. If it panics, the request is answered with a 500, its connection
    /// is closed, and all else goes on. Fails only when a listener breaks for good. A stopped server stays stopped.
    /// A handler that never returns keeps `run` from returning: who cannot wait looks at [`Stopper::connections`].
    pub fn run<F>(&self, listeners: &[Listener], handler: F) -> io::Result<()>
    where
        F: Fn(Request<'_>) + Send + Sync + 'static,
    {
        let outcome = self.accept_until_stopped(listeners, &(Arc::new(handler) as Arc<Handler>));
        let shared = &*self.shared;
        // A broken listener ends the server as a stop does, or its connections would go on unattended.
        shared.is_stopping.store(true, Ordering::SeqCst);
        shared.surroundings.idle.close();
        while shared.connections.load(Ordering::SeqCst) > 0 {
            shared.pause(PAUSE);
            shared.surroundings.idle.close();
        }
        outcome
    }

    fn accept_until_stopped(
        &self,
        listeners: &[Listener],
        handler: &Arc<Handler>,
    ) -> io::Result<()> {
        let shared = &*self.shared;
        let idle = &shared.surroundings.idle;
        // Accepted, but no thread could be had for it.
        let mut waiting: Option<OwnedFd> = None;
        // A shortage is logged once, not twenty times a second.
        let mut is_short = false;
        while !shared.is_stopping.load(Ordering::SeqCst) {
            if let Some(descriptor) = waiting.take() {
                waiting = self.start(descriptor, handler);
                if waiting.is_some() {
                    if !is_short {
                        log::warn!("cannot start a thread for a connection");
                    }
                    is_short = true;
                    idle.evict();
                    shared.pause(PAUSE);
                }
                continue;
            }
            let ready = shared.wait(listeners, ALWAYS);
            if ready.is_empty() {
                continue;
            }
            if shared.is_full() {
                shared.pause(OTHERS_PAUSE);
                if shared.is_full() && !shared.wait(listeners, Duration::ZERO).is_empty() {
                    idle.evict();
                    shared.pause(EVICTION_PAUSE);
                }
                continue;
            }
            for listener in ready {
                match self.accept(listener) {
                    Ok(Some(descriptor)) => {
                        is_short = false;
                        waiting = self.start(descriptor, handler);
                    }
                    Ok(None) => {}
                    Err(errno) if is_final(errno) => return Err(errno.into()),
                    Err(errno) => {
                        if !is_short {
                            log::warn!("cannot accept a connection: {errno}");
                        }
                        is_short = true;
                        idle.evict();
                        shared.pause(PAUSE);
                    }
                }
                if waiting.is_some() || shared.is_full() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// One connection, if there is one from a permitted peer.
    fn accept(&self, listener: &Listener) -> Result<Option<OwnedFd>, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (descriptor, peer) = match rustix::net::acceptfrom_with(listener, flags) {
            Ok(accepted) => accepted,
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED | Errno::PROTO) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        if listener.is_tcp() {
            let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
            let options = &self.shared.surroundings.options;
            if !peer.is_some_and(|peer| options.allows(peer.ip())) {
                log::debug!("refused a connection from {peer:?}");
                return Ok(None);
            }
            // Without it a reply waits 40 ms for the acknowledgement of its first part.
            let _ = sockopt::set_tcp_nodelay(&descriptor, true);
        }
        Ok(Some(descriptor))
    }

    /// Serves a connection on a thread of its own; gives it back when no thread can be had.
    fn start(&self, descriptor: OwnedFd, handler: &Arc<Handler>) -> Option<OwnedFd> {
        let options = &self.shared.surroundings.options;
        let seat = Arc::new(Mutex::new(Some(descriptor)));
        let taken = Arc::clone(&seat);
        let place = Place::take(&self.shared);
        let handler = Arc::clone(handler);
        let spawned = thread::Builder::new()
            .name("fastcgi".to_owned())
            .stack_size(options.stack_bytes)
            .spawn(move || {
                let shared = &place.shared;
                let Some(descriptor) = lock(&taken).take() else { return };
                let socket = Socket::new(descriptor, shared.surroundings.options.write_timeout);
                Connection::new(socket, Arc::clone(&shared.surroundings)).serve(&*handler);
            });
        match spawned {
            Ok(_) => None,
            Err(err) => {
                log::debug!("cannot start a thread for a connection: {err}");
                lock(&seat).take()
            }
        }
    }
}

impl Shared {
    fn is_full(&self) -> bool {
        self.connections.load(Ordering::SeqCst) >= self.limit()
    }

    fn limit(&self) -> usize {
        self.surroundings.options.max_connections.max(1)
    }

    /// Waits for connections or to be woken; the listeners that have some.
    fn wait<'l>(&self, listeners: &'l [Listener], longest: Duration) -> Vec<&'l Listener> {
        let mut polled = vec![PollFd::new(&self.wake, PollFlags::IN)];
        polled.extend(listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)));
        if let Err(err) = socket::poll(&mut polled, longest) {
            log::warn!("cannot wait for connections: {err}");
            thread::sleep(PAUSE);
            return Vec::new();
        }
        self.forget_wakes();
        let events = polled.iter().skip(1).map(PollFd::revents);
        let ready = listeners.iter().zip(events).filter(|(_, events)| !events.is_empty());
        ready.map(|(listener, _)| listener).collect()
    }

    /// Waits to be woken, not longer than `longest`.
    fn pause(&self, longest: Duration) {
        if socket::poll(&mut [PollFd::new(&self.wake, PollFlags::IN)], longest).is_err() {
            thread::sleep(longest);
        }
        self.forget_wakes();
    }

    fn wake(&self) {
        // Only a full counter refuses, and then there is a wake to be seen.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn forget_wakes(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }
}

/// A connection's place among `max_connections`; dropped on every way out of its thread.
struct Place {
    shared: Arc<Shared>,
}

impl Place {
    fn take(shared: &Arc<Shared>) -> Place {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        Place { shared: Arc::clone(shared) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let shared = &*self.shared;
        let before = shared.connections.fetch_sub(1, Ordering::SeqCst);
        if before >= shared.limit() || shared.is_stopping.load(Ordering::SeqCst) {
            shared.wake();
        }
    }
}

/// Whether `accept` can never succeed again. All else (no descriptors, no memory, a network's fault) passes.
fn is_final(errno: Errno) -> bool {
    [Errno::BADF, Errno::INVAL, Errno::NOTSOCK, Errno::OPNOTSUPP].contains(&errno)
}

impl Stopper {
    /// Accepts no more, closes idle connections, lets requests in flight finish. Safe to call again.
    ///
    /// A connection that was accepted and has said nothing yet has 2 s to send its request.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.shared.wake();
    }

    /// Whether [`Stopper::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::SeqCst)
    }

    /// Live connections, idle ones included.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

/// Serves the listening socket on descriptor 0 with default options.
pub fn run<F>(handler: F) -> io::Result<()>
where
    F: Fn(Request<'_>) + Send + Sync + 'static,
{
    Server::new(Options::default())?.run(&[Listener::inherited(0)?], handler)
}

/// Serves a Unix socket at `path` with default options.
pub fn run_unix<F>(path: &Path, handler: F) -> io::Result<()>
where
    F: Fn(Request<'_>) + Send + Sync + 'static,
{
    Server::new(Options::default())?.run(&[Listener::unix(path, None)?], handler)
}

/// Serves a TCP address with default options.
pub fn run_tcp<F>(address: SocketAddr, handler: F) -> io::Result<()>
where
    F: Fn(Request<'_>) + Send + Sync + 'static,
{
    Server::new(Options::default())?.run(&[Listener::tcp(address)?], handler)
}
