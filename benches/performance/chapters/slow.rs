//! What thousands of slow watches cost at once.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    Bench,
    client::Dataset,
    ground::settle,
    house::{House, wait},
    report::{Chapter, Goal},
    sample::Sample,
};

const PIECE: [u8; 1000] = [b'7'; 1000];
/// They come within a few seconds.
const BETWEEN: Duration = Duration::from_micros(800);

pub fn measure(bench: &Bench) -> Chapter {
    let (watches, seconds) = (bench.scale.watches, bench.scale.slow.as_secs());
    let mut chapter = Chapter::new("Slow watches", &["what", "figure"]);
    wearhouse::server::raise_handle_limit(&wearhouse::config::LimitsConfig::default());
    let folder = bench.ground.folder();
    let house = House::new(folder.path(), "");
    let running = house.start();
    let datasets = house.let_in(watches);
    settle();
    let (before, began) = (running.server.cpu(), Instant::now());
    let mut behind = wait(all(running.server.address, datasets, seconds));
    let cores = (running.server.cpu() - before) / began.elapsed().as_secs_f64();
    behind.sort_unstable();
    let memory = running.server.peak_memory() as f64 / f64::from(1 << 20);
    let late = behind[behind.len() * 99 / 100];
    chapter.row([format!("{watches} watches at 1 kB/s for {seconds} s: memory at most, MiB"), Sample::from_iter([memory]).to_string()]);
    chapter.row(["CPU, cores".to_owned(), Sample::from_iter([cores]).to_string()]);
    chapter.row(["the answer behind the last byte, ms, p50".to_owned(), format!("{}", behind[behind.len() / 2].as_millis())]);
    chapter.row(["the same, p99".to_owned(), format!("{}", late.as_millis())]);
    chapter.goal(Goal::at_most(format!("{watches} slow watches: MB of memory"), memory * 1.048_576, 400.0));
    chapter.goal(Goal::at_most(format!("{watches} slow watches: cores"), cores, 1.0));
    chapter
}

/// Has all of them upload at once. Returns how long each answer took behind its last byte.
async fn all(address: SocketAddr, datasets: Vec<Dataset>, seconds: u64) -> Vec<Duration> {
    let mut uploads = JoinSet::new();
    for (n, dataset) in datasets.into_iter().enumerate() {
        uploads.spawn(async move {
            sleep(BETWEEN * u32::try_from(n).unwrap_or(u32::MAX)).await;
            upload(address, &dataset, seconds).await.expect("a good upload")
        });
    }
    uploads.join_all().await
}

async fn upload(address: SocketAddr, dataset: &Dataset, seconds: u64) -> io::Result<Duration> {
    let (head, tail) = dataset.frame("slow.csv", PIECE.len() * usize::try_from(seconds).map_err(io::Error::other)?);
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..seconds {
        second.tick().await;
        stream.write_all(&PIECE).await?;
    }
    let sent = Instant::now();
    stream.write_all(tail.as_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"HTTP/1.1 200", "a slow watch was refused");
    Ok(sent.elapsed())
}
