//! Which watch it is: the identifier that it asks under, and the device behind it.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::Malformed;

const MAX_IDENTIFIER_BYTES: usize = 200;

/// What a watch calls itself when it asks to be let in, such as `kitchen watch[9774d56d682e549c]`: an alias that a person
/// typed, and the Android id in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Identifier(String);

impl Identifier {
    /// The identifier as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that a person typed; the whole identifier where there are no brackets.
    #[must_use]
    pub fn alias(&self) -> &str {
        self.parts().map_or(&self.0, |(alias, _)| alias)
    }

    /// The name to show: what a person typed, or all of it where nobody typed anything.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.alias().is_empty() { &self.0 } else { self.alias() }
    }

    /// The Android id: what stands in the brackets at the end.
    #[must_use]
    pub fn android_id(&self) -> Option<&str> {
        self.parts().map(|(_, android_id)| android_id)
    }

    /// The device that asks: its Android id, else the whole identifier, so that a corrected alias is the same device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        match self.android_id() {
            Some(android_id) => DeviceId::of_android_id(android_id),
            None => DeviceId::derive("identifier", &self.0),
        }
    }

    fn parts(&self) -> Option<(&str, &str)> {
        let (alias, rest) = self.0.rsplit_once('[')?;
        let android_id = rest.strip_suffix(']')?.trim();
        (!android_id.is_empty()).then_some((alias.trim(), android_id))
    }
}

impl FromStr for Identifier {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        if text.is_empty() {
            Err(Malformed("no identifier"))
        } else if text.len() > MAX_IDENTIFIER_BYTES {
            Err(Malformed("the identifier is longer than 200 bytes; shorten the alias"))
        } else if text.chars().any(char::is_control) {
            Err(Malformed("the identifier holds a control character; type the alias again"))
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A device: 16 bytes of SHA-256 over what names it, so that it fits a token and is the same on a reinstalled server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId([u8; 16]);

impl DeviceId {
    /// The id of the bytes that a token carries.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes that a token carries.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The device with an Android id, as the app asks for a model.
    #[must_use]
    pub fn of_android_id(android_id: &str) -> Self {
        Self::derive("android", android_id.trim())
    }

    fn derive(what: &str, name: &str) -> Self {
        let digest = Sha256::new().chain_update("wearhouse device ").chain_update(what).chain_update(" ").chain_update(name).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for DeviceId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = Malformed("not a device id: 32 lower-case hexadecimal digits");
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(malformed);
        }
        u128::from_str_radix(text, 16).map(|id| Self(id.to_be_bytes())).map_err(|_| malformed)
    }
}

impl Serialize for DeviceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(text: &str) -> Identifier {
        text.parse().expect("an identifier")
    }

    #[test]
    fn a_corrected_alias_is_the_same_device() {
        let one = identifier("kitchen watch[9774d56d682e549c]");
        let two = identifier("Kitchen[9774d56d682e549c]");
        assert_eq!((one.alias(), one.android_id()), ("kitchen watch", Some("9774d56d682e549c")));
        assert_eq!(one.device(), two.device());
        assert_ne!(one.device(), identifier("9774d56d682e549c").device());
    }

    #[test]
    fn without_brackets_the_whole_identifier_is_the_device() {
        for text in ["watch", "watch[]", "a]b[", "[x] y"] {
            assert_eq!(identifier(text).android_id(), None, "{text}");
            assert_eq!(identifier(text).alias(), text);
        }
    }

    #[test]
    fn an_identifier_is_bounded_text() {
        for text in ["", "   ", "a\u{0}b", &"x".repeat(201)] {
            assert!(text.parse::<Identifier>().is_err());
        }
    }

    #[test]
    fn a_device_id_reads_back() {
        let id = identifier("watch").device();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("+0000000000000000000000000000000".parse::<DeviceId>().is_err());
    }
}
