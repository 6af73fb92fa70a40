//! Recording: from received files to rows with an owner and a name, inside the transaction of a group.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::{
    FileRow, FileState, Held, Millis, NewFile, RecordError, Recorded, Whereabouts, arrivals,
    columns::{LISTED_AT_ONCE, push_list, to_i64, to_u64},
    datasets, erasing,
};
use crate::{
    config::{FILE_OVERHEAD, Quota},
    ids::{DatasetId, DeviceId, FileId, FileName, Kind},
};

/// How many files of a dataset are being placed, and so are not counted by its row yet.
macro_rules! being_placed {
    ($dataset:literal) => {
        concat!(
            "(SELECT COUNT(*) FROM files WHERE files.dataset = ",
            $dataset,
            " AND files.state IN ('placing', 'discarding') AND files.held IS NULL)"
        )
    };
}
pub(super) use being_placed;

/// Names that no file of a dataset may have: they mean something else in its zip.
pub(super) const RESERVED_NAMES: [&str; 2] = ["readme.md", Kind::Model.folder()];

/// Records one file inside the transaction of a group.
pub(super) async fn record(tx: &mut SqliteConnection, file: &NewFile, quota: Quota, at: Millis) -> Result<Recorded, RecordError> {
    let foreign = match file.held {
        Some(Held::Erased) => erasing::keep_stub(tx, file.dataset, at).await.map(|()| false)?,
        _ => !datasets::claim(tx, file.dataset, file.device, quota, at).await?,
    };
    if let Some(row) = find_same(tx, file).await? {
        return Ok(Recorded { row, new: false });
    }
    if let Some(device) = file.device {
        charge(tx, device, file.digests.size, quota, at).await?;
    }
    let held = if foreign { Some(Held::ForeignDataset) } else { file.held };
    if held.is_none() && count_files(tx, file.dataset).await? >= quota.dataset_files {
        return Err(RecordError::DatasetFull);
    }
    let mut row = insert(tx, file, held, at).await?;
    if held.is_none() {
        let name = reserve_name(tx, file.id, file.dataset, &file.sent_name.stored(), None).await?;
        row.whereabouts = Whereabouts::Dataset(name);
    }
    Ok(Recorded { row, new: true })
}

/// The same name with the same bytes, brought by the same device earlier. A file found on the disk has no device: it is
/// anybody's who can show its bytes. Of a dataset that was erased, what came before is on its way out, and vouches for nothing.
async fn find_same(tx: &mut SqliteConnection, file: &NewFile) -> Result<Option<FileRow>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM files WHERE dataset = $1 AND sent_name = $2 AND sha256 = $3 AND (device = $4 OR device IS NULL) \
         AND state <> 'discarding' AND (held = 'erased' OR NOT $5) ORDER BY held IS NOT NULL LIMIT 1",
    )
    .bind(file.dataset.to_string())
    .bind(file.sent_name.as_str())
    .bind(file.digests.sha256_hex())
    .bind(file.device.map(|device| device.to_string()))
    .bind(file.held == Some(Held::Erased))
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(FileRow::read).transpose()
}

async fn charge(tx: &mut SqliteConnection, device: DeviceId, size: u64, quota: Quota, at: Millis) -> Result<(), RecordError> {
    let charge = "UPDATE devices SET files = files + 1, bytes = bytes + $2, last_used_at = $3 WHERE id = $1 RETURNING files, bytes";
    let row = sqlx::query(charge).bind(device.to_string()).bind(to_i64(size)).bind(at).fetch_one(tx).await?;
    let files = to_u64(row.try_get("files")?);
    if files > quota.files {
        return Err(RecordError::Quota("files"));
    }
    if to_u64(row.try_get("bytes")?).saturating_add(files.saturating_mul(FILE_OVERHEAD)) > quota.bytes {
        return Err(RecordError::Quota("bytes"));
    }
    Ok(())
}

const FILES: &str = concat!("SELECT files + ", being_placed!("$1"), " FROM datasets WHERE uuid = $1");

/// How many files a dataset has, with those that are being placed. Those in quarantine are not among them: any device can send
/// files for a dataset of another one.
async fn count_files(tx: &mut SqliteConnection, dataset: DatasetId) -> Result<u64, sqlx::Error> {
    let count: Option<i64> = sqlx::query_scalar(FILES).bind(dataset.to_string()).fetch_optional(tx).await?;
    Ok(count.map_or(0, to_u64))
}

async fn insert(tx: &mut SqliteConnection, file: &NewFile, held: Option<Held>, at: Millis) -> Result<FileRow, sqlx::Error> {
    let row = sqlx::query(
        "INSERT INTO files (id, dataset, device, sent_name, size, sha256, crc32, received_at, state, held) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'placing', $9) RETURNING *",
    )
    .bind(file.id.to_string())
    .bind(file.dataset.to_string())
    .bind(file.device.map(|device| device.to_string()))
    .bind(file.sent_name.as_str())
    .bind(to_i64(file.digests.size))
    .bind(file.digests.sha256_hex())
    .bind(i64::from(file.digests.crc32))
    .bind(at)
    .bind(held.map(Held::as_str))
    .fetch_one(tx)
    .await?;
    FileRow::read(&row)
}

