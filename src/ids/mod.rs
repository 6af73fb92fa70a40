//! The words of the house: ids and names, parsed once at the door and trusted below.

mod dataset;
mod device;
mod file;

pub use dataset::DatasetId;
pub use device::{DeviceId, Identifier};
pub use file::{FileId, FileName, Kind, extension_of, fold};

/// Why a piece of text is not the id or name that it should be. The message says what to send instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);
