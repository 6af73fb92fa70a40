//! A device or a participant is forgotten, with everything that came of it.

use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{LONG_AGO, lines, recording, rows, text};
use crate::support::{House, Watch, head, part, read_answer, until};

async fn is_in(watch: &Watch) -> bool {
    watch.request("GET", "/recording/new/").send().await.expect("an answer").status() == 200
}

/// A query for everything that is said of a device.
fn said_of(id: &str) -> String {
    let given = "COALESCE(app_version, '') || COALESCE(hardware, '') || COALESCE(last_upload_at, '') || COALESCE(last_used_at, '')";
    format!("SELECT identifier || name || note || {given} || COALESCE(collected_at, '') AS c FROM devices WHERE id = '{id}'")
}

#[tokio::test]
async fn a_device_is_forgotten_with_the_last_of_its_recordings_and_its_old_token_never_comes_back() {
    let house = House::start().await;
    let (watch, other) = (house.watch("ada's watch[9774d56d682e549c]").await, house.watch("other").await);
    let (uuid, kept) = (recording(&house, &watch).await, recording(&house, &other).await);
    let researcher = house.researcher();
    researcher.poll("ada's watch[9774d56d682e549c]").await;
    for statement in [
        "UPDATE devices SET name = 'Ada', note = 'of Ada', app_version = '1', hardware = 'x', last_upload_at = 1 WHERE identifier LIKE 'ada%'",
        "INSERT INTO audit (at, who, action, subject, detail) SELECT 1, 'admin', 'edited', id, 'Ada' FROM devices WHERE name = 'Ada'",
        "INSERT INTO settled SELECT 'silent', id || '@5', 1, 'admin' FROM devices WHERE name = 'Ada'",
        "INSERT INTO participants (id, label, created_at) VALUES ('67e55044-10b1-426f-9247-bb680e5fe0c8', 'P01', 1)",
        "INSERT INTO spans SELECT 's', '67e55044-10b1-426f-9247-bb680e5fe0c8', id, 1, NULL FROM devices WHERE name = 'Ada'",
    ] {
        house.change_catalog(statement).await;
    }
    let devices = researcher.json("/api/v1/devices").await;
    let id = devices.as_array().expect("devices").iter().find(|device| device["android_id"] == "9774d56d682e549c").expect("it")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    assert_eq!(researcher.post(&format!("/device/{id}/forget")).await, 303);
    assert!(!is_in(&watch).await && is_in(&other).await);
    assert_eq!(researcher.json("/api/v1/requests").await, serde_json::json!([]));
    assert_eq!(researcher.json("/api/v1/devices").await.as_array().expect("devices").len(), 1);
    let trash = text(&researcher, "/trash/").await;
    assert!(trash.contains(&uuid) && !trash.contains(&kept) && trash.contains("Ada"), "its name stays as long as what came of it");
    assert_eq!((&lines(&house)[0]["what"], &lines(&house)[0]["generation"]), (&"device-forgotten".into(), &1.into()));

    house.change_catalog(LONG_AGO).await;
    let house = house.restart_with(|_| {}).await;
    let said = said_of(&id);
    until("nothing is said of it", async || rows(&house, &said).await == ["forgotten"]).await;
    for left in ["audit WHERE detail <> '' AND subject", "spans WHERE device", "credentials WHERE device", "datasets WHERE device"] {
        assert!(rows(&house, &format!("SELECT 1 AS c FROM {left} = '{id}'")).await.is_empty(), "{left}");
    }
    assert!(rows(&house, "SELECT subject AS c FROM settled").await.is_empty());
    assert_eq!(
        rows(&house, &format!("SELECT generation || ' ' || files || ' ' || datasets AS c FROM devices WHERE id = '{id}'")).await,
        ["1 0 0"]
    );
    let (researcher, watch) = (house.researcher(), watch.at(&house.url("")));
    assert!(!is_in(&watch).await);
    // It may ask as any other.
    let anew = researcher.let_in("ada's watch[9774d56d682e549c]").await;
    assert!(is_in(&anew).await && !is_in(&watch).await);
    assert_eq!(researcher.json("/api/v1/devices").await.as_array().expect("devices").len(), 2);
    assert_eq!(rows(&house, &format!("SELECT generation || COALESCE(forgotten_at, '') AS c FROM devices WHERE id = '{id}'")).await, ["2"]);
    let house = house.restart_with(|_| {}).await;
    assert!(is_in(&anew.at(&house.url(""))).await, "the ledger speaks of the one before");
    assert_eq!(house.researcher().post("/api/v1/devices/00000000000000000000000000000000/forget").await, 404);
}

