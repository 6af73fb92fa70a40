//! Forgetting: a device or a participant goes with everything that came of it. The row of a device stays as a stub with its
//! generations, so that none of its tokens comes back to life.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Catalog, CatalogError, columns::parsed, devices::unknown, now, spans::assign_anew};
use crate::{
    ids::{DeviceId, ParticipantId},
    ledger::DeviceState,
};

/// What a device is called that is forgotten; lists do not show it.
const FORGOTTEN: &str = "forgotten";

/// Once more, where an upload that was under way has brought something behind the end.
const TO_BLANK: &str = "SELECT id FROM devices WHERE forgotten_at IS NOT NULL \
     AND (identifier <> 'forgotten' OR name <> '' OR note <> '' OR COALESCE(last_used_at, last_upload_at, meta_at) IS NOT NULL) \
     AND NOT EXISTS (SELECT 1 FROM datasets WHERE datasets.device = devices.id)";

const GONE: &str = "SELECT id FROM participants WHERE forgotten_at IS NOT NULL \
     AND NOT EXISTS (SELECT 1 FROM datasets WHERE datasets.participant = participants.id)";

impl Catalog {
    /// Shuts a device out, ends its requests and puts its datasets into the trash. `false` if there is no such device.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn forget_device(&self, device: DeviceId, by: &str) -> Result<bool, CatalogError> {
        // As in [`Catalog::delete`].
        self.flush().await?;
        let (mut tx, _place) = self.writing_aside().await?;
        let known = forget_device(&mut tx, device, by).await?;
        tx.commit().await?;
        self.tokens.forget(device);
        Ok(known)
    }

    /// Ends the spans of a participant and puts its datasets into the trash. `false` if there is no such participant.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn forget_participant(&self, participant: ParticipantId, by: &str) -> Result<bool, CatalogError> {
        self.flush().await?;
        let (mut tx, _place) = self.writing_aside().await?;
        let id = participant.to_string();
        let mark = sqlx::query("UPDATE participants SET forgotten_at = COALESCE(forgotten_at, $2) WHERE id = $1").bind(&id).bind(now());
        let known = mark.execute(&mut *tx).await?.rows_affected() == 1;
        // Without a span nothing else says who wore the device, should somebody restore one.
        sqlx::query("UPDATE datasets SET participant_by_hand = 1 WHERE participant = $1").bind(&id).execute(&mut *tx).await?;
        let rows = sqlx::query("DELETE FROM spans WHERE participant = $1 RETURNING device").bind(&id).fetch_all(&mut *tx).await?;
        for row in rows {
            assign_anew(&mut tx, parsed(&row, "device")?).await?;
        }
        let delete = "UPDATE datasets SET deleted_at = $2, deleted_by = $3 WHERE participant = $1 AND deleted_at IS NULL";
        sqlx::query(delete).bind(&id).bind(now()).bind(by).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(known)
    }

    /// Says that there is nothing more of the devices and participants that are to be forgotten, where that is so: what people and
    /// the devices themselves said of them goes.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn finish_forgetting(&self) -> Result<(), CatalogError> {
        let (devices, participants) = (self.ids(TO_BLANK).await?, self.ids(GONE).await?);
        if devices.is_empty() && participants.is_empty() {
            return Ok(());
        }
        let (mut tx, _place) = self.writing_aside().await?;
        for id in devices {
            blank(&mut tx, &id).await?;
        }
        for id in participants {
            sqlx::query("DELETE FROM participants WHERE id = $1").bind(&id).execute(&mut *tx).await?;
            sqlx::query("UPDATE audit SET detail = '' WHERE subject = $1").bind(&id).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn ids(&self, query: &'static str) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar(query).fetch_all(&self.write).await
    }

    /// Shuts out what the ledger says is shut out, where this catalog does not know of it, since it is older or was lost. A token of
    /// a later generation than the ledger speaks of was granted since, and stays good. Returns how many devices that were.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn keep_shut_out(&self, devices: &[(DeviceId, DeviceState)]) -> Result<u64, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let mut changed = 0;
        for (device, state) in devices {
            let (generation, is_forgotten) = match *state {
                DeviceState::Good => continue,
                DeviceState::Revoked { generation } => (generation, false),
                DeviceState::Forgotten { generation } => (generation, true),
            };
            changed += shut_out(&mut tx, *device, generation).await?;
            let row = sqlx::query("SELECT 1 FROM devices WHERE id = $1 AND forgotten_at IS NULL AND generation <= $2");
            let is_new = row.bind(device.to_string()).bind(generation).fetch_optional(&mut *tx).await?.is_some();
            if is_forgotten && is_new {
                forget_device(&mut tx, *device, "").await?;
            }
        }
        tx.commit().await?;
        for (device, _) in devices {
            self.tokens.forget(*device);
        }
        Ok(changed)
    }

    /// The devices that are shut out, each with the generation of its newest token.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn shut_out(&self) -> Result<Vec<(DeviceId, u32)>, CatalogError> {
        let rows = sqlx::query("SELECT id, generation FROM devices WHERE revoked_at IS NOT NULL").fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| Ok((parsed(row, "id")?, row.try_get("generation")?));
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
        self.tokens.forget(device);
        Ok(done.rows_affected() == 1)
    }
}

