//! The desk at the door: what is shown while watches ask, who is blocked, and why a grant was given.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{House, Researcher, WatchedDisk, raw, until};

const EVENTS: &str = "/tokenauth/check/events";

/// What a page that is open is told.
struct Told {
    answer: Response,
    text: String,
}

impl Told {
    async fn listen(researcher: &Researcher) -> Self {
        Self::of(researcher.get(EVENTS).await)
    }

    fn of(answer: Response) -> Self {
        assert_eq!(answer.status(), 200);
        Self { answer, text: String::new() }
    }

    /// The number of the next change.
    async fn next(&mut self) -> u64 {
        let next = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    match event.strip_prefix("event: changed\ndata: ") {
                        Some(number) => return number.parse().expect("a number"),
                        None => continue,
                    }
                }
                let piece = self.answer.chunk().await.expect("a stream").expect("more of it");
                self.text.push_str(std::str::from_utf8(&piece).expect("text"));
            }
        };
        tokio::time::timeout(Duration::from_secs(20), next).await.expect("an event")
    }

    /// Waits for its end.
    async fn end(self) {
        let all = self.answer.bytes_stream().for_each(async |_| {});
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("an end");
    }
}

async fn id_of(researcher: &Researcher, identifier: &str) -> String {
    researcher.request_of(identifier).await["id"].as_str().expect("an id").to_owned()
}

/// What somebody did to a device, as the trail has it: the last first.
async fn trail(house: &House) -> Vec<(String, String)> {
    let mut catalog = house.catalog().await;
    sqlx::query_as("SELECT action, detail FROM audit ORDER BY number DESC").fetch_all(&mut catalog).await.expect("a trail")
}

async fn page(researcher: &Researcher) -> String {
    researcher.get("/tokenauth/check/").await.text().await.expect("text")
}

#[tokio::test]
async fn a_page_that_is_open_is_told_of_everything_that_becomes_of_a_request() {
    let house = House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| config.limits.open_requests = 1).await;
    let researcher = house.researcher();
    let mut told = Told::listen(&researcher).await;
    let header = |name: &str| told.answer.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!((header("x-accel-buffering"), header("cache-control")), ("no".to_owned(), "no-store".to_owned()));
    let mut last = told.next().await;
    assert!(page(&researcher).await.contains(&format!("data-live=\"{EVENTS}\" data-seen=\"{last}\"")));
    let mut is_told = async |what: &str| {
        let number = told.next().await;
        assert_ne!(number, last, "{what}");
        last = number;
        assert!(page(&researcher).await.contains(&format!("data-seen=\"{number}\"")), "{what}");
    };
    researcher.poll("w").await;
    is_told("it comes").await;
    // Whoever waits changes nothing.
    researcher.poll("w").await;
    let id = id_of(&researcher, "w").await;
    assert_eq!(researcher.post(&format!("/api/v1/requests/{id}/grant")).await, 204);
    is_told("it is granted").await;
    researcher.poll("w").await;
    is_told("it is collected").await;
    researcher.poll("one").await;
    is_told("another comes").await;
    researcher.poll("two").await;
    is_told("it gives way").await;
    let id = id_of(&researcher, "two").await;
    assert!(researcher.request("DELETE", &format!("/api/v1/requests/{id}")).send().await.expect("an answer").status().is_success());
    is_told("it is denied").await;
    researcher.poll("three").await;
    is_told("a third comes").await;
    let second =
        b"GET /tokenauth/request/?identifier=three HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n\r\n";
    assert_eq!(raw(house.address, second).await.status, 200);
    is_told("a second caller asks").await;
    let id = id_of(&researcher, "three").await;
    assert_eq!(researcher.post(&format!("/api/v1/requests/{id}/block")).await, 204);
    is_told("it is blocked").await;
}

