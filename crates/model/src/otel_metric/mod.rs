//! Points of metrics: counters, gauges and histograms that programs report beside their spans.
//!
//! They tell what spans tell once more, or what no span tells, and are never added to sums of spans.

mod histogram;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::span::names;
pub use histogram::{ExponentialBuckets, Histogram, HistogramBuckets, MergedDistribution};

names!(
    /// What sort of thing is measured.
    MetricKind {
        /// A sum that only grows: how much was added counts.
        Counter = "counter",
        /// A sum that may fall as well: how much there is counts.
        UpDownCounter = "updown_counter",
        /// A value at a moment.
        Gauge = "gauge",
        /// How many values fell where.
        Histogram = "histogram",
        /// Number and sum of values; of the quantiles that a client made of them nothing can be made, and they are not kept.
        Summary = "summary",
    }
);

names!(
    /// What the points of a series say.
    MetricTemporality {
        /// Each says what came since the one before.
        Delta = "delta",
        /// Each says what came since the program began.
        Cumulative = "cumulative",
        /// Each says what is at its moment: a gauge has no other.
        Momentary = "momentary",
    }
);

/// One point of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricPoint {
    /// Name of the metric.
    pub name: String,
    /// Its unit as sent, such as `s`, `{token}`, `USD`; empty where none was sent.
    pub unit: String,
    /// What it is, in words; often empty.
    pub description: String,
    /// What sort of metric it is.
    pub kind: MetricKind,
    /// What its points say.
    pub temporality: MetricTemporality,
    /// What this point is about: its own attributes.
    pub attributes: BTreeMap<String, String>,
    /// Who reported it: attributes of scope and resource.
    pub reporter: BTreeMap<String, String>,
    /// The same for all points of one writer about one thing, and for no others.
    pub identity: [u8; 32],
    /// When counting began, in nanoseconds since the Unix epoch; 0 where that was not sent.
    pub start_ns: i64,
    /// When it was measured, in nanoseconds since the Unix epoch.
    pub at_ns: i64,
    /// What was measured.
    pub value: MetricPointValue,
}

/// What a point says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MetricPointValue {
    /// One number.
    Number(f64),
    /// How values are distributed.
    Histogram(Histogram),
}
