//! Storing and deleting points.

use std::collections::{BTreeMap, HashMap};

use hinomi_model::otel_metric::{MetricPoint, MetricPointValue, MetricTemporality};
use rusqlite::{OptionalExtension, Transaction, params};

use super::{MAX_METRICS, MAX_NEW_SERIES_PER_DAY, OtelMetricAppendResult, us_to_ns};

const DAY_US: i64 = 86_400_000_000;

/// Stores points; a point that a series already has remains unchanged.
pub(super) fn append(
    transaction: &Transaction,
    project: u64,
    received_us: i64,
    points: &[MetricPoint],
) -> rusqlite::Result<OtelMetricAppendResult> {
    let mut writer = MetricPointWriter {
        transaction,
        project: project as i64,
        day: received_us.div_euclid(DAY_US),
        remaining_series: None,
        known_series: HashMap::new(),
    };
    let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO points VALUES (?, ?, ?, ?)")?;
    let mut appended = OtelMetricAppendResult::default();
    for point in points {
        let series = match writer.assign_series(point)? {
            SeriesAssignment::Series(series) => series,
            SeriesAssignment::TooManyMetrics => {
                appended.too_many_metrics += 1;
                continue;
            }
            SeriesAssignment::TooManySeries => {
                appended.too_many_series += 1;
                continue;
            }
        };
        let (number, histogram) = match &point.value {
            MetricPointValue::Number(number) => (Some(*number), None),
            MetricPointValue::Histogram(histogram) => (None, Some(rmp_serde::to_vec(histogram).map_err(|error| encoding_error(&error))?)),
        };
        if insert.execute(params![series, point.at_ns, number, histogram])? == 0 {
            appended.duplicates += 1;
        } else {
            appended.stored += 1;
        }
    }
    for ((..), (series, first_ns, last_ns)) in writer.known_series {
        let mut extend =
            transaction.prepare_cached("UPDATE series SET first_ns = min(first_ns, ?), last_ns = max(last_ns, ?) WHERE id = ?")?;
        extend.execute(params![first_ns, last_ns, series])?;
    }
    Ok(appended)
}

/// Returns the error for a value that cannot be encoded, which is a defect of this program.
fn encoding_error(error: &dyn std::fmt::Display) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.to_string().into())
}

/// The series of a point, or why it has none.
enum SeriesAssignment {
    Series(i64),
    TooManyMetrics,
    TooManySeries,
}

struct MetricPointWriter<'a> {
    transaction: &'a Transaction<'a>,
    project: i64,
    day: i64,
    /// Number of series that the project can still begin today; `None` until it has been read.
    remaining_series: Option<usize>,
    /// Series of this request, with the first and last time of their points.
    known_series: HashMap<([u8; 32], i64), (i64, i64, i64)>,
}

