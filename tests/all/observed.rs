//! Seen from outside: probes that tell strangers nothing, metrics that count what happened, one line in the log for each request.

use serde_json::{Value, json};
use sqlx::{Executor, Row};
use tempfile::TempDir;
use wearhouse::storage::FreeSpace;

use crate::support::{Call, House, Program, WatchedDisk, config_text};

async fn ready(base: &str) -> (u16, Value) {
    let answer = reqwest::get(format!("{base}/readyz")).await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Waits for the answer of a look that is made after this call.
async fn ready_now(house: &House) -> (u16, Value) {
    let before = ready(&house.url("")).await;
    let mut now = before.clone();
    crate::support::until("another look", async || {
        now = ready(&house.url("")).await;
        now != before
    })
    .await;
    now
}

#[tokio::test]
async fn readiness_names_what_fails_and_nothing_else() {
    let disk = WatchedDisk::new();
    let house = House::start_with(disk.clone(), |_| {}).await;
    assert_eq!(reqwest::get(house.url("/healthz")).await.expect("an answer").status(), 200);
    let good = (200, json!({"catalog": "ok", "disk": "ok", "roller": "ok", "clock": "ok"}));
    assert_eq!(ready(&house.url("")).await, good);
    *disk.free.lock().expect("free") = Some(FreeSpace { bytes: 1 << 20, inodes: 1000, total: 1 << 30 });
    assert_eq!(ready_now(&house).await, (503, json!({"catalog": "ok", "disk": "failing", "roller": "ok", "clock": "ok"})));
    *disk.free.lock().expect("free") = Some(FreeSpace { bytes: 1 << 30, inodes: 10, total: 1 << 30 });
    assert_eq!(ready(&house.url("")).await.0, 503, "inodes count, too");
    *disk.free.lock().expect("free") = None;
    assert_eq!(ready_now(&house).await, good);
    house.change_catalog("ALTER TABLE _sqlx_migrations RENAME TO gone").await;
    assert_eq!(ready_now(&house).await, (503, json!({"catalog": "failing", "disk": "ok", "roller": "ok", "clock": "ok"})));
    assert_eq!(reqwest::get(house.url("/healthz")).await.expect("an answer").status(), 200);
}

fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {metrics}")).parse().expect("a number")
}

#[tokio::test]
async fn a_disk_that_hangs_is_failing_and_keeps_nobody_waiting() {
    let disk = WatchedDisk::new();
    let house = House::start_with(disk.clone(), |_| {}).await;
    assert_eq!(ready(&house.url("")).await.0, 200);
    // Whoever asks for the free space waits for this thread.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let hung = disk.clone();
    std::thread::spawn(move || {
        let _hung = hung.free.lock().expect("free");
        let _ = released.recv();
    });
    crate::support::until("it hangs", async || disk.free.try_lock().is_err()).await;
    assert_eq!(ready_now(&house).await, (503, json!({"catalog": "ok", "disk": "failing", "roller": "ok", "clock": "ok"})));
    drop(release);
    assert_eq!(ready_now(&house).await.0, 200);
}

