//! Offers that come while others are written, that cannot be written, and of devices that come back.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::*;
use crate::catalog::made::Made;

async fn house() -> (Made, Arc<Offers>, DeviceId, [ModelId; 2]) {
    let made = Made::new().await;
    let (device, models) = (made.device("kitchen").await, [made.model("one.onnx").await, made.model("two.onnx").await]);
    let offers = Arc::new(Offers::read(&made.catalog).await.expect("offers"));
    (made, offers, device, models)
}

/// What the catalog holds: the models, and whether each was taken.
async fn written(made: &Made) -> Vec<(ModelId, bool)> {
    let offers = made.catalog.offers().await.expect("offers");
    offers.into_iter().map(|offer| (offer.model, offer.fetched_at.is_some())).collect()
}

/// Waits until it waits for the catalog.
async fn is_stuck(write: impl Future<Output = Result<(), CatalogError>>) -> bool {
    timeout(Duration::from_millis(100), write).await.is_err()
}

#[tokio::test]
async fn what_is_told_again_is_written_once() {
    let (made, offers, device, [one, two]) = house().await;
    for _ in 0..2 {
        offers.note(device, one, false);
    }
    offers.write(&made.catalog).await.expect("written");
    offers.note(device, one, false);
    assert!(offers.state().new.is_empty(), "it is told that already");
    let again = Offers::read(&made.catalog).await.expect("offers");
    again.note(device, one, false);
    assert!(again.state().new.is_empty(), "and a restart changes nothing");
    offers.note(device, two, false);
    assert_eq!(offers.state().new.len(), 1, "it is told another one");
}

#[tokio::test]
async fn what_nobody_waits_for_is_written_the_next_time() {
    let (made, offers, device, [one, _]) = house().await;
    offers.note(device, one, false);
    let held = made.hold().await;
    assert!(is_stuck(offers.write(&made.catalog)).await);
    drop(held);
    offers.write(&made.catalog).await.expect("written");
    assert_eq!(written(&made).await, [(one, false)]);
}

#[tokio::test]
async fn what_is_noted_while_others_are_written_is_written_the_next_time() {
    let (made, offers, device, [one, _]) = house().await;
    offers.note(device, one, false);
    let held = made.hold().await;
    let write = tokio::spawn({
        let (offers, catalog) = (Arc::clone(&offers), made.catalog.clone());
        async move { offers.write(&catalog).await }
    });
    // It has taken what it writes, and waits for the lock.
    let has_begun = async {
        while offers.writing.try_lock().is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), has_begun).await.expect("it begins");
    offers.note(device, one, true);
    drop(held);
    write.await.expect("a task").expect("written");
    assert_eq!(written(&made).await, [(one, false)]);
    offers.write(&made.catalog).await.expect("written");
    assert_eq!(written(&made).await, [(one, true)]);
}

#[tokio::test]
async fn whoever_writes_behind_another_finds_what_that_one_wrote() {
    let (made, offers, device, [one, _]) = house().await;
    offers.note(device, one, false);
    let held = made.hold().await;
    let first = offers.write(&made.catalog);
    tokio::pin!(first);
    assert!(is_stuck(&mut first).await);
    assert!(is_stuck(offers.write(&made.catalog)).await, "it would read without what the first one writes");
    drop(held);
    first.await.expect("written");
    offers.write(&made.catalog).await.expect("written");
    assert_eq!(written(&made).await, [(one, false)]);
}

#[tokio::test]
async fn that_a_model_was_taken_survives_a_catalog_that_fails() {
    let (made, offers, device, [one, two]) = house().await;
    offers.note(device, one, true);
    made.catalog.close().await;
    offers.write(&made.catalog).await.expect_err("it is closed");
    for model in [two, one] {
        offers.note(device, model, false);
    }
    offers.write(&made.catalog).await.expect_err("it is closed");
    assert!(offers.state().new[&(device, one)].fetched_at.is_some());
    assert_eq!(offers.state().new.len(), 2);
}

#[tokio::test]
async fn a_device_that_was_forgotten_and_comes_back_is_new() {
    let (made, offers, device, [one, _]) = house().await;
    offers.note(device, one, false);
    offers.write(&made.catalog).await.expect("written");
    made.catalog.forget_device(device, "ada").await.expect("forgotten");
    made.catalog.finish_forgetting().await.expect("blanked");
    assert_eq!(written(&made).await, []);
    offers.keep(|_| false);
    made.change("UPDATE devices SET forgotten_at = NULL, revoked_at = NULL").await;
    offers.note(device, one, false);
    offers.write(&made.catalog).await.expect("written");
    assert_eq!(written(&made).await, [(one, false)]);
}
