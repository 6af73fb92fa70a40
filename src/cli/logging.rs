//! Where log lines go, in which form, and which.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

use crate::{
    config::{LogConfig, LogFormat, LogLevel},
    recent::KeepErrors,
};

/// The log that has begun: its level may change.
#[derive(Clone)]
pub(super) struct Log(reload::Handle<EnvFilter, Registry>);

/// Begins the log, on standard error.
pub(super) fn start(config: &LogConfig) -> Log {
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).with(KeepErrors).init();
    // In the form of all other lines, and without the message: it may hold what names somebody.
    std::panic::set_hook(Box::new(|panic| tracing::error!(at = panic.location().map(tracing::field::display), "the program panicked")));
    Log(handle)
}

impl Log {
    pub(super) fn set_level(&self, level: LogLevel) {
        if let Err(error) = self.0.reload(filter(level)) {
            tracing::warn!(%error, "the level of the log stays as it was");
        }
    }
}

/// Our own lines from `level` on; of the libraries', only what went wrong.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!("{},sqlx=warn,hyper=warn", level.as_str()))
}
