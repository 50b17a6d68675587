//! Host names to addresses, within a request's time. It judges no address and opens no connection.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};

use url::{Host, Url};

use crate::error::{Error, Kind, shown};

use super::remote_http::Timer;

/// Names that are looked up at once, also those whose request has given up.
const AT_ONCE: usize = 32;

/// Looks up the addresses of a host by its name.
pub type Resolver = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// A resolver that is asked from threads of its own.
pub(super) struct Names {
    resolver: Resolver,
    asked: Arc<AtomicUsize>,
}

impl Names {
    /// The resolver of the system.
    pub fn system() -> Resolver {
        Arc::new(|host| Ok((host, 0).to_socket_addrs()?.map(|found| found.ip()).collect()))
    }

    /// `resolver` may block.
    pub fn new(resolver: Resolver) -> Names {
        Names { resolver, asked: Arc::default() }
    }

    /// All addresses of the URL's host with its port, at least one; a name is looked up once.
    ///
    /// `Unreadable` for a name without address and where the look-up fails or takes too long.
    pub fn addresses(&self, url: &Url, timer: &Timer) -> Result<Vec<SocketAddr>, Error> {
        let addresses = match url.host() {
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) => self.looked_up(name, timer)?,
            None => Vec::new(),
        };
        if addresses.is_empty() {
            let host = shown(url.host_str().unwrap_or_default());
            return Err(Error::new(Kind::Unreadable, format!("host {host} has no address")));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// The system's look-up cannot be ended, so it has a thread of its own that may outlive the request.
    fn looked_up(&self, name: &str, timer: &Timer) -> Result<Vec<IpAddr>, Error> {
        let failed = |cause: io::Error| {
            let detail = format!("host {} cannot be looked up", shown(name));
            Error::new(Kind::Unreadable, detail).with_cause(cause)
        };
        let guest = Guest::enter(&self.asked)
            .ok_or_else(|| failed(io::Error::other("too many names are being looked up")))?;
        let (sender, receiver) = sync_channel(1);
        let (resolver, host) = (self.resolver.clone(), name.to_owned());
        let thread = std::thread::Builder::new().name("resolve".to_owned());
        let spawned = thread.spawn(move || {
            let _guest = guest;
            let _ = sender.send(resolver(&host));
        });
        spawned.map_err(failed)?;
        loop {
            let slice = timer.slice().map_err(|cause| timer.failure(cause))?;
            match receiver.recv_timeout(slice) {
                Ok(found) => return found.map_err(failed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(failed(io::Error::other("the look-up ended")));
                }
            }
        }
    }
}

/// One of the names that are looked up at once.
struct Guest(Arc<AtomicUsize>);

impl Guest {
    fn enter(count: &Arc<AtomicUsize>) -> Option<Guest> {
        let guest = Guest(count.clone());
        (count.fetch_add(1, Ordering::SeqCst) < AT_ONCE).then_some(guest)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
