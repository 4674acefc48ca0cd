//! Points of a metric as lines over time.
//!
//! A count belongs to the time at which it was reported. For a cumulative counter, the difference of two points is the count between them.
//! The first point of a series contains everything since the series began: it is counted if the series began within the range, and is only
//! a baseline otherwise.

use std::collections::BTreeMap;

use hinomi_model::api_time::rfc3339;
use hinomi_model::otel_metric::{Histogram, MergedDistribution, MetricKind, MetricTemporality};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::series_query::{MAX_BUCKETS, OtelMetricMeasure, OtelMetricQuery, OtelMetricQueryError, measures_of};
use super::us_to_ns;

/// Maximum number of lines per chart, the largest first.
const MAX_LINES: usize = 50;
/// Maximum number of series per chart, those with the newest points.
const MAX_SERIES: i64 = 20_000;
/// How long a value remains valid without a newer one, in nanoseconds: somewhat longer than programs wait between two reports.
const VALUE_LIFETIME_NS: i64 = 300_000_000_000;

/// An OpenTelemetry metric over time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OtelMetricChart {
    /// Name of the metric.
    pub name: String,
    /// Unit as the client sent it.
    pub unit: String,
    /// `counter`, `updown_counter`, `gauge`, `histogram` or `summary`.
    #[schema(value_type = MetricKind)]
    pub kind: String,
    /// Lines by measure, at most 50 each, the largest first.
    #[schema(value_type = BTreeMap<OtelMetricMeasure, Vec<OtelMetricGroup>>)]
    pub measures: BTreeMap<&'static str, Vec<OtelMetricGroup>>,
    /// Number of attribute values without a line, because there are too many.
    pub groups_left_out: usize,
    /// Number of series that are not part of any line, because there are too many.
    pub series_left_out: u64,
}

/// One line of a chart of an OpenTelemetry metric.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = MetricGroup)]
pub struct OtelMetricGroup {
    /// Value of the attribute; null for the line of all points, and for points without the attribute.
    #[schema(required)]
    pub key: Option<String>,
    /// Measure over the whole time range; for the measure `value`, the value at the end of the range. Null if it is unknown.
    #[schema(required)]
    pub total: Option<f64>,
    /// Start (RFC 3339) and value of each bucket; the value is null if it is unknown.
    pub points: Vec<(String, Option<f64>)>,
}

/// Values that belong to one bucket.
#[derive(Debug, Clone, Default)]
struct OtelMetricBucket {
    increase: Option<f64>,
    last_value: Option<f64>,
    count: u64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
    distribution: MergedDistribution,
}

impl OtelMetricBucket {
    fn add_measurement(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
    }

    fn measure_value(&self, measure: OtelMetricMeasure, kind: MetricKind, seconds: f64) -> Option<f64> {
        let is_distribution = matches!(kind, MetricKind::Histogram | MetricKind::Summary);
        let count = self.distribution.count() as f64;
        match measure {
            OtelMetricMeasure::Increase => self.increase,
            OtelMetricMeasure::Rate if is_distribution => Some(count / seconds),
            OtelMetricMeasure::Rate => self.increase.map(|added| added / seconds),
            OtelMetricMeasure::Value => self.last_value,
            OtelMetricMeasure::Mean if is_distribution => self.distribution.mean(),
            OtelMetricMeasure::Mean => (self.count > 0).then(|| self.sum / self.count as f64),
            OtelMetricMeasure::Min => self.min,
            OtelMetricMeasure::Max => self.max,
            OtelMetricMeasure::Count => Some(count),
            OtelMetricMeasure::Sum => self.distribution.sum(),
            OtelMetricMeasure::P50 => self.distribution.quantile(0.50),
            OtelMetricMeasure::P95 => self.distribution.quantile(0.95),
            OtelMetricMeasure::P99 => self.distribution.quantile(0.99),
        }
    }
}

