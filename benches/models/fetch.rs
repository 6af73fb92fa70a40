//! Fetching the file of a model, by many devices at once.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    Scale,
    changes::Publisher,
    house::{House, android_id},
    report::{Chapter, Goal},
    sample::figure,
    times::Times,
};

/// Behind those with a model of their own.
const FIRST: usize = 20;

pub fn measure(house: &House, scale: &Scale) -> Chapter {
    let (server, megabytes) = (&house.launched.server, scale.bytes as f64 / 1e6);
    let mut publisher = Publisher::new(server.address);
    let model = publisher.publish("large.onnx", scale.bytes);
    let title = format!("{} devices fetch a model of {} MB at once", scale.fetching, figure(megabytes));
    let mut chapter = Chapter::new(title, &["MB/s", "p50, ms", "p99, ms", "the slowest, ms", "server CPU, ms each"]);
    for n in FIRST..FIRST + scale.fetching {
        let device = wearhouse::ids::DeviceId::of_android_id(&android_id(n)).to_string();
        publisher.give(&serde_json::json!({"to": "device", "device": device, "model": model}));
    }
    let (began, cpu) = (Instant::now(), server.cpu());
    let times = all(server.address, scale);
    let pace = megabytes * scale.fetching as f64 / began.elapsed().as_secs_f64();
    let each = (server.cpu() - cpu) * 1e3 / scale.fetching as f64;
    chapter.row([vec![figure(pace)], times.cells().to_vec(), vec![figure(each)]].concat());
    chapter.goal(Goal::plain(format!("{} devices fetch {} MB each at once: MB/s", scale.fetching, figure(megabytes)), pace));
    chapter
}

#[tokio::main(flavor = "current_thread")]
async fn all(address: SocketAddr, scale: &Scale) -> Times {
    let mut fetching = JoinSet::new();
    for n in FIRST..FIRST + scale.fetching {
        fetching.spawn(fetch(address, android_id(n), scale.bytes));
    }
    fetching.join_all().await.into_iter().collect()
}

async fn fetch(address: SocketAddr, android_id: String, least: usize) -> Duration {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let asked = Instant::now();
    let request = format!("GET /tfmodel/get/latest/?androidid={android_id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let (mut piece, mut came, mut head) = (vec![0; 256 << 10], 0, Vec::new());
    loop {
        match stream.read(&mut piece).await.expect("a piece") {
            0 => break,
            count => {
                head.extend_from_slice(&piece[..count.min(12_usize.saturating_sub(head.len()))]);
                came += count;
            }
        }
    }
    assert!(head == b"HTTP/1.1 200" && came >= least, "a device was refused: {}", String::from_utf8_lossy(&head));
    asked.elapsed()
}
