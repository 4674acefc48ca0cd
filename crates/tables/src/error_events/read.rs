//! Queries about events: of a trace, or in a range.

use std::collections::{BTreeSet, HashMap};

use hinomi_model::api_time::rfc3339;
use hinomi_model::id::{SpanId, TraceId};
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::types::{ToSql, Type};

use super::error::ErrorStoreError;
use super::response::ErrorEventSummary;
use super::{ErrorEventFilter, ErrorStore};

/// Maximum number of events that are listed per trace. A trace with more errors has a loop, and the count is more useful.
const MAX_EVENTS_PER_TRACE: i64 = 10_000;
/// Maximum number of traces that [`ErrorStore::traces`] lists.
const MAX_LISTED_TRACES: i64 = 10_000;

/// Maximum number of events that [`ErrorStore::places_in_traces`] returns.
const MAX_ERROR_PLACES: i64 = 20_000;

/// Maximum number of characters of a one-line preview of an event.
const MAX_PREVIEW_CHARACTERS: usize = 200;

/// The result of [`preview`] in SQL.
const PREVIEW_SQL: &str = "substr(CASE value WHEN '' THEN type ELSE type || ': ' || value END, 1, 200)";

/// Returns an event in one line: its type and its message, truncated.
pub fn preview(event: &ErrorEventSummary) -> String {
    let text = if event.value.is_empty() { event.kind.clone() } else { format!("{}: {}", event.kind, event.value) };
    text.chars().take(MAX_PREVIEW_CHARACTERS).collect()
}

/// Place and time of an error event, with its issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorPlace {
    /// Number of the issue.
    pub issue_id: i64,
    /// Trace in which the error happened.
    pub trace_id: TraceId,
    /// Span in which the error happened, if known.
    pub span_id: Option<SpanId>,
    /// Time of the error in microseconds since the Unix epoch.
    pub time_us: i64,
}

/// Error events of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceErrors {
    /// Number of error events.
    pub count: u64,
    /// [`preview`] of the first event.
    pub first: String,
}

/// Columns of an [`ErrorEventSummary`], in the order that [`summary`] reads.
pub(super) const SUMMARY_COLUMNS: &str =
    "e.event_id, e.issue, e.trace, e.span, e.type, e.value, e.level, e.handled, e.time_us, e.culprit, e.title";

/// SQL condition on an event `e` with the parameters of [`ErrorFilterParameters`].
pub(super) const FILTER_CONDITION: &str = "e.time_us >= :from AND e.time_us < :to
    AND (:traces IS NULL OR e.trace IN (SELECT unhex(value) FROM json_each(:traces))
        OR e.id IN (SELECT value FROM json_each(:events)))";

/// [`ErrorEventFilter`] as parameters of a statement.
#[derive(Debug)]
pub(super) struct ErrorFilterParameters {
    pub(super) from_us: i64,
    pub(super) to_us: i64,
    /// A JSON list of IDs, so that any number of traces is one parameter.
    pub(super) traces: Option<String>,
    /// A JSON list of numbers of events.
    pub(super) events: Option<String>,
}

impl ErrorFilterParameters {
    pub(super) fn new(within: &ErrorEventFilter) -> ErrorFilterParameters {
        let traces = within.traces.as_ref().map(|traces| ids(traces.iter()));
        let events = traces.as_ref().map(|_| serde_json::to_string(&*within.events).unwrap_or_default());
        ErrorFilterParameters { from_us: within.from_us, to_us: within.to_us, traces, events }
    }

    /// Returns the parameters of [`FILTER_CONDITION`], and more.
    pub(super) fn parameters_with<'a>(&'a self, more: &[(&'static str, &'a dyn ToSql)]) -> Vec<(&'static str, &'a dyn ToSql)> {
        let mut parameters: Vec<(&'static str, &dyn ToSql)> =
            vec![(":from", &self.from_us), (":to", &self.to_us), (":traces", &self.traces), (":events", &self.events)];
        parameters.extend_from_slice(more);
        parameters
    }
}

