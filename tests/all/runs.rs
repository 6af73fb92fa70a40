//! What a run says of itself, from the watch to the desk.

use serde_json::{Value, json};

use crate::support::{House, Researcher, Watch, until};

const MICROPHONE: &str = "recording_mic_7_2026-11-20T09:20+0000_9774d56d682e549c.zip";

/// Brings a run whose metaInfo says this number.
async fn bring(watch: &Watch, number: u64) -> String {
    let uuid = watch.new_dataset().await;
    let stem = |kind: &str| format!("{kind}_{number}_2026-11-{:02}T09:20+0000_9774d56d682e549c", 10 + number);
    let meta = json!({
        "date": format!("2026-11-{:02}T09:20:00Z", 10 + number),
        "start_time_stamp": 1_000_000_000_u64,
        "run_number": number,
        "app_version": "1.4",
        "tf_model": "wash.tflite",
    });
    watch.upload(&uuid, &format!("{}.json", stem("metaInfo")), meta.to_string()).await;
    watch.upload(&uuid, &format!("{}.csv", stem("battery")), "1000000000\t81\n3601000000000\t80\n").await;
    uuid
}

async fn found(researcher: &Researcher, query: &str) -> usize {
    researcher.json(&format!("/api/v1/datasets?{query}")).await["datasets"].as_array().expect("datasets").len()
}

#[tokio::test]
async fn a_run_says_when_it_was_which_it_is_and_what_recorded_it() {
    let house = House::start().await;
    let (watch, researcher) = (house.watch("kitchen[9774d56d682e549c]").await, house.researcher());
    let uuid = bring(&watch, 7).await;
    until("it is read", async || !researcher.dataset(&uuid).await["started_at"].is_null()).await;
    let dataset = researcher.dataset(&uuid).await;
    let said = ["started_at", "ended_at", "run_number", "app_version", "model"].map(|key| dataset[key].clone());
    let started = 1_794_907_200_000_i64;
    assert_eq!(said, [json!(started), json!(started + 3_600_000), json!(7), json!("1.4"), json!("wash.tflite")]);
    for query in ["app=1.4&model=wash.tflite", "q=wash", "from=2026-11-17&to=2026-11-17"] {
        assert_eq!(found(&researcher, query).await, 1, "{query}");
    }
    assert_eq!(found(&researcher, "from=2026-11-18").await, 0);
}

#[tokio::test]
async fn a_run_that_never_came_is_missed_until_it_comes() {
    let house = House::start().await;
    let (watch, researcher) = (house.watch("kitchen[9774d56d682e549c]").await, house.researcher());
    for number in [5, 6, 8] {
        bring(&watch, number).await;
    }
    let skipped = async || researcher.json("/api/v1/missing").await["skipped"].as_array().expect("runs").clone();
    until("run 7 is missed", async || skipped().await.len() == 1).await;
    let missed = skipped().await;
    assert_eq!([&missed[0]["first"], &missed[0]["last"], &missed[0]["name"]], [&json!(7), &json!(7), &Value::from("kitchen")]);
    bring(&watch, 7).await;
    until("run 7 has come", async || skipped().await.is_empty()).await;
}

#[tokio::test]
async fn what_is_missing_is_known_by_what_it_is_called_and_nothing_else_is() {
    let house = House::start().await;
    let (watch, researcher) = (house.watch("kitchen[9774d56d682e549c]").await, house.researcher());
    bring(&watch, 5).await;
    bring(&watch, 7).await;
    let missing = async || researcher.json("/api/v1/missing").await;
    until("run 6 is missed", async || missing().await["skipped"].as_array().map(Vec::len) == Some(1)).await;
    let known = async |kind: &str, subject: &Value| {
        let request = researcher.request("POST", "/api/v1/missing/known").json(&json!({"kind": kind, "subject": subject}));
        request.send().await.expect("an answer").status().as_u16()
    };
    let subject = missing().await["skipped"][0]["subject"].clone();
    for (kind, what, status) in [
        ("lost", &subject, 400),
        ("silent", &subject, 404),
        ("skipped", &json!("anything"), 404),
        ("skipped", &json!(""), 404),
        ("skipped", &json!(7), 400),
        ("skipped", &subject, 204),
        ("skipped", &subject, 404),
    ] {
        assert_eq!(known(kind, what).await, status, "{kind} {what}");
    }
    assert_eq!(missing().await["skipped"], json!([]));
    // A silence is called by its device and its beginning.
    house.change_catalog("UPDATE devices SET created_at = 1, last_upload_at = 5, silent_hours = 1").await;
    house.change_catalog("DELETE FROM settled").await;
    let house = house.restart_with(|_| {}).await;
    let researcher = house.researcher();
    until("it is silent", async || researcher.json("/api/v1/missing").await["silent"].as_array().map(Vec::len) == Some(1)).await;
    let silent = researcher.json("/api/v1/missing").await["silent"][0].clone();
    let form = format!("kind=silent&subject={}%405", silent["device"].as_str().expect("an id"));
    assert_eq!(silent["subject"], form.replace("%40", "@").replace("kind=silent&subject=", ""));
    for status in [303, 404] {
        let request = researcher.request("POST", "/missing/known").header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(request.body(form.clone()).send().await.expect("an answer").status(), status);
    }
    let mut catalog = house.catalog().await;
    let query = "SELECT who, subject, detail FROM audit WHERE action = 'settled' ORDER BY number";
    let trail: Vec<(String, String, String)> = sqlx::query_as(query).fetch_all(&mut catalog).await.expect("a trail");
    let line = |subject: &Value, kind: &str| ("admin".to_owned(), subject.as_str().expect("text").to_owned(), kind.to_owned());
    assert_eq!(trail, [line(&subject, "skipped"), line(&silent["subject"], "silent")]);
}

/// The index of words is written anew when the rule of privacy is another one, also while the server does not run.
#[tokio::test]
async fn what_is_kept_from_researchers_from_now_on_is_not_found_from_now_on() {
    let house = House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| config.privacy.sensitive.clear()).await;
    let watch = house.watch("kitchen[9774d56d682e549c]").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, MICROPHONE, "a voice").await;
    let researcher = house.researcher();
    until("it is found by its name", async || found(&researcher, "q=recording").await == 1).await;
    let house = house.restart_with(|config| config.privacy.sensitive = vec!["recording_mic*.zip".to_owned()]).await;
    let researcher = house.researcher();
    until("it is found no more", async || found(&researcher, "q=recording").await == 0).await;
    assert_eq!(found(&researcher, "q=kitchen").await, 1);
}
