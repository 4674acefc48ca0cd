//! Lists of scores, and the scores of traces.

use std::collections::HashMap;

use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::score::{ScoreRecord, ScoreSource};
use rusqlite::types::ToSql;
use rusqlite::{Transaction, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::row::{COLUMNS, read_row};
use super::{MAX_BYTES_PER_TRACE, MAX_SCORES_PER_TRACE, ScoreStore, key};
use crate::database::SqliteError;

/// Approximate maximum size of one page, in bytes of its texts. A page that reaches this size has a cursor and fewer scores.
const MAX_PAGE_BYTES: usize = 4 << 20;
/// Maximum number of scores of each trace in a list of traces.
const MAX_SCORES_PER_LISTED_TRACE: usize = 20;

/// Selects scores. The newest come first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreListQuery {
    /// Only scores with this name.
    pub name: Option<String>,
    /// Only scores from this source.
    pub source: Option<ScoreSource>,
    /// Only scores of this trace and its spans.
    pub trace: Option<TraceId>,
    /// Only scores of this span.
    pub span: Option<SpanId>,
    /// Only scores of this conversation.
    pub session: Option<String>,
    /// Only scores of this experiment.
    pub experiment: Option<String>,
    /// Time range in microseconds since the Unix epoch: start inclusive, end exclusive.
    pub times_us: Option<(i64, i64)>,
    /// Whether earlier versions are included.
    pub with_superseded: bool,
    /// Cursor of the previous page.
    pub after: Option<(i64, i64)>,
    /// Maximum number of scores.
    pub limit: usize,
}

/// A page of scores.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ScorePage {
    /// Scores, the newest first.
    pub scores: Vec<ScoreRecord>,
    /// Cursor of the next page; null if there is none.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl ScoreStore {
    /// Returns one page of scores. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn list_scores(&self, project: u64, query: &ScoreListQuery) -> Result<ScorePage, SqliteError> {
        self.database.read(|transaction| select_page(transaction, key(project), query))
    }

    /// Returns the newest scores of a trace and its spans, at most [`MAX_SCORES_PER_TRACE`] and one megabyte, oldest first, and the total
    /// number of scores. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn scores_of_trace(&self, project: u64, trace: TraceId) -> Result<(Vec<ScoreRecord>, u64), SqliteError> {
        self.database.read(|transaction| {
            let count = "SELECT count(*) FROM scores WHERE project = ?1 AND trace = ?2 AND superseded = 0";
            let count = transaction.prepare_cached(count)?.query_row(params![key(project), trace.to_string()], |row| row.get(0))?;
            Ok((newest_of_trace(transaction, project, trace, MAX_SCORES_PER_TRACE)?, count))
        })
    }

    /// Returns the newest scores of each trace of a list, at most 20 for each trace, oldest first. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn scores_of_traces(&self, project: u64, traces: &[TraceId]) -> Result<HashMap<TraceId, Vec<ScoreRecord>>, SqliteError> {
        self.database.read(|transaction| {
            let mut found = HashMap::new();
            for trace in traces {
                let scores = newest_of_trace(transaction, project, *trace, MAX_SCORES_PER_LISTED_TRACE)?;
                if !scores.is_empty() {
                    found.insert(*trace, scores);
                }
            }
            Ok(found)
        })
    }
}

fn newest_of_trace(transaction: &Transaction, project: u64, trace: TraceId, limit: usize) -> rusqlite::Result<Vec<ScoreRecord>> {
    let mut select = transaction.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM scores WHERE project = ?1 AND trace = ?2 AND superseded = 0 ORDER BY at_us DESC, row DESC LIMIT ?3"
    ))?;
    let mut rows: Vec<ScoreRecord> = Vec::new();
    let mut bytes = 0;
    for row in select.query_map(params![key(project), trace.to_string(), limit as i64], read_row)? {
        let (row, ..) = row?;
        bytes += row.text_bytes();
        if bytes > MAX_BYTES_PER_TRACE && !rows.is_empty() {
            break;
        }
        rows.push(row);
    }
    rows.reverse();
    Ok(rows)
}

fn select_page(transaction: &Transaction, project: i64, query: &ScoreListQuery) -> rusqlite::Result<ScorePage> {
    let (trace, span) = (query.trace.map(|id| id.to_string()), query.span.map(|id| id.to_string()));
    let source = query.source.map(ScoreSource::as_str);
    let mut conditions = String::from("project = :project");
    let mut parameters: Vec<(&str, &dyn ToSql)> = vec![(":project", &project)];
    let optional: [(&str, &str, &dyn ToSql, bool); 6] = [
        ("name = :name", ":name", &query.name, query.name.is_some()),
        ("source = :source", ":source", &source, source.is_some()),
        ("trace = :trace", ":trace", &trace, trace.is_some()),
        ("span = :span", ":span", &span, span.is_some()),
        ("session = :session", ":session", &query.session, query.session.is_some()),
        ("experiment = :experiment", ":experiment", &query.experiment, query.experiment.is_some()),
    ];
    for (condition, name, value, is_wanted) in optional {
        if is_wanted {
            conditions.push_str(" AND ");
            conditions.push_str(condition);
            parameters.push((name, value));
        }
    }
    if let Some((from_us, to_us)) = &query.times_us {
        conditions.push_str(" AND at_us >= :from AND at_us < :to");
        parameters.extend([(":from", from_us as &dyn ToSql), (":to", to_us)]);
    }
    if let Some((at_us, row)) = &query.after {
        conditions.push_str(" AND (at_us, row) < (:at, :row)");
        parameters.extend([(":at", at_us as &dyn ToSql), (":row", row)]);
    }
    if !query.with_superseded {
        conditions.push_str(" AND superseded = 0");
    }
    let mut select = transaction.prepare(&format!("SELECT {COLUMNS} FROM scores WHERE {conditions} ORDER BY at_us DESC, row DESC"))?;
    let mut rows = select.query(&*parameters)?;
    let (mut scores, mut bytes, mut last) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        if scores.len() == query.limit || bytes >= MAX_PAGE_BYTES {
            return Ok(ScorePage { scores, next_cursor: last.map(|(at_us, row): (i64, i64)| format!("{at_us}.{row}")) });
        }
        let (score, at_us, row) = read_row(row)?;
        bytes += score.text_bytes();
        last = Some((at_us, row));
        scores.push(score);
    }
    Ok(ScorePage { scores, next_cursor: None })
}
