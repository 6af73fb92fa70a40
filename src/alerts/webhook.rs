//! Telling by webhook: one POST, as signed JSON or as ntfy takes it. The address is never said: who knows it may be let in by it.

use std::{error::Error, io};

use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sha2::Sha256;
use tokio::{net::TcpStream, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{
    AlertError, Surroundings,
    error::said,
    message::{Item, Message, hex},
};
use crate::{
    catalog::Millis,
    config::{AlertsConfig, WebhookFormat, webhook_server},
    outside::{Server, Stream, believing, encrypt, resolve},
};

const SIGNATURE: HeaderName = HeaderName::from_static("x-wearhouse-signature");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// ntfy makes a file of a longer text, in bytes (<https://docs.ntfy.sh/publish/#limitations>).
const NTFY_TEXT: usize = 4096;

/// Posts a message. Only a 2xx counts as told, and no redirect is followed.
pub(super) async fn post(message: &Message, config: &AlertsConfig, around: &Surroundings) -> Result<(), AlertError> {
    const NO_ADDRESS: AlertError = AlertError::Setting("no http:// or https:// address stands in alerts.webhook_url");
    let server = webhook_server(config.webhook_url.expose()).ok_or(NO_ADDRESS)?;
    let request = request(message, config, &server).ok_or(NO_ADDRESS)?;
    let silent = |_| AlertError::Silent { host: server.host(), seconds: around.patience.as_secs() };
    let answered = timeout(around.patience, ask(&server, request, around)).await.map_err(silent)?;
    let status = answered.map_err(|error| AlertError::Unreachable { host: server.host(), reason: said(config, &reason(&*error)) })?;
    if status.is_success() {
        return Ok(());
    }
    let hint = match status {
        _ if status.is_redirection() => ": write the address that it leads to into alerts.webhook_url",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": look at alerts.webhook_secret",
        StatusCode::NOT_FOUND => ": look at alerts.webhook_url",
        _ => "",
    };
    Err(AlertError::Webhook { host: server.host(), status: status.to_string(), hint })
}

fn reason(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// What is posted.
#[derive(Serialize)]
struct Body<'a> {
    alerts: &'a [Item],
    at: Millis,
}

fn request(message: &Message, config: &AlertsConfig, server: &Server) -> Option<Request<Full<Bytes>>> {
    let uri: hyper::Uri = config.webhook_url.expose().parse().ok()?;
    let path = uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
    let (headers, body) = match config.webhook_format {
        WebhookFormat::Json => json(message, config)?,
        WebhookFormat::Ntfy => ntfy(message, config)?,
    };
    let mut request = Request::post(path).body(Full::new(body)).ok()?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, HeaderValue::try_from(server.host()).ok()?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(concat!("wearhouse/", env!("CARGO_PKG_VERSION"))));
    request.headers_mut().insert(IDEMPOTENCY_KEY, HeaderValue::try_from(&message.key).ok()?);
    Some(request)
}

fn json(message: &Message, config: &AlertsConfig) -> Option<(HeaderMap, Bytes)> {
    let body = serde_json::to_vec(&Body { alerts: &message.items, at: message.at }).ok()?;
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let secret = config.webhook_secret.expose();
    if !secret.is_empty() {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).ok()?;
        mac.update(&body);
        headers.insert(SIGNATURE, HeaderValue::try_from(format!("sha256={}", hex(&mac.finalize().into_bytes()))).ok()?);
    }
    Some((headers, body.into()))
}

fn ntfy(message: &Message, config: &AlertsConfig) -> Option<(HeaderMap, Bytes)> {
    let mut headers = HeaderMap::new();
    let mut add = |name, value: &str| {
        headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).ok()?);
        Some(())
    };
    add("content-type", "text/plain; charset=utf-8")?;
    add("title", &message.title())?;
    add("priority", if message.is_urgent() { "high" } else { "default" })?;
    add("tags", if message.is_urgent() { "warning" } else { "watch" })?;
    if let Some(link) = message.items.first().and_then(|item| item.link.as_ref()) {
        add("click", link)?;
    }
    let token = config.webhook_secret.expose();
    if !token.is_empty() {
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
    }
    Some((headers, cut(message.text().trim_end(), NTFY_TEXT).into()))
}

/// The lines that fit into so many bytes.
fn cut(text: &str, most: usize) -> String {
    const REST: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most - REST.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let whole_lines = text[..end].rfind('\n').map_or(end, |end| end + 1);
    format!("{}{REST}", &text[..whole_lines])
}

async fn ask(server: &Server, request: Request<Full<Bytes>>, around: &Surroundings) -> Result<StatusCode, Box<dyn Error + Send + Sync>> {
    let stream = open(server, around).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _talking = AbortOnDropHandle::new(tokio::spawn(connection));
    Ok(sender.send_request(request).await?.status())
}

async fn open(server: &Server, around: &Surroundings) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(&*resolve(server).await?).await?;
    if !server.encrypted {
        return Ok(Box::new(stream));
    }
    let encryption = believing(&around.authorities).map_err(io::Error::other)?;
    Ok(Box::new(encrypt(stream, server, encryption).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_ends_with_a_whole_line() {
        let text = "ä watch is silent\n".repeat(300);
        let shown = cut(&text, NTFY_TEXT);
        assert!(shown.len() <= NTFY_TEXT && shown.len() > NTFY_TEXT - 30 && shown.ends_with("silent\n…"), "{}", shown.len());
        assert_eq!(cut("short", NTFY_TEXT), "short");
        assert!(cut(&"ä".repeat(5000), NTFY_TEXT).ends_with("ä…"));
    }
}
