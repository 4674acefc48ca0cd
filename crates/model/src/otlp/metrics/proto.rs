//! Protobuf messages of metrics.

use bytes::Bytes;
use prost::{Message, Oneof};

use super::super::binary::{ScopedItems, groups, map, text};
use super::super::decoded_size;
use super::super::proto::OtlpKeyValue;
use super::super::span::dropped;
use super::{DecodedMetric, DecodedMetricPoint, OtlpMetricType};
use crate::otel_metric::{ExponentialBuckets, Histogram, HistogramBuckets, MetricPointValue};
use crate::outcome::OutcomeCategory;
use crate::outcome_reason::OutcomeReason;

/// Decodes a request for metrics.
pub(in crate::otlp) fn metrics(body: Bytes) -> Result<ScopedItems<DecodedMetric>, prost::DecodeError> {
    let metric =
        |metric| OtlpMetric::decode(metric).map(wire).map_err(|_| dropped(OutcomeCategory::Metric, OutcomeReason::InvalidProtobuf));
    groups(body, &decoded_size::METRIC, metric)
}

fn wire(metric: OtlpMetric) -> DecodedMetric {
    let mut wire = DecodedMetric {
        name: text(&metric.name),
        unit: text(&metric.unit),
        description: text(&metric.description),
        ..DecodedMetric::default()
    };
    match metric.values {
        None => {}
        Some(OtlpMetricPoints::Gauge(gauge)) => {
            wire.sort = OtlpMetricType::Gauge;
            wire.points = gauge.points.into_iter().map(OtlpNumberPoint::wire).collect();
        }
        Some(OtlpMetricPoints::Sum(sum)) => {
            (wire.sort, wire.temporality, wire.monotonic) = (OtlpMetricType::Sum, sum.temporality, sum.monotonic);
            wire.points = sum.points.into_iter().map(OtlpNumberPoint::wire).collect();
        }
        Some(OtlpMetricPoints::Histogram(histogram)) => {
            (wire.sort, wire.temporality) = (OtlpMetricType::Histogram, histogram.temporality);
            wire.points = histogram.points.into_iter().map(OtlpHistogramPoint::wire).collect();
        }
        Some(OtlpMetricPoints::Exponential(histogram)) => {
            (wire.sort, wire.temporality) = (OtlpMetricType::Histogram, histogram.temporality);
            wire.points = histogram.points.into_iter().map(OtlpExponentialHistogramPoint::wire).collect();
        }
        Some(OtlpMetricPoints::Summary(summary)) => {
            wire.sort = OtlpMetricType::Summary;
            wire.points = summary.points.into_iter().map(OtlpSummaryPoint::wire).collect();
        }
    }
    wire
}

/// `opentelemetry.proto.metrics.v1.Metric`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpMetric {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) description: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) unit: Bytes,
    #[prost(oneof = "OtlpMetricPoints", tags = "5, 7, 9, 10, 11")]
    pub(super) values: Option<OtlpMetricPoints>,
}

/// Points of a metric, by kind.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum OtlpMetricPoints {
    #[prost(message, tag = "5")]
    Gauge(OtlpGauge),
    #[prost(message, tag = "7")]
    Sum(OtlpSum),
    #[prost(message, tag = "9")]
    Histogram(OtlpHistogram),
    #[prost(message, tag = "10")]
    Exponential(OtlpExponentialHistogram),
    #[prost(message, tag = "11")]
    Summary(OtlpSummary),
}

/// `Gauge`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpGauge {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<OtlpNumberPoint>,
}

/// `Sum`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpSum {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<OtlpNumberPoint>,
    #[prost(int32, tag = "2")]
    pub(super) temporality: i32,
    #[prost(bool, tag = "3")]
    pub(super) monotonic: bool,
}

/// `Histogram`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpHistogram {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<OtlpHistogramPoint>,
    #[prost(int32, tag = "2")]
    pub(super) temporality: i32,
}

/// `ExponentialHistogram`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpExponentialHistogram {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<OtlpExponentialHistogramPoint>,
    #[prost(int32, tag = "2")]
    pub(super) temporality: i32,
}

/// `Summary`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpSummary {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<OtlpSummaryPoint>,
}

/// `NumberDataPoint`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpNumberPoint {
    #[prost(fixed64, tag = "2")]
    pub(super) start: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) time: u64,
    #[prost(oneof = "OtlpNumberValue", tags = "4, 6")]
    pub(super) value: Option<OtlpNumberValue>,
    #[prost(message, repeated, tag = "7")]
    pub(super) attributes: Vec<OtlpKeyValue>,
    #[prost(uint32, tag = "8")]
    pub(super) flags: u32,
}

