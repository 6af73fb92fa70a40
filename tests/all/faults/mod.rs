//! A disk or a catalog that fails: nothing is acknowledged, nothing is left behind, and the server goes on serving.

mod catalog;
mod full;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{Executor, Row};

use crate::support::{Call, House, Watch, WatchedDisk, sha256, until};

struct Scene {
    disk: Arc<WatchedDisk>,
    house: House,
    watch: Watch,
    uuid: String,
}

async fn scene() -> Scene {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    Scene { disk, house, watch, uuid }
}

impl Scene {
    fn folder(&self) -> PathBuf {
        self.house.config.storage.uploads.join("recordings").join(&self.uuid)
    }

    /// Fails the first step that is like this.
    fn fail_once(&self, is: impl Fn(&Call) -> bool + Send + Sync + 'static) {
        let failed = AtomicBool::new(false);
        self.disk.before(
            move |call| {
                if is(call) && !failed.swap(true, Ordering::SeqCst) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
            },
        );
    }

    /// The upload is refused with this status and leaves nothing; the next one is kept.
    async fn fails_and_goes_on(&self, status: u16) {
        let refused = self.watch.try_upload(&self.uuid, "a.csv", "1").await.expect("an answer");
        assert_eq!(refused.status(), status);
        self.is_clean().await;
        assert_eq!(self.watch.upload(&self.uuid, "a.csv", "1").await["new"], true);
        assert_eq!(self.house.researcher().zip_contents(&self.uuid).await, [("a.csv".to_owned(), sha256(b"1"))]);
        let device = &self.house.researcher().json("/api/v1/devices").await[0];
        assert_eq!((&device["files"], &device["bytes"]), (&1.into(), &1.into()));
    }

    async fn is_clean(&self) {
        assert!(self.house.incoming().is_empty());
        let files = std::fs::read_dir(self.folder()).map_or(0, Iterator::count);
        assert_eq!(files, 0);
        let dataset = self.house.researcher().dataset(&self.uuid).await;
        assert_eq!((&dataset["file_list"], &dataset["files"], &dataset["bytes"]), (&serde_json::json!([]), &0.into(), &0.into()));
        let device = &self.house.researcher().json("/api/v1/devices").await[0];
        assert_eq!((&device["files"], &device["bytes"]), (&0.into(), &0.into()));
    }
}

#[tokio::test]
async fn a_failing_sync_of_the_bytes_is_500() {
    let scene = scene().await;
    scene.fail_once(|call| matches!(call, Call::SyncFile(_)));
    scene.fails_and_goes_on(500).await;
}

#[tokio::test]
async fn a_failing_write_is_500() {
    let scene = scene().await;
    scene.fail_once(|call| matches!(call, Call::Write(..)));
    scene.fails_and_goes_on(500).await;
}

#[tokio::test]
async fn a_failing_rename_is_500() {
    let scene = scene().await;
    scene.fail_once(|call| matches!(call, Call::Rename(..)));
    scene.fails_and_goes_on(500).await;
}

#[tokio::test]
async fn a_failing_sync_of_the_folder_is_500_and_is_not_tried_again() {
    let scene = scene().await;
    let folder = scene.folder();
    scene.fail_once(move |call| *call == Call::SyncFolder(folder.clone()));
    scene.fails_and_goes_on(500).await;
}

#[tokio::test]
async fn a_failing_sync_of_the_folder_above_is_500() {
    let scene = scene().await;
    let recordings = scene.folder().parent().expect("a folder").to_owned();
    scene.fail_once(move |call| *call == Call::SyncFolder(recordings.clone()));
    scene.fails_and_goes_on(500).await;
}

/// A disk that fails, fails for hundreds of uploads at once: each has its thread, and may not wait for one more.
#[test]
fn on_the_way_and_on_the_way_back_an_upload_needs_no_second_thread_that_may_block() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(1).enable_all().build();
    let uploads = async {
        let scene = scene().await;
        scene.watch.upload(&scene.uuid, "first.csv", "1").await;
        std::fs::write(scene.folder().join("by_hand.csv"), "laid there").expect("written");
        assert_eq!(scene.watch.upload(&scene.uuid, "by_hand.csv", "2").await["stored_as"], "by_hand~2.csv");
        let folder = scene.folder();
        scene.fail_once(move |call| *call == Call::SyncFolder(folder.clone()));
        assert_eq!(scene.watch.try_upload(&scene.uuid, "a.csv", "3").await.expect("an answer").status(), 500);
        assert!(scene.house.incoming().is_empty());
        assert_eq!(scene.watch.upload(&scene.uuid, "a.csv", "3").await["stored_as"], "a.csv");
    };
    let ended = runtime.expect("a runtime").block_on(async { tokio::time::timeout(Duration::from_secs(20), uploads).await });
    ended.expect("no upload waits for ever");
}

