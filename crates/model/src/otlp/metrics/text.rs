//! The JSON encoding of metrics, which is parsed as leniently as the JSON encoding of traces.

use serde_json::Value;

use super::super::OtlpError;
use super::super::binary::ScopedItems;
use super::super::span::dropped;
use super::super::text::{charged_list, field, groups, list, map, named, number, text};
use super::{DecodedMetric, DecodedMetricPoint, OtlpMetricType};
use crate::otel_metric::{ExponentialBuckets, Histogram, HistogramBuckets, MetricPointValue};
use crate::outcome::OutcomeCategory;
use crate::outcome_reason::OutcomeReason;

/// Decodes a request for metrics.
pub(in crate::otlp) fn metrics(body: &[u8]) -> Result<ScopedItems<DecodedMetric>, OtlpError> {
    let scopes = [("scopeMetrics", "scope_metrics"), ("instrumentationLibraryMetrics", "instrumentation_library_metrics")];
    groups(body, ("resourceMetrics", "resource_metrics"), &scopes, ("metrics", "metrics"), |metric| {
        if metric.is_object() { Ok(wire(metric)) } else { Err(dropped(OutcomeCategory::Metric, OutcomeReason::InvalidJson)) }
    })
}

fn wire(metric: &Value) -> DecodedMetric {
    type PointValueParser = fn(&Value) -> Option<MetricPointValue>;
    let kinds: [(&str, &str, OtlpMetricType, PointValueParser); 5] = [
        ("gauge", "gauge", OtlpMetricType::Gauge, plain),
        ("sum", "sum", OtlpMetricType::Sum, plain),
        ("histogram", "histogram", OtlpMetricType::Histogram, explicit),
        ("exponentialHistogram", "exponential_histogram", OtlpMetricType::Histogram, exponential),
        ("summary", "summary", OtlpMetricType::Summary, summary),
    ];
    let mut wire = DecodedMetric {
        name: text(metric, "name", "name"),
        unit: text(metric, "unit", "unit"),
        description: text(metric, "description", "description"),
        ..DecodedMetric::default()
    };
    let found = kinds.iter().find_map(|(name, other, sort, read)| Some((field(metric, name, other)?, *sort, *read)));
    let Some((values, sort, read)) = found else { return wire };
    let temporality = &["AGGREGATION_TEMPORALITY_UNSPECIFIED", "AGGREGATION_TEMPORALITY_DELTA", "AGGREGATION_TEMPORALITY_CUMULATIVE"];
    wire.sort = sort;
    wire.temporality = [named(values, "aggregationTemporality", temporality), named(values, "aggregation_temporality", temporality)]
        .into_iter()
        .max()
        .unwrap_or(0);
    wire.monotonic = field(values, "isMonotonic", "is_monotonic").and_then(Value::as_bool).unwrap_or(false);
    let points = charged_list(values, "dataPoints", "data_points", 2 * size_of::<DecodedMetricPoint>());
    wire.points = points.iter().map(|point| wire_point(point, read)).collect();
    wire
}

fn wire_point(point: &Value, read: fn(&Value) -> Option<MetricPointValue>) -> DecodedMetricPoint {
    DecodedMetricPoint {
        attributes: map(point, "attributes"),
        start_ns: number(point, "startTimeUnixNano", "start_time_unix_nano"),
        at_ns: number(point, "timeUnixNano", "time_unix_nano"),
        flags: u32::try_from(number(point, "flags", "flags")).unwrap_or(0),
        value: read(point),
    }
}

/// Returns a number that may be sent as text: `"1000"`, `"NaN"`.
fn float(value: &Value, name: &str, other: &str) -> Option<f64> {
    match field(value, name, other)? {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_f64(),
    }
}

/// Returns a signed integer that may be sent as text.
fn int(value: &Value, name: &str) -> i32 {
    float(value, name, name).filter(|number| number.abs() < 1e9).map_or(0, |number| number as i32)
}

fn counts(value: &Value) -> Vec<u64> {
    let counts = list(value, "bucketCounts", "bucket_counts").iter();
    counts.map(|count| count.as_str().and_then(|text| text.trim().parse().ok()).or_else(|| count.as_u64()).unwrap_or(0)).collect()
}

fn plain(point: &Value) -> Option<MetricPointValue> {
    float(point, "asDouble", "as_double").or_else(|| float(point, "asInt", "as_int")).map(MetricPointValue::Number)
}

fn histogram(point: &Value, buckets: HistogramBuckets) -> Option<MetricPointValue> {
    Some(MetricPointValue::Histogram(Histogram {
        count: number(point, "count", "count"),
        sum: float(point, "sum", "sum"),
        min: float(point, "min", "min"),
        max: float(point, "max", "max"),
        buckets,
    }))
}

fn explicit(point: &Value) -> Option<MetricPointValue> {
    let bounds = list(point, "explicitBounds", "explicit_bounds").iter();
    let bounds = bounds.map(|bound| bound.as_f64().or_else(|| bound.as_str()?.trim().parse().ok())).collect::<Option<Vec<_>>>()?;
    let counts = counts(point);
    histogram(point, if counts.is_empty() { HistogramBuckets::None } else { HistogramBuckets::Explicit { bounds, counts } })
}

fn exponential(point: &Value) -> Option<MetricPointValue> {
    let half = |name: &str| {
        let side = point.get(name).unwrap_or(&Value::Null);
        ExponentialBuckets { offset: int(side, "offset"), counts: counts(side) }
    };
    let zero = number(point, "zeroCount", "zero_count");
    histogram(
        point,
        HistogramBuckets::Exponential { scale: int(point, "scale"), zero, positive: half("positive"), negative: half("negative") },
    )
}

fn summary(point: &Value) -> Option<MetricPointValue> {
    histogram(point, HistogramBuckets::None)
}
