//! Limits and time limits of a server, and the list of web servers that may connect.

use std::net::IpAddr;
use std::time::Duration;

/// What a [`Server`](crate::Server) permits. `Options { max_connections: 50, ..Options::default() }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Connections served at a time, each by a thread of its own; at least 1, default 512.
    ///
    /// Those beyond it wait in the listener's backlog. Keep it below the limit of descriptors by 128.
    pub max_connections: usize,
    /// Longest silence between two requests of a kept connection, default 75 s.
    ///
    /// Above the 60 s of nginx, so that the web server is the side that closes.
    pub idle_timeout: Duration,
    /// Longest time from the first byte of a request to the end of its parameters, default 10 s; likewise from
    /// the first read of its standard input to the end of that. Also how long a fresh connection may be silent.
    pub request_timeout: Duration,
    /// Longest time in which the web server takes 64 KiB (or all that is left) of a reply, default 30 s.
    pub write_timeout: Duration,
    /// Parameters of one request, default 1,000; beyond, it is answered with status 431.
    pub max_params: usize,
    /// Bytes of all names, values and lengths of one request's parameters, default 256 KiB; beyond, 431.
    pub max_params_bytes: usize,
    /// Bytes of standard input that one request may bring, default 1 MiB; beyond, reading fails.
    pub max_body_bytes: usize,
    /// TCP peers that are served (`FCGI_WEB_SERVER_ADDRS`); empty (the default) means all.
    ///
    /// An IPv4 address and its form `::ffff:a.b.c.d` are the same. Unix sockets are guarded by file modes.
    pub allowed_peers: Vec<IpAddr>,
    /// Stack of a connection's thread, on which the handler runs; default 2 MiB.
    pub stack_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            max_connections: 512,
            idle_timeout: Duration::from_secs(75),
            request_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            max_params: 1_000,
            max_params_bytes: 256 * 1024,
            max_body_bytes: 1024 * 1024,
            allowed_peers: Vec::new(),
            stack_bytes: 2 * 1024 * 1024,
        }
    }
}

impl Options {
    /// Whether a TCP peer with this address is served.
    pub(crate) fn allows(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.allowed_peers.is_empty()
            || self.allowed_peers.iter().any(|allowed| allowed.to_canonical() == peer)
    }
}

/// Reads the comma-separated addresses of `FCGI_WEB_SERVER_ADDRS`; an empty text allows all peers.
///
/// Fails with the first entry that is not an address.
pub fn parse_peers(text: &str) -> Result<Vec<IpAddr>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| entry.parse().map_err(|_| entry.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_peers_match_across_address_families() {
        let rows = [
            ("empty list allows all", "", "203.0.113.9", true),
            ("listed", "127.0.0.1, ::1", "127.0.0.1", true),
            ("not listed", "127.0.0.1,::1", "127.0.0.2", false),
            ("IPv6 listed", "127.0.0.1,::1", "::1", true),
            ("mapped peer, plain entry", "127.0.0.1", "::ffff:127.0.0.1", true),
            ("plain peer, mapped entry", "::ffff:127.0.0.1", "127.0.0.1", true),
            ("IPv6 not listed", "127.0.0.1", "::1", false),
        ];
        for (name, list, peer, expected) in rows {
            let options =
                Options { allowed_peers: parse_peers(list).unwrap(), ..Options::default() };
            assert_eq!(options.allows(peer.parse().unwrap()), expected, "{name}");
        }
        assert_eq!(parse_peers("127.0.0.1,web"), Err("web".to_owned()));
    }
}
