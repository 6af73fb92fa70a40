//! A file's id and its name: from what a watch calls it to what every file system, shell and zip can bear.

use std::{fmt, str::FromStr};

use caseless::Caseless;
use serde::{Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;
use uuid::{Uuid, fmt::Hyphenated};

use super::Malformed;

const MAX_NAME_BYTES: usize = 200;
const MAX_EXTENSION_BYTES: usize = 16;

/// What stands in for a character that a name cannot keep.
const SUBSTITUTE: char = '_';

/// The id of one received file; the name of its bytes until they are in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(Uuid);

impl FileId {
    /// A new id: random, behind the time (version 7 of RFC 9562), so that what comes in together lies together in the catalog.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl FromStr for FileId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Hyphenated::from_str(text).map(|id| Self(id.into_uuid())).map_err(|_| Malformed("not a file id"))
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for FileId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a file is, told from its extension: which of the two folders of a dataset it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A recording, in `recordings/<uuid>/`.
    Recording,
    /// A TensorFlow, ONNX or PyTorch model, in `tf_models/<uuid>/`.
    Model,
}

impl Kind {
    /// The kind that an extension (lower case, without its dot) stands for.
    #[must_use]
    pub fn of_extension(extension: &str) -> Self {
        match extension {
            "tflite" | "ort" | "pt" | "onnx" => Self::Model,
            _ => Self::Recording,
        }
    }

    /// The folder of this kind: in `uploads/`, and so in addresses.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Recording => "recordings",
            Self::Model => "tf_models",
        }
    }
}

/// The name of a stored file: one path component that Linux, macOS, Windows, a shell and a zip all can bear.
///
/// At most 200 bytes, in Unicode NFC, without `/ \ : * ? " < > |`, control or direction characters, leading dots or
/// spaces, trailing dots or spaces, and not a name that Windows reserves for a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// The name under which a file sent as `sent` is stored, if no other file has it.
    #[must_use]
    pub fn from_sent(sent: &str) -> Self {
        let replaced: String = sent.nfc().map(|c| if bearable(c) { c } else { SUBSTITUTE }).collect();
        let trimmed = trim(&replaced);
        let name = if trimmed.is_empty() { "unnamed" } else { trimmed };
        let name = if is_device_name(name) { format!("{SUBSTITUTE}{name}") } else { name.to_owned() };
        Self(with_suffix(&name, ""))
    }

    /// The name of a file that may be stored: `text`, if [`FileName::from_sent`] would leave it as it is.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let name = Self::from_sent(text);
        (name.0 == text).then_some(name)
    }

    /// A name that [`FileName::from_sent`] has made before.
    #[must_use]
    pub fn from_catalog(text: String) -> Self {
        Self(text)
    }

    /// The same name with a mark before its extension, as in `acc~2.csv`: for another file of this name.
    #[must_use]
    pub fn marked(&self, mark: &str) -> Self {
        Self(with_suffix(&self.0, &format!("~{mark}")))
    }

    /// The form in which two names are the same to a file system that folds case or Unicode form.
    #[must_use]
    pub fn folded(&self) -> String {
        fold(&self.0)
    }

    /// The name before [`FileName::marked`] put its mark there, where it may have.
    #[must_use]
    pub fn unmarked(&self) -> Option<Self> {
        let (stem, extension) = split_extension(&self.0);
        let (stem, mark) = stem.rsplit_once('~')?;
        let made_here = (1..=8).contains(&mark.len()) && mark.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        made_here.then(|| Self(format!("{stem}{extension}")))
    }

    /// The extension in lower case, without its dot; empty where there is none.
    #[must_use]
    pub fn extension(&self) -> String {
        extension_of(&self.0)
    }

    /// What a file of this name is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::of_extension(&self.extension())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for FileName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The form in which two texts are the same to whoever folds case or Unicode form.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfd().default_case_fold().nfd().default_case_fold().nfc().collect()
}

/// The extension of a name, in lower case, without its dot; empty where there is none.
#[must_use]
pub fn extension_of(name: &str) -> String {
    split_extension(name).1.trim_start_matches('.').to_lowercase()
}

fn bearable(c: char) -> bool {
    let directional = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    !(c.is_control() || directional || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|'))
}

fn trim(name: &str) -> &str {
    name.trim_matches(is_edge)
}

/// Whether a character is removed where a name begins or ends with it.
pub(super) fn is_edge(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

/// Windows opens a device for these names, whatever extension follows.
fn is_device_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_uppercase();
    let numbered = |prefix: &str| {
        let number = stem.strip_prefix(prefix).and_then(|rest| rest.chars().next().filter(|_| rest.chars().count() == 1));
        number.is_some_and(|c| matches!(c, '0'..='9' | '¹' | '²' | '³'))
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}

/// The stem, and the extension with its dot. A long last part is no extension.
pub(super) fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot - 1 <= MAX_EXTENSION_BYTES => name.split_at(dot),
        _ => (name, ""),
    }
}

