//! What is kept of a model file: little, however much the file holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Format;

/// No more inputs, outputs or operator sets are kept of a file.
pub(super) const MOST: usize = 64;
/// A longer name is cut.
const MOST_NAME: usize = 80;
/// A longer name of a dimension is cut.
const MOST_DIMENSION: usize = 20;
/// Of a tensor with more dimensions the rest is shown as `…`.
const MOST_DIMENSIONS: usize = 8;

/// What a model file says of itself. At most 64 inputs, outputs and operator sets are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The format that it has.
    pub format: Format,
    /// Who made it, in the file's words; empty where it does not say so.
    pub made_by: String,
    /// The operator sets that it needs; of ONNX and ONNX Runtime only.
    pub opsets: Vec<Opset>,
    /// What goes in.
    pub inputs: Vec<Tensor>,
    /// What comes out.
    pub outputs: Vec<Tensor>,
}

/// A set of operators that a model needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opset {
    /// Whose; empty for ONNX itself.
    pub domain: String,
    /// Which version of it.
    pub version: i64,
}

/// `ai.onnx.ml 3`; the domain of ONNX itself is `ai.onnx`.
impl fmt::Display for Opset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = if self.domain.is_empty() { "ai.onnx" } else { &self.domain };
        write!(f, "{domain} {}", self.version)
    }
}

/// An input or an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// What it is made of, as in `float32`; empty where the file does not say so.
    pub element: String,
    /// Its shape; `None` where the file does not say even how many dimensions there are.
    pub shape: Option<Vec<Dimension>>,
}

impl Tensor {
    pub(super) fn new(called: &[u8], element: String, shape: Option<Vec<Dimension>>) -> Self {
        Self { name: name(called), element, shape }
    }
}

/// `x float32 [1, 128, 6]`.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.element.is_empty() {
            write!(f, " {}", self.element)?;
        }
        let Some(shape) = &self.shape else { return Ok(()) };
        let shape: Vec<_> = shape.iter().map(Dimension::to_string).collect();
        write!(f, " [{}]", shape.join(", "))
    }
}

/// How long a tensor is in one direction. In JSON a number, a name or null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Dimension {
    /// So long.
    Fixed(u64),
    /// As long as others of this name.
    Named(String),
    /// As long as it likes.
    Any,
}

impl Dimension {
    pub(super) fn named(name: &[u8]) -> Self {
        let name = text(name, MOST_DIMENSION);
        if name.is_empty() { Self::Any } else { Self::Named(name) }
    }

    /// The shape of which a file names these dimensions.
    pub(super) fn shape(dimensions: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut shape: Vec<_> = dimensions.into_iter().take(MOST_DIMENSIONS + 1).collect();
        if let Some(rest) = shape.get_mut(MOST_DIMENSIONS) {
            *rest = Self::Named("…".to_owned());
        }
        shape
    }
}

/// A length that is none says that every length will do.
impl From<i64> for Dimension {
    fn from(length: i64) -> Self {
        u64::try_from(length).map_or(Self::Any, Self::Fixed)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => length.fmt(f),
            Self::Named(name) => name.fmt(f),
            Self::Any => f.write_str("?"),
        }
    }
}

/// A name as a page can show it.
pub(super) fn name(bytes: &[u8]) -> String {
    text(bytes, MOST_NAME)
}

/// Names one after the other, without those that are empty.
pub(super) fn names(bytes: &[&[u8]]) -> String {
    bytes.iter().map(|bytes| name(bytes)).filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Text of so many bytes at most, without characters that no page can show.
fn text(bytes: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8 * most)]);
    let shown = |c: &char| !(c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    let text: String = text.chars().filter(shown).collect();
    let text = text.trim();
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most - '…'.len_utf8())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, element: &str, shape: Option<Vec<Dimension>>) -> Tensor {
        Tensor::new(name.as_bytes(), element.to_owned(), shape)
    }

    #[test]
    fn a_tensor_is_shown_in_a_line() {
        let shape = Dimension::shape([Dimension::named(b"batch"), 128.into(), (-1).into()]);
        assert_eq!(tensor("größe", "float32", Some(shape)).to_string(), "größe float32 [batch, 128, ?]");
        assert_eq!(tensor("x", "float32", Some(Vec::new())).to_string(), "x float32 []");
        assert_eq!(tensor("x", "", None).to_string(), "x");
        assert_eq!(Opset { domain: String::new(), version: 17 }.to_string(), "ai.onnx 17");
    }

    #[test]
    fn what_is_too_long_is_cut_and_what_nobody_sees_is_left_out() {
        assert_eq!(name(b" a\0\n\xe2\x80\xaeb\xff "), "ab\u{fffd}");
        let long = name("ü".repeat(1000).as_bytes());
        assert!(long.len() <= MOST_NAME && long.ends_with("ü…"), "{long}");
        let deep = tensor("x", "int8", Some(Dimension::shape((0..1000).map(Dimension::from))));
        assert_eq!(deep.to_string(), "x int8 [0, 1, 2, 3, 4, 5, 6, 7, …]");
        let deep = tensor("x", "int8", Some(Dimension::shape((0..8).map(Dimension::from))));
        assert_eq!(deep.to_string(), "x int8 [0, 1, 2, 3, 4, 5, 6, 7]");
    }

    #[test]
    fn facts_survive_json() {
        let facts = Facts {
            format: Format::PyTorch,
            made_by: "a".to_owned(),
            opsets: vec![Opset { domain: String::new(), version: 7 }],
            inputs: vec![tensor("x", "int8", Some(vec![Dimension::Fixed(3), Dimension::named(b"n"), Dimension::Any]))],
            outputs: vec![tensor("y", "", None)],
        };
        let json = serde_json::to_string(&facts).expect("json");
        assert!(json.contains(r#""format":"pt""#) && json.contains(r#""shape":[3,"n",null]"#), "{json}");
        assert_eq!(serde_json::from_str::<Facts>(&json).expect("facts"), facts);
    }
}
