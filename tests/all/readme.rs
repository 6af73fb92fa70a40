//! The README does what it says.

use std::process::Command;

use wearhouse::config::Config;

use crate::support::{Program, Researcher};

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
