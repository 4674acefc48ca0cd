//! Questions about issues.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hinomi_model::id::TraceId;
use rusqlite::{Connection, OptionalExtension, params};

use super::answer::{Issue, IssueDetail, IssueEvent, IssuePage};
use super::error::ErrorsError;
use super::read::parsed;
use super::{Errors, Within};
use crate::time::rfc3339;

/// What issues can be sorted by.
pub(super) const SORTS: &[&str] = &["last_seen", "first_seen", "count", "users", "traces", "type"];
/// Parts of the range in which events are counted.
const POINTS: i64 = 24;
/// Events of one issue that are shown.
const EVENTS: usize = 50;
/// Traces of one issue whose cost is asked for.
const TRACES: usize = 200;

impl Errors {
    /// Issues that happened in the range, in the order asked for.
    ///
    /// # Errors
    ///
    /// When there is no such order, the cursor is not one of it, or the database cannot be read.
    pub async fn issues(
        &self,
        project: u64,
        within: Within,
        sort: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<IssuePage, ErrorsError> {
        let field = sort.trim_start_matches('-');
        let field = *SORTS.iter().find(|known| **known == field).ok_or_else(|| ErrorsError::BadSort(sort.to_owned()))?;
        let descending = sort.starts_with('-');
        // The last issue of the page before, with the order that it belongs to: rows may have come since, none is shown twice.
        let after = match cursor {
            None => None,
            Some(cursor) => {
                let (order, id) = cursor.split_once(':').ok_or(ErrorsError::BadCursor)?;
                let id: i64 = id.parse().map_err(|_| ErrorsError::BadCursor)?;
                if order != sort {
                    return Err(ErrorsError::BadCursor);
                }
                Some(id)
            }
        };
        let order = sort.to_owned();
        self.read(move |connection| {
            let mut found = seen(connection, project, None, &within)?;
            found.sort_by(|a, b| {
                let by_field = match field {
                    "first_seen" => a.first_us.cmp(&b.first_us),
                    "count" => a.count.cmp(&b.count),
                    "users" => a.users.len().cmp(&b.users.len()),
                    "traces" => a.traces.len().cmp(&b.traces.len()),
                    "type" => a.kind.cmp(&b.kind),
                    _ => a.last_us.cmp(&b.last_us),
                };
                let by_field = if descending { by_field.reverse() } else { by_field };
                by_field.then(b.id.cmp(&a.id))
            });
            let start = match after {
                None => 0,
                Some(id) => found.iter().position(|issue| issue.id == id).ok_or(ErrorsError::BadCursor)? + 1,
            };
            let (first_us, last_us) = span_of(&found, &within);
            let page: Vec<_> = found.get(start..).unwrap_or_default().iter().take(limit).collect();
            let more = start + page.len() < found.len();
            let next_cursor = page.last().filter(|_| more).map(|issue| format!("{order}:{}", issue.id));
            let issues = page.into_iter().map(|issue| issue.shown(connection, first_us, last_us)).collect::<Result<_, _>>()?;
            Ok(IssuePage { issues, next_cursor })
        })
        .await
    }

    /// One issue with its newest events in the range; `None` when there is no such issue.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn issue(&self, project: u64, id: i64, within: Within) -> Result<Option<IssueDetail>, ErrorsError> {
        self.read(move |connection| {
            let mut found = seen(connection, project, Some(id), &within)?;
            if found.is_empty() {
                // It exists, but did not happen in the range: its link must still lead somewhere.
                found = seen(connection, project, Some(id), &Within::all())?;
                found.iter_mut().for_each(Seen::empty);
            }
            let Some(issue) = found.first() else { return Ok(None) };
            let (first_us, last_us) = span_of(&found, &within);
            let mut statement = connection.prepare_cached(
                "SELECT event, trace_id FROM events WHERE issue_id = ?1 AND time_us >= ?2 AND time_us < ?3 ORDER BY time_us DESC, event_id",
            )?;
            let mut rows = statement.query(params![id, within.from_us, within.to_us])?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                let trace: Option<String> = row.get(1)?;
                if within.lets_pass(trace.as_deref()) {
                    let json: String = row.get(0)?;
                    events.push(IssueEvent::of(parsed(&json)?, id));
                }
                if events.len() == EVENTS {
                    break;
                }
            }
            Ok(Some(IssueDetail { issue: issue.shown(connection, first_us, last_us)?, events }))
        })
        .await
    }

    /// The newest traces in which these issues happened, up to 200 for each.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn traces_of_issues(&self, project: u64, ids: Vec<i64>, within: Within) -> Result<HashMap<i64, Vec<TraceId>>, ErrorsError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT trace_id FROM events WHERE issue_id = ?1 AND project_id = ?2 AND time_us >= ?3 AND time_us < ?4
                 AND trace_id IS NOT NULL ORDER BY time_us DESC",
            )?;
            let mut traces = HashMap::new();
            for id in ids {
                let mut of_issue: BTreeSet<TraceId> = BTreeSet::new();
                let mut rows = statement.query(params![id, project, within.from_us, within.to_us])?;
                while let Some(row) = rows.next()?
                    && of_issue.len() < TRACES
                {
                    let trace: String = row.get(0)?;
                    if within.lets_pass(Some(&trace)) {
                        of_issue.extend(trace.parse::<TraceId>().ok());
                    }
                }
                traces.insert(id, of_issue.into_iter().collect());
            }
            Ok(traces)
        })
        .await
    }
}

