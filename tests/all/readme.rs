//! The README does what it says.

use std::process::Command;

use wearhouse::config::Config;

use crate::{
    models::onnx,
    support::{House, Program, Researcher},
};

const README: &str = include_str!("../../README.md");

#[tokio::test]
async fn the_first_five_minutes_end_with_a_zip() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let program =
        Program::with_config(&folder.path().join("conf/config.yml")).env("WEARHOUSE_ADMIN_PASSWORD", Researcher::PASSWORD).start();
    let lines =
        README.split("<!-- A test runs these lines. -->\n```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the lines");
    let lines = lines.replace("127.0.0.1:8080", &program.address.to_string()).replace("PASSWORD", Researcher::PASSWORD);
    let script = format!("set -euo pipefail\n{lines}");
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().expect("bash");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("success, uploaded acc.csv") && said.trim_end().ends_with("1 file"), "{said}");
}

/// The lines of `docs/models.md`, below a comment.
fn lines_below(comment: &str) -> &'static str {
    let document = include_str!("../../docs/models.md");
    let rest = document.split_once(&format!("<!-- {comment} -->\n```sh\n")).expect("the comment").1;
    rest.split("```").next().expect("an end")
}

#[tokio::test]
async fn the_lines_about_models_do_what_they_say() {
    let house = House::start().await;
    house.researcher().let_in("kitchen watch[9774d56d682e549c]").await;
    let watch = house.watch("garden[bbbb]").await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let model = onnx(&"a hand".repeat(30));
    std::fs::write(folder.path().join("hands.onnx"), &model).expect("a file");
    let lines =
        [lines_below("A test runs these lines."), lines_below("A test runs these lines, too.")].map(|lines| lines.replace("100-", "10-"));
    let bearer = watch.request("GET", "/").build().expect("a request").headers()["authorization"].to_str().expect("text").to_owned();
    // What is to be removed is in use.
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("set -euo pipefail\n{}", lines.concat())])
        .env("HOUSE", house.url(""))
        .env("ADMIN", format!("admin:{}", Researcher::PASSWORD))
        .env("TOKEN", bearer.trim_start_matches("Bearer "))
        .current_dir(folder.path());
    // The house lives on this thread, too.
    let output = tokio::task::spawn_blocking(move || bash.output()).await.expect("no panic").expect("bash");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for sentence in [
        "{\"model\":null}",
        "\"standing\":\"unknown\"",
        "\"notes\":\"No good.\"",
        "in use and stays: everyone",
        "304\n",
        "206\n",
        "\"frame_size\": 128",
    ] {
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
    let read = |name| std::fs::read(folder.path().join(name)).expect("a file");
    assert_eq!((read("model"), read("rest")), (model.clone(), model[10..].to_vec()));
}

#[test]
fn every_setting_stands_in_the_table_with_its_default() {
    for setting in Config::default().in_force() {
        let row = README.lines().find(|line| line.starts_with(&format!("| `{}` |", setting.name)));
        let row = row.unwrap_or_else(|| panic!("{} is missing", setting.name));
        if !setting.name.starts_with("security.") && setting.name != "users" {
            assert!(row.contains(&format!("| `{}` |", setting.value)), "{row}: {}", setting.value);
        }
    }
}
