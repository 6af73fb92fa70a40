//! How fast the house is on this machine, and how fast others are beside it: `cargo bench --bench performance`.
//!
//! Servers run in processes of their own, one at a time, and the client is the same for all of them. What is found is printed as it
//! goes on; `--write` lays all of it into `docs/performance.md`.
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

mod chapters;
mod client;
#[path = "../common/connection.rs"]
mod connection;
#[path = "../common/document.rs"]
mod document;
mod ground;
mod house;
#[path = "../common/launch.rs"]
mod launch;
#[path = "../common/machine.rs"]
mod machine;
mod peers;
#[path = "../common/process.rs"]
mod process;
#[path = "../common/report.rs"]
mod report;
#[path = "../common/sample.rs"]
mod sample;
mod scale;
#[path = "../common/stored.rs"]
mod stored;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use self::{
    chapters::{downloads, growth, rolling, slow, uploads},
    document::Part,
    ground::Ground,
    report::Chapter,
    scale::{FULL, SMOKE, Scale},
};

/// Measures how fast Wearhouse is on this machine.
#[derive(Parser)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct Options {
    /// Only see that everything works: tiny sizes, and no time that counts
    #[arg(long)]
    smoke: bool,
    /// Measure these alone
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<What>,
    /// Where to measure: on the disk that is to be measured
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp"))]
    folder: PathBuf,
    /// Write what was measured into docs/performance.md
    #[arg(long, conflicts_with_all = ["smoke", "only"])]
    write: bool,
    /// Print everything as JSON at the end
    #[arg(long)]
    json: bool,
    /// What cargo says to each benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum What {
    Uploads,
    Rolling,
    Downloads,
    Slow,
    Growth,
}

/// What is written.
const MEASURED: Part = Part("measured");

/// What each chapter needs.
pub struct Bench {
    /// Where it is measured.
    pub ground: Ground,
    /// How much.
    pub scale: Scale,
}

fn main() {
    let options = Options::parse();
    let bench = Bench { ground: Ground::new(&options.folder), scale: if options.smoke { SMOKE } else { FULL } };
    let chosen = What::value_variants().iter().filter(|what| options.only.is_empty() || options.only.contains(what));
    let chapters: Vec<_> = chosen.map(|what| what.measure(&bench)).collect();
    let peers = [("nginx", "-v"), ("dufs", "--version")].map(|(name, flag)| peers::version(name, flag).unwrap_or(format!("no {name}")));
    let machine = machine::describe(bench.ground.path(), &peers);
    let measured = format!("{machine}\n\n{}", report::markdown(&chapters));
    if options.json {
        println!("{}", serde_json::json!({ "machine": machine, "chapters": chapters }));
    } else if options.smoke {
        MEASURED.check();
        println!("Everything works. How fast it is, this run does not say.");
    } else {
        println!("\n{measured}");
    }
    if options.write {
        MEASURED.write(&measured);
    }
}

impl What {
    fn measure(self, bench: &Bench) -> Chapter {
        match self {
            Self::Uploads => uploads::measure(bench),
            Self::Rolling => rolling::measure(bench),
            Self::Downloads => downloads::measure(bench),
            Self::Slow => slow::measure(bench),
            Self::Growth => growth::measure(bench),
        }
    }
}
