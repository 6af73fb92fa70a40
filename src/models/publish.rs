//! Publishing: a file that is what it claims to be, with settings that a watch can use, gets a folder and a row.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use super::{ModelError, ModelSettings, Models, format};
use crate::{
    catalog::{Model, ModelNotes},
    ids::{DatasetId, FileId, FileName, ModelId},
    storage::{ReservedFor, Storage, blocking, open_beneath},
};

/// The longest version, in characters.
const MAX_VERSION: usize = 40;
/// The longest notes, in characters.
const MAX_NOTES: usize = 4000;

/// A model that is to be published.
pub struct NewModel {
    /// The name that watches will know it by.
    pub name: FileName,
    /// Its file.
    pub bytes: Vec<u8>,
    /// What people say of it.
    pub notes: ModelNotes,
    /// How watches use it.
    pub settings: ModelSettings,
}

impl Models {
    /// Publishes a model: nobody has it yet. Its file and its settings are in their folder, and survive a power cut, before it is
    /// listed; what was begun when the server is cut is listed nowhere.
    ///
    /// Dropping the future half way would leave a folder that nobody knows: run it on a task of its own.
    ///
    /// # Errors
    /// [`ModelError`]; nothing is published then.
    pub async fn publish(&self, new: NewModel, who: &str) -> Result<ModelId, ModelError> {
        let notes = checked(&new.notes)?;
        if new.bytes.len() > self.settings.now().models.most_bytes() {
            return Err(ModelError::TooLarge(self.settings.now().models.max_mib));
        }
        // One at a time: each is held in memory.
        let _turn = self.publishing.lock().await;
        if self.catalog.model_named(&new.name).await?.is_some() {
            return Err(ModelError::taken(&new.name));
        }
        let (name, bytes) = (new.name.clone(), new.bytes);
        let (facts, bytes) = blocking(move || format::inspect(&name, &bytes).map(|facts| (facts, bytes))).await??;
        let (id, settings) = (ModelId::random(), new.settings.to_json());
        let files = Files { id, name: new.name, bytes, settings };
        let (storage, reserve) = (self.storage.clone(), self.settings.now().storage.reserve());
        let (files, sha256, size) = blocking(move || files.place(&storage, reserve)).await??;
        let facts = serde_json::to_string(&facts).map_err(io::Error::other)?;
        let (name, settings, published_by) = (files.name, files.settings, who.to_owned());
        let model = Model { id, name, notes, size, sha256, settings, facts, published_at: self.catalog.now(), published_by };
        match self.catalog.add_model(&model).await {
            Ok(true) => Ok(id),
            refused => {
                self.remove_files(id).await?;
                refused?;
                Err(ModelError::taken(&model.name))
            }
        }
    }

    /// The bytes of a model file that a watch brought with a recording.
    ///
    /// # Errors
    /// [`ModelError`].
    pub async fn brought(&self, dataset: DatasetId, name: &FileName) -> Result<Vec<u8>, ModelError> {
        let (root, path) = (self.storage.layout().root().to_owned(), self.storage.layout().file(dataset, name));
        let models = self.settings.now().models.clone();
        let read = move || {
            let file = open_beneath(&root, path.strip_prefix(&root).map_err(io::Error::other)?)?;
            if file.size > models.most_bytes() as u64 {
                return Err(ModelError::TooLarge(models.max_mib));
            }
            let mut bytes = Vec::new();
            file.file.take(file.size).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        blocking(read).await?
    }

    /// Keeps what people say of a model.
    ///
    /// # Errors
    /// [`ModelError`].
    pub async fn describe(&self, id: ModelId, notes: ModelNotes) -> Result<(), ModelError> {
        if self.catalog.describe_model(id, &checked(&notes)?).await? { Ok(()) } else { Err(ModelError::Gone) }
    }
}

/// What lies in the folder of a published model.
struct Files {
    id: ModelId,
    name: FileName,
    bytes: Vec<u8>,
    settings: String,
}

impl Files {
    /// Puts both in place. The settings come first: a folder with settings is no dataset's.
    fn place(self, storage: &Storage, reserve: u64) -> Result<(Self, String, u64), ModelError> {
        let bytes = (self.bytes.len() + self.settings.len()) as u64;
        let mut reservation = storage.space().admit_file(ReservedFor::Server, bytes, reserve)?;
        let layout = storage.layout();
        let mut put = |bytes: &[u8], to: PathBuf| {
            reservation.spend(bytes.len() as u64)?;
            let mut incoming = storage.incoming(FileId::generate());
            incoming.write(bytes)?;
            let mut received = incoming.finish()?;
            storage.place(&mut received, &to)?;
            Ok::<_, io::Error>(received.digests())
        };
        let placed =
            put(self.settings.as_bytes(), layout.model_settings(self.id)).and_then(|_| put(&self.bytes, layout.model(self.id, &self.name)));
        match placed {
            Ok(digests) => Ok((self, digests.sha256_hex(), digests.size)),
            Err(error) => {
                storage.remove_model(self.id)?;
                Err(error.into())
            }
        }
    }
}

fn checked(notes: &ModelNotes) -> Result<ModelNotes, ModelError> {
    let (version, notes) = (notes.version.trim().to_owned(), notes.notes.trim().replace("\r\n", "\n"));
    if version.chars().count() > MAX_VERSION || version.chars().any(char::is_control) {
        return Err(ModelError::BadVersion);
    }
    if notes.chars().count() > MAX_NOTES { Err(ModelError::NotesTooLong) } else { Ok(ModelNotes { version, notes }) }
}
