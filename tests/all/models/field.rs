//! The three addresses of the app in the field (`wire.md`, 4).

use serde_json::{Value, json};

use super::{give, onnx, publish, settings, told};
use wearhouse::storage::RealDisk;

use crate::support::{House, java, raw_get, sha256};

/// Each of the three addresses, asked for under an Android id.
fn addresses(android_id: &str) -> [String; 3] {
    ["check/latest", "get/latest", "get/settings"].map(|what| format!("/tfmodel/{what}/?androidid={android_id}"))
}

/// The head of an answer as it came over the wire, and the body.
async fn fetched(house: &House, path: &str) -> (String, Vec<u8>) {
    let answer = raw_get(house.address, path.as_bytes(), false).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    let (head, _) = answer.text.split_once("\r\n\r\n").expect("a head");
    let body = reqwest::get(house.url(path)).await.expect("an answer").bytes().await.expect("a body");
    (head.to_owned(), body.to_vec())
}

/// What the app takes for the name of a file: whatever stands behind `filename=`, to the end of the header.
fn name_in(head: &str) -> &str {
    let line = head.lines().find(|line| line.to_lowercase().starts_with("content-disposition:")).expect("a disposition");
    assert!(line["content-disposition:".len()..].trim_start().starts_with("attachment; filename="), "{line}");
    line.split_once("filename=").expect("a name").1
}

/// Names with dots, with spaces, with letters of other scripts, and with what a header could trip over.
const NAMES: [&str; 6] =
    ["hands.onnx", "hands v1.2 (final).onnx", "Hände waschen.v2.onnx", "手洗い.onnx", "a;b=c,'d'.onnx", "filename=.onnx"];

#[tokio::test]
async fn the_file_comes_under_the_very_name_that_the_check_says() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[9774d56d682e549c]").await;
    for name in NAMES {
        let id = publish(&researcher, name).await;
        give(&researcher, json!({"to": "everyone", "model": id})).await;
        assert_eq!(told(&house, "9774d56d682e549c").await.as_deref(), Ok(name));
        let (head, body) = fetched(&house, "/tfmodel/get/latest/?androidid=9774d56d682e549c").await;
        assert_eq!((name_in(&head), sha256(&body)), (name, sha256(&onnx(name))));
        let (head, body) = fetched(&house, "/tfmodel/get/settings/?androidid=9774d56d682e549c").await;
        assert_eq!((name_in(&head), serde_json::from_slice::<Value>(&body).expect("json")), ("settings.json", settings()));
    }
}

#[tokio::test]
async fn the_apps_own_library_reads_each_name_as_it_was_published() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[9774d56d682e549c]").await;
    for name in NAMES {
        give(&researcher, json!({"to": "everyone", "model": publish(&researcher, name).await})).await;
        let mut app = java("Model");
        app.args([&house.url(""), "9774d56d682e549c"]);
        let output = tokio::task::spawn_blocking(move || app.output().expect("java")).await.expect("no panic");
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        let lines: Vec<_> = said.lines().collect();
        let [check, latest, last] = lines[..] else { panic!("{said}{}", String::from_utf8_lossy(&output.stderr)) };
        assert_eq!(serde_json::from_str::<Value>(check).expect("json"), json!({"activeModel": name}));
        assert_eq!(latest, format!("{name}\tonnx\t{}", sha256(&onnx(name))));
        assert!(last.starts_with("settings.json\tjson\t"), "{last}");
    }
}

#[tokio::test]
async fn only_devices_that_are_let_in_are_told_unless_models_are_public() {
    let mut house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[aaaa]").await;
    for android_id in ["aaaa", "bbbb", ""] {
        assert_eq!(told(&house, android_id).await, Err(404), "nothing is published: {android_id}");
    }
    let id = publish(&researcher, "hands.onnx").await;
    assert_eq!(told(&house, "aaaa").await, Err(404), "it is given to nobody yet");
    give(&researcher, json!({"to": "everyone", "model": id})).await;
    for (android_id, status) in [("aaaa", 200), ("bbbb", 404), ("", 404), ("kitchen[aaaa]", 404)] {
        for address in addresses(android_id) {
            assert_eq!(reqwest::get(house.url(&address)).await.expect("an answer").status(), status, "{address}");
        }
    }
    let device = super::device(&researcher, "kitchen[aaaa]").await;
    assert_eq!(researcher.post(&format!("/api/v1/devices/{device}/revoke")).await, 204);
    assert_eq!(told(&house, "aaaa").await, Err(404), "a device that is revoked is told nothing any more");

    house = house.restart_with(|config| config.models.public = true).await;
    for android_id in ["aaaa", "bbbb", ""] {
        assert_eq!(told(&house, android_id).await.as_deref(), Ok("hands.onnx"), "{android_id}");
    }
    let old_app = reqwest::get(house.url("/tfmodel/get/latest/")).await.expect("an answer");
    assert_eq!(old_app.bytes().await.expect("a file"), onnx("hands.onnx"));
}

#[tokio::test]
async fn who_asks_in_the_name_of_a_watch_uses_up_nothing_of_its_own() {
    let house = House::start_with(std::sync::Arc::new(RealDisk), |config| config.limits.device_per_minute = 5).await;
    let watch = house.watch("kitchen[aaaa]").await;
    let researcher = house.researcher();
    give(&researcher, json!({"to": "everyone", "model": publish(&researcher, "hands.onnx").await})).await;
    let mut refused = false;
    for _ in 0..20 {
        refused |= told(&house, "aaaa").await == Err(429);
    }
    assert!(refused, "questions are counted");
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
}
