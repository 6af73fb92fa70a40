//! `conf/config.yml`: one file per section here, with its defaults and its `validate`; `sample.yml` documents them all.

mod alerts;
mod change;
mod diagnose;
mod diff;
mod edit;
mod file;
mod form;
mod handshake;
mod in_force;
mod limits;
mod log;
mod metrics;
mod missing;
mod models;
mod privacy;
mod secret;
mod security;
mod server;
mod settings;
mod source;
mod storage;
mod trash;
mod users;
mod zip;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_yaml::Value;

pub use self::{
    alerts::{AlertKind, AlertsConfig, Sending, SmtpSecurity, WebhookFormat, webhook_server},
    change::{Change, Changed, Refusal, Typed},
    diagnose::{Problem, Problems},
    diff::{DiffLine, Side},
    file::{Draft, FirstPassword, OpenError, check, hash_password, open, rotate_secret},
    form::{Field, Kind, Section, Standing},
    handshake::HandshakeConfig,
    in_force::SettingInForce,
    limits::{FILE_OVERHEAD, LimitsConfig, Quota},
    log::{LogConfig, LogFormat, LogLevel},
    metrics::MetricsConfig,
    missing::MissingConfig,
    models::ModelsConfig,
    privacy::{PrivacyConfig, Sight},
    secret::Secret,
    security::SecurityConfig,
    server::ServerConfig,
    settings::{AT_START, Replaced, Settings},
    source::Source,
    storage::StorageConfig,
    trash::TrashConfig,
    users::{Role, UserConfig},
    zip::ZipConfig,
};
use self::{diagnose::Report, secret::looks_weak};

/// The commented file that the first start writes: every setting with its default.
pub const SAMPLE: &str = include_str!("sample.yml");

/// Everything that an operator can set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where to listen.
    pub server: ServerConfig,
    /// Where recordings lie.
    pub storage: StorageConfig,
    /// What nobody may exceed.
    pub limits: LimitsConfig,
    /// How watches are let in.
    pub handshake: HandshakeConfig,
    /// How zips are kept fresh.
    pub zip: ZipConfig,
    /// When silence is a sign.
    pub missing: MissingConfig,
    /// Who is told of models.
    pub models: ModelsConfig,
    /// How long what was deleted can be restored.
    pub trash: TrashConfig,
    /// Which files researchers do not get.
    pub privacy: PrivacyConfig,
    /// What signs the tokens.
    pub security: SecurityConfig,
    /// Who may see the admin pages.
    pub users: Vec<UserConfig>,
    /// Who is told what.
    pub alerts: AlertsConfig,
    /// What is logged.
    pub log: LogConfig,
    /// Where metrics can be read.
    pub metrics: MetricsConfig,
}

impl Config {
    /// Reads a config file's text. `folder` is the folder of the file, from which relative paths are seen.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Problems> {
        let mut config: Self = diagnose::deserialize(text, &Self::example())?;
        config.validate().into_result(text)?;
        config.storage.uploads = resolve(folder, &config.storage.uploads);
        Ok(config)
    }

    /// What is wrong with the values, one by one.
    fn validate(&self) -> Report {
        let (config, mut report) = (self, Report::default());
        config.server.validate(&mut report);
        config.storage.validate(&mut report);
        config.limits.validate(&mut report);
        config.handshake.validate(&mut report);
        config.zip.validate(&mut report);
        config.missing.validate(&mut report);
        config.models.validate(&mut report);
        config.trash.validate(&mut report);
        config.privacy.validate(&mut report);
        config.security.validate(&mut report);
        config.alerts.validate(&mut report);
        config.metrics.validate(&mut report);
        users::validate(&config.users, &mut report);
        report
    }

    /// A config in which every list has an item: the shape that a file is held against.
    fn example() -> Self {
        let secret = Secret::new("the output of: openssl rand -base64 32");
        let user = UserConfig { name: "admin".to_owned(), role: Role::Operator, password: Secret::new("") };
        let alerts = AlertsConfig { mail_to: vec!["study@example.org".to_owned()], ..AlertsConfig::default() };
        let security = SecurityConfig { secret: secret.clone(), previous_secrets: vec![secret] };
        Self { security, users: vec![user], alerts, ..Self::default() }
    }
}

/// What every key takes: the example, in which each secret is hidden, and only secrets are. One that is empty there gives
/// itself away once something stands in it.
fn shape() -> Value {
    let mut shape = serde_yaml::to_value(Config::example()).unwrap_or_default();
    fill(&mut shape);
    let filled: Option<Config> = serde_yaml::from_value(shape.clone()).ok();
    filled.and_then(|filled| serde_yaml::to_value(filled).ok()).unwrap_or(shape)
}

