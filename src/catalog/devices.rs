//! Devices: which are let in, and which of their tokens are good.

use sqlx::{QueryBuilder, Row, SqliteConnection, SqlitePool, sqlite::SqliteRow};

use super::{
    Catalog, CatalogError, Millis,
    columns::{parsed, to_u64},
    credentials,
    tokens::Lowest,
};
use crate::ids::{DeviceId, Identifier};

/// A device as the catalog knows it.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What it called itself when it was last granted.
    pub identifier: Identifier,
    /// When it was first let in.
    pub created_at: Millis,
    /// The generation of its newest token; 0 before the first.
    pub generation: u32,
    /// The lowest generation whose token is good.
    pub lowest_generation: u32,
    /// When it was revoked, if it is.
    pub revoked_at: Option<Millis>,
    /// When its newest token was handed out.
    pub collected_at: Option<Millis>,
    /// When it last asked for a dataset or brought a file.
    pub last_used_at: Option<Millis>,
    /// Number of its datasets.
    pub datasets: u64,
    /// Number of its files, those in quarantine included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What people call it; empty where nobody gave it a name.
    pub name: String,
    /// What people say of it.
    pub note: String,
    /// Silent for longer, it is missed; `None` where the settings or its rhythm say that.
    pub silent_hours: Option<u32>,
    /// When a file of it last came.
    pub last_upload_at: Option<Millis>,
    /// What its last `metaInfo` says of it.
    pub meta: DeviceMeta,
}

/// What a device's last `metaInfo` says of it.
#[derive(Debug, Clone, Default)]
pub struct DeviceMeta {
    /// The app's version.
    pub app_version: Option<String>,
    /// The detection model.
    pub model: Option<String>,
    /// The watch itself.
    pub hardware: Option<String>,
}

/// What people say of a device.
#[derive(Debug, Clone)]
pub struct DeviceNotes {
    /// Its name; empty for the alias.
    pub name: String,
    /// A note.
    pub note: String,
    /// Silent for longer, it is missed.
    pub silent_hours: Option<u32>,
}

/// Which devices to list. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct DeviceFilter {
    /// A part of its name, its alias or its Android id.
    pub text: Option<String>,
    /// Whether it is shut out.
    pub revoked: Option<bool>,
}

/// The last device of a page: what comes behind it is on the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceKey {
    /// When it was last heard of.
    pub at: Millis,
    /// The device.
    pub id: DeviceId,
}

impl DeviceKey {
    /// The key of a device.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        Self { at: device.last_used_at.unwrap_or(device.created_at), id: device.id }
    }
}

impl Device {
    /// Whether a token of an older generation than the newest is still good.
    #[must_use]
    pub fn has_older_tokens(&self) -> bool {
        self.lowest_generation < self.generation
    }

    /// The name to show: what people call it, else what it calls itself.
    #[must_use]
    pub fn watch(&self) -> &str {
        if self.name.is_empty() { self.identifier.shown() } else { &self.name }
    }

    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let generation = |column| row.try_get::<i64, _>(column).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Ok(Self {
            id: parsed(row, "id")?,
            identifier: parsed(row, "identifier")?,
            created_at: row.try_get("created_at")?,
            generation: generation("generation")?,
            lowest_generation: generation("lowest_generation")?,
            revoked_at: row.try_get("revoked_at")?,
            collected_at: row.try_get("collected_at")?,
            last_used_at: row.try_get("last_used_at")?,
            datasets: to_u64(row.try_get("datasets")?),
            files: to_u64(row.try_get("files")?),
            bytes: to_u64(row.try_get("bytes")?),
            name: row.try_get("name")?,
            note: row.try_get("note")?,
            silent_hours: row.try_get::<Option<i64>, _>("silent_hours")?.and_then(|hours| hours.try_into().ok()),
            last_upload_at: row.try_get("last_upload_at")?,
            meta: DeviceMeta { app_version: row.try_get("app_version")?, model: row.try_get("model")?, hardware: row.try_get("hardware")? },
        })
    }
}

