//! Metrics of OTLP: decodes points and computes the identity of their series.

pub(super) mod proto;
#[cfg(test)]
mod tests;
pub(super) mod text;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::binary::{DecodeFootprint, ScopedItems};
use super::span::{ResourceScope, dropped};
use super::{DecodedOtlpRequest, Outcome};
use crate::clock::{self, DecodeContext};
use crate::decode_budget;
use crate::fingerprint::FingerprintPrefix;
use crate::messages::{TextLimit, trim_text};
use crate::otel_metric::{Histogram, HistogramBuckets, MetricKind, MetricPoint, MetricPointValue, MetricTemporality};
use crate::outcome::OutcomeCategory;
use crate::outcome_reason::OutcomeReason;

/// Bit of a point's flags: there is no value, the series has ended.
const NO_RECORDED_VALUE_FLAG: u32 = 1;
/// Maximum number of attributes of a point, and of its reporter.
const MAX_ATTRIBUTES: usize = 64;
/// Maximum bytes of one attribute.
const MAX_ATTRIBUTE: TextLimit = TextLimit(256);
/// Maximum bytes of a name, as in the specification.
const MAX_NAME_BYTES: usize = 255;
/// Maximum number of buckets of a histogram; SDKs use at most 160.
const MAX_BUCKETS: usize = 1_024;
/// Scales of exponential histograms that the specification allows.
const HISTOGRAM_SCALES: std::ops::RangeInclusive<i32> = -10..=20;
/// Largest count. Larger numbers are not exact in every client.
const MAX_COUNT: u64 = 1 << 53;
/// Maximum time that a client's clock may be ahead.
const MAX_AHEAD_NS: i64 = 86_400_000_000_000;

/// A metric as sent, in any encoding.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DecodedMetric {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) description: String,
    pub(super) sort: OtlpMetricType,
    /// Temporality: 0 unspecified, 1 delta, 2 cumulative.
    pub(super) temporality: i32,
    pub(super) monotonic: bool,
    pub(super) points: Vec<DecodedMetricPoint>,
}

impl DecodeFootprint for DecodedMetric {
    fn bytes(&self) -> usize {
        let filled = |value: &MetricPointValue| match value {
            MetricPointValue::Number(_) => 0,
            MetricPointValue::Histogram(histogram) => match &histogram.buckets {
                HistogramBuckets::None => 0,
                HistogramBuckets::Explicit { bounds, counts } => 8 * (bounds.len() + counts.len()),
                HistogramBuckets::Exponential { positive, negative, .. } => 8 * (positive.counts.len() + negative.counts.len()),
            },
        };
        let point = |point: &DecodedMetricPoint| {
            2 * size_of::<DecodedMetricPoint>() + decode_budget::object(&point.attributes) + point.value.as_ref().map_or(0, filled)
        };
        let texts =
            decode_budget::text_bytes(&self.name) + decode_budget::text_bytes(&self.unit) + decode_budget::text_bytes(&self.description);
        texts + self.points.iter().map(point).sum::<usize>()
    }

    fn items(&self) -> usize {
        self.points.len().max(1)
    }
}

/// Kind of the points of a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum OtlpMetricType {
    /// A missing or unknown kind.
    #[default]
    Unknown,
    Gauge,
    Sum,
    Histogram,
    Summary,
}

/// A point as sent, in any encoding.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DecodedMetricPoint {
    pub(super) attributes: Map<String, Value>,
    pub(super) start_ns: u64,
    pub(super) at_ns: u64,
    pub(super) flags: u32,
    /// Value; `None` if it is missing or invalid.
    pub(super) value: Option<MetricPointValue>,
}

