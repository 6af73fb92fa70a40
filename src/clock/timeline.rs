//! Which time the server uses: the wall clock where that can be right, else its own time. Pure: readings come in, times go out.

use super::{DAY, HOUR, Millis};

/// 2026-11-21, the date of the last release: no instance of this program ran before, so a clock that says so is wrong.
pub const RELEASED: Millis = 1_795_219_200_000;

/// A clock may go back by so much: it was slow or fast, and is set right.
const TOLERATED_BACK: Millis = HOUR;
/// A clock may be ahead of what is known to have passed by so much: the server was switched off meanwhile.
const TOLERATED_AHEAD: Millis = 7 * DAY;

/// A process that was killed may have recorded right times for so long after it last stored one. They must not be corrected.
const UNSTORED: Millis = 90 * 1000;

/// What both clocks of the machine say at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock. It may be wrong, and it may be set to any other time.
    pub wall: Millis,
    /// Time since the machine started, suspended time included. Only its differences mean anything; they are right.
    pub elapsed: Millis,
}

/// Why the wall clock is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It says a time that was over already.
    Behind,
    /// It is much further than the time that is known to have passed.
    Ahead,
}

/// What outlives the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTime {
    /// The newest time of the wall clock that was trusted; none where none ever was.
    pub newest: Option<Millis>,
    /// What [`Timeline::now`] said when this was stored.
    pub reached: Millis,
    /// See [`Correction::from`].
    pub provisional_from: Option<Millis>,
}

/// How times must be corrected that were recorded while the wall clock was not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// They begin here.
    pub from: Millis,
    /// They are so much too early; too late, if negative.
    pub by: Millis,
    /// What the time is, now that it is trusted. No recorded time may be later.
    pub now: Millis,
}

/// The time that the server uses.
///
/// While the wall clock is trusted, that is the wall clock. From the first reading that cannot be right, the server's own time runs on
/// from the last trusted one with the elapsed time, until [`Timeline::trust`]: what was recorded meanwhile must be corrected first.
#[derive(Debug, Clone, Copy)]
pub struct Timeline {
    newest: Option<Millis>,
    /// A time that the server went by, and the elapsed time at that moment.
    reached: Reading,
    /// The first trusted reading of this process. The elapsed time since proves how late it is, whatever steps the wall clock makes.
    anchor: Reading,
    provisional_from: Option<Millis>,
}

impl Fault {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Ahead => "ahead",
        }
    }
}

impl Timeline {
    /// Goes on from what was stored; nothing is stored on a new instance.
    #[must_use]
    pub fn new(stored: Option<StoredTime>, reading: Reading) -> Self {
        let reached = match stored {
            None => RELEASED,
            Some(StoredTime { reached, provisional_from: None, .. }) => reached + UNSTORED,
            Some(StoredTime { reached, .. }) => reached,
        };
        let (newest, provisional_from) = stored.map_or((None, None), |stored| (stored.newest, stored.provisional_from));
        let reached = Reading { wall: reached, elapsed: reading.elapsed };
        let mut timeline = Self { newest, reached, anchor: reached, provisional_from };
        timeline.observe(reading);
        if timeline.is_trusted() {
            timeline.anchor = reading;
        }
        timeline
    }

    /// What is wrong with the wall clock, if anything can be told.
    #[must_use]
    pub fn fault(&self, reading: Reading) -> Option<Fault> {
        let earliest = self.newest.map_or(RELEASED, |newest| RELEASED.max(newest - TOLERATED_BACK));
        if reading.wall < earliest {
            return Some(Fault::Behind);
        }
        // An instance that never trusted its clock does not know how long it was switched off.
        let is_ahead = self.newest.is_some() && reading.wall > self.proven(reading) + TOLERATED_AHEAD;
        is_ahead.then_some(Fault::Ahead)
    }

    /// Takes note of a reading. The more of them, the smaller a step of the wall clock that is noticed.
    pub fn observe(&mut self, reading: Reading) {
        if self.provisional_from.is_some() {
            return;
        }
        if self.fault(reading).is_some() {
            self.provisional_from = Some(self.own(reading));
        } else {
            self.reached = reading;
            self.newest = self.newest.max(Some(reading.wall));
        }
    }