fn fill(value: &mut Value) {
    match value {
        Value::Mapping(entries) => entries.values_mut().for_each(fill),
        Value::Sequence(items) => items.iter_mut().for_each(fill),
        Value::String(text) if text.is_empty() => "something".clone_into(text),
        _ => {}
    }
}

/// `folder/path` without the `..` that only a person who wrote the file wants to see.
fn resolve(folder: &Path, path: &Path) -> PathBuf {
    use std::path::Component;
    let mut resolved = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    for component in path.components() {
        match component {
            Component::ParentDir => drop(resolved.pop()),
            Component::CurDir => {}
            other => resolved.push(other),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample with a secret and a password in their places.
    fn filled() -> String {
        SAMPLE
            .replace(" secret: \"\"", " secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=")
            .replace(" password: \"\"", " password: correct horse battery staple")
    }

    fn problems(text: &str) -> String {
        Config::parse(text, Path::new("/srv/conf")).map(|_| ()).expect_err("a problem").to_string()
    }

    #[test]
    fn the_sample_says_every_default() {
        let parsed = Config::parse(&filled(), Path::new("/srv/conf")).expect("the sample is good");
        assert_eq!(parsed.storage.uploads, Path::new("/srv/uploads"));
        let written: serde_yaml::Value = serde_yaml::from_str(SAMPLE).expect("yaml");
        let defaults = serde_yaml::to_value(Config::default()).expect("yaml");
        for section in
            ["server", "storage", "limits", "handshake", "zip", "missing", "models", "trash", "privacy", "alerts", "log", "metrics"]
        {
            assert_eq!(written[section], defaults[section], "{section}");
        }
        let keys = |value: &serde_yaml::Value| value.as_mapping().map_or(0, serde_yaml::Mapping::len);
        assert_eq!(keys(&written), keys(&defaults));
        assert_eq!(keys(&written["security"]), keys(&defaults["security"]));
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_line_and_field() {
        let text = filled()
            .replace("uploads_at_once: 12000", "uploads_at_onec: 256")
            .replace("connections: 16384", "connections: many")
            .replace("quiet_minutes: 10", "quiet_minutes: 0")
            .replace("role: operator", "role: boss");
        let message = problems(&text);
        let line_of = |what: &str| text.lines().position(|line| line.contains(what)).expect("there") + 1;
        for (what, field, hint) in [
            ("uploads_at_onec", "limits.uploads_at_onec", "did you mean uploads_at_once?"),
            ("connections: many", "limits.connections", "a whole number, for example 16384"),
            ("role: boss", "users[0].role", "researcher"),
        ] {
            let line = message.lines().find(|line| line.contains(field)).unwrap_or_else(|| panic!("{field}: {message}"));
            assert!(line.contains(&format!("line {}", line_of(what))) && line.contains(hint), "{line}");
        }
        let zero = problems(&filled().replace("quiet_minutes: 10", "quiet_minutes: 0"));
        assert!(zero.contains(&format!("line {}", line_of("quiet_minutes"))) && zero.contains("zip.quiet_minutes"), "{zero}");
    }

    #[test]
    fn a_weak_secret_is_refused_and_never_shown() {
        for secret in ["hunter2hunter2", "changemechangemechangemechangeme1234", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            let message = problems(&filled().replace("kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=", secret));
            assert!(message.contains("security.secret") && message.contains("openssl rand"), "{message}");
            assert!(!message.contains(secret), "{message}");
        }
    }

    #[test]
    fn no_message_shows_what_stands_in_a_secret_place() {
        for text in [
            filled().replace("password: correct horse battery staple", "password: [correct horse battery staple]"),
            filled().replace("password: correct horse battery staple", "pasword: correct horse battery staple"),
            filled().replace("password: correct horse battery staple", "password: *correct horse battery staple"),
            filled().replace("previous_secrets: []", "previous_secrets: correct horse battery staple"),
            filled().replace("password: correct horse battery staple", "password: correct"),
        ] {
            let message = problems(&text);
            assert!(!message.contains("correct"), "{message}");
        }
    }

    /// The sample with one setting changed; a list is written on one line.
    fn with(key: &str, value: &str) -> String {
        let text = filled().replace("trusted_proxies:\n    - 127.0.0.1/32\n    - ::1/128", "trusted_proxies: []");
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{key}:"))).unwrap_or_else(|| panic!("no {key}"));
        text.replace(line, &format!("{}{key}: {value}", &line[..line.len() - line.trim_start().len()]))
    }

    #[test]
    fn every_number_is_bounded_on_both_sides() {
        const MANY: u64 = u32::MAX as u64;
        for (field, least, most) in [
            ("storage.reserve_mib", 0, 1 << 30),
            ("limits.max_upload_mib", 1, 1 << 30),
            ("limits.uploads_at_once", 1, 100_000),
            ("limits.device_uploads_at_once", 1, 100_000),
            ("limits.downloads_at_once", 1, 100_000),
            ("limits.connections", 1, 1_000_000),
            ("limits.connections_per_address", 1, 1_000_000),
            ("limits.header_seconds", 1, 3600),
            ("limits.header_kib", 16, 1024),
            ("limits.stall_seconds", 1, 3600),
            ("limits.slow_upload_seconds", 1, 86_400),
            ("limits.anonymous_per_minute", 1, MANY),
            ("limits.new_requests_per_minute", 1, MANY),
            ("limits.device_per_minute", 1, MANY),
            ("limits.device_gib", 1, 1 << 30),
            ("limits.device_files", 1, 1 << 40),
            ("limits.dataset_files", 1, 1 << 40),
            ("limits.device_datasets", 1, 1 << 40),
            ("limits.open_requests", 1, 100_000),
            ("handshake.grant_hours", 1, 8760),
            ("zip.wait_seconds", 1, 3600),
            ("zip.rolls_at_once", 1, 64),
            ("zip.small_mib", 0, 1 << 20),
            ("zip.quiet_minutes", 1, 10_080),
            ("missing.silent_hours", 0, 8760),
            ("missing.unfinished_hours", 1, 8760),
            ("models.max_mib", 1, 1024),
            ("trash.days", 0, 3650),
            ("alerts.daily_hour", 0, 23),
            ("alerts.disk_days", 1, 3650),
            ("alerts.smtp_port", 1, 65535),
        ] {
            let (_, key) = field.split_once('.').expect("a section");
            for good in [least, most] {
                let parsed = Config::parse(&with(key, &good.to_string()), Path::new("/srv/conf"));
                assert!(parsed.is_ok(), "{field}: {good}: {parsed:?}");
            }
            let below = least.checked_sub(1).map_or("-1".to_owned(), |below| below.to_string());
            // What does not fit into the setting's type is refused before anybody looks at bounds.
            let above = (most != MANY).then(|| (most + 1).to_string());
            for bad in [Some(below), above].into_iter().flatten() {
                let message = problems(&with(key, &bad));
                assert!(message.contains(field) && message.lines().count() == 1, "{field}: {bad}: {message}");
            }
        }
    }

    #[test]
    fn every_text_that_would_do_harm_is_refused_by_its_name() {
        for (key, value, field) in [
            ("listen", "localhost:8080", "server.listen"),
            ("trusted_proxies", "[10.0.0.0/8, proxy.example]", "server.trusted_proxies[1]"),
            ("uploads", "\"\"", "storage.uploads"),
            ("extensions", "[csv, \"\"]", "storage.extensions[1]"),
            ("extensions", "[.csv]", "storage.extensions[0]"),
            ("extensions", "[CSV]", "storage.extensions[0]"),
            ("previous_secrets", "[hunter2]", "security.previous_secrets[0]"),
            ("level", "loud", "log.level"),
            ("sensitive", "[\"*.3gp\", \"\"]", "privacy.sensitive[1]"),
            ("sensitive", "[recordings/mic]", "privacy.sensitive[0]"),
            ("sensitive", "[3]", "privacy.sensitive[0]"),
            ("public_url", "study.example.org", "server.public_url"),
            ("public_url", "https://study.example.org/wearhouse/", "server.public_url"),
            ("about", "[disk, weather]", "alerts.about[1]"),
            ("send", "hourly", "alerts.send"),
            ("mail_from", "a@b.example, c@d.example", "alerts.mail_from"),
            ("smtp_security", "ssl", "alerts.smtp_security"),
            ("webhook_url", "ntfy.example.org", "alerts.webhook_url"),
            ("webhook_url", "ftp://ntfy.example.org/study", "alerts.webhook_url"),
            ("webhook_url", "https://me:hunter2@ntfy.example.org/study", "alerts.webhook_url"),
            ("webhook_format", "xml", "alerts.webhook_format"),
        ] {
            let message = problems(&with(key, value));
            assert!(message.contains(field) && message.lines().count() == 1, "{key}: {value}: {message}");
        }
    }

    #[test]
    fn a_setting_that_is_true_or_false_takes_nothing_else() {
        for good in [true, false] {
            let parsed = Config::parse(&with("researchers_may_see", &good.to_string()), Path::new("/srv/conf")).expect("good");
            assert_eq!(parsed.privacy.researchers_may, good);
        }
        for bad in ["yes", "1", "\"true\"", "[true]", ""] {
            let message = problems(&with("researchers_may_see", bad));
            assert!(
                message.contains("privacy.researchers_may_see: write true or false") && message.lines().count() == 1,
                "{bad}: {message}"
            );
        }
    }

    #[test]
    fn a_pattern_whose_star_is_not_in_quotes_is_told_what_it_lacks() {
        let message = problems(&with("sensitive", "[*.3gp]"));
        assert!(message.contains("line ") && message.contains("a star"), "{message}");
    }

    #[test]
    fn a_user_who_could_not_log_in_or_could_be_guessed_is_refused() {
        let users = |text: &str| {
            let filled = filled();
            let (before, rest) = filled.split_once("users:\n").expect("users");
            let after = rest.split_once("\nalerts:").expect("alerts").1;
            format!("{before}users:\n{text}\nalerts:{after}")
        };
        let user = |name: &str, role: &str, password: &str| format!("  - {{name: {name}, role: {role}, password: \"{password}\"}}\n");
        let good = user("admin", "operator", "correct horse battery staple");
        assert!(Config::parse(&users(&good), Path::new("/srv/conf")).is_ok());
        for (text, field, hint) in [
            (user("admin", "researcher", "correct horse battery staple"), "users: ", "role: operator"),
            (good.clone() + &user("\"\"", "researcher", "correct horse battery staple"), "users[1].name", "without a colon"),
            (good.clone() + &user("\"a:b\"", "researcher", "correct horse battery staple"), "users[1].name", "without a colon"),
            (good.clone() + &good, "users[1].name", "stands above already"),
            (good.clone() + &user("b", "researcher", "short"), "users[1].password", "12 characters"),
            (good.clone() + &user("b", "researcher", "abababababababab"), "users[1].password", "easy to guess"),
            (good.clone() + &user("b", "researcher", "my password is long"), "users[1].password", "easy to guess"),
            (good.clone() + &user("b", "researcher", "$argon2id$v=19$m=8"), "users[1].password", "broken"),
            (
                good.clone() + &user("b", "researcher", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHQ"),
                "users[1].password",
                "broken",
            ),
            (good.clone() + "  - {name: b, role: researcher}\n", "users[1]", "no password"),
        ] {
            let message = problems(&users(&text));
            assert!(message.contains(field) && message.contains(hint) && message.lines().count() == 1, "{text}: {message}");
        }
    }

    #[test]
    fn mail_that_could_not_be_sent_is_refused() {
        let mail = |to: &str, from: &str, host: &str, security: &str| {
            let alerts = "  mail_to: []\n  mail_from: \"\"";
            let text = filled().replace(alerts, &format!("  mail_to: [{to}]\n  mail_from: {from}"));
            let text =
                text.replace("smtp_host: \"\"", &format!("smtp_host: {host}")).replace("smtp_password: \"\"", "smtp_password: hunter2");
            text.replace("smtp_security: starttls", &format!("smtp_security: {security}"))
        };
        let (ours, host) = ("Wearhouse <wearhouse@example.org>", "mail.example.org");
        for good in [mail("a@example.org, B <b@example.org>", ours, host, "tls"), mail("a@example.org", ours, "127.0.0.1", "none")] {
            assert!(Config::parse(&good, Path::new("/srv/conf")).is_ok(), "{}", problems(&good));
        }
        for (bad, field) in [
            (mail("a@example.org, nobody", ours, host, "tls"), "alerts.mail_to[1]"),
            (mail("a@example.org", "\"\"", host, "tls"), "alerts.mail_from"),
            (mail("a@example.org", ours, "\"\"", "tls"), "alerts.smtp_host"),
            (mail("a@example.org", ours, host, "none"), "alerts.smtp_security"),
        ] {
            let message = problems(&bad);
            assert!(message.contains(field) && message.lines().count() == 1 && !message.contains("hunter2"), "{field}: {message}");
        }
    }

    #[test]
    fn broken_yaml_names_the_line() {
        let message = problems("server:\n  listen: [1\nstorage: {}\n");
        assert!(message.contains("line "), "{message}");
    }

    #[test]
    fn an_empty_file_needs_a_secret_and_a_user() {
        let message = problems("");
        assert!(message.contains("security.secret") && message.contains("users"), "{message}");
    }
}
