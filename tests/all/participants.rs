//! Participants: who wore which watch on which days, and whose the recordings are by that.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{House, Researcher, Watch, until};

const ALL: &str = "/api/v1/participants";

async fn send(researcher: &Researcher, method: &str, path: &str, body: Value) -> Response {
    researcher.request(method, path).json(&body).send().await.expect("an answer")
}

async fn status(researcher: &Researcher, method: &str, path: &str, body: Value) -> u16 {
    send(researcher, method, path, body).await.status().as_u16()
}

/// A new participant's address in the interface.
async fn enrol(researcher: &Researcher, label: &str) -> String {
    let answer = send(researcher, "POST", ALL, json!({"label": label})).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let added: Value = answer.json().await.expect("json");
    format!("{ALL}/{}", added["id"].as_str().expect("an id"))
}

/// Says that a participant wore a device, and returns the span's address.
async fn wear(researcher: &Researcher, participant: &str, device: &str, from: &str, until: Option<&str>) -> String {
    let answer = send(researcher, "POST", &format!("{participant}/spans"), json!({"device": device, "from": from, "until": until})).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let enrolled: Value = answer.json().await.expect("json");
    let spans = enrolled["spans"].as_array().expect("spans");
    let span = spans.iter().find(|span| span["from"] == from).expect("the span");
    format!("{participant}/spans/{}", span["id"].as_str().expect("an id"))
}

/// A recording that began at this time, as the name of its file says.
async fn recording(watch: &Watch, number: u32, time: &str) -> String {
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, &format!("battery_{number}_{time}+0000_9774d56d682e549c.csv"), "1").await;
    uuid
}

/// Waits until a recording is this participant's.
async fn is_of(researcher: &Researcher, uuid: &str, label: Option<&str>) {
    until(&format!("{uuid} is of {label:?}"), async || {
        let dataset = researcher.dataset(uuid).await;
        dataset["started_at"].is_i64() && dataset["participant"]["label"].as_str() == label
    })
    .await;
}

#[tokio::test]
async fn recordings_follow_the_spans_and_a_handover_day_is_nobodys() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("kitchen[9774d56d682e549c]").await;
    let mut runs = Vec::new();
    for (number, time) in
        ["2024-03-01T00:00", "2024-03-09T23:59", "2024-03-10T12:00", "2024-03-11T00:00", "2024-03-20T23:59", "2024-03-21T00:00"]
            .iter()
            .enumerate()
    {
        runs.push(recording(&watch, u32::try_from(number).expect("small"), time).await);
    }
    for run in &runs {
        is_of(&researcher, run, None).await;
    }
    let (one, two) = (enrol(&researcher, "P01").await, enrol(&researcher, "P02").await);
    let first = wear(&researcher, &one, "kitchen", "2024-03-01", Some("2024-03-10")).await;
    let second = wear(&researcher, &two, "9774d56d682e549c", "2024-03-10", None).await;
    let are_of = async |labels: [Option<&str>; 6]| {
        for (run, label) in runs.iter().zip(labels) {
            is_of(&researcher, run, label).await;
        }
    };
    let (p1, p2) = (Some("P01"), Some("P02"));
    are_of([p1, p1, None, p2, p2, p2]).await;
    assert_eq!(status(&researcher, "PATCH", &second, json!({"until": "2024-03-20"})).await, 200);
    are_of([p1, p1, None, p2, p2, None]).await;
    // What comes later is assigned by the same rule.
    runs.push(recording(&watch, 6, "2024-03-15T08:00").await);
    is_of(&researcher, &runs[6], p2).await;
    assert_eq!(researcher.json(&two).await["recordings"], 3);
    assert_eq!(status(&researcher, "DELETE", &first, json!(null)).await, 204);
    let are_of = async |labels: [Option<&str>; 7]| {
        for (run, label) in runs.iter().zip(labels) {
            is_of(&researcher, run, label).await;
        }
    };
    are_of([None, None, p2, p2, p2, None, p2]).await;
    // A recording is found by its participant's label, and by the next one.
    assert_eq!(status(&researcher, "PATCH", &two, json!({"label": "Proband"})).await, 200);
    let found = async |word: &str| researcher.json(&format!("/api/v1/datasets?q={word}")).await["datasets"].as_array().map(Vec::len);
    until("the label is read", async || found("proband").await == Some(4) && found("P02").await == Some(0)).await;
    assert_eq!(status(&researcher, "DELETE", &two, json!(null)).await, 204);
    are_of([None; 7]).await;
}

