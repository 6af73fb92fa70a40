//! Where the settings of a running server come from, and what is done whenever they are read anew.

use std::path::{Path, PathBuf};

use tokio::sync::{Mutex, MutexGuard};

use super::{Config, LogLevel};

type Over = Box<dyn Fn(Config) -> Config + Send + Sync>;
type OnLevel = Box<dyn Fn(LogLevel) + Send + Sync>;

/// The config's file, and what the command line adds to it.
pub struct Source {
    path: PathBuf,
    over: Over,
    on_level: OnLevel,
    turn: Mutex<()>,
}

impl Source {
    /// The file at `path`; `over` adds what the command line says, and `on_level` is told how much to log.
    pub fn new(
        path: PathBuf,
        over: impl Fn(Config) -> Config + Send + Sync + 'static,
        on_level: impl Fn(LogLevel) + Send + Sync + 'static,
    ) -> Self {
        Self { path, over: Box::new(over), on_level: Box::new(on_level), turn: Mutex::new(()) }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A config with what the command line adds.
    #[must_use]
    pub fn over(&self, config: Config) -> Config {
        (self.over)(config)
    }

    /// Tells the log how much to say.
    pub fn set_level(&self, level: LogLevel) {
        (self.on_level)(level);
    }

    /// One at a time reads the file and puts it in force, or changes it.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}
