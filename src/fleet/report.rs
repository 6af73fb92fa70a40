//! What a fleet went through: for people a table, for machines JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;

use super::{
    Fleet,
    tally::Tally,
    verify::{Fault, Kind},
};

/// Faults that are named to a person; the JSON names all.
const NAMED: usize = 20;

/// What a fleet went through.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    server: String,
    seed: u64,
    watches: u32,
    /// Files that were called safe.
    uploads: u64,
    bytes: u64,
    /// Files that stayed on the watches.
    not_uploaded: u64,
    seconds: f64,
    uploads_per_second: f64,
    /// Megabytes of 10⁶ bytes.
    megabytes_per_second: f64,
    latency_ms: Latency,
    retries: u64,
    retries_because: BTreeMap<String, u64>,
    /// Whether everything was read back. Else nobody knows what was lost.
    verified: bool,
    lost: Option<usize>,
    damaged: Option<usize>,
    doubled: Option<usize>,
    unread: Option<usize>,
    faults: Vec<Fault>,
}

/// From a request's first byte to its answer, of the tries that brought a file, in ms.
#[derive(Debug, Clone, Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Report {
    pub(super) fn new(fleet: &Fleet, tally: Tally, took: Duration, faults: Option<Vec<Fault>>) -> Self {
        let uploads = tally.latencies.len() as u64;
        let planned = u64::from(fleet.watches) * u64::from(fleet.runs) * u64::from(fleet.cargo.files());
        let seconds = took.as_secs_f64();
        let count = |kind| Some(faults.as_ref()?.iter().filter(|fault| fault.kind == kind).count());
        Self {
            server: fleet.server.to_string(),
            seed: fleet.seed,
            watches: fleet.watches,
            uploads,
            bytes: tally.bytes,
            not_uploaded: planned.saturating_sub(uploads),
            seconds,
            uploads_per_second: figure(uploads) / seconds,
            megabytes_per_second: figure(tally.bytes) / 1e6 / seconds,
            latency_ms: Latency::of(tally.latencies),
            retries: tally.retries.values().sum(),
            retries_because: tally.retries,
            verified: faults.is_some(),
            lost: count(Kind::Lost),
            damaged: count(Kind::Damaged),
            doubled: count(Kind::Doubled),
            unread: count(Kind::Unread),
            faults: faults.unwrap_or_default(),
        }
    }

    /// Whether something was uploaded, and nothing of it is missing, damaged, doubled or unread.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.uploads > 0 && self.faults.is_empty()
    }

    /// One sentence over all.
    #[must_use]
    pub fn verdict(&self) -> String {
        match (self.uploads, self.faults.len(), self.verified) {
            (0, ..) => "nothing was uploaded: see why it had to be tried again".to_owned(),
            (uploads, 0, true) => format!("all {uploads} files were read back whole, once"),
            (uploads, 0, false) => format!("{uploads} files were called safe; nobody read them back"),
            (uploads, faults, _) => format!("{faults} faults among {uploads} files that were called safe"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "fifteen digits are enough")]
fn figure(count: u64) -> f64 {
    count as f64
}

impl Latency {
    fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let at = |percent: usize| {
            let rank = (latencies.len() * percent).div_ceil(100).saturating_sub(1);
            latencies.get(rank).map_or(0.0, |latency| (latency.as_secs_f64() * 1e6).round() / 1e3)
        };
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p90, p99, max } = self.latency_ms;
        let mut row = |name: &str, value: fmt::Arguments<'_>| writeln!(f, "{name:<13}{value}");
        row("server", format_args!("{}", self.server))?;
        row("watches", format_args!("{} (seed {})", self.watches, self.seed))?;
        row("uploads", format_args!("{} in {:.2} s, {:.1} a second", self.uploads, self.seconds, self.uploads_per_second))?;
        row("bytes", format_args!("{:.1} MB, {:.1} MB a second", figure(self.bytes) / 1e6, self.megabytes_per_second))?;
        row("latency", format_args!("{p50:.1} ms median, {p90:.1} ms 90 %, {p99:.1} ms 99 %, {max:.1} ms at most"))?;
        row("tried again", format_args!("{} times", self.retries))?;
        for (why, times) in &self.retries_because {
            row("", format_args!("{times} × {why}"))?;
        }
        if self.not_uploaded > 0 {
            row("not uploaded", format_args!("{} files are still on the watches", self.not_uploaded))?;
        }
        for (name, count) in [("lost", self.lost), ("damaged", self.damaged), ("doubled", self.doubled), ("unread", self.unread)] {
            count.map_or(Ok(()), |count| row(name, format_args!("{count}")))?;
        }
        if !self.verified {
            row("read back", format_args!("nothing (--no-verify)"))?;
        }
        for Fault { kind, uuid, name, seen_in } in self.faults.iter().take(NAMED) {
            row("", format_args!("{kind:?} in the {seen_in}: {uuid} {name}"))?;
        }
        if self.faults.len() > NAMED {
            row("", format_args!("and {} more (--json names all)", self.faults.len() - NAMED))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let latency = Latency::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(format!("{latency:?}"), "Latency { p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 }");
        assert_eq!(format!("{:?}", Latency::of(Vec::new())), "Latency { p50: 0.0, p90: 0.0, p99: 0.0, max: 0.0 }");
        assert!(format!("{:?}", Latency::of(vec![Duration::from_micros(1500)])).contains("p50: 1.5,"));
    }
}
