//! `healthcheck`: asks the server on this machine whether it lives; for containers and scripts.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use clap::Args;
use http_body_util::{BodyExt, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{Arguments, Failure};
use crate::config;

/// Who asks has little patience: a server that needs longer has other troubles.
const PATIENCE: Duration = Duration::from_secs(3);

/// More than either answer has.
const ENOUGH: usize = 4096;

#[derive(Args)]
pub(super) struct Question {
    /// Ask whether it can take uploads now (/readyz). Not for whoever starts it anew upon a no: that makes no room on a disk.
    #[arg(long)]
    ready: bool,
}

/// Says in one line how the server is; fails unless it is well.
#[tokio::main(flavor = "current_thread")]
pub(super) async fn healthcheck(arguments: &Arguments, question: &Question) -> Result<(), Failure> {
    let address = reachable(listens_at(arguments)?);
    let path = if question.ready { "/readyz" } else { "/healthz" };
    let (status, body) = match timeout(PATIENCE, ask(address, path)).await {
        Ok(answer) => answer.map_err(|error| format!("http://{address}{path}: {error}"))?,
        Err(_) => return Err(format!("http://{address}{path}: no answer within {} s", PATIENCE.as_secs()).into()),
    };
    match status {
        StatusCode::OK => println!("{}", body.trim()),
        StatusCode::SERVICE_UNAVAILABLE => return Err(format!("not ready: {}", body.trim()).into()),
        other => return Err(format!("http://{address}{path}: {other}; is it another program that listens there?").into()),
    }
    Ok(())
}

fn listens_at(arguments: &Arguments) -> Result<SocketAddr, Failure> {
    match arguments.listen {
        Some(address) => Ok(address),
        None => config::check(&arguments.config)?.server.address().ok_or_else(|| "server.listen is no address".into()),
    }
}

/// Who listens everywhere listens on the loopback address, too.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

async fn ask(address: SocketAddr, path: &str) -> Result<(StatusCode, String), Failure> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _talking = AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender.send_request(Request::get(path).header(HOST, address.to_string()).body(String::new())?).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ENOUGH).collect().await.map_err(|error| error.to_string())?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_asked_on_the_loopback_address() {
        for (listens, asked) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80"), ("[::1]:8", "[::1]:8")]
        {
            assert_eq!(reachable(listens.parse().expect("an address")).to_string(), asked);
        }
    }
}
