//! From a multipart body to whole, synced files. Nothing is promised to anybody here.

use std::{io, time::Duration};

use axum::{
    extract::{
        DefaultBodyLimit, FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::header,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::guarded_body::{Guard, too_large};
use crate::{
    http::{error::Problem, state::App},
    ids::FileId,
    recordings::Upload,
    storage::{Admission, Handle, Handles, IncomingFile, ReceivedFile, Space, blocking},
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
/// Files in one request. The app sends one.
const MOST_FILES: usize = 100;

/// Reads every part named `file`. If this fails, nothing of them is left.
pub(super) async fn receive(app: &App, mut request: Request) -> Result<Vec<Upload>, Problem> {
    let config = app.settings.now();
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if announced.is_some_and(|length: u64| length > config.limits.max_upload()) {
        return Err(too_large());
    }
    let mut room = Room::admit(app.storage.space(), announced.unwrap_or(0), config.storage.reserve())?;
    let guard = Guard::new(&config.limits);
    // The guard has the bounds, from the settings.
    DefaultBodyLimit::disable().apply(&mut request);
    let request = request.map(|body| guard.watch(body));
    let parts = Multipart::from_request(request, &()).await;
    let mut parts = parts.map_err(|error| Problem::malformed(format!("{}; send multipart/form-data", error.body_text())))?;
    let mut uploads = Vec::new();
    loop {
        guard.expect_headers();
        let Some(part) = parts.next_field().await.map_err(|error| broken(&guard, &error))? else { break };
        guard.expect_content();
        if part.name() != Some("file") {
            drain(part).await.map_err(|error| broken(&guard, &error))?;
            continue;
        }
        if uploads.len() == MOST_FILES {
            return Err(Problem::malformed("too many files in one request; send them one by one"));
        }
        uploads.push(receive_part(app, part, &guard, &mut room).await?);
    }
    if uploads.is_empty() {
        return Err(Problem::malformed("no file: send it as a part named file"));
    }
    Ok(uploads)
}

async fn receive_part(app: &App, mut part: Field<'_>, guard: &Guard, room: &mut Room) -> Result<Upload, Problem> {
    let sent_name = part.file_name().unwrap_or_default().to_owned();
    if sent_name.is_empty() {
        return Err(Problem::malformed("the part named file has no filename; send one"));
    }
    let id = FileId::random();
    let mut writer = Writer::new(app.recordings.incoming(id), app.storage.handles().clone());
    loop {
        let Ok(chunk) = timeout(writer.patience(), part.chunk()).await else {
            writer = writer.flush(room).await?;
            continue;
        };
        let Some(chunk) = chunk.map_err(|error| broken(guard, &error))? else { break };
        if writer.gather(&chunk) {
            writer = writer.flush(room).await?;
        }
    }
    Ok(Upload { id, sent_name, received: writer.finish(room).await? })
}

/// A file that comes in, and the bytes of it that nobody has written yet.
struct Writer {
    incoming: IncomingFile,
    /// Copied: a chunk keeps all of the buffer alive that it was cut from.
    gathered: Vec<u8>,
    fast: Option<SemaphorePermit<'static>>,
    handles: Handles,
    handle: Option<Handle>,
}

impl Writer {
    fn new(incoming: IncomingFile, handles: Handles) -> Self {
        Self { incoming, gathered: Vec::new(), fast: None, handles, handle: None }
    }

    /// How long to wait for the next chunk before writing what is there.
    fn patience(&self) -> Duration {
        if self.gathered.len() < GATHER { Duration::MAX } else { PAUSE }
    }

    /// Takes a chunk; `true` if it is time to write.
    fn gather(&mut self, chunk: &[u8]) -> bool {
        self.gathered.reserve_exact(chunk.len().max(KEPT - self.gathered.len().min(KEPT)));
        self.gathered.extend_from_slice(chunk);
        if self.gathered.len() >= GATHER && self.fast.is_none() {
            self.fast = FAST.try_acquire().ok();
            self.gathered.reserve(self.fast.as_ref().map_or(0, |_| GATHER_FAST));
        }
        self.gathered.len() >= if self.fast.is_some() { GATHER_FAST } else { GATHER }
    }

    /// Writes what has gathered. Where file handles are short, the file is closed until there is more.
    async fn flush(mut self, room: &mut Room) -> Result<Self, Problem> {
        self.take_handle(room).await?;
        let park = self.handles.are_short();
        let written = blocking(move || {
            self.incoming.write(&self.gathered)?;
            self.reuse_memory();
            if park {
                self.incoming.park()?;
            }
            io::Result::Ok(self)
        });
        let mut writer = written.await??;
        writer.fast = None;
        if park {
            writer.handle = None;
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

    /// Writes and syncs the rest.
    async fn finish(mut self, room: &mut Room) -> Result<ReceivedFile, Problem> {
        self.take_handle(room).await?;
        let finished = blocking(move || {
            self.incoming.write(&self.gathered)?;
            self.incoming.finish()
        });
        Ok(finished.await??)
    }

    async fn take_handle(&mut self, room: &mut Room) -> Result<(), Problem> {
        room.take(self.gathered.len() as u64)?;
        if self.handle.is_none() {
            self.handle = Some(self.handles.take().await);
        }
        Ok(())
    }
}

/// The room that was promised to this request; asked for anew where the length was not announced.
struct Room {
    space: Space,
    reserve: u64,
    admission: Admission,
}

impl Room {
    fn admit(space: &Space, bytes: u64, reserve: u64) -> Result<Self, Problem> {
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

async fn drain(mut part: Field<'_>) -> Result<(), MultipartError> {
    while part.chunk().await?.is_some() {}
    Ok(())
}

/// Why a body could not be read to its end: the guard's word, if it has one.
fn broken(guard: &Guard, error: &MultipartError) -> Problem {
    guard.refusal().unwrap_or_else(|| {
        let reason = error.body_text();
        Problem::malformed(format!("the body is broken off or no multipart/form-data ({reason}); keep the file and send it again"))
    })
}