impl MetricPointWriter<'_> {
    fn assign_series(&mut self, point: &MetricPoint) -> rusqlite::Result<SeriesAssignment> {
        let start_ns = if point.temporality == MetricTemporality::Cumulative { point.start_ns } else { 0 };
        let key = (point.identity, start_ns);
        if let Some((series, first, last)) = self.known_series.get_mut(&key) {
            (*first, *last) = ((*first).min(point.at_ns), (*last).max(point.at_ns));
            return Ok(SeriesAssignment::Series(*series));
        }
        let Some(metric) = self.metric_id(point)? else { return Ok(SeriesAssignment::TooManyMetrics) };
        let mut find = self.transaction.prepare_cached("SELECT id FROM series WHERE metric = ? AND identity = ? AND start_ns = ?")?;
        let found: Option<i64> = find.query_row(params![metric, point.identity, start_ns], |row| row.get(0)).optional()?;
        let series = match found {
            Some(series) => series,
            None => {
                let room = self.remaining_series()?;
                if room == 0 {
                    return Ok(SeriesAssignment::TooManySeries);
                }
                self.remaining_series = Some(room - 1);
                self.begin_series(metric, point, start_ns)?
            }
        };
        self.known_series.insert(key, (series, point.at_ns, point.at_ns));
        Ok(SeriesAssignment::Series(series))
    }

    fn metric_id(&self, point: &MetricPoint) -> rusqlite::Result<Option<i64>> {
        let mut find =
            self.transaction.prepare_cached("SELECT id FROM metrics WHERE project = ? AND name = ? AND unit = ? AND kind = ?")?;
        let key = params![self.project, point.name, point.unit, point.kind.as_str()];
        if let Some(metric) = find.query_row(key, |row| row.get(0)).optional()? {
            return Ok(Some(metric));
        }
        let mut count = self.transaction.prepare_cached("SELECT count(*) FROM metrics WHERE project = ?")?;
        if count.query_row([self.project], |row| row.get::<_, usize>(0))? >= MAX_METRICS {
            return Ok(None);
        }
        let mut insert =
            self.transaction.prepare_cached("INSERT INTO metrics (project, name, unit, kind, description) VALUES (?, ?, ?, ?, ?)")?;
        insert.execute(params![self.project, point.name, point.unit, point.kind.as_str(), point.description])?;
        Ok(Some(self.transaction.last_insert_rowid()))
    }

    fn remaining_series(&self) -> rusqlite::Result<usize> {
        if let Some(room) = self.remaining_series {
            return Ok(room);
        }
        let mut count = self.transaction.prepare_cached("SELECT count(*) FROM series WHERE project = ? AND day = ?")?;
        let begun: usize = count.query_row(params![self.project, self.day], |row| row.get(0))?;
        Ok(MAX_NEW_SERIES_PER_DAY.saturating_sub(begun))
    }

    fn begin_series(&self, metric: i64, point: &MetricPoint, start_ns: i64) -> rusqlite::Result<i64> {
        let mut name = self.transaction.prepare_cached(
            "INSERT INTO attributes VALUES (?, ?, ?) ON CONFLICT (metric, name) DO UPDATE SET own = 1 WHERE excluded.own > own",
        )?;
        for (names, own) in [(&point.attributes, true), (&point.reporter, false)] {
            for attribute in names.keys() {
                name.execute(params![metric, attribute, own])?;
            }
        }
        // The attributes of the point take precedence.
        let attributes: BTreeMap<_, _> = point.reporter.iter().chain(&point.attributes).collect();
        let attributes = serde_json::to_string(&attributes).map_err(|error| encoding_error(&error))?;
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO series (metric, project, identity, start_ns, temporality, attributes, first_ns, last_ns, day)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let temporality = point.temporality.as_str();
        let (at_ns, identity) = (point.at_ns, point.identity);
        insert.execute(params![metric, self.project, identity, start_ns, temporality, attributes, at_ns, at_ns, self.day])?;
        Ok(self.transaction.last_insert_rowid())
    }
}

/// Deletes old points of at most `limit` series. Returns the number of points, and of series that had some.
pub(super) fn delete_before(transaction: &Transaction, project: u64, before_us: i64, limit: usize) -> rusqlite::Result<(usize, usize)> {
    let before_ns = us_to_ns(before_us);
    let mut old = transaction.prepare_cached("SELECT id FROM series WHERE project = ? AND first_ns < ? ORDER BY first_ns LIMIT ?")?;
    let old = old.query_map(params![project as i64, before_ns, limit as i64], |row| row.get(0))?;
    let old = old.collect::<rusqlite::Result<Vec<i64>>>()?;
    let mut points = 0;
    for series in &old {
        points += transaction.prepare_cached("DELETE FROM points WHERE series = ? AND at_ns < ?")?.execute(params![series, before_ns])?;
        let mut first = transaction.prepare_cached("SELECT min(at_ns) FROM points WHERE series = ?")?;
        match first.query_row([series], |row| row.get::<_, Option<i64>>(0))? {
            Some(first_ns) => {
                transaction.prepare_cached("UPDATE series SET first_ns = ? WHERE id = ?")?.execute(params![first_ns, series])?;
            }
            None => {
                transaction.prepare_cached("DELETE FROM series WHERE id = ?")?.execute([series])?;
            }
        }
    }
    if old.len() < limit {
        let unused = "DELETE FROM metrics WHERE project = ?1 AND NOT EXISTS (SELECT 1 FROM series WHERE metric = metrics.id)";
        transaction.prepare_cached(unused)?.execute([project as i64])?;
    }
    Ok((points, old.len()))
}
