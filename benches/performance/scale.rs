//! How much is measured: all of it, or just enough to see that it works.

use std::time::Duration;

pub struct Scale {
    /// How often each thing is measured.
    pub rounds: usize,
    /// How long each server is sent files.
    pub upload: Duration,
    /// Files a connection, where it is about growth.
    pub growth_files: usize,
    /// Files that are stored before.
    pub levels: &'static [u32],
    /// Bytes of a zip that is downloaded or rolled, and of the text that is packed.
    pub zip: usize,
    pub text: usize,
    /// Files of 1 MB that come in one by one.
    pub trickle: usize,
    /// Small files in one dataset.
    pub small_files: usize,
    /// Slow watches, and how long each of them sends.
    pub watches: usize,
    pub slow: Duration,
}

pub const FULL: Scale = Scale {
    rounds: 3,
    upload: Duration::from_secs(4),
    growth_files: 1000,
    levels: &[0, 10_000, 100_000, 1_000_000],
    zip: 1 << 30,
    text: 256 << 20,
    trickle: 1440,
    small_files: 20_000,
    watches: 10_000,
    slow: Duration::from_secs(60),
};

pub const SMOKE: Scale = Scale {
    // Twice, as the second in a house begins otherwise than the first.
    rounds: 2,
    upload: Duration::from_millis(200),
    growth_files: 5,
    levels: &[0, 200],
    zip: 4 << 20,
    text: 1 << 20,
    trickle: 3,
    small_files: 50,
    watches: 20,
    slow: Duration::from_secs(1),
};
