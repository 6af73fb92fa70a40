//! What a person does is done to its end and stands in the trail, also where the server is told to stop in the middle.

use sqlx::Executor;
use tokio::net::TcpStream;

use wearhouse::storage::RealDisk;

use crate::support::{House, until};

#[tokio::test]
async fn a_stop_between_the_ledger_and_the_catalog_leaves_no_deed_half_done_and_none_without_its_line() {
    for way in ["/api/v1/devices", "/device"] {
        let mut house = House::start_with(std::sync::Arc::new(RealDisk), |config| config.server.stop_seconds = 0).await;
        let researcher = house.researcher();
        house.watch("w").await;
        let id = researcher.json("/api/v1/devices").await[0]["id"].as_str().expect("an id").to_owned();
        let mut other = house.catalog().await;
        other.execute("BEGIN IMMEDIATE").await.expect("the lock");
        let forget = tokio::spawn({
            let researcher = researcher.clone();
            let path = format!("{way}/{id}/forget");
            async move { researcher.post(&path).await.as_u16() }
        });
        let ledger = || std::fs::read_to_string(house.layout().ledger()).unwrap_or_default();
        until("it stands in the ledger", async || !ledger().is_empty()).await;
        let address = house.address;
        let release = async {
            until("nobody has patience any more", async || TcpStream::connect(address).await.is_err()).await;
            other.execute("ROLLBACK").await.expect("released");
        };
        tokio::join!(house.stop(), release);
        assert!([204, 303].contains(&forget.await.expect("an answer")), "{way}");
        let question = "SELECT COUNT(*) FROM audit a JOIN devices d ON d.id = a.subject \
                        WHERE a.action = 'forgotten' AND d.identifier = 'forgotten' AND d.revoked_at > 0";
        let (found,): (i64,) = sqlx::query_as(question).fetch_one(&mut other).await.expect("a count");
        assert_eq!(found, 1, "{way}");
    }
}
