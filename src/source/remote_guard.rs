//! Which addresses a foreign source may come from: public ones (`U-ssrf`, R-4). Pure: it resolves and opens nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is none of a public host; `None` for a public one.
///
/// An IPv6 address that carries an IPv4 address is refused whatever it carries: no public server needs one.
pub(super) fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => row(V4, u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => row(V6, address.to_bits(), 128).or_else(|| {
            // Only 2000::/3 is given out for public use; the rest is local, reserved or carries something else.
            (address.to_bits() >> 125 != 1).then_some("reserved")
        }),
    }
}

/// A range of addresses: its first one, the bits that all share, and what it is.
type Range<A> = (A, u32, &'static str);

/// The special-purpose ranges of IPv4.
const V4: &[Range<Ipv4Addr>] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "of a carrier's network"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 31, 196, 0), 24, "for protocols"),
    (Ipv4Addr::new(192, 52, 193, 0), 24, "for protocols"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "of a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(192, 175, 48, 0), 24, "for protocols"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

const fn v6(first: u16, second: u16, third: u16) -> Ipv6Addr {
    Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0)
}

/// The special-purpose ranges of IPv6; the first that fits names the address.
const V6: &[Range<Ipv6Addr>] = &[
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, "IPv4-mapped"),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, "IPv4-translated"),
    (Ipv6Addr::UNSPECIFIED, 96, "IPv4-compatible"),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, "of NAT64"),
    (v6(0x64, 0xff9b, 1), 48, "of NAT64"),
    (v6(0x100, 0, 0), 64, "for discarding"),
    (v6(0x2001, 0, 0), 32, "of Teredo"),
    (v6(0x2001, 0xdb8, 0), 32, "for documentation"),
    (v6(0x2001, 0, 0), 23, "for protocols"),
    (v6(0x2002, 0, 0), 16, "of 6to4"),
    (v6(0x3fff, 0, 0), 20, "for documentation"),
    (v6(0xfc00, 0, 0), 7, "unique-local"),
    (v6(0xfe80, 0, 0), 10, "link-local"),
    (v6(0xfec0, 0, 0), 10, "site-local"),
    (v6(0xff00, 0, 0), 8, "multicast"),
];

/// What the bits of an address of a family can be compared with.
trait Bits: Copy {
    fn bits(self) -> u128;
}

impl Bits for Ipv4Addr {
    fn bits(self) -> u128 {
        u128::from(self.to_bits())
    }
}

impl Bits for Ipv6Addr {
    fn bits(self) -> u128 {
        self.to_bits()
    }
}

fn row<A: Bits>(ranges: &[Range<A>], address: u128, width: u32) -> Option<&'static str> {
    let is_in = |(first, length, _): &&Range<A>| {
        (address ^ first.bits()).checked_shr(width - length).unwrap_or(0) == 0
    };
    ranges.iter().find(is_in).map(|(_, _, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_4_only_public_addresses_pass() {
        let mut count = 0;
        for (what, first, last) in [
            ("unspecified", "0.0.0.0", "0.255.255.255"),
            ("private", "10.0.0.0", "10.255.255.255"),
            ("of a carrier's network", "100.64.0.0", "100.127.255.255"),
            ("loopback", "127.0.0.0", "127.255.255.255"),
            ("link-local", "169.254.0.0", "169.254.255.255"),
            ("link-local", "169.254.169.254", "169.254.169.254"),
            ("private", "172.16.0.0", "172.31.255.255"),
            ("for protocols", "192.0.0.0", "192.0.0.255"),
            ("for documentation", "192.0.2.0", "192.0.2.255"),
            ("for protocols", "192.31.196.0", "192.31.196.255"),
            ("for protocols", "192.52.193.0", "192.52.193.255"),
            ("of a 6to4 relay", "192.88.99.0", "192.88.99.255"),
            ("private", "192.168.0.0", "192.168.255.255"),
            ("for protocols", "192.175.48.0", "192.175.48.255"),
            ("for benchmarks", "198.18.0.0", "198.19.255.255"),
            ("for documentation", "198.51.100.0", "198.51.100.255"),
            ("for documentation", "203.0.113.0", "203.0.113.255"),
            ("multicast", "224.0.0.0", "239.255.255.255"),
            ("reserved", "240.0.0.0", "255.255.255.254"),
            ("broadcast", "255.255.255.255", "255.255.255.255"),
            ("unspecified", "::", "::"),
            ("loopback", "::1", "::1"),
            ("IPv4-compatible", "::2", "::ffff:ffff"),
            ("IPv4-compatible", "::7f00:1", "::8.8.8.8"),
            ("IPv4-mapped", "::ffff:0:0", "::ffff:ffff:ffff"),
            ("IPv4-mapped", "::ffff:127.0.0.1", "::ffff:8.8.8.8"),
            ("IPv4-translated", "::ffff:0:0:0", "::ffff:0:ffff:ffff"),
            ("of NAT64", "64:ff9b::", "64:ff9b::ffff:ffff"),
            ("of NAT64", "64:ff9b::7f00:1", "64:ff9b::808:808"),
            ("of NAT64", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
            ("for discarding", "100::", "100::ffff:ffff:ffff:ffff"),
            ("of Teredo", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("for protocols", "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("for documentation", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("of 6to4", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("of 6to4", "2002:7f00:1::", "2002:808:808::"),
            ("for documentation", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("unique-local", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("link-local", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("site-local", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("multicast", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("reserved", "::1:0:0:0", "63:ffff::"),
            ("reserved", "64:ff9b:2::", "ff:ffff::"),
            ("reserved", "100:0:0:1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("reserved", "4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            for text in [first, last] {
                let address: IpAddr = text.parse().expect("an address");
                assert_eq!(refusal(address), Some(what), "{text}");
                count += 1;
            }
        }
        // The neighbors on both sides of every range.
        for text in [
            "1.0.0.0",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.1.255",
            "192.0.3.0",
            "192.31.195.255",
            "192.31.197.0",
            "192.52.192.255",
            "192.52.194.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "192.175.47.255",
            "192.175.49.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::",
            "2000:ffff::",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2606:4700::1111",
            "2a00:1450::8a",
            "3ffe:ffff::",
            "3fff:1000::",
            "3fff:ffff::",
        ] {
            assert_eq!(refusal(text.parse().expect("an address")), None, "{text}");
            count += 1;
        }
        assert_eq!(count, 134);
    }
}
