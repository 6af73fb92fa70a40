//! What a page that is open is told, as server-sent events: that something has changed. What, it reads on the page itself.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue},
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream::unfold};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    handshake::Handshake,
    http::{error::Problem, limits::Limits, passwords::Admin},
};

/// A proxy that hears nothing for a minute ends a connection; and whether a page is still there shows when it is written to.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Changes that come in this time are told as one.
const TOGETHER: Duration = Duration::from_millis(250);
/// nginx hands each event on at once.
const UNBUFFERED: (HeaderName, HeaderValue) = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// `GET /tokenauth/check/events`: `changed`, with the number of the change, at once and whenever the requests are others.
pub async fn requests(
    _: Admin,
    State(handshake): State<Handshake>,
    State(limits): State<Arc<Limits>>,
    State(stopping): State<CancellationToken>,
) -> Result<impl IntoResponse, Problem> {
    let place = limits.stream()?;
    let told = changes(handshake.changes(), stopping, place);
    Ok(([UNBUFFERED], Sse::new(told).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))))
}

/// Ends with `until`. `place` is held as long.
fn changes<P>(mut changes: watch::Receiver<u64>, until: CancellationToken, place: P) -> impl Stream<Item = Result<Event, Infallible>> {
    changes.mark_changed();
    unfold((changes, until, place, true), async |(mut changes, until, place, is_first)| {
        let pause = if is_first { Duration::ZERO } else { TOGETHER };
        let next = async {
            tokio::time::sleep(pause).await;
            changes.changed().await.ok()
        };
        until.run_until_cancelled(next).await??;
        let number = *changes.borrow_and_update();
        Some((Ok(Event::default().event("changed").data(number.to_string())), (changes, until, place, false)))
    })
}
