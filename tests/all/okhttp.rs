//! The app in the field, with a real OkHttp: it gets everything in, and deletes only what is safe.

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use wearhouse::storage::RealDisk;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::support::{Call, Fault, FieldApp, House, Link, WatchedDisk, sha256, until};

const IDENTIFIER: &str = "kitchen watch[9774d56d682e549c]";
const UUID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
/// More than the buffers between two programs hold: whoever sends this notices when nobody reads.
const LARGE: usize = 12 << 20;

/// The storage of a watch: the runs that wait, and what was ever recorded.
struct Wrist {
    folder: TempDir,
    recorded: Vec<(PathBuf, String)>,
}

impl Wrist {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder"), recorded: Vec::new() }
    }

    /// Of a watch that has been let in.
    async fn let_in(house: &House) -> Self {
        let wrist = Self::new();
        std::fs::write(wrist.folder.path().join("token"), house.watch(IDENTIFIER).await.token).expect("written");
        wrist
    }

    /// With one file of a run whose uuid it has, so that a round is one upload.
    async fn with_one_file(house: &House, bytes: &[u8]) -> Self {
        let mut wrist = Self::let_in(house).await;
        wrist.record("run_1", "a.csv", bytes);
        wrist.note_uuid("run_1", UUID);
        wrist
    }

    fn record(&mut self, run: &str, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(run).join(name);
        std::fs::create_dir_all(path.parent().expect("a run")).expect("a folder");
        std::fs::write(&path, bytes).expect("written");
        self.recorded.retain(|(other, _)| *other != path);
        self.recorded.push((path, sha256(bytes)));
    }

    fn note_uuid(&self, run: &str, uuid: &str) {
        std::fs::write(self.folder.path().join(run).join("uuid"), uuid).expect("written");
    }

    fn uuid(&self, run: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(run).join("uuid")).expect("a uuid")
    }

    /// How many files it still has.
    fn left(&self) -> usize {
        self.recorded.iter().filter(|(path, _)| path.exists()).count()
    }

    fn start_round(&self, base: &str) -> FieldApp {
        FieldApp::start(base, IDENTIFIER, self.folder.path())
    }

    /// A whole round. Whatever comes of it, each file is on the watch still, or safe in the house.
    async fn round(&self, base: &str, house: &House) -> FieldApp {
        let app = self.start_round(base).finish().await;
        self.check_nothing_is_lost(house);
        app
    }

    fn check_nothing_is_lost(&self, house: &House) {
        let safe = digests_in(house);
        for (path, digest) in &self.recorded {
            assert!(path.exists() || safe.contains(digest), "{} is lost", path.display());
        }
    }
}

/// The digests of everything that a house keeps, as it lies on its disk.
fn digests_in(house: &House) -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(sha256(&std::fs::read(path).expect("readable")));
            }
        }
    }
    let (layout, mut found) = (house.layout(), BTreeSet::new());
    for folder in [layout.root().join("recordings"), layout.root().join("tf_models"), layout.house().join("quarantine")] {
        walk(&folder, &mut found);
    }
    found
}

/// A table of a sensor, packed as `java.util.zip.ZipOutputStream` does: deflated, its size behind it.
fn sensor_zip(name: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new_stream(Vec::new());
    zip.start_file(name, SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)).expect("started");
    for row in 0..5000_u64 {
        let timestamp = 81_000_000_000 + row * 20_000_000;
        writeln!(zip, "{timestamp}\t{}\t{}\t9.81", row % 97, row % 89).expect("written");
    }
    zip.finish().expect("a zip").into_inner()
}

/// A run as the app records it: names and bytes.
fn run_of_the_field() -> Vec<(String, Vec<u8>)> {
    let suffix = "7_2026-11-20T09:20+0000_9774d56d682e549c";
    let mut files: Vec<_> = ["accelerometer", "gyroscope", "magnetic_field"]
        .iter()
        .map(|sensor| (format!("android_sensor_{sensor}_{suffix}.zip"), sensor_zip(&format!("android_sensor_{sensor}_{suffix}.csv"))))
        .collect();
    let meta =
        r#"{"tf_model":"net.tflite","app_version":"1.4","date":"2026-11-20T09:20:00Z","start_time_stamp":81000000000,"run_number":7}"#;
    let video: Vec<_> = (0..3_000_000_u32).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) >> 24).expect("a byte")).collect();
    for (name, bytes) in [
        (format!("hand_wash_time_stamps_{suffix}.csv"), b"81200000000\n81900000000\n".to_vec()),
        (format!("battery_{suffix}.csv"), b"81000000000\t98\n".to_vec()),
        (format!("evaluation_{suffix}.csv"), b"81000000000\tyes\t0\t3\t2\n".to_vec()),
        (format!("marker_time_stamps_{suffix}.csv"), Vec::new()),
        (format!("metaInfo_{suffix}.json"), meta.into()),
        (format!("ffmpeg_{suffix}.mkv"), video),
    ] {
        files.push((name, bytes));
    }
    files
}