impl Catalog {
    /// One device.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn device(&self, id: DeviceId) -> Result<Option<Device>, CatalogError> {
        let row = sqlx::query("SELECT * FROM devices WHERE id = $1").bind(id.to_string()).fetch_optional(&self.read).await?;
        Ok(row.as_ref().map(Device::read).transpose()?)
    }

    /// The devices that a filter lets through, behind `after`, at most `most`, the last heard of first. One that is heard of while
    /// somebody turns the pages is on the first one.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn devices(&self, filter: &DeviceFilter, after: Option<DeviceKey>, most: u32) -> Result<Vec<Device>, CatalogError> {
        let mut query = QueryBuilder::new("SELECT * FROM devices WHERE forgotten_at IS NULL");
        if let Some(text) = &filter.text {
            let like = containing(text);
            query.push(" AND (identifier LIKE ").push_bind(like.clone()).push(" ESCAPE '\\' OR name LIKE ");
            query.push_bind(like).push(" ESCAPE '\\')");
        }
        if let Some(revoked) = filter.revoked {
            query.push(if revoked { " AND revoked_at IS NOT NULL" } else { " AND revoked_at IS NULL" });
        }
        if let Some(key) = after {
            query.push(" AND (COALESCE(last_used_at, created_at), id) < (").push_bind(key.at).push(", ");
            query.push_bind(key.id.to_string()).push(")");
        }
        query.push(" ORDER BY COALESCE(last_used_at, created_at) DESC, id DESC LIMIT ").push_bind(most);
        let rows = query.build().fetch_all(&self.read).await?;
        Ok(rows.iter().map(Device::read).collect::<Result<_, _>>()?)
    }

    /// The devices that brought what is in quarantine.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn devices_in_quarantine(&self) -> Result<Vec<Device>, CatalogError> {
        let query = "SELECT * FROM devices WHERE id IN (SELECT device FROM files WHERE held IS NOT NULL)";
        let rows = sqlx::query(query).fetch_all(&self.read).await?;
        Ok(rows.iter().map(Device::read).collect::<Result<_, _>>()?)
    }

    /// Keeps what people say of a device. The words of its recordings are read anew where its name is another one. `false` if there
    /// is no such device, or it is forgotten.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn describe_device(&self, id: DeviceId, notes: &DeviceNotes) -> Result<bool, CatalogError> {
        let (mut tx, _place) = self.writing_aside().await?;
        let anew = "UPDATE datasets SET described = -1 WHERE device = $1 \
                    AND EXISTS (SELECT 1 FROM devices WHERE id = $1 AND name <> $2 AND forgotten_at IS NULL)";
        sqlx::query(anew).bind(id.to_string()).bind(&notes.name).execute(&mut *tx).await?;
        let done = sqlx::query("UPDATE devices SET name = $2, note = $3, silent_hours = $4 WHERE id = $1 AND forgotten_at IS NULL")
            .bind(id.to_string())
            .bind(&notes.name)
            .bind(&notes.note)
            .bind(notes.silent_hours)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether a token of ours is good. A device that the catalog does not know holds a token from before the catalog was
    /// lost: it is taken up again, for nobody would walk to each watch.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn check_token(&self, id: DeviceId, generation: u32) -> Result<bool, CatalogError> {
        let question = match self.tokens.look(id) {
            Ok(lowest) => return Ok(self.is_good(id, generation, lowest)),
            Err(question) => question,
        };
        if let Some(device) = self.device(id).await? {
            let lowest = device.revoked_at.is_none().then_some(device.lowest_generation);
            self.tokens.remember(&question, lowest);
            return Ok(self.is_good(id, generation, lowest));
        }
        sqlx::query(
            "INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) VALUES ($1, $2, $3, $4, 1) ON CONFLICT DO NOTHING",
        )
        .bind(id.to_string())
        .bind(unknown(id))
        .bind(self.now())
        .bind(generation)
        .execute(&self.write)
        .await?;
        Ok(true)
    }

    /// Revokes a device, or lets it in again with the tokens that it had. `false` if there is no such device.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn set_revoked(&self, id: DeviceId, revoked: bool) -> Result<bool, CatalogError> {
        let done = sqlx::query("UPDATE devices SET revoked_at = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(revoked.then(|| self.now()))
            .execute(&self.write)
            .await?;
        self.device_changed(id);
        Ok(done.rows_affected() == 1)
    }

    /// How many devices that are let in hold a token signed by none of these secrets (given by their fingerprints).
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn count_signed_by_others(&self, fingerprints: &[String]) -> Result<u64, CatalogError> {
        Ok(count_signed_by_others(&self.read, fingerprints).await?)
    }

    /// Whether a token is good; that it was shown is kept in mind.
    fn is_good(&self, id: DeviceId, generation: u32, lowest: Lowest) -> bool {
        let good = lowest.is_some_and(|lowest| generation >= lowest);
        if good {
            self.tokens.note_use(id, generation, self.now());
        }
        good
    }

    /// Ends every token of these devices that is older than that of a generation, which each of them was granted, also where this
    /// catalog does not know of that. Returns how many devices had older ones.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn end_older_tokens(&self, devices: &[(DeviceId, u32)]) -> Result<u64, CatalogError> {
        let end = "INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) VALUES ($1, $2, $3, $4, $4) \
             ON CONFLICT (id) DO UPDATE SET generation = MAX(devices.generation, $4), lowest_generation = $4 \
             WHERE devices.lowest_generation < $4";
        if devices.is_empty() {
            return Ok(0);
        }
        let (mut tx, _place) = self.writing_aside().await?;
        let mut ended = 0;
        for (id, generation) in devices {
            let end = sqlx::query(end).bind(id.to_string()).bind(unknown(*id)).bind(self.now()).bind(generation);
            ended += end.execute(&mut *tx).await?.rows_affected();
        }
        tx.commit().await?;
        for (id, _) in devices {
            self.device_changed(*id);
        }
        Ok(ended)
    }
}

