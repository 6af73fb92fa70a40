//! A download through nginx is whole, and holds everything that was acknowledged before it was asked for.

use std::sync::{
    Arc, Mutex,
    mpsc::{self, Sender},
};

use reqwest::Response;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::support::{Call, House, Nginx, Researcher, Setup, WatchedDisk, contents, raw_get};

#[tokio::test]
async fn a_zip_holds_whatever_was_acknowledged_before_the_question_while_its_dataset_grows() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let (watch, researcher) = (nginx.watch(&house.watch("w").await), nginx.researcher());
    let uuid = watch.new_dataset().await;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let growing = tokio::spawn({
        let (acknowledged, uuid) = (Arc::clone(&acknowledged), uuid.clone());
        async move {
            for number in 0..60 {
                let receipt = watch.upload(&uuid, &format!("{number}.csv"), format!("{number}\n").repeat(2000)).await;
                let text = |key: &str| receipt[key].as_str().expect("text").to_owned();
                acknowledged.lock().expect("no panic").push((text("stored_as"), text("sha256")));
            }
        }
    });
    let mut downloads = 0;
    while !growing.is_finished() || downloads < 3 {
        let before = acknowledged.lock().expect("no panic").clone();
        if before.is_empty() {
            tokio::task::yield_now().await;
            continue;
        }
        let held = researcher.zip_contents(&uuid).await;
        assert!(before.iter().all(|file| held.contains(file)), "{before:?} is not in {held:?}");
        downloads += 1;
    }
    growing.await.expect("no panic");
    assert_eq!(researcher.zip_contents(&uuid).await.len(), 60);
}

#[tokio::test]
async fn a_slow_reader_gets_the_one_generation_that_it_began_with() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let (watch, researcher) = (nginx.watch(&house.watch("w").await), nginx.researcher());
    let uuid = watch.new_dataset().await;
    // More than all buffers between nginx and the reader hold; a gz is not compressed again.
    let large: Vec<u8> = (0..24_u32 << 20).map(|at| (at ^ (at >> 8)).to_le_bytes()[0]).collect();
    watch.upload(&uuid, "large.gz", large).await;
    let first = researcher.zip(&uuid).await;

    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 << 10).expect("set");
    let mut slow = socket.connect(nginx.address).await.expect("a connection");
    let begun = begin(&mut slow, &nginx, &uuid).await;
    for name in ["b.csv", "c.csv", "d.csv"] {
        watch.upload(&uuid, name, name).await;
        researcher.zip(&uuid).await;
    }
    let mut answer = begun;
    slow.read_to_end(&mut answer).await.expect("the rest");
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    assert!(answer[body..] == first, "another generation, or half of one");
    assert_eq!(contents(&researcher.zip(&uuid).await).len(), 4);
}

/// Asks for the zip, and reads no more of it than shows that it comes.
async fn begin(stream: &mut TcpStream, nginx: &Nginx, uuid: &str) -> Vec<u8> {
    let built = nginx.researcher().request("GET", "/").build().expect("a request");
    let login = built.headers()["authorization"].to_str().expect("text").to_owned();
    let address = nginx.address;
    let head = format!("GET /uploads/zips/{uuid}.zip HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAuthorization: {login}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut begun = vec![0; 4096];
    stream.read_exact(&mut begun).await.expect("the beginning");
    begun
}

/// Holds every roll up until the returned sender is dropped.
fn hold_rolls(disk: &WatchedDisk) -> Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    disk.before(move |call| {
        if matches!(call, Call::Create(path) if path.components().any(|part| part.as_os_str() == "rolling")) {
            let _ = held.lock().expect("no panic").recv();
        }
        Ok(())
    });
    release
}