async fn forget_device(tx: &mut SqliteConnection, device: DeviceId, by: &str) -> Result<bool, sqlx::Error> {
    let forget = "UPDATE devices SET revoked_at = COALESCE(revoked_at, $2), forgotten_at = COALESCE(forgotten_at, $2) WHERE id = $1";
    let known = sqlx::query(forget).bind(device.to_string()).bind(now()).execute(&mut *tx).await?.rows_affected() == 1;
    sqlx::query("DELETE FROM requests WHERE device = $1").bind(device.to_string()).execute(&mut *tx).await?;
    let delete = "UPDATE datasets SET deleted_at = $2, deleted_by = $3 WHERE device = $1 AND deleted_at IS NULL";
    sqlx::query(delete).bind(device.to_string()).bind(now()).bind(by).execute(tx).await?;
    Ok(known)
}

/// Takes out of a device's row, and of what else there is of it, everything but its generations.
async fn blank(tx: &mut SqliteConnection, id: &str) -> Result<(), sqlx::Error> {
    let blank = "UPDATE devices SET identifier = $2, name = '', note = '', silent_hours = NULL, last_upload_at = NULL, last_used_at = NULL, \
         collected_at = NULL, meta_at = NULL, app_version = NULL, model = NULL, hardware = NULL WHERE id = $1";
    sqlx::query(blank).bind(id).bind(FORGOTTEN).execute(&mut *tx).await?;
    for statement in [
        "DELETE FROM spans WHERE device = $1",
        "DELETE FROM credentials WHERE device = $1",
        "DELETE FROM alerts WHERE subject = $1 OR subject LIKE $1 || '%'",
        "DELETE FROM settled WHERE subject = $1 OR subject LIKE $1 || '%'",
        "UPDATE audit SET detail = '' WHERE subject = $1",
    ] {
        sqlx::query::<sqlx::Sqlite>(statement).bind(id).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Makes sure that no token of a device up to this generation is good, and that the next one is a later one.
async fn shut_out(tx: &mut SqliteConnection, device: DeviceId, generation: u32) -> Result<u64, sqlx::Error> {
    let revoke = "INSERT INTO devices (id, identifier, created_at, revoked_at, generation, lowest_generation) VALUES ($1, $2, $3, $3, $4, 1) \
         ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, revoked_at = COALESCE(devices.revoked_at, excluded.revoked_at) \
         WHERE devices.generation < excluded.generation OR (devices.generation = excluded.generation AND devices.revoked_at IS NULL)";
    let revoke = sqlx::query(revoke).bind(device.to_string()).bind(unknown(device)).bind(now()).bind(generation);
    let revoked = revoke.execute(&mut *tx).await?.rows_affected();
    let end = sqlx::query("UPDATE devices SET lowest_generation = $2 + 1 WHERE id = $1 AND generation > $2 AND lowest_generation <= $2");
    Ok(revoked + end.bind(device.to_string()).bind(generation).execute(tx).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalog::made::Made, ids::DatasetId};

    async fn device(made: &Made) -> String {
        let columns = "generation || ' ' || lowest_generation || ' ' || (revoked_at IS NOT NULL) || ' ' || (forgotten_at IS NOT NULL)";
        made.texts(&format!("SELECT {columns} AS c FROM devices")).await[0].clone().expect("a device")
    }

    #[tokio::test]
    async fn what_the_ledger_shut_out_is_shut_out_in_a_catalog_that_is_older_and_in_one_that_is_new() {
        let state = |generation| DeviceState::Revoked { generation };
        for (before, said, after) in [
            ("generation = 3, lowest_generation = 2", state(3), "3 2 1 0"),
            ("generation = 2", state(3), "3 1 1 0"),
            ("generation = 3, revoked_at = 7", state(3), "3 1 1 0"),
            ("generation = 4, lowest_generation = 1", state(3), "4 4 0 0"),
            ("generation = 4, lowest_generation = 4", state(3), "4 4 0 0"),
            ("generation = 3", DeviceState::Good, "3 1 0 0"),
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
}
