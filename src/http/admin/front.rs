//! `/`: what is here, and what waits for somebody.

use askama::Template;
use axum::extract::State;

use crate::{
    handshake::Handshake,
    http::{
        error::Problem,
        html::{Page, filters},
        passwords::Admin,
    },
    recordings::{Recordings, Totals},
    storage::{FreeSpace, Storage, blocking},
};

#[derive(Template)]
#[template(path = "admin/front.html")]
pub struct FrontPage {
    admin: Admin,
    totals: Totals,
    waiting: usize,
    devices: usize,
    disk: FreeSpace,
}

pub async fn page(
    admin: Admin,
    State(recordings): State<Recordings>,
    State(handshake): State<Handshake>,
    State(storage): State<Storage>,
) -> Result<Page<FrontPage>, Problem> {
    let waiting = handshake.requests().await?.iter().filter(|open| open.request.granted_at.is_none()).count();
    let disk = blocking(move || storage.space().free()).await??;
    Ok(Page(FrontPage { admin, totals: recordings.totals().await?, waiting, devices: handshake.devices().await?.len(), disk }))
}
