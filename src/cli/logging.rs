//! Where log lines go, and which.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

pub(super) fn start(level: &str) {
    let filter = EnvFilter::try_new(format!("{level},sqlx=warn,hyper=warn")).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).init();
}
