//! What Wearhouse says of itself, and what it must not say to everybody.

use futures_util::future::join_all;
use hyper::{StatusCode, header::STRICT_TRANSPORT_SECURITY};
use serde_json::{Map, Value};

use super::{
    connection::{Answer, Door},
    finding::{Check, Finding},
    question::get,
    stranger,
};

/// What nobody may read from outside.
const PRIVATE: [&str; 3] = ["/uploads/.house/", "/uploads/.house/catalog.sqlite", "/metrics"];

/// An address that everybody may read, for what stands in the head of every good answer.
const OPEN: &str = "/static/style.css";

pub(super) async fn ask(door: &Door) -> Vec<Finding> {
    let (alive, ready, private, hsts) =
        tokio::join!(health(door, Check::Alive, "/healthz"), health(door, Check::Ready, "/readyz"), private(door), hsts(door));
    [Some(alive), Some(ready), Some(private), hsts].into_iter().flatten().collect()
}

async fn health(door: &Door, check: Check, path: &'static str) -> Finding {
    match door.ask(get(path)).await {
        Ok(answer) if answer.status == StatusCode::OK && !stranger::is_page(&answer) => check.ok("all is well"),
        Ok(answer) if answer.status.is_server_error() => check.fail(ailing(&answer)),
        Ok(_) => check.warn(format!("{path} is not there: an older Wearhouse, or the proxy keeps it to itself")),
        Err(error) => check.fail(format!("{error}: look at Wearhouse's log")),
    }
}

/// What is not `ok` among the things that `/readyz` names.
fn ailing(answer: &Answer) -> String {
    let Ok(parts) = serde_json::from_str::<Map<String, Value>>(&answer.body) else { return stranger::describe(answer) };
    let bad = parts.iter().filter(|(_, state)| *state != "ok").map(|(part, state)| format!("{part}: {state}"));
    format!("Wearhouse takes nothing now ({}): its log says more", bad.collect::<Vec<_>>().join(", "))
}

async fn private(door: &Door) -> Finding {
    let answers = join_all(PRIVATE.iter().map(|path| door.ask(get(path)))).await;
    let read: Vec<_> = PRIVATE.iter().zip(answers).filter(|(_, answer)| answer.as_ref().is_ok_and(|a| a.status.is_success())).collect();
    let read: Vec<_> = read.into_iter().map(|(path, _)| *path).collect();
    if read.is_empty() {
        Check::Private.ok("catalog, quarantine and metrics cannot be read from here")
    } else {
        Check::Private.fail(format!("anybody can read {}: take its location, root or alias out of the proxy", read.join(", ")))
    }
}

async fn hsts(door: &Door) -> Option<Finding> {
    if !door.server.encrypted {
        return None;
    }
    let answer = door.ask(get(OPEN)).await.ok()?;
    Some(if answer.headers.contains_key(STRICT_TRANSPORT_SECURITY) {
        Check::Hsts.ok("browsers are told to come over https only")
    } else {
        Check::Hsts.warn("a browser may be led over plain http: add_header Strict-Transport-Security \"max-age=31536000\" always;")
    })
}
