//! The clock that the other tests here step: the program follows it, and only its wall clock does.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{FakeClock, Program, until};

/// 2031-06-15.
const IN_2031: u64 = 1_939_248_000;

#[tokio::test]
async fn the_program_follows_a_clock_that_is_stepped_while_it_runs() {
    let folder = TempDir::new().expect("a folder");
    let clock = FakeClock::in_folder(folder.path());
    let program = Program::in_folder(folder.path()).clock(&clock).start();
    let date = async || {
        let response = reqwest::get(format!("http://{}/healthz", program.address)).await.expect("a response");
        response.headers()["date"].to_str().expect("text").to_owned()
    };
    assert!(!date().await.contains("2031"));
    let began = Instant::now();
    clock.set_to(IN_2031);
    until("the server's date is in 2031", async || date().await.contains("2031")).await;
    clock.set_to(0);
    until("the server's date is in 1970", async || date().await.contains("1970")).await;
    assert!(began.elapsed() < Duration::from_secs(30), "its timers do not follow");
}
