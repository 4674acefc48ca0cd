//! Measures, buckets and grouping of charts.

use hinomi_query::{BucketInterval, GroupBy, SeriesMeasure};
use hinomi_tables::otel_metrics::OtelMetricQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::QueryParameterError;

/// Measures and buckets of a chart.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TimeSeriesParameters {
    /// Length of a bucket: `1m`, `5m`, `15m`, `30m`, `1h`, `6h`, `12h` or `1d`. Default: `1h`, or for more than 5,000 hours the shortest
    /// length with at most 5,000 buckets.
    pub bucket: Option<String>,
    /// One or more measures, separated by commas: `calls`, `failed`, `errors`, `cost` (US dollars), `input_tokens`, `output_tokens`,
    /// `new_input_tokens`, `cache_read_tokens`, `cache_write_tokens`, `reasoning_tokens`, `duration_p50`, `duration_p95`, `duration_p99`
    /// (milliseconds), `runs` or `spans`. Default: `calls`. Instead, `score` returns the mean of the scores with the given `name`, and their
    /// number as `score_count`.
    pub measure: Option<String>,
    /// Name of the scores, with the measure `score`.
    pub name: Option<String>,
    /// Property to group by, as `by` of a breakdown: each value is a separate line. Default: one line for all spans.
    pub group_by: Option<String>,
}

/// Measures and buckets of a chart, with defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSeriesQuery {
    /// Bucket lengths to try: the first one that does not exceed the maximum number of points is used.
    pub buckets: Vec<BucketInterval>,
    /// Measures, each once, in the requested order; at least one.
    pub measures: Vec<SeriesMeasure>,
    /// Property to group by; `None` for one line.
    pub by: Option<GroupBy>,
}

/// Name of the measure of scores, which is computed from scores instead of spans.
pub const SCORE_MEASURE: &str = "score";

impl TimeSeriesParameters {
    /// Returns the name of the scores and the bucket lengths to try, if the measure is `score`; `None` for other measures.
    ///
    /// # Errors
    ///
    /// Returns an error if a bucket length is unknown, the name is missing, or groups are requested.
    pub fn score_series(&self) -> Result<Option<(String, Vec<BucketInterval>)>, QueryParameterError> {
        if self.measure.as_deref().map(str::trim) != Some(SCORE_MEASURE) {
            return Ok(None);
        }
        let name = self.name.clone().filter(|name| !name.is_empty()).ok_or(QueryParameterError::Empty { parameter: "name" })?;
        if self.group_by.as_deref().is_some_and(|by| !by.is_empty()) {
            return Err(QueryParameterError::Excluded { parameter: "group_by", other: "measure=score" });
        }
        Ok(Some((name, BucketInterval::candidate_buckets(self.bucket.as_deref())?)))
    }

    /// Returns the parameters with defaults.
    ///
    /// # Errors
    ///
    /// Returns an error if a bucket length, measure or property is unknown.
    pub fn query(&self) -> Result<TimeSeriesQuery, QueryParameterError> {
        let buckets = BucketInterval::candidate_buckets(self.bucket.as_deref())?;
        let mut measures = Vec::new();
        for name in self.measure.as_deref().unwrap_or("calls").split(',') {
            let measure = SeriesMeasure::parse(name.trim())?;
            // One that is named twice is answered once.
            if !measures.contains(&measure) {
                measures.push(measure);
            }
        }
        let by = self.group_by.as_deref().filter(|by| !by.is_empty()).map(GroupBy::parse).transpose()?;
        Ok(TimeSeriesQuery { buckets, measures, by })
    }
}

/// Selects a metric and how it is aggregated.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OtelMetricSeriesParameters {
    /// Name of the metric.
    pub name: String,
    /// Unit of the metric, if several metrics share the name; may be empty. Default: the unit of the metric with the newest point.
    pub unit: Option<String>,
    /// Kind of the metric, if several metrics share the name: `counter`, `updown_counter`, `gauge`, `histogram` or `summary`. Default: the
    /// kind of the metric with the newest point.
    pub kind: Option<String>,
    /// Length of a bucket: `1m`, `5m`, `15m`, `30m`, `1h`, `6h`, `12h` or `1d`. Default: `1h`, or for more than 5,000 hours the shortest
    /// length with at most 5,000 buckets.
    pub bucket: Option<String>,
    /// One or more of the `measures` of the metric, separated by commas. Default: the first measure of the metric.
    pub measure: Option<String>,
    /// Name of an attribute: each value of the attribute is a separate line. Default: one line for all points.
    pub group_by: Option<String>,
}

impl OtelMetricSeriesParameters {
    /// Returns the bucket lengths to try, in this order, and the query in a time range (in microseconds since the Unix epoch) without a
    /// bucket length. The query checks names, kind and measures.
    ///
    /// # Errors
    ///
    /// Returns an error if the bucket length is unknown.
    pub fn query(self, (from_us, to_us): (i64, i64)) -> Result<(Vec<BucketInterval>, OtelMetricQuery), QueryParameterError> {
        let buckets = BucketInterval::candidate_buckets(self.bucket.as_deref())?;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let measures = given(self.measure).map(|text| text.split(',').map(|name| name.trim().to_owned()).collect());
        let query = OtelMetricQuery {
            name: self.name,
            // An empty unit is a unit too.
            unit: self.unit,
            kind: given(self.kind),
            from_us,
            to_us,
            bucket_us: 0,
            measures: measures.unwrap_or_default(),
            group_by: given(self.group_by),
        };
        Ok((buckets, query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_chart_has_defaults() {
        let usual = TimeSeriesParameters { group_by: given(""), ..Default::default() }.query().unwrap();
        let lengths: Vec<_> = usual.buckets.iter().map(|bucket| bucket.name()).collect();
        assert_eq!((lengths, usual.measures, usual.by), (vec!["1h", "6h", "12h", "1d"], vec![SeriesMeasure::Calls], None));
        let chart = TimeSeriesParameters { bucket: given("5m"), measure: given("cost, calls,cost"), group_by: given("user"), name: None };
        let chart = chart.query().unwrap();
        assert_eq!((chart.buckets.len(), chart.measures), (1, vec![SeriesMeasure::Cost, SeriesMeasure::Calls]));
        assert_eq!(chart.by, Some(GroupBy::Column("user", "user_id")));
        let wrong =
            |bucket, measure, group_by| TimeSeriesParameters { bucket, measure, group_by, name: None }.query().unwrap_err().to_string();
        assert!(wrong(given("2h"), None, None).starts_with("unknown bucket"));
        assert!(wrong(None, given("calls,"), None).starts_with("unknown measure"));
        assert!(wrong(None, None, given("color")).starts_with("cannot group by"));
    }

    #[test]
    fn a_chart_of_a_metric_keeps_an_empty_unit() {
        let wanted = OtelMetricSeriesParameters {
            name: "m".to_owned(),
            unit: given(""),
            kind: given(""),
            measure: given("p50, p95"),
            ..Default::default()
        };
        let (buckets, query) = wanted.query((5, 9)).unwrap();
        assert_eq!((buckets.len(), query.unit.as_deref(), query.kind, query.group_by), (4, Some(""), None, None));
        assert_eq!((query.from_us, query.to_us, query.measures), (5, 9, vec!["p50".to_owned(), "p95".to_owned()]));
    }
}
