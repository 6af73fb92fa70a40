//! Does the name lead anywhere, and does somebody answer there?

use std::{io, net::SocketAddr};

use futures_util::future::join_all;
use tokio::{net::TcpStream, time::timeout};

use super::finding::{Check, Finding};
use crate::outside::{PATIENCE, Server, resolve};

/// What came of an address.
type Tried = (SocketAddr, io::Result<()>);

/// Connects to every address of the name, as a watch might. Returns one that takes connections.
pub(super) async fn reach(server: &Server) -> (Finding, Option<SocketAddr>) {
    match resolve(server).await {
        Ok(addresses) => judge(&join_all(addresses.into_iter().map(connect)).await),
        Err(error) => {
            let says = format!("{} leads nowhere ({error}): look for a typing error, then at the name's DNS records", server.name);
            (Check::Address.fail(says), None)
        }
    }
}

fn judge(tried: &[Tried]) -> (Finding, Option<SocketAddr>) {
    let good: Vec<_> = tried.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(address, _)| *address).collect();
    let silent = |(address, outcome): &Tried| {
        let error = outcome.as_ref().err()?;
        // A machine without IPv6 cannot say how it stands with the server's.
        let tells = good.is_empty() || error.kind() != io::ErrorKind::NetworkUnreachable;
        tells.then(|| format!("{address} ({error})"))
    };
    let bad = tried.iter().filter_map(silent).collect::<Vec<_>>().join(", ");
    let taken = good.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let finding = match (good.is_empty(), bad.is_empty()) {
        (true, _) => Check::Address.fail(format!("nobody takes connections at {bad}: start the server, open the firewall")),
        (false, true) => Check::Address.ok(format!("{taken} takes connections")),
        (false, false) => Check::Address
            .warn(format!("{taken} takes connections, but not {bad}: a watch may try that first; mend it, or delete its DNS record")),
    };
    (finding, good.first().copied())
}

async fn connect(address: SocketAddr) -> Tried {
    let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
    (address, connected.map_err(|_| silent()).and_then(|connected| connected.map(drop)))
}

fn silent() -> io::Error {
    io::Error::other(format!("no answer within {} s", PATIENCE.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn verdict(outcomes: &[Option<io::ErrorKind>]) -> (Verdict, Option<u16>) {
        let tried =
            (1..).zip(outcomes).map(|(port, outcome)| (([127, 0, 0, 1], port).into(), outcome.map_or(Ok(()), |kind| Err(kind.into()))));
        let (finding, address) = judge(&tried.collect::<Vec<_>>());
        (finding.verdict, address.map(|address| address.port()))
    }

    #[test]
    fn each_address_of_a_name_must_take_connections() {
        use io::ErrorKind::{ConnectionRefused, NetworkUnreachable};
        assert_eq!(verdict(&[None, None]), (Verdict::Ok, Some(1)));
        assert_eq!(verdict(&[Some(ConnectionRefused), None]), (Verdict::Warn, Some(2)));
        assert_eq!(verdict(&[None, Some(NetworkUnreachable)]), (Verdict::Ok, Some(1)));
        assert_eq!(verdict(&[Some(NetworkUnreachable)]), (Verdict::Fail, None));
        assert_eq!(verdict(&[Some(ConnectionRefused)]), (Verdict::Fail, None));
    }
}
