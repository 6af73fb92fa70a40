//! From one version to the next: what an earlier program left is all there, behind a copy, and an earlier program does not touch
//! what a later one has written.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{ConnectOptions, Connection, Executor, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::support::{Program, Watch};

/// The token that the program of schema 1 gave to the watch whose files are in the fixture.
const TOKEN: &str = "AY1i9EY2WJSB7XDSKmwqRC8AAAAB1DPc9CL66SR0lngRDGOz_eFdN5-Awy_SQrlFDApxK6I";
/// That of a watch which was revoked then.
const REVOKED: &str = "AZJmTCP15sigkBmojBY9OlEAAAABRutEkLsd6kDFFXaI2Y_q2EnNI_f8djnO1pVEJr_Sn2I";
const DATASET: &str = "37c5a2fa-f92c-4fb6-b4b0-14de0d0e6d5c";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schema-1")
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(false).connect().await.expect("a catalog")
}

/// A folder as a program of schema 1 left it.
async fn left_by_schema_1() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let copied = Command::new("cp").arg("-r").arg(fixture().join("files")).arg(folder.path().join("uploads")).status();
    assert!(copied.expect("cp").success());
    let mut catalog = open(&catalog(&folder)).await;
    let sql = std::fs::read_to_string(fixture().join("catalog.sql")).expect("the fixture");
    catalog.execute(sqlx::AssertSqlSafe(sql)).await.expect("a catalog of schema 1");
    catalog.close().await.expect("closed");
    folder
}

fn catalog(folder: &TempDir) -> PathBuf {
    folder.path().join("uploads/.house/catalog.sqlite")
}

async fn schema(path: &Path) -> i64 {
    let row = open(path).await.fetch_one("SELECT MAX(version) AS version FROM _sqlx_migrations").await.expect("a schema");
    row.get("version")
}

#[tokio::test]
async fn what_a_program_of_schema_1_left_is_all_there() {
    let folder = left_by_schema_1().await;
    let program = Program::in_folder(folder.path()).start();
    let researcher = program.researcher();
    let watch = |token: &str| Watch::with_token(researcher.base().to_owned(), token.to_owned());
    let again = watch(TOKEN).upload(DATASET, "acc.csv", "1\t0.1\n").await;
    assert_eq!((again["new"].as_bool(), again["stored_as"].as_str()), (Some(false), Some("acc.csv")));
    assert_eq!(watch(REVOKED).request("GET", "/recording/new/").send().await.expect("an answer").status(), 401);
    assert_eq!(researcher.json("/api/v1/requests").await[0]["identifier"], "waiting[bbbbbbbbbbbbbbbb]");
    watch(TOKEN).upload(DATASET, "new.csv", "3").await;
    let names: Vec<_> = researcher.zip_contents(DATASET).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["acc.csv", "acc~2.csv", "new.csv", "tf_models/model.tflite"]);
    let held = researcher.json("/api/v1/quarantine").await["files"][0]["id"].as_str().expect("an id").to_owned();
    assert!(researcher.post(&format!("/api/v1/quarantine/{held}/release")).await.is_success());
    // What came before the upgrade is counted with what came since.
    let sum = "SELECT CAST(SUM(files) AS BIGINT) AS files, CAST(SUM(bytes) AS BIGINT) AS bytes FROM arrivals";
    let counted = open(&catalog(&folder)).await.fetch_one(sum).await.expect("a sum");
    assert_eq!((counted.get::<i64, _>("files"), counted.get::<i64, _>("bytes")), (5, 25));
    // A copy from before lies beside it.
    assert_eq!(schema(&catalog(&folder).with_file_name("catalog-schema-1.sqlite")).await, 1);
    assert!(schema(&catalog(&folder)).await > 1);
    assert!(program.said().contains("catalog-schema-1.sqlite"), "{}", program.said());
}

#[tokio::test]
async fn a_catalog_that_cannot_be_copied_is_left_as_it_is() {
    let folder = left_by_schema_1().await;
    // Something that is no file has the name of the copy.
    std::fs::create_dir_all(catalog(&folder).with_file_name("catalog-schema-1.sqlite/taken")).expect("a folder");
    let said = refused_start(&folder);
    assert!(said.contains("catalog-schema-1.sqlite") && said.contains("left as it was"), "{said}");
    assert_eq!(schema(&catalog(&folder)).await, 1);
    // On a full disk half a copy would keep the rest from its room.
    assert!(!catalog(&folder).with_file_name("catalog-schema-1.part").exists());
}

/// Starts the program, which should not come to serving, and returns what it says.
fn refused_start(folder: &TempDir) -> String {
    let config = folder.path().join("config.yml");
    std::fs::write(&config, crate::support::config_text(&folder.path().join("uploads"))).expect("a config");
    refused(&["60", env!("CARGO_BIN_EXE_wearhouse"), "--listen", "127.0.0.1:0", "--config"], &config)
}

fn refused(command: &[&str], config: &Path) -> String {
    let output = Command::new("timeout").args(command).arg(config).output().expect("the program");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_newer_catalog_is_refused_with_both_schemas_and_the_copy() {
    let folder = left_by_schema_1().await;
    let program = Program::in_folder(folder.path()).start();
    program.researcher().wait_until_up().await;
    drop(program);
    let known = schema(&catalog(&folder)).await;
    let from_the_future = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                           VALUES (9999, 'later', 1, X'00', 1)";
    open(&catalog(&folder)).await.execute(from_the_future).await.expect("a later schema");
    let check = [&["60", env!("CARGO_BIN_EXE_wearhouse"), "check", "--config"][..], &[]].concat();
    for said in [refused_start(&folder), refused(&check, &folder.path().join("config.yml"))] {
        assert!(said.contains("schema 9999") && said.contains(&format!("up to {known}")), "{said}");
        assert!(said.contains(env!("CARGO_PKG_VERSION")) && said.contains("catalog-schema-1.sqlite"), "{said}");
    }
    assert_eq!(schema(&catalog(&folder)).await, 9999);
}

#[tokio::test]
async fn with_the_copy_put_back_what_arrived_since_is_found_again() {
    let folder = left_by_schema_1().await;
    let program = Program::in_folder(folder.path()).start();
    let watch = Watch::with_token(program.researcher().base().to_owned(), TOKEN.to_owned());
    watch.upload(DATASET, "since.csv", "3").await;
    let newcomer = program.researcher().let_in("newcomer").await;
    let run = newcomer.new_dataset().await;
    newcomer.upload(&run, "new.csv", "4").await;
    program.terminate();
    program.wait_and_say();
    // What docs/install.md says of going back. That an older program takes the copy is sure: it is what that program wrote.
    std::fs::remove_file(catalog(&folder)).expect("there");
    std::fs::copy(catalog(&folder).with_file_name("catalog-schema-1.sqlite"), catalog(&folder)).expect("copied");
    let reindex = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wearhouse"));
        command.args(["reindex", "--apply", "--config"]).arg(folder.path().join("config.yml"));
        let output = command.output().expect("the program");
        String::from_utf8(output.stdout).expect("text")
    };
    let found = reindex();
    assert!(found.contains("since.csv") && found.contains("new.csv"), "{found}");
    assert!(reindex().contains("disk and catalog agree"));
    let program = Program::in_folder(folder.path()).start();
    let at = format!("http://{}", program.address);
    assert_eq!(watch.at(&at).upload(DATASET, "since.csv", "3").await["new"], false);
    assert_eq!(newcomer.at(&at).upload(&run, "new.csv", "4").await["new"], false);
    assert_eq!(program.researcher().zip_contents(DATASET).await.len(), 4);
}
