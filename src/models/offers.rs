//! Which device was told of which model, and took it: kept in memory, and written down some seconds later, so that no watch waits for
//! the disk.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    catalog::{Catalog, CatalogError, Millis, Offer},
    clock::Clock,
    ids::{DeviceId, ModelId},
};

/// What was offered, as far as it is known here.
pub(super) struct Offers {
    state: Mutex<State>,
    /// One writes at a time, so that nothing comes down over what is newer.
    writing: tokio::sync::Mutex<()>,
    clock: Clock,
}

#[derive(Default)]
struct State {
    /// What each device is told, and since when.
    told: HashMap<DeviceId, (ModelId, Millis)>,
    /// What is not written down yet.
    new: HashMap<(DeviceId, ModelId), Offer>,
}

impl Offers {
    /// What the catalog knows of.
    pub async fn read(catalog: &Catalog) -> Result<Self, CatalogError> {
        // The oldest come first: what stays is the last.
        let told = catalog.offers().await?.into_iter().map(|offer| (offer.device, (offer.model, offer.offered_at)));
        let state = State { told: told.collect(), new: HashMap::new() };
        Ok(Self { state: Mutex::new(state), writing: tokio::sync::Mutex::default(), clock: catalog.clock().clone() })
    }

    /// Notes that a device was told of a model, and whether it took the file.
    pub fn note(&self, device: DeviceId, model: ModelId, is_fetched: bool) {
        let (mut state, now) = (self.state(), self.clock.now());
        let known = state.told.get(&device).filter(|(told, _)| *told == model).map(|(_, since)| *since);
        if known.is_some() && !is_fetched {
            return;
        }
        let offered_at = known.unwrap_or(now);
        state.told.insert(device, (model, offered_at));
        let new = state.new.entry((device, model)).or_insert(Offer { device, model, offered_at, fetched_at: None });
        new.offered_at = offered_at;
        new.fetched_at = is_fetched.then_some(now).or(new.fetched_at);
    }

    /// Writes down what is new. What is noted before this is called can be read behind it. What cannot be written, or is not waited
    /// for, is kept for the next time.
    pub async fn write(&self, catalog: &Catalog) -> Result<(), CatalogError> {
        let _turn = self.writing.lock().await;
        let written = self.state().new.clone();
        if written.is_empty() {
            return Ok(());
        }
        let offers: Vec<_> = written.values().cloned().collect();
        catalog.note_offers(&offers).await?;
        // What was noted meanwhile says more.
        self.state().new.retain(|key, offer| written.get(key) != Some(offer));
        Ok(())
    }

    /// Forgets what devices were told that are let in no more: one that is forgotten and comes back is new.
    pub fn keep(&self, is_let_in: impl Fn(DeviceId) -> bool) {
        self.state().told.retain(|device, _| is_let_in(*device));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
