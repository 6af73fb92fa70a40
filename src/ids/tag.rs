//! Short texts that people give to recordings, devices and participants.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;

use super::Malformed;

const MAX_CHARS: usize = 64;

/// A tag, or a participant's label: one to 64 characters on one line, in Unicode's composed form, without spaces around it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in the catalog.
    #[must_use]
    pub fn from_catalog(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Tag {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let text: String = text.trim().nfc().collect();
        if text.is_empty() {
            Err(Malformed("it is empty; write one to 64 characters"))
        } else if text.chars().count() > MAX_CHARS {
            Err(Malformed("it is longer than 64 characters; shorten it"))
        } else if text.chars().any(|c| c.is_control() || c == ',') {
            Err(Malformed("it holds a comma or a control character; write it on one line without one"))
        } else {
            Ok(Self(text))
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_short_and_on_one_line() {
        assert_eq!("  pilot study ".parse::<Tag>().expect("a tag").as_str(), "pilot study");
        assert_eq!("u\u{308}".parse::<Tag>().expect("a tag").as_str(), "ü");
        for bad in ["", "  ", "a,b", "a\nb", &"x".repeat(65), &"x".repeat(10_000)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
        assert!("ü".repeat(64).parse::<Tag>().is_ok());
    }
}
