//! One kind of refusal for everybody, and three voices to say it in: to a watch, to a script, to a person.

use std::fmt::Display;

use askama::Template;
use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::html::Page;
use crate::{
    catalog::{CatalogError, RecordError},
    handshake::{DeviceError, DoorError, ShutOutError},
    ids::Malformed,
    models::ModelError,
    participants::ParticipantError,
    recordings::{CollectError, DecideError, DescribeError, EraseError, ReceiveError, TrashError},
    roller::RollError,
    timekeeping::ConfirmError,
};

/// A refusal: a status, and a sentence that says what to do.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    /// The same in the words of the page, where it is about a field.
    on_page: Option<String>,
    retry_after: Option<u32>,
    challenge: Option<&'static str>,
}

impl Problem {
    /// A refusal with this status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), on_page: None, retry_after: None, challenge: None }
    }

    /// 400: the request is malformed.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 400: what stands in a field makes no sense. A script knows the field by its name, a person by what is written beside it.
    pub fn field(name: &str, label: &str, sentence: impl Display) -> Self {
        Self { on_page: Some(format!("{label}: {sentence}")), ..Self::malformed(format!("{name}: {sentence}")) }
    }

    /// 403: the address is not one that we serve.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "this is not the address of a file here; follow a link from the recording's page")
    }

    /// 403: the file is there or not, and in either case not for this person.
    pub fn kept_back() -> Self {
        let detail = "files of this name may hold a voice or a picture and are kept from researchers; ask an operator for it";
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: every file of a recording is left out of its zip.
    pub fn nothing_to_zip() -> Self {
        let detail = "this recording has no zip: each of its files may hold a voice or a picture, and zips are made without these; \
            an operator can take them one by one from the recording's page";
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    /// 405, for the methods that axum would answer by itself.
    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
    }

    /// 500: logged here, once; the client learns nothing of the cause.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here; the operator finds it in the log")
    }

    /// 503: for now.
    pub fn unavailable(detail: impl Into<String>, retry_after: u32) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// 429: too often.
    pub fn too_many(detail: impl Into<String>, retry_after: u32) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(retry_after)
    }

    /// 507: the disk is full.
    pub fn no_room() -> Self {
        let detail = "there is no room on the server's disk; nothing was stored, keep the file and try again later";
        Self { retry_after: Some(300), ..Self::new(StatusCode::INSUFFICIENT_STORAGE, detail) }
    }

    /// 507: a quota is used up, which a setting can raise.
    fn over_quota(error: &RecordError, setting: &str) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, format!("{error}; the operator can raise it ({setting})"))
    }

    /// 401 with a challenge (RFC 9110, 11.6.1).
    pub fn unauthorized(challenge: &'static str, detail: impl Into<String>) -> Self {
        Self { challenge: Some(challenge), ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// Adds a `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn dress(&self, mut response: Response) -> Response {
        *response.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Leaves the words to the voice of the address.
    fn into_response(self) -> Response {
        let mut response = self.dress(self.detail.clone().into_response());
        response.extensions_mut().insert(self);
        response
    }
}

/// As the app in the field knows it: `{"status":"error","msg":…}`.
pub async fn in_the_wires_voice(response: Response) -> Response {
    speak(response, |problem| Json(json!({"status": "error", "msg": problem.detail})).into_response())
}

/// As a script wants it: `application/problem+json` (RFC 9457).
pub async fn in_json(response: Response) -> Response {
    speak(response, |problem| {
        let body = json!({"title": problem.status.canonical_reason(), "status": problem.status.as_u16(), "detail": problem.detail});
        ([(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    })
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    detail: &'a str,
    /// The person can say it otherwise.
    is_mendable: bool,
}

/// As a page.
pub async fn in_a_page(response: Response) -> Response {
    speak(response, |problem| {
        let title = problem.status.canonical_reason().unwrap_or("Error");
        let is_mendable = matches!(problem.status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT);
        let detail = problem.on_page.as_ref().unwrap_or(&problem.detail);
        Page(ErrorPage { title, detail, is_mendable }).into_response()
    })
}

/// As a page to a browser, which says that it takes HTML, and as JSON to anybody else.
pub async fn in_the_callers_voice(request: Request, next: Next) -> Response {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_browser = accepted.is_some_and(|types| types.contains("text/html"));
    let response = next.run(request).await;
    if is_browser { in_a_page(response).await } else { in_json(response).await }
}

fn speak(mut response: Response, voice: impl FnOnce(&Problem) -> Response) -> Response {
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem.dress(voice(&problem)),
        None => response,
    }
}

impl From<Malformed> for Problem {
    fn from(error: Malformed) -> Self {
        Self::malformed(error.0)
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Busy => Self::unavailable("the server is busy; try again", 10),
            CatalogError::Closed => Self::unavailable("the server is stopping; try again", 10),
            CatalogError::Full => Self::no_room(),
            _ => Self::internal(&error),
        }
    }
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Catalog(error) => error.into(),
            RecordError::Quota(_) => Self::over_quota(&error, "limits.device_…"),
            RecordError::DatasetFull => Self::over_quota(&error, "limits.dataset_files"),
        }
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded) { Self::no_room() } else { Self::internal(&error) }
    }
}

