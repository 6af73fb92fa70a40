//! Recording one by one what [`super::together`] leaves over: what is not plain, new datasets, and a group that holds something
//! which the database does not take.

use sqlx::{Connection, SqliteConnection};

use super::{
    CatalogError, Millis, arrivals, datasets, record,
    rows::{Batch, Issue, IssueAnswer, RecordAnswer},
};
use crate::ids::FileId;

/// Marks files, and does the rest of a group in its order: each under a savepoint of its own, so that one that is refused leaves
/// the others as they are.
pub(super) async fn transact(
    connection: &mut SqliteConnection,
    unmarked: &[FileId],
    group: &[&Batch],
    issues: &[Issue],
    at: Millis,
) -> Result<(Vec<RecordAnswer>, Vec<IssueAnswer>), CatalogError> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    record::mark_placed(&mut tx, unmarked, at).await?;
    let (mut recorded, mut given) = (Vec::with_capacity(group.len()), Vec::with_capacity(issues.len()));
    for batch in group {
        recorded.push(record_batch(&mut tx, batch, at).await);
    }
    for issue in issues {
        given.push(record_issue(&mut tx, issue, at).await);
    }
    let new: Vec<_> = recorded.iter().flatten().flatten().filter(|file| file.new).map(|file| file.row.id).collect();
    arrivals::count(&mut tx, &new).await?;
    tx.commit().await?;
    Ok((recorded, given))
}

async fn record_issue(tx: &mut SqliteConnection, issue: &Issue, at: Millis) -> IssueAnswer {
    let mut savepoint = tx.begin().await?;
    datasets::issue(&mut savepoint, issue, at).await?;
    Ok(savepoint.commit().await?)
}

async fn record_batch(tx: &mut SqliteConnection, batch: &Batch, at: Millis) -> RecordAnswer {
    let mut savepoint = tx.begin().await?;
    let mut recorded = Vec::with_capacity(batch.files.len());
    for file in &batch.files {
        recorded.push(record::record(&mut savepoint, file, batch.quota, at).await?);
    }
    savepoint.commit().await?;
    Ok(recorded)
}