#[tokio::test]
async fn a_device_without_recordings_is_forgotten_at_once_also_in_a_catalog_that_was_lost() {
    let mut house = House::start().await;
    let watch = house.watch("ada").await;
    let researcher = house.researcher();
    let id = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/forget")).await, 204);
    assert_eq!(rows(&house, "SELECT identifier AS c FROM devices").await, ["forgotten"]);
    house.stop().await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", house.layout().catalog().display()));
    }
    let house = house.start_again().await;
    assert!(!is_in(&watch.at(&house.url(""))).await);
    assert_eq!(house.researcher().json("/api/v1/devices").await, serde_json::json!([]));
}

#[tokio::test]
async fn a_participant_goes_with_the_last_of_its_recordings() {
    const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let house = House::start().await;
    let watch = house.watch("w").await;
    let (uuid, other) = (recording(&house, &watch).await, recording(&house, &watch).await);
    for statement in [
        "INSERT INTO participants (id, label, created_at) VALUES ('67e55044-10b1-426f-9247-bb680e5fe0c8', 'P01', 1)",
        "INSERT INTO spans SELECT 's', '67e55044-10b1-426f-9247-bb680e5fe0c8', id, 1, NULL FROM devices",
        "UPDATE datasets SET participant = '67e55044-10b1-426f-9247-bb680e5fe0c8' WHERE number = 1",
        "INSERT INTO audit (at, who, action, subject, detail) SELECT 1, 'admin', 'assigned', id, '67e55044-10b1-426f-9247-bb680e5fe0c8: worn' \
         FROM (SELECT id FROM devices UNION SELECT id FROM participants)",
    ] {
        house.change_catalog(statement).await;
    }
    let researcher = house.researcher();
    assert_eq!(researcher.post(&format!("/api/v1/participants/{ID}/forget")).await, 204);
    let worn = "SELECT detail AS c FROM audit WHERE detail LIKE '%worn%'";
    assert!(rows(&house, worn).await.is_empty(), "not even while its label is there");
    assert!(!text(&researcher, "/recording/list/").await.contains("P01"));
    assert!(rows(&house, "SELECT id AS c FROM spans").await.is_empty());
    assert_eq!(rows(&house, "SELECT label AS c FROM participants").await, ["P01"]);
    let trash = text(&researcher, "/trash/").await;
    assert!(trash.contains(&uuid) && !trash.contains(&other));
    house.change_catalog(LONG_AGO).await;
    house.change_catalog("UPDATE forgotten_spans SET kept_until = 1").await;
    let house = house.restart_with(|_| {}).await;
    until("it is gone", async || rows(&house, "SELECT label AS c FROM participants").await.is_empty()).await;
    assert_eq!(house.researcher().zip_contents(&other).await.len(), 3);
    assert_eq!(house.researcher().post(&format!("/participant/{ID}/forget")).await, 404);
}

