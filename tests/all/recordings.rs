//! The desk of recordings: found, judged, tagged, described, taken home together; and what makes no sense is refused.

use std::collections::HashSet;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{House, Researcher, contents, sha256, until};

/// How a script is refused.
const REFUSED: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "application/problem+json");

/// A house with some recordings of one file each.
async fn with_recordings(names: &[&str]) -> (House, Vec<String>) {
    let house = House::start().await;
    let mut uuids = Vec::new();
    for name in names {
        let watch = house.watch(name).await;
        let uuid = watch.new_dataset().await;
        watch.upload(&uuid, &format!("{name}.csv"), name.to_string()).await;
        uuids.push(uuid);
    }
    (house, uuids)
}

async fn form(researcher: &Researcher, path: &str, fields: &[(&str, &str)]) -> Response {
    let body = fields.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect::<Vec<_>>().join("&");
    let request = researcher.request("POST", path).header("content-type", "application/x-www-form-urlencoded").body(body);
    request.send().await.expect("an answer")
}

fn percent(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

async fn found(researcher: &Researcher, query: &str) -> Vec<String> {
    let list = researcher.json(&format!("/api/v1/datasets?{query}")).await;
    let uuid = |dataset: &Value| dataset["uuid"].as_str().expect("a uuid").to_owned();
    list["datasets"].as_array().expect("datasets").iter().map(uuid).collect()
}

async fn patch(researcher: &Researcher, uuid: &str, change: Value) -> Response {
    researcher.request("PATCH", &format!("/api/v1/datasets/{uuid}")).json(&change).send().await.expect("an answer")
}

#[tokio::test]
async fn recordings_are_tagged_and_judged_together_and_found_by_it() {
    let (house, uuids) = with_recordings(&["attic", "bath", "cellar"]).await;
    let researcher = house.researcher();
    let two = [("uuid", uuids[0].as_str()), ("uuid", uuids[2].as_str())];
    let done =
        form(&researcher, "/recording/bulk", &[two[0], two[1], ("act", "tag"), ("tag", "pilot study"), ("search", "q=x&sort=date")]).await;
    assert_eq!(
        (done.status(), &done.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/recording/list/?q=x&sort=date#changed".parse().expect("a value"))
    );
    let with_tag = [uuids[2].clone(), uuids[0].clone()];
    assert_eq!(found(&researcher, "tag=pilot+study").await, with_tag);
    let judged =
        form(&researcher, "/recording/bulk", &[two[1], ("act", "verdict"), ("verdict", "doubtful"), ("reason", "cut short")]).await;
    assert_eq!(judged.status(), StatusCode::SEE_OTHER);
    assert_eq!(found(&researcher, "verdict=doubtful").await, uuids[2..]);
    assert_eq!(found(&researcher, "verdict=none&sort=oldest").await, uuids[..2]);
    assert_eq!(found(&researcher, "verdict=doubtful&tag=pilot+study&participant=none").await, uuids[2..]);
    // Words are read a moment later: a tag, a reason's recording by its watch, a file by the beginning of its name.
    for (words, uuid) in [("PILOT cellar", &uuids[2]), ("bath.cs", &uuids[1]), (&uuids[0][..8], &uuids[0])] {
        until(words, async || found(&researcher, &format!("q={}", percent(words))).await == [uuid.clone()]).await;
    }
    let all = form(
        &researcher,
        "/recording/bulk",
        &[("which", "all"), ("act", "untag"), ("tag", "pilot study"), ("search", "tag=pilot%20study")],
    )
    .await;
    assert_eq!(all.status(), StatusCode::SEE_OTHER);
    assert!(found(&researcher, "tag=pilot+study").await.is_empty());
    let page = researcher.get(&format!("/recording/{}/", uuids[2])).await.text().await.expect("text");
    for shown in ["doubtful", "cut short", "tagged", "untagged", "judged"] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[tokio::test]
async fn of_two_who_describe_at_once_the_second_is_told_and_loses_nothing() {
    let (house, uuids) = with_recordings(&["attic"]).await;
    let (researcher, uuid) = (house.researcher(), &uuids[0]);
    let describe = async |title: &str, text: &str| {
        form(&researcher, &format!("/recording/{uuid}/describe"), &[("revision", "0"), ("title", title), ("description", text)]).await
    };
    assert_eq!(describe("Morning", "It *rained*.").await.status(), StatusCode::SEE_OTHER);
    let second = describe("Evening", "My own words").await;
    assert_eq!(second.status(), StatusCode::CONFLICT);
    let page = second.text().await.expect("text");
    for shown in ["Morning", "It <em>rained</em>.", "Evening", "My own words", "Somebody else"] {
        assert!(page.contains(shown), "{shown}");
    }
    assert_eq!(researcher.dataset(uuid).await["title"], "Morning");
    until("its title is read", async || found(&researcher, "q=morn").await == [uuid.clone()]).await;
    let stale = patch(&researcher, uuid, json!({"revision": 0, "title": "Noon"})).await;
    assert_eq!(
        (stale.status(), &stale.headers()["content-type"]),
        (StatusCode::CONFLICT, &"application/problem+json".parse().expect("a value"))
    );
    let changed: Value = patch(&researcher, uuid, json!({"revision": 1, "title": "Noon", "tags": ["b", "a"], "verdict": "usable"}))
        .await
        .json()
        .await
        .expect("json");
    assert_eq!(
        (&changed["title"], &changed["description"], &changed["tags"], &changed["verdict"]),
        (&json!("Noon"), &json!("It *rained*."), &json!(["a", "b"]), &json!("usable"))
    );
    let fewer: Value = patch(&researcher, uuid, json!({"tags": ["a"]})).await.json().await.expect("json");
    assert_eq!((&fewer["tags"], &fewer["title"]), (&json!(["a"]), &json!("Noon")));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_sentence() {
    let (house, uuids) = with_recordings(&["attic"]).await;
    let (researcher, uuid) = (house.researcher(), uuids[0].as_str());
    let long = "x".repeat(10_000);
    for fields in [
        &[("act", "tag"), ("tag", "t")][..],
        &[("act", "dance"), ("uuid", uuid)],
        &[("act", "tag"), ("tag", &long), ("uuid", uuid)],
        &[("act", "tag"), ("tag", ""), ("uuid", uuid)],
        &[("act", "verdict"), ("verdict", "good"), ("uuid", uuid)],
        &[("act", "verdict"), ("verdict", "usable"), ("reason", &long), ("uuid", uuid)],
        &[("act", "participant"), ("participant", "me"), ("uuid", uuid)],
        &[("act", "participant"), ("participant", ""), ("uuid", uuid)],
        &[("act", "tag"), ("tag", "t"), ("uuid", "nonsense")],
        &[("act", "tag"), ("tag", "t"), ("which", "all"), ("search", "from=nonsense")],
        &[("act", "tag"), ("tag", "t"), ("which", "all"), ("search", "q=finds-nothing")],
    ] {
        assert_eq!(form(&researcher, "/recording/bulk", fields).await.status(), StatusCode::BAD_REQUEST, "{:?}", &fields[..2]);
    }
    let describe = format!("/recording/{uuid}/describe");
    for fields in [
        &[("revision", "0"), ("title", "a\nb")][..],
        &[("revision", "0"), ("title", &long)],
        &[("revision", "0"), ("description", &"x".repeat(70_000))],
        &[("title", "no revision")],
        &[("revision", "x")],
    ] {
        assert_eq!(form(&researcher, &describe, fields).await.status(), StatusCode::BAD_REQUEST, "{:?}", fields[0]);
    }
    for change in [json!({"title": "t"}), json!({"colour": "red"}), json!({"tags": ["a,b"]}), json!({"title": 7}), json!("title")] {
        let answer = patch(&researcher, uuid, change.clone()).await;
        assert_eq!((answer.status(), answer.headers()["content-type"].to_str().expect("text")), REFUSED, "{change}");
    }
    let nowhere = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    assert_eq!(
        form(&researcher, "/recording/bulk", &[("act", "tag"), ("tag", "t"), ("uuid", nowhere)]).await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(form(&researcher, &format!("/recording/{nowhere}/describe"), &[("revision", "0")]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(researcher.dataset(uuid).await["revision"], 0);
}

/// A field that is misspelt would find everything, and everything be deleted.
#[tokio::test]
async fn a_search_with_a_field_that_nobody_knows_changes_nothing() {
    let (house, uuids) = with_recordings(&["attic", "bath"]).await;
    let researcher = house.researcher();
    for fields in [[("which", "all"), ("search", "tga=pilot")], [("which", "all"), ("serach", "tag=pilot")]] {
        let (delete, name) = ([&fields[..], &[("act", "delete")]].concat(), if fields[1].0 == "search" { "tga" } else { "serach" });
        let answer = form(&researcher, "/recording/bulk", &delete).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{fields:?}");
        assert!(answer.text().await.expect("text").contains(name), "{fields:?}");
        let query = fields.map(|(name, value)| format!("{name}={}", percent(value))).join("&");
        assert_eq!(researcher.get(&format!("/api/v1/datasets.zip?{query}")).await.status(), StatusCode::BAD_REQUEST, "{fields:?}");
    }
    assert_eq!(found(&researcher, "sort=oldest").await, uuids);
}

#[tokio::test]
async fn a_change_leaves_what_it_does_not_name() {
    let (house, uuids) = with_recordings(&["attic"]).await;
    let researcher = house.researcher();
    for (change, said) in [
        (json!({"verdict": "doubtful", "reason": "cut short"}), json!(["doubtful", "cut short"])),
        (json!({"verdict": "unusable"}), json!(["unusable", "cut short"])),
        (json!({"reason": "no sound"}), json!(["unusable", "no sound"])),
        (json!({"reason": ""}), json!(["unusable", ""])),
        (json!({"reason": "why not"}), json!(["unusable", "why not"])),
        (json!({"tags": []}), json!(["unusable", "why not"])),
        (json!({"verdict": "none"}), json!([null, ""])),
    ] {
        let changed: Value = patch(&researcher, &uuids[0], change.clone()).await.json().await.expect("json");
        assert_eq!(json!([changed["verdict"], changed["verdict_reason"]]), said, "{change}");
    }
    assert_eq!(patch(&researcher, &uuids[0], json!({"reason": "of no verdict"})).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_change_that_is_refused_is_refused_as_a_whole() {
    let (house, uuids) = with_recordings(&["attic"]).await;
    let (researcher, uuid) = (house.researcher(), &uuids[0]);
    let before = researcher.dataset(uuid).await;
    let nobody = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    for (wrong, status) in [
        (json!({"revision": 0, "title": "Noon", "participant": nobody}), 400),
        (json!({"revision": 0, "title": "Noon", "verdict": "usable", "reason": "x".repeat(10_000)}), 400),
        (json!({"revision": 0, "title": "a\nb", "verdict": "usable"}), 400),
        (json!({"revision": 7, "title": "Noon", "verdict": "usable", "tags": ["t"]}), 409),
        (json!({"verdict": "usable", "participant": nobody}), 400),
    ] {
        assert_eq!(patch(&researcher, uuid, wrong.clone()).await.status().as_u16(), status, "{wrong}");
        let after = researcher.dataset(uuid).await;
        for field in ["title", "revision", "verdict", "tags"] {
            assert_eq!(after[field], before[field], "{wrong}");
        }
    }
    let said = [("verdict", "usable"), ("participant", nobody)];
    assert_eq!(form(&researcher, &format!("/recording/{uuid}/say"), &said).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(researcher.dataset(uuid).await["verdict"], Value::Null);
}

#[tokio::test]
async fn whoever_writes_is_overtaken_by_what_is_written_and_by_nothing_else() {
    let (house, uuids) = with_recordings(&["attic"]).await;
    let (researcher, uuid) = (house.researcher(), &uuids[0]);
    let said = [("verdict", "usable"), ("tag", "pilot"), ("participant", "none")];
    assert_eq!(form(&researcher, &format!("/recording/{uuid}/say"), &said).await.status(), StatusCode::SEE_OTHER);
    let fields = [("revision", "0"), ("title", "Noon"), ("description", "")];
    for status in [StatusCode::SEE_OTHER, StatusCode::CONFLICT] {
        assert_eq!(form(&researcher, &format!("/recording/{uuid}/describe"), &fields).await.status(), status);
    }
}

#[tokio::test]
async fn a_form_sent_twice_does_it_once() {
    let (house, uuids) = with_recordings(&["attic"]).await;
    let (researcher, uuid) = (house.researcher(), uuids[0].as_str());
    for _ in 0..2 {
        let done = form(&researcher, &format!("/recording/{uuid}/say"), &[("tag", "pilot")]).await;
        assert_eq!(done.status(), StatusCode::SEE_OTHER);
    }
    assert_eq!(researcher.dataset(uuid).await["tags"], json!(["pilot"]));
}

#[tokio::test]
async fn the_list_as_csv_holds_no_formula() {
    let (house, uuids) = with_recordings(&["=cmd", "plain, \"quoted\""]).await;
    let researcher = house.researcher();
    patch(&researcher, &uuids[0], json!({"revision": 0, "title": "@SUM(A1)"})).await;
    let answer = researcher.get("/recording/list.csv?sort=oldest").await;
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    let text = answer.text().await.expect("text");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<_> = rows.records().map(|row| row.expect("a row")).collect();
    assert_eq!((rows.len(), &rows[0][0], &rows[0][1], &rows[0][2]), (2, uuids[0].as_str(), "'@SUM(A1)", "'=cmd"));
    assert_eq!((&rows[1][2], &rows[1][13]), ("plain, \"quoted\"", "1"));
}

#[tokio::test]
async fn a_list_as_csv_has_no_end_before_its_end() {
    let house = House::start().await;
    let researcher = house.researcher();
    assert_eq!(researcher.get("/recording/list/").await.status(), StatusCode::OK);
    house
        .change_catalog(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100001) \
             INSERT INTO datasets (uuid, created_at, updated_at, number) SELECT printf('00000000-0000-4000-8000-%012x', i), i / 7, 0, i FROM n; \
             INSERT INTO audit (at, who, action, subject, detail) SELECT 0, 'eve', 'judged', uuid, '' FROM datasets",
        )
        .await;
    // Many begun at the same time: a page ends between them.
    for path in ["/recording/list.csv?sort=date", "/audit.csv?who=eve"] {
        let text = researcher.get(path).await.text().await.expect("all of it");
        let uuids: HashSet<_> = text.lines().filter_map(|line| line.split(',').find(|cell| cell.starts_with("00000000-"))).collect();
        assert_eq!((text.lines().count(), uuids.len()), (100_002, 100_001), "{path}");
    }
}

#[tokio::test]
async fn a_list_says_how_many_are_found() {
    let house = House::start().await;
    let researcher = house.researcher();
    assert_eq!(researcher.get("/recording/list/").await.status(), StatusCode::OK);
    let says = async |query: &str, number: &str| {
        let page = researcher.get(&format!("/recording/list/?{query}")).await.text().await.expect("text");
        assert!(page.contains(&format!("<p>{number}.</p>")), "{query}: {number}");
    };
    house
        .change_catalog(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1002) \
             INSERT INTO datasets (uuid, created_at, updated_at, number, verdict) SELECT printf('00000000-0000-4000-8000-%012x', i), 0, 0, i, \
             CASE i WHEN 7 THEN 'usable' END FROM n",
        )
        .await;
    for (query, number) in [
        ("", "1,002 recordings"),
        ("sort=date", "1,002 recordings"),
        ("participant=none", "More than 50 recordings"),
        ("verdict=none&sort=oldest&after=200.200", "More than 50 recordings"),
        ("verdict=usable", "1 recording"),
    ] {
        says(query, number).await;
    }
    house.change_catalog("UPDATE datasets SET verdict = 'doubtful' WHERE number BETWEEN 10 AND 59").await;
    says("verdict=doubtful", "50 recordings").await;
}

#[tokio::test]
async fn recordings_are_taken_home_in_one_zip_of_known_length() {
    let (house, uuids) = with_recordings(&["attic", "bath", "cellar"]).await;
    let researcher = house.researcher();
    let answer = form(&researcher, "/recording/download", &[("uuid", uuids[0].as_str()), ("uuid", uuids[2].as_str())]).await;
    assert_eq!(answer.headers()["content-type"], "application/zip");
    let length: usize = answer.headers()["content-length"].to_str().expect("text").parse().expect("a length");
    let zip = answer.bytes().await.expect("a whole body");
    assert_eq!(zip.len(), length);
    let mut expected =
        [0, 2].map(|at| (format!("{}/{}.csv", uuids[at], ["attic", "", "cellar"][at]), sha256(["attic", "", "cellar"][at].as_bytes())));
    expected.sort();
    assert_eq!(contents(&zip), expected);
    let all = researcher.get("/api/v1/datasets.zip?which=all").await.bytes().await.expect("a body");
    assert_eq!(contents(&all).len(), 3);
    // Named twice, also in another spelling, it is taken once: no two entries have one name.
    let twice = format!("/api/v1/datasets.zip?uuid={}&uuid={}", uuids[0], uuids[0].to_uppercase());
    assert_eq!(contents(&researcher.get(&twice).await.bytes().await.expect("a body")).len(), 1);
    let empty = house.watch("empty").await.new_dataset().await;
    assert_eq!(researcher.get(&format!("/api/v1/datasets.zip?uuid={empty}")).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(researcher.get("/api/v1/datasets.zip").await.status(), StatusCode::BAD_REQUEST);
}

/// A file whose bytes are not those that were received: the download breaks off instead of ending well.
#[tokio::test]
async fn a_damaged_file_does_not_go_home_as_if_it_were_whole() {
    let (house, uuids) = with_recordings(&["attic"]).await;
    let file = house.layout().root().join(format!("recordings/{}/attic.csv", uuids[0]));
    std::fs::write(file, "ATTIC").expect("damaged");
    let request = house.researcher().request("GET", &format!("/api/v1/datasets.zip?uuid={}", uuids[0]));
    let body = match request.send().await {
        Ok(answer) => answer.bytes().await,
        Err(error) => Err(error),
    };
    assert!(body.is_err());
}

#[tokio::test]
async fn who_did_what_stands_in_the_trail() {
    let (house, uuids) = with_recordings(&["attic"]).await;
    let (researcher, uuid) = (house.researcher(), uuids[0].as_str());
    form(&researcher, &format!("/recording/{uuid}/say"), &[("verdict", "unusable"), ("reason", "=1+1")]).await;
    let wrong = reqwest::Client::new().get(house.url("/")).basic_auth("admin", Some("wrong")).send().await.expect("an answer");
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let stranger =
        reqwest::Client::new().get(house.url("/")).basic_auth("my password by mistake", Some("x")).send().await.expect("an answer");
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let page = researcher.get(&format!("/audit/?subject={uuid}&action=judged&who=admin")).await.text().await.expect("text");
    assert!(page.contains("unusable: =1+1"));
    let logins = researcher.get("/audit.csv?action=failed+login").await.text().await.expect("text");
    assert!(logins.contains("wrong password") && logins.contains("no such user") && !logins.contains("mistake"), "{logins}");
    // Somebody who was a user once can be searched for still, and a page leads back to the first one.
    let gone = researcher.get("/audit/?who=somebody%3Cb%3E").await.text().await.expect("text");
    assert!(gone.contains("<option selected>somebody&#60;b&#62;</option>") && !gone.contains("First page"), "{gone}");
    let last = researcher.get("/audit/?who=admin&before=1").await.text().await.expect("text");
    assert!(last.contains("<a href=\"/audit/?who=admin\">First page</a>") && last.contains("Nothing comes behind this."), "{last}");
    // What is still here has a page.
    let watch = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    researcher.post(&format!("/device/{watch}/end-older-tokens")).await;
    house
        .change_catalog("INSERT INTO audit (at, who, action, subject, detail) SELECT 0, 'admin', 'settled', id || '@5', '' FROM devices")
        .await;
    house
        .change_catalog(
            "INSERT INTO audit (at, who, action, subject, detail) VALUES (0, 'eve', 'erased', '67e55044-10b1-426f-9247-bb680e5fe0c8', '')",
        )
        .await;
    let trail = researcher.get("/audit/").await.text().await.expect("text");
    for (linked, id) in
        [(format!("/recording/{uuid}/"), uuid), (format!("/device/{watch}/"), &watch), (format!("/device/{watch}/"), &format!("{watch}@5"))]
    {
        assert!(trail.contains(&format!("<a href=\"{linked}\"><bdi>{id}</bdi></a>")), "{linked}: {trail}");
        assert_eq!(researcher.get(&linked).await.status(), StatusCode::OK);
    }
    assert!(trail.contains("<td data-label=\"To what\" class=\"name\"><bdi>67e55044-10b1"), "{trail}");
    for nonsense in ["action=dance", "before=x"] {
        assert_eq!(researcher.get(&format!("/audit/?{nonsense}")).await.status(), StatusCode::BAD_REQUEST);
    }
}
