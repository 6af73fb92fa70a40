//! From a multipart body to whole, synced files. Nothing is promised to anybody here.

use axum::{
    body::Bytes,
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::header,
};

use super::guarded_body::{Guard, too_large};
use crate::{
    http::{error::Problem, state::App},
    ids::FileId,
    recordings::Upload,
    storage::{Admission, IncomingFile, Space, blocking},
};

/// Bytes that are gathered before a thread writes them.
const GATHER: usize = 256 << 10;
/// Files in one request. The app sends one.
const MOST_FILES: usize = 100;

/// Reads every part named `file`. If this fails, nothing of them is left.
pub(super) async fn receive(app: &App, request: Request) -> Result<Vec<Upload>, Problem> {
    let config = app.settings.now();
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if announced.is_some_and(|length: u64| length > config.limits.max_upload()) {
        return Err(too_large());
    }
    let mut room = Room::admit(app.storage.space(), announced.unwrap_or(0), config.storage.reserve())?;
    let guard = Guard::new(&config.limits);
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
    let mut writer = Writer { incoming: app.recordings.incoming(id), gathered: Vec::new(), size: 0 };
    while let Some(chunk) = part.chunk().await.map_err(|error| broken(guard, &error))? {
        writer.size += chunk.len();
        writer.gathered.push(chunk);
        if writer.size >= GATHER {
            room.take(writer.size as u64)?;
            writer = blocking(move || writer.flush().map(|()| writer)).await??;
        }
    }
    room.take(writer.size as u64)?;
    let received = blocking(move || {
        writer.flush()?;
        writer.incoming.finish()
    });
    Ok(Upload { id, sent_name, received: received.await?? })
}

/// A file that comes in, and the chunks of it that nobody has written yet.
struct Writer {
    incoming: IncomingFile,
    gathered: Vec<Bytes>,
    size: usize,
}

impl Writer {
    /// Writes what has gathered. Blocks.
    fn flush(&mut self) -> std::io::Result<()> {
        self.size = 0;
        self.gathered.drain(..).try_for_each(|chunk| self.incoming.write(&chunk))
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
