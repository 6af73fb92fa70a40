//! Arguments that already mean something: parsed at the door, refused in our own words.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use axum::{
    extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, request::Parts},
};
use ipnet::IpNet;
use serde::de::DeserializeOwned;

use super::{error::Problem, state::App};

/// The query of an address, as `T`.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(Problem::malformed(format!("the query cannot be read: {}", error.body_text()))),
        }
    }
}

/// The same where a field may come several times.
pub struct ManyParams<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for ManyParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum_extra::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum_extra::extract::Query(params)) => Ok(Self(params)),
            Err(error) => Err(Problem::malformed(format!("the query cannot be read: {error}"))),
        }
    }
}

/// What a form sent, as `T`. A field may come several times.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum_extra::extract::Form::from_request(request, state).await {
            Ok(axum_extra::extract::Form(form)) => Ok(Self(form)),
            Err(error) => Err(Problem::malformed(format!("the form cannot be read: {error}; load the page again"))),
        }
    }
}

/// What a script sent as JSON, as `T`.
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(sent)) => Ok(Self(sent)),
            Err(error) => Err(Problem::malformed(format!("the JSON cannot be read: {}", error.body_text()))),
        }
    }
}

/// The one id in an address. What is no id names nothing: 404.
pub struct Id<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.ok().and_then(|Path(text)| text.parse().ok()).map(Self).ok_or_else(|| Problem::not_found("id"))
    }
}

/// The address of the client, for limits. It is kept nowhere.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
        Ok(Self(behind_proxies(peer.to_canonical(), &parts.headers, &app.settings.now().server.trusted_networks())))
    }
}

/// The nearest address that is not one of our proxies. What a stranger wrote further left in `X-Forwarded-For` counts for
/// nothing.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer;
    let values: Vec<_> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
    for hop in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        if !is_proxy(&nearest) {
            break;
        }
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        nearest = address.to_canonical();
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().expect("a header"));
        }
        let trusted = ["127.0.0.0/8".parse().expect("net"), "10.0.0.1/32".parse().expect("net")];
        behind_proxies(peer.parse().expect("an address"), &headers, &trusted).to_string()
    }

    #[test]
    fn only_what_a_trusted_proxy_added_is_believed() {
        assert_eq!(behind("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(behind("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(behind("127.0.0.1", &["6.6.6.6, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(behind("127.0.0.1", &["6.6.6.6", "198.51.100.1, 10.0.0.1"]), "198.51.100.1");
        assert_eq!(behind("127.0.0.1", &["rubbish"]), "127.0.0.1");
        assert_eq!(behind("127.0.0.1", &[]), "127.0.0.1");
    }
}
