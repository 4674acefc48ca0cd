//! What providers say that a day cost: exports of their cost and usage pages and interfaces, and plain tables.
//!
//! An export becomes [`BillLine`]s, one for each day, model and tier. Which columns and fields are read stands in tables (`columns`,
//! `json`); what has another name is said, and a row that cannot be read costs only itself.

mod columns;
mod json;
mod reconcile;
mod table;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use serde::Serialize;

use crate::money::Usd;
pub use reconcile::{
    GapCause, ObservedModelDay, ReconciliationReport, ReconciliationRow, ReconciliationTotals, SamplingEvidence, base_model, reconcile,
};

/// What a provider says of one day and model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BillLine {
    /// The day, in UTC, as providers count them.
    pub day: Date,
    /// Whose bill it is; empty where the export does not tell.
    pub provider: String,
    /// The workspace or project at the provider; empty where there is none.
    pub account: String,
    /// The model as the bill names it; empty for what is of no model.
    pub model: String,
    /// The tier of service, such as `batch`; empty for the usual one.
    pub tier: String,
    /// What it cost, where the export tells of cost.
    pub amount: Option<Usd>,
    /// All input tokens, where it tells of usage.
    pub input_tokens: Option<u64>,
    /// All output tokens.
    pub output_tokens: Option<u64>,
    /// Requests.
    pub requests: Option<u64>,
}

impl BillLine {
    /// What lines are summed by.
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

/// What was read of an export.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BillExport {
    /// What it is, for a person.
    pub format: &'static str,
    /// One line for each day, provider, account, model and tier, in this order.
    pub lines: Vec<BillLine>,
    /// Rows that it has.
    pub rows: usize,
    /// Rows that cannot be read.
    pub unread: Vec<UnreadBillRow>,
    /// Columns and fields that nothing is known of.
    pub unknown_columns: Vec<String>,
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadBillRow {
    /// Where it stands: the line of a table, from 1 with its head; the number of a result in JSON.
    pub line: u64,
    /// Why.
    pub why: String,
}

/// Why nothing of a file can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// It is empty.
    #[error("the file is empty")]
    Empty,
    /// JSON, but of no export.
    #[error("the JSON is none of the exports that are known: it needs a list `data` of buckets with `results`")]
    Json,
    /// Broken JSON.
    #[error("the file is not JSON: line {0}, column {1}")]
    BrokenJson(usize, usize),
    /// A table without what is needed.
    #[error("the table has no column for the {missing}; its columns are: {found}")]
    NoColumn {
        /// What is missing.
        missing: &'static str,
        /// The head as it stands there.
        found: String,
    },
    /// Not text.
    #[error("the file is not text in UTF-8")]
    NotText,
}

/// Reads an export of OpenAI or Anthropic, or a plain table of day, model and amount.
///
/// # Errors
///
/// When it is none of these as a whole.
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

/// One line for each day, provider, account, model and tier.
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
