//! The researcher's part: lets the fleet's watches in, and looks at what arrived.

use std::{collections::BTreeSet, time::Duration};

use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{AUTHORIZATION, HeaderValue},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::sleep;

use super::{
    FleetError,
    client::{Answer, Client, Road},
    parcel::Parcel,
};

/// How long a server that has no time now may have none.
const TRIES: u32 = 60;

/// After so many tries a server is not there.
const BREAKS: u32 = 3;

/// From one try to the next.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// A server may take its time with a zip.
const PATIENCE: Duration = Duration::from_secs(90);

/// A researcher at the desk.
pub(super) struct Desk {
    client: Client,
    login: HeaderValue,
    /// Identifiers that were let in, and whose watches do not know it yet.
    granted: BTreeSet<String>,
}

/// An open request.
#[derive(Deserialize)]
struct OpenRequest {
    id: String,
    identifier: String,
    granted_at: Option<serde_json::Value>,
}

/// A dataset as the server describes it, with a page of its files.
#[derive(Deserialize, Default)]
pub(super) struct Dataset {
    pub(super) file_list: Vec<Held>,
    /// The key of the next page.
    #[serde(default)]
    next: Option<String>,
}

/// A file that the server holds.
#[derive(Deserialize)]
pub(super) struct Held {
    pub(super) name: String,
    pub(super) sent_name: String,
    pub(super) sha256: String,
}

impl Desk {
    pub(super) fn new(road: &Road, login: &HeaderValue) -> Self {
        let client = Client::new(Road { patience: PATIENCE, quality: super::GOOD_LINK, ..road.clone() });
        Self { client, login: login.clone(), granted: BTreeSet::new() }
    }

    /// Whether name and password are right.
    pub(super) async fn log_in(&mut self) -> Result<(), FleetError> {
        self.open_requests().await.map(drop)
    }

    /// Lets a watch in, and with it all others of `fleet` that ask.
    pub(super) async fn grant(&mut self, identifier: &str, fleet: &BTreeSet<String>) -> Result<(), FleetError> {
        // Once: who asks again has a new request.
        if self.granted.remove(identifier) {
            return Ok(());
        }
        for request in self.open_requests().await? {
            if fleet.contains(&request.identifier) && request.granted_at.is_none() {
                let answer = self.ask(Method::POST, &format!("/api/v1/requests/{}/grant", request.id)).await?;
                if !answer.status.is_success() {
                    return Err(FleetError::Refused(format!("{} was not let in: {}", request.identifier, answer.says())));
                }
            }
            self.granted.insert(request.identifier);
        }
        self.granted.remove(identifier);
        Ok(())
    }

    /// What the server says that it holds of a dataset, with all its files. Nothing, where it knows of none.
    pub(super) async fn dataset(&mut self, uuid: &str) -> Result<Dataset, FleetError> {
        let mut whole = Dataset::default();
        let mut path = format!("/api/v1/datasets/{uuid}");
        loop {
            let answer = self.ask(Method::GET, &path).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(Dataset::default());
            }
            let page: Dataset = read(&answer)?;
            whole.file_list.extend(page.file_list);
            let Some(after) = page.next else { return Ok(whole) };
            path = format!("/api/v1/datasets/{uuid}?after={}", utf8_percent_encode(&after, NON_ALPHANUMERIC));
        }
    }

    /// The zip of a dataset; none where there is none. One that is being made is waited for.
    pub(super) async fn zip(&mut self, uuid: &str) -> Result<Option<Response<Incoming>>, FleetError> {
        for _ in 0..TRIES {
            let request = self.request(Method::GET, &format!("/uploads/zips/{uuid}.zip"))?;
            let response = self.client.send(request).await.map_err(|error| FleetError::Refused(error.to_string()))?;
            match response.status() {
                StatusCode::OK => return Ok(Some(response)),
                StatusCode::NOT_FOUND => return Ok(None),
                status if is_temporary(status) => sleep(BETWEEN_TRIES).await,
                status => return Err(FleetError::Refused(format!("the zip: {status}"))),
            }
        }
        Err(FleetError::Refused("the zip is not made".to_owned()))
    }

    async fn open_requests(&mut self) -> Result<Vec<OpenRequest>, FleetError> {
        let answer = self.ask(Method::GET, "/api/v1/requests").await?;
        read(&answer)
    }

    async fn ask(&mut self, method: Method, path: &str) -> Result<Answer, FleetError> {
        let mut last = String::new();
        for tried in 1..=TRIES {
            let request = self.request(method.clone(), path)?;
            match self.client.ask(request).await {
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => return Err(FleetError::WrongPassword),
                Ok(answer) if is_temporary(answer.status) => last = answer.says(),
                Ok(answer) => return Ok(answer),
                Err(error) if tried >= BREAKS => return Err(FleetError::Refused(error.to_string())),
                Err(error) => last = error.to_string(),
            }
            sleep(BETWEEN_TRIES).await;
        }
        Err(FleetError::Refused(last))
    }

    fn request(&self, method: Method, path: &str) -> Result<Request<Parcel>, FleetError> {
        let mut request = Request::new(Parcel::default());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse::<Uri>().map_err(|error| FleetError::Refused(error.to_string()))?;
        request.headers_mut().insert(AUTHORIZATION, self.login.clone());
        Ok(request)
    }
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_GATEWAY)
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, FleetError> {
    if !answer.status.is_success() {
        return Err(FleetError::Refused(answer.says()));
    }
    serde_json::from_slice(&answer.body).map_err(|_| FleetError::Refused("the answer is not Wearhouse's".to_owned()))
}
