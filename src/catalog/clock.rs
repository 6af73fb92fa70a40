//! The clock in the catalog: what of it outlives the program, and the moment at which the server uses the wall clock again.

use std::path::Path;

use sqlx::{Connection, Row, SqliteConnection, SqlitePool, sqlite::SqliteConnectOptions};

use super::{Catalog, CatalogError, Millis, correct::correct, upgrade};
use crate::clock::{Clock, Reading, StoredTime, Timeline, is_confirmed_by};

/// Why the server uses the wall clock again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It can be right.
    Plausible,
    /// Its time was confirmed on the command line.
    Confirmed,
}

impl Catalog {
    /// The clock of everything that is recorded here.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The time to record. Where a wrong time would do harm, ask for it while you hold the connection that writes: then it is corrected
    /// with all others, should the server begin to trust the wall clock at this moment.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// The time by which it is decided whether something is due that cannot be undone: see [`Clock::proven_now`].
    #[must_use]
    pub fn proven_now(&self) -> Millis {
        self.clock.proven_now()
    }

    /// Stores which time it is, so that the next process knows it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn store_time(&self) -> Result<(), CatalogError> {
        let mut connection = self.write.acquire().await?;
        let (timeline, reading) = self.clock.observe();
        Ok(store(&mut connection, timeline.to_store(reading)).await?)
    }

    /// Uses the wall clock again where that can be right, or where its time was confirmed on the command line. `None` where it did
    /// not come to that.
    ///
    /// # Errors
    /// [`CatalogError`]; then nothing has changed.
    pub async fn settle_time(&self) -> Result<Option<Settled>, CatalogError> {
        let query = sqlx::query_scalar("SELECT confirmed_at FROM clock").fetch_optional(&self.read).await?;
        let confirmed: Option<Millis> = query.flatten();
        let (timeline, reading) = self.clock.observe();
        let settles = |timeline: &Timeline, reading: Reading| {
            if timeline.is_trusted() {
                None
            } else if timeline.fault(reading).is_none() {
                Some(Settled::Plausible)
            } else {
                confirmed.filter(|confirmed| is_confirmed_by(*confirmed, reading.wall)).map(|_| Settled::Confirmed)
            }
        };
        let settled = match settles(&timeline, reading) {
            Some(_) => self.trust_wall_clock(settles).await?,
            None => None,
        };
        if settled.is_none() {
            self.drop_confirmation(confirmed).await?;
        }
        Ok(settled)
    }

    /// Uses the wall clock from now on, since an operator has seen this time on it and says that it is right. `false` where it says
    /// another time meanwhile, or one before the release of this program, which is certainly wrong.
    ///
    /// # Errors
    /// [`CatalogError`]; then nothing has changed.
    pub async fn confirm_wall_clock(&self, seen: Millis) -> Result<bool, CatalogError> {
        let is_possible = |_: &Timeline, reading: Reading| is_confirmed_by(seen, reading.wall).then_some(());
        Ok(self.trust_wall_clock(is_possible).await?.is_some())
    }

    /// Uses the wall clock from now on, and corrects what was recorded by the server's own time, where there is a `reason` to do so.
    async fn trust_wall_clock<R>(&self, reason: impl Fn(&Timeline, Reading) -> Option<R>) -> Result<Option<R>, CatalogError> {
        // Held until the clock has changed, so that nothing is recorded between the correction and that change.
        let mut connection = self.write.acquire().await?;
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
        let (mut timeline, reading) = self.clock.observe();
        // The wall clock may have been set to another time since it was last read.
        let Some(reason) = reason(&timeline, reading) else { return Ok(None) };
        if let Some(correction) = timeline.correction(reading) {
            correct(&mut tx, correction).await?;
        }
        timeline.trust(reading);
        store(&mut tx, timeline.to_store(reading)).await?;
        sqlx::query("UPDATE clock SET confirmed_at = NULL").execute(&mut *tx).await?;
        tx.commit().await?;
        self.clock.trust(reading);
        // Which model a device gets depends on its wearer at this time.
        self.recipients_changed();
        Ok(Some(reason))
    }

    /// Forgets a confirmation that is not needed, or no longer good for what the wall clock says.
    async fn drop_confirmation(&self, confirmed: Option<Millis>) -> Result<(), CatalogError> {
        if confirmed.is_some() {
            sqlx::query("UPDATE clock SET confirmed_at = NULL WHERE confirmed_at = $1").bind(confirmed).execute(&self.write).await?;
        }
        Ok(())
    }

    /// What is stored in a catalog that may be another process's at this moment.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn peek_time(path: &Path) -> Result<Option<StoredTime>, CatalogError> {
        let pool = open_beside_server(path, true).await?;
        let stored = stored_time(&pool).await;
        pool.close().await;
        Ok(stored?)
    }

    /// Confirms a time of the wall clock, for the process that has this catalog open or opens it next. `false` where no process has stored
    /// a time yet: then there is nothing to confirm.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn confirm_time(path: &Path, wall: Millis) -> Result<bool, CatalogError> {
        let pool = open_beside_server(path, false).await?;
        let done = sqlx::query("UPDATE clock SET confirmed_at = $1").bind(wall).execute(&pool).await;
        pool.close().await;
        Ok(done?.rows_affected() == 1)
    }
}

/// Opens a catalog of this program's schema that is there already, beside the server that may use it.
async fn open_beside_server(path: &Path, read_only: bool) -> Result<SqlitePool, CatalogError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(read_only).busy_timeout(super::BUSY_TIMEOUT);
    let pool = SqlitePool::connect_with(options).await?;
    upgrade::refuse_newer(&pool, path).await?;
    Ok(pool)
}

/// What the last process stored; nothing on a new instance.
pub(super) async fn stored_time(pool: &SqlitePool) -> Result<Option<StoredTime>, sqlx::Error> {
    let Some(row) = sqlx::query("SELECT * FROM clock").fetch_optional(pool).await? else { return Ok(None) };
    Ok(Some(StoredTime {
        newest: row.try_get("newest_at")?,
        reached: row.try_get("reached_at")?,
        provisional_from: row.try_get("provisional_from")?,
    }))
}

async fn store(connection: &mut SqliteConnection, time: StoredTime) -> Result<(), sqlx::Error> {
    let store = "INSERT INTO clock (one, newest_at, reached_at, provisional_from) VALUES (1, $1, $2, $3) ON CONFLICT (one) DO UPDATE \
         SET newest_at = excluded.newest_at, reached_at = excluded.reached_at, provisional_from = excluded.provisional_from";
    sqlx::query(store).bind(time.newest).bind(time.reached).bind(time.provisional_from).execute(connection).await?;
    Ok(())
}