#[tokio::test]
async fn what_a_person_assigned_stays_and_keeps_its_participant() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("kitchen").await;
    let (mine, other) = (recording(&watch, 1, "2024-03-05T12:00").await, recording(&watch, 2, "2024-03-06T12:00").await);
    let (one, two) = (enrol(&researcher, "P01").await, enrol(&researcher, "P02").await);
    let id = two.rsplit('/').next().expect("an id");
    assert_eq!(status(&researcher, "PATCH", &format!("/api/v1/datasets/{mine}"), json!({"participant": id})).await, 200);
    let nobody = json!({"participant": "67e55044-10b1-426f-9247-bb680e5fe0c8"});
    assert_eq!(status(&researcher, "PATCH", &format!("/api/v1/datasets/{mine}"), nobody).await, 400, "somebody has deleted it meanwhile");
    wear(&researcher, &one, "kitchen", "2024-03-01", None).await;
    is_of(&researcher, &other, Some("P01")).await;
    is_of(&researcher, &mine, Some("P02")).await;
    let kept = send(&researcher, "DELETE", &two, json!(null)).await;
    assert_eq!(kept.status(), 409);
    assert!(kept.text().await.expect("text").contains("1 recordings were assigned to this participant by hand"));
    assert_eq!(status(&researcher, "DELETE", &one, json!(null)).await, 204);
    is_of(&researcher, &other, None).await;
    is_of(&researcher, &mine, Some("P02")).await;
    // Where nobody sees it in a list, it is said where it is.
    assert_eq!(status(&researcher, "DELETE", &format!("/api/v1/datasets/{mine}"), json!(null)).await, 204);
    let kept = send(&researcher, "DELETE", &two, json!(null)).await;
    assert_eq!(kept.status(), 409);
    assert!(kept.text().await.expect("text").contains("1 recordings in the trash were assigned to this participant by hand"));
}

#[tokio::test]
async fn what_a_person_assigned_can_be_left_to_the_days_again() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("kitchen").await;
    let (one, _) = (enrol(&researcher, "P01").await, enrol(&researcher, "P02").await);
    wear(&researcher, &one, "kitchen", "2024-03-05", None).await;
    let (within, before) = (recording(&watch, 1, "2024-03-05T12:00").await, recording(&watch, 2, "2024-03-04T12:00").await);
    is_of(&researcher, &within, Some("P01")).await;
    is_of(&researcher, &before, None).await;
    let text = async |path: &str| researcher.get(path).await.text().await.expect("text");
    let days = "<option value=\"days\" selected>as the days say</option>";
    let list = text("/recording/list/").await;
    assert!(list.contains("<select id=\"bulk-participant\" name=\"participant\"><option value=\"\">"), "nobody is chosen yet");
    let bulk = format!("/recording/bulk?uuid={within}&uuid={before}");
    for way in ["JSON", "page", "bulk"] {
        for uuid in [&within, &before] {
            let path = format!("/api/v1/datasets/{uuid}");
            assert_eq!(status(&researcher, "PATCH", &path, json!({"participant": "none"})).await, 200);
            assert_eq!(researcher.dataset(uuid).await["participant_by_hand"], true);
            assert!(!text(&format!("/recording/{uuid}/")).await.contains(days));
        }
        let post = async |path: &str, body: String| {
            let request = researcher.request("POST", path).header("content-type", "application/x-www-form-urlencoded").body(body);
            request.send().await.expect("an answer").status().as_u16()
        };
        for uuid in [&within, &before] {
            match way {
                "JSON" => {
                    let path = format!("/api/v1/datasets/{uuid}");
                    assert_eq!(status(&researcher, "PATCH", &path, json!({"participant": "days"})).await, 200);
                }
                "page" => assert_eq!(post(&format!("/recording/{uuid}/say"), "participant=days".to_owned()).await, 303),
                _ => {
                    let (path, query) = bulk.split_once('?').expect("a query");
                    assert_eq!(post(path, format!("{query}&act=participant&participant=days")).await, 303);
                }
            }
            assert_eq!(researcher.dataset(uuid).await["participant_by_hand"], false, "{way}");
            assert!(text(&format!("/recording/{uuid}/")).await.contains(days));
        }
        assert_eq!(researcher.dataset(&within).await["participant"]["label"], "P01", "{way}");
        assert_eq!(researcher.dataset(&before).await["participant"], json!(null), "{way}");
    }
}

