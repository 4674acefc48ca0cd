//! Metrics in both encodings, and invalid ones.

use prost::Message;
use serde_json::{Value, json};

use super::super::proto::{OtlpAnyValue, OtlpAnyValueKind, OtlpExportRequest, OtlpKeyValue, OtlpResourceGroup, OtlpScopeGroup};
use super::super::{OtlpEncoding, OtlpSignal, decode, response};
use super::proto::{
    OtlpExponentialBuckets, OtlpExponentialHistogram, OtlpExponentialHistogramPoint, OtlpGauge, OtlpHistogram, OtlpHistogramPoint,
    OtlpMetric, OtlpMetricPoints, OtlpNumberPoint, OtlpNumberValue, OtlpSum,
};
use super::*;
use crate::mapping::MappingRuleSet;
use crate::otel_metric::ExponentialBuckets;
use crate::price::PriceBook;
use crate::time::SECOND_US;

const NOW_US: i64 = 1_795_510_800 * SECOND_US;
const AT_NS: u64 = 1_795_510_000_000_000_000;

fn context() -> DecodeContext<'static> {
    DecodeContext {
        received_us: NOW_US,
        retention_us: Some(30 * 86_400 * SECOND_US),
        price: PriceBook::embedded(),
        mapping: MappingRuleSet::none(),
        earlier_grouping: true,
    }
}

fn pairs() -> Vec<OtlpKeyValue> {
    let text = |text: &'static str| Some(OtlpAnyValue { value: Some(OtlpAnyValueKind::Text(text.into())) });
    vec![OtlpKeyValue { key: "model".into(), value: text("gpt-4o") }]
}

fn binary(metrics: &[OtlpMetric]) -> DecodedOtlpRequest {
    let parts = metrics.iter().map(|metric| metric.encode_to_vec().into()).collect();
    let scopes = vec![OtlpScopeGroup { scope: None, parts }];
    let body = OtlpExportRequest { resources: vec![OtlpResourceGroup { resource: None, scopes }] }.encode_to_vec();
    decode(body.into(), OtlpSignal::Metrics, OtlpEncoding::Binary, &context()).unwrap()
}

fn json(metrics: &Value) -> DecodedOtlpRequest {
    let body = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": metrics }] }] }).to_string();
    decode(body.into(), OtlpSignal::Metrics, OtlpEncoding::Json, &context()).unwrap()
}

#[test]
fn every_kind_in_both_encodings() {
    let number = |value| OtlpNumberPoint { start: AT_NS - 5, time: AT_NS, value: Some(value), attributes: pairs(), flags: 0 };
    let metric =
        |name: &'static str, values| OtlpMetric { name: name.into(), unit: "s".into(), values: Some(values), ..OtlpMetric::default() };
    let of_binary = binary(&[
        metric("a", OtlpMetricPoints::Sum(OtlpSum { points: vec![number(OtlpNumberValue::Int(7))], temporality: 1, monotonic: true })),
        metric(
            "b",
            OtlpMetricPoints::Sum(OtlpSum { points: vec![number(OtlpNumberValue::Double(-0.5))], temporality: 2, monotonic: false }),
        ),
        metric("c", OtlpMetricPoints::Gauge(OtlpGauge { points: vec![number(OtlpNumberValue::Double(1.5))] })),
        metric(
            "d",
            OtlpMetricPoints::Histogram(OtlpHistogram {
                points: vec![OtlpHistogramPoint {
                    time: AT_NS,
                    count: 3,
                    sum: Some(4.5),
                    counts: vec![1, 2],
                    bounds: vec![1.0],
                    attributes: pairs(),
                    max: Some(2.0),
                    ..OtlpHistogramPoint::default()
                }],
                temporality: 2,
            }),
        ),
        metric(
            "e",
            OtlpMetricPoints::Exponential(OtlpExponentialHistogram {
                points: vec![OtlpExponentialHistogramPoint {
                    time: AT_NS,
                    count: 4,
                    scale: -1,
                    zero: 1,
                    positive: Some(OtlpExponentialBuckets { offset: -3, counts: vec![3] }),
                    attributes: pairs(),
                    ..OtlpExponentialHistogramPoint::default()
                }],
                temporality: 1,
            }),
        ),
    ]);
    let attributes = json!([{ "key": "model", "value": { "stringValue": "gpt-4o" } }]);
    let (start, at) = ((AT_NS - 5).to_string(), AT_NS.to_string());
    let number =
        |name: &str, value: Value| json!([{ "attributes": attributes, "startTimeUnixNano": start, "timeUnixNano": at, name: value }]);
    let of_json = json(&json!([
        { "name": "a", "unit": "s", "sum": { "dataPoints": number("asInt", json!("7")), "aggregationTemporality": 1, "isMonotonic": true } },
        { "name": "b", "unit": "s", "sum": {
            "data_points": number("asDouble", json!(-0.5)), "aggregation_temporality": "AGGREGATION_TEMPORALITY_CUMULATIVE" } },
        { "name": "c", "unit": "s", "gauge": { "dataPoints": number("asDouble", json!("1.5")) } },
        { "name": "d", "unit": "s", "histogram": { "aggregationTemporality": 2, "dataPoints": [{
            "attributes": attributes, "timeUnixNano": at, "count": "3", "sum": 4.5, "bucketCounts": ["1", 2], "explicitBounds": [1], "max": 2,
            "exemplars": [{}], "something_new": true }] } },
        { "name": "e", "unit": "s", "exponentialHistogram": { "aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA", "dataPoints": [{
            "attributes": attributes, "timeUnixNano": at, "count": 4, "scale": -1, "zeroCount": "1",
            "positive": { "offset": -3, "bucketCounts": ["3"] } }] } },
    ]));
    assert_eq!(of_json, of_binary);
    let said: Vec<_> = of_json.points.iter().map(|point| (point.kind.as_str(), point.temporality.as_str())).collect();
    let wanted = [
        ("counter", "delta"),
        ("updown_counter", "cumulative"),
        ("gauge", "momentary"),
        ("histogram", "cumulative"),
        ("histogram", "delta"),
    ];
    assert_eq!((said.as_slice(), of_json.outcomes.as_slice()), (&wanted[..], &[][..]));
    assert_eq!(of_json.points[0].attributes["model"], "gpt-4o");
    let MetricPointValue::Histogram(exponential) = &of_json.points[4].value else { panic!("a histogram") };
    let positive = ExponentialBuckets { offset: -3, counts: vec![3] };
    assert_eq!(
        exponential.buckets,
        HistogramBuckets::Exponential { scale: -1, zero: 1, positive, negative: ExponentialBuckets::default() }
    );
}

