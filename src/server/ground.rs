//! What a house stands on, and how its rooms and workers come to stand on it at a start.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{ServeError, supervisor};
use crate::{
    alerts::{Alerts, Lookout},
    audit::{Action, Audit},
    catalog::{AuditFilter, Catalog, CatalogError},
    config::Settings,
    handshake::Handshake,
    http::{AtOnce, Limits, Passwords, Rooms},
    ledger::Ledger,
    models::Models,
    participants::Participants,
    recordings::{Recordings, Shelves},
    roller::Roller,
    runs::Reader,
    storage::Storage,
    timekeeping::Timekeeping,
};

/// What everything above stands on.
pub(super) struct Ground {
    pub(super) catalog: Catalog,
    pub(super) storage: Storage,
    pub(super) ledger: Ledger,
    pub(super) settings: Settings,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Ground {
    fn shelves(&self) -> Shelves {
        Shelves::new(self.catalog.clone(), self.storage.clone(), self.ledger.clone())
    }

    /// Finishes or takes back what the last process left half done.
    pub(super) async fn clear_up(&self) -> Result<(), ServeError> {
        let shelves = self.shelves();
        shelves.recover().await?;
        Ok(shelves.look_into_quarantine().await?)
    }

    /// The rooms.
    pub(super) async fn rooms(&self, at_once: AtOnce) -> Result<Rooms, CatalogError> {
        let Self { catalog, storage, ledger, settings, tasks, stop } = self;
        let roller = Roller::start(catalog.clone(), storage.clone(), ledger.clone(), settings.clone(), tasks, stop.clone());
        let reader = Reader::start(catalog.clone(), storage.clone(), settings.clone(), tasks, stop.clone());
        Ok(Rooms {
            alerts: Alerts::start(catalog.clone(), settings.clone(), tasks, stop),
            timekeeping: Timekeeping::new(catalog.clone(), Audit::new(catalog.clone()), reader.clone()),
            audit: Audit::new(catalog.clone()),
            handshake: Handshake::new(catalog.clone(), ledger.clone(), settings.clone()),
            participants: Participants::new(catalog.clone(), reader.clone()),
            recordings: Recordings::new(self.shelves(), roller.clone(), reader.clone(), settings.clone()),
            models: Models::open(catalog.clone(), storage.clone(), settings.clone()).await?,
            roller,
            reader,
            storage: storage.clone(),
            limits: Arc::new(Limits::new(settings.clone(), at_once)),
            passwords: Arc::new(Passwords::new(settings.clone())),
            settings: settings.clone(),
            drafts: Arc::default(),
            last_look: Arc::default(),
            tasks: tasks.clone(),
            stopping: CancellationToken::new(),
        })
    }

    /// Makes catalog, ledger and zips agree, before anybody asks for anything.
    pub(super) async fn agree(&self, rooms: &Rooms) -> Result<(), ServeError> {
        self.warn_of_lost_ledger(&rooms.audit).await?;
        rooms.recordings.hide_erased().await?;
        rooms.roller.mark_left_behind().await?;
        rooms.handshake.agree_with_ledger().await?;
        warn_of_lockouts(&rooms.handshake).await?;
        Ok(())
    }

    /// Starts the workers that belong to no room.
    pub(super) fn start_workers(&self, rooms: &Rooms) {
        let Self { catalog, tasks, stop, .. } = self;
        tasks.spawn(rooms.timekeeping.clone().keep(stop.clone()));
        tasks.spawn(catalog.clone().keep_writing_uses(stop.clone()));
        tasks.spawn(rooms.models.clone().keep_writing_offers(stop.clone()));
        tasks.spawn(supervisor::keep_telling(catalog.clone(), stop.clone()));
        tasks.spawn(rooms.recordings.clone().keep_erasing(rooms.audit.clone(), stop.clone()));
        let lookout = Lookout {
            alerts: rooms.alerts.clone(),
            handshake: rooms.handshake.clone(),
            recordings: rooms.recordings.clone(),
            reader: rooms.reader.clone(),
            timekeeping: rooms.timekeeping.clone(),
            settings: rooms.settings.clone(),
        };
        lookout.start(tasks, stop.clone());
    }

    /// Says so where the ledger knows nothing, and the audit trail knows of something that was written into it.
    async fn warn_of_lost_ledger(&self, audit: &Audit) -> Result<(), CatalogError> {
        if !self.ledger.began_empty() {
            return Ok(());
        }
        for action in [Action::Erased, Action::Revoked, Action::LetInAgain] {
            let filter = AuditFilter { action: Some(action.as_str().to_owned()), ..AuditFilter::default() };
            if !audit.entries(&filter, 1).await?.is_empty() {
                tracing::error!(
                    "there was no ledger, or an empty one, though something was erased or somebody shut out: a backup may bring that back now. Stop the server, put the newest copy of uploads/.house/ledger.jsonl in place, and start it again"
                );
                return Ok(());
            }
        }
        Ok(())
    }
}

async fn warn_of_lockouts(handshake: &Handshake) -> Result<(), CatalogError> {
    let devices = handshake.locked_out().await?;
    if devices > 0 {
        tracing::warn!(
            devices,
            "the tokens of these devices were signed with a secret that is not in the config: they are locked out until it stands in security.previous_secrets"
        );
    }
    Ok(())
}
