//! What a watch brings in good order is kept, under a name that every system can bear, and acknowledged with a receipt.

use serde_json::json;

use crate::support::{House, sha256, until};

#[tokio::test]
async fn a_file_is_stored_listed_zipped_and_acknowledged_with_its_digest() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let name = "battery_3_2026-11-20T09:20+0000_9774d56d682e549c.csv";
    let receipt = watch.upload(&uuid, name, "1\t98\n").await;
    let stored = "battery_3_2026-11-20T09_20+0000_9774d56d682e549c.csv";
    let expected = json!({
        "status": format!("success, uploaded {name}"), "uuid": uuid, "name": name, "stored_as": stored,
        "size": 5, "sha256": sha256(b"1\t98\n"), "new": true,
    });
    assert_eq!(receipt, expected);
    let path = house.config.storage.uploads.join("recordings").join(&uuid).join(stored);
    assert_eq!(std::fs::read(path).expect("the file"), b"1\t98\n");
    let researcher = house.researcher();
    assert_eq!(researcher.files(&uuid).await, [(stored.to_owned(), sha256(b"1\t98\n"))]);
    assert_eq!(researcher.zip_contents(&uuid).await, [(stored.to_owned(), sha256(b"1\t98\n"))]);
    assert!(house.incoming().is_empty());
}

#[tokio::test]
async fn the_same_file_again_is_acknowledged_and_kept_once() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    let again = watch.upload(&uuid, "a.csv", "1").await;
    assert_eq!((&again["new"], &again["stored_as"]), (&json!(false), &json!("a.csv")));
    assert_eq!(house.researcher().files(&uuid).await.len(), 1);
    assert_eq!(house.researcher().dataset(&uuid).await["files"], 1);
}

#[tokio::test]
async fn the_same_file_again_is_stored_again_where_it_has_gone_from_the_disk() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    let path = house.config.storage.uploads.join("recordings").join(&uuid).join("a.csv");
    std::fs::remove_file(&path).expect("there");
    watch.upload(&uuid, "a.csv", "1").await;
    assert_eq!(std::fs::read(&path).expect("there again"), b"1");
}

#[tokio::test]
async fn the_same_file_again_is_stored_beside_a_damaged_one_and_zipped_under_its_new_name() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    house.researcher().zip(&uuid).await;
    let path = house.config.storage.uploads.join("recordings").join(&uuid).join("a.csv");
    std::fs::write(&path, "damaged").expect("there");
    assert_eq!(watch.upload(&uuid, "a.csv", "1").await["stored_as"], "a~2.csv");
    assert_eq!(house.researcher().zip_contents(&uuid).await, [("a~2.csv".to_owned(), sha256(b"1"))]);
    assert_eq!(std::fs::read(&path).expect("there"), b"damaged");
}

/// To say that it is here would tell a stranger what another device's dataset holds.
#[tokio::test]
async fn the_same_file_from_another_device_is_not_acknowledged_as_the_owners() {
    let house = House::start().await;
    let (owner, other) = (house.watch("owner").await, house.watch("other").await);
    let uuid = owner.new_dataset().await;
    owner.upload(&uuid, "a.csv", "1").await;
    let receipt = other.upload(&uuid, "a.csv", "1").await;
    assert_eq!((&receipt["new"], &receipt["quarantined"], receipt.get("stored_as")), (&json!(true), &json!(true), None));
}

#[tokio::test]
async fn another_file_of_the_same_name_is_stored_beside_it() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    for (name, bytes, stored) in [
        ("a.csv", "1", "a.csv"),
        ("a.csv", "2", "a~2.csv"),
        ("A.CSV", "3", "A~3.CSV"),
        ("a:.csv", "4", "a_.csv"),
        ("a*.csv", "4", "a_~2.csv"),
    ] {
        assert_eq!(watch.upload(&uuid, name, bytes).await["stored_as"], stored);
    }
}

