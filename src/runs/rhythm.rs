//! When a device is silent: how long it may bring nothing before somebody should look.

use std::time::Duration;

use crate::{catalog::Millis, config::MissingConfig};

const HOUR: Millis = 60 * 60 * 1000;
/// What comes in within so long is one session: a watch on its charger.
const SESSION: Millis = 6 * HOUR;
/// Fewer sessions are no rhythm.
const FEWEST: usize = 3;
/// What is usual where there is no rhythm.
const UNKNOWN: Millis = 72 * HOUR;
/// A night and a bit: nobody is told of less.
const SHORTEST: Millis = 26 * HOUR;
const LONGEST: Millis = 14 * 24 * HOUR;

/// How long a device may be silent: as somebody said for it, else as the settings say, else as is usual for it.
#[must_use]
pub fn allowed_silence(device_hours: Option<i64>, settings: &MissingConfig, usual: Millis) -> Millis {
    let settings = settings.silent().map(to_millis);
    device_hours.map(|hours| hours.saturating_mul(HOUR)).or(settings).unwrap_or(usual)
}

/// How long a silence is usual for a device whose datasets arrived at these times: twice the gap between two sessions that nine
/// of ten do not exceed.
#[must_use]
pub fn usual_silence(arrivals: &[Millis]) -> Millis {
    let mut arrivals = arrivals.to_vec();
    arrivals.sort_unstable();
    let apart = arrivals.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    let mut gaps: Vec<_> = apart.filter(|gap| *gap >= SESSION).collect();
    if gaps.len() + 1 < FEWEST {
        return UNKNOWN;
    }
    gaps.sort_unstable();
    let longest_usual = gaps[(gaps.len() * 9).div_ceil(10) - 1];
    longest_usual.saturating_mul(2).clamp(SHORTEST, LONGEST)
}

pub(super) fn to_millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::DAY;

    /// Two datasets an hour apart at each of these hours.
    fn sessions(hours: impl IntoIterator<Item = i64>) -> Vec<Millis> {
        hours.into_iter().flat_map(|hour| [hour * HOUR, (hour + 1) * HOUR]).collect()
    }

    #[test]
    fn a_device_that_comes_each_night_is_silent_after_two() {
        assert_eq!(usual_silence(&sessions((0..30).map(|day| day * 24))), 46 * HOUR);
    }

    #[test]
    fn a_device_that_comes_each_week_is_silent_after_a_fortnight() {
        assert_eq!(usual_silence(&sessions((0..5).map(|week| week * 7 * 24))), LONGEST - 2 * HOUR);
        assert_eq!(usual_silence(&sessions((0..5).map(|month| month * 30 * 24))), LONGEST);
    }

    #[test]
    fn a_device_that_comes_all_the_time_has_a_night_and_a_bit() {
        assert_eq!(usual_silence(&sessions((0..30).map(|at| at * 8))), SHORTEST);
    }

    #[test]
    fn one_long_pause_among_many_is_not_usual() {
        let daily = (0..20).map(|day| day * 24);
        let with_a_holiday = daily.chain((40..50).map(|day| day * 24));
        assert_eq!(usual_silence(&sessions(with_a_holiday)), 46 * HOUR);
    }

    #[test]
    fn without_a_rhythm_it_is_three_days() {
        for hours in [vec![], vec![0], vec![0, 24], vec![0, 3, 6, 9, 12]] {
            assert_eq!(usual_silence(&sessions(hours.clone())), 3 * DAY, "{hours:?}");
        }
        assert_ne!(usual_silence(&sessions([0, 24, 48])), 3 * DAY);
    }

    #[test]
    fn a_person_is_heard_before_the_settings_and_they_before_the_rhythm() {
        let usual = 46 * HOUR;
        let (none, some) = (MissingConfig::default(), MissingConfig { silent_hours: 5, ..MissingConfig::default() });
        assert_eq!(allowed_silence(Some(100), &some, usual), 100 * HOUR);
        assert_eq!(allowed_silence(None, &some, usual), 5 * HOUR);
        assert_eq!(allowed_silence(None, &none, usual), 46 * HOUR);
    }

    proptest! {
        #[test]
        fn what_is_usual_is_between_a_night_and_a_fortnight(arrivals: Vec<i64>) {
            prop_assert!((SHORTEST..=LONGEST).contains(&usual_silence(&arrivals)));
        }
    }
}
