//! Names as sent are bounded: long ones are cut, and stay what they are for duplicates, privacy and extensions.

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{House, Nginx, Program, sha256};

const MIB: u64 = 1 << 20;

fn long(end: &str) -> String {
    format!("{}{end}", "n".repeat(60_000))
}

/// How a long name is kept.
fn cut(name: &str) -> String {
    let extension = &name[name.rfind('.').expect("an extension")..];
    format!("{}{extension}{}", &name[..1024 - 16 - extension.len()], &sha256(name.as_bytes())[..16])
}

#[tokio::test]
async fn a_name_of_60_kb_is_cut_and_its_file_is_known_again_and_one_that_differs_after_the_cut_is_another_file() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let device = house.watch("w").await;
    for device in [device.clone(), nginx.watch(&device)] {
        let uuid = device.new_dataset().await;
        let (one, other) = (long("1.csv"), long("2.csv"));
        let first = device.upload(&uuid, &one, "a").await;
        assert_eq!(first["name"], cut(&one));
        let stored = first["stored_as"].as_str().expect("stored");
        assert!(stored.len() == 200 && stored.ends_with("nn.csv"), "{stored}");
        let again = device.upload(&uuid, &one, "a").await;
        assert_eq!((&again["new"], &again["name"], &again["stored_as"]), (&false.into(), &first["name"], &first["stored_as"]));
        let second = device.upload(&uuid, &other, "a").await;
        assert_eq!((&second["new"], &second["name"]), (&true.into(), &Value::from(cut(&other))));
        assert_ne!(second["stored_as"], first["stored_as"]);
        let listed = house.researcher().dataset(&uuid).await;
        let names: Vec<_> = listed["file_list"].as_array().expect("files").iter().map(|file| &file["sent_name"]).collect();
        assert_eq!(names, [&first["name"], &second["name"]]);
    }
}

#[tokio::test]
async fn a_cut_name_keeps_its_extension_for_privacy_and_quarantine() {
    let house = House::start().await;
    let (device, other) = (house.watch("w").await, house.watch("other").await);
    let uuid = device.new_dataset().await;
    device.upload(&uuid, &long(".3gp"), "a voice").await;
    let (operator, researcher) = (house.researcher(), house.researcher().without_power());
    assert_eq!((operator.files(&uuid).await.len(), researcher.files(&uuid).await.len()), (1, 0));
    // Another device's dataset: in quarantine.
    assert_eq!(other.upload(&uuid, &long("b.3gp"), "a voice").await["quarantined"], true);
    let held = operator.json("/api/v1/quarantine").await["files"][0].clone();
    assert_eq!(researcher.json("/api/v1/quarantine").await["files"], serde_json::json!([]));
    let id = held["id"].as_str().expect("an id");
    assert_eq!(operator.post(&format!("/api/v1/quarantine/{id}/release")).await, 204);
    assert_eq!((operator.files(&uuid).await.len(), researcher.files(&uuid).await.len()), (2, 0));
    assert_eq!(device.upload(&uuid, &long(".exe"), "1").await["quarantined"], true);
}

#[tokio::test]
async fn empty_files_with_long_names_take_little_room_in_catalog_and_memory() {
    const FILES: usize = 1000;
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let device = program.researcher().let_in("w").await;
    let uuid = device.new_dataset().await;
    let before = program.peak_memory();
    let uploads = (0..FILES).map(|number| {
        let (device, uuid) = (device.clone(), uuid.clone());
        async move { device.upload(&uuid, &long(&format!("{number}.csv")), "").await }
    });
    let names: Vec<_> = stream::iter(uploads).buffer_unordered(8).map(|receipt| receipt["name"].to_string()).collect().await;
    assert_eq!(names.len(), FILES);
    let viewers = (0..6).map(|_| {
        let (researcher, uuid) = (program.researcher(), uuid.clone());
        async move {
            let page = researcher.get(&format!("/recording/{uuid}/")).await;
            assert_eq!(page.status(), 200);
            assert!(page.text().await.expect("a page").len() < 2 << 20);
            assert_eq!(researcher.dataset(&uuid).await["files"], FILES);
        }
    });
    futures_util::future::join_all(viewers).await;
    let catalog: u64 = ["catalog.sqlite", "catalog.sqlite-wal"]
        .map(|name| std::fs::metadata(folder.path().join("uploads/.house").join(name)).map_or(0, |found| found.len()))
        .iter()
        .sum();
    println!("{FILES} files: catalog {} MiB, memory {} MiB, {} MiB before", catalog / MIB, program.peak_memory() / MIB, before / MIB);
    assert!(catalog < 48 * MIB, "{} MiB of catalog", catalog / MIB);
    assert!(program.peak_memory() - before < 48 * MIB, "{} MiB", program.peak_memory() / MIB);
}
