//! A thousand devices, each with a connection that stays open, that ask which model they are to have.

use std::{
    collections::VecDeque,
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{io::AsyncReadExt, task::JoinSet};

use crate::{
    changes::number,
    house::{android_id, own_model},
    times::Times,
};

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Fleet {
    devices: Vec<Arc<Device>>,
    given: Arc<AtomicUsize>,
}

struct Device {
    request: String,
    own: Option<&'static str>,
    stream: TcpStream,
    asked: Mutex<VecDeque<Asked>>,
}

/// A question under way.
struct Asked {
    /// When it was to be asked, and when it was.
    due: Instant,
    at: Instant,
    /// What everyone had by then.
    least: usize,
}

/// One answer.
struct Told {
    since_due: Duration,
    since_asked: Duration,
    is_right: bool,
}

/// All answers to many questions.
pub struct Answers {
    /// From when a question was to be asked.
    pub since_due: Times,
    /// From when it was.
    pub since_asked: Times,
    /// Devices that were told what they are not to have (any more).
    pub wrong: usize,
}

impl Fleet {
    pub fn new(address: SocketAddr, devices: usize, given: &Arc<AtomicUsize>) -> Self {
        let device = |n| {
            let request = request(n);
            let stream = TcpStream::connect(address).expect("a connection");
            stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).expect("a connection");
            Arc::new(Device { request, own: own_model(n), stream, asked: Mutex::default() })
        };
        Self { devices: (0..devices).map(device).collect(), given: Arc::clone(given) }
    }

    /// Each device asks so often each second, each time at a random moment.
    pub fn at_random(&self, a_second: usize, long: Duration) -> Answers {
        let moment = |second: u64| Duration::from_secs(second) + Duration::from_secs_f64(rand::random());
        let of_second = |second| (0..a_second * self.devices.len()).map(move |n| (moment(second), n % self.devices.len()));
        let mut schedule: Vec<_> = (0..long.as_secs()).flat_map(of_second).collect();
        schedule.sort_unstable();
        self.ask(&schedule)
    }

    /// All ask at the same moment.
    pub fn at_once(&self) -> Answers {
        self.ask(&(0..self.devices.len()).map(|n| (Duration::ZERO, n)).collect::<Vec<_>>())
    }

    /// One thread asks, and another one reads the answers.
    fn ask(&self, schedule: &[(Duration, usize)]) -> Answers {
        let mut counts = vec![0; self.devices.len()];
        for (_, device) in schedule {
            counts[*device] += 1;
        }
        let told = std::thread::scope(|scope| {
            let reading = scope.spawn(|| self.read(counts));
            let began = Instant::now() + Duration::from_millis(50);
            for (moment, device) in schedule {
                std::thread::sleep((began + *moment).saturating_duration_since(Instant::now()));
                self.devices[*device].ask(began + *moment, self.given.load(Ordering::Acquire));
            }
            reading.join().expect("answers")
        });
        Answers {
            since_due: told.iter().map(|told| told.since_due).collect(),
            since_asked: told.iter().map(|told| told.since_asked).collect(),
            wrong: told.iter().filter(|told| !told.is_right).count(),
        }
    }

    #[tokio::main(flavor = "current_thread")]
    async fn read(&self, counts: Vec<usize>) -> Vec<Told> {
        let mut reading = JoinSet::new();
        for (device, count) in self.devices.iter().zip(counts) {
            reading.spawn(Arc::clone(device).read(count));
        }
        tokio::time::timeout(PATIENCE, reading.join_all()).await.expect("answers").into_iter().flatten().collect()
    }
}

/// What a device asks.
pub fn request(device: usize) -> String {
    format!("GET /tfmodel/check/latest/?androidid={} HTTP/1.1\r\nHost: x\r\n\r\n", android_id(device))
}

impl Device {
    fn ask(&self, due: Instant, least: usize) {
        self.asked.lock().expect("its questions").push_back(Asked { due, at: Instant::now(), least });
        let written = (&self.stream).write(self.request.as_bytes()).expect("written");
        assert_eq!(written, self.request.len(), "the kernel takes a small request at once");
    }

    /// Reads so many answers.
    async fn read(self: Arc<Self>, count: usize) -> Vec<Told> {
        let stream = self.stream.try_clone().and_then(tokio::net::TcpStream::from_std);
        let (mut stream, mut bytes, mut last) = (stream.expect("a connection"), Vec::with_capacity(4096), 0);
        let mut told = Vec::with_capacity(count);
        while told.len() < count {
            assert!(stream.read_buf(&mut bytes).await.expect("an answer") > 0, "the server closed the connection");
            while let Some((body, end)) = whole(&bytes) {
                let name = serde_json::from_slice::<Value>(body).expect("JSON")["activeModel"].as_str().expect("a name").to_owned();
                bytes.drain(..end);
                told.push(self.told(&name, &mut last));
            }
        }
        told
    }

    fn told(&self, name: &str, last: &mut usize) -> Told {
        let asked = self.asked.lock().expect("its questions").pop_front().expect("a question");
        let is_right = match (self.own, number(name)) {
            (Some(own), _) => name == own,
            (None, Some(number)) => number >= asked.least && number >= std::mem::replace(last, number),
            (None, None) => false,
        };
        Told { since_due: asked.due.elapsed(), since_asked: asked.at.elapsed(), is_right }
    }
}

/// The body of the first answer, if it is there, and where the answer ends.
fn whole(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let begin = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..begin]).expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let end = begin + length.parse::<usize>().expect("a length");
    (bytes.len() >= end).then(|| (&bytes[begin..end], end))
}
