//! A small nginx before a house: as it should be, or with one line of it changed.

use std::net::SocketAddr;

use tempfile::TempDir;

use super::{made::Made, run::Said};
use crate::support::{House, Nginx, free_address};

/// As it should be. What stands in capitals is filled in.
const GOOD: &str = "
server {
    listen TLS ssl;
    ssl_certificate FOLDER/chain.pem;
    ssl_certificate_key FOLDER/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    access_log off;
    client_max_body_size 4096m;
    proxy_request_buffering off;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    add_header Strict-Transport-Security 'max-age=31536000' always;
    location / { proxy_pass http://HOUSE; }
}
server {
    listen PLAIN;
    access_log off;
    location / { return 308 https://$host$request_uri; }
}
";

pub struct Front {
    pub house: House,
    pub tls: SocketAddr,
    pub plain: SocketAddr,
    root: String,
    _nginx: Nginx,
    _folder: TempDir,
}

impl Front {
    pub async fn good() -> Self {
        Self::start(Made::good(), "", "").await
    }

    /// With other certificates.
    pub async fn showing(made: Made) -> Self {
        Self::start(made, "", "").await
    }

    /// With `line` replaced by `other`.
    pub async fn broken(line: &str, other: &str) -> Self {
        assert_eq!(GOOD.matches(line).count(), 1, "{line}");
        Self::start(Made::good(), line, other).await
    }

    async fn start(made: Made, line: &str, other: &str) -> Self {
        let (house, folder) = (House::start().await, TempDir::new().expect("a folder"));
        let root = made.write(folder.path()).display().to_string();
        let (tls, plain) = (free_address(), free_address());
        let configuration = if line.is_empty() { GOOD.to_owned() } else { GOOD.replace(line, other) };
        let configuration = configuration
            .replace("TLS ssl", &format!("{tls} ssl"))
            .replace("PLAIN", &plain.to_string())
            .replace("HOUSE", &house.address.to_string())
            .replace("FOLDER", &folder.path().display().to_string());
        let nginx = Nginx::with_configuration(tls, &configuration).await;
        Self { house, tls, plain, root, _nginx: nginx, _folder: folder }
    }

    /// The arguments with which the program looks at this server, and believes its authority.
    pub fn arguments(&self) -> Vec<String> {
        [self.strangers_arguments(), vec!["--trust-ca".to_owned(), self.root.clone()]].concat()
    }

    fn strangers_arguments(&self) -> Vec<String> {
        vec![format!("https://{}", self.tls), "--http-port".to_owned(), self.plain.port().to_string()]
    }

    /// What the program says of it, believing its authority.
    pub async fn examined(&self) -> Said {
        said(&self.arguments()).await
    }

    /// What the program says of it, believing whom a watch believes.
    pub async fn examined_by_a_stranger(&self) -> Said {
        said(&self.strangers_arguments()).await
    }
}

async fn said(arguments: &[String]) -> Said {
    Said::by(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
}
