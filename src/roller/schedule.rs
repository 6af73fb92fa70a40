//! Who is next: marks coalesce, one roll a dataset at a time, a few at once, asked-for datasets first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    BuildOutcome, RollError,
    policy::{self, Backlog, Verdict},
};
use crate::{catalog::ZipState, config::Settings, ids::DatasetId, metrics::METRICS};

/// The files of a run come one behind the other; the first look waits so long for the rest.
const SETTLE: Duration = Duration::from_secs(1);
/// A dataset that has been due for so long is a sign that nobody rolls: the largest zips take minutes.
const STALLED: Duration = Duration::from_secs(60 * 60);
/// A roll that failed is tried again after this time, unless somebody asks before.
const RETRY: Duration = Duration::from_secs(60);

/// A dataset whose zip is behind.
struct Mark {
    pending: u64,
    last_arrival: Instant,
    /// When to look at it unasked; `None` while only a new file or a question can change something.
    look_at: Option<Instant>,
    /// A roll that failed is not tried again unasked before this time, whatever arrives.
    not_before: Instant,
    rolling: bool,
    /// Since when somebody waits for a roll that has not begun.
    asked_at: Option<Instant>,
    waiting: Vec<oneshot::Sender<Result<BuildOutcome, RollError>>>,
}

/// One look at one dataset; its place among the few at once ends with it.
pub(super) struct Turn {
    pub(super) dataset: DatasetId,
    pub(super) asked: bool,
    pending: u64,
    quiet: Duration,
    waiting: Vec<oneshot::Sender<Result<BuildOutcome, RollError>>>,
    _place: OwnedSemaphorePermit,
}

pub(super) struct Schedule {
    pub(super) settings: Settings,
    marks: Mutex<HashMap<DatasetId, Mark>>,
    changed: Notify,
    places: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

impl Schedule {
    pub(super) fn new(settings: Settings, stop: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(settings.now().zip.rolls_at_once as usize));
        Self { settings, marks: Mutex::default(), changed: Notify::new(), places, stop }
    }

    pub(super) fn mark(&self, dataset: DatasetId, bytes: u64) {
        let now = Instant::now();
        let mut marks = self.marks();
        let mark = marks.entry(dataset).or_insert_with(|| Mark::new(now));
        mark.pending = mark.pending.saturating_add(bytes);
        mark.last_arrival = now;
        let soon = mark.not_before.max(now + SETTLE);
        mark.look_at = Some(mark.look_at.map_or(soon, |at| at.min(soon)));
        drop(marks);
        self.changed.notify_one();
    }

