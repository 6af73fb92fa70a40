//! The command line: one file a command.

mod check;
mod clock;
mod doctor;
mod findings;
mod first_password;
mod hash_password;
mod healthcheck;
mod logging;
mod reindex;
mod reload;
mod rotate_secret;
mod serve;
mod simulate;
mod units;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use ipnet::IpNet;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::config::{Config, OpenError};

type Failure = Box<dyn std::error::Error>;

/// The exit code for a config that a person must mend (EX_CONFIG of sysexits.h): starting again would not help.
const BAD_CONFIG: u8 = 78;

/// Takes in what wearables record, and hands each recording on as one whole zip.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The config file; the first start writes it.
    #[arg(long, global = true, default_value = "conf/config.yml")]
    config: PathBuf,
    /// Listen here instead of where the config says; port 0 takes a free one.
    #[arg(long, global = true)]
    listen: Option<SocketAddr>,
    /// Show metrics here instead of where the config says; port 0 takes a free one.
    #[arg(long, global = true)]
    metrics_listen: Option<SocketAddr>,
    /// Believe the X-Forwarded-For of proxies in this network, too, such as 172.31.200.3/32 (several: again).
    #[arg(long, global = true, value_name = "NETWORK")]
    trust_proxy: Vec<IpNet>,
}

/// What the command line adds to the config, at the start and whenever the file is read anew.
fn over(mut config: Config, trusted: &[IpNet]) -> Config {
    config.server.trusted_proxies.extend(trusted.iter().map(IpNet::to_string));
    config
}

#[derive(Subcommand)]
enum Command {
    /// Serve (what happens without a command, too).
    Serve,
    /// Say everything that is wrong with the config, and change nothing.
    Check,
    /// Show which time the server uses, and whether it trusts this machine's clock.
    Clock {
        /// Confirm that this machine's clock is right, also while the server runs.
        #[arg(long)]
        confirm: bool,
    },
    /// Ask a running server what a watch will ask, and say what is wrong and what to do.
    Doctor(doctor::Questions),
    /// Send out a fleet of watches, read everything back that they brought, and say how quick and how safe it was.
    Simulate(Box<simulate::Orders>),
    /// Ask the server on this machine whether it lives; the exit code says so, too.
    Healthcheck(healthcheck::Question),
    /// Read a password from standard input and print its hash, for users in the config.
    HashPassword,
    /// Sign with a new secret from now on; the old one is kept, and no watch is cut off.
    RotateSecret,
    /// Compare the catalog with the disk and say what differs; with --apply, mend the catalog. No server may be running.
    Reindex {
        /// Mend the catalog.
        #[arg(long)]
        apply: bool,
    },
}

/// Reads the command line and runs one command. What went wrong is said on standard error.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        None | Some(Command::Serve) => serve::serve(&arguments),
        Some(Command::Check) => check::check(&arguments.config),
        Some(Command::Clock { confirm }) => clock::clock(&arguments.config, *confirm),
        Some(Command::Doctor(questions)) => doctor::doctor(questions),
        Some(Command::Simulate(orders)) => simulate::simulate(orders),
        Some(Command::Healthcheck(question)) => healthcheck::healthcheck(&arguments, question),
        Some(Command::HashPassword) => hash_password::hash_password(),
        Some(Command::RotateSecret) => rotate_secret::rotate_secret(&arguments.config),
        Some(Command::Reindex { apply }) => reindex::reindex(&arguments.config, *apply),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wearhouse: {error}");
            if is_for_a_person(&*error) { ExitCode::from(BAD_CONFIG) } else { ExitCode::FAILURE }
        }
    }
}

/// The authorities in a PEM file.
fn certificates(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|error| format!("{} is no PEM file: {error}", file.display()).into())
}

fn is_for_a_person(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(OpenError::Problems { .. } | OpenError::Missing { .. } | OpenError::WeakPassword))
}
