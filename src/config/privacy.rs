//! `privacy`: which files researchers do not get, and no zip holds, told by their names.

use glob::Pattern;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Report, Role};
use crate::ids::{FileName, fold, hex};

/// The section `privacy`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct PrivacyConfig {
    /// Patterns of names whose files may hold a voice or a picture.
    pub sensitive: Vec<String>,
    /// Whether researchers may see them, and not operators alone.
    #[serde(rename = "researchers_may_see")]
    pub researchers_may: bool,
}

impl Default for PrivacyConfig {
    fn default() -> Self {
        Self { sensitive: ["recording_mic*.zip", "*.3gp"].map(str::to_owned).to_vec(), researchers_may: false }
    }
}

impl PrivacyConfig {
    /// Whether a file of this name is sensitive. Neither capitals nor the mark of a second file of its name hide one.
    #[must_use]
    pub fn is_sensitive(&self, name: &FileName) -> bool {
        !Sight { hidden: self.patterns() }.sees(name)
    }

    /// What somebody of this role may see.
    #[must_use]
    pub fn sight(&self, role: Role) -> Sight {
        let hidden = if role == Role::Operator || self.researchers_may { Vec::new() } else { self.patterns() };
        Sight { hidden }
    }

    /// What zips may hold. They are for everybody, operators included, who take the rest one by one.
    #[must_use]
    pub fn in_zips(&self) -> Sight {
        self.sight(Role::Researcher)
    }

    fn patterns(&self) -> Vec<Pattern> {
        self.sensitive.iter().filter_map(|pattern| compile(pattern).ok()).collect()
    }

    /// What zips leave out, in 16 digits: a zip made under another rule is known by it. Empty where nothing is
    /// left out.
    #[must_use]
    pub fn rule(&self) -> String {
        if self.researchers_may || self.sensitive.is_empty() { String::new() } else { self.fingerprint() }
    }

    /// The patterns, in 16 digits: whatever was made under others is known by it. Their order and capitals do not matter.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut patterns: Vec<_> = self.sensitive.iter().map(|pattern| fold(pattern)).collect();
        patterns.sort();
        patterns.dedup();
        let digest = Sha256::new().chain_update("wearhouse leaves out\n").chain_update(patterns.join("\n")).finalize();
        hex(&digest[..8])
    }

    pub(super) fn validate(&self, report: &mut Report) {
        for (index, pattern) in self.sensitive.iter().enumerate() {
            if let Some(wrong) = wrong(pattern) {
                report.say(format!("privacy.sensitive[{index}]"), wrong);
            }
        }
    }
}

/// What somebody may see of the files, by the settings of one moment: ask for it anew with each question.
#[derive(Debug, Clone)]
pub struct Sight {
    hidden: Vec<Pattern>,
}

impl Sight {
    /// Whether every file may be seen.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.hidden.is_empty()
    }

    /// Whether a file of this name may be seen.
    #[must_use]
    pub fn sees(&self, name: &FileName) -> bool {
        if self.hidden.is_empty() {
            return true;
        }
        let names = [Some(name.folded()), name.unmarked().map(|name| name.folded())];
        !self.hidden.iter().any(|pattern| names.iter().flatten().any(|name| pattern.matches(name)))
    }
}

fn compile(pattern: &str) -> Result<Pattern, glob::PatternError> {
    Pattern::new(&fold(pattern))
}

