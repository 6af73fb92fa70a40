//! SIGHUP: the config is read anew while the server runs.

use tokio::signal::unix::Signal;

use super::{Arguments, Failure, check::would_serve, logging::Log};
use crate::{
    config::{Draft, Settings},
    server::supervisor,
    storage::blocking,
};

/// Reads the config anew at each signal. One that is not good changes nothing.
pub(super) async fn at_each(mut hangup: Signal, arguments: &Arguments, settings: &Settings, log: &Log) {
    while hangup.recv().await.is_some() {
        supervisor::until_served().await;
        supervisor::reloading();
        match reload(arguments, settings, log).await {
            Ok(()) => {}
            Err(error) => tracing::error!("the settings of before stay in force: {error}"),
        }
        supervisor::reloaded();
    }
}

async fn reload(arguments: &Arguments, settings: &Settings, log: &Log) -> Result<(), Failure> {
    // Read once: what is put in force is what was looked at.
    let draft = Draft::read(&arguments.config)?;
    would_serve(draft.config()).await?;
    // In other folders there may be nobody to lock out; in these there is.
    would_serve(&settings.with(draft.config().clone())).await?;
    let config = blocking(move || draft.accept()).await??;
    let replaced = settings.replace(&arguments.over(config));
    log.set_level(settings.now().log.level);
    tracing::info!(changed = replaced.changed.join(", "), "the config was read anew");
    if !replaced.waiting.is_empty() {
        tracing::warn!(settings = replaced.waiting.join(", "), "these settings take effect at the next start");
    }
    Ok(())
}
