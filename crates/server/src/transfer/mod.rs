//! Spans as files that other tools read and that come back as they were: Parquet, a JSON object a line, or CSV, all with the columns of
//! [`SCHEMA`](hinomi_store::schema::SCHEMA).

mod cell;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::str::FromStr;

pub use read::{rows, to_lines};
pub use write::SpanFileWriter;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanFileFormat {
    /// Columns, compressed, as segments are.
    Parquet,
    /// One JSON object a line. What is unknown is left out.
    Jsonl,
    /// A line of names, then one line a span. What is unknown is empty.
    Csv,
}

impl SpanFileFormat {
    /// How names of such files end.
    pub fn extension(self) -> &'static str {
        match self {
            SpanFileFormat::Parquet => "parquet",
            SpanFileFormat::Jsonl => "jsonl",
            SpanFileFormat::Csv => "csv",
        }
    }

    /// Its media type.
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
        found.ok_or_else(|| format!("{text:?} is no format; there are parquet, jsonl and csv"))
    }
}
