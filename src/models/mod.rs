//! Detection models: published by researchers, handed out to watches, and which watch runs which.

pub mod format;
mod offers;
mod plan;
mod publish;
mod settings;
mod standing;

use std::{io, sync::Arc, time::Duration};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use self::{format::NotAModel, offers::Offers, plan::Planner};
pub use self::{
    plan::{Handout, is_called},
    publish::NewModel,
    settings::{COOL_DOWN, FRAME_SIZE, KERNEL_SIZE, ModelSettings, SENSORS, WrongSetting, WrongSettings},
    standing::{ModelOnDevice, Standing},
};
use crate::{
    catalog::{Assigned, Assignment, Audience, Catalog, CatalogError, Model, Removed},
    config::Settings,
    ids::{DeviceId, FileName, ModelId},
    runs::MOST_CHARS,
    storage::{Storage, blocking},
};

/// From one writing down of offers to the next.
const PAUSE: Duration = Duration::from_secs(10);

/// The room where models are published and handed out. Cheap to clone.
#[derive(Clone)]
pub struct Models {
    catalog: Catalog,
    storage: Storage,
    settings: Settings,
    planner: Arc<Planner>,
    offers: Arc<Offers>,
    publishing: Arc<Mutex<()>>,
}

/// Why nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// There is no such model.
    #[error("there is no such model")]
    Gone,
    /// There is no file.
    #[error("choose a model file: .tflite, .ort, .onnx or .pt")]
    NoFile,
    /// Settings that no watch could use.
    #[error(transparent)]
    Settings(#[from] WrongSettings),
    /// The file is not what its name claims.
    #[error(transparent)]
    NotAModel(#[from] NotAModel),
    /// Watches tell models apart by their names alone.
    #[error(
        "a model called {0} is published already, and watches tell models apart by their file names alone: give this one another name, such as {1}"
    )]
    Taken(FileName, FileName),
    /// Too large.
    #[error("the file is larger than {0} MiB; the operator can allow more (models.max_mib)")]
    TooLarge(u64),
    /// Somebody uses it.
    #[error("this model is in use and stays: {}. Give them another model first, or revoke the device", .0.join(", "))]
    InUse(Vec<String>),
    /// Nobody to give it to.
    #[error("there is no such device or participant, or nothing was given to it yet")]
    NoAudience,
    /// The version is too long.
    #[error("the version is too long: write at most 40 characters on one line")]
    BadVersion,
    /// The notes are too long.
    #[error("the notes are longer than 4,000 characters; shorten them")]
    NotesTooLong,
    /// The disk is full.
    #[error("there is no room on the server's disk; nothing was published")]
    Full,
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Disk(io::Error),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<io::Error> for ModelError {
    fn from(error: io::Error) -> Self {
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) { Self::Full } else { Self::Disk(error) }
    }
}

impl ModelError {
    fn taken(name: &FileName) -> Self {
        Self::Taken(name.clone(), name.marked("2"))
    }
}

impl Models {
    /// The models of a house.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn open(catalog: Catalog, storage: Storage, settings: Settings) -> Result<Self, CatalogError> {
        let (planner, offers) = (Arc::new(Planner::new(catalog.clone())), Arc::new(Offers::read(&catalog).await?));
        Ok(Self { catalog, storage, settings, planner, offers, publishing: Arc::default() })
    }

    /// The published models, the last first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn list(&self) -> Result<Vec<Model>, CatalogError> {
        self.catalog.models(plan::MOST).await
    }

    /// One model.
    ///
    /// # Errors
    /// [`ModelError`].
    pub async fn one(&self, id: ModelId) -> Result<Model, ModelError> {
        self.catalog.model(id).await?.ok_or(ModelError::Gone)
    }

    /// What each audience is to have that anybody said something of.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn assignments(&self) -> Result<Vec<Assignment>, CatalogError> {
        self.catalog.assignments().await
    }

    /// Gives a model to an audience from now on; `None` takes its own model away.
    ///
    /// # Errors
    /// [`ModelError`].
    pub async fn give(&self, audience: Audience, model: Option<ModelId>, who: &str) -> Result<(), ModelError> {
        assigned(self.catalog.assign_model(audience, model, who).await?).map(drop)
    }

    /// Gives an audience back what it had before. Returns that.
    ///
    /// # Errors
    /// [`ModelError`].
    pub async fn go_back(&self, audience: Audience) -> Result<Option<ModelId>, ModelError> {
        assigned(self.catalog.unassign_model(audience).await?)
    }

    /// Removes a model that nobody is to have and no device says it runs.
    ///
    /// # Errors
    /// [`ModelError`].
    pub async fn remove(&self, id: ModelId) -> Result<(), ModelError> {
        match self.catalog.remove_model(id, MOST_CHARS).await? {
            Removed::Done => Ok(self.remove_files(id).await?),
            Removed::Gone => Err(ModelError::Gone),
            Removed::InUse(users) => Err(ModelError::InUse(users)),
        }
    }

    /// What a device that is let in is to have. Neither this nor the next waits for the disk while nothing changes.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn for_device(&self, device: DeviceId) -> Result<Option<Arc<Handout>>, CatalogError> {
        let plan = self.planner.plan().await?;
        Ok(plan.of_device(device).cloned())
    }

    /// What whoever says that it has this Android id is to have, and the device where one with it is let in. Strangers have the model
    /// for everyone where the settings make it public.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn for_android_id(&self, android_id: &str) -> Result<(Option<DeviceId>, Option<Arc<Handout>>), CatalogError> {
        let (plan, device) = (self.planner.plan().await?, DeviceId::of_android_id(android_id));
        if plan.knows(device) {
            return Ok((Some(device), plan.of_device(device).cloned()));
        }
        Ok((None, plan.of_everyone().filter(|_| self.settings.now().models.public).cloned()))
    }

    /// Notes that a device was told of a model, and whether it took the file.
    pub fn note_offer(&self, device: DeviceId, model: ModelId, is_fetched: bool) {
        self.offers.note(device, model, is_fetched);
    }

    /// Writes offers down every ten seconds, and at the end.
    pub async fn keep_writing_offers(self, stop: CancellationToken) {
        loop {
            let stops = stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none();
            if let Err(error) = self.write_offers().await {
                tracing::warn!(%error, "which models were offered could not be written down");
            }
            if stops {
                return;
            }
        }
    }

    async fn write_offers(&self) -> Result<(), CatalogError> {
        self.offers.write(&self.catalog).await?;
        let plan = self.planner.plan().await?;
        self.offers.keep(|device| plan.knows(device));
        Ok(())
    }

    async fn remove_files(&self, id: ModelId) -> io::Result<()> {
        let storage = self.storage.clone();
        blocking(move || storage.remove_model(id)).await?
    }
}

fn assigned(outcome: Assigned) -> Result<Option<ModelId>, ModelError> {
    match outcome {
        Assigned::Done(model) => Ok(model),
        Assigned::NoModel => Err(ModelError::Gone),
        Assigned::NoAudience => Err(ModelError::NoAudience),
    }
}
