//! Sizes and other numbers as they are written on the command line.

/// A size with its unit, as in `64KiB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        other => return Err(format!("{other} is no unit: B, kB, KiB, MB, MiB, GB or GiB")),
    };
    let number: u64 = digits.parse().map_err(|_| "write it as in 64KiB".to_owned())?;
    number.checked_mul(unit).filter(|bytes| *bytes > 0).ok_or_else(|| "more than nothing, and less than everything".to_owned())
}

/// Less than always.
pub(super) fn probability(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number| (0.0..1.0).contains(number)).ok_or_else(|| "a number from 0 to below 1".to_owned())
}

/// Seconds and parts of them.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number| (0.0..1e9).contains(number)).ok_or_else(|| "a number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_with_its_unit() {
        let read = |text| bytes(text).ok();
        assert_eq!([read("5"), read("64KiB"), read("2kB"), read("1GiB")], [Some(5), Some(65536), Some(2000), Some(1 << 30)]);
        for wrong in ["", "KiB", "1.5MB", "-1", "1 MB", "0", "3ells", "99999999999GiB"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
