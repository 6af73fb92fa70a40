//! One at a time: two uploads of the same name and bytes wait for each other, so that the second is never told "safe" on
//! the word of a first that may still fail.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use crate::ids::{DatasetId, SentName};

/// What two uploads must share to wait for each other: dataset, name as sent, SHA-256 in hexadecimal.
pub(super) type Key = (DatasetId, SentName, String);

type Locks<K> = Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>;

/// The turns that are taken or waited for.
#[derive(Default)]
pub(super) struct Turns {
    locks: Arc<Locks<Key>>,
}

/// Turns that are held; they end when it is dropped.
pub(super) struct Turn {
    held: Vec<(Key, Option<OwnedMutexGuard<()>>)>,
    locks: Arc<Locks<Key>>,
}

impl Turns {
    /// Waits for the turns of all keys. They are taken in one order everywhere, so nobody waits in a circle.
    pub(super) async fn take(&self, mut keys: Vec<Key>) -> Turn {
        keys.sort_unstable();
        keys.dedup();
        let mut turn = Turn { held: Vec::with_capacity(keys.len()), locks: Arc::clone(&self.locks) };
        for key in keys {
            let lock = Arc::clone(self.locks.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default());
            turn.held.push((key, Some(lock.lock_owned().await)));
        }
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, guard) in &mut self.held {
            drop(guard.take());
            forget_unused(&mut locks, key);
        }
    }
}

fn forget_unused<K: Eq + Hash>(locks: &mut HashMap<K, Arc<tokio::sync::Mutex<()>>>, key: &K) {
    // Whoever waits holds a clone; the map's own is the last one.
    if locks.get(key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
        locks.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_key_waits_and_nothing_is_left_behind() {
        let turns = Arc::new(Turns::default());
        let key = (DatasetId::random(), SentName::new("a.csv"), "digest".to_owned());
        let other = (key.0, SentName::new("b.csv"), "digest".to_owned());
        let first = turns.take(vec![key.clone(), key.clone()]).await;
        let _other = turns.take(vec![other]).await;
        let mut second = tokio::spawn({
            let (turns, key) = (Arc::clone(&turns), key.clone());
            async move { drop(turns.take(vec![key]).await) }
        });
        tokio::select! {
            biased;
            _ = &mut second => panic!("the second did not wait"),
            () = tokio::task::yield_now() => {}
        }
        drop(first);
        second.await.expect("its turn");
        assert_eq!(turns.locks.lock().expect("lock").len(), 1);
    }
}
