//! Requests a minute, counted by who sends them.

use std::{
    hash::Hash,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use super::error::Problem;

/// Keys above which those that are long at rest are forgotten ...
const MANY_KEYS: usize = 50_000;
/// ... which means a look at all of them, and so is not done at every request.
const SWEEP: Duration = Duration::from_secs(1);

/// Counts requests a minute, by key. Begins anew when the number that is allowed changes.
pub(super) struct Rate<K: Hash + Eq + Clone>(ArcSwapOption<Counted<K>>);

struct Counted<K: Hash + Eq + Clone> {
    per_minute: u32,
    limiter: DefaultKeyedRateLimiter<K>,
    swept: Mutex<Instant>,
}

impl<K: Hash + Eq + Clone> Default for Rate<K> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<K: Hash + Eq + Clone> Rate<K> {
    /// 429 if there were more requests under this key than `per_minute`.
    pub(super) fn count(&self, key: &K, per_minute: u32) -> Result<(), Problem> {
        let counted = self.counted(per_minute);
        counted.sweep();
        counted.limiter.check_key(key).map_err(|early| {
            let wait = early.wait_time_from(counted.limiter.clock().now()).max(Duration::from_secs(1));
            let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
            Problem::too_many("too many requests; wait before the next one", seconds)
        })
    }

    fn counted(&self, per_minute: u32) -> Arc<Counted<K>> {
        match self.0.load_full() {
            Some(counted) if counted.per_minute == per_minute => counted,
            _ => {
                let quota = Quota::per_minute(NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN));
                let counted = Arc::new(Counted { per_minute, limiter: RateLimiter::keyed(quota), swept: Mutex::new(Instant::now()) });
                self.0.store(Some(Arc::clone(&counted)));
                counted
            }
        }
    }
}

impl<K: Hash + Eq + Clone> Counted<K> {
    fn sweep(&self) {
        // Whoever finds it locked leaves it to whoever sweeps.
        if self.limiter.len() > MANY_KEYS
            && let Ok(mut swept) = self.swept.try_lock()
            && swept.elapsed() >= SWEEP
        {
            self.limiter.retain_recent();
            *swept = Instant::now();
        }
    }
}
