//! `handshake`: how watches are let in.

use serde::{Deserialize, Serialize};

use super::Report;
use crate::catalog::Millis;

/// The section `handshake`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct HandshakeConfig {
    /// How long a granted request waits for its watch, hours.
    pub grant_hours: u32,
}

impl Default for HandshakeConfig {
    fn default() -> Self {
        Self { grant_hours: 48 }
    }
}

impl HandshakeConfig {
    /// How long a granted request waits for its watch.
    #[must_use]
    pub fn grant_lifetime(&self) -> Millis {
        Millis::from(self.grant_hours) * 3_600_000
    }

    pub(super) fn validate(&self, report: &mut Report) {
        report.range("handshake.grant_hours", self.grant_hours.into(), 1..=8760);
    }
}
