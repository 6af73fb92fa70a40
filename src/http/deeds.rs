//! Deeds: what people change is changed to its end and noted, also when nobody waits for the answer any more.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::Instrument;

use super::{error::Problem, state::App};

/// Lets a request that changes something run on a task of its own, which a stop waits for. Else the catalog may be closed, or the
/// connection cut, in the middle: between the ledger and the catalog, or between what was done and its line in the audit trail.
pub async fn to_its_end(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let deed = app.tasks.spawn(next.run(request).in_current_span());
    deed.await.unwrap_or_else(|error| Problem::internal(&error).into_response())
}
