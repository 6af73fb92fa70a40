//! Days as people say them, UTC.

use std::{fmt, str::FromStr};

use jiff::{civil::Date, tz::TimeZone};

use crate::{
    catalog::{DAY, Millis, date_of},
    ids::Malformed,
};

/// Years in which somebody may wear a watch.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2099;

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    start: Millis,
}

impl Day {
    /// Its first moment.
    #[must_use]
    pub fn start(self) -> Millis {
        self.start
    }

    /// The first moment behind it.
    #[must_use]
    pub fn end(self) -> Millis {
        self.start + DAY
    }

    /// The day that holds a moment.
    #[must_use]
    pub fn of(moment: Millis) -> Self {
        Self { start: moment.div_euclid(DAY) * DAY }
    }
}

impl FromStr for Day {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("not a day: write one of the years 2000 to 2099 as in 2026-11-20");
        // Anything longer is a time of day, which would be lost.
        let date = Some(text.trim()).filter(|text| text.len() == 10).and_then(|text| text.parse::<Date>().ok());
        let date = date.filter(|date| YEARS.contains(&date.year())).ok_or(malformed.clone())?;
        let start = date.to_zoned(TimeZone::UTC).map_err(|_| malformed)?.timestamp();
        Ok(Self { start: start.as_millisecond() })
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        date_of(self.start).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_and_written() {
        let day: Day = " 2026-02-28 ".parse().expect("a day");
        assert_eq!((day.to_string().as_str(), Day::of(day.end()).to_string().as_str()), ("2026-02-28", "2026-03-01"));
        assert_eq!((Day::of(day.end() - 1), Day::of(day.start())), (day, day));
        for bad in [
            "",
            "soon",
            "2026-02-29",
            "2026-13-01",
            "26-01-01",
            "1999-12-31",
            "2100-01-01",
            "0001-01-01",
            "2026-02-28T10:00",
            "-002026-02-28",
        ] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
    }
}
