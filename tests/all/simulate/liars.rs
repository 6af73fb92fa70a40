//! A server that lies is found out, and each file that it did away with is named.

use serde_json::Value;

use super::{
    fake::{Fake, Lie},
    run::Said,
};

/// What is said of three files after a lie: how many faults of each kind, and the faults.
async fn told(lie: Lie) -> ([Option<u64>; 4], Vec<Value>) {
    let fake = Fake::that_will(lie).await;
    let report = Said::report(&fake.url(), &["--watches", "1", "--files", "3", "--file-size", "100"]).await;
    assert_eq!((&report["good"], &report["uploads"]), (&Value::from(false), &Value::from(3)), "{report:#}");
    let counts = ["lost", "damaged", "doubled", "unread"].map(|key| report[key].as_u64());
    (counts, report["faults"].as_array().expect("faults").clone())
}

#[tokio::test]
async fn files_that_were_thrown_away_are_lost_and_named() {
    let (counts, faults) = told(Lie::Lose).await;
    assert_eq!(counts, [Some(3), Some(0), Some(0), Some(0)]);
    assert!(faults.iter().all(|fault| fault["kind"] == "lost" && fault["uuid"] == "some-uuid"), "{faults:?}");
    let name = faults[0]["name"].as_str().expect("a name");
    assert!(name.starts_with("ffmpeg_0_0_2026-11-20T09:20+0000_"), "{name}");
}

#[tokio::test]
async fn other_bytes_are_damage_and_a_second_copy_is_told() {
    let (counts, faults) = told(Lie::Damage).await;
    assert_eq!(counts[1], Some(3), "{faults:?}");
    let (counts, faults) = told(Lie::Double).await;
    assert_eq!(counts[2], Some(3), "{faults:?}");
}

#[tokio::test]
async fn what_is_not_in_the_zip_is_lost() {
    let (counts, faults) = told(Lie::LeaveOutOfZip).await;
    assert_eq!(counts, [Some(3), Some(0), Some(0), Some(0)]);
    assert!(faults.iter().all(|fault| fault["seen_in"] == "zip"), "{faults:?}");
}

#[tokio::test]
async fn a_table_for_people_names_what_was_lost() {
    let fake = Fake::that_will(Lie::Lose).await;
    let said = Said::by(&fake.url(), &["--grant-with", "admin", "--watches", "1", "--files", "2"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.output.contains("lost         2\n") && said.output.contains("Lost in the dataset: some-uuid ffmpeg_0_1_"), "{said:?}");
    assert!(said.errors.contains("2 faults among 2 files that were called safe"), "{said:?}");
}

#[tokio::test]
async fn what_is_never_called_safe_stays_on_the_watch() {
    let fake = Fake::that_will(Lie::Refuse).await;
    let arguments = ["--watches", "1", "--files", "2", "--seconds", "0.3", "--retry-after", "0.05"];
    let report = Said::report(&fake.url(), &arguments).await;
    assert_eq!((&report["good"], &report["not_uploaded"], &report["uploads"]), (&false.into(), &2.into(), &0.into()), "{report:#}");
    assert!(report["retries_because"]["503 no time"].as_u64() >= Some(2), "{report:#}");
}