#[tokio::test]
async fn a_run_of_the_field_goes_the_whole_way_from_the_handshake_to_the_zip() {
    let house = House::start().await;
    let (mut wrist, researcher) = (Wrist::new(), house.researcher());
    let files = run_of_the_field();
    for (name, bytes) in &files {
        wrist.record("run_7", name, bytes);
    }
    let app = wrist.start_round(&house.url(""));
    until("the app has asked, and asked again", async || app.steps("handshake").iter().any(|step| step.body.contains("pending"))).await;
    assert_eq!(app.steps("handshake")[0].body, r#"{"status":"new","msg":"created request"}"#);
    researcher.grant(IDENTIFIER).await;
    let app = app.finish().await;
    wrist.check_nothing_is_lost(&house);
    assert_eq!(app.statuses(), vec![200; files.len()], "{:?}", app.steps("upload").last());
    assert_eq!((app.posts(), wrist.left()), (files.len(), 0));
    for step in app.steps("upload") {
        let receipt: serde_json::Value = serde_json::from_str(&step.body).expect("json");
        assert_eq!(receipt["status"], format!("success, uploaded {}", receipt["name"].as_str().expect("a name")));
    }
    let mut expected: Vec<_> = files.iter().map(|(name, bytes)| (name.replace(':', "_"), sha256(bytes))).collect();
    expected.sort();
    assert_eq!(researcher.zip_contents(&wrist.uuid("run_7")).await, expected);
    assert!(house.incoming().is_empty());
}

#[tokio::test]
async fn two_runs_get_a_dataset_each_and_a_second_round_brings_what_is_new() {
    let house = House::start().await;
    let mut wrist = Wrist::let_in(&house).await;
    for run in ["run_1", "run_2"] {
        wrist.record(run, "a.csv", run.as_bytes());
    }
    assert_eq!(wrist.round(&house.url(""), &house).await.statuses(), [200, 200]);
    wrist.record("run_1", "b.csv", b"late");
    let app = wrist.round(&house.url(""), &house).await;
    assert_eq!((app.statuses(), app.steps("handshake").len(), app.steps("dataset").len()), (vec![200], 0, 0));
    assert_ne!(wrist.uuid("run_1"), wrist.uuid("run_2"));
    let late = [("a.csv".to_owned(), sha256(b"run_1")), ("b.csv".to_owned(), sha256(b"late"))];
    assert_eq!(house.researcher().zip_contents(&wrist.uuid("run_1")).await, late);
}

#[tokio::test]
async fn names_that_okhttp_escapes_or_sends_as_they_are_arrive_and_stay_apart() {
    let house = House::start().await;
    let mut wrist = Wrist::let_in(&house).await;
    // OkHttp sends a quote as %22: the first two leave the watch under one name, with different bytes.
    let names = ["a\"b.csv", "a%22b.csv", "größe 東京.csv", "back\\slash.csv", "new\nline.csv", "semi;colon=.csv", "100%.csv", "+ &.csv"];
    for name in names {
        wrist.record("run_1", name, name.as_bytes());
    }
    let app = wrist.round(&house.url(""), &house).await;
    assert_eq!((app.statuses(), wrist.left()), (vec![200; names.len()], 0));
    let researcher = house.researcher();
    let dataset = researcher.dataset(&wrist.uuid("run_1")).await;
    let files = dataset["file_list"].as_array().expect("files");
    assert_eq!(files.len(), names.len(), "{dataset}");
    for file in files {
        let answer = researcher.get(file["address"].as_str().expect("an address")).await;
        assert_eq!(sha256(&answer.bytes().await.expect("whole")), file["sha256"], "{file}");
    }
    for name in ["größe 東京.csv", "semi;colon=.csv", "100%.csv", "+ &.csv"] {
        let file = files.iter().find(|file| file["name"] == name).unwrap_or_else(|| panic!("no {name}: {dataset}"));
        assert_eq!(file["sha256"], sha256(name.as_bytes()), "{name}");
    }
}

#[tokio::test]
async fn a_file_that_the_house_has_is_acknowledged_again() {
    let house = House::start().await;
    let mut wrist = Wrist::with_one_file(&house, b"1").await;
    assert_eq!(wrist.round(&house.url(""), &house).await.statuses(), [200]);
    wrist.record("run_1", "a.csv", b"1");
    let app = wrist.round(&house.url(""), &house).await;
    assert_eq!((app.statuses(), wrist.left()), (vec![200], 0));
    assert_eq!(house.researcher().files(UUID).await.len(), 1);
}

#[tokio::test]
async fn a_file_whose_answer_was_lost_is_kept_and_acknowledged_in_the_next_round() {
    let house = House::start().await;
    let wrist = Wrist::with_one_file(&house, b"1").await;
    let link = Link::to(house.address, Fault::LoseAnswer).await;
    let app = wrist.round(&link.url(), &house).await;
    assert_eq!((app.statuses(), wrist.left()), (vec![0], 1));
    let app = wrist.round(&house.url(""), &house).await;
    assert_eq!((app.statuses(), wrist.left()), (vec![200], 0));
    assert_eq!(house.researcher().files(UUID).await, [("a.csv".to_owned(), sha256(b"1"))]);
}

#[tokio::test]
async fn a_file_whose_upload_was_cut_is_kept_and_leaves_nothing_behind() {
    let house = House::start().await;
    let wrist = Wrist::with_one_file(&house, &vec![7; LARGE]).await;
    let link = Link::to(house.address, Fault::Cut(1 << 20)).await;
    let app = wrist.round(&link.url(), &house).await;
    assert_eq!((app.statuses(), wrist.left()), (vec![0], 1));
    until("the house has cleared up", async || house.incoming().is_empty()).await;
    assert!(digests_in(&house).is_empty());
}

/// Runs a round that the house refuses with `status`: once with a small file, and once with one so large that the app still
/// sends when the house has answered. It keeps both, and sends neither twice.
async fn is_refused(house: &House, wrist: &mut Wrist, status: u16) {
    for size in [1, LARGE] {
        wrist.record("run_1", "a.csv", &vec![7; size]);
        let app = wrist.round(&house.url(""), house).await;
        assert_eq!((app.posts(), wrist.left() > 0), (1, true), "{:?}", app.steps("sent"));
        assert_eq!(app.statuses(), [status], "with {size} bytes");
    }
    assert!(digests_in(house).is_empty() && house.incoming().is_empty());
}

#[tokio::test]
async fn a_revoked_watch_keeps_its_file() {
    let house = House::start().await;
    let mut wrist = Wrist::with_one_file(&house, b"1").await;
    let researcher = house.researcher();
    let devices = researcher.json("/api/v1/devices").await;
    let device = devices[0]["id"].as_str().unwrap_or_else(|| panic!("no device: {devices}")).to_owned();
    assert_eq!(researcher.post(&format!("/api/v1/devices/{device}/revoke")).await, 204);
    is_refused(&house, &mut wrist, 401).await;
    assert_eq!(researcher.post(&format!("/api/v1/devices/{device}/restore")).await, 204);
    assert_eq!(wrist.round(&house.url(""), &house).await.statuses(), [200]);
}

#[tokio::test]
async fn a_watch_that_meets_a_full_door_keeps_its_file() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.uploads_at_once = 1).await;
    let mut wrist = Wrist::with_one_file(&house, b"1").await;
    let other = house.watch("another watch").await;
    let mut under_way = TcpStream::connect(house.address).await.expect("a connection");
    let head = format!(
        "POST /recording/new/?uuid={UUID} HTTP/1.1\r\nHost: house\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n",
        other.token
    );
    under_way.write_all(head.as_bytes()).await.expect("sent");
    let no_file = || other.request("POST", &format!("/recording/new/?uuid={UUID}"));
    until("the one place is taken", async || no_file().send().await.expect("an answer").status() == 503).await;
    is_refused(&house, &mut wrist, 503).await;
    drop(under_way);
    until("the place is free", async || wrist.round(&house.url(""), &house).await.statuses() == [200]).await;
}

