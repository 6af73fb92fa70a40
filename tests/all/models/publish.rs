//! Publishing: what is good is published whole, and of what is not nothing stays behind.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{give, onnx, publish, settings, told, try_publish};
use crate::support::{House, Program, list, sha256};

fn folders(house: &House) -> usize {
    list(&house.config.storage.uploads.join("tf_models")).len()
}

#[tokio::test]
async fn what_is_published_lies_in_a_folder_and_can_be_taken_home() {
    let house = House::start().await;
    let researcher = house.researcher().without_power();
    let form = Form::new()
        .part("file", Part::bytes(onnx("a")).file_name("hands 1.onnx"))
        .text("version", "1.0")
        .text("notes", "Trained on the pilot.")
        .text("settings", settings().to_string());
    let answer = researcher.request("POST", "/api/v1/models").multipart(form).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let model: Value = answer.json().await.expect("json");
    let id = model["id"].as_str().expect("an id");
    assert_eq!((&model["name"], &model["version"], &model["settings"]), (&json!("hands 1.onnx"), &json!("1.0"), &settings()));
    assert_eq!(
        (&model["sha256"], &model["published_by"], &model["given_to"]),
        (&json!(sha256(&onnx("a"))), &json!("researcher"), &json!([]))
    );
    assert_eq!(model["facts"]["outputs"][0]["name"], "y");

    let file = researcher.get(&format!("/uploads/tf_models/{id}/hands%201.onnx")).await;
    assert_eq!(file.bytes().await.expect("a file"), onnx("a"));
    let said = researcher.get(&format!("/uploads/tf_models/{id}/settings.json")).await;
    assert_eq!(said.json::<Value>().await.expect("json"), settings());
    for path in [format!("/uploads/tf_models/{id}/settings.json"), "/tfmodel/".to_owned(), "/api/v1/models".to_owned()] {
        assert_eq!(reqwest::get(house.url(&path)).await.expect("an answer").status(), 401, "{path}");
    }
    let patch = researcher.request("PATCH", &format!("/api/v1/models/{id}")).json(&json!({"notes": "No good."})).send().await;
    let model: Value = patch.expect("an answer").json().await.expect("json");
    assert_eq!((&model["version"], &model["notes"]), (&json!("1.0"), &json!("No good.")));
    assert_eq!(folders(&house), 1);
    let trail = house.researcher().get("/audit/?action=published").await.text().await.expect("text");
    assert!(trail.contains(&format!("<a href=\"/tfmodel/{id}/\"><bdi>{id}</bdi></a>")) && trail.contains("hands 1.onnx"), "{trail}");
}

