//! How long many answers took.

use std::time::Duration;

use crate::sample::figure;

/// Milliseconds, the shortest first.
#[derive(Default)]
pub struct Times(Vec<f64>);

impl Times {
    pub fn at(&self, percent: usize) -> f64 {
        let place = self.0.len() * percent / 100;
        self.0.get(place.min(self.0.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    /// The median, what ninety-nine of a hundred were quicker than, the longest.
    pub fn cells(&self) -> [String; 3] {
        [50, 99, 100].map(|percent| figure(self.at(percent)))
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut times: Vec<_> = times.into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_unstable_by(f64::total_cmp);
        Self(times)
    }
}
