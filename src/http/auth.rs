//! Who calls: a device by its token, a researcher or an operator by name and password. A handler that takes one of these
//! types cannot be called without it.

use axum::{
    RequestPartsExt,
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use axum_extra::{
    TypedHeader,
    headers::{
        Authorization,
        authorization::{Basic, Bearer},
    },
};

use super::{error::Problem, extract::ClientAddress, passwords::Admin, state::App};
use crate::{audit::Action, config::Role, ids::DeviceId};

const BASIC: &str = "Basic realm=\"Wearhouse\", charset=\"UTF-8\"";
const BEARER: &str = "Bearer";

/// A device that was let in.
#[derive(Debug, Clone, Copy)]
pub struct ApprovedDevice(pub DeviceId);

/// An operator.
#[derive(Debug, Clone)]
pub struct Operator(pub Admin);

impl FromRequestParts<App> for ApprovedDevice {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = parts.extract::<TypedHeader<Authorization<Bearer>>>().await.ok();
        let device = match &token {
            Some(token) => Box::pin(app.handshake.admit(token.token())).await?,
            None => None,
        };
        if let Some(device) = device {
            app.limits.device(device)?;
            return Ok(Self(device));
        }
        let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(parts, app).await;
        app.limits.anonymous(address)?;
        Err(Problem::unauthorized(BEARER, "this token is not good here; ask to be let in at /tokenauth/request/"))
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(parts, app).await;
        if let Ok(basic) = parts.extract::<TypedHeader<Authorization<Basic>>>().await {
            if let Some(admin) = app.passwords.remembered(basic.username(), basic.password()) {
                return Ok(admin);
            }
            app.limits.anonymous(address)?;
            if let Some(admin) = app.passwords.verify(basic.username(), basic.password(), address).await? {
                return Ok(admin);
            }
            // Who mistypes may have typed the password into the name: only names that there are stand in the trail.
            let name = app.passwords.name_of(basic.username());
            app.audit.note_once(&name, Action::FailedLogin, "login", if name.is_empty() { "no such user" } else { "wrong password" }).await;
        } else {
            app.limits.anonymous(address)?;
        }
        Err(Problem::unauthorized(
            BASIC,
            "a name and a password are needed here; the operator gives them out (conf/config.yml, under users)",
        ))
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let admin = Admin::from_request_parts(parts, app).await?;
        match admin.role {
            Role::Operator => Ok(Self(admin)),
            Role::Researcher => Err(Problem::new(StatusCode::FORBIDDEN, "this is for operators; ask one to do it")),
        }
    }
}
