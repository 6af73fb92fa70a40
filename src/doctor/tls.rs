//! Does a watch get through the encryption, and what certificates is it shown?

use std::{io, sync::Arc, time::SystemTime};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme, SupportedProtocolVersion,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime},
        version::{TLS12, TLS13},
    },
};

use super::{
    Visit,
    certificate::{self, Authorities},
    connection::Door,
    finding::{Check, Finding},
    report::Report,
};
use crate::outside::{PATIENCE, Server, known_to_watches};

/// Every version that there is.
pub(super) const ALL: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// What a watch of before 2019 knows.
const OLD: &[&SupportedProtocolVersion] = &[&TLS12];

/// What OkHttp offers.
const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// Looks at the encryption. Whether there is any use in further questions.
pub(super) async fn look(door: &Door, visit: &Visit, report: &mut Report) -> bool {
    if !door.server.encrypted {
        report.extend(unencrypted(door));
        return true;
    }
    let (newest, old) = tokio::join!(greet(door, ALL), greet(door, OLD));
    let stream = match newest {
        Ok(stream) => stream,
        Err(error) => {
            report.add(Check::Tls.fail(format!("no TLS 1.2 or 1.3 on this port ({error}): look at listen … ssl and ssl_protocols")));
            return false;
        }
    };
    let (_, connection) = stream.get_ref();
    report.add(versions(connection.protocol_version(), connection.alpn_protocol(), old.is_ok()));
    let chain = connection.peer_certificates().unwrap_or_default();
    let authorities = Authorities { watches: known_to_watches(), operator: visit.trusted.clone() };
    report.extend(certificate::judge(chain, &visit.server, authorities, SystemTime::now()));
    true
}

fn unencrypted(door: &Door) -> Vec<Finding> {
    let tls = if door.address.ip().is_loopback() {
        Check::Tls.ok("plain http, which does not leave this machine")
    } else {
        Check::Tls.warn("recordings and tokens travel readable: put TLS in front, and https:// into the watches")
    };
    let others = [Check::Chain, Check::Name, Check::Validity, Check::Hsts];
    others.iter().map(|check| check.not_asked("only for https://")).chain([tls]).collect()
}

fn versions(newest: Option<ProtocolVersion>, protocol: Option<&[u8]>, old_one: bool) -> Finding {
    let newest = if newest == Some(ProtocolVersion::TLSv1_3) { "TLS 1.3" } else { "TLS 1.2" };
    let protocol = if protocol == Some(b"h2") { "HTTP/2" } else { "HTTP/1.1" };
    match (newest, old_one) {
        (_, false) => Check::Tls.fail("TLS 1.3 only: a watch with Android 9 or older knows 1.2 at most; ssl_protocols TLSv1.2 TLSv1.3"),
        ("TLS 1.3", true) => Check::Tls.ok(format!("TLS 1.3, 1.2 for older watches, {protocol}")),
        (newest, true) => Check::Tls.ok(format!("{newest}, {protocol}")),
    }
}

async fn greet(door: &Door, versions: &[&'static SupportedProtocolVersion]) -> io::Result<TlsStream<TcpStream>> {
    let greeting = async {
        let stream = TcpStream::connect(door.address).await?;
        let settings = settings(versions, PROTOCOLS).map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(settings)).connect(name(&door.server).map_err(io::Error::other)?, stream).await
    };
    timeout(PATIENCE, greeting).await.unwrap_or_else(|_| Err(io::Error::other("no answer")))
}

/// The name that a certificate must have.
pub(super) fn name(server: &Server) -> Result<ServerName<'static>, InvalidDnsNameError> {
    ServerName::try_from(server.name.clone())
}

/// A connection that takes any certificate: it is judged apart, so that a bad one does not hide what else is wrong. Nothing
/// secret is ever sent over it.
pub(super) fn settings(versions: &[&'static SupportedProtocolVersion], protocols: &[&[u8]]) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let mut settings = builder.dangerous().with_custom_certificate_verifier(Arc::new(TakesAny(provider))).with_no_client_auth();
    settings.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(settings)
}

/// Takes any certificate of somebody who has its key.
#[derive(Debug)]
struct TakesAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
