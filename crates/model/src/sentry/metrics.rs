//! Containers of metric points, each of which is a count, a value or a state.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::EnvelopeReader;
use super::envelope::EnvelopeItem;
use super::lenient::{LenientText, LenientTime, TypedAttributes};
use crate::clock::TimestampError;
use crate::fingerprint::Fingerprint;
use crate::lenient_json::{ChargedItems, parse_mended, repair_payload};
use crate::messages::{TextLimit, trim_text};
use crate::otel_metric::{ExponentialBuckets, Histogram, HistogramBuckets, MetricKind, MetricPoint, MetricPointValue, MetricTemporality};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;

/// Prefixes of attributes that describe the reporter. The others describe the point.
const REPORTER_PREFIXES: &[&str] = &["sentry.", "server.", "os.", "device.", "browser.", "process.", "service."];
/// Maximum number of attributes of a point, and maximum bytes of each.
const MAX_ATTRIBUTES: usize = 64;
const MAX_ATTRIBUTE: TextLimit = TextLimit(256);
/// Maximum bytes of a name.
const MAX_NAME_BYTES: usize = 255;
/// Scale of the buckets in which single values are stored: sixteen buckets for each power of two.
const BUCKET_SCALE: i32 = 4;

#[derive(Deserialize)]
struct MetricContainer<S> {
    items: ChargedItems<S>,
}

#[derive(Deserialize)]
struct SentryMetric<'a> {
    #[serde(default)]
    timestamp: LenientTime,
    #[serde(borrow, default)]
    trace_id: LenientText<'a>,
    #[serde(borrow, default)]
    span_id: LenientText<'a>,
    #[serde(borrow, default)]
    name: LenientText<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: LenientText<'a>,
    #[serde(borrow, default)]
    unit: LenientText<'a>,
    #[serde(default, deserialize_with = "crate::lenient_json::field")]
    value: Value,
    #[serde(default)]
    attributes: TypedAttributes,
}

fn dropped(reason: OutcomeReason) -> Outcome {
    Outcome::dropped(OutcomeCategory::Metric, reason, None)
}

/// Reads a container. An invalid point is dropped, and the other points are kept.
pub(super) fn read(item: &EnvelopeItem, reader: &mut EnvelopeReader) {
    let points = parse_mended(item.payload, |text| read_all(text, reader));
    let points = points.or_else(|_| read_each(&repair_payload(item.payload), reader));
    let Ok(points) = points else { return reader.drop_container(OutcomeCategory::Metric, OutcomeReason::InvalidJson, item) };
    for point in points {
        match point {
            Ok((content, mut point)) => {
                // The time distinguishes points of one series, and a program may count twice within one step of its clock. So the next
                // digits, which no client's clock fills, come from the content. A repeat then is the same point.
                let [a, b, ..] = reader.keys.next(content);
                point.at_ns += i64::from(u16::from_be_bytes([a, b])) % 1000;
                reader.points.push(point);
            }
            Err(outcome) => reader.outcomes.push(outcome),
        }
    }
}

/// Points with the fingerprints that identify them, or the outcomes of dropped ones.
type MetricPointResults = Vec<Result<(Fingerprint, MetricPoint), Outcome>>;

fn read_all(text: &str, reader: &EnvelopeReader) -> Result<MetricPointResults, serde_json::Error> {
    let container: MetricContainer<SentryMetric> = serde_json::from_str(text)?;
    Ok(container.items.0.into_iter().map(|metric| point(metric, reader)).collect())
}

/// Reads a container with an invalid point.
fn read_each(text: &str, reader: &EnvelopeReader) -> Result<MetricPointResults, serde_json::Error> {
    let container: MetricContainer<&RawValue> = serde_json::from_str(text)?;
    let one = |metric: &RawValue| {
        point(serde_json::from_str::<SentryMetric>(metric.get()).map_err(|_| dropped(OutcomeReason::InvalidJson))?, reader)
    };
    Ok(container.items.0.into_iter().map(one).collect())
}

