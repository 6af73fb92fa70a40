//! The pages: who may see them, what they show, and that nothing on them runs.

use crate::support::{House, raw, until};

const PAGES: [&str; 11] = [
    "/",
    "/tokenauth/check/",
    "/device/list/",
    "/participant/list/",
    "/recording/list/",
    "/tfmodel/",
    "/missing/",
    "/quarantine/",
    "/trash/",
    "/settings/",
    "/audit/",
];
/// What only operators see and do. The recording is nowhere: who may not do it is told so before anybody looks.
const OF_OPERATORS: [(&str, &str); 9] = [
    ("GET", "/settings/"),
    ("POST", "/settings/preview"),
    ("POST", "/settings/edit"),
    ("POST", "/settings/save"),
    ("POST", "/settings/alerts/test"),
    ("GET", "/audit/"),
    ("GET", "/audit.csv"),
    ("POST", "/trash/67e55044-10b1-426f-9247-bb680e5fe0c8/erase"),
    ("DELETE", "/api/v1/trash/67e55044-10b1-426f-9247-bb680e5fe0c8"),
];

/// A house with something to show, and the pages of one thing in it.
async fn furnished(name: &str) -> (House, Vec<String>) {
    let house = House::start().await;
    let (watch, researcher) = (house.watch(name).await, house.researcher());
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, &format!("{name}.csv"), "1").await;
    watch.upload(&uuid, &format!("{name}.exe"), "1").await;
    let added = researcher.request("POST", "/api/v1/participants").json(&serde_json::json!({"label": name, "note": name}));
    let added: serde_json::Value = added.send().await.expect("an answer").json().await.expect("json");
    let device = researcher.json("/api/v1/devices").await[0]["id"].clone();
    let text = |id: &serde_json::Value| id.as_str().expect("an id").to_owned();
    let pages = vec![
        format!("/recording/{uuid}/"),
        format!("/device/{}/", text(&device)),
        format!("/participant/{}/", text(&added["id"])),
        format!("/tfmodel/{}/", crate::models::publish(&researcher, &format!("{name}.onnx")).await),
        "/recording/list/?q=%3Cscript%3E".to_owned(),
    ];
    (house, pages)
}

#[tokio::test]
async fn every_page_wants_a_password_and_cannot_be_framed() {
    let (house, pages) = furnished("kitchen").await;
    for page in PAGES.into_iter().chain(pages.iter().map(String::as_str)) {
        let stranger =
            reqwest::Client::builder().no_proxy().build().expect("a client").get(house.url(page)).send().await.expect("an answer");
        assert_eq!(stranger.status(), 401, "{page}");
        assert!(stranger.headers()["www-authenticate"].to_str().expect("text").starts_with("Basic "));
        let known = house.researcher().get(page).await;
        assert_eq!(known.status(), 200, "{page}");
        let header = |name: &str| known.headers()[name].to_str().expect("text").to_owned();
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!((header("x-frame-options").as_str(), header("cache-control").as_str()), ("DENY", "no-store"));
        assert_eq!((header("x-content-type-options").as_str(), header("referrer-policy").as_str()), ("nosniff", "no-referrer"));
        let text = known.text().await.expect("text");
        assert!(text.starts_with("<!doctype html>") && text.contains("<h1>"), "{page}");
    }
}

#[tokio::test]
async fn no_cache_keeps_what_is_about_who_may_do_what() {
    let house = House::start().await;
    for path in ["/", "/api/v1/devices", "/auth", "/tokenauth/request/?identifier=w", "/recording/new/"] {
        let answer = house.researcher().get(path).await;
        let stranger = reqwest::Client::builder().no_proxy().build().expect("a client").get(house.url(path)).send().await;
        for answer in [answer, stranger.expect("an answer")] {
            let said = answer.headers().get("cache-control").and_then(|value| value.to_str().ok());
            assert_eq!(said, Some("no-store"), "{path}: {}", answer.status());
        }
    }
}

#[tokio::test]
async fn a_researcher_sees_and_does_everything_but_what_is_for_operators() {
    let (house, pages) = furnished("kitchen").await;
    let researcher = house.researcher().without_power();
    for page in PAGES.into_iter().chain(pages.iter().map(String::as_str)) {
        let is_theirs = !OF_OPERATORS.contains(&("GET", page));
        assert_eq!(researcher.get(page).await.status(), if is_theirs { 200 } else { 403 }, "{page}");
    }
    for (method, path) in OF_OPERATORS {
        let answer = researcher.request(method, path).send().await.expect("an answer");
        let (status, said) = (answer.status(), answer.text().await.expect("text"));
        assert!(status == 403 && said.contains("his is for operators"), "{method} {path}: {status} {said}");
        let answer = house.researcher().request(method, path).send().await.expect("an answer");
        assert_ne!(answer.status(), 403, "{method} {path}");
    }
}

