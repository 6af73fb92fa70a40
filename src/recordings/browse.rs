//! Browsing: what is here. Each look first lets the catalog mark what was acknowledged, so that a file is listed as soon as its
//! watch was told that it is safe.

use std::time::SystemTime;

use super::Recordings;
use crate::{
    catalog::{CatalogError, Counts, Dataset, DatasetFilter, FileRow},
    ids::DatasetId,
};

/// What is here in all.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// Number of datasets.
    pub datasets: u64,
    /// Number of their files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A dataset with everything in it.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The dataset.
    pub dataset: Dataset,
    /// Its files, by name.
    pub files: Vec<FileRow>,
    /// The published zip, if there is one: its size in bytes, and when it was made.
    pub zip: Option<(u64, SystemTime)>,
}

impl Recordings {
    /// What is here in all.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn totals(&self) -> Result<Totals, CatalogError> {
        self.catalog.flush().await?;
        let (datasets, files, bytes) = self.catalog.totals().await?;
        Ok(Totals { datasets, files, bytes })
    }

    /// How much there is of what somebody should know about.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn counts(&self) -> Result<Counts, CatalogError> {
        self.catalog.counts(self.settings.now().handshake.grant_lifetime()).await
    }

    /// The datasets that a filter lets through, newest first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn datasets(&self, filter: &DatasetFilter, most: u32) -> Result<Vec<Dataset>, CatalogError> {
        self.catalog.flush().await?;
        self.catalog.datasets(filter, most).await
    }

    /// One dataset with everything in it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn contents(&self, uuid: DatasetId) -> Result<Option<Contents>, CatalogError> {
        self.catalog.flush().await?;
        let Some(dataset) = self.catalog.dataset(uuid).await? else { return Ok(None) };
        let files = self.catalog.files(uuid).await?;
        let zip = tokio::fs::metadata(self.shelves.storage.layout().zip(uuid)).await.ok();
        let zip = zip.and_then(|found| Some((found.len(), found.modified().ok()?)));
        Ok(Some(Contents { dataset, files, zip }))
    }
}
