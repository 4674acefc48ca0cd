//! The list of log lines of a project, in order of time.

use hinomi_model::id::TraceId;
use hinomi_model::log_line::{LogLevel, LogLine};
use rusqlite::Transaction;
use rusqlite::types::ToSql;

use super::{LogCursor, LogLineResponse, LogPage, LogStore, read_line, response};
use crate::database::SqliteError;

/// Maximum number of lines that are compared with the filter for one page. A page that ends at this number has a cursor and fewer lines.
const MAX_SCANNED_LINES: usize = 50_000;

/// Approximate maximum size of one page, in bytes of its texts. A page that reaches this size has a cursor and fewer lines.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// Levels of the lines in the index `notable_lines_in_time`.
const NOTABLE_LEVELS: [LogLevel; 3] = [LogLevel::Warn, LogLevel::Error, LogLevel::Fatal];

/// Selects and orders log lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogListQuery {
    /// Start of the range in microseconds since the Unix epoch, inclusive.
    pub from_us: i64,
    /// End of the range in microseconds since the Unix epoch, exclusive.
    pub to_us: i64,
    /// Only lines of this trace.
    pub trace: Option<TraceId>,
    /// Only lines of these levels.
    pub levels: Option<Vec<LogLevel>>,
    /// Whether the oldest line comes first.
    pub is_ascending: bool,
    /// End of the previous page.
    pub after: Option<LogCursor>,
    /// Maximum number of lines.
    pub limit: usize,
}

impl LogStore {
    /// Returns one page of a project's lines, with the lines that a condition selects. A page may have fewer lines than the limit although
    /// more lines follow. In this case, the page has a cursor.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn list(
        &self,
        project: u64,
        query: LogListQuery,
        selects: impl Fn(&LogLine) -> bool + Send + 'static,
    ) -> Result<LogPage, SqliteError> {
        self.database.read(move |transaction| select_page(transaction, project as i64, &query, &selects)).await
    }
}

fn select_page(
    transaction: &Transaction,
    project: i64,
    query: &LogListQuery,
    selects: &dyn Fn(&LogLine) -> bool,
) -> rusqlite::Result<LogPage> {
    let mut select = transaction.prepare_cached(&select_statement(query))?;
    let trace = query.trace.map(|trace| trace.0.to_be_bytes());
    let open = if query.is_ascending { i64::MIN } else { i64::MAX };
    let LogCursor { at_us, id } = query.after.unwrap_or(LogCursor { at_us: open, id: open });
    let mut parameters: Vec<(&str, &dyn ToSql)> =
        vec![(":project", &project), (":from", &query.from_us), (":to", &query.to_us), (":at", &at_us), (":id", &id)];
    if trace.is_some() {
        parameters.push((":trace", &trace));
    }
    let mut rows = select.query(&*parameters)?;
    let mut logs: Vec<LogLineResponse> = Vec::new();
    let mut last = None;
    let (mut scanned, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        if logs.len() == query.limit || scanned == MAX_SCANNED_LINES || bytes >= MAX_PAGE_BYTES {
            return Ok(LogPage { logs, next_cursor: last.map(|cursor: LogCursor| cursor.to_string()) });
        }
        let (cursor, line) = read_line(row)?;
        (scanned, last) = (scanned + 1, Some(cursor));
        if selects(&line) {
            bytes += line.body.len() + line.attributes.iter().map(|(name, value)| name.len() + value.to_string().len()).sum::<usize>();
            logs.push(response(cursor, line));
        }
    }
    Ok(LogPage { logs, next_cursor: None })
}

fn select_statement(query: &LogListQuery) -> String {
    let (order, after) = if query.is_ascending { ("ASC", ">") } else { ("DESC", "<") };
    let trace = if query.trace.is_some() { " AND trace = :trace" } else { "" };
    let levels = query.levels.as_deref().filter(|levels| levels.iter().all(|level| NOTABLE_LEVELS.contains(level)));
    // The index is only used if the condition of its definition stands here word for word. The filter excludes other levels.
    let notable = if levels.is_some() { " AND level IN ('warn', 'error', 'fatal')" } else { "" };
    format!(
        "SELECT id, at_us, trace, span, level, body, attributes FROM lines
         WHERE project = :project AND at_us >= :from AND at_us < :to AND (at_us, id) {after} (:at, :id){trace}{notable}
         ORDER BY at_us {order}, id {order}"
    )
}
