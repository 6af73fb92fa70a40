//! Sending a file without nginx: ranges, a strong ETag in nginx's own form, and `If-Range` (RFC 9110, 13 and 14).

use std::{
    io::{self, SeekFrom},
    path::PathBuf,
    time::SystemTime,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::StreamExt;
use http_range_header::{EndPosition, StartPosition, SyntacticallyCorrectRange};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::{error::Problem, limits::DownloadPermit};
use crate::{
    ids::{FileName, unhex},
    storage::{OpenedFile, blocking, open_beneath},
};

/// Read from the disk at once. A client that reads slowly keeps a few of these in memory.
const CHUNK: usize = 256 << 10;
/// Nothing that was uploaded runs in a browser.
const SANDBOX: &str = "sandbox; default-src 'none'";

/// What a file is known by that always comes from this server: its digest, and its name.
pub struct Label {
    etag: String,
    repr_digest: String,
    disposition: HeaderValue,
}

impl Label {
    /// The label of a file with this SHA-256 (64 hexadecimal digits).
    ///
    /// The name stands to the end of the header as it is, in UTF-8: so reads the app in the field what stands behind `filename=`.
    pub fn new(name: &FileName, sha256: &str) -> Self {
        let base64 = BASE64_STANDARD.encode(unhex(sha256).unwrap_or_default());
        let disposition = HeaderValue::from_bytes(format!("attachment; filename={name}").as_bytes());
        Self {
            etag: format!("\"{sha256}\""),
            repr_digest: format!("sha-256=:{base64}:"),
            disposition: disposition.unwrap_or(HeaderValue::from_static("attachment")),
        }
    }
}

/// Sends a file, or the range of it that is asked for. Its place is kept until the last byte.
pub async fn send(file: OpenedFile, method: &Method, asked: &HeaderMap, place: DownloadPermit) -> Result<Response, Problem> {
    check_method(method)?;
    let etag = etag(&file);
    Ok(respond(file, etag, asked, place).await?)
}

/// The same for a file with a label: `Repr-Digest` (RFC 9530) is that of the whole, whatever part is sent.
pub async fn send_labelled(
    root: PathBuf,
    path: PathBuf,
    request: Request,
    place: DownloadPermit,
    label: Label,
) -> Result<Response, Problem> {
    check_method(request.method())?;
    let file = find(root, path).await?;
    let mut response = respond(file, label.etag, request.headers(), place).await?;
    response.headers_mut().insert(header::CONTENT_DISPOSITION, label.disposition);
    response.headers_mut().insert("repr-digest", value(label.repr_digest));
    Ok(response)
}

fn check_method(method: &Method) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD) { Ok(()) } else { Err(Problem::method_not_allowed()) }
}

/// Whether a request continues a download of this file: it asks for a later part, and for nothing else if the file has changed. A range
/// from the first byte on, and one that comes out as the whole, begins a new download.
pub fn continues(file: &OpenedFile, asked: &HeaderMap) -> bool {
    let modified = httpdate::fmt_http_date(file.modified);
    matches!(wanted(asked, file, &etag(file), &modified), Wanted::Range(1.., _) | Wanted::Unsatisfiable)
}

/// Opens the file at `path`, where it is there and can be sent.
pub async fn find(root: PathBuf, path: PathBuf) -> Result<OpenedFile, Problem> {
    open(root, path).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Problem::not_found("file"),
        io::ErrorKind::PermissionDenied => Problem::forbidden(),
        _ => error.into(),
    })
}

async fn open(root: PathBuf, path: PathBuf) -> io::Result<OpenedFile> {
    let relative = path.strip_prefix(&root).map_err(io::Error::other)?.to_owned();
    blocking(move || open_beneath(&root, &relative)).await?
}

async fn respond(opened: OpenedFile, etag: String, asked: &HeaderMap, place: DownloadPermit) -> io::Result<Response> {
    let modified = httpdate::fmt_http_date(opened.modified);
    let mut response = match wanted(asked, &opened, &etag, &modified) {
        Wanted::Nothing => StatusCode::NOT_MODIFIED.into_response(),
        Wanted::Unsatisfiable => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            response.headers_mut().insert(header::CONTENT_RANGE, value(format!("bytes */{}", opened.size)));
            response
        }
        Wanted::All => {
            let size = opened.size;
            body(opened, 0, size, place).await?
        }
        Wanted::Range(first, last) => {
            let range = format!("bytes {first}-{last}/{}", opened.size);
            let mut response = body(opened, first, last - first + 1, place).await?;
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            response.headers_mut().insert(header::CONTENT_RANGE, value(range));
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, value(etag));
    headers.insert(header::LAST_MODIFIED, value(modified));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    Ok(response)
}

/// The headers are of our own making: digits, hexadecimal digits, a date.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

async fn body(opened: OpenedFile, first: u64, length: u64, place: DownloadPermit) -> io::Result<Response> {
    let mut file = tokio::fs::File::from_std(opened.file);
    file.set_max_buf_size(CHUNK);
    if first > 0 {
        file.seek(SeekFrom::Start(first)).await?;
    }
    let chunks = ReaderStream::with_capacity(file.take(length), CHUNK).map(move |chunk| {
        let _place = &place;
        chunk
    });
    let mut response = Body::from_stream(chunks).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    Ok(response)
}

/// nginx's form: the time in seconds and the size, so that a download begun with one can be finished with the other.
fn etag(file: &OpenedFile) -> String {
    let seconds = file.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("\"{seconds:x}-{:x}\"", file.size)
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Range(u64, u64),
    Nothing,
    Unsatisfiable,
}

fn wanted(asked: &HeaderMap, file: &OpenedFile, etag: &str, modified: &str) -> Wanted {
    let text = |name| asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text(header::IF_NONE_MATCH)
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*"))
    {
        return Wanted::Nothing;
    }
    // A weak tag never matches here, and a date only when it is the very date that we sent.
    let same = text(header::IF_RANGE).is_none_or(|validator| validator == etag || validator == modified);
    let Some(range) = text(header::RANGE).filter(|_| same) else { return Wanted::All };
    let Ok(ranges) = http_range_header::parse_range_header(range) else { return Wanted::All };
    match ranges.ranges.as_slice() {
        [one] => part(one, file.size),
        // Several ranges may be answered with the whole (RFC 9110, 14.2); nobody resumes a download that way.
        _ => Wanted::All,
    }
}

/// The part of a file that a range means. A suffix longer than the file is all of it (14.1.2), and so is any of nothing.
fn part(range: &SyntacticallyCorrectRange, size: u64) -> Wanted {
    let first = match range.start {
        StartPosition::Index(first) => first,
        StartPosition::FromLast(length) => size.saturating_sub(length),
    };
    let end = match range.end {
        EndPosition::Index(last) => size.min(last.saturating_add(1)),
        EndPosition::LastByte => size,
    };
    if first < end {
        Wanted::Range(first, end - 1)
    } else if first == 0 {
        Wanted::All
    } else {
        Wanted::Unsatisfiable
    }
}
