//! Deduplication of error events. One error may be reported several times: by each span that it passes on its way out, by Sentry's SDK
//! and OpenTelemetry's, or by a log record and a span. It is counted once.
//!
//! For every report of an error in a trace, the store records the event as which it is counted. Two reports describe the same error if type
//! and message are equal, and the reports come from the same span, or from a span and its parent. Reports of different protocols also
//! describe the same error if their times are within one second. Two error events of Sentry are always two errors, because Sentry's SDKs
//! deduplicate errors before they send them.

use hinomi_model::sentry::{ErrorEvent, ErrorReporter};
use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

/// Maximum time between reports of two protocols about one error, in microseconds.
const MAX_CROSS_PROTOCOL_GAP_US: i64 = 1_000_000;
/// Maximum time between two reports about one span of the same protocol, in microseconds: a program and the library that ends the span
/// both report the error.
const MAX_SAME_PROTOCOL_GAP_US: i64 = 100_000;
/// Maximum number of reports that are compared. A trace with more of the same error has a loop.
const MAX_COMPARED_REPORTS: i64 = 1_000;

/// How a new report is counted.
pub(super) enum ErrorDedupDecision {
    /// As a new error.
    NewError,
    /// As an event that is already stored. With `replaces`, the report has more detail than all earlier reports of that event.
    SameAs { event: i64, replaces: bool },
}

/// Returns whether a report is already stored.
pub(super) fn is_known(transaction: &Transaction, project: i64, event_id: &str) -> rusqlite::Result<bool> {
    let mut known = transaction.prepare_cached(
        "SELECT 1 FROM events WHERE project = ?1 AND event_id = ?2 UNION ALL SELECT 1 FROM reports WHERE project = ?1 AND event_id = ?2",
    )?;
    known.exists(params![project, event_id])
}

/// Decides how a new report is counted.
pub(super) fn decide(transaction: &Transaction, project: i64, report: &ErrorEvent) -> rusqlite::Result<ErrorDedupDecision> {
    let Some(trace) = report.trace_id else { return Ok(ErrorDedupDecision::NewError) };
    let mut select = transaction.prepare_cached(
        "SELECT event, span, parent, reporter, time_us FROM reports WHERE project = ?1 AND trace = ?2 AND says = ?3
         ORDER BY abs(time_us - ?4) LIMIT ?5",
    )?;
    let says = content_hash(report);
    let mut rows = select.query(params![project, trace.0.to_be_bytes(), says, report.time_us, MAX_COMPARED_REPORTS])?;
    while let Some(row) = rows.next()? {
        let reporter: String = row.get(3)?;
        let known = StoredErrorReport {
            span: row.get(1)?,
            parent: row.get(2)?,
            reporter: ErrorReporter::from_name(&reporter).unwrap_or_default(),
            time_us: row.get(4)?,
        };
        if !known.is_same_error(report) {
            continue;
        }
        let event: i64 = row.get(0)?;
        // Events of Sentry contain source lines, users and breadcrumbs.
        let mut told = transaction.prepare_cached("SELECT 1 FROM reports WHERE event = ? AND reporter = 'sentry'")?;
        let replaces = report.reporter == ErrorReporter::Sentry && !told.exists([event])?;
        if report.reporter == ErrorReporter::Sentry && !replaces {
            // The stored event already has a report of Sentry: this is another error.
            continue;
        }
        return Ok(ErrorDedupDecision::SameAs { event, replaces });
    }
    Ok(ErrorDedupDecision::NewError)
}

/// Stores a report with the event that it is counted as.
pub(super) fn store_report(transaction: &Transaction, project: i64, report: &ErrorEvent, event: i64) -> rusqlite::Result<()> {
    let Some(trace) = report.trace_id else { return Ok(()) };
    let mut insert = transaction.prepare_cached(
        "INSERT INTO reports (project, event_id, event, trace, span, parent, says, reporter, time_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let id = |span: Option<hinomi_model::id::SpanId>| span.map(|span| span.0 as i64);
    insert.execute(params![
        project,
        report.event_id,
        event,
        trace.0.to_be_bytes(),
        id(report.span_id),
        id(report.parent_span_id),
        content_hash(report),
        report.reporter.as_str(),
        report.time_us,
    ])?;
    Ok(())
}

/// Returns the issue of an event.
pub(super) fn issue_of(transaction: &Transaction, event: i64) -> rusqlite::Result<Option<i64>> {
    transaction.prepare_cached("SELECT issue FROM events WHERE id = ?")?.query_row([event], |row| row.get(0)).optional()
}

/// Returns a hash of type and message, by which reports of one trace are compared. A sender that could make two messages collide could
/// just as well send equal messages.
fn content_hash(report: &ErrorEvent) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(report.kind.rsplit('.').next().unwrap_or_default().as_bytes());
    hash.update([0]);
    hash.update(report.value.as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// A stored report.
struct StoredErrorReport {
    span: Option<i64>,
    parent: Option<i64>,
    reporter: ErrorReporter,
    time_us: i64,
}

impl StoredErrorReport {
    /// Returns whether a report with the same type and message is of the same error.
    fn is_same_error(&self, report: &ErrorEvent) -> bool {
        let id = |span: Option<hinomi_model::id::SpanId>| span.map(|span| span.0 as i64);
        let (span, parent) = (id(report.span_id), id(report.parent_span_id));
        let same = |a: Option<i64>, b: Option<i64>| a.is_some() && a == b;
        let apart_us = self.time_us.saturating_sub(report.time_us).saturating_abs();
        let is_near = same(self.parent, span) || same(self.span, parent);
        if self.reporter == report.reporter {
            self.reporter != ErrorReporter::Sentry && (is_near || (same(self.span, span) && apart_us <= MAX_SAME_PROTOCOL_GAP_US))
        } else {
            is_near || same(self.span, span) || apart_us <= MAX_CROSS_PROTOCOL_GAP_US
        }
    }
}
