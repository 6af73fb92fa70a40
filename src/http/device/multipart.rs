//! From a multipart body to files whose last byte is here. Nothing is promised to anybody here.

use axum::{
    extract::{
        DefaultBodyLimit, FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::header,
};
use tokio::time::timeout;

use super::{
    guarded_body::{Guard, too_large},
    writer::Writer,
};
use crate::{
    http::{error::Problem, state::App},
    ids::{DeviceId, FileId, SentName},
    recordings::Upload,
    storage::{Handle, Reservation, ReservedFor},
};

/// Files in one request. The app sends one.
const MOST_FILES: usize = 100;

/// What a request brought, and what that holds until it is in its place.
pub(super) struct Arrived {
    pub(super) uploads: Vec<Upload>,
    pub(super) held: (Reservation, Vec<Option<Handle>>),
}

/// A file while it comes in.
struct Arriving {
    id: FileId,
    sent_name: SentName,
    writer: Writer,
}

/// Reads every part named `file`. If this fails, nothing of them is left.
pub(super) async fn receive(app: &App, device: DeviceId, mut request: Request) -> Result<Arrived, Problem> {
    let config = app.settings.now();
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if announced.is_some_and(|length: u64| length > config.limits.max_upload()) {
        return Err(too_large());
    }
    let whom = ReservedFor::Upload { device, slow_after: config.limits.slow_upload_time() };
    let mut room = app.storage.space().admit_file(whom, announced.unwrap_or(0), config.storage.reserve())?;
    let guard = Guard::new(&config.limits);
    // The guard has the bounds, from the settings.
    DefaultBodyLimit::disable().apply(&mut request);
    let request = request.map(|body| guard.watch(body));
    let parts = Multipart::from_request(request, &()).await;
    let mut parts = parts.map_err(|error| Problem::malformed(format!("{}; send multipart/form-data", error.body_text())))?;
    let mut files = Vec::<Arriving>::new();
    loop {
        guard.expect_headers();
        let Some(part) = parts.next_field().await.map_err(|error| broken(&guard, &error))? else { break };
        guard.expect_content();
        if part.name() != Some("file") {
            drain(part).await.map_err(|error| broken(&guard, &error))?;
            continue;
        }
        if files.len() == MOST_FILES {
            return Err(Problem::malformed("too many files in one request; send them one by one"));
        }
        if let Some(Arriving { id, sent_name, writer }) = files.pop() {
            files.push(Arriving { id, sent_name, writer: writer.park(&mut room).await? });
        }
        files.push(receive_part(app, part, &guard, &mut room).await?);
    }
    let Some(last) = files.last_mut() else {
        return Err(Problem::malformed("no file: send it as a part named file"));
    };
    last.writer.take_handle(&mut room).await?;
    let (uploads, held) = files.into_iter().map(Arriving::into_upload).unzip();
    Ok(Arrived { uploads, held: (room, held) })
}

async fn receive_part(app: &App, mut part: Field<'_>, guard: &Guard, room: &mut Reservation) -> Result<Arriving, Problem> {
    let sent_name = part.file_name().filter(|name| !name.is_empty()).map(SentName::new);
    let sent_name = sent_name.ok_or_else(|| Problem::malformed("the part named file has no filename; send one"))?;
    let id = FileId::generate();
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
    Ok(Arriving { id, sent_name, writer })
}

impl Arriving {
    fn into_upload(self) -> (Upload, Option<Handle>) {
        let (incoming, rest, handle) = self.writer.into_parts();
        (Upload { id: self.id, sent_name: self.sent_name, incoming, rest }, handle)
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