/// What is known of an issue in a range.
struct Seen {
    id: i64,
    kind: String,
    count: u64,
    traces: BTreeSet<String>,
    users: BTreeSet<String>,
    times: Vec<i64>,
    /// Of all that is kept.
    first_us: i64,
    last_us: i64,
}

impl Seen {
    fn empty(&mut self) {
        self.count = 0;
        self.traces.clear();
        self.users.clear();
        self.times.clear();
    }

    fn shown(&self, connection: &Connection, first_us: i64, last_us: i64) -> Result<Issue, ErrorsError> {
        let mut newest =
            connection.prepare_cached("SELECT event FROM events WHERE issue_id = ?1 ORDER BY time_us DESC, event_id LIMIT 1")?;
        let json: String = newest.query_row([self.id], |row| row.get(0))?;
        let newest = parsed(&json)?;
        let width = (last_us.saturating_sub(first_us) / POINTS).max(1);
        let mut points: Vec<(String, u64)> = (0..POINTS).map(|part| (rfc3339(first_us.saturating_add(part * width)), 0)).collect();
        for time in &self.times {
            let part = ((time - first_us) / width).clamp(0, POINTS - 1);
            points[part as usize].1 += 1;
        }
        Ok(Issue {
            issue_id: self.id,
            kind: newest.kind,
            value: newest.value,
            culprit: newest.culprit,
            level: newest.level,
            handled: newest.handled,
            count: self.count,
            traces: self.traces.len() as u64,
            users: self.users.len() as u64,
            cost: None,
            first_seen: rfc3339(self.first_us),
            last_seen: rfc3339(self.last_us),
            last_trace_id: newest.trace_id.map(|id| id.to_string()),
            last_span_id: newest.span_id.map(|id| id.to_string()),
            points,
        })
    }
}

/// The range to draw: as asked, or from the first event to the last where it is open.
fn span_of(found: &[Seen], within: &Within) -> (i64, i64) {
    let times = || found.iter().flat_map(|issue| &issue.times).copied();
    let first = if within.from_us == i64::MIN { times().min().unwrap_or(0) } else { within.from_us };
    let last = if within.to_us == i64::MAX { times().max().map_or(first, |last| last + 1) } else { within.to_us };
    (first, last)
}

fn seen(connection: &Connection, project: u64, only: Option<i64>, within: &Within) -> Result<Vec<Seen>, ErrorsError> {
    let mut statement = connection.prepare_cached(
        "SELECT issue_id, time_us, trace_id, user_id FROM events
         WHERE project_id = ?1 AND (?2 IS NULL OR issue_id = ?2) AND time_us >= ?3 AND time_us < ?4",
    )?;
    let mut rows = statement.query(params![project, only, within.from_us, within.to_us])?;
    let mut found: BTreeMap<i64, Seen> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let trace: Option<String> = row.get(2)?;
        if !within.lets_pass(trace.as_deref()) {
            continue;
        }
        let id: i64 = row.get(0)?;
        let issue = found.entry(id).or_insert_with(|| Seen {
            id,
            kind: String::new(),
            count: 0,
            traces: BTreeSet::new(),
            users: BTreeSet::new(),
            times: Vec::new(),
            first_us: 0,
            last_us: 0,
        });
        issue.count += 1;
        issue.times.push(row.get(1)?);
        issue.traces.extend(trace);
        issue.users.extend(row.get::<_, Option<String>>(3)?);
    }
    let mut ends = connection.prepare_cached("SELECT min(time_us), max(time_us) FROM events WHERE issue_id = ?1")?;
    let mut kind = connection
        .prepare_cached("SELECT json_extract(event, '$.type') FROM events WHERE issue_id = ?1 ORDER BY time_us DESC, event_id LIMIT 1")?;
    for issue in found.values_mut() {
        (issue.first_us, issue.last_us) = ends.query_row([issue.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        issue.kind = kind.query_row([issue.id], |row| row.get(0)).optional()?.unwrap_or_default();
    }
    Ok(found.into_values().collect())
}
