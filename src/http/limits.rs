//! What nobody may exceed: requests a minute, uploads at once.

use std::{
    collections::HashMap,
    hash::Hash,
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
    uploads: Arc<Mutex<Taken<DeviceId>>>,
    downloads: Arc<Mutex<Taken<Downloader>>>,
    streams: Arc<AtomicU32>,
}

/// Pages that are told of changes at once.
const STREAMS: u32 = 64;

/// A device, or an address without one, has no more than this part of all downloads.
const DOWNLOAD_SHARE: u32 = 8;

/// How many uploads and downloads at once the file handles of this process carry, whatever the settings say.
#[derive(Debug, Clone, Copy)]
pub struct AtOnce {
    /// Uploads at once.
    pub uploads: u32,
    /// Downloads at once.
    pub downloads: u32,
}

/// Permits that are taken: in all, and by each holder.
struct Taken<K> {
    all: u32,
    of: HashMap<K, u32>,
}

impl<K> Default for Taken<K> {
    fn default() -> Self {
        Self { all: 0, of: HashMap::new() }
    }
}

/// One of a number of permits, of which each holder may take only some; it is free again when it is dropped.
pub struct Permit<K: Hash + Eq> {
    holder: K,
    taken: Arc<Mutex<Taken<K>>>,
}

impl<K: Hash + Eq + Copy> Permit<K> {
    fn take(taken: &Arc<Mutex<Taken<K>>>, holder: K, most: u32, most_of_holder: u32) -> Option<Self> {
        let mut counts = lock(taken);
        let of_holder = counts.of.get(&holder).copied().unwrap_or_default();
        if counts.all >= most || of_holder >= most_of_holder {
            return None;
        }
        counts.all += 1;
        counts.of.insert(holder, of_holder + 1);
        Some(Self { holder, taken: Arc::clone(taken) })
    }
}

impl<K: Hash + Eq> Drop for Permit<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all -= 1;
        match taken.of.get_mut(&self.holder) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.of.remove(&self.holder)),
        }
    }
}

/// A permit to download.
pub type DownloadPermit = Permit<Downloader>;

/// Who downloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Downloader {
    /// People with a login.
    Users,
    /// A device with access, by its token or its Android id.
    Device(DeviceId),
    /// A client without a login or a device: an IP address, or a /64 of IPv6.
    Address(IpAddr),
}

impl Downloader {
    /// A client without a login or a device.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self::Address(customer(address))
    }

    /// How many of all downloads it may take. One device must not keep researchers and other devices from theirs by reading slowly.
    fn share_of(self, most: u32) -> u32 {
        match self {
            Self::Users => most,
            Self::Device(_) | Self::Address(_) => (most / DOWNLOAD_SHARE).max(1),
        }
    }
}

/// A place among the pages that are told of changes; it is free again when it is dropped.
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
    pub fn upload(&self, device: DeviceId) -> Result<Permit<DeviceId>, Problem> {
        let config = self.settings.now();
        let most = config.limits.uploads_at_once.min(self.most.uploads);
        let rejection = || Problem::unavailable("as many uploads as may be are under way; keep the file and try again", 60);
        Permit::take(&self.uploads, device, most, config.limits.device_uploads_at_once).ok_or_else(rejection)
    }

    /// A permit to download.
    ///
    /// # Errors
    /// 503, at once, if all are taken, or all that this downloader may take.
    pub fn download(&self, by: Downloader) -> Result<DownloadPermit, Problem> {
        let most = self.settings.now().limits.downloads_at_once.min(self.most.downloads);
        let rejection = || Problem::unavailable("as many files as may be are on their way out; try again in a moment", 10);
        Permit::take(&self.downloads, by, most, by.share_of(most)).ok_or_else(rejection)
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
    use crate::{config::Config, ids::Identifier};

    #[test]
    fn whoever_has_a_whole_network_of_ipv6_counts_as_one() {
        let customer = |text: &str| customer(text.parse().expect("an address"));
        assert_eq!(customer("2001:db8:1:2::1"), customer("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(customer("2001:db8:1:2::1"), customer("2001:db8:1:3::1"));
        assert_ne!(customer("198.51.100.1"), customer("198.51.100.2"));
    }

    #[test]
    fn a_device_takes_an_eighth_of_the_downloads_and_users_take_what_is_left() {
        let mut config = Config::default();
        config.limits.downloads_at_once = 16;
        let limits = Limits::new(config.into(), AtOnce { uploads: 100, downloads: 100 });
        let device = |name: &str| Downloader::Device(name.parse::<Identifier>().expect("an identifier").device());
        let stranger = |text: &str| Downloader::at(text.parse().expect("an address"));
        let mut held = Vec::new();
        for by in [device("a"), device("b"), stranger("2001:db8::1")] {
            held.extend([limits.download(by).ok(), limits.download(by).ok()].map(|permit| permit.expect("a permit")));
            assert!(limits.download(by).is_err());
        }
        assert!(limits.download(stranger("2001:db8::2")).is_err(), "the same network");
        held.extend((0..10).map(|_| limits.download(Downloader::Users).expect("a permit")));
        assert!(limits.download(Downloader::Users).is_err() && limits.download(device("c")).is_err());
        held.remove(0);
        assert!(limits.download(device("b")).is_err());
        held.push(limits.download(device("a")).expect("it is free again"));
    }
}
