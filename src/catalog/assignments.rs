//! Assignments: who is to have which model.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Catalog, CatalogError, Millis, Model, columns::parsed, spans::wearer};
use crate::ids::{DeviceId, Identifier, ModelId, ParticipantId};

/// Who is to have a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Every device without a model of its own.
    Everyone,
    /// Whatever a participant wears.
    Participant(ParticipantId),
    /// A device.
    Device(DeviceId),
}

/// What an audience is to have.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Who.
    pub audience: Audience,
    /// What; `None` where there is no model of its own (any more).
    pub model: Option<ModelId>,
    /// What it was before.
    pub before: Option<ModelId>,
    /// Since when.
    pub at: Millis,
    /// Who said so: a user's name in the config.
    pub who: String,
}

/// A device that is let in, and what decides which model it is to have.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The device.
    pub device: DeviceId,
    /// Its name to show.
    pub watch: String,
    /// Who wears it.
    pub wearer: Option<ParticipantId>,
    /// The model that its last `metaInfo` names.
    pub runs: Option<String>,
    /// The start of the run that says so.
    pub runs_at: Option<Millis>,
}

/// All that decides which device is to have which model, as of one moment.
#[derive(Debug, Clone)]
pub struct Deciding {
    /// The models that somebody is to have.
    pub models: Vec<Model>,
    /// What each audience is to have that anybody said something of.
    pub assignments: Vec<Assignment>,
    /// The devices that are let in.
    pub recipients: Vec<Recipient>,
}

/// How a change of an assignment went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assigned {
    /// It is as it was said; this is in force.
    Done(Option<ModelId>),
    /// There is no such model.
    NoModel,
    /// There is no such participant or device, or it has no model to go back from.
    NoAudience,
}

const IN_FORCE: &str = "SELECT a.*, (SELECT c.model FROM assignments c WHERE c.kind = a.kind AND c.subject = a.subject AND c.number < a.number \
        AND c.model IS DISTINCT FROM a.model ORDER BY c.number DESC LIMIT 1) AS before FROM assignments a \
     WHERE a.number = (SELECT MAX(b.number) FROM assignments b WHERE b.kind = a.kind AND b.subject = a.subject)";

const GIVEN: &str = "SELECT m.* FROM models m WHERE m.id IN (SELECT a.model FROM assignments a \
     WHERE a.number = (SELECT MAX(b.number) FROM assignments b WHERE b.kind = a.kind AND b.subject = a.subject))";

const RECIPIENTS: &str = concat!(
    "SELECT v.id, v.identifier, v.name, v.model, v.meta_at, ",
    wearer!("v.id", "$1"),
    " AS wearer FROM devices v WHERE v.revoked_at IS NULL AND v.forgotten_at IS NULL ORDER BY v.id"
);

/// Everything behind the last row that says something else than the last one.
const BACK: &str = "DELETE FROM assignments WHERE kind = $1 AND subject = $2 AND number > COALESCE((SELECT MAX(number) FROM assignments \
     WHERE kind = $1 AND subject = $2 AND model IS DISTINCT FROM $3), 0)";

impl Audience {
    /// Its two columns.
    fn columns(self) -> (&'static str, String) {
        match self {
            Self::Everyone => ("everyone", String::new()),
            Self::Participant(id) => ("participant", id.to_string()),
            Self::Device(id) => ("device", id.to_string()),
        }
    }
}

impl Assignment {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let model = |column| row.try_get::<Option<String>, _>(column).map(|id| id.and_then(|id| id.parse().ok()));
        Ok(Self {
            audience: match row.try_get::<&str, _>("kind")? {
                "participant" => Audience::Participant(parsed(row, "subject")?),
                "device" => Audience::Device(parsed(row, "subject")?),
                _ => Audience::Everyone,
            },
            model: model("model")?,
            before: model("before")?,
            at: row.try_get("at")?,
            who: row.try_get("who")?,
        })
    }
}

impl Recipient {
    fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let (name, identifier) = (row.try_get::<String, _>("name")?, parsed::<Identifier>(row, "identifier")?);
        Ok(Self {
            device: parsed(row, "id")?,
            watch: if name.is_empty() { identifier.alias().to_owned() } else { name },
            wearer: row.try_get::<Option<String>, _>("wearer")?.and_then(|id| id.parse().ok()),
            runs: row.try_get("model")?,
            runs_at: row.try_get("meta_at")?,
        })
    }
}

