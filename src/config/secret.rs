//! A text that no log, page or message ever shows.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A secret text. It can be read on purpose only: [`Secret::expose`].
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// What stands where a secret would be shown.
    pub(super) const HIDDEN: &str = "(hidden)";

    /// Wraps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { Self::HIDDEN })
    }
}

/// Whether a text is one that a person would guess: short, of few different characters, or somebody's example.
pub(super) fn looks_weak(text: &str, shortest: usize, fewest_different: usize) -> bool {
    let lower = text.to_lowercase();
    let different: std::collections::HashSet<char> = text.chars().collect();
    let example = ["changeme", "change-me", "change_me", "default", "example", "wearhouse", "password", "123456"]
        .iter()
        .any(|word| lower.contains(word));
    text.chars().count() < shortest || different.len() < fewest_different || example
}
