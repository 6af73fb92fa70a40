//! What the desk shows of models beside their own pages, and what their form says at its fields.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{
    device, give,
    give::{participant, wears},
    known::run,
    onnx, publish, standing, told,
};
use crate::support::{House, Researcher, until};

async fn page(researcher: &Researcher, path: &str) -> String {
    researcher.get(path).await.text().await.expect("text")
}

/// What the list of devices says of each, as JSON.
async fn standings(researcher: &Researcher) -> Vec<(String, Value)> {
    let devices = researcher.json("/api/v1/devices").await;
    let said = |device: &Value| (device["alias"].as_str().expect("a name").to_owned(), device["model_standing"].clone());
    let mut said: Vec<_> = devices.as_array().expect("devices").iter().map(said).collect();
    said.sort_by(|one, other| one.0.cmp(&other.0));
    said
}

const LINE: &str = "older model than";

#[tokio::test]
async fn who_is_behind_stands_on_the_front_page_and_in_the_list_of_devices() {
    let house = House::start().await;
    let researcher = house.researcher();
    let (garden, kitchen) = (house.watch("garden[bbbb]").await, house.watch("kitchen[aaaa]").await);
    let [old, new] = [publish(&researcher, "old.onnx").await, publish(&researcher, "new.onnx").await];
    give(&researcher, json!({"to": "everyone", "model": old})).await;
    let all = |garden: Value, kitchen: Value| vec![("garden".to_owned(), garden), ("kitchen".to_owned(), kitchen)];
    assert_eq!(standings(&researcher).await, all(json!("unknown"), json!("unknown")));
    for watch in [&garden, &kitchen] {
        run(watch, 1, "old.onnx").await;
    }
    until("both runs are read", async || standings(&researcher).await == all(json!("current"), json!("current"))).await;
    let (front, list) = (page(&researcher, "/").await, page(&researcher, "/device/list/").await);
    assert!(!front.contains(LINE) && list.contains("old.onnx") && !list.contains("<mark>"), "nobody is behind: {list}");

    give(&researcher, json!({"to": "everyone", "model": new})).await;
    assert_eq!(standings(&researcher).await, all(json!("behind"), json!("behind")));
    let front = page(&researcher, "/").await;
    assert!(front.contains("<a href=\"/tfmodel/#watches\">2 watches run an older model than they should</a>"), "{front}");
    assert_eq!(page(&researcher, "/device/list/").await.matches("<mark>behind</mark>").count(), 2);
    run(&garden, 2, "new.onnx").await;
    until("its run is read", async || standings(&researcher).await == all(json!("current"), json!("behind"))).await;
    assert!(page(&researcher, "/").await.contains("1 watch runs an older model than it should"));
    assert_eq!(page(&researcher, "/device/list/").await.matches("<mark>behind</mark>").count(), 1);
    let id = device(&researcher, "kitchen[aaaa]").await;
    assert_eq!(researcher.json(&format!("/api/v1/devices/{id}")).await["model_standing"], "behind");
    assert_eq!(researcher.post(&format!("/api/v1/devices/{id}/revoke")).await, 204);
    assert_eq!(standings(&researcher).await, all(json!("current"), Value::Null));
    assert!(!page(&researcher, "/").await.contains(LINE), "one that is revoked should run nothing");
}

/// Sends the form of a page. Returns where it leads.
async fn post(researcher: &Researcher, path: &str, form: &[(&str, &str)]) -> String {
    let answer = researcher.request("POST", path).form(form).send().await.expect("an answer");
    assert_eq!(answer.status(), 303, "{path}");
    answer.headers()["location"].to_str().expect("text").to_owned()
}

