//! Fleets that come home: what they say is what the house holds.

use std::collections::BTreeMap;

use serde_json::Value;

use super::run::Said;
use crate::support::{House, Nginx, Researcher, until};

/// All files of a house: how often each (name as sent, digest) is there.
async fn held(house: &House) -> BTreeMap<(String, String), usize> {
    let researcher = house.researcher();
    let list = researcher.json("/api/v1/datasets").await;
    let mut held = BTreeMap::new();
    for dataset in list["datasets"].as_array().expect("datasets") {
        let dataset = researcher.dataset(dataset["uuid"].as_str().expect("a uuid")).await;
        for file in dataset["file_list"].as_array().expect("files") {
            let text = |key: &str| file[key].as_str().expect("text").to_owned();
            *held.entry((text("sent_name"), text("sha256"))).or_default() += 1;
        }
    }
    held
}

fn is_safe(report: &Value, uploads: usize) {
    let counts = ["uploads", "not_uploaded", "lost", "damaged", "doubled", "unread"].map(|key| report[key].as_u64());
    assert_eq!(counts, [Some(uploads as u64), Some(0), Some(0), Some(0), Some(0), Some(0)], "{report:#}");
    assert_eq!((&report["good"], &report["verified"]), (&Value::from(true), &Value::from(true)), "{report:#}");
}

#[tokio::test]
async fn a_fleet_is_let_in_and_all_that_it_brings_is_read_back() {
    let house = House::start().await;
    let report = Said::report(&house.url(""), &["--watches", "3", "--runs", "2", "--minutes", "1"]).await;
    is_safe(&report, 30);
    assert_eq!(report["retries"], 0, "{report:#}");
    assert!(report["latency_ms"]["p50"].as_f64() > Some(0.0) && report["bytes"].as_u64() > Some(100_000), "{report:#}");
    let held = held(&house).await;
    assert_eq!((held.len(), held.values().sum()), (30, 30_usize));
    for kind in ["android_sensor_accelerometer_1_", "android_sensor_gyroscope_1_", "marker_time_stamps_1_", "battery_1_", "metaInfo_1_"] {
        assert_eq!(held.keys().filter(|(name, _)| name.starts_with(kind) && name.contains("+0000_")).count(), 3, "{kind}");
    }
}

#[tokio::test]
async fn a_link_that_is_cut_costs_time_and_no_file() {
    let house = House::start().await;
    let arguments = ["--watches", "4", "--files", "20", "--file-size", "20kB", "--cut", "0.5", "--retry-after", "0.01"];
    let report = Said::report(&house.url(""), &arguments).await;
    is_safe(&report, 80);
    assert!(report["retries_because"]["the link was cut"].as_u64() > Some(20), "{report:#}");
    assert_eq!(held(&house).await.values().sum::<usize>(), 80);
}

#[tokio::test]
async fn the_same_seed_makes_the_same_files_and_another_one_others() {
    let houses = [House::start().await, House::start().await, House::start().await];
    let mut brought = Vec::new();
    for (house, seed) in houses.iter().zip(["7", "7", "8"]) {
        is_safe(&Said::report(&house.url(""), &["--watches", "2", "--minutes", "1", "--seed", seed]).await, 10);
        brought.push(held(house).await);
    }
    assert_eq!(brought[0], brought[1]);
    assert!(brought[0].keys().all(|file| !brought[2].contains_key(file)));
}

#[tokio::test]
async fn a_fleet_waits_for_somebody_who_lets_it_in_by_hand() {
    let house = House::start().await;
    let (url, researcher) = (house.url(""), house.researcher());
    let fleet = tokio::spawn(async move { Said::by(&url, &["--watches", "1", "--files", "1", "--read-with", "admin"]).await });
    let asks = async || researcher.json("/api/v1/requests").await[0]["identifier"].as_str().map(str::to_owned);
    until("the watch asks", async || asks().await.is_some()).await;
    researcher.grant(&asks().await.expect("a request")).await;
    let said = fleet.await.expect("no panic");
    assert!(said.code == 0 && said.output.contains("all 1 files were read back whole"), "{said:?}");
}

#[tokio::test]
async fn a_fleet_that_is_called_home_early_keeps_what_it_has_not_brought() {
    let house = House::start().await;
    let arguments = ["--watches", "2", "--files", "100", "--file-size", "50kB", "--rate", "500kB", "--seconds", "1"];
    let report = Said::report(&house.url(""), &arguments).await;
    let [uploads, kept] = ["uploads", "not_uploaded"].map(|key| report[key].as_u64().expect("a number"));
    assert!((1..150).contains(&uploads) && uploads + kept == 200, "{report:#}");
    // What was under way may have arrived, and nobody was told.
    assert_eq!((&report["good"], &report["lost"], &report["doubled"]), (&true.into(), &0.into(), &0.into()), "{report:#}");
}

#[tokio::test]
async fn nothing_is_read_back_where_nobody_wants_it() {
    let house = House::start().await;
    let report = Said::report(&house.url(""), &["--watches", "2", "--files", "3", "--no-verify"]).await;
    assert_eq!((&report["verified"], &report["lost"], &report["uploads"]), (&Value::from(false), &Value::Null, &Value::from(6)));
}

#[tokio::test]
async fn a_fleet_comes_through_nginx_with_tls_and_believes_whom_it_is_told_to() {
    let house = House::start().await;
    let nginx = Nginx::start_tls(&house).await;
    let certificate = nginx.tls().certificate().display().to_string();
    let arguments = ["--watches", "2", "--minutes", "1", "--cut", "0.3", "--retry-after", "0.01"];
    is_safe(&Said::report(&nginx.base(), &[&arguments[..], &["--trust-ca", &certificate]].concat()).await, 10);
    let said = Said::by(&nginx.base(), &["--grant-with", &format!("admin:{}", Researcher::PASSWORD)]).await;
    assert!(said.code == 1 && said.errors.contains("invalid peer certificate"), "{said:?}");
}
