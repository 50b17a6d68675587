//! The connections that wait for a request: which of them to end when room is needed, or when the server stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::socket::{Socket, lock};

/// A fresh connection is about to speak: it is ended before its time only after this long a silence.
const FRESH_GRACE: Duration = Duration::from_secs(2);

/// All idle connections of a server.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next_key: u64,
    is_closed: bool,
    waiting: HashMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    socket: Arc<Socket>,
    since: Instant,
    has_served: bool,
}

impl Idle {
    /// Notes that a connection waits; `None` when the server stops and a kept connection shall end instead.
    pub(crate) fn enter(&self, socket: &Arc<Socket>, has_served: bool) -> Option<u64> {
        let mut inner = lock(&self.inner);
        if inner.is_closed && has_served {
            return None;
        }
        let key = inner.next_key;
        inner.next_key += 1;
        let waiting = Waiting { socket: Arc::clone(socket), since: Instant::now(), has_served };
        inner.waiting.insert(key, waiting);
        Some(key)
    }

    /// Notes that a connection waits no more.
    pub(crate) fn leave(&self, key: u64) {
        lock(&self.inner).waiting.remove(&key);
    }

    /// Ends the connection that a web server misses least; whether there was one.
    ///
    /// Web servers repeat a request that failed on a kept connection, so those go first, the longest idle before others.
    /// A request that has already arrived is still served: only the read side is shut.
    pub(crate) fn evict(&self) -> bool {
        let mut inner = lock(&self.inner);
        let now = Instant::now();
        let key = inner
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.may_end(now))
            .min_by_key(|(_, waiting)| (!waiting.has_served, waiting.since))
            .map(|(&key, _)| key);
        let evicted = key.and_then(|key| inner.waiting.remove(&key));
        if let Some(waiting) = &evicted {
            waiting.socket.shut_read();
        }
        evicted.is_some()
    }

    /// Ends all of them but the fresh ones in their grace, and each kept one that would wait from here on.
    ///
    /// To be called again until no connection is left.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.is_closed = true;
        let now = Instant::now();
        for (_, waiting) in inner.waiting.extract_if(|_, waiting| waiting.may_end(now)) {
            waiting.socket.shut_read();
        }
    }
}

impl Waiting {
    /// Whether it can be ended without a request being lost for certain.
    fn may_end(&self, now: Instant) -> bool {
        self.has_served || now.duration_since(self.since) >= FRESH_GRACE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn connection() -> (Arc<Socket>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (Arc::new(Socket::new(ours.into(), Duration::ZERO)), theirs)
    }

    /// Shutting the read side of a Unix socket makes the peer's writes fail.
    fn is_ended(mut peer: &UnixStream) -> bool {
        std::io::Write::write(&mut peer, b"x").is_err() && peer.read(&mut [0]).is_err()
    }

    #[test]
    fn kept_connections_are_ended_first_and_fresh_ones_have_grace() {
        let idle = Idle::default();
        let ((fresh, fresh_peer), (old, old_peer), (young, young_peer)) =
            (connection(), connection(), connection());
        idle.enter(&fresh, false).unwrap();
        idle.enter(&old, true).unwrap();
        let young_key = idle.enter(&young, true).unwrap();

        assert!(idle.evict());
        assert!(is_ended(&old_peer));
        assert!(!is_ended(&young_peer));
        idle.leave(young_key);
        assert!(!idle.evict(), "the kept one is busy, the fresh one is in its grace");
        assert!(!is_ended(&young_peer) && !is_ended(&fresh_peer));
    }

    #[test]
    fn close_ends_kept_connections_and_admits_only_fresh_ones() {
        let idle = Idle::default();
        let ((fresh, fresh_peer), (kept, kept_peer)) = (connection(), connection());
        idle.enter(&kept, true).unwrap();
        idle.enter(&fresh, false).unwrap();
        idle.close();
        assert!(is_ended(&kept_peer));
        assert!(!is_ended(&fresh_peer));
        assert!(idle.enter(&kept, true).is_none());
        assert!(idle.enter(&fresh, false).is_some(), "accepted just before the stop");
    }
}
