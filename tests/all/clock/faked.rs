//! The clock that the other tests here step: the program follows it at once.

use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::support::{FakeClock, Program};

/// 2031-06-15.
const IN_2031: u64 = 1_939_248_000;

#[tokio::test]
async fn the_program_follows_a_clock_that_is_stepped_while_it_runs() {
    let folder = TempDir::new().expect("a folder");
    let clock = FakeClock::in_folder(folder.path());
    let program = Program::in_folder(folder.path()).clock(&clock).start();
    let researcher = program.researcher();
    let seconds = async || researcher.json("/api/v1/clock").await["clock"].as_u64().expect("a time") / 1000;
    for wrong in [IN_2031, 1000] {
        clock.set_to(wrong);
        assert!((wrong..wrong + 600).contains(&seconds().await), "{wrong}");
    }
    clock.set_ahead(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
    assert!((now..now + 600).contains(&seconds().await));
}
