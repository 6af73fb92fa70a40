//! From numbers to what a person reads, for the templates.

use axum::{
    http::header,
    response::{Html, IntoResponse, Response},
};

use super::error::Problem;

/// Everything comes from here, nothing runs but what we wrote, and nobody frames us.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page, rendered, with the headers that guard it.
pub struct Page<T>(pub T);

impl<T: askama::Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => {
                let guard = [
                    (header::CONTENT_SECURITY_POLICY, POLICY),
                    (header::X_FRAME_OPTIONS, "DENY"),
                    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                    (header::REFERRER_POLICY, "no-referrer"),
                ];
                (guard, Html(html)).into_response()
            }
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// The filters that the templates use.
#[expect(
    clippy::inline_always,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    clippy::trivially_copy_pass_by_ref,
    reason = "what askama makes of a filter"
)]
pub mod filters {
    use std::time::SystemTime;

    use askama::{Result, Values};
    use jiff::{Timestamp, tz::TimeZone};

    use crate::catalog::date_of;

    /// Milliseconds since 1970 as `2026-11-20 09:20:31`, UTC.
    #[askama::filter_fn]
    pub fn time(millis: &i64, _: &dyn Values) -> Result<String> {
        Ok(utc(Timestamp::from_millisecond(*millis).unwrap_or_default()))
    }

    /// Milliseconds since 1970 as `2026-11-20`, UTC.
    #[askama::filter_fn]
    pub fn day(millis: &i64, _: &dyn Values) -> Result<String> {
        Ok(date_of(*millis).to_string())
    }

    /// The same for a file's time.
    #[askama::filter_fn]
    pub fn file_time(time: &SystemTime, _: &dyn Values) -> Result<String> {
        Ok(utc(Timestamp::try_from(*time).unwrap_or_default()))
    }

    /// A number of bytes as `1.4 MiB`.
    #[askama::filter_fn]
    pub fn bytes(number: &u64, _: &dyn Values) -> Result<String> {
        Ok(human_bytes(*number))
    }

    /// A length of time in milliseconds, in hours: `26 hours`.
    #[askama::filter_fn]
    pub fn hours(millis: &i64, _: &dyn Values) -> Result<String> {
        let hours = millis / 3_600_000;
        Ok(format!("{hours} hour{}", if hours == 1 { "" } else { "s" }))
    }

    /// How long ago that was, for a person: `5 minutes ago`.
    #[askama::filter_fn]
    pub fn ago(millis: &i64, _: &dyn Values) -> Result<String> {
        Ok(human_age(Timestamp::now().as_millisecond().saturating_sub(*millis) / 1000))
    }

    /// How much time is left until then: `47 hours`.
    #[askama::filter_fn]
    pub fn left(millis: &i64, _: &dyn Values) -> Result<String> {
        Ok(human_time(millis.saturating_sub(Timestamp::now().as_millisecond()).max(0) / 1000))
    }

    /// A duration in milliseconds, rounded to what a person would say: `5 minutes`.
    #[askama::filter_fn]
    pub fn about(millis: &i64, _: &dyn Values) -> Result<String> {
        let unit = if *millis < 60_000 {
            1000
        } else if *millis < 3_600_000 {
            60_000
        } else {
            3_600_000
        };
        Ok(human_time((millis + unit / 2) / unit * unit / 1000))
    }

    /// A number as `1,234`.
    pub fn grouped(number: u64) -> String {
        let (digits, mut text) = (number.to_string(), String::new());
        for (at, digit) in digits.chars().enumerate() {
            text.extend((at > 0 && (digits.len() - at).is_multiple_of(3)).then_some(','));
            text.push(digit);
        }
        text
    }

    /// A time as ISO 8601 has it, UTC.
    pub fn iso(millis: i64) -> String {
        Timestamp::from_millisecond(millis).unwrap_or_default().to_string()
    }

    pub(super) fn human_age(seconds: i64) -> String {
        if seconds < 10 { "just now".to_owned() } else { format!("{} ago", human_time(seconds)) }
    }

    /// In hours below two days, as a grant has them left.
    pub(super) fn human_time(seconds: i64) -> String {
        let (number, unit) = match seconds {
            ..60 => (seconds, "second"),
            60..3600 => (seconds / 60, "minute"),
            3600..172_800 => (seconds / 3600, "hour"),
            _ => (seconds / 86400, "day"),
        };
        format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
    }

    fn utc(time: Timestamp) -> String {
        time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// A number of bytes as `1.4 MiB`.
    pub fn human_bytes(number: u64) -> String {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        if number < 1024 {
            return format!("{number} B");
        }
        let step = usize::try_from(number.ilog2() / 10).unwrap_or(1).min(UNITS.len());
        let tenths = (u128::from(number) * 10) >> (10 * step);
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[step - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::filters::{grouped, human_age, human_bytes, human_time};

    #[test]
    fn ages_are_readable() {
        let ages = [
            (-5, "just now"),
            (9, "just now"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (7199, "1 hour ago"),
            (86400 * 3, "3 days ago"),
        ];
        for (seconds, text) in ages {
            assert_eq!(human_age(seconds), text);
        }
        for (seconds, text) in [(0, "0 seconds"), (47 * 3600 + 3599, "47 hours"), (48 * 3600, "2 days"), (299, "4 minutes")] {
            assert_eq!(human_time(seconds), text);
        }
    }

    #[test]
    fn numbers_are_readable() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn bytes_are_readable() {
        for (number, text) in [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_500_000, "1.4 MiB"), (u64::MAX, "16384.0 PiB")] {
            assert!(human_bytes(number).starts_with(&text[..3]), "{number}: {}", human_bytes(number));
        }
    }
}