/// A line under construction.
#[derive(Debug, Default)]
struct OtelMetricLineBuilder {
    cells: BTreeMap<i64, OtelMetricBucket>,
    total: OtelMetricBucket,
}

impl OtelMetricLineBuilder {
    fn cells_of(&mut self, bucket: i64) -> [&mut OtelMetricBucket; 2] {
        [self.cells.entry(bucket).or_default(), &mut self.total]
    }

    /// Returns the value by which lines are ordered.
    fn sort_weight(&self) -> f64 {
        let whole = &self.total;
        whole
            .increase
            .unwrap_or(0.0)
            .abs()
            .max(whole.distribution.count() as f64)
            .max(whole.count as f64)
            .max(whole.last_value.unwrap_or(0.0).abs())
    }
}

/// A stored point.
enum StoredMetricPoint {
    Number(f64),
    Histogram(Histogram),
}

fn read_point(row: &Row) -> rusqlite::Result<(i64, StoredMetricPoint)> {
    let at_ns = row.get(0)?;
    if let Some(number) = row.get::<_, Option<f64>>(1)? {
        return Ok((at_ns, StoredMetricPoint::Number(number)));
    }
    let packed: Vec<u8> = row.get(2)?;
    let histogram = rmp_serde::from_slice(&packed)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Blob, Box::new(error)))?;
    Ok((at_ns, StoredMetricPoint::Histogram(histogram)))
}

/// The metric of a query: if several have the name, the one with the newest point.
struct ResolvedMetric {
    id: i64,
    unit: String,
    kind: MetricKind,
    first_ns: i64,
    last_ns: i64,
}

fn resolve_metric(transaction: &Transaction, project: u64, query: &OtelMetricQuery) -> rusqlite::Result<Option<ResolvedMetric>> {
    let mut select = transaction.prepare_cached(
        "SELECT m.id, m.unit, m.kind, min(s.first_ns), max(s.last_ns) FROM metrics m JOIN series s ON s.metric = m.id
         WHERE m.project = ?1 AND m.name = ?2 AND (?3 IS NULL OR m.unit = ?3) AND (?4 IS NULL OR m.kind = ?4)
           AND s.last_ns >= ?5 AND s.first_ns < ?6
         GROUP BY m.id ORDER BY max(s.last_ns) DESC, m.id LIMIT 1",
    )?;
    let wanted = params![project as i64, query.name, query.unit, query.kind, us_to_ns(query.from_us), us_to_ns(query.to_us)];
    let row = |row: &Row| {
        let kind: String = row.get(2)?;
        let kind = MetricKind::from_name(&kind).unwrap_or(MetricKind::Gauge);
        Ok(ResolvedMetric { id: row.get(0)?, unit: row.get(1)?, kind, first_ns: row.get(3)?, last_ns: row.get(4)? })
    };
    select.query_row(wanted, row).optional()
}

