//! From a server's name to a stream of bytes, encrypted or not.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::header::HeaderValue;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::lookup_host,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, Error, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

use super::Server;

/// How long a watch waits (OkHttp's defaults).
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a name may take.
const RESOLVING: Duration = Duration::from_secs(5);

/// What the app in the field calls itself. A firewall that turns unknown programs away must take us for one.
pub const WATCH: HeaderValue = HeaderValue::from_static("okhttp/3.13.1");

/// What is believed, and what is spoken.
pub type Encryption = Arc<ClientConfig>;

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Every address that a server's name leads to.
///
/// # Errors
/// If it leads nowhere.
pub async fn resolve(server: &Server) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = server.name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, server.port)]);
    }
    let silent = || io::Error::other(format!("no answer within {} s", RESOLVING.as_secs()));
    let found = timeout(RESOLVING, lookup_host((server.name.as_str(), server.port))).await.map_err(|_| silent())??;
    let mut addresses: Vec<_> = found.collect();
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// The public authorities. Those of Mozilla are near enough to those of Android.
#[must_use]
pub fn known_to_watches() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// HTTP/1.1 with whoever a watch believes, or these authorities.
///
/// # Errors
/// If there is no TLS of a version that we know.
pub fn believing(authorities: &[CertificateDer<'static>]) -> Result<Encryption, Error> {
    let mut roots = known_to_watches();
    roots.add_parsable_certificates(authorities.iter().cloned());
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
    let mut settings = builder.with_root_certificates(roots).with_no_client_auth();
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(settings))
}

/// Begins to speak TLS, with whoever has the server's name.
///
/// # Errors
/// If the other end does not, or is not believed.
pub async fn encrypt<S: Stream>(stream: S, server: &Server, encryption: Encryption) -> io::Result<TlsStream<S>> {
    let name = ServerName::try_from(server.name.clone()).map_err(io::Error::other)?;
    TlsConnector::from(encryption).connect(name, stream).await
}
