//! When a run started: times as watches write them, and which of them can be true.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

use crate::catalog::{DAY, Millis};

const HOUR: Millis = 60 * 60 * 1000;

/// 2015-01-01: clocks that were never set say 1970 or 2000.
const EARLIEST: Millis = 1_420_070_400_000;

/// Reads a time as watches write it: ISO 8601, in UTC where it names no offset.
#[must_use]
pub fn read_time(text: &str) -> Option<Millis> {
    let text = text.trim();
    // A date alone says nothing about when.
    if !text.contains(':') {
        return None;
    }
    let in_utc = || text.parse::<DateTime>().ok().and_then(|time| Offset::UTC.to_timestamp(time).ok());
    text.parse::<Timestamp>().ok().or_else(in_utc).map(Timestamp::as_millisecond)
}

/// Which start can be true: the one that the metaInfo says, else that of the names. None where it is before 2015 or more than an
/// hour behind the arrival of the first file, and none where the two are more than a day apart: the clock was set in between,
/// and nobody knows when.
#[must_use]
pub fn plausible_start(meta_info: Option<Millis>, names: Option<Millis>, first_arrival: Millis) -> Option<Millis> {
    if let (Some(one), Some(other)) = (meta_info, names)
        && one.abs_diff(other) > DAY.unsigned_abs()
    {
        return None;
    }
    meta_info.or(names).filter(|&start| start >= EARLIEST && start <= first_arrival.saturating_add(HOUR))
}

/// The time of a civil date, for tests that tell a story.
#[cfg(test)]
pub(super) fn at(day: i8, hour: i8, minute: i8) -> Millis {
    let time = jiff::civil::date(2026, 11, day).at(hour, minute, 0, 0);
    Offset::UTC.to_timestamp(time).expect("a time").as_millisecond()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_read_however_a_watch_writes_it() {
        for text in [
            "2026-11-20T09:20+0000",
            "2026-11-20T09:20:00Z",
            "2026-11-20T09:20:00.000+0000",
            "2026-11-20T09:20:00",
            " 2026-11-20 09:20:00 ",
            "2026-11-20T10:20:00+01:00",
        ] {
            assert_eq!(read_time(text), Some(at(20, 9, 20)), "{text}");
        }
        for text in ["", "2026-11-20", "yesterday", "09:20", "2026-13-20T09:20Z", "2026-11-20T09:20+9900"] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn the_meta_info_is_asked_first_and_the_names_else() {
        let (meta_info, names, arrival) = (at(20, 9, 20), at(20, 9, 21), at(21, 0, 0));
        assert_eq!(plausible_start(Some(meta_info), Some(names), arrival), Some(meta_info));
        assert_eq!(plausible_start(None, Some(names), arrival), Some(names));
        assert_eq!(plausible_start(None, None, arrival), None);
    }

    #[test]
    fn a_clock_that_was_never_set_or_runs_ahead_is_not_believed() {
        let arrival = at(20, 12, 0);
        assert_eq!(plausible_start(read_time("1970-01-03T00:00Z"), None, arrival), None);
        assert_eq!(plausible_start(read_time("2014-12-31T23:59:59Z"), None, arrival), None);
        assert_eq!(plausible_start(read_time("2015-01-01T00:00Z"), None, arrival), Some(EARLIEST));
        assert_eq!(plausible_start(Some(at(20, 13, 0)), None, arrival), Some(at(20, 13, 0)));
        assert_eq!(plausible_start(Some(at(20, 13, 1)), None, arrival), None);
    }

    #[test]
    fn two_starts_that_are_more_than_a_day_apart_say_nothing() {
        let arrival = at(25, 0, 0);
        assert_eq!(plausible_start(Some(at(20, 9, 0)), Some(at(21, 9, 0)), arrival), Some(at(20, 9, 0)));
        assert_eq!(plausible_start(Some(at(20, 9, 0)), Some(at(21, 9, 1)), arrival), None);
        assert_eq!(plausible_start(Some(at(20, 9, 0)), read_time("1970-01-01T00:00Z"), arrival), None);
    }

    proptest! {
        #[test]
        fn no_text_and_no_number_is_too_odd(text in "\\PC*", one: Option<i64>, other: Option<i64>, arrival: i64) {
            let _ = read_time(&text);
            let start = plausible_start(one, other, arrival);
            prop_assert!(start.is_none() || start == one || start == other);
        }
    }
}
