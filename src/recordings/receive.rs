//! Receiving: from whole, synced files without a name to files that are safe, owned and acknowledged. The order is the
//! promise: record (synced) → into place (synced) → answer → mark.

use std::{io, path::PathBuf};

use serde::Serialize;

use super::{ReceiveError, Recordings, shelves::is_there, turns};
use crate::{
    catalog::{FileState, Held, NewFile, RecordError, Recorded, Whereabouts},
    config::StorageConfig,
    ids::{DatasetId, DeviceId, FileId, SentName},
    storage::{Buffer, IncomingFile, ReceivedFile, wait},
};

/// A file of a request whose last byte is here, before anyone has promised anything.
pub struct Upload {
    /// The id under which it came in.
    pub id: FileId,
    /// Its name as sent.
    pub sent_name: SentName,
    /// Where its bytes are written.
    pub incoming: IncomingFile,
    /// Those at its end that are not written yet.
    pub rest: Buffer,
}

/// The same, whole and synced.
struct Whole {
    id: FileId,
    sent_name: SentName,
    received: ReceivedFile,
}

/// What a watch is told about a file that is safe.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// Its dataset.
    pub uuid: DatasetId,
    /// Its name as sent.
    pub name: SentName,
    /// The name under which it is stored; none while it is in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_as: Option<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Whether it is new. If not, the same name with the same bytes was here already.
    pub new: bool,
    /// Whether a person must decide over it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub quarantined: bool,
}

impl Recordings {
    /// A new dataset for a device. Its uuid is drawn anew from so many that none that was erased comes again.
    ///
    /// # Errors
    /// [`RecordError`].
    pub async fn new_dataset(&self, device: DeviceId) -> Result<DatasetId, RecordError> {
        let uuid = self.catalog.new_dataset(device, self.settings.now().limits.quota()).await?;
        self.reader.mark();
        Ok(uuid)
    }

    /// Starts a file that comes in.
    #[must_use]
    pub fn incoming(&self, id: FileId) -> IncomingFile {
        self.shelves.storage.incoming(id)
    }

    /// Keeps the files that a device brought in one request: all of them, or none. When this returns, they are safe.
    ///
    /// It blocks, from the last bytes to the receipt: one thread for all of the way costs less than several in turns. It needs
    /// the runtime around it, as [`tokio::task::spawn_blocking`] gives it.
    ///
    /// # Errors
    /// [`ReceiveError`]: nothing is acknowledged, nothing is left behind.
    pub fn receive(&self, device: DeviceId, dataset: DatasetId, uploads: Vec<Upload>) -> Result<Vec<Receipt>, ReceiveError> {
        let uploads = uploads.into_iter().map(Upload::finish).collect::<io::Result<Vec<_>>>()?;
        let _turn = wait(self.turns.take(uploads.iter().map(|upload| key(dataset, upload)).collect()));
        // From here to the answer nobody erases the dataset: what is kept as its file is one of those that go with it, or is held.
        let _open = wait(self.gates.enter(dataset));
        let (config, is_erased) = (self.settings.now(), self.shelves.ledger.is_erased(dataset));
        let files = uploads.iter().map(|upload| describe(device, dataset, upload, &config.storage, is_erased)).collect();
        let mut files = wait(self.catalog.record(files, config.limits.quota()))?;
        let mut made = Vec::new();
        if let Err(error) = self.place_all(&mut files, uploads, &mut made) {
            self.take_back(&files, &made);
            return Err(error);
        }
        wait(self.catalog.placed(files.iter().map(|file| file.row.id).collect()))?;
        let in_dataset = files.iter().filter(|file| file.new && matches!(file.row.whereabouts, Whereabouts::Dataset(_)));
        self.roller.mark(dataset, in_dataset.map(|file| file.row.size).sum());
        self.reader.mark();
        Ok(files.iter().map(Receipt::of).collect())
    }

    /// Brings each file into its place. What was put there is noted in `made`, also where a later file fails.
    fn place_all(&self, files: &mut [Recorded], uploads: Vec<Whole>, made: &mut Vec<PathBuf>) -> Result<(), ReceiveError> {
        for (file, upload) in files.iter_mut().zip(uploads) {
            if self.place(file, upload.received)? {
                made.push(self.shelves.path_of(&file.row));
            }
        }
        Ok(())
    }

    /// Brings one file into its place; `false` where it is there from an earlier time. Somebody may have laid a file of that
    /// name there by hand: then this one gets the next name.
    fn place(&self, file: &mut Recorded, mut received: ReceivedFile) -> Result<bool, ReceiveError> {
        let storage = &self.shelves.storage;
        loop {
            let path = self.shelves.path_of(&file.row);
            let placed = if !file.new && is_there(&path, file.row.size) {
                // Unsettled, it was left by a request that failed: nobody has vouched for its name.
                if file.row.state == FileState::Placed { Ok(false) } else { storage.sync_name(&path).map(|()| false) }
            } else {
                storage.place(&mut received, &path).map(|()| true)
            };
            match placed {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.shelves.make_way(&mut file.row)?,
                placed => return Ok(placed?),
            }
        }
    }

    /// After a failure: what this request made is gone again, from the disk and from the catalog.
    fn take_back(&self, recorded: &[Recorded], made: &[PathBuf]) {
        if let Err(error) = made.iter().try_for_each(|path| self.shelves.storage.disk().remove(path)) {
            tracing::error!(%error, "could not take back a file that was not acknowledged");
        }
        let new: Vec<_> = recorded.iter().filter(|file| file.new).map(|file| file.row.id).collect();
        if let Err(error) = wait(self.catalog.forget(&new)) {
            tracing::error!(%error, "could not forget files that were not acknowledged; the next start does");
        }
    }
}

impl Upload {
    fn finish(mut self) -> io::Result<Whole> {
        self.incoming.write(self.rest.bytes())?;
        Ok(Whole { id: self.id, sent_name: self.sent_name, received: self.incoming.finish()? })
    }
}

impl Receipt {
    fn of(file: &Recorded) -> Self {
        let stored_as = match &file.row.whereabouts {
            Whereabouts::Dataset(name) => Some(name.to_string()),
            Whereabouts::Quarantine(_) => None,
        };
        Self {
            uuid: file.row.dataset,
            name: file.row.sent_name.clone(),
            quarantined: stored_as.is_none(),
            stored_as,
            size: file.row.size,
            sha256: file.row.sha256.clone(),
            new: file.new,
        }
    }
}

fn describe(device: DeviceId, dataset: DatasetId, upload: &Whole, config: &StorageConfig, is_erased: bool) -> NewFile {
    let extension = upload.sent_name.stored().extension();
    let unlisted = (!config.extensions.contains(&extension)).then_some(Held::Extension);
    NewFile {
        id: upload.id,
        dataset,
        device: Some(device),
        sent_name: upload.sent_name.clone(),
        digests: upload.received.digests(),
        held: if is_erased { Some(Held::Erased) } else { unlisted },
    }
}

fn key(dataset: DatasetId, upload: &Whole) -> turns::Key {
    (dataset, upload.sent_name.clone(), upload.received.digests().sha256_hex())
}
