//! `server`: where to listen, and whom to believe.

use std::{net::SocketAddr, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Report;
use crate::outside::Server;

/// The section `server`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerConfig {
    /// Address and port, as text: see [`ServerConfig::address`].
    pub listen: String,
    /// Where researchers reach this server, for links in what is sent to them; empty where that is not said.
    pub public_url: String,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// How long requests under way may take to end when the server stops, seconds.
    pub stop_seconds: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            public_url: String::new(),
            trusted_proxies: vec!["127.0.0.1/32".to_owned(), "::1/128".to_owned()],
            stop_seconds: 30,
        }
    }
}

impl ServerConfig {
    /// The address to listen on; `None` if the text is none.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// The trusted networks; a text that is none is left out.
    #[must_use]
    pub fn trusted_networks(&self) -> Vec<IpNet> {
        self.trusted_proxies.iter().filter_map(|text| network(text)).collect()
    }

    /// The link to a page; `None` where it is not said how researchers reach this server.
    #[must_use]
    pub fn link(&self, path: &str) -> Option<String> {
        (!self.public_url.is_empty()).then(|| format!("{}{path}", self.public_url.trim().trim_end_matches('/')))
    }

    /// How long requests under way may take to end when the server stops.
    #[must_use]
    pub fn stop_time(&self) -> Duration {
        Duration::from_secs(self.stop_seconds)
    }

    pub(super) fn validate(&self, report: &mut Report) {
        if self.address().is_none() {
            report.say("server.listen", "write an address and a port, for example 127.0.0.1:8080 or [::]:8080");
        }
        if !self.public_url.is_empty() && self.public_url.parse::<Server>().is_err() {
            report.say("server.public_url", "write an address without a path, for example https://study.example.org, or \"\" for none");
        }
        report.range("server.stop_seconds", self.stop_seconds, 1..=3600);
        for (index, text) in self.trusted_proxies.iter().enumerate() {
            if network(text).is_none() {
                report.say(format!("server.trusted_proxies[{index}]"), "write an address or a network, for example 10.0.0.0/8");
            }
        }
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into()))
}
