//! A study of a year: a house whose catalog is full. Nobody reads the files, so none lies on the disk.

use std::{fs, path::Path};

use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use wearhouse::storage::Layout;

use crate::{facts::Facts, launch};

/// How much there is of everything.
pub struct Study {
    pub datasets: u32,
    files_each: u32,
    devices: u32,
    audit: u32,
}

pub const FULL: Study = Study { datasets: 100_000, files_each: 10, devices: 200, audit: 200_000 };
pub const SMOKE: Study = Study { datasets: 300, files_each: 10, devices: 10, audit: 300 };

impl Study {
    pub fn files(&self) -> u32 {
        self.datasets * self.files_each
    }

    /// Lays it into a folder, unless one lies there.
    #[tokio::main(flavor = "current_thread")]
    pub async fn lay(&self, folder: &Path) -> Facts {
        let layout = Layout::new(folder.join("uploads"));
        let options = SqliteConnectOptions::new().filename(layout.catalog()).pragma("temp_store", "memory");
        if !layout.catalog().exists() {
            fs::create_dir_all(folder).expect("a folder");
            fs::write(folder.join("config.yml"), launch::config(folder)).expect("a config");
            // The first start makes the folders and the catalog.
            drop(launch::launch(folder));
            self.fill(&mut options.connect().await.expect("the catalog")).await;
        }
        let mut catalog = options.connect().await.expect("the catalog");
        let facts = Facts::look(&mut catalog).await;
        catalog.close().await.expect("closed");
        facts
    }

    async fn fill(&self, catalog: &mut SqliteConnection) {
        let Self { datasets, files_each, devices, audit } = self;
        let now = wearhouse::clock::machine().wall;
        let scale = format!(
            "CREATE TEMP TABLE scale AS SELECT {datasets} AS datasets, {files_each} AS files_each, {devices} AS devices, \
             {audit} AS audit, {now} AS now, 86400000 AS day;"
        );
        catalog.execute(sqlx::AssertSqlSafe(scale)).await.expect("a scale");
        catalog.execute(include_str!("fill.sql")).await.expect("filled");
        // All in one go left a log that no house ever has.
        catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.expect("a small log");
    }
}
