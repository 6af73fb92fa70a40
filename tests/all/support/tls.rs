//! What TLS adds to an nginx of the tests: a certificate of their own, and clients that trust it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::nginx::free_address;

/// A connection, encrypted or not.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// The certificate of an nginx, and where the server beside it listens that knows no TLS.
pub struct Tls {
    folder: TempDir,
    pub http: SocketAddr,
}

impl Tls {
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/dev-cert");
        let made = Command::new(script).arg("127.0.0.1").arg(folder.path()).status().expect("a script");
        assert!(made.success());
        Self { folder, http: free_address() }
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("fullchain.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("privkey.pem")
    }

    pub fn http_base(&self) -> String {
        format!("http://{}", self.http)
    }

    pub(super) async fn encrypt(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate()).expect("a certificate")).expect("trusted");
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a good certificate")
    }

    /// The options of a Java that trusts the certificate.
    pub fn java_options(&self) -> [String; 2] {
        let store = self.folder.path().join("trusted.p12");
        let mut keytool = Command::new("keytool");
        keytool.args(["-importcert", "-noprompt", "-alias", "house", "-storepass", "changeit", "-keystore"]).arg(&store);
        let output = keytool.arg("-file").arg(self.certificate()).output().expect("keytool");
        assert!(output.status.success(), "{output:?}");
        [format!("-Djavax.net.ssl.trustStore={}", store.display()), "-Djavax.net.ssl.trustStorePassword=changeit".to_owned()]
    }

    /// curl, with these arguments, and its answer with the head.
    pub async fn curl(&self, arguments: &[&str]) -> String {
        let mut curl = self.curl_command();
        let output = run(curl.args(arguments)).await;
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn curl_command(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-i", "--max-time", "30", "-H", "Expect:", "--cacert"]).arg(self.certificate());
        curl
    }

    /// A word with the server by `openssl s_client`: all that it says about the connection.
    pub async fn handshake(&self, address: SocketAddr, arguments: &[&str]) -> String {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &address.to_string(), "-CAfile"]).arg(self.certificate());
        let output = run(openssl.args(arguments)).await;
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat()
    }
}

/// Runs a command to its end beside the tests, whose server needs this thread.
async fn run(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("./scripts/test installs it");
    tokio::task::spawn_blocking(move || child.wait_with_output()).await.expect("no panic").expect("its output")
}
