//! Memory with a dataset at its quota, whose files have the longest names, while everything looks at it at once.

use futures_util::future::join_all;
use tempfile::TempDir;
use wearhouse::storage::Layout;

use super::{QUOTA, fill, longest_names};
use crate::support::{Program, Researcher, until};

const MIB: u64 = 1 << 20;
/// What the server may hold.
const BOUND: u64 = 150 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_at_its_quota_is_viewed_read_and_zipped_in_little_memory() {
    let folder = TempDir::new().expect("a folder");
    // As in the unit and the image.
    let program = Program::in_folder(folder.path()).env("MALLOC_ARENA_MAX", "2").start();
    let layout = Layout::new(folder.path().join("uploads"));
    let device = program.researcher().let_in("w").await;
    let uuid = device.new_dataset().await;
    device.upload(&uuid, "first.csv", "1").await;
    fill(&layout, &uuid, QUOTA - 2).await;
    let before = program.peak_memory();

    // This wakes the metadata extractor and the zip builder.
    device.upload(&uuid, "last.csv", "2").await;
    let viewers = join_all((0..6).map(|_| view(program.researcher(), &uuid)));
    let zip = zip(program.researcher(), &uuid);
    let bundle = bundle(program.researcher(), &uuid);
    tokio::join!(viewers, zip, bundle);
    until("the metadata was read", async || is_described(&layout, &uuid).await).await;

    let peak = program.peak_memory();
    println!("{QUOTA} files of the longest names: memory {} MiB at most, {} MiB before", peak / MIB, before / MIB);
    assert!(peak < BOUND, "{} MiB", peak / MIB);
    let rejected = device.try_upload(&uuid, "more.csv", "3").await.expect("a response");
    assert_eq!(rejected.status(), 507);
}

/// The page, the next page, the JSON and the list as CSV.
async fn view(researcher: Researcher, uuid: &str) {
    let after = longest_names(QUOTA / 2).1;
    for path in [
        format!("/recording/{uuid}/"),
        format!("/recording/{uuid}/?after={after}"),
        format!("/api/v1/datasets/{uuid}"),
        "/recording/list.csv".to_owned(),
    ] {
        let response = researcher.get(&path).await;
        assert_eq!(response.status(), 200, "{path}");
        let length = response.bytes().await.expect("all of it").len() as u64;
        assert!(length < MIB, "{path}: {length}");
    }
}

/// The zip of the dataset, as soon as it is built.
async fn zip(researcher: Researcher, uuid: &str) {
    let path = format!("/uploads/zips/{uuid}.zip");
    until("the zip is built", async || {
        let response = researcher.get(&path).await;
        let is_built = response.status() == 200;
        assert!(is_built || response.status() == 503, "{}", response.status());
        assert!(!is_built || response.bytes().await.expect("a whole zip").len() as u64 > u64::from(QUOTA) * 400);
        is_built
    })
    .await;
}

/// The same files in a zip that is computed while it is sent.
async fn bundle(researcher: Researcher, uuid: &str) {
    let response = researcher.get(&format!("/api/v1/datasets.zip?uuid={uuid}")).await;
    assert_eq!(response.status(), 200);
    let announced = response.content_length().expect("a length");
    assert_eq!(response.bytes().await.expect("a whole zip").len() as u64, announced);
}

async fn is_described(layout: &Layout, uuid: &str) -> bool {
    use sqlx::Connection;
    let mut catalog = sqlx::SqliteConnection::connect(&format!("sqlite://{}", layout.catalog().display())).await.expect("the catalog");
    let query = sqlx::query_scalar("SELECT described = changes FROM datasets WHERE uuid = $1").bind(uuid.to_owned());
    query.fetch_one(&mut catalog).await.expect("a row")
}