/// Uploads may hold all threads that may block, and wait for whoever decides over their file or erases their dataset.
#[test]
fn who_others_wait_for_needs_no_thread_that_they_may_hold() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(1).enable_all().build();
    let decisions = async {
        let scene = scene().await;
        let researcher = scene.house.researcher();
        for name in ["a.exe", "b.exe"] {
            scene.watch.upload(&scene.uuid, name, name).await;
        }
        let held = researcher.json("/api/v1/quarantine").await["files"].clone();
        let delete = researcher.request("DELETE", &format!("/api/v1/datasets/{}", scene.uuid)).send().await.expect("an answer");
        assert_eq!(delete.status(), 204);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let taken = tokio::task::spawn_blocking(move || released.recv());
        for (file, decision) in [(0, "release"), (1, "discard")] {
            let id = held[file]["id"].as_str().expect("an id");
            assert_eq!(researcher.post(&format!("/api/v1/quarantine/{id}/{decision}")).await, 204, "{decision}");
        }
        let erase = tokio::spawn(researcher.request("DELETE", &format!("/api/v1/trash/{}", scene.uuid)).send());
        until("it is in the ledger", async || std::fs::read_to_string(scene.house.layout().ledger()).is_ok_and(|text| !text.is_empty()))
            .await;
        release.send(()).expect("still held");
        let _ = taken.await;
        assert_eq!(erase.await.expect("no panic").expect("an answer").status(), 204);
    };
    let ended = runtime.expect("a runtime").block_on(async { tokio::time::timeout(Duration::from_secs(40), decisions).await });
    ended.expect("nobody waits for ever");
}

/// The mail would go out once more when the disk answers again.
#[tokio::test]
async fn a_disk_that_says_nothing_ends_no_alert_and_who_has_no_alias_has_a_name() {
    let scene = scene().await;
    let alerts = async |kind: &str| {
        let query = format!("SELECT text FROM alerts WHERE kind = '{kind}' ORDER BY text");
        let rows = scene.house.catalog().await.fetch_all(sqlx::AssertSqlSafe(query)).await.expect("alerts");
        rows.iter().map(|row| row.get("text")).collect::<Vec<String>>()
    };
    let ask = async |id: &str| {
        scene.house.researcher().poll(&format!("[{id}]")).await;
        let text = format!("[{id}] asks to be let in.");
        until("it is looked at", async || alerts("request").await.contains(&text)).await;
    };
    scene.house.change_catalog("INSERT OR REPLACE INTO arrivals (day, files, bytes) VALUES (unixepoch() / 86400, 1, 1 << 60)").await;
    ask("1").await;
    until("the disk is told", async || alerts("disk").await.len() == 1).await;
    scene.disk.tells_nothing.store(true, Ordering::SeqCst);
    // The look behind the second has ended when the third has begun.
    for id in ["2", "3"] {
        ask(id).await;
    }
    assert_eq!(alerts("disk").await.len(), 1);
}

