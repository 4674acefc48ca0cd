//! Tests of days, weeks and months in time zones, against counting day by day.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use crate::rule::calendar::BudgetCalendar;
use crate::{BudgetPeriod, WeekStart};

const ZONES: [&str; 9] = [
    "UTC",
    "Asia/Tokyo",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Pacific/Apia",
];

fn calendar(zone: &str, period: BudgetPeriod, week_starts: WeekStart) -> BudgetCalendar {
    BudgetCalendar { period, zone: TimeZone::get(zone).unwrap(), week_starts }
}

fn us(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

#[test]
fn days_of_clock_changes_have_23_or_25_hours() {
    let day = calendar("Europe/Berlin", BudgetPeriod::Day, WeekStart::Monday);
    assert_eq!(day.period_around(us("2026-03-29T12:00:00Z")), (us("2026-03-28T23:00:00Z"), us("2026-03-29T22:00:00Z")));
    assert_eq!(day.period_around(us("2026-10-25T12:00:00Z")), (us("2026-10-24T22:00:00Z"), us("2026-10-25T23:00:00Z")));
    // Egypt puts the clock forward at midnight: the day begins at one o'clock.
    let cairo = calendar("Africa/Cairo", BudgetPeriod::Day, WeekStart::Monday);
    assert_eq!(cairo.period_around(us("2026-04-24T09:00:00Z")).0, us("2026-04-23T22:00:00Z"));
    let month = calendar("Asia/Tokyo", BudgetPeriod::Month, WeekStart::Monday);
    assert_eq!(month.period_around(us("2026-10-31T15:30:00Z")), (us("2026-10-31T15:00:00Z"), us("2026-11-30T15:00:00Z")));
    let week = calendar("Asia/Tokyo", BudgetPeriod::Week, WeekStart::Sunday);
    assert_eq!(week.period_around(us("2026-11-25T00:00:00Z")), (us("2026-11-21T15:00:00Z"), us("2026-11-28T15:00:00Z")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every time belongs to one period; the next begins where it ends; all times of a period have the same first day.
    #[test]
    fn periods_follow_each_other_without_gaps(
        zone in prop::sample::select(&ZONES[..]),
        period in prop::sample::select(&[BudgetPeriod::Day, BudgetPeriod::Week, BudgetPeriod::Month][..]),
        week_starts in prop::sample::select(&[WeekStart::Monday, WeekStart::Sunday, WeekStart::Saturday][..]),
        at in 1_400_000_000i64..1_900_000_000,
        within in 0.0f64..1.0,
    ) {
        let calendar = calendar(zone, period, week_starts);
        let at = at * 1_000_000;
        let (from, to) = calendar.period_around(at);
        prop_assert!(from <= at && at < to);
        prop_assert_eq!(calendar.period_around(from), (from, to));
        prop_assert_eq!(calendar.period_around(to - 1), (from, to));
        prop_assert_eq!(calendar.period_around(to).0, to);
        prop_assert_eq!(calendar.period_around(from + ((to - from - 1) as f64 * within) as i64), (from, to));
        prop_assert_eq!((from.rem_euclid(900_000_000), to.rem_euclid(900_000_000)), (0, 0), "a budget's steps divide it");
        // Naive model: go back to the first day hour by hour.
        let date = |us: i64| calendar.zone.to_datetime(Timestamp::from_microsecond(us).unwrap()).date();
        let is_first = |us: i64| match period {
            BudgetPeriod::Day => true,
            BudgetPeriod::Week => date(us).weekday() == week_starts.default_weekday(),
            BudgetPeriod::Month => date(us).day() == 1,
        };
        prop_assert!(is_first(from), "{}", date(from));
        prop_assert_ne!(date(from - 1), date(from));
        if period == BudgetPeriod::Day {
            prop_assert_eq!(date(from), date(at));
            prop_assert!((to - from) <= 50 * 3_600_000_000);
        } else {
            let days = i64::from((date(to) - date(from)).get_days());
            let expected = if period == BudgetPeriod::Week { 7 } else { i64::from(date(from).days_in_month()) };
            prop_assert_eq!(days, expected);
            prop_assert!(date(from).checked_add(expected.days()).unwrap() == date(to));
        }
    }
}
