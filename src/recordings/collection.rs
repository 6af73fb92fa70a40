//! Many recordings taken home at once: one zip with a folder for each, made as it is sent, of a length that is known before.

use std::io::{self, Read};

use super::Recordings;
use crate::{
    archive::{Bundle, Entry},
    catalog::{CatalogError, Zippable},
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
    /// What each entry's bytes are.
    files: Vec<(DatasetId, Zippable)>,
    /// The privacy rule under which it was laid out.
    rule: String,
    storage: Storage,
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
        let (mut entries, mut files) = (Vec::new(), Vec::new());
        for &dataset in datasets {
            if self.roller.is_withdrawn(dataset).await? {
                continue;
            }
            for file in self.catalog.files_to_zip(dataset, &sight).await? {
                let name = format!("{dataset}/{}", Entry::name_of(&file.name));
                entries.push(Entry { name, size: file.size, crc32: file.crc32, modified: file.received_at });
                files.push((dataset, file));
            }
            if entries.len() > MOST_FILES {
                return Err(CollectError::TooMany);
            }
        }
        if entries.is_empty() {
            return Err(CollectError::Empty);
        }
        Ok(Collection { bundle: Bundle::new(entries), files, rule, storage: self.shelves.storage.clone() })
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
        let mut datasets: Vec<_> = self.files.iter().map(|(dataset, _)| *dataset).collect();
        datasets.dedup();
        datasets
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
        for ((header, entry), (dataset, file)) in self.bundle.parts().zip(&self.files) {
            send(header)?;
            send_file(self.open(*dataset, file)?, entry, &mut send)?;
        }
        send(self.bundle.directory())
    }

    fn open<'a>(&self, dataset: DatasetId, file: &'a Zippable) -> io::Result<Box<dyn Read + 'a>> {
        if let Some(text) = &file.text {
            return Ok(Box::new(text.as_bytes()));
        }
        let layout = self.storage.layout();
        let path = layout.file(dataset, &file.name);
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
