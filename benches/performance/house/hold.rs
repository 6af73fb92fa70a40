//! Rolls that wait, so that uploads are measured without them, or one roll without the others.
//!
//! No setting turns rolling off. But with `zip.rolls_at_once: 1` there is one place for a roll, and one that reads a pipe into which
//! nobody writes keeps it without using CPU. Everything else goes on: marks are made, and wait.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};

use super::Running;
use crate::client::Dataset;

/// What the config must say.
pub const ONE_PLACE: &str = "zip:\n  rolls_at_once: 1\n  wait_seconds: 3600\n";

/// While this is there, no zip is rolled.
pub struct Hold {
    pipe: PathBuf,
}

impl Running<'_> {
    /// Takes the one place for rolls, with a dataset that is used for nothing else.
    pub fn hold_rolls(&self, dataset: &Dataset) -> Hold {
        let layout = self.house.layout();
        let id = dataset.uuid.parse().expect("a uuid");
        let pipe = layout.root().join("recordings").join(&dataset.uuid).join("pipe.zip");
        let before = self.rolls().published;
        self.bring(dataset, "pipe.zip", b"1");
        // The house looks at a dataset a second after its first file.
        fs::remove_file(&pipe).expect("it was stored");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let deadline = Instant::now() + Duration::from_secs(20);
        while !layout.rolling(id).exists() {
            assert!(Instant::now() < deadline && self.rolls().published <= before, "the roll did not wait for the pipe");
            std::thread::sleep(Duration::from_millis(20));
        }
        Hold { pipe }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // The one who reads finds the end, calls the file damaged, and gives its place to the next. Nobody may be left who reads.
        drop(open(&self.pipe, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()));
    }
}
