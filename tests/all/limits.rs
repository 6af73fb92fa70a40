//! What nobody may exceed: one past each bound, and the answer; and that the others notice nothing.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wearhouse::storage::{FreeSpace, RealDisk};

use crate::support::{House, Watch, WatchedDisk, begin_upload, head, part, raw, until};

#[tokio::test]
async fn a_silent_connection_and_an_endless_head_are_ended() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.header_seconds = 1).await;
    let mut silent = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
    let mut nothing = Vec::new();
    silent.read_to_end(&mut nothing).await.expect("an end");
    let head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
    assert_eq!(raw(house.address, head.as_bytes()).await.status, 431);
}

#[tokio::test]
async fn one_upload_too_many_is_503_at_once() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.uploads_at_once = 1).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    let open = begin_upload(house.address, &watch, &uuid).await;
    until("the first upload is under way", async || !house.incoming().is_empty()).await;
    let refused = watch.try_upload(&uuid, "b.csv", "2").await.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    drop(open);
    until("the place is free again", async || watch.try_upload(&uuid, "b.csv", "2").await.is_ok_and(|answer| answer.status() == 200)).await;
    assert!(house.incoming().is_empty());
}

#[tokio::test]
async fn one_device_does_not_take_all_places() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.device_uploads_at_once = 1).await;
    let (greedy, other) = (house.watch("greedy").await, house.watch("other").await);
    let uuid = greedy.new_dataset().await;
    let open = begin_upload(house.address, &greedy, &uuid).await;
    until("the first upload is under way", async || !house.incoming().is_empty()).await;
    assert_eq!(greedy.try_upload(&uuid, "b.csv", "2").await.expect("an answer").status(), 503);
    assert_eq!(greedy.request("GET", "/recording/new/").send().await.expect("an answer").status(), 503);
    other.upload(&other.new_dataset().await, "c.csv", "3").await;
    drop(open);
    until("the place is free again", async || greedy.try_upload(&uuid, "b.csv", "2").await.is_ok_and(|answer| answer.status() == 200))
        .await;
}

#[tokio::test]
async fn a_stranger_with_many_names_does_not_push_the_others_out() {
    let house = House::start_with(Arc::new(RealDisk), |config| {
        config.limits.open_requests = 10;
        config.limits.new_requests_per_minute = 5;
    })
    .await;
    let researcher = house.researcher();
    researcher.poll("a watch that waits").await;
    let mut refused = 0;
    for n in 0..20 {
        refused += u32::from(researcher.poll(&format!("stranger {n}")).await["status"] == "error");
    }
    assert_eq!(refused, 16);
    assert_eq!(researcher.poll("a watch that waits").await["status"], "pending");
}

#[tokio::test]
async fn wrong_passwords_back_off_and_whoever_is_known_is_let_in() {
    let house = House::start().await;
    assert_eq!(house.researcher().get("/").await.status(), 200);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let guess = async || client.get(house.url("/")).basic_auth("admin", Some("wrong")).send().await.expect("an answer");
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(guess().await);
    }
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses[..4], [401; 4], "{statuses:?}");
    assert_eq!(statuses[5], 429, "{statuses:?}");
    assert!(answers[5].headers().contains_key("retry-after"));
    assert_eq!(house.researcher().get("/").await.status(), 200);
    let other_user = client.get(house.url("/")).basic_auth("researcher", Some(crate::support::Researcher::PASSWORD));
    assert_eq!(other_user.send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn too_many_requests_are_429_with_a_retry_after() {
    let house = House::start_with(Arc::new(RealDisk), |config| {
        config.limits.anonymous_per_minute = 20;
        config.limits.device_per_minute = 5;
    })
    .await;
    let watch = house.watch("w").await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        let answer = watch.request("GET", "/recording/new/").send().await.expect("an answer");
        statuses.push((answer.status().as_u16(), answer.headers().contains_key("retry-after")));
    }
    assert_eq!(statuses.iter().filter(|status| **status == (200, false)).count(), 5, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&(429, true)));
    let stranger = Watch::with_token(house.url(""), "x".to_owned());
    until("a stranger is told to wait", async || {
        stranger.request("GET", "/recording/new/").send().await.expect("an answer").status() == 429
    })
    .await;
    // The researcher behind the same address, with a good password, is still let in once it was verified.
    assert_eq!(house.researcher().get("/api/v1/devices").await.status(), 200);
}