#[tokio::test]
async fn a_device_that_is_forgotten_is_not_let_in_again_by_its_old_page() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = recording(&house, &watch).await;
    let researcher = house.researcher();
    let id = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/forget")).await, 204);
    // What is restored leads to its page still.
    assert_eq!(researcher.post(&format!("/trash/{uuid}/restore")).await, 303);
    for way in ["restore", "revoke"] {
        assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/{way}")).await, 409, "{way}");
    }
    let describe = researcher.request("PATCH", &format!("/api/v1/devices/{id}")).json(&serde_json::json!({"name": "forgotten"}));
    assert_eq!(describe.send().await.expect("an answer").status(), 409);
    let participant = researcher.request("POST", "/api/v1/participants").json(&serde_json::json!({"label": "P01"}));
    let participant: serde_json::Value = participant.send().await.expect("an answer").json().await.expect("JSON");
    let spans = format!("/api/v1/participants/{}/spans", participant["id"].as_str().expect("an id"));
    let wear = researcher.request("POST", &spans).json(&serde_json::json!({"device": id, "from": "2024-03-01"}));
    assert_eq!(wear.send().await.expect("an answer").status(), 400);
    assert!(rows(&house, "SELECT name AS c FROM devices WHERE name <> '' UNION SELECT id FROM spans").await.is_empty());
    assert!(!is_in(&watch).await, "nobody sees it in a list, and nobody could shut it out");
    let page = format!("/device/{id}/");
    let forgotten = text(&researcher, &page).await;
    assert!(forgotten.contains("<p class=\"warning\">Forgotten") && !forgotten.contains("et it in again"), "{forgotten}");
    assert!(!forgotten.contains("/describe"), "{forgotten}");
    assert!(["restore", "revoke", "end-older-tokens"].iter().all(|way| !forgotten.contains(&format!("{page}{way}"))), "{forgotten}");
    assert_eq!(researcher.json(&format!("/api/v1/devices/{id}")).await["forgotten"], true);
    assert_eq!((lines(&house).len(), rows(&house, "SELECT action AS c FROM audit WHERE action = 'let in again'").await.len()), (1, 0));
    let anew = researcher.let_in("w").await;
    let page = text(&researcher, &page).await;
    assert!(page.contains("/revoke\"") && !page.contains("Forgotten"), "{page}");
    for way in ["revoke", "restore"] {
        assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/{way}")).await, 204, "{way}");
    }
    assert!(is_in(&anew).await);
}

#[tokio::test]
async fn what_a_watch_brings_later_of_the_time_of_a_forgotten_participant_goes_into_the_trash() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let researcher = house.researcher();
    let added = researcher.request("POST", "/api/v1/participants").json(&serde_json::json!({"label": "P01"}));
    let added: serde_json::Value = added.send().await.expect("an answer").json().await.expect("JSON");
    let path = format!("/api/v1/participants/{}", added["id"].as_str().expect("an id"));
    let span = serde_json::json!({"device": "w", "from": "2024-03-01", "until": "2024-03-05"});
    let wear = researcher.request("POST", &format!("{path}/spans")).json(&span).send().await.expect("an answer");
    assert_eq!(wear.status(), 201);
    assert_eq!(researcher.post(&format!("{path}/forget")).await, 204);
    let (late, others) = (watch.new_dataset().await, watch.new_dataset().await);
    for (uuid, date) in [(&late, "2024-03-05T12:00:00Z"), (&others, "2024-03-06T12:00:00Z")] {
        watch.upload(uuid, "metaInfo_7.json", format!("{{\"date\": \"{date}\", \"run_number\": 7}}")).await;
    }
    until("it is in the trash", async || researcher.json("/api/v1/trash").await["datasets"][0]["uuid"] == *late).await;
    until("both are read", async || rows(&house, "SELECT 1 AS c FROM datasets WHERE described = changes").await.len() == 2).await;
    let listed = text(&researcher, "/recording/list/").await;
    assert!(listed.contains(&others) && !listed.contains(&late));
    assert_eq!(researcher.json("/api/v1/trash").await["datasets"].as_array().expect("datasets").len(), 1);
}

/// Its page can be open still. A span of it would keep its row, and whoever erased anything would be told of a failure for ever.
#[tokio::test]
async fn a_participant_that_is_forgotten_gets_nothing_more() {
    const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let house = House::start().await;
    let watch = house.watch("w").await;
    let (uuid, other) = (recording(&house, &watch).await, recording(&house, &watch).await);
    for statement in [
        "INSERT INTO participants (id, label, created_at) VALUES ('67e55044-10b1-426f-9247-bb680e5fe0c8', 'P01', 1)",
        "UPDATE datasets SET participant = '67e55044-10b1-426f-9247-bb680e5fe0c8' WHERE number = 1",
    ] {
        house.change_catalog(statement).await;
    }
    let researcher = house.researcher();
    assert_eq!(researcher.post(&format!("/api/v1/participants/{ID}/forget")).await, 204);
    let span = serde_json::json!({"device": "w", "from": "2024-03-01"});
    let span = researcher.request("POST", &format!("/api/v1/participants/{ID}/spans")).json(&span).send().await.expect("an answer");
    assert_eq!(span.status(), 404);
    let assign = researcher.request("PATCH", &format!("/api/v1/datasets/{other}")).json(&serde_json::json!({"participant": ID}));
    assert_eq!(assign.send().await.expect("an answer").status(), 400);
    let erase = researcher.request("DELETE", &format!("/api/v1/trash/{uuid}")).send().await.expect("an answer");
    assert_eq!(erase.status(), 204);
    assert!(rows(&house, "SELECT label AS c FROM participants").await.is_empty());
}

