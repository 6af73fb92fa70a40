//! One approved device does not exhaust the server's memory: names and numbers of files are bounded, and a viewer of a dataset gets
//! a page of it.

mod names;
mod pages;
mod quota;
mod start;
mod viewers;

use std::path::Path;

use sqlx::{Connection, Executor, SqliteConnection};
use wearhouse::{ids::FileName, storage::Layout};

/// The quota of files per dataset, as it is without a setting.
const QUOTA: u32 = 20_000;

/// The longest name as sent, and the longest stored name, of a file with this number.
fn longest_names(number: u32) -> (String, String) {
    let name = |bytes: usize| format!("{number:06}{}.csv", "n".repeat(bytes - 10));
    (name(1024), name(200))
}

/// Puts empty files with the longest names into a dataset, by SQL and on the disk, as if its device had uploaded them.
async fn fill(layout: &Layout, uuid: &str, files: u32) {
    let mut catalog = SqliteConnection::connect(&format!("sqlite://{}", layout.catalog().display())).await.expect("the catalog");
    let rows = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {files}) \
         INSERT INTO files (id, dataset, device, sent_name, stored_name, folded_name, size, sha256, crc32, received_at, state) \
         SELECT printf('00000000-0000-7000-8000-%012d', i), uuid, device, printf('%06d', i) || '{sent}', printf('%06d', i) || '{stored}', \
         printf('%06d', i) || '{stored}', 0, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0, updated_at, 'placed' \
         FROM n, datasets WHERE uuid = '{uuid}'",
        sent = &longest_names(0).0[6..],
        stored = &longest_names(0).1[6..],
    );
    let counts = format!("UPDATE datasets SET files = files + {files}, changes = changes + {files} WHERE uuid = '{uuid}'");
    let charge = format!("UPDATE devices SET files = files + {files} WHERE id = (SELECT device FROM datasets WHERE uuid = '{uuid}')");
    for statement in [rows, counts, charge] {
        catalog.execute(sqlx::AssertSqlSafe(statement)).await.expect("changed");
    }
    let dataset = uuid.parse().expect("a uuid");
    for number in 1..=files {
        let path = layout.file(dataset, &FileName::from_sent(&longest_names(number).1));
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a folder");
        std::fs::write(path, "").expect("written");
    }
}
