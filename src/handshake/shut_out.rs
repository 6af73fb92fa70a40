//! Shutting devices out, letting them in again, and ending older tokens. The ledger is told first, so that a catalog that is lost or
//! put back from a backup does not let in whom somebody has shut out.

use std::io;

use super::{Claim, Handshake};
use crate::{
    catalog::CatalogError,
    ids::DeviceId,
    ledger::{DeviceState, Entry, What},
    storage::blocking,
};

/// Why a device is not shut out, or not let in again.
#[derive(Debug, thiserror::Error)]
pub enum ShutOutError {
    /// It is off every list, and stays out.
    #[error("this device is forgotten, and none of its tokens is good again; let it ask anew, and grant that")]
    Forgotten,
    /// It could not be written down, so nothing was changed.
    #[error("the ledger cannot be written, so nothing was changed: {0}")]
    Ledger(#[from] io::Error),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Handshake {
    /// Shuts a device out, or lets it in again with the tokens that it had. `false` if there is no such device. Where the catalog
    /// cannot be written behind the ledger, it is out either way: the ledger is asked first.
    ///
    /// # Errors
    /// [`ShutOutError`].
    pub async fn set_revoked(&self, device: DeviceId, revoked: bool, by: &str) -> Result<bool, ShutOutError> {
        let Some(known) = self.catalog.device(device).await? else { return Ok(false) };
        let generation = known.generation;
        if self.is_forgotten(device, generation) {
            return Err(ShutOutError::Forgotten);
        }
        let what = if revoked { What::DeviceRevoked { device, generation } } else { What::DeviceRestored { device, generation } };
        self.write_down(by, what).await?;
        let known = self.catalog.set_revoked(device, revoked).await?;
        tracing::info!(%device, revoked, known, "a device was revoked or restored");
        Ok(known)
    }

    /// Ends every token of a device but its newest. `false` if there is no such device.
    ///
    /// # Errors
    /// [`ShutOutError`].
    pub async fn end_older_tokens(&self, device: DeviceId, by: &str) -> Result<bool, ShutOutError> {
        let Some(known) = self.catalog.device(device).await? else { return Ok(false) };
        self.write_down(by, What::DeviceTokensEnded { device, generation: known.generation }).await?;
        self.catalog.end_older_tokens(&[(device, known.generation)]).await?;
        Ok(true)
    }

    /// Whether a device was forgotten, and granted nothing since.
    pub(super) fn is_forgotten(&self, device: DeviceId, newest: u32) -> bool {
        matches!(self.ledger.device(device), Some(DeviceState::Forgotten { generation }) if newest <= generation)
    }

    /// Shuts a device out, ends its requests, puts all its recordings into the trash and takes it off the lists; with the last of
    /// them goes what it is called. `false` if there is no such device.
    ///
    /// # Errors
    /// [`ShutOutError`].
    pub async fn forget(&self, device: DeviceId, by: &str) -> Result<bool, ShutOutError> {
        let Some(known) = self.catalog.device(device).await? else { return Ok(false) };
        self.write_down(by, What::DeviceForgotten { device, generation: known.generation }).await?;
        let known = self.catalog.forget_device(device, by).await?;
        self.catalog.finish_forgetting().await?;
        tracing::info!(%device, "a device is forgotten");
        Ok(known)
    }

    /// After a start: catalog and ledger agree on who is shut out, and which tokens are ended. What was revoked before there was a
    /// ledger is written down.
    ///
    /// # Errors
    /// [`ShutOutError`].
    pub async fn agree_with_ledger(&self) -> Result<(), ShutOutError> {
        let ended = self.catalog.end_older_tokens(&self.ledger.lowest_generations()).await?;
        let changed = self.catalog.keep_shut_out(&self.ledger.devices()).await?;
        if ended + changed > 0 {
            tracing::warn!(devices = changed, ended, "the catalog did not know who was shut out or let in again since; the ledger counts");
        }
        for (device, generation, is_forgotten) in self.catalog.shut_out().await? {
            if self.ledger.device(device).is_none() {
                let revoked = What::DeviceRevoked { device, generation };
                self.write_down("", if is_forgotten { What::DeviceForgotten { device, generation } } else { revoked }).await?;
            }
        }
        Ok(())
    }

    /// Whether the ledger says that a token's device was shut out since it was granted. That counts at once; the catalog may learn of it
    /// at the next start only.
    pub(super) fn is_shut_out(&self, claim: Claim) -> bool {
        let state = self.ledger.device(claim.device);
        matches!(state, Some(DeviceState::Revoked { generation } | DeviceState::Forgotten { generation }) if claim.generation <= generation)
    }

    /// Whether a token that the catalog does not take is from a grant that this catalog has lost: the ledger knows until which
    /// generation the device was shut out.
    pub(super) async fn was_granted_since(&self, claim: Claim) -> Result<bool, CatalogError> {
        match self.ledger.device(claim.device) {
            Some(DeviceState::Revoked { generation } | DeviceState::Forgotten { generation }) if claim.generation > generation => {
                self.catalog.take_up(claim.device, claim.generation).await
            }
            _ => Ok(false),
        }
    }

    async fn write_down(&self, by: &str, what: What) -> Result<(), ShutOutError> {
        let (ledger, entry) = (self.ledger.clone(), Entry { at: self.catalog.now(), by: by.to_owned(), what });
        Ok(blocking(move || ledger.append(&entry)).await??)
    }
}
