//! Extraction of query parameters from requests. `query_parameters` defines and parses them.

use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::ApiError;
use crate::query_parameters::parse_time;

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

/// Returns how long a response may be cached while no data arrives. A time range relative to now moves with the clock, by at most a
/// thousandth of its length.
pub(super) fn cache_duration(parameters: &[(String, String)]) -> Duration {
    const MAX_CACHE_AGE: Duration = Duration::from_secs(5);
    const MIN_CACHE_AGE: Duration = Duration::from_millis(250);
    let value = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.trim());
    let (from, to) = (value("from"), value("to"));
    let moves = |text: Option<&str>| text.is_some_and(|text| text == "now" || text.starts_with('-'));
    if !moves(from) && !moves(to) {
        return MAX_CACHE_AGE;
    }
    let now_us = Timestamp::now().as_microsecond();
    let end = |text: Option<&str>| text.and_then(|text| parse_time(text, now_us));
    let range_us = end(to).unwrap_or(now_us).abs_diff(end(from).unwrap_or(now_us));
    Duration::from_micros(range_us / 1000).clamp(MIN_CACHE_AGE, MAX_CACHE_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_range_is_cached_for_a_thousandth_of_its_length() {
        let kept = |pairs: &[(&str, &str)]| {
            cache_duration(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()).as_millis()
        };
        assert_eq!((kept(&[]), kept(&[("from", "2023-11-15"), ("to", "2023-11-16")])), (5000, 5000));
        assert_eq!((kept(&[("from", "-24h")]), kept(&[("from", "-24h"), ("to", "now")])), (5000, 5000));
        assert_eq!((kept(&[("from", "-15m")]), kept(&[("from", "-30m"), ("to", "-15m")])), (900, 900));
        assert_eq!((kept(&[("from", "-1m"), ("q", "x")]), kept(&[("to", "now")])), (250, 250));
    }
}
