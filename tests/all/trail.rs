//! What stands in the audit trail was done, to what it says, and says what.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::{House, Nginx, Researcher, Watch};

const NOWHERE: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// A recording with one file.
async fn recording(watch: &Watch) -> String {
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    uuid
}

/// The subjects and details of all that was done of one kind, the first first.
async fn trail(house: &House, action: &str) -> Vec<(String, String)> {
    let query = format!("SELECT subject, detail FROM audit WHERE action = '{action}' ORDER BY number");
    sqlx::query_as(AssertSqlSafe(query)).fetch_all(&mut house.catalog().await).await.expect("a trail")
}

fn of(uuids: &[&str], detail: &str) -> Vec<(String, String)> {
    uuids.iter().map(|uuid| ((*uuid).to_owned(), detail.to_owned())).collect()
}

async fn bulk(researcher: &Researcher, uuids: &[&str], act: &str) {
    let named = uuids.join("&uuid=");
    let form = researcher.request("POST", "/recording/bulk").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.body(format!("uuid={named}&act={act}")).send().await.expect("an answer").status(), 303, "{act}");
}

async fn patch(researcher: &Researcher, path: &str, change: Value) -> u16 {
    researcher.request("PATCH", path).json(&change).send().await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn only_what_is_another_thing_now_was_said() {
    let house = House::start().await;
    let (researcher, watch) = (house.researcher(), house.watch("w").await);
    let (one, two) = (recording(&watch).await, recording(&watch).await);
    let (first, second, all) = ([one.as_str()], [two.as_str()], [one.as_str(), two.as_str(), NOWHERE]);
    for (act, action, detail) in [
        ("tag&tag=t", "tagged", "t"),
        ("verdict&verdict=doubtful&reason=why", "judged", "doubtful: why"),
        ("participant&participant=none", "assigned", "to nobody"),
    ] {
        bulk(&researcher, &first, act).await;
        bulk(&researcher, &all, act).await;
        bulk(&researcher, &all, act).await;
        assert_eq!(trail(&house, action).await, [of(&first, detail), of(&second, detail)].concat(), "{act}");
    }
    bulk(&researcher, &first, "untag&tag=t").await;
    bulk(&researcher, &all, "untag&tag=t").await;
    assert_eq!(trail(&house, "untagged").await, [of(&first, "t"), of(&second, "t")].concat());
}

#[tokio::test]
async fn only_what_a_zip_of_many_holds_was_taken_home() {
    let house = House::start().await;
    let (researcher, watch) = (house.researcher(), house.watch("w").await);
    let (full, empty) = (recording(&watch).await, watch.new_dataset().await);
    let address = format!("/api/v1/datasets.zip?uuid={empty}&uuid={full}&uuid={NOWHERE}");
    assert_eq!(researcher.get(&address).await.status(), 200);
    assert_eq!(trail(&house, "downloaded").await, of(&[&full], "together"));
}

#[tokio::test]
async fn only_a_file_that_is_there_and_sent_was_taken_home() {
    for through_nginx in [false, true] {
        let house = House::start().await;
        let watch = house.watch("w").await;
        let uuid = recording(&watch).await;
        let nginx = Nginx::start(&house).await;
        let researcher = if through_nginx { nginx.researcher() } else { house.researcher() };
        for missing in [format!("recordings/{NOWHERE}/a.csv"), format!("recordings/{uuid}/b.csv"), format!("zips/{NOWHERE}.zip")] {
            assert_eq!(researcher.get(&format!("/uploads/{missing}")).await.status(), 404, "{missing}");
        }
        for there in [format!("/uploads/recordings/{uuid}/a.csv"), format!("/uploads/zips/{uuid}.zip")] {
            assert_eq!(researcher.request("HEAD", &there).send().await.expect("an answer").status(), 200, "{there}");
        }
        assert_eq!(trail(&house, "downloaded").await, [], "{through_nginx}");
        assert_eq!(researcher.get(&format!("/uploads/recordings/{uuid}/a.csv")).await.status(), 200);
        assert_eq!(trail(&house, "downloaded").await, of(&[&uuid], "a.csv"), "{through_nginx}");
    }
}

#[tokio::test]
async fn a_file_for_which_there_was_no_place_was_not_taken_home() {
    let disk = std::sync::Arc::new(wearhouse::storage::RealDisk);
    let house = House::start_with(disk, |config| config.limits.downloads_at_once = 0).await;
    let uuid = recording(&house.watch("w").await).await;
    assert_eq!(house.researcher().get(&format!("/uploads/recordings/{uuid}/a.csv")).await.status(), 503);
    assert_eq!(trail(&house, "downloaded").await, []);
}

#[tokio::test]
async fn of_what_is_edited_the_fields_that_are_other_ones_are_named() {
    let house = House::start().await;
    let (researcher, watch) = (house.researcher(), house.watch("w").await);
    let uuid = recording(&watch).await;
    let device = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    let added = researcher.request("POST", "/api/v1/participants").json(&json!({"label": "P01"})).send().await.expect("an answer");
    let added: Value = added.json().await.expect("json");
    let participant = added["id"].as_str().expect("an id").to_owned();
    for (path, change) in [
        (format!("devices/{device}"), json!({"name": "kitchen", "note": "torn"})),
        (format!("devices/{device}"), json!({"name": "kitchen", "silent_hours": 5})),
        (format!("devices/{device}"), json!({"name": "kitchen", "silent_hours": 5})),
        (format!("participants/{participant}"), json!({"note": "left-handed"})),
        (format!("participants/{participant}"), json!({"label": "P-1", "note": "left-handed"})),
        (format!("datasets/{uuid}"), json!({"revision": 0, "title": "Noon"})),
        (format!("datasets/{uuid}"), json!({"revision": 1, "title": "Noon", "description": "Sun"})),
        (format!("datasets/{uuid}"), json!({"revision": 2, "title": "Noon", "description": "Sun"})),
    ] {
        assert_eq!(patch(&researcher, &format!("/api/v1/{path}"), change).await, 200, "{path}");
    }
    let details: Vec<_> = trail(&house, "edited").await.into_iter().map(|(_, detail)| detail).collect();
    assert_eq!(details, ["added", "name, note", "silence", "note", "label", "title", "description"]);
    assert_eq!(researcher.dataset(&uuid).await["revision"], 2);
}

#[tokio::test]
async fn whose_a_recording_is_stands_there_by_id_and_is_shown_by_label_until_that_is_forgotten() {
    let house = House::start().await;
    let (researcher, watch) = (house.researcher(), house.watch("w").await);
    let (uuid, device) = (recording(&watch).await, researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned());
    let added = researcher.request("POST", "/api/v1/participants").json(&json!({"label": "P01"})).send().await.expect("an answer");
    let added: Value = added.json().await.expect("json");
    let id = added["id"].as_str().expect("an id").to_owned();
    assert_eq!(patch(&researcher, &format!("/api/v1/datasets/{uuid}"), json!({"participant": id})).await, 200);
    let span = researcher.request("POST", &format!("/api/v1/participants/{id}/spans")).json(&json!({"device": "w", "from": "2024-03-01"}));
    assert_eq!(span.send().await.expect("an answer").status(), 201);
    let text = async |path: &str| researcher.get(path).await.text().await.expect("text");
    let worn = "worn from 2024-03-01 on; recordings assigned anew: 0";
    for (path, shown) in [(format!("/recording/{uuid}/"), "P01".to_owned()), (format!("/device/{device}/"), format!("P01: {worn}"))] {
        assert!(text(&path).await.contains(&format!("assigned: <bdi>{shown}</bdi>")), "{path}");
        assert!(text(&format!("/audit/?subject={}", path.split('/').nth(2).expect("an id"))).await.contains(&shown), "{path}");
    }
    let stands = [of(&[&uuid], &id), of(&[&id, &device], &format!("{id}: {worn}"))].concat();
    assert_eq!(trail(&house, "assigned").await, stands);
    assert_eq!(patch(&researcher, &format!("/api/v1/datasets/{uuid}"), json!({"participant": "days"})).await, 200);
    assert_eq!(researcher.post(&format!("/participant/{id}/forget")).await, 303);
    let page = text(&format!("/recording/{uuid}/")).await;
    assert!(page.contains(&id) && page.contains("assigned: <bdi>as the days say</bdi>") && !page.contains("P01"), "{page}");
}
