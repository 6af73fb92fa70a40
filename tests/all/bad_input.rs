//! What is broken is refused with a non-2xx that says what to do, and nothing of it stays.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wearhouse::storage::RealDisk;

use crate::support::{House, Program, RawAnswer, Watch, head, part, raw, read_answer, until};

async fn post(house: &House, watch: &Watch, query: &str, content_type: &str, body: &str) -> RawAnswer {
    let rest = format!("Content-Type: {content_type}\r\nContent-Length: {}", body.len());
    raw(house.address, format!("{}{body}", head(watch, query, &rest)).as_bytes()).await
}

async fn post_parts(house: &House, watch: &Watch, uuid: &str, parts: &str) -> RawAnswer {
    post(house, watch, &format!("?uuid={uuid}"), "multipart/form-data; boundary=B", &format!("{parts}--B--\r\n")).await
}

struct Scene {
    house: House,
    watch: Watch,
    uuid: String,
}

async fn scene() -> Scene {
    let house = House::start().await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    Scene { house, watch, uuid }
}

impl Scene {
    /// Holds an answer against what it must say, and looks that nothing stays.
    async fn refused(&self, answer: &RawAnswer, status: u16, says: &str) {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.text.contains(says) && answer.text.contains("\"status\":\"error\""), "{}", answer.text);
        self.nothing_stays().await;
    }

    async fn nothing_stays(&self) {
        until("incoming/ is empty", async || self.house.incoming().is_empty()).await;
        assert!(self.house.researcher().files(&self.uuid).await.is_empty());
        assert_eq!(self.house.researcher().json("/api/v1/quarantine").await["total"], 0);
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused() {
    let scene = scene().await;
    let body = part("name=\"file\"; filename=\"a.csv\"", &"x".repeat(600_000));
    let rest = format!("Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}", body.len() + 1000);
    let head = head(&scene.watch, &format!("?uuid={}", scene.uuid), &rest);
    let answer = raw(scene.house.address, format!("{head}{body}").as_bytes()).await;
    scene.refused(&answer, 400, "broken off").await;
}

#[tokio::test]
async fn a_body_without_its_final_boundary_is_refused() {
    let scene = scene().await;
    let parts = part("name=\"file\"; filename=\"a.csv\"", "1");
    for body in [parts.clone(), parts.trim_end().to_owned(), format!("{parts}--B\r\n")] {
        let answer = post(&scene.house, &scene.watch, &format!("?uuid={}", scene.uuid), "multipart/form-data; boundary=B", &body).await;
        scene.refused(&answer, 400, "broken off").await;
    }
}

#[tokio::test]
async fn a_body_without_a_boundary_or_of_another_type_is_refused() {
    let scene = scene().await;
    let body = format!("{}--B--\r\n", part("name=\"file\"; filename=\"a.csv\"", "1"));
    for content_type in ["multipart/form-data", "text/csv", "multipart/form-data; boundary=", "multipart/form-data; boundary=C"] {
        let answer = post(&scene.house, &scene.watch, &format!("?uuid={}", scene.uuid), content_type, &body).await;
        scene.refused(&answer, 400, "multipart/form-data").await;
    }
}

#[tokio::test]
async fn a_file_without_a_name_is_refused() {
    let scene = scene().await;
    for disposition in ["name=\"file\"", "name=\"file\"; filename=\"\"", "name=\"file\"; filename=\"a\u{0}b.csv\""] {
        let answer = post_parts(&scene.house, &scene.watch, &scene.uuid, &part(disposition, "1")).await;
        scene.refused(&answer, 400, "").await;
    }
}

#[tokio::test]
async fn a_body_without_a_file_is_refused() {
    let scene = scene().await;
    let answer = post_parts(&scene.house, &scene.watch, &scene.uuid, &part("name=\"note\"; filename=\"a.csv\"", "1")).await;
    scene.refused(&answer, 400, "no file").await;
    let answer = post_parts(&scene.house, &scene.watch, &scene.uuid, "").await;
    scene.refused(&answer, 400, "").await;
}

#[tokio::test]
async fn two_files_in_one_request_are_both_stored_or_neither() {
    let scene = scene().await;
    let two = part("name=\"file\"; filename=\"a.csv\"", "1") + &part("name=\"file\"; filename=\"b.csv\"", "2");
    let nameless = two.clone() + &part("name=\"file\"", "3");
    let answer = post_parts(&scene.house, &scene.watch, &scene.uuid, &nameless).await;
    scene.refused(&answer, 400, "filename").await;
    let answer = post_parts(&scene.house, &scene.watch, &scene.uuid, &two).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(scene.house.researcher().files(&scene.uuid).await.len(), 2);
}

#[tokio::test]
async fn a_missing_or_malformed_uuid_is_refused() {
    let scene = scene().await;
    let body = format!("{}--B--\r\n", part("name=\"file\"; filename=\"a.csv\"", "1"));
    for (query, says) in
        [("", "no uuid"), ("?uuid=", "not a uuid"), ("?uuid=../x", "not a uuid"), ("?uuid=67e5504410b1426f9247bb680e5fe0c8", "not a uuid")]
    {
        let answer = post(&scene.house, &scene.watch, query, "multipart/form-data; boundary=B", &body).await;
        scene.refused(&answer, 400, says).await;
    }
}

#[tokio::test]
async fn a_get_with_a_uuid_is_refused() {
    let scene = scene().await;
    let answer = scene.watch.request("GET", &format!("/recording/new/?uuid={}", scene.uuid)).send().await.expect("an answer");
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_name_that_is_a_path_stays_inside_its_dataset() {
    let scene = scene().await;
    for (sent, stored) in [("../../../etc/passwd.csv", "_.._.._etc_passwd.csv"), ("/etc/x.csv", "_etc_x.csv"), ("C:x.csv", "C_x.csv")] {
        assert_eq!(scene.watch.upload(&scene.uuid, sent, "1").await["stored_as"], stored);
    }
    let folder = scene.house.config.storage.uploads.join("recordings").join(&scene.uuid);
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 3);
}

#[tokio::test]
async fn a_name_of_300_bytes_is_kept_in_the_catalog_and_cut_on_the_disk() {
    let scene = scene().await;
    let sent = format!("{}.csv", "n".repeat(296));
    let receipt = scene.watch.upload(&scene.uuid, &sent, "1").await;
    assert_eq!(receipt["name"], sent.as_str());
    assert_eq!(receipt["stored_as"].as_str().map(str::len), Some(200));
    let dataset = scene.house.researcher().dataset(&scene.uuid).await;
    assert_eq!(dataset["file_list"][0]["sent_name"], sent.as_str());
}

#[tokio::test]
async fn a_foreign_a_changed_and_a_missing_token_are_401_and_the_body_is_not_read() {
    let scene = scene().await;
    let foreign = House::start_with(Arc::new(RealDisk), |config| {
        config.security.secret = wearhouse::config::Secret::new("the secret of another house, long enough");
    })
    .await;
    let theirs = foreign.watch("w").await.token;
    let changed = format!("{}A", &scene.watch.token[..scene.watch.token.len() - 1]);
    for token in [theirs, changed, String::new(), "x".repeat(5000)] {
        let watch = Watch::with_token(scene.house.url(""), token);
        // No byte of the announced body is ever sent: an answer shows that nobody waits for one.
        let rest = "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000";
        let mut stream = tokio::net::TcpStream::connect(scene.house.address).await.expect("a connection");
        stream.write_all(head(&watch, &format!("?uuid={}", scene.uuid), rest).as_bytes()).await.expect("sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 401");
    }
    scene.nothing_stays().await;
}

#[tokio::test]
async fn a_part_header_of_100_megabytes_is_refused_in_little_memory() {
    // In a process of its own, so that the memory is the server's alone.
    let folder = tempfile::TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let watch = program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "warm.csv", vec![0; 1 << 20]).await;
    let endless = "x".repeat(1 << 20);
    for start in ["--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"", "--B\r\nX-", "--B", "", "--B\r\n\r\nx\r\n--B\r\nX: "]
    {
        let rest = format!("Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}", 100 << 20);
        let mut stream = tokio::net::TcpStream::connect(program.address).await.expect("a connection");
        let before = program.memory();
        stream.write_all(head(&watch, &format!("?uuid={uuid}"), &rest).as_bytes()).await.expect("sent");
        stream.write_all(start.as_bytes()).await.expect("sent");
        // Refused, the rest is thrown away as it comes.
        let mut most = 0;
        for _ in 0..100 {
            stream.write_all(endless.as_bytes()).await.expect("sent");
            most = most.max(program.memory());
        }
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 400", "{start}");
        let grown = most.saturating_sub(before);
        assert!(grown < 1 << 20, "{start}: memory grew by {grown} bytes");
    }
    assert_eq!(program.researcher().files(&uuid).await.len(), 1);
}

#[tokio::test]
async fn a_preamble_and_other_parts_are_passed_over() {
    let scene = scene().await;
    let parts = format!(
        "{}{}{}",
        part("name=\"note\"", &"n".repeat(300_000)),
        part("name=\"file\"; filename=\"a.csv\"", "1"),
        part("name=\"end\"", "")
    );
    let answer = post_parts(&scene.house, &scene.watch, &scene.uuid, &parts).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(scene.house.researcher().files(&scene.uuid).await.len(), 1);
}

#[tokio::test]
async fn a_file_over_the_limit_is_413_announced_or_not() {
    let house = House::start_with(Arc::new(RealDisk), |config| {
        config.limits.max_upload_mib = 1;
        config.limits.stall_seconds = 1;
    })
    .await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let scene = Scene { house, watch, uuid };
    let body = format!("{}--B--\r\n", part("name=\"file\"; filename=\"a.csv\"", &"x".repeat(2 << 20)));
    let answer = post(&scene.house, &scene.watch, &format!("?uuid={}", scene.uuid), "multipart/form-data; boundary=B", &body).await;
    scene.refused(&answer, 413, "max_upload_mib").await;
    // Announced, it is refused before a byte of it is read.
    let rest = format!("Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}", 2 << 20);
    let mut stream = tokio::net::TcpStream::connect(scene.house.address).await.expect("a connection");
    stream.write_all(head(&scene.watch, &format!("?uuid={}", scene.uuid), &rest).as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 413");
    let chunked =
        head(&scene.watch, &format!("?uuid={}", scene.uuid), "Content-Type: multipart/form-data; boundary=B\r\nTransfer-Encoding: chunked");
    let answer = raw(scene.house.address, format!("{chunked}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes()).await;
    scene.refused(&answer, 413, "max_upload_mib").await;
}

#[tokio::test]
async fn a_body_that_stands_still_is_408_with_a_retry_after() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.stall_seconds = 1).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let scene = Scene { house, watch, uuid };
    let rest = "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 100000";
    let mut stream = tokio::net::TcpStream::connect(scene.house.address).await.expect("a connection");
    stream.write_all(head(&scene.watch, &format!("?uuid={}", scene.uuid), rest).as_bytes()).await.expect("sent");
    stream.write_all(part("name=\"file\"; filename=\"a.csv\"", "1").as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 408") && text.to_lowercase().contains("retry-after: 60"), "{text}");
    scene.nothing_stays().await;
}

#[tokio::test]
async fn more_files_in_one_request_than_anybody_sends_are_refused() {
    let scene = scene().await;
    let parts = |most: usize| (0..most).map(|n| part(&format!("name=\"file\"; filename=\"{n}.csv\""), "1")).collect::<String>();
    let answer = post_parts(&scene.house, &scene.watch, &scene.uuid, &parts(101)).await;
    scene.refused(&answer, 400, "too many files").await;
    assert_eq!(post_parts(&scene.house, &scene.watch, &scene.uuid, &parts(100)).await.status, 200);
}

/// `100 Continue` would make it send a body that nobody takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_client_that_asks_first_is_not_told_to_go_on() {
    let scene = scene().await;
    let stranger = Watch::with_token(scene.house.url(""), "x".to_owned());
    let rest = "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000\r\nExpect: 100-continue";
    for _ in 0..50 {
        let mut stream = tokio::net::TcpStream::connect(scene.house.address).await.expect("a connection");
        stream.write_all(head(&stranger, &format!("?uuid={}", scene.uuid), rest).as_bytes()).await.expect("sent");
        let answer = read_answer(&mut stream).await;
        assert_eq!(answer.status, 401, "{}", answer.text);
        assert!(!answer.text.contains("100 Continue"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_search_for_a_whole_book_is_refused_with_a_sentence() {
    let scene = scene().await;
    let book = "x".repeat(7_000);
    for list in ["devices", "participants"] {
        let answer = scene.house.researcher().get(&format!("/api/v1/{list}?q={book}")).await;
        assert_eq!(answer.status(), 400, "{list}");
        assert!(answer.text().await.expect("text").contains("shorten it"), "{list}");
    }
}
