//! Reindex: what can be rebuilt from the disk is, and only when told to.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{Program, sha256};

fn reindex(folder: &Path, more: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wearhouse"))
        .args(["reindex", "--config", "config.yml"])
        .args(more)
        .current_dir(folder)
        .output()
        .expect("the program");
    (output.status.success(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

fn remove_catalog(folder: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("uploads/.house/catalog.sqlite{suffix}")));
    }
}

#[tokio::test]
async fn a_lost_catalog_is_rebuilt_and_the_watch_goes_on_with_its_token_and_its_dataset() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    watch.upload(&uuid, "m.tflite", "2").await;
    drop(program);
    remove_catalog(folder.path());

    let (good, said) = reindex(folder.path(), &[]);
    assert!(good && said.contains("2 differences; nothing was changed"), "{said}");
    let (good, said) = reindex(folder.path(), &["--apply"]);
    assert!(good && said.contains("0 failed"), "{said}");
    let (good, said) = reindex(folder.path(), &[]);
    assert!(good && said.contains("disk and catalog agree"), "{said}");

    let program = Program::in_folder(folder.path()).start();
    let watch = watch.at(program.researcher().base());
    assert_eq!(watch.upload(&uuid, "a.csv", "1").await["new"], false);
    assert_eq!(watch.upload(&uuid, "b.csv", "3").await["stored_as"], "b.csv");
    let expected = [("a.csv", "1"), ("b.csv", "3"), ("tf_models/m.tflite", "2")];
    assert_eq!(program.researcher().zip_contents(&uuid).await, expected.map(|(name, bytes)| (name.to_owned(), sha256(bytes.as_bytes()))));
}

#[tokio::test]
async fn a_missing_file_is_marked_as_lost_and_the_rest_is_zipped_and_it_may_come_back() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    watch.upload(&uuid, "b.csv", "2").await;
    let path = folder.path().join("uploads/recordings").join(&uuid).join("b.csv");
    // A look lets the catalog mark what was acknowledged.
    assert_eq!(program.researcher().files(&uuid).await.len(), 2);
    drop(program);
    std::fs::remove_file(&path).expect("there");
    std::fs::write(path.with_file_name(".stray"), "").expect("written");

    let (_, said) = reindex(folder.path(), &["--apply"]);
    assert!(said.contains("not on the disk") && said.contains("left alone"), "{said}");
    let program = Program::in_folder(folder.path()).start();
    let names = |contents: Vec<(String, String)>| contents.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(program.researcher().zip_contents(&uuid).await), ["a.csv"]);
    let dataset = program.researcher().dataset(&uuid).await;
    assert_eq!((&dataset["file_list"][1]["lost"], &dataset["files"], &dataset["bytes"]), (&true.into(), &1.into(), &1.into()));
    assert!(path.with_file_name(".stray").exists());
    drop(program);

    std::fs::write(&path, "2").expect("restored");
    let (_, said) = reindex(folder.path(), &["--apply"]);
    assert!(said.contains("there again"), "{said}");
    let program = Program::in_folder(folder.path()).start();
    assert_eq!(names(program.researcher().zip_contents(&uuid).await), ["a.csv", "b.csv"]);
    assert_eq!(program.researcher().dataset(&uuid).await["files"], 2);
}

#[tokio::test]
async fn a_dataset_whose_last_file_is_lost_has_no_zip_any_more() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    assert_eq!(program.researcher().zip_contents(&uuid).await.len(), 1);
    drop(program);
    std::fs::remove_file(folder.path().join("uploads/recordings").join(&uuid).join("a.csv")).expect("there");
    reindex(folder.path(), &["--apply"]);
    let program = Program::in_folder(folder.path()).start();
    assert_eq!(program.researcher().get(&format!("/uploads/zips/{uuid}.zip")).await.status(), 404);
    assert!(!folder.path().join(format!("uploads/zips/{uuid}.zip")).exists());
}

#[tokio::test]
async fn it_does_not_run_beside_a_server() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    program.researcher().wait_until_up().await;
    let (good, said) = reindex(folder.path(), &["--apply"]);
    assert!(!good && said.contains("another wearhouse"), "{said}");
}
