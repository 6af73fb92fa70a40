//! The clock: what the server knows of it, and the operator's confirmation that it is right.

use axum::{Json, extract::State, response::Redirect};
use serde::Serialize;

use crate::{
    catalog::Millis,
    clock::{ClockStatus, Fault},
    http::{auth::Operator, error::Problem, passwords::Admin},
    timekeeping::Timekeeping,
};

/// The clock as JSON. Times in ms since 1970.
#[derive(Serialize)]
pub struct ClockView {
    /// What the machine's clock says.
    clock: Millis,
    /// The time that the server goes by.
    now: Millis,
    /// The newest time of the machine's clock that was trusted.
    newest: Option<Millis>,
    /// Whether the server goes by the machine's clock.
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

/// `POST /api/v1/clock/confirm`: the machine's clock is right.
pub async fn confirm(Operator(admin): Operator, State(timekeeping): State<Timekeeping>) -> Result<Json<ClockView>, Problem> {
    timekeeping.confirm(&admin.name).await?;
    Ok(Json(timekeeping.status().into()))
}

/// `POST /clock/confirm`.
pub async fn confirm_on_page(Operator(admin): Operator, State(timekeeping): State<Timekeeping>) -> Result<Redirect, Problem> {
    timekeeping.confirm(&admin.name).await?;
    Ok(Redirect::to("/#time-confirmed"))
}
