//! What is asked, and what came of it.

use std::fmt;

use serde::{Serialize, Serializer};

/// What is asked, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the labels say it")]
pub enum Check {
    Address,
    Tls,
    Chain,
    Name,
    Validity,
    PlainHttp,
    Handshake,
    Caching,
    Clock,
    Upload,
    UploadSize,
    Buffering,
    Alive,
    Ready,
    Private,
    Hsts,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Address,
        Self::Tls,
        Self::Chain,
        Self::Name,
        Self::Validity,
        Self::PlainHttp,
        Self::Handshake,
        Self::Caching,
        Self::Clock,
        Self::Upload,
        Self::UploadSize,
        Self::Buffering,
        Self::Alive,
        Self::Ready,
        Self::Private,
        Self::Hsts,
    ];

    /// What it is called.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Tls => "tls",
            Self::Chain => "chain",
            Self::Name => "name",
            Self::Validity => "validity",
            Self::PlainHttp => "plain http",
            Self::Handshake => "handshake",
            Self::Caching => "caching",
            Self::Clock => "clock",
            Self::Upload => "upload",
            Self::UploadSize => "upload size",
            Self::Buffering => "buffering",
            Self::Alive => "healthz",
            Self::Ready => "readyz",
            Self::Private => "private",
            Self::Hsts => "hsts",
        }
    }

    pub(super) fn ok(self, says: impl Into<String>) -> Finding {
        self.find(Verdict::Ok, says)
    }

    pub(super) fn warn(self, says: impl Into<String>) -> Finding {
        self.find(Verdict::Warn, says)
    }

    pub(super) fn fail(self, says: impl Into<String>) -> Finding {
        self.find(Verdict::Fail, says)
    }

    pub(super) fn not_asked(self, says: impl Into<String>) -> Finding {
        self.find(Verdict::NotAsked, says)
    }

    /// Some of the words are the server's: none of them may move a terminal's cursor.
    fn find(self, verdict: Verdict, says: impl Into<String>) -> Finding {
        Finding { check: self, verdict, says: says.into().replace(char::is_control, " ") }
    }
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// How it stands with one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and should be otherwise.
    Warn,
    /// A watch cannot bring its recordings, or something is open that must not be.
    Fail,
    /// It could not be asked.
    NotAsked,
}

impl Verdict {
    const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::NotAsked => "not asked",
        }
    }
}

/// What came of one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was asked.
    pub check: Check,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found, and what to do.
    pub says: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9}  {:11}  {}", self.verdict.label(), self.check.label(), self.says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_stays_on_its_line() {
        assert_eq!(Check::Handshake.fail("said: \u{1b}[2J\nok").says, "said:  [2J ok");
    }

    #[test]
    fn each_check_stands_in_the_document() {
        let document = include_str!("../../docs/doctor.md");
        for check in Check::ALL {
            assert!(document.contains(&format!("`{}`", check.label())), "{}", check.label());
        }
    }
}
