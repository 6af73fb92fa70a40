//! Describing: what people say of recordings. Title and description also stand in the zip.

use super::Recordings;
use crate::{
    catalog::{CatalogError, Edited, Verdict, Wearer},
    ids::{DatasetId, Tag},
};

/// The longest title, in characters.
const MAX_TITLE: usize = 200;
/// The longest description, in bytes.
const MAX_DESCRIPTION: usize = 64 << 10;
/// The longest reason of a verdict, in characters.
const MAX_REASON: usize = 1000;

/// What a person says of recordings, one or many.
#[derive(Debug, Clone)]
pub enum Change {
    /// Whether they are any good, and why.
    Judge(Option<Verdict>, String),
    /// A tag more.
    Tag(Tag),
    /// A tag less.
    Untag(Tag),
    /// Who wore the device, whatever the spans say.
    Assign(Wearer),
    /// Who wore the device as the spans say.
    AssignBySpans,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// There is no such recording.
    #[error("there is no such recording")]
    Gone,
    /// There is no such participant.
    #[error("there is none of this id (any more); load the page again and choose another one")]
    NoParticipant,
    /// Somebody else was quicker.
    #[error("somebody else has edited this recording since you read it; read it again, and put in what is yours")]
    Overtaken,
    /// A text is too long, or a title has several lines.
    #[error("{0}")]
    TooLong(&'static str),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Recordings {
    /// Gives a recording its title and description, unless somebody has edited it since `revision`. Returns which of the two are
    /// other ones now.
    ///
    /// # Errors
    /// [`DescribeError`].
    pub async fn describe(&self, uuid: DatasetId, revision: i64, title: &str, text: &str) -> Result<Vec<&'static str>, DescribeError> {
        let (title, text) = (title.trim(), text.replace("\r\n", "\n"));
        if title.chars().count() > MAX_TITLE || title.chars().any(char::is_control) {
            return Err(DescribeError::TooLong("the title has several lines, or more than 200 characters; shorten it"));
        }
        if text.len() > MAX_DESCRIPTION {
            return Err(DescribeError::TooLong("the description is longer than 64 KiB; shorten it"));
        }
        let (title, description) = match self.catalog.describe_dataset(uuid, revision, title, text.trim_end()).await? {
            Edited::Done { title, description } => (title, description),
            Edited::Overtaken => return Err(DescribeError::Overtaken),
            Edited::Gone => return Err(DescribeError::Gone),
        };
        if title || description {
            self.roller.mark(uuid, 0);
            self.reader.mark();
        }
        Ok([(title, "title"), (description, "description")].into_iter().filter_map(|(changed, field)| changed.then_some(field)).collect())
    }

    /// Makes sure that things can be said of recordings, before any of them is.
    ///
    /// # Errors
    /// [`DescribeError`].
    pub async fn check(&self, changes: &[Change]) -> Result<(), DescribeError> {
        for change in changes {
            match change {
                Change::Assign(Wearer::Participant(id)) if !self.catalog.is_enrolled(*id).await? => {
                    return Err(DescribeError::NoParticipant);
                }
                Change::Judge(_, reason) if reason.chars().count() > MAX_REASON => {
                    return Err(DescribeError::TooLong("the reason is longer than 1,000 characters; shorten it"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Says something of recordings. Returns those of which something else was said before.
    ///
    /// # Errors
    /// [`DescribeError`]; `Gone` where there is none of them.
    pub async fn change(&self, datasets: &[DatasetId], change: &Change) -> Result<Vec<DatasetId>, DescribeError> {
        self.check(std::slice::from_ref(change)).await?;
        let changed = match change {
            Change::Judge(verdict, reason) => self.catalog.judge(datasets, *verdict, reason).await?,
            Change::Tag(tag) => self.catalog.tag(datasets, tag).await?,
            Change::Untag(tag) => self.catalog.untag(datasets, tag).await?,
            Change::Assign(wearer) => self.catalog.assign(datasets, *wearer).await?.ok_or(DescribeError::NoParticipant)?,
            Change::AssignBySpans => self.catalog.assign_by_spans(datasets).await?,
        };
        if changed.is_empty() && self.catalog.known_among(datasets).await?.is_empty() {
            return Err(DescribeError::Gone);
        }
        self.reader.mark();
        Ok(changed)
    }
}
