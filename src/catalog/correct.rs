//! Correcting times that were recorded while the wall clock was not trusted.

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::DAY;
use crate::clock::Correction;

/// Every column with times that the server recorded by itself, but for those of the audit log: what that says is not changed.
/// `files.received_at` is corrected apart from these, since there may be millions of them and nothing finds the latest.
const RECORDED: [(&str, &str); 26] = [
    ("alerts", "since"),
    ("alerts", "mailed_at"),
    ("alerts", "hooked_at"),
    ("assignments", "at"),
    ("blocked", "blocked_at"),
    ("credentials", "collected_at"),
    ("credentials", "last_used_at"),
    ("datasets", "created_at"),
    ("datasets", "updated_at"),
    ("datasets", "deleted_at"),
    ("devices", "created_at"),
    ("devices", "revoked_at"),
    ("devices", "forgotten_at"),
    ("devices", "collected_at"),
    ("devices", "last_used_at"),
    ("devices", "last_upload_at"),
    ("forgotten_spans", "until_at"),
    ("models", "published_at"),
    ("offers", "offered_at"),
    ("offers", "fetched_at"),
    ("participants", "created_at"),
    ("participants", "forgotten_at"),
    ("requests", "created_at"),
    ("requests", "polled_at"),
    ("requests", "granted_at"),
    ("settled", "at"),
];

/// The files that were received at `$1` or later. A file that is placed has changed its dataset then; the others are in an index.
const RECEIVED: &str = "SELECT f.id FROM datasets d JOIN files f ON f.dataset = d.uuid WHERE d.updated_at >= $1 AND f.received_at >= $1 \
     UNION SELECT id FROM files WHERE held IS NOT NULL AND received_at >= $1 \
     UNION SELECT id FROM files WHERE state IN ('placing', 'discarding') AND received_at >= $1";

