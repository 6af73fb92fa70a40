//! What is missing: devices that are silent, runs that never came, recordings that stopped in the middle.

use std::collections::HashSet;

use super::{
    Gap,
    past::Past,
    rhythm::{allowed_silence, to_millis},
};
pub use crate::catalog::UnfinishedDataset;
use crate::{
    catalog::{Catalog, CatalogError, Millis, Watched},
    config::MissingConfig,
    ids::{DatasetId, DeviceId},
};

/// No more of a kind are told: behind these a person looks elsewhere for what is wrong.
const MOST: usize = 1000;

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

    /// Whether this is missing.
    pub(super) fn names(&self, kind: MissingKind, subject: &str) -> bool {
        match kind {
            MissingKind::Silent => self.silent.iter().any(|item| item.subject() == subject),
            MissingKind::Skipped => self.skipped.iter().any(|item| item.subject() == subject),
            MissingKind::Unfinished => self.unfinished.iter().any(|item| item.subject() == subject),
        }
    }

    /// Looks what is missing at the moment: a device a question, so that others come in between.
    pub(super) async fn look(catalog: &Catalog, past: &mut Past, settings: &MissingConfig, now: Millis) -> Result<Self, CatalogError> {
        let mut missing = Self { looked_at: now, ..Self::default() };
        let unfinished_since = now - to_millis(settings.unfinished());
        for watched in catalog.watched().await? {
            let past = past.of(catalog, watched.device).await?;
            missing.silent.extend(silence(&watched, allowed_silence(watched.silent_hours, settings, past.usual_silence), now));
            missing.skipped.extend(past.gaps.iter().map(|gap| skipped(&watched, gap)));
            if missing.unfinished.len() < MOST {
                missing.unfinished.extend(catalog.unfinished(&past.open, unfinished_since).await?);
            }
        }
        missing.leave_out(&catalog.settled().await?);
        Ok(missing)
    }

    fn leave_out(&mut self, settled: &HashSet<(String, String)>) {
        let is_open = |kind: MissingKind, subject: String| !settled.contains(&(kind.as_str().to_owned(), subject));
        self.silent.retain(|item| is_open(MissingKind::Silent, item.subject()));
        self.skipped.retain(|item| is_open(MissingKind::Skipped, item.subject()));
        self.unfinished.retain(|item| is_open(MissingKind::Unfinished, item.subject()));
        self.skipped.truncate(MOST);
        self.unfinished.truncate(MOST);
    }
}

fn skipped(watched: &Watched, gap: &Gap) -> SkippedRuns {
    SkippedRuns { device: watched.device, name: watched.name.clone(), first: gap.first, last: gap.last, before: gap.before }
}

fn silence(watched: &Watched, allowed: Millis, now: Millis) -> Option<SilentDevice> {
    let Watched { device, name, since, has_uploaded, .. } = watched.clone();
    (now.saturating_sub(since) > allowed).then_some(SilentDevice { device, name, since, has_uploaded, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::made::Made;

    const HOUR: Millis = 60 * 60 * 1000;

    async fn look(made: &Made, now: Millis) -> Missing {
        Missing::look(&made.catalog, &mut Past::default(), &MissingConfig::default(), now).await.expect("a look")
    }

    #[tokio::test]
    async fn a_device_is_silent_when_it_should_have_come_and_until_somebody_knows() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        made.change(&format!("UPDATE devices SET last_upload_at = {}", 10 * HOUR)).await;
        assert_eq!(look(&made, 82 * HOUR).await.silent, []);
        let silent = look(&made, 82 * HOUR + 1).await.silent.swap_remove(0);
        let expected = SilentDevice { device, name: "kitchen".into(), since: 10 * HOUR, has_uploaded: true, allowed: 72 * HOUR };
        assert_eq!(silent, expected);
        for _ in 0..3 {
            made.dataset(device).await;
        }
        made.change(&format!("UPDATE datasets SET created_at = number * {}", 24 * HOUR)).await;
        assert_eq!(look(&made, 58 * HOUR + 1).await.silent[0].allowed, 48 * HOUR, "a rhythm of its own");
        made.catalog.settle("silent", &silent.subject(), "ada").await.expect("settled");
        assert_eq!(look(&made, 500 * HOUR).await.count(), 0);
        made.change(&format!("UPDATE devices SET last_upload_at = {}", 11 * HOUR)).await;
        assert_eq!(look(&made, 500 * HOUR).await.silent.len(), 1, "another silence");
    }

    #[tokio::test]
    async fn runs_that_never_came_are_told_until_they_come_or_somebody_knows() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let mut datasets = Vec::new();
        for (at, number) in [(1, 5), (2, 8), (3, 10)] {
            datasets.push(made.dataset(device).await);
            made.change(&format!("UPDATE datasets SET started_at = {at}00, run_number = {number} WHERE number = {at}")).await;
        }
        let told = |missing: Missing| missing.skipped.iter().map(|gap| (gap.first, gap.last, gap.before)).collect::<Vec<_>>();
        assert_eq!(told(look(&made, 0).await), [(6, 7, datasets[1]), (9, 9, datasets[2])]);
        made.catalog.settle("skipped", &datasets[2].to_string(), "ada").await.expect("settled");
        let late = made.dataset(device).await;
        made.change(&format!("UPDATE datasets SET started_at = 150, run_number = 6 WHERE uuid = '{late}'")).await;
        assert_eq!(told(look(&made, 0).await), [(7, 7, datasets[1])]);
        made.change("UPDATE devices SET revoked_at = 1").await;
        assert_eq!(look(&made, 0).await.count(), 0);
    }

    #[tokio::test]
    async fn a_run_that_was_erased_is_not_missing() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let mut datasets = Vec::new();
        for at in 1..=6 {
            datasets.push(made.dataset(device).await);
            made.change(&format!("UPDATE datasets SET started_at = {at}00, run_number = {at} WHERE number = {at}")).await;
        }
        for erased in [1, 2, 4] {
            assert!(made.catalog.erase(datasets[erased]).await.expect("erased"));
            assert_eq!(look(&made, 0).await.skipped, [], "run {}", erased + 1);
        }
    }

    #[tokio::test]
    async fn a_recording_that_stopped_in_the_middle_is_told_after_its_time() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let dataset = made.dataset(device).await;
        made.file(dataset, device, "acc.csv").await;
        made.change("UPDATE devices SET meta_at = 1").await;
        made.change("UPDATE datasets SET described = changes, updated_at = 100").await;
        assert_eq!(look(&made, 12 * HOUR + 100).await.unfinished, []);
        let unfinished = look(&made, 12 * HOUR + 101).await.unfinished.swap_remove(0);
        assert_eq!((unfinished.uuid, unfinished.since), (dataset, 100));
        made.catalog.settle("unfinished", &unfinished.subject(), "ada").await.expect("settled");
        assert_eq!(look(&made, 12 * HOUR + 101).await.unfinished, []);
    }

    #[test]
    fn a_kind_has_one_word() {
        for kind in MissingKind::ALL {
            assert_eq!(MissingKind::from_text(kind.as_str()), Some(kind));
        }
        assert_eq!(MissingKind::from_text("lost"), None);
    }
}