#[tokio::test]
async fn a_zip_that_is_not_ready_in_time_is_a_503_and_comes_later() {
    let disk = WatchedDisk::new();
    let house = House::start_with(disk.clone(), |config| config.zip.wait_seconds = 1).await;
    let nginx = Nginx::start(&house).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let release = hold_rolls(&disk);
    watch.upload(&uuid, "a.csv", "1").await;
    for researcher in [nginx.researcher(), house.researcher()] {
        let answer = researcher.get(&format!("/uploads/zips/{uuid}.zip")).await;
        assert_eq!(answer.status(), 503, "{}", answer.url());
        assert_eq!(answer.headers()["retry-after"], "10", "{}", answer.url());
    }
    drop(release);
    for researcher in [nginx.researcher(), house.researcher()] {
        assert_eq!(researcher.zip_contents(&uuid).await.len(), 1);
    }
}

#[tokio::test]
async fn a_zip_that_cannot_be_made_is_no_zip_that_is_being_packed() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "1").await;
    house.researcher().zip(&uuid).await;
    watch.upload(&uuid, "b.csv", "2").await;
    std::fs::write(house.config.storage.uploads.join("recordings").join(&uuid).join("b.csv"), "3").expect("a flipped bit");
    for researcher in [nginx.researcher(), house.researcher()] {
        let answer = researcher.get(&format!("/uploads/zips/{uuid}.zip")).await;
        assert_eq!(answer.status(), 500, "{}", answer.url());
    }
}

#[tokio::test]
async fn what_was_uploaded_never_runs_in_a_browser() {
    let house = House::start().await;
    let nginx = Nginx::start(&house).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "page.json", "<script>").await;
    watch.upload(&uuid, "net.onnx", "<script>").await;
    house.researcher().zip(&uuid).await;
    for path in ["recordings/{}/page.json", "tf_models/{}/net.onnx", "zips/{}.zip"] {
        let path = format!("/uploads/{}", path.replace("{}", &uuid));
        let (ours, theirs) = (house.researcher().get(&path).await, nginx.researcher().get(&path).await);
        assert_eq!(theirs.headers()["x-request-id"].len(), ours.headers()["x-request-id"].len());
        assert_eq!(theirs.headers()["content-disposition"], "attachment");
        assert_eq!(theirs.headers()["x-content-type-options"], "nosniff");
        assert!(theirs.headers()["content-security-policy"].to_str().expect("text").starts_with("sandbox"));
        assert_eq!(dress(&theirs), dress(&ours), "{path}");
        assert_eq!(theirs.bytes().await.expect("a body"), ours.bytes().await.expect("a body"));
    }
}

/// The headers of a file, without those that tell about the connection, the server and the question at the gate.
fn dress(answer: &Response) -> Vec<(String, String)> {
    let about_others = ["connection", "date", "server", "keep-alive", "x-request-id"];
    let headers = answer.headers().iter().filter(|(name, _)| !about_others.contains(&name.as_str()));
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect();
    headers.sort();
    headers
}

#[tokio::test]
async fn a_worker_without_privileges_reads_the_zips_and_nothing_of_the_houses_own() {
    if !rustix::process::geteuid().is_root() {
        return; // nginx could not change its user
    }
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", "whole").await;
    house.researcher().zip(&uuid).await;
    // A second way to everything, without a gate: what is refused here, the file system refuses.
    let (uploads, socket) = (house.config.storage.uploads.display(), house.folder.path().join("open.sock"));
    let more = format!("server {{ listen unix:{}; location / {{ root {uploads}; }} }}", socket.display());
    let nginx = Nginx::start_with(&house, Setup { user: "nobody nogroup", more: &more, ..Setup::default() }).await;
    assert_eq!(nginx.researcher().zip_contents(&uuid).await.len(), 1);
    assert_eq!(raw_get(nginx.address, format!("/uploads/recordings/{uuid}/a.csv").as_bytes(), true).await.status, 200);
    let client = reqwest::Client::builder().unix_socket(socket).build().expect("a client");
    let get = async |path: String| client.get(format!("http://open{path}")).send().await.expect("an answer").status();
    assert_eq!(get(format!("/zips/{uuid}.zip")).await, 200);
    assert_eq!(get("/.house/catalog.sqlite".to_owned()).await, 403);
    assert!(Researcher::new(nginx.base()).is_up().await);
}