/// What is wrong with a pattern. One that no name could ever match is a hole that nobody sees.
fn wrong(pattern: &str) -> Option<&'static str> {
    if pattern.trim().is_empty() {
        Some("write a pattern of names, for example \"*.3gp\", or delete this one")
    } else if pattern.starts_with('.') || pattern != pattern.trim() {
        Some("no stored name begins with a dot, or begins or ends with a space: write for example \"*.3gp\"")
    } else if pattern.contains(['/', '\\', ':', '"', '<', '>', '|']) || pattern.chars().any(char::is_control) {
        Some("write the pattern of a name as it is stored: without a folder, and with _ in place of / \\ : \" < > |")
    } else if pattern.contains(['{', '}']) {
        Some("braces are no alternatives: write a pattern of its own for each, and ? for a brace in a name")
    } else if compile(pattern).is_err() {
        Some("this is no pattern: * stands for anything (write one, not two), ? for one character, [ab] for one of these")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensitive(patterns: &[&str]) -> PrivacyConfig {
        PrivacyConfig { sensitive: patterns.iter().map(|&pattern| pattern.to_owned()).collect(), ..PrivacyConfig::default() }
    }

    fn hides(config: &PrivacyConfig, sent: &str) -> bool {
        config.is_sensitive(&FileName::from_sent(sent))
    }

    #[test]
    fn what_the_microphone_heard_is_sensitive_and_when_it_heard_is_not() {
        let config = PrivacyConfig::default();
        for name in [
            "recording_mic_7_2026-11-20T09:20+0000_9774d56d682e549c.zip",
            "recording_mic_7_x~2.zip",
            "Recording_MIC_7.ZIP",
            "recording_mic.zip",
            "voice.3gp",
            "voice.a.b.3GP",
            "voice~2.3gp",
        ] {
            assert!(hides(&config, name), "{name}");
        }
        for name in [
            "mic_time_stamps_7_2026-11-20T09:20+0000_9774d56d682e549c.csv",
            "android_sensor_accelerometer_7.zip",
            "recording_mic_7.csv",
            "my_recording_mic_7.zip",
            "metaInfo.json",
            "3gp",
            "a.3gpp",
        ] {
            assert!(!hides(&config, name), "{name}");
        }
    }

    #[test]
    fn a_second_file_of_a_sensitive_name_is_sensitive() {
        let config = sensitive(&["*_private.csv"]);
        let name = FileName::from_sent("talk_private.csv");
        for mark in ["2", "50", "0badcafe"] {
            assert!(config.is_sensitive(&name.marked(mark)), "{mark}");
        }
        assert!(!hides(&config, "talk_private~draft.csv") && !hides(&config, "talk_private~.csv"));
    }

    #[test]
    fn an_operator_sees_everything_and_a_researcher_what_is_not_sensitive() {
        let (config, voice) = (PrivacyConfig::default(), FileName::from_sent("voice.3gp"));
        assert!(config.sight(Role::Operator).sees(&voice) && !config.sight(Role::Researcher).sees(&voice));
        assert!(config.sight(Role::Researcher).sees(&FileName::from_sent("acc.csv")));
        let open = PrivacyConfig { researchers_may: true, ..config };
        assert!(open.sight(Role::Researcher).sees(&voice) && open.is_sensitive(&voice));
    }

    #[test]
    fn a_pattern_is_of_the_same_letters_however_they_are_written() {
        assert!(hides(&sensitive(&["Ge\u{301}SPRA\u{308}CH*"]), "Géspräch 1.csv"));
        assert!(hides(&sensitive(&["straße?.CSV"]), "STRASSE1.csv"));
        assert!(hides(&sensitive(&["[A-C]x.csv"]), "bX.csv"));
        assert!(!hides(&sensitive(&[]), "voice.3gp"));
    }

    #[test]
    fn a_rule_is_of_what_is_left_out_and_of_nothing_else() {
        let rule = PrivacyConfig::default().rule();
        assert!(rule.len() == 16 && rule.bytes().all(|digit| digit.is_ascii_hexdigit()), "{rule}");
        assert_eq!(rule, sensitive(&["*.3GP", "recording_mic*.zip", "*.3gp"]).rule());
        assert_ne!(rule, sensitive(&["*.3gp"]).rule());
        assert_eq!(sensitive(&[]).rule(), "");
        assert_eq!(PrivacyConfig { researchers_may: true, ..PrivacyConfig::default() }.rule(), "");
    }

    #[test]
    fn a_pattern_that_would_hide_nothing_is_refused_with_its_number() {
        for (pattern, hint) in [
            ("", "*.3gp"),
            (" ", "*.3gp"),
            (".3gp", "begins with a dot"),
            ("*.3gp ", "ends with a space"),
            ("recordings/*.3gp", "without a folder"),
            ("mic_*T09:20*", "as it is stored"),
            ("a\\*", "as it is stored"),
            ("*.{3gp,wav}", "braces"),
            ("**.3gp", "one, not two"),
            ("[a.3gp", "no pattern"),
        ] {
            let mut report = Report::default();
            sensitive(&["*.wav", pattern]).validate(&mut report);
            let message = report.into_result("").map_or_else(|problems| problems.to_string(), |()| String::new());
            assert!(message.starts_with("privacy.sensitive[1]: ") && message.contains(hint), "{pattern}: {message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }

    #[test]
    fn a_pattern_that_names_can_match_is_taken() {
        let mut report = Report::default();
        sensitive(&["*.3gp", "recording_mic*.zip", "größe?.csv", "[ab]*", "*", "voice memo.wav"]).validate(&mut report);
        assert_eq!(report.into_result(""), Ok(()));
    }
}
