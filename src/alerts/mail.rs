//! Telling by mail: one text for everybody, over SMTP.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use lettre::{
    Address,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use tokio::time::timeout;

use super::{AlertError, Surroundings, error::said, message::Message};
use crate::{
    config::{AlertsConfig, Config, SmtpSecurity},
    outside::Server,
};

/// How long a mail server may take to say good-bye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Sends a mail to everybody. Whom the server refuses for good is complained of; the others have been told.
pub(super) async fn send(message: &Message, config: &Config, around: &Surroundings) -> Result<Option<AlertError>, AlertError> {
    let letter = Letter::write(message, &config.alerts)?;
    let sending = Sending { config: &config.alerts, hello: hello(config), around };
    let (mut server, complaint) = timeout(around.patience, sending.send(&letter)).await.map_err(|_| sending.silent())??;
    // It has the mail; what it says now changes nothing.
    let _ = timeout(GOODBYE, server.quit()).await;
    Ok(complaint)
}

/// The name that we go by.
fn hello(config: &Config) -> ClientId {
    let Ok(server) = config.server.public_url.parse::<Server>() else { return ClientId::default() };
    match server.name.parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(server.name),
    }
}

/// What goes into the envelope, and what is in it.
struct Letter {
    from: Address,
    to: Vec<Address>,
    text: Vec<u8>,
}

impl Letter {
    fn write(message: &Message, config: &AlertsConfig) -> Result<Self, AlertError> {
        const FROM: AlertError = AlertError::Setting("no mail address stands in alerts.mail_from");
        let from: Mailbox = config.mail_from.parse().map_err(|_| FROM)?;
        let to: Vec<Mailbox> = config.mail_to.iter().filter_map(|text| text.parse().ok()).collect();
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(message.at).unwrap_or_default());
        let mut letter = lettre::Message::builder().from(from.clone()).subject(message.subject()).date(at);
        letter = letter.message_id(Some(format!("<{}@{}>", message.key, from.email.domain())));
        // No answering machine answers this (RFC 3834).
        letter = letter.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
        letter = to.iter().cloned().fold(letter, lettre::message::MessageBuilder::to);
        let letter = letter.header(ContentType::TEXT_PLAIN).body(text(message));
        let letter = letter.map_err(|_| AlertError::Setting("no mail address stands in alerts.mail_to"))?;
        Ok(Self { from: from.email, to: to.into_iter().map(|to| to.email).collect(), text: letter.formatted() })
    }
}

fn text(message: &Message) -> String {
    let end = "-- \nSent by Wearhouse. Of what and when: the section alerts of conf/config.yml.\n";
    let link = message.link.as_ref().map_or_else(String::new, |link| format!("{link}\n"));
    format!("{}{end}{link}", message.text())
}

/// A conversation with the mail server.
struct Sending<'a> {
    config: &'a AlertsConfig,
    hello: ClientId,
    around: &'a Surroundings,
}

impl Sending<'_> {
    async fn send(&self, letter: &Letter) -> Result<(AsyncSmtpConnection, Option<AlertError>), AlertError> {
        let mut server = self.connect().await?;
        self.log_in(&mut server).await?;
        server.command(Mail::new(Some(letter.from.clone()), vec![])).await.map_err(|error| self.refused(&error))?;
        let complaint = self.address(&mut server, &letter.to).await?;
        server.command(Data).await.map_err(|error| self.refused(&error))?;
        server.message(&letter.text).await.map_err(|error| self.refused(&error))?;
        Ok((server, complaint))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, AlertError> {
        let unreachable = |error: Error| AlertError::Unreachable { host: self.host(), reason: self.reason(&error) };
        let port = u16::try_from(self.config.smtp_port).unwrap_or_default();
        let encryption = (self.config.smtp_security != SmtpSecurity::None).then(|| self.encryption()).transpose().map_err(unreachable)?;
        let (at_once, later) = match self.config.smtp_security {
            SmtpSecurity::Tls => (encryption, None),
            SmtpSecurity::Starttls | SmtpSecurity::None => (None, encryption),
        };
        let place = (self.config.smtp_host.as_str(), port);
        let patience = Some(self.around.patience);
        let mut server = AsyncSmtpConnection::connect_tokio1(place, patience, &self.hello, at_once, None).await.map_err(unreachable)?;
        if let Some(encryption) = later {
            if !server.can_starttls() {
                return Err(AlertError::NoStartTls { host: self.host() });
            }
            server.starttls(encryption, &self.hello).await.map_err(unreachable)?;
        }
        Ok(server)
    }

    fn encryption(&self) -> Result<TlsParameters, Error> {
        let mut parameters = TlsParameters::builder(self.config.smtp_host.clone()).certificate_store(CertificateStore::WebpkiRoots);
        for authority in &self.around.authorities {
            parameters = parameters.add_root_certificate(Certificate::from_der(authority.to_vec())?);
        }
        parameters.build_rustls()
    }

    async fn log_in(&self, server: &mut AsyncSmtpConnection) -> Result<(), AlertError> {
        if self.config.smtp_user.is_empty() {
            return Ok(());
        }
        let credentials = Credentials::new(self.config.smtp_user.clone(), self.config.smtp_password.expose().to_owned());
        let answer = server.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
        answer.map(drop).map_err(|error| match error.status() {
            Some(_) if error.is_permanent() => AlertError::Password { host: self.host(), reason: self.reason(&error) },
            _ => self.refused(&error),
        })
    }

    /// Says whom it is for. One address that is no good must not keep the others from being told; for one that may be good later,
    /// all come again.
    async fn address(&self, server: &mut AsyncSmtpConnection, to: &[Address]) -> Result<Option<AlertError>, AlertError> {
        let mut refused = Vec::new();
        for address in to {
            match server.command(Rcpt::new(address.clone(), vec![])).await {
                Ok(_) => {}
                Err(error) if error.is_permanent() => refused.push(format!("{address} ({})", self.reason(&error))),
                Err(error) => return Err(self.refused(&error)),
            }
        }
        let names = refused.join(", ");
        match refused.len() {
            0 => Ok(None),
            all if all == to.len() => Err(AlertError::Mail { host: self.host(), reason: names }),
            _ => Ok(Some(AlertError::Recipients { host: self.host(), refused: names })),
        }
    }

    fn refused(&self, error: &Error) -> AlertError {
        AlertError::Mail { host: self.host(), reason: self.reason(error) }
    }

    fn reason(&self, error: &Error) -> String {
        let why = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        said(self.config, &error.status().map_or_else(|| why.clone(), |code| format!("{code} {why}")))
    }

    fn silent(&self) -> AlertError {
        AlertError::Silent { host: self.host(), seconds: self.around.patience.as_secs() }
    }

    fn host(&self) -> String {
        format!("{}:{}", self.config.smtp_host, self.config.smtp_port)
    }
}
