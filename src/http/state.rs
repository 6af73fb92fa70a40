//! What handlers may ask for, each by its own type.

use std::sync::Arc;

use axum::extract::FromRef;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{health::LastLook, limits::Limits, passwords::Passwords};
use crate::{
    alerts::Alerts, audit::Audit, config::Settings, handshake::Handshake, participants::Participants, recordings::Recordings,
    roller::Roller, runs::Reader, storage::Storage,
};

/// Everything that the handlers work with. Cheap to clone.
#[derive(Clone, FromRef)]
pub struct App {
    /// Letting watches in.
    pub handshake: Handshake,
    /// Recordings.
    pub recordings: Recordings,
    /// Who wore what.
    pub participants: Participants,
    /// Zips.
    pub roller: Roller,
    /// What runs say of themselves, and what is missing.
    pub reader: Reader,
    /// Files.
    pub storage: Storage,
    /// What nobody may exceed.
    pub limits: Arc<Limits>,
    /// Who is told of what.
    pub alerts: Alerts,
    /// Who did what.
    pub audit: Audit,
    /// Who may see the admin pages.
    pub passwords: Arc<Passwords>,
    /// The settings in force.
    pub settings: Settings,
    /// Changes of the settings that are on their way.
    pub drafts: Arc<super::Drafts>,
    /// The last look at the house's health.
    pub last_look: LastLook,
    /// Work that must not end with the connection that began it.
    pub tasks: TaskTracker,
    /// Ends answers that would go on for ever, when the server stops.
    pub stopping: CancellationToken,
}
