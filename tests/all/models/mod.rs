//! Models: published, handed out to watches as the app in the field asks for them and as new clients do, and which watch runs which.

mod brought;
mod current;
mod desk;
mod field;
mod give;
mod known;
mod publish;

use reqwest::{
    Response,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use crate::support::{House, Researcher, sha256};

/// Settings that are not the usual ones.
pub fn settings() -> Value {
    json!({"frame_size": 128, "mean_threshold": 0.59, "mean_kernel_size": 5, "notification_cool_down": 300, "required_sensors": [10, 4]})
}

/// A small ONNX model, with something in it that tells it from others.
pub fn onnx(made_by: &str) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, u8::try_from(bytes.len()).expect("short")], bytes].concat();
    let value = |name: &str| field(1, name.as_bytes());
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Identity")].concat();
    let graph = [field(1, &node), field(11, &value("x")), field(12, &value("y"))].concat();
    [vec![1 << 3, 8], field(2, &sha256(made_by.as_bytes()).as_bytes()[..16]), field(7, &graph), field(8, &[2 << 3, 17])].concat()
}

/// Publishes a file as a script does.
async fn try_publish(researcher: &Researcher, name: &str, bytes: Vec<u8>) -> Response {
    let form = Form::new().part("file", Part::bytes(bytes).file_name(name.to_owned())).text("settings", settings().to_string());
    researcher.request("POST", "/api/v1/models").multipart(form).send().await.expect("an answer")
}

/// Publishes a model. Returns its id.
pub async fn publish(researcher: &Researcher, name: &str) -> String {
    let answer = try_publish(researcher, name, onnx(name)).await;
    let status = answer.status();
    let text = answer.text().await.expect("text");
    assert_eq!(status, 201, "{text}");
    serde_json::from_str::<Value>(&text).expect("json")["id"].as_str().expect("an id").to_owned()
}

/// Gives a model, or goes back.
async fn try_give(researcher: &Researcher, path: &str, gift: Value) -> Response {
    researcher.request("POST", &format!("/api/v1/models/{path}")).json(&gift).send().await.expect("an answer")
}

pub async fn give(researcher: &Researcher, gift: Value) {
    let answer = try_give(researcher, "give", gift.clone()).await;
    assert_eq!(answer.status(), 204, "{gift}: {}", answer.text().await.expect("text"));
}

/// What somebody is told who asks under an Android id, as the app asks: the name, or the status.
async fn told(house: &House, android_id: &str) -> Result<String, u16> {
    let answer = reqwest::get(house.url(&format!("/tfmodel/check/latest/?androidid={android_id}"))).await.expect("an answer");
    if !answer.status().is_success() {
        return Err(answer.status().as_u16());
    }
    let answer: Value = answer.json().await.expect("json");
    Ok(answer["activeModel"].as_str().expect("a name").to_owned())
}

/// The device's id.
pub async fn device(researcher: &Researcher, identifier: &str) -> String {
    let devices = researcher.json("/api/v1/devices").await;
    let found = devices.as_array().expect("devices").iter().find(|device| device["identifier"] == identifier);
    found.expect("a device")["id"].as_str().expect("an id").to_owned()
}

/// Where a device stands.
async fn standing(researcher: &Researcher, device: &str) -> Value {
    let devices = researcher.json("/api/v1/models/devices").await;
    let found = devices.as_array().expect("devices").iter().find(|on_device| on_device["device"] == device).cloned();
    found.unwrap_or_else(|| panic!("no {device}: {devices}"))
}