#[tokio::test]
async fn of_two_files_neither_stays_when_the_second_fails() {
    let scene = scene().await;
    let (folder, count) = (scene.folder(), std::sync::atomic::AtomicU32::new(0));
    scene.disk.before(move |call| {
        let second = *call == Call::SyncFolder(folder.clone()) && count.fetch_add(1, Ordering::SeqCst) == 1;
        if second { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    });
    let part = |bytes: &'static str, name: &'static str| reqwest::multipart::Part::text(bytes).file_name(name);
    let form = reqwest::multipart::Form::new().part("file", part("1", "a.csv")).part("file", part("2", "b.csv"));
    let request = scene.watch.request("POST", &format!("/recording/new/?uuid={}", scene.uuid)).multipart(form);
    assert_eq!(request.send().await.expect("an answer").status(), 500);
    scene.is_clean().await;
}

#[tokio::test]
async fn a_release_that_fails_leaves_the_file_in_quarantine() {
    let scene = scene().await;
    scene.watch.upload(&scene.uuid, "a.exe", "1").await;
    let researcher = scene.house.researcher();
    let id = researcher.json("/api/v1/quarantine").await["files"][0]["id"].as_str().expect("an id").to_owned();
    let folder = scene.folder();
    scene.fail_once(move |call| *call == Call::SyncFolder(folder.clone()));
    let release = format!("/api/v1/quarantine/{id}/release");
    assert_eq!(researcher.post(&release).await, 500);
    assert_eq!(researcher.json("/api/v1/quarantine").await["total"], 1);
    assert_eq!(researcher.post(&release).await, 204);
    assert_eq!(researcher.zip_contents(&scene.uuid).await, [("a.exe".to_owned(), sha256(b"1"))]);
}

#[tokio::test]
async fn a_zip_that_cannot_be_made_leaves_the_old_one_and_is_tried_again() {
    let scene = scene().await;
    let researcher = scene.house.researcher();
    scene.watch.upload(&scene.uuid, "a.csv", "1").await;
    let old = researcher.zip(&scene.uuid).await;
    scene.watch.upload(&scene.uuid, "b.csv", "2").await;
    let rolling = scene.house.layout().rolling_folder();
    scene.fail_once(move |call| matches!(call, Call::SyncFile(path) if path.starts_with(&rolling)));
    let address = format!("/uploads/zips/{}.zip", scene.uuid);
    until("the roll has failed", async || researcher.get(&address).await.status() == 500).await;
    assert_eq!(std::fs::read(scene.house.layout().zip(scene.uuid.parse().expect("a uuid"))).expect("a zip"), old);
    assert!(crate::support::list(&scene.house.layout().rolling_folder()).is_empty());
    assert_eq!(researcher.dataset(&scene.uuid).await["zip_error"], serde_json::Value::Null, "the recording is none the worse");
    assert_eq!(researcher.zip_contents(&scene.uuid).await.len(), 2);
}

#[tokio::test]
async fn a_flipped_bit_stops_the_roll_and_names_the_file() {
    let scene = scene().await;
    let researcher = scene.house.researcher();
    scene.watch.upload(&scene.uuid, "good.csv", "1").await;
    scene.watch.upload(&scene.uuid, "bad.csv", "2").await;
    let flip = || std::fs::write(scene.folder().join("bad.csv"), "3").expect("written");
    // A roll may be under way already; what it published is thrown away and the next one sees the damage.
    researcher.zip(&scene.uuid).await;
    flip();
    std::fs::remove_file(scene.house.layout().zip(scene.uuid.parse().expect("a uuid"))).expect("a zip");
    let answer = researcher.get(&format!("/uploads/zips/{}.zip", scene.uuid)).await;
    assert_eq!(answer.status(), 500);
    assert!(answer.text().await.expect("text").contains("bad.csv has changed"));
    let dataset = researcher.dataset(&scene.uuid).await;
    assert!(dataset["zip_error"].as_str().is_some_and(|why| why.contains("bad.csv")), "{dataset}");
}

#[tokio::test]
async fn a_damaged_copy_in_quarantine_gives_way_to_the_same_file_sent_again() {
    let scene = scene().await;
    scene.watch.upload(&scene.uuid, "a.exe", "whole").await;
    let quarantine = scene.house.layout().house().join("quarantine");
    let held = crate::support::list(&quarantine).pop().expect("a file");
    std::fs::write(&held, "dam").expect("damaged");
    let again = scene.watch.upload(&scene.uuid, "a.exe", "whole").await;
    assert_eq!((&again["quarantined"], again.get("stored_as")), (&true.into(), None));
    assert_eq!(std::fs::read(&held).expect("there"), b"whole");
    assert_eq!(crate::support::list(&quarantine).len(), 1);
}

/// The next start finishes the discard, and must not take the new copy with it.
#[tokio::test]
async fn a_file_sent_again_behind_a_discard_that_failed_is_kept() {
    let scene = scene().await;
    scene.watch.upload(&scene.uuid, "a.exe", "1").await;
    let id = scene.house.researcher().json("/api/v1/quarantine").await["files"][0]["id"].as_str().expect("an id").to_owned();
    scene.house.change_catalog("CREATE TRIGGER keep BEFORE DELETE ON files BEGIN SELECT RAISE(ABORT, 'kept'); END").await;
    assert_eq!(scene.house.researcher().post(&format!("/api/v1/quarantine/{id}/discard")).await, 500);
    assert_eq!(scene.watch.upload(&scene.uuid, "a.exe", "1").await["new"], true);
    scene.house.change_catalog("DROP TRIGGER keep").await;
    let house = scene.house.restart_with(|_| {}).await;
    assert_eq!(house.researcher().json("/api/v1/quarantine").await["total"], 1);
    let held = crate::support::list(&house.layout().house().join("quarantine"));
    assert_eq!(held.iter().map(|path| std::fs::read(path).expect("there")).collect::<Vec<_>>(), [b"1"]);
}
