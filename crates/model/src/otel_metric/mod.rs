//! Points of OpenTelemetry metrics: counters, gauges and histograms that programs report in addition to their spans.
//!
//! They may repeat what spans contain, so they are never added to totals of spans.

mod histogram;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::span::names;
pub use histogram::{ExponentialBuckets, Histogram, HistogramBuckets, MergedDistribution};

names!(
    /// Kind of a metric.
    MetricKind {
        /// A sum that only grows.
        Counter = "counter",
        /// A sum that may decrease.
        UpDownCounter = "updown_counter",
        /// A value at some time.
        Gauge = "gauge",
        /// A distribution of values.
        Histogram = "histogram",
        /// Number and sum of values. Quantiles that the client computed cannot be aggregated and are not stored.
        Summary = "summary",
    }
);

names!(
    /// Temporality of a series.
    MetricTemporality {
        /// Each point covers the time since the previous one.
        Delta = "delta",
        /// Each point covers the time since the program started.
        Cumulative = "cumulative",
        /// Each point is the value at its time, as for all gauges.
        Momentary = "momentary",
    }
);

/// A point of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricPoint {
    /// Name of the metric.
    pub name: String,
    /// Unit as sent, such as `s`, `{token}` or `USD`; empty if none was sent.
    pub unit: String,
    /// Description; often empty.
    pub description: String,
    /// Kind of the metric.
    pub kind: MetricKind,
    /// Temporality of the series.
    pub temporality: MetricTemporality,
    /// Attributes of the point.
    pub attributes: BTreeMap<String, String>,
    /// Attributes of the reporter: its scope and resource.
    pub reporter: BTreeMap<String, String>,
    /// Hash of the series: equal for all points of one writer with the same attributes, and different for all other points.
    pub identity: [u8; 32],
    /// Start of counting in nanoseconds since the Unix epoch; 0 if it was not sent.
    pub start_ns: i64,
    /// Time of the measurement in nanoseconds since the Unix epoch.
    pub at_ns: i64,
    /// Value of the point.
    pub value: MetricPointValue,
}

/// Value of a point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MetricPointValue {
    /// One number.
    Number(f64),
    /// A distribution of values.
    Histogram(Histogram),
}