#[tokio::test]
async fn of_what_is_no_model_nothing_is_published() {
    let house = House::start_with(std::sync::Arc::new(wearhouse::storage::RealDisk), |config| config.models.max_mib = 1).await;
    let researcher = house.researcher();
    for (name, bytes, status, hint) in [
        ("hands.tflite", onnx("a"), 400, "ONNX"),
        ("hands.onnx", b"<!doctype html><html>".to_vec(), 400, "web page"),
        ("hands.onnx", onnx("a")[..20].to_vec(), 400, "export or copy it again"),
        ("hands.onnx", Vec::new(), 400, "empty"),
        ("hands.csv", onnx("a"), 400, ".tflite, .ort, .onnx or .pt"),
        ("hands.onnx", vec![8; (1 << 20) + 1], 413, "1 MiB"),
    ] {
        let answer = try_publish(&researcher, name, bytes).await;
        assert_eq!(answer.status(), status, "{name}");
        let said = answer.text().await.expect("text");
        assert!(said.contains(hint), "{name}: {said}");
    }
    let no_file = researcher.request("POST", "/api/v1/models").multipart(Form::new().text("settings", settings().to_string()));
    assert_eq!(no_file.send().await.expect("an answer").status(), 400);
    let form = Form::new().part("file", Part::bytes(onnx("a")).file_name("a.onnx")).text("settings", r#"{"frame_size": 0}"#);
    let answer = researcher.request("POST", "/api/v1/models").multipart(form).send().await.expect("an answer");
    let (status, said) = (answer.status(), answer.text().await.expect("text"));
    assert!(status == 400 && said.contains("frame_size") && said.contains("required_sensors"), "{said}");
    assert_eq!((folders(&house), house.incoming().len()), (0, 0));
    assert_eq!(researcher.json("/api/v1/models").await["models"], json!([]));
}

#[tokio::test]
async fn no_two_models_have_a_name_that_a_watch_could_take_for_the_same() {
    let house = House::start().await;
    let researcher = house.researcher();
    publish(&researcher, "Hände.onnx").await;
    for name in ["Hände.onnx", "hÄNDE.ONNX", "Ha\u{308}nde.onnx"] {
        let answer = try_publish(&researcher, name, onnx("another")).await;
        let (status, said) = (answer.status(), answer.text().await.expect("text"));
        assert!(status == 409 && said.to_lowercase().contains("~2.onnx"), "{said}");
    }
    assert_eq!(folders(&house), 1);
    let form = Form::new()
        .part("file", Part::bytes(onnx("another")).file_name("Hände.onnx"))
        .text("name", "Hände 2.onnx")
        .text("settings", settings().to_string());
    let answer = researcher.request("POST", "/api/v1/models").multipart(form).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
}

#[tokio::test]
async fn a_form_that_cannot_be_taken_comes_back_as_it_was_typed() {
    let house = House::start().await;
    let researcher = house.researcher();
    let form = || {
        Form::new()
            .part("file", Part::bytes(onnx("a")).file_name("hands.onnx"))
            .text("version", "<1>")
            .text("notes", "\nsaid & done")
            .text("frame_size", "150")
            .text("mean_threshold", "7")
            .text("mean_kernel_size", "twenty")
            .text("notification_cool_down", "60")
            .text("required_sensors", "21")
            .text("required_sensors", "65537 65538")
            .text("further", "[]")
    };
    let answer = researcher.request("POST", "/tfmodel/publish").multipart(form()).send().await.expect("an answer");
    assert_eq!(answer.status(), 400);
    let page = answer.text().await.expect("text");
    for kept in
        ["&#60;1&#62;", "\nsaid &#38; done", "value=\"twenty\"", "65537 65538", "value=\"21\" checked", "probability", "JSON object"]
    {
        assert!(page.contains(kept), "{kept}: {page}");
    }
    assert!(!page.contains("value=\"1\" checked"), "the usual sensors were taken off");
    let good = form().text("mean_threshold", "0.7").text("mean_kernel_size", "20").text("further", "{\"zones\": 3}");
    let answer = researcher.request("POST", "/tfmodel/publish").multipart(good).send().await.expect("an answer");
    assert_eq!(answer.status(), 303);
    let model = &researcher.json("/api/v1/models").await["models"][0];
    assert_eq!((&model["settings"]["required_sensors"], &model["settings"]["zones"]), (&json!([21, 65537, 65538]), &json!(3)));
}

#[tokio::test]
async fn models_outlive_a_restart_and_reindex_takes_them_for_no_recordings() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let researcher = program.researcher();
    researcher.let_in("kitchen[aaaa]").await;
    let id = publish(&researcher, "hands.onnx").await;
    give(&researcher, json!({"to": "everyone", "model": id})).await;
    drop(program);
    let reindex = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wearhouse"));
        let output =
            command.args(["reindex", "--config", "config.yml"]).args(more).current_dir(folder.path()).output().expect("the program");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(reindex(&[]).contains("disk and catalog agree"));
    let program = Program::in_folder(folder.path()).start();
    let ask = async |address| reqwest::get(format!("http://{address}/tfmodel/get/latest/?androidid=aaaa")).await.expect("an answer");
    assert_eq!(ask(program.address).await.bytes().await.expect("a file"), onnx("hands.onnx"));
    drop(program);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("uploads/.house/catalog.sqlite{suffix}")));
    }
    let said = reindex(&["--apply"]);
    assert!(said.contains("publish its file again") && said.contains(&id), "{said}");
    assert!(folder.path().join("uploads/tf_models").join(&id).join("hands.onnx").exists());
}

#[tokio::test]
async fn what_is_published_is_seen_by_whoever_asks_next() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[aaaa]").await;
    for number in 0..20 {
        let name = format!("hands {number}.onnx");
        let id = publish(&researcher, &name).await;
        give(&researcher, json!({"to": "everyone", "model": id})).await;
        assert_eq!(told(&house, "aaaa").await, Ok(name));
    }
}
