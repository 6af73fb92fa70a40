//! `/`: who waits, what came in, what is missing, how the house is.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, http::HeaderMap};

use crate::{
    alerts::{Channel, Failure},
    catalog::{Arrivals, Counts, DAY, Millis, date_of},
    clock::ClockStatus,
    handshake::OpenRequest,
    http::{
        drawing::{Chart, Squares},
        error::Problem,
        html::{Page, filters},
        passwords::Admin,
        state::App,
    },
    models::Standing,
    recent::{self, LoggedError},
    recordings::{Recordings, Totals},
    runs::Missing,
    storage::FreeSpace,
};

/// Days in the drawing.
const DAYS: Millis = 14;
/// A disk that is full later is not full for as long as anybody plans.
const FAR: Millis = 100 * 365 * DAY;
/// Errors on the page.
const ERRORS: usize = 5;

#[derive(Template)]
#[template(path = "admin/front.html")]
pub struct FrontPage {
    admin: Admin,
    /// The number of the change at the door that the page shows.
    seen: u64,
    /// Who waits for a person.
    waiting: Vec<OpenRequest>,
    /// Where the machine's clock cannot be right, or must be confirmed.
    clock: Option<ClockStatus>,
    counts: Counts,
    totals: Totals,
    came: Came,
    disk: FreeSpace,
    full_at: Option<Millis>,
    missing: Arc<Missing>,
    /// Watches that run another model than they are to have.
    behind: usize,
    errors: Vec<LoggedError>,
    /// Ways of telling somebody that do not work.
    mute: Vec<Failure>,
    /// Where no watch was let in yet: what to type into one.
    first: Option<Invitation>,
}

/// What came in lately.
struct Came {
    today: (u64, u64),
    week: (u64, u64),
    chart: Chart,
}

/// How the first watch is connected.
struct Invitation {
    server: String,
    code: Option<Squares>,
}

pub async fn page(admin: Admin, State(app): State<App>, headers: HeaderMap) -> Result<Page<FrontPage>, Problem> {
    // Before the look: what changes meanwhile is looked at again.
    let seen = *app.handshake.changes().borrow();
    let (totals, disk, counts) = (app.recordings.totals().await?, app.recordings.free_space().await?, app.recordings.counts().await?);
    let waiting = app.handshake.requests().await?.into_iter().filter(|open| open.request.granted_at.is_none()).collect();
    let came = came(&app.recordings, app.timekeeping.now()).await?;
    let full_at = app.recordings.full_at(disk.bytes).await?.filter(|at| at - app.timekeeping.now() < FAR);
    let errors = recent::errors().into_iter().take(ERRORS).collect();
    let mute = [Channel::Mail, Channel::Webhook].into_iter().filter_map(|channel| app.alerts.last_error(channel)).collect();
    let missing = app.reader.missing();
    let behind = app.models.standings().await?.into_values().filter(|standing| *standing == Standing::Behind).count();
    let first = (counts.devices + counts.revoked == 0).then(|| invitation(&headers));
    let clock = Some(app.timekeeping.status()).filter(|status| status.fault.is_some());
    Ok(Page(FrontPage { admin, seen, waiting, clock, counts, totals, came, disk, full_at, missing, behind, errors, mute, first }))
}

/// The name under which the researcher's browser has found the server: a watch finds it under that, too.
fn invitation(headers: &HeaderMap) -> Invitation {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("this server's name");
    Invitation { code: Squares::of(host), server: host.to_owned() }
}

async fn came(recordings: &Recordings, now: Millis) -> Result<Came, Problem> {
    let today = now / DAY * DAY;
    let arrivals = recordings.arrivals(today - (DAYS - 1) * DAY).await?;
    let since = |day: Millis| {
        arrivals.iter().filter(|came| came.day >= day).fold((0, 0), |(files, bytes), came| (files + came.files, bytes + came.bytes))
    };
    let days = (0..DAYS).rev().map(|back| today - back * DAY);
    let bar = |day| {
        let came = arrivals.iter().find(|came| came.day == day).copied().unwrap_or(Arrivals { day, files: 0, bytes: 0 });
        let date = date_of(day);
        let files = if came.files == 1 { "1 file".to_owned() } else { format!("{} files", came.files) };
        (came.bytes, date.day().to_string(), format!("{date}: {files}, {}", filters::human_bytes(came.bytes)))
    };
    Ok(Came { today: since(today), week: since(today - 6 * DAY), chart: Chart::of(days.map(bar)) })
}
