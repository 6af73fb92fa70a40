//! Several at once: one file where there is one, eight names where there are eight, and nobody is told "safe" too early.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use crate::support::{Call, Held, House, WatchedDisk, head, part, sha256};

#[tokio::test(flavor = "multi_thread")]
async fn eight_identical_uploads_are_one_file_and_none_is_acknowledged_before_its_sync() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    let mut held = Held::at(&disk, move |call| *call == Call::SyncFolder(folder.clone()));
    let answered = Arc::new(AtomicU32::new(0));
    let uploads: Vec<_> = (0..8)
        .map(|_| {
            let (watch, uuid, answered) = (watch.clone(), uuid.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                let receipt = watch.upload(&uuid, "a.csv", "1").await;
                answered.fetch_add(1, Ordering::SeqCst);
                receipt["new"] == true
            })
        })
        .collect();
    held.reached().await;
    // All eight are here, and seven of them could be answered, if they did not wait for the one.
    crate::support::until("all are received", async || house.incoming().len() >= 7).await;
    assert_eq!(answered.load(Ordering::SeqCst), 0);
    drop(held);
    let mut new = 0;
    for upload in uploads {
        new += u32::from(upload.await.expect("no panic"));
    }
    assert_eq!(new, 1);
    assert_eq!(house.researcher().files(&uuid).await, [("a.csv".to_owned(), sha256(b"1"))]);
    assert!(house.incoming().is_empty());
}

