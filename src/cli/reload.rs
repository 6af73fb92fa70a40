//! SIGHUP: the config is read anew while the server runs.

use tokio::signal::unix::Signal;

use super::{Arguments, Failure, check::would_serve, logging::Log};
use crate::{
    config::{self, Settings},
    server::supervisor,
};

/// Reads the config anew at each signal. One that is not good changes nothing.
pub(super) async fn at_each(mut hangup: Signal, arguments: &Arguments, settings: &Settings, log: &Log) {
    while hangup.recv().await.is_some() {
        supervisor::reloading();
        match reload(arguments, settings, log).await {
            Ok(()) => {}
            Err(error) => tracing::error!("the settings of before stay in force: {error}"),
        }
        supervisor::ready();
    }
}

async fn reload(arguments: &Arguments, settings: &Settings, log: &Log) -> Result<(), Failure> {
    let path = &arguments.config;
    would_serve(&config::check(path)?).await?;
    let replaced = settings.replace(arguments.over(config::reopen(path)?));
    log.set_level(settings.now().log.level);
    tracing::info!(changed = replaced.changed.join(", "), "the config was read anew");
    if !replaced.waiting.is_empty() {
        tracing::warn!(settings = replaced.waiting.join(", "), "these settings take effect at the next start");
    }
    Ok(())
}
