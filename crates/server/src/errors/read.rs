//! Questions about events: of a trace, in a range.

use std::collections::HashMap;
use std::sync::Arc;

use hinomi_model::id::TraceId;
use hinomi_model::sentry::ErrorEvent;
use rusqlite::{Connection, params};

use super::answer::EventSummary;
use super::error::ErrorsError;
use super::{Errors, Within};

/// Traces that one question may be about.
const MOST_TRACES: usize = 10_000;

impl Errors {
    /// The events of a trace, by time.
    ///
    /// # Errors
    ///
    /// When the database cannot be read; so with all questions.
    pub async fn of_trace(&self, project: u64, trace: TraceId) -> Result<Vec<EventSummary>, ErrorsError> {
        self.read(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT event, issue_id FROM events WHERE project_id = ?1 AND trace_id = ?2 ORDER BY time_us, event_id")?;
            let rows = statement.query_map(params![project, trace.to_string()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            rows.map(|row| row.map_err(ErrorsError::from).and_then(|(json, issue)| Ok(EventSummary::of(parsed(&json)?, issue)))).collect()
        })
        .await
    }

    /// How many events each of these traces has; those without any are left out.
    ///
    /// # Errors
    ///
    /// As [`of_trace`](Errors::of_trace).
    pub async fn counts_of_traces(&self, project: u64, traces: Vec<TraceId>) -> Result<HashMap<TraceId, u64>, ErrorsError> {
        if traces.is_empty() {
            return Ok(HashMap::new());
        }
        self.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT count(*) FROM events WHERE project_id = ?1 AND trace_id = ?2")?;
            let mut counts = HashMap::new();
            for trace in traces {
                let count: u64 = statement.query_row(params![project, trace.to_string()], |row| row.get(0))?;
                if count > 0 {
                    counts.insert(trace, count);
                }
            }
            Ok(counts)
        })
        .await
    }

    /// How many events there are.
    ///
    /// # Errors
    ///
    /// As [`of_trace`](Errors::of_trace).
    pub async fn count(&self, project: u64, within: Within) -> Result<u64, ErrorsError> {
        self.read(move |connection| {
            let mut count = 0;
            times(connection, project, &within, |_| count += 1)?;
            Ok(count)
        })
        .await
    }

    /// How many events fall into each bucket of time, counted from the epoch: start and number, rising; empty ones are left out.
    ///
    /// # Errors
    ///
    /// As [`of_trace`](Errors::of_trace).
    pub async fn points(&self, project: u64, within: Within, bucket_us: i64) -> Result<Vec<(i64, u64)>, ErrorsError> {
        self.read(move |connection| {
            let mut points: Vec<(i64, u64)> = Vec::new();
            times(connection, project, &within, |time_us| {
                let start = time_us.div_euclid(bucket_us) * bucket_us;
                match points.last_mut() {
                    Some((last, count)) if *last == start => *count += 1,
                    _ => points.push((start, 1)),
                }
            })?;
            Ok(points)
        })
        .await
    }

    /// Traces with an event in the range, up to 10,000 of the newest.
    ///
    /// # Errors
    ///
    /// As [`of_trace`](Errors::of_trace).
    pub async fn traces(&self, project: u64, from_us: i64, to_us: i64) -> Result<Vec<TraceId>, ErrorsError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT trace_id FROM events WHERE project_id = ?1 AND time_us >= ?2 AND time_us < ?3 AND trace_id IS NOT NULL
                 GROUP BY trace_id ORDER BY max(time_us) DESC LIMIT ?4",
            )?;
            let rows = statement.query_map(params![project, from_us, to_us, MOST_TRACES], |row| row.get::<_, String>(0))?;
            let ids = rows.collect::<Result<Vec<_>, _>>()?;
            Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
        })
        .await
    }
}

/// The times of the events meant, rising.
fn times(connection: &Connection, project: u64, within: &Within, mut each: impl FnMut(i64)) -> Result<(), ErrorsError> {
    let mut statement = connection
        .prepare_cached("SELECT time_us, trace_id FROM events WHERE project_id = ?1 AND time_us >= ?2 AND time_us < ?3 ORDER BY time_us")?;
    let mut rows = statement.query(params![project, within.from_us, within.to_us])?;
    while let Some(row) = rows.next()? {
        let trace: Option<String> = if within.traces.is_some() { row.get(1)? } else { None };
        if within.lets_pass(trace.as_deref()) {
            each(row.get(0)?);
        }
    }
    Ok(())
}

impl Within {
    /// Whether an event of this trace is meant.
    pub(super) fn lets_pass(&self, trace: Option<&str>) -> bool {
        let Some(traces) = &self.traces else { return true };
        trace.and_then(|id| id.parse().ok()).is_some_and(|id| traces.contains(&id))
    }

    /// Everything kept.
    pub fn all() -> Within {
        Within { from_us: i64::MIN, to_us: i64::MAX, traces: None }
    }

    /// Only events of these traces.
    pub fn of_traces(self, traces: impl IntoIterator<Item = TraceId>) -> Within {
        Within { traces: Some(Arc::new(traces.into_iter().collect())), ..self }
    }
}

/// What was stored is ours; that it cannot be read is a defect to be told.
pub(super) fn parsed(json: &str) -> Result<ErrorEvent, ErrorsError> {
    serde_json::from_str(json)
        .map_err(|error| ErrorsError::Failed { path: "errors.db".into(), reason: format!("an event is no JSON: {error}") })
}
