//! `/`: what is here, and what waits for somebody.

use askama::Template;
use axum::extract::State;

use crate::{
    catalog::Counts,
    http::{
        error::Problem,
        html::{Page, filters},
        passwords::Admin,
    },
    recordings::{Recordings, Totals},
    storage::FreeSpace,
};

#[derive(Template)]
#[template(path = "admin/front.html")]
pub struct FrontPage {
    admin: Admin,
    totals: Totals,
    waiting: u64,
    devices: u64,
    quarantined: u64,
    disk: FreeSpace,
}

pub async fn page(admin: Admin, State(recordings): State<Recordings>) -> Result<Page<FrontPage>, Problem> {
    let (totals, disk) = (recordings.totals().await?, recordings.free_space().await?);
    let Counts { waiting, devices, revoked, quarantined, .. } = recordings.counts().await?;
    Ok(Page(FrontPage { admin, totals, waiting, devices: devices + revoked, quarantined, disk }))
}
