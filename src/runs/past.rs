//! What is known of each device's past, read anew only where something has come: the runs of a study are many.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{Gap, gaps, usual_silence};
use crate::{
    catalog::{Catalog, CatalogError, Millis},
    ids::{DatasetId, DeviceId},
};

/// The rhythm of a device is that of its latest datasets.
const LATEST: u32 = 200;
/// No more datasets of a device are looked at for one that stopped in the middle.
const MOST_OPEN: u32 = 1000;
/// What nobody marks is noticed behind this time: a dataset that was taken out of the trash.
const OLD: Duration = Duration::from_secs(60 * 60);

/// What is known of a device's past.
pub(super) struct DevicePast {
    /// How long a silence is usual.
    pub(super) usual_silence: Millis,
    /// The runs that never came.
    pub(super) gaps: Vec<Gap>,
    /// Its datasets that may have stopped in the middle.
    pub(super) open: Vec<DatasetId>,
}

/// The pasts of all devices.
#[derive(Default)]
pub(super) struct Past {
    devices: HashMap<DeviceId, DevicePast>,
    since: Option<Instant>,
}

impl Past {
    /// Forgets what is old.
    pub(super) fn forget_old(&mut self, now: Instant) {
        let is_old = |since: Instant| now.saturating_duration_since(since) > OLD;
        if self.since.is_none_or(is_old) {
            self.devices.clear();
            self.since = Some(now);
        }
    }

    /// Forgets the pasts of devices of which something came or went.
    pub(super) fn forget_devices(&mut self, touched: impl IntoIterator<Item = DeviceId>) {
        for device in touched {
            self.devices.remove(&device);
        }
    }

    /// The past of a device.
    pub(super) async fn of(&mut self, catalog: &Catalog, device: DeviceId) -> Result<&DevicePast, CatalogError> {
        let past = match self.devices.remove(&device) {
            Some(past) => past,
            None => DevicePast {
                usual_silence: usual_silence(&catalog.arrived(device, LATEST).await?),
                gaps: gaps(&catalog.runs_of(device).await?),
                open: catalog.without_meta_info(device, MOST_OPEN).await?,
            },
        };
        Ok(self.devices.entry(device).or_insert(past))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::made::Made;

    #[tokio::test]
    async fn a_past_is_read_anew_where_something_came_and_once_an_hour() {
        let made = Made::new().await;
        let (one, other) = (made.device("kitchen[1]").await, made.device("kitchen[2]").await);
        let (mut past, now) = (Past::default(), Instant::now());
        past.forget_old(now);
        for device in [one, other] {
            assert!(past.of(&made.catalog, device).await.expect("a past").gaps.is_empty());
            made.dataset(device).await;
            made.dataset(device).await;
        }
        made.change("UPDATE datasets SET started_at = number * 10, run_number = number * 3").await;
        past.forget_old(now + OLD);
        past.forget_devices([one]);
        let mut known = Vec::new();
        for device in [one, other] {
            known.push(past.of(&made.catalog, device).await.expect("a past").gaps.len());
        }
        assert_eq!(known, [1, 0]);
        past.forget_old(now + OLD + Duration::from_secs(1));
        assert_eq!(past.of(&made.catalog, other).await.expect("a past").gaps.len(), 1);
    }
}