/// Reads the metrics of a request. Each point is accepted or dropped on its own.
pub(super) fn read_metrics(groups: ScopedItems<DecodedMetric>, context: &DecodeContext) -> DecodedOtlpRequest {
    let mut decoded = DecodedOtlpRequest::default();
    let mut refused: BTreeMap<OutcomeReason, u64> = BTreeMap::new();
    for (around, metrics) in groups {
        let reporter = reporter(&around);
        let around_json = (sorted_json(&around.resource), sorted_json(&around.scope));
        // Each point gets a copy.
        let copy = decode_budget::tags(&reporter) + 2 * size_of::<MetricPoint>();
        for metric in metrics {
            let metric = match metric {
                Ok(metric) => metric,
                Err(outcome) => {
                    decoded.outcomes.push(outcome);
                    continue;
                }
            };
            // Resource and scope are hashed for each metric.
            if !decode_budget::charge(around_json.0.len() + around_json.1.len()) {
                return decoded;
            }
            let stream = match MetricStream::of(&metric, &around, &around_json, &reporter) {
                Ok(stream) => stream,
                Err(reason) => {
                    *refused.entry(reason).or_default() += metric.points.len().max(1) as u64;
                    continue;
                }
            };
            for point in metric.points {
                match stream.read_point(point, context) {
                    Ok(point) => {
                        let own = stream.texts() + decode_budget::tags(&point.attributes);
                        if !decode_budget::charge(copy + own) {
                            return decoded;
                        }
                        decoded.points.push(point);
                    }
                    Err(reason) => *refused.entry(reason).or_default() += 1,
                }
            }
        }
    }
    let refused = refused.into_iter().map(|(reason, quantity)| Outcome { quantity, ..dropped(OutcomeCategory::Metric, reason) });
    decoded.outcomes.extend(refused);
    decoded
}

/// Properties that all points of a metric share.
struct MetricStream<'a> {
    name: String,
    unit: String,
    description: String,
    kind: MetricKind,
    temporality: MetricTemporality,
    reporter: &'a BTreeMap<String, String>,
    /// Hash state of the common part of the points' identities.
    identity: FingerprintPrefix,
}

impl<'a> MetricStream<'a> {
    fn of(
        metric: &DecodedMetric,
        around: &ResourceScope,
        around_json: &(String, String),
        reporter: &'a BTreeMap<String, String>,
    ) -> Result<MetricStream<'a>, OutcomeReason> {
        if metric.name.trim().is_empty() || metric.name.len() > MAX_NAME_BYTES {
            return Err(OutcomeReason::InvalidName);
        }
        let kind = match metric.sort {
            OtlpMetricType::Unknown => return Err(OutcomeReason::UnknownKind),
            OtlpMetricType::Gauge => MetricKind::Gauge,
            OtlpMetricType::Sum if metric.monotonic => MetricKind::Counter,
            OtlpMetricType::Sum => MetricKind::UpDownCounter,
            OtlpMetricType::Histogram => MetricKind::Histogram,
            OtlpMetricType::Summary => MetricKind::Summary,
        };
        let temporality = match (kind, metric.temporality) {
            (MetricKind::Gauge, _) => MetricTemporality::Momentary,
            // A summary has no temporality; it is cumulative for historical reasons.
            (MetricKind::Summary, _) | (_, 2) => MetricTemporality::Cumulative,
            (_, 1) => MetricTemporality::Delta,
            _ => return Err(OutcomeReason::UnknownTemporality),
        };
        let short = |text: &str| {
            let mut text = text.to_owned();
            trim_text(&mut text, TextLimit(1024));
            text
        };
        let unit = short(&metric.unit);
        let texts = [metric.name.as_str(), &unit, kind.as_str(), temporality.as_str(), &around.scope_name, &around.scope_version];
        let identity = FingerprintPrefix::of(&texts).followed_by(&[around_json.0.as_str(), &around_json.1]);
        Ok(MetricStream { name: metric.name.clone(), unit, description: short(&metric.description), kind, temporality, reporter, identity })
    }

    /// Returns the size in bytes of the texts that each point repeats.
    fn texts(&self) -> usize {
        decode_budget::text_bytes(&self.name) + decode_budget::text_bytes(&self.unit) + decode_budget::text_bytes(&self.description)
    }

    fn read_point(&self, point: DecodedMetricPoint, context: &DecodeContext) -> Result<MetricPoint, OutcomeReason> {
        if point.flags & NO_RECORDED_VALUE_FLAG != 0 {
            return Err(OutcomeReason::NoRecordedValue);
        }
        let ns = |ns: u64| i64::try_from(ns).map_err(|_| OutcomeReason::InvalidTimestamp);
        let (at_ns, start_ns) = (ns(point.at_ns)?, ns(point.start_ns)?);
        let begun = clock::is_possible(start_ns / 1000, context.received_us);
        // With the time of receipt, a repeat would be another point.
        if at_ns == 0 || (begun && start_ns > at_ns) {
            return Err(OutcomeReason::InvalidTimestamp);
        }
        // An implausible start counts as not sent.
        let start_ns = if begun { start_ns } else { 0 };
        let now_ns = context.received_us.saturating_mul(1000);
        if at_ns.saturating_sub(now_ns) > MAX_AHEAD_NS {
            return Err(OutcomeReason::InTheFuture);
        }
        if context.retention_us.is_some_and(|kept| at_ns < now_ns.saturating_sub(kept.saturating_mul(1000))) {
            return Err(OutcomeReason::TooOld);
        }
        if !clock::is_possible(at_ns / 1000, context.received_us) {
            return Err(OutcomeReason::InvalidTimestamp);
        }
        let value = point.value.ok_or(OutcomeReason::InvalidValue)?;
        check_value(&value)?;
        let identity = self.identity(&point.attributes);
        Ok(MetricPoint {
            name: self.name.clone(),
            unit: self.unit.clone(),
            description: self.description.clone(),
            kind: self.kind,
            temporality: self.temporality,
            attributes: texts(&point.attributes),
            reporter: self.reporter.clone(),
            identity,
            start_ns,
            at_ns,
            value,
        })
    }

    /// Returns the hash of everything that identifies a series according to the specification, including what is truncated in storage.
    fn identity(&self, attributes: &Map<String, Value>) -> [u8; 32] {
        self.identity.fingerprint_with(&[&sorted_json(attributes)]).bytes()
    }
}

