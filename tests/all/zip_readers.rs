//! A dataset's zip opens whole with what people have: Python, unzip, and Java, which reads it as a stream.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use tempfile::TempDir;
use wearhouse::ids::FileName;

use crate::support::{House, java, sha256};

/// Reads each zip whole and prints a line of JSON for each of its entries.
const PYTHON: &str = r"
import calendar, hashlib, json, sys, zipfile
for path in sys.argv[1:]:
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        for entry in file.infolist():
            content = file.read(entry)
            print(json.dumps({'zip': path, 'name': entry.filename, 'size': entry.file_size, 'crc': entry.CRC,
                'sha256': hashlib.sha256(content).hexdigest(), 'seconds': calendar.timegm(entry.date_time),
                'deflated': entry.compress_type == zipfile.ZIP_DEFLATED}))
";

/// An entry, as Python reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Entry {
    zip: String,
    name: String,
    size: u64,
    crc: u32,
    sha256: String,
    /// Its time as if it were UTC.
    seconds: i64,
    deflated: bool,
}

/// What a command prints. Panics with what it complains about, if it does.
pub fn output(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C.UTF-8").output().expect("a command: ./scripts/test installs it");
    let text = String::from_utf8(output.stdout).expect("utf-8");
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// All entries of some zips, in their order, checked by Python.
fn python(zips: &[PathBuf]) -> Vec<Entry> {
    let text = output(Command::new("python3").args(["-X", "utf8", "-c", PYTHON]).args(zips));
    text.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
}

/// Reads a zip with everything that is here. They must agree, and find each name once.
pub fn read_everywhere(zip: &Path) -> Vec<Entry> {
    let tested = output(Command::new("unzip").arg("-t").arg(zip));
    assert!(tested.contains("No errors detected"), "{tested}");
    let entries = python(&[zip.to_owned()]);
    let streamed: Vec<_> = output(java("ReadZip").arg(zip)).lines().map(str::to_owned).collect();
    let listed: Vec<_> = entries.iter().map(|entry| format!("{}\t{}\t{}", entry.name, entry.size, entry.crc)).collect();
    assert_eq!(streamed, listed, "streamed from the start, and by the directory");

    let folder = TempDir::new().expect("a folder");
    output(Command::new("unzip").arg("-q").arg(zip).arg("-d").arg(folder.path()));
    for entry in &entries {
        assert_eq!(sha256(&std::fs::read(folder.path().join(&entry.name)).expect("unpacked")), entry.sha256, "{}", entry.name);
    }
    check_no_duplicates(&entries);
    entries
}

fn check_no_duplicates(entries: &[Entry]) {
    let mut names: Vec<_> = entries.iter().map(|entry| (&entry.zip, &entry.name)).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), entries.len(), "each name once: {entries:?}");
}

/// Names and digests, sorted.
pub fn contents(entries: &[Entry]) -> BTreeMap<String, String> {
    entries.iter().map(|entry| (entry.name.clone(), entry.sha256.clone())).collect()
}

/// Downloads a dataset's zip into a folder.
async fn download(house: &House, uuid: &str, folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, house.researcher().zip(uuid).await).expect("written");
    path
}

/// Where a stored file lies.
fn path_of(house: &House, uuid: &str, stored_as: &str) -> PathBuf {
    house.layout().file(uuid.parse().expect("a uuid"), &FileName::from_stored(stored_as).expect("a stored name"))
}

/// Files as a study brings them: name as sent, name in the zip, bytes.
fn files() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let table = "81000000000\t0.12\t9.81\t-0.07\n".repeat(100_000).into_bytes();
    let noise = |size: u32| (0..size).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect::<Vec<_>>();
    vec![
        ("acc_7_2026-11-20T09:20+0000.csv", "acc_7_2026-11-20T09_20+0000.csv", table),
        ("ffmpeg.mkv", "ffmpeg.mkv", noise(3_000_000)),
        ("größe 東京 🕐.csv", "größe 東京 🕐.csv", b"1\t2\n".to_vec()),
        ("empty.csv", "empty.csv", Vec::new()),
        ("empty.mkv", "empty.mkv", Vec::new()),
        ("netz_größe.tflite", "tf_models/netz_größe.tflite", noise(70_000)),
        ("metaInfo.json", "metaInfo.json", br#"{"run_number":7}"#.to_vec()),
        ("tiny.zip", "tiny.zip", noise(1)),
        ("ffmpeg.mkv", "ffmpeg~2.mkv", noise(5000)),
    ]
}

