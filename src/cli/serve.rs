//! `serve`: the server, from its config to its last request.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{Arguments, Failure, first_password, logging, over, reload};
use crate::{
    config::{self, Config, Settings, Source},
    server::{self, Listeners},
};

#[tokio::main]
pub(super) async fn serve(arguments: &Arguments) -> Result<(), Failure> {
    let path = &arguments.config;
    let chosen = if path.exists() { None } else { first_password::chosen()? };
    let (config, first) = config::open(path, chosen.as_ref())?;
    // Before anything can fail: the password stands nowhere else.
    if let Some(first) = first {
        first_password::hand_over(&first, path)?;
    }
    let config = over(config, &arguments.trust_proxy);
    let log = logging::start(&config.log);
    server::raise_handle_limit(&config.limits);
    // Before anybody is told that it runs: a signal that comes then must not end it.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    let public = arguments.listen.or(config.server.address()).ok_or("server.listen is no address")?;
    let public = listen(public).await.map_err(|error| format!("{error}; choose another address with --listen"))?;
    let metrics = match arguments.metrics_listen.or(config.metrics.address()) {
        Some(address) => listen(address).await.inspect_err(|error| tracing::warn!("no metrics: {error} (metrics.listen)")).ok(),
        None => None,
    };
    say(&format!("wearhouse listens on http://{}", public.local_addr()?));
    if let Some(metrics) = &metrics {
        say(&format!("metrics are at http://{}/metrics", metrics.local_addr()?));
    }
    let settings = Settings::from_file(config, source(arguments, log));
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::select! {
        served = server::run(settings.clone(), Listeners { public, metrics }, shutdown) => Ok(served?),
        () = reload::at_each(hangup, &settings) => Err("the signals of the operating system do not arrive any more".into()),
    }
}

/// The file, and what the command line adds to it whenever it is read.
fn source(arguments: &Arguments, log: logging::Log) -> Source {
    let trusted = arguments.trust_proxy.clone();
    Source::new(arguments.config.clone(), move |config: Config| over(config, &trusted), move |level| log.set_level(level))
}

/// Tells whoever started it; if nobody listens any more, that is no reason not to serve.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))
}
