//! `simulate`: a fleet of watches, to see what a server bears.

use std::{io, path::PathBuf, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::{Args, ValueEnum};
use hyper::header::HeaderValue;
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{signal::ctrl_c, sync::oneshot};

use super::{Failure, certificates, findings::Findings, units};
use crate::{
    fleet::{self, Cargo, Fleet, Quality},
    outside::Server,
};

/// What the shell says of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

const TICK: Duration = Duration::from_millis(200);

const BAR: &str = "{elapsed_precise} {wide_bar} {pos}/{len} {per_sec} {msg}";

#[derive(Args)]
pub(super) struct Orders {
    /// The server as a watch has it, such as http://127.0.0.1:8080. What is uploaded stays there.
    #[arg(long)]
    server: Server,
    /// A server that is not on this machine is loaded, too.
    #[arg(long)]
    yes_this_is_my_server: bool,
    /// How many watches; each uploads over one connection, one file after the other.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    watches: u32,
    /// Runs of each watch, each a dataset.
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// How long a run lasts: 5 files, two of them sensors at 50 Hz.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=6000))]
    minutes: u32,
    /// Instead: so many files a run that cannot be compressed, made once and stamped, for benchmarks.
    #[arg(long, conflicts_with = "minutes")]
    files: Option<u32>,
    /// The size of each of these files, such as 64KiB or 1MB.
    #[arg(long, default_value = "64KiB", value_parser = units::bytes, requires = "files", value_name = "SIZE")]
    file_size: u64,
    /// How the files are uploaded.
    #[arg(long, value_enum, default_value_t = Protocol::Multipart)]
    protocol: Protocol,
    /// A researcher who lets the watches in, and reads everything back. Without a password it is read from standard input.
    #[arg(long, value_name = "USER:PASSWORD", conflicts_with = "read_with")]
    grant_with: Option<String>,
    /// A researcher who reads everything back; somebody else lets the watches in, by hand.
    #[arg(long, value_name = "USER:PASSWORD")]
    read_with: Option<String>,
    /// What each watch's link carries in a second, such as 100kB.
    #[arg(long, value_parser = units::bytes, value_name = "SIZE")]
    rate: Option<u64>,
    /// There and back over a watch's link, in ms.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    latency: u64,
    /// The probability that an upload's connection is cut, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = units::probability, value_name = "P")]
    cut: f64,
    /// How long a watch waits before it tries again, in seconds; a Retry-After counts up to it.
    #[arg(long, default_value_t = 1.0, value_parser = units::seconds, value_name = "SECONDS")]
    retry_after: f64,
    /// What watches, files and cuts come from: the same seed, the same files.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// End so long after the first upload began; what is not uploaded then stays on the watches. Ctrl-C does the same.
    #[arg(long, value_parser = units::seconds)]
    seconds: Option<f64>,
    /// Read nothing back.
    #[arg(long)]
    no_verify: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
    /// Believe the authorities in this PEM file, too.
    #[arg(long, value_name = "FILE")]
    trust_ca: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    /// One POST a file, as the app in the field does.
    Multipart,
}

/// Fails if something that was called safe is not, with the verdict.
#[tokio::main]
pub(super) async fn simulate(orders: &Orders) -> Result<(), Failure> {
    let fleet = orders.fleet()?;
    raise_handle_limit();
    let files = u64::from(fleet.watches) * u64::from(fleet.runs) * u64::from(fleet.cargo.files());
    // On a terminal only.
    let bar = ProgressBar::new(files).with_style(ProgressStyle::with_template(BAR)?);
    bar.enable_steady_tick(TICK);
    let report = fleet::run(fleet, bar.clone(), interruption()).await;
    bar.finish_and_clear();
    let report = report?;
    Findings { good: report.is_good(), verdict: report.verdict(), report: &report }.tell(orders.json)
}

/// Each watch has a connection. What cannot be raised shows when they are opened.
fn raise_handle_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Ready at the first Ctrl-C. The second ends the program.
async fn interruption() {
    let (send, first) = oneshot::channel();
    tokio::spawn(async move {
        let _ = ctrl_c().await;
        let _ = send.send(());
        let _ = ctrl_c().await;
        std::process::exit(INTERRUPTED);
    });
    let _ = first.await;
}

impl Orders {
    fn fleet(&self) -> Result<Fleet, Failure> {
        let cargo = match self.files {
            Some(files) => Cargo::Plain { files, size: self.file_size.try_into()? },
            None => Cargo::Recording { minutes: self.minutes },
        };
        let protocol = match self.protocol {
            Protocol::Multipart => fleet::Protocol::Multipart,
        };
        Ok(Fleet {
            server: self.server.clone(),
            trusted: certificates(self.trust_ca.as_deref())?,
            is_mine: self.yes_this_is_my_server,
            watches: self.watches,
            runs: self.runs,
            cargo,
            protocol,
            link: Quality { rate: self.rate, latency: Duration::from_millis(self.latency), cut: self.cut },
            retry_after: Duration::from_secs_f64(self.retry_after),
            seed: self.seed,
            at_most: self.seconds.map(Duration::from_secs_f64),
            login: self.grant_with.as_ref().or(self.read_with.as_ref()).map(|login| authorization(login)).transpose()?,
            grants: self.grant_with.is_some(),
            verifies: !self.no_verify,
        })
    }
}

/// A password on the command line is seen by everybody on the machine: it may come from elsewhere.
fn authorization(login: &str) -> Result<HeaderValue, Failure> {
    let mut login = login.to_owned();
    if !login.contains(':') {
        let mut password = String::new();
        io::stdin().read_line(&mut password)?;
        login = format!("{login}:{}", password.trim_end_matches(['\r', '\n']));
    }
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(login)))?;
    value.set_sensitive(true);
    Ok(value)
}
