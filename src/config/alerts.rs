//! `alerts`: of what somebody is told, when, and over which way.

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use super::{Report, Secret};
use crate::outside::Server;

/// What somebody can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertKind {
    /// A watch asks to be let in.
    Request,
    /// A device has been silent for too long.
    Silent,
    /// Runs are missing between others.
    Skipped,
    /// A recording began and did not end.
    Unfinished,
    /// A file waits in quarantine.
    Quarantine,
    /// The disk will be full soon.
    Disk,
    /// A file is not what its digest says.
    Verification,
    /// The machine's clock is not trusted.
    Clock,
}

impl AlertKind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 8] =
        [Self::Request, Self::Silent, Self::Skipped, Self::Unfinished, Self::Quarantine, Self::Disk, Self::Verification, Self::Clock];

    /// The word for it, in settings, in the catalog and on the webhook.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Silent => "silent",
            Self::Skipped => "skipped",
            Self::Unfinished => "unfinished",
            Self::Quarantine => "quarantine",
            Self::Disk => "disk",
            Self::Verification => "verification",
            Self::Clock => "clock",
        }
    }
}

/// When somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sending {
    /// As soon as it is known.
    AtOnce,
    /// Once a day, everything together.
    Daily,
}

/// How the way to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// It begins readable and must go on encrypted, before anything is said.
    Starttls,
    /// It is encrypted from its start.
    Tls,
    /// Not at all.
    None,
}

/// What the webhook is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// A JSON object, signed.
    Json,
    /// A text with the headers that ntfy knows.
    Ntfy,
}

/// The section `alerts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertsConfig {
    /// Of what somebody is told.
    pub about: Vec<AlertKind>,
    /// When.
    pub send: Sending,
    /// The hour of the day, UTC, where it is once a day.
    pub daily_hour: u64,
    /// The disk is told of when it will be full within so many days.
    pub disk_days: u64,
    /// Who gets mail.
    pub mail_to: Vec<String>,
    /// Whom it is from.
    pub mail_from: String,
    /// The mail server's name.
    pub smtp_host: String,
    /// Its port.
    pub smtp_port: u64,
    /// How the way there is encrypted.
    pub smtp_security: SmtpSecurity,
    /// The name to log in with; empty for none.
    pub smtp_user: String,
    /// Its password.
    pub smtp_password: Secret,
    /// Where alerts are posted; empty for nowhere. Who knows it may often post there, too.
    pub webhook_url: Secret,
    /// In which form.
    pub webhook_format: WebhookFormat,
    /// What signs the JSON; for ntfy, the access token.
    pub webhook_secret: Secret,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            about: AlertKind::ALL.to_vec(),
            send: Sending::AtOnce,
            daily_hour: 6,
            disk_days: 14,
            mail_to: Vec::new(),
            mail_from: String::new(),
            smtp_host: String::new(),
            smtp_port: 587,
            smtp_security: SmtpSecurity::Starttls,
            smtp_user: String::new(),
            smtp_password: Secret::default(),
            webhook_url: Secret::default(),
            webhook_format: WebhookFormat::Json,
            webhook_secret: Secret::default(),
        }
    }
}

impl AlertsConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        report.range("alerts.daily_hour", self.daily_hour, 0..=23);
        report.range("alerts.disk_days", self.disk_days, 1..=3650);
        report.range("alerts.smtp_port", self.smtp_port, 1..=65535);
        self.validate_mail(report);
        let url = self.webhook_url.expose();
        if !url.is_empty() && webhook_server(url).is_none() {
            report.say("alerts.webhook_url", "write an address such as https://ntfy.example.org/topic, without a name and password in it");
        }
        if self.webhook_secret.expose().chars().any(char::is_control) {
            report.say("alerts.webhook_secret", "write it on one line");
        }
    }

    fn validate_mail(&self, report: &mut Report) {
        for (index, text) in self.mail_to.iter().enumerate() {
            if !is_address(text) {
                report.say(format!("alerts.mail_to[{index}]"), "write a mail address, for example study@example.org");
            }
        }
        if !self.mail_from.is_empty() && !is_address(&self.mail_from) {
            report.say("alerts.mail_from", "write a mail address, for example wearhouse@example.org");
        }
        if !self.mail_to.is_empty() && self.mail_from.is_empty() {
            report.say("alerts.mail_from", "write the address that mail is from, since somebody is to get mail (alerts.mail_to)");
        }
        if !self.mail_to.is_empty() && self.smtp_host.is_empty() {
            report.say("alerts.smtp_host", "write the mail server's name, since somebody is to get mail (alerts.mail_to)");
        }
        let readable = self.smtp_security == SmtpSecurity::None && !is_this_machine(&self.smtp_host);
        if readable && !self.smtp_password.expose().is_empty() {
            report.say("alerts.smtp_security", "write starttls or tls: with none, the password would travel readable");
        }
    }
}

/// The server behind a webhook's address; `None` if it is no address.
#[must_use]
pub fn webhook_server(url: &str) -> Option<Server> {
    let uri: hyper::Uri = url.parse().ok()?;
    format!("{}://{}", uri.scheme_str()?, uri.authority()?).parse().ok()
}

/// Whether mail can be sent there by every mail server: not every one takes letters beyond ASCII.
fn is_address(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok_and(|mailbox| AsRef::<str>::as_ref(&mailbox.email).is_ascii())
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
