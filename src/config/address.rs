//! Network addresses of settings and catalogs: listen addresses and lists of permitted peers. It opens no socket.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where to listen: `unix:/path`, `host:port` or `[v6]:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket file.
    Unix(PathBuf),
    /// A TCP port; `host` is a name or an address, an IPv6 address without its brackets.
    Tcp {
        /// Name or address.
        host: String,
        /// Port, 1..=65535.
        port: u16,
    },
}

impl Address {
    /// Reads an address; the message says what was expected.
    pub fn parse(text: &str) -> Result<Address, String> {
        let expected = || {
            format!(
                "listen address is {}, expected unix:/path, host:port or [v6]:port",
                crate::error::shown(text)
            )
        };
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() || path.contains('\0') {
                return Err(expected());
            }
            return Ok(Address::Unix(PathBuf::from(path)));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => {
                let inner = inner.strip_suffix(']').ok_or_else(expected)?;
                inner.parse::<std::net::Ipv6Addr>().map_err(|_| expected())?;
                inner
            }
            None => host,
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok() && text.starts_with('[');
        if host.is_empty() || !(is_v6 || host.chars().all(is_name)) {
            return Err(expected());
        }
        let is_number = port.chars().all(|c| c.is_ascii_digit());
        match port.parse::<u16>() {
            Ok(port) if port > 0 && is_number => Ok(Address::Tcp { host: host.to_owned(), port }),
            _ => Err(expected()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// An address prefix; IPv4-mapped IPv6 prefixes are kept as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    address: IpAddr,
    bits: u8,
}

/// A list of addresses and prefixes (`attribute::ClientAddressFilter`, `trustedProxies`, `allowedPeers`).
///
/// IPv4 and IPv6; IPv4-mapped addresses are compared as IPv4. An entry that does not parse matches nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AddressFilter {
    prefixes: Vec<Prefix>,
}

impl AddressFilter {
    /// Lets everyone in, IPv6 included.
    pub fn everyone() -> AddressFilter {
        AddressFilter {
            prefixes: vec![
                Prefix { address: IpAddr::from([0u8; 4]), bits: 0 },
                Prefix { address: IpAddr::from([0u8; 16]), bits: 0 },
            ],
        }
    }

    /// Lets nobody in.
    pub fn nobody() -> AddressFilter {
        AddressFilter::default()
    }

    /// Reads a comma separated list of `address` or `address/bits`; bad entries come back as messages.
    pub fn parse(text: &str) -> (AddressFilter, Vec<String>) {
        let mut filter = AddressFilter::default();
        let mut faults = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            match Prefix::parse(entry) {
                Some(prefix) => filter.prefixes.push(prefix),
                None => faults.push(format!(
                    "address {} matches nothing, expected an IPv4 or IPv6 address, optionally with /bits",
                    crate::error::shown(entry)
                )),
            }
        }
        (filter, faults)
    }

    /// Whether `address` is in the list.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.prefixes.iter().any(|prefix| prefix.holds(address))
    }

    /// Whether the list is empty, so that nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }
}

impl Prefix {
    fn parse(entry: &str) -> Option<Prefix> {
        let (address, bits) = match entry.split_once('/') {
            Some((address, bits)) => (address.trim_end(), Some(bits.trim_start())),
            None => (entry, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) if bits.chars().all(|c| c.is_ascii_digit()) => {
                bits.parse::<u8>().ok().filter(|bits| *bits <= width)?
            }
            Some(_) => return None,
        };
        // `::ffff:10.0.0.0/104` is `10.0.0.0/8`; a shorter prefix of the mapped range stays IPv6.
        let canonical = address.to_canonical();
        if address.is_ipv6() && canonical.is_ipv4() && bits >= 96 {
            return Some(Prefix { address: canonical, bits: bits - 96 });
        }
        Some(Prefix { address, bits })
    }

    fn holds(self, address: IpAddr) -> bool {
        let bits = u32::from(self.bits);
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                bits == 0 || differing.checked_shr(32 - bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                bits == 0 || differing.checked_shr(128 - bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}
