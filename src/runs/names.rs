//! What the names of a run's files say: `<kind>_<run>_<time>_<android id>.<ext>`.
//!
//! Names as they were sent. A stored name has `_` for the `:` of the time, and may bear the mark of a second file of its name; a
//! file that was found on the disk was never sent under another one, so both forms are read.

use super::start::read_time;
use crate::catalog::Millis;

/// What a name, or all names of a run, say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Named {
    /// The app's count of its runs.
    pub run_number: Option<i64>,
    /// When the run started, as the watch's clock said, to the minute.
    pub start: Option<Millis>,
}

/// `2026-11-20T09:20+0000`
const TIME_BYTES: usize = 21;
/// Where its colon stands.
const COLON: usize = 13;

/// What the names of a run say together: its number where they agree, and the earliest of their times. Names are added one by one,
/// since there may be many.
#[derive(Debug, Clone, Copy, Default)]
pub struct NameFacts {
    named: Named,
    /// Two names have different numbers.
    is_ambiguous: bool,
}

impl NameFacts {
    /// Adds a name.
    pub fn add(&mut self, sent: &str) {
        let Some((number, start)) = read_name(sent) else { return };
        self.is_ambiguous |= self.named.run_number.is_some_and(|other| other != number);
        self.named.run_number = Some(number);
        self.named.start = Some(self.named.start.map_or(start, |earliest| earliest.min(start)));
    }

    /// What all names that were added say.
    #[must_use]
    pub fn named(self) -> Named {
        Named { run_number: self.named.run_number.filter(|_| !self.is_ambiguous), ..self.named }
    }
}

/// The number and the start of a run, out of the name of one of its files.
fn read_name(sent: &str) -> Option<(i64, Millis)> {
    let (stem, _extension) = sent.rsplit_once('.')?;
    let (rest, _android_id) = stem.rsplit_once('_')?;
    let (rest, time) = rest.split_at_checked(rest.len().checked_sub(TIME_BYTES)?)?;
    let (_kind, run) = rest.strip_suffix('_')?.rsplit_once('_')?;
    if !run.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let run: u32 = run.parse().ok()?;
    let (date, rest) = time.split_at_checked(COLON)?;
    let minutes = rest.strip_prefix([':', '_'])?;
    Some((i64::from(run), read_time(&format!("{date}:{minutes}"))?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ids::FileName, runs::start::at};

    const SENSOR: &str = "android_sensor_magnetic_field_7_2026-11-20T09:20+0000_9774d56d682e549c.zip";
    const BATTERY: &str = "battery_7_2026-11-20T09:21+0000_9774d56d682e549c.csv";

    fn from_names<'a>(sent: impl IntoIterator<Item = &'a str>) -> Named {
        let mut facts = NameFacts::default();
        sent.into_iter().for_each(|name| facts.add(name));
        facts.named()
    }

    #[test]
    fn a_name_tells_number_and_start_as_sent_and_as_stored() {
        let expected = Named { run_number: Some(7), start: Some(at(20, 9, 20)) };
        assert_eq!(from_names([SENSOR]), expected);
        let stored = FileName::from_sent(SENSOR);
        assert!(stored.as_str() != SENSOR);
        assert_eq!(from_names([stored.as_str(), stored.marked("2").as_str()]), expected);
    }

    #[test]
    fn names_tell_the_earliest_start_and_the_number_that_they_agree_on() {
        assert_eq!(from_names([BATTERY, SENSOR, "notes.txt"]), Named { run_number: Some(7), start: Some(at(20, 9, 20)) });
        let other = SENSOR.replace("_7_", "_8_");
        assert_eq!(from_names([BATTERY, &other]), Named { run_number: None, start: Some(at(20, 9, 20)) });
    }

    #[test]
    fn other_names_tell_nothing() {
        for name in [
            "",
            "acc.csv",
            "battery_7_9774d56d682e549c.csv",
            "battery_x_2026-11-20T09:20+0000_9774d56d682e549c.csv",
            "battery_+7_2026-11-20T09:20+0000_9774d56d682e549c.csv",
            "battery__2026-11-20T09:20+0000_9774d56d682e549c.csv",
            "battery_7_2026-11-20T09:20_9774d56d682e549c.csv",
            "battery_7_2026-11-40T09:20+0000_9774d56d682e549c.csv",
            "battery_99999999999_2026-11-20T09:20+0000_9774d56d682e549c.csv",
            "battery_7_2026-11-20T09:20+0000.csv",
        ] {
            assert_eq!(from_names([name]), Named::default(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_name_is_too_odd(name in "\\PC*", middle in "[_0-9T:+é-]{0,40}") {
            let _ = from_names([name.as_str(), &format!("a_{middle}_b.csv")]);
        }

        #[test]
        fn a_name_tells_what_was_written_into_it(kind in "[a-zA-Z_]{1,12}", run: u32, day in 1..29_i8, id in "[0-9a-f]{16}") {
            let name = format!("{kind}_{run}_2026-11-{day:02}T09:20+0000_{id}.csv");
            prop_assert_eq!(from_names([name.as_str()]), Named { run_number: Some(run.into()), start: Some(at(day, 9, 20)) });
        }
    }
}
