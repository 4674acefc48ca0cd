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
        self.read(|transaction| {
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
