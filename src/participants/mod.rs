//! Participants: a study's labels, and on which days each wore which device. Recordings are theirs by that, unless a person said
//! otherwise.

mod days;

pub use days::Day;

use crate::{
    catalog::{Catalog, CatalogError, Enrolled, Participant, Span, Spanned},
    ids::{DeviceId, ParticipantId, Tag},
    runs::Reader,
};

/// The longest note, in characters.
const MAX_NOTE: usize = 4000;
/// Spans of a participant that are listed.
const MOST_SPANS: u32 = 1000;

/// The room where it is said who wore what.
#[derive(Clone)]
pub struct Participants {
    catalog: Catalog,
    reader: Reader,
}

/// A change of spans that is done.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The span.
    pub span: String,
    /// Of this device.
    pub device: DeviceId,
    /// How many of its recordings have another participant now.
    pub recordings: u64,
}

/// Why nothing is changed.
#[derive(Debug, thiserror::Error)]
pub enum ParticipantError {
    /// There is no such participant, or it has no such span.
    #[error("there is no such participant or span")]
    Gone,
    /// There is no such device.
    #[error("there is no such device; choose one that was let in")]
    NoDevice,
    /// Labels tell participants apart.
    #[error("another participant has this label; choose another one")]
    Taken,
    /// What a person said is not taken back silently.
    #[error("{0} recordings were assigned to this participant by hand; assign them to somebody else first")]
    HasRecordings(u64),
    /// The same, where no list shows them.
    #[error(
        "{0} recordings in the trash were assigned to this participant by hand; restore them and assign them to somebody else, erase them, \
         or forget the participant"
    )]
    InTrash(u64),
    /// Nobody wears a device twice at once.
    #[error("this participant wears this device already on some of these days; end or change that span instead")]
    Overlaps,
    /// A span has at least one day.
    #[error("the last day lies before the first one; turn them round")]
    Backwards,
    /// The note is too long.
    #[error("the note is longer than 4,000 characters; shorten it")]
    TooLong,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Participants {
    /// The room of a house.
    #[must_use]
    pub fn new(catalog: Catalog, reader: Reader) -> Self {
        Self { catalog, reader }
    }

    /// The participants whose label or note contains a text, behind a label, at most `most`, by label.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn list(&self, text: Option<&str>, after: Option<&str>, most: u32) -> Result<Vec<Participant>, CatalogError> {
        self.catalog.enrolled(text, after, most).await
    }

    /// One participant, and what it wore, the last first.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn one(&self, id: ParticipantId) -> Result<Option<(Participant, Vec<Span>)>, CatalogError> {
        let Some(participant) = self.catalog.participant(id).await? else { return Ok(None) };
        Ok(Some((participant, self.catalog.spans_of_participant(id, MOST_SPANS).await?)))
    }

    /// Adds a participant.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn add(&self, label: &Tag, note: &str) -> Result<ParticipantId, ParticipantError> {
        let id = ParticipantId::random();
        self.enrolled(self.catalog.enrol(id, label, &checked(note)?).await?)?;
        Ok(id)
    }

    /// Gives a participant another label and note. Returns which of the two are other ones now.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn change(&self, id: ParticipantId, label: &Tag, note: &str) -> Result<Vec<&'static str>, ParticipantError> {
        let (before, note) = (self.catalog.participant(id).await?.ok_or(ParticipantError::Gone)?, checked(note)?);
        self.enrolled(self.catalog.relabel(id, label, &note).await?)?;
        let is_new = [(before.label != *label, "label"), (before.note != note, "note")];
        Ok(is_new.into_iter().filter_map(|(is_new, field)| is_new.then_some(field)).collect())
    }

    /// Deletes a participant and its spans, unless a person assigned recordings to it.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn remove(&self, id: ParticipantId) -> Result<(), ParticipantError> {
        self.enrolled(self.catalog.strike(id).await?)
    }

    /// Says that a participant wore a device from one day to another, both included; without the other, it still does.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn add_span(&self, by: ParticipantId, device: DeviceId, from: Day, until: Option<Day>) -> Result<Changed, ParticipantError> {
        self.spanned(self.catalog.add_span(by, device, from.start(), until.map(Day::end)).await?)
    }

    /// Says which day is the last of a span; none, while the device is worn.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn end_span(&self, by: ParticipantId, span: &str, until: Option<Day>) -> Result<Changed, ParticipantError> {
        self.spanned(self.catalog.end_span(by, span, until.map(Day::end)).await?)
    }

    /// Takes a span back.
    ///
    /// # Errors
    /// [`ParticipantError`].
    pub async fn remove_span(&self, by: ParticipantId, span: &str) -> Result<Changed, ParticipantError> {
        self.spanned(self.catalog.remove_span(by, span).await?)
    }

    fn enrolled(&self, outcome: Enrolled) -> Result<(), ParticipantError> {
        match outcome {
            Enrolled::Done => self.reader.mark(),
            Enrolled::Gone => return Err(ParticipantError::Gone),
            Enrolled::Taken => return Err(ParticipantError::Taken),
            Enrolled::HasRecordings(number) => return Err(ParticipantError::HasRecordings(number)),
            Enrolled::InTrash(number) => return Err(ParticipantError::InTrash(number)),
        }
        Ok(())
    }

    fn spanned(&self, outcome: Spanned) -> Result<Changed, ParticipantError> {
        match outcome {
            Spanned::Done { id, device, changed } => {
                self.reader.mark();
                Ok(Changed { span: id, device, recordings: changed })
            }
            Spanned::Gone => Err(ParticipantError::Gone),
            Spanned::NoDevice => Err(ParticipantError::NoDevice),
            Spanned::Overlaps => Err(ParticipantError::Overlaps),
            Spanned::Backwards => Err(ParticipantError::Backwards),
        }
    }
}

fn checked(note: &str) -> Result<String, ParticipantError> {
    let note = note.trim().replace("\r\n", "\n");
    if note.chars().count() > MAX_NOTE { Err(ParticipantError::TooLong) } else { Ok(note) }
}
