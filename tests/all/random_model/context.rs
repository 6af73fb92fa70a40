//! What all actors share: the model, the running program, the log of operations, and the end of the run.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Method, RequestBuilder, StatusCode};
use tokio::sync::{MutexGuard as TurnGuard, Notify, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{
    history::{Moment, Span},
    model::{DeviceIndex, Model, Reader},
    names::Rule,
    server::Server,
};
use crate::support::Researcher;

/// Operations that a failure message may choose from, and how many of them it shows.
const REMEMBERED: usize = 50_000;
const SHOWN: usize = 60;

/// A state of the server that is waited for comes within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something that must not be: the end of the run.
#[derive(Debug)]
pub struct Failure {
    /// The dataset that it is about, if it is about one.
    pub dataset: Option<String>,
    pub what: String,
}

impl Failure {
    pub fn new(what: impl Into<String>) -> Self {
        Self { dataset: None, what: what.into() }
    }

    pub fn of(dataset: &str, what: impl Into<String>) -> Self {
        Self { dataset: Some(dataset.to_owned()), what: what.into() }
    }
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self::new(what)
    }
}

/// What came of a request.
pub struct Reply {
    pub status: StatusCode,
    pub body: Vec<u8>,
    pub etag: Option<String>,
    /// From the question to the response's head.
    pub head: Span,
    /// Within [`Self::head`], from the earliest moment at which the server may have looked whether it may send this.
    pub last_look: Span,
    /// Whether the body came to its end.
    pub is_whole: bool,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A failure that shows what was answered.
    pub fn unexpected(&self, dataset: Option<&str>, why: &str) -> Failure {
        let text: String = self.text().chars().take(300).collect();
        Failure { dataset: dataset.map(str::to_owned), what: format!("{why}: {} {text}", self.status) }
    }
}

/// A time between two stops of the server, or between a stop and the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerRun(u64);

impl ServerRun {
    /// Whether the server ran all the time from this look to the next one.
    pub fn lasts_until(self, later: Self) -> bool {
        self == later && self.0.is_multiple_of(2)
    }
}

struct Note {
    moment: Moment,
    dataset: Option<String>,
    text: String,
}

pub struct Context {
    model: Mutex<Model>,
    server: tokio::sync::Mutex<Server>,
    /// Held by each operation for reading; held for writing by what needs that nothing is in flight.
    operations: RwLock<()>,
    notes: Mutex<VecDeque<Note>>,
    failure: Mutex<Option<Failure>>,
    is_over: AtomicBool,
    /// One change of the settings at a time.
    reloading: tokio::sync::Mutex<()>,
    /// Notified of each response, and of the end of the run.
    answered: Notify,
    lost: AtomicU64,
    stops_and_starts: AtomicU64,
}

