//! Letting watches in: ask, grant, collect, revoke.

mod callers;
mod shut_out;
mod token;

use std::{net::IpAddr, sync::Arc};

pub use shut_out::ShutOutError;
pub use token::{Claim, Signer};

use crate::{
    catalog::{Catalog, CatalogError, Device, Poll, Request},
    config::Settings,
    ids::{DeviceId, Identifier},
    ledger::Ledger,
};

/// What a poll is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A request was made.
    New,
    /// A person has not granted it yet.
    Pending,
    /// The token, this once.
    Granted(String),
}

/// An open request, with what a person should know before granting it.
#[derive(Debug, Clone)]
pub struct OpenRequest {
    /// The request.
    pub request: Request,
    /// The device, if it was let in before.
    pub known: Option<Device>,
    /// From how many different addresses this identifier was polled since the server started.
    pub callers: usize,
}

/// Why a request is not granted.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// There is no such request (any more).
    #[error("there is no such request any more: it was collected, denied, or gave way to newer ones")]
    Gone,
    /// Two callers use one identifier, and only one of them can be the watch.
    #[error(
        "{0} different callers ask under this identifier, so the token may go to the wrong one; make sure, then grant it with override"
    )]
    SeveralCallers(usize),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// The desk at the door.
#[derive(Clone)]
pub struct Handshake {
    catalog: Catalog,
    ledger: Ledger,
    settings: Settings,
    callers: Arc<callers::Callers>,
}

impl Handshake {
    /// The desk of a house.
    #[must_use]
    pub fn new(catalog: Catalog, ledger: Ledger, settings: Settings) -> Self {
        Self { catalog, ledger, settings, callers: Arc::new(callers::Callers::new()) }
    }

    /// Whether an identifier has asked before and its request is open.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn knows(&self, identifier: &Identifier) -> Result<bool, CatalogError> {
        self.catalog.has_request(identifier).await
    }

    /// A watch asks to be let in, or whether it has been.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn ask(&self, identifier: &Identifier, caller: IpAddr) -> Result<Answer, CatalogError> {
        self.callers.note(identifier, caller);
        let config = self.settings.now();
        let signer = Signer::new(&config.security);
        let (lifetime, most) = (config.handshake.grant_lifetime(), config.limits.open_requests);
        Ok(match self.catalog.poll(identifier, lifetime, most, &signer.fingerprint()).await? {
            Poll::New => Answer::New,
            Poll::Pending => Answer::Pending,
            Poll::Collected(generation) => {
                self.callers.forget(identifier);
                tracing::info!(device = %identifier.device(), generation, "a device collected its token");
                Answer::Granted(signer.sign(Claim { device: identifier.device(), generation }))
            }
        })
    }

    /// The open requests, the last polled first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn requests(&self) -> Result<Vec<OpenRequest>, CatalogError> {
        let mut open = Vec::new();
        for request in self.catalog.requests(self.settings.now().handshake.grant_lifetime()).await? {
            let known = self.catalog.device(request.device).await?;
            open.push(OpenRequest { known, callers: self.callers.count(&request.identifier), request });
        }
        Ok(open)
    }

    /// A person lets a watch in: its next poll collects a token. Where several callers ask under its identifier, only with
    /// `override_callers`.
    ///
    /// # Errors
    /// [`GrantError`].
    pub async fn grant(&self, id: &str, override_callers: bool) -> Result<(), GrantError> {
        let request = self.catalog.request(id).await?.ok_or(GrantError::Gone)?;
        let callers = self.callers.count(&request.identifier);
        if callers > 1 && !override_callers {
            return Err(GrantError::SeveralCallers(callers));
        }
        if !self.catalog.grant(id).await? {
            return Err(GrantError::Gone);
        }
        tracing::info!(device = %request.device, "a request was granted");
        Ok(())
    }

    /// A person turns a watch away. `false` if there is no such request.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn deny(&self, id: &str) -> Result<bool, CatalogError> {
        self.catalog.deny(id).await
    }

    /// All devices that were ever let in and are not to be forgotten, the last used first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn devices(&self) -> Result<Vec<Device>, CatalogError> {
        self.catalog.devices().await
    }

    /// Ends every token of a device but its newest. `false` if there is no such device.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn end_older_tokens(&self, device: DeviceId) -> Result<bool, CatalogError> {
        self.catalog.end_older_tokens(device).await
    }

    /// How many devices are locked out, since no secret of the config signed their token.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn locked_out(&self) -> Result<u64, CatalogError> {
        self.catalog.count_signed_by_others(&Signer::new(&self.settings.now().security).fingerprints()).await
    }

    /// The device that a token lets in; `None` if the token is not ours, was ended, or the device is revoked.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn admit(&self, token: &str) -> Result<Option<DeviceId>, CatalogError> {
        let Some(claim) = Signer::new(&self.settings.now().security).verify(token) else { return Ok(None) };
        let good = self.catalog.check_token(claim.device, claim.generation).await? || self.was_granted_since(claim).await?;
        Ok(good.then_some(claim.device))
    }
}
