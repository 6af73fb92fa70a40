//! Alerts: what somebody should know is noted in the catalog, and told over each way once: by mail, by webhook.
//!
//! A message is marked as told right behind its sending. Where the program ends in between, it is sent once more, with the same
//! Message-ID and Idempotency-Key for the same alerts: better twice than never.

mod error;
mod kind;
mod lookout;
mod mail;
mod message;
mod patience;
mod telling;
mod webhook;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{error::AlertError, kind::Alert, lookout::Lookout, patience::Failure};
use self::{message::Message, patience::Attempts};
pub use crate::{catalog::Channel, config::AlertKind};
use crate::{
    catalog::{Catalog, CatalogError, Millis},
    clock,
    config::{AlertsConfig, Settings},
};

/// How long the other end of a way may take in all.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a test holds in its hands.
#[derive(Clone)]
pub struct Surroundings {
    /// What time it is.
    pub clock: Arc<dyn Fn() -> Millis + Send + Sync>,
    /// Who is believed beside the public authorities.
    pub authorities: Vec<CertificateDer<'static>>,
    /// How long the other end may take.
    pub patience: Duration,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { clock: Arc::new(|| clock::machine().wall), authorities: Vec::new(), patience: PATIENCE }
    }
}

/// Tells somebody. Cheap to clone; one worker a way stands behind all clones.
#[derive(Clone)]
pub struct Alerts {
    catalog: Catalog,
    settings: Settings,
    around: Surroundings,
    ways: Arc<[Way; 2]>,
}

#[derive(Default)]
struct Way {
    poked: Notify,
    attempts: Mutex<Attempts>,
}

impl Alerts {
    /// Starts the workers in `tasks`. They run until `stop`.
    #[must_use]
    pub fn start(catalog: Catalog, settings: Settings, tasks: &TaskTracker, stop: &CancellationToken) -> Self {
        let clock = catalog.clock().clone();
        let around = Surroundings { clock: Arc::new(move || clock.now()), ..Surroundings::default() };
        Self::start_in(around, catalog, settings, tasks, stop)
    }

    /// The same with another clock, or other authorities.
    #[must_use]
    pub fn start_in(around: Surroundings, catalog: Catalog, settings: Settings, tasks: &TaskTracker, stop: &CancellationToken) -> Self {
        let alerts = Self { catalog, settings, around, ways: Arc::default() };
        for channel in [Channel::Mail, Channel::Webhook] {
            tasks.spawn(alerts.clone().work(channel, stop.clone()));
        }
        alerts
    }

    /// Takes `found` for everything of these kinds that holds now. What is new is told; what is known is not told again; what holds
    /// no more is forgotten, and would be new if it came again. Says how many are new.
    ///
    /// # Errors
    /// [`CatalogError`]; then nothing has changed.
    pub async fn note(&self, kinds: &[AlertKind], found: &[Alert]) -> Result<usize, CatalogError> {
        let now = (self.around.clock)();
        let found: Vec<_> = found.iter().map(|alert| alert.standing(now)).collect();
        let new = self.catalog.note_alerts(&words(kinds), &found).await?;
        if new > 0 {
            self.poke();
        }
        Ok(new)
    }

    /// Lets every way look at once for what is to be told.
    pub fn poke(&self) {
        for way in &*self.ways {
            way.poked.notify_one();
        }
    }

    /// What last went wrong with a way, until it works again.
    #[must_use]
    pub fn last_error(&self, channel: Channel) -> Option<Failure> {
        self.attempts(channel).failure.clone()
    }

    /// Sends a test over a way, now.
    ///
    /// # Errors
    /// [`AlertError`]: a sentence for whoever looks after the settings.
    pub async fn send_test(&self, channel: Channel) -> Result<(), AlertError> {
        let config = self.settings.now();
        if !channel.is_set(&config.alerts) {
            return Err(AlertError::NotSet(channel.how_to_set()));
        }
        let message = Message::test(&config, (self.around.clock)());
        self.send(channel, &message, &config).await?.map_or(Ok(()), Err)
    }

    fn way(&self, channel: Channel) -> &Way {
        let [mail, webhook] = &*self.ways;
        match channel {
            Channel::Mail => mail,
            Channel::Webhook => webhook,
        }
    }

    fn attempts(&self, channel: Channel) -> MutexGuard<'_, Attempts> {
        self.way(channel).attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    /// Whether anybody is to be told over it.
    #[must_use]
    pub fn is_set(self, config: &AlertsConfig) -> bool {
        match self {
            Self::Mail => !config.mail_to.is_empty(),
            Self::Webhook => !config.webhook_url.expose().is_empty(),
        }
    }

    fn how_to_set(self) -> &'static str {
        match self {
            Self::Mail => "nobody gets mail: write who into alerts.mail_to, and read the file anew",
            Self::Webhook => "there is no webhook: write its address into alerts.webhook_url, and read the file anew",
        }
    }
}

fn words(kinds: &[AlertKind]) -> Vec<&'static str> {
    kinds.iter().map(|kind| kind.as_str()).collect()
}
