//! The same client for every server: files over a few connections at once, as fast as they are taken.

mod way;

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

pub use self::way::{Dataset, Way};
pub use crate::connection::Connection;

/// What is sent.
#[derive(Clone, Copy)]
pub struct Load {
    pub connections: usize,
    /// Bytes of a file.
    pub size: usize,
    /// When a connection is done, whatever comes first.
    pub time: Duration,
    pub files_each: usize,
}

/// What came of it.
pub struct Outcome {
    pub took: Duration,
    /// How long each file took, sorted.
    pub latencies: Vec<Duration>,
}

impl Outcome {
    pub fn of(began: Instant, mut latencies: Vec<Duration>) -> Self {
        let took = began.elapsed();
        latencies.sort_unstable();
        assert!(!latencies.is_empty(), "nothing was sent");
        Self { took, latencies }
    }

    pub fn files(&self) -> f64 {
        self.latencies.len() as f64
    }

    /// Milliseconds below which so many of a hundred files took.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len() - 1);
        self.latencies[at].as_secs_f64() * 1e3
    }
}

/// Sends files that nothing can compress, under names that were never sent before.
///
/// # Panics
/// If a file is refused: what is measured must have been stored.
pub fn send(address: SocketAddr, way: Way<'_>, load: Load) -> io::Result<Outcome> {
    static RUN: AtomicU64 = AtomicU64::new(0);
    let (run, body) = (RUN.fetch_add(1, Ordering::Relaxed), noise(load.size));
    let open = |_| Connection::open(address);
    repeat(load, open, |connection, number, file| {
        let name = format!("recording_{run}_{number}_{file}.zip");
        let answer = way.upload(connection, number, &name, &body)?;
        assert!(answer.is_success(), "{name} was answered {}", answer.status);
        Ok(())
    })
}

/// Does one thing with each file over and over, in a thread for each connection, which opens what it needs first.
pub fn repeat<S>(
    load: Load,
    open: impl Fn(usize) -> io::Result<S> + Sync,
    store: impl Fn(&mut S, usize, usize) -> io::Result<()> + Sync,
) -> io::Result<Outcome> {
    let began = Instant::now();
    let work = |number: usize| -> io::Result<Vec<Duration>> {
        let (mut state, mut latencies) = (open(number)?, Vec::new());
        while latencies.len() < load.files_each && began.elapsed() < load.time {
            let started = Instant::now();
            store(&mut state, number, latencies.len())?;
            latencies.push(started.elapsed());
        }
        Ok(latencies)
    };
    let latencies: Vec<_> = thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..load.connections).map(|number| scope.spawn(move || work(number))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect::<io::Result<_>>()
    })?;
    Ok(Outcome::of(began, latencies.concat()))
}

/// Bytes that nothing can compress.
pub fn noise(size: usize) -> Vec<u8> {
    use rand::{RngExt, SeedableRng, rngs::SmallRng};
    let mut bytes = vec![0; size];
    SmallRng::seed_from_u64(1).fill(&mut bytes[..]);
    bytes
}
