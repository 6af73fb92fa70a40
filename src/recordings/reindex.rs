//! Reindex: what can be rebuilt from the disk when the catalog is lost or behind.

use std::{
    collections::HashSet,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::shelves::{Shelves, is_there};
use crate::{
    catalog::{CatalogError, FileRow, FileState, Held, NewFile, RecordError, Whereabouts},
    config::Quota,
    ids::{DatasetId, FileId, FileName, Kind, SentName},
    storage::{Digester, Digests, Layout},
};

/// Something on which disk and catalog do not agree.
#[derive(Debug, Clone)]
pub enum Finding {
    /// A file lies in a dataset's folder and is not in the catalog. Applied, it is recorded, without an owner.
    Unrecorded {
        /// The dataset.
        dataset: DatasetId,
        /// Its name.
        name: FileName,
        /// Where it lies.
        path: PathBuf,
    },
    /// A file is in the catalog and not on the disk, or not with its size. Applied, it is marked as lost.
    Missing(FileRow),
    /// A file that was marked as lost is there again. Applied, it counts again if its digest is right.
    Returned(FileRow),
    /// A file was on its way in or out when the server was cut. Applied, it is finished first, as at a start.
    Interrupted(FileRow),
    /// The folder of a model that was published, and that the catalog does not know (any more). It is left alone: a person publishes its
    /// file again.
    Published(PathBuf),
    /// A folder of a dataset that was erased; a backup has brought it back. It is left alone: the server erases it when it starts.
    Erased(PathBuf),
    /// A file lies in quarantine and is not in the catalog, which may be newer than it. It is left alone: a person looks what it is.
    Unheld(PathBuf),
    /// Something that is no recording. It is left alone.
    Stray(PathBuf),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unrecorded { path, .. } => write!(f, "not in the catalog: {}", path.display()),
            Self::Missing(row) => write!(f, "not on the disk (or of another size): {} of dataset {}", row.sent_name, row.dataset),
            Self::Returned(row) => write!(f, "lost, and there again: {} of dataset {}", row.sent_name, row.dataset),
            Self::Interrupted(row) => write!(f, "interrupted when the server was cut: {} of dataset {}", row.sent_name, row.dataset),
            Self::Erased(path) => {
                write!(f, "erased by a person, and there again: {}; the server removes it at its next start", path.display())
            }
            Self::Published(path) => {
                write!(f, "a published model that is not in the catalog, left alone: {}; publish its file again", path.display())
            }
            Self::Unheld(path) => {
                write!(f, "in quarantine, and not in the catalog, left alone: {}; delete it if it was discarded or erased", path.display())
            }
            Self::Stray(path) => write!(f, "not a recording, left alone: {}", path.display()),
        }
    }
}

/// What came for a dataset behind its end: that is no part of it.
const HELD: Whereabouts = Whereabouts::Quarantine(Held::Erased);

/// Compares disk and catalog, and mends the catalog. It never changes a recording.
pub struct Reindex {
    shelves: Shelves,
}

impl Reindex {
    /// Works on a house that no server serves at the moment.
    #[must_use]
    pub fn new(shelves: Shelves) -> Self {
        Self { shelves }
    }

    /// Everything on which disk and catalog do not agree.
    ///
    /// # Errors
    /// [`ReindexError`].
    pub async fn look(&self) -> Result<Vec<Finding>, ReindexError> {
        let is_erased = |row: &FileRow| self.shelves.ledger.is_erased(row.dataset) && row.whereabouts != HELD;
        let mut findings: Vec<_> = self.shelves.catalog.unsettled(u32::MAX).await?.into_iter().map(Finding::Interrupted).collect();
        let compare = |row: FileRow| match (row.state, is_there(&self.shelves.path_of(&row), row.size)) {
            _ if is_erased(&row) => {}
            (FileState::Lost, true) => findings.push(Finding::Returned(row)),
            (FileState::Placed, false) => findings.push(Finding::Missing(row)),
            _ => {}
        };
        self.shelves.catalog.visit_settled(compare).await?;
        for kind in [Kind::Recording, Kind::Model] {
            self.walk(kind, &mut findings).await?;
        }
        findings.extend(self.shelves.unknown_in_quarantine().await?.into_iter().map(Finding::Unheld));
        Ok(findings)
    }

