//! Times and time ranges.

use hinomi_model::api_time::day_start;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::QueryParameterError;

/// Valid forms of a time.
pub const TIME_FORMS: &str = "RFC 3339, a day, Unix seconds, now, or an offset such as -30m, -24h, -7d";

/// Time range of a query.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TimeRangeParameters {
    /// Start of the time range, inclusive: an RFC 3339 time, a day such as `2026-01-31` (UTC), Unix seconds, `now`, or an offset from now
    /// such as `-24h` with the unit `s`, `m`, `h`, `d` or `w`. Default: all stored data.
    pub from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    pub to: Option<String>,
}

impl TimeRangeParameters {
    /// Returns start and end in microseconds since the Unix epoch: the minimum and maximum of `i64` if they are omitted.
    ///
    /// # Errors
    ///
    /// Returns an error if the start or the end is not a time.
    pub fn range(&self) -> Result<(i64, i64), QueryParameterError> {
        range(self.from.as_deref(), self.to.as_deref(), now_us())
    }
}

/// Approximate time of a trace.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TimeHintParameters {
    /// A time within the trace, which makes the lookup faster: an RFC 3339 time, a day such as `2026-01-31` (UTC), Unix seconds, `now`,
    /// or an offset from now such as `-24h`. Default: all stored data is searched.
    pub at: Option<String>,
}

impl TimeHintParameters {
    /// Returns the time in microseconds since the Unix epoch; `None` if it is omitted.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a time.
    pub fn position_us(&self) -> Result<Option<i64>, QueryParameterError> {
        let Some(text) = self.at.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let bad = || QueryParameterError::BadTime { parameter: "at", text: text.to_owned(), forms: None };
        parse_time(text, now_us()).map(Some).ok_or_else(bad)
    }
}

/// Returns start and end in microseconds since the Unix epoch. The range is unbounded on a side that is omitted.
pub(super) fn range(from: Option<&str>, to: Option<&str>, now_us: i64) -> Result<(i64, i64), QueryParameterError> {
    let time = |parameter, text: Option<&str>, open: i64| match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(open),
        Some(text) => {
            let bad = || QueryParameterError::BadTime { parameter, text: text.to_owned(), forms: Some(TIME_FORMS) };
            parse_time(text, now_us).ok_or_else(bad)
        }
    };
    Ok((time("from", from, i64::MIN)?, time("to", to, i64::MAX)?))
}

/// Parses a time in any of the [forms](TIME_FORMS), in microseconds since the Unix epoch. A day is its start in UTC.
pub fn parse_time(text: &str, now_us: i64) -> Option<i64> {
    if text == "now" {
        return Some(now_us);
    }
    if let Some(back) = text.strip_prefix('-')
        && let Some(us) = length(back)
    {
        return now_us.checked_sub(us);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let us = seconds * 1e6;
        return (us.is_finite() && us.abs() < 9e18).then_some(us.round() as i64);
    }
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond).or_else(|| day_start(text))
}

/// Parses a duration such as `90s`, `30m`, `24h`, `7d` or `2w`, in microseconds.
fn length(text: &str) -> Option<i64> {
    const UNITS: [(char, i64); 5] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    let unit = text.chars().last()?;
    let (_, seconds) = UNITS.iter().find(|(letter, _)| *letter == unit)?;
    let count: i64 = text[..text.len() - 1].parse().ok()?;
    count.checked_mul(*seconds)?.checked_mul(1_000_000)
}

/// Returns the current time in microseconds since the Unix epoch.
pub(super) fn now_us() -> i64 {
    Timestamp::now().as_microsecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_parameters_in_every_form() {
        let now = 1_800_000_000_000_000;
        assert_eq!(parse_time("now", now), Some(now));
        assert_eq!(parse_time("-24h", now), Some(now - 86_400_000_000));
        assert_eq!(parse_time("1700000000", now), Some(1_700_000_000_000_000));
        assert_eq!(parse_time("1700000000.25", now), Some(1_700_000_000_250_000));
        assert_eq!(parse_time("2023-11-14T22:13:20Z", now), Some(1_700_000_000_000_000));
        assert_eq!(parse_time("2023-11-15", now), Some(1_700_006_400_000_000));
        assert_eq!(parse_time("2023-11-15T07:13:20.000001+09:00", now), Some(1_700_000_000_000_001));
        for wrong in ["yesterday", "-h", "-24x", "1e300", "NaN", "-é", ""] {
            assert_eq!(parse_time(wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn a_range_is_open_where_it_is_left_out() {
        let now = 1_800_000_000_000_000;
        assert_eq!(range(None, Some(" "), now).unwrap(), (i64::MIN, i64::MAX));
        assert_eq!(range(Some(" -1s "), Some("now"), now).unwrap(), (now - 1_000_000, now));
        let error = range(Some("5"), Some("soon"), now).unwrap_err();
        assert_eq!(error.to_string(), format!(r#"to: "soon" is not a valid time; use {TIME_FORMS}"#));
    }

    #[test]
    fn a_hint_of_a_time_may_be_left_out() {
        let us = |text: &str| TimeHintParameters { at: Some(text.to_owned()) }.position_us();
        assert_eq!(
            (us("").unwrap(), us("5").unwrap(), TimeHintParameters::default().position_us().unwrap()),
            (None, Some(5_000_000), None)
        );
        assert_eq!(us("soon").unwrap_err().to_string(), r#"at: "soon" is not a valid time"#);
    }
}
