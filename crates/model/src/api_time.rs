//! Times in the format of the API.

/// Formats microseconds since the Unix epoch as RFC 3339 in UTC with microseconds. A time out of range becomes the first or last possible
/// time.
pub fn rfc3339(us: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(us).unwrap_or(if us < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX });
    format!("{time:.6}")
}

/// Returns the start of a day (`YYYY-MM-DD`) in UTC, in microseconds since the Unix epoch; `None` if the text is not a day.
pub fn day_start(text: &str) -> Option<i64> {
    let day: jiff::civil::Date = text.parse().ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok().map(jiff::Timestamp::as_microsecond)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_six_decimal_places() {
        assert_eq!(super::rfc3339(1_700_000_000_000_000), "2023-11-14T22:13:20.000000Z");
        assert_eq!(super::rfc3339(1_700_000_000_250_001), "2023-11-14T22:13:20.250001Z");
        assert!(super::rfc3339(i64::MIN).starts_with('-'));
    }
}
