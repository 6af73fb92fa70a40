//! The calendar of a device: four weeks, a row a day, a cell an hour.

use jiff::{civil::Date, tz::TimeZone};
use serde::Deserialize;

use crate::{
    catalog::{DAY, Millis},
    http::{error::Problem, html::filters},
    ids::DeviceId,
    runs::{Day, Hour, Reader},
};

/// Days on the page.
const DAYS: Millis = 28;

/// Which weeks to show.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CalendarSpan {
    /// The last day, as `2026-11-20`; today where it is empty.
    until: String,
}

/// Four weeks, the last day first.
pub struct CalendarView {
    pub first: Millis,
    pub last: Millis,
    /// The last day of the weeks before.
    pub earlier: Millis,
    /// The last day of the weeks behind, unless these are the last ones.
    pub later: Option<Millis>,
    pub days: Vec<DayView>,
}

/// One day.
pub struct DayView {
    pub begin: Millis,
    pub cells: Vec<Cell>,
}

/// One hour.
pub struct Cell {
    /// 0 for nothing, up to 3.
    pub level: u64,
    /// What is in it, in words.
    pub title: String,
}

impl CalendarView {
    /// What a device recorded in the weeks that were asked for.
    ///
    /// # Errors
    /// 400 for a day that is none.
    pub async fn of(reader: &Reader, device: DeviceId, span: &CalendarSpan, now: Millis) -> Result<Self, Problem> {
        let today = now.div_euclid(DAY) * DAY;
        let last = span.last_day()?.unwrap_or(today);
        let first = last - (DAYS - 1) * DAY;
        let days = reader.calendar(device, first, last + DAY).await?;
        let most = days.iter().flat_map(|day| day.hours).map(|hour| hour.bytes).max().unwrap_or(0).max(1);
        Ok(Self {
            first,
            last,
            earlier: first - DAY,
            later: (last < today).then_some(last + DAYS * DAY),
            days: days.iter().rev().map(|day| DayView::of(day, most)).collect(),
        })
    }
}

impl CalendarSpan {
    fn last_day(&self) -> Result<Option<Millis>, Problem> {
        if self.until.is_empty() {
            return Ok(None);
        }
        let wrong = || Problem::malformed("until: write a day as in 2026-11-20");
        let day = self.until.parse::<Date>().map_err(|_| wrong())?;
        // Near the ends of all time there is no room for the weeks before and behind.
        let day = Some(day).filter(|day| (1970..3000).contains(&day.year())).ok_or_else(wrong)?;
        let begin = day.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
        Ok(Some(begin.timestamp().as_millisecond()))
    }
}

impl DayView {
    fn of(day: &Day, most: u64) -> Self {
        Self { begin: day.begin, cells: day.hours.iter().enumerate().map(|(at, hour)| Cell::of(at, *hour, most)).collect() }
    }
}

impl Cell {
    fn of(at: usize, hour: Hour, most: u64) -> Self {
        if hour.datasets == 0 {
            return Self { level: 0, title: String::new() };
        }
        let recordings = if hour.datasets == 1 { "1 recording".to_owned() } else { format!("{} recordings", hour.datasets) };
        let level = u64::try_from(u128::from(hour.bytes) * 3 / u128::from(most)).unwrap_or(3).clamp(1, 3);
        Self { level, title: format!("{at:02}:00 {recordings}, {}", filters::human_bytes(hour.bytes)) }
    }
}
