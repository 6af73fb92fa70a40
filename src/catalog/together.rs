//! Recording plain files of many uploads together, with few statements for all of them.
//!
//! Plain is what nearly every file is: alone in its request, for a dataset that is its device's already, under a name that
//! nobody has. [`super::record`] says what recording means, file by file; whatever is not plain, or turns out not to be, goes
//! there.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::{
    FileRow, FileState, NewFile, Recorded, Whereabouts,
    columns::{parsed, parsed_or_null, push_list, to_i64, to_u64},
    now,
    record::RESERVED_NAMES,
    rows::Batch,
};
use crate::{
    config::Quota,
    ids::{DatasetId, DeviceId, FileName},
};

/// A file that may be plain.
struct Candidate<'a> {
    /// Its place in the group.
    at: usize,
    file: &'a NewFile,
    device: DeviceId,
    name: FileName,
    folded: String,
}

/// Records the plain files of a group, all of them or, where a quota would be passed, none. What is recorded is returned by its
/// place in the group. Runs under a savepoint of the caller's.
pub(super) async fn record(tx: &mut SqliteConnection, group: &[Batch]) -> Result<HashMap<usize, Recorded>, sqlx::Error> {
    let mut plain = candidates(group);
    // One alone costs no less together, and is not worth a question.
    if plain.len() > 1 {
        keep_owned(tx, &mut plain).await?;
    }
    for column in ["folded_name", "sent_name"] {
        if plain.len() > 1 {
            keep_new(tx, &mut plain, column).await?;
        }
    }
    if plain.len() < 2 || !charge(tx, group, &plain).await? {
        return Ok(HashMap::new());
    }
    insert(tx, plain).await
}

/// What can be told without a question: one file, not held, and neither its name nor its sent name twice in the group.
fn candidates(group: &[Batch]) -> Vec<Candidate<'_>> {
    let (mut names, mut sent) = (HashSet::new(), HashSet::new());
    let mut plain = Vec::new();
    for (at, batch) in group.iter().enumerate() {
        for file in &batch.files {
            let name = FileName::from_sent(&file.sent_name);
            let folded = name.folded();
            let is_first = names.insert((file.dataset, folded.clone())) & sent.insert((file.dataset, &file.sent_name));
            let is_plain = batch.files.len() == 1 && file.held.is_none() && !RESERVED_NAMES.contains(&folded.as_str());
            if let (true, true, Some(device)) = (is_first, is_plain, file.device) {
                plain.push(Candidate { at, file, device, name, folded });
            }
        }
    }
    plain
}

/// Keeps those whose dataset is their device's already.
async fn keep_owned(tx: &mut SqliteConnection, plain: &mut Vec<Candidate<'_>>) -> Result<(), sqlx::Error> {
    let datasets: HashSet<DatasetId> = plain.iter().map(|candidate| candidate.file.dataset).collect();
    let mut query = QueryBuilder::<Sqlite>::new("SELECT uuid, device FROM datasets WHERE uuid IN (");
    push_list(&mut query, datasets);
    let mut owners = HashMap::new();
    for row in query.push(")").build().fetch_all(tx).await? {
        owners.insert(parsed::<DatasetId>(&row, "uuid")?, parsed_or_null::<DeviceId>(&row, "device")?);
    }
    plain.retain(|candidate| owners.get(&candidate.file.dataset) == Some(&Some(candidate.device)));
    Ok(())
}

/// Keeps those whose name in a column no file of their dataset has: neither is the name taken, nor has their like ever come.
async fn keep_new(tx: &mut SqliteConnection, plain: &mut Vec<Candidate<'_>>, column: &str) -> Result<(), sqlx::Error> {
    let name = |candidate: &Candidate| if column == "sent_name" { candidate.file.sent_name.clone() } else { candidate.folded.clone() };
    let mut query = QueryBuilder::<Sqlite>::new(format!("SELECT dataset, {column} AS name FROM files WHERE (dataset, {column}) IN ("));
    query.push_values(plain.iter(), |mut row, candidate| {
        row.push_bind(candidate.file.dataset.to_string()).push_bind(name(candidate));
    });
    let mut known = HashSet::new();
    for row in query.push(")").build().fetch_all(tx).await? {
        known.insert((parsed::<DatasetId>(&row, "dataset")?, row.try_get::<String, _>("name")?));
    }
    plain.retain(|candidate| !known.contains(&(candidate.file.dataset, name(candidate))));
    Ok(())
}

