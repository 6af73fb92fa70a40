//! What a model file is, and what it says of itself: bytes in, facts out. No disk, no clock, and nothing of a model is ever run.
//!
//! A file is what its extension claims, or it is refused with a sentence that says what it is instead. Nothing is believed: each
//! offset and length is checked before it is followed, all work is bounded by the file's own length, and what is kept of it is small.
//!
//! What cannot be told, as the file does not say it:
//! - TensorFlow Lite and ONNX Runtime: whether numbers within the weights are the right ones (there is no checksum), and whether bytes
//!   are missing that nothing points to: up to 15 of padding at the very end.
//! - ONNX: the same of the weights, and whether it was cut exactly between two of the last fields, behind all that a model needs.
//! - PyTorch: what its pickles hold. They are programs; they are not run, only their checksums are verified.
//!
//! `fuzz/` holds a target for it: `cargo +nightly fuzz run model` (its seeds: `tests/models/make.py --seeds fuzz/corpus/model`).

mod elements;
mod error;
mod facts;
mod fields;
mod look;
mod onnx;
mod ort;
mod pytorch;
mod reader;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod tflite;

use std::fmt;

use serde::{Deserialize, Serialize};

use error::Flaw;
pub use error::NotAModel;
pub use facts::{Dimension, Facts, Opset, Tensor};
use look::look;

use crate::ids::FileName;

/// A model's format, told from the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// TensorFlow Lite: `.tflite`.
    #[serde(rename = "tflite")]
    TfLite,
    /// ONNX Runtime's own format: `.ort`.
    #[serde(rename = "ort")]
    Ort,
    /// ONNX: `.onnx`.
    #[serde(rename = "onnx")]
    Onnx,
    /// A PyTorch archive: `.pt`.
    #[serde(rename = "pt")]
    PyTorch,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TfLite, Self::Ort, Self::Onnx, Self::PyTorch];

    /// The format that a file of this name claims to have.
    #[must_use]
    pub fn of(name: &FileName) -> Option<Self> {
        let extension = name.extension();
        Self::ALL.into_iter().find(|format| format.as_str() == extension)
    }

    /// The extension, without its dot.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TfLite => "tflite",
            Self::Ort => "ort",
            Self::Onnx => "onnx",
            Self::PyTorch => "pt",
        }
    }
}

/// The name for people.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TfLite => "TensorFlow Lite",
            Self::Ort => "ONNX Runtime",
            Self::Onnx => "ONNX",
            Self::PyTorch => "PyTorch",
        })
    }
}

/// What the model file of this name says of itself.
///
/// # Errors
///
/// It is no model, not of the format that its name claims, cut off, damaged, or of a kind that a watch cannot use.
pub fn inspect(name: &FileName, bytes: &[u8]) -> Result<Facts, NotAModel> {
    let Some(format) = Format::of(name) else { return Err(NotAModel::Unnamed { name: name.clone() }) };
    if bytes.is_empty() {
        return Err(NotAModel::Empty { name: name.clone() });
    }
    read(format, bytes).map_err(|flaw| match look(bytes).filter(|found| !found.is(format)) {
        Some(found) => NotAModel::Another { name: name.clone(), what: found.instead_of(format) },
        None => NotAModel::of(name, format, flaw),
    })
}

fn read(format: Format, bytes: &[u8]) -> Result<Facts, Flaw> {
    match format {
        Format::TfLite => tflite::read(bytes),
        Format::Ort => ort::read(bytes),
        Format::Onnx => onnx::read(bytes),
        Format::PyTorch => pytorch::read(bytes),
    }
}
