//! Why nobody could be told, as sentences for whoever looks after the settings. None holds a password.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::message::shortened;
use crate::config::{AlertsConfig, Secret};

/// Why nobody could be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlertError {
    /// The way is not set up.
    #[error("{0}")]
    NotSet(&'static str),
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(&'static str),
    /// There is no way to the other end.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The other end.
        host: String,
        /// What the operating system or TLS says.
        reason: String,
    },
    /// The other end is slow or silent.
    #[error("{host} did not answer within {seconds} s")]
    Silent {
        /// The other end.
        host: String,
        /// How long it had.
        seconds: u64,
    },
    /// The mail server does not encrypt as it should.
    #[error("{host} does not offer STARTTLS here: look at alerts.smtp_security and alerts.smtp_port")]
    NoStartTls {
        /// The mail server.
        host: String,
    },
    /// The mail server does not take the name and password.
    #[error("{host} does not take the name and password ({reason}): look at alerts.smtp_user and alerts.smtp_password")]
    Password {
        /// The mail server.
        host: String,
        /// What it says.
        reason: String,
    },
    /// The mail server does not take the mail.
    #[error("{host} does not take the mail: {reason}")]
    Mail {
        /// The mail server.
        host: String,
        /// What it says.
        reason: String,
    },
    /// The mail server takes the mail, but not for everybody.
    #[error("{host} does not take mail for {refused}; the others were told")]
    Recipients {
        /// The mail server.
        host: String,
        /// Who, and what it says.
        refused: String,
    },
    /// The webhook answers with anything but 2xx.
    #[error("{host} answered {status}{hint}")]
    Webhook {
        /// The other end.
        host: String,
        /// The status.
        status: String,
        /// What to do about it.
        hint: &'static str,
    },
}

/// What the other end says, in one short line, and without a secret, should it repeat one.
pub(super) fn said(config: &AlertsConfig, text: &str) -> String {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for secret in [&config.smtp_password, &config.webhook_secret].map(Secret::expose).into_iter().filter(|secret| !secret.is_empty()) {
        for form in [secret.to_owned(), BASE64_STANDARD.encode(secret), BASE64_STANDARD.encode(login(config))] {
            text = text.replace(&form, "(hidden)");
        }
    }
    shortened(&text, 300)
}

/// What AUTH PLAIN sends.
fn login(config: &AlertsConfig) -> String {
    format!("\0{}\0{}", config.smtp_user, config.smtp_password.expose())
}
