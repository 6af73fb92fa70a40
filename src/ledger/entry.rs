//! One line of the ledger: what was done, by whom, and the chain to the line before.

use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use sha2::{Digest, Sha256};

use crate::ids::{DatasetId, DeviceId, hex};

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, milliseconds since 1970 (UTC).
    pub at: i64,
    /// The user who did it.
    pub by: String,
    /// What was done.
    #[serde(flatten)]
    pub what: What,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// A dataset's files are gone for good.
    DatasetErased {
        /// Which.
        #[serde(rename = "subject", deserialize_with = "parsed")]
        dataset: DatasetId,
        /// How many files it had.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// Which they were: see [`Evidence`].
        digest: String,
    },
    /// A device was shut out.
    DeviceRevoked {
        /// Which.
        #[serde(rename = "subject", deserialize_with = "parsed")]
        device: DeviceId,
        /// The generation of its newest token then.
        generation: u32,
    },
    /// A device was let in again.
    DeviceRestored {
        /// Which.
        #[serde(rename = "subject", deserialize_with = "parsed")]
        device: DeviceId,
        /// The generation of its newest token then.
        generation: u32,
    },
    /// Older tokens of a device were ended.
    DeviceTokensEnded {
        /// Which.
        #[serde(rename = "subject", deserialize_with = "parsed")]
        device: DeviceId,
        /// The lowest generation whose token is good since.
        generation: u32,
    },
    /// A device was taken off the list, and shut out.
    DeviceForgotten {
        /// Which.
        #[serde(rename = "subject", deserialize_with = "parsed")]
        device: DeviceId,
        /// The generation of its newest token then.
        generation: u32,
    },
}

fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// The evidence of which files a dataset had: a SHA-256 over one line for each. A person who still has the files can show that they
/// were these, and nobody learns a name from it.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    digest: Sha256,
    files: u64,
    bytes: u64,
}

impl Evidence {
    /// Adds a file. Files are added in the order of SHA-256 (in hexadecimal) and name.
    pub fn add(&mut self, sha256: &str, size: u64, name: &str) {
        self.digest.update(format!("{sha256} {size} {name}\n"));
        self.files += 1;
        self.bytes += size;
    }

    /// What the ledger says of the dataset.
    #[must_use]
    pub fn of_erased(self, dataset: DatasetId) -> What {
        What::DatasetErased { dataset, files: self.files, bytes: self.bytes, digest: hex(&self.digest.finalize()) }
    }
}

/// A line as it stands in the file.
#[derive(Serialize, Deserialize)]
struct Line<E> {
    #[serde(flatten)]
    entry: E,
    chain: String,
}

/// What the next line must say of the one before it: SHA-256 in hexadecimal over its bytes, without the line's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain(String);

impl Chain {
    /// What the first line says.
    pub(super) fn start() -> Self {
        Self("0".repeat(64))
    }

    /// What the line behind this one says.
    pub(super) fn behind(line: &[u8]) -> Self {
        Self(hex(&Sha256::digest(line)))
    }

    /// The line of an entry that stands here, without the line's end.
    pub(super) fn line(&self, entry: &Entry) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Line { entry, chain: self.0.clone() })
    }

    /// Reads a line that should stand here: what it says, and whether it does stand here.
    pub(super) fn read(&self, line: &[u8]) -> serde_json::Result<(Entry, bool)> {
        let line: Line<Entry> = serde_json::from_slice(line)?;
        Ok((line.entry, line.chain == self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    fn line(what: What) -> String {
        let entry = Entry { at: 1_793_000_000_000, by: "admin".to_owned(), what };
        let line = Chain::start().line(&entry).expect("a line");
        assert_eq!(Chain::start().read(&line).expect("an entry"), (entry, true));
        String::from_utf8(line).expect("utf-8")
    }

    #[test]
    fn a_line_is_an_object_that_people_and_programs_read() {
        let dataset = UUID.parse().expect("a uuid");
        let erased = line(What::DatasetErased { dataset, files: 2, bytes: 300, digest: "ab".repeat(32) });
        let (abab, zeros) = ("ab".repeat(32), "0".repeat(64));
        assert_eq!(
            erased,
            format!(
                r#"{{"at":1793000000000,"by":"admin","what":"dataset-erased","subject":"{UUID}","files":2,"bytes":300,"digest":"{abab}","chain":"{zeros}"}}"#
            )
        );
        let device = DeviceId::from_bytes([7; 16]);
        for (what, word) in [
            (What::DeviceRevoked { device, generation: 3 }, "device-revoked"),
            (What::DeviceRestored { device, generation: 3 }, "device-restored"),
            (What::DeviceTokensEnded { device, generation: 3 }, "device-tokens-ended"),
            (What::DeviceForgotten { device, generation: 3 }, "device-forgotten"),
        ] {
            let line = line(what);
            assert!(line.contains(&format!(r#""what":"{word}","subject":"{device}","generation":3,"#)), "{line}");
        }
    }

    #[test]
    fn a_name_with_an_end_of_line_is_one_line() {
        let what = What::DeviceRevoked { device: DeviceId::from_bytes([7; 16]), generation: 0 };
        let entry = Entry { at: 0, by: "a\nb".to_owned(), what };
        assert!(!Chain::start().line(&entry).expect("a line").contains(&b'\n'));
    }

    #[test]
    fn evidence_is_the_digest_of_a_line_for_each_file() {
        let dataset = DatasetId::random();
        let mut evidence = Evidence::default();
        evidence.add("aa", 10, "acc.csv");
        evidence.add("bb", 2, "größe.csv");
        let digest = hex(&Sha256::digest("aa 10 acc.csv\nbb 2 größe.csv\n"));
        assert_eq!(evidence.of_erased(dataset), What::DatasetErased { dataset, files: 2, bytes: 12, digest });
    }
}
