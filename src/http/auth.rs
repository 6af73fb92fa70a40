//! Who calls: a device by its token, a researcher or an operator by name and password. A handler that takes one of these
//! types cannot be called without it.

use axum::{
    RequestPartsExt,
    extract::{FromRef, FromRequestParts},
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
use crate::{config::Role, ids::DeviceId};

const BASIC: &str = "Basic realm=\"Wearhouse\", charset=\"UTF-8\"";
const BEARER: &str = "Bearer";

/// A device that was let in.
#[derive(Debug, Clone, Copy)]
pub struct ApprovedDevice(pub DeviceId);

/// An operator.
#[derive(Debug, Clone)]
pub struct Operator(pub Admin);

impl<S> FromRequestParts<S> for ApprovedDevice
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = App::from_ref(state);
        let token = parts.extract::<TypedHeader<Authorization<Bearer>>>().await.ok();
        let device = match &token {
            Some(token) => app.handshake.admit(token.token()).await?,
            None => None,
        };
        if let Some(device) = device {
            app.limits.device(device)?;
            return Ok(Self(device));
        }
        let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(parts, &app).await;
        app.limits.anonymous(address)?;
        Err(Problem::unauthorized(BEARER, "this token is not good here; ask to be let in at /tokenauth/request/"))
    }
}

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = App::from_ref(state);
        let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(parts, &app).await;
        if let Ok(basic) = parts.extract::<TypedHeader<Authorization<Basic>>>().await {
            if let Some(admin) = app.passwords.remembered(basic.username(), basic.password()) {
                return Ok(admin);
            }
            app.limits.anonymous(address)?;
            if let Some(admin) = app.passwords.verify(basic.username(), basic.password(), address).await? {
                return Ok(admin);
            }
        } else {
            app.limits.anonymous(address)?;
        }
        Err(Problem::unauthorized(BASIC, "name and password are needed here; they stand in conf/config.yml, under users"))
    }
}

impl<S> FromRequestParts<S> for Operator
where
    S: Send + Sync,
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let admin = Admin::from_request_parts(parts, state).await?;
        match admin.role {
            Role::Operator => Ok(Self(admin)),
            Role::Researcher => Err(Problem::new(StatusCode::FORBIDDEN, "this is for operators; ask one to do it")),
        }
    }
}
