//! Writing a file while it comes in: gathered first, so that a thread is asked for seldom; and only what there is room for.

use std::{io, time::Duration};

use crate::{
    http::error::Problem,
    storage::{Buffer, Handle, Handles, IncomingFile, Reservation, blocking},
};

/// An upload that brings nothing for so long is not fast, and what it has gathered is written.
const PAUSE: Duration = Duration::from_millis(50);

/// A file that comes in, and the bytes of it that nobody has written yet.
pub(super) struct Writer {
    incoming: IncomingFile,
    gathered: Buffer,
    handles: Handles,
    handle: Option<Handle>,
}

impl Writer {
    pub(super) fn new(incoming: IncomingFile, handles: Handles) -> Self {
        Self { incoming, gathered: Buffer::default(), handles, handle: None }
    }

    /// How long to wait for the next chunk before writing what is there.
    pub(super) fn patience(&self) -> Duration {
        if self.gathered.is_worth_writing() { PAUSE } else { Duration::MAX }
    }

    /// Takes a chunk; `true` if it is time to write.
    pub(super) fn gather(&mut self, chunk: &[u8]) -> bool {
        self.gathered.gather(chunk)
    }

    /// Writes what has gathered. Where file handles are short, the file is closed until there is more.
    pub(super) async fn flush(self, room: &mut Reservation) -> Result<Self, Problem> {
        let park = self.handles.are_short();
        self.write(room, park).await
    }

    /// Writes and syncs everything, and holds nothing: something else comes before more of this.
    pub(super) async fn park(self, room: &mut Reservation) -> Result<Self, Problem> {
        self.write(room, true).await
    }

    async fn write(mut self, room: &mut Reservation, park: bool) -> Result<Self, Problem> {
        self.take_handle(room).await?;
        let written = blocking(move || {
            self.incoming.write(self.gathered.bytes())?;
            self.gathered.clear();
            if park {
                self.incoming.park()?;
            }
            io::Result::Ok(self)
        });
        let mut writer = written.await??;
        if park {
            writer.handle = None;
        }
        Ok(writer)
    }

    /// Takes what is needed to write what has gathered.
    pub(super) async fn take_handle(&mut self, room: &mut Reservation) -> Result<(), Problem> {
        room.spend(self.gathered.bytes().len() as u64)?;
        if self.handle.is_none() {
            self.handle = Some(self.handles.take().await);
        }
        Ok(())
    }

    /// The file, the bytes at its end that are not written, and the handle that they need.
    pub(super) fn into_parts(self) -> (IncomingFile, Buffer, Option<Handle>) {
        (self.incoming, self.gathered, self.handle)
    }
}
