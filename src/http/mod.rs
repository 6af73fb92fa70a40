//! The only floor that knows axum, askama and status codes. Every address of the house is on this page.

mod admin;
mod argon;
mod assets;
mod auth;
mod deeds;
mod delivery;
mod device;
mod drawing;
mod error;
mod exposition;
mod extract;
mod gatekeeper;
mod health;
mod html;
mod limits;
mod markdown;
mod observe;
mod passwords;
mod rate;
mod state;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{Next, from_fn, from_fn_with_state, map_response},
    response::IntoResponse,
    routing::{MethodRouter, any, delete, get, post},
};
use tower_http::csrf::CsrfLayer;

pub use self::{
    admin::settings::Drafts,
    limits::{AtOnce, Limits, customer},
    observe::observed,
    passwords::Passwords,
    state::{App, Rooms},
};
use self::{
    admin::{audit, clock, devices, front, live, missing, models, participants, quarantine, recordings, requests, settings, trash},
    deeds::to_its_end,
    error::{Problem, in_a_page, in_json, in_the_callers_voice, in_the_wires_voice},
    observe::{route_of, with_its_route},
};

/// How soon to come again to a server that stops, in seconds.
const STOPPING: u32 = 10;

/// Every address, grouped by who calls it.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(gate())
        .merge(open())
        .fallback(gatekeeper::fallback)
        .layer(from_fn(in_the_callers_voice))
        // These have a voice of their own.
        .merge(devices_api())
        .merge(api(app.clone()))
        .merge(pages(app.clone()))
        .layer(from_fn(with_its_route))
        .merge(watch())
        .with_state(app)
}

/// What stands on the metrics' own listener.
pub fn metrics_router(app: App) -> Router {
    Router::new().route("/metrics", get(exposition::metrics)).layer(map_response(in_json)).layer(from_fn(with_its_route)).with_state(app)
}

/// What every address says while the server stops.
pub fn closed_router() -> Router {
    let come_again = || async { Problem::unavailable("the server is stopping; keep your files and try again in a moment", STOPPING) };
    let watch =
        Router::new().route("/tokenauth/request/", any(come_again)).route("/recording/new/", any(come_again)).layer(from_fn(to_a_watch));
    Router::new().fallback(come_again).layer(from_fn(in_the_callers_voice)).layer(map_response(gatekeeper::no_store)).merge(watch)
}

/// What the app in the field calls. A HEAD would run the handler, and collect a token that nobody reads.
fn watch() -> Router<App> {
    let not_head = |routes: MethodRouter<App>| routes.head(|| async { Problem::method_not_allowed() });
    Router::new()
        .route("/tokenauth/request/", not_head(get(device::handshake::ask)))
        .route("/tfmodel/check/latest/", get(device::models::check))
        .route("/tfmodel/get/latest/", get(device::models::latest))
        .route("/tfmodel/get/settings/", get(device::models::settings))
        .route("/recording/new/", not_head(get(device::upload::new_dataset)).post(device::upload::upload))
        .layer(from_fn(to_a_watch))
}

/// How a watch is treated. One layer, since each costs memory as long as a slow upload lasts.
async fn to_a_watch(request: Request, next: Next) -> impl IntoResponse {
    let route = route_of(&request);
    let response = Box::pin(next.run(device::linger(request).await)).await;
    (route, gatekeeper::no_store(in_the_wires_voice(response).await).await)
}

/// What new clients on watches call.
fn devices_api() -> Router<App> {
    Router::new()
        .route("/api/v1/models/current", get(device::models::current))
        .route("/api/v1/models/current/settings", get(device::models::current_settings))
        .layer(map_response(in_json))
}

