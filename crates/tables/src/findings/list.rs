//! Lists of findings, and the findings of traces.

use std::collections::{HashMap, HashSet};

use hinomi_model::finding::{FindingDetector, FindingKind, FindingSeverity};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use rusqlite::{Row, params};

use super::{FindingStore, StoredFinding, key};
use crate::database::SqliteError;

/// Columns that [`read_row`] reads, in this order.
pub(super) const FINDING_COLUMNS: &str = "trace, start_us, detector, kind, severity, confidence, wasted_cost, spans, explanation, row";

/// Maximum number of findings of each trace in a list of traces.
const MAX_FINDINGS_PER_LISTED_TRACE: usize = 20;

/// Selects findings. Those of the newest traces come first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingListQuery {
    /// Only findings of this kind.
    pub kind: Option<FindingKind>,
    /// Only findings of this detector.
    pub detector: Option<FindingDetector>,
    /// Range of the start of the trace in microseconds since the Unix epoch: start inclusive, end exclusive.
    pub times_us: (i64, i64),
    /// Cursor of the previous page.
    pub after: Option<(i64, i64)>,
    /// Maximum number of findings.
    pub limit: usize,
}

/// A page of findings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FindingPage {
    /// Findings, those of the newest traces first.
    pub findings: Vec<StoredFinding>,
    /// Cursor of the next page: start of the trace and number of the row; `None` if there is none.
    pub next: Option<(i64, i64)>,
}

/// Spans that a finding names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSpans {
    /// ID of the trace.
    pub trace: TraceId,
    /// Name of the detector.
    pub detector: String,
    /// Name of the kind.
    pub kind: String,
    /// IDs of the spans.
    pub spans: Vec<SpanId>,
}

