//! The lookout: looks at the whole house for what somebody should know.

use std::{collections::BTreeMap, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Alert, AlertKind, Alerts};
use crate::{
    catalog::{CatalogError, DAY, Millis, date_of},
    clock::Fault,
    config::{Role, Settings},
    handshake::Handshake,
    recordings::Recordings,
    runs::{Missing, Reader},
    timekeeping::Timekeeping,
};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(60);
/// How long after something happened at the door.
const TOGETHER: Duration = Duration::from_secs(2);
/// Of each kind, no more are told one by one.
const MOST: u32 = 1000;

/// What it looks at.
#[derive(Clone)]
pub struct Lookout {
    /// Whom it tells.
    pub alerts: Alerts,
    /// The door.
    pub handshake: Handshake,
    /// The recordings, the quarantine, and the disk under them.
    pub recordings: Recordings,
    /// What is missing.
    pub reader: Reader,
    /// The clock.
    pub timekeeping: Timekeeping,
    /// The settings in force.
    pub settings: Settings,
}

impl Lookout {
    /// Looks each minute, and whenever something happens at the door, until `stop`.
    pub fn start(self, tasks: &TaskTracker, stop: CancellationToken) {
        tasks.spawn(async move {
            let mut door = self.handshake.changes();
            loop {
                if let Err(error) = self.look().await {
                    tracing::warn!(%error, "nobody could look what is to be told; this is tried again within a minute");
                }
                let something = async {
                    tokio::select! {
                        () = tokio::time::sleep(LOOK) => {}
                        // Many may come at once, and are looked at together.
                        Ok(()) = door.changed() => tokio::time::sleep(TOGETHER).await,
                    }
                };
                if stop.run_until_cancelled(something).await.is_none() {
                    return;
                }
                door.mark_unchanged();
            }
        });
    }

    /// Looks once.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn look(&self) -> Result<(), CatalogError> {
        let missing = self.reader.missing();
        // Before the first look at what is missing, nothing that was told is over.
        if missing.looked_at > 0 {
            let kinds = [AlertKind::Silent, AlertKind::Skipped, AlertKind::Unfinished];
            self.alerts.note(&kinds, &of_missing(&missing)).await?;
        }
        self.alerts.note(&[AlertKind::Clock], self.of_clock().as_slice()).await?;
        self.alerts.note(&[AlertKind::Request], &self.of_requests().await?).await?;
        self.alerts.note(&[AlertKind::Quarantine], &self.of_quarantine().await?).await?;
        self.alerts.note(&[AlertKind::Verification], &self.of_zips().await?).await?;
        if let Some(of_disk) = self.of_disk().await? {
            self.alerts.note(&[AlertKind::Disk], &of_disk).await?;
        }
        Ok(())
    }

    fn of_clock(&self) -> Option<Alert> {
        // No time is in the text: it would be another one at each look.
        let text = match self.timekeeping.status().fault? {
            Fault::Behind => "The server's clock is more than 1 hour behind the newest time seen. Set it, or confirm that it is right.",
            Fault::Ahead => "The server's clock is more than 7 days ahead of the expected time. Set it, or confirm that it is right.",
        };
        Some(Alert { kind: AlertKind::Clock, subject: "clock".to_owned(), text: text.to_owned() })
    }

    async fn of_requests(&self) -> Result<Vec<Alert>, CatalogError> {
        let open = self.handshake.requests().await?.into_iter().filter(|open| open.request.granted_at.is_none());
        let alert = |open: crate::handshake::OpenRequest| Alert {
            kind: AlertKind::Request,
            subject: open.request.device.to_string(),
            text: format!("{} asks to be let in.", open.request.identifier.shown()),
        };
        Ok(open.take(MOST as usize).map(alert).collect())
    }

    async fn of_quarantine(&self) -> Result<Vec<Alert>, CatalogError> {
        let mut files = BTreeMap::new();
        for file in self.recordings.quarantined(Role::Operator, None, MOST).await?.files {
            *files.entry(file.dataset).or_insert(0) += 1;
        }
        let alert = |(dataset, files)| Alert {
            kind: AlertKind::Quarantine,
            subject: format!("{dataset}"),
            text: if files == 1 {
                format!("A file for recording {dataset} is in quarantine.")
            } else {
                format!("{files} files for recording {dataset} are in quarantine.")
            },
        };
        Ok(files.into_iter().map(alert).collect())
    }

    async fn of_zips(&self) -> Result<Vec<Alert>, CatalogError> {
        let alert = |uuid| Alert {
            kind: AlertKind::Verification,
            subject: format!("{uuid}"),
            text: format!(
                "The zip of recording {uuid} cannot be made: a file is not what the watch sent, or cannot be read. Its page says which."
            ),
        };
        Ok(self.recordings.with_failed_zips(MOST).await?.into_iter().map(alert).collect())
    }

    async fn of_disk(&self) -> Result<Option<Vec<Alert>>, CatalogError> {
        let settings = self.settings.now();
        // A disk that does not answer is seen by /readyz; here it says nothing, neither that it will be full nor that it will not.
        let Ok(free) = self.recordings.free_space().await else { return Ok(None) };
        let full_at = self.recordings.full_at(free.bytes.saturating_sub(settings.storage.reserve())).await?;
        let soon = self.timekeeping.now() + Millis::try_from(settings.alerts.disk_days).unwrap_or(0) * DAY;
        let alert = |at| Alert {
            kind: AlertKind::Disk,
            subject: "disk".to_owned(),
            text: format!("The disk will be full on {}, if it goes on as in the last seven days.", date_of(at)),
        };
        Ok(Some(full_at.filter(|at| *at <= soon).map(alert).into_iter().collect()))
    }
}

