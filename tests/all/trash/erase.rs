//! Gone for good.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use wearhouse::{
    ledger::{Entry, Ledger, What},
    storage::RealDisk,
};

use super::{LONG_AGO, delete, lines, recording, rows, status, submit, text};
use crate::support::{Call, Held, House, Program, Researcher, Watch, WatchedDisk, list, sha256, until};

/// Every file under `uploads/` whose path or bytes hold a text, but for the catalog.
fn traces(house: &House, needle: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![house.config.storage.uploads.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in list(&folder) {
            let is_trace = path.to_string_lossy().contains(needle);
            if path.is_dir() {
                folders.push(path.clone());
            }
            if is_trace {
                found.push(path);
            }
        }
    }
    found
}

/// Everything that the catalog says of a dataset, but for the trail.
async fn rows_of(house: &House, uuid: &str) -> Vec<String> {
    rows(
        house,
        &format!(
            "SELECT uuid AS c FROM datasets WHERE uuid = '{uuid}' UNION ALL SELECT id FROM files WHERE dataset = '{uuid}' \
             UNION ALL SELECT tag FROM tags WHERE dataset = '{uuid}' UNION ALL SELECT description FROM texts WHERE dataset = '{uuid}' \
             UNION ALL SELECT kind FROM alerts WHERE subject = '{uuid}' UNION ALL SELECT kind FROM settled WHERE subject = '{uuid}'"
        ),
    )
    .await
}

/// Waits until nothing is left of a dataset.
async fn until_erased(house: &House, uuid: &str) {
    until("it is erased", async || rows_of(house, uuid).await.is_empty() && traces(house, uuid).is_empty()).await;
}

async fn device(researcher: &Researcher) -> [u64; 3] {
    let device = &researcher.json("/api/v1/devices").await[0];
    ["datasets", "files", "bytes"].map(|key| device[key].as_u64().expect("a number"))
}

/// Files of [`recording`], as the evidence has them.
fn digest() -> String {
    let files = [("acc.csv", "1"), ("acc~2.csv", "22"), ("m.tflite", "333"), ("secret name.exe", "4444")];
    let mut lines = files.map(|(name, bytes)| format!("{} {} {name}\n", sha256(bytes.as_bytes()), bytes.len()));
    lines.sort();
    sha256(lines.concat().as_bytes())
}

#[tokio::test]
async fn what_has_lain_in_the_trash_for_its_time_is_gone_and_the_ledger_shows_what_it_was() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let (uuid, other) = (recording(&house, &watch).await, recording(&house, &watch).await);
    let researcher = house.researcher();
    submit(&researcher, &format!("/recording/{uuid}/describe"), "revision=0&title=Breakfast&description=muesli").await;
    submit(&researcher, &format!("/recording/{other}/describe"), "revision=0&title=Supper&description=").await;
    submit(&researcher, &format!("/recording/{uuid}/say"), "tag=good&verdict=unusable&reason=a+scene+of+ada").await;
    for statement in [
        "INSERT INTO settled (kind, subject, at, who) SELECT 'unfinished', uuid, 1, 'admin' FROM datasets WHERE number = 1",
        "INSERT INTO alerts (kind, subject, text, since) SELECT 'skipped', uuid, 'Breakfast', 1 FROM datasets WHERE number = 1",
        "INSERT INTO audit (at, who, action, subject, detail) SELECT 1, 'admin', 'downloaded', uuid || '/acc.csv', 'acc.csv' \
         FROM datasets WHERE number = 1",
    ] {
        house.change_catalog(statement).await;
    }
    let found =
        async |house: &House, word: &str| rows(house, &format!("SELECT rowid AS c FROM words WHERE words MATCH '{word}'")).await.len();
    until("their words are taken up", async || (found(&house, "muesli").await, found(&house, "supper").await) == (1, 1)).await;
    std::fs::write(house.config.storage.uploads.join("recordings").join(&uuid).join(".laid here by hand"), "x").expect("written");
    assert_eq!(device(&researcher).await, [2, 8, 20]);
    delete(&researcher, &uuid).await;
    assert_eq!(device(&researcher).await, [2, 8, 20], "it may be restored");
    let house = house.restart_with(|_| {}).await;
    assert!(lines(&house).is_empty() && rows_of(&house, &uuid).await.len() > 7, "its time is not over");
    house.change_catalog(LONG_AGO).await;
    let house = house.restart_with(|_| {}).await;
    until_erased(&house, &uuid).await;

    let line = &lines(&house)[0];
    assert_eq!((&line["what"], &line["subject"], &line["by"]), (&"dataset-erased".into(), &uuid.as_str().into(), &"admin".into()));
    assert_eq!((&line["files"], &line["bytes"], &line["digest"]), (&4.into(), &10.into(), &digest().into()));
    assert_eq!(list(&house.layout().house().join("quarantine")).len(), 1, "that of the other one");
    let researcher = house.researcher();
    assert_eq!(device(&researcher).await, [1, 4, 10]);
    assert_eq!((found(&house, "muesli").await, found(&house, "supper").await), (0, 1));
    until("it is noted", async || rows(&house, "SELECT who AS c FROM audit WHERE action = 'erased'").await == [""]).await;
    let trail = rows(&house, &format!("SELECT action || detail AS c FROM audit WHERE subject LIKE '{uuid}%' ORDER BY number")).await;
    assert_eq!(trail.len(), rows(&house, &format!("SELECT 1 AS c FROM audit WHERE subject = '{uuid}'")).await.len());
    for action in ["changed", "edited", "judged", "tagged", "downloaded", "deleted"] {
        assert!(action == "changed" || trail.contains(&action.to_owned()), "{action} without a detail: {trail:?}");
    }
    assert_eq!(status(&researcher, &format!("/recording/{uuid}/")).await, 404);
    assert!(text(&researcher, &format!("/recording/{uuid}/")).await.contains("this recording was erased"));
    assert_eq!(researcher.post(&format!("/trash/{uuid}/restore")).await, 404);
    assert_eq!(researcher.files(&other).await.len(), 3);
}

