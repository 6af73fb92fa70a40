//! Tokens that were handed out, one row each; never the tokens themselves. When each was last used is kept in memory, and written
//! down now and then: an upload never waits for that.

use std::time::Duration;

use sqlx::{QueryBuilder, Row, SqliteConnection, sqlite::SqliteRow};
use tokio_util::sync::CancellationToken;

use super::{Catalog, CatalogError, Millis, tokens::Use};
use crate::ids::DeviceId;

/// From one writing down to the next.
const PAUSE: Duration = Duration::from_secs(300);
/// Rows in one statement.
const AT_ONCE: usize = 1000;

/// A token that was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// Which of its device's tokens it is.
    pub generation: u32,
    /// When it was handed out, where that is known.
    pub collected_at: Option<Millis>,
    /// When it was last used.
    pub last_used_at: Option<Millis>,
}

impl Catalog {
    /// The tokens of a device, the newest first, at most `most`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn credentials(&self, device: DeviceId, most: u32) -> Result<Vec<Credential>, CatalogError> {
        let query = "SELECT * FROM credentials WHERE device = $1 ORDER BY generation DESC LIMIT $2";
        let rows = sqlx::query(query).bind(device.to_string()).bind(most).fetch_all(&self.read).await?;
        let read = |row: &SqliteRow| {
            let generation = u32::try_from(row.try_get::<i64, _>("generation")?).unwrap_or(u32::MAX);
            let last_used_at = row.try_get::<Option<Millis>, _>("last_used_at")?.max(self.tokens.used(device, generation));
            Ok(Credential { generation, collected_at: row.try_get("collected_at")?, last_used_at })
        };
        Ok(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?)
    }

    /// Writes down when tokens were last used, every five minutes and at the end.
    pub async fn keep_writing_uses(self, stop: CancellationToken) {
        loop {
            let stops = stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none();
            if let Err(error) = self.write_uses().await {
                tracing::warn!(%error, "when tokens were last used could not be written down");
            }
            if stops {
                return;
            }
        }
    }

    async fn write_uses(&self) -> Result<(), CatalogError> {
        let uses = self.tokens.take_uses();
        for uses in uses.chunks(AT_ONCE) {
            let (mut tx, _place) = self.writing_aside().await?;
            // A device that the catalog had lost has no row for its token yet; one that is forgotten gets none any more.
            let mut query = QueryBuilder::new(
                "INSERT INTO credentials (device, generation, last_used_at) SELECT u.column1, u.column2, u.column3 FROM (",
            );
            query.push_values(uses, |mut row, used: &Use| {
                row.push_bind(used.device.to_string()).push_bind(used.generation).push_bind(used.at);
            });
            query
                .push(") AS u JOIN devices ON devices.id = u.column1 WHERE devices.forgotten_at IS NULL ON CONFLICT (device, generation) ");
            query.push("DO UPDATE SET last_used_at = excluded.last_used_at").build().execute(&mut *tx).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Notes that a token is being handed out.
pub(super) async fn handed_out(tx: &mut SqliteConnection, device: DeviceId, generation: i64, at: Millis) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO credentials (device, generation, collected_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(device.to_string())
        .bind(generation)
        .bind(at)
        .execute(tx)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::made::Made;

    #[tokio::test]
    async fn a_use_is_known_at_once_and_written_down_later_with_all_others() {
        let made = Made::new().await;
        let (kitchen, bath) = (made.device("kitchen").await, made.device("bath").await);
        made.change("INSERT INTO credentials (device, generation, collected_at) SELECT id, 1, 5 FROM devices WHERE identifier = 'kitchen'")
            .await;
        for device in [kitchen, bath, kitchen] {
            assert!(made.catalog.check_token(device, 1).await.expect("an answer"));
        }
        assert!(!made.catalog.check_token(kitchen, 0).await.expect("an answer"));
        let used = made.catalog.credentials(kitchen, 10).await.expect("credentials");
        assert_eq!((used.len(), used[0].collected_at, used[0].last_used_at.is_some()), (1, Some(5), true));
        assert_eq!(made.texts("SELECT last_used_at AS c FROM credentials").await, [None]);
        made.catalog.write_uses().await.expect("written");
        assert_eq!(made.texts("SELECT generation AS c FROM credentials WHERE last_used_at > 0").await.len(), 2);
        assert_eq!(made.catalog.credentials(kitchen, 10).await.expect("credentials"), used);
        // Nothing new: nothing is written.
        made.change("UPDATE credentials SET last_used_at = 1").await;
        made.catalog.write_uses().await.expect("written");
        assert_eq!(made.texts("SELECT last_used_at AS c FROM credentials").await, [Some("1".to_owned()), Some("1".to_owned())]);
    }

    #[tokio::test]
    async fn a_use_is_not_written_down_behind_the_end_of_its_device() {
        let made = Made::new().await;
        let device = made.device("kitchen").await;
        assert!(made.catalog.check_token(device, 1).await.expect("an answer"));
        made.catalog.forget_device(device, "ada").await.expect("forgotten");
        made.catalog.finish_forgetting().await.expect("forgotten");
        made.catalog.write_uses().await.expect("written");
        assert!(made.texts("SELECT generation AS c FROM credentials").await.is_empty());
    }

    #[tokio::test]
    async fn the_end_waits_for_what_is_not_written_down_yet() {
        let made = Made::new().await;
        let device = made.device("kitchen").await;
        assert!(made.catalog.check_token(device, 1).await.expect("an answer"));
        let stop = CancellationToken::new();
        stop.cancel();
        made.catalog.clone().keep_writing_uses(stop).await;
        assert_eq!(made.texts("SELECT generation AS c FROM credentials WHERE last_used_at > 0").await.len(), 1);
    }
}