impl ErrorStore {
    /// Returns the events of a trace in order of time, at most 10,000.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn events_of_trace(&self, project: u64, trace: TraceId) -> Result<Vec<ErrorEventSummary>, ErrorStoreError> {
        self.read(move |database| {
            let sql =
                format!("SELECT {SUMMARY_COLUMNS} FROM events e WHERE e.project = ? AND e.trace = ? ORDER BY e.time_us, e.id LIMIT ?");
            let mut statement = database.prepare_cached(&sql)?;
            statement.query_map((project as i64, trace.0.to_be_bytes(), MAX_EVENTS_PER_TRACE), summary)?.collect()
        })
        .await
    }

    /// Returns the traces of events, by the ID of the event as the client sent it; unknown events and those without a trace are left out.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`events_of_trace`](ErrorStore::events_of_trace).
    pub async fn traces_of_events(&self, project: u64, events: Vec<String>) -> Result<HashMap<String, TraceId>, ErrorStoreError> {
        self.read(move |database| {
            let mut found = HashMap::new();
            let mut select =
                database.prepare_cached("SELECT trace FROM events WHERE project = ? AND event_id = ? AND trace IS NOT NULL")?;
            for event in events {
                let of_event = select.query_row((project as i64, &event), |row| trace(row, 0)).optional()?;
                found.extend(of_event.map(|trace| (event, trace)));
            }
            Ok(found)
        })
        .await
    }

    /// Returns the errors of each of these traces; traces without errors are not returned.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`events_of_trace`](ErrorStore::events_of_trace).
    pub async fn errors_by_trace(&self, project: u64, traces: Vec<TraceId>) -> Result<HashMap<TraceId, TraceErrors>, ErrorStoreError> {
        if traces.is_empty() {
            return Ok(HashMap::new());
        }
        self.read(move |database| {
            let mut counted = database.prepare_cached(
                "SELECT trace, count(*) FROM events WHERE project = ? AND trace IN (SELECT unhex(value) FROM json_each(?)) GROUP BY trace",
            )?;
            // The index of a trace's events answers both queries: no other event is read.
            let mut first = database.prepare_cached(&format!(
                "SELECT {PREVIEW_SQL} FROM events WHERE project = ? AND trace = ? ORDER BY time_us, id LIMIT 1"
            ))?;
            let counts = counted.query_map((project as i64, ids(traces.iter())), |row| Ok((trace(row, 0)?, number(row, 1)?)))?;
            let of_trace = |counted: rusqlite::Result<(TraceId, u64)>| {
                let (trace, count) = counted?;
                let first = first.query_row((project as i64, trace.0.to_be_bytes()), |row| row.get(0))?;
                Ok((trace, TraceErrors { count, first }))
            };
            counts.map(of_trace).collect()
        })
        .await
    }

    /// Returns the [`preview`] of the first event of each of these spans; spans without events are not returned.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`events_of_trace`](ErrorStore::events_of_trace).
    pub async fn previews_by_span(
        &self,
        project: u64,
        spans: Vec<(TraceId, SpanId)>,
    ) -> Result<HashMap<(TraceId, SpanId), String>, ErrorStoreError> {
        if spans.is_empty() {
            return Ok(HashMap::new());
        }
        self.read(move |database| {
            let traces = ids(spans.iter().map(|(trace, _)| trace).collect::<BTreeSet<_>>().into_iter());
            let numbers: Vec<String> = spans.iter().map(|(_, span)| (span.0 as i64).to_string()).collect();
            let mut statement = database.prepare_cached(&format!(
                "SELECT trace, span, {PREVIEW_SQL}, min(time_us) FROM events
                 WHERE project = ? AND trace IN (SELECT unhex(value) FROM json_each(?)) AND span IN (SELECT value FROM json_each(?))
                 GROUP BY trace, span"
            ))?;
            let spans = (project as i64, traces, format!("[{}]", numbers.join(",")));
            statement.query_map(spans, |row| Ok(((trace(row, 0)?, SpanId(row.get::<_, i64>(1)? as u64)), row.get(2)?)))?.collect()
        })
        .await
    }

    /// Returns the number of events.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`events_of_trace`](ErrorStore::events_of_trace).
    pub async fn count(&self, project: u64, within: ErrorEventFilter) -> Result<u64, ErrorStoreError> {
        self.read(move |database| {
            let mut statement =
                database.prepare_cached(&format!("SELECT count(*) FROM events e WHERE e.project = :project AND {FILTER_CONDITION}"))?;
            statement
                .query_row(&*ErrorFilterParameters::new(&within).parameters_with(&[(":project", &(project as i64))]), |row| number(row, 0))
        })
        .await
    }

    /// Returns the number of events in each time bucket, aligned to the epoch: start and number, ascending. Empty buckets are left out. A
    /// bucket has at least one microsecond.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`events_of_trace`](ErrorStore::events_of_trace).
    pub async fn counts_by_bucket(
        &self,
        project: u64,
        within: ErrorEventFilter,
        bucket_us: i64,
    ) -> Result<Vec<(i64, u64)>, ErrorStoreError> {
        let project = project as i64;
        self.read(move |database| {
            // The remainder has the sign of the time: before the epoch a bucket starts at a smaller value.
            let sql = format!(
                "SELECT e.time_us - ((e.time_us % :bucket) + :bucket) % :bucket AS start, count(*)
                 FROM events e WHERE e.project = :project AND {FILTER_CONDITION} GROUP BY start ORDER BY start"
            );
            let bucket_us = bucket_us.clamp(1, i64::MAX / 4);
            let scope = ErrorFilterParameters::new(&within);
            let parameters = scope.parameters_with(&[(":project", &project), (":bucket", &bucket_us)]);
            database.prepare_cached(&sql)?.query_map(&*parameters, |row| Ok((row.get(0)?, number(row, 1)?)))?.collect()
        })
        .await
    }

    /// Returns where the events of some traces happened, at most 20,000, the newest first.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`events_of_trace`](ErrorStore::events_of_trace).
    pub async fn places_in_traces(&self, project: u64, traces: Vec<TraceId>) -> Result<Vec<ErrorPlace>, ErrorStoreError> {
        if traces.is_empty() {
            return Ok(Vec::new());
        }
        self.read(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT issue, trace, span, time_us FROM events
                 WHERE project = ? AND trace IN (SELECT unhex(value) FROM json_each(?)) ORDER BY time_us DESC LIMIT ?",
            )?;
            let place = |row: &Row| {
                let span: Option<i64> = row.get(2)?;
                let span_id = span.map(|span| SpanId(span as u64));
                Ok(ErrorPlace { issue_id: row.get(0)?, trace_id: trace(row, 1)?, span_id, time_us: row.get(3)? })
            };
            statement.query_map((project as i64, ids(traces.iter()), MAX_ERROR_PLACES), place)?.collect()
        })
        .await
    }

    /// Returns the traces with an event in the range, at most 10,000, in descending order of the time of their newest event.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`events_of_trace`](ErrorStore::events_of_trace).
    pub async fn traces(&self, project: u64, from_us: i64, to_us: i64) -> Result<Vec<TraceId>, ErrorStoreError> {
        self.read(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT trace FROM events WHERE project = ? AND time_us >= ? AND time_us < ? AND trace IS NOT NULL
                 GROUP BY trace ORDER BY max(time_us) DESC, trace LIMIT ?",
            )?;
            statement.query_map((project as i64, from_us, to_us, MAX_LISTED_TRACES), |row| trace(row, 0))?.collect()
        })
        .await
    }
}