/// Gives a row the wanted name, or the nearest one that is free in its dataset: `name~2.ext`, `name~3.ext`, … `behind` is the
/// folded name that it had and that something else has on the disk: only what comes behind it is tried, so that this ends
/// however many such things there are.
pub(super) async fn reserve_name(
    tx: &mut SqliteConnection,
    id: FileId,
    dataset: DatasetId,
    wanted: &FileName,
    behind: Option<&str>,
) -> Result<FileName, sqlx::Error> {
    /// Behind this many, a random mark: a device that sends one name for ever must not make each upload slower.
    const NUMBERED: u32 = 20;
    let numbered = || std::iter::once(wanted.clone()).chain((2..=NUMBERED).map(|n| wanted.marked(&n.to_string())));
    let random = std::iter::repeat_with(|| wanted.marked(&format!("{:08x}", rand::random::<u32>())));
    let tried = behind.map_or(0, |behind| numbered().position(|name| name.folded() == behind).map_or(usize::MAX, |at| at + 1));
    for name in numbered().skip(tried).chain(random) {
        let folded = name.folded();
        if RESERVED_NAMES.contains(&folded.as_str()) {
            continue;
        }
        let taken = sqlx::query("SELECT 1 FROM files WHERE dataset = $1 AND folded_name = $2")
            .bind(dataset.to_string())
            .bind(&folded)
            .fetch_optional(&mut *tx)
            .await?;
        if taken.is_none() {
            sqlx::query("UPDATE files SET stored_name = $2, folded_name = $3 WHERE id = $1")
                .bind(id.to_string())
                .bind(name.as_str())
                .bind(&folded)
                .execute(&mut *tx)
                .await?;
            return Ok(name);
        }
    }
    Err(sqlx::Error::RowNotFound)
}

/// Marks files as placed, in one exchange with the database, however many they are.
pub(super) async fn mark_placed(tx: &mut SqliteConnection, files: &[FileId], at: Millis) -> Result<(), sqlx::Error> {
    if files.is_empty() {
        return Ok(());
    }
    let mut script = QueryBuilder::new("");
    push_marks(&mut script, files, at);
    script.build().execute(tx).await?;
    Ok(())
}

/// Marks files that lie in their place, and counts them in their datasets. One that is marked already is passed over.
pub(super) fn push_marks(script: &mut QueryBuilder<Sqlite>, files: &[FileId], at: Millis) {
    for files in files.chunks(LISTED_AT_ONCE) {
        script.push("UPDATE datasets SET updated_at = ").push_bind(at).push(
            ", files = datasets.files + came.files, bytes = datasets.bytes + came.bytes, changes = datasets.changes + came.files \
             FROM (SELECT dataset, COUNT(*) AS files, CAST(SUM(size) AS BIGINT) AS bytes FROM files \
             WHERE held IS NULL AND state IN ('placing', 'lost') AND id IN (",
        );
        push_list(script, files);
        script.push(
            ") GROUP BY dataset) AS came WHERE datasets.uuid = came.dataset; \
             UPDATE files SET state = 'placed' WHERE state IN ('placing', 'lost') AND id IN (",
        );
        push_list(script, files);
        script.push("); ");
    }
}

/// Removes a file's row, and gives its device back what it was charged. One that was never placed has not arrived.
pub(super) async fn remove_row(tx: &mut SqliteConnection, id: FileId) -> Result<(), sqlx::Error> {
    let removed = sqlx::query("DELETE FROM files WHERE id = $1 RETURNING *").bind(id.to_string()).fetch_optional(&mut *tx).await?;
    let Some(row) = removed.as_ref().map(FileRow::read).transpose()? else { return Ok(()) };
    if row.state == FileState::Placing {
        arrivals::take_back(&mut *tx, &row).await?;
    }
    if let Some(device) = row.device {
        sqlx::query("UPDATE devices SET files = files - 1, bytes = bytes - $2 WHERE id = $1")
            .bind(device.to_string())
            .bind(to_i64(row.size))
            .execute(&mut *tx)
            .await?;
    }
    if row.whereabouts == Whereabouts::Quarantine(Held::Erased) {
        erasing::drop_stub(tx, row.dataset).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::FILES;
    use crate::catalog::made::Made;

    #[tokio::test]
    async fn files_that_are_being_placed_are_counted_from_the_index_of_what_is_unsettled() {
        let plan = Made::new().await.plan(FILES).await;
        assert!(plan.contains("INDEX files_unsettled (dataset=?)") && !plan.contains("SCAN files"), "{plan}");
    }
}