/// Puts a suffix between stem and extension; the stem gives way where the whole would be too long.
fn with_suffix(name: &str, suffix: &str) -> String {
    let (stem, extension) = split_extension(name);
    let room = MAX_NAME_BYTES - suffix.len() - extension.len();
    let stem = &stem[..stem.floor_char_boundary(room)];
    // A stem that was cut behind a space or a dot would leave one at the end of a name without extension.
    let stem = if suffix.is_empty() && extension.is_empty() { trim(stem) } else { stem };
    format!("{stem}{suffix}{extension}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::is_nfc;

    use super::*;

    fn stored(sent: &str) -> String {
        FileName::from_sent(sent).to_string()
    }

    #[test]
    fn the_names_of_the_field_lose_only_their_colons() {
        assert_eq!(
            stored("android_sensor_accelerometer_7_2026-11-20T09:20+0000_9774d56d682e549c.zip"),
            "android_sensor_accelerometer_7_2026-11-20T09_20+0000_9774d56d682e549c.zip"
        );
    }

    #[test]
    fn what_a_path_a_shell_or_windows_cannot_bear_is_replaced() {
        assert_eq!(stored("../../etc/passwd"), "_.._etc_passwd");
        assert_eq!(stored("C:\\run\\acc.csv"), "C__run_acc.csv");
        assert_eq!(stored(".htaccess"), "htaccess");
        assert_eq!(stored("acc.csv. . "), "acc.csv");
        assert_eq!(stored("..."), "unnamed");
        assert_eq!(stored("nul.csv"), "_nul.csv");
        assert_eq!(stored("com1"), "_com1");
        assert_eq!(stored("common.csv"), "common.csv");
        assert_eq!(stored("e\u{301}.csv"), "é.csv");
        assert_eq!(stored("a\u{202e}vsc.exe"), "a_vsc.exe");
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = stored(&format!("{}.csv", "ü".repeat(150)));
        assert!(name.len() <= 200 && name.ends_with("ü.csv"), "{name}");
        let second = FileName::from_sent(&name).marked("2").to_string();
        assert!(second.len() <= 200 && second.ends_with("~2.csv"), "{second}");
    }

    #[test]
    fn names_that_a_file_system_merges_fold_to_one() {
        for (one, two) in [("ACC.csv", "acc.CSV"), ("Straße.csv", "STRASSE.csv"), ("e\u{301}.csv", "É.csv"), ("ſ.csv", "S.csv")] {
            assert_eq!(FileName::from_sent(one).folded(), FileName::from_sent(two).folded(), "{one} {two}");
        }
        assert_ne!(FileName::from_sent("a.csv").folded(), FileName::from_sent("b.csv").folded());
    }

    #[test]
    fn models_are_told_by_their_extension() {
        for (name, kind) in [("m.tflite", Kind::Model), ("M.ONNX", Kind::Model), ("a.csv", Kind::Recording), ("pt", Kind::Recording)] {
            assert_eq!(Kind::of_extension(&FileName::from_sent(name).extension()), kind, "{name}");
        }
    }

    fn check_stored(name: &str) -> Result<(), TestCaseError> {
        prop_assert!(!name.is_empty() && name.len() <= 200);
        prop_assert!(!name.chars().any(|c| c.is_control() || "/\\:*?\"<>|".contains(c)));
        prop_assert!(!name.starts_with('.') && !name.ends_with(['.', ' ']));
        prop_assert!(is_nfc(name));
        prop_assert_eq!(std::path::Path::new(name).components().count(), 1);
        Ok(())
    }

    proptest! {
        #[test]
        fn a_stored_name_is_one_harmless_path_component(sent in any::<String>(), mark in "[0-9a-f]{1,8}") {
            let name = FileName::from_sent(&sent);
            check_stored(name.as_str())?;
            check_stored(name.marked(&mark).as_str())?;
        }

        #[test]
        fn storing_a_stored_name_changes_nothing(sent in "[ .\\PC]{0,300}", mark in "[0-9a-f]{1,8}") {
            let name = FileName::from_sent(&sent);
            prop_assert_eq!(FileName::from_stored(name.as_str()), Some(name.clone()));
            let marked = name.marked(&mark);
            prop_assert_eq!(FileName::from_stored(marked.as_str()), Some(marked.clone()));
        }

        #[test]
        fn folding_is_stable(sent in any::<String>()) {
            let folded = FileName::from_sent(&sent).folded();
            let again: String = folded.nfd().default_case_fold().nfd().default_case_fold().nfc().collect();
            prop_assert_eq!(again, folded);
        }
    }
}
