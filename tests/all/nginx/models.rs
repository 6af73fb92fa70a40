//! Models through nginx: watches get them under their very names, researchers get their files, and nobody else does.

use serde_json::{Value, json};

use crate::{
    models::{give, onnx, publish, settings},
    support::{House, Nginx, Setup, raw_get},
};

/// The header that the app takes the name of, as it came over the wire.
fn disposition(head: &str) -> &str {
    let line = head.lines().find(|line| line.to_lowercase().starts_with("content-disposition:"));
    line.unwrap_or_else(|| panic!("no disposition: {head}"))["content-disposition:".len()..].trim_start()
}

#[tokio::test]
async fn a_name_comes_through_byte_for_byte() {
    let house = House::start().await;
    let (nginx, researcher) = (Nginx::start(&house).await, house.researcher());
    let watch = house.watch("kitchen[aaaa]").await;
    for name in ["hands v1.2 (final).onnx", "Hände waschen.v2.onnx", "手洗い.onnx", "a;b=c,'d'.onnx"] {
        give(&researcher, json!({"to": "everyone", "model": publish(&researcher, name).await})).await;
        let checked: Value = reqwest::get(format!("{}/tfmodel/check/latest/?androidid=aaaa", nginx.base()))
            .await
            .expect("an answer")
            .json()
            .await
            .expect("json");
        let path = "/tfmodel/get/latest/?androidid=aaaa";
        let answer = raw_get(nginx.address, path.as_bytes(), false).await;
        assert_eq!((checked["activeModel"].as_str(), disposition(&answer.text)), (Some(name), &*format!("attachment; filename={name}")));
        let file = reqwest::get(format!("{}{path}", nginx.base())).await.expect("an answer");
        assert_eq!(file.bytes().await.expect("a file"), onnx(name));
        let said = raw_get(nginx.address, b"/tfmodel/get/settings/?androidid=aaaa", false).await;
        assert_eq!(disposition(&said.text), "attachment; filename=settings.json");
        let current = nginx.watch(&watch).request("GET", "/api/v1/models/current").header("range", "bytes=3-").send().await;
        let current = current.expect("an answer");
        assert_eq!((current.status().as_u16(), current.headers().contains_key("repr-digest")), (206, true));
        assert_eq!(current.bytes().await.expect("a part"), onnx(name)[3..]);
    }
}

#[tokio::test]
async fn the_files_of_a_model_are_sent_to_researchers_and_to_nobody_else() {
    let house = House::start().await;
    let (nginx, researcher) = (Nginx::start(&house).await, house.researcher());
    let watch = nginx.watch(&house.watch("kitchen[aaaa]").await);
    let id = publish(&researcher, "Hände.onnx").await;
    give(&researcher, json!({"to": "everyone", "model": id})).await;
    for (name, bytes) in [("settings.json", None), ("H%C3%A4nde.onnx", Some(onnx("Hände.onnx")))] {
        let path = format!("/uploads/tf_models/{id}/{name}");
        let answer = nginx.researcher().without_power().get(&path).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["x-content-type-options"]),
            (200, &"nosniff".parse().expect("a value")),
            "{name}"
        );
        let sent = answer.bytes().await.expect("a file");
        match bytes {
            Some(bytes) => assert_eq!(sent, bytes),
            None => assert_eq!(serde_json::from_slice::<Value>(&sent).expect("json"), settings()),
        }
        assert_eq!(raw_get(nginx.address, path.as_bytes(), false).await.status, 401, "{name}");
        assert_eq!(watch.request("GET", &path).send().await.expect("an answer").status(), 401, "{name}");
    }
    assert_eq!(nginx.researcher().get(&format!("/uploads/tf_models/{id}/other.json")).await.status(), 403);
    assert!(!nginx.logs().contains("nde.onnx"), "{}", nginx.logs());
}

#[tokio::test]
async fn a_model_of_the_largest_size_is_published_and_sent() {
    let house = House::start().await;
    let nginx = Nginx::start_with(&house, Setup::default()).await;
    // What is no field of ours is passed over: the file is whole however much of it there is.
    let most = house.config.models.most_bytes();
    let padding = most - onnx("large").len() - 16;
    let mut length = padding;
    let mut bytes = onnx("large");
    bytes.extend([0xfa, 0x01]);
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f | 0x80).expect("a byte"));
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("a byte"));
    bytes.resize(bytes.len() + padding, b'm');
    let form = reqwest::multipart::Form::new()
        .part("file", reqwest::multipart::Part::bytes(bytes.clone()).file_name("large.onnx"))
        .text("settings", settings().to_string());
    let answer = nginx.researcher().request("POST", "/api/v1/models").multipart(form).send().await.expect("an answer");
    let status = answer.status();
    assert_eq!(status, 201, "{}", answer.text().await.expect("text"));
    let id = nginx.researcher().json("/api/v1/models").await["models"][0]["id"].as_str().expect("an id").to_owned();
    house.watch("kitchen[aaaa]").await;
    give(&house.researcher(), json!({"to": "everyone", "model": id})).await;
    let file = reqwest::get(format!("{}/tfmodel/get/latest/?androidid=aaaa", nginx.base())).await.expect("an answer");
    assert!(file.bytes().await.expect("a file") == bytes, "another file came");
}
