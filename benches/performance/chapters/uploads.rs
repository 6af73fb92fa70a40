//! How fast files come in, beside others that take files, and beside what the machine itself can do.

use std::path::Path;

use crate::{
    Bench,
    client::{self, Load, Outcome, Way},
    ground::settle,
    house::{House, ONE_PLACE},
    peers::{bare, dufs, nginx},
    process::{Server, cpu_of},
    report::{Chapter, Goal},
    sample::Sample,
};

const CONNECTIONS: usize = 16;
const SIZES: [(usize, &str); 2] = [(65_536, "64 kB"), (1_000_000, "1 MB")];

/// Who takes the files, and what it does for them.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    House,
    HouseAndZips,
    Nginx,
    Dufs,
    Bare,
}

const ALL: [(Who, &str); 5] = [
    (Who::House, "Wearhouse, rolls held"),
    (Who::HouseAndZips, "Wearhouse, until every zip is fresh"),
    (Who::Nginx, "nginx (DAV, no sync)"),
    (Who::Dufs, "dufs (no sync)"),
    (Who::Bare, "a bare loop, no network"),
];

/// The same files to the same server, several times.
#[derive(Default, Clone)]
struct Runs {
    rate: Sample,
    megabytes: Sample,
    /// Microseconds a file.
    cpu: Sample,
    median: Sample,
    late: Sample,
}

pub fn measure(bench: &Bench) -> Chapter {
    let mut chapter = Chapter::new("Uploads", &["size", "who", "files/s", "MB/s", "CPU, µs a file", "p50, ms", "p99, ms"]);
    for (size, name) in SIZES {
        let load = Load { connections: CONNECTIONS, size, time: bench.scale.upload, files_each: usize::MAX };
        let mut runs = ALL.map(|_| Runs::default());
        // In turns, so that what else the machine does meets all of them.
        for _ in 0..bench.scale.rounds {
            for ((who, _), runs) in ALL.iter().zip(&mut runs) {
                who.run(bench, load, runs);
            }
        }
        for ((_, who), runs) in ALL.iter().zip(&runs).filter(|(_, runs)| runs.rate.median() > 0.0) {
            chapter.row([name.to_owned(), (*who).to_owned()].into_iter().chain(runs.figures()));
        }
        goals(&mut chapter, size, name, &runs);
    }
    chapter
}

impl Who {
    fn run(self, bench: &Bench, load: Load, runs: &mut Runs) {
        let folder = bench.ground.folder();
        settle();
        match self {
            Self::House => run_house(folder.path(), load, runs),
            Self::HouseAndZips => run_house_and_zips(folder.path(), load, runs),
            Self::Nginx => run_peer(nginx::storing(folder.path()), load, runs),
            Self::Dufs => run_peer(dufs::start(folder.path()), load, runs),
            Self::Bare => {
                let before = cpu_of("self");
                let outcome = bare::store(folder.path(), load).expect("stored");
                runs.add(load, &outcome, cpu_of("self") - before);
            }
        }
    }
}

fn run_peer(server: Option<Server>, load: Load, runs: &mut Runs) {
    let Some(server) = server else { return };
    let before = server.cpu();
    let outcome = client::send(server.address, Way::Put, load).expect("sent");
    runs.add(load, &outcome, server.cpu() - before);
}

fn run_house(folder: &Path, load: Load, runs: &mut Runs) {
    let house = House::new(folder, ONE_PLACE);
    let running = house.start();
    let datasets = house.let_in(load.connections + 1);
    let hold = running.hold_rolls(&datasets[load.connections]);
    let before = running.server.cpu();
    let outcome = client::send(running.server.address, Way::Multipart(&datasets[..load.connections]), load).expect("sent");
    runs.add(load, &outcome, running.server.cpu() - before);
    assert!(running.rolls().published < 1.0, "a zip was rolled while none should be");
    drop(hold);
}

fn run_house_and_zips(folder: &Path, load: Load, runs: &mut Runs) {
    let house = House::new(folder, "zip:\n  wait_seconds: 3600\n");
    let running = house.start();
    let datasets = house.let_in(load.connections);
    let before = running.server.cpu();
    let outcome = client::send(running.server.address, Way::Multipart(&datasets), load).expect("sent");
    for dataset in &datasets {
        running.question(&dataset.uuid);
    }
    runs.add(load, &outcome, running.server.cpu() - before);
}

impl Runs {
    fn add(&mut self, load: Load, outcome: &Outcome, cpu: f64) {
        let rate = outcome.files() / outcome.took.as_secs_f64();
        self.rate.add(rate);
        self.megabytes.add(rate * load.size as f64 / 1e6);
        self.cpu.add(cpu * 1e6 / outcome.files());
        self.median.add(outcome.percentile(50));
        self.late.add(outcome.percentile(99));
    }

    fn figures(&self) -> [String; 5] {
        [&self.rate, &self.megabytes, &self.cpu, &self.median, &self.late].map(ToString::to_string)
    }
}

fn goals(chapter: &mut Chapter, size: usize, name: &str, runs: &[Runs; ALL.len()]) {
    let [house, zips, others @ ..] = runs;
    if size < 1_000_000 {
        chapter.goal(Goal::at_least(format!("{name}: files a second"), house.rate.median(), 6000.0));
        chapter.goal(Goal::at_most(format!("{name}: µs of CPU a file"), house.cpu.median(), 240.0));
    } else {
        chapter.goal(Goal::at_least(format!("{name}: MB a second"), house.megabytes.median(), 1100.0));
        chapter.goal(Goal::at_most(format!("{name}: µs of CPU a file"), house.cpu.median(), 1400.0));
    }
    let ratio = zips.cpu.median() / house.cpu.median();
    chapter.goal(Goal::at_most(format!("{name}: CPU with the zips, against without"), ratio, 2.0));
    for ((_, who), other) in ALL[2..].iter().zip(others).filter(|(_, other)| other.rate.median() > 0.0) {
        let (rate, cpu) = (house.rate.median() / other.rate.median(), house.cpu.median() / other.cpu.median());
        chapter.goal(Goal::plain(format!("{name}: files a second, against {who}"), rate));
        chapter.goal(Goal::plain(format!("{name}: CPU a file, against {who}"), cpu));
    }
}
