//! The program: reads the command line, starts logging, runs one command.

use std::{
    io::{BufRead, IsTerminal},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use wearhouse::{
    catalog::Catalog,
    config::{self, Config, FirstPassword, Secret},
    handshake::Signer,
    recordings::{Reindex, Shelves},
    server,
    storage::{self, Layout, RealDisk, Storage, write_over},
};

type Failure = Box<dyn std::error::Error>;

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
}

#[derive(Subcommand)]
enum Command {
    /// Serve (what happens without a command, too).
    Serve,
    /// Say everything that is wrong with the config, and change nothing.
    Check,
    /// Read a password from standard input and print its hash, for users in the config.
    HashPassword,
    /// Compare the catalog with the disk and say what differs; with --apply, mend the catalog. No server may be running.
    Reindex {
        /// Mend the catalog.
        #[arg(long)]
        apply: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wearhouse: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        None | Some(Command::Serve) => serve(arguments),
        Some(Command::Check) => check(&arguments.config),
        Some(Command::HashPassword) => hash_password(),
        Some(Command::Reindex { apply }) => reindex(&arguments.config, *apply),
    }
}

#[tokio::main]
async fn serve(arguments: &Arguments) -> Result<(), Failure> {
    let chosen = std::env::var("WEARHOUSE_ADMIN_PASSWORD").ok().filter(|text| !text.is_empty()).map(Secret::new);
    let (config, first) = config::open(&arguments.config, chosen.as_ref())?;
    // Before anything can fail: the password stands nowhere else.
    if let Some(first) = first {
        hand_over(&first, &arguments.config)?;
    }
    start_logging(config.log.level.as_str());
    server::raise_handle_limit();
    let address = arguments.listen.or(config.server.address()).ok_or("server.listen is no address")?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; choose another address with --listen"))?;
    println!("wearhouse listens on http://{}", listener.local_addr()?);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(server::run(config, listener, shutdown).await?)
}

/// Shows the first password to a person; where nobody is looking, leaves it in a file that only this user can read.
fn hand_over(first: &FirstPassword, config: &Path) -> Result<(), Failure> {
    let Some(password) = &first.password else {
        println!("wrote {}; log in as {} with the password from WEARHOUSE_ADMIN_PASSWORD", config.display(), first.user);
        return Ok(());
    };
    if std::io::stdout().is_terminal() {
        println!("wrote {}; log in as {} with the password {}  (it is not shown again)", config.display(), first.user, password.expose());
        return Ok(());
    }
    let path = config.with_file_name("initial-password");
    write_over(&RealDisk, &path, format!("{}\n", password.expose()).as_bytes(), 0o600)?;
    println!("wrote {}; log in as {} with the password in {} (delete that file then)", config.display(), first.user, path.display());
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn check(path: &Path) -> Result<(), Failure> {
    let config = config::check(path)?;
    let layout = Layout::new(&config.storage.uploads);
    storage::look_at(&layout)?;
    if layout.catalog().exists() {
        let fingerprints = Signer::new(&config.security).fingerprints();
        let locked_out = Catalog::peek_signed_by_others(&layout.catalog(), &fingerprints).await?;
        if locked_out > 0 {
            return Err(format!(
                "security: {locked_out} devices hold tokens signed with a secret that is not in the file; put it into previous_secrets, or somebody has to walk to each of them"
            )
            .into());
        }
    }
    println!("{} is good", path.display());
    Ok(())
}

fn hash_password() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        eprintln!("type the password and press Enter (it is shown):");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("no password on standard input; for example: echo 'a long password' | wearhouse hash-password".into());
    }
    println!("{}", config::hash_password(&Secret::new(password)));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn reindex(path: &Path, apply: bool) -> Result<(), Failure> {
    let config: Config = config::check(path)?;
    start_logging("warn");
    let storage = Storage::open(Layout::new(&config.storage.uploads), Arc::new(RealDisk), config.storage.reserve())?;
    let _lock = storage.lock()?;
    let catalog = Catalog::open(&storage.layout().catalog(), config.limits.quota()).await?;
    let reindex = Reindex::new(Shelves::new(catalog.clone(), storage));
    let findings = reindex.look().await?;
    let mut failed = 0;
    for finding in &findings {
        println!("{finding}");
        if apply && let Err(error) = reindex.apply(finding).await {
            println!("  left as it is: {error}");
            failed += 1;
        }
    }
    catalog.close().await;
    match (findings.len(), apply) {
        (0, _) => println!("disk and catalog agree"),
        (found, false) => println!("{found} differences; nothing was changed (--apply mends the catalog)"),
        (found, true) => println!("{} of {found} differences mended or left alone as said, {failed} failed", found - failed),
    }
    Ok(())
}

fn start_logging(level: &str) {
    let filter = EnvFilter::try_new(format!("{level},sqlx=warn,hyper=warn")).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).init();
}
