//! The group commit: many uploads share one transaction and one sync, and each waits for its own answer.

use std::{collections::HashMap, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use sqlx::SqlitePool;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Duration, Instant, timeout_at},
};
use tokio_util::task::TaskTracker;

use super::{
    CatalogError, NewFile, RecordError,
    rows::{Batch, Issue, IssueAnswer, RecordAnswer},
    singly, together,
};
use crate::{
    clock::Clock,
    config::Quota,
    ids::{DatasetId, DeviceId, FileId},
    metrics::METRICS,
};

/// As many uploads as one transaction takes.
const GROUP: usize = 256;
/// How long marks wait for a group to join: alone they would cost a commit and a sync of their own.
const LINGER: Duration = Duration::from_millis(50);
/// How long marks that failed wait for their next try.
const RETRY: Duration = Duration::from_secs(1);

/// Until something comes: there is nothing to mark.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

enum Job {
    Record(Batch, oneshot::Sender<RecordAnswer>),
    Issue(Issue, oneshot::Sender<IssueAnswer>),
    Placed(Vec<FileId>),
    Flush(oneshot::Sender<Result<(), CatalogError>>),
    Close,
}

/// The queue to the one task that commits uploads. What is queued first is committed first.
#[derive(Clone)]
pub(super) struct Committer {
    queue: mpsc::Sender<Job>,
    worker: TaskTracker,
}

impl super::Catalog {
    /// Checks owner, quota and digest of each file, reserves its name and records it as *placing*: all of the files, or none.
    /// When this returns the rows are synced.
    ///
    /// # Errors
    /// [`RecordError`]; the files are then not acknowledged, even where it is unknown whether the commit took place.
    pub async fn record(&self, files: Vec<NewFile>, quota: Quota) -> RecordAnswer {
        let (answer, answered) = oneshot::channel();
        self.committer.send(Job::Record(Batch { files, quota }, answer)).await?;
        answered.await.unwrap_or(Err(CatalogError::Closed.into()))
    }

    /// Issues a new dataset to a device.
    ///
    /// # Errors
    /// [`RecordError`].
    pub async fn new_dataset(&self, device: DeviceId, quota: Quota) -> Result<DatasetId, RecordError> {
        let (uuid, (answer, answered)) = (DatasetId::random(), oneshot::channel());
        self.committer.send(Job::Issue(Issue { uuid, device, quota }, answer)).await?;
        answered.await.unwrap_or(Err(CatalogError::Closed.into()))?;
        Ok(uuid)
    }

    /// Says that files lie in their place, synced. They are marked as placed with the next group or after a moment, and before
    /// anything that is asked of the committer later.
    ///
    /// # Errors
    /// [`CatalogError::Closed`] while the program stops; the next start marks them.
    pub async fn placed(&self, files: Vec<FileId>) -> Result<(), CatalogError> {
        self.committer.send(Job::Placed(files)).await
    }

    /// Whether uploads can be committed. If not, the task that does it has ended, and only a new start brings it back.
    #[must_use]
    pub fn is_committing(&self) -> bool {
        !self.committer.queue.is_closed()
    }

    /// Waits until everything said before is committed.
    ///
    /// # Errors
    /// [`CatalogError`] where it could not be committed.
    pub async fn flush(&self) -> Result<(), CatalogError> {
        let (answer, answered) = oneshot::channel();
        self.committer.send(Job::Flush(answer)).await?;
        answered.await.unwrap_or(Err(CatalogError::Closed))
    }
}

impl Committer {
    pub(super) fn start(pool: SqlitePool, clock: Clock) -> Self {
        let (queue, jobs) = mpsc::channel(4 * GROUP);
        let worker = TaskTracker::new();
        worker.spawn(Worker { pool, clock, unmarked: Vec::new(), due: Instant::now() + NEVER }.work(jobs));
        worker.close();
        Self { queue, worker }
    }

    /// Commits what is queued, and waits for the worker to end.
    pub(super) async fn close(&self) {
        // A queue that is closed already has a worker that ends by itself.
        let _ = self.send(Job::Close).await;
        self.worker.wait().await;
    }

    async fn send(&self, job: Job) -> Result<(), CatalogError> {
        self.queue.send(job).await.map_err(|_| CatalogError::Closed)
    }
}

struct Worker {
    pool: SqlitePool,
    clock: Clock,
    /// Files that lie in their place and are not marked yet. Kept through a failed commit.
    unmarked: Vec<FileId>,
    /// When they are marked without a group.
    due: Instant,
}