/// Its token was good when it began. What it brings is kept, as from any watch, and goes with all that the device has brought.
#[tokio::test]
async fn an_upload_that_is_under_way_when_its_device_is_forgotten_ends_in_the_trash() {
    const NOBODYS: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let house = House::start().await;
    let watch = house.watch("ada").await;
    let researcher = house.researcher();
    let id = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    let begun = part("name=\"file\"; filename=\"metaInfo_7.json\"", &format!("{{\"app_version\": \"1\"{}}}", " ".repeat(9000)));
    let rest = format!("Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}", begun.len() + "--B--\r\n".len());
    let mut upload = TcpStream::connect(house.address).await.expect("a connection");
    upload.write_all((head(&watch, &format!("?uuid={NOBODYS}"), &rest) + &begun).as_bytes()).await.expect("sent");
    until("it is under way", async || !house.incoming().is_empty()).await;
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/forget")).await, 204);
    assert_eq!(rows(&house, &said_of(&id)).await, ["forgotten"], "it has no recording yet");
    upload.write_all(b"--B--\r\n").await.expect("sent");
    assert_eq!(read_answer(&mut upload).await.status, 200);
    assert!(!text(&researcher, "/recording/list/").await.contains(NOBODYS));
    assert_eq!(researcher.json("/api/v1/trash").await["datasets"][0]["uuid"], NOBODYS);
    until("it is read", async || rows(&house, "SELECT 1 AS c FROM datasets WHERE described = changes").await.len() == 1).await;
    let erase = researcher.request("DELETE", &format!("/api/v1/trash/{NOBODYS}")).send().await.expect("an answer");
    assert_eq!(erase.status(), 204);
    assert_eq!(rows(&house, &said_of(&id)).await, ["forgotten"], "nor of what came late");
    assert!(!is_in(&watch).await);
}

#[tokio::test]
async fn the_label_of_a_participant_that_is_forgotten_is_free_at_once() {
    const ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = recording(&house, &watch).await;
    for statement in [
        "INSERT INTO participants (id, label, created_at) VALUES ('67e55044-10b1-426f-9247-bb680e5fe0c8', 'P01', 1)",
        "UPDATE datasets SET participant = '67e55044-10b1-426f-9247-bb680e5fe0c8'",
    ] {
        house.change_catalog(statement).await;
    }
    let researcher = house.researcher();
    let add = async |label: &str| {
        let request = researcher.request("POST", "/api/v1/participants").json(&serde_json::json!({"label": label, "note": ""}));
        request.send().await.expect("an answer")
    };
    assert_eq!(add("P01").await.status(), 409);
    assert_eq!(researcher.post(&format!("/api/v1/participants/{ID}/forget")).await, 204);
    let added = add("P01").await;
    assert_eq!(added.status(), 201);
    let added: serde_json::Value = added.json().await.expect("JSON");
    assert_eq!(add("P01").await.status(), 409, "it is another one's now");
    // What is restored is still told from the other one's, and found by what it is called now.
    assert_eq!(researcher.post(&format!("/trash/{uuid}/restore")).await, 303);
    assert_eq!(researcher.dataset(&uuid).await["participant"]["label"], "P01 (forgotten 67e55044)");
    until("it is found", async || {
        researcher.json("/api/v1/datasets?q=67e55044").await["datasets"].as_array().is_some_and(|found| found.len() == 1)
    })
    .await;
    // Another one may get it, too.
    assert_eq!(researcher.post(&format!("/api/v1/participants/{}/forget", added["id"].as_str().expect("an id"))).await, 204);
    house.change_catalog("UPDATE participants SET label = 'P01', forgotten_at = 1").await;
    let other: serde_json::Value = add("P02").await.json().await.expect("JSON");
    let path = format!("/api/v1/participants/{}", other["id"].as_str().expect("an id"));
    let relabel = researcher.request("PATCH", &path).json(&serde_json::json!({"label": "P01"})).send().await.expect("an answer");
    assert_eq!(relabel.status(), 200);
}
