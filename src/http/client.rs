//! Who is calling: the peer, or the client that a trusted proxy names (`X-Forwarded-For`).

use super::headers::Headers;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A network: an address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// Whether an address lies in the network. IPv4 in IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(two)) => (u128::from(one.to_bits() ^ two.to_bits()), 32),
            (IpAddr::V6(one), IpAddr::V6(two)) => (one.to_bits() ^ two.to_bits(), 128),
            _ => return false,
        };
        bits.checked_shr(width - u32::from(self.bits)).unwrap_or(0) == 0
    }
}

impl FromStr for Prefix {
    type Err = String;

    /// An address ("127.0.0.1") or a network ("10.0.0.0/8").
    fn from_str(text: &str) -> Result<Prefix, String> {
        let wrong = || format!("{text:?} is neither an address nor a network like \"10.0.0.0/8\"");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        if bits > width {
            return Err(wrong());
        }
        Ok(Prefix { address, bits })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The caller's address. Each proxy appends the peer it saw, so only what trusted proxies wrote
/// can be believed: the list is read from the right, up to the first address that is not one.
pub(crate) fn address(peer: IpAddr, headers: &Headers, trusted: &[Prefix]) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|prefix| prefix.contains(address));
    let mut client = peer;
    if !is_trusted(client) {
        return client;
    }
    let lines: Vec<&str> = headers.all("X-Forwarded-For").collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        match forwarded(entry.trim()) {
            Some(address) => client = address,
            None => return client,
        }
        if !is_trusted(client) {
            return client;
        }
    }
    client
}

/// An address, with or without a port.
fn forwarded(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = inner.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

/// Under which address connections are counted: one customer's IPv6 network is a /64, whose
/// addresses are free to take.
pub(crate) fn counted_as(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn check(peer: &str, lines: &[&str], wanted: &str) {
        let trusted = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap());
        let mut text = String::new();
        let marks = lines
            .iter()
            .map(|line| {
                let start = text.len();
                text += "x-forwarded-for";
                let name = start..text.len();
                text += line;
                (name.clone(), name.end..text.len())
            })
            .collect();
        let headers = Headers::new(text, marks);
        assert_eq!(address(ip(peer), &headers, &trusted), ip(wanted), "{peer} {lines:?}");
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        check("192.0.2.1", &["198.51.100.1"], "192.0.2.1");
        check("127.0.0.1", &[], "127.0.0.1");
        check("127.0.0.1", &["6.6.6.6, 198.51.100.1"], "198.51.100.1");
        check("127.0.0.1", &["6.6.6.6, 198.51.100.1, 10.1.2.3"], "198.51.100.1");
        check("127.0.0.1", &["6.6.6.6", "198.51.100.1:4711"], "198.51.100.1");
        check("127.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1");
        check("127.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("127.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1");
        check("127.0.0.1", &["198.51.100.1, nonsense, 10.0.0.1"], "10.0.0.1");
        check("127.0.0.1", &["10.0.0.2, 10.0.0.1"], "10.0.0.2");
        check("fd00::5", &["198.51.100.1"], "198.51.100.1");
    }

    #[test]
    fn networks_are_compared_by_their_leading_bits() {
        let inside =
            |network: &str, address: &str| network.parse::<Prefix>().unwrap().contains(ip(address));
        assert!(inside("0.0.0.0/0", "8.8.8.8"));
        assert!(inside("10.0.0.0/9", "10.127.0.1"));
        assert!(!inside("10.0.0.0/9", "10.128.0.1"));
        assert!(inside("::/0", "2001:db8::1"));
        assert!(!inside("::/0", "1.2.3.4"));
        assert!(inside("1.2.3.4", "::ffff:1.2.3.4"));
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::/129", "box"] {
            assert!(wrong.parse::<Prefix>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_v6_network_counts_as_one_address() {
        assert_eq!(counted_as(ip("2001:db8::1:2:3:4")), counted_as(ip("2001:db8::9")));
        assert_ne!(counted_as(ip("192.0.2.1")), counted_as(ip("192.0.2.2")));
    }
}
