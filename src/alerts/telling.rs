//! A way's worker: what is due is sent, marked as told, and tried again where that fails.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    AlertError, Alerts, Channel, mail,
    message::Message,
    patience::{Attempts, Failure},
    webhook, words,
};
use crate::{
    catalog::{CatalogError, DAY, Millis, StandingAlert},
    config::{AlertsConfig, Config, Sending},
};

/// So often a way looks by itself for what is to be told.
const BEAT: Duration = Duration::from_secs(60);
/// How long a sending that is under way may go on when the server stops, so that it need not be sent again.
const GRACE: Duration = Duration::from_secs(5);
/// So many alerts go into one message.
const TOGETHER: u32 = 1000;

const HOUR: Millis = 60 * 60 * 1000;

impl Alerts {
    /// A way's worker: tells what is due, each minute or when poked.
    pub(super) async fn work(self, channel: Channel, stop: CancellationToken) {
        loop {
            let stopped = async {
                stop.cancelled().await;
                sleep(GRACE).await;
            };
            tokio::select! {
                () = self.round(channel) => {}
                () = stopped => return,
            }
            tokio::select! {
                () = self.way(channel).poked.notified() => {}
                () = sleep(BEAT) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn round(&self, channel: Channel) {
        if let Err(error) = self.tell(channel).await {
            tracing::warn!(?channel, %error, "what is to be told cannot be read or marked; it is tried again in a minute");
        }
    }

    async fn tell(&self, channel: Channel) -> Result<(), CatalogError> {
        self.mark(channel).await?;
        let (config, now) = (self.settings.now(), (self.around.clock)());
        if !channel.is_set(&config.alerts) {
            *self.attempts(channel) = Attempts::default();
            return Ok(());
        }
        if !self.attempts(channel).may_try(now, &config.alerts) {
            return Ok(());
        }
        let due = self.due(channel, &config.alerts, now).await?;
        if due.is_empty() {
            return Ok(());
        }
        let sent = self.send(channel, &Message::new(&due, &config, now), &config).await;
        self.remember(channel, &config.alerts, sent, due);
        self.mark(channel).await
    }

    async fn due(&self, channel: Channel, config: &AlertsConfig, now: Millis) -> Result<Vec<StandingAlert>, CatalogError> {
        let before = match config.send {
            Sending::AtOnce => Millis::MAX,
            Sending::Daily => last_digest(now, config.daily_hour),
        };
        self.catalog.untold(channel.told(), &words(&config.about), before, TOGETHER).await
    }

    pub(super) async fn send(&self, channel: Channel, message: &Message, config: &Config) -> Result<Option<AlertError>, AlertError> {
        match channel {
            Channel::Mail => mail::send(message, config, &self.around).await,
            Channel::Webhook => webhook::post(message, &config.alerts, &self.around).await.map(|()| None),
        }
    }

    fn remember(&self, channel: Channel, config: &AlertsConfig, sent: Result<Option<AlertError>, AlertError>, due: Vec<StandingAlert>) {
        let now = (self.around.clock)();
        let mut attempts = self.attempts(channel);
        match sent {
            Ok(complaint) => {
                attempts.worked(complaint.map(|error| Failure { at: now, text: error.to_string() }));
                attempts.unmarked = due;
                // There may be more.
                self.way(channel).poked.notify_one();
            }
            Err(error) => {
                attempts.failed(now, config, error.to_string());
                tracing::warn!(?channel, "nobody could be told of what should be known; the front page says why");
            }
        }
    }

    /// Marks what has been told. Until that is done, nothing else is told over this way.
    async fn mark(&self, channel: Channel) -> Result<(), CatalogError> {
        let told = self.attempts(channel).unmarked.clone();
        if !told.is_empty() {
            self.catalog.mark_told(channel.told(), &told).await?;
            self.attempts(channel).unmarked.clear();
        }
        Ok(())
    }
}

/// When the last daily message was due. What is known since then waits for the next one.
fn last_digest(now: Millis, hour: u64) -> Millis {
    let hour = Millis::try_from(hour).unwrap_or_default() * HOUR;
    now - (now - hour).rem_euclid(DAY)
}
