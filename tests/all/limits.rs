//! What nobody may exceed: one past each bound, and the answer; and that the others notice nothing.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wearhouse::storage::RealDisk;

use crate::support::{House, Watch, begin_upload, raw, until};

#[tokio::test]
async fn a_silent_connection_and_an_endless_head_are_ended() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.header_seconds = 1).await;
    let mut silent = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
    let mut nothing = Vec::new();
    silent.read_to_end(&mut nothing).await.expect("an end");
    let head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
    assert_eq!(raw(house.address, head.as_bytes()).await.status, 431);
}

#[tokio::test]
async fn one_upload_too_many_is_503_at_once() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.uploads_at_once = 1).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let open = begin_upload(house.address, &watch, &uuid).await;
    until("the first upload is under way", async || !house.incoming().is_empty()).await;
    let refused = watch.try_upload(&uuid, "b.csv", "2").await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    drop(open);
    until("the place is free again", async || watch.try_upload(&uuid, "b.csv", "2").await.is_ok_and(|answer| answer.status() == 200)).await;
    assert!(house.incoming().is_empty());
}

#[tokio::test]
async fn one_device_does_not_take_all_places() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.device_uploads_at_once = 1).await;
    let (greedy, other) = (house.watch("greedy").await, house.watch("other").await);
    let uuid = greedy.new_dataset().await;
    let open = begin_upload(house.address, &greedy, &uuid).await;
    until("the first upload is under way", async || !house.incoming().is_empty()).await;
    assert_eq!(greedy.try_upload(&uuid, "b.csv", "2").await.expect("an answer").status(), 503);
    other.upload(&other.new_dataset().await, "c.csv", "3").await;
    drop(open);
    until("the place is free again", async || greedy.try_upload(&uuid, "b.csv", "2").await.is_ok_and(|answer| answer.status() == 200))
        .await;
}

#[tokio::test]
async fn a_stranger_with_many_names_does_not_push_the_others_out() {
    let house = House::start_with(Arc::new(RealDisk), |config| {
        config.limits.open_requests = 10;
        config.limits.new_requests_per_minute = 5;
    })
    .await;
    let researcher = house.researcher();
    researcher.poll("a watch that waits").await;
    let mut refused = 0;
    for n in 0..20 {
        refused += u32::from(researcher.poll(&format!("stranger {n}")).await["status"] == "error");
    }
    assert_eq!(refused, 16);
    assert_eq!(researcher.poll("a watch that waits").await["status"], "pending");
}

#[tokio::test]
async fn wrong_passwords_back_off_and_whoever_is_known_is_let_in() {
    let house = House::start().await;
    assert_eq!(house.researcher().get("/").await.status(), 200);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let guess = async || client.get(house.url("/")).basic_auth("admin", Some("wrong")).send().await.expect("an answer");
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(guess().await);
    }
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses[..4], [401; 4], "{statuses:?}");
    assert_eq!(statuses[5], 429, "{statuses:?}");
    assert!(answers[5].headers().contains_key("retry-after"));
    assert_eq!(house.researcher().get("/").await.status(), 200);
    let other_user = client.get(house.url("/")).basic_auth("researcher", Some(crate::support::Researcher::PASSWORD));
    assert_eq!(other_user.send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn too_many_requests_are_429_with_a_retry_after() {
    let house = House::start_with(Arc::new(RealDisk), |config| {
        config.limits.anonymous_per_minute = 20;
        config.limits.device_per_minute = 5;
    })
    .await;
    let watch = house.watch("w").await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let answer = watch.request("GET", "/recording/new/").send().await.expect("an answer");
        statuses.push((answer.status().as_u16(), answer.headers().contains_key("retry-after")));
    }
    assert_eq!(statuses.iter().filter(|status| **status == (200, false)).count(), 5, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&(429, true)));
    let stranger = Watch::with_token(house.url(""), "x".to_owned());
    until("a stranger is told to wait", async || {
        stranger.request("GET", "/recording/new/").send().await.expect("an answer").status() == 429
    })
    .await;
    // The researcher behind the same address, with a good password, is still let in once it was verified.
    assert_eq!(house.researcher().get("/api/v1/devices").await.status(), 200);
}

#[tokio::test]
async fn a_stranger_is_told_to_wait_whatever_he_tries() {
    for what in ["a page without a login", "a wrong login", "a poll", "a wrong token"] {
        let house = House::start_with(Arc::new(RealDisk), |config| config.limits.anonymous_per_minute = 2).await;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let request = || match what {
            "a page without a login" => client.get(house.url("/")),
            "a wrong login" => client.get(house.url("/")).basic_auth("admin", Some("wrong")),
            "a poll" => client.get(house.url("/tokenauth/request/?identifier=w")),
            _ => client.get(house.url("/recording/new/")).bearer_auth("x"),
        };
        for _ in 0..2 {
            assert_ne!(request().send().await.expect("an answer").status(), 429, "{what}");
        }
        let refused = request().send().await.expect("an answer");
        assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (429, true), "{what}");
        assert!(refused.text().await.expect("text").contains("too many requests"), "{what}");
    }
}

#[tokio::test]
async fn one_connection_too_many_waits_until_another_ends() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.connections = 1).await;
    let request = b"GET /static/style.css HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut answer = [0; 12];
    let mut first = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
    first.write_all(request).await.expect("sent");
    first.read_exact(&mut answer).await.expect("an answer");
    let mut second = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
    second.write_all(request).await.expect("sent");
    // Whoever has a place is served on.
    for _ in 0..20 {
        first.write_all(request).await.expect("sent");
        first.read_exact(&mut [0; 200]).await.expect("an answer");
    }
    let early = second.try_read(&mut answer).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    drop(first);
    second.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_device_that_has_used_up_its_quota_is_refused_and_others_are_not() {
    let house = House::start_with(Arc::new(RealDisk), |config| {
        config.limits.device_files = 2;
        config.limits.device_datasets = 2;
    })
    .await;
    let (greedy, other) = (house.watch("greedy").await, house.watch("other").await);
    let uuid = greedy.new_dataset().await;
    greedy.upload(&uuid, "a.csv", "1").await;
    greedy.upload(&uuid, "b.csv", "2").await;
    let refused = greedy.try_upload(&uuid, "c.csv", "3").await.expect("an answer");
    assert_eq!(refused.status(), 507);
    assert!(refused.text().await.expect("text").contains("quota of files"));
    // What is here already is acknowledged still.
    greedy.upload(&uuid, "a.csv", "1").await;
    greedy.new_dataset().await;
    assert_eq!(greedy.request("GET", "/recording/new/").send().await.expect("an answer").status(), 507);
    other.upload(&other.new_dataset().await, "c.csv", "3").await;
    assert!(house.incoming().is_empty());
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.device_gib = 0).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "empty.csv", "").await;
    let refused = watch.try_upload(&uuid, "a.csv", "1").await.expect("an answer");
    assert_eq!(refused.status(), 507);
    assert!(refused.text().await.expect("text").contains("quota of bytes"));
}
