//! Spans as files that other tools can read and that can be imported without loss: Parquet, JSON Lines or CSV, all with the columns of
//! [`SCHEMA`](hinomi_store::schema::SCHEMA).

mod cell;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::str::FromStr;

pub use cell::is_like_formula;
pub use read::{rows, to_json_lines};
pub use write::SpanFileWriter;

/// Format of a file of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanFileFormat {
    /// Parquet, compressed like segments.
    Parquet,
    /// One JSON object per line, without null values.
    Jsonl,
    /// A line with the column names, then one line per span. Null values are empty.
    Csv,
}

impl SpanFileFormat {
    /// Returns the file name extension.
    pub fn extension(self) -> &'static str {
        match self {
            SpanFileFormat::Parquet => "parquet",
            SpanFileFormat::Jsonl => "jsonl",
            SpanFileFormat::Csv => "csv",
        }
    }

    /// Returns the media type.
    pub fn media_type(self) -> &'static str {
        match self {
            SpanFileFormat::Parquet => "application/vnd.apache.parquet",
            SpanFileFormat::Jsonl => "application/x-ndjson",
            SpanFileFormat::Csv => "text/csv; charset=utf-8",
        }
    }
}

impl FromStr for SpanFileFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<SpanFileFormat, String> {
        let all = [SpanFileFormat::Parquet, SpanFileFormat::Jsonl, SpanFileFormat::Csv];
        let found = all.into_iter().find(|format| format.extension() == text);
        found.ok_or_else(|| format!("unknown format {text:?}; use parquet, jsonl or csv"))
    }
}
