//! Findings of traces, in their own database.
//!
//! The findings of a trace are replaced as a whole whenever the trace is searched again. They contain no text of messages: evidence is read
//! from the spans when a trace is opened. Findings are derived data. Until the database is deleted or restored from an older backup, they
//! correspond to the spans that were received before [`FindingStore::searched_until_us`].

mod figures;
mod list;
mod retention;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;

use hinomi_model::finding::{FindingDetector, FindingExplanation, FindingKind, FindingSeverity, SignalFinding};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;

use crate::database::{PooledDatabase, SqliteError};
use crate::retained_rows::ErasureCounter;

pub use figures::{FindingFigures, FindingKindFigures};
pub use list::{FindingListQuery, FindingPage, FoundSpans};
pub use schema::FORMAT;

/// File name of the database.
const DATABASE: &str = "findings.db";

/// The findings of all projects.
#[derive(Debug)]
pub struct FindingStore {
    database: PooledDatabase,
    /// Number of erasures. Findings of spans that were read before an erasure are not stored after it.
    erasures: ErasureCounter,
}

impl FindingStore {
    /// Opens the findings in a data directory: `findings.db`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<FindingStore, SqliteError> {
        Ok(FindingStore {
            database: PooledDatabase::open_pool(dir.join(DATABASE), schema::MIGRATIONS)?,
            erasures: ErasureCounter::default(),
        })
    }
}

/// A trace and what was found in it.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchedTrace {
    /// ID of the trace.
    pub trace: TraceId,
    /// Start of the trace in microseconds since the Unix epoch.
    pub start_us: i64,
    /// Reception of the last span in microseconds since the Unix epoch.
    pub received_us: i64,
    /// ID of the conversation.
    pub session: Option<String>,
    /// False for a trace that is too large to be searched.
    pub is_searched: bool,
    /// Cost that the trace wasted.
    pub wasted_cost: Usd,
    /// Findings, each with the cost that it wasted.
    pub findings: Vec<(SignalFinding, Usd)>,
}

/// A stored finding.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredFinding {
    /// ID of the trace.
    pub trace: TraceId,
    /// Start of the trace in microseconds since the Unix epoch.
    pub start_us: i64,
    /// Detector that made the finding.
    pub detector: FindingDetector,
    /// Kind of the finding.
    pub kind: FindingKind,
    /// Severity of the finding.
    pub severity: FindingSeverity,
    /// Confidence from 0 to 1. It orders findings and is not a calibrated probability.
    pub confidence: f64,
    /// Cost that the finding wasted.
    pub wasted_cost: Usd,
    /// IDs of the spans that show the fault, in order of time.
    pub span_ids: Vec<SpanId>,
    /// Reason of the finding.
    pub explanation: FindingExplanation,
}

/// Returns a project ID as SQLite stores it.
fn key(project: u64) -> i64 {
    i64::try_from(project).unwrap_or(i64::MAX)
}
