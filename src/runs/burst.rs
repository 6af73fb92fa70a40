//! Marks that come in a burst are worked off once: when it is quiet, and soon enough where it never is.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// The files of a run come one behind the other; this long nothing came, and it is read.
const QUIET: Duration = Duration::from_secs(2);
/// It is read behind this time in any case.
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Burst {
    marked: Mutex<Option<Marked>>,
    begun: Notify,
}

#[derive(Clone, Copy)]
struct Marked {
    first: Instant,
    last: Instant,
}

impl Burst {
    /// Says that there is something to do. Uploads wait for this: all but the first of a burst write down a time, and that is all.
    pub(super) fn mark(&self) {
        let now = Instant::now();
        let mut marked = self.marked();
        let is_first = marked.is_none();
        marked.get_or_insert(Marked { first: now, last: now }).last = now;
        drop(marked);
        if is_first {
            self.begun.notify_one();
        }
    }

    /// Forgets the marks that somebody is about to work off. Marks that come meanwhile begin another burst.
    pub(super) fn take(&self) {
        *self.marked() = None;
    }

    /// Waits for the end of a burst, at most until `latest`.
    pub(super) async fn wait(&self, latest: Instant) {
        loop {
            // Registered before the look, so that a mark between look and wait is not missed.
            let begun = self.begun.notified();
            let until = (*self.marked()).map_or(latest, |marked| marked.due().min(latest));
            if until <= Instant::now() {
                return;
            }
            tokio::select! {
                () = begun => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    fn marked(&self) -> MutexGuard<'_, Option<Marked>> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Marked {
    fn due(self) -> Instant {
        (self.last + QUIET).min(self.first + LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_due_when_it_is_quiet_and_soon_enough_where_it_never_is() {
        let first = Instant::now();
        let due_after = |seconds| Marked { first, last: first + Duration::from_secs(seconds) }.due() - first;
        assert_eq!([0, 3, 8, 60].map(|last| due_after(last).as_secs()), [2, 5, 10, 10]);
    }

    #[tokio::test]
    async fn without_a_mark_it_waits_as_long_as_it_is_told_and_with_one_it_wakes() {
        let burst = Burst::default();
        burst.wait(Instant::now() + Duration::from_millis(1)).await;
        burst.mark();
        let marked = Instant::now();
        burst.wait(marked + Duration::from_secs(3600)).await;
        assert!(marked.elapsed() > QUIET / 2 && marked.elapsed() < LONGEST);
        burst.take();
        let none = tokio::time::timeout(Duration::from_millis(10), burst.wait(marked + Duration::from_secs(3600)));
        assert!(none.await.is_err(), "the burst was worked off");
    }
}