fn of_missing(missing: &Missing) -> Vec<Alert> {
    let silent = missing.silent.iter().map(|silent| Alert {
        kind: AlertKind::Silent,
        subject: silent.device.to_string(),
        text: if silent.has_uploaded {
            format!("{} has brought nothing since {}.", silent.name, date_of(silent.since))
        } else {
            format!("{} was let in on {} and has brought nothing yet.", silent.name, date_of(silent.since))
        },
    });
    let skipped = missing.skipped.iter().map(|skipped| Alert {
        kind: AlertKind::Skipped,
        // There may be several before one run; of what is missing, what is filled first is its beginning.
        subject: format!("{}@{}", skipped.before, skipped.last),
        text: if skipped.first == skipped.last {
            format!("Run {} of {} is missing.", skipped.first, skipped.name)
        } else {
            format!("Runs {} to {} of {} are missing.", skipped.first, skipped.last, skipped.name)
        },
    });
    let unfinished = missing.unfinished.iter().map(|unfinished| Alert {
        kind: AlertKind::Unfinished,
        subject: unfinished.uuid.to_string(),
        text: format!("Recording {} stopped in the middle: its end has not come.", unfinished.uuid),
    });
    silent.chain(skipped).chain(unfinished).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ids::Identifier, runs::SkippedRuns};

    /// A run whose start nobody knows lies between them.
    #[test]
    fn two_gaps_before_one_run_are_two_alerts_and_one_that_is_filled_from_its_beginning_stays_the_same() {
        let device = "w".parse::<Identifier>().expect("an identifier").device();
        let before = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().expect("a uuid");
        let gap = |first, last| SkippedRuns { device, name: "w".to_owned(), first, last, before };
        let subjects = |gaps: &[(i64, i64)]| -> Vec<_> {
            let skipped = gaps.iter().map(|(first, last)| gap(*first, *last)).collect();
            of_missing(&Missing { skipped, ..Missing::default() }).into_iter().map(|alert| alert.subject).collect()
        };
        let both = subjects(&[(6, 6), (8, 9)]);
        assert_ne!(both[0], both[1]);
        assert_eq!(subjects(&[(9, 9)]), both[1..]);
        assert!(both.iter().all(|subject| subject.starts_with(&format!("{before}@"))), "they go with the recording: {both:?}");
    }
}
