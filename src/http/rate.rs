//! Requests a minute, counted by who sends them.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use super::error::Problem;

/// Keys of a limiter above which those that are long at rest are forgotten.
const MANY_KEYS: usize = 50_000;

/// Counts requests a minute, by key. Begins anew when the number that is allowed changes.
pub(super) struct Rate<K: std::hash::Hash + Eq + Clone>(ArcSwapOption<(u32, DefaultKeyedRateLimiter<K>)>);

impl<K: std::hash::Hash + Eq + Clone> Default for Rate<K> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<K: std::hash::Hash + Eq + Clone> Rate<K> {
    /// 429 if there were more requests under this key than `per_minute`.
    pub(super) fn count(&self, key: &K, per_minute: u32) -> Result<(), Problem> {
        let limiter = &self.limiter(per_minute).1;
        if limiter.len() > MANY_KEYS {
            limiter.retain_recent();
        }
        limiter.check_key(key).map_err(|early| {
            let wait = early.wait_time_from(limiter.clock().now()).max(Duration::from_secs(1));
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
