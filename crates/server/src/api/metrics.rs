//! OpenTelemetry metrics that programs report in addition to spans. They are not part of the totals of spans.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_query::BucketInterval;
use hinomi_tables::otel_metrics::{OtelMetricChart, OtelMetricQueryError, OtelMetricSummary};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::AuthorizedProject;
use super::params::QueryParameters;
use super::permission::Viewer;
use super::{ApiError, ApiState};
use crate::query_parameters::{OtelMetricSeriesParameters, TimeRangeParameters};

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
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(within): QueryParameters<TimeRangeParameters>,
) -> Result<Json<OtelMetricList>, ApiError> {
    let (from_us, to_us) = within.range()?;
    Ok(Json(OtelMetricList { metrics: api.metrics.list(authorized.project, from_us, to_us).await.map_err(ApiError::internal)? }))
}

/// Returns an OpenTelemetry metric over time.
///
/// Counters have an `increase` and a `rate`, gauges have values, histograms have percentiles. In a bucket without points, counts are 0 and
/// all other values are null.
#[utoipa::path(get, path = "/projects/{project}/metrics/series", tag = "metrics", params(("project" = u64, Path, description = "ID of the project."), TimeRangeParameters, OtelMetricSeriesParameters),
    responses((status = 200, body = OtelMetricSeriesResponse), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn series(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(within): QueryParameters<TimeRangeParameters>,
    QueryParameters(wanted): QueryParameters<OtelMetricSeriesParameters>,
) -> Result<Json<OtelMetricSeriesResponse>, ApiError> {
    let (buckets, mut ask) = wanted.query(within.range()?)?;
    let mut last = Err(OtelMetricQueryError::TooManyBuckets(0));
    for bucket in buckets {
        ask.bucket_us = bucket.length_us();
        let drawn = api.metrics.chart(authorized.project, ask.clone()).await.map_err(ApiError::internal)?;
        last = drawn.map(|drawn| OtelMetricSeriesResponse { bucket: bucket.name(), drawn });
        if !matches!(last, Err(OtelMetricQueryError::TooManyBuckets(_))) {
            break;
        }
    }
    match last {
        Ok(series) => Ok(Json(series)),
        Err(OtelMetricQueryError::UnknownMetric(name)) => {
            let hint = "List the metrics with `GET /api/v1/projects/{project}/metrics`, or use a longer time range.";
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
    #[schema(value_type = BucketInterval)]
    bucket: &'static str,
    /// Chart of the metric.
    #[serde(flatten)]
    drawn: OtelMetricChart,
}
