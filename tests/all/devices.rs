//! Devices at the desk: found, named, and their tokens told apart.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{House, Researcher};

const LIST: &str = "/device/list/";

async fn id_of(researcher: &Researcher, identifier: &str) -> String {
    let devices = researcher.json("/api/v1/devices").await;
    let found = devices.as_array().expect("devices").iter().find(|device| device["identifier"] == identifier).cloned();
    found.unwrap_or_else(|| panic!("no {identifier}: {devices}"))["id"].as_str().expect("an id").to_owned()
}

async fn text(researcher: &Researcher, path: &str) -> String {
    let answer = researcher.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.expect("text")
}

async fn patch(researcher: &Researcher, id: &str, change: Value) -> Response {
    researcher.request("PATCH", &format!("/api/v1/devices/{id}")).json(&change).send().await.expect("an answer")
}

async fn describe(researcher: &Researcher, id: &str, body: &str) -> Response {
    let form = researcher.request("POST", &format!("/device/{id}/describe"));
    form.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned()).send().await.expect("an answer")
}

#[tokio::test]
async fn a_name_stands_wherever_the_alias_stood() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("kitchen[9774d56d682e549c]").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.exe", "1").await;
    researcher.poll("kitchen[9774d56d682e549c]").await;
    let id = id_of(&researcher, "kitchen[9774d56d682e549c]").await;
    let pages = [LIST, &format!("/device/{id}/"), "/recording/list/", &format!("/recording/{uuid}/"), "/quarantine/", "/tokenauth/check/"];
    for page in pages {
        assert!(text(&researcher, page).await.contains("<bdi>kitchen</bdi>"), "{page}");
    }
    // A form sent twice says the same twice.
    for _ in 0..2 {
        let answer = describe(&researcher, &id, "name=+W-07+&note=strap%0D%0Atorn&silent_hours=36").await;
        assert_eq!(
            (answer.status(), answer.headers()["location"].to_str().expect("text")),
            (StatusCode::SEE_OTHER, format!("{}#saved", pages[1]).as_str())
        );
    }
    for page in pages {
        assert!(text(&researcher, page).await.contains("<bdi>W-07</bdi>"), "{page}");
    }
    let device = researcher.json(&format!("/api/v1/devices/{id}")).await;
    assert_eq!((&device["name"], &device["watch"], &device["alias"]), (&json!("W-07"), &json!("W-07"), &json!("kitchen")));
    assert_eq!((&device["note"], &device["silent_hours"]), (&json!("strap\ntorn"), &json!(36)));
    assert_eq!(patch(&researcher, &id, json!({"name": ""})).await.json::<Value>().await.expect("json")["watch"], "kitchen");
    let device = patch(&researcher, &id, json!({"silent_hours": null})).await.json::<Value>().await.expect("json");
    assert_eq!((&device["note"], &device["silent_hours"]), (&json!("strap\ntorn"), &Value::Null));
    assert!(text(&researcher, pages[1]).await.contains("edited: <bdi>name, note, silence</bdi>"));
}

#[tokio::test]
async fn a_recording_is_found_by_the_new_name_of_its_watch() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("kitchen").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    let found = async |word: &str| researcher.json(&format!("/api/v1/datasets?q={word}")).await.to_string().contains(&uuid);
    crate::support::until("its words are read", async || found("kitchen").await).await;
    assert_eq!(patch(&researcher, &id_of(&researcher, "kitchen").await, json!({"name": "pantry"})).await.status(), 200);
    crate::support::until("the new name is read", async || found("pantry").await).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_sentence_and_changes_nothing() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("w").await;
    let id = id_of(&researcher, "w").await;
    assert_eq!(patch(&researcher, &id, json!({"name": "n", "note": "o", "silent_hours": 5})).await.status(), 200);
    let (long, longer) = ("x".repeat(10_000), "x".repeat(65));
    for bad in [
        json!({"name": long}),
        json!({"name": longer}),
        json!({"name": "a\nb"}),
        json!({"note": long}),
        json!({"silent_hours": 0}),
        json!({"silent_hours": 8761}),
        json!({"silent_hours": -1}),
        json!({"silent_hours": "soon"}),
        json!({"nam": "typo"}),
        json!("W-07"),
    ] {
        let answer = patch(&researcher, &id, bad.clone()).await;
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{bad}");
        assert_eq!(answer.status(), 400, "{bad}");
    }
    for bad in ["silent_hours=soon", "silent_hours=-1", "silent_hours=0", "silent_hours=99999999999999999999", "name=a%0Ab"] {
        assert_eq!(describe(&researcher, &id, bad).await.status(), 400, "{bad}");
    }
    let device = researcher.json(&format!("/api/v1/devices/{id}")).await;
    assert_eq!((&device["name"], &device["note"], &device["silent_hours"]), (&json!("n"), &json!("o"), &json!(5)));
    for unknown in ["00000000000000000000000000000000", "nonsense", "%00", &long] {
        assert_eq!(researcher.get(&format!("/device/{unknown}/")).await.status(), 404);
        assert_eq!(patch(&researcher, unknown, json!({"name": "n"})).await.status(), 404);
        assert_eq!(describe(&researcher, unknown, "name=n").await.status(), 404);
        for act in ["revoke", "restore", "end-older-tokens"] {
            assert_eq!(researcher.post(&format!("/device/{unknown}/{act}")).await, 404, "{act}");
        }
    }
    for query in ["state=odd", "after=nonsense", "after=1.", "after=1.x"] {
        assert_eq!(researcher.get(&format!("/api/v1/devices?{query}")).await.status(), 400, "{query}");
    }
}