/// Between its numbers and its list somebody asks: the page must be told so, or it stands there with an old number.
#[tokio::test]
async fn the_first_page_is_as_old_as_the_oldest_of_what_it_shows() {
    let disk = WatchedDisk::new();
    let house = House::start_with(std::sync::Arc::clone(&disk) as _, |_| {}).await;
    let researcher = house.researcher();
    let front = async |researcher: Researcher| {
        let page = researcher.get("/").await.text().await.expect("text");
        page.split("data-seen=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a number").to_owned()
    };
    let before = front(researcher.clone()).await;
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (began, is_slow) = std::sync::mpsc::channel();
    let slow = std::thread::spawn(move || {
        let _guard = disk.free.lock().expect("free");
        began.send(()).expect("waited for");
        released.recv()
    });
    is_slow.recv().expect("held");
    let page = tokio::spawn(front(researcher.clone()));
    // The page asks the disk meanwhile, which does not answer.
    for _ in 0..50 {
        researcher.get("/api/v1/devices").await;
    }
    researcher.poll("w").await;
    drop(release);
    assert_eq!(page.await.expect("a page"), before);
    assert_ne!(front(researcher).await, before);
    slow.join().expect("no panic").expect_err("nothing was sent");
}

#[tokio::test]
async fn only_an_admin_is_told_and_only_so_many_at_once() {
    let mut house = House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| {
        config.limits.connections = 200;
        config.limits.connections_per_address = 200;
    })
    .await;
    let stranger = reqwest::Client::builder().no_proxy().build().expect("a client");
    assert_eq!(stranger.get(house.url(EVENTS)).send().await.expect("an answer").status(), 401);
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Told::listen(&house.researcher()).await);
    }
    let refused = house.researcher().get(EVENTS).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    drop(open.pop());
    // Whoever is gone is noticed when there is something to tell.
    house.researcher().poll("w").await;
    until("the place is free", async || {
        house.researcher().grant("w").await;
        house.researcher().get(EVENTS).await.status() == 200
    })
    .await;
    tokio::time::timeout(Duration::from_secs(20), house.stop()).await.expect("a stop that nobody holds up");
    for told in open {
        told.end().await;
    }
}

#[tokio::test]
async fn an_open_page_does_not_hold_up_a_stop() {
    let mut house = House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| config.server.stop_seconds = 3600).await;
    let mut told = Told::listen(&house.researcher()).await;
    told.next().await;
    tokio::time::timeout(Duration::from_secs(20), house.stop()).await.expect("a stop that nobody holds up");
    told.end().await;
}

#[tokio::test]
async fn a_blocked_device_is_told_to_wait_and_nothing_is_kept_of_it() {
    let house = House::start().await;
    let researcher = house.researcher();
    let pending = json!({"status": "pending", "msg": "waiting for confirmation"});
    for name in ["pest[9774d56d682e549c]", "vermin[9774d56d682e549c]", "kitchen"] {
        researcher.poll(name).await;
    }
    researcher.grant("pest[9774d56d682e549c]").await;
    let block = format!("/api/v1/requests/{}/block", id_of(&researcher, "vermin[9774d56d682e549c]").await);
    assert_eq!(researcher.post(&block).await, 204);
    assert_eq!(researcher.post(&block).await, 404);
    // The other name of the device is blocked, too, and so is its grant.
    for name in ["pest[9774d56d682e549c]", "vermin[9774d56d682e549c]", "a third[9774d56d682e549c]"] {
        assert_eq!(researcher.poll(name).await, pending, "{name}");
    }
    let requests = researcher.json("/api/v1/requests").await;
    assert_eq!(requests.as_array().map(Vec::len), Some(1), "{requests}");
    let blocked = researcher.json("/api/v1/blocked").await;
    assert_eq!((&blocked[0]["alias"], &blocked[0]["blocked_by"]), (&json!("vermin"), &json!("admin")));
    assert!(page(&researcher).await.contains("<bdi>vermin</bdi>"));
    let unblock = format!("/api/v1/blocked/{}", blocked[0]["device"].as_str().expect("a device"));
    let ask = async || researcher.request("DELETE", &unblock).send().await.expect("an answer").status().as_u16();
    assert_eq!((ask().await, ask().await), (204, 404));
    assert_eq!(researcher.json("/api/v1/blocked").await, json!([]));
    assert_eq!(researcher.poll("vermin[9774d56d682e549c]").await["status"], "new");
    let actions: Vec<_> = trail(&house).await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["unblocked", "blocked", "granted"]);
}