impl Worker {
    async fn work(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut group = Vec::with_capacity(GROUP);
        loop {
            match timeout_at(self.due, jobs.recv_many(&mut group, GROUP)).await {
                Ok(0) => return,
                Ok(_) if group.iter().all(|job| matches!(job, Job::Placed(_))) => {
                    self.linger(group.drain(..));
                    continue;
                }
                Ok(_) | Err(_) => {}
            }
            let close = group.iter().any(|job| matches!(job, Job::Close));
            // The task must live on: without it no upload is ever committed again.
            if AssertUnwindSafe(self.commit(group.drain(..))).catch_unwind().await.is_err() {
                tracing::error!("the commit of a group panicked; none of it is acknowledged");
                self.roll_back().await;
            }
            self.due = Instant::now() + if self.unmarked.is_empty() { NEVER } else { RETRY };
            if close {
                return;
            }
        }
    }

    /// Keeps marks until a group comes, or until it is time.
    fn linger(&mut self, marks: impl Iterator<Item = Job>) {
        if self.unmarked.is_empty() {
            self.due = Instant::now() + LINGER;
        }
        for job in marks {
            if let Job::Placed(files) = job {
                self.unmarked.extend(files);
            }
        }
    }

    /// Commits one group and answers everyone in it.
    async fn commit(&mut self, group: impl Iterator<Item = Job>) {
        let (mut records, mut issues, mut flushes) = (Vec::new(), Vec::new(), Vec::new());
        for job in group {
            match job {
                Job::Record(batch, answer) => records.push((batch, answer)),
                Job::Issue(issue, answer) => issues.push((issue, answer)),
                Job::Placed(files) => self.unmarked.extend(files),
                Job::Flush(answer) => flushes.push(answer),
                Job::Close => {}
            }
        }
        let (batches, record_answers): (Vec<_>, Vec<_>) = records.into_iter().unzip();
        let (issues, issue_answers): (Vec<_>, Vec<_>) = issues.into_iter().unzip();
        let began = Instant::now();
        let outcome = self.transact(&batches, &issues).await;
        if !batches.is_empty() {
            METRICS.commit_seconds.observe(began.elapsed().as_secs_f64());
        }
        if let Err(error) = &outcome {
            tracing::error!(%error, uploads = batches.len(), "a group was not committed; none of it is acknowledged");
        } else {
            self.unmarked.clear();
        }
        for answer in flushes {
            let _ = answer.send(outcome.as_ref().map(|_| ()).map_err(Clone::clone));
        }
        let (recorded, given) = outcome.unwrap_or_else(|error| (all(&batches, &error), all(&issues, &error)));
        tell(record_answers, recorded);
        tell(issue_answers, given);
    }

    /// Commits what is plain in one exchange, and what is not one by one behind it.
    async fn transact(&self, group: &[Batch], issues: &[Issue]) -> Result<(Vec<RecordAnswer>, Vec<IssueAnswer>), CatalogError> {
        if group.is_empty() && issues.is_empty() && self.unmarked.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut connection = self.pool.acquire().await?;
        let at = self.clock.now();
        let together = together::transact(&mut connection, &self.unmarked, group, at).await?;
        let (unmarked, mut plain) = together.map_or((&self.unmarked[..], HashMap::new()), |plain| (&[][..], plain));
        let mut answers: Vec<_> = (0..group.len()).map(|at| plain.remove(&at).map(|recorded| Ok(vec![recorded]))).collect();
        let rest: Vec<_> = group.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(batch, _)| batch).collect();
        if unmarked.is_empty() && rest.is_empty() && issues.is_empty() {
            return Ok((answers.into_iter().flatten().collect(), Vec::new()));
        }
        let (recorded, given) = match singly::transact(&mut connection, unmarked, &rest, issues, at).await {
            Ok(done) => done,
            // What was plain is committed all the same.
            Err(error) if unmarked.is_empty() => (all(&rest, &error), all(issues, &error)),
            Err(error) => return Err(error),
        };
        answers.iter_mut().filter(|answer| answer.is_none()).zip(recorded).for_each(|(answer, recorded)| *answer = Some(recorded));
        Ok((answers.into_iter().flatten().collect(), given))
    }

    /// After a panic: nobody may find the connection within a transaction.
    async fn roll_back(&self) {
        if let Ok(mut connection) = self.pool.acquire().await {
            together::roll_back(&mut connection).await;
        }
    }
}

/// The same error for everybody.
fn all<J, T>(jobs: &[J], error: &CatalogError) -> Vec<Result<T, RecordError>> {
    jobs.iter().map(|_| Err(error.clone().into())).collect()
}

/// A receiver that is gone belongs to a request that is gone.
fn tell<T>(answers: Vec<oneshot::Sender<T>>, told: Vec<T>) {
    for (answer, told) in answers.into_iter().zip(told) {
        drop(answer.send(told));
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::Catalog;

    #[tokio::test]
    async fn a_catalog_whose_committing_task_has_ended_says_so() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.expect("a catalog");
        assert!(catalog.is_committing());
        catalog.committer.close().await;
        assert!(!catalog.is_committing() && catalog.flush().await.is_err());
        catalog.close().await;
    }
}