#[tokio::test]
async fn a_stranger_is_told_to_wait_whatever_he_tries() {
    for what in ["a page without a login", "a wrong login", "a poll", "a wrong token"] {
        let house = House::start_with(Arc::new(RealDisk), |config| config.limits.anonymous_per_minute = 2).await;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let request = || match what {
            "a page without a login" => client.get(house.url("/")),
            "a wrong login" => client.get(house.url("/")).basic_auth("admin", Some("wrong")),
            "a poll" => client.get(house.url("/tokenauth/request/?identifier=w")),
            _ => client.get(house.url("/recording/new/")).bearer_auth("x"),
        };
        for _ in 0..2 {
            assert_ne!(request().send().await.expect("an answer").status(), 429, "{what}");
        }
        let refused = request().send().await.expect("an answer");
        assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (429, true), "{what}");
        assert!(refused.text().await.expect("text").contains("too many requests"), "{what}");
    }
}

#[tokio::test]
async fn one_connection_too_many_waits_until_another_ends() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.connections = 1).await;
    let request = b"GET /static/style.css HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut answer = [0; 12];
    let mut first = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
    first.write_all(request).await.expect("sent");
    first.read_exact(&mut answer).await.expect("an answer");
    let mut second = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
    second.write_all(request).await.expect("sent");
    // Whoever has a place is served on.
    for _ in 0..20 {
        first.write_all(request).await.expect("sent");
        first.read_exact(&mut [0; 200]).await.expect("an answer");
    }
    let early = second.try_read(&mut answer).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
    drop(first);
    second.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_device_that_has_used_up_its_quota_is_refused_and_others_are_not() {
    let house = House::start_with(Arc::new(RealDisk), |config| {
        config.limits.device_files = 2;
        config.limits.device_datasets = 2;
    })
    .await;
    let (greedy, other) = (house.watch("greedy").await, house.watch("other").await);
    let uuid = greedy.new_dataset().await;
    greedy.upload(&uuid, "a.csv", "1").await;
    greedy.upload(&uuid, "b.csv", "2").await;
    let refused = greedy.try_upload(&uuid, "c.csv", "3").await.expect("an answer");
    assert_eq!(refused.status(), 507);
    assert!(refused.text().await.expect("text").contains("quota of files"));
    // What is here already is acknowledged still.
    greedy.upload(&uuid, "a.csv", "1").await;
    greedy.new_dataset().await;
    assert_eq!(greedy.request("GET", "/recording/new/").send().await.expect("an answer").status(), 507);
    other.upload(&other.new_dataset().await, "c.csv", "3").await;
    assert!(house.incoming().is_empty());
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.device_gib = 0).await;
    let watch = house.watch("w").await;
    // Its row takes room, too.
    let refused = watch.try_upload(&watch.new_dataset().await, "empty.csv", "").await.expect("a response");
    assert_eq!(refused.status(), 507);
    assert!(refused.text().await.expect("text").contains("quota of bytes"));
}

const STYLE: &[u8] = b"GET /static/style.css HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_connection_that_asks_for_nothing_more_is_ended() {
    let house = House::start_with(Arc::new(RealDisk), |config| config.limits.header_seconds = 1).await;
    let mut idle = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
    idle.write_all(STYLE).await.expect("sent");
    let mut answer = Vec::new();
    idle.read_to_end(&mut answer).await.expect("an end");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn one_address_does_not_take_all_connections() {
    let house = House::start_with(Arc::new(RealDisk), |config| {
        config.limits.connections_per_address = 2;
        config.server.trusted_proxies = vec!["127.0.0.2".to_owned()];
    })
    .await;
    let connect = async |from: [u8; 4]| {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("an address of this machine");
        let mut stream = socket.connect(house.address).await.expect("a connection");
        let mut answer = [0; 12];
        let served = stream.write_all(STYLE).await.is_ok() && stream.read_exact(&mut answer).await.is_ok();
        served.then_some(stream)
    };
    let stranger = [127, 0, 0, 1];
    let (first, _second) = (connect(stranger).await.expect("served"), connect(stranger).await.expect("served"));
    assert!(connect(stranger).await.is_none());
    assert!(connect([127, 0, 0, 3]).await.is_some());
    // A trusted proxy brings everybody.
    let mut brought = Vec::new();
    for _ in 0..5 {
        brought.push(connect([127, 0, 0, 2]).await.expect("served"));
    }
    drop(first);
    until("the place is free again", async || connect(stranger).await.is_some()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_too_many_is_503_and_a_client_that_does_not_read_is_cut() {
    let house = House::start_with(Arc::new(RealDisk), |config| {
        config.limits.downloads_at_once = 1;
        config.limits.stall_seconds = 1;
    })
    .await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "a.csv", vec![b'1'; 32 << 20]).await;
    let path = format!("/uploads/recordings/{uuid}/a.csv");
    let researcher = house.researcher();
    // Its head is read, and nothing of its body.
    let unread = researcher.get(&path).await;
    assert_eq!(unread.status(), 200);
    let refused = researcher.get(&path).await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (503, true));
    let mut read = None;
    until("the place is free again", async || {
        read = Some(researcher.get(&path).await).filter(|answer| answer.status() == 200);
        read.is_some()
    })
    .await;
    assert_eq!(read.expect("an answer").bytes().await.expect("all of it").len(), 32 << 20);
    assert!(unread.bytes().await.is_err());
    until("the place is free again", async || researcher.get(&path).await.status() == 200).await;
}

