//! A wall clock that a test sets and steps while the program runs (libfaketime). The monotonic clocks of the program stay real.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::house::ProgramBuilder;

/// Where Debian's `faketime` package puts the library for programs with threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// A wall clock in a file. Every program that was started with it follows the file at once.
pub struct FakeClock {
    offset: PathBuf,
}

impl FakeClock {
    /// A clock that is right, until it is set. Its file is in `folder`, and stays as it is if it is there already.
    pub fn in_folder(folder: &Path) -> Self {
        let clock = Self { offset: folder.join("clock-offset") };
        if !clock.offset.exists() {
            clock.set_ahead(0);
        }
        clock
    }

    /// Sets the clock so many seconds ahead of the real time; behind it, if negative.
    pub fn set_ahead(&self, seconds: i64) {
        let next = self.offset.with_extension("next");
        fs::write(&next, format!("{seconds:+}\n")).expect("written");
        // The program reads the file at any moment, and must find it whole.
        fs::rename(&next, &self.offset).expect("renamed");
    }

    /// Sets the clock to a time, in seconds since 1970. It runs on from there.
    pub fn set_to(&self, seconds: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        self.set_ahead(i64::try_from(seconds).expect("a time") - i64::try_from(now).expect("a time"));
    }

    /// What a program needs in its environment to follow this clock.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        vec![
            ("LD_PRELOAD", text(&library())),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.offset)),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Two names, for older and newer versions.
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            // The times of files are those of the kernel.
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }
}

impl ProgramBuilder {
    /// Runs the program by this clock.
    pub fn clock(self, clock: &FakeClock) -> Self {
        clock.environment().into_iter().fold(self, |builder, (key, value)| builder.env(key, &value))
    }
}

fn library() -> PathBuf {
    let places = fs::read_dir("/usr/lib").expect("a folder").filter_map(|entry| Some(entry.ok()?.path().join(LIBRARY)));
    places.into_iter().find(|library| library.exists()).expect("libfaketime; scripts/test installs it")
}