/// Returns trace IDs as a JSON list.
fn ids<'a>(traces: impl Iterator<Item = &'a TraceId>) -> String {
    let ids: Vec<String> = traces.map(|trace| format!("\"{trace}\"")).collect();
    format!("[{}]", ids.join(","))
}

/// Reads a count.
pub(super) fn number(row: &Row, at: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(at)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, number))
}

/// Reads the ID of a trace.
pub(super) fn trace(row: &Row, at: usize) -> rusqlite::Result<TraceId> {
    Ok(TraceId(u128::from_be_bytes(row.get(at)?)))
}

/// Reads an event from the columns of [`SUMMARY_COLUMNS`].
pub(super) fn summary(row: &Row) -> rusqlite::Result<ErrorEventSummary> {
    let trace: Option<[u8; 16]> = row.get(2)?;
    let span: Option<i64> = row.get(3)?;
    Ok(ErrorEventSummary {
        event_id: row.get(0)?,
        issue_id: row.get(1)?,
        trace_id: trace.map(|trace| TraceId(u128::from_be_bytes(trace)).to_string()),
        span_id: span.map(|span| SpanId(span as u64).to_string()),
        kind: row.get(4)?,
        value: row.get(5)?,
        level: row.get(6)?,
        handled: row.get(7)?,
        time: rfc3339(row.get(8)?),
        culprit: row.get(9)?,
        title: row.get(10)?,
    })
}

/// Returns the error for stored data that cannot be parsed, which means damage.
pub(super) fn unreadable_row(at: usize, reason: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, Type::Blob, reason.into())
}
