//! A file's name as its device sent it, bounded: the catalog keeps it with each file, and it is part of the key that tells whether
//! a file was uploaded before.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{
    FileName,
    file::{is_edge, split_extension},
    hex,
};

/// The longest name that is kept as it was sent, in bytes. Those of the field app have about 80.
const MAX_BYTES: usize = 1024;

/// Hexadecimal digits of the SHA-256 of a longer name, at the end of what is kept of it.
const DIGITS: usize = 16;

/// The name of a file as its device sent it, at most 1 KiB.
///
/// A longer name is cut: its beginning, its extension, then 16 hexadecimal digits of the SHA-256 of the whole name. So a long name
/// that is sent again is the same name again, and two long names that differ anywhere stay two names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SentName(String);

impl SentName {
    /// The name as it is kept.
    #[must_use]
    pub fn new(sent: &str) -> Self {
        if sent.len() <= MAX_BYTES {
            return Self(sent.to_owned());
        }
        // The beginning and the extension are those of the stored name: else a tail of dots or spaces would hide the extension.
        let from = sent.trim_start_matches(is_edge);
        let stored = FileName::from_sent(sent);
        let (_, extension) = split_extension(stored.as_str());
        let kept = &from[..from.floor_char_boundary(MAX_BYTES - DIGITS - extension.len())];
        Self(format!("{kept}{extension}{}", hex(&Sha256::digest(sent)[..DIGITS / 2])))
    }

    /// A name that [`SentName::new`] has made before.
    #[must_use]
    pub fn from_catalog(text: String) -> Self {
        Self(text)
    }

    /// The name under which the file is stored, if no other file of its dataset has it.
    #[must_use]
    pub fn stored(&self) -> FileName {
        FileName::from_sent(self.without_digits())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a cut name has before its digits, so that it ends in its extension. A name of this length that was sent with such an
    /// end is not told apart from a cut one; a stored name is too short to show the difference.
    fn without_digits(&self) -> &str {
        /// Bytes of the longest character, of which a cut leaves none or all.
        const LONGEST_CHARACTER: usize = 4;
        let is_long = self.0.len() > MAX_BYTES - LONGEST_CHARACTER;
        match self.0.split_at_checked(self.0.len().saturating_sub(DIGITS)) {
            Some((kept, digits)) if is_long && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => kept,
            _ => &self.0,
        }
    }
}

impl fmt::Display for SentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SentName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_of_up_to_1_kib_is_kept_as_it_was_sent() {
        for sent in ["acc.csv".to_owned(), format!("{}.csv", "n".repeat(MAX_BYTES - 4))] {
            assert_eq!(SentName::new(&sent).as_str(), sent);
        }
    }

    #[test]
    fn a_longer_name_ends_in_its_extension_and_digits_of_its_sha_256_and_is_stored_with_its_extension() {
        let sent = format!("{}.3gp", "n".repeat(60_000));
        let kept = SentName::new(&sent);
        let digits = hex(&Sha256::digest(&sent)[..8]);
        assert_eq!(kept.as_str(), format!("{}.3gp{digits}", "n".repeat(MAX_BYTES - 16 - 4)));
        assert_eq!(kept.stored().as_str(), format!("{}.3gp", "n".repeat(196)));
    }

    #[test]
    fn long_names_that_differ_after_the_cut_stay_two_names() {
        let [one, two] = ["1", "2"].map(|end| SentName::new(&format!("{}{end}.csv", "n".repeat(60_000))));
        assert_ne!(one, two);
        assert_eq!(one.stored(), two.stored());
    }

    proptest! {
        #[test]
        fn a_name_of_any_characters_is_bounded_and_stored_as_the_whole_name_would_be(
            before in "[. ]{0,5}",
            stem in "[a-z0-9éü東🕐]{200,2000}",
            extension in "[a-z0-9]{0,8}",
            after in "[. :\u{200e}]{0,30}",
        ) {
            let sent = format!("{before}{stem}.{extension}{after}");
            let kept = SentName::new(&sent);
            prop_assert!(kept.as_str().len() <= MAX_BYTES);
            prop_assert_eq!(kept.stored(), FileName::from_sent(&sent));
            prop_assert_eq!(SentName::from_catalog(kept.as_str().to_owned()).stored(), kept.stored());
        }
    }
}
