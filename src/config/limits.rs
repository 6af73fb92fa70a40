//! `limits`: what nobody may exceed, so that one watch, or a stranger, cannot harm the others.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Report;

/// What each file counts against a quota of bytes beside its size: its catalog row, the index entries of that row and its
/// directory entry take up to 4 KiB, also where the file is empty.
pub const FILE_OVERHEAD: u64 = 4 << 10;

/// What a device may upload in all, and what one of its datasets may hold.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Bytes of the device's files, with [`FILE_OVERHEAD`] for each.
    pub bytes: u64,
    /// Number of the device's files.
    pub files: u64,
    /// Number of the device's datasets.
    pub datasets: u64,
    /// Number of files in one dataset, without those in quarantine.
    pub dataset_files: u64,
}

impl Quota {
    /// No bound: for what is here already.
    pub const NONE: Self = Self { bytes: u64::MAX, files: u64::MAX, datasets: u64::MAX, dataset_files: u64::MAX };

    /// What both allow.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.min(other.bytes),
            files: self.files.min(other.files),
            datasets: self.datasets.min(other.datasets),
            dataset_files: self.dataset_files.min(other.dataset_files),
        }
    }
}

/// The section `limits`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsConfig {
    /// Largest request body, MiB.
    pub max_upload_mib: u64,
    /// Uploads under way at once.
    pub uploads_at_once: u32,
    /// Uploads of one device under way at once.
    pub device_uploads_at_once: u32,
    /// Files that are sent at once.
    pub downloads_at_once: u32,
    /// Open connections.
    pub connections: u32,
    /// Open connections from one address.
    pub connections_per_address: u32,
    /// Time for a request's head, seconds.
    pub header_seconds: u64,
    /// Size of a request's head, and of all part headers of an upload together, KiB.
    pub header_kib: u32,
    /// Longest silence within a body, and longest wait for a client to read, seconds.
    pub stall_seconds: u64,
    /// Time over which an upload of less than 4 KiB a second loses what is reserved for it on the disk, seconds.
    pub slow_upload_seconds: u64,
    /// Requests a minute of one address without a good credential.
    pub anonymous_per_minute: u32,
    /// New identifiers a minute that ask from one address.
    pub new_requests_per_minute: u32,
    /// Requests a minute of one device.
    pub device_per_minute: u32,
    /// GiB of one device.
    pub device_gib: u64,
    /// Files of one device.
    pub device_files: u64,
    /// Datasets of one device.
    pub device_datasets: u64,
    /// Files of one dataset.
    pub dataset_files: u64,
    /// Open requests to be let in.
    pub open_requests: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_upload_mib: 4096,
            uploads_at_once: 12_000,
            device_uploads_at_once: 16,
            downloads_at_once: 256,
            connections: 16384,
            connections_per_address: 1024,
            header_seconds: 15,
            header_kib: 64,
            stall_seconds: 60,
            slow_upload_seconds: 120,
            anonymous_per_minute: 1200,
            new_requests_per_minute: 120,
            device_per_minute: 30_000,
            device_gib: 1024,
            device_files: 1_000_000,
            device_datasets: 100_000,
            dataset_files: 20_000,
            open_requests: 1000,
        }
    }
}

impl LimitsConfig {
    /// Largest request body, bytes.
    #[must_use]
    pub fn max_upload(&self) -> u64 {
        self.max_upload_mib << 20
    }

    /// Size of a request's head, and of all part headers of an upload, bytes.
    #[must_use]
    pub fn max_header(&self) -> usize {
        (self.header_kib as usize) << 10
    }

    /// Time for a request's head.
    #[must_use]
    pub fn header_time(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    /// Longest silence within a body, and longest wait for a client to read.
    #[must_use]
    pub fn stall_time(&self) -> Duration {
        Duration::from_secs(self.stall_seconds)
    }

    /// Time over which a slow upload loses what is reserved for it on the disk.
    #[must_use]
    pub fn slow_upload_time(&self) -> Duration {
        Duration::from_secs(self.slow_upload_seconds)
    }

    /// What one device may bring in all.
    #[must_use]
    pub fn quota(&self) -> Quota {
        Quota { bytes: self.device_gib << 30, files: self.device_files, datasets: self.device_datasets, dataset_files: self.dataset_files }
    }

    pub(super) fn validate(&self, report: &mut Report) {
        report.range("limits.max_upload_mib", self.max_upload_mib, 1..=1 << 30);
        report.range("limits.uploads_at_once", self.uploads_at_once.into(), 1..=100_000);
        report.range("limits.device_uploads_at_once", self.device_uploads_at_once.into(), 1..=100_000);
        report.range("limits.downloads_at_once", self.downloads_at_once.into(), 1..=100_000);
        report.range("limits.connections", self.connections.into(), 1..=1_000_000);
        report.range("limits.connections_per_address", self.connections_per_address.into(), 1..=1_000_000);
        report.range("limits.header_seconds", self.header_seconds, 1..=3600);
        report.range("limits.header_kib", self.header_kib.into(), 16..=1024);
        report.range("limits.stall_seconds", self.stall_seconds, 1..=3600);
        report.range("limits.slow_upload_seconds", self.slow_upload_seconds, 1..=86_400);
        report.range("limits.anonymous_per_minute", self.anonymous_per_minute.into(), 1..=u32::MAX.into());
        report.range("limits.new_requests_per_minute", self.new_requests_per_minute.into(), 1..=u32::MAX.into());
        report.range("limits.device_per_minute", self.device_per_minute.into(), 1..=u32::MAX.into());
        report.range("limits.device_gib", self.device_gib, 1..=1 << 30);
        report.range("limits.device_files", self.device_files, 1..=1 << 40);
        report.range("limits.device_datasets", self.device_datasets, 1..=1 << 40);
        report.range("limits.dataset_files", self.dataset_files, 1..=1 << 40);
        report.range("limits.open_requests", self.open_requests.into(), 1..=100_000);
    }
}
