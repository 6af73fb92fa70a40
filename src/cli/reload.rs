//! SIGHUP: the config is read anew while the server runs.

use tokio::signal::unix::Signal;

use crate::{
    config::{Settings, Source},
    reload::{ReloadError, read_anew},
    server::supervisor,
};

/// Reads the config anew at each signal. One that is not good changes nothing.
pub(super) async fn at_each(mut hangup: Signal, settings: &Settings) {
    let Some(source) = settings.source() else { return };
    while hangup.recv().await.is_some() {
        supervisor::until_served().await;
        supervisor::reloading();
        if let Err(error) = reload(settings, source).await {
            tracing::error!("the settings of before stay in force: {error}");
        }
        supervisor::reloaded();
    }
}

async fn reload(settings: &Settings, source: &Source) -> Result<(), ReloadError> {
    let replaced = read_anew(settings, source).await?;
    tracing::info!(changed = replaced.changed.join(", "), "the config was read anew");
    if !replaced.waiting.is_empty() {
        tracing::warn!(settings = replaced.waiting.join(", "), "these settings take effect at the next start");
    }
    Ok(())
}