/// Lets the house serve others for a while: whatever does not wait for a turn gets far meanwhile.
async fn serve_others(house: &House) {
    for _ in 0..50 {
        house.researcher().get("/api/v1/devices").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_identical_uploads_the_second_is_not_told_safe_on_the_word_of_a_first_that_fails() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    let mut held = Held::and_fail_first(&disk, {
        let folder = folder.clone();
        move |call| *call == Call::SyncFolder(folder.clone())
    });
    let upload = || {
        let (watch, uuid) = (watch.clone(), uuid.clone());
        tokio::spawn(async move { watch.try_upload(&uuid, "a.csv", "1").await.expect("an answer").status() })
    };
    let first = upload();
    held.reached().await;
    let second = upload();
    crate::support::until("the second is received", async || !house.incoming().is_empty()).await;
    serve_others(&house).await;
    let is_early = second.is_finished();
    drop(held);
    assert!(!is_early, "the second was answered while the first was not safe");
    assert_eq!((first.await.expect("no panic").as_u16(), second.await.expect("no panic").as_u16()), (500, 200));
    assert_eq!(std::fs::read(folder.join("a.csv")).expect("the file"), b"1");
    assert_eq!(house.researcher().files(&uuid).await.len(), 1);
}

/// The watch sends again what a person decides over: whoever comes second sees what the first has done.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_over_a_file_waits_for_an_upload_of_the_same_file() {
    for decision in ["release", "discard"] {
        let disk = WatchedDisk::new();
        let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
        let watch = house.watch("w").await;
        let uuid = watch.new_dataset().await;
        watch.upload(&uuid, "a.exe", "1").await;
        let id = house.researcher().json("/api/v1/quarantine").await["files"][0]["id"].as_str().expect("an id").to_owned();
        // The upload has been told of the file in quarantine, and is held before it looks at it.
        let mut held = Held::at(&disk, |call| matches!(call, Call::Rename(_, to) if to.ends_with("b.csv")));
        let part = |bytes: &'static str, name: &'static str| reqwest::multipart::Part::text(bytes).file_name(name);
        let form = reqwest::multipart::Form::new().part("file", part("2", "b.csv")).part("file", part("1", "a.exe"));
        let request = watch.request("POST", &format!("/recording/new/?uuid={uuid}")).multipart(form);
        let upload = tokio::spawn(async move { request.send().await.expect("an answer").status() });
        held.reached().await;
        let decided = tokio::spawn({
            let researcher = house.researcher();
            async move { researcher.post(&format!("/api/v1/quarantine/{id}/{decision}")).await }
        });
        serve_others(&house).await;
        drop(held);
        assert_eq!((upload.await.expect("no panic").as_u16(), decided.await.expect("no panic").as_u16()), (200, 204), "{decision}");
        assert!(crate::support::list(&house.layout().house().join("quarantine")).is_empty(), "{decision}");
        let names: Vec<_> = house.researcher().files(&uuid).await.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, if decision == "release" { vec!["a.exe", "b.csv"] } else { vec!["b.csv"] });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_a_file_waits_for_its_release() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.exe", "1").await;
    let id = house.researcher().json("/api/v1/quarantine").await["files"][0]["id"].as_str().expect("an id").to_owned();
    let quarantine = house.layout().house().join("quarantine");
    let mut held = Held::at(&disk, move |call| matches!(call, Call::Rename(from, _) if from.starts_with(&quarantine)));
    let released = tokio::spawn({
        let researcher = house.researcher();
        async move { researcher.post(&format!("/api/v1/quarantine/{id}/release")).await }
    });
    held.reached().await;
    let upload = tokio::spawn({
        let (watch, uuid) = (watch.clone(), uuid.clone());
        async move { watch.upload(&uuid, "a.exe", "1").await }
    });
    crate::support::until("the upload is received", async || !house.incoming().is_empty()).await;
    serve_others(&house).await;
    drop(held);
    assert_eq!(released.await.expect("no panic"), 204);
    let receipt = upload.await.expect("no panic");
    assert_eq!((&receipt["new"], &receipt["stored_as"]), (&false.into(), &"a.exe".into()));
    let folder = house.config.storage.uploads.join("recordings").join(&uuid);
    assert_eq!(crate::support::list(&folder), [folder.join("a.exe")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_different_files_of_one_name_are_eight_files() {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let uploads: Vec<_> = (0..8)
        .map(|n| {
            let (watch, uuid) = (watch.clone(), uuid.clone());
            tokio::spawn(async move { watch.upload(&uuid, "a.csv", n.to_string()).await["stored_as"].as_str().expect("a name").to_owned() })
        })
        .collect();
    let mut names = Vec::new();
    for upload in uploads {
        names.push(upload.await.expect("no panic"));
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8, "{names:?}");
    let mut digests: Vec<_> = house.researcher().zip_contents(&uuid).await.into_iter().map(|(_, digest)| digest).collect();
    digests.sort();
    let mut expected: Vec<_> = (0..8).map(|n| sha256(n.to_string().as_bytes())).collect();
    expected.sort();
    assert_eq!(digests, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_from_quarantine_and_an_upload_of_its_name_keep_both() {
    let house = House::start().await;
    let (owner, other) = (house.watch("owner").await, house.watch("other").await);
    let researcher = house.researcher();
    for _ in 0..20 {
        let uuid = owner.new_dataset().await;
        assert_eq!(other.upload(&uuid, "a.csv", "theirs").await["quarantined"], true);
        let id = researcher.json("/api/v1/quarantine").await["files"][0]["id"].as_str().expect("an id").to_owned();
        let release = format!("/api/v1/quarantine/{id}/release");
        let (released, uploaded) = tokio::join!(researcher.post(&release), owner.upload(&uuid, "a.csv", "ours"));
        assert_eq!((released.as_u16(), &uploaded["new"]), (204, &true.into()));
        let files = researcher.files(&uuid).await;
        let mut digests: Vec<_> = files.iter().map(|(_, digest)| digest.clone()).collect();
        digests.sort();
        let mut expected = vec![sha256(b"ours"), sha256(b"theirs")];
        expected.sort();
        assert_eq!(digests, expected);
        let mut names: Vec<_> = files.into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(names, ["a.csv", "a~2.csv"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_drops_after_the_body_does_not_cancel_the_commit() {
    use tokio::io::AsyncWriteExt;
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let mut step = Held::at(&disk, |call| matches!(call, Call::Rename(..)));
    let body = part("name=\"file\"; filename=\"a.csv\"", "1") + "--B--\r\n";
    let rest = format!("Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}", body.len());
    let request = head(&watch, &format!("?uuid={uuid}"), &rest) + &body;
    let mut stream = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    step.reached().await;
    stream.set_zero_linger().expect("a reset");
    drop(stream);
    drop(step);
    let researcher = house.researcher();
    crate::support::until("the file is kept", async || researcher.files(&uuid).await.len() == 1).await;
    assert_eq!(researcher.zip_contents(&uuid).await, [("a.csv".to_owned(), sha256(b"1"))]);
}
