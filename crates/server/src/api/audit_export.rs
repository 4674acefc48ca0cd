//! The audit log as a file: JSON Lines or CSV.

use std::io;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hinomi_tables::audit_log::{AuditFilter, AuditLog};

use super::audit::AuditEntryView;
use super::streaming::streamed_body;
use crate::transfer::is_like_formula;

/// Entries that are read at a time.
const ENTRIES_PER_CHUNK: usize = 1000;

/// Columns of the CSV file.
const COLUMNS: [&str; 10] =
    ["sequence", "time", "account_id", "actor", "credential", "action", "object", "project_id", "address", "details"];

/// File format of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuditFileFormat {
    /// One JSON object per line.
    Jsonl,
    /// A line with the names of the columns, then one line per entry. No cell is a formula for a spreadsheet.
    Csv,
}

impl FromStr for AuditFileFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<AuditFileFormat, String> {
        match text {
            "jsonl" | "ndjson" => Ok(AuditFileFormat::Jsonl),
            "csv" => Ok(AuditFileFormat::Csv),
            _ => Err(format!("unknown format {text:?}; use json, jsonl or csv")),
        }
    }
}

impl AuditFileFormat {
    fn media_type(self) -> &'static str {
        match self {
            AuditFileFormat::Jsonl => "application/x-ndjson",
            AuditFileFormat::Csv => "text/csv; charset=utf-8",
        }
    }

    fn file_name(self) -> &'static str {
        match self {
            AuditFileFormat::Jsonl => "audit-log.jsonl",
            AuditFileFormat::Csv => "audit-log.csv",
        }
    }

    /// Returns the first line of a file.
    fn header(self) -> Vec<u8> {
        match self {
            AuditFileFormat::Jsonl => Vec::new(),
            AuditFileFormat::Csv => format!("{}\n", COLUMNS.join(",")).into_bytes(),
        }
    }

    fn write(self, entries: &[AuditEntryView]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        match self {
            AuditFileFormat::Jsonl => {
                for entry in entries {
                    serde_json::to_writer(&mut out, entry)?;
                    out.push(b'\n');
                }
            }
            AuditFileFormat::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(&mut out);
                for entry in entries {
                    writer.write_record(entry.cells().map(without_formula))?;
                }
                writer.flush()?;
            }
        }
        Ok(out)
    }
}

/// Puts a quote before a text that a spreadsheet would execute.
fn without_formula(cell: String) -> String {
    if is_like_formula(&cell) { format!("'{cell}") } else { cell }
}

/// Position in a file that is being sent.
struct AuditFileState {
    log: Arc<AuditLog>,
    filter: AuditFilter,
    /// Entries that are still wanted; `None` for all.
    left: Option<usize>,
    has_ended: bool,
}

/// Returns a response with all entries of a filter, the newest first.
pub(super) fn file_response(log: Arc<AuditLog>, filter: AuditFilter, limit: Option<usize>, format: AuditFileFormat) -> Response {
    let state = AuditFileState { log, filter, left: limit, has_ended: false };
    let chunks = futures::stream::unfold(state, move |state| async move {
        let (chunk, next) = tokio::task::spawn_blocking(move || next_chunk(state, format)).await.ok()??;
        Some((chunk, next))
    });
    let header = futures::stream::once(async move { Ok(Bytes::from(format.header())) });
    let mut response = streamed_body(futures::StreamExt::chain(header, chunks)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", format.file_name())) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// Reads the next entries. An error cuts the response off, so that the client sees that the file is incomplete.
fn next_chunk(mut state: AuditFileState, format: AuditFileFormat) -> Option<(io::Result<Bytes>, AuditFileState)> {
    let wanted = state.left.map_or(ENTRIES_PER_CHUNK, |left| left.min(ENTRIES_PER_CHUNK));
    if state.has_ended || wanted == 0 {
        return None;
    }
    let read = state.log.entries(&state.filter, wanted).map_err(io::Error::other);
    let entries = match read {
        Ok(entries) => entries,
        Err(error) => {
            tracing::error!(%error, "api.audit.export_failed");
            state.has_ended = true;
            return Some((Err(error), state));
        }
    };
    state.has_ended = entries.len() < wanted;
    state.left = state.left.map(|left| left - entries.len());
    state.filter.before = entries.last().map(|entry| entry.sequence).or(state.filter.before);
    let views: Vec<AuditEntryView> = entries.into_iter().map(AuditEntryView::of).collect();
    Some((format.write(&views).map(Bytes::from), state))
}
