//! When a way that failed is tried again.

use rand::RngExt;

use crate::{
    catalog::{Millis, StandingAlert},
    config::AlertsConfig,
};

const MINUTE: Millis = 60 * 1000;
const LONGEST: Millis = 60 * MINUTE;

/// The last failure of a way, for the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When it was.
    pub at: Millis,
    /// A sentence for a person.
    pub text: String,
}

/// How a way has fared.
#[derive(Default)]
pub(super) struct Attempts {
    pub(super) failure: Option<Failure>,
    /// Told, but the catalog does not know yet.
    pub(super) unmarked: Vec<StandingAlert>,
    failures: u32,
    not_before: Millis,
    /// The settings that it failed with; others are tried at once.
    failed_with: Option<AlertsConfig>,
}

impl Attempts {
    /// Whether it may be tried now. A clock that was set back does not make it wait for longer than it ever waits.
    pub(super) fn may_try(&self, now: Millis, config: &AlertsConfig) -> bool {
        let early = (self.not_before - longest_wait()..self.not_before).contains(&now);
        !early || self.failed_with.as_ref() != Some(config)
    }

    pub(super) fn failed(&mut self, now: Millis, config: &AlertsConfig, text: String) {
        if self.failed_with.as_ref() != Some(config) {
            self.failures = 0;
        }
        self.failed_with = Some(config.clone());
        self.not_before = now + wait_after(self.failures);
        self.failures += 1;
        self.failure = Some(Failure { at: now, text });
    }

    /// It worked, but for what is to be complained of.
    pub(super) fn worked(&mut self, complaint: Option<Failure>) {
        (self.failures, self.not_before, self.failed_with, self.failure) = (0, 0, None, complaint);
    }
}

/// 1, 2, 4 … 60 minutes, and up to a tenth more, so that not everybody comes back at once.
fn wait_after(failures: u32) -> Millis {
    let wait = (MINUTE << failures.min(6)).min(LONGEST);
    wait + rand::rng().random_range(0..=wait / 10)
}

const fn longest_wait() -> Millis {
    LONGEST + LONGEST / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_twice_as_long_up_to_an_hour() {
        for (failures, minutes) in [1, 2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
            let wait = wait_after(u32::try_from(failures).expect("few"));
            assert!((minutes * MINUTE..=minutes * MINUTE * 11 / 10).contains(&wait), "{failures}: {wait}");
        }
        assert!(wait_after(u32::MAX) <= longest_wait());
    }

    #[test]
    fn it_waits_unless_the_settings_or_the_clock_change() {
        let (config, mut attempts) = (AlertsConfig::default(), Attempts::default());
        assert!(attempts.may_try(0, &config));
        let now = 1000 * LONGEST;
        attempts.failed(now, &config, "no".to_owned());
        assert!(!attempts.may_try(now, &config) && !attempts.may_try(now + MINUTE - 1, &config));
        assert!(attempts.may_try(now + 2 * MINUTE, &config) && attempts.may_try(now - 10 * LONGEST, &config));
        assert!(attempts.may_try(now, &AlertsConfig { smtp_port: 25, ..config }));
        attempts.worked(None);
        assert!(attempts.failure.is_none());
    }
}
