//! A look at a server from outside: asks what a watch will ask, and says what is wrong and what to do about it.
//!
//! Each question has a file. One that makes no sense before another is right is not asked.

mod certificate;
mod clock;
mod connection;
mod finding;
mod handshake;
mod house;
mod plain_http;
mod question;
mod reach;
mod report;
mod stranger;
mod tls;
mod upload;

use tokio_rustls::rustls::pki_types::CertificateDer;

use self::connection::Door;
pub use self::{
    finding::{Check, Finding, Verdict},
    report::Report,
};
use crate::outside::Server;

/// Whom to look at, and what to know before.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Who is asked.
    pub server: Server,
    /// Authorities that are believed although a watch does not know them.
    pub trusted: Vec<CertificateDer<'static>>,
    /// The largest upload that must pass, in MiB.
    pub max_upload_mib: u64,
    /// Where plain HTTP is looked for.
    pub http_port: u16,
}

/// Asks everything that can be asked. Takes less than a minute, whoever answers or does not. Leaves nothing behind on the
/// server: no identifier is sent, and the token is made up.
pub async fn examine(visit: &Visit) -> Report {
    let mut report = Report::new(&visit.server);
    ask_in_order(visit, &mut report).await;
    report.complete();
    report
}

async fn ask_in_order(visit: &Visit, report: &mut Report) {
    let Some(address) = report.keep(reach::reach(&visit.server).await) else { return };
    let door = Door::new(&visit.server, address);
    if !tls::look(&door, visit, report).await {
        return;
    }
    let (plain, handshake) = tokio::join!(plain_http::ask(&door, visit), handshake::ask(&door));
    report.add(plain);
    let Some(answer) = report.keep(handshake) else { return };
    report.add(clock::compare(&answer));
    let (caching, uploads, house) = tokio::join!(handshake::caching(&door, &answer), upload::ask(&door, visit), house::ask(&door));
    report.add(caching);
    report.extend(uploads);
    report.extend(house);
}
