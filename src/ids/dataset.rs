//! The uuid of a dataset: all files of one recorded run.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use uuid::{Uuid, fmt::Hyphenated};

use super::Malformed;

/// A dataset's uuid, written in the hyphenated lower-case form of RFC 9562 everywhere: in addresses, folders and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetId(Uuid);

impl DatasetId {
    /// A new random (version 4) uuid.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Parses only the form that we write ourselves; an upper-case letter is another address, and so refused.
    #[must_use]
    pub fn from_canonical(text: &str) -> Option<Self> {
        text.parse().ok().filter(|id: &Self| id.to_string() == text)
    }
}

impl FromStr for DatasetId {
    type Err = Malformed;

    /// Takes the hyphenated form in either case.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        Hyphenated::from_str(text)
            .map(|id| Self(id.into_uuid()))
            .map_err(|_| Malformed("not a uuid: ask GET /recording/new/ for one and send it as it is"))
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for DatasetId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_a_uuid() {
        let id: DatasetId = "67E55044-10B1-426F-9247-BB680E5FE0C8".parse().expect("a uuid");
        assert_eq!(id.to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
        for text in ["", "abc", "67e5504410b1426f9247bb680e5fe0c8", "{67e55044-10b1-426f-9247-bb680e5fe0c8}"] {
            assert!(text.parse::<DatasetId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        assert!(DatasetId::from_canonical("67e55044-10b1-426f-9247-bb680e5fe0c8").is_some());
        assert!(DatasetId::from_canonical("67E55044-10b1-426f-9247-bb680e5fe0c8").is_none());
    }
}
