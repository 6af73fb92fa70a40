//! `storage`: where recordings lie, and which go into their dataset at once.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Report;

/// The section `storage`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageConfig {
    /// The `uploads` folder.
    pub uploads: PathBuf,
    /// Extensions, in lower case without a dot, that are not quarantined.
    pub extensions: Vec<String>,
    /// MiB of the disk that are never filled.
    pub reserve_mib: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        let extensions = ["zip", "mkv", "csv", "3gp", "tflite", "json", "avi", "ort", "pt", "onnx", "txt", "wav", "gz", "parquet", "npy"];
        Self { uploads: PathBuf::from("../uploads"), extensions: extensions.map(str::to_owned).to_vec(), reserve_mib: 1024 }
    }
}

impl StorageConfig {
    /// Bytes of the disk that are never filled.
    #[must_use]
    pub fn reserve(&self) -> u64 {
        self.reserve_mib << 20
    }

    pub(super) fn validate(&self, report: &mut Report) {
        if self.uploads.as_os_str().is_empty() {
            report.say("storage.uploads", "name a folder, for example ../uploads");
        }
        for (index, extension) in self.extensions.iter().enumerate() {
            if extension.is_empty() || extension.contains('.') || *extension != extension.to_lowercase() {
                report.say(format!("storage.extensions[{index}]"), "write the extension in lower case without its dot, for example csv");
            }
        }
        if self.reserve_mib > 1 << 30 {
            report.say("storage.reserve_mib", "that is more than a pebibyte; write the MiB to keep free, for example 1024");
        }
    }
}