#[tokio::test]
async fn room_is_promised_to_what_was_announced_and_the_rest_is_507_before_its_body() {
    let disk = WatchedDisk::new();
    let house = House::start_with(Arc::clone(&disk) as _, |_| {}).await;
    let watch = house.watch("w").await;
    let uuid = watch.new_dataset().await;
    *disk.free.lock().expect("free") = Some(FreeSpace { bytes: 5 << 30, inodes: 1_000_000, total: 10 << 30 });
    let rest = format!("Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {}", 2_u64 << 30);
    let begin = async || {
        let mut stream = tokio::net::TcpStream::connect(house.address).await.expect("a connection");
        stream.write_all(head(&watch, &format!("?uuid={uuid}"), &rest).as_bytes()).await.expect("sent");
        stream
    };
    // The answer comes at once; the connection ends a little later.
    let is_refused = async |mut stream: tokio::net::TcpStream| {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 507");
    };
    let mut admitted = Vec::new();
    for name in ["a", "b"] {
        let mut stream = begin().await;
        let file = part(&format!("name=\"file\"; filename=\"{name}.mkv\""), &"1".repeat(300_000));
        stream.write_all(file.as_bytes()).await.expect("sent");
        admitted.push(stream);
        until("it is under way", async || house.incoming().len() == admitted.len()).await;
    }
    for _ in 0..8 {
        is_refused(begin().await).await;
    }
    assert_eq!(house.incoming().len(), 2);
    drop(admitted.pop());
    until("the room is free again", async || house.incoming().len() == 1).await;
    let mut next = begin().await;
    next.write_all(part("name=\"file\"; filename=\"c.mkv\"", &"1".repeat(300_000)).as_bytes()).await.expect("sent");
    until("another one is under way", async || house.incoming().len() == 2).await;
    *disk.free.lock().expect("free") = Some(FreeSpace { bytes: 50 << 30, inodes: 64, total: 100 << 30 });
    is_refused(begin().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_watches_behind_one_address_are_all_served_at_once() {
    let house = House::start().await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let poll = async |n: usize| {
        let request = client.get(house.url(&format!("/tokenauth/request/?identifier=watch%20{n}")));
        let answer = request.header("X-Forwarded-For", "198.51.100.7").send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.json::<serde_json::Value>().await.expect("json")
    };
    for status in ["new", "pending"] {
        for answer in futures_util::future::join_all((0..60).map(&poll)).await {
            assert_eq!(answer["status"], status);
        }
    }
    for n in 0..60 {
        house.researcher().grant(&format!("watch {n}")).await;
    }
    let bring = async |n: usize| {
        let token = poll(n).await["token"].as_str().expect("a token").to_owned();
        let watch = Watch::with_token(house.url(""), token);
        for path in ["/recording/new/"; 20] {
            let answer = watch.request("GET", path).header("X-Forwarded-For", "198.51.100.7").send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
        }
        watch.upload(&watch.new_dataset().await, "a.csv", "1").await;
    };
    futures_util::future::join_all((0..60).map(bring)).await;
}

#[tokio::test]
async fn what_a_stranger_writes_into_x_forwarded_for_counts_for_nothing() {
    for (trusted, behind) in [(vec![], ""), (vec!["127.0.0.1".to_owned()], ", 198.51.100.7")] {
        let house = House::start_with(Arc::new(RealDisk), |config| {
            config.server.trusted_proxies.clone_from(&trusted);
            config.limits.anonymous_per_minute = 2;
        })
        .await;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut statuses = Vec::new();
        for n in 0..4 {
            let request = client.get(house.url("/")).header("X-Forwarded-For", format!("203.0.113.{n}{behind}"));
            statuses.push(request.send().await.expect("an answer").status().as_u16());
        }
        assert_eq!(statuses, [401, 401, 429, 429], "{trusted:?}");
    }
}
