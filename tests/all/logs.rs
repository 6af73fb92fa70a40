//! The log of a whole run, at its most talkative, and its metrics tell nobody who wore what: no token, password, identifier, name
//! or address.

use crate::support::{Program, Researcher, config_text};

const ANDROID_ID: &str = "9774d56d682e549c";
const ADDRESS: &str = "203.0.113.7";

#[tokio::test]
async fn a_log_holds_no_secret_and_nothing_about_anybody() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let text = config_text(&folder.path().join("uploads")) + "log:\n  level: trace\n";
    std::fs::write(folder.path().join("config.yml"), &text).expect("a config");
    let program = Program::in_folder(folder.path()).start();
    let researcher = program.researcher();
    let watch = researcher.let_in(&format!("kitchen watch[{ANDROID_ID}]")).await;
    let uuid = watch.new_dataset().await;
    let file = format!("battery_1_{ANDROID_ID}.csv");
    let forwarded = |request: reqwest::RequestBuilder| request.header("x-forwarded-for", ADDRESS);
    watch.upload(&uuid, &file, "1").await;
    watch.upload(&uuid, &format!("{file}.exe"), "1").await;
    for request in [
        watch.request("GET", "/recording/new/?uuid=nonsense"),
        watch.request("POST", "/recording/new/"),
        researcher.request("GET", &format!("/uploads/recordings/{uuid}/{file}")),
        researcher.request("GET", &format!("/nowhere/{ANDROID_ID}")),
        researcher.request(ANDROID_ID, "/"),
        watch.request("GET", "/recording/new/").header("x-request-id", ANDROID_ID),
        reqwest::Client::new().get(format!("{}/", researcher.base())).basic_auth("admin", Some("a wrong password")),
    ] {
        forwarded(request).send().await.expect("an answer");
    }
    // A damaged file makes the loudest line there is.
    researcher.zip(&uuid).await;
    std::fs::write(folder.path().join("uploads/recordings").join(&uuid).join(&file), "2").expect("damaged");
    std::fs::remove_file(folder.path().join(format!("uploads/zips/{uuid}.zip"))).expect("a zip");
    assert_eq!(researcher.get(&format!("/uploads/zips/{uuid}.zip")).await.status(), 500);
    let metrics = program.metrics().await;
    assert!(metrics.contains("wearhouse_uploads_total"), "{metrics}");
    program.terminate();
    let said = program.wait_and_say() + &metrics;
    assert!(said.contains("a zip could not be rolled"), "the log is not whole: {said}");
    let secret = text.lines().find_map(|line| line.trim().strip_prefix("secret: ")).expect("a secret");
    for (what, hidden) in [
        ("the token", watch.token.as_str()),
        ("a password", Researcher::PASSWORD),
        ("a wrong password", "a wrong password"),
        ("the secret", secret),
        ("the alias", "kitchen watch"),
        ("the Android id", ANDROID_ID),
        ("an address", ADDRESS),
    ] {
        assert!(!said.contains(hidden), "{what} stands in the log: {said}");
    }
}
