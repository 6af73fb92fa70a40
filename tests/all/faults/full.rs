//! A disk without room: refused before the body is read where that can be told, and nothing that is here suffers.

use std::{io, path::PathBuf};

use wearhouse::storage::FreeSpace;

use super::scene;
use crate::support::{Call, on_tmpfs, seen_by, until};

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
