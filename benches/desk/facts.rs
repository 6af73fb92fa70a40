//! What is to be asked for: ids and page keys that the catalog holds.

use sqlx::{AssertSqlSafe, Row, SqliteConnection};

/// Of a study.
pub struct Facts {
    pub uuid: String,
    pub device: String,
    pub participant: String,
    /// Of each order, the keys of pages in the middle and near the end: `sort`, where, `after`.
    pub keys: Vec<(&'static str, &'static str, String)>,
}

/// The orders of the list, and what each is by.
pub const SORTS: [(&str, &str, &str); 4] = [
    ("newest", "number", "DESC"),
    ("oldest", "number", "ASC"),
    ("date", "COALESCE(started_at, created_at)", "DESC"),
    ("largest", "weight", "DESC"),
];

impl Facts {
    pub async fn look(catalog: &mut SqliteConnection) -> Self {
        let middle = "ORDER BY number LIMIT 1 OFFSET (SELECT COUNT(*) / 2 FROM datasets)";
        let uuid = one(catalog, &format!("SELECT uuid FROM datasets {middle}")).await;
        let device = one(catalog, &format!("SELECT device FROM datasets {middle}")).await;
        let participant = one(catalog, "SELECT id FROM participants ORDER BY id LIMIT 1 OFFSET 7").await;
        let mut keys = Vec::new();
        for (sort, value, direction) in SORTS {
            for (place, share) in [("in the middle", 50), ("at the end", 98)] {
                let key = format!(
                    "SELECT {value} || '.' || number FROM datasets ORDER BY {value} {direction}, number {direction} \
                     LIMIT 1 OFFSET (SELECT COUNT(*) * {share} / 100 FROM datasets)"
                );
                keys.push((sort, place, one(catalog, &key).await));
            }
        }
        Self { uuid, device, participant, keys }
    }
}

async fn one(catalog: &mut SqliteConnection, query: &str) -> String {
    sqlx::query(AssertSqlSafe(query)).fetch_one(catalog).await.expect("a row").get(0)
}
