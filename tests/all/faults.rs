//! A disk or a catalog that fails: nothing is acknowledged, nothing is left behind, and the server goes on serving.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::Executor;
use wearhouse::storage::FreeSpace;

use crate::support::{Call, House, Program, Watch, WatchedDisk, sha256, until};

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

#[tokio::test]
async fn a_disk_that_is_nearly_full_is_507_before_the_body_is_read() {
    let scene = scene().await;
    *scene.disk.free.lock().expect("free") = Some(FreeSpace { bytes: (1 << 20) + 1000, inodes: 1000, total: 1 << 30 });
    let refused = scene.watch.try_upload(&scene.uuid, "a.csv", vec![0; 2000]).await.expect("an answer");
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (507, true));
    assert!(
        scene
            .disk
            .take()
            .iter()
            .all(|call| !matches!(call, Call::Create(path) if path.starts_with(scene.house.layout().incoming_folder())))
    );
    scene.watch.upload(&scene.uuid, "b.csv", vec![0; 100]).await;
}

/// The program on a small file system of its own, which goes away with it.
fn on_tmpfs(folder: &std::path::Path, options: &str) -> Program {
    let uploads = folder.join("uploads");
    std::fs::create_dir(&uploads).expect("a folder");
    let mount = format!("mount -t tmpfs -o {options} none {} && exec \"$0\" \"$@\"", uploads.display());
    let root = ["unshare", "--mount", "sh", "-c", &mount];
    let user = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &mount];
    let wrapper = if rustix::process::geteuid().is_root() { &root[..] } else { &user[..] };
    Program::wrapped_in_folder(wrapper, folder).start()
}

/// A folder of the program, as the program sees it.
fn seen_by(program: &Program, folder: &std::path::Path) -> Vec<PathBuf> {
    crate::support::list(&PathBuf::from(format!("/proc/{}/root{}", program.pid(), folder.display())))
}

#[tokio::test]
async fn a_full_disk_is_507_and_what_is_here_stays_whole() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let program = on_tmpfs(folder.path(), "size=16m");
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "first.mkv", vec![1; 1 << 20]).await;
    assert_eq!(watch.try_upload(&uuid, "announced.mkv", vec![2; 32 << 20]).await.expect("an answer").status(), 507);
    let chunks = futures_util::stream::iter((0..32).map(|_| Ok::<_, io::Error>(vec![3_u8; 1 << 20])));
    let streamed = watch.try_upload(&uuid, "streamed.mkv", reqwest::Body::wrap_stream(chunks)).await;
    let streamed = streamed.expect("an answer");
    assert_eq!(streamed.status(), 507, "{}", streamed.text().await.expect("text"));
    let incoming = folder.path().join("uploads/.house/incoming");
    until("nothing is left", async || seen_by(&program, &incoming).is_empty()).await;
    watch.upload(&uuid, "second.mkv", vec![4; 1 << 20]).await;
    assert_eq!(program.researcher().zip_contents(&uuid).await.len(), 2);
}

/// SQLite rolls back by itself when the disk is full, which its driver does not notice: the connection must not be used again.
#[tokio::test]
async fn a_catalog_that_had_no_room_works_again_when_there_is_some() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let config = crate::support::config_text(&folder.path().join("uploads")).replace("reserve_mib: 1", "reserve_mib: 0");
    std::fs::write(folder.path().join("config.yml"), config).expect("a config");
    let program = on_tmpfs(folder.path(), "size=16m");
    let watch = program.researcher().let_in("w").await;
    let filler = PathBuf::from(format!("/proc/{}/root{}/uploads/filler", program.pid(), folder.path().display()));
    let mut file = std::fs::File::create(&filler).expect("a file");
    let full = std::iter::repeat_with(|| io::Write::write(&mut file, &[0; 4096])).find_map(Result::err).expect("it fills");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    // A new dataset needs room in the catalog's log, sooner or later.
    let ask = async || watch.request("GET", "/recording/new/").send().await.expect("an answer").status().as_u16();
    until("the catalog has no room", async || ask().await == 507).await;
    drop(file);
    std::fs::remove_file(&filler).expect("there");
    assert_eq!(ask().await, 200);
    watch.upload(&watch.new_dataset().await, "a.csv", "1").await;
    assert_eq!(program.researcher().poll("another").await["status"], "new");
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

#[tokio::test]
async fn a_disk_without_inodes_is_507_and_the_server_goes_on() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let program = on_tmpfs(folder.path(), "size=64m,nr_inodes=100");
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    let mut kept = 0;
    loop {
        let answer = watch.try_upload(&uuid, &format!("{kept}.csv"), "1").await.expect("an answer").status().as_u16();
        match answer {
            200 => kept += 1,
            507 => break,
            other => panic!("{other} after {kept}"),
        }
    }
    assert!(kept > 3, "{kept}");
    assert!(seen_by(&program, &folder.path().join("uploads/.house/incoming")).is_empty());
    assert_eq!(program.researcher().zip_contents(&uuid).await.len(), kept);
}
