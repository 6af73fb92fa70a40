//! Models that a watch brought: listed with their recording, and published with one click.

use serde_json::{Value, json};

use super::{onnx, settings};
use crate::support::House;

#[tokio::test]
async fn a_model_that_a_watch_brought_is_published_with_the_settings_of_its_run() {
    let house = House::start().await;
    let researcher = house.researcher();
    let watch = house.watch("kitchen[aaaa]").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "hands 1.onnx", onnx("a")).await;
    let meta = json!({"tf_model": "hands 1.onnx", "tf_settings": settings().to_string(), "run_number": 1}).to_string();
    watch.upload(&uuid, "metaInfo_1.json", meta).await;
    watch.upload(&uuid, "no.tflite", "nonsense").await;
    crate::support::until("the run was read", async || !researcher.dataset(&uuid).await["meta_info"].is_null()).await;

    let page = researcher.get(&format!("/recording/{uuid}/")).await.text().await.expect("text");
    assert!(page.contains(&format!("action=\"/recording/{uuid}/models/hands%201.onnx/publish\"")), "{page}");
    let publish = async |name: &str| {
        researcher.request("POST", &format!("/api/v1/datasets/{uuid}/models/{name}/publish")).send().await.expect("an answer")
    };
    let answer = publish("hands%201.onnx").await;
    assert_eq!(answer.status(), 201);
    let model: Value = answer.json().await.expect("json");
    assert_eq!((&model["name"], &model["settings"]), (&json!("hands 1.onnx"), &settings()));
    assert!(model["notes"].as_str().expect("notes").contains(&uuid));

    for (name, status) in [("hands%201.onnx", 409), ("no.tflite", 400), ("other.onnx", 404), ("metaInfo_1.json", 404), ("..%2fa.onnx", 404)]
    {
        assert_eq!(publish(name).await.status(), status, "{name}");
    }
    assert_eq!(researcher.json("/api/v1/models").await["models"].as_array().expect("models").len(), 1);
}