    /// Whether a dataset has been due for [`STALLED`]: then the worker has ended, or its disk stands still.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        let overdue = |since: Instant| now.saturating_duration_since(since) > STALLED;
        self.marks().values().any(|mark| mark.look_at.into_iter().chain(mark.asked_at).any(overdue))
    }

    /// Waits for the next build of a dataset that begins after this call.
    pub(super) async fn ask(&self, dataset: DatasetId) -> Result<BuildOutcome, RollError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut marks = self.marks();
            let mark = marks.entry(dataset).or_insert_with(|| Mark::new(Instant::now()));
            mark.asked_at.get_or_insert_with(Instant::now);
            mark.waiting.push(answer);
        }
        self.changed.notify_one();
        let _waiting = Waiting::begin();
        tokio::select! {
            rolled = answered => rolled.unwrap_or(Err(RollError::Stopping)),
            () = self.stop.cancelled() => Err(RollError::Stopping),
        }
    }

    /// The next dataset to look at, as soon as there is one and a place is free. `None` when it is time to stop.
    pub(super) async fn next(&self) -> Option<Turn> {
        let place = tokio::select! {
            place = Arc::clone(&self.places).acquire_owned() => place.ok()?,
            () = self.stop.cancelled() => return None,
        };
        let mut place = Some(place);
        loop {
            // Registered before the look, so that a mark between look and wait is not missed.
            let changed = self.changed.notified();
            let wait = match self.take(&mut place) {
                Ok(turn) => return Some(turn),
                Err(wait) => wait,
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => return None,
            }
        }
    }

    /// Takes the most urgent dataset, or says how long there is nothing to do.
    fn take(&self, place: &mut Option<OwnedSemaphorePermit>) -> Result<Turn, Duration> {
        const LONG: Duration = Duration::from_secs(3600);
        let now = Instant::now();
        let mut marks = self.marks();
        let idle = || marks.iter().filter(|(_, mark)| !mark.rolling);
        let asked = idle().find(|(_, mark)| !mark.waiting.is_empty());
        let first = idle().filter_map(|(dataset, mark)| Some((mark.look_at?, *dataset))).min();
        let dataset = match (asked, first) {
            (Some((dataset, _)), _) => *dataset,
            (None, Some((at, dataset))) if at <= now => dataset,
            (None, first) => return Err(first.map_or(LONG, |(at, _)| at - now)),
        };
        let (Some(mark), Some(place)) = (marks.get_mut(&dataset), place.take()) else { return Err(LONG) };
        mark.rolling = true;
        mark.look_at = None;
        mark.asked_at = None;
        let waiting = std::mem::take(&mut mark.waiting);
        let pending = mark.pending;
        let quiet = now.duration_since(mark.last_arrival);
        Ok(Turn { dataset, asked: !waiting.is_empty(), pending, quiet, waiting, _place: place })
    }

    /// What the policy says to a dataset that nobody asked for.
    pub(super) fn policy(&self, turn: &Turn, state: &ZipState, zip: u64) -> Verdict {
        let backlog = Backlog { zip, pending: turn.pending, arrived: state.arrived, copied: state.copied, quiet: turn.quiet };
        policy::judge(backlog, &self.settings.now().zip)
    }

    /// Ends a look: answers who waited, and says when to look again.
    pub(super) fn done(&self, turn: Turn, result: &Result<BuildOutcome, RollError>) {
        let now = Instant::now();
        let mut marks = self.marks();
        if let Some(mark) = marks.get_mut(&turn.dataset) {
            mark.rolling = false;
            let again = match result {
                Ok(BuildOutcome::Published | BuildOutcome::Empty { .. } | BuildOutcome::Gone) => {
                    mark.pending = mark.pending.saturating_sub(turn.pending);
                    None
                }
                Ok(BuildOutcome::PutOff(quiet)) => quiet.map(|quiet| mark.last_arrival + quiet),
                Err(_) => {
                    mark.not_before = now + RETRY;
                    Some(mark.not_before)
                }
            };
            mark.look_at = [mark.look_at, again].into_iter().flatten().min();
            if mark.look_at.is_none() && mark.waiting.is_empty() && mark.pending == 0 {
                marks.remove(&turn.dataset);
            }
        }
        drop(marks);
        for waiting in turn.waiting {
            // Whoever is gone does not wait any more.
            let _ = waiting.send(result.clone());
        }
        self.changed.notify_one();
    }

    fn marks(&self) -> MutexGuard<'_, HashMap<DatasetId, Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a request for as long as it waits, also where its client gives up.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        METRICS.zip_requests_waiting.inc();
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        METRICS.zip_requests_waiting.dec();
    }
}

impl Mark {
    fn new(now: Instant) -> Self {
        Self { pending: 0, last_arrival: now, look_at: None, not_before: now, rolling: false, asked_at: None, waiting: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn a_dataset_that_is_due_for_long_is_a_stall_and_one_that_waits_for_quiet_is_none() {
        let schedule = Schedule::new(Config::default().into(), CancellationToken::new());
        let later = |minutes: u64| Instant::now() + Duration::from_secs(60 * minutes);
        assert!(!schedule.is_stalled(later(90)));
        schedule.mark(DatasetId::random(), 1);
        assert!(!schedule.is_stalled(later(30)) && schedule.is_stalled(later(90)));
        let turn = schedule.next().await.expect("a turn");
        assert!(!schedule.is_stalled(later(90)), "it is being looked at");
        schedule.done(turn, &Ok(BuildOutcome::PutOff(Some(Duration::from_secs(6 * 3600)))));
        assert!(!schedule.is_stalled(later(90)) && schedule.is_stalled(later(8 * 60)));
    }
}
