//! What must outlive the catalog: which datasets were erased for good, and which devices were shut out. A file that only grows, one
//! line for each; each line holds a digest of the one before, so that one that is changed or taken out is noticed once another
//! stands behind it. It is no proof against somebody who writes the whole file anew.

mod entry;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::{self, File, Metadata},
    io::{self, BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use self::entry::Chain;
pub use self::entry::{Entry, Evidence, What};
use crate::{
    ids::{DatasetId, DeviceId},
    storage::Disk,
};

/// Only the server's user may read it.
const MODE: u32 = 0o600;

/// Why there is no ledger to go on with.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A line is not what was written there, or one is missing before it.
    #[error(
        "line {line} of {path} {why}: somebody changed the file, or it is damaged. Everything that can be read of it counts; hold it against your backups, and put in place the one that has all lines, with the server stopped"
    )]
    Broken {
        /// The file.
        path: String,
        /// The first such line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
        /// What could be read, for whoever goes on with it.
        ledger: Ledger,
    },
    /// The operating system refuses.
    #[error("cannot read or write {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

/// What the ledger says last of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// It is let in: it was restored, or granted anew.
    Good {
        /// The generation of its newest token then.
        generation: u32,
    },
    /// It is shut out.
    Revoked {
        /// The generation of its newest token then.
        generation: u32,
    },
    /// It is off the list, and shut out until it is granted a newer token.
    Forgotten {
        /// The generation of its newest token then.
        generation: u32,
    },
}

/// The ledger. Cheap to clone; all clones are one. Questions never wait for the disk.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    tail: Mutex<Tail>,
    known: RwLock<Known>,
    began_empty: bool,
}

/// Where the next line goes.
struct Tail {
    file: File,
    length: u64,
    chain: Chain,
    /// Part of a line may stand behind `length` that could not be cut off.
    is_uncertain: bool,
}

/// What all lines together say.
#[derive(Default)]
struct Known {
    erased: HashSet<DatasetId>,
    devices: HashMap<DeviceId, DeviceState>,
    /// The lowest generation of a device whose token is good, where older ones were ended.
    lowest: HashMap<DeviceId, u32>,
}

impl Known {
    fn take(&mut self, entry: &Entry) {
        match entry.what {
            What::DatasetErased { dataset, .. } => {
                self.erased.insert(dataset);
            }
            What::DeviceRevoked { device, generation } => self.take_state(device, generation, DeviceState::Revoked { generation }),
            What::DeviceRestored { device, generation } => self.take_state(device, generation, DeviceState::Good { generation }),
            What::DeviceForgotten { device, generation } => self.take_state(device, generation, DeviceState::Forgotten { generation }),
            What::DeviceTokensEnded { device, generation } => {
                // One that is shut out stays so, unless it has a newer token since.
                if self.was_granted_since(device, generation).is_some() {
                    self.take_state(device, generation, DeviceState::Good { generation });
                }
                self.end_below(device, generation);
            }
        }
    }

    fn take_state(&mut self, device: DeviceId, generation: u32, state: DeviceState) {
        // Whoever is granted anew has a newer token, and none of those that it was shut out with comes back to life.
        if let Some(shut_out) = self.was_granted_since(device, generation) {
            self.end_below(device, shut_out + 1);
        }
        self.devices.insert(device, state);
    }

    /// The generation with which a device was shut out, where this one is newer.
    fn was_granted_since(&self, device: DeviceId, newest: u32) -> Option<u32> {
        match self.devices.get(&device) {
            Some(DeviceState::Revoked { generation } | DeviceState::Forgotten { generation }) if *generation < newest => Some(*generation),
            _ => None,
        }
    }

    fn end_below(&mut self, device: DeviceId, generation: u32) {
        let lowest = self.lowest.entry(device).or_default();
        *lowest = generation.max(*lowest);
    }
}

