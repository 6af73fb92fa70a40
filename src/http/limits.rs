//! What nobody may exceed: requests a minute, uploads at once.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{error::Problem, rate::Rate};
use crate::{config::Settings, ids::DeviceId};

/// The limits in force, and how far they are used up.
pub struct Limits {
    settings: Settings,
    most: AtOnce,
    anonymous: Rate<IpAddr>,
    device: Rate<DeviceId>,
    newcomers: Rate<IpAddr>,
    models: Rate<DeviceId>,
    uploads: Arc<Mutex<UnderWay>>,
    downloads: Arc<AtomicU32>,
    streams: Arc<AtomicU32>,
}

/// Pages that are told of changes at once.
const STREAMS: u32 = 64;

/// How many uploads and downloads at once the file handles of this process carry, whatever the settings say.
#[derive(Debug, Clone, Copy)]
pub struct AtOnce {
    /// Uploads at once.
    pub uploads: u32,
    /// Downloads at once.
    pub downloads: u32,
}

/// The uploads under way.
#[derive(Default)]
struct UnderWay {
    all: u32,
    of: HashMap<DeviceId, u32>,
}

/// A place among the uploads under way; it is free again when it is dropped.
pub struct UploadPlace {
    device: DeviceId,
    uploads: Arc<Mutex<UnderWay>>,
}

impl Drop for UploadPlace {
    fn drop(&mut self) {
        let mut uploads = lock(&self.uploads);
        uploads.all -= 1;
        match uploads.of.get_mut(&self.device) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(uploads.of.remove(&self.device)),
        }
    }
}

/// A place among the files on their way out, or among the pages that are told of changes; it is free again when it is dropped.
pub struct Place(Arc<AtomicU32>);

impl Place {
    fn take(taken: &Arc<AtomicU32>, most: u32) -> Option<Self> {
        let place = Self(Arc::clone(taken));
        (taken.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limits {
    /// The limits of a house.
    #[must_use]
    pub fn new(settings: Settings, most: AtOnce) -> Self {
        Self {
            settings,
            most,
            anonymous: Rate::default(),
            device: Rate::default(),
            newcomers: Rate::default(),
            models: Rate::default(),
            uploads: Arc::default(),
            downloads: Arc::default(),
            streams: Arc::default(),
        }
    }

    /// Counts a request of somebody who shows nothing that is good.
    ///
    /// # Errors
    /// 429 if there were too many from this address.
    pub fn anonymous(&self, address: IpAddr) -> Result<(), Problem> {
        self.anonymous.count(&customer(address), self.settings.now().limits.anonymous_per_minute)
    }

    /// Counts an identifier that nobody asked under before.
    ///
    /// # Errors
    /// 429 if there were too many from this address.
    pub fn newcomer(&self, address: IpAddr) -> Result<(), Problem> {
        self.newcomers.count(&customer(address), self.settings.now().limits.new_requests_per_minute)
    }

    /// Counts a request of a device.
    ///
    /// # Errors
    /// 429 if there were too many.
    pub fn device(&self, device: DeviceId) -> Result<(), Problem> {
        self.device.count(&device, self.settings.now().limits.device_per_minute)
    }

    /// Counts a question for the model of a device. Whoever knows its Android id may ask it: that must not use up what the device may.
    ///
    /// # Errors
    /// 429 if there were too many.
    pub fn model(&self, device: DeviceId) -> Result<(), Problem> {
        self.models.count(&device, self.settings.now().limits.device_per_minute)
    }

    /// A place among the uploads under way, and whatever else a device asks for that is written down.
    ///
    /// # Errors
    /// 503, at once, if all are taken, or all that one device may take: a watch that queues would lose its patience.
    pub fn upload(&self, device: DeviceId) -> Result<UploadPlace, Problem> {
        let config = self.settings.now();
        let mut uploads = lock(&self.uploads);
        let of_device = uploads.of.get(&device).copied().unwrap_or_default();
        let most = config.limits.uploads_at_once.min(self.most.uploads);
        if uploads.all >= most || of_device >= config.limits.device_uploads_at_once {
            return Err(Problem::unavailable("as many uploads as may be are under way; keep the file and try again", 60));
        }
        uploads.all += 1;
        uploads.of.insert(device, of_device + 1);
        Ok(UploadPlace { device, uploads: Arc::clone(&self.uploads) })
    }

    /// A place among the files on their way out.
    ///
    /// # Errors
    /// 503, at once, if all are taken.
    pub fn download(&self) -> Result<Place, Problem> {
        let most = self.settings.now().limits.downloads_at_once.min(self.most.downloads);
        let refusal = || Problem::unavailable("as many files as may be are on their way out; try again in a moment", 10);
        Place::take(&self.downloads, most).ok_or_else(refusal)
    }

    /// A place among the pages that are told of changes.
    ///
    /// # Errors
    /// 503, at once, if all are taken.
    pub fn stream(&self) -> Result<Place, Problem> {
        let refusal = || Problem::unavailable("as many pages as may be are told of changes; load the page anew to see them", 60);
        Place::take(&self.streams, STREAMS).ok_or_else(refusal)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who counts as one: an address, or a /64 of IPv6, which is one customer's.
#[must_use]
pub fn customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_whole_network_of_ipv6_counts_as_one() {
        let customer = |text: &str| customer(text.parse().expect("an address"));
        assert_eq!(customer("2001:db8:1:2::1"), customer("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(customer("2001:db8:1:2::1"), customer("2001:db8:1:3::1"));
        assert_ne!(customer("198.51.100.1"), customer("198.51.100.2"));
    }
}
