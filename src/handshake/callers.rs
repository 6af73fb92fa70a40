//! Who polls under an identifier: counted while the server runs, without keeping an address.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::Identifier;

/// Identifiers that are remembered at once. When they are all taken, any one of them makes room.
const MOST_IDENTIFIERS: usize = 10_000;
/// Callers that are told apart under one identifier.
const MOST_CALLERS: usize = 16;

/// The different callers of each identifier, as hashes under a key that ends with the process.
pub(super) struct Callers {
    key: [u8; 32],
    seen: Mutex<HashMap<Identifier, HashSet<u64>>>,
}

impl Callers {
    pub(super) fn new() -> Self {
        Self { key: rand::random(), seen: Mutex::default() }
    }

    /// Notes who polls. Whether it is the first poll of this caller.
    pub(super) fn note(&self, identifier: &Identifier, address: IpAddr) -> bool {
        let caller = self.hash(address);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_IDENTIFIERS && !seen.contains_key(identifier) {
            let any = seen.keys().next().cloned();
            any.map(|identifier| seen.remove(&identifier));
        }
        let callers = seen.entry(identifier.clone()).or_default();
        callers.len() < MOST_CALLERS && callers.insert(caller)
    }

    pub(super) fn count(&self, identifier: &Identifier) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(identifier).map_or(0, HashSet::len)
    }

    pub(super) fn forget(&self, identifier: &Identifier) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(identifier);
    }

    fn hash(&self, address: IpAddr) -> u64 {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(address.to_string().as_bytes());
        let digest = mac.finalize().into_bytes();
        digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
    }
}
