//! OpenTelemetry metrics that programs report in addition to spans. They are not part of the totals of spans.

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

/// OpenTelemetry metrics of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OtelMetricList {
    /// Metrics by name.
    metrics: Vec<OtelMetricSummary>,
}

/// Lists the OpenTelemetry metrics with a point in the time range, by name.
#[utoipa::path(get, path = "/projects/{project}/metrics", tag = "metrics", params(("project" = u64, Path, description = "ID of the project."), TimeRangeParameters),
    responses((status = 200, body = OtelMetricList), (status = 400, body = super::error::ErrorResponse)))]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    of: AuthorizedProject<Viewer>,
    QueryParameters(within): QueryParameters<TimeRangeParameters>,
) -> Result<Json<OtelMetricList>, ApiError> {
    let (from_us, to_us) = within.range()?;
    Ok(Json(OtelMetricList { metrics: api.metrics.list(of.project, from_us, to_us).await.map_err(ApiError::internal)? }))
}

/// Selects a metric and how it is aggregated.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OtelMetricSeriesParameters {
    /// Name of the metric.
    name: String,
    /// Unit of the metric, if several metrics share the name; may be empty. Default: that of the metric with the newest point.
    unit: Option<String>,
    /// Kind of the metric, if several metrics share the name: `counter`, `updown_counter`, `gauge`, `histogram` or `summary`. Default:
    /// that of the metric with the newest point.
    kind: Option<String>,
    /// Length of a bucket: `1m`, `5m`, `15m`, `30m`, `1h`, `6h`, `12h` or `1d`. Default: `1h`, or for more than 5,000 hours the shortest
    /// length with at most 5,000 buckets.
    bucket: Option<String>,
    /// One or more of the `measures` of the metric, separated by commas. Default: the first one.
    measure: Option<String>,
    /// Name of an attribute: each of its values gets a line of its own. Default: one line for all points.
    group_by: Option<String>,
}

/// Returns an OpenTelemetry metric over time.
///
/// Counters have an `increase` and a `rate`, gauges have values, histograms have percentiles. In an empty bucket, counts are 0 and all
/// other values are null.
#[utoipa::path(get, path = "/projects/{project}/metrics/series", tag = "metrics", params(("project" = u64, Path, description = "ID of the project."), TimeRangeParameters, OtelMetricSeriesParameters),
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
            let hint = "List the metrics with `/metrics`, or use a longer time range.";
            Err(ApiError::not_found(&format!("metric {name:?} in this time range")).hint(hint))
        }
        Err(error) => Err(ApiError::bad_request("bad_query", error.to_string())),
    }
}

/// An OpenTelemetry metric over time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricSeries)]
pub(super) struct OtelMetricSeriesResponse {
    /// Length of a bucket, such as `1h`.
    bucket: &'static str,
    /// Chart of the metric.
    #[serde(flatten)]
    drawn: OtelMetricChart,
}