fn point(metric: SentryMetric, reader: &EnvelopeReader) -> Result<(Fingerprint, MetricPoint), Outcome> {
    let name = metric.name.into_string().filter(|name| !name.trim().is_empty() && name.len() <= MAX_NAME_BYTES);
    let name = name.ok_or_else(|| dropped(OutcomeReason::InvalidName))?;
    let number = metric.value.as_f64().filter(|number| number.is_finite()).ok_or_else(|| dropped(OutcomeReason::InvalidValue))?;
    let (kind, temporality, value) = match metric.kind.as_str() {
        Some("counter") => (MetricKind::Counter, MetricTemporality::Delta, MetricPointValue::Number(number)),
        Some("gauge") => (MetricKind::Gauge, MetricTemporality::Momentary, MetricPointValue::Number(number)),
        Some("distribution") => (MetricKind::Histogram, MetricTemporality::Delta, MetricPointValue::Histogram(one_value(number))),
        _ => return Err(dropped(OutcomeReason::UnknownKind)),
    };
    // With the time of receipt, a repeat would be another point, so a point with an implausible time is dropped.
    let sent_us = metric.timestamp.0.filter(|at| reader.clock.is_plausible(*at)).ok_or_else(|| dropped(OutcomeReason::InvalidTimestamp))?;
    let shift = reader.clock.clock_shift_us(sent_us).map_err(|TimestampError::TooOld| dropped(OutcomeReason::TooOld))?;
    let at_ns = sent_us.saturating_add(shift).checked_mul(1000).ok_or_else(|| dropped(OutcomeReason::InvalidTimestamp))?;
    let mut unit = metric.unit.into_string().filter(|unit| unit != "none").unwrap_or_default();
    trim_text(&mut unit, MAX_ATTRIBUTE);
    let (reporter, attributes): (BTreeMap<_, _>, BTreeMap<_, _>) = metric
        .attributes
        .0
        .into_iter()
        .map(|(name, value)| (name, text_of_value(value)))
        .partition(|(name, _)| REPORTER_PREFIXES.iter().any(|start| name.starts_with(start)));
    let json = |map: &BTreeMap<String, String>| serde_json::to_string(map).unwrap_or_default();
    let (who, what) = (json(&reporter), json(&attributes));
    let identity = Fingerprint::of(&["sentry", &name, &unit, kind.as_str(), &who, &what]).bytes();
    let place = [metric.trace_id.as_str().unwrap_or_default(), metric.span_id.as_str().unwrap_or_default()];
    let content =
        Fingerprint::of(&[&name, &unit, kind.as_str(), &who, &what, place[0], place[1], &sent_us.to_string(), &number.to_string()]);
    let kept = |map: BTreeMap<String, String>| map.into_iter().take(MAX_ATTRIBUTES).collect();
    let point = MetricPoint {
        name,
        unit,
        description: String::new(),
        kind,
        temporality,
        attributes: kept(attributes),
        reporter: kept(reporter),
        identity,
        start_ns: 0,
        at_ns,
        value,
    };
    Ok((content, point))
}

fn text_of_value(value: Value) -> String {
    let mut text = match value {
        Value::String(text) => text,
        value => value.to_string(),
    };
    trim_text(&mut text, MAX_ATTRIBUTE);
    text
}

/// Returns the distribution of one value.
fn one_value(value: f64) -> Histogram {
    let half = |magnitude: f64| {
        // The upper bound of a bucket is inclusive, the lower one exclusive.
        let power = (magnitude.log2() * f64::from(1 << BUCKET_SCALE)).ceil() - 1.0;
        if magnitude > 0.0 { ExponentialBuckets { offset: power as i32, counts: vec![1] } } else { ExponentialBuckets::default() }
    };
    let buckets =
        HistogramBuckets::Exponential { scale: BUCKET_SCALE, zero: u64::from(value == 0.0), positive: half(value), negative: half(-value) };
    Histogram { count: 1, sum: Some(value), min: Some(value), max: Some(value), buckets }
}