/// What scripts of researchers and operators call.
fn api(app: App) -> Router<App> {
    Router::new()
        .route("/api/v1/requests", get(requests::list))
        .route("/api/v1/requests/{id}", delete(requests::deny))
        .route("/api/v1/requests/{id}/grant", post(requests::grant))
        .route("/api/v1/devices/{id}/forget", post(trash::forget_device))
        .route("/api/v1/participants/{id}/forget", post(trash::forget_participant))
        .route("/api/v1/requests/{id}/block", post(requests::block))
        .route("/api/v1/blocked", get(requests::blocked))
        .route("/api/v1/blocked/{id}", delete(requests::unblock))
        .route("/api/v1/devices", get(devices::list::json))
        .route("/api/v1/devices/{id}", get(devices::one::json).patch(devices::one::patch))
        .route("/api/v1/devices/{id}/revoke", post(devices::one::revoke))
        .route("/api/v1/devices/{id}/restore", post(devices::one::restore))
        .route("/api/v1/devices/{id}/end-older-tokens", post(devices::one::end_older_tokens))
        .route("/api/v1/participants", get(participants::list::json).post(participants::list::add))
        .route("/api/v1/participants/{id}", get(participants::one::json).patch(participants::one::patch).delete(participants::one::delete))
        .route("/api/v1/participants/{id}/spans", post(participants::spans::add))
        .route("/api/v1/participants/{id}/spans/{span}", delete(participants::spans::delete).patch(participants::spans::end))
        .route("/api/v1/datasets", get(recordings::list::json))
        .route("/api/v1/datasets.zip", get(recordings::download::named))
        .route("/api/v1/datasets/{uuid}", get(recordings::one::json).patch(recordings::one::patch).delete(trash::delete))
        .route("/api/v1/datasets/{uuid}/restore", post(trash::restore))
        .route("/api/v1/trash", get(trash::list))
        .route("/api/v1/trash/{uuid}", delete(trash::erase))
        .route("/api/v1/models", get(models::list::json).post(models::publish::publish).layer(DefaultBodyLimit::disable()))
        .route("/api/v1/models/devices", get(models::list::devices))
        .route("/api/v1/models/give", post(models::give::give))
        .route("/api/v1/models/back", post(models::give::go_back))
        .route("/api/v1/models/{id}", get(models::one::json).patch(models::one::patch).delete(models::one::delete))
        .route("/api/v1/datasets/{uuid}/models/{name}/publish", post(models::brought::publish))
        .route("/api/v1/clock", get(clock::json))
        .route("/api/v1/clock/confirm", post(clock::confirm))
        .route("/api/v1/missing", get(missing::json))
        .route("/api/v1/missing/known", post(missing::known))
        .route("/api/v1/quarantine", get(quarantine::list))
        .route("/api/v1/quarantine/{id}/release", post(quarantine::release))
        .route("/api/v1/quarantine/{id}/discard", post(quarantine::discard))
        .layer(from_fn_with_state(app, to_its_end))
        .layer(map_response(in_json))
        .layer(map_response(gatekeeper::no_store))
        .layer(CsrfLayer::new())
}

