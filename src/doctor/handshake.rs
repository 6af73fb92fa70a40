//! Is it Wearhouse that answers a watch, without anybody in between who changes or remembers what it says?

use hyper::{Method, StatusCode, header::CACHE_CONTROL};

use super::{
    connection::{Answer, Door},
    finding::{Check, Finding},
    question::{HANDSHAKE, get, request},
    stranger,
};

/// Asks to be let in, without saying who: Wearhouse refuses that in the wire's voice and keeps nothing.
pub(super) async fn ask(door: &Door) -> (Finding, Option<Answer>) {
    let answer = match door.ask(get(HANDSHAKE)).await {
        Ok(answer) => answer,
        Err(error) => {
            return (Check::Handshake.fail(format!("{error}: look whether Wearhouse and the proxy run, and at their logs")), None);
        }
    };
    match (answer.status, answer.refusal()) {
        (StatusCode::BAD_REQUEST, Some(_)) => (Check::Handshake.ok("Wearhouse answers, and nobody comes in between"), Some(answer)),
        (status, Some(msg)) => (Check::Handshake.fail(format!("Wearhouse answers {}: {msg}", status.as_u16())), None),
        (_, None) => (Check::Handshake.fail(stranger::describe(&answer)), None),
    }
}

/// A token is handed out once. Whoever remembers an answer, or asks twice, takes it from a watch.
pub(super) async fn caching(door: &Door, first: &Answer) -> Finding {
    let kept_out = first.header(CACHE_CONTROL).is_some_and(|value| value.contains("no-store"));
    let head = door.ask(request(Method::HEAD, HANDSHAKE)).await;
    match (kept_out, head) {
        (true, Ok(head)) if head.status == StatusCode::METHOD_NOT_ALLOWED => {
            Check::Caching.ok("answers are not to be stored, and HEAD is not made a GET")
        }
        (true, _) => Check::Caching.warn("HEAD is not refused with 405: a cache in front makes a GET of it; no proxy_cache for Wearhouse"),
        (false, _) => Check::Caching
            .fail("Cache-Control: no-store is taken off on the way: a cache may give one watch's token to another; proxy_cache off;"),
    }
}