#[tokio::test]
async fn a_watch_is_let_in_on_the_page_and_its_recording_is_shown() {
    let house = House::start().await;
    let researcher = house.researcher();
    researcher.poll("kitchen[9774d56d682e549c]").await;
    let page = researcher.get("/tokenauth/check/").await.text().await.expect("text");
    assert!(page.contains("kitchen") && page.contains("9774d56d682e549c"));
    let action = page.split("action=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a form");
    let granted = researcher
        .request("POST", action)
        .header("origin", house.url(""))
        .header("sec-fetch-site", "same-origin")
        .send()
        .await
        .expect("an answer");
    assert_eq!((granted.status().as_u16(), &granted.headers()["location"]), (303, &"/tokenauth/check/".parse().expect("a value")));
    let token = researcher.poll("kitchen[9774d56d682e549c]").await["token"].as_str().expect("a token").to_owned();
    let watch = crate::support::Watch::with_token(house.url(""), token);
    let uuid = watch.new_dataset().await;
    let receipt = watch.upload(&uuid, "a:b.csv", "1").await;
    until("its words are read", async || researcher.json("/api/v1/datasets?q=KITCH").await["datasets"][0]["uuid"] == *uuid).await;
    let list = researcher.get("/recording/list/?q=KITCH").await.text().await.expect("text");
    assert!(list.contains(&uuid));
    let page = researcher.get(&format!("/recording/{uuid}/")).await.text().await.expect("text");
    for expected in [
        "kitchen",
        "a_b.csv",
        "sent as <bdi>a:b.csv</bdi>",
        receipt["sha256"].as_str().expect("a digest"),
        &format!("/uploads/recordings/{uuid}/a_b.csv"),
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    assert_eq!(researcher.get(&format!("/uploads/recordings/{uuid}/a_b.csv")).await.text().await.expect("text"), "1");
    assert_eq!(researcher.get("/recording/67e55044-10b1-426f-9247-bb680e5fe0c8/").await.status(), 404);
    assert_eq!(researcher.get("/recording/nonsense/").await.status(), 404);
}

#[tokio::test]
async fn each_page_marks_itself_in_the_navigation() {
    let house = House::start().await;
    for page in PAGES {
        let text = house.researcher().get(page).await.text().await.expect("text");
        assert_eq!(text.matches("aria-current").count(), 1, "{page}");
        assert!(text.contains(&format!("href=\"{page}\" aria-current=\"page\"")), "{page}");
    }
}

#[tokio::test]
async fn what_shuts_out_or_deletes_takes_two_clicks() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("w").await;
    watch.upload(&watch.new_dataset().await, "a.exe", "1").await;
    house.watch("w").await;
    for caller in ["203.0.113.1", "203.0.113.2"] {
        let poll = researcher.request("GET", "/tokenauth/request/?identifier=w").header("x-forwarded-for", caller);
        assert_eq!(poll.send().await.expect("an answer").status(), 200);
    }
    let device = format!("/device/{}/", researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id"));
    for (page, actions) in [
        (device.as_str(), ["/revoke", "/end-older-tokens", "/forget"].as_slice()),
        ("/quarantine/", &["/discard"]),
        ("/tokenauth/check/", &["/override", "/block"]),
    ] {
        let text = researcher.get(page).await.text().await.expect("text");
        for action in actions {
            let before = text.split(&format!("{action}\"")).next().expect("text");
            assert!(before.len() < text.len(), "{page} has {action}");
            assert_eq!(before.matches("<details").count(), before.matches("</details").count() + 1, "{page} {action}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_a_page_to_a_browser_and_json_to_a_script() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let zip = format!("/uploads/zips/{}.zip", watch.new_dataset().await);
    for (path, status) in [("/nowhere", 404), ("/uploads/x", 403), (zip.as_str(), 404)] {
        for (accept, kind) in [("text/html,*/*;q=0.8", "text/html; charset=utf-8"), ("*/*", "application/problem+json")] {
            let answer = house.researcher().request("GET", path).header("accept", accept).send().await.expect("an answer");
            assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (status, &kind.parse().expect("a value")), "{path}");
            assert_eq!(answer.headers().contains_key("content-security-policy"), kind.starts_with("text/html"), "{path}");
        }
    }
}

/// A person knows a field by what stands beside it, and a script by its name.
#[tokio::test]
async fn a_refused_field_is_called_what_it_is_called_on_the_page() {
    let house = House::start().await;
    let uuid = house.watch("w").await.new_dataset().await;
    let researcher = house.researcher();
    let device = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    let participant =
        researcher.request("POST", "/api/v1/participants").json(&serde_json::json!({"label": "P01"})).send().await.expect("an answer");
    let participant = participant.json::<serde_json::Value>().await.expect("json")["id"].as_str().expect("an id").to_owned();
    let (device, recording, participant) =
        (format!("/device/{device}/"), format!("/recording/{uuid}/"), format!("/participant/{participant}/"));
    for (page, step, fields, label, sentence) in [
        (&*device, "describe", "silent_hours=soon", "Missed after so many hours of silence", "write a whole number of hours"),
        (&device, "describe", "silent_hours=9999", "Missed after so many hours of silence", "write a whole number of hours"),
        (&recording, "say", "tag=a,b", "Tag", "it holds a comma"),
        (&recording, "say", "verdict=good", "Verdict", "not a verdict"),
        (&recording, "say", "participant=x", "Worn by", "not a participant"),
        (&recording, "say", "participant=67e55044-10b1-426f-9247-bb680e5fe0c8", "Worn by", "there is none of this id"),
        (&participant, "describe", "label=", "Label", "it is empty"),
        (&participant, "spans", "device=w&from=soon", "First day", "not a day"),
        (&participant, "spans", "device=w&from=2024-01-01&until=soon", "Last day", "not a day"),
        ("/recording/list/", "?from=soon", "", "Begun from (UTC)", "write a day"),
        ("/recording/list/", "?to=soon", "", "until", "write a day"),
        ("/recording/list/", "?sort=up", "", "Order", "write one of"),
        ("/audit/", "?action=dance", "", "What", "choose one"),
        ("/device/list/", "?state=gone", "", "State", "write in or revoked"),
    ] {
        let form = researcher.get(page).await.text().await.expect("text");
        assert!(form.contains(&format!("\">{label}")), "{page} has no {label}");
        let method = if fields.is_empty() { "GET" } else { "POST" };
        let request = researcher.request(method, &format!("{page}{step}")).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(fields).send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{page}{step} {fields}");
        let said = answer.text().await.expect("text");
        assert!(said.contains(&format!("{label}: {sentence}")), "{page}{step} {fields}: {said}");
    }
    let script = researcher.get("/api/v1/datasets?from=soon").await.text().await.expect("text");
    assert!(script.contains("\"from: write a day"), "{script}");
}

#[tokio::test]
async fn paging_keeps_the_search_and_the_device() {
    let house = House::start().await;
    let watch = house.watch("kitchen & bath").await;
    let other = house.watch("kitchen").await;
    for _ in 0..51 {
        watch.new_dataset().await;
    }
    let foreign = other.new_dataset().await;
    let researcher = house.researcher();
    let page = async |path: &str| researcher.get(path).await.text().await.expect("text");
    let devices = researcher.json("/api/v1/devices").await;
    let device = devices.as_array().expect("devices").iter().find(|device| device["identifier"] == "kitchen & bath").expect("the device");
    let device = device["id"].as_str().expect("an id").to_owned();
    let link = |text: &str, name: &str| {
        let before = text.split(&format!("\">{name}</a>")).next().filter(|before| before.len() < text.len())?;
        Some(before.rsplit("href=\"").next()?.replace("&#38;", "&").replace("&amp;", "&"))
    };
    let read = async || page("/recording/list.csv?q=kitchen").await.lines().count() == 1 + 52;
    until("all their words are read", read).await;
    let first = page(&format!("/recording/list/?q=kitchen+%26&device={device}&from=1")).await;
    assert!(first.contains("<h1>Recordings of <bdi>kitchen &#38; bath</bdi></h1>") && !first.contains(&foreign));
    for kept in [format!("name=\"device\" value=\"{device}\""), "name=\"from\" value=\"1\"".to_owned()] {
        assert!(first.contains(&kept), "{kept}");
    }
    assert_eq!(link(&first, "First page"), None);
    let second = page(&link(&first, "Next page").expect("a link")).await;
    assert_eq!((second.matches("class=\"uuid\"").count(), link(&second, "Next page")), (1, None));
    let again = link(&second, "First page").expect("a link");
    assert_eq!(again, format!("/recording/list/?q=kitchen%20%26&device={device}&from=1"));
    assert_eq!(page(&again).await.matches("class=\"uuid\"").count(), 50);
    let nothing = page("/recording/list/?q=nobody").await;
    assert!(nothing.contains("Nothing found.") && link(&nothing, "Show all recordings").is_some());
}

#[tokio::test]
async fn a_cross_site_post_is_refused() {
    let house = House::start().await;
    let researcher = house.researcher();
    researcher.poll("w").await;
    let id = researcher.request_of("w").await["id"].as_str().expect("an id").to_owned();
    for path in [format!("/tokenauth/check/{id}/grant"), format!("/api/v1/requests/{id}/grant")] {
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://elsewhere.example")] {
            let answer = researcher.request("POST", &path).header(name, value).send().await.expect("an answer");
            assert_eq!(answer.status(), 403, "{path} {name}");
        }
    }
    assert_eq!(researcher.poll("w").await["status"], "pending");
}

#[tokio::test]
async fn html_in_a_name_is_shown_as_text() {
    let evil = "<script>alert(1)</script>";
    let (house, pages) = furnished(evil).await;
    house.researcher().poll("<img src=x>").await;
    house.researcher().poll("<img src=y>").await;
    let blocked = house.researcher().request_of("<img src=y>").await["id"].as_str().expect("an id").to_owned();
    assert_eq!(house.researcher().post(&format!("/api/v1/requests/{blocked}/block")).await, 204);
    let id = house.researcher().json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    let said = serde_json::json!({"name": evil, "note": evil});
    let patched = house.researcher().request("PATCH", &format!("/api/v1/devices/{id}")).json(&said).send().await.expect("an answer");
    assert_eq!(patched.status(), 200);
    for page in PAGES.into_iter().chain(pages.iter().map(String::as_str)) {
        let text = house.researcher().get(page).await.text().await.expect("text");
        // The only script is ours, and its text stands elsewhere.
        let scripts = text.matches("<script").count();
        assert_eq!(scripts, text.matches("<script src=\"/static/live.js?v=").count(), "{page}");
        assert_eq!(scripts, text.matches(" defer></script>").count(), "{page}");
        assert!(!text.contains("<img"), "{page}");
    }
}

#[tokio::test]
async fn the_list_is_paged_by_key_and_every_recording_is_on_one_page() {
    let house =
        House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| config.limits.device_per_minute = 10_000).await;
    let watch = house.watch("w").await;
    let mut expected = Vec::new();
    for _ in 0..120 {
        expected.push(watch.new_dataset().await);
    }
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let page = house.researcher().json(&format!("/api/v1/datasets?{next}")).await;
        let datasets = page["datasets"].as_array().expect("datasets");
        assert!(datasets.len() <= 50);
        found.extend(datasets.iter().map(|dataset| dataset["uuid"].as_str().expect("a uuid").to_owned()));
        match page["next"].as_str() {
            Some(key) => next = format!("after={key}"),
            None => break,
        }
    }
    let mut sorted = found.clone();
    sorted.sort();
    sorted.dedup();
    expected.sort();
    assert_eq!((sorted.len(), found.len()), (120, 120));
    assert_eq!(sorted, expected);
    for query in [
        "after=nonsense",
        "after=1.",
        "after=1.x",
        "sort=up",
        "verdict=good",
        "from=2026-11-21&to=2026-11-20",
        "participant=p",
        "from=x",
        "device=y",
    ] {
        let answer = house.researcher().get(&format!("/api/v1/datasets?{query}")).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (400, &"application/problem+json".parse().expect("a value")),
            "{query}"
        );
    }
    assert_eq!(house.researcher().json("/api/v1/datasets?q=nobody").await["datasets"], serde_json::json!([]));
}

#[tokio::test]
async fn an_unknown_address_is_404_and_a_wrong_method_405() {
    let house = House::start().await;
    assert_eq!(house.researcher().get("/nowhere").await.status(), 404);
    assert_eq!(house.researcher().post("/settings/").await, 405);
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    assert_eq!(house.researcher().post(&format!("/uploads/recordings/{uuid}/a.csv")).await, 405);
    assert_eq!(raw(house.address, b"GET //settings/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.status, 403);
}
