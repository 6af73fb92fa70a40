//! What a run's files look like: the field's, or plain ones of one size. Pure: the same seed makes the same bytes.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::movement;

/// When the first run of every watch begins, in seconds since 1970: 2026-11-20 09:20 UTC.
const FIRST_RUN: i64 = 1_795_166_400;

/// From the end of a run to the next, in minutes.
const BETWEEN_RUNS: u32 = 60;

/// The sensor clock at the start of a run, in ns.
const SENSOR_START: u64 = 1_000_000_000_000;

/// What tells two files apart that are alike otherwise: so many bytes at their end.
const STAMP: usize = 32;

/// Files of a run in the field's shape.
const FIELD_FILES: u32 = 5;

/// What a run consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cargo {
    /// The field's files: two sensors at 50 Hz, markers, battery, metaInfo.
    Recording {
        /// How long it lasts.
        minutes: u32,
    },
    /// So many files of one size that cannot be compressed.
    Plain {
        /// How many.
        files: u32,
        /// Bytes of each.
        size: usize,
    },
}

impl Cargo {
    /// Files of a run.
    #[must_use]
    pub const fn files(self) -> u32 {
        match self {
            Self::Recording { .. } => FIELD_FILES,
            Self::Plain { files, .. } => files,
        }
    }
}

/// Who a watch is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) number: u32,
    android_id: String,
}

impl Identity {
    pub(super) fn new(seed: u64, number: u32) -> Self {
        Self { number, android_id: format!("{:016x}", dice(seed, number).next_u64()) }
    }

    /// As the handshake has it.
    pub(super) fn identifier(&self) -> String {
        format!("simulated watch {}[{}]", self.number, self.android_id)
    }
}

/// A watch's own randomness.
pub(super) fn dice(seed: u64, number: u32) -> StdRng {
    let mut seeds = [0; 32];
    seeds[..8].copy_from_slice(&seed.to_le_bytes());
    seeds[8..12].copy_from_slice(&number.to_le_bytes());
    StdRng::from_seed(seeds)
}

/// A file to be uploaded. What many have in common is there once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) common: Bytes,
    pub(super) own: Bytes,
}

impl File {
    pub(super) fn size(&self) -> u64 {
        (self.common.len() + self.own.len()) as u64
    }

