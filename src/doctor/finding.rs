//! What was asked, what came of it, and the verdict over all.

use std::fmt;

use serde::{Serialize, Serializer};

use super::server::Server;

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

/// Everything that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    server: String,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(server: &Server) -> Self {
        Self { server: server.to_string(), findings: Vec::new() }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// Adds a finding, and hands on what was learned with it.
    pub(super) fn keep<T>(&mut self, (finding, learned): (Finding, Option<T>)) -> Option<T> {
        self.add(finding);
        learned
    }

    /// Brings the findings into order, and says of the rest that it was not asked.
    pub(super) fn complete(&mut self) {
        let missing = Check::ALL.into_iter().filter(|check| self.findings.iter().all(|finding| finding.check != *check));
        let missing: Vec<_> = missing.map(|check| check.not_asked(format!("mend {} first, then ask again", self.cause(check)))).collect();
        self.extend(missing);
        self.findings.sort_by_key(|finding| finding.check);
    }

    /// What kept a question from being asked: the last that failed before it.
    fn cause(&self, missing: Check) -> &'static str {
        let failed = self.findings.iter().filter(|finding| finding.verdict == Verdict::Fail).map(|finding| finding.check);
        failed.filter(|check| *check < missing).max().map_or("what failed", Check::label)
    }

    /// Whether nothing failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.count(Verdict::Fail) == 0
    }

    /// One sentence over all.
    #[must_use]
    pub fn verdict(&self) -> String {
        let server = &self.server;
        match (self.count(Verdict::Fail), self.count(Verdict::Warn)) {
            (0, 0) => format!("{server} is ready for watches"),
            (0, warned) => format!("{server} is ready for watches; {} should be better", things(warned)),
            (failed, _) => format!("{server} is not ready for watches: {} must be mended (docs/doctor.md says more)", things(failed)),
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}

fn things(count: usize) -> String {
    if count == 1 { "one thing".to_owned() } else { format!("{count} things") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (not_asked, asked): (Vec<_>, Vec<_>) = self.findings.iter().partition(|finding| finding.verdict == Verdict::NotAsked);
        asked.iter().try_for_each(|finding| writeln!(f, "{finding}"))?;
        // One line a reason.
        not_asked.chunk_by(|one, other| one.says == other.says).try_for_each(|alike| {
            let checks: Vec<_> = alike.iter().map(|finding| finding.check.label()).collect();
            writeln!(f, "not asked  {}: {}", checks.join(", "), alike[0].says)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: impl IntoIterator<Item = Finding>) -> Report {
        let mut report = Report::new(&"https://name".parse().expect("a server"));
        report.extend(findings);
        report.complete();
        report
    }

    #[test]
    fn all_is_told_in_order_and_what_was_not_asked_says_why() {
        let report = report([Check::Handshake.fail("silent"), Check::Address.ok("there")]);
        let told: Vec<_> = report.findings.iter().map(|finding| finding.check).collect();
        assert_eq!(told, Check::ALL);
        let last = "not asked  caching, clock, upload, upload size, buffering, healthz, readyz, private, hsts: mend handshake first, then ask again\n";
        assert!(report.to_string().ends_with(last), "{report}");
    }

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

    #[test]
    fn the_verdict_counts_what_is_wrong() {
        let verdict = |finding| report([finding]).verdict();
        assert_eq!(verdict(Check::Clock.ok("")), "https://name is ready for watches");
        assert_eq!(verdict(Check::Clock.warn("")), "https://name is ready for watches; one thing should be better");
        assert!(verdict(Check::Clock.fail("")).contains("not ready for watches: one thing must be mended"));
    }
}