/// What docs/deleting.md says.
#[test]
fn somebody_who_has_the_files_still_can_show_that_they_were_these() {
    let documented = include_str!("../../../docs/deleting.md");
    let command = documented.lines().find(|line| line.starts_with("for file in")).expect("the command");
    let folder = tempfile::TempDir::new().expect("a folder");
    for (name, bytes) in [("acc.csv", "1"), ("acc~2.csv", "22"), ("m.tflite", "333"), ("secret name.exe", "4444")] {
        std::fs::write(folder.path().join(name), bytes).expect("written");
    }
    let output = std::process::Command::new("sh").args(["-c", command]).current_dir(folder.path()).output().expect("sh");
    assert_eq!(String::from_utf8_lossy(&output.stdout).split(' ').next(), Some(digest().as_str()));
}

#[tokio::test]
async fn an_operator_erases_at_once_what_is_in_the_trash_and_nobody_else_does() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = recording(&house, &watch).await;
    let researcher = house.researcher();
    let path = format!("/api/v1/trash/{uuid}");
    let erase = async || researcher.request("DELETE", &path).send().await.expect("an answer").status();
    assert_eq!(erase().await, 409, "it is not in the trash");
    delete(&researcher, &uuid).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let other = client.delete(house.url(&path)).basic_auth("researcher", Some(Researcher::PASSWORD)).send().await.expect("an answer");
    assert_eq!(other.status(), 403);
    let page = client.get(house.url("/trash/")).basic_auth("researcher", Some(Researcher::PASSWORD)).send().await.expect("an answer");
    let (page, mine) = (page.text().await.expect("text"), text(&researcher, "/trash/").await);
    assert!(page.contains("/restore\"") && !page.contains("/erase\"") && mine.contains("/erase\""));
    assert!(lines(&house).is_empty());
    assert_eq!(erase().await, 204);
    assert!(rows_of(&house, &uuid).await.is_empty() && traces(&house, &uuid).is_empty());
    assert_eq!((lines(&house).len(), &lines(&house)[0]["by"], erase().await.as_u16()), (1, &"admin".into(), 204));
    assert_eq!(lines(&house).len(), 1);
    assert_eq!(rows(&house, "SELECT who AS c FROM audit WHERE action = 'erased'").await, ["admin"]);
}

