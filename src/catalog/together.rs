//! Recording plain files of many uploads together: few statements for all of them, in one exchange with the database.
//!
//! Plain is what nearly every file is: alone in its request, for a dataset that is its device's already, under a name that
//! nobody has, within its device's quota. [`super::record`] says what recording means, file by file; whatever is not plain goes
//! there.

use std::collections::{HashMap, HashSet};

use sqlx::{QueryBuilder, Sqlite, SqliteConnection, query_builder::Separated};

use super::{
    FileRow, FileState, Millis, NewFile, Recorded, Whereabouts,
    arrivals::push_count,
    columns::{padded, parsed, push_list, to_i64},
    error::concerns_a_row,
    record::{RESERVED_NAMES, being_placed, push_marks},
    rows::Batch,
};
use crate::{
    config::{FILE_OVERHEAD, Quota},
    ids::{DatasetId, DeviceId, FileId, FileName},
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

/// What the candidates of one device, or of one dataset, count against the quotas.
#[derive(Clone, Copy, Default)]
struct Load {
    files: u64,
    bytes: u64,
}

/// The loads of a group's candidates.
#[derive(Default)]
struct Loads {
    devices: HashMap<DeviceId, Load>,
    datasets: HashMap<DatasetId, Load>,
}

/// One transaction in one exchange: marks files as placed, and records the plain files of a group, which are returned by their
/// place in it. `None` where something in the group does not fit into the database: then nothing was done.
pub(super) async fn transact(
    connection: &mut SqliteConnection,
    unmarked: &[FileId],
    group: &[Batch],
    now: Millis,
) -> Result<Option<HashMap<usize, Recorded>>, sqlx::Error> {
    let candidates = candidates(group);
    if unmarked.is_empty() && candidates.is_empty() {
        return Ok(Some(HashMap::new()));
    }
    // Every upload of a moment has the same quota, but for a reload in between.
    let quota = group.iter().map(|batch| batch.quota).reduce(Quota::least).unwrap_or(Quota::NONE);
    let mut script = QueryBuilder::new("BEGIN IMMEDIATE; ");
    push_marks(&mut script, unmarked, now);
    if !candidates.is_empty() {
        push_files(&mut script, &candidates, quota, now);
        push_counts(&mut script, &candidates, now);
    }
    let plain = match script.push("COMMIT").build().fetch_all(&mut *connection).await {
        Ok(rows) => rows.iter().map(|row| parsed(row, "id")).collect::<Result<HashSet<FileId>, _>>()?,
        Err(error) => {
            roll_back(connection).await;
            // One by one it fails those alone whom it concerns.
            return if concerns_a_row(&error) { Ok(None) } else { Err(error) };
        }
    };
    let recorded = candidates.into_iter().filter(|candidate| plain.contains(&candidate.file.id));
    Ok(Some(recorded.map(|candidate| (candidate.at, Recorded { row: candidate.into_row(now), new: true })).collect()))
}

/// Ends a transaction of [`transact`] that did not come to its end; SQLite may have done so by itself.
pub(super) async fn roll_back(connection: &mut SqliteConnection) {
    if let Err(error) = sqlx::raw_sql("ROLLBACK").execute(connection).await {
        tracing::debug!(%error, "nothing to roll back");
    }
}

/// What can be told without a question: one file, not held, and neither its name nor its sent name twice in the group.
fn candidates(group: &[Batch]) -> Vec<Candidate<'_>> {
    let (mut names, mut sent) = (HashSet::new(), HashSet::new());
    let mut plain = Vec::new();
    for (at, batch) in group.iter().enumerate() {
        for file in &batch.files {
            let name = file.sent_name.stored();
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

/// Inserts those of the candidates that turn out to be plain, and returns their ids.
fn push_files(script: &mut QueryBuilder<Sqlite>, candidates: &[Candidate<'_>], quota: Quota, received_at: Millis) {
    let loads = Loads::of(candidates);
    script.push(
        "INSERT INTO files (id, dataset, device, sent_name, stored_name, folded_name, size, sha256, crc32, received_at, state) \
         SELECT c.column1, c.column2, c.column3, c.column4, c.column5, c.column6, c.column7, c.column8, c.column9, ",
    );
    script.push_bind(received_at).push(", 'placing' FROM (");
    // The rows behind the last candidate are NULL, and join nothing.
    let rows = candidates.iter().map(Some).chain(std::iter::repeat(None)).take(padded(candidates.len()));
    script.push_values(rows, |values, candidate| bind(values, candidate, &loads));
    script.push(concat!(
        ") AS c JOIN datasets ON datasets.uuid = c.column2 AND datasets.device = c.column3 AND datasets.files + c.column12 + ",
        being_placed!("c.column2"),
        " <= "
    ));
    script.push_bind(to_i64(quota.dataset_files));
    script.push(" JOIN devices ON devices.id = c.column3 AND devices.files + c.column10 <= ").push_bind(to_i64(quota.files));
    script.push(" AND devices.bytes + c.column11 + devices.files * ").push(FILE_OVERHEAD).push(" <= ").push_bind(to_i64(quota.bytes));
    script.push(
        " WHERE NOT EXISTS (SELECT 1 FROM files WHERE files.dataset = c.column2 AND files.folded_name = c.column6) \
         AND NOT EXISTS (SELECT 1 FROM files WHERE files.dataset = c.column2 AND files.sent_name = c.column4) RETURNING id; ",
    );
}

/// Charges the devices of what was inserted, and counts it as the day's.
fn push_counts(script: &mut QueryBuilder<Sqlite>, candidates: &[Candidate<'_>], now: Millis) {
    let ids: Vec<_> = candidates.iter().map(|candidate| candidate.file.id).collect();
    script.push("UPDATE devices SET last_used_at = ").push_bind(now).push(
        ", files = devices.files + charged.files, bytes = devices.bytes + charged.bytes \
         FROM (SELECT device, COUNT(*) AS files, CAST(SUM(size) AS BIGINT) AS bytes FROM files WHERE id IN (",
    );
    push_list(script, &ids);
    script.push(") GROUP BY device) AS charged WHERE devices.id = charged.device; ");
    push_count(script, &ids);
}

impl Loads {
    fn of(candidates: &[Candidate<'_>]) -> Self {
        let mut loads = Self::default();
        for candidate in candidates {
            let (device, dataset) = (loads.devices.entry(candidate.device), loads.datasets.entry(candidate.file.dataset));
            for load in [device.or_default(), dataset.or_default()] {
                load.files += 1;
                load.bytes += candidate.file.digests.size + FILE_OVERHEAD;
            }
        }
        loads
    }
}

fn bind(mut values: Separated<'_, Sqlite, &'static str>, candidate: Option<&Candidate<'_>>, loads: &Loads) {
    let file = candidate.map(|candidate| candidate.file);
    let load = candidate.map(|candidate| loads.devices[&candidate.device]);
    values.push_bind(file.map(|file| file.id.to_string()));
    values.push_bind(file.map(|file| file.dataset.to_string()));
    values.push_bind(candidate.map(|candidate| candidate.device.to_string()));
    values.push_bind(file.map(|file| file.sent_name.to_string()));
    values.push_bind(candidate.map(|candidate| candidate.name.as_str().to_owned()));
    values.push_bind(candidate.map(|candidate| candidate.folded.clone()));
    values.push_bind(file.map(|file| to_i64(file.digests.size)));
    values.push_bind(file.map(|file| file.digests.sha256_hex()));
    values.push_bind(file.map(|file| i64::from(file.digests.crc32)));
    values.push_bind(load.map(|load| to_i64(load.files)));
    values.push_bind(load.map(|load| to_i64(load.bytes)));
    values.push_bind(file.map(|file| to_i64(loads.datasets[&file.dataset].files)));
}

impl Candidate<'_> {
    fn into_row(self, received_at: Millis) -> FileRow {
        let NewFile { id, dataset, device, sent_name, digests, .. } = self.file;
        FileRow {
            id: *id,
            dataset: *dataset,
            device: *device,
            sent_name: sent_name.clone(),
            whereabouts: Whereabouts::Dataset(self.name),
            size: digests.size,
            sha256: digests.sha256_hex(),
            crc32: digests.crc32,
            received_at,
            state: FileState::Placing,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlx::Row;

    use super::*;
    use crate::{
        catalog::{Catalog, Held, singly},
        ids::{FileId, Identifier, SentName},
        storage::Digests,
    };

    const NOW: Millis = 7;

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
            id: FileId::generate(),
            dataset: format!("00000000-0000-4000-8000-{:012x}", sent.dataset).parse().expect("a uuid"),
            device: Some(device(sent.device).device()),
            sent_name: SentName::new(sent.name),
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
        let mut unmarked = Vec::new();
        let mut connection = catalog.write.acquire().await.expect("a connection");
        for group in groups.iter().map(Vec::as_slice).chain([&[][..]]) {
            let group: Vec<_> = group.iter().map(|files| batch(files, quota)).collect();
            let mut plain = HashMap::new();
            if together {
                plain = transact(&mut connection, &unmarked, &group, NOW).await.expect("committed").expect("nothing odd");
                unmarked.clear();
            }
            let rest: Vec<_> = (0..group.len()).filter(|at| !plain.contains_key(at)).map(|at| &group[at]).collect();
            let (recorded, _) = singly::transact(&mut connection, &unmarked, &rest, &[], NOW).await.expect("committed");
            let mut recorded = recorded.into_iter();
            let answers: Vec<_> = (0..group.len())
                .map(|at| plain.remove(&at).map_or_else(|| recorded.next().expect("an answer"), |plain| Ok(vec![plain])))
                .collect();
            unmarked = answers.iter().flatten().flatten().map(|recorded| recorded.row.id).collect();
            for answer in answers {
                told.push(format!(
                    "{:?}",
                    answer.map(|files| files.into_iter().map(|file| (file.row.whereabouts, file.new)).collect::<Vec<_>>())
                ));
            }
        }
        drop(connection);
        let mut rows = Vec::new();
        for query in [
            "SELECT dataset || device || sent_name || coalesce(stored_name, '') || coalesce(folded_name, '') || size || sha256 || crc32 \
             || state || coalesce(held, '') AS text FROM files",
            "SELECT uuid || coalesce(device, '') || files || ' ' || bytes || ' ' || changes AS text FROM datasets",
            "SELECT id || files || ' ' || bytes || ' ' || datasets || coalesce(last_used_at > 0, '') AS text FROM devices",
            "SELECT SUM(files) || ' ' || SUM(bytes) AS text FROM arrivals",
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
        let bytes = 3 * (1 + FILE_OVERHEAD);
        for quota in [Quota { files: 3, ..Quota::NONE }, Quota { bytes, ..Quota::NONE }, Quota { dataset_files: 3, ..Quota::NONE }] {
            let (rows, told) = outcome(&groups, quota, true).await;
            assert_eq!(told.iter().filter(|told| told.starts_with("Ok")).count(), 3, "{quota:?}: {told:?}");
            assert_eq!(rows.len(), 3 + 1 + 3 + 1, "three files, a dataset, three devices, what arrived: {rows:?}");
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
        let mut connection = catalog.write.acquire().await.expect("a connection");
        singly::transact(&mut connection, &[], &[&batch(&file("a.csv"), Quota::NONE)], &[], NOW).await.expect("recorded");
        let group = ["b.csv", "c.csv", "a.csv", "d.csv"].map(|name| batch(&file(name), Quota::NONE));
        let mut together: Vec<_> =
            transact(&mut connection, &[], &group, NOW).await.expect("committed").expect("recorded").into_keys().collect();
        together.sort_unstable();
        assert_eq!(together, [0, 1, 3]);
        // Sent again, all of them are known.
        assert!(transact(&mut connection, &[], &group, NOW).await.expect("committed").expect("asked").is_empty());
        drop(connection);
        catalog.close().await;
    }
}
