//! Does the name lead anywhere, and does somebody answer there?

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use futures_util::future::join_all;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{
    connection::PATIENCE,
    finding::{Check, Report},
    server::Server,
};

/// Connects to every address of the name, as a watch might. Returns one that takes connections.
pub(super) async fn reach(server: &Server, report: &mut Report) -> Option<SocketAddr> {
    let addresses = match resolve(server).await {
        Ok(addresses) => addresses,
        Err(error) => {
            let name = &server.name;
            report.add(
                Check::Address.fail(format!("{name} leads nowhere ({error}): look for a typing error, then at the name's DNS records")),
            );
            return None;
        }
    };
    let outcomes = join_all(addresses.iter().map(|address| connect(*address))).await;
    let (good, bad): (Vec<_>, Vec<_>) = addresses.iter().zip(outcomes).partition(|(_, outcome)| outcome.is_ok());
    let good: Vec<SocketAddr> = good.into_iter().map(|(address, _)| *address).collect();
    let bad: Vec<String> = bad.into_iter().filter_map(|(address, outcome)| Some(format!("{address} ({})", outcome.err()?))).collect();
    report.add(match (good.is_empty(), bad.is_empty()) {
        (true, _) => Check::Address.fail(format!("nobody takes connections at {}: start the server, open the firewall", bad.join(", "))),
        (false, true) => Check::Address.ok(format!("{} takes connections", join(&good))),
        (false, false) => Check::Address.warn(format!(
            "{} takes connections, but not {}: a watch may try that first; mend it, or delete its DNS record",
            join(&good),
            bad.join(", ")
        )),
    });
    good.first().copied()
}

async fn resolve(server: &Server) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = server.name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, server.port)]);
    }
    let found = timeout(PATIENCE, lookup_host((server.name.as_str(), server.port))).await.map_err(|_| silent())??;
    let mut addresses: Vec<_> = found.collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

async fn connect(address: SocketAddr) -> io::Result<()> {
    timeout(PATIENCE, TcpStream::connect(address)).await.map_err(|_| silent())?.map(drop)
}

fn silent() -> io::Error {
    io::Error::other(format!("no answer within {} s", PATIENCE.as_secs()))
}

fn join(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