impl FindingStore {
    /// Returns one page of findings. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn list_findings(&self, project: u64, query: &FindingListQuery) -> Result<FindingPage, SqliteError> {
        let (from_us, to_us) = query.times_us;
        let (after_us, after_row) = query.after.unwrap_or((i64::MAX, i64::MAX));
        let (kind, detector) = (query.kind.map(FindingKind::as_str), query.detector.map(FindingDetector::as_str));
        self.database.read(|transaction| {
            let mut select = transaction.prepare_cached(&format!(
                "SELECT {FINDING_COLUMNS} FROM findings WHERE project = ?1 AND start_us >= ?2 AND start_us < ?3
                 AND (start_us, row) < (?4, ?5) AND (?6 IS NULL OR kind = ?6) AND (?7 IS NULL OR detector = ?7)
                 ORDER BY start_us DESC, row DESC LIMIT ?8"
            ))?;
            let selected = params![key(project), from_us, to_us, after_us, after_row, kind, detector, query.limit as i64 + 1];
            let mut rows = select.query_map(selected, read_row)?.collect::<Result<Vec<_>, _>>()?;
            let is_last = rows.len() <= query.limit;
            rows.truncate(query.limit);
            let next = rows.last().filter(|_| !is_last).map(|(finding, row)| (finding.start_us, *row));
            Ok(FindingPage { findings: rows.into_iter().map(|(finding, _)| finding).collect(), next })
        })
    }

    /// Returns the most severe findings of each trace of a list, at most 20 for each trace. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn findings_of_traces(&self, project: u64, traces: &[TraceId]) -> Result<HashMap<TraceId, Vec<StoredFinding>>, SqliteError> {
        self.database.read(|transaction| {
            let mut select = transaction.prepare_cached(&format!(
                "SELECT {FINDING_COLUMNS} FROM findings WHERE project = ?1 AND trace = ?2 ORDER BY row LIMIT ?3"
            ))?;
            let mut found = HashMap::new();
            for trace in traces {
                let selected = params![key(project), trace.0.to_be_bytes(), MAX_FINDINGS_PER_LISTED_TRACE as i64];
                let rows = select.query_map(selected, read_row)?.map(|row| row.map(|(finding, _)| finding));
                let rows = rows.collect::<Result<Vec<_>, _>>()?;
                if !rows.is_empty() {
                    found.insert(*trace, rows);
                }
            }
            Ok(found)
        })
    }

    /// Returns the spans that findings name, of the findings whose detector and kind `selects` accepts; at most `limit` findings. Blocks
    /// the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn spans_with(
        &self,
        project: u64,
        selects: impl Fn(&str, &str) -> bool,
        limit: usize,
    ) -> Result<HashSet<(TraceId, SpanId)>, SqliteError> {
        self.database.read(|transaction| {
            let mut select = transaction.prepare_cached("SELECT trace, spans, detector, kind FROM findings WHERE project = ?1")?;
            let mut rows = select.query(params![key(project)])?;
            let mut found = HashSet::new();
            let mut count = 0;
            while let Some(row) = rows.next()? {
                if !selects(row.get_ref(2)?.as_str()?, row.get_ref(3)?.as_str()?) {
                    continue;
                }
                count += 1;
                if count > limit {
                    break;
                }
                let trace = TraceId(u128::from_be_bytes(row.get(0)?));
                found.extend(span_ids(row.get_ref(1)?.as_blob()?).map(|span| (trace, span)));
            }
            Ok(found)
        })
    }

    /// Returns the spans that findings name which were found between two times, in microseconds since the Unix epoch; of at most `limit`
    /// findings, with detector and kind. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn spans_found(&self, project: u64, (from_us, to_us): (i64, i64), limit: usize) -> Result<Vec<FoundSpans>, SqliteError> {
        self.database.read(|transaction| {
            let mut select = transaction.prepare_cached(
                "SELECT trace, detector, kind, spans FROM findings WHERE project = ?1 AND found_us >= ?2 AND found_us < ?3 LIMIT ?4",
            )?;
            let found = |row: &Row| {
                Ok(FoundSpans {
                    trace: TraceId(u128::from_be_bytes(row.get(0)?)),
                    detector: row.get(1)?,
                    kind: row.get(2)?,
                    spans: span_ids(row.get_ref(3)?.as_blob()?).collect(),
                })
            };
            select.query_map(params![key(project), from_us, to_us, limit as i64], found)?.collect()
        })
    }

    /// Returns the wasted cost of traces at their last search; `None` for a trace that is too large to be searched. Traces without findings
    /// and wasted cost are missing. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn wasted_costs(&self, project: u64, traces: &[TraceId]) -> Result<HashMap<TraceId, Option<Usd>>, SqliteError> {
        self.database.read(|transaction| {
            let select = "SELECT wasted_cost, is_searched FROM searched_traces WHERE project = ?1 AND trace = ?2";
            let mut select = transaction.prepare_cached(select)?;
            let mut found = HashMap::new();
            for trace in traces {
                let cost = |row: &Row| Ok(row.get::<_, bool>(1)?.then_some(Usd(row.get(0)?)));
                for cost in select.query_map(params![key(project), trace.0.to_be_bytes()], cost)? {
                    found.insert(*trace, cost?);
                }
            }
            Ok(found)
        })
    }
}

fn span_ids(bytes: &[u8]) -> impl Iterator<Item = SpanId> {
    bytes.as_chunks::<8>().0.iter().map(|id| SpanId(u64::from_be_bytes(*id)))
}

/// Reads a finding and the number of its row.
pub(super) fn read_row(row: &Row) -> rusqlite::Result<(StoredFinding, i64)> {
    let unknown = |column: usize, name: &str| {
        let reason = format!("unknown value {name}");
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, reason.into())
    };
    let name = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let (detector, kind, severity, explanation) = (name(2)?, name(3)?, name(4)?, name(8)?);
    let finding = StoredFinding {
        trace: TraceId(u128::from_be_bytes(row.get(0)?)),
        start_us: row.get(1)?,
        detector: FindingDetector::from_name(detector).ok_or_else(|| unknown(2, detector))?,
        kind: FindingKind::from_name(kind).ok_or_else(|| unknown(3, kind))?,
        severity: FindingSeverity::from_name(severity).ok_or_else(|| unknown(4, severity))?,
        confidence: row.get(5)?,
        wasted_cost: Usd(row.get(6)?),
        span_ids: span_ids(row.get_ref(7)?.as_blob()?).collect(),
        explanation: serde_json::from_str(explanation).map_err(|_| unknown(8, explanation))?,
    };
    Ok((finding, row.get(9)?))
}
