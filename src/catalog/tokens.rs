//! Which tokens are good, remembered: every request of a watch asks, and only a person or a handshake changes it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Millis;
use crate::ids::DeviceId;

/// How long an answer is good. A change is seen at once; but where whoever changes something goes away before the end of it,
/// nobody says so.
const FRESH: Duration = Duration::from_secs(2);
/// Above this many devices all are forgotten: the price is one more question for each.
const MOST: usize = 50_000;

/// The lowest generation of a device whose token is good; `None` while it is revoked.
pub(super) type Lowest = Option<u32>;

/// What was last read of each device.
#[derive(Default)]
pub(super) struct Tokens(Mutex<State>);

#[derive(Default)]
struct State {
    /// Counts the changes, so that nothing is remembered that was read before one.
    changes: u64,
    known: HashMap<DeviceId, (Lowest, Instant)>,
    /// When tokens were last used, since that was last written down.
    used: HashMap<(DeviceId, u32), Millis>,
}

/// A token that was used.
pub(super) struct Use {
    pub(super) device: DeviceId,
    pub(super) generation: u32,
    pub(super) at: Millis,
}

/// A question that the database is asked, since nobody remembered.
pub(super) struct Question {
    device: DeviceId,
    changes: u64,
}

impl Tokens {
    /// What is known of a device, or the question to ask.
    pub(super) fn look(&self, device: DeviceId) -> Result<Lowest, Question> {
        let state = self.state();
        match state.known.get(&device) {
            Some((lowest, read)) if read.elapsed() < FRESH => Ok(*lowest),
            _ => Err(Question { device, changes: state.changes }),
        }
    }

    /// Keeps the answer to a question, unless something has changed since it was asked.
    pub(super) fn remember(&self, question: &Question, lowest: Lowest) {
        let mut state = self.state();
        if state.known.len() >= MOST {
            state.known.clear();
        }
        if state.changes == question.changes {
            state.known.insert(question.device, (lowest, Instant::now()));
        }
    }

    /// Says that the tokens of a device have changed.
    pub(super) fn forget(&self, device: DeviceId) {
        let mut state = self.state();
        state.changes += 1;
        state.known.remove(&device);
    }

    /// Keeps in mind that a token was used.
    pub(super) fn note_use(&self, device: DeviceId, generation: u32, at: Millis) {
        let mut state = self.state();
        if state.used.len() < MOST || state.used.contains_key(&(device, generation)) {
            state.used.insert((device, generation), at);
        }
    }

    /// When a token was last used, if that is not written down yet.
    pub(super) fn used(&self, device: DeviceId, generation: u32) -> Option<Millis> {
        self.state().used.get(&(device, generation)).copied()
    }

    /// What is to be written down.
    pub(super) fn take_uses(&self) -> Vec<Use> {
        let used = std::mem::take(&mut self.state().used);
        used.into_iter().map(|((device, generation), at)| Use { device, generation, at }).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Identifier;

    #[test]
    fn what_was_read_before_a_change_is_not_remembered_behind_it() {
        let device = "w".parse::<Identifier>().expect("an identifier").device();
        let tokens = Tokens::default();
        let before = tokens.look(device).expect_err("unknown");
        tokens.forget(device);
        tokens.remember(&before, Some(1));
        let question = tokens.look(device).expect_err("still unknown");
        tokens.remember(&question, Some(2));
        assert_eq!(tokens.look(device).ok(), Some(Some(2)));
        tokens.forget(device);
        assert!(tokens.look(device).is_err());
    }
}
