//! The settings in force, which may change while the server runs.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Config, Source};

/// The settings that wait for the next start: what [`Settings::with`] keeps as it was.
pub const AT_START: [&str; 7] = [
    "server.listen",
    "storage.uploads",
    "limits.downloads_at_once",
    "limits.connections",
    "zip.rolls_at_once",
    "log.format",
    "metrics.listen",
];

/// The settings in force. Cheap to clone; all clones see the same. Whoever needs a setting reads it when it is needed.
#[derive(Clone)]
pub struct Settings {
    now: Arc<ArcSwap<Config>>,
    source: Option<Arc<Source>>,
}

/// What the new settings change.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// The settings that are in force now and were not before, by name.
    pub changed: Vec<String>,
    /// Those that wait for the next start.
    pub waiting: Vec<String>,
}

impl From<Config> for Settings {
    fn from(config: Config) -> Self {
        Self { now: Arc::new(ArcSwap::from_pointee(config)), source: None }
    }
}

impl Settings {
    /// Settings that were read from a file, and can be changed there.
    #[must_use]
    pub fn from_file(config: Config, source: Source) -> Self {
        Self { source: Some(Arc::new(source)), ..Self::from(config) }
    }

    /// Where they were read; `None` where somebody gave them to the server without a file.
    #[must_use]
    pub fn source(&self) -> Option<&Arc<Source>> {
        self.source.as_ref()
    }

    /// The settings of this moment.
    #[must_use]
    pub fn now(&self) -> Arc<Config> {
        self.now.load_full()
    }

    /// What would be in force with `config`: it, but for the settings that wait for the next start.
    #[must_use]
    pub fn with(&self, mut config: Config) -> Config {
        let before = self.now();
        config.server.listen.clone_from(&before.server.listen);
        config.storage.uploads.clone_from(&before.storage.uploads);
        // So many file handles were counted for these.
        config.limits.connections = before.limits.connections;
        config.limits.downloads_at_once = before.limits.downloads_at_once;
        config.zip.rolls_at_once = before.zip.rolls_at_once;
        config.log.format = before.log.format;
        config.metrics.listen.clone_from(&before.metrics.listen);
        config
    }

    /// Puts `wanted` in force, but for the settings that wait for the next start.
    #[must_use]
    pub fn replace(&self, wanted: &Config) -> Replaced {
        let before = self.now();
        let config = self.with(wanted.clone());
        let (changed, waiting) = (differences(&before, &config), differences(&config, wanted));
        self.now.store(Arc::new(config));
        Replaced { changed, waiting }
    }
}

/// The names of the settings in which two configs differ.
pub(super) fn differences(before: &Config, after: &Config) -> Vec<String> {
    let mut names = Vec::new();
    for (before, after) in before.in_force().into_iter().zip(after.in_force()) {
        if before != after {
            names.push(before.name);
        }
    }
    // Secrets are not shown, so what is shown of them does not differ.
    if before.security != after.security {
        names.push("security".to_owned());
    }
    for (name, before, after) in [
        ("alerts.smtp_password", &before.alerts.smtp_password, &after.alerts.smtp_password),
        ("alerts.webhook_url", &before.alerts.webhook_url, &after.alerts.webhook_url),
        ("alerts.webhook_secret", &before.alerts.webhook_secret, &after.alerts.webhook_secret),
    ] {
        if before != after && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    if before.users != after.users && !names.iter().any(|name| name == "users") {
        names.push("users".to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;

    #[test]
    fn what_waits_for_the_next_start_is_named_and_not_in_force() {
        let mut config = Config::default();
        let settings = Settings::from(config.clone());
        config.server.listen = "127.0.0.1:9".to_owned();
        config.storage.uploads = "elsewhere".into();
        config.limits.connections += 1;
        config.zip.rolls_at_once += 1;
        config.log.format = LogFormat::Json;
        config.metrics.listen = String::new();
        config.limits.downloads_at_once += 1;
        let replaced = settings.replace(&config);
        assert_eq!((replaced.changed, replaced.waiting), (Vec::new(), AT_START.map(str::to_owned).to_vec()));
        assert!(differences(&Config::default(), &settings.now()).is_empty());
        config.limits.stall_seconds += 1;
        assert_eq!(settings.replace(&config).changed, ["limits.stall_seconds"]);
        for password in ["one", "another", ""] {
            config.alerts.smtp_password = crate::config::Secret::new(password);
            assert_eq!(settings.replace(&config).changed, ["alerts.smtp_password"], "{password}");
        }
        for url in ["https://ntfy.example.org/one", "https://ntfy.example.org/another"] {
            config.alerts.webhook_url = crate::config::Secret::new(url);
            assert_eq!(settings.replace(&config).changed, ["alerts.webhook_url"], "{url}");
        }
    }
}
