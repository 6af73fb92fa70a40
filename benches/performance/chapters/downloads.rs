//! How fast a large zip goes out: through nginx with our gate, through nginx alone, and without nginx.

use std::{net::SocketAddr, time::Instant};

use crate::{
    Bench,
    client::{Connection, noise},
    ground::settle,
    house::House,
    launch::login,
    peers::nginx,
    process::Server,
    report::{Chapter, Goal},
    sample::Sample,
};

/// Each is asked so often in a turn.
const TIMES: usize = 3;

/// The same file from one server, several times.
#[derive(Default)]
struct Runs {
    megabytes: Sample,
    /// Milliseconds of CPU a GB, of everybody who takes part.
    cpu: Sample,
}

pub fn measure(bench: &Bench) -> Chapter {
    let mut chapter = Chapter::new("Downloads", &["one large zip, one reader", "MB/s", "CPU, ms a GB"]);
    let [own, alone, gate] = std::array::from_fn(|_| bench.ground.folder());
    let house = House::new(own.path(), "zip:\n  wait_seconds: 3600\n");
    let running = house.start();
    let dataset = &house.let_in(1)[0];
    running.bring_many(dataset, (0..16).map(|n| format!("{n}.zip")), &noise(bench.scale.zip / 16));
    running.question(&dataset.uuid);
    settle();
    let path = format!("/uploads/zips/{}.zip", dataset.uuid);
    let peers = (nginx::sending(alone.path(), own.path()), nginx::guarding(gate.path(), own.path(), running.server.address));
    let mut ways = vec![("Wearhouse without nginx", running.server.address, vec![&running.server])];
    if let (Some(alone), Some(gate)) = &peers {
        ways.push(("nginx alone", alone.address, vec![alone]));
        ways.push(("nginx, which asks Wearhouse", gate.address, vec![gate, &running.server]));
    }
    let mut runs: Vec<_> = ways.iter().map(|_| Runs::default()).collect();
    for _ in 0..bench.scale.rounds {
        for ((_, address, servers), runs) in ways.iter().zip(&mut runs) {
            runs.add(*address, servers, &path);
        }
    }
    for ((name, ..), runs) in ways.iter().zip(&runs) {
        chapter.row([(*name).to_owned(), runs.megabytes.to_string(), runs.cpu.to_string()]);
    }
    goals(&mut chapter, &runs);
    chapter
}

fn goals(chapter: &mut Chapter, runs: &[Runs]) {
    let [house, alone, gate] = runs else { return };
    let alone = alone.megabytes.median();
    chapter.goal(Goal::at_least("nginx with the gate, against nginx alone", gate.megabytes.median() / alone, 0.95));
    chapter.goal(Goal::at_least("Wearhouse without nginx, against nginx alone", house.megabytes.median() / alone, 0.5));
}

impl Runs {
    fn add(&mut self, address: SocketAddr, servers: &[&Server], path: &str) {
        let cpu = || servers.iter().map(|server| server.cpu()).sum::<f64>();
        let (before, mut all) = (cpu(), 0.0);
        for _ in 0..TIMES {
            let began = Instant::now();
            let bytes = fetch(address, path) as f64;
            self.megabytes.add(bytes / 1e6 / began.elapsed().as_secs_f64());
            all += bytes;
        }
        self.cpu.add((cpu() - before) * 1e3 / (all / 1e9));
    }
}

/// Reads a file, throws it away, and says how much it was.
fn fetch(address: SocketAddr, path: &str) -> u64 {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{}\r\n", login());
    let answer = Connection::open(address).and_then(|mut connection| connection.ask(&[request.as_bytes()])).expect("an answer");
    assert_eq!(answer.status, 200, "{path}");
    answer.length.expect("a length")
}
