//! Whoever should know is told, once, over each way.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wearhouse::{
    alerts::{Alert, AlertKind, Alerts, Channel, Surroundings},
    catalog::{Catalog, Millis},
    config::{Config, Secret, Sending, Settings, SmtpSecurity, WebhookFormat},
};

use crate::support::{Hook, Mood, SmtpSink, TestCertificate, config_text, until};

const MINUTE: Millis = 60 * 1000;
const HOUR: Millis = 60 * MINUTE;

/// 2026-11-21T10:00:00Z
const TEN: Millis = 1_795_255_200_000;

/// The room in a catalog of its own, with a clock that stands still.
struct Rig {
    folder: TempDir,
    settings: Settings,
    around: Surroundings,
    clock: Arc<AtomicI64>,
    looks: Arc<AtomicUsize>,
    alerts: Alerts,
    catalog: Catalog,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Rig {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_believing(vec![], Duration::from_secs(20), change).await
    }

    async fn start_believing(certificates: Vec<&TestCertificate>, patience: Duration, change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut config = Config::parse(&config_text(Path::new("uploads")), folder.path()).expect("a good config");
        "Wearhouse <wearhouse@study.example>".clone_into(&mut config.alerts.mail_from);
        "https://study.example".clone_into(&mut config.server.public_url);
        change(&mut config);
        let (clock, looks) = (Arc::new(AtomicI64::new(TEN)), Arc::new(AtomicUsize::new(0)));
        let (shown, counted) = (Arc::clone(&clock), Arc::clone(&looks));
        let around = Surroundings {
            clock: Arc::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                shown.load(Ordering::SeqCst)
            }),
            authorities: certificates.into_iter().map(|certificate| certificate.der.clone()).collect(),
            patience,
        };
        Self::open(folder, config.into(), around, clock, looks).await
    }

    async fn open(folder: TempDir, settings: Settings, around: Surroundings, clock: Arc<AtomicI64>, looks: Arc<AtomicUsize>) -> Self {
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.expect("a catalog");
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let alerts = Alerts::start_in(around.clone(), catalog.clone(), settings.clone(), &tasks, &stop);
        Self { folder, settings, around, clock, looks, alerts, catalog, tasks, stop }
    }

    /// Ends the workers and begins anew, as another process would.
    async fn restart(self) -> Self {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.catalog.close().await;
        Self::open(self.folder, self.settings, self.around, self.clock, self.looks).await
    }

    /// These devices are silent now, and no other.
    async fn silent(&self, devices: &[&str]) {
        let alert = |device: &&str| Alert {
            kind: AlertKind::Silent,
            subject: (*device).to_owned(),
            text: format!("{device} has brought nothing for 2 days"),
        };
        let found: Vec<_> = devices.iter().map(alert).collect();
        self.alerts.note(&[AlertKind::Silent], &found).await.expect("noted");
    }

    fn pass(&self, time: Millis) {
        self.clock.fetch_add(time, Ordering::SeqCst);
        self.alerts.poke();
    }

    /// Lets the workers look again and again for something to do.
    async fn look_often(&self) {
        let enough = self.looks.load(Ordering::SeqCst) + 20;
        until("the workers have looked", async || {
            self.alerts.poke();
            self.looks.load(Ordering::SeqCst) > enough
        })
        .await;
    }

    async fn mails(&self, sink: &SmtpSink, count: usize) -> Vec<String> {
        until("the mails are there", async || sink.mails().len() >= count).await;
        sink.mails().into_iter().map(|mail| mail.text).collect()
    }
}

/// Mail to this server, without encryption.
fn mail_to(sink: &SmtpSink) -> impl FnOnce(&mut Config) {
    let port = sink.address.port().into();
    move |config| {
        let alerts = &mut config.alerts;
        alerts.mail_to = vec!["one@study.example".to_owned()];
        (alerts.smtp_host, alerts.smtp_port, alerts.smtp_security) = ("127.0.0.1".to_owned(), port, SmtpSecurity::None);
    }
}

fn post_to(hook: &Hook) -> impl FnOnce(&mut Config) {
    let url = format!("http://{}/hook?of=study", hook.address);
    move |config| config.alerts.webhook_url = Secret::new(url)
}

fn count(mails: &[String], what: &str) -> usize {
    mails.iter().filter(|mail| mail.contains(what)).count()
}

