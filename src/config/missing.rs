//! `missing`: when silence becomes a sign that something is wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Report;

/// The section `missing`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct MissingConfig {
    /// A device that brought nothing for so many hours is silent; 0 for what its own rhythm says.
    pub silent_hours: u64,
    /// A recording with files and no metaInfo that got nothing for so many hours stopped in the middle.
    pub unfinished_hours: u64,
}

impl Default for MissingConfig {
    fn default() -> Self {
        Self { silent_hours: 0, unfinished_hours: 12 }
    }
}

impl MissingConfig {
    /// How long a device may bring nothing; `None` if each device's own rhythm says it.
    #[must_use]
    pub fn silent(&self) -> Option<Duration> {
        (self.silent_hours > 0).then(|| Duration::from_secs(self.silent_hours * 3600))
    }

    /// How long a recording without metaInfo may get nothing.
    #[must_use]
    pub fn unfinished(&self) -> Duration {
        Duration::from_secs(self.unfinished_hours * 3600)
    }

    pub(super) fn validate(&self, report: &mut Report) {
        report.range("missing.silent_hours", self.silent_hours, 0..=8760);
        report.range("missing.unfinished_hours", self.unfinished_hours, 1..=8760);
    }
}
