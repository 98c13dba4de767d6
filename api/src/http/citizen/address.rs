//! Where a request comes from, as coarse as a limit needs it. Kept in memory only, never in a log or a database.
//!
//! Before a public listener stands a proxy that ends TLS. If it is on this machine, the last address of its
//! `X-Forwarded-For` counts, which is the one that the proxy itself saw; from anywhere else the header counts
//! nothing, because anybody can write it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

/// Address of the other end of a connection, as an extension of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// An address, shortened: of IPv6 the /64 that one customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// IPv4.
    V4([u8; 4]),
    /// The network of an IPv6 address.
    V6([u8; 8]),
    /// All for whom there was no room.
    Others,
}

impl Client {
    /// An address that is shortened to this client; none of those for whom there was no room.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::V4(octets) => Some(octets.into()),
            Self::V6(network) => {
                let mut octets = [0; 16];
                octets[..network.len()].copy_from_slice(&network);
                Some(octets.into())
            }
            Self::Others => None,
        }
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let octets = address.octets();
                Self::V6(std::array::from_fn(|place| octets[place]))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        Ok(seen(peer, &parts.headers).into())
    }
}

fn seen(peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if !peer.to_canonical().is_loopback() {
        return peer;
    }
    let last = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let last = last.and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    last.unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> Client {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        seen(peer.parse().unwrap(), &headers).into()
    }

    #[test]
    fn a_customer_with_a_network_of_addresses_is_one_client() {
        assert_eq!(client("2001:db8:1:2::1", &[]), client("2001:db8:1:2:ffff::9", &[]));
        assert_ne!(client("2001:db8:1:2::1", &[]), client("2001:db8:1:3::1", &[]));
        assert_eq!(client("::ffff:192.0.2.7", &[]), client("192.0.2.7", &[]));
    }

    #[test]
    fn the_address_that_is_passed_on_is_counted_as_the_same_client() {
        for address in ["192.0.2.7", "2001:db8:1:2::9", "::ffff:192.0.2.7"] {
            let counted = client(address, &[]);
            let passed_on = counted.address().unwrap().to_string();
            assert_eq!(client("127.0.0.1", &[&passed_on]), counted, "{address}");
        }
        assert_eq!(Client::Others.address(), None);
    }

    #[test]
    fn only_a_proxy_of_this_machine_is_believed_and_only_its_own_word() {
        assert_eq!(client("127.0.0.1", &["198.51.100.9, 192.0.2.7"]), client("192.0.2.7", &[]));
        assert_eq!(client("127.0.0.1", &["198.51.100.9", "192.0.2.7"]), client("192.0.2.7", &[]));
        assert_eq!(client("203.0.113.5", &["192.0.2.7"]), client("203.0.113.5", &[]));
        assert_eq!(client("127.0.0.1", &["nonsense"]), client("127.0.0.1", &[]));
    }
}