#[tokio::test]
async fn the_page_of_a_participant_gives_it_a_model_and_goes_back() {
    let house = House::start().await;
    let researcher = house.researcher();
    house.watch("kitchen[aaaa]").await;
    let kitchen = device(&researcher, "kitchen[aaaa]").await;
    let she = participant(&researcher, "P01").await;
    let address = format!("/participant/{she}/");
    assert!(page(&researcher, &address).await.contains("No model has been"));
    let [all, hers] = [publish(&researcher, "all.onnx").await, publish(&researcher, "hers.onnx").await];
    give(&researcher, json!({"to": "everyone", "model": all})).await;
    wears(&researcher, &she, &kitchen, "2020-01-01", None).await;
    let text = page(&researcher, &address).await;
    assert!(text.contains("none: as everyone") && !text.contains("/tfmodel/back") && !text.contains(" selected>"), "{text}");

    let whom = [("to", "participant"), ("participant", she.as_str())];
    assert_eq!(post(&researcher, "/tfmodel/give", &[&whom[..], &[("model", &hers)]].concat()).await, format!("{address}#given"));
    assert_eq!(told(&house, "aaaa").await.as_deref(), Ok("hers.onnx"));
    let text = page(&researcher, &address).await;
    assert!(text.contains(&format!("<option value=\"{hers}\" selected>hers.onnx")) && text.contains("/tfmodel/back"), "{text}");
    assert_eq!(post(&researcher, "/tfmodel/give", &[&whom[..], &[("model", &all)]].concat()).await, format!("{address}#given"));
    assert!(page(&researcher, &address).await.contains("<small id=\"before\"><bdi>hers.onnx</bdi>"));
    assert_eq!(post(&researcher, "/tfmodel/back", &whom).await, format!("{address}#given"));
    assert_eq!(told(&house, "aaaa").await.as_deref(), Ok("hers.onnx"));
    assert_eq!(post(&researcher, "/tfmodel/back", &whom).await, format!("{address}#given"));
    assert_eq!(
        (told(&house, "aaaa").await.as_deref(), standing(&researcher, &kitchen).await["model_name"].as_str()),
        (Ok("all.onnx"), Some("all.onnx"))
    );
    assert!(!page(&researcher, &address).await.contains("/tfmodel/back"));
}

#[tokio::test]
async fn each_wrong_field_says_so_where_it_stands() {
    let house = House::start().await;
    let researcher = house.researcher();
    publish(&researcher, "taken.onnx").await;
    let good = [
        ("name", "hands.onnx"),
        ("version", "1"),
        ("notes", "n"),
        ("frame_size", "150"),
        ("mean_threshold", "0.5"),
        ("mean_kernel_size", "20"),
        ("notification_cool_down", "60"),
        ("required_sensors", "1"),
        ("further", ""),
    ];
    let (version, notes) = ("v".repeat(41), "n".repeat(4001));
    for (field, label, value, sentence) in [
        ("file", "File", "", "ONNX"),
        ("name", "Name on the watch", "taken.onnx", "taken~2.onnx"),
        ("version", "Version", &version, "40 characters"),
        ("notes", "Notes", &notes, "4,000 characters"),
        ("frame_size", "Frame size", "0", "1 to 100000"),
        ("mean_threshold", "Mean threshold", "7", "0 to 1"),
        ("mean_kernel_size", "Mean over", "1.5", "1 to 10000"),
        ("notification_cool_down", "Pause between notifications", "", "0 to 604800"),
        ("required_sensors", "Sensors that it needs", "3", "sensor types"),
        ("further", "Further settings", "[1]", "JSON object"),
        ("further", "Further settings", "{\"frame_size\": 3}", "Frame size"),
    ] {
        let bytes = if field == "file" { b"nothing of a model".to_vec() } else { onnx("a") };
        let form = Form::new().part("file", Part::bytes(bytes).file_name("hands.onnx"));
        let form = good
            .iter()
            .fold(form, |form, (name, usual)| form.text(*name, if *name == field { value.to_owned() } else { (*usual).to_owned() }));
        let answer = researcher.request("POST", "/tfmodel/publish").multipart(form).send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{field}");
        let text = answer.text().await.expect("text");
        let wrong: Vec<_> = text.split("<div id=\"wrong-").skip(1).map(|rest| rest.split_once("</div>").expect("an end").0).collect();
        assert!(matches!(wrong[..], [one] if one.starts_with(&format!("{field}\"")) && one.contains(sentence)), "{field}: {wrong:?}");
        assert!(text.contains(&format!("about-{field} wrong-{field}\"")), "{field}: {text}");
        assert!(text.contains(&format!("<li><a href=\"#{field}\">{label}</a>: ")), "{field}: {text}");
        assert_eq!(text.matches("aria-invalid").count(), 1, "{field}");
    }
    assert_eq!(researcher.json("/api/v1/models").await["models"].as_array().expect("models").len(), 1);
}
