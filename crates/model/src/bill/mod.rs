//! Bills of providers: exports of their cost and usage pages and APIs, and plain tables.
//!
//! An export becomes [`BillLine`]s, one for each day, model and service tier. Tables define the supported columns and fields (`columns`,
//! `json`). Unknown columns and fields are reported, and an invalid row does not affect other rows.

mod columns;
mod json;
mod reconcile;
mod table;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use crate::money::Usd;
pub use reconcile::{
    GapCause, GapCauseKind, ObservedModelDay, ReconciliationReport, ReconciliationRow, ReconciliationTotals, SamplingEvidence, base_model,
    reconcile,
};

/// Billed cost and usage of one day and model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BillLine {
    /// Day in UTC, as providers use it.
    pub day: Date,
    /// Provider of the bill; empty if the export does not name it.
    pub provider: String,
    /// Workspace or project at the provider; empty if there is none.
    pub account: String,
    /// Model as the bill names it; empty for costs without a model.
    pub model: String,
    /// Service tier, such as `batch`; empty for the standard tier.
    pub tier: String,
    /// Cost, if the export contains it.
    pub amount: Option<Usd>,
    /// Number of input tokens, including cached ones, if the export contains it.
    pub input_tokens: Option<u64>,
    /// Number of output tokens, if the export contains it.
    pub output_tokens: Option<u64>,
    /// Number of requests, if the export contains it.
    pub requests: Option<u64>,
}

impl BillLine {
    /// Returns the fields by which lines are summed.
    fn key(&self) -> (Date, &str, &str, &str, &str) {
        (self.day, &self.provider, &self.account, &self.model, &self.tier)
    }

    fn add(&mut self, other: &BillLine) {
        let sum = |own: &mut Option<u64>, other: Option<u64>| {
            if let Some(more) = other {
                *own = Some(own.unwrap_or(0).saturating_add(more));
            }
        };
        if let Some(more) = other.amount {
            self.amount = Some(self.amount.unwrap_or_default() + more);
        }
        sum(&mut self.input_tokens, other.input_tokens);
        sum(&mut self.output_tokens, other.output_tokens);
        sum(&mut self.requests, other.requests);
    }
}

/// Contents of an export.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BillExport {
    /// Readable name of the format.
    pub format: &'static str,
    /// One line for each day, provider, account, model and tier, in this order.
    pub lines: Vec<BillLine>,
    /// Number of rows.
    pub rows: usize,
    /// Rows that are invalid.
    pub unread: Vec<UnreadBillRow>,
    /// Columns and fields with unknown names.
    pub unknown_columns: Vec<String>,
}

/// An invalid row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnreadBillRow {
    /// Line number in a table, starting at 1 with the header; number of the result in JSON.
    pub line: u64,
    /// Reason.
    pub why: String,
}

/// Reason why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file is JSON, but not a known export.
    #[error("unknown JSON format: expected a list `data` of buckets with `results`")]
    Json,
    /// The file is invalid JSON.
    #[error("the file is not JSON: line {0}, column {1}")]
    BrokenJson(usize, usize),
    /// The table lacks a required column.
    #[error("the table has no column for the {missing}; its columns are: {found}")]
    NoColumn {
        /// Meaning of the missing column.
        missing: &'static str,
        /// Header of the table.
        found: String,
    },
    /// The file is not text.
    #[error("the file is not UTF-8 text")]
    NotText,
}

/// Reads an export of OpenAI or Anthropic, or a plain table of day, model and amount.
///
/// # Errors
///
/// Returns an error if the file is none of these.
pub fn read(bytes: &[u8]) -> Result<BillExport, BillError> {
    let text = std::str::from_utf8(bytes).map_err(|_| BillError::NotText)?;
    let text = text.trim_start_matches('\u{feff}');
    let mut export = match text.trim_start().chars().next() {
        None => return Err(BillError::Empty),
        Some('{' | '[') => json::read(text)?,
        Some(_) => table::read(text)?,
    };
    export.lines = summed(std::mem::take(&mut export.lines));
    Ok(export)
}

/// Sums lines, so that there is one for each day, provider, account, model and tier.
fn summed(mut lines: Vec<BillLine>) -> Vec<BillLine> {
    lines.sort_by(|a, b| a.key().cmp(&b.key()));
    let mut sums: Vec<BillLine> = Vec::new();
    for line in lines {
        match sums.last_mut() {
            Some(last) if last.key() == line.key() => last.add(&line),
            _ => sums.push(line),
        }
    }
    sums
}
