//! Figures of findings by kind.

use std::collections::{BTreeMap, HashSet};

use hinomi_model::finding::{FindingDetector, FindingKind, FindingSeverity};
use hinomi_model::id::TraceId;
use hinomi_model::money::Usd;
use rusqlite::params;

use super::list::{FINDING_COLUMNS, read_row};
use super::{FindingStore, StoredFinding, key};
use crate::database::SqliteError;

/// Maximum number of examples of a kind.
const MAX_EXAMPLES: usize = 3;

/// Figures of the findings in a period.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FindingFigures {
    /// Figures by kind.
    pub kinds: BTreeMap<FindingKind, FindingKindFigures>,
    /// Cost that the traces wasted, including failed calls that belong to no finding.
    pub wasted_cost: Usd,
    /// Number of traces with findings.
    pub traces: u64,
    /// Number of traces that were too large to be searched.
    pub unsearched_traces: u64,
}

/// Figures of the findings of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingKindFigures {
    /// Detector that made the findings.
    pub detector: FindingDetector,
    /// Highest severity of the findings.
    pub severity: FindingSeverity,
    /// Number of findings.
    pub findings: u64,
    /// Number of traces with such a finding.
    pub traces: u64,
    /// Cost that the findings wasted.
    pub wasted_cost: Usd,
    /// Number of traces by bucket of time.
    pub buckets: Vec<u64>,
    /// Examples of the newest traces.
    pub examples: Vec<StoredFinding>,
}

impl FindingStore {
    /// Returns the figures of the findings of a period, in microseconds since the Unix epoch: start inclusive, end exclusive. The period has
    /// buckets of `bucket_us`. `among`: only these traces. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn finding_figures(
        &self,
        project: u64,
        (from_us, to_us): (i64, i64),
        bucket_us: i64,
        among: Option<&HashSet<TraceId>>,
    ) -> Result<FindingFigures, SqliteError> {
        let is_wanted = |trace: &TraceId| among.is_none_or(|among| among.contains(trace));
        let bucket_us = bucket_us.max(1);
        let buckets = usize::try_from((to_us.saturating_sub(from_us).max(0) as u64).div_ceil(bucket_us as u64)).unwrap_or(0);
        self.database.read(|transaction| {
            let mut figures = FindingFigures::default();
            let mut seen: HashSet<TraceId> = HashSet::new();
            let mut seen_of_kind: HashSet<(FindingKind, TraceId)> = HashSet::new();
            let mut select = transaction.prepare_cached(&format!(
                "SELECT {FINDING_COLUMNS} FROM findings WHERE project = ?1 AND start_us >= ?2 AND start_us < ?3
                 ORDER BY start_us DESC, row DESC"
            ))?;
            for row in select.query_map(params![key(project), from_us, to_us], read_row)? {
                let (finding, _) = row?;
                if !is_wanted(&finding.trace) {
                    continue;
                }
                seen.insert(finding.trace);
                let kind = figures.kinds.entry(finding.kind).or_insert_with(|| FindingKindFigures::new(&finding, buckets));
                kind.findings += 1;
                kind.severity = kind.severity.max(finding.severity);
                kind.wasted_cost += finding.wasted_cost;
                if seen_of_kind.insert((finding.kind, finding.trace)) {
                    kind.traces += 1;
                    let bucket = usize::try_from(finding.start_us.saturating_sub(from_us) / bucket_us).unwrap_or(0);
                    if let Some(count) = kind.buckets.get_mut(bucket) {
                        *count += 1;
                    }
                    if kind.examples.len() < MAX_EXAMPLES {
                        kind.examples.push(finding);
                    }
                }
            }
            figures.traces = seen.len() as u64;
            let mut select = transaction.prepare_cached(
                "SELECT trace, wasted_cost, is_searched FROM searched_traces WHERE project = ?1 AND start_us >= ?2 AND start_us < ?3",
            )?;
            let mut rows = select.query(params![key(project), from_us, to_us])?;
            while let Some(row) = rows.next()? {
                if is_wanted(&TraceId(u128::from_be_bytes(row.get(0)?))) {
                    figures.wasted_cost += Usd(row.get(1)?);
                    figures.unsearched_traces += u64::from(!row.get::<_, bool>(2)?);
                }
            }
            Ok(figures)
        })
    }

    /// Returns the earliest start of a trace with findings, in microseconds since the Unix epoch. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn oldest_start_us(&self, project: u64) -> Result<Option<i64>, SqliteError> {
        let select = "SELECT min(start_us) FROM searched_traces WHERE project = ?1";
        self.database.read(|transaction| transaction.query_row(select, params![key(project)], |row| row.get(0)))
    }

    /// Returns the traces of a period that have stored findings, wasted cost, or are too large to be searched; at most `limit`, the newest
    /// first. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn notable_traces(&self, project: u64, (from_us, to_us): (i64, i64), limit: usize) -> Result<Vec<TraceId>, SqliteError> {
        self.database.read(|transaction| {
            let select = "SELECT trace FROM searched_traces WHERE project = ?1 AND start_us >= ?2 AND start_us < ?3
                          ORDER BY start_us DESC LIMIT ?4";
            let mut select = transaction.prepare_cached(select)?;
            let trace = |row: &rusqlite::Row| Ok(TraceId(u128::from_be_bytes(row.get(0)?)));
            select.query_map(params![key(project), from_us, to_us, limit as i64], trace)?.collect()
        })
    }
}

impl FindingKindFigures {
    fn new(finding: &StoredFinding, buckets: usize) -> FindingKindFigures {
        FindingKindFigures {
            detector: finding.detector,
            severity: finding.severity,
            findings: 0,
            traces: 0,
            wasted_cost: Usd::ZERO,
            buckets: vec![0; buckets],
            examples: Vec::new(),
        }
    }
}