#[tokio::test]
async fn names_that_mean_something_in_a_zip_are_never_given() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    assert_eq!(watch.upload(&uuid, "x.csv", "1").await["stored_as"], "x.csv");
    for name in ["README.md", "tf_models"] {
        assert_eq!(watch.upload(&uuid, name, "1").await["quarantined"], true);
    }
    let researcher = house.researcher();
    let held = researcher.json("/api/v1/quarantine").await;
    for file in held["files"].as_array().expect("files") {
        assert_eq!(researcher.post(&format!("/api/v1/quarantine/{}/release", file["id"].as_str().expect("an id"))).await, 204);
    }
    let names: Vec<_> = researcher.files(&uuid).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["README~2.md", "tf_models~2", "x.csv"]);
}

#[tokio::test]
async fn a_model_goes_into_its_own_folder_and_under_tf_models_in_the_zip() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    watch.upload(&uuid, "net.tflite", "2").await;
    assert!(house.config.storage.uploads.join("tf_models").join(&uuid).join("net.tflite").exists());
    let names: Vec<_> = house.researcher().zip_contents(&uuid).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.csv", "tf_models/net.tflite"]);
}

#[tokio::test]
async fn a_uuid_that_nobody_issued_is_adopted() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    assert_eq!(watch.upload(&uuid.to_uppercase(), "a.csv", "1").await["uuid"], uuid);
    assert_eq!(house.researcher().files(uuid).await.len(), 1);
    assert!(house.researcher().json("/api/v1/devices").await[0]["last_used_at"].is_i64());
}

#[tokio::test]
async fn an_unlisted_extension_and_a_foreign_dataset_are_acknowledged_and_quarantined() {
    let house = House::start().await;
    let (owner, other) = (house.watch("owner").await, house.watch("other").await);
    let uuid = owner.new_dataset().await;
    let receipt = owner.upload(&uuid, "a.exe", "1").await;
    assert_eq!((&receipt["quarantined"], receipt.get("stored_as")), (&json!(true), None));
    assert_eq!(owner.upload(&uuid, "a.exe", "1").await["new"], false);
    assert_eq!(other.upload(&uuid, "b.csv", "2").await["quarantined"], true);
    let researcher = house.researcher();
    assert!(researcher.files(&uuid).await.is_empty());
    assert_eq!(researcher.get(&format!("/uploads/zips/{uuid}.zip")).await.status(), 404);
    let held = researcher.json("/api/v1/quarantine").await;
    assert_eq!(held["total"], 2);
    let id = |name: &str| {
        let file = held["files"].as_array().expect("files").iter().find(|file| file["sent_name"] == name).expect("held").clone();
        (file["id"].as_str().expect("an id").to_owned(), file["reason"].clone())
    };
    let ((exe, exe_reason), (csv, csv_reason)) = (id("a.exe"), id("b.csv"));
    assert_eq!((exe_reason, csv_reason), (json!("extension"), json!("foreign dataset")));
    assert_eq!(researcher.get(&format!("/uploads/.house/quarantine/{exe}")).await.status(), 403);
    assert_eq!(researcher.post(&format!("/api/v1/quarantine/{exe}/discard")).await, 204);
    assert_eq!(researcher.post(&format!("/api/v1/quarantine/{csv}/release")).await, 204);
    assert_eq!(researcher.post(&format!("/api/v1/quarantine/{csv}/release")).await, 404);
    assert_eq!(researcher.zip_contents(&uuid).await, [("b.csv".to_owned(), sha256(b"2"))]);
    assert_eq!(researcher.json("/api/v1/quarantine").await["total"], 0);
    assert!(std::fs::read_dir(house.layout().house().join("quarantine")).expect("a folder").next().is_none());
}

