//! The gate: which address under `/uploads/` names which file, and whether it may be sent now. nginx asks (`/auth`) before
//! it sends a file; without nginx the server asks itself.

use std::path::PathBuf;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;

use super::{delivery, error::Problem, limits::Downloader, passwords::Admin, state::App};
use crate::{
    audit::Action,
    ids::{DatasetId, FileName, ModelId},
    roller::ZipResponse,
    storage::{OpenedFile, Storage},
};

/// How soon a client should ask again for a zip that is not ready, in seconds.
const PACKING: u32 = 10;

/// A file that an address names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `/uploads/recordings/<uuid>/<name>` or `/uploads/tf_models/<uuid>/<name>`
    File(DatasetId, FileName),
    /// `/uploads/tf_models/<uuid>/settings.json` of a published model
    Settings(ModelId),
    /// `/uploads/zips/<uuid>.zip`
    Zip(DatasetId),
}

impl Target {
    /// What a path, as it stood in the request line, names. There is one spelling for each file: what nginx would first
    /// have to normalise (`%2f`, `..`, `//`, another case) names nothing.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix("/uploads/")?.split('/');
        let target = match (parts.next()?, parts.next()?, parts.next()) {
            ("zips", zip, None) => Self::Zip(DatasetId::from_canonical(zip.strip_suffix(".zip")?)?),
            ("tf_models", uuid, Some("settings.json")) => Self::Settings(ModelId::from_canonical(uuid)?),
            (folder, uuid, Some(name)) => {
                let name = FileName::from_stored(&percent_decode_str(name).decode_utf8().ok()?)?;
                (folder == name.kind().folder()).then_some(Self::File(DatasetId::from_canonical(uuid)?, name))?
            }
            _ => return None,
        };
        parts.next().is_none().then_some(target)
    }

    /// Whose it is: the uuid of a dataset, or of a model.
    fn uuid(&self) -> String {
        match self {
            Self::File(dataset, _) | Self::Zip(dataset) => dataset.to_string(),
            Self::Settings(model) => model.to_string(),
        }
    }

    /// What of the dataset it is.
    fn what(&self) -> &str {
        match self {
            Self::File(_, name) => name.as_str(),
            Self::Settings(_) => "settings.json",
            Self::Zip(_) => "zip",
        }
    }

    fn path(&self, storage: &Storage) -> PathBuf {
        match self {
            Self::File(dataset, name) => storage.layout().file(*dataset, name),
            Self::Settings(model) => storage.layout().model_settings(*model),
            Self::Zip(dataset) => storage.layout().zip(*dataset),
        }
    }
}

