//! Bounds the connections of each peer, so that one client can't use up all of them.
//!
//! A peer is an IPv4 address, or an IPv6 /64 network, since one host may have all of its addresses.
//! Default: half of `--max-connections`, 64 at least; `--max-connections-per-peer` changes it.
//! Behind a proxy all clients are one peer: set the flag to `--max-connections` there. Bound: one
//! entry for each connected peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bits of an IPv6 address that name its /64 network.
const NETWORK: u128 = !0 << 64;

/// The number of connections of each peer.
#[derive(Debug)]
pub(crate) struct Peers {
    connections_max: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of a peer, until it is dropped.
#[derive(Debug)]
pub(crate) struct PeerPlace {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Peers {
    /// Allows each peer this many connections.
    pub(crate) fn new(connections_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            open: Mutex::default(),
        })
    }

    /// Adds a connection from this address; `None` when its peer has too many.
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

    /// Ignores poisoning: no guarded value is left inconsistent by a panic.
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
    fn a_network_is_one_peer_and_a_disconnected_one_is_forgotten() {
        let peers = Peers::new(1);
        let place = peers.admit(address("2001:db8::1")).unwrap();
        assert!(peers.admit(address("2001:db8::ffff:2")).is_none());
        let other = peers.admit(address("2001:db8:0:1::1")).unwrap();
        drop((place, other));
        assert!(peers.open().is_empty());
    }
}
