//! Reserved disk space: one device that announces much and sends little does not prevent other uploads, and a slow upload goes on.

use std::sync::Arc;

use tokio::net::TcpStream;
use wearhouse::storage::FreeSpace;

use crate::support::{Announced, Connection, House, Nginx, Watch, WatchedDisk, free_bytes, on_tmpfs, seen_by, until};

/// What every upload gathers and writes, so that its file can be seen.
const SOME: usize = 300_000;
const MIB: usize = 1 << 20;

/// A house on a disk of which the test says how much is free, and how devices reach it.
struct Scene {
    house: House,
    disk: Arc<WatchedDisk>,
    nginx: Option<Nginx>,
}

impl Scene {
    /// One that is reached directly, and one through nginx.
    async fn both(slow_upload_seconds: u64) -> [Self; 2] {
        let mut scenes = [Self::open(slow_upload_seconds).await, Self::open(slow_upload_seconds).await];
        scenes[1].nginx = Some(Nginx::start(&scenes[1].house).await);
        scenes
    }

    async fn open(slow_upload_seconds: u64) -> Self {
        let disk = WatchedDisk::new();
        let change = |config: &mut wearhouse::config::Config| config.limits.slow_upload_seconds = slow_upload_seconds;
        Self { house: House::start_with(Arc::clone(&disk) as _, change).await, disk, nginx: None }
    }

    /// Says how many MiB are free above the reserve, which is one.
    fn set_room(&self, mib: u64) {
        *self.disk.free.lock().expect("free") = Some(FreeSpace { bytes: (mib + 1) << 20, inodes: 1_000_000, total: 1 << 40 });
    }

    async fn device(&self, name: &str) -> Watch {
        let watch = self.house.watch(name).await;
        self.nginx.as_ref().map_or(watch.clone(), |nginx| nginx.watch(&watch))
    }

    async fn announce(&self, watch: &Watch, uuid: &str, name: &str, size: usize) -> Announced {
        let stream: Box<dyn Connection> = match &self.nginx {
            Some(nginx) => nginx.connect().await,
            None => Box::new(TcpStream::connect(self.house.address).await.expect("a connection")),
        };
        Announced::begin(stream, watch, uuid, name, size).await
    }
}

/// The status of a plain upload.
async fn status(watch: &Watch, uuid: &str, name: &str, size: usize) -> u16 {
    watch.try_upload(uuid, name, vec![b'1'; size]).await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn one_device_that_announces_the_whole_disk_does_not_prevent_other_uploads() {
    for scene in Scene::both(120).await {
        let (greedy, other) = (scene.device("greedy").await, scene.device("other").await);
        let (its, uuid) = (greedy.new_dataset().await, other.new_dataset().await);
        scene.set_room(4095 + 2047 + 1023 + 511 + 255 + 127 + 63 + 4);
        let mut dripping = Vec::new();
        for mib in [4095, 2047, 1023, 511, 255, 127, 63] {
            let mut upload = scene.announce(&greedy, &its, &format!("{mib}.mkv"), mib * MIB).await;
            upload.send(SOME).await;
            dripping.push(upload);
            until("it is in progress", async || scene.house.incoming().len() == dripping.len()).await;
        }
        assert_eq!(status(&greedy, &its, "more.csv", 8 * MIB).await, 507, "it has reserved all there is");
        for (name, size) in [("small.csv", 1000), ("large.mkv", 32 * MIB)] {
            assert_eq!(status(&other, &uuid, name, size).await, 200, "{name}");
        }
        assert_eq!(scene.house.researcher().zip_contents(&uuid).await.len(), 2, "there is room for its zip, too");
        assert_eq!(reqwest::get(scene.house.url("/readyz")).await.expect("an answer").status(), 200);
        drop(dripping);
    }
}

#[tokio::test]
async fn what_is_announced_and_does_not_fit_beside_what_others_bring_is_507_before_its_body() {
    for scene in Scene::both(120).await {
        let (first, second) = (scene.device("first").await, scene.device("second").await);
        let (its, uuid) = (first.new_dataset().await, second.new_dataset().await);
        scene.set_room(800);
        let mut open = scene.announce(&first, &its, "a.mkv", 400 * MIB).await;
        open.send(SOME).await;
        until("the first upload is in progress", async || !scene.house.incoming().is_empty()).await;
        // An eighth of the room counts for the first one.
        let rejected = scene.announce(&second, &uuid, "b.mkv", 701 * MIB).await;
        assert_eq!(rejected.answer().await.status, 507);
        let mut admitted = scene.announce(&second, &uuid, "c.mkv", 699 * MIB).await;
        admitted.send(SOME).await;
        until("the second upload is in progress", async || scene.house.incoming().len() == 2).await;
    }
}

#[tokio::test]
async fn a_slow_upload_loses_its_reservation_and_ends_with_200_or_with_507_where_nothing_is_free() {
    for scene in Scene::both(1).await {
        let watch = scene.device("w").await;
        let uuid = watch.new_dataset().await;
        scene.set_room(8);
        let mut slow = scene.announce(&watch, &uuid, "slow.mkv", 7 * MIB).await;
        slow.send(SOME).await;
        until("it is in progress", async || !scene.house.incoming().is_empty()).await;
        until("its reservation is gone", async || status(&watch, &uuid, "other.csv", 4 * MIB).await == 200).await;
        assert_eq!(slow.finish().await.status, 200);

        let mut slow = scene.announce(&watch, &uuid, "slower.mkv", 7 * MIB).await;
        slow.send(SOME).await;
        until("it is in progress", async || !scene.house.incoming().is_empty()).await;
        scene.set_room(0);
        let answer = slow.finish().await;
        assert_eq!(answer.status, 507, "{}", answer.text);
        assert!(answer.text.to_lowercase().contains("retry-after: 300"), "{}", answer.text);
        until("nothing is kept of it", async || scene.house.incoming().is_empty()).await;
        let names: Vec<_> = scene.house.researcher().files(&uuid).await.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["other.csv", "slow.mkv"]);
    }
}

