//! What an alert is: of which kind, about what, and the sentence for a person.

use crate::{catalog::Millis, catalog::StandingAlert, config::AlertKind};

impl AlertKind {
    /// A few words above alerts of this kind.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Request => "Asking to be let in",
            Self::Silent => "Silent devices",
            Self::Skipped => "Missing runs",
            Self::Unfinished => "Unfinished recordings",
            Self::Quarantine => "In quarantine",
            Self::Disk => "Room on the disk",
            Self::Verification => "Damaged files",
            Self::Clock => "Wrong clock",
        }
    }

    /// What it means, in one sentence.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Request => "A watch asks to be let in, and keeps its recordings until somebody grants it.",
            Self::Silent => "A device has brought nothing for longer than it should.",
            Self::Skipped => "Between two runs of a device, others are missing.",
            Self::Unfinished => "A recording began to arrive, and its end has not come.",
            Self::Quarantine => "A file waits for somebody to release or discard it.",
            Self::Disk => "At the pace of the last days, the disk will soon be full; then uploads are refused.",
            Self::Verification => "A file on the disk is no longer what the watch sent.",
            Self::Clock => "The server's clock cannot be right, or an operator must confirm that it is. Erasing and expiry wait.",
        }
    }

    /// The page on which something can be done about it.
    #[must_use]
    pub fn page(self) -> &'static str {
        match self {
            Self::Request => "/tokenauth/check/",
            Self::Silent | Self::Skipped | Self::Unfinished => "/missing/",
            Self::Verification => "/recording/list/",
            Self::Quarantine => "/quarantine/",
            Self::Disk | Self::Clock => "/",
        }
    }

    /// Whether it should wake somebody.
    pub(super) fn is_urgent(self) -> bool {
        matches!(self, Self::Disk | Self::Verification | Self::Clock)
    }
}

/// Something that somebody should know. It leaves the house: aliases may stand in it, an Android id or a client's address not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Of which kind.
    pub kind: AlertKind,
    /// What of that kind, such as a dataset's uuid. With the kind, it tells one alert from another.
    pub subject: String,
    /// A sentence for a person.
    pub text: String,
}

impl Alert {
    /// As the catalog keeps it.
    pub(super) fn standing(&self, since: Millis) -> StandingAlert {
        let tidy = |text: &str| without_android_ids(&text.split_whitespace().collect::<Vec<_>>().join(" "));
        StandingAlert { kind: self.kind.as_str().to_owned(), subject: tidy(&self.subject), text: tidy(&self.text), since }
    }
}

/// The text on one line without what looks like an Android id, should a whole identifier have got into it.
fn without_android_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ends_of_words = text.split_inclusive(|letter: char| !letter.is_alphanumeric());
    let shown = ends_of_words.map(|piece| {
        let word = piece.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        if is_id(word) { format!("…{}", &piece[word.len()..]) } else { piece.to_owned() }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        Alert { kind: AlertKind::Silent, subject: String::new(), text: text.to_owned() }.standing(0).text
    }

    #[test]
    fn no_android_id_leaves_the_house() {
        assert_eq!(told("kitchen watch[9774d56d682e549c] is silent"), "kitchen watch[…] is silent");
        assert_eq!(told("9774D56D682E549C"), "…");
        for fine in ["recording 0199f3f0-5c1b-7c52-9d32-cc7b2a1e4f01", "device 9774d56d682e549c9774d56d682e549c", "décodé 1234567890 ½ ok"]
        {
            assert_eq!(told(fine), fine);
        }
    }

    #[test]
    fn a_text_is_one_line() {
        assert_eq!(told(" a\r\nBcc: b\t\u{a0}c "), "a Bcc: b c");
    }
}