/// Value of a point that is a number.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub(super) enum OtlpNumberValue {
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}

impl OtlpNumberPoint {
    fn wire(self) -> DecodedMetricPoint {
        let value = self.value.map(|value| match value {
            OtlpNumberValue::Double(number) => MetricPointValue::Number(number),
            OtlpNumberValue::Int(number) => MetricPointValue::Number(number as f64),
        });
        DecodedMetricPoint { attributes: map(self.attributes), start_ns: self.start, at_ns: self.time, flags: self.flags, value }
    }
}

/// `HistogramDataPoint`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpHistogramPoint {
    #[prost(fixed64, tag = "2")]
    pub(super) start: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) time: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) count: u64,
    #[prost(double, optional, tag = "5")]
    pub(super) sum: Option<f64>,
    #[prost(fixed64, repeated, tag = "6")]
    pub(super) counts: Vec<u64>,
    #[prost(double, repeated, tag = "7")]
    pub(super) bounds: Vec<f64>,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<OtlpKeyValue>,
    #[prost(uint32, tag = "10")]
    pub(super) flags: u32,
    #[prost(double, optional, tag = "11")]
    pub(super) min: Option<f64>,
    #[prost(double, optional, tag = "12")]
    pub(super) max: Option<f64>,
}

impl OtlpHistogramPoint {
    fn wire(self) -> DecodedMetricPoint {
        let buckets = if self.counts.is_empty() {
            HistogramBuckets::None
        } else {
            HistogramBuckets::Explicit { bounds: self.bounds, counts: self.counts }
        };
        let histogram = Histogram { count: self.count, sum: self.sum, min: self.min, max: self.max, buckets };
        DecodedMetricPoint {
            attributes: map(self.attributes),
            start_ns: self.start,
            at_ns: self.time,
            flags: self.flags,
            value: Some(MetricPointValue::Histogram(histogram)),
        }
    }
}

/// `ExponentialHistogramDataPoint`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpExponentialHistogramPoint {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<OtlpKeyValue>,
    #[prost(fixed64, tag = "2")]
    pub(super) start: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) time: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) count: u64,
    #[prost(double, optional, tag = "5")]
    pub(super) sum: Option<f64>,
    #[prost(sint32, tag = "6")]
    pub(super) scale: i32,
    #[prost(fixed64, tag = "7")]
    pub(super) zero: u64,
    #[prost(message, optional, tag = "8")]
    pub(super) positive: Option<OtlpExponentialBuckets>,
    #[prost(message, optional, tag = "9")]
    pub(super) negative: Option<OtlpExponentialBuckets>,
    #[prost(uint32, tag = "10")]
    pub(super) flags: u32,
    #[prost(double, optional, tag = "12")]
    pub(super) min: Option<f64>,
    #[prost(double, optional, tag = "13")]
    pub(super) max: Option<f64>,
}

/// `ExponentialHistogramDataPoint.Buckets`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpExponentialBuckets {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint64, repeated, tag = "2")]
    pub(super) counts: Vec<u64>,
}

impl OtlpExponentialHistogramPoint {
    fn wire(self) -> DecodedMetricPoint {
        let half = |side: Option<OtlpExponentialBuckets>| {
            side.map(|side| ExponentialBuckets { offset: side.offset, counts: side.counts }).unwrap_or_default()
        };
        let buckets = HistogramBuckets::Exponential {
            scale: self.scale,
            zero: self.zero,
            positive: half(self.positive),
            negative: half(self.negative),
        };
        let histogram = Histogram { count: self.count, sum: self.sum, min: self.min, max: self.max, buckets };
        DecodedMetricPoint {
            attributes: map(self.attributes),
            start_ns: self.start,
            at_ns: self.time,
            flags: self.flags,
            value: Some(MetricPointValue::Histogram(histogram)),
        }
    }
}

/// `SummaryDataPoint`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OtlpSummaryPoint {
    #[prost(fixed64, tag = "2")]
    pub(super) start: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) time: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) count: u64,
    #[prost(double, tag = "5")]
    pub(super) sum: f64,
    #[prost(message, repeated, tag = "7")]
    pub(super) attributes: Vec<OtlpKeyValue>,
    #[prost(uint32, tag = "8")]
    pub(super) flags: u32,
}

impl OtlpSummaryPoint {
    fn wire(self) -> DecodedMetricPoint {
        let histogram = Histogram { count: self.count, sum: Some(self.sum), ..Histogram::default() };
        DecodedMetricPoint {
            attributes: map(self.attributes),
            start_ns: self.start,
            at_ns: self.time,
            flags: self.flags,
            value: Some(MetricPointValue::Histogram(histogram)),
        }
    }
}