/// Returns the chart of a metric.
pub(super) fn metric_chart(
    transaction: &Transaction,
    project: u64,
    query: &OtelMetricQuery,
) -> rusqlite::Result<Result<OtelMetricChart, OtelMetricQueryError>> {
    let Some(metric) = resolve_metric(transaction, project, query)? else {
        return Ok(Err(OtelMetricQueryError::UnknownMetric(query.name.clone())));
    };
    let measures = match chosen_measures(&query.measures, metric.kind) {
        Ok(measures) => measures,
        Err(error) => return Ok(Err(error)),
    };
    if let Some(attribute) = &query.group_by
        && let Some(error) = unknown_attribute(transaction, metric.id, attribute)?
    {
        return Ok(Err(error));
    }
    let bucket_ns = us_to_ns(query.bucket_us).max(1);
    // An open end is at the first or last point.
    let from_ns = if query.from_us == i64::MIN { metric.first_ns } else { us_to_ns(query.from_us) };
    let to_ns = if query.to_us == i64::MAX { metric.last_ns.saturating_add(1) } else { us_to_ns(query.to_us) };
    let first = from_ns.div_euclid(bucket_ns);
    let count = if to_ns > from_ns { (to_ns - 1).div_euclid(bucket_ns) - first + 1 } else { 0 };
    if count > MAX_BUCKETS {
        return Ok(Err(OtelMetricQueryError::TooManyBuckets(count)));
    }

    let range = OtelMetricTimeRange { from_ns, to_ns, bucket_ns, has_no_start: query.from_us == i64::MIN };
    let (mut lines, series_left_out) = combine_lines(transaction, &metric, query, &range)?;
    if lines.is_empty() && query.group_by.is_none() {
        lines.insert(None, OtelMetricLineBuilder::default());
    }
    let mut by_weight: Vec<(Option<String>, OtelMetricLineBuilder)> = lines.into_iter().collect();
    by_weight.sort_by(|a, b| b.1.sort_weight().total_cmp(&a.1.sort_weight()));
    let groups_left_out = by_weight.len().saturating_sub(MAX_LINES);
    by_weight.truncate(MAX_LINES);

    let starts: Vec<String> = (first..first + count).map(|number| rfc3339(number.saturating_mul(bucket_ns) / 1000)).collect();
    let seconds = |ns: i64| ns as f64 / 1e9;
    let line = |measure: OtelMetricMeasure, key: &Option<String>, line: &OtelMetricLineBuilder| {
        let empty = measure.is_zero_when_empty().then_some(0.0);
        let at =
            |number: i64| line.cells.get(&number).and_then(|cell| cell.measure_value(measure, metric.kind, seconds(bucket_ns))).or(empty);
        let points: Vec<_> = starts.iter().cloned().zip((first..first + count).map(at)).collect();
        let total = match measure {
            OtelMetricMeasure::Value => points.iter().rev().find_map(|(_, value)| *value),
            _ => line.total.measure_value(measure, metric.kind, seconds((to_ns - from_ns).max(1))).or(empty),
        };
        OtelMetricGroup { key: key.clone(), total, points }
    };
    let measures = measures.into_iter().map(|measure| {
        let groups = by_weight.iter().map(|(key, cells)| line(measure, key, cells)).collect();
        (measure.as_str(), groups)
    });
    Ok(Ok(OtelMetricChart {
        name: query.name.clone(),
        unit: metric.unit.clone(),
        kind: metric.kind.as_str().to_owned(),
        measures: measures.collect(),
        groups_left_out,
        series_left_out,
    }))
}

fn chosen_measures(names: &[String], kind: MetricKind) -> Result<Vec<OtelMetricMeasure>, OtelMetricQueryError> {
    let known = measures_of(kind);
    if names.is_empty() {
        return Ok(known[..1].to_vec());
    }
    let measure = |name: &String| {
        known.iter().copied().find(|measure| measure.as_str() == name).ok_or_else(|| OtelMetricQueryError::Measure {
            wanted: name.clone(),
            kind: kind.as_str(),
            known: known.iter().map(|measure| measure.as_str()).collect::<Vec<_>>().join(" "),
        })
    };
    names.iter().map(measure).collect()
}

