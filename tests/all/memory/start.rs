//! A start and a reindex look at many files in steps.

use std::process::Command;

use sqlx::Row;

use crate::support::{House, until};

const MANY: u32 = 1200;

/// Rows of the house's first dataset whose files are on no disk.
fn rows(state: &str, held: &str) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) \
         INSERT INTO files (id, dataset, device, sent_name, size, sha256, crc32, received_at, state, held) \
         SELECT printf('00000000-0000-7000-8000-%012d', i), uuid, device, printf('%d.csv', i), 0, '', 0, 0, '{state}', {held} FROM n, datasets"
    )
}

async fn count(house: &House) -> i64 {
    let mut catalog = house.catalog().await;
    sqlx::query("SELECT COUNT(*) AS c FROM files").fetch_one(&mut catalog).await.expect("a count").get("c")
}

#[tokio::test]
async fn many_files_that_were_cut_short_are_settled_at_the_next_start() {
    let mut house = House::start().await;
    house.watch("w").await.new_dataset().await;
    house.stop().await;
    let mut catalog = house.catalog().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows("placing", "'extension'"))).execute(&mut catalog).await.expect("inserted");
    assert_eq!(count(&house).await, i64::from(MANY));
    let house = house.start_again().await;
    until("the server answers", async || house.researcher().is_up().await).await;
    assert_eq!(count(&house).await, 0);
}

#[tokio::test]
async fn among_many_files_in_quarantine_one_that_no_row_has_is_found() {
    let mut house = House::start().await;
    house.watch("w").await.new_dataset().await;
    house.stop().await;
    let mut catalog = house.catalog().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows("placed", "'extension'"))).execute(&mut catalog).await.expect("inserted");
    drop(catalog);
    for number in 0..=MANY {
        let path = house.layout().quarantine(format!("00000000-0000-7000-8000-{number:012}").parse().expect("an id"));
        std::fs::write(path, "").expect("written");
    }
    let config = house.folder.path().join("config.yml");
    std::fs::write(&config, crate::support::config_text(&house.config.storage.uploads)).expect("a config");
    let reindexed = Command::new(env!("CARGO_BIN_EXE_wearhouse")).args(["reindex", "--config"]).arg(config).output().expect("the program");
    let said = String::from_utf8(reindexed.stdout).expect("text");
    let unknown: Vec<_> = said.lines().filter(|line| line.contains("in quarantine, and not in the catalog")).collect();
    assert!(unknown.len() == 1 && unknown[0].contains("00000000-0000-7000-8000-000000000000"), "{said}");
}
