//! How fast the desk is where a study of a year lies in the catalog: `cargo bench --bench desk`.
//!
//! The program runs in a process of its own, and one client asks it for one page after the other over one connection. What is found is
//! printed as it goes on; `--write` lays it into `docs/performance.md`.

#[path = "../common/connection.rs"]
mod connection;
#[path = "../common/document.rs"]
mod document;
mod facts;
#[path = "../common/launch.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod launch;
#[path = "../common/machine.rs"]
mod machine;
mod pages;
#[path = "../common/process.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod process;
#[path = "../common/report.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest")]
mod report;
#[path = "../common/sample.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest")]
mod sample;
mod study;
mod visit;

use std::{fs, path::PathBuf};

use clap::Parser;

use self::{
    connection::Connection,
    document::Part,
    facts::Facts,
    pages::Page,
    report::{Chapter, Goal},
    sample::figure,
    study::{FULL, SMOKE, Study},
    visit::Times,
};

/// What is written.
const DESK: Part = Part("desk");
/// The bound for each page, in milliseconds.
const BOUND: f64 = 50.0;

/// Measures how fast the researcher's desk is on this machine.
#[derive(Parser)]
struct Options {
    /// Only see that everything works: a tiny study, and no time that counts
    #[arg(long)]
    smoke: bool,
    /// Measure only the pages whose names contain this
    #[arg(long, default_value = "")]
    only: String,
    /// Ask for each page so many times in a row, behind a tenth of that to warm up
    #[arg(long, default_value_t = 500)]
    requests: usize,
    /// Measure everything so often, and of each page take the best
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Where to lay the study
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp"))]
    folder: PathBuf,
    /// Lay the study here and leave it; where it lies already, measure it as it is
    #[arg(long, conflicts_with = "smoke")]
    keep: Option<PathBuf>,
    /// Write what was measured into docs/performance.md
    #[arg(long, conflicts_with_all = ["smoke", "only"])]
    write: bool,
    /// What cargo says to each benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    fs::create_dir_all(&options.folder).expect("a folder to measure in");
    let temporary = tempfile::TempDir::new_in(fs::canonicalize(&options.folder).expect("its path")).expect("a folder");
    let folder = options.keep.as_deref().unwrap_or(temporary.path());
    let study = if options.smoke { SMOKE } else { FULL };
    let facts = study.lay(folder);
    let chapter = measure(&study, &facts, folder, &options);
    if options.smoke {
        DESK.check();
        println!("Everything works. How fast it is, this run does not say.");
        return;
    }
    let measured = format!("{}\n\n{}", machine::describe(folder, &[]), report::markdown(&[chapter]));
    println!("\n{measured}");
    if options.write {
        DESK.write(&measured);
    }
}

fn measure(study: &Study, facts: &Facts, folder: &std::path::Path, options: &Options) -> Chapter {
    let launched = launch::launch(folder);
    let mut connection = Connection::open(launched.server.address).expect("a connection");
    visit::wait_for_the_reader(&mut connection);
    let (requests, rounds) = if options.smoke { (2, 1) } else { (options.requests, options.rounds) };
    let pages: Vec<_> = pages::all(facts).into_iter().filter(|page| page.name().contains(&options.only)).collect();
    let mut times: Vec<Vec<Times>> = pages.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (page, times) in pages.iter().zip(&mut times) {
            times.push(visit::measure(&mut connection, page, requests));
        }
    }
    let best = times.into_iter().map(|rounds| rounds.into_iter().min_by(|a, b| a.late.total_cmp(&b.late)).expect("a round"));
    chapter(study, &pages.into_iter().zip(best).collect::<Vec<_>>())
}

/// A row a page; of a group, that of its slowest one.
fn chapter(study: &Study, measured: &[(Page, Times)]) -> Chapter {
    let title = format!("The desk, with {} recordings and {} files", figure(study.datasets.into()), figure(study.files().into()));
    let mut chapter = Chapter::new(title, &["page", "p50, ms", "p99, ms", "the slowest, ms"]);
    let slowest = measured.iter().max_by(|a, b| a.1.late.total_cmp(&b.1.late)).expect("a page");
    chapter.goal(Goal::at_most(format!("the slowest page ({}): p99, ms", slowest.0.name()), slowest.1.late, BOUND));
    for pages in measured.chunk_by(|(a, _), (b, _)| a.group.is_some() && a.group == b.group) {
        let (page, times) = pages.iter().max_by(|a, b| a.1.late.total_cmp(&b.1.late)).expect("a page");
        let name = page.group.map_or(page.name(), |group| format!("{group}, the slowest of {}: {}", pages.len(), page.what));
        chapter.row([name, figure(times.median), figure(times.late), figure(times.longest)]);
    }
    chapter
}
