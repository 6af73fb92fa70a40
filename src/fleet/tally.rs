//! What has happened so far.

use std::{collections::BTreeMap, time::Duration};

use super::recording::Identity;

/// Reasons that are told apart.
const REASONS: usize = 20;

/// What has happened so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) runs: Vec<Run>,
    pub(super) bytes: u64,
    /// Of the tries that brought a file.
    pub(super) latencies: Vec<Duration>,
    /// Why it had to be tried again, and how often.
    pub(super) retries: BTreeMap<String, u64>,
}

/// A run, and how many of its files the server has called safe: the first ones, since a watch keeps to the order.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) watch: Identity,
    pub(super) number: u32,
    pub(super) uuid: String,
    pub(super) safe: u32,
}

impl Tally {
    /// Begins a run. Returns its place.
    pub(super) fn begin(&mut self, watch: Identity, number: u32, uuid: String) -> usize {
        self.runs.push(Run { watch, number, uuid, safe: 0 });
        self.runs.len() - 1
    }

    /// Another file of a run is safe.
    pub(super) fn safe(&mut self, run: usize, size: u64, took: Duration) {
        self.runs[run].safe += 1;
        self.bytes += size;
        self.latencies.push(took);
    }

    pub(super) fn refused(&mut self, why: String) {
        let known = self.retries.len() < REASONS || self.retries.contains_key(&why);
        *self.retries.entry(if known { why } else { "other reasons".to_owned() }).or_default() += 1;
    }
}
