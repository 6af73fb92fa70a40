//! The ledger outlives the catalog: what a backup brings back goes again, and who was shut out stays out.

use std::{path::Path, process::Command};

use sqlx::Executor;

use super::{delete, lines, recording, rows, status, text};
use crate::support::{House, Program, Watch, list, until};

/// Copies catalog and files as they are, as an operator does.
async fn back_up(house: &House, to: &Path) {
    let statement = format!("VACUUM INTO '{}'", to.join("catalog.sqlite").display());
    house.catalog().await.execute(sqlx::AssertSqlSafe(statement)).await.expect("copied");
    for folder in ["recordings", "tf_models", "zips", ".house/quarantine"] {
        std::fs::create_dir_all(to.join(folder)).expect("a folder");
        let from = house.config.storage.uploads.join(folder).join(".");
        assert!(Command::new("cp").arg("-r").arg(from).arg(to.join(folder)).status().expect("cp").success());
    }
}

/// Puts it back. The ledger stays as it is.
fn put_back(from: &Path, house: &House) {
    lose_catalog(house);
    assert!(Command::new("cp").arg("-r").arg(from.join(".")).arg(&house.config.storage.uploads).status().expect("cp").success());
    std::fs::rename(house.config.storage.uploads.join("catalog.sqlite"), house.layout().catalog()).expect("moved");
}

fn lose_catalog(house: &House) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", house.layout().catalog().display()));
    }
}

async fn is_in(watch: &Watch) -> bool {
    watch.request("GET", "/recording/new/").send().await.expect("an answer").status() == 200
}

#[tokio::test]
async fn what_a_backup_brings_back_is_erased_again_and_what_a_watch_still_brings_is_held() {
    let mut house = House::start().await;
    let watch = house.watch("w").await;
    let (uuid, other) = (recording(&house, &watch).await, recording(&house, &watch).await);
    let backup = tempfile::TempDir::new().expect("a folder");
    back_up(&house, backup.path()).await;
    let researcher = house.researcher();
    delete(&researcher, &uuid).await;
    assert_eq!(researcher.request("DELETE", &format!("/api/v1/trash/{uuid}")).send().await.expect("an answer").status(), 204);
    house.stop().await;
    put_back(backup.path(), &house);
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    assert!(folder.join("acc.csv").exists());

    let house = house.start_again().await;
    let (researcher, watch) = (house.researcher(), watch.at(&house.url("")));
    researcher.wait_until_up().await;
    assert_eq!(status(&researcher, &format!("/uploads/zips/{uuid}.zip")).await, 404);
    assert!(!text(&researcher, "/recording/list/").await.contains(&uuid), "not for a moment");
    until("it is gone again", async || {
        !folder.exists() && rows(&house, &format!("SELECT uuid AS c FROM datasets WHERE uuid = '{uuid}'")).await.is_empty()
    })
    .await;
    assert_eq!((lines(&house).len(), researcher.zip_contents(&other).await.len()), (1, 3));

    let receipt = watch.upload(&uuid, "late.csv", "late").await;
    assert_eq!((&receipt["quarantined"], receipt.get("stored_as")), (&true.into(), None));
    assert_eq!(watch.upload(&uuid, "late.csv", "late").await["new"], false, "the same once more");
    let held = researcher.json("/api/v1/quarantine").await["files"][0].clone();
    assert_eq!((&held["reason"], &held["explanation"]), (&"erased".into(), &"its recording was erased; it can only be discarded".into()));
    let id = held["id"].as_str().expect("an id");
    let release = researcher.request("POST", &format!("/api/v1/quarantine/{id}/release")).send().await.expect("an answer");
    assert_eq!((release.status().as_u16(), release.text().await.expect("text").contains("it can only be discarded")), (409, true));
    let page = text(&researcher, "/quarantine/").await;
    assert!(!page.contains(&format!("/quarantine/{id}/release")) && page.contains(&format!("/quarantine/{id}/discard")));
    for list in ["/recording/list/", "/trash/", "/api/v1/datasets", "/api/v1/trash"] {
        assert!(!text(&researcher, list).await.contains(&uuid), "{list}");
    }
    assert_eq!(status(&researcher, &format!("/recording/{uuid}/")).await, 404);
    let house = house.restart_with(|_| {}).await;
    let researcher = house.researcher();
    assert_eq!(researcher.json("/api/v1/quarantine").await["total"], 2, "a start keeps what is held, also of the other one");
    assert_eq!(researcher.post(&format!("/api/v1/quarantine/{id}/discard")).await, 204);
    assert_eq!(rows(&house, &format!("SELECT uuid AS c FROM datasets WHERE uuid = '{uuid}'")).await, [""; 0]);
    let counted = &researcher.json("/api/v1/devices").await[0];
    assert_eq!((&counted["datasets"], &counted["files"]), (&1.into(), &4.into()));
}

#[tokio::test]
async fn reindex_takes_up_nothing_that_was_erased_and_says_so() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let (uuid, other) = (watch.new_dataset().await, watch.new_dataset().await);
    for uuid in [&uuid, &other] {
        watch.upload(uuid, "a.csv", "1").await;
    }
    let researcher = program.researcher();
    delete(&researcher, &uuid).await;
    assert_eq!(researcher.request("DELETE", &format!("/api/v1/trash/{uuid}")).send().await.expect("an answer").status(), 204);
    drop(program);
    let recordings = folder.path().join("uploads/recordings");
    std::fs::create_dir(recordings.join(&uuid)).expect("a folder");
    std::fs::write(recordings.join(&uuid).join("a.csv"), "1").expect("restored");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("uploads/.house/catalog.sqlite{suffix}")));
    }
    let reindex = Command::new(env!("CARGO_BIN_EXE_wearhouse"))
        .args(["reindex", "--apply", "--config", "config.yml"])
        .current_dir(folder.path())
        .output()
        .expect("the program");
    let said = String::from_utf8_lossy(&reindex.stdout);
    assert!(said.contains(&format!("{uuid}; the server removes it at its next start")) && said.contains("not in the catalog"), "{said}");
    let program = Program::in_folder(folder.path()).start();
    let researcher = program.researcher();
    assert_eq!(researcher.files(&other).await.len(), 1);
    assert_eq!(status(&researcher, &format!("/api/v1/datasets/{uuid}")).await, 404);
    until("it is gone", async || list(&recordings).len() == 1).await;
}

