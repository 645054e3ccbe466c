//! How many connections each peer has: a client that opens all of them would leave none to others.
//!
//! A peer is an IPv4 address, or an IPv6 network of 64 bits, as one host has all of its addresses.
//! Default: half of `--max-connections`, 64 at least; `--max-connections-per-peer` says otherwise.
//! Behind a proxy all clients are one peer: the flag should then say as many as there may be at
//! all. Bound: an entry for each peer that is connected.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bits of an IPv6 address that name a network.
const NETWORK: u128 = !0 << 64;

/// The connections of each peer.
#[derive(Debug)]
pub(crate) struct Peers {
    connections_max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place among its peer's, until it is dropped.
#[derive(Debug)]
pub(crate) struct PeerPlace {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Peers {
    /// So many connections for each.
    pub(crate) fn new(connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            open: Mutex::default(),
        })
    }

    /// A place for one more connection from there; `None` when it has all that it may have.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<PeerPlace> {
        let peer = peer(address);
        let mut open = self.open();
        let count = open.entry(peer).or_default();
        if *count >= self.connections_max {
            return None;
        }
        *count += 1;
        drop(open);
        Some(PeerPlace {
            peers: Arc::clone(self),
            peer,
        })
    }

    /// Numbers are never half changed.
    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let mut open = self.peers.open();
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_peer_has_as_many_as_it_may_and_no_more() {
        let peers = Peers::new(2);
        let first = peers.admit(address("192.0.2.1")).unwrap();
        let _second = peers.admit(address("::ffff:192.0.2.1")).unwrap();
        assert!(peers.admit(address("192.0.2.1")).is_none());
        assert!(peers.admit(address("192.0.2.2")).is_some());
        drop(first);
        assert!(peers.admit(address("192.0.2.1")).is_some());
    }

    #[test]
    fn a_network_is_one_peer_and_who_left_is_forgotten() {
        let peers = Peers::new(1);
        let place = peers.admit(address("2001:db8::1")).unwrap();
        assert!(peers.admit(address("2001:db8::ffff:2")).is_none());
        let other = peers.admit(address("2001:db8:0:1::1")).unwrap();
        drop((place, other));
        assert!(peers.open().is_empty());
    }
}
