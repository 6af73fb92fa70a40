//! Thousands of watches on a bad link at once, and a fast one and a researcher among them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::JoinSet};

use super::{
    MIB,
    crowd::{Crowd, upload_slowly},
    is_large, median_and_worst,
};
use crate::support::{Researcher, Watch};

/// What each of them may cost in memory, and what the server may hold without them.
const EACH: u64 = 32 << 10;
const BASE: u64 = 64 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_watches_are_all_served_and_keep_nobody_waiting() {
    let (many, seconds) = if is_large() { (10_000, 60) } else { (2000, 20) };
    let crowd = Crowd::start(&[], "limits:\n  connections_per_address: 20\n  connections: 10400", many + 1).await;
    let (address, under_way) = (crowd.program.address, Arc::new(AtomicUsize::new(0)));
    let mut uploads = JoinSet::new();
    // They come within a few seconds.
    for (n, watch) in crowd.watches.iter().take(many).enumerate() {
        let wait = Duration::from_micros(n as u64 * 800);
        uploads.spawn(upload_slowly(address, watch.clone(), seconds, wait, Arc::clone(&under_way)));
    }
    let (enough, ended) = oneshot::channel();
    let among = tokio::spawn(pass_among(crowd.watches[many].clone(), crowd.program.researcher(), many, Arc::clone(&under_way), ended));
    let (mut behind, mut dropped) = (Vec::new(), Vec::new());
    while let Some(upload) = uploads.join_next().await {
        match upload.expect("no panic") {
            Ok(took) => behind.push(took),
            Err(error) => dropped.push(error),
        }
    }
    drop(enough);
    let (posts, pages) = among.await.expect("no panic");
    let peak = crowd.program.peak_memory();
    println!("{many} watches at 1 kB/s for {seconds} s: memory {} MiB at most", peak / MIB);
    println!("  answers behind the last byte: {}", median_and_worst(behind));
    println!("  a fast upload meanwhile: {}; a page: {}", median_and_worst(posts.clone()), median_and_worst(pages));
    assert!(dropped.is_empty(), "{} dropped, the first: {}", dropped.len(), dropped[0]);
    assert!(posts.len() > 1, "nobody came while all were under way");
    assert!(peak < BASE + EACH * many as u64, "{} MiB", peak / MIB);
}

/// A fast watch and a researcher, again and again; how long they waited while all the slow ones were under way.
async fn pass_among(
    watch: Watch,
    researcher: Researcher,
    many: usize,
    under_way: Arc<AtomicUsize>,
    mut ended: oneshot::Receiver<()>,
) -> (Vec<Duration>, Vec<Duration>) {
    let (mut posts, mut pages) = (Vec::new(), Vec::new());
    let uuid = watch.new_dataset().await;
    let is_full = || under_way.load(Ordering::SeqCst) == many;
    for n in 0.. {
        let (begun, full) = (Instant::now(), is_full());
        watch.upload(&uuid, &format!("{n}.csv"), vec![b'1'; 20_000]).await;
        let (posted, begun) = (begun.elapsed(), Instant::now());
        let answer = researcher.get("/recording/list/").await;
        assert_eq!(answer.status(), 200);
        answer.text().await.expect("a whole page");
        let read = begun.elapsed();
        if full && is_full() {
            posts.push(posted);
            pages.push(read);
        }
        if tokio::time::timeout(Duration::from_millis(200), &mut ended).await.is_ok() {
            break;
        }
    }
    (posts, pages)
}