    /// Mends the catalog as a finding says.
    ///
    /// # Errors
    /// [`ReindexError`].
    pub async fn apply(&self, finding: &Finding) -> Result<(), ReindexError> {
        match finding {
            Finding::Unrecorded { dataset, name, path } => self.record(*dataset, name, path).await?,
            Finding::Returned(row) if digest(&self.shelves.path_of(row))?.sha256_hex() == row.sha256 => {
                self.shelves.catalog.placed(vec![row.id]).await?;
            }
            Finding::Returned(row) => return Err(ReindexError::Changed(self.shelves.path_of(row).display().to_string())),
            Finding::Missing(row) => self.shelves.catalog.mark_lost(row).await?,
            Finding::Interrupted(_) => self.shelves.recover().await?,
            Finding::Published(_) | Finding::Erased(_) | Finding::Unheld(_) | Finding::Stray(_) => {}
        }
        Ok(self.shelves.catalog.flush().await?)
    }

    async fn record(&self, dataset: DatasetId, name: &FileName, path: &Path) -> Result<(), ReindexError> {
        let digests = digest(path)?;
        self.shelves.catalog.found_dataset(dataset).await?;
        let id = FileId::generate();
        let file = NewFile { id, dataset, device: None, sent_name: SentName::new(name.as_str()), digests, held: None };
        let recorded = self.shelves.catalog.record(vec![file], Quota::NONE).await?;
        match recorded.first().map(|file| &file.row.whereabouts) {
            Some(Whereabouts::Dataset(reserved)) if reserved == name => Ok(self.shelves.catalog.placed(vec![id]).await?),
            // Another row has the name, and its file has another spelling: the bytes stay, and a person looks.
            _ => {
                self.shelves.catalog.forget(&[id]).await?;
                Err(ReindexError::NameTaken(path.display().to_string()))
            }
        }
    }

    async fn walk(&self, kind: Kind, findings: &mut Vec<Finding>) -> Result<(), ReindexError> {
        let models = self.shelves.catalog.models(u32::MAX).await?;
        let models: HashSet<_> = models.iter().map(|model| self.shelves.storage.layout().model_folder(model.id)).collect();
        for folder in fs::read_dir(self.shelves.storage.layout().kind_folder(kind))? {
            let folder = folder?;
            if kind == Kind::Model && folder.path().join(Layout::MODEL_SETTINGS).exists() {
                findings.extend((!models.contains(&folder.path())).then(|| Finding::Published(folder.path())));
                continue;
            }
            let dataset = folder.file_name().to_str().and_then(DatasetId::from_canonical);
            let (Some(dataset), true) = (dataset, folder.file_type()?.is_dir()) else {
                findings.push(Finding::Stray(folder.path()));
                continue;
            };
            if self.shelves.ledger.is_erased(dataset) {
                findings.push(Finding::Erased(folder.path()));
                continue;
            }
            self.walk_dataset(dataset, &folder.path(), findings).await?;
        }
        Ok(())
    }

    async fn walk_dataset(&self, dataset: DatasetId, folder: &Path, findings: &mut Vec<Finding>) -> Result<(), ReindexError> {
        let (known, layout) = (self.shelves.catalog.stored_names(dataset).await?, self.shelves.storage.layout());
        for file in fs::read_dir(folder)? {
            let file = file?;
            let path = file.path();
            // Models and recordings have a folder each: in the other one, a file is not where the catalog has it.
            let name = file.file_name().to_str().map(|name| FileName::from_catalog(name.to_owned()));
            match name.filter(|name| layout.file(dataset, name) == path) {
                Some(name) if known.contains(&name) => {}
                Some(name) if FileName::from_stored(name.as_str()).is_some() && file.file_type()?.is_file() => {
                    findings.push(Finding::Unrecorded { dataset, name, path });
                }
                _ => findings.push(Finding::Stray(path)),
            }
        }
        Ok(())
    }
}

/// Why the catalog cannot be compared or mended.
#[derive(Debug, thiserror::Error)]
pub enum ReindexError {
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The catalog refused a file.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Disk(#[from] io::Error),
    /// What was interrupted cannot be finished.
    #[error(transparent)]
    Recover(#[from] super::ReceiveError),
    /// Another row has the name.
    #[error("{0}: the catalog knows another file of this name; rename one of them")]
    NameTaken(String),
    /// A file that was lost is there again with other bytes.
    #[error("{0}: this is not the file that was lost, its bytes differ; move it away")]
    Changed(String),
}

fn digest(path: &Path) -> io::Result<Digests> {
    let mut file = fs::File::open(path)?;
    let mut digester = Digester::default();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digester.finish()),
            read => digester.update(&buffer[..read]),
        }
    }
}