/// Charges each device for all of its files. `false` if one of them has passed a quota.
async fn charge(tx: &mut SqliteConnection, group: &[Batch], plain: &[Candidate<'_>]) -> Result<bool, sqlx::Error> {
    let mut charges = BTreeMap::<String, (i64, u64)>::new();
    for candidate in plain {
        let (files, bytes) = charges.entry(candidate.device.to_string()).or_default();
        *files += 1;
        *bytes += candidate.file.digests.size;
    }
    let devices = charges.len();
    let mut query = QueryBuilder::<Sqlite>::new(
        "UPDATE devices SET files = devices.files + charged.column2, bytes = devices.bytes + charged.column3 FROM (",
    );
    query.push_values(charges, |mut row, (device, (files, bytes))| {
        row.push_bind(device).push_bind(files).push_bind(to_i64(bytes));
    });
    query.push(") AS charged WHERE devices.id = charged.column1 RETURNING devices.files AS files, devices.bytes AS bytes");
    let rows = query.build().fetch_all(tx).await?;
    // Every upload of a moment has the same quota, but for a reload in between.
    let quota = group.iter().map(|batch| batch.quota).reduce(Quota::least).unwrap_or(Quota::NONE);
    let mut within = rows.len() == devices;
    for row in rows {
        within &= to_u64(row.try_get("files")?) <= quota.files && to_u64(row.try_get("bytes")?) <= quota.bytes;
    }
    Ok(within)
}

async fn insert(tx: &mut SqliteConnection, plain: Vec<Candidate<'_>>) -> Result<HashMap<usize, Recorded>, sqlx::Error> {
    let received_at = now();
    let rows: Vec<_> =
        plain.into_iter().map(|candidate| (candidate.at, candidate.folded, row(candidate.file, candidate.name, received_at))).collect();
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO files (id, dataset, device, sent_name, stored_name, folded_name, size, sha256, crc32, received_at, state) ",
    );
    query.push_values(&rows, |mut values, (_, folded, row)| {
        let stored = match &row.whereabouts {
            Whereabouts::Dataset(name) => Some(name.as_str().to_owned()),
            Whereabouts::Quarantine(_) => None,
        };
        values
            .push_bind(row.id.to_string())
            .push_bind(row.dataset.to_string())
            .push_bind(row.device.map(|device| device.to_string()))
            .push_bind(row.sent_name.clone())
            .push_bind(stored)
            .push_bind(folded.clone())
            .push_bind(to_i64(row.size))
            .push_bind(row.sha256.clone())
            .push_bind(i64::from(row.crc32))
            .push_bind(row.received_at)
            .push("'placing'");
    });
    query.build().execute(tx).await?;
    Ok(rows.into_iter().map(|(at, _, row)| (at, Recorded { row, new: true })).collect())
}

