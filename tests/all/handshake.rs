//! Letting watches in: `wire.md`'s states, one token each, and what a researcher sees before granting.

use serde_json::{Value, json};

use crate::support::{House, Watch, raw};

const IDENTIFIER: &str = "kitchen watch[9774d56d682e549c]";

#[tokio::test]
async fn the_states_of_a_request_are_those_of_the_wire() {
    let house = House::start().await;
    let researcher = house.researcher();
    assert_eq!(researcher.poll(IDENTIFIER).await, json!({"status": "new", "msg": "created request"}));
    assert_eq!(researcher.poll(IDENTIFIER).await, json!({"status": "pending", "msg": "waiting for confirmation"}));
    researcher.grant(IDENTIFIER).await;
    let granted = researcher.poll(IDENTIFIER).await;
    assert_eq!(granted["status"], "grant");
    assert!(granted["token"].as_str().is_some_and(|token| !token.is_empty()));
    assert_eq!(researcher.json("/api/v1/requests").await, json!([]));
    assert_eq!(researcher.poll(IDENTIFIER).await["status"], "new");
    assert_eq!(researcher.request_of(IDENTIFIER).await["asked_again"], true);
}

#[tokio::test]
async fn without_an_identifier_the_answer_is_a_4xx() {
    let house = House::start().await;
    for query in ["", "?identifier=", "?identifier=%20", "?other=x"] {
        let answer = house.researcher().get(&format!("/tokenauth/request/{query}")).await;
        assert_eq!(answer.status(), 400, "{query}");
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.json::<Value>().await.expect("json"), json!({"status": "error", "msg": "no identifier"}));
    }
}

#[tokio::test]
async fn a_head_is_refused_and_collects_nothing() {
    let house = House::start().await;
    let researcher = house.researcher();
    researcher.poll(IDENTIFIER).await;
    researcher.grant(IDENTIFIER).await;
    let path = "/tokenauth/request/?identifier=kitchen%20watch%5B9774d56d682e549c%5D";
    let answer = researcher.request("HEAD", path).send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), &answer.headers()["cache-control"]), (405, &"no-store".parse().expect("a value")));
    assert_eq!(researcher.poll(IDENTIFIER).await["status"], "grant");
    let watch = Watch::with_token(house.url(""), String::new());
    assert_eq!(watch.request("HEAD", "/recording/new/").send().await.expect("an answer").status(), 405);
}

#[tokio::test]
async fn two_polls_of_a_grant_that_race_get_one_token() {
    let house = House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| {
        config.limits.anonymous_per_minute = 100_000;
        config.limits.new_requests_per_minute = 100_000;
    })
    .await;
    let researcher = house.researcher();
    for round in 0..100 {
        let identifier = format!("watch {round}");
        researcher.poll(&identifier).await;
        researcher.grant(&identifier).await;
        let (one, two) = tokio::join!(researcher.poll(&identifier), researcher.poll(&identifier));
        let tokens = [&one, &two].into_iter().filter(|answer| answer["status"] == "grant").count();
        assert_eq!(tokens, 1, "{one} {two}");
    }
}

#[tokio::test]
async fn a_grant_lapses() {
    let house = House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| config.handshake.grant_hours = 0).await;
    let researcher = house.researcher();
    researcher.poll(IDENTIFIER).await;
    researcher.grant(IDENTIFIER).await;
    assert_eq!(researcher.request_of(IDENTIFIER).await["granted_at"], Value::Null);
    assert_eq!(researcher.poll(IDENTIFIER).await["status"], "pending");
    assert_eq!(researcher.request_of(IDENTIFIER).await["granted_at"], Value::Null);
    // It does not come back to life where the time is set longer.
    let house = house.restart_with(|config| config.handshake.grant_hours = 48).await;
    assert_eq!(house.researcher().poll(IDENTIFIER).await["status"], "pending");
}

#[tokio::test]
async fn a_device_that_asks_again_long_after_its_token_is_not_suspicious() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch(IDENTIFIER).await;
    house.change_catalog("UPDATE devices SET collected_at = collected_at - 25 * 3600 * 1000").await;
    researcher.poll(IDENTIFIER).await;
    assert_eq!(researcher.request_of(IDENTIFIER).await["asked_again"], false);
    house.watch(IDENTIFIER).await;
    researcher.poll(IDENTIFIER).await;
    assert_eq!(researcher.request_of(IDENTIFIER).await["asked_again"], true);
}

#[tokio::test]
async fn a_device_with_a_token_of_the_new_secret_is_not_locked_out_by_the_old_ones_end() {
    let house = House::start().await;
    house.watch(IDENTIFIER).await;
    house.watch("another").await;
    let secret = "another secret of more than thirty-two letters";
    let house = house.restart_with(|config| config.security.secret = wearhouse::config::Secret::new(secret)).await;
    let settings = async || house.researcher().get("/settings/").await.text().await.expect("text");
    assert!(settings().await.contains("2 devices"));
    house.watch(IDENTIFIER).await;
    assert!(settings().await.contains("1 device"));
}