#[tokio::test]
async fn who_was_shut_out_stays_out_when_the_catalog_is_lost_and_can_be_let_in_anew() {
    let mut house = House::start().await;
    let (good, bad, back) = (house.watch("good").await, house.watch("bad[1]").await, house.watch("back").await);
    let again = house.watch("again").await;
    let researcher = house.researcher();
    let devices = researcher.json("/api/v1/devices").await;
    let id = |name: &str| {
        let device = devices.as_array().expect("devices").iter().find(|device| device["alias"] == name).expect("the device");
        device["id"].as_str().expect("an id").to_owned()
    };
    for (name, action) in [("bad", "revoke"), ("back", "revoke"), ("back", "restore"), ("again", "revoke")] {
        assert_eq!(researcher.post(&format!("/api/v1/devices/{}/{action}", id(name))).await, 204);
    }
    // Let in anew, with a token of the next generation.
    let anew = researcher.let_in("again").await;
    assert!(!is_in(&bad).await && is_in(&back).await && is_in(&anew).await && !is_in(&again).await);
    let said: Vec<_> = lines(&house).iter().map(|line| format!("{} {} {}", line["by"], line["what"], line["generation"])).collect();
    let expected = ["revoked", "revoked", "restored", "revoked"].map(|what| format!("\"admin\" \"device-{what}\" 1"));
    assert_eq!(said, expected);
    house.stop().await;
    lose_catalog(&house);
    let house = house.start_again().await;
    let at = |watch: &Watch| watch.at(&house.url(""));
    assert!(is_in(&at(&good)).await && is_in(&at(&back)).await, "nobody walks to each watch");
    assert!(!is_in(&at(&bad)).await && !is_in(&at(&again)).await, "the ledger says who is shut out");
    assert!(is_in(&at(&anew)).await, "it was let in since");
    assert!(!is_in(&at(&again)).await);
    let anew = house.researcher().let_in("bad[1]").await;
    assert!(is_in(&anew).await && !is_in(&at(&bad)).await, "its old token stays dead");
}

/// The ledger is told first, and what it says counts, whatever becomes of the catalog behind it.
#[tokio::test]
async fn who_is_shut_out_is_out_at_once_also_where_the_catalog_cannot_be_written() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let researcher = house.researcher();
    let id = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    house
        .change_catalog(
            "CREATE TRIGGER refuse BEFORE UPDATE OF revoked_at ON devices BEGIN SELECT RAISE(ABORT, 'it cannot be written'); END",
        )
        .await;
    assert!(researcher.post(&format!("/api/v1/devices/{id}/revoke")).await.is_server_error());
    assert_eq!(lines(&house).len(), 1);
    assert!(!is_in(&watch).await);
    house.change_catalog("DROP TRIGGER refuse").await;
    let house = house.restart_with(|_| {}).await;
    let (researcher, watch) = (house.researcher(), watch.at(&house.url("")));
    assert!(!is_in(&watch).await && researcher.json("/api/v1/devices").await[0]["revoked_at"].is_number());
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/restore")).await, 204);
    assert!(is_in(&watch).await);
}

#[tokio::test]
async fn who_was_revoked_before_there_was_a_ledger_is_written_down_at_the_start() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    house.change_catalog("UPDATE devices SET revoked_at = 1").await;
    let mut house = house.restart_with(|_| {}).await;
    house.researcher().wait_until_up().await;
    assert_eq!((lines(&house).len(), &lines(&house)[0]["what"]), (1, &"device-revoked".into()));
    house.stop().await;
    lose_catalog(&house);
    let house = house.start_again().await;
    assert!(!is_in(&watch.at(&house.url(""))).await);
}

/// All watches would wait, and what a changed line hides is gone either way.
#[tokio::test]
async fn with_a_broken_ledger_it_serves_and_says_so_at_each_start() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let ledger = folder.path().join("uploads/.house/ledger.jsonl");
    let program = Program::in_folder(folder.path()).start();
    let researcher = program.researcher();
    let (first, second) = (researcher.let_in("first").await, researcher.let_in("second").await);
    for device in researcher.json("/api/v1/devices").await.as_array().expect("devices") {
        assert_eq!(researcher.post(&format!("/api/v1/devices/{}/revoke", device["id"].as_str().expect("an id"))).await, 204);
    }
    drop(program);
    let text = std::fs::read_to_string(&ledger).expect("the ledger");
    std::fs::write(&ledger, text.replacen("\"admin\"", "\"nobody\"", 1)).expect("changed");
    for _ in 0..2 {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("uploads/.house/catalog.sqlite{suffix}")));
        }
        let program = Program::in_folder(folder.path()).start();
        let researcher = program.researcher();
        let third = researcher.let_in("third").await;
        assert!(is_in(&third).await, "it serves");
        for watch in [&first, &second] {
            assert!(!is_in(&watch.at(researcher.base())).await, "what can be read counts");
        }
        let front = researcher.get("/").await.text().await.expect("text");
        assert!(front.contains("the ledger of what was erased and who was shut out is broken: line 2"), "{front}");
        until("it is logged", async || program.said().contains("is broken")).await;
    }
}
