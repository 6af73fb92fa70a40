//! Browsing: what is here. Each look first lets the catalog mark what was acknowledged, so that a file is listed as soon as its
//! watch was told that it is safe.

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use super::Recordings;
use crate::{
    catalog::{Arrivals, CatalogError, Choices, Counts, Dataset, DatasetFilter, FileRow, FileState, Millis, PageKey, Sort, Texts},
    config::{Role, Sight},
    ids::{DatasetId, FileName, ParticipantId, Tag},
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

/// A dataset with what is in it, as far as a person of a role may see it.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The dataset.
    pub dataset: Dataset,
    /// Its tags, in the order of the alphabet.
    pub tags: Vec<Tag>,
    /// Its description and `metaInfo`.
    pub texts: Texts,
    /// A page of its files, by name.
    pub files: Vec<FileRow>,
    /// All its files, in numbers.
    pub counts: FileCounts,
    /// The published zip, if there is one: its size in bytes, and when it was made.
    pub zip: Option<(u64, SystemTime)>,
}

/// The files of a dataset in numbers, those in quarantine not counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileCounts {
    /// Files that the person may see.
    pub visible: u64,
    /// Those of them that are not on the disk.
    pub lost: u64,
    /// Files that are kept from the person, since they may hold a voice or a picture.
    pub kept_back: u64,
    /// Files that zips leave out for that reason, whoever asks.
    pub left_out: u64,
    /// Whether there is any file that the zip is to hold.
    pub has_zip: bool,
    /// Whether a `metaInfo` is among those that are kept back.
    keeps_meta_info_back: bool,
}

impl FileCounts {
    fn add(&mut self, name: &FileName, state: FileState, person: &Sight, zips: &Sight) {
        if person.sees(name) {
            self.visible += 1;
            self.lost += u64::from(state == FileState::Lost);
        } else {
            self.kept_back += 1;
            self.keeps_meta_info_back |= is_meta_info(name);
        }
        if zips.sees(name) {
            self.has_zip |= state == FileState::Placed;
        } else {
            self.left_out += 1;
        }
    }
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

    /// One dataset with what a person of this role may see, and the first `most` of its files with a name after `after`. However
    /// many files there are, only these are in memory.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn contents(
        &self,
        uuid: DatasetId,
        role: Role,
        after: Option<&FileName>,
        most: u32,
    ) -> Result<Option<Contents>, CatalogError> {
        self.catalog.flush().await?;
        let privacy = self.settings.now().privacy.clone();
        let Some(dataset) = self.catalog.dataset(uuid).await? else { return Ok(None) };
        let (sight, zips, mut counts) = (privacy.sight(role), privacy.in_zips(), FileCounts::default());
        let files = self.catalog.files(uuid, after, most, &sight).await?;
        self.catalog.visit_files(uuid, |name, state| counts.add(name, state, &sight, &zips)).await?;
        let mut texts = self.catalog.texts(uuid).await?;
        // What the run says of itself is told in no other way, either, where its file is kept back.
        texts.meta_info = texts.meta_info.filter(|_| !counts.keeps_meta_info_back);
        let tags = self.catalog.tags_of(&[uuid]).await?.into_iter().map(|(_, tag)| tag).collect();
        let zip = tokio::fs::metadata(self.shelves.storage.layout().zip(uuid)).await.ok();
        let zip = zip.and_then(|found| Some((found.len(), found.modified().ok()?)));
        Ok(Some(Contents { dataset: dataset.under(&privacy.rule()), tags, texts, files, counts, zip }))
    }

    /// Whether a dataset has a file of this name that a person of this role may see.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn has_file(&self, uuid: DatasetId, role: Role, name: &FileName) -> Result<bool, CatalogError> {
        self.catalog.flush().await?;
        Ok(self.settings.now().privacy.sight(role).sees(name) && self.catalog.has_file(uuid, name).await?)
    }
}
