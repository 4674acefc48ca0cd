//! Storing findings, and how far the search has come.

use std::collections::HashMap;

use hinomi_model::id::TraceId;
use hinomi_model::money::Usd;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{FindingStore, SearchedTrace, key};
use crate::database::SqliteError;
use crate::retained_rows::ErasureCount;

impl FindingStore {
    /// Returns the number of erasures. It is read before the spans of traces are read.
    pub fn erasure_count(&self) -> ErasureCount {
        self.erasures.current()
    }

    /// Replaces what is stored of some traces. Returns false, and stores nothing, if spans were erased since `read_at`: then the traces must
    /// be read again. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, nothing is stored.
    pub fn replace(&self, project: u64, traces: &[SearchedTrace], read_at: ErasureCount) -> Result<bool, SqliteError> {
        // Most traces have no findings, and need no transaction for writing.
        let changed = self.database.read(|transaction| {
            let mut changed = Vec::new();
            for trace in traces {
                if !trace.is_empty() || is_stored(transaction, project, trace.trace)? {
                    changed.push(trace);
                }
            }
            Ok(changed)
        })?;
        if changed.is_empty() {
            return Ok(true);
        }
        self.database.write(|transaction| {
            if self.erasure_count() != read_at {
                return Ok(false);
            }
            changed.into_iter().try_for_each(|trace| replace_trace(transaction, key(project), trace)).map(|()| true)
        })
    }

    /// Deletes what is stored of some traces. Blocks the calling thread.
    pub(super) fn delete_traces(&self, project: u64, traces: impl Iterator<Item = TraceId>) -> Result<(), SqliteError> {
        self.database.write(|transaction| traces.into_iter().try_for_each(|trace| delete_trace(transaction, key(project), trace)))
    }

    /// Returns the time before which all received spans have been searched, in microseconds since the Unix epoch; `None` if no span has been
    /// searched. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn searched_until_us(&self) -> Result<Option<i64>, SqliteError> {
        self.database.read(|transaction| transaction.query_row("SELECT searched_until_us FROM progress", [], |row| row.get(0)).optional())
    }

    /// Records the time before which all received spans have been searched. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn set_searched_until(&self, time_us: i64) -> Result<(), SqliteError> {
        let set = "INSERT INTO progress VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET searched_until_us = ?1";
        self.database.write(|transaction| transaction.execute(set, [time_us]).map(drop))
    }
}

impl SearchedTrace {
    /// Returns whether there is nothing to store about the trace.
    fn is_empty(&self) -> bool {
        self.is_searched && self.findings.is_empty() && self.wasted_cost == Usd::ZERO
    }
}

fn is_stored(transaction: &Transaction, project: u64, trace: TraceId) -> rusqlite::Result<bool> {
    let select = "SELECT 1 FROM searched_traces WHERE project = ?1 AND trace = ?2";
    transaction.prepare_cached(select)?.exists(params![key(project), trace.0.to_be_bytes()])
}

fn delete_trace(transaction: &Transaction, project: i64, trace: TraceId) -> rusqlite::Result<()> {
    for delete in
        ["DELETE FROM findings WHERE project = ?1 AND trace = ?2", "DELETE FROM searched_traces WHERE project = ?1 AND trace = ?2"]
    {
        transaction.prepare_cached(delete)?.execute(params![project, trace.0.to_be_bytes()])?;
    }
    Ok(())
}

/// Returns when each kind was first found in a trace.
fn first_discoveries(transaction: &Transaction, project: i64, trace: TraceId) -> rusqlite::Result<HashMap<String, i64>> {
    let select = "SELECT kind, min(found_us) FROM findings WHERE project = ?1 AND trace = ?2 GROUP BY kind";
    let mut select = transaction.prepare_cached(select)?;
    select.query_map(params![project, trace.0.to_be_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn replace_trace(transaction: &Transaction, project: i64, found: &SearchedTrace) -> rusqlite::Result<()> {
    let trace = found.trace.0.to_be_bytes();
    let known = first_discoveries(transaction, project, found.trace)?;
    delete_trace(transaction, project, found.trace)?;
    if found.is_empty() {
        return Ok(());
    }
    transaction.prepare_cached("INSERT INTO searched_traces VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
        project,
        trace,
        found.start_us,
        found.session,
        found.wasted_cost.0,
        found.is_searched
    ])?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO findings (project, trace, start_us, found_us, detector, kind, severity, confidence, wasted_cost, spans, explanation)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for (finding, wasted_cost) in &found.findings {
        let spans: Vec<u8> = finding.span_ids.iter().flat_map(|span| span.0.to_be_bytes()).collect();
        let explanation = serde_json::to_string(&finding.explanation).unwrap_or_default();
        insert.execute(params![
            project,
            trace,
            found.start_us,
            known.get(finding.kind.as_str()).copied().unwrap_or(found.received_us),
            finding.detector.as_str(),
            finding.kind.as_str(),
            finding.severity.as_str(),
            finding.confidence,
            wasted_cost.0,
            spans,
            explanation
        ])?;
    }
    Ok(())
}
