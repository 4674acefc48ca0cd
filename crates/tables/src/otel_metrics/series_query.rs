//! What can be asked of a metric.

use hinomi_model::otel_metric::MetricKind;
use serde::{Deserialize, Serialize};

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// What is drawn of a metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum OtelMetricMeasure { $($(#[$doc])* #[serde(rename = $name)] $variant),+ }

        impl OtelMetricMeasure {
            /// All of them.
            pub const ALL: &[OtelMetricMeasure] = &[$(OtelMetricMeasure::$variant),+];

            /// Its name in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(OtelMetricMeasure::$variant => $name),+ }
            }
        }
    };
}

measures!(
    /// How much was added.
    Increase = "increase",
    /// The same for each second.
    Rate = "rate",
    /// How much there is at the end of the bucket, of all series together.
    Value = "value",
    /// The mean of what was measured.
    Mean = "mean",
    /// The least.
    Min = "min",
    /// The most.
    Max = "max",
    /// How many values.
    Count = "count",
    /// Their sum.
    Sum = "sum",
    /// Their median.
    P50 = "p50",
    /// Their 95th percentile.
    P95 = "p95",
    /// Their 99th percentile.
    P99 = "p99",
);

impl OtelMetricMeasure {
    /// Whether an empty bucket has none of something, rather than no value.
    pub(super) fn counts(self) -> bool {
        matches!(self, OtelMetricMeasure::Increase | OtelMetricMeasure::Rate | OtelMetricMeasure::Count | OtelMetricMeasure::Sum)
    }
}

/// What can be drawn of a kind of metric, the usual first.
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
    /// Measures to return; the default one if empty.
    pub measures: Vec<String>,
    /// Attribute whose values get a line each.
    pub group_by: Option<String>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtelMetricQueryError {
    /// None of that name has a point in the range.
    #[error("metric {0:?} has no point in this time range")]
    Unknown(String),
    /// Not to be drawn of a metric of this kind.
    #[error("measure {wanted:?} is not available for a {kind}; use one of {known}")]
    Measure {
        /// What was asked for.
        wanted: String,
        /// What sort of metric it is.
        kind: &'static str,
        /// What can be drawn.
        known: String,
    },
    /// An attribute that no point has.
    #[error("unknown attribute {wanted:?}; use one of {known}")]
    Attribute {
        /// What was asked for.
        wanted: String,
        /// Those there are.
        known: String,
    },
    /// More buckets than one draws.
    #[error("the time range has {0} buckets of this length; use a shorter time range or a longer bucket (at most {MOST_BUCKETS})")]
    TooManyBuckets(i64),
}

/// Buckets of one answer.
pub(super) const MOST_BUCKETS: i64 = 5_000;
