//! A catalog for unit tests, and what lies in it.

use sqlx::{AssertSqlSafe, Row, Sqlite, Transaction, pool::PoolConnection};
use tempfile::TempDir;

use super::{Catalog, FileRow, Model, ModelNotes, NewFile};
use crate::{
    clock::{Source, machine},
    config::Quota,
    ids::{DatasetId, DeviceId, FileId, FileName, Identifier, ModelId, SentName},
    storage::Digests,
};

pub(crate) struct Made {
    pub(crate) catalog: Catalog,
    pub(crate) folder: TempDir,
}

impl Made {
    pub(crate) async fn new() -> Self {
        Self::with_clocks(std::sync::Arc::new(machine)).await
    }

    /// One that goes by other clocks than those of the machine.
    pub(crate) async fn with_clocks(clocks: Source) -> Self {
        let folder = TempDir::new().expect("a folder");
        let catalog = Catalog::open_with(&folder.path().join("catalog.sqlite"), clocks).await.expect("a catalog");
        Self { catalog, folder }
    }

    /// A device that was let in.
    pub(crate) async fn device(&self, identifier: &str) -> DeviceId {
        let identifier: Identifier = identifier.parse().expect("an identifier");
        let insert = "INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) VALUES ($1, $2, 0, 1, 1)";
        let insert = sqlx::query(insert).bind(identifier.device().to_string()).bind(identifier.to_string());
        insert.execute(&self.catalog.write).await.expect("inserted");
        identifier.device()
    }

    pub(crate) async fn dataset(&self, device: DeviceId) -> DatasetId {
        self.catalog.new_dataset(device, Quota::NONE).await.expect("a dataset")
    }

    /// A file that came, with one byte.
    pub(crate) async fn file(&self, dataset: DatasetId, device: DeviceId, sent_name: &str) -> FileRow {
        let digests = Digests { size: 1, sha256: [1; 32], crc32: 1 };
        let id = FileId::generate();
        let file = NewFile { id, dataset, device: Some(device), sent_name: SentName::new(sent_name), digests, held: None };
        let recorded = self.catalog.record(vec![file], Quota::NONE).await.expect("recorded").swap_remove(0);
        self.catalog.placed(vec![id]).await.expect("placed");
        self.catalog.flush().await.expect("committed");
        recorded.row
    }

    /// A model that was published.
    pub(crate) async fn model(&self, name: &str) -> ModelId {
        let (id, name) = (ModelId::random(), FileName::from_catalog(name.to_owned()));
        let (notes, settings, sha256) = (ModelNotes::default(), "{}".to_owned(), "00".repeat(32));
        let model = Model {
            id,
            name,
            notes,
            size: 1,
            sha256,
            settings,
            facts: "{}".to_owned(),
            published_at: self.catalog.now(),
            published_by: "ada".to_owned(),
        };
        assert!(self.catalog.add_model(&model).await.expect("added"), "its name is taken");
        id
    }

    /// Holds the write lock and every connection, until it is dropped: whoever needs the catalog waits.
    pub(crate) async fn hold(&self) -> (Transaction<'static, Sqlite>, Vec<PoolConnection<Sqlite>>) {
        let write = self.writing().await;
        let mut read = Vec::new();
        for _ in 0..self.catalog.read.options().get_max_connections() {
            read.push(self.catalog.read.acquire().await.expect("a connection"));
        }
        (write, read)
    }

    /// Whoever has this keeps all others from writing.
    pub(crate) async fn writing(&self) -> Transaction<'static, Sqlite> {
        self.catalog.writing().await.expect("a transaction")
    }

    /// Changes the catalog behind everybody's back.
    pub(crate) async fn change(&self, statement: &str) {
        sqlx::query(AssertSqlSafe(statement)).execute(&self.catalog.write).await.expect("changed");
    }

    /// The first column of each row, as text.
    pub(crate) async fn texts(&self, query: &str) -> Vec<Option<String>> {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT CAST(c AS TEXT) AS c FROM ({query})"))).fetch_all(&self.catalog.read);
        rows.await.expect("rows").iter().map(|row| row.get("c")).collect()
    }

    /// How a query is answered.
    pub(crate) async fn plan(&self, query: &str) -> String {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"))).fetch_all(&self.catalog.write).await.expect("a plan");
        rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
    }
}
