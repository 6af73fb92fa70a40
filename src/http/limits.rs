//! What nobody may exceed: requests a minute, uploads at once.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Problem;
use crate::{
    config::{Config, LimitsConfig},
    ids::DeviceId,
};

/// Keys of a limiter above which those that are long at rest are forgotten.
const MANY_KEYS: usize = 50_000;

/// The limits in force, and how far they are used up.
pub struct Limits {
    config: LimitsConfig,
    trusted_proxies: Vec<IpNet>,
    anonymous: DefaultKeyedRateLimiter<IpAddr>,
    device: DefaultKeyedRateLimiter<DeviceId>,
    newcomers: DefaultKeyedRateLimiter<IpAddr>,
    uploads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
    uploads_of: Arc<Mutex<HashMap<DeviceId, u32>>>,
}

/// A place among the uploads under way; it is free again when it is dropped.
pub struct UploadPlace {
    device: DeviceId,
    uploads_of: Arc<Mutex<HashMap<DeviceId, u32>>>,
    _place: OwnedSemaphorePermit,
}

impl Drop for UploadPlace {
    fn drop(&mut self) {
        let mut uploads = self.uploads_of.lock().unwrap_or_else(PoisonError::into_inner);
        match uploads.get_mut(&self.device) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(uploads.remove(&self.device)),
        }
    }
}

impl Limits {
    /// The limits of a config.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let limits = config.limits.clone();
        Self {
            trusted_proxies: config.server.trusted_networks(),
            anonymous: RateLimiter::keyed(per_minute(limits.anonymous_per_minute)),
            device: RateLimiter::keyed(per_minute(limits.device_per_minute)),
            newcomers: RateLimiter::keyed(per_minute(limits.new_requests_per_minute)),
            uploads_of: Arc::default(),
            uploads: Arc::new(Semaphore::new(limits.uploads_at_once as usize)),
            downloads: Arc::new(Semaphore::new(limits.downloads_at_once as usize)),
            config: limits,
        }
    }

    /// Counts a request of somebody who shows nothing that is good.
    ///
    /// # Errors
    /// 429 if there were too many from this address.
    pub fn anonymous(&self, address: IpAddr) -> Result<(), Problem> {
        count(&self.anonymous, &customer(address))
    }

    /// Counts an identifier that nobody asked under before.
    ///
    /// # Errors
    /// 429 if there were too many from this address.
    pub fn newcomer(&self, address: IpAddr) -> Result<(), Problem> {
        count(&self.newcomers, &customer(address))
    }

    /// Counts a request of a device.
    ///
    /// # Errors
    /// 429 if there were too many.
    pub fn device(&self, device: DeviceId) -> Result<(), Problem> {
        count(&self.device, &device)
    }

    /// A place among the uploads under way, and whatever else a device asks for that is written down.
    ///
    /// # Errors
    /// 503, at once, if all are taken, or all that one device may take: a watch that queues would lose its patience.
    pub fn upload(&self, device: DeviceId) -> Result<UploadPlace, Problem> {
        let full = || Problem::unavailable("as many uploads as may be are under way; keep the file and try again", 60);
        let place = Arc::clone(&self.uploads).try_acquire_owned().map_err(|_| full())?;
        let mut uploads = self.uploads_of.lock().unwrap_or_else(PoisonError::into_inner);
        let count = uploads.entry(device).or_default();
        if *count >= self.config.device_uploads_at_once {
            return Err(full());
        }
        *count += 1;
        Ok(UploadPlace { device, uploads_of: Arc::clone(&self.uploads_of), _place: place })
    }

    /// A place among the files on their way out; it is free again when it is dropped.
    ///
    /// # Errors
    /// 503, at once, if all are taken.
    pub fn download(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let full = |_| Problem::unavailable("as many files as may be are on their way out; try again in a moment", 10);
        Arc::clone(&self.downloads).try_acquire_owned().map_err(full)
    }

    /// The numbers.
    #[must_use]
    pub fn config(&self) -> &LimitsConfig {
        &self.config
    }

    /// Whose `X-Forwarded-For` is believed.
    #[must_use]
    pub fn trusted_proxies(&self) -> &[IpNet] {
        &self.trusted_proxies
    }
}

/// Who counts as one: an address, or a /64 of IPv6, which is one customer's.
#[must_use]
pub fn customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

fn per_minute(number: u32) -> Quota {
    Quota::per_minute(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
}

fn count<K: std::hash::Hash + Eq + Clone>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), Problem> {
    if limiter.len() > MANY_KEYS {
        limiter.retain_recent();
    }
    limiter.check_key(key).map_err(|early| {
        let wait = early.wait_time_from(limiter.clock().now()).max(Duration::from_secs(1));
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        Problem::too_many("too many requests; wait before the next one", seconds)
    })
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