/// Nothing is removed before the ledger says so, synced.
#[tokio::test]
async fn the_ledger_comes_first_and_where_it_cannot_be_written_nothing_is_erased() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = recording(&house, &watch).await;
    let researcher = house.researcher();
    delete(&researcher, &uuid).await;
    let ledger = house.layout().ledger();
    let erase = async || researcher.request("DELETE", &format!("/api/v1/trash/{uuid}")).send().await.expect("an answer").status();
    let broken = ledger.clone();
    disk.before(move |call| if *call == Call::SyncFile(broken.clone()) { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) });
    assert_eq!(erase().await, 500);
    disk.before(|_| Ok(()));
    assert!(lines(&house).is_empty() && !traces(&house, &uuid).is_empty());
    disk.take();
    assert_eq!(erase().await, 204);
    let calls = disk.take();
    let synced = calls.iter().position(|call| *call == Call::SyncFile(ledger.clone())).expect("synced");
    let removed = calls.iter().position(|call| matches!(call, Call::Remove(path) if path.to_string_lossy().contains(&uuid)));
    assert!(removed.expect("removed") > synced, "{calls:?}");
}

#[tokio::test]
async fn what_was_cut_behind_the_ledger_is_finished_at_the_next_start() {
    let mut house = House::start().await;
    let watch = house.watch("w").await;
    let (first, second) = (recording(&house, &watch).await, recording(&house, &watch).await);
    house.stop().await;
    // Cut before anything was removed, and cut when the catalog alone was left to do.
    let ledger = Ledger::open(Arc::new(RealDisk), &house.layout().ledger()).expect("a ledger");
    for uuid in [&first, &second] {
        let what = What::DatasetErased { dataset: uuid.parse().expect("a uuid"), files: 4, bytes: 10, digest: digest() };
        ledger.append(&Entry { at: 1, by: "admin".to_owned(), what }).expect("written");
    }
    drop(ledger);
    std::fs::remove_dir_all(house.config.storage.uploads.join("recordings").join(&second)).expect("there");
    let house = house.start_again().await;
    let researcher = house.researcher();
    researcher.wait_until_up().await;
    assert_eq!(status(&researcher, &format!("/uploads/recordings/{first}/acc.csv")).await, 404, "from the first moment");
    for uuid in [&first, &second] {
        until_erased(&house, uuid).await;
    }
    assert_eq!((lines(&house).len(), device(&researcher).await), (2, [0, 0, 0]));
    assert!(list(&house.layout().house().join("quarantine")).is_empty());
}

/// `kill -9` while a hundred recordings are being erased: each is there as a whole, or gone as a whole and in the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_erases_it_goes_on_and_forgets_nothing() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let mut all = Vec::new();
    for _ in 0..100 {
        let uuid = watch.new_dataset().await;
        for name in ["a.csv", "b.tflite", "c.exe"] {
            watch.upload(&uuid, name, "1").await;
        }
        all.push(uuid);
    }
    for uuid in &all {
        delete(&program.researcher(), uuid).await;
    }
    program.kill();
    let uploads = wearhouse::storage::Layout::new(folder.path().join("uploads"));
    let in_ledger = || std::fs::read_to_string(uploads.ledger()).unwrap_or_default();
    let erased = || in_ledger().lines().count();
    let change = async |statement: &'static str| {
        use sqlx::{Connection, Executor, SqliteConnection};
        let catalog = SqliteConnection::connect(&format!("sqlite://{}", uploads.catalog().display()));
        catalog.await.expect("the catalog").execute(statement).await.expect("changed");
    };
    change(LONG_AGO).await;
    let mut dice = StdRng::seed_from_u64(rand::random());
    let (mut kills, mut cut) = (0, 0);
    while erased() < all.len() {
        let before = erased();
        let mut program = Program::in_folder(folder.path()).start();
        until("it has begun", async || erased() > before).await;
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..30))).await;
        program.kill();
        kills += 1;
        let left = list(&uploads.root().join("recordings")).len();
        cut += usize::from(erased() + left > all.len());
        for folder in list(&uploads.root().join("recordings")) {
            let uuid = folder.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(list(&folder).len() == 1 || in_ledger().contains(&uuid), "a part of it is gone, and the ledger does not know");
        }
    }
    println!("{kills} kills, {cut} of them between ledger and folder");
    let program = Program::in_folder(folder.path()).start();
    let researcher = program.researcher();
    let folders = ["recordings", "tf_models", ".house/quarantine"].map(|folder| uploads.root().join(folder));
    until("all are gone from disk and catalog", async || {
        device(&researcher).await == [0, 0, 0] && folders.iter().all(|folder| list(folder).is_empty())
    })
    .await;
    assert_eq!(erased(), 100);
}

