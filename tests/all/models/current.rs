//! `GET /api/v1/models/current`: a device's model, for clients that show their token.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use wearhouse::storage::RealDisk;

use super::{give, onnx, publish, settings, try_publish};
use crate::support::{House, Watch, until};

const CURRENT: &str = "/api/v1/models/current";

#[tokio::test]
async fn the_file_has_a_name_a_tag_and_a_digest_and_comes_in_parts() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("kitchen[aaaa]").await;
    assert_eq!(watch.request("GET", CURRENT).send().await.expect("an answer").status(), 404);
    let [one, two] = [publish(&researcher, "one.onnx").await, publish(&researcher, "two.onnx").await];
    give(&researcher, json!({"to": "everyone", "model": one})).await;

    let answer = watch.request("GET", CURRENT).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
    let digest = format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(onnx("one.onnx"))));
    assert_eq!((header("repr-digest"), header("content-disposition")), (digest.clone(), "attachment; filename=one.onnx".to_owned()));
    let etag = header("etag");
    assert!(etag.starts_with('"') && etag.len() > 60, "{etag}");
    assert_eq!(answer.bytes().await.expect("a file"), onnx("one.onnx"));

    let part = watch.request("GET", CURRENT).header("range", "bytes=3-").header("if-range", &etag).send().await.expect("an answer");
    assert_eq!((part.status().as_u16(), part.headers()["repr-digest"].to_str().expect("text")), (206, digest.as_str()));
    assert_eq!(part.bytes().await.expect("a part"), onnx("one.onnx")[3..]);
    let known = async || watch.request("GET", CURRENT).header("if-none-match", &etag).send().await.expect("an answer");
    assert_eq!(known().await.status(), 304);

    // Of the same length, published within the same second: only the digest tells them apart.
    give(&researcher, json!({"to": "device", "device": "kitchen", "model": two})).await;
    assert_eq!(known().await.status(), 200);
    let part = watch.request("GET", CURRENT).header("range", "bytes=3-").header("if-range", &etag).send().await.expect("an answer");
    assert_eq!((part.status().as_u16(), part.bytes().await.expect("all of it").to_vec()), (200, onnx("two.onnx")));
    let said = watch.request("GET", "/api/v1/models/current/settings").send().await.expect("an answer");
    assert_eq!(said.json::<Value>().await.expect("json"), settings());
}

#[tokio::test]
async fn without_a_good_token_there_is_no_model() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("kitchen[aaaa]").await;
    give(&researcher, json!({"to": "everyone", "model": publish(&researcher, "one.onnx").await})).await;
    for path in [CURRENT, "/api/v1/models/current/settings"] {
        assert_eq!(watch.request("GET", path).send().await.expect("an answer").status(), 200);
        assert_eq!(reqwest::get(house.url(path)).await.expect("an answer").status(), 401);
        assert_eq!(researcher.get(path).await.status(), 401);
    }
    let device = super::device(&researcher, "kitchen[aaaa]").await;
    researcher.post(&format!("/api/v1/devices/{device}/revoke")).await;
    assert_eq!(watch.request("GET", CURRENT).send().await.expect("an answer").status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_reads_its_model_slowly_does_not_take_the_downloads_of_others() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.downloads_at_once = 8).await;
    let (slow, other) = (house.watch("slow[aaaa]").await, house.watch("other[bbbb]").await);
    let researcher = house.researcher();
    // Larger than what the sockets hold: a description of 24 MiB, with its length as a varint.
    let large = [onnx("large.onnx"), vec![6 << 3 | 2, 0x80, 0x80, 0x80, 12], vec![b'd'; 24 << 20]].concat();
    let published = try_publish(&researcher, "large.onnx", large).await;
    assert_eq!(published.status(), 201);
    let id = published.json::<Value>().await.expect("json")["id"].as_str().expect("an id").to_owned();
    give(&researcher, json!({"to": "everyone", "model": id})).await;

    let fetch = async |watch: &Watch| watch.request("GET", CURRENT).send().await.expect("an answer");
    let unread = fetch(&slow).await;
    assert_eq!(unread.status(), 200);
    let rejected = fetch(&slow).await;
    assert_eq!((rejected.status().as_u16(), rejected.headers().contains_key("retry-after")), (503, true));
    // The same device by its Android id, as the field app asks.
    let by_id = async |android_id: &str| reqwest::get(house.url(&format!("/tfmodel/get/latest/?androidid={android_id}"))).await;
    assert_eq!(by_id("aaaa").await.expect("an answer").status(), 503);
    let read = fetch(&other).await.bytes().await.expect("all of it");
    assert_eq!(Some(read.len() as u64), unread.content_length());
    drop(unread);
    until("the permit is free again", async || fetch(&slow).await.status() == 200).await;
}
