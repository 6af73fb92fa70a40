//! The list of devices: a page, and JSON.

use askama::Template;
use axum::{
    Json,
    extract::State,
    http::header::LINK,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::views::DeviceView;
use crate::{
    catalog::{Device, DeviceFilter, DeviceKey},
    http::{
        admin::{broken_key, cut, query_of, sought},
        error::Problem,
        extract::Params,
        html::{Page, filters},
        passwords::Admin,
        state::App,
    },
};

/// Devices on one page.
const PAGE: u32 = 50;
/// Devices in one answer to a script.
const JSON_PAGE: u32 = 1000;

/// Which devices, as an address says it. Fields that are empty say nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    q: String,
    state: String,
    after: String,
}

#[derive(Template)]
#[template(path = "admin/devices.html")]
pub struct DevicesPage {
    admin: Admin,
    search: Search,
    devices: Vec<DeviceView>,
    next: Option<String>,
}

impl Search {
    fn filter(&self) -> Result<DeviceFilter, Problem> {
        let revoked = match self.state.as_str() {
            "" => None,
            "in" => Some(false),
            "revoked" => Some(true),
            _ => return Err(Problem::field("state", "State", "write in or revoked, or nothing for both")),
        };
        Ok(DeviceFilter { text: sought("Name, alias or Android id", &self.q)?, revoked })
    }

    fn key(&self) -> Result<Option<DeviceKey>, Problem> {
        let parse = |text: &str| {
            let (at, id) = text.split_once('.')?;
            Some(DeviceKey { at: at.parse().ok()?, id: id.parse().ok()? })
        };
        if self.after.is_empty() {
            return Ok(None);
        }
        parse(&self.after).map(Some).ok_or_else(broken_key)
    }

    fn is_narrow(&self) -> bool {
        !self.q.trim().is_empty() || !self.state.is_empty()
    }

    fn query(&self, after: Option<&str>) -> String {
        query_of([("q", self.q.trim()), ("state", &self.state), ("after", after.unwrap_or_default())])
    }
}

pub async fn page(admin: Admin, State(app): State<App>, Params(search): Params<Search>) -> Result<Page<DevicesPage>, Problem> {
    let (devices, next) = find(&app, &search, PAGE).await?;
    Ok(Page(DevicesPage { admin, search, devices, next }))
}

/// An array; the address of the next page stands in the header `Link`, as RFC 8288 has it.
pub async fn json(_: Admin, State(app): State<App>, Params(search): Params<Search>) -> Result<Response, Problem> {
    let (devices, next) = find(&app, &search, JSON_PAGE).await?;
    let link = next.map(|key| [(LINK, format!("</api/v1/devices?{}>; rel=\"next\"", search.query(Some(&key))))]);
    Ok((axum::response::AppendHeaders(link.into_iter().flatten()), Json(devices)).into_response())
}

async fn find(app: &App, search: &Search, page: u32) -> Result<(Vec<DeviceView>, Option<String>), Problem> {
    // One more than is shown tells whether there is a next page.
    let mut found = app.handshake.devices(&search.filter()?, search.key()?, page + 1).await?;
    let next = cut(&mut found, page).map(DeviceKey::of).map(|key| format!("{}.{}", key.at, key.id));
    let standings = app.models.standings().await?;
    let view = |device: Device| {
        let standing = standings.get(&device.id).copied();
        DeviceView::of(device, standing)
    };
    Ok((found.into_iter().map(view).collect(), next))
}
