//! The house under load, as a process of its own: many slow watches, wrong passwords, a hostile device, few file handles. None
//! of these tests judges a time: what was measured is printed. With WEARHOUSE_TEST_LARGE=1 they run in full size.

mod crowd;
mod handles;
mod hostile;
mod passwords;
mod slow_watches;

use std::time::Duration;

const MIB: u64 = 1 << 20;

fn is_large() -> bool {
    std::env::var_os("WEARHOUSE_TEST_LARGE").is_some()
}

fn median_and_worst(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let ms = |at: usize| times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    format!("{:.0} ms (median of {}), {:.0} ms at worst", ms(times.len() / 2), times.len(), ms(times.len().saturating_sub(1)))
}
