//! When a run ended: the last line of each of its plain tables, whose first column is the sensor clock.

use std::io::{self, Read, Seek, SeekFrom};

use crate::{catalog::Millis, ids::extension_of};

/// So much of the end of a table is read.
const TAIL: u64 = 4 << 10;
/// No run is longer.
const LONGEST: Millis = 14 * 24 * 60 * 60 * 1000;
const NANOS: i64 = 1_000_000;

/// How the names of the plain tables begin.
const TABLES: [&str; 7] = ["battery_", "bluetoothBeacons_", "prediction_", "marker_", "hand_wash_", "mic_time_stamps_", "evaluation_"];

/// The wall clock and the sensor clock (in nanoseconds) at one moment: the start of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    pub(super) start: Millis,
    pub(super) sensor: i64,
}

/// Whether a file of this name is a plain table.
pub(super) fn is_table(sent_name: &str) -> bool {
    extension_of(sent_name) == "csv" && TABLES.iter().any(|table| sent_name.starts_with(table))
}

/// The sensor clock in the last line of a table.
pub(super) fn last_in(mut table: impl Read + Seek) -> io::Result<Option<i64>> {
    let length = table.seek(SeekFrom::End(0))?;
    let begin = length.saturating_sub(TAIL);
    table.seek(SeekFrom::Start(begin))?;
    let mut tail = Vec::new();
    table.take(TAIL).read_to_end(&mut tail)?;
    Ok(last_line(&tail, begin == 0))
}

/// The number that begins the last line which has a whole one. A table may end within a line, and its tail may begin within one.
fn last_line(tail: &[u8], is_whole: bool) -> Option<i64> {
    let lines = tail.split_inclusive(|&byte| byte == b'\n').enumerate();
    let mut whole = lines.filter(|(at, line)| (is_whole || *at > 0) && line.iter().any(|&byte| matches!(byte, b'\n' | b'\t')));
    whole.by_ref().filter_map(|(_, line)| first_number(line)).last()
}

fn first_number(line: &[u8]) -> Option<i64> {
    let first = line.split(|&byte| byte == b'\t').next()?;
    std::str::from_utf8(first).ok()?.trim().parse().ok()
}

/// The end of a run that is the latest of those which can be true: behind the start, and no more than 14 days.
pub(super) fn plausible_end(clocks: Clocks, last: impl IntoIterator<Item = i64>) -> Option<Millis> {
    let wall = |timestamp: i64| clocks.start.checked_add(timestamp.checked_sub(clocks.sensor)?.checked_div_euclid(NANOS)?);
    let can_be = |end: &Millis| *end >= clocks.start && end.abs_diff(clocks.start) <= LONGEST.unsigned_abs();
    last.into_iter().filter_map(wall).filter(can_be).max()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn last(table: &str) -> Option<i64> {
        last_in(Cursor::new(table)).expect("read")
    }

    const CLOCKS: Clocks = Clocks { start: 1_000_000, sensor: 5_000_000_000 };

    #[test]
    fn the_last_line_of_a_table_tells_its_last_moment() {
        assert_eq!(last("1\t99\n2\t98\n"), Some(2));
        assert_eq!(last("1\t99\r\n2\t98\r\n"), Some(2));
        assert_eq!(last("17\n18\n"), Some(18));
        assert_eq!(last("3\t99"), Some(3));
        for empty in ["", "\n\n", "time\tpercent\n", "1.5\t99\n", "99999999999999999999\t1\n"] {
            assert_eq!(last(empty), None, "{empty}");
        }
    }

    #[test]
    fn a_line_that_was_cut_within_its_moment_is_passed_over() {
        assert_eq!(last("100\t99\n10"), Some(100));
        assert_eq!(last("100\t99\n101\t9"), Some(101));
        assert_eq!(last("100\t99\n\0\0\0\t\0"), Some(100));
    }

    #[test]
    fn of_a_long_table_its_end_alone_is_read() {
        // The tail begins within a line, which is no line.
        let table = format!("{}\t1", "9".repeat(5000));
        assert_eq!(last(&table), None);
        let rows: Vec<_> = (0..100_000).map(|row| format!("{row}\t1\n")).collect();
        assert_eq!(last(&rows.concat()), Some(99_999));
    }

    #[test]
    fn the_end_is_the_latest_moment_that_can_be_true() {
        assert_eq!(plausible_end(CLOCKS, [6_000_000_000, 7_500_000_000]), Some(1_002_500));
        assert_eq!(plausible_end(CLOCKS, [4_999_000_000]), None);
        assert_eq!(plausible_end(CLOCKS, [5_000_000_000]), Some(CLOCKS.start));
        let longest = 5_000_000_000 + LONGEST * NANOS;
        assert_eq!(plausible_end(CLOCKS, [longest]), Some(CLOCKS.start + LONGEST));
        assert_eq!(plausible_end(CLOCKS, [longest + NANOS]), None);
        // A table of another clock does not take the others with it.
        assert_eq!(plausible_end(CLOCKS, [i64::MAX, 6_000_000_000]), Some(1_001_000));
    }

    #[test]
    fn tables_are_told_by_their_names() {
        for name in ["battery_7_x.csv", "marker_time_stamps_7_x.csv", "hand_wash_time_stamps_7.csv", "bluetoothBeacons_7.csv"] {
            assert!(is_table(name), "{name}");
        }
        for name in ["battery_7_x.zip", "android_sensor_accelerometer_7.csv", "my_battery_7.csv", "metaInfo_7.json"] {
            assert!(!is_table(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_table_is_too_odd(bytes: Vec<u8>, start: i64, sensor: i64, last: Vec<i64>) {
            let _ = last_in(Cursor::new(bytes));
            let end = plausible_end(Clocks { start, sensor }, last);
            prop_assert!(end.is_none_or(|end| end >= start && end.abs_diff(start) <= LONGEST.unsigned_abs()));
        }
    }
}