#[tokio::test]
async fn a_file_that_is_too_large_is_kept() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.max_upload_mib = 1).await;
    let mut wrist = Wrist::let_in(&house).await;
    // Without a uuid the app asks for one first. OkHttp would send a body again whose kept connection is reset.
    wrist.record("run_1", "a.csv", &vec![7; LARGE]);
    let app = wrist.round(&house.url(""), &house).await;
    assert_eq!((app.statuses(), app.posts(), wrist.left()), (vec![413], 1, 1), "{:?}", app.steps("upload"));
    assert!(digests_in(&house).is_empty() && house.incoming().is_empty());
}

#[tokio::test]
async fn a_stalled_upload_is_refused_and_not_sent_again_at_once() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.stall_seconds = 1).await;
    let wrist = Wrist::with_one_file(&house, &vec![7; 50_000]).await;
    let link = Link::to(house.address, Fault::Stall(10_000)).await;
    let app = wrist.round(&link.url(), &house).await;
    assert_eq!((app.statuses(), app.posts(), wrist.left()), (vec![408], 1, 1), "{:?}", app.steps("upload"));
    assert_eq!(link.uploads(), 1);
    assert!(digests_in(&house).is_empty() && house.incoming().is_empty());
}

#[tokio::test]
async fn a_stopped_house_takes_no_file() {
    let mut house = House::start().await;
    let wrist = Wrist::with_one_file(&house, b"1").await;
    house.stop().await;
    let app = wrist.round(&house.url(""), &house).await;
    assert_eq!((app.statuses(), wrist.left()), (vec![0], 1));
    let house = House::reopen(Arc::clone(&house.folder), house.config.clone()).await;
    assert_eq!(wrist.round(&house.url(""), &house).await.statuses(), [200]);
}

