//! What `docs/install.md` says about backups holds: one that was made while the server ran brings everything back.

use std::{os::unix::fs::MetadataExt, path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{Program, Researcher};

const INSTALL: &str = include_str!("../../docs/install.md");

/// The lines of the nth block that a test runs, with these folders in the place of the real ones.
fn run_block(nth: usize, house: &Path, backup: &Path) {
    let block = INSTALL.split("<!-- A test runs these lines. -->\n```sh\n").nth(nth + 1).expect("a block");
    let lines = block.split("```").next().expect("its end");
    let me = std::fs::metadata("/proc/self").expect("there");
    let lines = lines.replace("wearhouse:wearhouse", &format!("{}:{}", me.uid(), me.gid()));
    let lines = lines.replace("/srv/wearhouse", house.to_str().expect("text")).replace("/backup/wearhouse", backup.to_str().expect("text"));
    let output = Command::new("bash").args(["-c", &format!("set -euo pipefail\n{lines}")]).output().expect("bash");
    assert!(output.status.success(), "{output:?}");
}

fn reindex(config: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_wearhouse")).args(["reindex", "--apply", "--config"]).arg(config).output();
    let output = output.expect("the program");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn a_backup_of_a_running_server_brings_back_recordings_watches_and_zips() {
    let (house, backup, empty) = (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let config = house.path().join("conf/config.yml");
    let program = Program::with_config(&config).env("WEARHOUSE_ADMIN_PASSWORD", Researcher::PASSWORD).start();
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "acc.csv", "1").await;
    watch.upload(&uuid, "strange.exe", "2").await;
    program.researcher().zip(&uuid).await;
    run_block(0, house.path(), backup.path());
    // Arrived behind the catalog's copy: only the second run of rsync has it.
    let late = watch.new_dataset().await;
    watch.upload(&late, "late.csv", "3").await;
    let second = Command::new("rsync").arg("-a").arg(house.path().join("uploads/recordings")).arg(backup.path().join("uploads")).status();
    assert!(second.expect("rsync").success());
    drop(program);

    for folder in ["conf", "uploads"] {
        std::fs::create_dir(empty.path().join(folder)).expect("a folder");
    }
    // Zips that were left out are made anew.
    std::fs::remove_dir_all(backup.path().join("uploads/zips")).expect("zips");
    run_block(1, empty.path(), backup.path());
    let config = empty.path().join("conf/config.yml");
    assert!(reindex(&config).contains("late.csv"));
    assert!(reindex(&config).contains("disk and catalog agree"));
    let program = Program::with_config(&config).start();
    let watch = watch.at(&format!("http://{}", program.address));
    assert_eq!(watch.upload(&uuid, "acc.csv", "1").await["new"], false);
    assert_eq!(program.researcher().zip_contents(&uuid).await[0].0, "acc.csv");
    assert_eq!(program.researcher().zip_contents(&late).await[0].0, "late.csv");
    assert_eq!(program.researcher().json("/api/v1/quarantine").await["files"][0]["sent_name"], "strange.exe");
}
