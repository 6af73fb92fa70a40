//! One watch: asks to be let in, and keeps each file until it is told that it is safe.

use std::{sync::Arc, time::Duration};

use hyper::{
    Request, Uri,
    header::{AUTHORIZATION, HeaderValue},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::{RngExt, rngs::StdRng};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{
    FleetError, Shared,
    client::{Answer, Client, Road},
    control::Cut,
    parcel::Parcel,
    protocol::Upload,
    recording::{File, Identity, dice},
};

/// From one question to be let in to the next, while somebody must do so by hand.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(3);

/// What a request has around a file, roughly.
const AROUND: u64 = 500;

/// A watch that has its token, and a dataset to begin with.
pub(super) struct Watch {
    identity: Identity,
    shared: Arc<Shared>,
    client: Client,
    token: HeaderValue,
    dice: StdRng,
    /// Asked for before anything is measured.
    first: Option<String>,
}

/// What the wire says.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Told {
    status: String,
    token: String,
    uuid: String,
}

impl Told {
    fn by(answer: &Answer) -> Self {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }
}

impl Watch {
    /// Asks to be let in until it is, and for its first dataset.
    pub(super) async fn let_in(number: u32, shared: Arc<Shared>, road: Road) -> Result<Self, FleetError> {
        let identity = Identity::new(shared.fleet.seed, number);
        let mut client = Client::new(road);
        let token = ask_for_token(&identity.identifier(), &shared, &mut client).await?;
        let mut token = HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| FleetError::Refused(error.to_string()))?;
        token.set_sensitive(true);
        let dice = dice(!shared.fleet.seed, number);
        let mut watch = Self { identity, shared, client, token, dice, first: None };
        watch.first = Some(watch.new_dataset().await);
        Ok(watch)
    }

    /// Uploads all runs.
    pub(super) async fn upload(mut self) {
        let fleet = &self.shared.fleet;
        let (protocol, runs, files) = (fleet.protocol, fleet.runs, fleet.cargo.files());
        for run in 0..runs {
            let uuid = match self.first.take() {
                Some(uuid) => uuid,
                None => self.new_dataset().await,
            };
            let Some(upload) = protocol.begin(&uuid, &self.token) else { continue };
            let kept = self.shared.tally().begin(self.identity.clone(), run, uuid);
            for index in 0..files {
                let file = self.shared.maker.file(&self.identity, run, index);
                let took = self.deliver(&upload, &file).await;
                self.shared.tally().safe(kept, file.size(), took);
                self.shared.bar.inc(1);
            }
        }
    }

    /// Tries until a file is safe. Returns how long the try took that brought it.
    async fn deliver(&mut self, upload: &Upload, file: &File) -> Duration {
        let protocol = self.shared.fleet.protocol;
        loop {
            let cut = self.throw_for_a_cut(file.size());
            self.client.cut_next(cut);
            let begin = Instant::now();
            let answer = self.client.ask(protocol.request(upload, file)).await;
            match answer {
                Ok(answer) if answer.status.is_success() => return begin.elapsed(),
                Ok(answer) => self.wait(answer.says(), answer.retry_after).await,
                Err(error) => self.wait(error.to_string(), None).await,
            }
        }
    }

    async fn new_dataset(&mut self) -> String {
        loop {
            let mut request = Request::new(Parcel::default());
            *request.uri_mut() = Uri::from_static("/recording/new/");
            request.headers_mut().insert(AUTHORIZATION, self.token.clone());
            match self.client.ask(request).await {
                Ok(answer) if answer.status.is_success() => {
                    let uuid = Told::by(&answer).uuid;
                    if !uuid.is_empty() {
                        return uuid;
                    }
                    self.wait("a new dataset: no uuid".to_owned(), None).await;
                }
                Ok(answer) => self.wait(format!("a new dataset: {}", answer.says()), answer.retry_after).await,
                Err(error) => self.wait(format!("a new dataset: {error}"), None).await,
            }
        }
    }

    async fn wait(&self, why: String, retry_after: Option<Duration>) {
        self.shared.tally().refused(why);
        let longest = self.shared.fleet.retry_after;
        sleep(retry_after.map_or(longest, |asked| asked.min(longest))).await;
    }

    /// The link is cut anywhere in an upload, or behind it: then the server has the file, and the watch does not know.
    fn throw_for_a_cut(&mut self, size: u64) -> Option<Cut> {
        let probability = self.shared.fleet.link.cut;
        if probability <= 0.0 || !self.dice.random_bool(probability) {
            return None;
        }
        let whole = size + AROUND;
        let point = self.dice.random_range(0..whole + whole / 4);
        Some(if point < whole { Cut::After(point) } else { Cut::Answer })
    }
}

async fn ask_for_token(identifier: &str, shared: &Shared, client: &mut Client) -> Result<String, FleetError> {
    let address = format!("/tokenauth/request/?identifier={}", utf8_percent_encode(identifier, NON_ALPHANUMERIC));
    let address: Uri = address.parse().map_err(|_| FleetError::Refused("no identifier".to_owned()))?;
    let mut broken = 0;
    loop {
        let mut request = Request::new(Parcel::default());
        request.uri_mut().clone_from(&address);
        let wait = match client.ask(request).await {
            Ok(answer) if answer.status.is_success() => {
                let Told { status, token, .. } = Told::by(&answer);
                match (status.as_str(), &shared.desk) {
                    ("grant", _) => return Ok(token),
                    ("new" | "pending", Some(desk)) => {
                        desk.lock().await.grant(identifier, &shared.identifiers).await?;
                        Duration::ZERO
                    }
                    ("new" | "pending", None) => {
                        shared.bar.set_message("waiting for somebody to let the watches in");
                        BETWEEN_QUESTIONS
                    }
                    _ => return Err(FleetError::Refused("it is not Wearhouse that answers (wearhouse doctor says more)".to_owned())),
                }
            }
            Ok(answer) if answer.retry_after.is_some() => answer.retry_after.unwrap_or(BETWEEN_QUESTIONS),
            Ok(answer) => return Err(FleetError::Refused(answer.says())),
            Err(error) if broken == 3 => return Err(FleetError::Refused(error.to_string())),
            Err(_) => {
                broken += 1;
                shared.fleet.retry_after
            }
        };
        sleep(wait).await;
    }
}