    /// The time to record, and to show.
    #[must_use]
    pub fn now(&self, reading: Reading) -> Millis {
        if self.is_trusted() { reading.wall } else { self.own(reading) }
    }

    /// A time that has certainly been reached: the earlier one of the wall clock's and the server's own. What cannot be undone is due
    /// only when this says so.
    #[must_use]
    pub fn proven_now(&self, reading: Reading) -> Millis {
        self.now(reading).min(reading.wall).min(self.proven(reading))
    }

    /// Whether the server uses the wall clock.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.provisional_from.is_none()
    }

    /// The newest time of the wall clock that was trusted.
    #[must_use]
    pub fn newest(&self) -> Option<Millis> {
        self.newest
    }

    /// How recorded times must be corrected before [`Timeline::trust`]; `None` while the server uses the wall clock.
    #[must_use]
    pub fn correction(&self, reading: Reading) -> Option<Correction> {
        self.provisional_from.map(|from| Correction { from, by: reading.wall - self.own(reading), now: reading.wall })
    }

    /// Uses the wall clock from now on, and forgets that it was ever later.
    pub fn trust(&mut self, reading: Reading) {
        *self = Self { newest: Some(reading.wall), reached: reading, anchor: reading, provisional_from: None };
    }

    /// What the next process must know.
    #[must_use]
    pub fn to_store(&self, reading: Reading) -> StoredTime {
        StoredTime { newest: self.newest, reached: self.now(reading), provisional_from: self.provisional_from }
    }

    /// The time that has passed for certain: small steps ahead must not add up to a large one.
    fn proven(&self, reading: Reading) -> Millis {
        self.anchor.wall + (reading.elapsed - self.anchor.elapsed)
    }

    /// The server's own time: what was reached, and what has elapsed since.
    fn own(&self, reading: Reading) -> Millis {
        self.reached.wall + (reading.elapsed - self.reached.elapsed)
    }
}

