//! File handles for uploads: given out before a file is opened, so that none fails for want of one.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Kept for those who have a file open only while they write: more than there are threads that do it at once.
const SPARE: usize = 600;

/// Gives out handles for the files of uploads. Cheap to clone.
#[derive(Clone)]
pub struct Handles {
    free: Arc<Semaphore>,
    spare: usize,
}

/// Leave to have one file open; given back when it is dropped.
pub struct Handle {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Handles {
    pub(super) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(most)), spare: (most / 4).min(SPARE) }
    }

    /// A handle, as soon as one is free. That is soon: as long as few are free, nobody keeps one between two writes
    /// ([`Handles::are_short`]), and nobody waits for another one while holding one.
    pub async fn take(&self) -> Handle {
        // It is never closed.
        Handle { _permit: Arc::clone(&self.free).acquire_owned().await.ok() }
    }

    /// Whether so few are free that a file should be closed between two writes.
    #[must_use]
    pub fn are_short(&self) -> bool {
        self.free.available_permits() <= self.spare
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_quarter_is_kept_for_those_who_hold_one_only_while_they_write() {
        let handles = Handles::new(4);
        let mut held = Vec::new();
        for short in [false, false, true, true] {
            held.push(handles.take().await);
            assert_eq!(handles.are_short(), short);
        }
        let waiting = handles.take();
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("there was none left"),
            () = tokio::task::yield_now() => {}
        }
        held.pop();
        waiting.await;
    }
}