#[test]
fn one_stream_has_one_identity() {
    let point = |resource: Value, attributes: Value, at: u64| {
        let body = json!({ "resourceMetrics": [{ "resource": { "attributes": resource }, "scopeMetrics": [{ "metrics": [
            { "name": "a", "gauge": { "dataPoints": [{ "attributes": attributes, "timeUnixNano": at.to_string(), "asInt": 1 }] } },
        ] }] }] });
        decode(body.to_string().into(), OtlpSignal::Metrics, OtlpEncoding::Json, &context()).unwrap().points[0].identity
    };
    let pair = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let (a, b) = (pair("a", "1"), pair("b", "2"));
    let one = point(json!([]), json!([a, b]), AT_NS);
    assert_eq!(one, point(json!([]), json!([b, a]), AT_NS + 1), "the order of attributes says nothing");
    assert_ne!(one, point(json!([]), json!([a]), AT_NS));
    assert_ne!(one, point(json!([pair("host", "x")]), json!([a, b]), AT_NS), "another host counts for itself");
}

#[test]
fn invalid_point_is_dropped_and_counted() {
    let at = AT_NS.to_string();
    let gauge = |point: Value| json!({ "name": "g", "gauge": { "dataPoints": [point] } });
    let histogram = |counts: Value, bounds: Value| {
        let point = json!({ "timeUnixNano": at, "count": 3, "bucketCounts": counts, "explicitBounds": bounds });
        json!({ "name": "h", "histogram": { "aggregationTemporality": 1, "dataPoints": [point] } })
    };
    let cases = [
        (json!(7), "invalid_json"),
        (json!({}), "invalid_name"),
        (json!({ "name": "x".repeat(256), "gauge": {} }), "invalid_name"),
        (json!({ "name": "x" }), "unknown_kind"),
        (json!({ "name": "x", "sum": { "dataPoints": [{}] } }), "unknown_temporality"),
        (gauge(json!({ "timeUnixNano": at })), "invalid_value"),
        (gauge(json!({ "timeUnixNano": at, "asDouble": "NaN" })), "invalid_value"),
        (gauge(json!({ "timeUnixNano": 0, "asDouble": 1 })), "invalid_timestamp"),
        (gauge(json!({ "timeUnixNano": at, "startTimeUnixNano": (AT_NS + 1).to_string(), "asDouble": 1 })), "invalid_timestamp"),
        (gauge(json!({ "timeUnixNano": "18446744073709551615", "asDouble": 1 })), "invalid_timestamp"),
        (gauge(json!({ "timeUnixNano": (AT_NS + 100_000_000_000_000).to_string(), "asDouble": 1 })), "in_the_future"),
        (gauge(json!({ "timeUnixNano": "1000", "asDouble": 1 })), "too_old"),
        (gauge(json!({ "timeUnixNano": at, "asDouble": 1, "flags": 1 })), "no_recorded_value"),
        (histogram(json!([1, 2]), json!([1, 2])), "invalid_buckets"),
        (histogram(json!([1, 1, 1]), json!([2, 1])), "invalid_buckets"),
        (histogram(json!([1, 1]), json!([1])), "invalid_buckets"),
        (histogram(json!(["18446744073709551615", 2]), json!([1])), "invalid_buckets"),
        (histogram(json!(vec![0; 2000]), json!((0..1999).collect::<Vec<_>>())), "too_many_buckets"),
    ];
    for (metric, reason) in cases {
        let good = gauge(json!({ "timeUnixNano": at, "asDouble": 1 }));
        let decoded = json(&json!([metric, good]));
        let said: Vec<_> = decoded.outcomes.iter().map(|outcome| (outcome.reason.as_str(), outcome.quantity)).collect();
        assert_eq!((said, decoded.points.len()), (vec![(reason, 1)], 1), "{metric}");
        assert_eq!(decoded.outcomes[0].category, OutcomeCategory::Metric);
        let answer: Value = serde_json::from_slice(&response(OtlpSignal::Metrics, OtlpEncoding::Json, &decoded.outcomes)).unwrap();
        let rejected = &answer["partialSuccess"]["rejectedDataPoints"];
        assert_eq!(rejected.as_str(), (reason != OutcomeReason::NoRecordedValue.as_str()).then_some("1"), "{metric}");
    }
}
