//! A catalog that is busy or fails: what it did not commit is not acknowledged, and what it did is not lost.

use sqlx::Executor;

use super::{Scene, scene};
use crate::support::{House, WatchedDisk, sha256, until};

#[tokio::test]
async fn a_busy_catalog_is_503_within_the_watchs_patience() {
    let scene = scene().await;
    let mut other = scene.house.catalog().await;
    other.execute("BEGIN IMMEDIATE").await.expect("the lock");
    let started = std::time::Instant::now();
    let refused = scene.watch.try_upload(&scene.uuid, "a.csv", "1").await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert!(started.elapsed().as_secs() < 10, "the app would have hung up");
    assert!(scene.house.incoming().is_empty());
    other.execute("ROLLBACK").await.expect("released");
    scene.watch.upload(&scene.uuid, "a.csv", "1").await;
    assert_eq!(scene.house.researcher().files(&scene.uuid).await.len(), 1);
}

#[tokio::test]
async fn a_commit_that_fails_acknowledges_nothing() {
    let scene = scene().await;
    let mut other = scene.house.catalog().await;
    // A foreign key that is checked at COMMIT only, and that every new file breaks.
    let breaking = [
        "CREATE TABLE broken (nobody TEXT REFERENCES datasets (uuid) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER break_it AFTER INSERT ON files BEGIN INSERT INTO broken VALUES ('nobody'); END",
    ];
    for statement in breaking {
        other.execute(statement).await.expect("a trigger");
    }
    let refused = scene.watch.try_upload(&scene.uuid, "a.csv", "1").await.expect("an answer");
    assert_eq!(refused.status(), 500);
    scene.is_clean().await;
    other.execute("DROP TRIGGER break_it").await.expect("dropped");
    scene.fails_not().await;
}

impl Scene {
    async fn fails_not(&self) {
        self.watch.upload(&self.uuid, "a.csv", "1").await;
        assert_eq!(self.house.researcher().files(&self.uuid).await.len(), 1);
    }
}

#[tokio::test]
async fn one_bad_row_in_a_group_fails_alone() {
    let scene = scene().await;
    let mut other = scene.house.catalog().await;
    other
        .execute("CREATE TRIGGER no_bad BEFORE INSERT ON files WHEN NEW.sent_name LIKE 'bad%' BEGIN SELECT RAISE(ABORT, 'bad'); END")
        .await
        .expect("a trigger");
    // Held up by the lock, the uploads gather into one group.
    other.execute("BEGIN IMMEDIATE").await.expect("the lock");
    let uploads: Vec<_> = ["a.csv", "bad.csv", "b.csv", "bad2.csv", "c.csv"]
        .map(|name| {
            let (watch, uuid) = (scene.watch.clone(), scene.uuid.clone());
            tokio::spawn(async move { (name, watch.try_upload(&uuid, name, name).await.expect("an answer").status().as_u16()) })
        })
        .into();
    until("all are received", async || scene.house.incoming().len() == 5).await;
    other.execute("ROLLBACK").await.expect("released");
    for upload in uploads {
        let (name, status) = upload.await.expect("no panic");
        assert_eq!(status, if name.starts_with("bad") { 500 } else { 200 }, "{name}");
    }
    assert_eq!(scene.house.researcher().files(&scene.uuid).await.len(), 3);
    assert!(scene.house.incoming().is_empty());
    // Nothing of a bad one stays in the group's transaction, not even what its device was charged.
    assert_eq!(scene.house.researcher().json("/api/v1/devices").await[0]["files"], 3);
}

/// The plain files of a group are committed first. What is not plain has a transaction of its own, which fails at its COMMIT here.
#[tokio::test]
async fn of_a_group_whose_rest_cannot_be_committed_the_plain_files_are_kept_and_the_rest_leaves_nothing() {
    let scene = scene().await;
    let mut other = scene.house.catalog().await;
    for statement in [
        "CREATE TABLE broken (nobody TEXT REFERENCES datasets (uuid) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER break_it AFTER INSERT ON files WHEN NEW.held IS NOT NULL BEGIN INSERT INTO broken VALUES ('nobody'); END",
        "BEGIN IMMEDIATE",
    ] {
        other.execute(statement).await.expect("done");
    }
    // The first waits for the lock alone. The others gather behind it, into a group of both kinds.
    let names = ["first.csv", "a.csv", "a.exe", "b.csv", "b.exe", "c.csv", "c.exe"];
    let mut uploads = Vec::new();
    for (at, name) in names.into_iter().enumerate() {
        let (watch, uuid) = (scene.watch.clone(), scene.uuid.clone());
        uploads.push(tokio::spawn(async move { (name, watch.try_upload(&uuid, name, name).await.expect("an answer").status().as_u16()) }));
        until("it is received", async || scene.house.incoming().len() == at + 1).await;
    }
    other.execute("ROLLBACK").await.expect("released");
    for upload in uploads {
        let (name, status) = upload.await.expect("no panic");
        assert_eq!(status, if name.ends_with("exe") { 500 } else { 200 }, "{name}");
    }
    let researcher = scene.house.researcher();
    let names = ["a.csv", "b.csv", "c.csv", "first.csv"].map(|name| (name.to_owned(), sha256(name.as_bytes())));
    assert_eq!(researcher.zip_contents(&scene.uuid).await, names);
    assert_eq!(researcher.json("/api/v1/quarantine").await["total"], 0);
    assert!(scene.house.incoming().is_empty());
    assert_eq!(researcher.json("/api/v1/devices").await[0]["files"], 4);
    other.execute("DROP TRIGGER break_it").await.expect("dropped");
    for name in ["a.csv", "a.exe"] {
        assert_eq!(scene.watch.upload(&scene.uuid, name, name).await["new"], name.ends_with("exe"), "{name}");
    }
    assert_eq!(researcher.json("/api/v1/devices").await[0]["files"], 5);
}

/// Nothing else comes that could take the mark along, and nobody asks.
#[tokio::test]
async fn a_lone_file_is_marked_after_a_moment() {
    let house = House::start_with(WatchedDisk::new(), |config| config.zip.rolls_at_once = 0).await;
    let watch = house.watch("w").await;
    watch.upload(&watch.new_dataset().await, "a.csv", "1").await;
    let mut catalog = house.catalog().await;
    until("it is marked", async || {
        sqlx::query("SELECT 1 FROM files WHERE state = 'placed'").fetch_optional(&mut catalog).await.expect("asked").is_some()
    })
    .await;
}

/// Acknowledged, it waits to be marked; nobody asks, nothing is rolled, and nothing else comes that could take it along.
#[tokio::test]
async fn a_mark_that_could_not_be_committed_is_tried_again() {
    let house = House::start_with(WatchedDisk::new(), |config| config.zip.rolls_at_once = 0).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    house
        .change_catalog(
            "CREATE TRIGGER unmarked BEFORE UPDATE OF state ON files WHEN NEW.state = 'placed' BEGIN SELECT RAISE(ABORT, 'no'); END",
        )
        .await;
    watch.upload(&uuid, "a.csv", "1").await;
    let listing = house.researcher().get(&format!("/api/v1/datasets/{uuid}")).await;
    assert_eq!(listing.status(), 500, "a list that would not show what was acknowledged");
    house.change_catalog("DROP TRIGGER unmarked").await;
    let mut catalog = house.catalog().await;
    until("it is marked", async || {
        sqlx::query("SELECT 1 FROM files WHERE state = 'placed'").fetch_optional(&mut catalog).await.expect("asked").is_some()
    })
    .await;
    assert_eq!(house.researcher().files(&uuid).await.len(), 1);
}
