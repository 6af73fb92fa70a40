//! A fleet of watches without wearers: for operators who want to know what their machine bears, and for tests and benchmarks.
//!
//! Each watch does what one in the field does, over the same wire: it asks to be let in, records runs, and keeps each file
//! until it is told that it is safe. At the end everything is read back and held against what was sent.

mod client;
mod control;
mod desk;
mod link;
mod movement;
mod parcel;
mod protocol;
mod recording;
mod report;
mod tally;
mod verify;
mod watch;

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use hyper::header::HeaderValue;
use indicatif::ProgressBar;
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_rustls::rustls::pki_types::CertificateDer;

use self::{
    client::Road,
    desk::Desk,
    recording::{Identity, Maker},
    tally::Tally,
    watch::Watch,
};
pub use self::{
    link::Quality,
    protocol::Protocol,
    recording::Cargo,
    report::Report,
    verify::{Fault, Kind},
};
use crate::outside::{PATIENCE, Server, believing, resolve};

/// A link that loses nothing and takes no time.
const GOOD_LINK: Quality = Quality { rate: None, latency: Duration::ZERO, cut: 0.0 };

/// What a fleet is to do.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// Where the watches bring their files.
    pub server: Server,
    /// Authorities that are believed although a watch does not know them.
    pub trusted: Vec<CertificateDer<'static>>,
    /// Load a server that is not on this machine, too.
    pub is_mine: bool,
    /// How many watches.
    pub watches: u32,
    /// Runs of each.
    pub runs: u32,
    /// What a run consists of.
    pub cargo: Cargo,
    /// How the files are uploaded.
    pub protocol: Protocol,
    /// The link of each watch.
    pub link: Quality,
    /// How long a watch waits before it tries again; a `Retry-After` counts up to it.
    pub retry_after: Duration,
    /// What files and cuts come from.
    pub seed: u64,
    /// So long after the first upload began, what is not uploaded stays on the watches.
    pub at_most: Option<Duration>,
    /// The `Authorization` of a researcher.
    pub login: Option<HeaderValue>,
    /// Whether the researcher lets the watches in. Else somebody does so by hand.
    pub grants: bool,
    /// Whether everything is read back.
    pub verifies: bool,
}

/// Why a fleet came to nothing.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum FleetError {
    #[error("{0} is not this machine, and a fleet fills it with recordings: if it is yours, say --yes-this-is-my-server")]
    NotLoopback(Server),
    #[error("the server does not know this user with this password: look at --grant-with or --read-with")]
    WrongPassword,
    #[error("to read everything back, say who may: --grant-with or --read-with user:password; or --no-verify")]
    NoLogin,
    #[error("stopped before all watches were let in")]
    NotLetIn,
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the watches share.
struct Shared {
    fleet: Fleet,
    maker: Maker,
    tally: std::sync::Mutex<Tally>,
    desk: Option<Mutex<Desk>>,
    identifiers: BTreeSet<String>,
    bar: ProgressBar,
}

/// Sends out a fleet, and reads back what it brought. Shows on `bar` how far it is; when `stop` is ready, what is not uploaded
/// stays on the watches.
///
/// # Errors
/// If it does not come to uploads, or everything cannot be read back.
pub async fn run(fleet: Fleet, bar: ProgressBar, stop: impl Future<Output = ()>) -> Result<Report, FleetError> {
    if fleet.verifies && fleet.login.is_none() {
        return Err(FleetError::NoLogin);
    }
    let road = road(&fleet).await?;
    if let Some(login) = &fleet.login {
        Desk::new(&road, login).log_in().await?;
    }
    let shared = Arc::new(share(fleet, &road, bar)?);
    let took = sail(&shared, &road, std::pin::pin!(stop)).await?;
    let faults = if shared.fleet.verifies { Some(verify::read_back(&shared, &road).await?) } else { None };
    let tally = std::mem::take(&mut *shared.tally());
    Ok(Report::new(&shared.fleet, tally, took, faults))
}

async fn road(fleet: &Fleet) -> Result<Road, FleetError> {
    let server = fleet.server.clone();
    let addresses = resolve(&server).await.map_err(|error| FleetError::Refused(format!("{server} leads nowhere: {error}")))?;
    if !fleet.is_mine && !addresses.iter().all(|address| address.ip().to_canonical().is_loopback()) {
        return Err(FleetError::NotLoopback(server));
    }
    let encryption = server.encrypted.then(|| believing(&fleet.trusted)).transpose().map_err(io::Error::other)?;
    // IPv4 first, where `localhost` is both: more listen there.
    let address = addresses.into_iter().min().ok_or_else(|| FleetError::Refused(format!("{server} leads nowhere")))?;
    Ok(Road { server, address, encryption, quality: fleet.link, patience: PATIENCE })
}

fn share(fleet: Fleet, road: &Road, bar: ProgressBar) -> Result<Shared, FleetError> {
    let identifiers = (1..=fleet.watches).map(|number| Identity::new(fleet.seed, number).identifier()).collect();
    let desk = fleet.login.as_ref().filter(|_| fleet.grants).map(|login| Mutex::new(Desk::new(road, login)));
    Ok(Shared { maker: Maker::new(fleet.seed, fleet.cargo)?, tally: std::sync::Mutex::default(), desk, identifiers, bar, fleet })
}

/// All are let in, then all upload. Returns how long that took.
async fn sail(shared: &Arc<Shared>, road: &Road, mut stop: impl Future<Output = ()> + Unpin) -> Result<Duration, FleetError> {
    shared.bar.set_message("asking to be let in");
    let watches: Vec<_> = tokio::select! {
        watches = all_in(shared, road) => watches?,
        () = &mut stop => return Err(FleetError::NotLetIn),
    };
    shared.bar.reset_elapsed();
    shared.bar.set_message("uploading");
    let begin = Instant::now();
    let mut under_way: JoinSet<_> = watches.into_iter().map(Watch::upload).collect();
    tokio::select! {
        () = async { while under_way.join_next().await.is_some() {} } => {}
        () = stop => {}
        () = sleep(shared.fleet.at_most.unwrap_or(Duration::MAX)) => {}
    }
    let took = begin.elapsed();
    under_way.shutdown().await;
    Ok(took)
}

async fn all_in(shared: &Arc<Shared>, road: &Road) -> Result<Vec<Watch>, FleetError> {
    let mut asking: JoinSet<_> = (1..=shared.fleet.watches).map(|number| Watch::let_in(number, Arc::clone(shared), road.clone())).collect();
    let mut watches = Vec::new();
    while let Some(watch) = asking.join_next().await {
        watches.push(watch.map_err(io::Error::other)??);
    }
    Ok(watches)
}

impl Shared {
    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
