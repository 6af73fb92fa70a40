//! The names that the devices give their files, and the privacy patterns: few enough that they collide.

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

/// Names as sent: names that differ only in case, one with a character that no stored name keeps, a model, extensions that are not
/// listed, the reserved name, and those of the patterns.
const NAMES: [&str; 16] = [
    "acc_1.csv",
    "ACC_1.csv",
    "acc_1.CSV",
    "gyro_1_2026-11-20T09:20.zip",
    "metaInfo_1.json",
    "battery_1.csv",
    "net_1.tflite",
    "voice_1.wav",
    "voice_2.wav",
    "photo_1.zip",
    "PHOTO_1.zip",
    "talk_1.3gp",
    "notes_1.doc",
    "voice_1.doc",
    "README.md",
    "marker_1.csv",
];

/// Extensions that are listed in the default settings, of [`NAMES`].
const LISTED: [&str; 6] = ["csv", "zip", "json", "tflite", "wav", "3gp"];

/// What a name's file may hold is decided by one of these sets of patterns.
pub const RULES: [&[&str]; 4] = [&[], &["voice*"], &["*.3gp", "photo*"], &["voice*", "photo*"]];

/// A set of patterns that are in force together: an index into [`RULES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule(pub usize);

impl Rule {
    pub fn random(dice: &mut StdRng) -> Self {
        Self(dice.random_range(0..RULES.len()))
    }

    /// Whether a file of this stored name is kept from researchers and zips. It does not use the server's own matching.
    pub fn hides(self, stored: &str) -> bool {
        let name = stored.to_lowercase();
        RULES[self.0].iter().any(|pattern| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(end), _) => name.ends_with(end),
            (_, Some(begin)) => name.starts_with(begin),
            _ => name == *pattern,
        })
    }
}

pub fn random(dice: &mut StdRng) -> &'static str {
    NAMES.choose(dice).expect("a name")
}

/// The name under which a file of this name is stored where no other file has it.
pub fn stored(sent: &str) -> String {
    sent.replace(':', "_")
}

/// Whether a file that was sent as `sent` may be stored as `stored`: under that name, or that name with a number.
pub fn may_be_stored_as(sent: &str, stored: &str) -> bool {
    let expected = self::stored(sent);
    let (stem, extension) = expected.rsplit_once('.').expect("an extension");
    let is_reserved = expected.eq_ignore_ascii_case("readme.md");
    (stored == expected && !is_reserved)
        || stored
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_suffix(extension)?.strip_suffix('.')?.strip_prefix('~'))
            .is_some_and(|mark| !mark.is_empty() && mark.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// Whether files of this name go into their dataset without a person's decision.
pub fn is_listed(sent: &str) -> bool {
    sent.rsplit_once('.').is_some_and(|(_, extension)| LISTED.contains(&extension.to_lowercase().as_str()))
}

/// The folder under `uploads/` of a file of this name.
pub fn folder(name: &str) -> &'static str {
    if is_model(name) { "tf_models" } else { "recordings" }
}

/// The name in a zip of a file of this stored name.
pub fn entry(stored: &str) -> String {
    if is_model(stored) { format!("tf_models/{stored}") } else { stored.to_owned() }
}

fn is_model(name: &str) -> bool {
    name.to_lowercase().ends_with(".tflite")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_name_is_the_name_as_sent_or_has_a_number() {
        assert!(may_be_stored_as("a:1.csv", "a_1.csv") && may_be_stored_as("a:1.csv", "a_1~2.csv"));
        assert!(!may_be_stored_as("a.csv", "b.csv") && !may_be_stored_as("a.csv", "a~.csv") && !may_be_stored_as("a.csv", "A.csv"));
        assert!(!may_be_stored_as("README.md", "README.md") && may_be_stored_as("README.md", "README~2.md"));
    }

    #[test]
    fn a_rule_hides_what_its_patterns_match_in_any_case_and_with_any_number() {
        assert!(Rule(2).hides("PHOTO_1.zip") && Rule(2).hides("photo_1~2.zip") && Rule(2).hides("talk_1~3.3gp"));
        assert!(!Rule(0).hides("voice_1.wav") && Rule(1).hides("voice_1.wav") && !Rule(1).hides("photo_1.zip"));
    }
}
