//! Timekeeping: the time is stored now and then; a wall clock that cannot be right is reported, and trusted again once it can be, or an
//! operator has confirmed it.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::{
    audit::{Action, Audit},
    catalog::{Catalog, CatalogError, Millis, Settled},
    clock::{ClockStatus, Fault, RELEASED, date_of},
    runs::Reader,
};

/// How often the clock is checked. It is also checked whenever something is about to be erased or to expire.
const LOOK: Duration = Duration::from_secs(2);
/// How often the time is stored. A process that is killed loses no more than that.
const STORE: Duration = Duration::from_secs(60);

/// What the audit log calls the clock.
const SUBJECT: &str = "clock";
/// What the audit log calls a person at the machine, who has no user name.
const COMMAND_LINE: &str = "(command line)";

/// Keeps the time. Cheap to clone.
#[derive(Clone)]
pub struct Timekeeping {
    catalog: Catalog,
    audit: Audit,
    reader: Reader,
}

/// Why a time is not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// The wall clock is certainly wrong.
    #[error("the server's clock says {}, which is before this program was released; set the machine's clock first", date_of(*.0))]
    BeforeRelease(Millis),
    /// The wall clock says another time than the operator has seen.
    #[error("the server's clock says {} now, another time than you have seen; read it again, and confirm it if it is right", date_of(*.0))]
    OtherTime(Millis),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Timekeeping {
    /// Keeps the time of a catalog.
    #[must_use]
    pub fn new(catalog: Catalog, audit: Audit, reader: Reader) -> Self {
        Self { catalog, audit, reader }
    }

    /// The time that the server uses.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.catalog.now()
    }

    /// What a person should know of the clock.
    #[must_use]
    pub fn status(&self) -> ClockStatus {
        self.catalog.clock().status()
    }

    /// An operator has seen a time on the wall clock and says that it is right: the server uses it from now on, and what waited for that goes on. Nothing happens
    /// where the server uses it already.
    ///
    /// # Errors
    /// [`ConfirmError`]; then nothing has changed.
    pub async fn confirm(&self, seen: Millis, by: &str) -> Result<(), ConfirmError> {
        let before = self.status();
        if before.is_trusted {
            return Ok(());
        }
        if !self.catalog.confirm_wall_clock(seen).await? {
            let error = if before.wall < RELEASED { ConfirmError::BeforeRelease } else { ConfirmError::OtherTime };
            return Err(error(before.wall));
        }
        self.trusted_again(&before);
        self.audit.note(by, Action::ConfirmedTime, SUBJECT, &explain(&before)).await;
        Ok(())
    }

    /// The background task: looks at the clock and stores the time, until `stop`.
    pub async fn keep(self, stop: CancellationToken) {
        let (mut stored, mut was_trusted) = (None::<Instant>, true);
        loop {
            if let Err(error) = self.settle().await {
                tracing::error!(%error, "the wall clock could not be trusted again; this is tried again soon");
            }
            let status = self.status();
            if was_trusted && !status.is_trusted {
                tracing::error!(
                    fault = explain(&status),
                    "the machine's clock seems to be wrong: nothing is erased and no grant expires before its full time has passed. Set the clock, or confirm its time on the dashboard or with wearhouse clock --confirm"
                );
            }
            if stored.is_none_or(|at| at.elapsed() >= STORE) || was_trusted != status.is_trusted {
                match self.catalog.store_time().await {
                    Ok(()) => stored = Some(Instant::now()),
                    Err(error) => tracing::warn!(%error, "the time could not be stored; this is tried again soon"),
                }
            }
            was_trusted = status.is_trusted;
            if stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none() {
                return;
            }
        }
    }

    async fn settle(&self) -> Result<(), CatalogError> {
        let before = self.status();
        let Some(settled) = self.catalog.settle_time().await? else { return Ok(()) };
        self.trusted_again(&before);
        if settled == Settled::Confirmed {
            self.audit.note(COMMAND_LINE, Action::ConfirmedTime, SUBJECT, &explain(&before)).await;
        }
        Ok(())
    }

    fn trusted_again(&self, before: &ClockStatus) {
        let corrected_by = Duration::from_millis((before.wall - before.now).unsigned_abs());
        let direction = if before.wall < before.now { "back" } else { "forward" };
        tracing::warn!(?corrected_by, direction, "the machine's clock is trusted again; times recorded meanwhile were corrected");
        // What is read off a recording's files depends on when they were received.
        self.reader.mark();
    }
}

/// What is wrong with the wall clock, in a few words.
#[must_use]
pub fn explain(status: &ClockStatus) -> String {
    let time = |at: Millis| jiff::Timestamp::from_millisecond(at).unwrap_or_default().strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let wall = time(status.wall);
    match (status.fault, status.newest) {
        (Some(Fault::Behind), Some(newest)) => format!("the clock says {wall}, which is before the newest time seen, {}", time(newest)),
        (Some(Fault::Behind), None) => format!("the clock says {wall}, which is before this program was released"),
        (Some(Fault::Ahead), _) => format!("the clock says {wall}, more than 7 days ahead of the expected time, {}", time(status.now)),
        (None, _) => format!("the clock says {wall}"),
    }
}
