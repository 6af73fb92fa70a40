//! The clock of the server: which time it uses, also where the machine's wall clock is wrong.
//!
//! Everything that is recorded, shown or due asks this clock. Nothing else asks the wall clock.

mod timeline;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};

pub use timeline::{Correction, Fault, RELEASED, Reading, StoredTime, Timeline, is_confirmed_by};

/// A time: milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// An hour of them.
pub const HOUR: Millis = 60 * 60 * 1000;

/// A day of them.
pub const DAY: Millis = 24 * HOUR;

/// The day that holds a moment (UTC); that of 1970-01-01 where there is none so far away.
#[must_use]
pub fn date_of(at: Millis) -> jiff::civil::Date {
    jiff::Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Where readings come from: the machine, or a test.
pub type Source = Arc<dyn Fn() -> Reading + Send + Sync>;

/// What both clocks of this machine say.
#[must_use]
pub fn machine() -> Reading {
    // Unlike CLOCK_MONOTONIC, which `Instant` reads, this one counts the time during which the machine is suspended.
    let elapsed = clock_gettime(ClockId::Boottime);
    Reading { wall: jiff::Timestamp::now().as_millisecond(), elapsed: elapsed.tv_sec * 1000 + elapsed.tv_nsec / 1_000_000 }
}

/// The clock. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    source: Source,
    timeline: Arc<Mutex<Timeline>>,
}

/// What a person should know of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStatus {
    /// What the wall clock says.
    pub wall: Millis,
    /// The time that the server uses.
    pub now: Millis,
    /// The newest time of the wall clock that was trusted, if any ever was.
    pub newest: Option<Millis>,
    /// Whether the server uses the wall clock. Else nothing is erased and nothing expires before both times say so.
    pub is_trusted: bool,
    /// What is wrong with the wall clock. Not trusted and without a fault, it is about to be trusted.
    pub fault: Option<Fault>,
}

impl Clock {
    /// A clock that goes on from what was stored.
    #[must_use]
    pub fn new(stored: Option<StoredTime>, source: Source) -> Self {
        let timeline = Timeline::new(stored, source());
        Self { source, timeline: Arc::new(Mutex::new(timeline)) }
    }

    /// The time to record, and to show.
    #[must_use]
    pub fn now(&self) -> Millis {
        let (timeline, reading) = self.observe();
        timeline.now(reading)
    }

    /// A time that has certainly been reached. Whether something is due that cannot be undone must be decided by this one.
    #[must_use]
    pub fn proven_now(&self) -> Millis {
        let (timeline, reading) = self.observe();
        timeline.proven_now(reading)
    }

    /// What a person should know.
    #[must_use]
    pub fn status(&self) -> ClockStatus {
        let (timeline, reading) = self.observe();
        ClockStatus {
            wall: reading.wall,
            now: timeline.now(reading),
            newest: timeline.newest(),
            is_trusted: timeline.is_trusted(),
            fault: timeline.fault(reading),
        }
    }

    /// How it is at this moment, and the reading that says so.
    #[must_use]
    pub fn observe(&self) -> (Timeline, Reading) {
        // Read while locked, so that no older reading is observed after a newer one.
        let mut timeline = self.lock();
        let reading = (self.source)();
        timeline.observe(reading);
        (*timeline, reading)
    }

    /// Uses the wall clock from a reading on. Recorded times must have been corrected before.
    pub fn trust(&self, reading: Reading) {
        self.lock().trust(reading);
    }

    fn lock(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
