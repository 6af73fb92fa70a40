//! Deleting: what is in the trash nobody gets, and it comes back whole; what is erased is gone from disk and catalog, and stays gone.

mod bin;
mod erase;
mod forget;
mod ledger;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::support::{House, Researcher, Watch};

/// A recording with a file, a second one of the same name, a model, and one in quarantine; and its zip.
async fn recording(house: &House, watch: &Watch) -> String {
    let uuid = watch.new_dataset().await;
    for (name, bytes) in [("acc.csv", "1"), ("acc.csv", "22"), ("m.tflite", "333"), ("secret name.exe", "4444")] {
        watch.upload(&uuid, name, bytes).await;
    }
    assert_eq!(house.researcher().zip_contents(&uuid).await.len(), 3);
    uuid
}

async fn delete(researcher: &Researcher, uuid: &str) {
    let answer = researcher.request("DELETE", &format!("/api/v1/datasets/{uuid}")).send().await.expect("an answer");
    assert_eq!(answer.status(), 204);
}

async fn submit(researcher: &Researcher, path: &str, form: &str) {
    let request = researcher.request("POST", path).header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    assert_eq!(request.send().await.expect("an answer").status(), 303, "{path}");
}

async fn status(researcher: &Researcher, path: &str) -> u16 {
    researcher.get(path).await.status().as_u16()
}

async fn text(researcher: &Researcher, path: &str) -> String {
    researcher.get(path).await.text().await.expect("text")
}

/// As if everything in the trash had lain there for ever.
const LONG_AGO: &str = "UPDATE datasets SET deleted_at = 1, updated_at = 1 WHERE deleted_at IS NOT NULL";

/// The rows that a query finds, each as text.
async fn rows(house: &House, query: &str) -> Vec<String> {
    let found = house.catalog().await.fetch_all(AssertSqlSafe(format!("SELECT CAST(c AS TEXT) AS c FROM ({query})"))).await;
    found.expect("rows").iter().map(|row| row.get::<Option<String>, _>("c").unwrap_or_default()).collect()
}

/// The lines of the ledger.
fn lines(house: &House) -> Vec<Value> {
    let text = std::fs::read_to_string(house.layout().ledger()).expect("the ledger");
    text.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
}