#[tokio::test]
async fn a_blocked_device_takes_nothing_from_the_limit_of_newcomers() {
    let house =
        House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| config.limits.new_requests_per_minute = 2).await;
    let researcher = house.researcher();
    researcher.poll("pest").await;
    assert_eq!(researcher.post(&format!("/api/v1/requests/{}/block", id_of(&researcher, "pest").await)).await, 204);
    for _ in 0..5 {
        assert_eq!(researcher.poll("pest").await["status"], "pending");
    }
    assert_eq!(researcher.poll("kitchen").await["status"], "new");
}

#[tokio::test]
async fn who_granted_and_how_long_it_lasts_is_shown() {
    let house = House::start().await;
    let researcher = house.researcher();
    researcher.poll("kitchen[9774d56d682e549c]").await;
    researcher.grant("kitchen[9774d56d682e549c]").await;
    let request = researcher.request_of("kitchen[9774d56d682e549c]").await;
    assert_eq!(request["granted_by"], "admin");
    assert_eq!(request["lapses_at"].as_i64(), request["granted_at"].as_i64().map(|at| at + 48 * 3_600_000));
    let text = page(&researcher).await;
    assert!(text.contains("by <bdi>admin</bdi>, not collected yet. 47 hours left."), "{text}");
    let back = format!("/tokenauth/check/{}/deny", request["id"].as_str().expect("an id"));
    assert_eq!((researcher.post(&back).await.as_u16(), researcher.post(&back).await.as_u16()), (303, 404));
    assert_eq!(trail(&house).await[0], ("denied".to_owned(), "its grant was taken back".to_owned()));
}

#[tokio::test]
async fn how_often_a_watch_asks_is_shown() {
    let house = House::start().await;
    let researcher = house.researcher();
    researcher.poll("w").await;
    assert_eq!(researcher.request_of("w").await["cadence"], Value::Null);
    house.change_catalog("UPDATE requests SET polls = 13, created_at = polled_at - 12 * 299 * 1000").await;
    assert_eq!(researcher.request_of("w").await["cadence"], 299_000);
    assert!(page(&researcher).await.contains("about every 5 minutes"));
}

#[tokio::test]
async fn the_reason_of_an_override_is_kept() {
    let house = House::start().await;
    let researcher = house.researcher();
    researcher.poll("w").await;
    let form = format!("/tokenauth/check/{}/override", id_of(&researcher, "w").await);
    let send = async |reason: &str| {
        let body = format!("reason={reason}");
        let request = researcher.request("POST", &form).header("content-type", "application/x-www-form-urlencoded").body(body);
        request.send().await.expect("an answer")
    };
    let refused = send("%20%20").await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.expect("text").contains("write how you made sure"));
    assert_eq!(send("I+rang+the+ward").await.status(), 303);
    // A form sent twice says the same twice.
    assert_eq!(send("I+rang+the+ward").await.status(), 303);
    assert_eq!(trail(&house).await[1].1, "although several callers may ask: I rang the ward");
    assert_eq!(researcher.poll("w").await["status"], "grant");
    let gone = send("I+rang+the+ward").await;
    assert_eq!(gone.status(), 404);
    assert!(gone.text().await.expect("text").contains("there is no such request any more"));
}

#[tokio::test]
async fn what_is_no_request_cannot_be_decided_over() {
    let house = House::start().await;
    let researcher = house.researcher();
    for id in ["67e55044-10b1-426f-9247-bb680e5fe0c8", "nonsense", "%00", "'", &"x".repeat(2000)] {
        for act in ["grant", "deny", "block", "unblock"] {
            assert_eq!(researcher.post(&format!("/tokenauth/check/{id}/{act}")).await, 404, "{act} {id}");
        }
        for act in ["grant", "block"] {
            assert_eq!(researcher.post(&format!("/api/v1/requests/{id}/{act}")).await, 404, "{act} {id}");
        }
    }
    assert_eq!(trail(&house).await, []);
}
