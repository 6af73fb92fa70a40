//! A mail server that keeps what it is sent, or will not take it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};
use tokio_util::task::AbortOnDropHandle;

use super::Connection;

/// A certificate for 127.0.0.1 that nobody has signed.
#[derive(Clone)]
pub struct TestCertificate {
    pub der: CertificateDer<'static>,
    pub acceptor: TlsAcceptor,
}

impl TestCertificate {
    pub fn new() -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let (der, key) = (cert.der().clone(), PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()));
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![der.clone()], key).expect("a good pair");
        Self { der, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }
}

/// How the server is minded.
#[derive(Clone, Default)]
pub struct Mood {
    /// What it says to commands that begin so, instead of a good word.
    pub says: Vec<(&'static str, &'static str)>,
    /// The name and password that it wants before any mail.
    pub wants: Option<(&'static str, &'static str)>,
    /// It knows no PLAIN.
    pub login_only: bool,
    /// It offers STARTTLS, and takes no mail before it.
    pub starttls: bool,
    /// It says nothing more once it has been told something that begins so; "" for not even a greeting, "." for behind a mail.
    pub falls_silent_at: Option<&'static str>,
}

/// A mail that it has taken.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: Vec<String>,
    pub text: String,
    pub encrypted: bool,
}

#[derive(Default)]
struct State {
    mood: Mood,
    mails: Vec<Mail>,
    heard: Vec<String>,
}

/// The server.
pub struct SmtpSink {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    _serving: AbortOnDropHandle<()>,
}

impl SmtpSink {
    pub async fn start(mood: Mood) -> Self {
        Self::start_with(mood, None, None).await
    }

    /// With a certificate for STARTTLS, or one for connections that are encrypted from their start.
    pub async fn start_with(mood: Mood, starttls: Option<TestCertificate>, implicit: Option<TestCertificate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { mood, ..State::default() }));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared), starttls.clone(), implicit.clone()));
            }
        });
        Self { address, state, _serving: AbortOnDropHandle::new(serving) }
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.state.lock().expect("no panic").mails.clone()
    }

    /// How many commands it has heard that begin so.
    pub fn heard(&self, command: &str) -> usize {
        self.state.lock().expect("no panic").heard.iter().filter(|line| line.starts_with(command)).count()
    }

    pub fn change(&self, mood: Mood) {
        self.state.lock().expect("no panic").mood = mood;
    }
}

type Lines = BufReader<Box<dyn Connection>>;

async fn serve(stream: TcpStream, state: Arc<Mutex<State>>, starttls: Option<TestCertificate>, implicit: Option<TestCertificate>) {
    let encrypted = implicit.is_some();
    let stream: Box<dyn Connection> = match implicit {
        None => Box::new(stream),
        Some(certificate) => {
            let Ok(stream) = certificate.acceptor.accept(stream).await else { return };
            Box::new(stream)
        }
    };
    let talk = Talk { lines: BufReader::new(stream), state, starttls, encrypted, user: None, to: Vec::new() };
    // Whoever hangs up has said what it had to say.
    let _ = talk.all().await;
}

/// One conversation.
struct Talk {
    lines: Lines,
    state: Arc<Mutex<State>>,
    starttls: Option<TestCertificate>,
    encrypted: bool,
    user: Option<String>,
    to: Vec<String>,
}

impl Talk {
    async fn all(mut self) -> std::io::Result<()> {
        if self.mood().falls_silent_at == Some("") {
            std::future::pending::<()>().await;
        }
        self.say("220 sink ESMTP").await?;
        loop {
            let line = self.hear().await?;
            let mood = self.mood();
            if mood.falls_silent_at.is_some_and(|at| line.starts_with(at)) {
                std::future::pending::<()>().await;
            }
            if let Some((_, answer)) = mood.says.iter().find(|(command, _)| line.starts_with(command)) {
                self.say(answer).await?;
                continue;
            }
            match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => self.greet(&mood).await?,
                "STARTTLS" => self = self.encrypt().await?,
                "AUTH" => self.log_in(&line, &mood).await?,
                "MAIL" if mood.wants.is_some() && self.user.is_none() => self.say("530 5.7.0 Authentication required").await?,
                "RCPT" => {
                    self.to.push(line.trim_start_matches("RCPT TO:<").trim_end_matches('>').to_owned());
                    self.say("250 ok").await?;
                }
                "DATA" => self.take().await?,
                "QUIT" => return self.say("221 bye").await,
                _ => self.say("250 ok").await?,
            }
        }
    }

    fn mood(&self) -> Mood {
        self.state.lock().expect("no panic").mood.clone()
    }

    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.lines.get_mut().write_all(format!("{line}\r\n").as_bytes()).await
    }

    async fn hear(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.lines.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.state.lock().expect("no panic").heard.push(line.trim_end().to_owned());
        Ok(line.trim_end().to_owned())
    }

    async fn greet(&mut self, mood: &Mood) -> std::io::Result<()> {
        if mood.starttls && !self.encrypted {
            self.say("250-STARTTLS").await?;
        }
        if mood.wants.is_some() {
            self.say(if mood.login_only { "250-AUTH LOGIN" } else { "250-AUTH PLAIN LOGIN" }).await?;
        }
        self.say("250 8BITMIME").await
    }

    async fn encrypt(mut self) -> std::io::Result<Self> {
        self.say("220 go on").await?;
        let stream = self.starttls.as_ref().expect("a certificate").acceptor.accept(self.lines.into_inner()).await?;
        Ok(Self { lines: BufReader::new(Box::new(stream)), encrypted: true, ..self })
    }

    async fn log_in(&mut self, line: &str, mood: &Mood) -> std::io::Result<()> {
        let decoded = |text: &str| String::from_utf8(BASE64_STANDARD.decode(text).unwrap_or_default()).unwrap_or_default();
        let shown = if let Some(login) = line.strip_prefix("AUTH PLAIN ") {
            decoded(login)
        } else {
            self.say("334 VXNlcm5hbWU6").await?;
            let user = decoded(&self.hear().await?);
            self.say("334 UGFzc3dvcmQ6").await?;
            format!("\0{user}\0{}", decoded(&self.hear().await?))
        };
        if mood.wants.is_some_and(|(user, password)| shown == format!("\0{user}\0{password}")) {
            self.user = Some(shown);
            return self.say("235 welcome").await;
        }
        // Some repeat what they were told.
        self.say(&format!("535 5.7.8 not accepted: {line} {}", shown.replace('\0', " "))).await
    }

    async fn take(&mut self) -> std::io::Result<()> {
        self.say("354 go on").await?;
        let mut text = String::new();
        loop {
            let line = self.hear().await?;
            if line == "." {
                break;
            }
            text += line.strip_prefix('.').unwrap_or(&line);
            text.push('\n');
        }
        if self.mood().falls_silent_at == Some(".") {
            std::future::pending::<()>().await;
        }
        let mail = Mail { to: std::mem::take(&mut self.to), text, encrypted: self.encrypted };
        self.state.lock().expect("no panic").mails.push(mail);
        self.say("250 taken").await
    }
}