/// What a device is called of which nothing is known but that it holds a token of ours.
pub(super) fn unknown(id: DeviceId) -> String {
    format!("unknown since the catalog was lost ({id})")
}

/// A pattern for what contains a text (`LIKE … ESCAPE '\\'`).
pub(super) fn containing(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// Makes room for a token that is being handed out: a new device, or the next generation of a known one. A device that was
/// revoked is let in again, but its older tokens stay dead. Returns the generation.
pub(super) async fn next_generation(
    tx: &mut SqliteConnection,
    identifier: &Identifier,
    signed_by: &str,
    at: Millis,
) -> Result<u32, sqlx::Error> {
    let generation: i64 = sqlx::query_scalar(
        "INSERT INTO devices (id, identifier, created_at, collected_at, signed_by, generation, lowest_generation) VALUES ($1, $2, $3, $3, $4, 1, 1) \
         ON CONFLICT (id) DO UPDATE SET identifier = excluded.identifier, collected_at = excluded.collected_at, signed_by = excluded.signed_by, \
         generation = devices.generation + 1, revoked_at = NULL, forgotten_at = NULL, \
         lowest_generation = CASE WHEN devices.revoked_at IS NULL THEN devices.lowest_generation ELSE devices.generation + 1 END \
         RETURNING generation",
    )
    .bind(identifier.device().to_string())
    .bind(identifier.as_str())
    .bind(at)
    .bind(signed_by)
    .fetch_one(&mut *tx)
    .await?;
    credentials::handed_out(tx, identifier.device(), generation, at).await?;
    Ok(u32::try_from(generation).unwrap_or(u32::MAX))
}

/// See [`Catalog::count_signed_by_others`].
pub(super) async fn count_signed_by_others(pool: &SqlitePool, fingerprints: &[String]) -> Result<u64, sqlx::Error> {
    let query = "SELECT signed_by, COUNT(*) AS devices FROM devices WHERE revoked_at IS NULL AND signed_by IS NOT NULL GROUP BY signed_by";
    let mut devices = 0;
    for row in sqlx::query(query).fetch_all(pool).await? {
        if !fingerprints.contains(&row.try_get::<String, _>("signed_by")?) {
            devices += to_u64(row.try_get("devices")?);
        }
    }
    Ok(devices)
}
