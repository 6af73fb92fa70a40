//! The day on which the disk will be full, if it goes on as in the last days.

use super::Recordings;
use crate::catalog::{Arrivals, CatalogError, DAY, Millis};

/// How many days are looked at: a whole week, since watches rest on Sundays.
const WEEK: Millis = 7 * DAY;
/// A file lies on the disk twice: by itself, and in the zip of its dataset.
const COPIES: u64 = 2;

impl Recordings {
    /// When `free` bytes will be used up; `None` if nothing came in during the last week.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn full_at(&self, free: u64) -> Result<Option<Millis>, CatalogError> {
        let now = self.catalog.now();
        Ok(extrapolate(&self.catalog.arrivals(now - WEEK).await?, free, now))
    }
}

/// Today counts as the part of a day that it is; a study that began a few days ago is not thinned out over a week.
fn extrapolate(arrivals: &[Arrivals], free: u64, now: Millis) -> Option<Millis> {
    let first = arrivals.first()?;
    let span = u64::try_from((now - first.day).max(DAY)).ok()?;
    let bytes: u64 = arrivals.iter().map(|day| day.bytes * COPIES).sum();
    let left = u128::from(free) * u128::from(span) / u128::from(bytes.max(1));
    Millis::try_from(left).ok().and_then(|left| now.checked_add(left)).filter(|_| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn day(number: i64, gib: u64) -> Arrivals {
        Arrivals { day: number * DAY, files: 1, bytes: gib * GIB }
    }

    #[test]
    fn a_disk_fills_as_fast_as_in_the_last_days() {
        // 1 GiB a day for six days, each kept twice: 100 GiB last for 50 days.
        let week: Vec<_> = (100..106).map(|number| day(number, 1)).collect();
        assert_eq!(extrapolate(&week, 100 * GIB, 106 * DAY), Some(156 * DAY));
        // One that began an hour ago has shown an hour, and that is taken for a day.
        assert_eq!(extrapolate(&[day(100, 5)], 100 * GIB, 100 * DAY + DAY / 24), Some(110 * DAY + DAY / 24));
    }

    #[test]
    fn without_arrivals_there_is_no_day() {
        assert_eq!(extrapolate(&[], GIB, 100 * DAY), None);
        assert_eq!(extrapolate(&[day(99, 0)], GIB, 100 * DAY), None);
        assert_eq!(extrapolate(&[Arrivals { day: 0, files: 1, bytes: 1 }], u64::MAX, DAY), None);
    }
}
