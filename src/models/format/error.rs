//! Why a file is not the model that its name claims, as sentences that say what to do.

use super::Format;
use crate::ids::FileName;

/// Why a file is not taken for the model that its name claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAModel {
    /// Its name claims no format.
    #[error("{name} is not named as a model is: let its name end in what it is, .tflite, .ort, .onnx or .pt")]
    Unnamed {
        /// The file.
        name: FileName,
    },
    /// There is nothing in it.
    #[error("{name} is empty: export or copy it again")]
    Empty {
        /// The file.
        name: FileName,
    },
    /// It is something else by its content.
    #[error("{name} is {what}")]
    Another {
        /// The file.
        name: FileName,
        /// What it is, and what to do.
        what: String,
    },
    /// It is nothing that anybody here knows.
    #[error("{name} is not {} by its content: {what}; export or copy it again", article(*.format))]
    Unknown {
        /// The file.
        name: FileName,
        /// What its name claims.
        format: Format,
        /// What is missing.
        what: String,
    },
    /// It begins as it should and does not hold together.
    #[error("{name} is cut off or damaged: {what}; export or copy it again")]
    Damaged {
        /// The file.
        name: FileName,
        /// What is wrong.
        what: String,
    },
    /// It is whole, and of no use to a watch.
    #[error("{name} cannot be used: {what}")]
    Unfit {
        /// The file.
        name: FileName,
        /// Why, and what to do.
        what: String,
    },
}

impl NotAModel {
    pub(super) fn of(name: &FileName, format: Format, flaw: Flaw) -> Self {
        let name = name.clone();
        match flaw {
            Flaw::Unknown(what) => Self::Unknown { name, format, what },
            Flaw::Damaged(what) => Self::Damaged { name, what },
            Flaw::Unfit(what) => Self::Unfit { name, what },
        }
    }
}

/// What a reader finds wrong, before it is said of which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It does not even begin as it should.
    Unknown(String),
    /// It does not hold together.
    Damaged(String),
    /// It is whole, and of no use to a watch.
    Unfit(String),
}

impl Flaw {
    pub(super) fn unknown<T>(what: impl Into<String>) -> Result<T, Self> {
        Err(Self::Unknown(what.into()))
    }

    pub(super) fn damaged<T>(what: impl Into<String>) -> Result<T, Self> {
        Err(Self::Damaged(what.into()))
    }

    pub(super) fn unfit<T>(what: impl Into<String>) -> Result<T, Self> {
        Err(Self::Unfit(what.into()))
    }
}

/// `an ONNX file`.
pub(super) fn article(format: Format) -> String {
    let article = if matches!(format, Format::Ort | Format::Onnx) { "an" } else { "a" };
    format!("{article} {format} file")
}
