//! A calendar of a device's recordings: a row a day (UTC), a cell an hour.

use crate::catalog::{DAY, Millis, RunSpan};

const HOUR: Millis = 60 * 60 * 1000;
/// No calendar is longer, whatever is asked for.
const MOST_DAYS: usize = 366;

/// What was recorded within an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hour {
    /// How many datasets touch it.
    pub datasets: u32,
    /// Bytes: those of each dataset are spread evenly over its time.
    pub bytes: u64,
}

/// What was recorded within a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// When it began.
    pub begin: Millis,
    /// Its hours, from midnight.
    pub hours: [Hour; 24],
}

impl Day {
    /// Bytes of the day.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.hours.iter().map(|hour| hour.bytes).sum()
    }
}

/// The days from that of `from` to that of `to`, each of them, with what was recorded. A dataset without an end touches the hour
/// of its start.
#[must_use]
pub fn calendar(from: Millis, to: Millis, recorded: &[RunSpan]) -> Vec<Day> {
    let first = from.div_euclid(DAY);
    let days = (first..=to.div_euclid(DAY)).take(MOST_DAYS);
    let mut days: Vec<_> = days.map(|day| Day { begin: day.saturating_mul(DAY), hours: [Hour::default(); 24] }).collect();
    for dataset in recorded {
        add(&mut days, dataset);
    }
    days
}

fn add(days: &mut [Day], dataset: &RunSpan) {
    let Some(begin) = days.first().map(|day| day.begin) else { return };
    let hours_shown = days.len() * 24;
    let start = dataset.started_at;
    let end = dataset.ended_at.filter(|end| *end > start);
    // The hour in which the last moment lies.
    let last = end.map_or(start, |end| end - 1);
    let hour_of = |at: Millis| at.saturating_sub(begin).div_euclid(HOUR);
    for at in hour_of(start).max(0)..=hour_of(last) {
        let Some(at) = usize::try_from(at).ok().filter(|at| *at < hours_shown) else { return };
        let from = begin.saturating_add(Millis::try_from(at).unwrap_or(0) * HOUR);
        let hour = &mut days[at / 24].hours[at % 24];
        hour.datasets += 1;
        hour.bytes += match end {
            // What came up to the end of the hour, without what came before: so that no byte is lost in rounding.
            Some(end) => share(dataset, end, from.saturating_add(HOUR)) - share(dataset, end, from),
            None => dataset.bytes,
        };
    }
}

/// How many of a dataset's bytes were recorded before `at`.
fn share(dataset: &RunSpan, end: Millis, at: Millis) -> u64 {
    let part = at.clamp(dataset.started_at, end).abs_diff(dataset.started_at);
    let all = end.abs_diff(dataset.started_at);
    u64::try_from(u128::from(dataset.bytes) * u128::from(part) / u128::from(all.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ids::DatasetId, runs::start::at};

    fn recorded(started_at: Millis, ended_at: Option<Millis>, bytes: u64) -> RunSpan {
        RunSpan { uuid: DatasetId::random(), started_at, ended_at, bytes }
    }

    /// The hours that hold something: day, hour, datasets, bytes.
    fn touched(days: &[Day]) -> Vec<(usize, usize, u32, u64)> {
        let hours = days.iter().enumerate().flat_map(|(day, hours)| hours.hours.iter().enumerate().map(move |(at, hour)| (day, at, hour)));
        hours.filter(|(.., hour)| hour.datasets > 0).map(|(day, at, hour)| (day, at, hour.datasets, hour.bytes)).collect()
    }

    #[test]
    fn each_day_is_there_also_an_empty_one() {
        let days = calendar(at(20, 9, 20), at(22, 0, 0), &[]);
        assert_eq!(days.iter().map(|day| day.begin).collect::<Vec<_>>(), [at(20, 0, 0), at(21, 0, 0), at(22, 0, 0)]);
        assert!(touched(&days).is_empty());
        assert!(calendar(at(22, 0, 0), at(20, 0, 0), &[]).is_empty());
        assert_eq!(calendar(0, Millis::MAX, &[]).len(), 366);
    }

    #[test]
    fn a_dataset_touches_the_hours_of_its_time() {
        let over_midnight = recorded(at(20, 22, 30), Some(at(21, 1, 0)), 500);
        let days = calendar(at(20, 0, 0), at(21, 0, 0), &[over_midnight]);
        assert_eq!(touched(&days), [(0, 22, 1, 100), (0, 23, 1, 200), (1, 0, 1, 200)]);
        assert_eq!((days[0].bytes(), days[1].bytes()), (300, 200));
    }

    #[test]
    fn a_dataset_without_an_end_touches_the_hour_of_its_start() {
        let days = calendar(at(20, 0, 0), at(20, 0, 0), &[recorded(at(20, 9, 59), None, 7), recorded(at(20, 9, 0), Some(at(20, 9, 0)), 8)]);
        assert_eq!(touched(&days), [(0, 9, 2, 15)]);
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let around = recorded(at(19, 0, 0), Some(at(22, 0, 0)), 72);
        let days = calendar(at(20, 0, 0), at(20, 0, 0), &[around, recorded(at(19, 23, 0), None, 9), recorded(at(21, 0, 0), None, 9)]);
        assert_eq!(touched(&days), (0..24).map(|hour| (0, hour, 1, 1)).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(start in 0..20 * DAY, length in 0..14 * DAY, bytes in 0..u64::MAX) {
            let days = calendar(0, 40 * DAY, &[recorded(start, Some(start + length), bytes)]);
            prop_assert_eq!(days.iter().map(Day::bytes).sum::<u64>(), bytes);
        }

        #[test]
        fn no_time_is_too_odd(from: i64, to: i64, start: i64, end: Option<i64>) {
            let _ = calendar(from, to, &[recorded(start, end, 1)]);
        }
    }
}
