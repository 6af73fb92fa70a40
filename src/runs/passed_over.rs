//! Datasets that could not be described: they are passed over until they change, and for a while, since what failed may pass.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{catalog::ToDescribe, ids::DatasetId};

/// They are tried again behind this time.
const WHILE: Duration = Duration::from_secs(10 * 60);

/// The datasets that are passed over, each with the count of its changes then.
#[derive(Default)]
pub(super) struct PassedOver(HashMap<DatasetId, (i64, Instant)>);

impl PassedOver {
    /// Passes one over from now on.
    pub(super) fn put(&mut self, dataset: &ToDescribe, now: Instant) {
        self.0.insert(dataset.uuid, (dataset.changes, now));
    }

    /// Whether a dataset is passed over as it is.
    pub(super) fn holds(&self, dataset: &ToDescribe) -> bool {
        self.0.get(&dataset.uuid).is_some_and(|(changes, _)| *changes == dataset.changes)
    }

    /// Forgets those that are to be tried again; so one that was erased is not kept, either.
    pub(super) fn forget_old(&mut self, now: Instant) {
        self.0.retain(|_, (_, since)| now.saturating_duration_since(*since) < WHILE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_passed_over_until_it_changes_and_not_for_ever() {
        let (mut passed_over, now) = (PassedOver::default(), Instant::now());
        let dataset = ToDescribe { uuid: DatasetId::random(), number: 1, changes: 3 };
        assert!(!passed_over.holds(&dataset));
        passed_over.put(&dataset, now);
        assert!(passed_over.holds(&dataset) && !passed_over.holds(&ToDescribe { changes: 4, ..dataset }));
        passed_over.forget_old(now + WHILE / 2);
        assert!(passed_over.holds(&dataset));
        passed_over.forget_old(now + WHILE);
        assert!(!passed_over.holds(&dataset));
    }
}