fn row(file: &NewFile, name: FileName, received_at: super::Millis) -> FileRow {
    FileRow {
        id: file.id,
        dataset: file.dataset,
        device: file.device,
        sent_name: file.sent_name.clone(),
        whereabouts: Whereabouts::Dataset(name),
        size: file.digests.size,
        sha256: file.digests.sha256_hex(),
        crc32: file.digests.crc32,
        received_at,
        state: FileState::Placing,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        catalog::{Catalog, Held, commit},
        ids::{FileId, Identifier},
        storage::Digests,
    };

    /// What a group may hold of everything that matters: whose, where, under which name, with which bytes.
    #[derive(Debug, Clone)]
    struct Sent {
        device: u8,
        dataset: u8,
        name: &'static str,
        bytes: u8,
        held: bool,
    }

    fn sent() -> impl Strategy<Value = Sent> {
        let name = prop::sample::select(vec!["a.csv", "A.CSV", "b.csv", "c.csv", "d.csv", "e.csv", "README.md"]);
        (0..3_u8, 0..4_u8, name, 0..3_u8, prop::bool::weighted(0.1)).prop_map(|(device, dataset, name, bytes, held)| Sent {
            device,
            dataset,
            name,
            bytes,
            held,
        })
    }

    fn groups() -> impl Strategy<Value = Vec<Vec<Vec<Sent>>>> {
        let batch = prop_oneof![9 => prop::collection::vec(sent(), 1), 1 => prop::collection::vec(sent(), 2..4)];
        prop::collection::vec(prop::collection::vec(batch, 1..8), 1..5)
    }

    fn device(number: u8) -> Identifier {
        format!("watch[{number:016x}]").parse().expect("an identifier")
    }

    fn batch(files: &[Sent], quota: Quota) -> Batch {
        let file = |sent: &Sent| NewFile {
            id: FileId::random(),
            dataset: format!("00000000-0000-4000-8000-{:012x}", sent.dataset).parse().expect("a uuid"),
            device: Some(device(sent.device).device()),
            sent_name: sent.name.to_owned(),
            digests: Digests { size: sent.bytes.into(), sha256: [sent.bytes; 32], crc32: sent.bytes.into() },
            held: sent.held.then_some(Held::Extension),
        };
        Batch { files: files.iter().map(file).collect(), quota }
    }

    /// Everything that recording has written, without ids and times, and what each request was told.
    async fn outcome(groups: &[Vec<Vec<Sent>>], quota: Quota, together: bool) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("catalog.sqlite");
        let catalog = Catalog::open(&path).await.expect("a catalog");
        let mut told = Vec::new();
        for number in 0..3 {
            let insert = "INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) VALUES ($1, $2, 0, 1, 1)";
            let identifier = device(number);
            let insert = sqlx::query(insert).bind(identifier.device().to_string()).bind(identifier.as_str().to_owned());
            insert.execute(&catalog.write).await.expect("inserted");
        }
        for group in groups {
            let group: Vec<_> = group.iter().map(|files| batch(files, quota)).collect();
            let mut tx = catalog.write.begin().await.expect("a transaction");
            let answers = if together {
                commit::record_group(&mut tx, &group).await.expect("recorded")
            } else {
                let mut answers = Vec::new();
                for batch in &group {
                    answers.push(commit::record_batch(&mut tx, batch).await);
                }
                answers
            };
            let ids: Vec<_> = answers.iter().flatten().flatten().map(|recorded| recorded.row.id).collect();
            super::super::record::mark_placed(&mut tx, &ids).await.expect("marked");
            tx.commit().await.expect("committed");
            for answer in answers {
                told.push(format!(
                    "{:?}",
                    answer.map(|files| files.into_iter().map(|file| (file.row.whereabouts, file.new)).collect::<Vec<_>>())
                ));
            }
        }
        let mut rows = Vec::new();
        for query in [
            "SELECT dataset || device || sent_name || coalesce(stored_name, '') || coalesce(folded_name, '') || size || sha256 || crc32 \
             || state || coalesce(held, '') AS text FROM files",
            "SELECT uuid || coalesce(device, '') || files || ' ' || bytes || ' ' || changes AS text FROM datasets",
            "SELECT id || files || ' ' || bytes || ' ' || datasets AS text FROM devices",
        ] {
            for row in sqlx::query(query).fetch_all(&catalog.read).await.expect("rows") {
                rows.push(row.get::<String, _>("text"));
            }
        }
        rows.sort();
        catalog.close().await;
        (rows, told)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn together_is_what_one_by_one_is(groups in groups()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let (together, alone) = runtime.block_on(async {
                (outcome(&groups, Quota::NONE, true).await, outcome(&groups, Quota::NONE, false).await)
            });
            prop_assert_eq!(together, alone);
        }
    }

    #[tokio::test]
    async fn a_quota_that_ends_within_a_group_lets_in_as_many_as_it_holds() {
        let file = |name| vec![Sent { device: 0, dataset: 0, name, bytes: 1, held: false }];
        let groups = [vec![file("a.csv")], ["b.csv", "c.csv", "d.csv", "e.csv"].map(file).to_vec()];
        for (files, bytes) in [(3, 100), (100, 3)] {
            let (rows, told) = outcome(&groups, Quota { files, bytes, datasets: 10 }, true).await;
            assert_eq!(told.iter().filter(|told| told.starts_with("Ok")).count(), 3, "{told:?}");
            assert_eq!(rows.len(), 3 + 1 + 3, "three files, a dataset, three devices: {rows:?}");
        }
    }

    #[tokio::test]
    async fn plain_files_are_recorded_together() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.expect("a catalog");
        let identifier = device(0);
        let insert = "INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) VALUES ($1, 'w', 0, 1, 1)";
        sqlx::query(insert).bind(identifier.device().to_string()).execute(&catalog.write).await.expect("inserted");
        let file = |name| vec![Sent { device: 0, dataset: 0, name, bytes: 1, held: false }];
        let mut tx = catalog.write.begin().await.expect("a transaction");
        commit::record_group(&mut tx, &[batch(&file("a.csv"), Quota::NONE)]).await.expect("recorded");
        let group = ["b.csv", "c.csv", "a.csv", "d.csv"].map(|name| batch(&file(name), Quota::NONE));
        let mut together: Vec<_> = record(&mut tx, &group).await.expect("recorded").into_keys().collect();
        together.sort_unstable();
        assert_eq!(together, [0, 1, 3]);
        // Sent again, all of them are known.
        commit::record_group(&mut tx, &group).await.expect("recorded");
        for again in [&group[..], &group[..2]] {
            assert!(record(&mut tx, again).await.expect("asked").is_empty());
            let answers = commit::record_group(&mut tx, again).await.expect("recorded");
            assert!(answers.iter().flatten().flatten().all(|recorded| !recorded.new) && answers.iter().all(Result::is_ok));
        }
        tx.rollback().await.expect("rolled back");
        catalog.close().await;
    }
}
