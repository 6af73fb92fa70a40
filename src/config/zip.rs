//! `zip`: how zips are kept fresh.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Report;

/// The section `zip`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ZipConfig {
    /// How long a download waits for its zip, seconds.
    pub wait_seconds: u64,
    /// Zips made at once.
    pub rolls_at_once: u32,
    /// A zip below this size is kept fresh all the time, MiB.
    pub small_mib: u64,
    /// A larger one is rolled after so much quiet, minutes.
    pub quiet_minutes: u64,
}

impl Default for ZipConfig {
    fn default() -> Self {
        Self { wait_seconds: 30, rolls_at_once: 2, small_mib: 64, quiet_minutes: 10 }
    }
}

impl ZipConfig {
    /// How long a download waits for its zip.
    #[must_use]
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.wait_seconds)
    }

    /// How long a dataset must be quiet before a large zip is rolled unasked.
    #[must_use]
    pub fn quiet(&self) -> Duration {
        Duration::from_secs(self.quiet_minutes * 60)
    }

    /// Bytes below which a zip is kept fresh all the time.
    #[must_use]
    pub fn small(&self) -> u64 {
        self.small_mib << 20
    }

    pub(super) fn validate(&self, report: &mut Report) {
        report.range("zip.wait_seconds", self.wait_seconds, 1..=3600);
        report.range("zip.rolls_at_once", self.rolls_at_once.into(), 1..=64);
        report.range("zip.small_mib", self.small_mib, 0..=1 << 20);
        report.range("zip.quiet_minutes", self.quiet_minutes, 1..=10_080);
    }
}
