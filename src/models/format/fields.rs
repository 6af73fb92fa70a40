//! Reads the wire of protocol buffers without knowing the schema: field after field, out of a slice, without a copy.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::error::Flaw;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number of any kind but a floating one.
    Number(u64),
    /// A text, bytes, or a message with fields of its own.
    Bytes(&'a [u8]),
    /// What no model is read by.
    Other,
}

/// The fields of a message: tags and values, up to the first one that is broken.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn read(&mut self) -> Option<(u32, Value<'a>)> {
        let (tag, wire_type) = decode_key(&mut self.0).ok()?;
        let value = match wire_type {
            WireType::Varint => Value::Number(decode_varint(&mut self.0).ok()?),
            WireType::LengthDelimited => {
                let length = decode_varint(&mut self.0).ok()?;
                let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => skip_field(wire_type, tag, &mut self.0, DecodeContext::default()).map(|()| Value::Other).ok()?,
        };
        Some((tag, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| Flaw::Damaged("a part of it is longer than it is itself, or no part at all".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(message: &[u8]) -> Vec<Option<(u32, Value<'_>)>> {
        Fields::new(message).map(Result::ok).collect()
    }

    #[test]
    fn fields_come_in_their_order_up_to_the_first_broken_one() {
        let message = [8, 0x96, 1, 0x12, 2, 7, 8, 0x1d, 0, 0, 0, 0, 0x22, 0];
        let expected = [(1, Value::Number(150)), (2, Value::Bytes(&[7, 8])), (3, Value::Other), (4, Value::Bytes(&[]))];
        assert_eq!(fields(&message), expected.map(Some));
        assert_eq!(fields(&message[..6]), [Some(expected[0]), None]);
        assert_eq!(fields(&[0, 8, 1]), [None]);
        assert_eq!(fields(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), [None]);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>) {
            let _ = fields(&bytes);
        }
    }
}