#[tokio::test]
async fn of_too_many_requests_the_stalest_gives_way_and_a_granted_one_never() {
    let house = House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| config.limits.open_requests = 2).await;
    let researcher = house.researcher();
    researcher.poll("granted").await;
    researcher.grant("granted").await;
    for name in ["a", "b"] {
        researcher.poll(name).await;
    }
    researcher.poll("a").await;
    researcher.poll("c").await;
    let requests = researcher.json("/api/v1/requests").await;
    let names: Vec<_> =
        requests.as_array().expect("an array").iter().map(|request| request["identifier"].as_str().expect("text")).collect();
    assert!(names.contains(&"granted") && names.contains(&"a") && names.contains(&"c") && !names.contains(&"b"), "{names:?}");
}

#[tokio::test]
async fn two_callers_of_one_identifier_need_an_override() {
    let house = House::start().await;
    let researcher = house.researcher();
    for address in ["198.51.100.1", "198.51.100.2"] {
        let head =
            format!("GET /tokenauth/request/?identifier=w HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\nConnection: close\r\n\r\n");
        assert_eq!(raw(house.address, head.as_bytes()).await.status, 200);
    }
    let request = researcher.request_of("w").await;
    assert_eq!(request["callers"], 2);
    let grant = format!("/api/v1/requests/{}/grant", request["id"].as_str().expect("an id"));
    let refused = researcher.request("POST", &grant).send().await.expect("an answer");
    assert_eq!(refused.status(), 409);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(researcher.poll("w").await["status"], "pending");
    let long = "x".repeat(501);
    for reason in ["", "&reason=", "&reason=%20ok%20", &format!("&reason={long}"), &format!("&reason={}", long.repeat(20))] {
        assert_eq!(researcher.post(&format!("{grant}?override=true{reason}")).await, 400, "{} characters", reason.len());
        assert_eq!(researcher.poll("w").await["status"], "pending");
    }
    assert_eq!(researcher.post(&format!("{grant}?override=true&reason=Both+are+the+kitchen%27s")).await, 204);
    assert_eq!(researcher.poll("w").await["status"], "grant");
    // With the token, what was known of its callers is forgotten.
    researcher.poll("w").await;
    assert_eq!(researcher.request_of("w").await["callers"], 1);
}

#[tokio::test]
async fn a_denied_request_is_gone() {
    let house = House::start().await;
    let researcher = house.researcher();
    researcher.poll("w").await;
    let id = researcher.request_of("w").await["id"].as_str().expect("an id").to_owned();
    let deny = || async { researcher.request("DELETE", &format!("/api/v1/requests/{id}")).send().await.expect("an answer").status() };
    assert_eq!(deny().await, 204);
    assert_eq!(deny().await, 404);
    assert_eq!(researcher.json("/api/v1/requests").await, json!([]));
}

#[tokio::test]
async fn a_corrected_alias_is_the_same_device_and_its_older_token_stays_good_until_it_is_ended() {
    let house = House::start().await;
    let researcher = house.researcher();
    let first = house.watch("kichen[9774d56d682e549c]").await;
    let uuid = first.new_dataset().await;
    let second = house.watch("kitchen[9774d56d682e549c]").await;
    second.upload(&uuid, "a.csv", "1").await;
    first.upload(&uuid, "b.csv", "2").await;
    let devices = researcher.json("/api/v1/devices").await;
    assert_eq!(devices.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&devices[0]["alias"], &devices[0]["generation"], &devices[0]["older_tokens"]),
        (&json!("kitchen"), &json!(2), &json!(true))
    );
    let id = devices[0]["id"].as_str().expect("an id");
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/end-older-tokens")).await, 204);
    assert_eq!(first.try_upload(&uuid, "c.csv", "3").await.expect("an answer").status(), 401);
    second.upload(&uuid, "c.csv", "3").await;
}

#[tokio::test]
async fn revoking_can_be_undone_and_a_new_grant_leaves_the_old_tokens_dead() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch(IDENTIFIER).await;
    let uuid = watch.new_dataset().await;
    let id = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
    let status = || async { watch.try_upload(&uuid, "a.csv", "1").await.expect("an answer").status().as_u16() };
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/revoke")).await, 204);
    assert_eq!(status().await, 401);
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/restore")).await, 204);
    assert_eq!(status().await, 200);
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/revoke")).await, 204);
    let again = house.watch(IDENTIFIER).await;
    assert_eq!(status().await, 401);
    again.upload(&uuid, "b.csv", "2").await;
}

#[tokio::test]
async fn a_token_outlives_a_restart_a_new_secret_and_a_lost_catalog() {
    let house = House::start().await;
    house.watch(IDENTIFIER).await;
    let watch = house.watch(IDENTIFIER).await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    let old = house.config.security.secret.clone();
    let mut house = house
        .restart_with(|config| {
            config.security.previous_secrets = vec![old.clone()];
            config.security.secret = wearhouse::config::Secret::new("another secret of more than thirty-two letters");
        })
        .await;
    watch.at(&house.url("")).upload(&uuid, "b.csv", "2").await;
    house.stop().await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", house.layout().catalog().display()));
    }
    let (folder, config) = (std::sync::Arc::clone(&house.folder), house.config.clone());
    let house = House::reopen(folder, config).await;
    watch.at(&house.url("")).upload(&uuid, "c.csv", "3").await;
    // Its next token is another one than this.
    assert_eq!(house.researcher().json("/api/v1/devices").await[0]["generation"], 2);
}
