//! The plan under many askers, under changes, and where the catalog fails.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::*;
use crate::catalog::made::Made;

/// A device whose own model is `own`, where everybody else has `all`.
async fn house() -> (Made, Arc<Planner>, DeviceId) {
    let made = Made::new().await;
    let device = made.device("kitchen").await;
    for (audience, name) in [(Audience::Everyone, "all.onnx"), (Audience::Device(device), "own.onnx")] {
        give(&made, audience, name).await;
    }
    let planner = Arc::new(Planner { patience: Duration::from_millis(200), ..Planner::new(made.catalog.clone()) });
    (made, planner, device)
}

/// Publishes a model, and gives it.
async fn give(made: &Made, audience: Audience, name: &str) {
    let model = made.model(name).await;
    made.catalog.assign_model(audience, Some(model), "ada").await.expect("given");
}

fn told(plan: &Arc<Plan>, device: DeviceId) -> &str {
    plan.of_device(device).expect("a model").name.as_str()
}

/// As if the plan had been made so much earlier.
fn age(planner: &Planner, by: Duration) {
    let plan = planner.plan.load_full().expect("a plan");
    let made = plan.made.checked_sub(by).expect("a machine that is up for some minutes");
    planner.plan.store(Some(Arc::new(Plan { made, ..Plan::clone(&plan) })));
}

#[tokio::test]
async fn it_is_made_once_for_many_and_anew_behind_a_change_or_a_minute() {
    let (made, planner, device) = house().await;
    let all = async || {
        let plans: Vec<_> = join_all((0..100).map(|_| planner.plan())).await.into_iter().map(|plan| plan.expect("a plan")).collect();
        assert!(plans.iter().all(|plan| Arc::ptr_eq(plan, &plans[0])), "it was made more than once");
        Arc::clone(&plans[0])
    };
    let first = all().await;
    assert!(Arc::ptr_eq(&first, &all().await), "nothing changed");
    give(&made, Audience::Device(device), "other.onnx").await;
    let second = all().await;
    assert_eq!((told(&first, device), told(&second, device)), ("own.onnx", "other.onnx"));
    // Nothing says that somebody else's hand was in the catalog, nor that a day begins.
    made.change("DELETE FROM assignments WHERE kind = 'device'").await;
    age(&planner, FRESH / 2);
    assert_eq!(told(&all().await, device), "other.onnx");
    age(&planner, GOOD_ENOUGH);
    assert_eq!(told(&all().await, device), "all.onnx");
}

#[tokio::test]
async fn an_answer_needs_nothing_of_the_catalog() {
    let (made, planner, device) = house().await;
    planner.plan().await.expect("a plan");
    let held = made.hold().await;
    let plan = planner.plan().await.expect("it is in memory");
    assert_eq!(told(&plan, device), "own.onnx");
    drop(held);
}

#[tokio::test]
async fn a_plan_is_made_while_somebody_else_writes() {
    let (made, planner, device) = house().await;
    let (writing, reading) = made.hold().await;
    drop(reading);
    assert_eq!(told(&planner.plan().await.expect("a plan"), device), "own.onnx");
    drop(writing);
}

#[tokio::test]
async fn one_that_is_only_old_goes_on_where_no_new_one_can_be_made() {
    let (made, planner, device) = house().await;
    planner.plan().await.expect("a plan");
    let held = made.hold().await;
    age(&planner, GOOD_ENOUGH * 100);
    assert_eq!(told(&planner.plan().await.expect("the old one"), device), "own.onnx");
    // Whoever comes next does not wait for the catalog again ...
    assert!(planner.kept(FRESH).is_some());
    // ... for some seconds.
    age(&planner, AGAIN);
    assert!(planner.kept(FRESH).is_none());
    drop(held);
    let plan = planner.plan().await.expect("a new one");
    assert!(plan.made.elapsed() < AGAIN && planner.kept(FRESH).is_some());
}

#[tokio::test]
async fn one_that_something_changed_since_is_not_told_whatever_fails() {
    let (made, planner, device) = house().await;
    planner.plan().await.expect("a plan");
    give(&made, Audience::Device(device), "other.onnx").await;
    let held = made.hold().await;
    assert!(matches!(planner.plan().await, Err(CatalogError::Busy)));
    drop(held);
    assert_eq!(told(&planner.plan().await.expect("a plan"), device), "other.onnx");
}

#[tokio::test]
async fn nobody_waits_for_one_who_makes_the_next_while_the_last_is_good_enough() {
    let (_made, planner, device) = house().await;
    planner.plan().await.expect("a plan");
    let turn = planner.making.lock().await;
    age(&planner, FRESH);
    let plan = planner.plan().await.expect("the last one");
    assert!(told(&plan, device) == "own.onnx" && plan.made.elapsed() >= FRESH);
    age(&planner, GOOD_ENOUGH);
    assert!(planner.kept(GOOD_ENOUGH).is_none(), "it would be awaited");
    drop(turn);
}

/// Two devices: one for which a model of its own is published and given again and again, and everyone else.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_ever_told_what_was_replaced_before_it_asked() {
    let (made, planner, device) = house().await;
    give(&made, Audience::Device(device), "0").await;
    let (given, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let ask = async || {
        let mut asked = 0;
        while !done.load(Ordering::Acquire) {
            let least = given.load(Ordering::Acquire);
            let plan = planner.plan().await.expect("a plan");
            let told = told(&plan, device).parse::<usize>();
            assert!(told.as_ref().is_ok_and(|told| *told >= least), "{told:?} while {least} was given");
            asked += 1;
            tokio::task::yield_now().await;
        }
        assert!(asked > 0);
    };
    let change = async {
        for n in 1..=60 {
            give(&made, Audience::Device(device), &n.to_string()).await;
            given.store(n, Ordering::Release);
        }
        done.store(true, Ordering::Release);
    };
    tokio::join!(ask(), ask(), ask(), ask(), change);
}
