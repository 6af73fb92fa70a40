//! The gate: which address under `/uploads/` names which file, and whether it may be sent now. nginx asks (`/auth`) before
//! it sends a file; without nginx the server asks itself.

use std::path::PathBuf;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;

use super::{delivery, error::Problem, passwords::Admin, state::App};
use crate::{
    audit::Action,
    ids::{DatasetId, FileName, ModelId},
    roller::Freshness,
    storage::Storage,
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
        let target = permit(&app, &admin, path, &headers).await?;
        // nginx asks with GET, whatever it was asked with itself.
        let asked = headers.get("x-original-method").map_or(b"GET".as_slice(), HeaderValue::as_bytes);
        note(&app, &admin, &target, asked).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /uploads/…` without nginx: the same question, and the file.
pub async fn deliver(admin: Admin, State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let target = permit(&app, &admin, request.uri().path(), request.headers()).await?;
    let place = app.limits.download()?;
    note(&app, &admin, &target, request.method().as_str().as_bytes()).await;
    delivery::send(app.storage.layout().root().to_owned(), target.path(&app.storage), request, place).await
}

/// Says which file a path names, and waits until it may be sent to this person. A zip must hold every file
/// acknowledged before the question, and nothing that is left out now. A request that goes on with a download neither waits nor
/// rolls, as long as the zip keeps the rule: it wants the rest of what it has begun.
async fn permit(app: &App, admin: &Admin, path: &str, headers: &HeaderMap) -> Result<Target, Problem> {
    let target = Target::from_path(path).ok_or_else(Problem::forbidden)?;
    if let Target::File(dataset, _) | Target::Zip(dataset) = target
        && app.roller.is_withdrawn(dataset).await?
    {
        return Err(Problem::not_found("file"));
    }
    match &target {
        Target::File(_, name) if !app.settings.now().privacy.sight(admin.role).sees(name) => return Err(Problem::kept_back()),
        Target::File(..) | Target::Settings(_) => {
            drop(delivery::find(app.storage.layout().root().to_owned(), target.path(&app.storage)).await?);
        }
        Target::Zip(dataset) => {
            let goes_on = delivery::goes_on(app.storage.layout().root().to_owned(), target.path(&app.storage), headers).await;
            if !(goes_on && app.roller.keeps_the_rule(*dataset).await?) {
                wait_for(*dataset, app).await?;
            }
        }
    }
    Ok(target)
}

/// Notes that somebody takes a file home: whoever asks for the head alone does not.
async fn note(app: &App, admin: &Admin, target: &Target, method: &[u8]) {
    if method == b"GET" {
        app.audit.note_once(&admin.name, Action::Downloaded, target.uuid(), target.what()).await;
    }
}

async fn wait_for(dataset: DatasetId, app: &App) -> Result<(), Problem> {
    match app.roller.barrier(dataset, app.settings.now().zip.wait()).await? {
        Freshness::Fresh => Ok(()),
        Freshness::Nothing => Err(Problem::not_found("dataset, or it has no files yet")),
        Freshness::AllLeftOut => Err(Problem::nothing_to_zip()),
        Freshness::NotYet => Err(Problem::unavailable("the zip is being packed; try again in a moment", PACKING)),
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