impl From<ReceiveError> for Problem {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Record(error) => error.into(),
            ReceiveError::Disk(error) => error.into(),
        }
    }
}

impl From<DoorError> for Problem {
    fn from(error: DoorError) -> Self {
        match error {
            DoorError::Gone => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            DoorError::SeveralCallers(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            DoorError::Reason => Self::malformed(error.to_string()),
            DoorError::Catalog(error) => error.into(),
        }
    }
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::BeforeRelease(_) | ConfirmError::OtherTime(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            ConfirmError::Catalog(error) => error.into(),
        }
    }
}

impl From<DeviceError> for Problem {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Gone => Self::not_found("device"),
            DeviceError::Forgotten => Self::new(StatusCode::CONFLICT, error.to_string()),
            DeviceError::Malformed(_) => Self::malformed(error.to_string()),
            DeviceError::Silence => Self::field("silent_hours", "Missed after so many hours of silence", error),
            DeviceError::Catalog(error) => error.into(),
        }
    }
}

impl From<ParticipantError> for Problem {
    fn from(error: ParticipantError) -> Self {
        use ParticipantError::{Backwards, Catalog, Gone, HasRecordings, InTrash, NoDevice, Overlaps, Taken, TooLong};
        match error {
            Gone => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            Taken | HasRecordings(_) | InTrash(_) | Overlaps => Self::new(StatusCode::CONFLICT, error.to_string()),
            NoDevice | Backwards | TooLong => Self::malformed(error.to_string()),
            Catalog(error) => error.into(),
        }
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Gone => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            DecideError::Erased => Self::new(StatusCode::CONFLICT, error.to_string()),
            DecideError::KeptBack => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            DecideError::Failed(error) => error.into(),
        }
    }
}

impl From<CollectError> for Problem {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::Empty => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            CollectError::TooMany => Self::malformed(error.to_string()),
            CollectError::Catalog(error) => error.into(),
        }
    }
}

impl From<DescribeError> for Problem {
    fn from(error: DescribeError) -> Self {
        match error {
            DescribeError::Gone => Self::not_found("recording"),
            DescribeError::Overtaken => Self::new(StatusCode::CONFLICT, error.to_string()),
            DescribeError::TooLong(_) => Self::malformed(error.to_string()),
            DescribeError::NoParticipant => Self::field("participant", "Worn by", error),
            DescribeError::Catalog(error) => error.into(),
        }
    }
}

impl From<TrashError> for Problem {
    fn from(error: TrashError) -> Self {
        match error {
            TrashError::Gone => Self::not_found("recording"),
            TrashError::Erased => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            TrashError::Catalog(error) => error.into(),
        }
    }
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::NotInTrash => Self::new(StatusCode::CONFLICT, error.to_string()),
            EraseError::Disk(error) | EraseError::Ledger(error) => error.into(),
            EraseError::Roll(error) => error.into(),
            EraseError::Catalog(error) => error.into(),
        }
    }
}

impl From<ShutOutError> for Problem {
    fn from(error: ShutOutError) -> Self {
        match error {
            ShutOutError::Forgotten => Self::new(StatusCode::CONFLICT, error.to_string()),
            ShutOutError::Ledger(error) => error.into(),
            ShutOutError::Catalog(error) => error.into(),
        }
    }
}

impl From<ModelError> for Problem {
    fn from(error: ModelError) -> Self {
        use ModelError::{
            BadVersion, Catalog, Disk, Full, Gone, InUse, NoAudience, NoFile, NotAModel, NotesTooLong, Settings, Taken, TooLarge,
        };
        match error {
            Gone | NoAudience => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            Taken(..) | InUse(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            NoFile | Settings(_) | NotAModel(_) | BadVersion | NotesTooLong => Self::malformed(error.to_string()),
            TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
            Full => Self::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
            Disk(error) => error.into(),
            Catalog(error) => error.into(),
        }
    }
}

impl From<RollError> for Problem {
    fn from(error: RollError) -> Self {
        match error {
            RollError::Full => Self::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
            RollError::Archive(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("the zip cannot be made: {error}. The other files can be taken home one by one from the recording's page"),
            ),
            RollError::Disk(error) => Self::internal(&error),
            RollError::Link => Self::forbidden(),
            RollError::Catalog(error) => error.into(),
            RollError::Stopping => Self::unavailable("the server is stopping; try again", 10),
        }
    }
}