fn sorted_json(map: &Map<String, Value>) -> String {
    serde_json::to_string(&map.iter().collect::<BTreeMap<_, _>>()).unwrap_or_default()
}

/// Returns the reason why a value is invalid.
fn check_value(value: &MetricPointValue) -> Result<(), OutcomeReason> {
    let finite = |number: Option<f64>| number.is_none_or(f64::is_finite);
    match value {
        MetricPointValue::Number(number) if number.is_finite() => Ok(()),
        MetricPointValue::Number(_) => Err(OutcomeReason::InvalidValue),
        MetricPointValue::Histogram(Histogram { count, sum, min, max, buckets }) => {
            if !(finite(*sum) && finite(*min) && finite(*max)) || *count > MAX_COUNT {
                return Err(OutcomeReason::InvalidValue);
            }
            let filled: Vec<&[u64]> = match buckets {
                HistogramBuckets::None => return Ok(()),
                HistogramBuckets::Explicit { bounds, counts } => {
                    let rising = bounds.windows(2).all(|pair| pair[0] < pair[1]) && bounds.iter().all(|bound| bound.is_finite());
                    if !rising || counts.len() != bounds.len() + 1 {
                        return Err(OutcomeReason::InvalidBuckets);
                    }
                    vec![counts]
                }
                HistogramBuckets::Exponential { scale, zero, positive, negative } => {
                    if !HISTOGRAM_SCALES.contains(scale) {
                        return Err(OutcomeReason::InvalidBuckets);
                    }
                    vec![std::slice::from_ref(zero), &positive.counts, &negative.counts]
                }
            };
            if filled.iter().map(|counts| counts.len()).sum::<usize>() > MAX_BUCKETS {
                return Err(OutcomeReason::TooManyBuckets);
            }
            let placed = filled.iter().copied().flatten().try_fold(0u64, |sum, count| sum.checked_add(*count));
            if placed == Some(*count) { Ok(()) } else { Err(OutcomeReason::InvalidBuckets) }
        }
    }
}

fn reporter(around: &ResourceScope) -> BTreeMap<String, String> {
    let mut reporter = texts(&around.scope);
    for (name, value) in texts(&around.resource) {
        reporter.entry(name).or_insert(value);
    }
    if !around.scope_name.is_empty() {
        reporter.insert("otel.scope.name".into(), around.scope_name.clone());
    }
    reporter
}

/// Returns the attributes as texts, by which points are grouped.
fn texts(attributes: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| {
        let mut text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        trim_text(&mut text, MAX_ATTRIBUTE);
        text
    };
    let sorted: BTreeMap<_, _> = attributes.iter().filter(|(name, _)| name.len() <= MAX_NAME_BYTES).collect();
    sorted.into_iter().take(MAX_ATTRIBUTES).map(|(name, value)| (name.clone(), text(value))).collect()
}
