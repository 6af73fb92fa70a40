//! What handlers may ask for, each by its own type.

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRef;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{health::LastLook, limits::Limits, passwords::Passwords};
use crate::{
    alerts::Alerts, audit::Audit, config::Settings, handshake::Handshake, models::Models, participants::Participants,
    recordings::Recordings, roller::Roller, runs::Reader, storage::Storage, timekeeping::Timekeeping,
};

/// Everything that the handlers work with. One pointer: each of ten thousand slow uploads holds a few of it.
#[derive(Clone)]
pub struct App(Arc<Rooms>);

/// What is behind [`App`].
pub struct Rooms {
    /// Letting watches in.
    pub handshake: Handshake,
    /// Recordings.
    pub recordings: Recordings,
    /// Who wore what.
    pub participants: Participants,
    /// Detection models.
    pub models: Models,
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
    /// Which time it is.
    pub timekeeping: Timekeeping,
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

impl From<Rooms> for App {
    fn from(rooms: Rooms) -> Self {
        Self(Arc::new(rooms))
    }
}

impl Deref for App {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}

/// What a handler may ask for by its type.
macro_rules! by_type {
    ($($field:ident: $type:ty,)*) => {
        $(impl FromRef<App> for $type {
            fn from_ref(app: &App) -> Self {
                app.$field.clone()
            }
        })*
    };
}

by_type! {
    handshake: Handshake,
    recordings: Recordings,
    participants: Participants,
    models: Models,
    reader: Reader,
    limits: Arc<Limits>,
    alerts: Alerts,
    audit: Audit,
    timekeeping: Timekeeping,
    settings: Settings,
    last_look: LastLook,
    stopping: CancellationToken,
}
