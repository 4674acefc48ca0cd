//! Queries for metrics.

use hinomi_model::otel_metric::MetricKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident = $name:tt),+ $(,)?) => {
        /// A measure of a metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        pub enum OtelMetricMeasure { $($(#[$doc])* #[serde(rename = $name)] $variant),+ }

        impl OtelMetricMeasure {
            /// All measures.
            pub const ALL: &[OtelMetricMeasure] = &[$(OtelMetricMeasure::$variant),+];

            /// Returns the name of the measure in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(OtelMetricMeasure::$variant => $name),+ }
            }
        }
    };
}

measures!(
    /// Amount that was added.
    Increase = "increase",
    /// Amount that was added per second.
    Rate = "rate",
    /// Value at the end of the bucket, summed over all series.
    Value = "value",
    /// Mean of the measured values.
    Mean = "mean",
    /// Smallest measured value.
    Min = "min",
    /// Largest measured value.
    Max = "max",
    /// Number of measured values.
    Count = "count",
    /// Sum of the measured values.
    Sum = "sum",
    /// Median of the measured values.
    P50 = "p50",
    /// 95th percentile of the measured values.
    P95 = "p95",
    /// 99th percentile of the measured values.
    P99 = "p99",
);

impl OtelMetricMeasure {
    /// Returns whether the measure of an empty bucket is zero, rather than unknown.
    pub(super) fn is_zero_when_empty(self) -> bool {
        matches!(self, OtelMetricMeasure::Increase | OtelMetricMeasure::Rate | OtelMetricMeasure::Count | OtelMetricMeasure::Sum)
    }
}

/// Returns the measures of a kind of metric, the default measure first.
pub(super) fn measures_of(kind: MetricKind) -> &'static [OtelMetricMeasure] {
    use OtelMetricMeasure::{Count, Increase, Max, Mean, Min, P50, P95, P99, Rate, Sum, Value};
    match kind {
        MetricKind::Counter => &[Increase, Rate],
        MetricKind::UpDownCounter => &[Value, Increase],
        MetricKind::Gauge => &[Mean, Min, Max, Value],
        MetricKind::Histogram => &[P95, P50, P99, Mean, Count, Sum, Rate],
        MetricKind::Summary => &[Mean, Count, Sum, Rate],
    }
}

/// A query for one metric.
#[derive(Debug, Clone, Default)]
pub struct OtelMetricQuery {
    /// Name of the metric.
    pub name: String,
    /// Unit of the metric, if several metrics share the name.
    pub unit: Option<String>,
    /// Kind of the metric, if several metrics share the name.
    pub kind: Option<String>,
    /// Start in microseconds since the Unix epoch, inclusive; `i64::MIN` for no start.
    pub from_us: i64,
    /// End in microseconds since the Unix epoch, exclusive; `i64::MAX` for no end.
    pub to_us: i64,
    /// Length of a bucket in microseconds. Buckets are aligned to the Unix epoch.
    pub bucket_us: i64,
    /// Measures to return; the default measure if empty.
    pub measures: Vec<String>,
    /// Attribute whose values get a line each.
    pub group_by: Option<String>,
}

/// Why a query has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtelMetricQueryError {
    /// No metric with this name has a point in the range.
    #[error("metric {0:?} has no point in this time range")]
    UnknownMetric(String),
    /// The measure is not available for this kind of metric.
    #[error("measure {wanted:?} is not available for a {kind}; use one of {known}")]
    Measure {
        /// Requested measure.
        wanted: String,
        /// Kind of the metric.
        kind: &'static str,
        /// Available measures.
        known: String,
    },
    /// No point has this attribute.
    #[error("unknown attribute {wanted:?}; use one of {known}")]
    Attribute {
        /// Requested attribute.
        wanted: String,
        /// Available attributes.
        known: String,
    },
    /// The range has too many buckets.
    #[error("the time range has {0} buckets of this length; use a shorter time range or a longer bucket (at most {MAX_BUCKETS})")]
    TooManyBuckets(i64),
}

/// Maximum number of buckets per chart.
pub(super) const MAX_BUCKETS: i64 = 5_000;