#[tokio::test]
async fn tokens_are_told_apart_and_the_older_one_is_ended() {
    let house = House::start().await;
    let researcher = house.researcher();
    let first = house.watch("kitchen[9774d56d682e549c]").await;
    let second = house.watch("kitchen[9774d56d682e549c]").await;
    first.new_dataset().await;
    let id = id_of(&researcher, "kitchen[9774d56d682e549c]").await;
    let tokens = async || researcher.json(&format!("/api/v1/devices/{id}")).await["credentials"].clone();
    let before = tokens().await;
    assert_eq!((&before[0]["generation"], &before[0]["last_used_at"], &before[0]["good"]), (&json!(2), &Value::Null, &json!(true)));
    assert_eq!((&before[1]["generation"], &before[1]["good"]), (&json!(1), &json!(true)));
    assert!(before[1]["last_used_at"].is_i64() && before[0]["collected_at"].is_i64());
    assert_eq!(researcher.post(&format!("/device/{id}/end-older-tokens")).await, 303);
    let good = async || tokens().await.as_array().expect("tokens").iter().map(|token| token["good"] == true).collect::<Vec<_>>();
    assert_eq!(good().await, [true, false]);
    assert_eq!(researcher.post(&format!("/device/{id}/revoke")).await, 303);
    assert_eq!(good().await, [false, false]);
    assert!(text(&researcher, &format!("/device/{id}/")).await.contains("Revoked since"));
    assert_eq!(researcher.post(&format!("/device/{id}/restore")).await, 303);
    second.new_dataset().await;
    let page = text(&researcher, &format!("/device/{id}/")).await;
    let at = |what: &str| page.find(&format!(">{what}</td>")).unwrap_or_else(|| panic!("{what}: {page}"));
    assert!(at("let in again") < at("revoked") && at("revoked") < at("ended older tokens") && at("ended older tokens") < at("granted"));
    // What was in memory is written down at the end.
    let (folder, config, mut house) = (std::sync::Arc::clone(&house.folder), house.config.clone(), house);
    house.stop().await;
    let house = House::reopen(folder, config).await;
    let tokens = house.researcher().json(&format!("/api/v1/devices/{id}")).await["credentials"].clone();
    assert!(tokens[0]["last_used_at"].is_i64() && tokens[1]["last_used_at"].is_i64(), "{tokens}");
}

#[tokio::test]
async fn ten_thousand_devices_are_paged_searched_and_all_there() {
    let house = House::start().await;
    house.watch("the first").await;
    house
        .change_catalog(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
         INSERT INTO devices (id, identifier, created_at, generation, lowest_generation, name, revoked_at) \
         SELECT printf('%032x', i), printf('watch %d[%08x]', i, i), 1000 + i / 7, 1, 1, CASE i WHEN 77 THEN '100%_sure' ELSE '' END, \
         CASE WHEN i % 1000 = 0 THEN 5 END FROM n",
        )
        .await;
    let researcher = house.researcher();
    let (mut found, mut next) = (Vec::new(), Some("/api/v1/devices".to_owned()));
    while let Some(address) = next {
        let answer = researcher.get(&address).await;
        let link = answer.headers().get("link").map(|link| link.to_str().expect("text").to_owned());
        next = link.map(|link| link.trim_start_matches('<').trim_end_matches(">; rel=\"next\"").to_owned());
        let devices: Vec<Value> = answer.json().await.expect("json");
        assert!(devices.len() <= 1000);
        found.extend(devices.iter().map(|device| device["id"].as_str().expect("an id").to_owned()));
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 10_001);
    let page = text(&researcher, LIST).await;
    assert_eq!(page.matches("<td class=\"name\">").count(), 50);
    let next = page.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a next page");
    let second = text(&researcher, &next.replace("&amp;", "&").replace("&#38;", "&")).await;
    assert_eq!(second.matches("<td class=\"name\">").count(), 50);
    assert!(second.contains("First page"));
    let count = async |query: &str| researcher.json(&format!("/api/v1/devices?{query}")).await.as_array().map(Vec::len);
    for (query, number) in [
        ("q=WATCH+4711", 1),
        ("q=00001267", 1),
        ("q=100%25_sure", 1),
        ("q=%25", 1),
        ("q=_", 1),
        ("q=%5C", 0),
        ("q=%27", 0),
        ("state=revoked", 10),
        ("q=watch+1000%5B&state=revoked", 1),
        ("q=watch+1000%5B&state=in", 0),
    ] {
        assert_eq!(count(query).await, Some(number), "{query}");
    }
    assert!(text(&researcher, "/device/list/?q=nobody").await.contains("Nothing found."));
}
