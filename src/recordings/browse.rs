//! Browsing: what is here. Each look first lets the catalog mark what was acknowledged, so that a file is listed as soon as its
//! watch was told that it is safe.

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use super::Recordings;
use crate::{
    catalog::{
        Arrivals, CatalogError, Choices, Counts, Dataset, DatasetFilter, FileRow, FileState, Millis, PageKey, Sort, Texts, Whereabouts,
    },
    config::{Role, Sight},
    ids::{DatasetId, ParticipantId, Tag},
    runs::is_meta_info,
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

/// A dataset in a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The dataset.
    pub dataset: Dataset,
    /// Its tags, in the order of the alphabet.
    pub tags: Vec<Tag>,
}

/// A dataset with everything in it that somebody may see.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The dataset.
    pub dataset: Dataset,
    /// Its tags, in the order of the alphabet.
    pub tags: Vec<Tag>,
    /// Its description and `metaInfo`.
    pub texts: Texts,
    /// Its files, by name.
    pub files: Vec<FileRow>,
    /// How many more it has, which are kept from whoever asks: they may hold a voice or a picture.
    pub kept_back: usize,
    /// How many of its files zips leave out for that reason, whoever asks.
    pub left_out: usize,
    /// Whether there is anything that its zip is to hold.
    pub has_zip: bool,
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

    /// The datasets that a filter lets through, behind `after`, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn datasets(
        &self,
        filter: &DatasetFilter,
        sort: Sort,
        after: Option<PageKey>,
        most: u32,
    ) -> Result<Vec<Listed>, CatalogError> {
        self.catalog.flush().await?;
        let rule = self.settings.now().privacy.rule();
        let found = self.catalog.datasets(filter, sort, after, most).await?;
        let mut tags = HashMap::<_, Vec<_>>::new();
        for (dataset, tag) in self.catalog.tags_of(&found.iter().map(|dataset| dataset.uuid).collect::<Vec<_>>()).await? {
            tags.entry(dataset).or_default().push(tag);
        }
        let mut listed = |dataset: Dataset| Listed { tags: tags.remove(&dataset.uuid).unwrap_or_default(), dataset: dataset.under(&rule) };
        Ok(found.into_iter().map(&mut listed).collect())
    }

    /// Those of some datasets of which there is anything that a zip is to hold.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn with_zip(&self, datasets: impl Iterator<Item = DatasetId>) -> Result<HashSet<DatasetId>, CatalogError> {
        let (sight, mut found) = (self.settings.now().privacy.in_zips(), HashSet::new());
        for (dataset, name) in self.catalog.one_file_each(&datasets.collect::<Vec<_>>()).await? {
            if sight.sees(&name) || self.catalog.has_file_to_zip(dataset, &sight).await? {
                found.insert(dataset);
            }
        }
        Ok(found)
    }

    /// The uuids of the datasets that a filter lets through, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn uuids(&self, filter: &DatasetFilter, most: u32) -> Result<Vec<DatasetId>, CatalogError> {
        self.catalog.uuids(filter, most).await
    }

    /// What came in since a time, a day each, oldest first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn arrivals(&self, since: Millis) -> Result<Vec<Arrivals>, CatalogError> {
        self.catalog.arrivals(since).await
    }

    /// Recordings whose zip could not be made, at most `most`. One that failed under another rule of privacy is rolled anew, and its
    /// page does not say why it failed then.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn with_failed_zips(&self, most: u32) -> Result<Vec<DatasetId>, CatalogError> {
        self.catalog.with_failed_zips(&self.settings.now().privacy.rule(), most).await
    }

    /// What a filter may be chosen from.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn choices(&self) -> Result<Choices, CatalogError> {
        self.catalog.choices().await
    }

    /// Participants to choose from, by label, with the one that is chosen already.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn participants(&self, chosen: Option<ParticipantId>) -> Result<Vec<(ParticipantId, Tag)>, CatalogError> {
        self.catalog.participants(chosen).await
    }

    /// One dataset with everything in it that somebody of this role may see.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn contents(&self, uuid: DatasetId, role: Role) -> Result<Option<Contents>, CatalogError> {
        self.catalog.flush().await?;
        let privacy = self.settings.now().privacy.clone();
        let Some(dataset) = self.catalog.dataset(uuid).await? else { return Ok(None) };
        let (mut files, mut texts) = (self.catalog.files(uuid).await?, self.catalog.texts(uuid).await?);
        let zips = privacy.in_zips();
        let left_out = files.iter().filter(|file| !is_seen(file, &zips)).count();
        let has_zip = files.iter().any(|file| file.state == FileState::Placed && is_seen(file, &zips));
        let (all, sight) = (files.len(), privacy.sight(role));
        // What the run says of itself is told in no other way, either, where its file is kept back.
        texts.meta_info = texts.meta_info.filter(|_| files.iter().all(|file| is_seen(file, &sight) || !holds_meta_info(file)));
        files.retain(|file| is_seen(file, &sight));
        let tags = self.catalog.tags_of(&[uuid]).await?.into_iter().map(|(_, tag)| tag).collect();
        let zip = tokio::fs::metadata(self.shelves.storage.layout().zip(uuid)).await.ok();
        let zip = zip.and_then(|found| Some((found.len(), found.modified().ok()?)));
        let (dataset, kept_back) = (dataset.under(&privacy.rule()), all - files.len());
        Ok(Some(Contents { dataset, tags, texts, files, kept_back, left_out, has_zip, zip }))
    }
}

fn holds_meta_info(file: &FileRow) -> bool {
    matches!(&file.whereabouts, Whereabouts::Dataset(name) if is_meta_info(name))
}

fn is_seen(file: &FileRow, sight: &Sight) -> bool {
    matches!(&file.whereabouts, Whereabouts::Dataset(name) if sight.sees(name))
}
