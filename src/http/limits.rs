//! What nobody may exceed: requests a minute, uploads at once.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use super::error::Problem;
use crate::{config::Settings, ids::DeviceId};

/// Keys of a limiter above which those that are long at rest are forgotten.
const MANY_KEYS: usize = 50_000;

/// The limits in force, and how far they are used up.
pub struct Limits {
    settings: Settings,
    anonymous: Rate<IpAddr>,
    device: Rate<DeviceId>,
    newcomers: Rate<IpAddr>,
    uploads: Arc<Mutex<UnderWay>>,
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

impl Limits {
    /// The limits of a house.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, anonymous: Rate::default(), device: Rate::default(), newcomers: Rate::default(), uploads: Arc::default() }
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

    /// A place among the uploads under way.
    ///
    /// # Errors
    /// 503, at once, if all are taken, or all that one device may take: a watch that queues would lose its patience.
    pub fn upload(&self, device: DeviceId) -> Result<UploadPlace, Problem> {
        let config = self.settings.now();
        let mut uploads = lock(&self.uploads);
        let of_device = uploads.of.get(&device).copied().unwrap_or_default();
        if uploads.all >= config.limits.uploads_at_once || of_device >= config.limits.device_uploads_at_once {
            return Err(Problem::unavailable("as many uploads as may be are under way; keep the file and try again", 60));
        }
        uploads.all += 1;
        uploads.of.insert(device, of_device + 1);
        Ok(UploadPlace { device, uploads: Arc::clone(&self.uploads) })
    }
}

/// Counts requests a minute, by key. Begins anew when the number that is allowed changes.
struct Rate<K: std::hash::Hash + Eq + Clone>(ArcSwapOption<(u32, DefaultKeyedRateLimiter<K>)>);

impl<K: std::hash::Hash + Eq + Clone> Default for Rate<K> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<K: std::hash::Hash + Eq + Clone> Rate<K> {
    fn count(&self, key: &K, per_minute: u32) -> Result<(), Problem> {
        let limiter = self.limiter(per_minute);
        if limiter.1.len() > MANY_KEYS {
            limiter.1.retain_recent();
        }
        limiter.1.check_key(key).map_err(|early| {
            let wait = early.wait_time_from(limiter.1.clock().now()).max(Duration::from_secs(1));
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            Problem::too_many("too many requests; wait before the next one", seconds)
        })
    }

    fn limiter(&self, per_minute: u32) -> Arc<(u32, DefaultKeyedRateLimiter<K>)> {
        match self.0.load_full() {
            Some(limiter) if limiter.0 == per_minute => limiter,
            _ => {
                let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
                let limiter = Arc::new((per_minute, RateLimiter::keyed(quota)));
                self.0.store(Some(Arc::clone(&limiter)));
                limiter
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who counts as one: an address, or a /64 of IPv6, which is one customer's.
fn customer(address: IpAddr) -> IpAddr {
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
