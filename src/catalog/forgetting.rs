//! Forgetting: a device or a participant goes with everything that came of it. The row of a device stays as a stub with its
//! generations, so that none of its tokens comes back to life.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Audience, Catalog, CatalogError, Millis, assignments, columns::parsed, devices::unknown, spans::assign_anew};
use crate::{
    ids::{DatasetId, DeviceId, ParticipantId},
    ledger::DeviceState,
};

/// What a device is called that is forgotten; lists do not show it.
const FORGOTTEN: &str = "forgotten";

/// Once more, where an upload that was under way has brought something behind the end.
const TO_BLANK: &str = "SELECT id FROM devices WHERE forgotten_at IS NOT NULL \
     AND (identifier <> 'forgotten' OR name <> '' OR note <> '' OR COALESCE(last_used_at, last_upload_at, meta_at) IS NOT NULL) \
     AND NOT EXISTS (SELECT 1 FROM datasets WHERE datasets.device = devices.id)";

const GONE: &str = "SELECT id FROM participants WHERE forgotten_at IS NOT NULL \
     AND NOT EXISTS (SELECT 1 FROM datasets WHERE datasets.participant = participants.id) \
     AND NOT EXISTS (SELECT 1 FROM forgotten_spans WHERE forgotten_spans.participant = participants.id)";

/// What a participant wore up to now. A device that it still wears is another one's from now on.
const KEEP_SPANS: &str = "INSERT INTO forgotten_spans (participant, device, from_at, until_at, kept_until) \
     SELECT participant, device, from_at, MIN(COALESCE(until_at, $2), $2), $3 FROM spans WHERE participant = $1 AND from_at < $2";

/// What is noted about a participant, and about devices where it wore them.
const BLANK_SPANS: &str = "UPDATE audit SET detail = '' WHERE subject = $1 \
     OR (action = 'assigned' AND SUBSTR(detail, 1, 36) = $1 AND subject IN (SELECT id FROM devices))";

/// A dataset that nobody's span holds but that of one who is forgotten. It counts as assigned by hand: who restores it has it for good.
pub(super) const LATE: &str = "UPDATE datasets SET participant = worn.by, participant_by_hand = 1, deleted_at = COALESCE(deleted_at, $2) \
     FROM (SELECT MIN(f.participant) AS by FROM datasets d JOIN forgotten_spans f ON f.device = d.device \
     AND f.from_at <= d.started_at AND f.until_at > d.started_at WHERE d.uuid = $1) AS worn \
     WHERE uuid = $1 AND worn.by IS NOT NULL AND participant IS NULL AND participant_by_hand = 0 \
     AND NOT EXISTS (SELECT 1 FROM spans s WHERE s.device = datasets.device AND s.from_at <= datasets.started_at \
     AND (s.until_at IS NULL OR s.until_at > datasets.started_at))";