    pub(super) fn sha256(&self) -> String {
        hex(&Sha256::new().chain_update(&self.common).chain_update(&self.own).finalize())
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Makes the files of a fleet.
pub(super) struct Maker {
    seed: u64,
    cargo: Cargo,
    /// What all watches' large files have in common, without their stamps.
    common: Vec<Bytes>,
}

impl Maker {
    pub(super) fn new(seed: u64, cargo: Cargo) -> io::Result<Self> {
        let mut dice = dice(seed, 0);
        let common = match cargo {
            Cargo::Recording { minutes } => {
                let sensors = [("accelerometer", movement::GRAVITY), ("gyroscope", 0.0)];
                sensors.into_iter().map(|(name, rest)| zipped(name, &movement::rows(&mut dice, rest, minutes, SENSOR_START))).collect()
            }
            Cargo::Plain { size, .. } => {
                let mut noise = vec![0; size.saturating_sub(STAMP)];
                dice.fill(&mut noise[..]);
                Ok(vec![noise])
            }
        };
        Ok(Self { seed, cargo, common: common?.into_iter().map(Bytes::from).collect() })
    }

    /// File `index` of a run, in the order of its folder.
    pub(super) fn file(&self, watch: &Identity, run: u32, index: u32) -> File {
        let Identity { number, android_id } = watch;
        let stamp = format!("{:010x}.{number:06x}.{run:06x}.{index:07x}", self.seed & 0xff_ffff_ffff);
        let time = self.begin(run).strftime("%Y-%m-%dT%H:%M+0000").to_string();
        let named = |kind: &str, extension: &str| format!("{kind}_{run}_{time}_{android_id}.{extension}");
        let stamped = |name, common: usize| File { name, common: self.common[common].clone(), own: Bytes::from(stamp.clone()) };
        let small = |name, text: String| File { name, common: Bytes::new(), own: Bytes::from(text) };
        match (self.cargo, index) {
            (Cargo::Plain { size, .. }, _) => {
                let name = format!("ffmpeg_{run}_{index}_{time}_{android_id}.mkv");
                // A file shorter than a stamp keeps the end, which counts.
                File { own: Bytes::from(stamp[STAMP - size.min(STAMP)..].to_owned()), ..stamped(name, 0) }
            }
            (Cargo::Recording { .. }, 0) => stamped(named("android_sensor_accelerometer", "zip"), 0),
            (Cargo::Recording { .. }, 1) => stamped(named("android_sensor_gyroscope", "zip"), 1),
            (Cargo::Recording { minutes }, 2) => small(named("battery", "csv"), self.battery(watch, run, minutes)),
            (Cargo::Recording { minutes }, 3) => small(named("marker_time_stamps", "csv"), self.markers(watch, run, minutes)),
            (Cargo::Recording { .. }, _) => small(named("metaInfo", "json"), self.meta_info(watch, run)),
        }
    }

    fn begin(&self, run: u32) -> jiff::Zoned {
        let minutes = if let Cargo::Recording { minutes } = self.cargo { minutes } else { 0 };
        let later = SignedDuration::from_mins(i64::from(run) * i64::from(minutes + BETWEEN_RUNS));
        let first = Timestamp::from_second(FIRST_RUN).unwrap_or_default();
        first.checked_add(later).unwrap_or(first).to_zoned(TimeZone::UTC)
    }

    fn run_dice(&self, watch: &Identity, run: u32) -> StdRng {
        dice(self.seed ^ ((u64::from(run) + 1) << 32), watch.number)
    }

    /// A percent and a bit each ten minutes.
    fn battery(&self, watch: &Identity, run: u32, minutes: u32) -> String {
        let full = self.run_dice(watch, run).random_range(85..=100_u32);
        let level = |minute: u32| full.saturating_sub(minute / 8);
        lines((0..=minutes).step_by(10).map(|minute| format!("{}\t{}", after(minute * 60), level(minute))))
    }

    /// A marker each quarter of an hour or so.
    fn markers(&self, watch: &Identity, run: u32, minutes: u32) -> String {
        let mut dice = self.run_dice(watch, run);
        let mut seconds: Vec<_> = (0..=minutes / 15).map(|_| dice.random_range(0..=minutes * 60)).collect();
        seconds.sort_unstable();
        lines(seconds.into_iter().map(|second| after(second).to_string()))
    }

    fn meta_info(&self, watch: &Identity, run: u32) -> String {
        let info = serde_json::json!({
            "tf_model": "", "tf_settings": "", "app_version": "simulated", "version_code": 1,
            "date": self.begin(run).timestamp().to_string(), "start_time_stamp": SENSOR_START, "run_number": run,
            "build_board": "simulated", "build_device": "simulated", "build_sdk": 28, "android_id": watch.android_id,
        });
        info.to_string()
    }
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

/// The sensor clock so many seconds after the start.
fn after(seconds: u32) -> u64 {
    SENSOR_START + u64::from(seconds) * 1_000_000_000
}

/// A zip as `java.util.zip.ZipOutputStream` makes it, with a comment at its end for the stamp, which is left off.
fn zipped(sensor: &str, rows: &str) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new_stream(Vec::new());
    zip.set_comment("0".repeat(STAMP))?;
    zip.start_file(format!("android_sensor_{sensor}.csv"), SimpleFileOptions::default())?;
    zip.write_all(rows.as_bytes())?;
    let mut bytes = zip.finish()?.into_inner();
    bytes.truncate(bytes.len() - STAMP);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        io::{Cursor, Read},
    };

    use super::*;

    const FIELD: Cargo = Cargo::Recording { minutes: 1 };

    fn files(seed: u64, number: u32, run: u32, cargo: Cargo) -> Vec<File> {
        let (maker, watch) = (Maker::new(seed, cargo).expect("files"), Identity::new(seed, number));
        (0..cargo.files()).map(|index| maker.file(&watch, run, index)).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_files_and_nothing_else_does() {
        let plain = Cargo::Plain { files: 2, size: 100 };
        assert_eq!(files(1, 2, 3, FIELD), files(1, 2, 3, FIELD));
        let digests = |(seed, number, run)| [files(seed, number, run, FIELD), files(seed, number, run, plain)].concat();
        let all = [(1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4)].into_iter().flat_map(digests);
        // Two batteries may be alike, and two markers.
        let all = all.filter(|file| !file.name.contains("battery") && !file.name.contains("marker"));
        let different: BTreeSet<_> = all.map(|file| file.sha256()).collect();
        assert_eq!(different.len(), 4 * 5);
    }

    #[test]
    fn names_are_the_fields() {
        let names: Vec<_> = files(1, 2, 0, FIELD).into_iter().map(|file| file.name).collect();
        let id = Identity::new(1, 2).android_id;
        assert_eq!(names[0], format!("android_sensor_accelerometer_0_2026-11-20T09:20+0000_{id}.zip"));
        assert_eq!(names[4], format!("metaInfo_0_2026-11-20T09:20+0000_{id}.json"));
    }

    #[test]
    fn a_sensor_is_a_whole_zip_with_fifty_rows_a_second() {
        let file = files(1, 2, 0, FIELD).swap_remove(0);
        let mut zip = zip::ZipArchive::new(Cursor::new([file.common, file.own].concat())).expect("a zip");
        let mut text = String::new();
        zip.by_index(0).expect("an entry").read_to_string(&mut text).expect("whole");
        let rows: Vec<Vec<f64>> = text.lines().map(|row| row.split('\t').map(|value| value.parse().expect("a number")).collect()).collect();
        assert_eq!(rows.len(), 60 * 50);
        assert!(rows.windows(2).all(|pair| (15e6..25e6).contains(&(pair[1][0] - pair[0][0]))), "about 20 ms apart");
        let mean = rows.iter().map(|row| row[3]).sum::<f64>() / 3000.0;
        assert!((mean - movement::GRAVITY).abs() < 0.5, "gravity: {mean}");
    }

    #[test]
    fn a_plain_file_has_its_size_also_a_tiny_one() {
        for size in [0, 5, 32, 33, 1000] {
            assert!(files(1, 2, 0, Cargo::Plain { files: 3, size }).iter().all(|file| file.size() == size as u64), "{size}");
        }
        let five = files(1, 2, 0, Cargo::Plain { files: 3, size: 5 });
        assert_ne!(five[0].own, five[1].own);
    }
}
