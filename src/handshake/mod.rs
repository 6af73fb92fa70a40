//! Letting watches in: ask, grant, collect, revoke.

mod callers;
mod decide;
mod devices;
mod shut_out;
mod token;

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use tokio::sync::watch;

pub use decide::DoorError;
pub use devices::{DeviceError, KnownDevice};
pub use shut_out::ShutOutError;
pub use token::{Claim, Signer};

use crate::{
    catalog::{Blocked, Catalog, CatalogError, Device, Millis, Poll, Request},
    config::Settings,
    ids::{DeviceId, Identifier},
    ledger::Ledger,
};

/// Blocked devices that are listed.
const MOST_BLOCKED: u32 = 1000;

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
    /// When its grant lapses, if it has one.
    pub lapses_at: Option<Millis>,
}

impl OpenRequest {
    /// How long its watch waits between two polls, on average; `None` before the second.
    #[must_use]
    pub fn cadence(&self) -> Option<Millis> {
        let waits = i64::try_from(self.request.polls).ok()?.checked_sub(1).filter(|waits| *waits > 0)?;
        // Two polls within a moment are no cadence.
        Some((self.request.polled_at - self.request.created_at) / waits).filter(|cadence| *cadence >= 1000)
    }
}

/// The desk at the door.
#[derive(Clone)]
pub struct Handshake {
    catalog: Catalog,
    ledger: Ledger,
    settings: Settings,
    callers: Arc<callers::Callers>,
    /// Counts what a desk that is open should show anew.
    changes: watch::Sender<u64>,
}

impl Handshake {
    /// The desk of a house.
    #[must_use]
    pub fn new(catalog: Catalog, ledger: Ledger, settings: Settings) -> Self {
        // It begins elsewhere at each start: a page from before a restart must not seem to be up to date.
        let changes = watch::Sender::new(rand::random());
        Self { catalog, ledger, settings, callers: Arc::new(callers::Callers::new()), changes }
    }

    /// A number that is another one whenever a request came, was decided, collected, or gave way.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Whether an identifier has asked before, and its request is open or its device is blocked.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn knows(&self, identifier: &Identifier) -> Result<bool, CatalogError> {
        self.catalog.has_request(identifier).await
    }

    /// A watch asks to be let in, or whether it has been. One that is blocked is to wait, and nothing is kept of it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn ask(&self, identifier: &Identifier, caller: IpAddr) -> Result<Answer, CatalogError> {
        if self.catalog.is_blocked(identifier).await? {
            return Ok(Answer::Pending);
        }
        let is_new_caller = self.callers.note(identifier, caller);
        let config = self.settings.now();
        let signer = Signer::new(&config.security);
        let (lifetime, most) = (config.handshake.grant_lifetime(), config.limits.open_requests);
        let poll = self.catalog.poll(identifier, lifetime, most, &signer.fingerprint()).await?;
        if is_new_caller || poll != Poll::Pending {
            self.changed();
        }
        Ok(match poll {
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
        let lifetime = self.settings.now().handshake.grant_lifetime();
        let requests = self.catalog.requests(lifetime).await?;
        let known = self.catalog.devices_that_ask().await?;
        let known: HashMap<_, _> = known.into_iter().map(|device| (device.id, device)).collect();
        let open = |request: Request| OpenRequest {
            known: known.get(&request.device).cloned(),
            callers: self.callers.count(&request.identifier),
            lapses_at: request.granted_at.map(|at| at + lifetime),
            request,
        };
        Ok(requests.into_iter().map(open).collect())
    }

    /// The devices that may not ask any more, the last blocked first, at most a thousand.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn blocked(&self) -> Result<Vec<Blocked>, CatalogError> {
        self.catalog.blocked(MOST_BLOCKED).await
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
        if self.is_shut_out(claim) {
            return Ok(None);
        }
        let good = self.catalog.check_token(claim.device, claim.generation).await? || self.was_granted_since(claim).await?;
        Ok(good.then_some(claim.device))
    }
}
