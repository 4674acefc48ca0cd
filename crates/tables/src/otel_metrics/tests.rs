//! Tests of storing, rejecting and charting points.

use std::collections::BTreeMap;

use hinomi_model::otel_metric::{Histogram, HistogramBuckets, MetricKind, MetricPointValue, MetricTemporality};
use proptest::prelude::*;

use super::*;

const MINUTE_NS: i64 = 60_000_000_000;
/// A full hour.
const START_NS: i64 = 1_795_420_800_000_000_000;

fn point(kind: MetricKind, temporality: MetricTemporality, writer: u8, start: i64, at: i64, value: MetricPointValue) -> MetricPoint {
    MetricPoint {
        name: "m".into(),
        unit: "1".into(),
        description: "what it is".into(),
        kind,
        temporality,
        attributes: BTreeMap::from([("model".to_owned(), format!("m{}", writer % 2))]),
        reporter: BTreeMap::from([("host".to_owned(), "a".to_owned())]),
        identity: [writer; 32],
        start_ns: start,
        at_ns: at,
        value,
    }
}

/// A cumulative counter; start and time of the point are in minutes from T0.
fn counter(writer: u8, start: i64, at: i64, value: f64) -> MetricPoint {
    point(
        MetricKind::Counter,
        MetricTemporality::Cumulative,
        writer,
        START_NS + start * MINUTE_NS,
        START_NS + at * MINUTE_NS,
        MetricPointValue::Number(value),
    )
}

fn delta(at: i64, value: f64) -> MetricPoint {
    point(
        MetricKind::Counter,
        MetricTemporality::Delta,
        1,
        START_NS + (at - 1) * MINUTE_NS,
        START_NS + at * MINUTE_NS,
        MetricPointValue::Number(value),
    )
}

async fn open(points: Vec<MetricPoint>) -> (tempfile::TempDir, OtelMetricStore) {
    let dir = tempfile::tempdir().unwrap();
    let metrics = OtelMetricStore::open(dir.path()).unwrap();
    let count = points.len();
    assert_eq!(metrics.append(1, START_NS / 1000, points).await.unwrap().stored, count);
    (dir, metrics)
}

/// Returns a query; times are in minutes from T0.
fn ask(from: i64, to: i64, bucket: i64, measures: &[&str]) -> OtelMetricQuery {
    let us = |minutes: i64| (START_NS + minutes * MINUTE_NS) / 1000;
    OtelMetricQuery {
        name: "m".into(),
        from_us: us(from),
        to_us: us(to),
        bucket_us: bucket * MINUTE_NS / 1000,
        measures: measures.iter().map(|measure| (*measure).to_owned()).collect(),
        ..OtelMetricQuery::default()
    }
}

fn values(drawn: &OtelMetricChart, measure: &str) -> Vec<Option<f64>> {
    drawn.measures[measure][0].points.iter().map(|(_, value)| *value).collect()
}