impl Context {
    pub fn new(rule: Rule, server: Server) -> Self {
        Self {
            model: Mutex::new(Model::new(rule)),
            server: tokio::sync::Mutex::new(server),
            operations: RwLock::new(()),
            notes: Mutex::default(),
            failure: Mutex::default(),
            is_over: AtomicBool::new(false),
            reloading: tokio::sync::Mutex::default(),
            answered: Notify::new(),
            lost: AtomicU64::new(0),
            stops_and_starts: AtomicU64::new(0),
        }
    }

    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn server(&self) -> TurnGuard<'_, Server> {
        self.server.lock().await
    }

    /// Begins an operation, which lasts until the guard is dropped.
    pub async fn operate(&self) -> RwLockReadGuard<'_, ()> {
        self.operations.read().await
    }

    /// Waits until no operation is in flight, and lets none begin.
    pub async fn wait_until_idle(&self) -> RwLockWriteGuard<'_, ()> {
        self.operations.write().await
    }

    /// Waits for the turn to change the settings.
    pub async fn reloading(&self) -> TurnGuard<'_, ()> {
        self.reloading.lock().await
    }

    pub fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.answered.notify_waiters();
    }

    /// Ends the run; the first failure is the one that is shown.
    pub fn fail(&self, failure: Failure) {
        lock(&self.failure).get_or_insert(failure);
        self.end();
    }

    /// Takes down what was done, for the message of a failure.
    pub fn note(&self, dataset: Option<&str>, text: impl Into<String>) {
        let moment = self.model().now().to;
        let mut notes = lock(&self.notes);
        notes.push_back(Note { moment, dataset: dataset.map(str::to_owned), text: text.into() });
        if notes.len() > REMEMBERED {
            notes.pop_front();
        }
    }

    /// The message of the failure, with the last operations on its dataset, and those that concern all.
    pub fn failure(&self) -> Option<String> {
        let failure = lock(&self.failure).take()?;
        let notes = lock(&self.notes);
        let concerns = |note: &&Note| note.dataset.is_none() || failure.dataset.is_none() || note.dataset == failure.dataset;
        let mut shown: Vec<_> =
            notes.iter().rev().filter(concerns).take(SHOWN).map(|note| format!("  {} {}", note.moment.0, note.text)).collect();
        shown.reverse();
        let dataset = failure.dataset.map(|uuid| format!("dataset {uuid}: ")).unwrap_or_default();
        Some(format!("{dataset}{}\nat moment {}, after\n{}", failure.what, self.model().now().to.0, shown.join("\n")))
    }

    /// Requests without a response, most of them for a restart.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }

    /// Whether the server runs, and has done so since an earlier look of this kind.
    pub fn run(&self) -> ServerRun {
        ServerRun(self.stops_and_starts.load(Ordering::SeqCst))
    }

    /// The server is about to stop, or has started.
    pub fn count_stop_or_start(&self) {
        self.stops_and_starts.fetch_add(1, Ordering::SeqCst);
    }

    pub fn restarts(&self) -> u64 {
        self.run().0 / 2
    }

    /// Waits for a state of the server; a failure if it does not come within 30 s.
    pub async fn wait(&self, what: &str, mut is_reached: impl AsyncFnMut() -> bool) -> Result<(), Failure> {
        let wait = async {
            while !is_reached().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.map_err(|_elapsed| Failure::new(format!("waited in vain until {what}")))
    }

    /// Waits until so many more requests were answered, or the run is over.
    pub async fn more_requests(&self, number: u64) {
        let wanted = self.model().requests() + number;
        self.until(|| self.model().requests() >= wanted).await;
    }

    pub async fn until_over(&self) {
        self.until(|| false).await;
    }

    async fn until(&self, is_done: impl Fn() -> bool) {
        loop {
            let answered = self.answered.notified();
            if self.is_over() || is_done() {
                return;
            }
            answered.await;
        }
    }

    /// A request of a researcher or an operator.
    pub async fn ask(&self, reader: Reader, method: Method, path: &str) -> RequestBuilder {
        let operator = Researcher::clone(&self.server().await.operator);
        let who = if reader == Reader::Operator { operator } else { operator.without_power() };
        who.request(method.as_str(), path)
    }

    /// A request of a device.
    pub async fn ask_as(&self, device: DeviceIndex, method: Method, path: &str) -> RequestBuilder {
        self.server().await.devices[device].request(method.as_str(), path)
    }

    /// Sends a request that was asked at a moment. Nothing if no response came, as when the server is killed.
    pub async fn send(&self, request: RequestBuilder, asked: Moment) -> Option<Reply> {
        let (client, request) = request.build_split();
        let request = request.expect("a request");
        let what = format!("{} {}", request.method(), request.url().path());
        let response = match tokio::time::timeout(PATIENCE, client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                self.lost.fetch_add(1, Ordering::SeqCst);
                return None;
            }
            Err(_elapsed) => {
                self.fail(Failure::new(format!("{what}, asked at {}, has no response", asked.0)));
                return None;
            }
        };
        let (head, last_look) = {
            let mut model = self.model();
            let head = Span { from: asked, to: model.tick() };
            model.note_answered(asked, head.to);
            (head, model.last_look(head))
        };
        self.answered.notify_waiters();
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let (status, body) = (response.status(), response.bytes().await);
        let is_whole = body.is_ok();
        Some(Reply { status, body: body.map(Vec::from).unwrap_or_default(), etag, head, last_look, is_whole })
    }

    /// Asks at this moment, and sends.
    pub async fn send_now(&self, request: RequestBuilder) -> Option<Reply> {
        let asked = self.model().tick();
        self.send(request, asked).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
