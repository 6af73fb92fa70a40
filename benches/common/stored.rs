//! A catalog full of files, and the files, as uploads would have left them.

use std::fs::{self, File};

use sqlx::{ConnectOptions, Connection, Executor, sqlite::SqliteConnectOptions};
use wearhouse::{catalog::Catalog, storage::Layout};

/// Who brought them.
pub const IDENTIFIER: &str = "w[9774d56d682e549c]";
const DEVICE: &str = "8d62f44636589481ed70d22a6c2a442f";

/// How many, and where.
#[derive(Clone, Copy)]
pub struct Stored {
    pub datasets: u32,
    pub files_each: u32,
    /// The files lie on the disk, too. They are empty: a million that hold something take minutes to delete where a disk is told of
    /// each block that is free.
    pub on_disk: bool,
}

/// The address of the first, second … dataset.
pub fn uuid(dataset: u32) -> String {
    format!("00000000-0000-4000-8000-{dataset:012x}")
}

impl Stored {
    /// Fills a house whose program is not running. The device is there even if nothing else is.
    pub async fn fill(self, layout: &Layout) {
        Catalog::open(&layout.catalog()).await.expect("a catalog").close().await;
        let mut catalog = SqliteConnectOptions::new().filename(layout.catalog()).connect().await.expect("a catalog");
        catalog.execute(sqlx::AssertSqlSafe(self.rows())).await.expect("filled");
        catalog.close().await.expect("closed");
        if self.on_disk && self.files_each > 0 {
            (1..=self.datasets).for_each(|dataset| self.fill_folder(layout, dataset));
        }
    }

    fn fill_folder(self, layout: &Layout, dataset: u32) {
        let folder = layout.root().join("recordings").join(uuid(dataset));
        fs::create_dir_all(&folder).expect("a folder");
        (1..=self.files_each).for_each(|file| drop(File::create(folder.join(format!("{file}.csv"))).expect("a file")));
    }

    fn rows(self) -> String {
        let Self { datasets, files_each, .. } = self;
        let uuid = |number: &str| format!("printf('00000000-0000-4000-8000-%012x', {number})");
        let count =
            |name: &str, most: u32| format!("{name}(n) AS (SELECT 1 WHERE {most} > 0 UNION ALL SELECT n + 1 FROM {name} WHERE n < {most})");
        format!(
            "BEGIN; \
             INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) VALUES ('{DEVICE}', '{IDENTIFIER}', 0, 1, 1); \
             WITH RECURSIVE {datasets} INSERT INTO datasets (uuid, device, created_at, updated_at, files, bytes, changes, zipped) \
             SELECT {dataset}, '{DEVICE}', n, n, {files_each}, 0, 1, 1 FROM d; \
             WITH RECURSIVE {datasets}, {files} \
             INSERT INTO files (id, dataset, device, sent_name, stored_name, folded_name, size, sha256, crc32, received_at, state) \
             SELECT printf('00000000-0000-4000-9000-%012x', d.n * {files_each} + f.n), {dataset_of_file}, '{DEVICE}', \
             f.n || '.csv', f.n || '.csv', f.n || '.csv', 0, printf('%064x', d.n * {files_each} + f.n), f.n, d.n, 'placed' FROM d, f; \
             COMMIT;",
            datasets = count("d", datasets),
            files = count("f", files_each),
            dataset = uuid("n"),
            dataset_of_file = uuid("d.n"),
        )
    }
}
