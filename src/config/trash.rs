//! `trash`: how long what was deleted can be restored.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Report;

/// The section `trash`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct TrashConfig {
    /// How long a deleted recording can be restored, days.
    pub days: u64,
}

impl Default for TrashConfig {
    fn default() -> Self {
        Self { days: 30 }
    }
}

impl TrashConfig {
    /// How long a deleted recording can be restored.
    #[must_use]
    pub fn kept(&self) -> Duration {
        Duration::from_secs(self.days * 86_400)
    }

    pub(super) fn validate(&self, report: &mut Report) {
        report.range("trash.days", self.days, 0..=3650);
    }
}