#[tokio::test]
async fn metrics_count_what_happened_and_stand_on_a_listener_of_their_own() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let researcher = program.researcher();
    let watch = researcher.let_in("w").await;
    researcher.poll("stranger").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "12345").await;
    watch.upload(&uuid, "a.csv", "12345").await;
    watch.upload(&uuid, "a.exe", "123").await;
    let refused = watch.request("POST", &format!("/recording/new/?uuid={uuid}")).body("nonsense").send().await;
    assert_eq!(refused.expect("an answer").status(), 400);
    researcher.zip(&uuid).await;
    assert_eq!(researcher.get("/metrics").await.status(), 404);
    let metrics = program.metrics().await;
    for (name, wanted) in [
        ("wearhouse_uploads_total{outcome=\"stored\"}", 1.0),
        ("wearhouse_uploads_total{outcome=\"repeated\"}", 1.0),
        ("wearhouse_uploads_total{outcome=\"quarantined\"}", 1.0),
        ("wearhouse_uploads_total{outcome=\"refused\"}", 1.0),
        ("wearhouse_upload_bytes_total", 8.0),
        ("wearhouse_upload_duration_seconds_count", 3.0),
        ("wearhouse_uploads_in_flight", 0.0),
        ("wearhouse_zip_requests_waiting", 0.0),
        ("wearhouse_http_requests_total{method=\"POST\",route=\"/recording/new/\",status=\"200\"}", 3.0),
        ("wearhouse_http_requests_total{method=\"POST\",route=\"/recording/new/\",status=\"400\"}", 1.0),
        ("wearhouse_open_requests{state=\"waiting\"}", 1.0),
        ("wearhouse_open_requests{state=\"granted\"}", 0.0),
        ("wearhouse_devices{state=\"active\"}", 1.0),
        ("wearhouse_devices{state=\"revoked\"}", 0.0),
        ("wearhouse_zip_backlog_datasets", 0.0),
        ("wearhouse_quarantined_files", 1.0),
        ("wearhouse_rolls_total{outcome=\"published\"}", 1.0),
        ("wearhouse_roll_duration_seconds_count", 1.0),
        ("wearhouse_ready{part=\"disk\"}", 1.0),
        ("wearhouse_disk_reserve_bytes", 1_048_576.0),
        ("wearhouse_disk_reserved_bytes", 0.0),
    ] {
        assert!((value(&metrics, name) - wanted).abs() < f64::EPSILON, "{name} is not {wanted}: {metrics}");
    }
    assert!(value(&metrics, "wearhouse_catalog_commit_duration_seconds_count") >= 3.0);
    assert!(value(&metrics, "wearhouse_disk_free_bytes") > 0.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs_f64();
    assert!(value(&metrics, "wearhouse_disk_full_timestamp_seconds") > now);
    assert!(metrics.contains(&format!("wearhouse_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))), "{metrics}");
}

#[tokio::test]
async fn each_request_is_one_line_with_the_id_that_its_client_gets() {
    let folder = TempDir::new().expect("a folder");
    let text = config_text(&folder.path().join("uploads")) + "log:\n  format: json\n";
    std::fs::write(folder.path().join("config.yml"), text).expect("a config");
    let program = Program::in_folder(folder.path()).start();
    let researcher = program.researcher();
    let watch = researcher.let_in("w").await;
    let mut ids = Vec::new();
    for (request, status) in [
        (watch.request("GET", "/recording/new/").header("x-request-id", "mine"), 200),
        (researcher.request("GET", "/recording/67e55044-10b1-426f-9247-bb680e5fe0c8/"), 404),
        (researcher.request("GET", "/nowhere"), 404),
        (researcher.request("POST", "/auth"), 405),
    ] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), status);
        ids.push((answer.headers()["x-request-id"].to_str().expect("text").to_owned(), status));
    }
    reqwest::get(format!("http://{}/healthz", program.address)).await.expect("an answer");
    program.terminate();
    let said = program.wait_and_say();
    let lines: Vec<Value> =
        said.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
    for (id, status) in &ids {
        let of_it: Vec<_> = answered.iter().filter(|line| line["span"]["id"] == id.as_str()).collect();
        assert_eq!(of_it.len(), 1, "{id}: {said}");
        assert_eq!((&of_it[0]["status"], of_it[0]["ms"].is_u64()), (&json!(status), true), "{said}");
    }
    assert_eq!(answered.iter().filter(|line| line["route"] == "/recording/{uuid}/").count(), 1, "{said}");
    assert!(answered.iter().all(|line| line["route"] != "/healthz"), "{said}");
    // Four of the handshake, and those above.
    assert_eq!(answered.len(), 4 + ids.len(), "{said}");
}

#[tokio::test]
async fn every_metric_that_the_documents_name_exists() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    watch.upload(&watch.new_dataset().await, "a.csv", "1").await;
    let metrics = program.metrics().await;
    let documents =
        [include_str!("../../docs/alerts.yml"), include_str!("../../docs/dashboard.json"), include_str!("../../docs/monitoring.md")];
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let mut names = 0;
    for (at, _) in documents.concat().match_indices("wearhouse_") {
        let text = &documents.concat()[at..];
        let name = &text[..text.find(|letter| !is_part(letter)).unwrap_or(text.len())];
        // A counter that has counted nothing yet is known by its help.
        let family = ["_total", "_bucket", "_sum", "_count"].iter().fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
        assert!(metrics.contains(&format!("# HELP {family} ")) || metrics.contains(&format!("\n{name}{{")), "{name} is not in {metrics}");
        names += 1;
    }
    assert!(names > 40, "{names}");
}

#[tokio::test]
async fn what_did_not_come_into_its_place_has_not_arrived() {
    let disk = WatchedDisk::new();
    let house = House::start_with(disk.clone(), |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    disk.before(|call| if matches!(call, Call::Rename(..)) { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) });
    assert_eq!(watch.try_upload(&uuid, "b.csv", "22").await.expect("an answer").status(), 500);
    let arrived = house.catalog().await.fetch_one("SELECT SUM(files) AS files, SUM(bytes) AS bytes FROM arrivals").await.expect("a row");
    assert_eq!((arrived.get::<i64, _>("files"), arrived.get::<i64, _>("bytes")), (1, 1));
}