impl Catalog {
    /// Shuts a device out, ends its requests and puts its datasets into the trash. `false` if there is no such device.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn forget_device(&self, device: DeviceId, by: &str) -> Result<bool, CatalogError> {
        // As in [`Catalog::delete`].
        self.flush().await?;
        let (mut tx, _place) = self.writing_aside().await?;
        let known = forget_device(&mut tx, device, by, self.now()).await?;
        tx.commit().await?;
        self.device_changed(device);
        Ok(known)
    }

    /// Takes the spans of a participant away and puts its datasets into the trash; what is read of such a time within `kept`
    /// milliseconds goes there, too. `false` if there is no such participant.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn forget_participant(&self, participant: ParticipantId, by: &str, kept: Millis) -> Result<bool, CatalogError> {
        self.flush().await?;
        let (mut tx, _place) = self.writing_aside().await?;
        let (id, now) = (participant.to_string(), self.now());
        let mark = sqlx::query("UPDATE participants SET forgotten_at = COALESCE(forgotten_at, $2) WHERE id = $1").bind(&id).bind(now);
        let known = mark.execute(&mut *tx).await?.rows_affected() == 1;
        // Without a span nothing else says who wore the device, should somebody restore one.
        sqlx::query("UPDATE datasets SET participant_by_hand = 1 WHERE participant = $1").bind(&id).execute(&mut *tx).await?;
        sqlx::query(KEEP_SPANS).bind(&id).bind(now).bind(now.saturating_add(kept)).execute(&mut *tx).await?;
        sqlx::query(BLANK_SPANS).bind(&id).execute(&mut *tx).await?;
        let rows = sqlx::query("DELETE FROM spans WHERE participant = $1 RETURNING device").bind(&id).fetch_all(&mut *tx).await?;
        for row in rows {
            assign_anew(&mut tx, parsed(&row, "device")?).await?;
        }
        let delete = "UPDATE datasets SET deleted_at = $2, deleted_by = $3 WHERE participant = $1 AND deleted_at IS NULL";
        sqlx::query(delete).bind(&id).bind(now).bind(by).execute(&mut *tx).await?;
        assignments::forget(&mut tx, Audience::Participant(participant)).await?;
        self.commit_for_recipients(tx).await?;
        Ok(known)
    }

    /// Says that there is nothing more of the devices and participants that are to be forgotten, where that is so: what people and
    /// the devices themselves said of them goes.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn finish_forgetting(&self) -> Result<(), CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        for id in ids(&mut tx, TO_BLANK).await? {
            blank(&mut tx, &id).await?;
        }
        sqlx::query("DELETE FROM forgotten_spans WHERE kept_until <= $1").bind(self.proven_now()).execute(&mut *tx).await?;
        for id in ids(&mut tx, GONE).await? {
            sqlx::query("DELETE FROM participants WHERE id = $1").bind(&id).execute(&mut *tx).await?;
            sqlx::query("UPDATE audit SET detail = '' WHERE subject = $1").bind(&id).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Shuts out what the ledger says is shut out, and lets in what it says was let in again, where this catalog does not know of
    /// it, since it is older or was lost. A token of a later generation than the ledger speaks of was granted since, and stays good.
    /// Returns how many devices that were.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn keep_shut_out(&self, devices: &[(DeviceId, DeviceState)]) -> Result<u64, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let mut changed = 0;
        for (device, state) in devices {
            let (generation, is_forgotten) = match *state {
                DeviceState::Good { generation } => {
                    changed += let_in(&mut tx, *device, generation).await?;
                    continue;
                }
                DeviceState::Revoked { generation } => (generation, false),
                DeviceState::Forgotten { generation } => (generation, true),
            };
            changed += shut_out(&mut tx, *device, generation, self.now()).await?;
            let row = sqlx::query("SELECT 1 FROM devices WHERE id = $1 AND forgotten_at IS NULL AND generation <= $2");
            let is_new = row.bind(device.to_string()).bind(generation).fetch_optional(&mut *tx).await?.is_some();
            if is_forgotten && is_new {
                forget_device(&mut tx, *device, "", self.now()).await?;
            }
        }
        tx.commit().await?;
        for (device, _) in devices {
            self.device_changed(*device);
        }
        Ok(changed)
    }

    /// The devices that are shut out, each with the generation of its newest token, and whether it is forgotten.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn shut_out(&self) -> Result<Vec<(DeviceId, u32, bool)>, CatalogError> {
        let query = "SELECT id, generation, forgotten_at IS NOT NULL AS is_forgotten FROM devices WHERE revoked_at IS NOT NULL";
        let rows = sqlx::query(query).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| Ok((parsed(row, "id")?, row.try_get("generation")?, row.try_get("is_forgotten")?));
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// Lets a device in again whose newest token is newer than this catalog. `false` where it is not.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn take_up(&self, device: DeviceId, generation: u32) -> Result<bool, CatalogError> {
        let take_up = "UPDATE devices SET generation = $2, lowest_generation = $2, revoked_at = NULL, forgotten_at = NULL \
             WHERE id = $1 AND generation < $2 AND revoked_at IS NOT NULL";
        let done = sqlx::query(take_up).bind(device.to_string()).bind(generation).execute(&self.write).await?;
        self.device_changed(device);
        Ok(done.rows_affected() == 1)
    }
}

async fn forget_device(tx: &mut SqliteConnection, device: DeviceId, by: &str, at: Millis) -> Result<bool, sqlx::Error> {
    let forget = "UPDATE devices SET revoked_at = COALESCE(revoked_at, $2), forgotten_at = COALESCE(forgotten_at, $2) WHERE id = $1";
    let known = sqlx::query(forget).bind(device.to_string()).bind(at).execute(&mut *tx).await?.rows_affected() == 1;
    sqlx::query("DELETE FROM requests WHERE device = $1").bind(device.to_string()).execute(&mut *tx).await?;
    let delete = "UPDATE datasets SET deleted_at = $2, deleted_by = $3 WHERE device = $1 AND deleted_at IS NULL";
    sqlx::query(delete).bind(device.to_string()).bind(at).bind(by).execute(&mut *tx).await?;
    assignments::forget(tx, Audience::Device(device)).await?;
    Ok(known)
}

