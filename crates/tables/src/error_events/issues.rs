//! Queries about issues.

use std::collections::HashMap;

use hinomi_model::api_time::rfc3339;
use hinomi_model::id::TraceId;
use rusqlite::types::ToSql;
use rusqlite::{OptionalExtension, Row, Transaction};

use super::cursor::{IssueCursor, IssueSortKey};
use super::error::ErrorStoreError;
use super::event_response::IssueEvent;
use super::issue_groups::merged_issue;
use super::read::{ErrorFilterParameters, FILTER_CONDITION, SUMMARY_COLUMNS, number, summary, trace, unreadable_row};
use super::response::{Issue, IssueDetail, IssuePage};
use super::{ErrorEventFilter, ErrorStore, row};

/// Number of buckets in which events of a range are counted.
const ISSUE_BUCKETS: i64 = 24;
/// Maximum number of events that are shown of one issue.
const MAX_EVENTS: i64 = 50;
/// Maximum bytes of JSON of the events that are shown of one issue. One event is always shown.
const MAX_EVENTS_BYTES: usize = 8 << 20;
/// Maximum number of traces of one issue whose cost is calculated.
const MAX_PRICED_TRACES: i64 = 200;

/// Sort fields of issues, and the SQL expression of each for an issue `i`.
const ISSUE_SORTS: &[(&str, &str)] = &[
    ("last_seen", "SELECT max(e.time_us) FROM events e WHERE e.issue = i.id AND e.id <= :upto"),
    ("first_seen", "SELECT min(e.time_us) FROM events e WHERE e.issue = i.id AND e.id <= :upto"),
    ("count", "SELECT count(*) FROM events e WHERE e.issue = i.id AND e.id <= :upto AND {FILTER_CONDITION}"),
    ("users", "SELECT count(DISTINCT e.user_id) FROM events e WHERE e.issue = i.id AND e.id <= :upto AND {FILTER_CONDITION}"),
    ("traces", "SELECT count(DISTINCT e.trace) FROM events e WHERE e.issue = i.id AND e.id <= :upto AND {FILTER_CONDITION}"),
    ("type", "SELECT e.type FROM events e WHERE e.issue = i.id AND e.id <= :upto ORDER BY e.time_us DESC, e.id DESC LIMIT 1"),
];