impl Catalog {
    /// What each audience is to have that anybody said something of.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn assignments(&self) -> Result<Vec<Assignment>, CatalogError> {
        let rows = sqlx::query(IN_FORCE).fetch_all(&self.read).await?;
        Ok(rows.iter().map(Assignment::read).collect::<Result<_, _>>()?)
    }

    /// All that decides which device is to have which model. It is read at one moment: a model that is published and given meanwhile
    /// is in all of it or in none, so that no device is told for a moment what it never was to have.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn deciding(&self, at: Millis) -> Result<Deciding, CatalogError> {
        let mut moment = self.read.begin().await?;
        let models = sqlx::query(GIVEN).fetch_all(&mut *moment).await?;
        let assignments = sqlx::query(IN_FORCE).fetch_all(&mut *moment).await?;
        let recipients = sqlx::query(RECIPIENTS).bind(at).fetch_all(&mut *moment).await?;
        moment.rollback().await?;
        Ok(Deciding {
            models: models.iter().map(Model::read).collect::<Result<_, _>>()?,
            assignments: assignments.iter().map(Assignment::read).collect::<Result<_, _>>()?,
            recipients: recipients.iter().map(Recipient::read).collect::<Result<_, _>>()?,
        })
    }

    /// The devices that are let in, and who wears each at a time.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn recipients(&self, at: Millis) -> Result<Vec<Recipient>, CatalogError> {
        let rows = sqlx::query(RECIPIENTS).bind(at).fetch_all(&self.read).await?;
        Ok(rows.iter().map(Recipient::read).collect::<Result<_, _>>()?)
    }

    /// Says what an audience is to have from now on; `None` takes its own model away.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn assign_model(&self, audience: Audience, model: Option<ModelId>, who: &str) -> Result<Assigned, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        if !is_there(&mut tx, audience).await? {
            return Ok(Assigned::NoAudience);
        }
        if let Some(model) = model {
            let found = sqlx::query("SELECT 1 FROM models WHERE id = $1").bind(model.to_string()).fetch_optional(&mut *tx).await?;
            if found.is_none() {
                return Ok(Assigned::NoModel);
            }
        }
        let (kind, subject) = audience.columns();
        let standing = in_force(&mut tx, audience).await?;
        if standing.flatten() != model.map(|model| model.to_string()) {
            sqlx::query("INSERT INTO assignments (kind, subject, model, at, who) VALUES ($1, $2, $3, $4, $5)")
                .bind(kind)
                .bind(subject)
                .bind(model.map(|model| model.to_string()))
                .bind(self.now())
                .bind(who)
                .execute(&mut *tx)
                .await?;
        }
        self.commit_for_recipients(tx).await?;
        Ok(Assigned::Done(model))
    }

    /// Gives an audience back what it had before.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn unassign_model(&self, audience: Audience) -> Result<Assigned, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let Some(standing) = in_force(&mut tx, audience).await? else { return Ok(Assigned::NoAudience) };
        let (kind, subject) = audience.columns();
        sqlx::query(BACK).bind(kind).bind(subject).bind(standing).execute(&mut *tx).await?;
        let before = in_force(&mut tx, audience).await?.flatten();
        self.commit_for_recipients(tx).await?;
        Ok(Assigned::Done(before.and_then(|id| id.parse().ok())))
    }
}

/// What is in force for an audience: nothing was ever said, or no model, or this one.
async fn in_force(tx: &mut SqliteConnection, audience: Audience) -> Result<Option<Option<String>>, sqlx::Error> {
    let (kind, subject) = audience.columns();
    let query = "SELECT model FROM assignments WHERE kind = $1 AND subject = $2 ORDER BY number DESC LIMIT 1";
    sqlx::query_scalar(query).bind(kind).bind(subject).fetch_optional(tx).await
}

async fn is_there(tx: &mut SqliteConnection, audience: Audience) -> Result<bool, sqlx::Error> {
    let query = match audience {
        Audience::Everyone => return Ok(true),
        Audience::Participant(_) => "SELECT 1 FROM participants WHERE id = $1 AND forgotten_at IS NULL",
        Audience::Device(_) => "SELECT 1 FROM devices WHERE id = $1 AND forgotten_at IS NULL",
    };
    Ok(sqlx::query(query).bind(audience.columns().1).fetch_optional(tx).await?.is_some())
}

/// What was said of one that is forgotten, or deleted, goes with it.
pub(super) async fn forget(tx: &mut SqliteConnection, audience: Audience) -> Result<(), sqlx::Error> {
    let (kind, subject) = audience.columns();
    sqlx::query("DELETE FROM assignments WHERE kind = $1 AND subject = $2").bind(kind).bind(subject).execute(tx).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::catalog::made::Made;

    /// Goes on with it until it is done, or has had to wait so often; then nobody waits for it any more.
    async fn leave_behind(waits: u32, work: impl Future) -> bool {
        let (mut work, mut left) = (pin!(work), waits);
        let one_more = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Pending if left > 0 => {
                left -= 1;
                Poll::Pending
            }
            Poll::Pending => Poll::Ready(false),
            Poll::Ready(_) => Poll::Ready(true),
        });
        one_more.await
    }

    #[tokio::test]
    async fn a_change_that_nobody_waited_for_is_said_all_the_same() {
        let made = Made::new().await;
        let catalog = &made.catalog;
        for waits in 0.. {
            let (model, before) = (made.model(&waits.to_string()).await, catalog.changes_of_recipients());
            let is_done = leave_behind(waits, catalog.assign_model(Audience::Everyone, Some(model), "ada")).await;
            let is_said_if_done = async {
                // Behind what is under way.
                drop(made.hold().await);
                let given = catalog.assignments().await.expect("assignments");
                while given.iter().any(|given| given.model == Some(model)) && catalog.changes_of_recipients() == before {
                    sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(Duration::from_secs(10), is_said_if_done).await.expect("it is said");
            if is_done {
                return;
            }
        }
    }
}