/// What researchers and operators see.
fn pages(app: App) -> Router<App> {
    Router::new()
        .route("/", get(front::page))
        .route("/tokenauth/check/", get(requests::page))
        .route("/tokenauth/check/events", get(live::requests))
        .route("/tokenauth/check/{id}/grant", post(requests::grant_on_page))
        .route("/tokenauth/check/{id}/override", post(requests::override_on_page))
        .route("/tokenauth/check/{id}/deny", post(requests::deny_on_page))
        .route("/device/{id}/forget", post(trash::forget_device_on_page))
        .route("/participant/{id}/forget", post(trash::forget_participant_on_page))
        .route("/tokenauth/check/{id}/block", post(requests::block_on_page))
        .route("/tokenauth/check/{id}/unblock", post(requests::unblock_on_page))
        .route("/device/list/", get(devices::list::page))
        .route("/device/{id}/", get(devices::one::page))
        .route("/device/{id}/describe", post(devices::one::describe))
        .route("/device/{id}/revoke", post(devices::one::revoke_on_page))
        .route("/device/{id}/restore", post(devices::one::restore_on_page))
        .route("/device/{id}/end-older-tokens", post(devices::one::end_older_tokens_on_page))
        .route("/participant/list/", get(participants::list::page))
        .route("/participant/add", post(participants::list::add_on_page))
        .route("/participant/{id}/", get(participants::one::page))
        .route("/participant/{id}/describe", post(participants::one::describe))
        .route("/participant/{id}/delete", post(participants::one::delete_on_page))
        .route("/participant/{id}/spans", post(participants::spans::add_on_page))
        .route("/participant/{id}/spans/{span}/end", post(participants::spans::end_on_page))
        .route("/participant/{id}/spans/{span}/reopen", post(participants::spans::reopen_on_page))
        .route("/participant/{id}/spans/{span}/delete", post(participants::spans::delete_on_page))
        .route("/recording/list/", get(recordings::list::page))
        .route("/recording/list.csv", get(recordings::list::csv))
        .route("/recording/download", post(recordings::download::chosen))
        .route("/recording/bulk", post(recordings::bulk::change))
        .route("/recording/{uuid}/", get(recordings::one::page))
        .route("/recording/{uuid}/describe", post(recordings::one::describe))
        .route("/recording/{uuid}/say", post(recordings::one::say))
        .route("/recording/{uuid}/delete", post(trash::delete_on_page))
        .route("/recording/{uuid}/restore", post(trash::restore_on_page))
        .route("/recording/{uuid}/models/{name}/publish", post(models::brought::publish_on_page))
        .route("/tfmodel/", get(models::list::page))
        .route("/tfmodel/publish", post(models::publish::publish_on_page).layer(DefaultBodyLimit::disable()))
        .route("/tfmodel/give", post(models::give::give_on_page))
        .route("/tfmodel/back", post(models::give::go_back_on_page))
        .route("/tfmodel/{id}/", get(models::one::page))
        .route("/tfmodel/{id}/describe", post(models::one::describe))
        .route("/tfmodel/{id}/delete", post(models::one::delete_on_page))
        .route("/trash/", get(trash::page))
        .route("/trash/{uuid}/restore", post(trash::restore_in_list))
        .route("/trash/{uuid}/erase", post(trash::erase_on_page))
        .route("/clock/confirm", post(clock::confirm_on_page))
        .route("/missing/", get(missing::page))
        .route("/missing/known", post(missing::known_on_page))
        .route("/quarantine/", get(quarantine::page))
        .route("/quarantine/{id}/release", post(quarantine::release_on_page))
        .route("/quarantine/{id}/discard", post(quarantine::discard_on_page))
        .route("/settings/alerts/test", post(settings::trial))
        .route("/audit/", get(audit::page))
        .route("/audit.csv", get(audit::csv))
        .route("/settings/", get(settings::page))
        .route("/settings/preview", post(settings::preview))
        .route("/settings/edit", post(settings::edit))
        .route("/settings/save", post(settings::save))
        .layer(from_fn_with_state(app, to_its_end))
        .layer(map_response(in_a_page))
        .layer(map_response(gatekeeper::no_store))
        .layer(CsrfLayer::new())
}

/// nginx's question, and the answer where there is no nginx.
fn gate() -> Router<App> {
    Router::new()
        // The voice comes first: it makes a refusal anew, without the headers that it had.
        .route("/auth", get(gatekeeper::auth).layer(map_response(in_json)).layer(map_response(gatekeeper::no_store)))
        .route("/uploads/{*path}", any(gatekeeper::deliver))
}

/// What needs no credential.
fn open() -> Router<App> {
    let probes = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .layer(map_response(gatekeeper::no_store));
    Router::new()
        .merge(probes)
        .route("/static/style.css", get(assets::style))
        .route("/static/icon.svg", get(assets::icon))
        .route("/static/live.js", get(assets::live))
}