impl Ledger {
    /// Reads the ledger at `path`, or begins one. A last line without its end was never promised, and is cut off. Blocks.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let (ledger, broken) = Self::read(disk, path).map_err(|source| OpenError::Io { path: path.display().to_string(), source })?;
        match broken {
            None => Ok(ledger),
            Some((line, why)) => Err(OpenError::Broken { path: path.display().to_string(), line, why, ledger }),
        }
    }

    /// The same, going on with what can be read of one that is broken, which the log says: a server that does not start would keep
    /// all watches waiting, and what a changed line may hide is gone either way.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn open_as_it_is(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let error = match Self::open(disk, path) {
            Err(error @ OpenError::Broken { .. }) => error,
            opened => return opened,
        };
        tracing::error!(%error, "the ledger of what was erased and who was shut out is broken");
        match error {
            OpenError::Broken { ledger, .. } => Ok(ledger),
            error @ OpenError::Io { .. } => Err(error),
        }
    }

    fn read(disk: Arc<dyn Disk>, path: &Path) -> io::Result<(Self, Option<(usize, &'static str)>)> {
        let file = open_file(&*disk, path)?;
        let mut lines = Lines::default();
        lines.read(BufReader::new(&file))?;
        if lines.torn > 0 {
            disk.truncate(&file, lines.length)?;
            disk.sync_file(&file, path)?;
            tracing::warn!(bytes = lines.torn, "cut off the last line of the ledger, which was never written to its end");
        }
        let tail = Tail { file, length: lines.length, chain: lines.chain, is_uncertain: false };
        let (known, began_empty) = (RwLock::new(lines.known), lines.length == 0);
        let inner = Inner { disk, path: path.to_owned(), tail: Mutex::new(tail), known, began_empty };
        Ok((Self(Arc::new(inner)), lines.broken))
    }

    /// Writes a line. When this returns, it survives a power cut; the questions below know it. Blocks.
    ///
    /// # Errors
    /// What the operating system says. The questions do not know the entry then; after a crash the line may be there all the same.
    pub fn append(&self, entry: &Entry) -> io::Result<()> {
        let mut tail = self.tail();
        let mut line = tail.chain.line(entry)?;
        let chain = Chain::behind(&line);
        line.push(b'\n');
        self.write(&mut tail, &line)?;
        tail.chain = chain;
        // The tail is still held, so that what is known changes in the order of the lines.
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).take(entry);
        Ok(())
    }

    /// A line that could not be synced is taken back, and not synced again: the second call may lie.
    fn write(&self, tail: &mut Tail, line: &[u8]) -> io::Result<()> {
        if tail.is_uncertain {
            return Err(io::Error::other("the ledger holds part of a line that could not be taken back; restart the server"));
        }
        let Inner { disk, path, .. } = &*self.0;
        if !is_at(&tail.file, path) {
            return Err(io::Error::other("the ledger is not the file any more that the server opened at its start; restart the server"));
        }
        let written = disk.write(&mut tail.file, line).and_then(|()| disk.sync_file(&tail.file, path));
        match written {
            Ok(()) => tail.length += line.len() as u64,
            Err(_) => tail.is_uncertain = disk.truncate(&tail.file, tail.length).is_err(),
        }
        written
    }

    /// Whether a dataset was erased for good.
    #[must_use]
    pub fn is_erased(&self, dataset: DatasetId) -> bool {
        self.known().erased.contains(&dataset)
    }

    /// The datasets that were erased, in no order.
    #[must_use]
    pub fn erased(&self) -> Vec<DatasetId> {
        self.known().erased.iter().copied().collect()
    }

    /// What is said last of a device; `None` where nothing is.
    #[must_use]
    pub fn device(&self, device: DeviceId) -> Option<DeviceState> {
        self.known().devices.get(&device).copied()
    }

    /// What is said last of each device of which anything is, in no order.
    #[must_use]
    pub fn devices(&self) -> Vec<(DeviceId, DeviceState)> {
        self.known().devices.iter().map(|(&device, &state)| (device, state)).collect()
    }

    /// The lowest generation whose token is good of each device of which older ones were ended, in no order.
    #[must_use]
    pub fn lowest_generations(&self) -> Vec<(DeviceId, u32)> {
        self.known().lowest.iter().map(|(&device, &generation)| (device, generation)).collect()
    }

    /// Whether nothing stood in it when it was opened, or there was none.
    #[must_use]
    pub fn began_empty(&self) -> bool {
        self.0.began_empty
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.0.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.0.path).finish()
    }
}

/// Opens the file, to append to it. Its name survives a power cut then, whoever made it.
fn open_file(disk: &dyn Disk, path: &Path) -> io::Result<File> {
    match disk.create(path, MODE) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    disk.sync_folder(path.parent().unwrap_or(path))?;
    disk.reopen(path)
}

/// Whether a path leads to an open file. Where somebody has put another one in its place, what is written goes nowhere.
fn is_at(file: &File, path: &Path) -> bool {
    let id = |found: &Metadata| (found.dev(), found.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(open), Ok(there)) if id(&open) == id(&there))
}

/// What is read, line by line.
struct Lines {
    /// Bytes of the whole lines, and behind them those of one that is not.
    length: u64,
    torn: usize,
    count: usize,
    chain: Chain,
    known: Known,
    /// The first line that is wrong. Those behind it count nevertheless: what was erased must not come back.
    broken: Option<(usize, &'static str)>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { length: 0, torn: 0, count: 0, chain: Chain::start(), known: Known::default(), broken: None }
    }
}

impl Lines {
    fn read(&mut self, mut file: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line)? > 0 {
            match line.strip_suffix(b"\n") {
                Some(whole) => self.take(whole),
                None => self.torn = line.len(),
            }
            line.clear();
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) {
        self.count += 1;
        self.length += line.len() as u64 + 1;
        let wrong = match self.chain.read(line) {
            Ok((entry, stands_here)) => {
                self.known.take(&entry);
                (!stands_here).then_some("does not follow from the line before it")
            }
            Err(_) => Some("cannot be read"),
        };
        self.broken = self.broken.or(wrong.map(|why| (self.count, why)));
        self.chain = Chain::behind(line);
    }
}

#[cfg(test)]
mod tests;
