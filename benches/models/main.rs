//! How fast a thousand devices are told which model they are to have: `cargo bench --bench models`.
//!
//! The program runs in a process of its own. What is found is printed as it goes on; `--write` lays it into `docs/performance.md`.
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod ask;
mod changes;
#[path = "../common/connection.rs"]
mod connection;
#[path = "../common/document.rs"]
mod document;
mod fetch;
mod fleet;
mod house;
#[path = "../common/launch.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod launch;
#[path = "../common/machine.rs"]
mod machine;
#[path = "../common/process.rs"]
#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod process;
#[path = "../common/report.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod report;
#[path = "../common/sample.rs"]
#[allow(dead_code, reason = "the other benchmarks use the rest")]
mod sample;
mod times;

use std::{fs, path::PathBuf, time::Duration};

use clap::Parser;

use self::{document::Part, house::House};

/// What is written.
const MODELS: Part = Part("models");

/// Measures how fast devices are told which model they are to have, and get it.
#[derive(Parser)]
struct Options {
    /// Only see that everything works: tiny sizes, and no time that counts
    #[arg(long)]
    smoke: bool,
    /// Where to measure
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp"))]
    folder: PathBuf,
    /// Write what was measured into docs/performance.md
    #[arg(long, conflicts_with = "smoke")]
    write: bool,
    /// What cargo says to each benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much of everything.
pub struct Scale {
    /// Devices that are let in, each with a connection that stays open.
    pub devices: usize,
    /// Questions of each device a second.
    pub paces: &'static [usize],
    /// How long they go on.
    pub long: Duration,
    /// Models that are given to everyone meanwhile.
    pub changes: usize,
    /// All ask at once so often.
    pub bursts: usize,
    /// Devices that fetch the file at once.
    pub fetching: usize,
    /// Bytes of that file.
    pub bytes: usize,
}

const FULL: Scale =
    Scale { devices: 1000, paces: &[1, 5], long: Duration::from_secs(20), changes: 10, bursts: 20, fetching: 100, bytes: 5_000_000 };
const SMOKE: Scale = Scale { devices: 40, paces: &[5], long: Duration::from_secs(2), changes: 2, bursts: 1, fetching: 5, bytes: 100_000 };

fn main() {
    let options = Options::parse();
    wearhouse::server::raise_handle_limit(&wearhouse::config::LimitsConfig::default());
    fs::create_dir_all(&options.folder).expect("a folder to measure in");
    let folder = tempfile::TempDir::new_in(fs::canonicalize(&options.folder).expect("its path")).expect("a folder");
    let scale = if options.smoke { SMOKE } else { FULL };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("the load of the machine before: {}", load.trim());
    let house = House::open(folder.path(), &scale);
    let chapters = [ask::measure(&house, &scale), fetch::measure(&house, &scale)];
    if options.smoke {
        MODELS.check();
        println!("Everything works. How fast it is, this run does not say.");
        return;
    }
    let measured = format!("{}\n\n{}", machine::describe(folder.path(), &[]), report::markdown(&chapters));
    println!("\n{measured}");
    if options.write {
        MODELS.write(&measured);
    }
}
