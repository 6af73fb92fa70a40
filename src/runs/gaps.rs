//! Which runs of a device never came: numbers that are skipped between two that did.

use std::{collections::BTreeSet, ops::Range};

use crate::{
    catalog::{DAY, Millis, NumberedRun},
    ids::DatasetId,
};

/// A clock that is off is rarely off by more.
const DAYS: Millis = 3 * DAY;
/// No more runs are looked at on each side of a gap.
const MOST_AROUND: usize = 100;

/// No more gaps are kept of a device: numbers that a device makes up can have two hundred between any two of its runs.
const MOST_GAPS: usize = 10_000;

/// Numbers of runs that are missing in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The run behind them: they lie before it.
    pub before: DatasetId,
    /// The first number that is missing.
    pub first: i64,
    /// The last one.
    pub last: i64,
}

/// The gaps in the runs of one device, oldest first, at most 10,000. A number that falls begins a new sequence: the app was installed again. A run
/// whose start nobody knows is missed nowhere, for it may lie anywhere; one that came within days of a gap is not missed there, for
/// its clock may have been off.
#[must_use]
pub fn gaps(runs: &[NumberedRun]) -> Vec<Gap> {
    let mut ordered: Vec<_> = runs.iter().filter_map(|run| Some((run.started_at?, run.number, run.uuid))).collect();
    ordered.sort_unstable();
    let adrift: BTreeSet<_> = runs.iter().filter(|run| run.started_at.is_none()).map(|run| run.number).collect();
    let mut gaps = Vec::new();
    for (index, pair) in ordered.windows(2).enumerate() {
        let ((_, one, _), (_, other, before)) = (pair[0], pair[1]);
        let Some(first) = one.checked_add(1).filter(|first| *first < other) else { continue };
        let mut here = around(&ordered, index, first..other);
        here.extend(adrift.range(first..other));
        push_missing(&mut gaps, first..other, before, &here);
        if gaps.len() >= MOST_GAPS {
            gaps.truncate(MOST_GAPS);
            gaps.shrink_to_fit();
            break;
        }
    }
    gaps
}

/// Those of the numbers that runs have which started within days of the two that begin at `index`.
fn around(ordered: &[(Millis, i64, DatasetId)], index: usize, numbers: Range<i64>) -> BTreeSet<i64> {
    let (earliest, latest) = (ordered[index].0.saturating_sub(DAYS), ordered[index + 1].0.saturating_add(DAYS));
    let before = ordered[..index].iter().rev().take(MOST_AROUND).take_while(|run| run.0 >= earliest);
    let behind = ordered[index + 2..].iter().take(MOST_AROUND).take_while(|run| run.0 <= latest);
    before.chain(behind).map(|run| run.1).filter(|number| numbers.contains(number)).collect()
}

/// What is missing of the numbers, where some are here.
fn push_missing(gaps: &mut Vec<Gap>, numbers: Range<i64>, before: DatasetId, here: &BTreeSet<i64>) {
    let Range { start: mut first, end } = numbers;
    for &here in here {
        if first < here {
            gaps.push(Gap { before, first, last: here - 1 });
        }
        first = here + 1;
    }
    if first < end {
        gaps.push(Gap { before, first, last: end - 1 });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn uuid(at: i64) -> DatasetId {
        format!("00000000-0000-4000-8000-{at:012}").parse().expect("a uuid")
    }

    /// Runs that started one behind the other.
    fn runs(numbers: &[i64]) -> Vec<NumberedRun> {
        let run = |(at, &number): (i64, &i64)| NumberedRun { uuid: uuid(at), started_at: Some(at), number };
        (0..).zip(numbers).map(run).collect()
    }

    fn missing(runs: &[NumberedRun]) -> Vec<(i64, i64)> {
        gaps(runs).iter().map(|gap| (gap.first, gap.last)).collect()
    }

    #[test]
    fn a_number_that_is_skipped_is_missing_before_the_next() {
        assert_eq!(gaps(&runs(&[6, 8, 9, 13])), [Gap { before: uuid(1), first: 7, last: 7 }, Gap { before: uuid(3), first: 10, last: 12 }]);
        assert_eq!(missing(&runs(&[])), []);
        assert_eq!(missing(&runs(&[6])), []);
    }

    #[test]
    fn numbers_that_fall_begin_anew_and_those_that_repeat_are_two_parts_of_a_run() {
        assert_eq!(missing(&runs(&[6, 7, 7, 8])), []);
        assert_eq!(missing(&runs(&[6, 8, 0, 1, 3])), [(7, 7), (2, 2)]);
        assert_eq!(missing(&runs(&[9, 3, 4])), []);
    }

    #[test]
    fn a_run_that_comes_late_fills_its_gap() {
        let mut runs = runs(&[5, 9]);
        assert_eq!(missing(&runs), [(6, 8)]);
        runs[1].started_at = Some(10);
        runs.push(NumberedRun { uuid: uuid(7), started_at: Some(5), number: 7 });
        assert_eq!(missing(&runs), [(6, 6), (8, 8)]);
    }

    #[test]
    fn a_run_without_a_start_is_not_missing() {
        let mut runs = runs(&[5, 9, 12]);
        for number in [6, 8, 20] {
            runs.push(NumberedRun { uuid: uuid(7), started_at: None, number });
        }
        assert_eq!(missing(&runs), [(7, 7), (10, 11)]);
    }

    #[test]
    fn a_run_whose_clock_was_off_is_not_missing() {
        assert_eq!(missing(&runs(&[7, 5, 6, 8])), []);
        assert_eq!(missing(&runs(&[5, 6, 8, 7, 9])), []);
        let mut far = runs(&[7, 5, 6, 8]);
        far[0].started_at = Some(-4 * DAY);
        assert_eq!(missing(&far), [(7, 7)], "another sequence");
    }

    #[test]
    fn numbers_that_are_far_apart_take_no_time() {
        assert_eq!(missing(&runs(&[0, i64::MAX])), [(1, i64::MAX - 1)]);
        assert_eq!(missing(&runs(&[i64::MAX, i64::MAX])), []);
    }

    #[test]
    fn numbers_that_a_device_makes_up_are_told_up_to_a_bound() {
        // Each low run before a high one, with all others of the last days between their numbers.
        let numbers: Vec<_> = (0..2000).map(|at| if at % 2 == 0 { at } else { 1_000_000 - at * 2 }).collect();
        assert_eq!(gaps(&runs(&numbers)).len(), MOST_GAPS);
    }

    proptest! {
        #[test]
        fn of_a_growing_sequence_exactly_what_is_left_out_is_missing(kept in prop::collection::vec(any::<bool>(), 1..60)) {
            let numbers: Vec<i64> = (0..).zip(&kept).filter(|(_, kept)| **kept).map(|(number, _)| number).collect();
            let mut found = numbers.clone();
            found.extend(missing(&runs(&numbers)).into_iter().flat_map(|(first, last)| first..=last));
            found.sort_unstable();
            let all: Vec<_> = numbers.first().map_or(0..0, |first| *first..numbers[numbers.len() - 1] + 1).collect();
            prop_assert_eq!(found, all);
        }
    }
}
