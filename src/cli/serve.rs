//! `serve`: the server, from its config to its last request.

use std::{io::IsTerminal, net::SocketAddr, path::Path};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{Failure, logging};
use crate::{
    config::{self, FirstPassword, Secret},
    server,
    storage::{RealDisk, write_over},
};

#[tokio::main]
pub(super) async fn serve(path: &Path, listen: Option<SocketAddr>) -> Result<(), Failure> {
    let chosen = std::env::var("WEARHOUSE_ADMIN_PASSWORD").ok().filter(|text| !text.is_empty()).map(Secret::new);
    let (config, first) = config::open(path, chosen.as_ref())?;
    // Before anything can fail: the password stands nowhere else.
    if let Some(first) = first {
        hand_over(&first, path)?;
    }
    logging::start(config.log.level.as_str());
    server::raise_handle_limit(&config.limits);
    let address = listen.or(config.server.address()).ok_or("server.listen is no address")?;
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
