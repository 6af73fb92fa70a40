//! One roll: list what the zip must hold, write the next generation, publish it.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    time::{Duration, SystemTime},
};

use tokio_util::sync::CancellationToken;

use super::{RollError, Roller, nanoseconds};
use crate::{
    archive::{self, Entry, Last},
    catalog::{READ_ME, ZipState, Zippable},
    config::PrivacyConfig,
    ids::DatasetId,
    metrics::METRICS,
    storage::{Layout, Reservation, ReservedFor, Storage, blocking, publish},
};

/// nginx's `ETag` is whole seconds and the size: generations must differ by a second at least.
const STEP: Duration = Duration::from_secs(1);

/// Read and written at once. The directory of a zip is read in pieces of a few bytes.
const BUFFER: usize = 1 << 20;

/// What a build left under the name of the zip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation {
    /// The modification time of the zip; `None` where there is none, since there is nothing that it may hold.
    pub(super) modified: Option<SystemTime>,
    /// Bytes that were copied from the last one.
    copied: u64,
}

/// What a generation is made of.
struct Plan {
    dataset: DatasetId,
    /// What the zip must hold, by name. The writer needs all of it for the directory at the end; at the quota of 20,000 files with
    /// the longest names it takes 5 MB.
    wanted: Vec<Entry>,
    /// The bytes of the entry that is not a file.
    read_me: Option<String>,
    /// When it is made: the time that its zip bears, at the earliest.
    made_at: SystemTime,
    /// What the disk must keep free, bytes.
    reserve: u64,
    stop: CancellationToken,
}

impl Roller {
    /// Publishes a generation that holds at least everything up to this state, but for what is left out.
    pub(super) async fn roll(&self, dataset: DatasetId, before: &ZipState, privacy: &PrivacyConfig) -> Result<Generation, RollError> {
        let started = std::time::Instant::now();
        let (plan, rule) = (self.plan(dataset, privacy).await?, privacy.rule());
        let (storage, entries) = (self.storage.clone(), plan.wanted.len());
        // Cut short after the publication, it leaves a zip that the catalog does not know, and so nobody gets.
        let generation = blocking(move || plan.carry_out(&storage)).await??;
        let copied = generation.copied;
        self.catalog.zipped(dataset, before.changes, &rule, copied, generation.modified.map(nanoseconds)).await?;
        METRICS.roll_seconds.observe(started.elapsed().as_secs_f64());
        METRICS.roll_copied_bytes.inc_by(copied);
        tracing::info!(%dataset, entries, copied, seconds = started.elapsed().as_secs_f64(), "rolled a zip");
        Ok(generation)
    }

    async fn plan(&self, dataset: DatasetId, privacy: &PrivacyConfig) -> Result<Plan, RollError> {
        let (reserve, stop) = (self.schedule.settings.now().storage.reserve(), self.schedule.stop.clone());
        let made_at = SystemTime::UNIX_EPOCH + Duration::from_millis(self.catalog.now().unsigned_abs());
        let mut plan = Plan { dataset, wanted: Vec::new(), read_me: None, made_at, reserve, stop };
        let add = |file: Zippable| {
            let name = Entry::name_of(&file.name);
            plan.wanted.push(Entry { name, size: file.size, crc32: file.crc32, modified: file.received_at });
            // It comes last.
            plan.read_me = file.text;
        };
        self.catalog.visit_files_to_zip(dataset, &privacy.in_zips(), add).await?;
        Ok(plan)
    }
}

impl Plan {
    /// Writes and publishes the generation.
    fn carry_out(self, storage: &Storage) -> Result<Generation, RollError> {
        let published = storage.layout().zip(self.dataset);
        if self.wanted.is_empty() {
            storage.disk().remove(&published)?;
            // It may have held what is left out now: a power cut must not bring it back.
            storage.disk().sync_folder(published.parent().unwrap_or(storage.layout().root()))?;
            return Ok(Generation { modified: None, copied: 0 });
        }
        let (last, last_modified) = self.last_generation(storage.layout())?;
        if last.as_ref().is_some_and(|last| self.wanted.iter().all(|entry| last.holds(entry))) {
            // Whoever published it may have been cut before the name was safe.
            storage.disk().sync_folder(published.parent().unwrap_or(storage.layout().root()))?;
            return Ok(Generation { modified: Some(last_modified), copied: 0 });
        }
        let room: u64 = self.wanted.iter().map(|entry| entry.size).sum();
        let room = storage.space().admit(ReservedFor::Server, room, self.reserve)?;

        let rolling = storage.layout().rolling(self.dataset);
        storage.disk().remove(&rolling)?;
        let made = self.write(storage, room, last, last_modified);
        if made.is_err() {
            storage.disk().remove(&rolling)?;
        }
        made
    }

    fn write(
        &self,
        storage: &Storage,
        room: Reservation,
        last: Option<Last<impl Read + Seek>>,
        last_modified: SystemTime,
    ) -> Result<Generation, RollError> {
        let rolling = storage.layout().rolling(self.dataset);
        let file = Spending { room, file: storage.disk().create(&rolling, 0o644)? };
        let out = BufWriter::with_capacity(BUFFER, file);
        let written = archive::write_generation(out, last, &self.wanted, |entry| self.open(storage.layout(), entry));
        let (out, made) = written.map_err(|error| if self.stop.is_cancelled() { RollError::Stopping } else { error.into() })?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?.file;
        storage.disk().set_modified(&file, self.made_at.max(last_modified + STEP))?;
        // Read again: the file system may keep it less precisely.
        let modified = Some(file.metadata()?.modified()?);
        publish(&**storage.disk(), &file, &rolling, &storage.layout().zip(self.dataset))?;
        Ok(Generation { modified, copied: made.copied })
    }

    /// The published generation where it can be taken over, and the time that it bears.
    fn last_generation(&self, layout: &Layout) -> io::Result<(Option<Last<Reader>>, SystemTime)> {
        let file = match File::open(layout.zip(self.dataset)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, SystemTime::UNIX_EPOCH)),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let file = BufReader::with_capacity(BUFFER, self.stoppable(file));
        let last = Last::read(file, metadata.len()).filter(|last| last.is_part_of(&self.wanted));
        Ok((last, metadata.modified()?))
    }

    fn open<'a>(&'a self, layout: &Layout, wanted: &Entry) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match &self.read_me {
            Some(text) if wanted.name == READ_ME => Box::new(text.as_bytes()),
            _ => Box::new(self.stoppable(File::open(layout.file(self.dataset, &Entry::stored_name(&wanted.name)))?)),
        })
    }

    fn stoppable<R>(&self, inner: R) -> Stoppable<R> {
        Stoppable { inner, stop: self.stop.clone() }
    }
}

/// A file that asks for room before each write, and gives back what was reserved for it as it fills.
struct Spending {
    room: Reservation,
    file: File,
}

impl Write for Spending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room.spend(bytes.len() as u64)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Spending {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// How the last generation is read.
type Reader = BufReader<Stoppable<File>>;

/// Ends a long copy when the server stops.
struct Stoppable<R> {
    inner: R,
    stop: CancellationToken,
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() { Err(io::Error::other("stopping")) } else { self.inner.read(buffer) }
    }
}

impl<R: Seek> Seek for Stoppable<R> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
