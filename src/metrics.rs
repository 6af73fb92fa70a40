//! What is counted while the house works. Labels are types with few values, so nothing about anybody can become one.
//!
//! Names follow <https://prometheus.io/docs/practices/naming/>; counted once for the process.

use std::{fmt, sync::LazyLock};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Everything that is counted.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::default);

/// What became of an uploaded file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is new, and lies in its dataset.
    Stored,
    /// It was here already.
    Repeated,
    /// A person must decide over it.
    Quarantined,
    /// The request that brought it was refused, or broke off.
    Refused,
}

/// What became of a roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RollOutcome {
    /// The next generation is published.
    Published,
    /// The last one stays.
    Failed,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let word = match self {
            Self::Stored => "stored",
            Self::Repeated => "repeated",
            Self::Quarantined => "quarantined",
            Self::Refused => "refused",
        };
        EncodeLabelValue::encode(&word, encoder)
    }
}

impl EncodeLabelValue for RollOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let word = match self {
            Self::Published => "published",
            Self::Failed => "failed",
        };
        EncodeLabelValue::encode(&word, encoder)
    }
}

/// The label of a counter of uploaded files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UploadLabels {
    /// What became of them.
    pub outcome: Outcome,
}

/// The label of a counter of rolls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RollLabels {
    /// What became of them.
    pub outcome: RollOutcome,
}

/// The labels of a counter of requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The method, if it is one of HTTP's own; else `other`.
    pub method: &'static str,
    /// The route as it stands in the router, with names in braces where an address has ids.
    pub route: String,
    /// The status of the answer.
    pub status: u16,
}

/// What is counted.
pub struct Metrics {
    /// Answered requests.
    pub requests: Family<RequestLabels, Counter>,
    /// Seconds from a request's head to its answer's head.
    pub request_seconds: Histogram,
    /// Uploaded files.
    pub uploads: Family<UploadLabels, Counter>,
    /// Bytes of the files that were stored or quarantined.
    pub upload_bytes: Counter,
    /// Seconds from an upload's head to its receipt.
    pub upload_seconds: Histogram,
    /// Uploads under way.
    pub uploads_in_flight: Gauge,
    /// Requests that wait until a zip is built.
    pub zip_requests_waiting: Gauge,
    /// Seconds that a group of uploads takes to be committed to the catalog.
    pub commit_seconds: Histogram,
    /// Zips rolled.
    pub rolls: Family<RollLabels, Counter>,
    /// Seconds that a roll takes.
    pub roll_seconds: Histogram,
    /// Bytes that were copied from one generation to the next.
    pub roll_copied_bytes: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let (uploads, rolls) = (Family::default(), Family::default());
        // Shown from the start: an increase from nothing to one would not be seen as one.
        for outcome in [Outcome::Stored, Outcome::Repeated, Outcome::Quarantined, Outcome::Refused] {
            drop(uploads.get_or_create(&UploadLabels { outcome }));
        }
        for outcome in [RollOutcome::Published, RollOutcome::Failed] {
            drop(rolls.get_or_create(&RollLabels { outcome }));
        }
        // 0.5 ms to 4 s, and 10 ms to 5 min.
        let (short, long) = (|| exponential_buckets(0.0005, 2.0, 14), || exponential_buckets(0.01, 2.0, 16));
        Self {
            requests: Family::default(),
            request_seconds: Histogram::new(short()),
            uploads,
            upload_bytes: Counter::default(),
            upload_seconds: Histogram::new(long()),
            uploads_in_flight: Gauge::default(),
            zip_requests_waiting: Gauge::default(),
            commit_seconds: Histogram::new(short()),
            rolls,
            roll_seconds: Histogram::new(long()),
            roll_copied_bytes: Counter::default(),
        }
    }
}

impl Metrics {
    /// Names everything in a registry, from which it can be shown.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "Answered requests", self.requests.clone());
        registry.register("http_request_duration_seconds", "Time from a request to its answer's head", self.request_seconds.clone());
        registry.register("uploads", "Uploaded files by what became of them", self.uploads.clone());
        registry.register("upload_bytes", "Bytes of files stored or quarantined", self.upload_bytes.clone());
        registry.register("upload_duration_seconds", "Time from an upload's head to its receipt", self.upload_seconds.clone());
        registry.register("uploads_in_flight", "Uploads under way", self.uploads_in_flight.clone());
        registry.register("zip_requests_waiting", "Requests that wait until a zip is built", self.zip_requests_waiting.clone());
        registry.register("catalog_commit_duration_seconds", "Time to commit a group of uploads", self.commit_seconds.clone());
        registry.register("rolls", "Zips rolled by what became of them", self.rolls.clone());
        registry.register("roll_duration_seconds", "Time to roll a zip", self.roll_seconds.clone());
        registry.register("roll_copied_bytes", "Bytes copied from one zip to the next", self.roll_copied_bytes.clone());
    }
}
