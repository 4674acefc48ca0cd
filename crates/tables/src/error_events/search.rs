//! Search for events by their attributes.

use std::collections::BTreeMap;

use hinomi_model::id::{SpanId, TraceId};
use rusqlite::Row;

use super::error::ErrorStoreError;
use super::read::unreadable_row;
use super::{ErrorEventFilter, ErrorStore, row};

/// Maximum number of events that are compared: the newest of the range.
const MAX_SEARCHED_EVENTS: i64 = 20_000;

/// Properties by which an event can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchableError {
    /// Trace in which the error happened.
    pub trace_id: Option<TraceId>,
    /// Span in which the error happened.
    pub span_id: Option<SpanId>,
    /// Time of the error in microseconds since the Unix epoch.
    pub time_us: i64,
    /// ID of the end user.
    pub user_id: Option<String>,
    /// Type and value of the error, and where it happened.
    pub texts: Vec<String>,
    /// Attributes by their names: fields of the event with dots, and tags.
    pub attributes: BTreeMap<String, String>,
}

impl ErrorStore {
    /// Returns the numbers of the events in a range that a condition selects, among the newest 20,000.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn search(
        &self,
        project: u64,
        within: ErrorEventFilter,
        selects: impl Fn(&SearchableError) -> bool + Send + 'static,
    ) -> Result<Vec<i64>, ErrorStoreError> {
        self.read(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT e.id, e.trace, e.span, e.time_us, e.user_id, a.json, e.type, e.value, e.culprit FROM events e JOIN attributes a ON a.event = e.id
                 WHERE e.project = ? AND e.time_us >= ? AND e.time_us < ? ORDER BY e.time_us DESC LIMIT ?",
            )?;
            let mut rows = statement.query((project as i64, within.from_us, within.to_us, MAX_SEARCHED_EVENTS))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                if selects(&searchable(row)?) {
                    found.push(row.get(0)?);
                }
            }
            Ok(found)
        })
        .await
    }
}

fn searchable(row: &Row) -> rusqlite::Result<SearchableError> {
    let trace: Option<[u8; 16]> = row.get(1)?;
    let span: Option<i64> = row.get(2)?;
    let texts: [Option<String>; 3] = [row.get(6)?, row.get(7)?, row.get(8)?];
    let json = row.get_ref(5)?.as_blob()?;
    let (attributes, _) = row::parse_compressed(json).map_err(|reason| unreadable_row(5, reason))?;
    Ok(SearchableError {
        trace_id: trace.map(|trace| TraceId(u128::from_be_bytes(trace))),
        span_id: span.map(|span| SpanId(span as u64)),
        time_us: row.get(3)?,
        user_id: row.get(4)?,
        texts: texts.into_iter().flatten().collect(),
        attributes,
    })
}
