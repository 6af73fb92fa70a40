//! Who is to have which model: a device's own, else its wearer's, else everyone's; and back.

use serde_json::json;

use super::{device, give, publish, told, try_give};
use crate::support::{House, Researcher};

pub async fn participant(researcher: &Researcher, label: &str) -> String {
    let added = researcher.request("POST", "/api/v1/participants").json(&json!({"label": label})).send().await.expect("an answer");
    added.json::<serde_json::Value>().await.expect("json")["id"].as_str().expect("an id").to_owned()
}

pub async fn wears(researcher: &Researcher, participant: &str, device: &str, from: &str, until: Option<&str>) -> String {
    let span = json!({"device": device, "from": from, "until": until});
    let path = format!("/api/v1/participants/{participant}/spans");
    let answer = researcher.request("POST", &path).json(&span).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let enrolled: serde_json::Value = answer.json().await.expect("json");
    let span = enrolled["spans"].as_array().expect("spans").iter().find(|span| span["device"] == device).cloned();
    span.expect("the span")["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_devices_own_model_comes_before_its_wearers_and_that_before_everyones() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[aaaa]").await;
    house.watch("garden[bbbb]").await;
    let (kitchen, garden) = (device(&researcher, "kitchen[aaaa]").await, device(&researcher, "garden[bbbb]").await);
    let [all, hers, own] =
        [publish(&researcher, "all.onnx").await, publish(&researcher, "hers.onnx").await, publish(&researcher, "own.onnx").await];
    let she = participant(&researcher, "P01").await;
    give(&researcher, json!({"to": "everyone", "model": all})).await;
    give(&researcher, json!({"to": "participant", "participant": she, "model": hers})).await;
    give(&researcher, json!({"to": "device", "device": "kitchen", "model": own})).await;
    let both = async || [told(&house, "aaaa").await.expect("a name"), told(&house, "bbbb").await.expect("a name")];
    assert_eq!(both().await, ["own.onnx", "all.onnx"]);
    wears(&researcher, &she, &kitchen, "2020-01-01", None).await;
    let span = wears(&researcher, &she, &garden, "2020-01-01", None).await;
    assert_eq!(both().await, ["own.onnx", "hers.onnx"]);
    // Long ago she wore it, and not today.
    let path = format!("/api/v1/participants/{she}/spans/{span}");
    researcher.request("PATCH", &path).json(&json!({"until": "2020-01-31"})).send().await.expect("an answer");
    assert_eq!(both().await, ["own.onnx", "all.onnx"]);
    give(&researcher, json!({"to": "device", "device": kitchen, "model": null})).await;
    assert_eq!(both().await, ["hers.onnx", "all.onnx"]);
    assert_eq!(researcher.post(&format!("/api/v1/participants/{she}/forget")).await, 204);
    assert_eq!(both().await, ["all.onnx", "all.onnx"]);
}

#[tokio::test]
async fn the_way_back_leads_to_each_one_before() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[aaaa]").await;
    for name in ["one.onnx", "two.onnx", "two.onnx", "three.onnx", "one.onnx"] {
        let models = researcher.json("/api/v1/models").await;
        let known = models["models"].as_array().expect("models").iter().find(|model| model["name"] == name).cloned();
        let id = match known {
            Some(model) => model["id"].as_str().expect("an id").to_owned(),
            None => publish(&researcher, name).await,
        };
        give(&researcher, json!({"to": "everyone", "model": id})).await;
        assert_eq!(told(&house, "aaaa").await.as_deref(), Ok(name));
    }
    for name in [Ok("three.onnx"), Ok("two.onnx"), Ok("one.onnx"), Err(404)] {
        assert_eq!(try_give(&researcher, "back", json!({"to": "everyone"})).await.status(), 200);
        assert_eq!(told(&house, "aaaa").await.as_deref().map_err(|status| *status), name);
    }
    assert_eq!(try_give(&researcher, "back", json!({"to": "everyone"})).await.status(), 404, "there is nothing before");
}

#[tokio::test]
async fn a_model_in_use_stays_and_says_who_uses_it() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[aaaa]").await;
    let [first, second] = [publish(&researcher, "first.onnx").await, publish(&researcher, "second.onnx").await];
    let she = participant(&researcher, "P01").await;
    for to in [json!({"to": "everyone"}), json!({"to": "participant", "participant": she}), json!({"to": "device", "device": "kitchen"})] {
        for model in [&first, &second] {
            let mut gift = to.clone();
            gift["model"] = json!(model);
            give(&researcher, gift).await;
        }
    }
    let delete = async |id: &str| researcher.request("DELETE", &format!("/api/v1/models/{id}")).send().await.expect("an answer");
    let refused = delete(&second).await;
    assert_eq!(refused.status(), 409);
    let said = refused.text().await.expect("text");
    for user in ["everyone", "participant P01", "device kitchen[aaaa]"] {
        assert!(said.contains(user), "{said}");
    }
    assert_eq!(told(&house, "aaaa").await.as_deref(), Ok("second.onnx"));

    let folder = house.config.storage.uploads.join("tf_models").join(&first);
    assert!(folder.join("first.onnx").exists() && folder.join("settings.json").exists());
    assert_eq!(delete(&first).await.status(), 204, "what was only before is in no use");
    assert!(!folder.exists());
    assert_eq!(delete(&first).await.status(), 404);
    let back = try_give(&researcher, "back", json!({"to": "everyone"})).await.json::<serde_json::Value>().await.expect("json");
    assert_eq!(back, json!({"model": null}), "the way back leads past what is gone");
}

#[tokio::test]
async fn nothing_is_given_to_nobody_and_nobody_gets_what_is_not_there() {
    let house = House::start().await;
    let researcher = house.researcher();
    let id = publish(&researcher, "hands.onnx").await;
    let nobody = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    for (gift, status) in [
        (json!({"to": "device", "device": "nobody", "model": id}), 400),
        (json!({"to": "participant", "participant": nobody, "model": id}), 404),
        (json!({"to": "participant", "participant": "x", "model": id}), 400),
        (json!({"to": "everyone", "model": nobody}), 404),
        (json!({"to": "everyone", "model": "x"}), 400),
        (json!({"to": "all", "model": id}), 400),
        (json!({"model": id}), 400),
    ] {
        assert_eq!(try_give(&researcher, "give", gift.clone()).await.status(), status, "{gift}");
    }
}
