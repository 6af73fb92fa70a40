//! One entry of a dataset's zip: its name, how it is packed, and what its bytes must be.

use zip::{CompressionMethod, DateTime, write::SimpleFileOptions};

use crate::ids::{FileName, Kind, extension_of};

/// Text: deflate makes it a third. Everything else from a watch is compressed already, or small.
const DEFLATED: [&str; 6] = ["csv", "json", "log", "md", "tsv", "txt"];
/// Measured best with zlib-rs: 85 MB/s at a ratio of 0.37 on sensor tables.
const DEFLATE_LEVEL: i64 = 3;
/// From this size on an entry takes the zip64 form; deflated, a file may grow a little.
const LARGE: u64 = 0xf000_0000;

/// An entry of a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the zip.
    pub name: String,
    /// Size in bytes, as received.
    pub size: u64,
    /// CRC-32, as received.
    pub crc32: u32,
    /// Its time, milliseconds since 1970 (UTC).
    pub modified: i64,
}

impl Entry {
    /// The name in the zip of a stored file: models have a folder of their own.
    #[must_use]
    pub fn name_of(name: &FileName) -> String {
        match name.kind() {
            Kind::Recording => name.to_string(),
            Kind::Model => format!("{}/{name}", Kind::Model.folder()),
        }
    }

    /// The name under which the file with this name in the zip is stored: what [`Entry::name_of`] was given.
    #[must_use]
    pub fn stored_name(name_in_zip: &str) -> FileName {
        let model = name_in_zip.strip_prefix(Kind::Model.folder()).and_then(|rest| rest.strip_prefix('/'));
        FileName::from_catalog(model.unwrap_or(name_in_zip).to_owned())
    }

    pub(super) fn options(&self) -> SimpleFileOptions {
        let options =
            SimpleFileOptions::default().last_modified_time(dos_time(self.modified)).unix_permissions(0o644).large_file(self.size >= LARGE);
        if DEFLATED.contains(&extension_of(&self.name).as_str()) {
            options.compression_method(CompressionMethod::Deflated).compression_level(Some(DEFLATE_LEVEL))
        } else {
            options.compression_method(CompressionMethod::Stored)
        }
    }
}

/// A zip's time has no zone and two seconds a step; ours is UTC. What lies outside 1980 to 2107 becomes 1980.
pub(super) fn dos_time(millis: i64) -> DateTime {
    jiff::Timestamp::from_millisecond(millis)
        .ok()
        .map(|time| time.to_zoned(jiff::tz::TimeZone::UTC))
        .and_then(|at| {
            let [month, day, hour, minute, second] = [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(i8::cast_unsigned);
            DateTime::from_date_and_time(at.year().try_into().ok()?, month, day, hour, minute, second).ok()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_name_is_found_again_from_the_name_in_the_zip() {
        for name in ["acc.csv", "tf_models", "m.tflite", "tf_models.onnx"] {
            let name = FileName::from_sent(name);
            assert_eq!(Entry::stored_name(&Entry::name_of(&name)), name);
        }
    }
}
