//! Knowing which watch runs which model, and was told of which.

use serde_json::{Value, json};

use super::{device, give, publish, standing, told};
use crate::support::{House, Researcher, Watch, until};

/// Brings a run whose metaInfo names a model.
pub async fn run(watch: &Watch, number: u32, model: &str) {
    let uuid = watch.new_dataset().await;
    let meta = json!({"tf_model": model, "run_number": number, "date": format!("2026-11-0{number}T09:20+0000")});
    watch.upload(&uuid, &format!("metaInfo_{number}.json"), meta.to_string()).await;
}

async fn stands(researcher: &Researcher, device: &str, wanted: &str) {
    until(&format!("it is {wanted}"), async || standing(researcher, device).await["standing"] == wanted).await;
}

#[tokio::test]
async fn a_device_is_behind_until_its_last_run_names_the_model_that_it_is_to_have() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("kitchen[aaaa]").await;
    let id = device(&researcher, "kitchen[aaaa]").await;
    stands(&researcher, &id, "free").await;
    let long = format!("hände {}.onnx", "x".repeat(150));
    let [old, new] = [publish(&researcher, "old.onnx").await, publish(&researcher, &long).await];
    give(&researcher, json!({"to": "everyone", "model": old})).await;
    stands(&researcher, &id, "unknown").await;
    run(&watch, 1, "old.onnx").await;
    stands(&researcher, &id, "current").await;
    give(&researcher, json!({"to": "everyone", "model": new})).await;
    stands(&researcher, &id, "behind").await;
    let refused = researcher.request("DELETE", &format!("/api/v1/models/{old}")).send().await.expect("an answer");
    assert_eq!(refused.status(), 409);
    assert!(refused.text().await.expect("text").contains("kitchen[aaaa], which runs it"));
    run(&watch, 2, &long).await;
    stands(&researcher, &id, "current").await;
    // Of a long name a watch is known to say the beginning only.
    give(&researcher, json!({"to": "everyone", "model": null})).await;
    assert_eq!(researcher.json(&format!("/api/v1/models/{new}")).await["devices"], 1);
    let refused = researcher.request("DELETE", &format!("/api/v1/models/{new}")).send().await.expect("an answer");
    assert_eq!(refused.status(), 409);
}

#[tokio::test]
async fn what_a_device_was_told_and_took_is_known_also_behind_a_restart() {
    let mut house = House::start().await;
    house.watch("kitchen[aaaa]").await;
    house.watch("garden[bbbb]").await;
    let researcher = house.researcher();
    let id = device(&researcher, "kitchen[aaaa]").await;
    let [one, two] = [publish(&researcher, "one.onnx").await, publish(&researcher, "two.onnx").await];
    give(&researcher, json!({"to": "everyone", "model": one})).await;
    assert_eq!(standing(&researcher, &id).await["offered_at"], Value::Null);
    told(&house, "aaaa").await.expect("a name");
    let first = standing(&researcher, &id).await;
    assert!(first["offered_at"].is_i64() && first["fetched_at"].is_null(), "{first}");
    reqwest::get(house.url("/tfmodel/get/latest/?androidid=aaaa")).await.expect("an answer");
    told(&house, "aaaa").await.expect("a name");
    let second = standing(&researcher, &id).await;
    assert_eq!(second["offered_at"], first["offered_at"], "since when it is told so");
    assert!(second["fetched_at"].is_i64(), "{second}");
    give(&researcher, json!({"to": "device", "device": id, "model": two})).await;
    assert_eq!(standing(&researcher, &id).await["offered_at"], Value::Null, "it has not asked since");
    told(&house, "aaaa").await.expect("a name");
    let third = standing(&researcher, &id).await;
    house.stop().await;

    let house = house.start_again().await;
    let researcher = house.researcher();
    assert_eq!(standing(&researcher, &id).await, third);
    told(&house, "aaaa").await.expect("a name");
    assert_eq!(standing(&researcher, &id).await, third, "the same once more is nothing new");
    let page = researcher.get(&format!("/device/{id}/")).await.text().await.expect("text");
    assert!(page.contains("one.onnx") && page.contains("two.onnx"), "both stand on its page: {page}");
}

#[tokio::test]
async fn what_a_device_was_told_goes_with_it() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[aaaa]").await;
    let id = device(&researcher, "kitchen[aaaa]").await;
    let model = publish(&researcher, "one.onnx").await;
    give(&researcher, json!({"to": "device", "device": id, "model": model})).await;
    told(&house, "aaaa").await.expect("a name");
    standing(&researcher, &id).await;
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/forget")).await, 204);
    assert_eq!(told(&house, "aaaa").await, Err(404));
    let remove = async || researcher.request("DELETE", &format!("/api/v1/models/{model}")).send().await.expect("an answer").status();
    assert_eq!(remove().await, 204, "nobody uses it any more");
}
