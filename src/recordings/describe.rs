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
    /// Who wore the device.
    Assign(Wearer),
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// There is no such recording.
    #[error("there is no such recording")]
    Gone,
    /// There is no such participant.
    #[error("participant: there is none of this id (any more); load the page again and choose another one")]
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
    /// Gives a recording its title and description, unless somebody has edited it since `revision`.
    ///
    /// # Errors
    /// [`DescribeError`].
    pub async fn describe(&self, uuid: DatasetId, revision: i64, title: &str, text: &str) -> Result<(), DescribeError> {
        let (title, text) = (title.trim(), text.replace("\r\n", "\n"));
        if title.chars().count() > MAX_TITLE || title.chars().any(char::is_control) {
            return Err(DescribeError::TooLong("the title has several lines, or more than 200 characters; shorten it"));
        }
        if text.len() > MAX_DESCRIPTION {
            return Err(DescribeError::TooLong("the description is longer than 64 KiB; shorten it"));
        }
        match self.catalog.describe_dataset(uuid, revision, title, text.trim_end()).await? {
            Edited::Done => {
                self.roller.mark(uuid, 0);
                self.reader.mark();
            }
            Edited::Overtaken => return Err(DescribeError::Overtaken),
            Edited::Gone => return Err(DescribeError::Gone),
        }
        Ok(())
    }

    /// Says something of recordings.
    ///
    /// # Errors
    /// [`DescribeError`]; `Gone` where there is none of them.
    pub async fn change(&self, datasets: &[DatasetId], change: &Change) -> Result<(), DescribeError> {
        let known = match change {
            Change::Judge(_, reason) if reason.chars().count() > MAX_REASON => {
                return Err(DescribeError::TooLong("the reason is longer than 1,000 characters; shorten it"));
            }
            Change::Judge(verdict, reason) => self.catalog.judge(datasets, *verdict, reason).await?,
            Change::Tag(tag) => self.catalog.tag(datasets, tag).await?,
            Change::Untag(tag) => self.catalog.untag(datasets, tag).await?,
            Change::Assign(wearer) => self.catalog.assign(datasets, *wearer).await?.ok_or(DescribeError::NoParticipant)?,
        };
        if known == 0 {
            return Err(DescribeError::Gone);
        }
        self.reader.mark();
        Ok(())
    }
}
