//! The audit trail: whoever decides, changes, deletes or takes something home is noted. No address stands in it.

use std::{
    collections::HashMap,
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::catalog::{AuditEntry, AuditFilter, Catalog, CatalogError, Subject};

/// A browser asks for a file in many pieces, and a script guesses at a password many times: one line in this time.
const ONCE_IN: Duration = Duration::from_secs(600);
/// Entries of the history of one thing.
const HISTORY: u32 = 50;
/// Above so many things that were noted lately, all are forgotten: the price is a second line for each.
const MANY: usize = 10_000;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A request was granted.
    Granted,
    /// A request was denied, or its grant taken back.
    Denied,
    /// A device may not ask any more.
    Blocked,
    /// A device may ask again.
    Unblocked,
    /// A device was shut out.
    Revoked,
    /// A device was let in again.
    LetInAgain,
    /// Older tokens of a device were ended.
    EndedTokens,
    /// A wrong password, or a user that there is not.
    FailedLogin,
    /// A file, a zip, or many recordings at once.
    Downloaded,
    /// A title, a description, a name, a note.
    Edited,
    /// A verdict was given, or taken back.
    Judged,
    /// A tag was put on.
    Tagged,
    /// A tag was taken off.
    Untagged,
    /// Somebody said who wore the device.
    Assigned,
    /// A recording was put into the trash.
    Deleted,
    /// A recording was taken out of the trash.
    Restored,
    /// A recording is gone for good.
    Erased,
    /// A device or a participant, and all of theirs.
    Forgotten,
    /// A file in quarantine was put into its recording.
    Released,
    /// A file in quarantine is gone for good.
    Discarded,
    /// Something missing is known.
    Settled,
    /// A model was published.
    Published,
    /// Somebody was given a model.
    Given,
    /// Somebody was given the model of before.
    WentBack,
    /// A model was removed.
    Removed,
    /// Settings were changed.
    Configured,
    /// The machine's clock was confirmed to be right.
    ConfirmedTime,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 27] = [
        Self::Granted,
        Self::Denied,
        Self::Blocked,
        Self::Unblocked,
        Self::Revoked,
        Self::LetInAgain,
        Self::EndedTokens,
        Self::FailedLogin,
        Self::Downloaded,
        Self::Edited,
        Self::Judged,
        Self::Tagged,
        Self::Untagged,
        Self::Assigned,
        Self::Deleted,
        Self::Restored,
        Self::Erased,
        Self::Forgotten,
        Self::Released,
        Self::Discarded,
        Self::Settled,
        Self::Published,
        Self::Given,
        Self::WentBack,
        Self::Removed,
        Self::Configured,
        Self::ConfirmedTime,
    ];

    /// The word for it in the trail.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::Revoked => "revoked",
            Self::LetInAgain => "let in again",
            Self::EndedTokens => "ended older tokens",
            Self::FailedLogin => "failed login",
            Self::Downloaded => "downloaded",
            Self::Edited => "edited",
            Self::Judged => "judged",
            Self::Tagged => "tagged",
            Self::Untagged => "untagged",
            Self::Assigned => "assigned",
            Self::Deleted => "deleted",
            Self::Restored => "restored",
            Self::Erased => "erased",
            Self::Forgotten => "forgotten",
            Self::Released => "released",
            Self::Discarded => "discarded",
            Self::Settled => "settled",
            Self::Published => "published",
            Self::Given => "gave a model",
            Self::WentBack => "went back to the model before",
            Self::Removed => "removed",
            Self::Configured => "changed settings",
            Self::ConfirmedTime => "confirmed the time",
        }
    }
}

/// What is not noted twice in a while: what was done, by whom, to what, and how.
type Lately = (Action, [String; 3]);

/// The trail. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    catalog: Catalog,
    lately: Arc<Mutex<HashMap<Lately, Instant>>>,
}

impl Audit {
    /// The trail of a house.
    #[must_use]
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog, lately: Arc::default() }
    }

    /// Notes what somebody did. It is done already: where it cannot be noted, the log says so.
    pub async fn note(&self, who: &str, action: Action, subject: impl Display, detail: &str) {
        self.note_all(who, action, &[subject.to_string()], detail).await;
    }

    /// The same for many things at once; nothing, where there are none.
    pub async fn note_all(&self, who: &str, action: Action, subjects: &[String], detail: &str) {
        if subjects.is_empty() {
            return;
        }
        if let Err(error) = self.catalog.note(who, action.as_str(), subjects, detail).await {
            tracing::error!(%error, action = action.as_str(), "something was done and could not be noted in the audit trail");
        }
    }

    /// Notes that somebody edited these fields of something; nothing, where there are none.
    pub async fn note_edited(&self, who: &str, subject: impl Display, fields: &[&str]) {
        if !fields.is_empty() {
            self.note(who, Action::Edited, subject, &fields.join(", ")).await;
        }
    }

    /// Notes what comes in many requests: one line in ten minutes.
    pub async fn note_once(&self, who: &str, action: Action, subject: impl Display, detail: &str) {
        let subject = subject.to_string();
        if self.is_first(who, action, &subject, detail) {
            self.note(who, action, subject, detail).await;
        }
    }

    fn is_first(&self, who: &str, action: Action, subject: &str, detail: &str) -> bool {
        let now = Instant::now();
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.len() >= MANY {
            lately.clear();
        }
        let key = (action, [who, subject, detail].map(str::to_owned));
        let is_first = lately.get(&key).is_none_or(|last| now.duration_since(*last) >= ONCE_IN);
        if is_first {
            lately.insert(key, now);
        }
        is_first
    }

    /// The last things that were done to one thing.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn history(&self, subject: impl Display) -> Result<Vec<AuditEntry>, CatalogError> {
        self.entries(&AuditFilter { subject: Some(subject.to_string()), ..AuditFilter::default() }, HISTORY).await
    }

    /// The trail, the last first, at most `most` entries.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn entries(&self, filter: &AuditFilter, most: u32) -> Result<Vec<AuditEntry>, CatalogError> {
        self.catalog.audit(filter, most).await
    }

    /// Those of the things that entries are about which are still here, by id.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn subjects(&self, entries: &[AuditEntry]) -> Result<HashMap<String, Subject>, CatalogError> {
        self.catalog.subjects(entries).await
    }
}