async fn ids(tx: &mut SqliteConnection, query: &'static str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(query).fetch_all(tx).await
}

/// Puts a dataset that was read just now into the trash, where it is of a participant that is forgotten.
pub(super) async fn forget_late(tx: &mut SqliteConnection, dataset: DatasetId, at: Millis) -> Result<(), sqlx::Error> {
    sqlx::query(LATE).bind(dataset.to_string()).bind(at).execute(tx).await?;
    Ok(())
}

/// Takes out of a forgotten device's row, and of what else there is of it, everything but its generations.
async fn blank(tx: &mut SqliteConnection, id: &str) -> Result<(), sqlx::Error> {
    let blank = "UPDATE devices SET identifier = $2, name = '', note = '', silent_hours = NULL, last_upload_at = NULL, last_used_at = NULL, \
         collected_at = NULL, meta_at = NULL, app_version = NULL, model = NULL, hardware = NULL \
         WHERE id = $1 AND forgotten_at IS NOT NULL";
    let blank = sqlx::query(blank).bind(id).bind(FORGOTTEN).execute(&mut *tx).await?;
    // It was let in anew.
    if blank.rows_affected() == 0 {
        return Ok(());
    }
    for statement in [
        "DELETE FROM spans WHERE device = $1",
        "DELETE FROM forgotten_spans WHERE device = $1",
        "DELETE FROM credentials WHERE device = $1",
        "DELETE FROM offers WHERE device = $1",
        "DELETE FROM alerts WHERE subject = $1 OR subject LIKE $1 || '%'",
        "DELETE FROM settled WHERE subject = $1 OR subject LIKE $1 || '%'",
        "UPDATE audit SET detail = '' WHERE subject = $1",
    ] {
        sqlx::query::<sqlx::Sqlite>(statement).bind(id).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Lets in a device of which nothing newer is known than that it was let in again with this generation. One that was forgotten with
/// it stays out: nobody lets that in without a newer token.
async fn let_in(tx: &mut SqliteConnection, device: DeviceId, generation: u32) -> Result<u64, sqlx::Error> {
    let let_in = "UPDATE devices SET revoked_at = NULL, forgotten_at = NULL, generation = $2 WHERE id = $1 AND revoked_at IS NOT NULL \
         AND (generation < $2 OR (generation = $2 AND forgotten_at IS NULL))";
    Ok(sqlx::query(let_in).bind(device.to_string()).bind(generation).execute(tx).await?.rows_affected())
}

/// Makes sure that no token of a device up to this generation is good, and that the next one is a later one.
async fn shut_out(tx: &mut SqliteConnection, device: DeviceId, generation: u32, at: Millis) -> Result<u64, sqlx::Error> {
    let revoke = "INSERT INTO devices (id, identifier, created_at, revoked_at, generation, lowest_generation) VALUES ($1, $2, $3, $3, $4, 1) \
         ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, revoked_at = COALESCE(devices.revoked_at, excluded.revoked_at) \
         WHERE devices.generation < excluded.generation OR (devices.generation = excluded.generation AND devices.revoked_at IS NULL)";
    let revoke = sqlx::query(revoke).bind(device.to_string()).bind(unknown(device)).bind(at).bind(generation);
    let revoked = revoke.execute(&mut *tx).await?.rows_affected();
    let end = sqlx::query("UPDATE devices SET lowest_generation = $2 + 1 WHERE id = $1 AND generation > $2 AND lowest_generation <= $2");
    Ok(revoked + end.bind(device.to_string()).bind(generation).execute(tx).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{DAY, Description, Run, made::Made};

    const WEARER: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    /// A participant that wore a device up to a moment.
    async fn worn(made: &Made, device: DeviceId, until: &str) -> ParticipantId {
        made.change(&format!("INSERT INTO participants (id, label, created_at) VALUES ('{WEARER}', 'P01', 0)")).await;
        made.change(&format!("INSERT INTO spans VALUES ('s', '{WEARER}', '{device}', 10, {until})")).await;
        WEARER.parse().expect("an id")
    }

    /// A run of a time is read.
    async fn read(made: &Made, dataset: DatasetId, started_at: Millis) {
        let run = Run { started_at: Some(started_at), ..Run::default() };
        made.catalog.describe(dataset, &Description { run, ..Description::default() }).await.expect("described");
    }

    async fn is_in_trash(made: &Made, dataset: DatasetId) -> bool {
        made.catalog.is_in_trash(dataset).await.expect("asked")
    }

    async fn device(made: &Made) -> String {
        let columns = "generation || ' ' || lowest_generation || ' ' || (revoked_at IS NOT NULL) || ' ' || (forgotten_at IS NOT NULL)";
        made.texts(&format!("SELECT {columns} AS c FROM devices")).await[0].clone().expect("a device")
    }

    #[tokio::test]
    async fn what_the_ledger_shut_out_is_shut_out_in_a_catalog_that_is_older_and_in_one_that_is_new() {
        let state = |generation| DeviceState::Revoked { generation };
        let good = |generation| DeviceState::Good { generation };
        for (before, said, after) in [
            ("generation = 3, lowest_generation = 2", state(3), "3 2 1 0"),
            ("generation = 2", state(3), "3 1 1 0"),
            ("generation = 3, revoked_at = 7", state(3), "3 1 1 0"),
            ("generation = 4, lowest_generation = 1", state(3), "4 4 0 0"),
            ("generation = 4, lowest_generation = 4", state(3), "4 4 0 0"),
            ("generation = 3", good(3), "3 1 0 0"),
            ("generation = 3, revoked_at = 7", good(3), "3 1 0 0"),
            ("generation = 2, revoked_at = 7", good(3), "3 1 0 0"),
            ("generation = 4, revoked_at = 7", good(3), "4 1 1 0"),
            ("generation = 3, revoked_at = 7, forgotten_at = 7", good(3), "3 1 1 1"),
            ("generation = 2, revoked_at = 7, forgotten_at = 7", good(3), "3 1 0 0"),
            ("generation = 3", DeviceState::Forgotten { generation: 3 }, "3 1 1 1"),
            ("generation = 4", DeviceState::Forgotten { generation: 3 }, "4 4 0 0"),
        ] {
            let made = Made::new().await;
            let id = made.device("w").await;
            made.change(&format!("UPDATE devices SET {before}")).await;
            made.catalog.keep_shut_out(&[(id, said)]).await.expect("done");
            assert_eq!(device(&made).await, after, "{before}, {said:?}");
            assert_eq!(made.catalog.keep_shut_out(&[(id, said)]).await.expect("done"), 0, "again, {before}");
        }
        let made = Made::new().await;
        let id = "w".parse::<crate::ids::Identifier>().expect("an identifier").device();
        assert_eq!(made.catalog.keep_shut_out(&[(id, state(3))]).await.expect("done"), 1);
        assert_eq!(device(&made).await, "3 1 1 0");
    }

    /// Its token was good when it asked, and it is forgotten before the answer.
    #[tokio::test]
    async fn what_becomes_a_forgotten_devices_lies_in_the_trash() {
        let made = Made::new().await;
        let (device, other) = (made.device("w").await, made.device("other").await);
        made.catalog.forget_device(device, "ada").await.expect("forgotten");
        let found: DatasetId = "00000000-0000-4000-8000-000000000001".parse().expect("a uuid");
        made.catalog.found_dataset(found).await.expect("found");
        let (issued, adopted) = (made.dataset(device).await, DatasetId::random());
        for dataset in [found, adopted] {
            made.file(dataset, device, "a.csv").await;
        }
        for dataset in [issued, found, adopted] {
            assert!(made.catalog.is_in_trash(dataset).await.expect("asked"), "{dataset}");
        }
        let kept = made.dataset(other).await;
        assert!(!made.catalog.is_in_trash(kept).await.expect("asked"));
    }

    #[tokio::test]
    async fn what_is_read_later_of_the_time_of_a_forgotten_participant_goes_into_the_trash_once() {
        let made = Made::new().await;
        let device = made.device("w").await;
        let participant = worn(&made, device, "20").await;
        let (before, within, behind) = (made.dataset(device).await, made.dataset(device).await, made.dataset(device).await);
        let others = made.dataset(made.device("other").await).await;
        made.catalog.forget_participant(participant, "ada", DAY).await.expect("forgotten");
        made.catalog.finish_forgetting().await.expect("not yet");
        for (dataset, started_at, is_its) in [(before, 9, false), (within, 10, true), (behind, 20, false), (others, 10, false)] {
            read(&made, dataset, started_at).await;
            assert_eq!(is_in_trash(&made, dataset).await, is_its, "{started_at}");
        }
        assert_eq!(made.texts("SELECT participant AS c FROM datasets WHERE participant IS NOT NULL").await, [Some(WEARER.to_owned())]);
        assert!(made.catalog.restore(within).await.expect("restored"));
        read(&made, within, 10).await;
        assert!(!is_in_trash(&made, within).await, "a person wants it here");
    }

    #[tokio::test]
    async fn a_device_that_a_forgotten_participant_wears_still_is_another_ones_from_then_on() {
        let made = Made::new().await;
        let device = made.device("w").await;
        let participant = worn(&made, device, "NULL").await;
        let (before, behind) = (made.dataset(device).await, made.dataset(device).await);
        made.catalog.forget_participant(participant, "ada", DAY).await.expect("forgotten");
        let forgotten_at = made.catalog.now();
        for (dataset, started_at, is_its) in [(before, forgotten_at - DAY, true), (behind, forgotten_at + 1, false)] {
            read(&made, dataset, started_at).await;
            assert_eq!(is_in_trash(&made, dataset).await, is_its);
        }
    }

    #[tokio::test]
    async fn what_others_wore_as_well_is_no_forgotten_participants() {
        let made = Made::new().await;
        let device = made.device("w").await;
        let participant = worn(&made, device, "40").await;
        made.change("INSERT INTO participants (id, label, created_at) VALUES ('q', 'P02', 0), ('r', 'P03', 0)").await;
        made.change(&format!("INSERT INTO spans VALUES ('1', 'q', '{device}', 20, 40), ('2', 'r', '{device}', 30, 40)")).await;
        made.catalog.forget_participant(participant, "ada", DAY).await.expect("forgotten");
        for (started_at, wearer) in [(25, Some("q")), (35, None)] {
            let dataset = made.dataset(device).await;
            read(&made, dataset, started_at).await;
            assert!(!is_in_trash(&made, dataset).await, "{started_at}");
            let found = made.texts(&format!("SELECT participant AS c FROM datasets WHERE uuid = '{dataset}'")).await;
            assert_eq!(found, [wearer.map(str::to_owned)]);
        }
    }

    #[tokio::test]
    async fn what_a_forgotten_participant_wore_goes_in_time_also_where_a_recording_was_restored() {
        for restored in [true, false] {
            let made = Made::new().await;
            let device = made.device("w").await;
            let participant = worn(&made, device, "20").await;
            if restored {
                let dataset = made.dataset(device).await;
                read(&made, dataset, 10).await;
            }
            made.catalog.forget_participant(participant, "ada", DAY).await.expect("forgotten");
            for (passed, expected) in [(0, "11"), (DAY, if restored { "10" } else { "00" })] {
                made.change(&format!("UPDATE forgotten_spans SET kept_until = kept_until - {passed}")).await;
                made.catalog.finish_forgetting().await.expect("finished");
                let left = made.texts("SELECT COUNT(*) || (SELECT COUNT(*) FROM forgotten_spans) AS c FROM participants").await;
                assert_eq!(left, [Some(expected.to_owned())], "{passed}, {restored}");
            }
        }
    }

    /// It was listed, and then it collected a new grant.
    #[tokio::test]
    async fn a_device_that_is_let_in_keeps_what_is_known_of_it() {
        let made = Made::new().await;
        let device = made.device("w").await;
        made.change("UPDATE devices SET name = 'wrist'").await;
        worn(&made, device, "20").await;
        let (mut tx, _place) = made.catalog.writing_aside().await.expect("a transaction");
        blank(&mut tx, &device.to_string()).await.expect("nothing to do");
        tx.commit().await.expect("committed");
        assert_eq!(made.texts("SELECT name || (SELECT COUNT(*) FROM spans) AS c FROM devices").await, [Some("wrist1".to_owned())]);
    }
}
