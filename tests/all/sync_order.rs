//! The order of a commit, which `kill -9` cannot show: every sync is there, and before the answer. Each step is slowed down,
//! so that one that was moved behind the answer is missing from what was done when the answer came.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use crate::support::{Call, Held, House, Program, Watch, WatchedDisk};

async fn house_on(disk: &Arc<WatchedDisk>) -> (House, Watch) {
    disk.before(|_| {
        std::thread::sleep(Duration::from_millis(20));
        Ok(())
    });
    let house = House::start_with(Arc::clone(disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    disk.take();
    (house, watch)
}

/// The steps in the order in which they were done, each found behind the one before.
#[track_caller]
fn in_order(done: &[Call], steps: &[Call]) {
    let mut rest = done.iter();
    for step in steps {
        assert!(rest.any(|call| call == step), "{step:?} is missing, or comes too early, in {done:#?}");
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().expect("a folder").to_owned()
}

/// The incoming file of the one upload that was done.
fn incoming(done: &[Call]) -> PathBuf {
    done.iter().find_map(|call| if let Call::Create(path) = call { Some(path.clone()) } else { None }).expect("an incoming file")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_synced_named_and_synced_again_before_its_answer() {
    let disk = WatchedDisk::new();
    let (house, watch) = house_on(&disk).await;
    let uploads = house.config.storage.uploads.clone();
    let uuid = watch.new_dataset().await;
    for (kind, name) in [("recordings", "a.csv"), ("tf_models", "m.tflite")] {
        watch.upload(&uuid, name, "1").await;
        let done = disk.take();
        let (incoming, folder) = (incoming(&done), uploads.join(kind).join(&uuid));
        in_order(
            &done,
            &[
                Call::Write(incoming.clone(), 1),
                Call::SyncFile(incoming.clone()),
                Call::CreateFolder(folder.clone()),
                Call::SyncFolder(folder_of(&folder)),
                Call::Rename(incoming, folder.join(name)),
                Call::SyncFolder(folder.clone()),
            ],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_upload_syncs_its_bytes_and_its_name() {
    let disk = WatchedDisk::new();
    let (house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    disk.take();
    watch.upload(&uuid, "b.csv", "2").await;
    let done = disk.take();
    let (incoming, folder) = (incoming(&done), house.config.storage.uploads.join("recordings").join(&uuid));
    in_order(&done, &[Call::SyncFile(incoming.clone()), Call::Rename(incoming, folder.join("b.csv")), Call::SyncFolder(folder)]);
}

/// Another server may have made the folder and been cut before it synced the folder above.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_somebody_else_made_is_synced_too() {
    let disk = WatchedDisk::new();
    let (house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    std::fs::create_dir(&folder).expect("a folder");
    watch.upload(&uuid, "a.csv", "1").await;
    in_order(&disk.take(), &[Call::SyncFolder(folder_of(&folder)), Call::SyncFolder(folder)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_quarantine_is_as_safe_and_its_release_too() {
    let disk = WatchedDisk::new();
    let (house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.exe", "1").await;
    let done = disk.take();
    let (incoming, quarantine) = (incoming(&done), house.layout().house().join("quarantine"));
    let held = quarantine.join(incoming.file_name().expect("a name"));
    in_order(&done, &[Call::SyncFile(incoming.clone()), Call::Rename(incoming, held.clone()), Call::SyncFolder(quarantine)]);
    let id = held.file_name().expect("a name").to_str().expect("text");
    assert_eq!(house.researcher().post(&format!("/api/v1/quarantine/{id}/release")).await, 204);
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    let steps = [Call::SyncFolder(folder_of(&folder)), Call::Rename(held.clone(), folder.join("a.exe")), Call::SyncFolder(folder)];
    in_order(&disk.take(), &steps);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zip_is_synced_before_it_is_published_and_its_folder_before_it_is_sent() {
    let disk = WatchedDisk::new();
    let (house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    disk.take();
    house.researcher().zip(&uuid).await;
    let uuid = uuid.parse().expect("a uuid");
    let (rolling, zip) = (house.layout().rolling(uuid), house.layout().zip(uuid));
    in_order(&disk.take(), &[Call::SyncFile(rolling.clone()), Call::Rename(rolling, zip.clone()), Call::SyncFolder(folder_of(&zip))]);
}

#[tokio::test]
async fn the_folders_of_a_new_house_are_synced() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    house.researcher().wait_until_up().await;
    let (uploads, done) = (house.config.storage.uploads.clone(), disk.take());
    for folder in [folder_of(&uploads), uploads.clone(), uploads.join(".house")] {
        assert!(done.contains(&Call::SyncFolder(folder.clone())), "{folder:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_somebody_removed_is_made_and_synced_again() {
    let disk = WatchedDisk::new();
    let (house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    watch.upload(&uuid, "a.csv", "1").await;
    std::fs::remove_dir_all(&folder).expect("there");
    disk.take();
    watch.upload(&uuid, "b.csv", "2").await;
    in_order(&disk.take(), &[Call::CreateFolder(folder.clone()), Call::SyncFolder(folder_of(&folder)), Call::SyncFolder(folder)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_could_not_be_synced_is_synced_for_the_next_upload() {
    let disk = WatchedDisk::new();
    let (house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    let recordings = folder_of(&folder);
    disk.before({
        let recordings = recordings.clone();
        move |call| if *call == Call::SyncFolder(recordings.clone()) { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) }
    });
    assert_eq!(watch.try_upload(&uuid, "a.csv", "1").await.expect("an answer").status(), 500);
    disk.before(|_| Ok(()));
    disk.take();
    watch.upload(&uuid, "a.csv", "1").await;
    in_order(&disk.take(), &[Call::SyncFolder(recordings), Call::SyncFolder(folder)]);
}

/// A request that failed in every step behind its rename leaves a file whose name nobody has synced.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_failed_request_left_in_its_place_is_synced_before_its_answer() {
    let disk = WatchedDisk::new();
    let (house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    house.change_catalog("CREATE TRIGGER keep BEFORE DELETE ON files BEGIN SELECT RAISE(ABORT, 'kept'); END").await;
    disk.before({
        let folder = folder.clone();
        move |call| {
            let fails = *call == Call::SyncFolder(folder.clone()) || matches!(call, Call::Rename(from, _) if from.starts_with(&folder));
            if fails { Err(std::io::Error::from_raw_os_error(5)) } else { Ok(()) }
        }
    });
    assert_eq!(watch.try_upload(&uuid, "a.csv", "1").await.expect("an answer").status(), 500);
    assert!(folder.join("a.csv").exists());
    disk.before(|_| Ok(()));
    disk.take();
    assert_eq!(watch.upload(&uuid, "a.csv", "1").await["new"], false);
    assert!(disk.take().contains(&Call::SyncFolder(folder)));
    assert_eq!(house.researcher().files(&uuid).await.len(), 1);
}

/// Cut behind the rename, nobody knows whether the name is safe.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_start_finds_in_its_place_is_synced_before_anybody_is_served() {
    let disk = WatchedDisk::new();
    let (mut house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    house.stop().await;
    house.change_catalog("UPDATE files SET state = 'placing'").await;
    disk.take();
    let house = house.start_again().await;
    house.researcher().wait_until_up().await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    in_order(&disk.take(), &[Call::SyncFolder(folder_of(&folder)), Call::SyncFolder(folder)]);
}

/// Cut behind the rename of a zip, a roll finds its work done, and nobody knows whether the name is safe.
#[tokio::test(flavor = "multi_thread")]
async fn a_zip_that_was_published_before_a_cut_is_synced_before_it_is_sent() {
    let disk = WatchedDisk::new();
    let (mut house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    house.researcher().zip(&uuid).await;
    house.stop().await;
    house.change_catalog("UPDATE datasets SET zipped = 0").await;
    disk.take();
    let house = house.start_again().await;
    house.researcher().zip(&uuid).await;
    assert!(disk.take().contains(&Call::SyncFolder(house.config.storage.uploads.join("zips"))));
}

/// Said to be in its place any sooner, no start would look for it there.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_not_said_to_be_in_its_place_before_its_name_is_synced() {
    let disk = WatchedDisk::new();
    let (house, watch) = house_on(&disk).await;
    let uuid = watch.new_dataset().await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    let mut held = Held::at(&disk, move |call| *call == Call::SyncFolder(folder.clone()));
    let upload = tokio::spawn({
        let (watch, uuid) = (watch.clone(), uuid.clone());
        async move { watch.upload(&uuid, "a.csv", "1").await }
    });
    held.reached().await;
    assert!(house.researcher().files(&uuid).await.is_empty());
    drop(held);
    upload.await.expect("no panic");
    assert_eq!(house.researcher().files(&uuid).await.len(), 1);
}

/// What no seam of ours shows: SQLite's own sync. The program runs under strace, and the order of its system calls is read.
#[tokio::test]
async fn the_catalog_is_synced_between_the_bytes_and_the_name() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let trace = folder.path().join("trace");
    let calls = "trace=fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto,sendmsg";
    let strace = ["strace", "-f", "-y", "-s", "40", "-e", calls, "-o", trace.to_str().expect("text")];
    let program = Program::wrapped_in_folder(&strace, folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "traced").await;
    end(program.pid());
    let calls = completed(&std::fs::read_to_string(&trace).expect("a trace"));
    let answer = calls.iter().rposition(|call| call.contains("HTTP/1.1 200 OK")).expect("the answer");
    let mut rest = calls[..answer].iter();
    for (what, found) in [
        ("the bytes", ["fdatasync(", "/.house/incoming/"]),
        ("the catalog", ["sync(", "/catalog.sqlite-wal>"]),
        ("the name", ["renameat2(", "/a.csv"]),
        ("the folder", ["fsync(", uuid.as_str()]),
    ] {
        let there = rest.any(|call| found.iter().all(|part| call.contains(part)));
        assert!(there, "{what} not synced in its turn before the answer: {:#?}", &calls[answer.saturating_sub(30)..=answer]);
    }
}

/// Asks a program under strace (strace's own child) to stop, and waits for the trace to be whole.
pub fn end(strace: u32) {
    let child = std::fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).expect("a child");
    assert!(Command::new("kill").arg(child.trim()).status().expect("kill").success());
    let ended = || !Path::new(&format!("/proc/{}", child.trim())).exists();
    while !ended() {
        std::thread::yield_now();
    }
}

/// The calls of a trace in the order in which they returned.
fn completed(trace: &str) -> Vec<String> {
    let mut begun = std::collections::HashMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        if let Some(start) = call.strip_suffix("<unfinished ...>") {
            begun.insert(pid, start.to_owned());
        } else if call.contains(" resumed>") {
            calls.extend(begun.remove(pid));
        } else {
            calls.push(call.to_owned());
        }
    }
    calls
}
