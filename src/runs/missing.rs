//! What is missing: devices that are silent, runs that never came, recordings that stopped in the middle.

use std::collections::HashSet;

use super::{
    gaps,
    rhythm::{allowed_silence, to_millis},
};
pub use crate::catalog::UnfinishedDataset;
use crate::{
    catalog::{Catalog, CatalogError, Millis, Watched},
    config::MissingConfig,
    ids::{DatasetId, DeviceId},
};

/// No more of a kind are told: behind these a person looks elsewhere for what is wrong.
const MOST: u32 = 1000;
/// The rhythm of a device is that of its latest datasets.
const LATEST: u32 = 200;

/// What is missing, without what somebody said is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// When somebody looked; 0 before the first look.
    pub looked_at: Millis,
    /// Devices that bring nothing.
    pub silent: Vec<SilentDevice>,
    /// Runs that never came.
    pub skipped: Vec<SkippedRuns>,
    /// Recordings that stopped in the middle.
    pub unfinished: Vec<UnfinishedDataset>,
}

/// The kinds of what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissingKind {
    /// A device that brings nothing.
    Silent,
    /// Runs that never came.
    Skipped,
    /// A recording that stopped in the middle.
    Unfinished,
}

/// A device that brings nothing for longer than it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentDevice {
    /// The device.
    pub device: DeviceId,
    /// The name that people gave it, else its alias.
    pub name: String,
    /// When it last brought something, else when it was let in.
    pub since: Millis,
    /// Whether it ever brought something.
    pub has_uploaded: bool,
    /// How long it may be silent.
    pub allowed: Millis,
}

/// Runs of a device that never came, though a later one did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRuns {
    /// The device.
    pub device: DeviceId,
    /// The name that people gave it, else its alias.
    pub name: String,
    /// The first number that is missing.
    pub first: i64,
    /// The last one.
    pub last: i64,
    /// The run behind them.
    pub before: DatasetId,
}

impl MissingKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Silent, Self::Skipped, Self::Unfinished];

    /// The word for it in the catalog, in addresses and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Skipped => "skipped",
            Self::Unfinished => "unfinished",
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl SilentDevice {
    /// What is settled with it: this silence, and not the next one of the device.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}@{}", self.device, self.since)
    }
}

impl SkippedRuns {
    /// What is settled with it: whatever is missing right before this run.
    #[must_use]
    pub fn subject(&self) -> String {
        self.before.to_string()
    }
}

impl UnfinishedDataset {
    /// What is settled with it.
    #[must_use]
    pub fn subject(&self) -> String {
        self.uuid.to_string()
    }
}

impl Missing {
    /// How many there are of all kinds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.silent.len() + self.skipped.len() + self.unfinished.len()
    }

    /// Looks what is missing at the moment: a device a question, so that others come in between.
    pub(super) async fn look(catalog: &Catalog, settings: &MissingConfig, now: Millis) -> Result<Self, CatalogError> {
        let mut missing = Self { looked_at: now, ..Self::default() };
        for watched in catalog.watched().await? {
            let arrived = catalog.arrived(watched.device, LATEST).await?;
            missing.silent.extend(silence(&watched, allowed_silence(watched.silent_hours, settings, &arrived), now));
            let gaps = gaps(&catalog.runs_of(watched.device).await?);
            missing.skipped.extend(gaps.into_iter().map(|gap| SkippedRuns {
                device: watched.device,
                name: watched.name.clone(),
                first: gap.first,
                last: gap.last,
                before: gap.before,
            }));
        }
        missing.unfinished = catalog.unfinished(now - to_millis(settings.unfinished()), MOST).await?;
        missing.leave_out(&catalog.settled().await?);
        Ok(missing)
    }

    fn leave_out(&mut self, settled: &HashSet<(String, String)>) {
        let is_open = |kind: MissingKind, subject: String| !settled.contains(&(kind.as_str().to_owned(), subject));
        self.silent.retain(|item| is_open(MissingKind::Silent, item.subject()));
        self.skipped.retain(|item| is_open(MissingKind::Skipped, item.subject()));
        self.unfinished.retain(|item| is_open(MissingKind::Unfinished, item.subject()));
        self.skipped.truncate(MOST as usize);
    }
}

fn silence(watched: &Watched, allowed: Millis, now: Millis) -> Option<SilentDevice> {
    let Watched { device, name, since, has_uploaded, .. } = watched.clone();
    (now.saturating_sub(since) > allowed).then_some(SilentDevice { device, name, since, has_uploaded, allowed })
}
