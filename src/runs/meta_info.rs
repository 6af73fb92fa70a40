//! The app's `metaInfo_….json`: what it says of the run and of the watch. What cannot be read is not known.

use serde_json::{Map, Value};

use super::start::read_time;
use crate::{catalog::Millis, ids::FileName};

/// A longer text is not read.
pub(super) const MOST_BYTES: u64 = 64 << 10;
/// No more of a text is shown or searched for.
pub const MOST_CHARS: usize = 100;

/// Whether a file of this name is a metaInfo.
#[must_use]
pub fn is_meta_info(name: &FileName) -> bool {
    name.folded().starts_with("metainfo") && name.extension() == "json"
}

/// What is known from a metaInfo; nothing where it is broken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetaInfo {
    /// When the run started, as the watch's clock said: whether that can be true is another question.
    pub start: Option<Millis>,
    /// The sensor clock at the start, in nanoseconds.
    pub sensor_clock: Option<i64>,
    /// The app's count of its runs.
    pub run_number: Option<i64>,
    /// The app's version, with its code in brackets.
    pub app_version: Option<String>,
    /// The detection model that the watch ran.
    pub model: Option<String>,
    /// The watch's board, device and Android SDK.
    pub hardware: Option<String>,
}

impl MetaInfo {
    /// Reads the text of a metaInfo. Numbers may be strings, and keys may be missing.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let said = serde_json::from_slice(text).unwrap_or_default();
        let said = Said(said);
        Self {
            start: said.text("date").and_then(|text| read_time(&text)),
            sensor_clock: said.number("start_time_stamp"),
            run_number: said.number("run_number").filter(|number| (0..=i64::from(u32::MAX)).contains(number)),
            app_version: said.app_version(),
            model: said.text("tf_model"),
            hardware: said.hardware(),
        }
    }
}

/// The keys and values of a metaInfo.
struct Said(Map<String, Value>);

impl Said {
    /// A text, or a number as text. Neither empty nor long nor of characters that no page can show.
    fn text(&self, key: &str) -> Option<String> {
        let text = match self.0.get(key)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let text: String = text.chars().filter(|c| !c.is_control()).take(MOST_CHARS).collect();
        (!text.is_empty()).then_some(text)
    }

    fn number(&self, key: &str) -> Option<i64> {
        match self.0.get(key)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn app_version(&self) -> Option<String> {
        match (self.text("app_version"), self.text("version_code")) {
            (Some(version), Some(code)) => Some(format!("{version} ({code})")),
            (version, code) => version.or(code),
        }
    }

    fn hardware(&self) -> Option<String> {
        let sdk = self.text("build_sdk").map(|sdk| format!("SDK {sdk}"));
        let mut parts: Vec<_> = [self.text("build_board"), self.text("build_device"), sdk].into_iter().flatten().collect();
        parts.dedup();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runs::start::at;

    const WHOLE: &str = r#"{"tf_model": "hands.tflite", "tf_settings": "{}", "app_version": "1.4.2", "version_code": 37,
        "date": "2026-11-20T09:20:00Z", "start_time_stamp": 86400000000000, "run_number": 7, "build_board": "sawfish",
        "build_device": "sturgeon", "build_sdk": 28, "android_id": "9774d56d682e549c"}"#;

    #[test]
    fn a_whole_one_is_read() {
        let expected = MetaInfo {
            start: Some(at(20, 9, 20)),
            sensor_clock: Some(86_400_000_000_000),
            run_number: Some(7),
            app_version: Some("1.4.2 (37)".to_owned()),
            model: Some("hands.tflite".to_owned()),
            hardware: Some("sawfish, sturgeon, SDK 28".to_owned()),
        };
        assert_eq!(MetaInfo::parse(WHOLE.as_bytes()), expected);
        let with_mark = ["\u{feff}", WHOLE].concat();
        assert_eq!(MetaInfo::parse(with_mark.as_bytes()), expected);
        let in_quotes = WHOLE.replace("37", "\"37\"").replace("86400000000000", "\" 86400000000000\"").replace(": 7", ": \"7\"");
        assert_eq!(MetaInfo::parse(in_quotes.as_bytes()), expected);
    }

    #[test]
    fn of_a_broken_one_nothing_is_known() {
        for text in ["", "{", "[]", "7", "null", &WHOLE[..WHOLE.len() - 1], "\0\0", r#"{"date": [], "run_number": {}, "tf_model": null}"#] {
            assert_eq!(MetaInfo::parse(text.as_bytes()), MetaInfo::default(), "{text}");
        }
        assert_eq!(MetaInfo::parse(b"{\"tf_model\": \"\xff\"}"), MetaInfo::default());
        assert_eq!(MetaInfo::parse(&b"[".repeat(60_000)), MetaInfo::default());
    }

    #[test]
    fn what_is_missing_or_senseless_is_not_known_and_the_rest_is() {
        let text = r#"{"tf_model": " ", "version_code": 37, "date": "soon", "start_time_stamp": 1.5, "run_number": -1, "build_sdk": 28}"#;
        let expected = MetaInfo { app_version: Some("37".to_owned()), hardware: Some("SDK 28".to_owned()), ..MetaInfo::default() };
        assert_eq!(MetaInfo::parse(text.as_bytes()), expected);
        let text = format!(r#"{{"tf_model": "a\n\u0000b{}", "run_number": 4294967296}}"#, "ü".repeat(200));
        let model = MetaInfo::parse(text.as_bytes()).model.expect("a model");
        assert!(model.starts_with("abü") && model.chars().count() == 100, "{model}");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>, at in 0..WHOLE.len(), byte: u8) {
            let _ = MetaInfo::parse(&bytes);
            let mut one_wrong = WHOLE.as_bytes().to_vec();
            one_wrong[at] = byte;
            let _ = MetaInfo::parse(&one_wrong);
        }
    }
}
