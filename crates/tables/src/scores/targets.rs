//! What scores rate: the targets whose scores a filter selects.

use std::collections::HashSet;

use hinomi_model::id::{SpanId, TraceId};
use rusqlite::params;

use super::{ScoreStore, key};
use crate::database::SqliteError;

/// Maximum number of targets that a filter by scores selects.
pub const MAX_SCORE_TARGETS: usize = 1_000_000;

/// Traces, spans and conversations with selected scores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoredTargets {
    /// Traces that are rated as a whole.
    pub traces: HashSet<TraceId>,
    /// Spans that are rated.
    pub spans: HashSet<(TraceId, SpanId)>,
    /// Conversations that are rated as a whole.
    pub sessions: HashSet<String>,
    /// True if there are more than [`MAX_SCORE_TARGETS`] targets, so that some are missing.
    pub is_truncated: bool,
}

impl ScoreStore {
    /// Returns the targets of the scores with a name whose value and label `selects` accepts. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn targets_with(
        &self,
        project: u64,
        name: &str,
        selects: impl Fn(Option<f64>, Option<&str>) -> bool,
    ) -> Result<ScoredTargets, SqliteError> {
        self.database.read(|transaction| {
            let mut select = transaction.prepare_cached(
                "SELECT value, label, trace, span, session FROM scores WHERE project = ?1 AND name = ?2 AND superseded = 0",
            )?;
            let mut rows = select.query(params![key(project), name])?;
            let mut targets = ScoredTargets::default();
            while let Some(row) = rows.next()? {
                if !selects(row.get(0)?, row.get_ref(1)?.as_str_or_null()?) {
                    continue;
                }
                let id = |column: usize| row.get_ref(column).ok().and_then(|text| text.as_str_or_null().ok().flatten());
                let trace: Option<TraceId> = id(2).and_then(|text| text.parse().ok());
                let span: Option<SpanId> = id(3).and_then(|text| text.parse().ok());
                match (trace, span, id(4)) {
                    (Some(trace), Some(span), _) => _ = targets.spans.insert((trace, span)),
                    (Some(trace), None, _) => _ = targets.traces.insert(trace),
                    (None, _, Some(session)) => _ = targets.sessions.insert(session.to_owned()),
                    (None, _, None) => {}
                }
                if targets.traces.len() + targets.spans.len() + targets.sessions.len() > MAX_SCORE_TARGETS {
                    targets.is_truncated = true;
                    break;
                }
            }
            Ok(targets)
        })
    }
}

/// A score that names only the rated response, whose call is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingScore {
    /// ID of the project.
    pub project: u64,
    /// ID of the response.
    pub response_id: String,
    /// Time of the score in microseconds since the Unix epoch.
    pub at_us: i64,
}

impl ScoreStore {
    /// Returns the newest scores since a time that name only the rated response, at most `limit`. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn waiting_scores(&self, since_us: i64, limit: usize) -> Result<Vec<WaitingScore>, SqliteError> {
        self.database.read(|transaction| {
            let mut select = transaction.prepare_cached(
                "SELECT project, response, max(at_us) FROM scores WHERE response IS NOT NULL AND trace IS NULL AND at_us >= ?1
                 GROUP BY project, response ORDER BY max(at_us) DESC LIMIT ?2",
            )?;
            let waiting = |row: &rusqlite::Row| Ok(WaitingScore { project: row.get(0)?, response_id: row.get(1)?, at_us: row.get(2)? });
            select.query_map(params![since_us, limit as i64], waiting)?.collect()
        })
    }

    /// Gives the scores of a response the span that reported it. Returns the number of scores. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn assign_response(&self, project: u64, response: &str, (trace, span): (TraceId, SpanId)) -> Result<usize, SqliteError> {
        let assign = "UPDATE scores SET trace = ?3, span = ?4 WHERE project = ?1 AND response = ?2 AND trace IS NULL";
        self.database.write(|transaction| transaction.execute(assign, params![key(project), response, trace.to_string(), span.to_string()]))
    }
}
