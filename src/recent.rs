//! The last errors that were logged, for those who look at a page and not into the log.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// As many as are kept.
const MOST: usize = 20;

static ERRORS: Mutex<VecDeque<LoggedError>> = Mutex::new(VecDeque::new());

/// Something that went wrong.
#[derive(Debug, Clone)]
pub struct LoggedError {
    /// When.
    pub at: SystemTime,
    /// What the log says, which names nobody.
    pub text: String,
}

/// The last errors, the last first.
#[must_use]
pub fn errors() -> Vec<LoggedError> {
    ERRORS.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
}

/// Keeps each error that is logged.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepErrors;

impl<S: Subscriber> Layer<S> for KeepErrors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        let mut errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() >= MOST {
            errors.pop_front();
        }
        errors.push_back(LoggedError { at: SystemTime::now(), text: words.into_text() });
    }
}

/// The message of an event, and its cause.
#[derive(Default)]
struct Words {
    message: String,
    cause: Option<String>,
}

impl Words {
    fn into_text(self) -> String {
        match self.cause {
            Some(cause) => format!("{}: {cause}", self.message),
            None => self.message,
        }
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "error" => self.cause = Some(format!("{value:?}")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn errors_are_kept_and_nothing_else() {
        let subscriber = tracing_subscriber::registry().with(KeepErrors);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!("all is not lost");
            for number in 0..=MOST {
                tracing::error!(error = %format!("no {number}"), bytes = 7, "the disk failed");
            }
        });
        let texts: Vec<_> = errors().into_iter().map(|error| error.text).collect();
        assert_eq!((texts.len(), texts[0].as_str()), (MOST, "the disk failed: no 20"));
    }
}