async fn drawn(metrics: &OtelMetricStore, ask: OtelMetricQuery) -> OtelMetricChart {
    metrics.chart(1, ask).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_and_cumulative_counters_agree() {
    let (_dir, deltas) = open(vec![delta(1, 3.0), delta(2, 4.0), delta(12, 5.0)]).await;
    let (_other, cumulative) = open(vec![counter(1, 0, 1, 3.0), counter(1, 0, 2, 7.0), counter(1, 0, 12, 12.0)]).await;
    for metrics in [deltas, cumulative] {
        let of_all = drawn(&metrics, ask(0, 20, 5, &["increase", "rate"])).await;
        assert_eq!(values(&of_all, "increase"), [Some(7.0), Some(0.0), Some(5.0), Some(0.0)]);
        assert_eq!(values(&of_all, "rate")[0], Some(7.0 / 300.0));
        assert_eq!(of_all.measures["increase"][0].total, Some(12.0));
        let later = drawn(&metrics, ask(2, 20, 5, &[])).await;
        assert_eq!(later.measures["increase"][0].total, Some(9.0), "what came before the range is not in it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counter_restart_loses_and_adds_nothing() {
    let before = vec![counter(1, 0, 1, 10.0), counter(1, 0, 2, 15.0)];
    // One series with a new start, and one with an unknown start whose value falls.
    let told = vec![counter(1, 3, 4, 2.0), counter(1, 3, 5, 6.0)];
    let (_dir, metrics) = open([before.clone(), told].concat()).await;
    assert_eq!(drawn(&metrics, ask(0, 10, 10, &[])).await.measures["increase"][0].total, Some(21.0));
    let untold = |at, value| MetricPoint { start_ns: 0, ..counter(2, 0, at, value) };
    let (_dir, metrics) = open(vec![untold(1, 10.0), untold(2, 15.0), untold(4, 2.0), untold(5, 6.0)]).await;
    let total = drawn(&metrics, ask(0, 10, 10, &[])).await.measures["increase"][0].total;
    assert_eq!(total, Some(11.0), "5 before, 6 after; how much of the first 10 was new nobody knows");
    // A counter that began before the range and has its first point within it.
    let (_dir, metrics) = open(vec![counter(1, -1000, 1, 5000.0), counter(1, -1000, 2, 5001.0)]).await;
    assert_eq!(drawn(&metrics, ask(0, 10, 10, &[])).await.measures["increase"][0].total, Some(1.0));
    let all = OtelMetricQuery { from_us: i64::MIN, to_us: i64::MAX, ..ask(0, 0, 1440, &[]) };
    assert_eq!(drawn(&metrics, all).await.measures["increase"][0].total, Some(5001.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_reporters_are_summed_and_separable() {
    let points = vec![counter(1, 0, 1, 1.0), counter(2, 0, 1, 2.0), counter(3, 0, 1, 4.0)];
    let (_dir, metrics) = open(points).await;
    let by_model = drawn(&metrics, OtelMetricQuery { group_by: Some("model".into()), ..ask(0, 2, 1, &[]) }).await;
    let groups: Vec<_> = by_model.measures["increase"].iter().map(|group| (group.key.as_deref(), group.total)).collect();
    assert_eq!(groups, [(Some("m1"), Some(5.0)), (Some("m0"), Some(2.0))], "the largest first");
    let by_host = drawn(&metrics, OtelMetricQuery { group_by: Some("host".into()), ..ask(0, 2, 1, &[]) }).await;
    assert_eq!(by_host.measures["increase"][0].total, Some(7.0));
    let unknown = metrics.chart(1, OtelMetricQuery { group_by: Some("color".into()), ..ask(0, 2, 1, &[]) }).await.unwrap();
    assert_eq!(unknown.unwrap_err().to_string(), "unknown attribute \"color\"; use one of model host");
    let unknown = metrics.chart(1, ask(0, 2, 1, &["p95"])).await.unwrap();
    assert_eq!(unknown.unwrap_err().to_string(), "measure \"p95\" is not available for a counter; use one of increase rate");
    assert!(matches!(metrics.chart(2, ask(0, 2, 1, &[])).await.unwrap(), Err(OtelMetricQueryError::UnknownMetric(_))), "another project's");
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_and_last_values() {
    let gauge = |writer, at, value| {
        point(MetricKind::Gauge, MetricTemporality::Momentary, writer, 0, START_NS + at * MINUTE_NS, MetricPointValue::Number(value))
    };
    let (_dir, metrics) = open(vec![gauge(1, 0, 1.0), gauge(1, 1, 3.0), gauge(2, 1, 8.0), gauge(1, 12, -5.0)]).await;
    let of_all = drawn(&metrics, ask(0, 15, 5, &["mean", "min", "max"])).await;
    assert_eq!(values(&of_all, "mean"), [Some(4.0), None, Some(-5.0)]);
    assert_eq!((values(&of_all, "min")[0], values(&of_all, "max")[0]), (Some(1.0), Some(8.0)));

    let level = |writer, at, value| {
        point(
            MetricKind::UpDownCounter,
            MetricTemporality::Cumulative,
            writer,
            START_NS,
            START_NS + at * MINUTE_NS,
            MetricPointValue::Number(value),
        )
    };
    let (_dir, metrics) = open(vec![level(1, 0, 5.0), level(2, 0, 7.0), level(1, 2, 4.0)]).await;
    let of_all = drawn(&metrics, ask(0, 8, 1, &["value", "increase"])).await;
    let wanted = [12.0, 12.0, 11.0, 11.0, 11.0, 4.0, 4.0].map(Some).into_iter().chain([None]).collect::<Vec<_>>();
    assert_eq!(values(&of_all, "value"), wanted, "a value stands for five minutes");
    assert_eq!(values(&of_all, "increase")[2], Some(-1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_and_cumulative_histograms_agree() {
    let histogram = |temporality, at, counts: [u64; 3]| {
        let count = counts.iter().sum();
        let buckets = HistogramBuckets::Explicit { bounds: vec![1.0, 2.0], counts: counts.to_vec() };
        let value = MetricPointValue::Histogram(Histogram { count, sum: Some(count as f64 * 1.5), buckets, ..Histogram::default() });
        point(MetricKind::Histogram, temporality, 1, START_NS, START_NS + at * MINUTE_NS, value)
    };
    let deltas = vec![histogram(MetricTemporality::Delta, 1, [10, 10, 0]), histogram(MetricTemporality::Delta, 6, [0, 4, 0])];
    let cumulative =
        vec![histogram(MetricTemporality::Cumulative, 1, [10, 10, 0]), histogram(MetricTemporality::Cumulative, 6, [10, 14, 0])];
    for points in [deltas, cumulative] {
        let (_dir, metrics) = open(points).await;
        let of_all = drawn(&metrics, ask(0, 15, 5, &["p50", "mean", "count", "sum"])).await;
        assert_eq!(values(&of_all, "count"), [Some(20.0), Some(4.0), Some(0.0)]);
        assert_eq!(values(&of_all, "mean"), [Some(1.5), Some(1.5), None]);
        assert_eq!(values(&of_all, "sum"), [Some(30.0), Some(6.0), Some(0.0)]);
        let medians = values(&of_all, "p50");
        assert!((medians[0].unwrap() - 1.0).abs() < 1e-6 && (medians[1].unwrap() - 1.5).abs() < 1e-6, "{medians:?}");
        assert_eq!(medians[2], None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_are_detected_after_restarts_and_old_points_expire() {
    let points = vec![counter(1, 0, 1, 3.0), counter(1, 0, 2, 7.0), delta(1, 1.0)];
    let (dir, metrics) = open(points.clone()).await;
    metrics.close().await;
    let metrics = OtelMetricStore::open(dir.path()).unwrap();
    let again = metrics.append(1, START_NS / 1000, points).await.unwrap();
    assert_eq!(again, OtelMetricAppendResult { duplicates: 3, ..OtelMetricAppendResult::default() });
    let listed = metrics.list(1, i64::MIN, i64::MAX).await.unwrap();
    assert_eq!(listed.len(), 1);
    let metric = &listed[0];
    assert_eq!((metric.name.as_str(), metric.kind.as_str(), metric.series), ("m", "counter", 2));
    assert_eq!(
        (metric.attributes.as_slice(), metric.reporter_attributes.as_slice()),
        (&["model".to_owned()][..], &["host".to_owned()][..])
    );
    assert_eq!(metric.temporality, ["cumulative", "delta"]);
    assert_eq!(metric.measures, ["increase", "rate"]);
    assert_eq!(metrics.delete_before(1, (START_NS + 2 * MINUTE_NS) / 1000).await.unwrap(), 2);
    assert_eq!(metrics.list(1, i64::MIN, i64::MAX).await.unwrap()[0].series, 1);
    assert_eq!(metrics.delete_before(1, (START_NS + 3 * MINUTE_NS) / 1000).await.unwrap(), 1);
    assert_eq!(metrics.list(1, i64::MIN, i64::MAX).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn unbounded_metrics_and_series_are_rejected() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = OtelMetricStore::open(dir.path()).unwrap();
    let named = |name: usize| {
        let mut identity = [8; 32];
        identity[..8].copy_from_slice(&name.to_be_bytes());
        MetricPoint { name: format!("m{name}"), identity, ..delta(1, 1.0) }
    };
    let appended = metrics.append(1, START_NS / 1000, (0..MAX_METRICS + 3).map(named).collect()).await.unwrap();
    assert_eq!((appended.stored, appended.too_many_metrics), (MAX_METRICS, 3));
    let series = |number: usize| {
        let mut identity = [9; 32];
        identity[..8].copy_from_slice(&number.to_be_bytes());
        MetricPoint { name: "m0".into(), identity, ..delta(1, 1.0) }
    };
    let appended = metrics.append(1, START_NS / 1000, (0..MAX_NEW_SERIES_PER_DAY).map(series).collect()).await.unwrap();
    assert_eq!((appended.stored, appended.too_many_series), (MAX_NEW_SERIES_PER_DAY - MAX_METRICS, MAX_METRICS));
    let known = MetricPoint { at_ns: START_NS + 9 * MINUTE_NS, ..named(0) };
    assert_eq!(metrics.append(1, START_NS / 1000, vec![known]).await.unwrap().stored, 1, "a series that is known goes on");
    let tomorrow = metrics.append(1, START_NS / 1000 + 86_400_000_000, vec![series(MAX_NEW_SERIES_PER_DAY)]).await.unwrap();
    assert_eq!(tomorrow.stored, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the buckets, and in whatever batches and order points arrive: everything counted within the range is drawn.
    #[test]
    fn nothing_is_lost_between_buckets(steps in proptest::collection::vec((1i64..20, 0u32..50), 1..30), bucket in 1i64..60, from in 0i64..100, order in any::<u64>()) {
        let (mut at, mut value) = (0, 0.0);
        let points: Vec<MetricPoint> = steps.iter().map(|(wait, added)| {
            at += wait;
            value += f64::from(*added);
            counter(1, 0, at, value)
        }).collect();
        let known = points.iter().rev().find(|point| point.at_ns < START_NS + from * MINUTE_NS).map(|point| point.value.clone());
        let known = match known { Some(MetricPointValue::Number(value)) => Some(value), _ => (from == 0).then_some(0.0) };
        let first_within = points.iter().find(|point| point.at_ns >= START_NS + from * MINUTE_NS).map(|point| point.value.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let metrics = OtelMetricStore::open(dir.path()).unwrap();
            let mut shuffled = points.clone();
            shuffled.sort_by_key(|point| (point.at_ns as u64).wrapping_mul(order | 1));
            for batch in shuffled.chunks(3) {
                let _ = metrics.append(1, START_NS / 1000, batch.to_vec()).await.unwrap();
            }
            match (metrics.chart(1, ask(from, at + 1, bucket, &[])).await.unwrap(), first_within) {
                (Ok(drawn), Some(MetricPointValue::Number(first))) => {
                    let sum: f64 = values(&drawn, "increase").iter().flatten().sum();
                    prop_assert_eq!(sum, value - known.unwrap_or(first));
                }
                (found, within) => prop_assert!(within.is_none() && found.is_err()),
            }
            Ok(())
        })?;
    }
}
