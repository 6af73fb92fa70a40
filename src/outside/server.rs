//! Who is asked: what stands in a watch's settings.

use std::{fmt, net::IpAddr, str::FromStr};

use hyper::Uri;

/// A server by its address, as in `https://wearhouse.example.org`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Whether it is asked over TLS.
    pub encrypted: bool,
    /// Its name, or an IP address without brackets.
    pub name: String,
    /// The port.
    pub port: u16,
}

/// Not the address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write the server's address as a watch has it, such as https://wearhouse.example.org, without a path")]
pub struct NoServer;

impl Server {
    /// The `Host` of a request: the name, and the port where it is not the usual one.
    #[must_use]
    pub fn host(&self) -> String {
        self.host_at(self.port)
    }

    /// The same server, asked over plain HTTP on another port.
    #[must_use]
    pub fn unencrypted(&self, port: u16) -> Self {
        Self { encrypted: false, name: self.name.clone(), port }
    }

    fn host_at(&self, port: u16) -> String {
        let name = match self.name.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.name.clone(),
        };
        if port == usual_port(self.encrypted) { name } else { format!("{name}:{port}") }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.encrypted { "https" } else { "http" }, self.host())
    }
}

impl FromStr for Server {
    type Err = NoServer;

    fn from_str(text: &str) -> Result<Self, NoServer> {
        let uri: Uri = text.trim().parse().map_err(|_| NoServer)?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(NoServer),
        };
        let authority = uri.authority().ok_or(NoServer)?;
        if authority.as_str().contains('@') || uri.path_and_query().is_some_and(|path| path.as_str() != "/") {
            return Err(NoServer);
        }
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(usual_port(encrypted));
        if name.is_empty() { Err(NoServer) } else { Ok(Self { encrypted, name, port }) }
    }
}

const fn usual_port(encrypted: bool) -> u16 {
    if encrypted { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        text.parse::<Server>().map_or_else(|error| error.to_string(), |server| format!("{server} {} {}", server.name, server.port))
    }

    #[test]
    fn an_address_is_read_as_a_watch_has_it() {
        assert_eq!(read("https://Wearhouse.example.org/"), "https://wearhouse.example.org wearhouse.example.org 443");
        assert_eq!(read("http://wearhouse.example.org:8080"), "http://wearhouse.example.org:8080 wearhouse.example.org 8080");
        assert_eq!(read("https://[2001:db8::1]:8443"), "https://[2001:db8::1]:8443 2001:db8::1 8443");
        assert_eq!(read("https://name:443"), "https://name name 443");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in ["", "wearhouse.example.org", "ftp://name", "https://name/wearhouse/", "https://name/?a", "https://me:pw@name"] {
            assert_eq!(text.parse::<Server>(), Err(NoServer), "{text}");
        }
    }
}
