//! Every path of the house. No other file joins folder names.

use std::path::{Path, PathBuf};

use crate::ids::{DatasetId, FileId, FileName, Kind, ModelId};

/// The folders under `uploads/`. `.house/` is the server's own and is never served.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// What holds the settings of a published model, and tells its folder from a dataset's: no watch can bring one there.
    pub const MODEL_SETTINGS: &str = "settings.json";

    /// The layout under `root`, the `uploads` folder.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `uploads/`
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `recordings/<uuid>/` or `tf_models/<uuid>/`
    #[must_use]
    pub fn dataset_folder(&self, kind: Kind, dataset: DatasetId) -> PathBuf {
        self.kind_folder(kind).join(dataset.to_string())
    }

    /// `recordings/<uuid>/<name>` or `tf_models/<uuid>/<name>`
    #[must_use]
    pub fn file(&self, dataset: DatasetId, name: &FileName) -> PathBuf {
        self.dataset_folder(name.kind(), dataset).join(name.as_str())
    }

    /// `recordings/` or `tf_models/`
    #[must_use]
    pub fn kind_folder(&self, kind: Kind) -> PathBuf {
        self.root.join(kind.folder())
    }

    /// `tf_models/<uuid>/` of a published model
    #[must_use]
    pub fn model_folder(&self, model: ModelId) -> PathBuf {
        self.kind_folder(Kind::Model).join(model.to_string())
    }

    /// `tf_models/<uuid>/<name>` of a published model
    #[must_use]
    pub fn model(&self, model: ModelId, name: &FileName) -> PathBuf {
        self.model_folder(model).join(name.as_str())
    }

    /// `tf_models/<uuid>/settings.json`
    #[must_use]
    pub fn model_settings(&self, model: ModelId) -> PathBuf {
        self.model_folder(model).join(Self::MODEL_SETTINGS)
    }

    /// `zips/<uuid>.zip`
    #[must_use]
    pub fn zip(&self, dataset: DatasetId) -> PathBuf {
        self.root.join("zips").join(format!("{dataset}.zip"))
    }

    /// `.house/`
    #[must_use]
    pub fn house(&self) -> PathBuf {
        self.root.join(".house")
    }

    /// `.house/catalog.sqlite`
    #[must_use]
    pub fn catalog(&self) -> PathBuf {
        self.house().join("catalog.sqlite")
    }

    /// `.house/ledger.jsonl`: what must outlive the catalog.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.house().join("ledger.jsonl")
    }

    /// `.house/incoming/`
    #[must_use]
    pub fn incoming_folder(&self) -> PathBuf {
        self.house().join("incoming")
    }

    /// `.house/incoming/<id>`: bytes that are on their way in.
    #[must_use]
    pub fn incoming(&self, id: FileId) -> PathBuf {
        self.incoming_folder().join(id.to_string())
    }

    /// `.house/quarantine/`
    #[must_use]
    pub fn quarantine_folder(&self) -> PathBuf {
        self.house().join("quarantine")
    }

    /// `.house/quarantine/<id>`: bytes that wait for a person's decision.
    #[must_use]
    pub fn quarantine(&self, id: FileId) -> PathBuf {
        self.quarantine_folder().join(id.to_string())
    }

    /// `.house/rolling/`
    #[must_use]
    pub fn rolling_folder(&self) -> PathBuf {
        self.house().join("rolling")
    }

    /// `.house/rolling/<uuid>.zip`: the next generation of a zip while it is being made.
    #[must_use]
    pub fn rolling(&self, dataset: DatasetId) -> PathBuf {
        self.rolling_folder().join(format!("{dataset}.zip"))
    }

    /// `.house/lock`
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.house().join("lock")
    }

    /// Every folder that must be there, parents first, with its mode.
    pub(super) fn folders(&self) -> [(PathBuf, u32); 8] {
        [
            (self.root.clone(), 0o755),
            (self.kind_folder(Kind::Recording), 0o755),
            (self.kind_folder(Kind::Model), 0o755),
            (self.root.join("zips"), 0o755),
            (self.house(), 0o700),
            (self.incoming_folder(), 0o700),
            (self.quarantine_folder(), 0o700),
            (self.rolling_folder(), 0o700),
        ]
    }
}
