//! Who runs which model: what each device is to have, was offered, took, and says that it runs.

use std::collections::HashMap;

use serde::Serialize;

use super::{Handout, Models};
use crate::{
    catalog::{CatalogError, Millis, Recipient},
    ids::{DeviceId, ModelId},
};

/// How far a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Its last `metaInfo` names the model that it is to have.
    Current,
    /// It names another one.
    Behind,
    /// It names none, or there is no `metaInfo` yet.
    Unknown,
    /// It is to have none.
    Free,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Current, Self::Behind, Self::Unknown, Self::Free];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Unknown => "unknown",
            Self::Free => "free",
        }
    }

    fn of(recipient: &Recipient, model: Option<&Handout>) -> Self {
        match (model, &recipient.runs) {
            (None, _) => Self::Free,
            (Some(_), None) => Self::Unknown,
            (Some(model), Some(runs)) if model.is_called(runs) => Self::Current,
            _ => Self::Behind,
        }
    }
}

/// A device, and where it stands.
#[derive(Debug, Clone)]
pub struct ModelOnDevice {
    /// The device, and what it says that it runs.
    pub recipient: Recipient,
    /// What it is to have.
    pub model: Option<std::sync::Arc<Handout>>,
    /// How far it is.
    pub standing: Standing,
    /// Since when it is told of that model; `None` while it has not asked.
    pub offered_at: Option<Millis>,
    /// When it last took that model's file.
    pub fetched_at: Option<Millis>,
}

impl Models {
    /// How far each device is that is let in.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn standings(&self) -> Result<HashMap<DeviceId, Standing>, CatalogError> {
        let plan = self.planner.plan().await?;
        let recipients = self.catalog.recipients(self.catalog.now()).await?.into_iter();
        let standing = |recipient: &Recipient| Standing::of(recipient, plan.of_device(recipient.device).map(AsRef::as_ref));
        Ok(recipients.map(|recipient| (recipient.device, standing(&recipient))).collect())
    }

    /// Every device that is let in, and where it stands.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn on_devices(&self) -> Result<Vec<ModelOnDevice>, CatalogError> {
        self.write_offers().await?;
        let offers: HashMap<_, _> = self.catalog.offers().await?.into_iter().map(|offer| ((offer.device, offer.model), offer)).collect();
        let plan = self.planner.plan().await?;
        let mut devices = Vec::new();
        for recipient in self.catalog.recipients(self.catalog.now()).await? {
            let model = plan.of_device(recipient.device).cloned();
            let offer = model.as_ref().and_then(|model| offers.get(&(recipient.device, model.id)));
            devices.push(ModelOnDevice {
                standing: Standing::of(&recipient, model.as_deref()),
                offered_at: offer.map(|offer| offer.offered_at),
                fetched_at: offer.and_then(|offer| offer.fetched_at),
                model,
                recipient,
            });
        }
        Ok(devices)
    }

    /// The models that a device was told of, and when, the last first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn offered_to(&self, device: DeviceId) -> Result<Vec<(ModelId, Millis, Option<Millis>)>, CatalogError> {
        self.write_offers().await?;
        let offers = self.catalog.offers().await?.into_iter().rev().filter(|offer| offer.device == device);
        Ok(offers.map(|offer| (offer.model, offer.offered_at, offer.fetched_at)).collect())
    }
}
