//! What is known of a link from outside while it carries something, and how it is cut.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Where an upload's connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// After so many bytes.
    After(u64),
    /// When all is there, and the answer is on its way.
    Answer,
}

/// What is known of a link from outside while it carries something.
#[derive(Debug)]
pub(super) struct Control {
    /// Bytes that went through, both ways.
    moved: AtomicU64,
    /// Bytes that may still be written.
    left: AtomicU64,
    loses_answer: AtomicBool,
    /// That it was cut.
    cut: OnceLock<()>,
}

impl Control {
    pub(super) fn new() -> Arc<Self> {
        let (moved, left) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Arc::new(Self { moved, left, loses_answer: AtomicBool::new(false), cut: OnceLock::new() })
    }

    /// Has the link cut during what is sent next.
    pub(super) fn arm(&self, cut: Cut) {
        match cut {
            Cut::After(bytes) => self.left.store(bytes, Ordering::Release),
            Cut::Answer => self.loses_answer.store(true, Ordering::Release),
        }
    }

    pub(super) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Acquire)
    }

    pub(super) fn was_cut(&self) -> bool {
        self.cut.get().is_some()
    }

    pub(super) fn cut(&self) -> io::Error {
        let _ = self.cut.set(());
        io::Error::new(io::ErrorKind::ConnectionReset, "the link was cut")
    }

    /// Bytes that may still be written: none means that the link is cut.
    pub(super) fn left(&self) -> u64 {
        self.left.load(Ordering::Acquire)
    }

    pub(super) fn loses_answer(&self) -> bool {
        self.loses_answer.load(Ordering::Acquire)
    }

    pub(super) fn read(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Ordering::AcqRel);
        if self.left.load(Ordering::Acquire) != u64::MAX {
            self.left.fetch_sub(bytes as u64, Ordering::AcqRel);
        }
    }
}
