//! Calendar days, weeks and months in a time zone.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::budget::WeekStart;
use crate::delivery::notification::BudgetPeriod;

/// Calendar of a budget's periods.
#[derive(Debug, Clone)]
pub(crate) struct BudgetCalendar {
    pub(crate) period: BudgetPeriod,
    pub(crate) zone: TimeZone,
    pub(crate) week_starts: WeekStart,
}

impl BudgetCalendar {
    /// Returns start and end (exclusive) of the period that contains a time, in microseconds since the Unix epoch.
    pub(crate) fn period_around(&self, us: i64) -> (i64, i64) {
        let date = self.zone.to_datetime(timestamp_of(us)).date();
        let (first, next) = match self.period {
            BudgetPeriod::Day => (date, date.checked_add(1.day())),
            BudgetPeriod::Week => {
                let back = i64::from(date.weekday().since(self.week_starts.default_weekday()));
                let first = date.checked_sub(back.days()).unwrap_or(date);
                (first, first.checked_add(7.days()))
            }
            BudgetPeriod::Month => (date.first_of_month(), date.first_of_month().checked_add(1.month())),
        };
        // The calendar ends in the year 9999.
        (self.start_of_day(first), next.map_or(i64::MAX, |next| self.start_of_day(next)))
    }

    /// Returns the start of a day. If the clock is put forward at midnight, it is later than midnight.
    fn start_of_day(&self, date: Date) -> i64 {
        let start = self.zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible();
        start.map_or(if date.year() < 1970 { i64::MIN } else { i64::MAX }, Timestamp::as_microsecond)
    }
}

fn timestamp_of(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(if us < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
