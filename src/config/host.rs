//! Hosts that foreign sources may come from whatever their address (`remoteHosts`). It resolves no name.

use url::Host;

/// A host by name or address, as URLs spell it, and perhaps one port of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteHost {
    host: String,
    port: Option<u16>,
}

impl RemoteHost {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`; the message says what was expected.
    pub fn parse(text: &str) -> Result<RemoteHost, String> {
        let expected = || "hosts as host or host:port, several separated by ;".to_owned();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (text, None),
        };
        let is_number = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
        let number = |port: &str| {
            let port = Some(port).filter(is_number)?.parse::<u16>().ok();
            port.filter(|port| *port > 0)
        };
        let port = port.map(|port| number(port).ok_or_else(expected)).transpose()?;
        // A star would look like a pattern, which it is not.
        let host = Some(host).filter(|host| !host.contains('*')).ok_or_else(expected)?;
        let host = Host::parse(host).map_err(|_| expected())?.to_string();
        Ok(RemoteHost { host, port })
    }

    /// Whether it names exactly this host, written as the `url` crate writes it, and this port or every port.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        self.host == host && self.port.is_none_or(|own| own == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_matched_whole_and_its_port_too_if_it_names_one() {
        for (entry, host, port, expected) in [
            ("images.example", "images.example", 80, true),
            ("images.example", "images.example", 8080, true),
            ("Images.Example", "images.example", 80, true),
            ("images.example", "a.images.example", 80, false),
            ("images.example", "images.example.", 80, false),
            ("images.example:8080", "images.example", 8080, true),
            ("images.example:8080", "images.example", 80, false),
            ("images.example:80", "images.example", 80, true),
            ("10.0.0.5", "10.0.0.5", 443, true),
            ("10.0.0.5", "10.0.0.50", 443, false),
            ("[::1]", "[::1]", 80, true),
            ("[0:0::1]:81", "[::1]", 81, true),
            ("[::1]:81", "[::1]", 80, false),
        ] {
            let entry = RemoteHost::parse(entry).unwrap_or_else(|error| panic!("{entry}: {error}"));
            assert_eq!(entry.matches(host, port), expected, "{entry:?} for {host} {port}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:b",
            "http://a",
            "a/b",
            "u@a",
            "a b",
            "::1",
            "[::1",
            "*.example",
            "a?b",
            "a#b",
        ] {
            let parsed = RemoteHost::parse(text);
            assert!(parsed.is_err(), "{text:?} became {parsed:?}");
        }
    }
}
