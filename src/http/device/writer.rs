//! Writing a file while it comes in: gathered first, so that a thread is asked for seldom; and only what there is room for.

use std::{io, time::Duration};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    http::error::Problem,
    storage::{Admission, Handle, Handles, IncomingFile, Space, blocking},
};

/// Bytes that every upload may gather before a thread writes them. Ten thousand slow ones do it at once.
const GATHER: usize = 3 << 10;
/// The memory that it keeps for that between two writes. More is taken when a larger piece comes, and given back.
const KEPT: usize = 4 << 10;
/// What a fast upload gathers, to be written with fewer calls ...
const GATHER_FAST: usize = 256 << 10;
/// ... as long as no more than so many do.
static FAST: Semaphore = Semaphore::const_new(128);
/// An upload that brings nothing for so long is not fast, and what it has gathered is written.
const PAUSE: Duration = Duration::from_millis(50);

/// A file that comes in, and the bytes of it that nobody has written yet.
pub(super) struct Writer {
    incoming: IncomingFile,
    /// Copied: a chunk keeps all of the buffer alive that it was cut from.
    gathered: Vec<u8>,
    handles: Handles,
    held: Held,
}

/// What a writer holds while it has bytes that are not written.
#[derive(Default)]
pub(super) struct Held {
    fast: Option<SemaphorePermit<'static>>,
    handle: Option<Handle>,
}

impl Writer {
    pub(super) fn new(incoming: IncomingFile, handles: Handles) -> Self {
        Self { incoming, gathered: Vec::new(), handles, held: Held::default() }
    }

    /// How long to wait for the next chunk before writing what is there.
    pub(super) fn patience(&self) -> Duration {
        if self.gathered.len() < GATHER { Duration::MAX } else { PAUSE }
    }

    /// Takes a chunk; `true` if it is time to write.
    pub(super) fn gather(&mut self, chunk: &[u8]) -> bool {
        self.gathered.reserve_exact(chunk.len().max(KEPT - self.gathered.len().min(KEPT)));
        self.gathered.extend_from_slice(chunk);
        if self.gathered.len() >= GATHER && self.held.fast.is_none() {
            self.held.fast = FAST.try_acquire().ok();
            self.gathered.reserve(self.held.fast.as_ref().map_or(0, |_| GATHER_FAST));
        }
        self.gathered.len() >= if self.held.fast.is_some() { GATHER_FAST } else { GATHER }
    }

    /// Writes what has gathered. Where file handles are short, the file is closed until there is more.
    pub(super) async fn flush(self, room: &mut Room) -> Result<Self, Problem> {
        let park = self.handles.are_short();
        self.write(room, park).await
    }

    /// Writes and syncs everything, and holds nothing: something else comes before more of this.
    pub(super) async fn park(self, room: &mut Room) -> Result<Self, Problem> {
        self.write(room, true).await
    }

    async fn write(mut self, room: &mut Room, park: bool) -> Result<Self, Problem> {
        self.take_handle(room).await?;
        let written = blocking(move || {
            self.incoming.write(&self.gathered)?;
            self.reuse_memory();
            if park {
                self.incoming.park()?;
            }
            io::Result::Ok(self)
        });
        let mut writer = written.await??;
        writer.held.fast = None;
        if park {
            writer.held.handle = None;
        }
        Ok(writer)
    }

    /// Forgets what has been written. A small piece of memory is kept: given back, ten thousand of them would leave holes.
    fn reuse_memory(&mut self) {
        self.gathered.clear();
        if self.gathered.capacity() > KEPT {
            self.gathered = Vec::new();
        }
    }

    /// Takes what is needed to write what has gathered.
    pub(super) async fn take_handle(&mut self, room: &mut Room) -> Result<(), Problem> {
        room.take(self.gathered.len() as u64)?;
        if self.held.handle.is_none() {
            self.held.handle = Some(self.handles.take().await);
        }
        Ok(())
    }

    /// The file, the bytes at its end that are not written, and what they hold until they are.
    pub(super) fn into_parts(self) -> (IncomingFile, Vec<u8>, Held) {
        (self.incoming, self.gathered, self.held)
    }
}

/// The room that was promised to this request; asked for anew where the length was not announced.
pub(super) struct Room {
    space: Space,
    reserve: u64,
    admission: Admission,
}

impl Room {
    pub(super) fn admit(space: &Space, bytes: u64, reserve: u64) -> Result<Self, Problem> {
        let admission = space.admit_file(bytes, reserve)?.ok_or_else(Problem::no_room)?;
        Ok(Self { space: space.clone(), reserve, admission })
    }

    fn take(&mut self, bytes: u64) -> Result<(), Problem> {
        if self.admission.left() < bytes {
            *self = Self::admit(&self.space, bytes, self.reserve)?;
        }
        self.admission.spend(bytes);
        Ok(())
    }
}
