//! The clock: what the server knows of it, and the operator's confirmation that it is right.

use axum::{Json, extract::State, response::Redirect};
use serde::{Deserialize, Serialize};

use crate::{
    catalog::Millis,
    clock::{ClockStatus, Fault},
    http::{
        auth::Operator,
        error::Problem,
        extract::{Form, Sent},
        passwords::Admin,
    },
    timekeeping::Timekeeping,
};

/// The clock as JSON. Times in ms since 1970.
#[derive(Serialize)]
pub struct ClockView {
    /// What the machine's clock says.
    clock: Millis,
    /// The time that the server uses.
    now: Millis,
    /// The newest time of the machine's clock that was trusted.
    newest: Option<Millis>,
    /// Whether the server uses the machine's clock.
    trusted: bool,
    /// `behind`, `ahead`, or nothing that can be told.
    fault: Option<&'static str>,
}

impl From<ClockStatus> for ClockView {
    fn from(status: ClockStatus) -> Self {
        let ClockStatus { wall: clock, now, newest, is_trusted: trusted, fault } = status;
        Self { clock, now, newest, trusted, fault: fault.map(Fault::as_str) }
    }
}

/// `GET /api/v1/clock`.
pub async fn json(_: Admin, State(timekeeping): State<Timekeeping>) -> Json<ClockView> {
    Json(timekeeping.status().into())
}

/// The time that an operator has seen on the machine's clock, in ms since 1970: what is confirmed is this one and no later step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenTime {
    clock: Millis,
}

/// `POST /api/v1/clock/confirm`: the machine's clock is right.
pub async fn confirm(
    Operator(admin): Operator,
    State(timekeeping): State<Timekeeping>,
    Sent(seen): Sent<SeenTime>,
) -> Result<Json<ClockView>, Problem> {
    timekeeping.confirm(seen.clock, &admin.name).await?;
    Ok(Json(timekeeping.status().into()))
}

/// `POST /clock/confirm`.
pub async fn confirm_on_page(
    Operator(admin): Operator,
    State(timekeeping): State<Timekeeping>,
    Form(seen): Form<SeenTime>,
) -> Result<Redirect, Problem> {
    timekeeping.confirm(seen.clock, &admin.name).await?;
    Ok(Redirect::to("/#time-confirmed"))
}
