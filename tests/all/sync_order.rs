//! The order of a commit, which `kill -9` cannot show: every sync is there, and before the answer. Each step is slowed down,
//! so that one that was moved behind the answer is missing from what was done when the answer came.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use crate::support::{Call, House, Program, Watch, WatchedDisk};

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
    let uploads = house.config.storage.uploads.clone();
    for folder in [folder_of(&uploads), uploads.clone(), uploads.join(".house")] {
        assert!(disk.take().contains(&Call::SyncFolder(folder.clone())) || folder != folder_of(&uploads), "{folder:?}");
    }
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
fn end(strace: u32) {
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
