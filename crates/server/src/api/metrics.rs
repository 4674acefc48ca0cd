//! Metrics that programs report beside their spans. They are in no sum of spans.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_query::BucketInterval;
use hinomi_tables::otel_metrics::{OtelMetricChart, OtelMetricQuery, OtelMetricQueryError, OtelMetricSummary};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::AuthorizedProject;
use super::params::{QueryParameters, TimeRangeParameters};
use super::permission::Viewer;
use super::{ApiError, ApiState};

/// Metrics of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OtelMetricList {
    metrics: Vec<OtelMetricSummary>,
}

/// The metrics that have a point in the range, by name.
#[utoipa::path(get, path = "/projects/{project}/metrics", tag = "metrics", params(("project" = u64, Path), TimeRangeParameters),
    responses((status = 200, body = OtelMetricList), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    QueryParameters(within): QueryParameters<TimeRangeParameters>,
) -> Result<Json<OtelMetricList>, ApiError> {
    let (from_us, to_us) = within.range()?;
    Ok(Json(OtelMetricList { metrics: api.metrics.list(of.project, from_us, to_us).await.map_err(ApiError::internal)? }))
}

/// What to draw.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OtelMetricSeriesParameters {
    /// The metric.
    name: String,
    /// Its unit, where several have the name; left out: the one with the newest point.
    unit: Option<String>,
    /// Its kind, likewise.
    kind: Option<String>,
    /// `1m 5m 15m 30m 1h 6h 12h 1d`. Left out: `1h`, or of a range with more than 5,000 hours the shortest with which it has fewer points.
    bucket: Option<String>,
    /// Of `measures` of the metric, several with commas between them; left out: the first of these.
    measure: Option<String>,
    /// One line for each value of this attribute.
    group_by: Option<String>,
}

/// A metric over time, by bucket: `increase` and `rate` of counters, values of gauges, percentiles of histograms. Of an empty bucket
/// counts are 0 and all else is null.
#[utoipa::path(get, path = "/projects/{project}/metrics/series", tag = "metrics", params(("project" = u64, Path), TimeRangeParameters, OtelMetricSeriesParameters),
    responses((status = 200, body = OtelMetricSeriesResponse), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn series(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    QueryParameters(within): QueryParameters<TimeRangeParameters>,
    QueryParameters(wanted): QueryParameters<OtelMetricSeriesParameters>,
) -> Result<Json<OtelMetricSeriesResponse>, ApiError> {
    let (from_us, to_us) = within.range()?;
    let buckets = BucketInterval::candidates(wanted.bucket.as_deref())?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let measures = given(wanted.measure).map(|text| text.split(',').map(|name| name.trim().to_owned()).collect());
    let mut ask = OtelMetricQuery {
        name: wanted.name,
        // An empty unit is a unit too.
        unit: wanted.unit,
        kind: given(wanted.kind),
        from_us,
        to_us,
        bucket_us: 0,
        measures: measures.unwrap_or_default(),
        group_by: given(wanted.group_by),
    };
    let mut last = Err(OtelMetricQueryError::TooManyBuckets(0));
    for bucket in buckets {
        ask.bucket_us = bucket.us();
        let drawn = api.metrics.draw(of.project, ask.clone()).await.map_err(ApiError::internal)?;
        last = drawn.map(|drawn| OtelMetricSeriesResponse { bucket: bucket.name(), drawn });
        if !matches!(last, Err(OtelMetricQueryError::TooManyBuckets(_))) {
            break;
        }
    }
    match last {
        Ok(series) => Ok(Json(series)),
        Err(OtelMetricQueryError::Unknown(name)) => {
            let hint = "`/metrics` lists those there are; it may have points in a longer range.";
            Err(ApiError::not_found(&format!("metric as {name:?} in this range")).hint(hint))
        }
        Err(error) => Err(ApiError::bad_request("bad_query", error.to_string())),
    }
}

/// A metric over time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricSeries)]
pub(super) struct OtelMetricSeriesResponse {
    bucket: &'static str,
    #[serde(flatten)]
    drawn: OtelMetricChart,
}
