//! What systemd is told (`Type=notify`, sd_notify(3)): ready, reloading, stopping, alive. Without systemd, nothing.

use std::sync::LazyLock;

use sd_notify::{NotifyState, notify, watchdog_enabled};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalog::Catalog;

/// Whether requests are served. Before and behind that, no word on a reload may say so.
static SERVED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Says that requests are served.
pub(super) fn ready() {
    SERVED.send_replace(true);
    tell(&[NotifyState::Ready]);
}

/// Waits until requests are served; for ever, while the server stops.
pub async fn until_served() {
    let _ = SERVED.subscribe().wait_for(|served| *served).await;
}

/// Says that the config is being read anew; [`reloaded`] ends it.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Says that the config has been read.
pub fn reloaded() {
    if *SERVED.borrow() {
        tell(&[NotifyState::Ready]);
    }
}

/// Says that no more requests are served.
pub(super) fn stopping() {
    SERVED.send_replace(false);
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog that all is well, until `stop`. It is no longer told, and starts the program anew, where nothing moves
/// any more or the task that commits uploads has ended.
pub(super) async fn keep_telling(catalog: Catalog, stop: CancellationToken) {
    let Some(deadline) = watchdog_enabled() else { return };
    let mut beat = tokio::time::interval(deadline / 3);
    while stop.run_until_cancelled(beat.tick()).await.is_some() {
        if catalog.is_committing() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(state: &[NotifyState]) {
    if let Err(error) = notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}
