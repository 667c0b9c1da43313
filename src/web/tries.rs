//! How often a wrong admin token may be shown: ten times, then once in six seconds, for each place that
//! it comes from. Who is logged in is not asked for the token, and so not held up by others' guesses.
//!
//! Kept in memory: each replica counts for itself.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap},
};

use crate::time::Timestamp;

const AT_ONCE: u32 = 10;
const EACH: Duration = Duration::from_secs(6);
/// Beyond so many places all others are one.
const MOST: usize = 1000;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tries(Arc<Mutex<HashMap<Option<IpAddr>, Timestamp>>>);

impl Tries {
    /// How long this place has to wait before it may try again, if it has to.
    pub(super) fn wait(&self, place: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free_at = known.get(&place).or_else(|| known.get(&None).filter(|_| known.len() >= MOST))?;
        let wait = (*free_at + EACH).since(now + EACH * AT_ONCE);
        (!wait.is_zero()).then_some(wait)
    }

    /// A wrong token came from there.
    pub(super) fn wrong(&self, place: Option<IpAddr>, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, free_at| *free_at > now);
        }
        let is_room = known.len() < MOST || known.contains_key(&place);
        let free_at = known.entry(place.filter(|_| is_room)).or_insert(now);
        *free_at = (*free_at).max(now) + EACH;
    }
}

/// Where a request comes from. A proxy on this machine or beside it says whom it speaks for, last in its
/// list; from anywhere else that is hearsay.
pub(super) fn place(extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    let peer = peer.ip().to_canonical();
    let last = headers.get_all("x-forwarded-for").iter().next_back().and_then(|list| list.to_str().ok());
    let last = last.and_then(|list| list.rsplit(',').next()?.trim().parse::<IpAddr>().ok());
    let client = last.filter(|_| is_near(peer)).unwrap_or(peer);
    Some(match client.to_canonical() {
        // Whoever has one of these addresses has all of them.
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    })
}

fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1000);

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn ten_wrong_tokens_at_once_and_then_one_in_six_seconds() {
        let tries = Tries::default();
        let (here, there) = (Some(address("192.0.2.1")), Some(address("192.0.2.2")));
        for _ in 0..AT_ONCE {
            assert_eq!(tries.wait(here, START), None);
            tries.wrong(here, START);
        }
        assert_eq!(tries.wait(here, START), Some(EACH));
        assert_eq!(tries.wait(there, START), None, "another place is not held up");
        assert_eq!(tries.wait(here, START + EACH), None);
        tries.wrong(here, START + EACH);
        assert_eq!(tries.wait(here, START + EACH), Some(EACH));
        assert_eq!(tries.wait(here, START + EACH * 100), None);
    }

    #[test]
    fn more_places_than_are_remembered_are_one() {
        let tries = Tries::default();
        let numbered = |number: usize| Some(address(&format!("10.0.{}.{}", number / 250, number % 250)));
        for number in 0..MOST + 20 {
            tries.wrong(numbered(number), START);
        }
        assert!(tries.wait(numbered(MOST + 500), START).is_some(), "guesses from ever new places are slow, too");
        assert!(tries.0.lock().expect("no test panicked").len() <= MOST + 1);
        tries.wrong(numbered(0), START + EACH * 100);
        assert_eq!(tries.wait(numbered(MOST + 500), START + EACH * 100), None);
    }

    #[test]
    fn only_a_proxy_that_is_near_speaks_for_others() {
        let of = |peer: &str, forwarded: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(ConnectInfo::<SocketAddr>(format!("{peer}:1").parse().expect("a peer")));
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().expect("a header"));
            place(&extensions, &headers)
        };
        assert_eq!(of("127.0.0.1", "198.51.100.9, 192.0.2.7"), Some(address("192.0.2.7")));
        assert_eq!(of("10.1.1.1", "192.0.2.7"), Some(address("192.0.2.7")));
        assert_eq!(of("203.0.113.5", "192.0.2.7"), Some(address("203.0.113.5")));
        assert_eq!(of("127.0.0.1", "nonsense"), Some(address("127.0.0.1")));
        assert_eq!(of("[2001:db8::1:2]", ""), Some(address("2001:db8::")));
        assert_eq!(of("[::ffff:203.0.113.5]", ""), Some(address("203.0.113.5")));
        assert_eq!(place(&Extensions::new(), &HeaderMap::new()), None);
    }
}