/// Corrects every recorded time that needs it, and has the datasets described again whose description depends on one.
pub(super) async fn correct(tx: &mut SqliteConnection, correction: Correction) -> Result<(), sqlx::Error> {
    let mut statements = vec![
        // These find what they change by times that are corrected further down.
        format!("UPDATE datasets SET described = -1 WHERE uuid IN (SELECT dataset FROM files WHERE id IN ({RECEIVED}))"),
        move_arrivals(),
        format!("UPDATE files SET received_at = {} WHERE id IN ({RECEIVED})", corrected("received_at")),
        format!(
            "UPDATE forgotten_spans SET kept_until = kept_until + (SELECT {} - forgotten_at FROM participants WHERE id = participant) \
             WHERE participant IN (SELECT id FROM participants WHERE forgotten_at >= $1)",
            corrected("forgotten_at")
        ),
        // When the run began that says what a device is. One in the future would be the newest for as long.
        "UPDATE devices SET meta_at = $4 WHERE meta_at > $4".to_owned(),
    ];
    statements.extend(RECORDED.map(|(table, column)| format!("UPDATE {table} SET {column} = {} WHERE {column} >= $1", corrected(column))));
    let Correction { from, by, now } = correction;
    for statement in statements {
        let query = sqlx::query(AssertSqlSafe(statement)).bind(from.min(now)).bind(from).bind(by).bind(now);
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// What a column is to hold that holds `$1` or more. No time stays in the future: the wall clock was wrong when that was recorded, and
/// was trusted all the same.
fn corrected(column: &str) -> String {
    format!("MIN(CASE WHEN {column} >= $2 THEN {column} + $3 ELSE {column} END, $4)")
}

/// Counts the files on the days on which they are received once they are corrected.
fn move_arrivals() -> String {
    let corrected = corrected("received_at");
    format!(
        "INSERT INTO arrivals (day, files, bytes) SELECT day, SUM(files), SUM(bytes) FROM ( \
         SELECT received_at / {DAY} AS day, -1 AS files, -size AS bytes FROM files WHERE id IN ({RECEIVED}) \
         UNION ALL SELECT {corrected} / {DAY}, 1, size FROM files WHERE id IN ({RECEIVED})) GROUP BY day \
         ON CONFLICT (day) DO UPDATE SET files = arrivals.files + excluded.files, bytes = arrivals.bytes + excluded.bytes"
    )
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{Arc, Mutex},
    };

    use super::RECORDED;
    use crate::{
        catalog::{Catalog, DAY, Settled, made::Made},
        clock::{HOUR, Millis, RELEASED, Reading},
        ids::DatasetId,
    };

    /// Columns with times that the server does not record by itself, or that are corrected apart, or not at all.
    const OTHERS: [&str; 13] = [
        "audit.at",
        "clock.confirmed_at",
        "clock.newest_at",
        "clock.provisional_from",
        "clock.reached_at",
        "datasets.ended_at",
        "datasets.started_at",
        "devices.meta_at",
        "files.received_at",
        "forgotten_spans.from_at",
        "forgotten_spans.kept_until",
        "spans.from_at",
        "spans.until_at",
    ];

    /// A catalog whose wall clock can be set.
    struct Set {
        made: Made,
        clocks: Arc<Mutex<Reading>>,
    }

    impl Set {
        async fn new() -> Self {
            let clocks = Arc::new(Mutex::new(Reading { wall: RELEASED + 100 * DAY, elapsed: 0 }));
            let source = Arc::clone(&clocks);
            Self { made: Made::with_clocks(Arc::new(move || *source.lock().expect("clocks"))).await, clocks }
        }

        /// Lets time pass, and sets the wall clock forward or back.
        fn pass(&self, time: Millis, step: Millis) {
            let mut clocks = self.clocks.lock().expect("clocks");
            *clocks = Reading { wall: clocks.wall + time + step, elapsed: clocks.elapsed + time };
            drop(clocks);
            let _noticed = self.made.catalog.now();
        }

        fn wall(&self) -> Millis {
            self.clocks.lock().expect("clocks").wall
        }

        async fn number(&self, query: &str) -> Option<Millis> {
            self.made.texts(query).await.swap_remove(0).map(|text| text.parse().expect("a number"))
        }

        async fn time_of(&self, column: &str, dataset: DatasetId) -> Option<Millis> {
            self.number(&format!("SELECT {column} AS c FROM datasets WHERE uuid = '{dataset}'")).await
        }
    }

    #[tokio::test]
    async fn every_column_with_times_is_corrected_or_known_not_to_be() {
        let columns = "SELECT m.name || '.' || c.name AS c FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
             AND c.type = 'BIGINT' AND (c.name IN ('at', 'since', 'kept_until', 'provisional_from') OR c.name LIKE '%\\_at' ESCAPE '\\')";
        let columns = Made::new().await.texts(columns).await;
        let corrected = RECORDED.iter().map(|(table, column)| format!("{table}.{column}"));
        let known: BTreeSet<_> = corrected.chain(OTHERS.map(str::to_owned)).collect();
        assert_eq!(columns.into_iter().flatten().collect::<BTreeSet<_>>(), known);
    }

    /// The machine's battery is empty: the server was off for months, and its clock says 1970.
    #[tokio::test]
    async fn what_was_recorded_under_a_clock_that_was_behind_has_its_true_time_afterwards() {
        let set = Set::new().await;
        let catalog = &set.made.catalog;
        let device = set.made.device("w").await;
        let [before, wrong] = [set.made.dataset(device).await, set.made.dataset(device).await];
        catalog.delete(&[before], "ada").await.expect("deleted");
        let deleted_before = set.time_of("deleted_at", before).await;
        let right = set.wall() + 90 * DAY;
        set.pass(HOUR, -set.wall());
        let file = set.made.file(wrong, device, "acc.csv").await;
        catalog.delete(&[wrong], "ada").await.expect("deleted");
        set.made.change("INSERT INTO participants (id, label, created_at) VALUES ('67e55044-10b1-426f-9247-bb680e5fe0c8', 'P01', 0)").await;
        set.made.change(&format!("INSERT INTO spans VALUES ('s', '67e55044-10b1-426f-9247-bb680e5fe0c8', '{device}', 10, 20)")).await;
        let participant = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().expect("an id");
        catalog.forget_participant(participant, "ada", 30 * DAY).await.expect("forgotten");
        set.made.change("UPDATE datasets SET described = changes").await;
        set.pass(2 * HOUR, right - set.wall());
        assert_eq!(catalog.settle_time().await.expect("asked"), None, "an operator must confirm that");
        assert!(catalog.confirm_wall_clock(set.wall()).await.expect("trusted"));
        let truly = set.wall() - 2 * HOUR;
        for (query, expected) in [
            (format!("SELECT received_at AS c FROM files WHERE id = '{}'", file.id), truly),
            (format!("SELECT deleted_at AS c FROM datasets WHERE uuid = '{wrong}'"), truly),
            (format!("SELECT updated_at AS c FROM datasets WHERE uuid = '{wrong}'"), truly),
            ("SELECT kept_until AS c FROM forgotten_spans".to_owned(), truly + 30 * DAY),
            ("SELECT day AS c FROM arrivals WHERE files = 1".to_owned(), truly / DAY),
            ("SELECT COUNT(*) AS c FROM arrivals WHERE files <> 0 OR bytes <> 0".to_owned(), 1),
        ] {
            assert_eq!(set.number(&query).await, Some(expected), "{query}");
        }
        assert_eq!(set.time_of("deleted_at", before).await, deleted_before, "that was right");
        let again: Vec<_> = catalog.to_describe(i64::MAX, 10).await.expect("asked").into_iter().map(|to| to.uuid).collect();
        assert_eq!(again, [wrong], "what was read off its files depends on when they came");
        assert!(catalog.clock().status().is_trusted);
    }

    #[tokio::test]
    async fn what_was_recorded_under_a_clock_that_was_ahead_and_trusted_is_not_in_the_future_afterwards() {
        let set = Set::new().await;
        let catalog = &set.made.catalog;
        let device = set.made.device("w").await;
        let dataset = set.made.dataset(device).await;
        set.pass(HOUR, 6 * DAY);
        set.made.file(dataset, device, "acc.csv").await;
        catalog.delete(&[dataset], "ada").await.expect("deleted");
        set.pass(HOUR, -6 * DAY);
        assert_eq!(catalog.settle_time().await.expect("asked"), None);
        assert!(catalog.confirm_wall_clock(set.wall()).await.expect("trusted"));
        assert_eq!(set.time_of("deleted_at", dataset).await, Some(set.wall()));
        assert_eq!(set.number("SELECT received_at AS c FROM files").await, Some(set.wall()));
    }

    #[tokio::test]
    async fn a_confirmation_on_the_command_line_is_taken_up_once() {
        let set = Set::new().await;
        let catalog = &set.made.catalog;
        let path = set.made.folder.path().join("catalog.sqlite");
        assert!(!Catalog::confirm_time(&path, set.wall()).await.expect("asked"), "nothing is stored yet");
        catalog.store_time().await.expect("stored");
        for (step, settled) in [(400 * DAY, Some(Settled::Confirmed)), (0, None)] {
            set.pass(HOUR, step);
            assert!(Catalog::confirm_time(&path, set.wall()).await.expect("confirmed"));
            assert_eq!(catalog.settle_time().await.expect("asked"), settled);
            assert_eq!(set.number("SELECT confirmed_at AS c FROM clock").await, None);
        }
        set.pass(HOUR, 400 * DAY);
        assert_eq!(catalog.settle_time().await.expect("asked"), None, "that is another time");
        assert!(Catalog::confirm_time(&path, set.wall() - 8 * DAY).await.expect("confirmed"));
        assert_eq!(catalog.settle_time().await.expect("asked"), None, "another time was confirmed");
    }

    #[tokio::test]
    async fn a_clock_that_is_right_again_is_trusted_by_itself() {
        let set = Set::new().await;
        let dataset = set.made.dataset(set.made.device("w").await).await;
        let right = set.wall();
        set.pass(HOUR, -right);
        set.made.catalog.delete(&[dataset], "ada").await.expect("deleted");
        set.pass(HOUR, right - HOUR);
        assert_eq!(set.made.catalog.settle_time().await.expect("asked"), Some(Settled::Plausible));
        assert_eq!(set.time_of("deleted_at", dataset).await, Some(set.wall() - HOUR));
    }
}