/// Returns the names of [`ISSUE_SORTS`] for an error message.
pub(super) fn sorts() -> String {
    ISSUE_SORTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl ErrorStore {
    /// Returns issues with an event in the range, ordered by the field `sort`; a leading `-` means descending.
    ///
    /// With a cursor, the list continues with the time range and the events of its first page, even if another range is passed or new
    /// events are stored. Each issue is therefore returned once. Only deletions change the list.
    ///
    /// # Errors
    ///
    /// Returns an error if the order is unknown, the cursor does not belong to it, or the database cannot be read.
    pub async fn issues(
        &self,
        project: u64,
        within: ErrorEventFilter,
        sort: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<IssuePage, ErrorStoreError> {
        let field = sort.strip_prefix('-').unwrap_or(sort);
        let (_, key) = ISSUE_SORTS.iter().find(|(name, _)| *name == field).ok_or_else(|| ErrorStoreError::BadSort(sort.to_owned()))?;
        let cursor = cursor.map(|cursor| IssueCursor::read(cursor, sort)).transpose()?;
        let sort = sort.to_owned();
        let limit = limit.clamp(1, 1_000_000);
        self.read(move |database| {
            let (from_us, to_us) = cursor.as_ref().map_or((within.from_us, within.to_us), |cursor| (cursor.from_us, cursor.to_us));
            let newest_event = cursor.as_ref().map_or_else(|| newest_number(database), |cursor| Ok(cursor.upto))?;
            let view = IssueListView {
                database,
                filter: ErrorFilterParameters::new(&ErrorEventFilter { from_us, to_us, ..within }),
                newest_event,
            };

            let mut found = view.sorted_issues(project as i64, key, sort.starts_with('-'), limit + 1, cursor.as_ref())?;
            let more = found.len() > limit;
            found.truncate(limit);
            let last = found.last().filter(|_| more).cloned();
            let next_cursor = last.map(|(id, key)| IssueCursor { sort, from_us, to_us, upto: newest_event, key, id }.write());

            let buckets = view.time_buckets("e.project = :of", project as i64)?;
            let ids: Vec<i64> = found.into_iter().map(|(id, _)| id).collect();
            Ok(IssuePage { issues: view.issues(&ids, buckets)?, next_cursor })
        })
        .await
    }

    /// Returns an issue with its newest events in the range; `None` if there is no such issue. If all events of the issue are outside of
    /// the range, its counts are zero. If the issue was merged into another issue, returns the other issue.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn issue(&self, project: u64, id: i64, within: ErrorEventFilter) -> Result<Option<IssueDetail>, ErrorStoreError> {
        self.read(move |database| {
            let Some(id) = merged_issue(database, project, id)? else { return Ok(None) };
            let view = IssueListView { database, filter: ErrorFilterParameters::new(&within), newest_event: newest_number(database)? };
            let buckets = view.time_buckets("e.issue = :of", id)?;
            let issue = view.issues(&[id], buckets)?.pop();
            issue.map(|issue| Ok(IssueDetail { issue, events: view.events(id)? })).transpose()
        })
        .await
    }

    /// Returns an event of an issue by its ID, regardless of its time; `None` if the issue has no such event.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn event(&self, project: u64, issue: i64, event: String) -> Result<Option<IssueEvent>, ErrorStoreError> {
        self.read(move |database| {
            let Some(issue) = merged_issue(database, project, issue)? else { return Ok(None) };
            let mut statement = database.prepare_cached(&format!(
                "SELECT {SUMMARY_COLUMNS}, (SELECT json FROM contents WHERE event = e.id) FROM events e
                 WHERE e.project = ? AND e.event_id = ? AND e.issue = ?"
            ))?;
            statement.query_row((project as i64, event.to_ascii_lowercase(), issue), read_event).optional()
        })
        .await
    }

    /// Returns the newest traces of each of these issues, at most 200 per issue. Issues without a trace are not returned.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn traces_of_issues(
        &self,
        project: u64,
        ids: Vec<i64>,
        within: ErrorEventFilter,
    ) -> Result<HashMap<i64, Vec<TraceId>>, ErrorStoreError> {
        let project = project as i64;
        self.read(move |database| {
            let scope = ErrorFilterParameters::new(&within);
            let mut statement = database.prepare_cached(&format!(
                "SELECT e.trace FROM issues i JOIN events e ON e.issue = i.id
                 WHERE i.id = :issue AND i.project = :project AND e.trace IS NOT NULL AND {FILTER_CONDITION}
                 GROUP BY e.trace ORDER BY max(e.time_us) DESC, e.trace LIMIT {MAX_PRICED_TRACES}"
            ))?;
            let mut traces = HashMap::new();
            for id in ids {
                let parameters = scope.parameters_with(&[(":issue", &id), (":project", &project)]);
                let of_issue = statement.query_map(&*parameters, |row| trace(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()?;
                if !of_issue.is_empty() {
                    traces.insert(id, of_issue);
                }
            }
            Ok(traces)
        })
        .await
    }
}

/// Returns the number of the newest event: later events get higher numbers.
fn newest_number(database: &Transaction) -> rusqlite::Result<i64> {
    database.query_row("SELECT coalesce(max(id), 0) FROM events", [], |row| row.get(0))
}

/// Returns numbers as a JSON list, so that any number of them is one parameter.
fn json_list(ids: &[i64]) -> String {
    serde_json::to_string(ids).unwrap_or_default()
}

/// Counts of an issue in a range.
#[derive(Debug, Clone, Copy, Default)]
struct IssueCounts {
    events: u64,
    traces: u64,
    users: u64,
}

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 1440 * MINUTE_US;
/// Widths of the buckets of a range that is derived from the events, in microseconds; longer ones are whole days.
const BUCKET_WIDTHS_US: [i64; 8] =
    [MINUTE_US, 5 * MINUTE_US, 15 * MINUTE_US, 30 * MINUTE_US, 60 * MINUTE_US, 360 * MINUTE_US, 720 * MINUTE_US, DAY_US];

/// A range divided into [`ISSUE_BUCKETS`] buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IssueTimeBuckets {
    first_us: i64,
    pub(super) width_us: i64,
}

impl IssueTimeBuckets {
    /// Returns the buckets of a range. Each end of the range is either fixed or may be extended. The end is exclusive.
    pub(super) fn of_range(is_first_fixed: bool, is_end_fixed: bool, first_us: i64, end_us: i64) -> IssueTimeBuckets {
        // Rounded up so that the buckets reach the end. The last may exceed it.
        let width_for = |length: i64| (length / ISSUE_BUCKETS + i64::from(length % ISSUE_BUCKETS != 0)).max(1);
        let length = end_us.saturating_sub(first_us);
        if is_first_fixed && is_end_fixed {
            return IssueTimeBuckets { first_us, width_us: width_for(length) };
        }
        let round = |width: i64| {
            let known = BUCKET_WIDTHS_US.into_iter().find(|known| *known >= width);
            known.unwrap_or_else(|| (width / DAY_US + i64::from(width % DAY_US != 0)).saturating_mul(DAY_US))
        };
        let mut width_us = round(width_for(length));
        if is_first_fixed {
            return IssueTimeBuckets { first_us, width_us };
        }
        loop {
            // If both ends are open, buckets are aligned to the epoch.
            let end = if is_end_fixed {
                end_us
            } else {
                end_us.saturating_sub(1).div_euclid(width_us).saturating_add(1).saturating_mul(width_us)
            };
            let start = end.saturating_sub(width_us.saturating_mul(ISSUE_BUCKETS));
            // Invalid times may be further apart than any buckets reach.
            if start <= first_us || width_us > i64::MAX / ISSUE_BUCKETS / 4 {
                return IssueTimeBuckets { first_us: start, width_us };
            }
            width_us = round(width_us.saturating_mul(2));
        }
    }
}

