//! Many recordings taken home at once: one zip with a folder for each, made as it is sent, of a length that is known before.

use std::io::{self, Read};

use super::Recordings;
use crate::{
    archive::{Bundle, Entry},
    catalog::{CatalogError, READ_ME, Zippable},
    ids::DatasetId,
    storage::{Storage, open_beneath},
};

/// As many files as one zip takes home.
const MOST_FILES: usize = 200_000;
/// Read at once.
const CHUNK: usize = 256 << 10;

/// Why recordings are not taken home together.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// None of them holds a file.
    #[error("none of these recordings holds a file that may stand in a zip; what may hold a voice or a picture does not")]
    Empty,
    /// They hold too many.
    #[error("these recordings hold more than {MOST_FILES} files; take them home in parts")]
    TooMany,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// What is to be taken home.
pub struct Collection {
    bundle: Bundle,
    /// Whose the entries are, in their order.
    folders: Vec<Folder>,
    /// The privacy rule under which it was laid out.
    rule: String,
    storage: Storage,
}

/// A dataset in the zip.
struct Folder {
    dataset: DatasetId,
    /// Number of its entries.
    entries: usize,
    /// The bytes of the last one, where that is not a file.
    read_me: Option<String>,
}

impl Recordings {
    /// Lays out the files of recordings: everything acknowledged until now that may stand in a zip. One that is not
    /// there, or lies in the trash, is passed over.
    ///
    /// # Errors
    /// [`CollectError`].
    pub async fn collect(&self, datasets: &[DatasetId]) -> Result<Collection, CollectError> {
        self.catalog.flush().await?;
        let privacy = self.settings.now().privacy.clone();
        let (sight, rule) = (privacy.in_zips(), privacy.rule());
        let (mut bundle, mut folders) = (Bundle::default(), Vec::new());
        for &dataset in datasets {
            if self.roller.is_withdrawn(dataset).await? {
                continue;
            }
            let (before, mut read_me) = (bundle.count(), None);
            let add = |file: Zippable| {
                let name = format!("{dataset}/{}", Entry::name_of(&file.name));
                bundle.push(&Entry { name, size: file.size, crc32: file.crc32, modified: file.received_at });
                read_me = file.text;
            };
            self.catalog.visit_files_to_zip(dataset, &sight, add).await?;
            let entries = bundle.count() - before;
            folders.extend((entries > 0).then_some(Folder { dataset, entries, read_me }));
            if bundle.count() > MOST_FILES {
                return Err(CollectError::TooMany);
            }
        }
        if bundle.is_empty() {
            return Err(CollectError::Empty);
        }
        Ok(Collection { bundle, folders, rule, storage: self.shelves.storage.clone() })
    }

    /// Whether a collection may be sent now: the privacy rule is the one under which it was laid out, and none of its recordings is in the
    /// trash.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn may_send(&self, collection: &Collection) -> Result<bool, CatalogError> {
        for dataset in collection.datasets() {
            if self.roller.is_withdrawn(dataset).await? {
                return Ok(false);
            }
        }
        Ok(collection.rule == self.settings.now().privacy.rule())
    }
}

impl Collection {
    /// The recordings of which it holds something.
    #[must_use]
    pub fn datasets(&self) -> Vec<DatasetId> {
        self.folders.iter().map(|folder| folder.dataset).collect()
    }

    /// Bytes of the whole zip.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.bundle.len()
    }

    /// Hands the zip on, piece by piece, for as long as `send` takes it. It blocks.
    ///
    /// # Errors
    /// Where a file cannot be read or has changed: what was sent is then no whole zip, and its length says so.
    pub fn send(&self, mut send: impl FnMut(Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        let mut parts = self.bundle.parts();
        for folder in &self.folders {
            for (header, entry) in parts.by_ref().take(folder.entries) {
                send(header)?;
                send_file(self.open(folder, &entry)?, &entry, &mut send)?;
            }
        }
        self.bundle.directory().try_for_each(send)
    }

    fn open<'a>(&self, folder: &'a Folder, entry: &Entry) -> io::Result<Box<dyn Read + 'a>> {
        let (_, name) = entry.name.split_once('/').unwrap_or_default();
        if let (Some(text), READ_ME) = (&folder.read_me, name) {
            return Ok(Box::new(text.as_bytes()));
        }
        let layout = self.storage.layout();
        let path = layout.file(folder.dataset, &Entry::stored_name(name));
        let beneath = path.strip_prefix(layout.root()).map_err(io::Error::other)?;
        Ok(Box::new(open_beneath(layout.root(), beneath)?.file))
    }
}

fn send_file(mut file: impl Read, entry: &Entry, send: &mut impl FnMut(Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let (mut crc32, mut left) = (crc32fast::Hasher::new(), entry.size);
    while left > 0 {
        let mut chunk = vec![0; usize::try_from(left).unwrap_or(CHUNK).min(CHUNK)];
        file.read_exact(&mut chunk)?;
        crc32.update(&chunk);
        left -= chunk.len() as u64;
        if left == 0 && crc32.clone().finalize() != entry.crc32 {
            return Err(io::Error::other("a file has changed since it was received"));
        }
        send(chunk)?;
    }
    Ok(())
}
