//! The words of the house: ids and names, parsed once at the door and trusted below.

mod dataset;
mod device;
mod file;
mod tag;

pub use dataset::DatasetId;
pub use device::{DeviceId, Identifier};
pub use file::{FileId, FileName, Kind, extension_of, fold};
pub use tag::{ParticipantId, Tag};

/// Why a piece of text is not the id or name that it should be. The message says what to send instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Bytes, such as those of a digest, as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}