/// Whether the confirmation of a time that an operator saw on the wall clock is good for what the wall clock says now.
#[must_use]
pub fn is_confirmed_by(confirmed: Millis, wall: Millis) -> bool {
    wall >= RELEASED && (confirmed - TOLERATED_BACK..=confirmed + TOLERATED_AHEAD).contains(&wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Millis = 1000;
    /// A moment at which the wall clock is right.
    const START: Reading = Reading { wall: RELEASED + 100 * DAY, elapsed: 5 * DAY };

    impl Reading {
        /// After a time during which both clocks went right.
        fn after(self, time: Millis) -> Self {
            Self { wall: self.wall + time, elapsed: self.elapsed + time }
        }

        /// With the wall clock set forward, or back.
        fn stepped(self, by: Millis) -> Self {
            Self { wall: self.wall + by, ..self }
        }
    }

    /// One that trusts its clock.
    fn running() -> Timeline {
        let timeline = Timeline::new(None, START);
        assert!(timeline.is_trusted() && timeline.now(START) == START.wall);
        timeline
    }

    /// The next process, after the server was switched off for a time. The machine started anew, too.
    fn restarted(timeline: &Timeline, last: Reading, first: Reading) -> (Timeline, Reading) {
        let first = Reading { elapsed: 3 * SECOND, ..first };
        (Timeline::new(Some(timeline.to_store(last)), first), first)
    }

    #[test]
    fn the_date_of_the_last_release_is_that_in_the_changelog() {
        let dates = include_str!("../../CHANGELOG.md").lines().filter_map(|line| line.strip_prefix("## [")?.split_once("] - "));
        let (_, newest) = dates.into_iter().next().expect("a release");
        assert_eq!(crate::clock::date_of(RELEASED).to_string(), newest);
        assert_eq!(RELEASED % DAY, 0);
    }

    #[test]
    fn a_clock_that_is_adjusted_by_less_than_an_hour_is_followed() {
        let mut timeline = running();
        let mut reading = START;
        for adjusted in [-59 * 60 * SECOND, 2 * SECOND, 30 * 60 * SECOND, -SECOND] {
            reading = reading.after(HOUR).stepped(adjusted);
            timeline.observe(reading);
            assert!(timeline.is_trusted(), "{adjusted}");
            assert_eq!((timeline.now(reading), timeline.proven_now(reading)), (reading.wall, reading.wall));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_again_and_again_stays_trusted() {
        let mut timeline = running();
        let mut reading = START;
        for _ in 0..10_000 {
            reading = reading.after(HOUR).stepped(-2 * SECOND);
            timeline.observe(reading);
        }
        assert!(timeline.is_trusted());
    }

    #[test]
    fn a_clock_that_jumps_ahead_while_the_server_runs_makes_nothing_due() {
        let mut timeline = running();
        let wrong = START.after(5 * SECOND).stepped(400 * DAY);
        timeline.observe(wrong);
        assert_eq!((timeline.is_trusted(), timeline.fault(wrong)), (false, Some(Fault::Ahead)));
        let later = wrong.after(3 * DAY);
        timeline.observe(later);
        let own = START.wall + 5 * SECOND + 3 * DAY;
        assert_eq!((timeline.now(later), timeline.proven_now(later)), (own, own), "only what has passed");
        let right = later.stepped(-400 * DAY);
        timeline.observe(right);
        assert_eq!((timeline.is_trusted(), timeline.fault(right)), (false, None), "recorded times are corrected first");
        let correction = Correction { from: START.wall + 5 * SECOND, by: 0, now: right.wall };
        assert_eq!(timeline.correction(right), Some(correction), "its own time was right");
        timeline.trust(right);
        assert_eq!((timeline.is_trusted(), timeline.now(right)), (true, right.wall));
    }

    #[test]
    fn a_clock_that_jumps_back_while_the_server_runs_does_not_take_its_time_back() {
        let mut timeline = running();
        let wrong = Reading { wall: 0, ..START.after(SECOND) };
        timeline.observe(wrong);
        assert_eq!(timeline.fault(wrong), Some(Fault::Behind));
        let later = wrong.after(HOUR);
        assert_eq!(timeline.now(later), START.wall + SECOND + HOUR, "what is recorded is as late as it is");
        assert_eq!(timeline.proven_now(later), later.wall, "and nothing is due");
    }

    #[test]
    fn a_step_between_two_looks_is_seen_at_the_moment_of_the_next_question() {
        let mut timeline = running();
        let wrong = START.stepped(8 * DAY);
        timeline.observe(wrong);
        assert_eq!(timeline.proven_now(wrong), START.wall);
    }

    #[test]
    fn a_machine_that_was_suspended_for_months_needs_no_confirmation() {
        let mut timeline = running();
        let resumed = START.after(200 * DAY);
        timeline.observe(resumed);
        assert!(timeline.is_trusted() && timeline.now(resumed) == resumed.wall);
    }

    #[test]
    fn a_server_that_was_off_for_a_week_needs_no_confirmation_and_for_months_one() {
        let timeline = running();
        let (weekly, _) = restarted(&timeline, START, START.after(7 * DAY));
        assert!(weekly.is_trusted());
        let (mut timeline, mut reading) = restarted(&timeline, START, START.after(90 * DAY));
        assert_eq!((timeline.is_trusted(), timeline.fault(reading)), (false, Some(Fault::Ahead)));
        for _ in 0..3 {
            reading = reading.after(DAY);
            (timeline, reading) = restarted(&timeline, reading, reading.after(DAY));
            assert!(!timeline.is_trusted(), "until an operator confirms it");
        }
        assert!(is_confirmed_by(reading.wall, reading.wall));
        timeline.trust(reading);
        for _ in 0..3 {
            (timeline, reading) = restarted(&timeline, reading, reading.after(6 * DAY));
            assert!(timeline.is_trusted());
        }
    }

    #[test]
    fn time_that_was_recorded_before_a_restart_under_a_wrong_clock_is_not_corrected_to_an_earlier_one() {
        let timeline = running();
        let (first, began) = restarted(&timeline, START, Reading { wall: 0, elapsed: 0 });
        let recorded = first.now(began.after(HOUR));
        let (second, again) = restarted(&first, began.after(2 * HOUR), Reading { wall: 0, elapsed: 0 });
        assert_eq!(second.now(again), first.now(began.after(2 * HOUR)), "it goes on");
        // Off for a day at first, then for an hour between the two.
        let right = Reading { wall: START.wall + DAY + 4 * HOUR, elapsed: again.elapsed + HOUR };
        let Correction { from, by, .. } = second.correction(right).expect("to be corrected");
        let truly = START.wall + DAY + HOUR;
        assert!(recorded >= from && recorded + by >= truly, "{}", recorded + by - truly);
    }

    #[test]
    fn right_times_that_were_recorded_after_the_last_one_was_stored_are_not_corrected() {
        let killed = START.after(60 * SECOND);
        let (timeline, first) = restarted(&running(), START, START.after(90 * DAY));
        assert!(timeline.correction(first).expect("to be corrected").from > killed.wall);
    }

    #[test]
    fn a_jump_ahead_that_is_corrected_lasts_until_it_is_confirmed_or_over() {
        let mut timeline = running();
        let ahead = START.after(SECOND).stepped(6 * DAY);
        timeline.observe(ahead);
        assert!(timeline.is_trusted(), "a server that was off for a few days looks the same");
        let right = ahead.after(SECOND).stepped(-6 * DAY);
        timeline.observe(right);
        assert_eq!((timeline.is_trusted(), timeline.fault(right)), (false, Some(Fault::Behind)));
        assert_eq!(timeline.proven_now(right), right.wall, "nothing is due too early");
        let mut confirmed = timeline;
        confirmed.trust(right);
        let later = right.after(31 * DAY);
        confirmed.observe(later);
        assert_eq!((confirmed.is_trusted(), confirmed.newest()), (true, Some(later.wall)), "not blocked for six days");
        assert_eq!(timeline.fault(right.after(5 * DAY)), Some(Fault::Behind));
        assert_eq!(timeline.fault(right.after(6 * DAY)), None, "the time has passed");
    }

    #[test]
    fn what_was_recorded_while_the_server_was_ahead_is_corrected_back() {
        let mut timeline = running();
        timeline.observe(START.stepped(6 * DAY));
        let right = START.after(SECOND);
        timeline.observe(right);
        let later = right.after(HOUR);
        let recorded = timeline.now(later);
        let Correction { from, by, now } = timeline.correction(later).expect("to be corrected");
        assert!(recorded >= from);
        assert_eq!((recorded + by, now), (later.wall, later.wall));
    }

    #[test]
    fn a_new_instance_waits_for_a_clock_that_can_be_right_and_then_believes_it() {
        let wrong = Reading { wall: 1000, elapsed: 1000 };
        let mut timeline = Timeline::new(None, wrong);
        assert_eq!((timeline.is_trusted(), timeline.fault(wrong)), (false, Some(Fault::Behind)));
        assert_eq!(timeline.now(wrong.after(HOUR)), RELEASED + HOUR);
        let right = Reading { wall: RELEASED + 1000 * DAY, elapsed: 2 * HOUR };
        timeline.observe(right);
        assert_eq!(timeline.fault(right), None, "however far that is");
        let Correction { by, .. } = timeline.correction(right).expect("to be corrected");
        assert_eq!(RELEASED + HOUR + by, right.wall - (right.elapsed - HOUR - wrong.elapsed));
    }

    #[test]
    fn a_confirmation_is_good_for_the_confirmed_time_and_not_before_the_release() {
        assert!(!is_confirmed_by(0, 0));
        assert!(is_confirmed_by(START.wall, START.wall + 5 * SECOND));
        assert!(!is_confirmed_by(START.wall, START.wall + 8 * DAY));
        assert!(!is_confirmed_by(START.wall, START.wall - 2 * HOUR));
    }

    #[test]
    fn steps_ahead_do_not_add_up_to_more_than_one_may_be() {
        let (mut timeline, mut reading) = (running(), START);
        for _ in 0..2 {
            reading = reading.after(SECOND).stepped(4 * DAY);
            timeline.observe(reading);
        }
        assert_eq!(timeline.fault(reading), Some(Fault::Ahead));
        assert!(!timeline.is_trusted());
    }

    #[test]
    fn a_step_ahead_that_is_believed_makes_nothing_due_while_the_server_runs() {
        let mut timeline = running();
        let stepped = START.after(HOUR).stepped(3 * DAY);
        timeline.observe(stepped);
        assert!(timeline.is_trusted());
        assert_eq!((timeline.now(stepped), timeline.proven_now(stepped)), (stepped.wall, START.wall + HOUR));
    }
}