#[tokio::test]
async fn a_full_quarantine_is_on_one_page_each_and_a_decision_comes_back_to_its_page() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.exe", "1").await;
    // Many came at the same time: a page ends between them.
    house
        .change_catalog(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 449) \
             INSERT INTO files (id, dataset, device, sent_name, size, sha256, crc32, received_at, state, held) \
             SELECT printf('00000000-0000-7000-8000-%012x', i * 7919 % 1009), dataset, device, 'b.exe', 1, sha256, crc32, i / 90, 'placed', held \
             FROM n, files",
        )
        .await;
    let researcher = house.researcher();
    let (mut found, mut pages, mut next) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = researcher.json(&format!("/api/v1/quarantine?after={next}")).await;
        assert_eq!(page["total"], 450);
        found.extend(page["files"].as_array().expect("files").iter().map(|file| (file["received_at"].as_i64(), file["id"].to_string())));
        let Some(key) = page["next"].as_str() else { break };
        key.clone_into(&mut next);
        pages.push(next.clone());
        assert!(pages.len() < 5, "the pages do not end");
    }
    let mut each = found.clone();
    each.sort();
    each.reverse();
    each.dedup();
    assert_eq!((pages.len(), found.len()), (2, 450));
    assert!(found == each, "the newest first, and each once");
    let page = researcher.get(&format!("/quarantine/?after={}", pages[0])).await.text().await.expect("text");
    let next = format!("rel=\"next\" href=\"/quarantine/?after={}\"", pages[1]);
    assert!(page.contains(&next) && page.contains("450 files") && page.contains("First page"), "{page}");
    let discard = page.split("action=\"").map(|rest| rest.split('"').next().unwrap_or_default()).find(|step| step.contains("/discard"));
    let answer = researcher.request("POST", discard.expect("a form")).send().await.expect("an answer");
    assert_eq!(answer.headers()["location"], format!("/quarantine/?after={}#discarded", pages[0]));
    assert_eq!(researcher.get("/quarantine/?after=nonsense").await.status(), 400);
}

#[tokio::test]
async fn what_arrives_and_what_is_released_is_zipped_before_anybody_asks() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuids = [watch.new_dataset().await, watch.new_dataset().await];
    watch.upload(&uuids[0], "a.csv", "1").await;
    watch.upload(&uuids[1], "a.exe", "1").await;
    let zips = uuids.map(|uuid| house.layout().zip(uuid.parse().expect("a uuid")));
    until("the zip is there", async || zips[0].exists()).await;
    // After a restart nothing but the release can bring the roller to the other dataset.
    let house = house.restart_with(|_| {}).await;
    let id = house.researcher().json("/api/v1/quarantine").await["files"][0]["id"].as_str().expect("an id").to_owned();
    assert!(!zips[1].exists());
    assert_eq!(house.researcher().post(&format!("/api/v1/quarantine/{id}/release")).await, 204);
    until("the other zip is there", async || zips[1].exists()).await;
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    assert_eq!(watch.upload(&uuid, "marker.csv", "").await["size"], 0);
    assert_eq!(house.researcher().zip_contents(&uuid).await, [("marker.csv".to_owned(), sha256(b""))]);
}

#[tokio::test]
async fn a_file_laid_there_by_hand_is_never_overwritten() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("a.csv"), "by hand").expect("a file");
    assert_eq!(watch.upload(&uuid, "a.csv", "1").await["stored_as"], "a~2.csv");
    assert_eq!(std::fs::read(folder.join("a.csv")).expect("there"), b"by hand");
    assert_eq!(std::fs::read(folder.join("a~2.csv")).expect("there"), b"1");
    for (stem, most) in [("b", 3), ("c", 20)] {
        for name in (2..=most).map(|n| format!("{stem}~{n}.csv")).chain([format!("{stem}.csv")]) {
            std::fs::write(folder.join(name), "by hand").expect("a file");
        }
    }
    assert_eq!(watch.upload(&uuid, "b.csv", "1").await["stored_as"], "b~4.csv");
    let random = watch.upload(&uuid, "c.csv", "1").await["stored_as"].as_str().expect("a name").to_owned();
    assert!(random.starts_with("c~") && random.len() == "c~.csv".len() + 8, "{random}");
}