#[tokio::test]
async fn what_is_new_is_told_at_once_and_once_over_both_ways() {
    let (sink, hook) = (SmtpSink::start(Mood::default()).await, Hook::start(&[]).await);
    let rig = Rig::start(|config| {
        mail_to(&sink)(config);
        post_to(&hook)(config);
    })
    .await;
    rig.silent(&["kitchen"]).await;
    let mails = rig.mails(&sink, 1).await;
    for part in [
        "Subject: kitchen has brought nothing for 2 days\n",
        "From: Wearhouse <wearhouse@study.example>\n",
        "To: one@study.example\n",
        "Date: Sat, 21 Nov 2026 10:00:00 +0000\n",
        "@study.example>\n",
        "Auto-Submitted: auto-generated\n",
        "Silent devices: ",
        "- kitchen has brought nothing for 2 days (2026-11-21 10:00 UTC)",
        "https://study.example/missing/\n",
    ] {
        assert!(mails[0].contains(part), "{part}: {}", mails[0]);
    }
    until("it is posted", async || hook.posted().len() == 1).await;
    rig.pass(HOUR);
    rig.look_often().await;
    rig.silent(&["kitchen", "garden", "attic", "cellar"]).await;
    let mails = rig.mails(&sink, 2).await;
    assert!(mails[1].contains("Subject: Wearhouse: 3 things to know\n"), "{}", mails[1]);
    assert_eq!((mails.len(), count(&mails, "kitchen"), count(&mails, "garden")), (2, 1, 1));
    until("it is posted", async || hook.posted().len() == 2).await;
    assert_eq!(hook.posted()[1].json()["alerts"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn what_ends_and_comes_again_is_told_again_and_what_nobody_asked_for_is_not() {
    let hook = Hook::start(&[]).await;
    let rig = Rig::start(|config| {
        post_to(&hook)(config);
        config.alerts.about.retain(|kind| *kind != AlertKind::Disk);
    })
    .await;
    let full = Alert { kind: AlertKind::Disk, subject: "disk".to_owned(), text: "The disk is full in 3 days".to_owned() };
    rig.alerts.note(&[AlertKind::Disk], &[full]).await.expect("noted");
    rig.silent(&["kitchen"]).await;
    until("it is posted", async || hook.posted().len() == 1).await;
    rig.silent(&[]).await;
    rig.pass(HOUR);
    rig.silent(&["kitchen"]).await;
    until("it is posted", async || hook.posted().len() == 2).await;
    rig.look_often().await;
    assert!(hook.posted().iter().all(|posted| !posted.text().contains("disk")));
    assert_eq!(rig.catalog.alerts(10).await.expect("listed").len(), 2, "the page shows it all the same");
    assert_ne!(hook.posted()[0].header("idempotency-key"), hook.posted()[1].header("idempotency-key"));
}

#[tokio::test]
async fn once_a_day_everything_comes_together() {
    let sink = SmtpSink::start(Mood::default()).await;
    let rig = Rig::start(|config| {
        mail_to(&sink)(config);
        config.alerts.send = Sending::Daily;
    })
    .await;
    rig.silent(&["kitchen"]).await;
    rig.look_often().await;
    rig.pass(10 * HOUR);
    rig.silent(&["kitchen", "garden"]).await;
    rig.pass(10 * HOUR - 1);
    rig.look_often().await;
    assert_eq!(sink.mails().len(), 0, "it is not yet six");
    rig.pass(1);
    let mails = rig.mails(&sink, 1).await;
    assert!(mails[0].contains("2 things") && mails[0].contains("kitchen") && mails[0].contains("garden"), "{}", mails[0]);
    rig.silent(&["kitchen", "garden", "attic"]).await;
    let rig = rig.restart().await;
    rig.pass(23 * HOUR);
    rig.look_often().await;
    assert_eq!(sink.mails().len(), 1);
    rig.pass(HOUR);
    let mails = rig.mails(&sink, 2).await;
    assert!(mails[1].contains("attic") && !mails[1].contains("kitchen"), "{}", mails[1]);
}

#[tokio::test]
async fn after_a_failure_it_waits_comes_again_and_tells_exactly_once() {
    let sink = SmtpSink::start(Mood { says: vec![("DATA", "451 4.3.0 come again")], ..Mood::default() }).await;
    let hook = Hook::start(&[(503, "")]).await;
    let rig = Rig::start(|config| {
        mail_to(&sink)(config);
        post_to(&hook)(config);
    })
    .await;
    rig.silent(&["kitchen"]).await;
    until("both have failed", async || [Channel::Mail, Channel::Webhook].iter().all(|channel| rig.alerts.last_error(*channel).is_some()))
        .await;
    let said = rig.alerts.last_error(Channel::Mail).expect("a failure").text;
    assert!(said.contains("451") && said.contains("come again"), "{said}");
    let said = rig.alerts.last_error(Channel::Webhook).expect("a failure").text;
    assert!(said.contains("503") && !said.contains("/hook"), "{said}");
    rig.pass(MINUTE - 1);
    rig.look_often().await;
    assert_eq!((sink.heard("DATA"), hook.posted().len()), (1, 1), "too early");
    rig.pass(MINUTE);
    until("the second time failed, too", async || sink.heard("DATA") == 2).await;
    rig.look_often().await;
    sink.change(Mood::default());
    rig.pass(MINUTE);
    rig.look_often().await;
    assert_eq!(sink.heard("DATA"), 2, "two minutes are not over");
    rig.pass(2 * MINUTE);
    assert_eq!(count(&rig.mails(&sink, 1).await, "kitchen"), 1);
    until("it is well again", async || rig.alerts.last_error(Channel::Mail).is_none()).await;
    rig.pass(24 * HOUR);
    rig.silent(&["kitchen", "garden"]).await;
    assert_eq!(count(&rig.mails(&sink, 2).await, "kitchen"), 1);
    until("all is posted", async || hook.posted().len() == 3).await;
    let posted: Vec<_> = hook.posted().iter().map(|posted| posted.header("idempotency-key").to_owned()).collect();
    assert!(posted[0] == posted[1] && posted[1] != posted[2], "{posted:?}");
}

#[tokio::test]
async fn new_settings_are_tried_at_once() {
    let (bad, good) =
        (SmtpSink::start(Mood { says: vec![("MAIL", "550 no")], ..Mood::default() }).await, SmtpSink::start(Mood::default()).await);
    let rig = Rig::start(mail_to(&bad)).await;
    rig.silent(&["kitchen"]).await;
    until("it has failed", async || rig.alerts.last_error(Channel::Mail).is_some()).await;
    let mut config = Config::clone(&rig.settings.now());
    config.alerts.smtp_port = good.address.port().into();
    let _ = rig.settings.replace(&config);
    rig.alerts.poke();
    rig.mails(&good, 1).await;
}

#[tokio::test]
async fn a_restart_tells_nothing_twice() {
    let (sink, hook) = (SmtpSink::start(Mood::default()).await, Hook::start(&[(500, "")]).await);
    let rig = Rig::start(|config| {
        mail_to(&sink)(config);
        post_to(&hook)(config);
    })
    .await;
    rig.silent(&["kitchen"]).await;
    rig.mails(&sink, 1).await;
    until("the webhook has failed", async || rig.alerts.last_error(Channel::Webhook).is_some()).await;
    let rig = rig.restart().await;
    until("what was not posted is posted", async || hook.posted().len() == 2).await;
    let rig = rig.restart().await;
    rig.silent(&["kitchen", "garden"]).await;
    let mails = rig.mails(&sink, 2).await;
    assert_eq!((mails.len(), count(&mails, "kitchen")), (2, 1));
    until("the other one is posted", async || hook.posted().len() == 3).await;
    assert!(!hook.posted()[2].text().contains("kitchen"));
}

#[tokio::test]
async fn the_signature_is_what_openssl_says() {
    let hook = Hook::start(&[]).await;
    let rig = Rig::start(|config| {
        post_to(&hook)(config);
        config.alerts.webhook_secret = Secret::new("a secret of the tests");
    })
    .await;
    rig.silent(&["kitchen"]).await;
    until("it is posted", async || hook.posted().len() == 1).await;
    let posted = &hook.posted()[0];
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-hmac", "a secret of the tests"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut openssl = openssl.spawn().expect("openssl");
    openssl.stdin.take().expect("a way in").write_all(&posted.body).expect("written");
    let said = String::from_utf8(openssl.wait_with_output().expect("an answer").stdout).expect("text");
    let digest = said.trim().rsplit(' ').next().expect("a digest");
    assert_eq!(posted.header("x-wearhouse-signature"), format!("sha256={digest}"));
    assert_eq!((posted.path.as_str(), posted.header("content-type")), ("/hook?of=study", "application/json"));
    let expected = serde_json::json!({"alerts": [{"kind": "silent", "subject": "kitchen", "text": "kitchen has brought nothing for 2 days",
        "since": TEN, "link": "https://study.example/missing/"}], "at": TEN});
    assert_eq!(posted.json(), expected);
}

#[tokio::test]
async fn ntfy_gets_a_text_and_its_headers() {
    let certificate = TestCertificate::new();
    let hook = Hook::start_with(&[], Some(certificate.clone())).await;
    let rig = Rig::start_believing(vec![&certificate], Duration::from_secs(20), |config| {
        config.alerts.webhook_url = Secret::new(format!("https://{}/study", hook.address));
        config.alerts.webhook_format = WebhookFormat::Ntfy;
        config.alerts.webhook_secret = Secret::new("tk_of_the_tests");
    })
    .await;
    rig.silent(&["kitchen"]).await;
    until("it is posted", async || hook.posted().len() == 1).await;
    let full = Alert { kind: AlertKind::Disk, subject: "disk".to_owned(), text: "The disk is full in 3 days".to_owned() };
    rig.alerts.note(&[AlertKind::Disk], &[full]).await.expect("noted");
    until("it is posted", async || hook.posted().len() == 2).await;
    let [calm, urgent] = &hook.posted()[..] else { panic!("two") };
    assert!(calm.text().contains("- kitchen has brought nothing for 2 days") && urgent.text().contains("full in 3 days"));
    for (name, first, second) in [
        ("title", "Wearhouse: 1 thing to know", "Wearhouse: 1 thing to know"),
        ("priority", "default", "high"),
        ("tags", "watch", "warning"),
        ("click", "https://study.example/missing/", "https://study.example/"),
        ("authorization", "Bearer tk_of_the_tests", "Bearer tk_of_the_tests"),
        ("x-wearhouse-signature", "", ""),
    ] {
        assert_eq!((calm.header(name), urgent.header(name)), (first, second), "{name}");
    }
}

#[tokio::test]
async fn mail_is_encrypted_and_signed_in_before_anything_is_said() {
    let certificate = TestCertificate::new();
    for (security, login_only) in [(SmtpSecurity::Starttls, false), (SmtpSecurity::Tls, true)] {
        let mood = Mood { wants: Some(("study", "hunter2hunter2")), starttls: true, login_only, ..Mood::default() };
        let implicit = (security == SmtpSecurity::Tls).then(|| certificate.clone());
        let sink = SmtpSink::start_with(mood, Some(certificate.clone()), implicit).await;
        let change = |config: &mut Config| {
            mail_to(&sink)(config);
            config.alerts.smtp_security = security;
            (config.alerts.smtp_user, config.alerts.smtp_password) = ("study".to_owned(), Secret::new("hunter2hunter2"));
        };
        let rig = Rig::start_believing(vec![&certificate], Duration::from_secs(20), change).await;
        rig.alerts.send_test(Channel::Mail).await.expect("sent");
        assert!(sink.mails()[0].encrypted && sink.mails()[0].text.contains("This is a test"), "{:?}", sink.mails());
        // Whom nobody vouches for gets nothing.
        let stranger = Rig::start(change).await;
        let said = stranger.alerts.send_test(Channel::Mail).await.expect_err("a stranger").to_string();
        assert!(said.contains("cannot be reached") && said.contains("certificate"), "{said}");
        assert_eq!(sink.mails().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_hides_starttls_hears_neither_mail_nor_password() {
    let sink = SmtpSink::start(Mood { wants: Some(("study", "hunter2hunter2")), ..Mood::default() }).await;
    let rig = Rig::start(|config| {
        mail_to(&sink)(config);
        config.alerts.smtp_security = SmtpSecurity::Starttls;
        (config.alerts.smtp_user, config.alerts.smtp_password) = ("study".to_owned(), Secret::new("hunter2hunter2"));
    })
    .await;
    let said = rig.alerts.send_test(Channel::Mail).await.expect_err("no encryption").to_string();
    assert!(said.contains("STARTTLS"), "{said}");
    assert_eq!((sink.heard("AUTH"), sink.heard("MAIL")), (0, 0));
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let sink = SmtpSink::start(Mood { wants: Some(("study", "another one")), ..Mood::default() }).await;
    let rig = Rig::start(|config| {
        mail_to(&sink)(config);
        (config.alerts.smtp_user, config.alerts.smtp_password) = ("study".to_owned(), Secret::new("hunter2hunter2"));
    })
    .await;
    rig.silent(&["kitchen"]).await;
    until("it has failed", async || rig.alerts.last_error(Channel::Mail).is_some()).await;
    let kept = rig.alerts.last_error(Channel::Mail).expect("a failure").text;
    let said = rig.alerts.send_test(Channel::Mail).await.expect_err("refused").to_string();
    for said in [kept, said] {
        assert!(said.contains("535") && said.contains("alerts.smtp_password"), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("AHN0dWR5AGh1bnRlcjJodW50ZXIy"), "{said}");
    }
}

#[tokio::test]
async fn one_address_that_is_no_good_does_not_keep_the_others_in_the_dark() {
    let sink = SmtpSink::start(Mood { says: vec![("RCPT TO:<gone@", "550 5.1.1 no such person")], ..Mood::default() }).await;
    let rig = Rig::start(|config| {
        mail_to(&sink)(config);
        config.alerts.mail_to = vec!["gone@study.example".to_owned(), "Two <two@study.example>".to_owned()];
    })
    .await;
    rig.silent(&["kitchen"]).await;
    rig.mails(&sink, 1).await;
    until("it is complained of", async || rig.alerts.last_error(Channel::Mail).is_some()).await;
    let said = rig.alerts.last_error(Channel::Mail).expect("a complaint").text;
    assert!(said.contains("gone@study.example") && said.contains("no such person"), "{said}");
    rig.silent(&["kitchen", "garden"]).await;
    let mails = rig.mails(&sink, 2).await;
    assert_eq!((count(&mails, "kitchen"), sink.mails()[0].to.clone()), (1, vec!["two@study.example".to_owned()]));
    sink.change(Mood { says: vec![("RCPT TO:<two@", "450 4.2.1 later"), ("RCPT", "550 no")], ..Mood::default() });
    let said = rig.alerts.send_test(Channel::Mail).await.expect_err("nobody is told").to_string();
    assert!(said.contains("450"), "{said}");
    assert_eq!(sink.mails().len(), 2);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_in_time() {
    let hook = Hook::start(&[(0, "")]).await;
    let sinks = ["", "EHLO", "RCPT", "."].map(|at| SmtpSink::start(Mood { falls_silent_at: Some(at), ..Mood::default() }));
    for sink in sinks {
        let sink = sink.await;
        let rig = Rig::start_believing(vec![], Duration::from_millis(300), mail_to(&sink)).await;
        let said = rig.alerts.send_test(Channel::Mail).await.expect_err("silence").to_string();
        assert!(said.contains("did not answer within"), "{said}");
    }
    let rig = Rig::start_believing(vec![], Duration::from_millis(300), post_to(&hook)).await;
    let said = rig.alerts.send_test(Channel::Webhook).await.expect_err("silence").to_string();
    assert!(said.contains("did not answer within") && !said.contains("/hook"), "{said}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_not_told() {
    let elsewhere = Hook::start(&[]).await;
    for status in [301, 307] {
        let hook = Hook::start(&[(status, &format!("http://{}/", elsewhere.address))]).await;
        let rig = Rig::start(post_to(&hook)).await;
        rig.silent(&["kitchen"]).await;
        until("it has failed", async || rig.alerts.last_error(Channel::Webhook).is_some()).await;
        let said = rig.alerts.last_error(Channel::Webhook).expect("a failure").text;
        assert!(said.contains(&status.to_string()) && said.contains("alerts.webhook_url"), "{said}");
    }
    assert_eq!(elsewhere.posted().len(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let gone = SmtpSink::start(Mood::default()).await.address;
    let rig = Rig::start(|config| {
        config.alerts.mail_to = vec!["one@study.example".to_owned()];
        (config.alerts.smtp_host, config.alerts.smtp_port) = ("127.0.0.1".to_owned(), gone.port().into());
        config.alerts.webhook_url = Secret::new(format!("http://{gone}/topic-that-nobody-may-know"));
    })
    .await;
    for channel in [Channel::Mail, Channel::Webhook] {
        let said = rig.alerts.send_test(channel).await.expect_err("nobody there").to_string();
        assert!(said.starts_with(&format!("{gone} cannot be reached: ")) && said.contains("refused") && !said.contains("topic"), "{said}");
    }
}

#[tokio::test]
async fn a_way_that_is_not_set_up_says_how() {
    let rig = Rig::start(|_| {}).await;
    for (channel, setting) in [(Channel::Mail, "alerts.mail_to"), (Channel::Webhook, "alerts.webhook_url")] {
        let said = rig.alerts.send_test(channel).await.expect_err("not set").to_string();
        assert!(said.contains(setting), "{said}");
    }
}

#[test]
fn the_documentation_has_every_kind_in_the_words_of_the_messages() {
    const DOCUMENTATION: &str = include_str!("../../docs/alerts.md");
    for kind in AlertKind::ALL {
        let row = DOCUMENTATION.lines().find(|line| line.starts_with(&format!("| `{}` |", kind.as_str()))).expect("a row");
        let sentence = kind.explanation().split("; then").next().expect("a sentence").trim_end_matches('.');
        assert!(row.contains(sentence) && row.ends_with(&format!("| `{}` |", kind.page())), "{row}");
    }
}
