//! `models`: who is told of detection models, and how large they may be.

use serde::{Deserialize, Serialize};

use super::Report;

/// The section `models`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelsConfig {
    /// Whether anybody gets the model for everyone, and not only devices that were let in.
    pub public: bool,
    /// A model file is not larger, MiB.
    pub max_mib: u64,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self { public: false, max_mib: 64 }
    }
}

impl ModelsConfig {
    /// A model file is not larger, in bytes.
    #[must_use]
    pub fn most_bytes(&self) -> usize {
        usize::try_from(self.max_mib << 20).unwrap_or(usize::MAX)
    }

    pub(super) fn validate(&self, report: &mut Report) {
        // A model is checked in memory.
        report.range("models.max_mib", self.max_mib, 1..=1024);
    }
}