/// Uploads go on while their recording is erased: each file that was acknowledged is one of those in the evidence, or waits in
/// quarantine.
#[tokio::test(flavor = "multi_thread")]
async fn no_file_gets_lost_between_an_upload_and_the_end_of_its_recording() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    for round in 0..8_u64 {
        let uuid = watch.new_dataset().await;
        watch.upload(&uuid, "first.csv", "x").await;
        delete(&house.researcher(), &uuid).await;
        let send = |part: u64, watch: Watch, uuid: String| async move {
            let mut sent = 0_u64;
            while sent < 30 {
                watch.upload(&uuid, &format!("{part} {sent}.csv"), format!("{round} {part} {sent}")).await;
                sent += 1;
            }
            sent
        };
        let work: Vec<_> = (0..4).map(|part| tokio::spawn(send(part, watch.clone(), uuid.clone()))).collect();
        let researcher = house.researcher();
        until("some came", async || rows(&house, &format!("SELECT id AS c FROM files WHERE dataset = '{uuid}'")).await.len() > 20).await;
        let erased = researcher.request("DELETE", &format!("/api/v1/trash/{uuid}")).send().await.expect("an answer");
        assert_eq!(erased.status(), 204);
        let mut acknowledged = 1;
        for task in work {
            acknowledged += task.await.expect("no panic");
        }
        let held = rows(&house, &format!("SELECT id AS c FROM files WHERE dataset = '{uuid}' AND held = 'erased'")).await.len() as u64;
        let counted = lines(&house).last().expect("a line")["files"].as_u64().expect("a number");
        assert_eq!(counted + held, acknowledged, "round {round}: {counted} in the evidence, {held} held");
        assert!(
            traces(&house, &uuid).is_empty()
                && rows(&house, &format!("SELECT id AS c FROM files WHERE dataset = '{uuid}' AND held IS NULL")).await.is_empty()
        );
    }
}

/// A zip that is being made when its recording is erased does not come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_roll_under_way_leaves_no_zip_behind() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let zip = house.layout().zip(uuid.parse().expect("a uuid"));
    let published = zip.clone();
    let mut held = Held::at(&disk, move |call| matches!(call, Call::Rename(_, to) if *to == published));
    watch.upload(&uuid, "a.csv", "1").await;
    held.reached().await;
    let researcher = house.researcher();
    delete(&researcher, &uuid).await;
    let path = format!("/api/v1/trash/{uuid}");
    let erase = tokio::spawn({
        let researcher = researcher.clone();
        async move { researcher.request("DELETE", &path).send().await.expect("an answer").status() }
    });
    until("it is written down", async || !lines(&house).is_empty()).await;
    drop(held);
    assert_eq!(erase.await.expect("no panic"), 204);
    assert!(!zip.exists() && traces(&house, &uuid).is_empty());
}

/// A page that was open before the recording was erased sends its form behind the end, and a watch brought something meanwhile.
#[tokio::test]
async fn nobody_says_anything_of_a_recording_of_which_a_held_file_alone_is_left() {
    let mut house = House::start().await;
    let watch = house.watch("w").await;
    let (uuid, other) = (recording(&house, &watch).await, recording(&house, &watch).await);
    let researcher = house.researcher();
    delete(&researcher, &uuid).await;
    let erase = researcher.request("DELETE", &format!("/api/v1/trash/{uuid}")).send().await.expect("an answer");
    assert_eq!(erase.status(), 204);
    watch.upload(&uuid, "late.csv", "1").await;
    let held = researcher.json("/api/v1/quarantine").await["files"][0].clone();
    let said = async |path: &str, form: String| {
        let request = researcher.request("POST", path).header("content-type", "application/x-www-form-urlencoded").body(form);
        request.send().await.expect("an answer").status().as_u16()
    };
    let describe = said(&format!("/recording/{uuid}/describe"), "revision=0&title=Breakfast&description=muesli".to_owned()).await;
    assert_eq!(describe, 404, "description");
    for form in ["tag=good", "untag=good", "verdict=usable", "participant=none"] {
        assert_eq!(said(&format!("/recording/{uuid}/say"), form.to_owned()).await, 404, "{form}");
    }
    assert_eq!(said("/recording/bulk", format!("act=tag&tag=good&uuid={uuid}&uuid={other}")).await, 303);
    assert_eq!(rows(&house, &format!("SELECT tag AS c FROM tags WHERE dataset = '{other}'")).await, ["good"]);
    assert_eq!(researcher.post(&format!("/api/v1/quarantine/{}/discard", held["id"].as_str().expect("an id"))).await, 204);
    assert!(rows_of(&house, &uuid).await.is_empty());
    house.stop().await;
    let house = house.start_again().await;
    house.researcher().wait_until_up().await;
}

