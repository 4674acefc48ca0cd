//! One error, told of several times: by each span that it passes through on its way out, by Sentry's SDK beside OpenTelemetry's, by a log
//! record beside a span. It is counted once.
//!
//! Every report of an error in a trace is remembered with the event that it is counted as. Reports tell of the same error where type
//! and message are the same and they come from the same place: the same span, or one right above or below it; different protocols also
//! from one moment. Two error events of Sentry's are two errors, whatever they say: its SDKs see to that themselves.

use hinomi_model::sentry::{ErrorEvent, ErrorReporter};
use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};

/// Reports of two protocols about one error lie this close together.
const MOMENT_US: i64 = 1_000_000;
/// A span is told of an error by its program and by the library that ends the span: at once.
const AT_ONCE_US: i64 = 100_000;
/// Reports that are looked through. A trace with more of the same error has a loop.
const MOST: i64 = 1_000;

/// What a report is counted as.
pub(super) enum ErrorDedupDecision {
    /// As an error of its own.
    Itself,
    /// As an event that is stored. Where `replaces`, it tells more than all that was known of that one.
    As { event: i64, replaces: bool },
}

/// Whether a report is known already.
pub(super) fn is_known(transaction: &Transaction, project: i64, event_id: &str) -> rusqlite::Result<bool> {
    let mut known = transaction.prepare_cached(
        "SELECT 1 FROM events WHERE project = ?1 AND event_id = ?2 UNION ALL SELECT 1 FROM reports WHERE project = ?1 AND event_id = ?2",
    )?;
    known.exists(params![project, event_id])
}

/// What a new report is counted as.
pub(super) fn counted(transaction: &Transaction, project: i64, report: &ErrorEvent) -> rusqlite::Result<ErrorDedupDecision> {
    let Some(trace) = report.trace_id else { return Ok(ErrorDedupDecision::Itself) };
    let mut select = transaction.prepare_cached(
        "SELECT event, span, parent, reporter, time_us FROM reports WHERE project = ?1 AND trace = ?2 AND says = ?3
         ORDER BY abs(time_us - ?4) LIMIT ?5",
    )?;
    let says = says(report);
    let mut rows = select.query(params![project, trace.0.to_be_bytes(), says, report.time_us, MOST])?;
    while let Some(row) = rows.next()? {
        let reporter: String = row.get(3)?;
        let known = StoredErrorReport {
            span: row.get(1)?,
            parent: row.get(2)?,
            reporter: ErrorReporter::from_name(&reporter).unwrap_or_default(),
            time_us: row.get(4)?,
        };
        if !known.is_of(report) {
            continue;
        }
        let event: i64 = row.get(0)?;
        // An event of Sentry's tells of source lines, users and what came before.
        let mut told = transaction.prepare_cached("SELECT 1 FROM reports WHERE event = ? AND reporter = 'sentry'")?;
        let replaces = report.reporter == ErrorReporter::Sentry && !told.exists([event])?;
        if report.reporter == ErrorReporter::Sentry && !replaces {
            // That one has a report of Sentry's own: this is another error.
            continue;
        }
        return Ok(ErrorDedupDecision::As { event, replaces });
    }
    Ok(ErrorDedupDecision::Itself)
}

/// Remembers a report, with what it is counted as.
pub(super) fn remember(transaction: &Transaction, project: i64, report: &ErrorEvent, event: i64) -> rusqlite::Result<()> {
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
        says(report),
        report.reporter.as_str(),
        report.time_us,
    ])?;
    Ok(())
}

/// The issue of an event.
pub(super) fn issue_of(transaction: &Transaction, event: i64) -> rusqlite::Result<Option<i64>> {
    transaction.prepare_cached("SELECT issue FROM events WHERE id = ?")?.query_row([event], |row| row.get(0)).optional()
}

/// Type and message, by which reports of one trace are compared. Whoever makes two messages of one hash could as well send the same message.
fn says(report: &ErrorEvent) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(report.kind.rsplit('.').next().unwrap_or_default().as_bytes());
    hash.update([0]);
    hash.update(report.value.as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// A report that is known.
struct StoredErrorReport {
    span: Option<i64>,
    parent: Option<i64>,
    reporter: ErrorReporter,
    time_us: i64,
}

impl StoredErrorReport {
    /// Whether a report that says the same tells of the same error.
    fn is_of(&self, report: &ErrorEvent) -> bool {
        let id = |span: Option<hinomi_model::id::SpanId>| span.map(|span| span.0 as i64);
        let (span, parent) = (id(report.span_id), id(report.parent_span_id));
        let same = |a: Option<i64>, b: Option<i64>| a.is_some() && a == b;
        let apart_us = self.time_us.saturating_sub(report.time_us).saturating_abs();
        let is_near = same(self.parent, span) || same(self.span, parent);
        if self.reporter == report.reporter {
            self.reporter != ErrorReporter::Sentry && (is_near || (same(self.span, span) && apart_us <= AT_ONCE_US))
        } else {
            is_near || same(self.span, span) || apart_us <= MOMENT_US
        }
    }
}
