//! Two hundred who guess at passwords: nobody else notices, and Argon2 does not eat the memory.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use wearhouse::config::{Secret, hash_password};

use super::{MIB, crowd::Crowd, is_large, median_and_worst};
use crate::support::Researcher;

#[tokio::test(flavor = "multi_thread")]
async fn while_two_hundred_guess_at_passwords_uploads_go_on_and_memory_stays_small() {
    let time = Duration::from_secs(if is_large() { 60 } else { 10 });
    // A user with a hash as it is in the field: the test's own one costs nothing.
    let hash = hash_password(&Secret::new(Researcher::PASSWORD));
    let crowd = Crowd::start(&[], &format!("  - name: ada\n    role: operator\n    password: {hash}\n"), 1).await;
    let (base, watch) = (Arc::new(crowd.program.researcher().base().to_owned()), &crowd.watches[0]);
    let begun = Instant::now();
    let mut guessers = JoinSet::new();
    for n in 0..200 {
        guessers.spawn(guess(Arc::clone(&base), n, time));
    }
    let (uuid, mut uploads) = (watch.new_dataset().await, Vec::new());
    while begun.elapsed() < time {
        let sent = Instant::now();
        watch.upload(&uuid, &format!("{}.csv", uploads.len()), "1").await;
        uploads.push(sent.elapsed());
    }
    let mut statuses = BTreeMap::new();
    while let Some(guesses) = guessers.join_next().await {
        guesses.expect("no panic").into_iter().for_each(|status| *statuses.entry(status).or_insert(0) += 1);
    }
    let peak = crowd.program.peak_memory();
    println!("200 guessers for {} s: {statuses:?}, memory {} MiB at most", time.as_secs(), peak / MIB);
    println!("  an upload meanwhile: {}", median_and_worst(uploads));
    assert!(statuses.keys().all(|status| [401, 429, 503].contains(status)) && statuses.contains_key(&401), "{statuses:?}");
    assert!(peak < 95 * MIB, "{} MiB", peak / MIB);
}

/// Guesses again and again, from an address of its own; returns the answers.
async fn guess(base: Arc<String>, n: u8, time: Duration) -> Vec<u16> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let (begun, mut answers) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let name = if n.is_multiple_of(2) { "ada" } else { "nobody" };
        let request = client.get(format!("{base}/")).basic_auth(name, Some("wrong")).header("X-Forwarded-For", format!("198.51.100.{n}"));
        answers.push(request.send().await.expect("an answer").status().as_u16());
    }
    answers
}