fn unknown_attribute(transaction: &Transaction, metric: i64, wanted: &str) -> rusqlite::Result<Option<OtelMetricQueryError>> {
    let mut select = transaction.prepare_cached("SELECT name FROM attributes WHERE metric = ? ORDER BY own DESC, name")?;
    let known: Vec<String> = select.query_map([metric], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let missing = !known.iter().any(|name| name == wanted);
    Ok(missing.then(|| OtelMetricQueryError::Attribute { wanted: wanted.to_owned(), known: known.join(" ") }))
}

struct OtelMetricTimeRange {
    from_ns: i64,
    to_ns: i64,
    bucket_ns: i64,
    /// Whether the range has no start: then what a series counted before its first point is included.
    has_no_start: bool,
}

type OtelMetricLinesByKey = BTreeMap<Option<String>, OtelMetricLineBuilder>;

/// Returns all series of the metric combined into lines, and the number of series that are left out.
fn combine_lines(
    transaction: &Transaction,
    metric: &ResolvedMetric,
    query: &OtelMetricQuery,
    range: &OtelMetricTimeRange,
) -> rusqlite::Result<(OtelMetricLinesByKey, u64)> {
    let mut select = transaction.prepare_cached(
        "SELECT id, temporality, start_ns, attributes FROM series WHERE metric = ? AND last_ns >= ? AND first_ns < ?
         ORDER BY last_ns DESC LIMIT ?",
    )?;
    let mut rows = select.query(params![metric.id, range.from_ns, range.to_ns, MAX_SERIES + 1])?;
    let mut lines = OtelMetricLinesByKey::new();
    let mut read = 0;
    while let Some(row) = rows.next()? {
        read += 1;
        if read > MAX_SERIES {
            break;
        }
        let key = match &query.group_by {
            None => None,
            Some(attribute) => {
                let attributes: String = row.get(3)?;
                let attributes: Map<String, Value> = serde_json::from_str(&attributes).unwrap_or_default();
                attributes.get(attribute).and_then(Value::as_str).map(str::to_owned)
            }
        };
        let temporality: String = row.get(1)?;
        let series = StoredMetricSeries {
            id: row.get(0)?,
            kind: metric.kind,
            temporality: MetricTemporality::from_name(&temporality).unwrap_or(MetricTemporality::Momentary),
            start_ns: row.get(2)?,
        };
        series.add_series(transaction, range, lines.entry(key).or_default())?;
    }
    let left_out = if read > MAX_SERIES {
        let mut count = transaction.prepare_cached("SELECT count(*) FROM series WHERE metric = ? AND last_ns >= ? AND first_ns < ?")?;
        let all: u64 = count.query_row(params![metric.id, range.from_ns, range.to_ns], |row| row.get(0))?;
        all.saturating_sub(MAX_SERIES as u64)
    } else {
        0
    };
    Ok((lines, left_out))
}

struct StoredMetricSeries {
    id: i64,
    kind: MetricKind,
    temporality: MetricTemporality,
    /// Start of the series, or 0 if it is unknown.
    start_ns: i64,
}

impl StoredMetricSeries {
    fn add_series(&self, transaction: &Transaction, range: &OtelMetricTimeRange, line: &mut OtelMetricLineBuilder) -> rusqlite::Result<()> {
        let mut before = match self.temporality {
            MetricTemporality::Cumulative => self.last_point_before(transaction, range.from_ns)?,
            MetricTemporality::Delta | MetricTemporality::Momentary => None,
        };
        let stands = matches!((self.kind, self.temporality), (MetricKind::UpDownCounter, MetricTemporality::Cumulative));
        let mut standing: Vec<(i64, f64)> = Vec::new();
        if let (true, Some((at_ns, StoredMetricPoint::Number(value)))) = (stands, &before) {
            standing.push((*at_ns, *value));
        }
        let mut select = transaction
            .prepare_cached("SELECT at_ns, number, histogram FROM points WHERE series = ? AND at_ns >= ? AND at_ns < ? ORDER BY at_ns")?;
        let mut rows = select.query(params![self.id, range.from_ns, range.to_ns])?;
        while let Some(row) = rows.next()? {
            let (at_ns, point) = read_point(row)?;
            let bucket = at_ns.div_euclid(range.bucket_ns);
            if let (true, StoredMetricPoint::Number(value)) = (stands, &point) {
                standing.push((at_ns, *value));
            }
            match (&point, self.temporality) {
                (StoredMetricPoint::Number(value), MetricTemporality::Momentary) => {
                    line.cells_of(bucket).into_iter().for_each(|cell| cell.add_measurement(*value))
                }
                (StoredMetricPoint::Number(value), MetricTemporality::Delta) => add_series(line, bucket, *value),
                (StoredMetricPoint::Number(value), MetricTemporality::Cumulative) => {
                    if let Some(added) = self.increase_since(*value, &before, range) {
                        add_series(line, bucket, added);
                    }
                }
                (StoredMetricPoint::Histogram(histogram), MetricTemporality::Cumulative) => {
                    if let Some(added) = self.distribution_since(histogram, &before, range) {
                        line.cells_of(bucket).into_iter().for_each(|cell| cell.distribution.add(&added));
                    }
                }
                (StoredMetricPoint::Histogram(histogram), _) => {
                    line.cells_of(bucket).into_iter().for_each(|cell| cell.distribution.add(histogram));
                }
            }
            before = Some((at_ns, point));
        }
        add_valid_values(&standing, range, line);
        Ok(())
    }

    /// Returns the last point before a time.
    fn last_point_before(&self, transaction: &Transaction, at_ns: i64) -> rusqlite::Result<Option<(i64, StoredMetricPoint)>> {
        let mut select = transaction
            .prepare_cached("SELECT at_ns, number, histogram FROM points WHERE series = ? AND at_ns < ? ORDER BY at_ns DESC LIMIT 1")?;
        select.query_row(params![self.id, at_ns], read_point).optional()
    }

    /// Returns whether the first point of the series only contains what was counted within the range.
    fn begins_in_range(&self, range: &OtelMetricTimeRange) -> bool {
        self.start_ns > 0 && (range.has_no_start || self.start_ns >= range.from_ns)
    }

    fn increase_since(&self, value: f64, before: &Option<(i64, StoredMetricPoint)>, range: &OtelMetricTimeRange) -> Option<f64> {
        match before {
            // The counter was restarted without a new start time if its value is smaller.
            Some((_, StoredMetricPoint::Number(known))) if value < *known && self.kind == MetricKind::Counter => Some(value),
            Some((_, StoredMetricPoint::Number(known))) => Some(value - known),
            _ => self.begins_in_range(range).then_some(value),
        }
    }

    fn distribution_since(
        &self,
        histogram: &Histogram,
        before: &Option<(i64, StoredMetricPoint)>,
        range: &OtelMetricTimeRange,
    ) -> Option<Histogram> {
        match before {
            Some((_, StoredMetricPoint::Histogram(known))) => Some(histogram.increase_since(known).unwrap_or_else(|| histogram.clone())),
            _ => self.begins_in_range(range).then(|| histogram.clone()),
        }
    }
}

fn add_series(line: &mut OtelMetricLineBuilder, bucket: i64, added: f64) {
    for cell in line.cells_of(bucket) {
        cell.increase = Some(cell.increase.unwrap_or(0.0) + added);
    }
}

/// Inserts values: each is valid from its point to the next, for a limited time; a bucket shows the value at its end.
fn add_valid_values(points: &[(i64, f64)], range: &OtelMetricTimeRange, line: &mut OtelMetricLineBuilder) {
    let first = range.from_ns.div_euclid(range.bucket_ns);
    let last = (range.to_ns - 1).div_euclid(range.bucket_ns);
    let mut shown: BTreeMap<i64, f64> = BTreeMap::new();
    for (place, (at_ns, value)) in points.iter().enumerate() {
        let next_ns = points.get(place + 1).map_or(i64::MAX, |(next, _)| *next);
        let own = at_ns.div_euclid(range.bucket_ns);
        let end_ns = next_ns.min(at_ns.saturating_add(VALUE_LIFETIME_NS));
        let until = (end_ns - 1).div_euclid(range.bucket_ns).max(own);
        for bucket in own.max(first)..=until.min(last) {
            shown.insert(bucket, *value);
        }
    }
    for (bucket, value) in shown {
        for cell in line.cells_of(bucket) {
            cell.last_value = Some(cell.last_value.unwrap_or(0.0) + value);
        }
    }
}