/// `GET /auth`: may the file that nginx names in `X-Original-URI` be sent? 204, 401, 403, 404 or 503.
pub async fn auth(admin: Admin, State(app): State<App>, headers: HeaderMap) -> Result<StatusCode, Problem> {
    // Without a question, the login alone is asked about.
    if let Some(uri) = headers.get("x-original-uri") {
        let path = uri.as_bytes().split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        // A path that cannot be read is still a question.
        let path = std::str::from_utf8(path).map_err(|_| Problem::forbidden())?;
        // nginx asks with GET, whatever it was asked with itself.
        let method = headers.get("x-original-method").map_or(b"GET".as_slice(), HeaderValue::as_bytes);
        // nginx sends the file, and counts its downloads itself.
        permit(&app, &admin, path, method, &headers, || Ok(())).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /uploads/…` without nginx: the same question, and the file.
pub async fn deliver(admin: Admin, State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let place = || app.limits.download(Downloader::Users);
    let (file, place) = permit(&app, &admin, uri.path(), method.as_str().as_bytes(), &headers, place).await?;
    delivery::send(file, &method, &headers, place).await
}

/// Opens the file that a path names, as soon as it may be sent to this person, and notes the download, for which it takes a `place`.
///
/// Everything that decides whether it may be sent is asked after the last wait, about the file that was opened: what was deleted or became
/// sensitive while the request waited is not sent.
async fn permit<P>(
    app: &App,
    admin: &Admin,
    path: &str,
    method: &[u8],
    headers: &HeaderMap,
    place: impl Fn() -> Result<P, Problem>,
) -> Result<(OpenedFile, P), Problem> {
    let target = Target::from_path(path).ok_or_else(Problem::forbidden)?;
    loop {
        // Before it is opened, too: a file that may not be seen is refused in one way, whether it is there or not.
        check(app, admin, &target).await?;
        let file = open(app, &target, headers).await?;
        // A download for which there is no place does not begin, and is not noted.
        let place = place()?;
        // This may wait for the catalog.
        note(app, admin, &target, method).await;
        check(app, admin, &target).await?;
        match &target {
            Target::Zip(dataset) if !app.roller.may_send(*dataset, &file).await? => {}
            _ => return Ok((file, place)),
        }
    }
}

/// Refuses what is not to be sent to this person now: a dataset in the trash, a file that is kept from researchers.
async fn check(app: &App, admin: &Admin, target: &Target) -> Result<(), Problem> {
    if let Target::File(dataset, _) | Target::Zip(dataset) = target
        && app.roller.is_withdrawn(*dataset).await?
    {
        return Err(Problem::not_found("file"));
    }
    match target {
        Target::File(_, name) if !app.settings.now().privacy.sight(admin.role).sees(name) => Err(Problem::kept_back()),
        _ => Ok(()),
    }
}

/// Opens what is to be sent. A zip must hold every file acknowledged before the question, and nothing that is left out now. A request
/// that continues a download neither waits nor builds, as long as the zip keeps the privacy rule: it wants the rest of what it has begun.
async fn open(app: &App, target: &Target, headers: &HeaderMap) -> Result<OpenedFile, Problem> {
    let Target::Zip(dataset) = *target else {
        return delivery::find(app.storage.layout().root().to_owned(), target.path(&app.storage)).await;
    };
    if headers.contains_key(header::RANGE)
        && let Some(zip) = app.roller.open_published(dataset).await?
        && delivery::continues(&zip, headers)
    {
        return Ok(zip);
    }
    match app.roller.open_fresh(dataset, app.settings.now().zip.wait()).await? {
        ZipResponse::Ready(zip) => Ok(zip),
        ZipResponse::NotFound => Err(Problem::not_found("dataset, or it has no files yet")),
        ZipResponse::AllLeftOut => Err(Problem::nothing_to_zip()),
        ZipResponse::NotYet => Err(Problem::unavailable("the zip is being packed; try again in a moment", PACKING)),
    }
}

/// Notes a download: a request for the head alone is none.
async fn note(app: &App, admin: &Admin, target: &Target, method: &[u8]) {
    if method == b"GET" {
        app.audit.note_once(&admin.name, Action::Downloaded, target.uuid(), target.what()).await;
    }
}

/// What no route knows. An address that somebody would have to normalise first is refused like every other way around the
/// gate, so that nginx and the server say the same.
pub async fn fallback(uri: Uri) -> Problem {
    if is_plain(uri.path()) { Problem::not_found("page") } else { Problem::forbidden() }
}

fn is_plain(path: &str) -> bool {
    let odd = ["//", "/./", "/../", "%2f", "%2e", "%5c", "%00"];
    let lower = format!("{}/", path.strip_suffix('/').unwrap_or(path).to_lowercase());
    let decoded = percent_decode_str(&lower).decode_utf8_lossy();
    !odd.iter().any(|part| lower.contains(part)) && !decoded.to_lowercase().starts_with("/uploads/")
}

/// `no-store`, for everything that is about who may do what.
pub async fn no_store(mut response: Response) -> impl IntoResponse {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    #[test]
    fn a_file_has_one_address() {
        for path in
            ["recordings/{}/acc~2.csv", "recordings/{}/a%20b.csv", "recordings/{}/%C3%BC.csv", "tf_models/{}/m.tflite", "zips/{}.zip"]
        {
            let path = format!("/uploads/{}", path.replace("{}", UUID));
            assert!(Target::from_path(&path).is_some(), "{path}");
        }
    }

    #[test]
    fn an_address_that_would_lead_in_if_it_were_decoded_is_not_plain() {
        assert!(["/nowhere", "/nowhere/", "/caf%C3%A9"].iter().all(|path| is_plain(path)));
        for path in ["/%75ploads/x", "/UPLOADS/x", "/%55ploads", "/uploads", "/x//y", "/x//", "/x/..", "/x/../uploads/y", "/x%2Fy", "/x%00"]
        {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn there_is_no_way_around() {
        for path in [
            "recordings/{}",
            "recordings/{}/",
            "recordings/{}/a.csv/",
            "recordings/{}/.hidden",
            "recordings/{}/..%2fa.csv",
            "recordings/{}%2fa.csv",
            "recordings/{}/../a.csv",
            "recordings/{}/./a.csv",
            "recordings//{}/a.csv",
            "recordings/{}//a.csv",
            "recordings/{}/a.csv.",
            "recordings/{}/a.csv%00",
            "recordings/{}/%ff.csv",
            "recordings/{}/m.tflite",
            "tf_models/{}/a.csv",
            "Recordings/{}/a.csv",
            "zips/{}.ZIP",
            "zips/{}",
            "zips/{}.zip/",
            "zips/x.zip",
            "zips/../recordings/{}/a.csv",
            ".house/catalog.sqlite",
            "recordings/../.house/catalog.sqlite",
        ] {
            let path = format!("/uploads/{}", path.replace("{}", UUID));
            assert_eq!(Target::from_path(&path), None, "{path}");
        }
        let upper = format!("/uploads/recordings/{}/a.csv", UUID.to_uppercase());
        assert_eq!(Target::from_path(&upper), None);
        assert_eq!(Target::from_path(&format!("/UPLOADS/recordings/{UUID}/a.csv")), None);
    }
}