#[tokio::test]
async fn a_zip_rolled_file_by_file_and_one_made_anew_open_whole_everywhere_and_hold_the_same() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let (uuid, folder, aside) = (watch.new_dataset().await, TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let written = serde_json::json!({"revision": 0, "title": "Größe", "description": "東京"});
    house.researcher().request("PATCH", &format!("/api/v1/datasets/{uuid}")).json(&written).send().await.expect("an answer");
    let mut expected = BTreeMap::from([("README.md".to_owned(), sha256("# Größe\n\n東京\n".as_bytes()))]);
    let mut hidden = Vec::new();
    for (sent, name, bytes) in files() {
        let receipt = watch.upload(&uuid, sent, bytes.clone()).await;
        expected.insert(name.to_owned(), sha256(&bytes));
        let rolled = download(&house, &uuid, &folder, "rolled.zip").await;
        assert_eq!(contents(&python(&[rolled])), expected);
        // What is in the zip is taken from the last one: the next roll cannot read it from its file.
        let stored = path_of(&house, &uuid, receipt["stored_as"].as_str().expect("a name"));
        let put_aside = aside.path().join(hidden.len().to_string());
        std::fs::rename(&stored, &put_aside).expect("there");
        hidden.push((put_aside, stored));
    }
    let rolled = read_everywhere(&folder.path().join("rolled.zip"));

    for (put_aside, stored) in hidden {
        std::fs::rename(put_aside, stored).expect("there");
    }
    std::fs::remove_file(house.config.storage.uploads.join(format!("zips/{uuid}.zip"))).expect("a zip");
    let rebuilt = read_everywhere(&download(&house, &uuid, &folder, "rebuilt.zip").await);

    assert_eq!(contents(&rolled), expected);
    let mut same: Vec<_> = rebuilt.into_iter().map(|entry| Entry { zip: rolled[0].zip.clone(), ..entry }).collect();
    let mut rolled = rolled;
    rolled.sort();
    same.sort();
    assert_eq!(rolled, same, "both ways give the same entries");
    let is_text = |entry: &Entry| {
        Path::new(&entry.name).extension().is_some_and(|extension| ["csv", "json", "md"].iter().any(|text| extension == *text))
    };
    assert!(rolled.iter().all(|entry| entry.deflated == is_text(entry)), "text is deflated, the rest stored: {rolled:?}");
}

#[tokio::test]
async fn an_entry_bears_the_time_when_its_file_arrived_in_utc() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let (uuid, folder) = (watch.new_dataset().await, TempDir::new().expect("a folder"));
    let mut zip = PathBuf::new();
    for name in ["a.csv", "b.mkv", "c.onnx"] {
        watch.upload(&uuid, name, name).await;
        zip = download(&house, &uuid, &folder, "rolled.zip").await;
    }
    let received: BTreeMap<_, _> = house.researcher().dataset(&uuid).await["file_list"]
        .as_array()
        .expect("files")
        .iter()
        .map(|file| (file["name"].as_str().expect("a name").to_owned(), file["received_at"].as_i64().expect("milliseconds")))
        .collect();
    let entries = read_everywhere(&zip);
    assert_eq!(entries.len(), received.len());
    for entry in entries {
        let received = received[entry.name.trim_start_matches("tf_models/")];
        assert!((entry.seconds * 1000 - received).abs() <= 2000, "{entry:?} was received at {received}");
    }
}

#[tokio::test]
async fn every_zip_fetched_while_files_arrive_is_whole_and_holds_what_was_acknowledged_before() {
    const WATCHES: usize = 4;
    const FILES: usize = 25;
    let house = House::start().await;
    let watch = house.watch("w").await;
    let (uuid, folder) = (watch.new_dataset().await, TempDir::new().expect("a folder"));
    watch.upload(&uuid, "first.csv", "first").await;
    let mut arriving = tokio::task::JoinSet::new();
    for number in 0..WATCHES {
        let (watch, uuid) = (watch.clone(), uuid.clone());
        arriving.spawn(async move {
            for file in 0..FILES {
                watch.upload(&uuid, &format!("{number}_{file}.csv"), format!("{number} {file}")).await;
            }
        });
    }
    let mut fetched: Vec<(PathBuf, usize)> = Vec::new();
    let researcher = house.researcher();
    while !arriving.is_empty() {
        let acknowledged = researcher.files(&uuid).await.len();
        fetched.push((download(&house, &uuid, &folder, &format!("{}.zip", fetched.len())).await, acknowledged));
        while let Some(ended) = arriving.try_join_next() {
            ended.expect("no panic");
        }
    }
    let last = download(&house, &uuid, &folder, "last.zip").await;
    assert_eq!(read_everywhere(&last).len(), 1 + WATCHES * FILES);
    let entries = python(&fetched.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>());
    check_no_duplicates(&entries);
    for (path, acknowledged) in &fetched {
        let held = entries.iter().filter(|entry| Path::new(&entry.zip) == path).count();
        assert!(held >= *acknowledged, "{} holds {held} of {acknowledged} files", path.display());
    }
}
