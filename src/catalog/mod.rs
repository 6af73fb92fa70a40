//! The catalog: who owns what, under which name, with which digest. SQLite in WAL mode, every commit synced.

mod alerts;
mod annotations;
mod arrivals;
mod assignments;
mod audit;
mod blocked;
mod clock;
mod columns;
mod commit;
mod correct;
mod counts;
mod credentials;
mod datasets;
mod describe;
mod devices;
mod erasing;
mod error;
mod files;
mod finding;
mod forgetting;
#[cfg(test)]
mod found;
mod listing;
#[cfg(test)]
pub(crate) mod made;
mod models;
mod offers;
mod participants;
mod quarantine;
mod record;
mod requests;
mod rows;
mod runs;
mod settled;
mod singly;
mod spans;
mod together;
mod tokens;
mod trash;
mod upgrade;
mod watched;
mod words;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Connection, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    clock::{self as time, Clock},
    ids::DeviceId,
};

pub use alerts::{Channel, StandingAlert};
pub use annotations::{Edited, Texts};
pub use arrivals::Arrivals;
pub use assignments::{Assigned, Assignment, Audience, Deciding, Recipient};
pub use audit::{AuditEntry, AuditFilter, Subject};
pub use blocked::Blocked;
pub use clock::Settled;
pub use counts::Counts;
pub use credentials::Credential;
pub use datasets::{Dataset, Notes, Run, Verdict, ZipState};
pub use describe::{Brought, Description, ToDescribe};
pub use devices::{Device, DeviceFilter, DeviceKey, DeviceMeta, DeviceNotes};
pub use error::{CatalogError, RecordError};
pub use files::{READ_ME, Zippable};
pub use listing::{Choices, DatasetFilter, PageKey, Sort, Wearer};
pub use models::{Model, ModelNotes, Removed};
pub use offers::Offer;
pub use participants::{Enrolled, Participant};
pub use quarantine::HeldKey;
pub use requests::{Poll, Request};
pub use rows::{FileRow, FileState, Held, NewFile, Recorded, Whereabouts};
pub use runs::{NumberedRun, RunSpan};
pub use spans::{Span, Spanned};
pub use watched::{UnfinishedDataset, Watched};

pub use crate::clock::{DAY, Millis, date_of};

/// How long a statement waits for another process that holds the database: well inside a watch's patience of 10 s.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);

/// After so many pages (32 MiB) the log is written back into the database. The same few pages change with every group: the longer
/// that waits, the less there is to write.
const CHECKPOINT_PAGES: &str = "8192";

/// Writers of less urgent things that may get in line with uploads at once.
const ASIDE: usize = 4;

/// The catalog, open. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    read: SqlitePool,
    /// One connection: writers queue here, so they never meet in the database.
    write: SqlitePool,
    committer: commit::Committer,
    clock: Clock,
    tokens: Arc<tokens::Tokens>,
    /// Counts what changes who is to have which model.
    recipients: Arc<AtomicU64>,
    /// Keeps what strangers and idle watches ask from queueing in front of uploads.
    aside: Arc<Semaphore>,
}

impl Catalog {
    /// Opens the catalog, makes it where there is none, and brings its schema up to date. Uploads are committed by a task of
    /// its own, until [`Catalog::close`].
    ///
    /// # Errors
    /// [`CatalogError`] where the file is not a catalog of this program's version, or cannot be used.
    pub async fn open(path: &Path) -> Result<Self, CatalogError> {
        Self::open_with(path, Arc::new(time::machine)).await
    }

    /// The same with other clocks than those of the machine.
    ///
    /// # Errors
    /// As [`Catalog::open`].
    pub async fn open_with(path: &Path, clocks: time::Source) -> Result<Self, CatalogError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            // What a statement needs for a moment is no business of the disk.
            .pragma("temp_store", "memory")
            .busy_timeout(BUSY_TIMEOUT);
        // A connection to a file does not go away by itself: no need to try it before each use.
        let pool = SqlitePoolOptions::new().acquire_timeout(BUSY_TIMEOUT).test_before_acquire(false);
        let write = pool.clone().max_connections(1).after_release(|connection, _| Box::pin(is_idle(connection)));
        let write = write.connect_with(options.clone()).await?;
        upgrade::upgrade(&write, path).await?;
        let read = pool.max_connections(4).connect_with(options.read_only(true)).await?;
        let clock = Clock::new(clock::stored_time(&write).await?, clocks);
        let committer = commit::Committer::start(write.clone(), clock.clone());
        Ok(Self {
            read,
            write,
            committer,
            clock,
            tokens: Arc::default(),
            recipients: Arc::default(),
            aside: Arc::new(Semaphore::new(ASIDE)),
        })
    }

    /// How many devices that are let in hold a token signed by none of these secrets (given by their fingerprints), asked of a
    /// catalog that may be another program's at this moment: nothing of it is changed, not even its schema.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn peek_signed_by_others(path: &Path, fingerprints: &[String]) -> Result<u64, CatalogError> {
        let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(path).read_only(true)).await?;
        let known = upgrade::refuse_newer(&pool, path).await;
        let devices = devices::count_signed_by_others(&pool, fingerprints).await;
        pool.close().await;
        known?;
        Ok(devices?)
    }

    /// Commits what is queued and closes the file.
    pub async fn close(&self) {
        self.committer.close().await;
        if let Err(error) = self.store_time().await {
            tracing::warn!(%error, "the time could not be stored; the next start goes on from the last time that was");
        }
        self.read.close().await;
        self.write.close().await;
    }

    /// How often who is to have which model may have changed since the start.
    #[must_use]
    pub fn changes_of_recipients(&self) -> u64 {
        self.recipients.load(Ordering::Acquire)
    }

    /// Says, behind the change, that who is to have which model may have changed.
    fn recipients_changed(&self) {
        self.recipients.fetch_add(1, Ordering::Release);
    }

    /// Commits what changes who is to have which model, and says so. That happens also where nobody waits for it any more, and where the
    /// outcome is uncertain: a change that is not said would be passed over for a minute.
    async fn commit_for_recipients(&self, tx: Transaction<'static, Sqlite>) -> Result<(), CatalogError> {
        let catalog = self.clone();
        let committed = tokio::spawn(async move {
            let committed = tx.commit().await;
            catalog.recipients_changed();
            committed
        });
        Ok(committed.await.map_err(|_| CatalogError::Closed)??)
    }

    /// Says, behind the change, that which tokens of a device are good may have changed.
    fn device_changed(&self, device: DeviceId) {
        self.tokens.forget(device);
        self.recipients_changed();
    }

    /// A transaction that holds the database's write lock from its start, so that what it reads stays true until it commits.
    async fn writing(&self) -> Result<Transaction<'static, Sqlite>, CatalogError> {
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// The same for what is less urgent than uploads: few get in line at once.
    async fn writing_aside(&self) -> Result<(Transaction<'static, Sqlite>, OwnedSemaphorePermit), CatalogError> {
        let place = tokio::time::timeout(BUSY_TIMEOUT, Arc::clone(&self.aside).acquire_owned()).await;
        let place = place.map_err(|_| CatalogError::Busy)?.map_err(|_| CatalogError::Closed)?;
        Ok((self.writing().await?, place))
    }
}

/// Whether a connection may be used again. After a failed COMMIT SQLite may have rolled back by itself, and the driver still
/// counts a transaction that is not there: such a connection would refuse every further one.
async fn is_idle(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // Lets a rollback that is queued run first.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}