#[tokio::test]
async fn an_upload_that_a_redirect_makes_a_get_is_refused() {
    let house = House::start().await;
    let wrist = Wrist::with_one_file(&house, b"1").await;
    for status in [301, 302, 303] {
        let link = Link::to(house.address, Fault::Redirect(status)).await;
        let app = wrist.round(&link.url(), &house).await;
        let sent: Vec<_> = app.steps("sent").into_iter().map(|step| step.status).collect();
        assert_eq!((sent, app.statuses(), wrist.left()), (vec!["POST".to_owned(), "GET".to_owned()], vec![400], 1), "{status}");
    }
    assert!(digests_in(&house).is_empty());
}

#[tokio::test]
async fn an_upload_that_meets_a_307_or_308_goes_nowhere_and_is_kept() {
    let house = House::start().await;
    let wrist = Wrist::with_one_file(&house, b"1").await;
    for status in [307, 308] {
        let link = Link::to(house.address, Fault::Redirect(status)).await;
        let app = wrist.round(&link.url(), &house).await;
        assert_eq!((app.steps("sent").len(), app.statuses(), wrist.left()), (1, vec![status], 1));
    }
}

#[tokio::test]
async fn whichever_step_of_the_disk_fails_the_app_deletes_only_what_is_safe() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let mut wrist = Wrist::let_in(&house).await;
    let mut refused = 0;
    for failing in 0.. {
        // A run of its own each time, so that its folder must be made, too.
        let run = format!("run_{failing:02}");
        wrist.record(&run, "a.csv", run.as_bytes());
        let step = AtomicUsize::new(0);
        disk.before(move |call| {
            let fails = is_on_the_way_in(call) && step.fetch_add(1, Ordering::SeqCst) == failing;
            if fails { Err(std::io::Error::other("a bad disk")) } else { Ok(()) }
        });
        let first = wrist.round(&house.url(""), &house).await.statuses();
        disk.before(|_| Ok(()));
        if first == [200] {
            break;
        }
        refused += 1;
        assert_eq!((first, wrist.left()), (vec![500], 1), "step {failing}");
        assert_eq!(wrist.round(&house.url(""), &house).await.statuses(), [200], "step {failing}, again");
    }
    assert!(refused >= 5, "the steps of an upload: {refused}");
    assert_eq!(wrist.left(), 0);
}

/// A step for a file that comes in; what is done for zips is not an upload's concern, nor is clearing up.
fn is_on_the_way_in(call: &Call) -> bool {
    let path = match call {
        Call::Remove(_) => return false,
        Call::Create(path) | Call::Write(path, _) | Call::SyncFile(path) | Call::SyncFolder(path) | Call::CreateFolder(path) => path,
        Call::Rename(_, to) => to,
    };
    !path.components().any(|part| matches!(part.as_os_str().to_str(), Some("zips" | "rolling")))
}