#[tokio::test]
async fn a_device_alone_may_fill_the_disk_up_to_the_reserve_and_not_beyond() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let program = on_tmpfs(folder.path(), "size=32m");
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    // The catalog grows a little meanwhile.
    let room = usize::try_from(free_bytes(&program, folder.path())).expect("small") - MIB;
    assert_eq!(status(&watch, &uuid, "too-much.mkv", room).await, 507);
    assert_eq!(status(&watch, &uuid, "all.mkv", room - MIB).await, 200);
    assert_eq!(status(&watch, &uuid, "more.mkv", MIB).await, 507);
    assert!(free_bytes(&program, folder.path()) >= MIB as u64, "the reserve is kept");
}

#[tokio::test]
async fn of_two_large_uploads_that_do_not_both_fit_one_is_kept_and_so_is_the_reserve() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let program = on_tmpfs(folder.path(), "size=32m");
    let (first, second) = (program.researcher().let_in("first").await, program.researcher().let_in("second").await);
    let (its, uuid) = (first.new_dataset().await, second.new_dataset().await);
    let stream = TcpStream::connect(program.address).await.expect("a connection");
    let mut large = Announced::begin(Box::new(stream), &first, &its, "a.mkv", 20 * MIB).await;
    large.send(SOME).await;
    let incoming = folder.path().join("uploads/.house/incoming");
    until("the first upload is in progress", async || !seen_by(&program, &incoming).is_empty()).await;
    assert_eq!(status(&second, &uuid, "b.mkv", 20 * MIB).await, 200);
    assert_eq!(large.finish().await.status, 507);
    until("nothing is kept of it", async || seen_by(&program, &incoming).is_empty()).await;
    assert!(free_bytes(&program, folder.path()) >= MIB as u64, "the reserve is kept");
    assert_eq!(program.researcher().files(&uuid).await.len(), 1);
}

#[tokio::test]
async fn an_upload_of_unknown_length_is_written_while_there_is_free_space_whatever_is_reserved() {
    for scene in Scene::both(120).await {
        let watch = scene.device("w").await;
        let uuid = watch.new_dataset().await;
        scene.set_room(8);
        let mut reserving = scene.announce(&watch, &uuid, "a.mkv", 7 * MIB).await;
        reserving.send(SOME).await;
        until("all of it is reserved", async || !scene.house.incoming().is_empty()).await;
        let chunks = futures_util::stream::iter((0..4).map(|_| Ok::<_, std::io::Error>(vec![3_u8; MIB])));
        let answer = watch.try_upload(&uuid, "streamed.mkv", reqwest::Body::wrap_stream(chunks)).await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
}