#[tokio::test]
async fn everything_can_be_done_on_the_page() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[9774d56d682e549c]").await;
    let post = async |path: &str, body: &'static str| {
        let request = researcher.request("POST", path).header("content-type", "application/x-www-form-urlencoded").body(body);
        request.send().await.expect("an answer")
    };
    let text = async |path: &str| researcher.get(path).await.text().await.expect("text");
    let added = post("/participant/add", "label=P01&note=left-handed").await;
    assert_eq!(added.status(), 303);
    let page = added.headers()["location"].to_str().expect("text").to_owned();
    // A form sent twice is told so, and adds nobody.
    let again = post("/participant/add", "label=P01&note=left-handed").await;
    assert_eq!(again.status(), 409);
    assert!(again.text().await.expect("text").contains("another participant has this label; choose another one"));
    assert_eq!(researcher.json(ALL).await["participants"].as_array().map(Vec::len), Some(1));
    let span = "device=kitchen%5B9774d56d682e549c%5D&from=2024-03-01&until=";
    assert_eq!(post(&format!("{page}spans"), span).await.status(), 303);
    let again = post(&format!("{page}spans"), span).await;
    assert_eq!(again.status(), 409);
    assert!(again.text().await.expect("text").contains("wears this device already on some of these days"));
    let shown = text(&page).await;
    assert!(shown.contains("left-handed") && shown.contains("<bdi>kitchen</bdi>") && shown.contains("2024-03-01"));
    let end = shown.split("action=\"").filter_map(|rest| rest.split('"').next()).find(|action| action.ends_with("/end")).expect("a form");
    assert_eq!(post(end, "until=2024-03-05").await.status(), 303);
    let device = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    let shown = text(&format!("/device/{device}/")).await;
    assert!(shown.contains("<bdi>P01</bdi>") && shown.contains("2024-03-05") && shown.contains("worn until 2024-03-05"), "{shown}");
    // To take the last day away is another button than to choose one.
    let unsaid = post(end, "until=").await;
    assert_eq!(unsaid.status(), 400);
    assert!(unsaid.text().await.expect("text").contains("choose the last day"));
    for _ in 0..2 {
        assert_eq!(post(&end.replace("/end", "/reopen"), "").await.status(), 303);
    }
    let shown = text(&format!("/device/{device}/")).await;
    assert_eq!((shown.matches("worn still").count(), shown.contains("class=\"time\">now")), (1, true), "{shown}");
    assert!(!text(&page).await.contains("/reopen"));
    assert_eq!(post(&end.replace("/end", "/delete"), "").await.status(), 303);
    assert_eq!(post(&end.replace("/end", "/delete"), "").await.status(), 404);
    assert_eq!(post(&format!("{page}describe"), "label=P-1&note=").await.status(), 303);
    assert!(text("/participant/list/").await.contains("<bdi>P-1</bdi>"));
    assert_eq!(post(&format!("{page}delete"), "").await.status(), 303);
    assert!(text("/participant/list/").await.contains("There is no participant yet."));
    assert_eq!(post(&format!("{page}delete"), "").await.status(), 404);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_sentence_and_changes_nothing() {
    let house = House::start().await;
    let researcher = house.researcher();
    for name in ["kitchen[1]", "twin[2]", "twin[3]"] {
        house.watch(name).await;
    }
    let (one, two) = (enrol(&researcher, "P01").await, enrol(&researcher, "P02").await);
    let kept = wear(&researcher, &one, "kitchen", "2024-03-10", Some("2024-03-20")).await;
    let before = researcher.json(&one).await;
    let long = "x".repeat(10_000);
    for label in ["", " ", "a,b", "a\nb", &long] {
        assert_eq!(status(&researcher, "POST", ALL, json!({"label": label})).await, 400, "{label}");
        assert_eq!(status(&researcher, "PATCH", &one, json!({"label": label})).await, 400, "{label}");
    }
    assert_eq!(status(&researcher, "PATCH", &one, json!({"note": long})).await, 400);
    assert_eq!(status(&researcher, "PATCH", &one, json!({"label": "P02"})).await, 409);
    assert_eq!(status(&researcher, "PATCH", &two, json!({"labl": "typo"})).await, 400);
    let spans = format!("{one}/spans");
    for (device, from, until, code) in [
        ("kitchen", "2024-03-20", json!("2024-03-10"), 400),
        ("kitchen", "2024-02-30", json!(null), 400),
        ("kitchen", "soon", json!(null), 400),
        ("kitchen", "", json!(null), 400),
        ("kitchen", "0001-01-01", json!(null), 400),
        ("kitchen", "2024-04-01", json!("9999-12-31"), 400),
        ("kitchen", "2024-03-20", json!(null), 409),
        ("kitchen", "2024-01-01", json!("2024-03-10"), 409),
        ("kitchen", "2024-01-01", json!("2024-12-01"), 409),
        ("twin", "2024-04-01", json!(null), 400),
        ("nobody", "2024-04-01", json!(null), 400),
        ("", "2024-04-01", json!(null), 400),
        ("00000000000000000000000000000000", "2024-04-01", json!(null), 400),
        (&long, "2024-04-01", json!(null), 400),
    ] {
        let answer = send(&researcher, "POST", &spans, json!({"device": device, "from": from, "until": until})).await;
        assert_eq!(answer.status(), code, "{device:.20} {from} {until}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    for (until, code) in [(json!("2024-03-09"), 400), (json!("never"), 400)] {
        assert_eq!(status(&researcher, "PATCH", &kept, json!({"until": until})).await, code, "{until}");
    }
    assert_eq!(status(&researcher, "PATCH", &kept, json!({})).await, 400);
    // A span is its own participant's.
    let foreign = kept.replace(one.rsplit('/').next().expect("an id"), two.rsplit('/').next().expect("an id"));
    assert_ne!(foreign, kept);
    assert_eq!(status(&researcher, "DELETE", &foreign, json!(null)).await, 404);
    assert_eq!(researcher.json(&one).await, before);
    for unknown in ["67e55044-10b1-426f-9247-bb680e5fe0c8", "nonsense", "%00"] {
        let path = format!("{ALL}/{unknown}");
        assert_eq!(researcher.get(&path).await.status(), 404);
        assert_eq!(researcher.get(&format!("/participant/{unknown}/")).await.status(), 404);
        assert_eq!(status(&researcher, "PATCH", &path, json!({"label": "P03"})).await, 404);
        assert_eq!(status(&researcher, "DELETE", &path, json!(null)).await, 404);
        let span = json!({"device": "kitchen", "from": "2024-04-01"});
        assert_eq!(status(&researcher, "POST", &format!("{path}/spans"), span).await, 404);
        assert_eq!(status(&researcher, "PATCH", &format!("{one}/spans/{unknown}"), json!({"until": null})).await, 404);
    }
    // The day behind a span is free, and so is the same day for somebody else.
    wear(&researcher, &one, "kitchen", "2024-03-21", None).await;
    wear(&researcher, &two, "kitchen", "2024-03-20", Some("2024-03-20")).await;
}

#[tokio::test]
async fn ten_thousand_participants_are_paged() {
    let house = House::start().await;
    let researcher = house.researcher();
    enrol(&researcher, "the first").await;
    house
        .change_catalog(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9998) \
             INSERT INTO participants (id, label, created_at) SELECT printf('00000000-0000-4000-8000-%012x', i), printf('P & %05d', i), 0 FROM n",
        )
        .await;
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = researcher.json(&format!("{ALL}?after={after}")).await;
        let participants = page["participants"].as_array().expect("participants");
        assert!(participants.len() <= 100);
        found.extend(participants.iter().map(|participant| participant["label"].as_str().expect("a label").to_owned()));
        match page["next"].as_str() {
            Some(key) => after = key.replace('&', "%26").replace(' ', "+"),
            None => break,
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 10_000);
    let text = async |path: &str| researcher.get(path).await.text().await.expect("text");
    let page = text("/participant/list/?q=P+%26").await;
    let next = page.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a next page");
    assert!(text(&next.replace("&#38;", "&").replace("&amp;", "&")).await.contains("P &#38; 00100"));
    assert_eq!(researcher.json(&format!("{ALL}?q=4711")).await["participants"].as_array().map(Vec::len), Some(1));
}