/// The same bytes once more, while the first ones are being removed: what is answered 200 stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_again_while_its_recording_is_erased_is_held() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "acc.csv", "1").await;
    let researcher = house.researcher();
    delete(&researcher, &uuid).await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    let mut held = Held::at(&disk, move |call| matches!(call, Call::Remove(path) if *path == folder));
    let (path, operator) = (format!("/api/v1/trash/{uuid}"), researcher.clone());
    let erase = tokio::spawn(async move { operator.request("DELETE", &path).send().await.expect("an answer").status() });
    held.reached().await;
    let receipt = watch.upload(&uuid, "acc.csv", "1").await;
    drop(held);
    assert_eq!(erase.await.expect("no panic"), 204);
    assert_eq!(receipt["quarantined"], true, "{receipt}");
    let kept = format!("SELECT held AS c FROM files WHERE dataset = '{uuid}'");
    assert_eq!((rows(&house, &kept).await, traces(&house, &uuid)), (vec!["erased".to_owned()], vec![]));
    assert_eq!(list(&house.layout().house().join("quarantine")).len(), 1);
}

/// Whoever restores a recording while the ledger is being told that it is erased is told that it is gone, and not that it is back.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_restores_what_is_being_erased() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "acc.csv", "1").await;
    let researcher = house.researcher();
    delete(&researcher, &uuid).await;
    let ledger = house.layout().ledger();
    let mut held = Held::at(&disk, move |call| *call == Call::SyncFile(ledger.clone()));
    let ask = |method: &'static str, path: String| {
        let researcher = researcher.clone();
        tokio::spawn(async move { researcher.request(method, &path).send().await.expect("an answer").status() })
    };
    let erase = ask("DELETE", format!("/api/v1/trash/{uuid}"));
    held.reached().await;
    let restore = ask("POST", format!("/api/v1/datasets/{uuid}/restore"));
    // Time enough for one that does not wait.
    for _ in 0..20 {
        assert_eq!(status(&researcher, "/trash/").await, 200);
    }
    assert!(!restore.is_finished());
    drop(held);
    assert_eq!((erase.await.expect("no panic").as_u16(), restore.await.expect("no panic").as_u16()), (204, 404));
    assert!(rows(&house, "SELECT 1 AS c FROM audit WHERE action = 'restored'").await.is_empty());
}

/// What is listed as due may not be any more when it is its turn: those before it in the list take their time.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_restored_or_got_something_since_it_was_listed_is_not_erased() {
    let disk = WatchedDisk::new();
    let mut house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let mut all = Vec::new();
    for _ in 0..4 {
        let uuid = watch.new_dataset().await;
        watch.upload(&uuid, "acc.csv", "1").await;
        delete(&house.researcher(), &uuid).await;
        all.push(uuid);
    }
    house.stop().await;
    // They are erased in this order.
    house.change_catalog("UPDATE datasets SET deleted_at = number, updated_at = number").await;
    let folder = house.config.storage.uploads.join("recordings").join(&all[0]);
    let mut held = Held::at(&disk, move |call| matches!(call, Call::Remove(path) if *path == folder));
    let house = house.start_again().await;
    held.reached().await;
    let researcher = house.researcher();
    watch.at(&house.url("")).upload(&all[1], "late.csv", "2").await;
    assert_eq!(researcher.post(&format!("/api/v1/datasets/{}/restore", all[2])).await, 204);
    drop(held);
    until_erased(&house, &all[3]).await;
    let erased: Vec<_> = lines(&house).iter().map(|line| line["subject"].as_str().expect("a uuid").to_owned()).collect();
    assert_eq!(erased, [all[0].as_str(), &all[3]]);
    let trash = researcher.json("/api/v1/trash").await;
    assert_eq!((&trash["total"], &trash["datasets"][0]["uuid"]), (&1.into(), &all[1].as_str().into()));
    assert_eq!((researcher.files(&all[1]).await.len(), researcher.zip_contents(&all[2]).await.len()), (2, 1));
}