/// The issues at one moment, in a range.
struct IssueListView<'a> {
    database: &'a Transaction<'a>,
    filter: ErrorFilterParameters,
    /// Number of the newest event that is included.
    newest_event: i64,
}

impl IssueListView<'_> {
    fn parameters_with<'a>(&'a self, more: &[(&'static str, &'a dyn ToSql)]) -> Vec<(&'static str, &'a dyn ToSql)> {
        let mut parameters = self.filter.parameters_with(more);
        parameters.push((":upto", &self.newest_event));
        parameters
    }

    /// Returns the numbers and sort keys of issues, those after a cursor if there is one.
    fn sorted_issues(
        &self,
        project: i64,
        key: &str,
        descending: bool,
        limit: usize,
        cursor: Option<&IssueCursor>,
    ) -> rusqlite::Result<Vec<(i64, IssueSortKey)>> {
        let key = key.replace("{FILTER_CONDITION}", FILTER_CONDITION);
        let (after, order) = if descending { ("<", "DESC") } else { (">", "ASC") };
        let sql = format!(
            "WITH found AS MATERIALIZED (
                SELECT i.id AS id, ({key}) AS key FROM issues i WHERE i.project = :project
                AND EXISTS (SELECT 1 FROM events e WHERE e.issue = i.id AND e.id <= :upto AND {FILTER_CONDITION}))
             SELECT id, key FROM found WHERE :after_id IS NULL OR (key, id) {after} (:after_key, :after_id)
             ORDER BY key {order}, id {order} LIMIT :limit"
        );
        let (after_key, after_id) = (cursor.map(|cursor| &cursor.key), cursor.map(|cursor| cursor.id));
        let limit = limit as i64;
        let parameters =
            self.parameters_with(&[(":project", &project), (":after_key", &after_key), (":after_id", &after_id), (":limit", &limit)]);
        let mut statement = self.database.prepare_cached(&sql)?;
        statement.query_map(&*parameters, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// Returns the buckets of the range. An open range extends to the first and last event in question, in buckets of a common width.
    fn time_buckets(&self, of: &str, id: i64) -> rusqlite::Result<IssueTimeBuckets> {
        let end = |end: &str, open: bool, asked: i64| -> rusqlite::Result<Option<i64>> {
            if !open {
                return Ok(Some(asked));
            }
            let sql = format!("SELECT {end}(e.time_us) FROM events e WHERE {of} AND e.id <= :upto AND {FILTER_CONDITION}");
            self.database.prepare_cached(&sql)?.query_row(&*self.parameters_with(&[(":of", &id)]), |row| row.get(0))
        };
        let first = end("min", self.filter.from_us == i64::MIN, self.filter.from_us)?;
        // The end is exclusive, but the last event is included.
        let last = end("max", self.filter.to_us == i64::MAX, self.filter.to_us.saturating_sub(1))?;
        let first = first.or(last).unwrap_or(0);
        let end = last.unwrap_or(first).saturating_add(1);
        Ok(IssueTimeBuckets::of_range(self.filter.from_us != i64::MIN, self.filter.to_us != i64::MAX, first, end))
    }

    /// Returns issues as they are shown. Issues without any event, which a deletion between two pages can cause, are left out.
    fn issues(&self, ids: &[i64], buckets: IssueTimeBuckets) -> rusqlite::Result<Vec<Issue>> {
        let newest =
            format!("SELECT {SUMMARY_COLUMNS} FROM events e WHERE e.issue = ? AND e.id <= ? ORDER BY e.time_us DESC, e.id DESC LIMIT 1");
        let mut newest = self.database.prepare_cached(&newest)?;
        let mut grouping = self.database.prepare_cached("SELECT grouping FROM issues WHERE id = ?")?;
        let mut first = self.database.prepare_cached("SELECT min(time_us) FROM events WHERE issue = ? AND id <= ?")?;
        let counts = self.issue_counts(ids)?;
        let mut points = self.issue_points(ids, buckets)?;
        let mut issues = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(newest) = newest.query_row((id, self.newest_event), summary).optional()? else { continue };
            let counts = counts.get(id).copied().unwrap_or_default();
            issues.push(Issue {
                issue_id: *id,
                kind: newest.kind,
                value: newest.value,
                title: newest.title,
                culprit: newest.culprit,
                level: newest.level,
                handled: newest.handled,
                grouping_version: grouping.query_row([id], |row| row.get(0))?,
                count: counts.events,
                traces: counts.traces,
                users: counts.users,
                cost: None,
                first_seen: rfc3339(first.query_row((id, self.newest_event), |row| row.get(0))?),
                last_seen: newest.time,
                last_trace_id: newest.trace_id,
                last_span_id: newest.span_id,
                points: points.remove(id).unwrap_or_default(),
            });
        }
        Ok(issues)
    }

    /// Returns the counts of issues in the range; those without an event in it are left out.
    fn issue_counts(&self, ids: &[i64]) -> rusqlite::Result<HashMap<i64, IssueCounts>> {
        let mut statement = self.database.prepare_cached(&format!(
            "SELECT e.issue, count(*), count(DISTINCT e.trace), count(DISTINCT e.user_id) FROM events e
             WHERE e.issue IN (SELECT value FROM json_each(:issues)) AND e.id <= :upto AND {FILTER_CONDITION} GROUP BY e.issue"
        ))?;
        let counts =
            |row: &Row| Ok((row.get(0)?, IssueCounts { events: number(row, 1)?, traces: number(row, 2)?, users: number(row, 3)? }));
        statement.query_map(&*self.parameters_with(&[(":issues", &json_list(ids))]), counts)?.collect()
    }

    /// Returns the number of events of each issue in each bucket of a range, with the start of the bucket.
    fn issue_points(&self, ids: &[i64], buckets: IssueTimeBuckets) -> rusqlite::Result<HashMap<i64, Vec<(String, u64)>>> {
        let IssueTimeBuckets { first_us, width_us: width } = buckets;
        let start = |part: i64| first_us.saturating_add(width.saturating_mul(part));
        let empty: Vec<(String, u64)> = (0..ISSUE_BUCKETS).map(|part| (rfc3339(start(part)), 0)).collect();
        let mut points: HashMap<i64, Vec<(String, u64)>> = ids.iter().map(|id| (*id, empty.clone())).collect();

        let mut statement = self.database.prepare_cached(&format!(
            "SELECT e.issue, (e.time_us - :first) / :width AS part, count(*) FROM events e
             WHERE e.issue IN (SELECT value FROM json_each(:issues)) AND e.id <= :upto AND {FILTER_CONDITION} GROUP BY e.issue, part"
        ))?;
        let issues = json_list(ids);
        let parameters = self.parameters_with(&[(":issues", &issues), (":first", &first_us), (":width", &width)]);
        let mut rows = statement.query(&*parameters)?;
        while let Some(row) = rows.next()? {
            // The difference of invalid times may exceed 64 bits.
            let part = row.get::<_, f64>(1)?.clamp(0.0, (ISSUE_BUCKETS - 1) as f64) as usize;
            if let Some(points) = points.get_mut(&row.get(0)?) {
                points[part].1 += number(row, 2)?;
            }
        }
        Ok(points)
    }

    /// Returns the newest events of an issue with their content.
    fn events(&self, id: i64) -> rusqlite::Result<Vec<IssueEvent>> {
        let mut statement = self.database.prepare_cached(&format!(
            "SELECT {SUMMARY_COLUMNS}, (SELECT json FROM contents WHERE event = e.id) FROM events e
             WHERE e.issue = :issue AND e.id <= :upto AND {FILTER_CONDITION} ORDER BY e.time_us DESC, e.id DESC LIMIT {MAX_EVENTS}"
        ))?;
        let parameters = self.parameters_with(&[(":issue", &id)]);
        let mut rows = statement.query(&*parameters)?;
        let (mut events, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let (event, size) = read_sized_event(row)?;
            bytes += size;
            if bytes > MAX_EVENTS_BYTES && !events.is_empty() {
                break;
            }
            events.push(event);
        }
        Ok(events)
    }
}

/// Column of the content of an event, after those of its summary.
const CONTENT_COLUMN: usize = 11;

/// Returns an event from the columns of its summary, followed by its content.
fn read_event(row: &Row) -> rusqlite::Result<IssueEvent> {
    read_sized_event(row).map(|(event, _)| event)
}

/// Returns an event as [`read_event`] does, and the bytes of its JSON.
fn read_sized_event(row: &Row) -> rusqlite::Result<(IssueEvent, usize)> {
    let content: Vec<u8> = row.get(CONTENT_COLUMN)?;
    let (event, bytes) = row::parse_content(&content).map_err(|reason| unreadable_row(CONTENT_COLUMN, reason))?;
    Ok((IssueEvent::from_parts(summary(row)?, event), bytes))
}
