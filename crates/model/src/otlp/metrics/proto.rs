//! Metrics as protobuf.

use bytes::Bytes;
use prost::{Message, Oneof};

use super::super::binary::{Groups, groups, map, text};
use super::super::proto::KeyValue;
use super::super::span::dropped;
use super::super::weight;
use super::{Sort, Wire, WirePoint};
use crate::metric::{Buckets, Half, Histogram, PointValue};
use crate::outcome::Category;

/// Reads a request for metrics.
pub(in super::super) fn metrics(body: Bytes) -> Result<Groups<Wire>, prost::DecodeError> {
    let metric = |metric| Metric::decode(metric).map(wire).map_err(|_| dropped(Category::Metric, "invalid_protobuf"));
    groups(body, &weight::METRIC, metric)
}

fn wire(metric: Metric) -> Wire {
    let mut wire = Wire { name: text(&metric.name), unit: text(&metric.unit), description: text(&metric.description), ..Wire::default() };
    match metric.values {
        None => {}
        Some(Values::Gauge(gauge)) => {
            wire.sort = Sort::Gauge;
            wire.points = gauge.points.into_iter().map(NumberPoint::wire).collect();
        }
        Some(Values::Sum(sum)) => {
            (wire.sort, wire.temporality, wire.monotonic) = (Sort::Sum, sum.temporality, sum.monotonic);
            wire.points = sum.points.into_iter().map(NumberPoint::wire).collect();
        }
        Some(Values::Histogram(histogram)) => {
            (wire.sort, wire.temporality) = (Sort::Histogram, histogram.temporality);
            wire.points = histogram.points.into_iter().map(HistogramPoint::wire).collect();
        }
        Some(Values::Exponential(histogram)) => {
            (wire.sort, wire.temporality) = (Sort::Histogram, histogram.temporality);
            wire.points = histogram.points.into_iter().map(ExponentialPoint::wire).collect();
        }
        Some(Values::Summary(summary)) => {
            wire.sort = Sort::Summary;
            wire.points = summary.points.into_iter().map(SummaryPoint::wire).collect();
        }
    }
    wire
}

/// `opentelemetry.proto.metrics.v1.Metric`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) description: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) unit: Bytes,
    #[prost(oneof = "Values", tags = "5, 7, 9, 10, 11")]
    pub(super) values: Option<Values>,
}

/// The kinds of points that there are.
#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Values {
    #[prost(message, tag = "5")]
    Gauge(Gauge),
    #[prost(message, tag = "7")]
    Sum(Sum),
    #[prost(message, tag = "9")]
    Histogram(Histograms),
    #[prost(message, tag = "10")]
    Exponential(Exponentials),
    #[prost(message, tag = "11")]
    Summary(Summaries),
}

/// `Gauge`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Gauge {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<NumberPoint>,
}

/// `Sum`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Sum {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<NumberPoint>,
    #[prost(int32, tag = "2")]
    pub(super) temporality: i32,
    #[prost(bool, tag = "3")]
    pub(super) monotonic: bool,
}

/// `Histogram`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Histograms {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<HistogramPoint>,
    #[prost(int32, tag = "2")]
    pub(super) temporality: i32,
}

/// `ExponentialHistogram`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Exponentials {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<ExponentialPoint>,
    #[prost(int32, tag = "2")]
    pub(super) temporality: i32,
}

/// `Summary`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Summaries {
    #[prost(message, repeated, tag = "1")]
    pub(super) points: Vec<SummaryPoint>,
}

/// `NumberDataPoint`
#[derive(Clone, PartialEq, Message)]
pub(super) struct NumberPoint {
    #[prost(fixed64, tag = "2")]
    pub(super) start: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) time: u64,
    #[prost(oneof = "Number", tags = "4, 6")]
    pub(super) value: Option<Number>,
    #[prost(message, repeated, tag = "7")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "8")]
    pub(super) flags: u32,
}

/// The value of a number.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub(super) enum Number {
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}

impl NumberPoint {
    fn wire(self) -> WirePoint {
        let value = self.value.map(|value| match value {
            Number::Double(number) => PointValue::Number(number),
            Number::Int(number) => PointValue::Number(number as f64),
        });
        WirePoint { attributes: map(self.attributes), start_ns: self.start, at_ns: self.time, flags: self.flags, value }
    }
}

/// `HistogramDataPoint`
#[derive(Clone, PartialEq, Message)]
pub(super) struct HistogramPoint {
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
    pub(super) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "10")]
    pub(super) flags: u32,
    #[prost(double, optional, tag = "11")]
    pub(super) min: Option<f64>,
    #[prost(double, optional, tag = "12")]
    pub(super) max: Option<f64>,
}

impl HistogramPoint {
    fn wire(self) -> WirePoint {
        let buckets = if self.counts.is_empty() { Buckets::None } else { Buckets::Explicit { bounds: self.bounds, counts: self.counts } };
        let histogram = Histogram { count: self.count, sum: self.sum, min: self.min, max: self.max, buckets };
        WirePoint {
            attributes: map(self.attributes),
            start_ns: self.start,
            at_ns: self.time,
            flags: self.flags,
            value: Some(PointValue::Histogram(histogram)),
        }
    }
}

/// `ExponentialHistogramDataPoint`
#[derive(Clone, PartialEq, Message)]
pub(super) struct ExponentialPoint {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
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
    pub(super) positive: Option<Side>,
    #[prost(message, optional, tag = "9")]
    pub(super) negative: Option<Side>,
    #[prost(uint32, tag = "10")]
    pub(super) flags: u32,
    #[prost(double, optional, tag = "12")]
    pub(super) min: Option<f64>,
    #[prost(double, optional, tag = "13")]
    pub(super) max: Option<f64>,
}

/// `ExponentialHistogramDataPoint.Buckets`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Side {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint64, repeated, tag = "2")]
    pub(super) counts: Vec<u64>,
}

impl ExponentialPoint {
    fn wire(self) -> WirePoint {
        let half = |side: Option<Side>| side.map(|side| Half { offset: side.offset, counts: side.counts }).unwrap_or_default();
        let buckets =
            Buckets::Exponential { scale: self.scale, zero: self.zero, positive: half(self.positive), negative: half(self.negative) };
        let histogram = Histogram { count: self.count, sum: self.sum, min: self.min, max: self.max, buckets };
        WirePoint {
            attributes: map(self.attributes),
            start_ns: self.start,
            at_ns: self.time,
            flags: self.flags,
            value: Some(PointValue::Histogram(histogram)),
        }
    }
}

/// `SummaryDataPoint`
#[derive(Clone, PartialEq, Message)]
pub(super) struct SummaryPoint {
    #[prost(fixed64, tag = "2")]
    pub(super) start: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) time: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) count: u64,
    #[prost(double, tag = "5")]
    pub(super) sum: f64,
    #[prost(message, repeated, tag = "7")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "8")]
    pub(super) flags: u32,
}

impl SummaryPoint {
    fn wire(self) -> WirePoint {
        let histogram = Histogram { count: self.count, sum: Some(self.sum), ..Histogram::default() };
        WirePoint {
            attributes: map(self.attributes),
            start_ns: self.start,
            at_ns: self.time,
            flags: self.flags,
            value: Some(PointValue::Histogram(histogram)),
        }
    }
}
