//! Everything that was found, in order, and the verdict over all.

use std::fmt;

use serde::Serialize;

use super::finding::{Check, Finding, Verdict};
use crate::outside::Server;

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
    fn the_verdict_counts_what_is_wrong() {
        let verdict = |finding| report([finding]).verdict();
        assert_eq!(verdict(Check::Clock.ok("")), "https://name is ready for watches");
        assert_eq!(verdict(Check::Clock.warn("")), "https://name is ready for watches; one thing should be better");
        assert!(verdict(Check::Clock.fail("")).contains("not ready for watches: one thing must be mended"));
    }
}
