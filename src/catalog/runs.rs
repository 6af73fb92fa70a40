//! Runs: which of a device came, and when they were.

use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis,
    columns::{collected, parsed, to_u64},
};
use crate::ids::{DatasetId, DeviceId};

/// The run of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumberedRun {
    /// The dataset.
    pub uuid: DatasetId,
    /// When it started, where that is known.
    pub started_at: Option<Millis>,
    /// The app's count of its runs.
    pub number: i64,
}

/// When a dataset was recorded, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSpan {
    /// The dataset.
    pub uuid: DatasetId,
    /// When its run started.
    pub started_at: Millis,
    /// When it ended, where that is known.
    pub ended_at: Option<Millis>,
    /// Its bytes.
    pub bytes: u64,
}

const RUNS_OF: &str = "SELECT uuid, started_at, run_number FROM datasets WHERE device = $1 AND run_number IS NOT NULL";

/// No run is longer than 14 days.
const RUN_SPANS: &str = "SELECT uuid, started_at, ended_at, COALESCE(weight, bytes) AS bytes FROM datasets \
     WHERE device = $1 AND started_at >= $2 - 1209600000 AND started_at < $3 AND COALESCE(ended_at, started_at) >= $2 \
     AND deleted_at IS NULL ORDER BY started_at, run_number";

impl Catalog {
    /// The runs of a device whose number is known, those in the trash included: they came.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn runs_of(&self, device: DeviceId) -> Result<Vec<NumberedRun>, CatalogError> {
        let read = |row: &SqliteRow| {
            Ok(NumberedRun { uuid: parsed(row, "uuid")?, started_at: row.try_get("started_at")?, number: row.try_get("run_number")? })
        };
        Ok(collected(sqlx::query(RUNS_OF).bind(device.to_string()).fetch(&self.read), read).await?)
    }

    /// What a device recorded from one time to before another, oldest first, without what is in the trash.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn run_spans(&self, device: DeviceId, from: Millis, to: Millis) -> Result<Vec<RunSpan>, CatalogError> {
        let read = |row: &SqliteRow| {
            let (started_at, ended_at) = (row.try_get("started_at")?, row.try_get("ended_at")?);
            Ok(RunSpan { uuid: parsed(row, "uuid")?, started_at, ended_at, bytes: to_u64(row.try_get("bytes")?) })
        };
        Ok(collected(sqlx::query(RUN_SPANS).bind(device.to_string()).bind(from).bind(to).fetch(&self.read), read).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{DAY, made::Made};

    #[tokio::test]
    async fn runs_with_a_number_are_told_also_without_a_start_and_from_the_trash() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        let other = made.device("kitchen[2]").await;
        for device in [device, device, device, device, other] {
            made.dataset(device).await;
        }
        made.change("UPDATE datasets SET run_number = number, started_at = number * 10 WHERE number <> 4").await;
        made.change("UPDATE datasets SET started_at = NULL WHERE number = 2").await;
        made.change("UPDATE datasets SET deleted_at = 1 WHERE number = 3").await;
        let mut runs: Vec<_> =
            made.catalog.runs_of(device).await.expect("runs").into_iter().map(|run| (run.number, run.started_at)).collect();
        runs.sort_unstable();
        assert_eq!(runs, [(1, Some(10)), (2, None), (3, Some(30))]);
    }

    #[tokio::test]
    async fn spans_are_those_that_reach_into_the_time_asked_for() {
        let made = Made::new().await;
        let device = made.device("kitchen[1]").await;
        for _ in 0..7 {
            made.dataset(device).await;
        }
        let times = [(100, None), (99, None), (90, Some(100)), (90, Some(99)), (199, Some(300)), (200, None), (150, None)];
        for (number, (start, end)) in (1..).zip(times) {
            let end = end.map_or("NULL".to_owned(), |end: i64| (end * DAY).to_string());
            let start = start * DAY;
            made.change(&format!("UPDATE datasets SET started_at = {start}, ended_at = {end} WHERE number = {number}")).await;
        }
        made.change("UPDATE datasets SET deleted_at = 1 WHERE number = 7").await;
        let spans = made.catalog.run_spans(device, 100 * DAY, 200 * DAY).await.expect("spans");
        assert_eq!(spans.iter().map(|span| span.started_at / DAY).collect::<Vec<_>>(), [90, 100, 199]);
    }

    #[tokio::test]
    async fn the_runs_of_a_device_are_found_by_an_index() {
        let made = Made::new().await;
        for (query, index) in
            [(RUNS_OF, "INDEX datasets_of_device (device=?"), (RUN_SPANS, "INDEX datasets_by_run (device=? AND started_at>?")]
        {
            let plan = made.plan(query).await;
            assert!(plan.contains(index) && !plan.contains("SCAN"), "{plan}");
        }
    }
}
