//! The words of the house: ids and names, parsed once at the door and trusted below.

mod device;
mod file;
mod sent_name;
mod tag;
mod uuids;

pub use device::{DeviceId, Identifier};
pub use file::{FileId, FileName, Kind, extension_of, fold};
pub use sent_name::SentName;
pub use tag::Tag;
pub use uuids::{DatasetId, ModelId, ParticipantId};

/// Why a piece of text is not the id or name that it should be. The message says what to send instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// The bytes that [`hex`] wrote; `None` for what it never writes.
#[must_use]
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pair = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect()
}

/// Bytes, such as those of a digest, as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}
