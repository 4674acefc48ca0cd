//! Query parameters: time range and filter.

use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use hinomi_model::api_time::day_start;
use hinomi_query::filter::Filter;
use hinomi_query::{ProjectSnapshot, QueryScope};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::ApiError;

/// Query parameters of a request, rejected with the error format of the API.
#[derive(Debug)]
pub(super) struct QueryParameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let parsed = Query::<T>::from_request_parts(parts, state).await;
        parsed.map(|Query(value)| QueryParameters(value)).map_err(|error| ApiError::bad_request("bad_parameter", error.body_text()))
    }
}

/// Time range and filter of a query.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterParameters {
    /// Start of the time range, inclusive: an RFC 3339 time, a day such as `2026-01-31` (UTC), Unix seconds, `now`, or an offset from now
    /// such as `-24h` with the unit `s`, `m`, `h`, `d` or `w`. Default: all stored data.
    from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    to: Option<String>,
    /// Filter in the filter language, such as `model:gpt-4o status:error`: at most 64 terms and 1,000 values. Default: no filter.
    q: Option<String>,
}

impl FilterParameters {
    pub(super) fn scope(&self) -> Result<QueryScope, ApiError> {
        let filter = Filter::parse(self.q.as_deref().unwrap_or_default())?;
        let (from_us, to_us) = self.range()?;
        Ok(QueryScope { from_us, to_us, filter })
    }

    /// Returns start and end in microseconds since the Unix epoch; unbounded if left out.
    fn range(&self) -> Result<(i64, i64), ApiError> {
        range(self.from.as_deref(), self.to.as_deref())
    }
}

/// What a filter selects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FilterTarget {
    /// The spans that match the filter.
    #[default]
    Spans,
    /// All spans within the time range of the traces that the trace list returns for the filter.
    Traces,
}

/// What the filter selects.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterSelection {
    /// What the filter selects: `spans` for the matching spans (default), or `traces` for all spans within the time range of the traces
    /// that the trace list returns for the filter.
    #[serde(default)]
    #[param(inline)]
    select: FilterTarget,
}

impl FilterSelection {
    pub(super) fn selects_traces(&self) -> bool {
        self.select == FilterTarget::Traces
    }

    /// Returns the scope of the selected spans.
    pub(super) async fn apply(&self, project: &ProjectSnapshot, scope: QueryScope) -> Result<QueryScope, ApiError> {
        if self.selects_traces() { Ok(project.scope_of_traces(&scope).await?) } else { Ok(scope) }
    }
}

/// Time range of a query.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimeRangeParameters {
    /// Start of the time range, inclusive: an RFC 3339 time, a day such as `2026-01-31` (UTC), Unix seconds, `now`, or an offset from now
    /// such as `-24h` with the unit `s`, `m`, `h`, `d` or `w`. Default: all stored data.
    from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    to: Option<String>,
}

impl TimeRangeParameters {
    /// Returns start and end in microseconds since the Unix epoch; unbounded if left out.
    pub(super) fn range(&self) -> Result<(i64, i64), ApiError> {
        range(self.from.as_deref(), self.to.as_deref())
    }
}

/// Returns start and end in microseconds since the Unix epoch; unbounded if left out.
fn range(from: Option<&str>, to: Option<&str>) -> Result<(i64, i64), ApiError> {
    let now = Timestamp::now().as_microsecond();
    let time = |name: &str, text: Option<&str>, open: i64| match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(open),
        Some(text) => moment(text, now).ok_or_else(|| {
            let forms = "a valid time; use RFC 3339, a day, Unix seconds, now, or an offset such as -30m, -24h, -7d";
            ApiError::bad_request("bad_time", format!("{name}: {text:?} is not {forms}"))
        }),
    };
    Ok((time("from", from, i64::MIN)?, time("to", to, i64::MAX)?))
}

/// Returns how long a response may be cached while no data arrives. A time range relative to now moves with the clock, by at most a
/// thousandth of its length.
pub(super) fn kept_for(parameters: &[(String, String)]) -> Duration {
    const MOST: Duration = Duration::from_secs(5);
    const LEAST: Duration = Duration::from_millis(250);
    let value = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.trim());
    let (from, to) = (value("from"), value("to"));
    let moves = |text: Option<&str>| text.is_some_and(|text| text == "now" || text.starts_with('-'));
    if !moves(from) && !moves(to) {
        return MOST;
    }
    let now_us = Timestamp::now().as_microsecond();
    let end = |text: Option<&str>| text.and_then(|text| moment(text, now_us));
    let range_us = end(to).unwrap_or(now_us).abs_diff(end(from).unwrap_or(now_us));
    Duration::from_micros(range_us / 1000).clamp(LEAST, MOST)
}

/// Parses a time in any accepted form, in microseconds since the Unix epoch. A day is its start in UTC.
pub(super) fn moment(text: &str, now_us: i64) -> Option<i64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_with_the_clock_is_kept_for_a_thousandth_of_its_range() {
        let kept = |pairs: &[(&str, &str)]| {
            kept_for(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()).as_millis()
        };
        assert_eq!((kept(&[]), kept(&[("from", "2023-11-15"), ("to", "2023-11-16")])), (5000, 5000));
        assert_eq!((kept(&[("from", "-24h")]), kept(&[("from", "-24h"), ("to", "now")])), (5000, 5000));
        assert_eq!((kept(&[("from", "-15m")]), kept(&[("from", "-30m"), ("to", "-15m")])), (900, 900));
        assert_eq!((kept(&[("from", "-1m"), ("q", "x")]), kept(&[("to", "now")])), (250, 250));
    }

    #[test]
    fn moments_in_every_form() {
        let now = 1_800_000_000_000_000;
        assert_eq!(moment("now", now), Some(now));
        assert_eq!(moment("-24h", now), Some(now - 86_400_000_000));
        assert_eq!(moment("1700000000", now), Some(1_700_000_000_000_000));
        assert_eq!(moment("1700000000.25", now), Some(1_700_000_000_250_000));
        assert_eq!(moment("2023-11-14T22:13:20Z", now), Some(1_700_000_000_000_000));
        assert_eq!(moment("2023-11-15", now), Some(1_700_006_400_000_000));
        assert_eq!(moment("2023-11-15T07:13:20.000001+09:00", now), Some(1_700_000_000_000_001));
        for wrong in ["yesterday", "-h", "-24x", "1e300", "NaN", "-é", ""] {
            assert_eq!(moment(wrong, now), None, "{wrong}");
        }
    }
}
