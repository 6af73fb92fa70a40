//! What nobody may exceed: requests a minute, uploads at once.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::http::StatusCode;
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
    uploads: Arc<Semaphore>,
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
            uploads: Arc::new(Semaphore::new(limits.uploads_at_once as usize)),
            config: limits,
        }
    }

    /// Counts a request of somebody who shows nothing that is good.
    ///
    /// # Errors
    /// 429 if there were too many from this address. Addresses of IPv6 count by their /64, which is one customer's.
    pub fn anonymous(&self, address: IpAddr) -> Result<(), Problem> {
        let key = match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        };
        count(&self.anonymous, &key)
    }

    /// Counts a request of a device.
    ///
    /// # Errors
    /// 429 if there were too many.
    pub fn device(&self, device: DeviceId) -> Result<(), Problem> {
        count(&self.device, &device)
    }

    /// A place among the uploads under way; it is free again when it is dropped.
    ///
    /// # Errors
    /// 503, at once, if all are taken: a watch that queues would lose its patience.
    pub fn upload(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.uploads)
            .try_acquire_owned()
            .map_err(|_| Problem::unavailable("as many uploads as may be are under way; keep the file and try again", 60))
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
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests; wait before the next one").retry_after(seconds)
    })
}
