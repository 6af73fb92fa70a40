//! Deciding over requests: a person grants, denies, blocks.

use super::Handshake;
use crate::{
    catalog::{CatalogError, Request},
    ids::DeviceId,
};

/// How long a reason may be, in characters.
const REASON: std::ops::RangeInclusive<usize> = 3..=500;

/// Why nothing is decided over a request.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// There is no such request (any more).
    #[error("there is no such request any more: it was collected, denied, or gave way to newer ones")]
    Gone,
    /// Two callers use one identifier, and only one of them can be the watch.
    #[error(
        "{0} different callers ask under this identifier, so the token may go to the wrong one; make sure, then grant it with override and a reason"
    )]
    SeveralCallers(usize),
    /// An override needs a reason.
    #[error("an override needs a reason of 3 to 500 characters: write how you made sure that it is the right watch")]
    Reason,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Handshake {
    /// A person lets a watch in: its next poll collects a token. Where several callers ask under its identifier, only with an
    /// override, which is the reason for it. Returns the device.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn grant(&self, id: &str, who: &str, although: Option<&str>) -> Result<DeviceId, DoorError> {
        if although.is_some_and(|reason| !REASON.contains(&reason.trim().chars().count())) {
            return Err(DoorError::Reason);
        }
        let request = self.catalog.request(id).await?.ok_or(DoorError::Gone)?;
        let callers = self.callers.count(&request.identifier);
        if callers > 1 && although.is_none() {
            return Err(DoorError::SeveralCallers(callers));
        }
        if !self.catalog.grant(id, who).await? {
            return Err(DoorError::Gone);
        }
        tracing::info!(device = %request.device, "a request was granted");
        self.changed();
        Ok(request.device)
    }

    /// A person turns a watch away, or takes a grant back. Returns the request that was.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn deny(&self, id: &str) -> Result<Request, DoorError> {
        let request = self.catalog.deny(id).await?.ok_or(DoorError::Gone)?;
        self.changed();
        Ok(request)
    }

    /// A person turns a watch away for good: its requests are gone, and it may not ask any more. A token that it holds stays
    /// good. Returns the device.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn block(&self, id: &str, who: &str) -> Result<DeviceId, DoorError> {
        let device = self.catalog.block(id, who).await?.ok_or(DoorError::Gone)?;
        tracing::info!(%device, "a device was blocked");
        self.changed();
        Ok(device)
    }

    /// A blocked device may ask again. `false` if it was not blocked.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn unblock(&self, device: DeviceId) -> Result<bool, CatalogError> {
        let was_blocked = self.catalog.unblock(device).await?;
        self.changed();
        Ok(was_blocked)
    }
}
