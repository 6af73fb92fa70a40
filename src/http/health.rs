//! `/healthz` and `/readyz`: whether the program lives, and whether it can do its work. A stranger learns no more than that.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    recordings::{Health, Recordings},
    timekeeping::Timekeeping,
};

/// So long an answer is good for everybody: whoever asks often costs nothing.
const FRESH: Duration = Duration::from_secs(1);

/// The last look at the house.
pub type LastLook = Arc<Mutex<Option<(Instant, Health)>>>;

/// `GET /healthz`: the program lives. 200.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 if uploads can be taken, else 503; with what is failing. Uploads are taken whatever the clock says.
pub async fn readyz(
    State(recordings): State<Recordings>,
    State(timekeeping): State<Timekeeping>,
    State(last): State<LastLook>,
) -> (StatusCode, Json<Value>) {
    let mut last = last.lock().await;
    let health = match *last {
        Some((at, health)) if at.elapsed() < FRESH => health,
        _ => {
            let health = recordings.health().await;
            *last = Some((Instant::now(), health));
            health
        }
    };
    let status = if health.is_good() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |good| if good { "ok" } else { "failing" };
    let clock = timekeeping.status().is_trusted;
    let parts = json!({
        "catalog": word(health.catalog),
        "disk": word(health.disk),
        "roller": word(health.roller),
        "clock": word(clock),
    });
    (status, Json(parts))
}
