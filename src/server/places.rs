//! Places for connections: so many in all, and so many from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::{config::Settings, http::customer};

type Counts = Arc<Mutex<HashMap<IpAddr, u32>>>;

/// The places.
pub(super) struct Places {
    free: Arc<Semaphore>,
    settings: Settings,
    counts: Counts,
}

/// A place that is taken; it is free again when it is dropped.
pub(super) struct Place {
    counted: Option<(IpAddr, Counts)>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((address, counts)) = self.counted.take() else { return };
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&address)),
        }
    }
}

impl Places {
    /// `most` connections in all; how many from one address stands in the settings.
    pub(super) fn new(most: u32, settings: Settings) -> Self {
        Self { free: Arc::new(Semaphore::new(most as usize)), settings, counts: Counts::default() }
    }

    /// Waits until there is a place for anybody.
    pub(super) async fn wait(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.free).acquire_owned().await
    }

    /// The place for a connection from this address; none if the address has all that it may have. A trusted proxy brings
    /// everybody, and counts them itself.
    pub(super) fn take(&self, address: IpAddr, place: OwnedSemaphorePermit) -> Option<Place> {
        let address = address.to_canonical();
        let config = self.settings.now();
        if config.server.trusted_networks().iter().any(|network| network.contains(&address)) {
            return Some(Place { counted: None, _place: place });
        }
        let address = customer(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= config.limits.connections_per_address {
            return None;
        }
        *count += 1;
        Some(Place { counted: Some((address, Arc::clone(&self.counts))), _place: place })
    }
}
