//! Gates: whoever brings files to a dataset goes through, many at once; whoever erases one waits until they are through, and shuts it
//! for a moment.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::ids::DatasetId;

/// Datasets share gates: to wait a moment for somebody else's costs less than to keep one for each.
const GATES: usize = 64;

pub(super) struct Gates {
    hasher: RandomState,
    gates: [RwLock<()>; GATES],
}

impl Default for Gates {
    fn default() -> Self {
        Self { hasher: RandomState::new(), gates: std::array::from_fn(|_| RwLock::new(())) }
    }
}

impl Gates {
    /// Goes through, as soon as nobody shuts the gate.
    pub(super) async fn enter(&self, dataset: DatasetId) -> RwLockReadGuard<'_, ()> {
        self.of(dataset).read().await
    }

    /// Shuts the gate, as soon as everybody is through.
    pub(super) async fn shut(&self, dataset: DatasetId) -> RwLockWriteGuard<'_, ()> {
        self.of(dataset).write().await
    }

    fn of(&self, dataset: DatasetId) -> &RwLock<()> {
        let hash = usize::try_from(self.hasher.hash_one(dataset) % GATES as u64).unwrap_or(0);
        &self.gates[hash]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_go_through_and_who_shuts_it_waits_for_them() {
        let (gates, dataset) = (Gates::default(), DatasetId::random());
        let first = gates.enter(dataset).await;
        drop(gates.enter(dataset).await);
        let mut shut = Box::pin(gates.shut(dataset));
        assert!(futures_util::poll!(&mut shut).is_pending());
        drop(first);
        let shut = shut.await;
        assert!(futures_util::poll!(Box::pin(gates.enter(dataset))).is_pending());
        drop(shut);
        drop(gates.enter(dataset).await);
    }
}
