//! Stopping: what is under way ends, what is new is told to come again, and nobody who does neither holds it up.

use std::path::{Path, PathBuf};

use sqlx::Executor;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wearhouse::storage::Layout;

use crate::support::{Call, Held, House, Program, Watch, WatchedDisk, config_text, contents, head, list, part, until};

/// An upload of which the first bytes are on the disk and the last ones still to come, and those.
async fn half_an_upload(folder: &Path, program: &Program, watch: &Watch, uuid: &str) -> (TcpStream, &'static str) {
    let (start, end) = (part("name=\"file\"; filename=\"slow.csv\"", &"1".repeat(10_000)), "--B--\r\n");
    let rest = format!("Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}", start.len() + end.len());
    let mut stream = TcpStream::connect(program.address).await.expect("a connection");
    stream.write_all((head(watch, &format!("?uuid={uuid}"), &rest) + &start).as_bytes()).await.expect("sent");
    let incoming = Layout::new(folder.join("uploads")).incoming_folder();
    until("it is under way", async || !list(&incoming).is_empty()).await;
    (stream, end)
}

/// Waits until new requests are turned away. One that came before that may find its connection closed.
async fn until_turned_away(program: &Program) {
    let asked = async || program.researcher().request("GET", "/").send().await;
    until("new requests are turned away", async || asked().await.is_ok_and(|answer| answer.status() == 503)).await;
}

#[tokio::test]
async fn an_upload_in_flight_ends_and_a_new_one_is_told_to_come_again() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    let (mut stream, end) = half_an_upload(folder.path(), &program, &watch, &uuid).await;
    program.terminate();
    until_turned_away(&program).await;
    let refused = watch.try_upload(&uuid, "new.csv", "2").await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let said: serde_json::Value = refused.json().await.expect("JSON");
    assert_eq!(said["status"], "error");
    stream.write_all(end.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("slow.csv"), "{answer}");
    let said = program.wait_and_say();
    assert!(!said.contains("have been cut"), "{said}");
    let program = Program::in_folder(folder.path()).start();
    assert_eq!(program.researcher().files(&uuid).await.len(), 1);
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_a_stop_and_a_silent_upload_only_for_a_while() {
    let folder = TempDir::new().expect("a folder");
    let text = config_text(&folder.path().join("uploads")).replace("server:\n", "server:\n  stop_seconds: 1\n");
    std::fs::write(folder.path().join("config.yml"), text).expect("a config");
    let mut program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    let (silent, _) = half_an_upload(folder.path(), &program, &watch, &uuid).await;
    program.terminate();
    until("the program ends", async || program.has_ended()).await;
    assert!(program.wait_and_say().contains("have been cut"));
    drop(silent);
    let text = config_text(&folder.path().join("uploads")).replace("server:\n", "server:\n  stop_seconds: 3600\n");
    std::fs::write(folder.path().join("config.yml"), text).expect("a config");
    let mut program = Program::in_folder(folder.path()).start();
    // The client keeps its connection for the next request.
    let client = reqwest::Client::new();
    assert_eq!(client.get(format!("http://{}/static/style.css", program.address)).send().await.expect("an answer").status(), 200);
    program.terminate();
    until("the program ends", async || program.has_ended()).await;
    assert!(!program.wait_and_say().contains("have been cut"));
    drop(client);
}

#[tokio::test]
async fn a_connection_that_never_says_a_word_does_not_hold_up_a_stop() {
    let folder = TempDir::new().expect("a folder");
    let patient = "server:\n  stop_seconds: 3600\n";
    let text = config_text(&folder.path().join("uploads")).replace("server:\n", patient) + "limits:\n  header_seconds: 3600\n";
    std::fs::write(folder.path().join("config.yml"), text).expect("a config");
    let mut program = Program::in_folder(folder.path()).start();
    // A browser opens one in advance.
    let before = TcpStream::connect(program.address).await.expect("a connection");
    program.researcher().wait_until_up().await;
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    let (mut upload, end) = half_an_upload(folder.path(), &program, &watch, &uuid).await;
    program.terminate();
    until_turned_away(&program).await;
    let meanwhile = TcpStream::connect(program.address).await.expect("a connection");
    upload.write_all(end.as_bytes()).await.expect("sent");
    until("the program ends", async || program.has_ended()).await;
    assert!(!program.wait_and_say().contains("have been cut"));
    drop((before, meanwhile));
}

/// A house whose next roll is held at its first step.
struct Rolling {
    house: House,
    held: Held,
    uuid: String,
    /// The last zip.
    before: Vec<u8>,
}

impl Rolling {
    /// One file is in the zip, and another one has come. Where it is as large as the zip, it is rolled unasked.
    async fn begin(size: usize) -> Self {
        let disk = WatchedDisk::new();
        let house = House::start_with(disk.clone(), |config| config.zip.small_mib = 0).await;
        let watch = house.watch("w").await;
        let uuid = watch.new_dataset().await;
        watch.upload(&uuid, "a.csv", "1").await;
        let before = house.researcher().zip(&uuid).await;
        let rolling = house.layout().rolling_folder();
        let held = Held::at(&disk, move |call| matches!(call, Call::Create(path) if path.starts_with(&rolling)));
        watch.upload(&uuid, "b.csv", "2".repeat(size)).await;
        Self { house, held, uuid, before }
    }

    /// The published zip. Nothing half made lies beside it.
    fn zip(house: &House, uuid: &str) -> Vec<u8> {
        assert_eq!(list(&house.layout().rolling_folder()), Vec::<PathBuf>::new());
        std::fs::read(house.layout().zip(uuid.parse().expect("a uuid"))).expect("a zip")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_that_somebody_waits_for_is_ended_and_delivered() {
    // Whoever asks is the only one for whom it is rolled: when the roll is held, somebody waits for it.
    let Rolling { mut house, mut held, uuid, .. } = Rolling::begin(1).await;
    let (researcher, path) = (house.researcher(), format!("/uploads/zips/{uuid}.zip"));
    let waits = tokio::spawn(async move { researcher.get(&path).await.status() });
    held.reached().await;
    // The stop waits for the researcher, who waits for the roll.
    tokio::join!(house.stop(), async { drop(held) });
    assert_eq!(waits.await.expect("no panic"), 200);
    assert_eq!(contents(&Rolling::zip(&house, &uuid)).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_that_nobody_waits_for_is_given_up_and_the_last_zip_stays() {
    let Rolling { mut house, mut held, uuid, before } = Rolling::begin(10_000).await;
    held.reached().await;
    let mut catalog = house.catalog().await;
    tokio::join!(house.stop(), async {
        // One of the workers writes that down when all of them are told to end.
        let told = "SELECT 1 FROM credentials WHERE last_used_at IS NOT NULL";
        until("the workers are told to end", async || catalog.fetch_optional(told).await.expect("asked").is_some()).await;
        drop((held, catalog));
    });
    assert_eq!(Rolling::zip(&house, &uuid), before);
    let house = house.start_again().await;
    assert_eq!(house.researcher().zip_contents(&uuid).await.len(), 2);
}
