//! Reads spans from files.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema};
use hinomi_store::rows::{SpanRow, from_batch};
use hinomi_store::schema::SCHEMA;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::value::RawValue;

use super::SpanFileFormat;
use super::cell::{CellFormat, TextColumnBuilder, cell_format, is_like_formula};
use super::write::lines;

/// Columns that every span needs.
const REQUIRED_COLUMNS: [&str; 4] = ["trace_id", "span_id", "start_time", "end_time"];
/// Rows of a Parquet file that are read at a time.
const PARQUET_BATCH_ROWS: usize = 512;

/// Reads spans from lines of JSON objects. Unknown columns are ignored; `first` is the number of the first line.
///
/// # Errors
///
/// Returns a message with the line, the column and the reason if a value cannot be read.
pub fn rows(text: &str, first: usize) -> Result<Vec<SpanRow>, String> {
    let mut columns: Vec<(&str, CellFormat, TextColumnBuilder)> = SCHEMA
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), cell_format(field.name(), field.data_type()), TextColumnBuilder::of(field.data_type())))
        .collect();
    for (number, line) in (first..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let mut values: HashMap<String, Box<RawValue>> =
            serde_json::from_str(line).map_err(|error| format!("line {number} is not a JSON object: {error}"))?;
        values.retain(|_, value| value.get() != "null");
        for name in REQUIRED_COLUMNS {
            if !values.contains_key(name) {
                return Err(format!("line {number}: {name} is missing"));
            }
        }
        for (name, form, column) in &mut columns {
            let wrong = |wanted: &str| format!("line {number}: {name} is not {wanted}");
            let raw = values.get(*name).map(|value| value.get());
            let text: Option<String> = match (raw, form) {
                (Some(raw), CellFormat::Text | CellFormat::Time) => Some(serde_json::from_str(raw).map_err(|_| wrong("a text"))?),
                (raw, _) => raw.map(str::to_owned),
            };
            if let Some(text) = text.as_deref().filter(|_| matches!(*name, "trace_id" | "span_id"))
                && !is_id(text, if *name == "trace_id" { 32 } else { 16 })
            {
                return Err(wrong("an ID of hex digits that are not all zero"));
            }
            column.add(text.as_deref()).map_err(wrong)?;
        }
    }
    let fields: Vec<Field> = SCHEMA.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let arrays = columns.into_iter().map(|(.., column)| column.finish()).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| error.to_string())?;
    Ok(from_batch(&batch))
}

fn is_id(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.bytes().any(|byte| byte != b'0')
}

/// Reads a file of any format. Calls `work` with a few hundred spans at a time, as lines of JSON objects, and with the fraction of the file
/// that has been read.
///
/// # Errors
///
/// Returns an error if the file cannot be read, with the row; or the error of `work`.
pub fn to_json_lines(path: &Path, mut work: impl FnMut(&str, f64) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let name = path.display();
    let mut file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    let length = file.metadata()?.len().max(1);
    let mut start = [0; 4];
    let read = file.read(&mut start)?;
    file.rewind()?;
    match format(path, &start[..read]) {
        SpanFileFormat::Parquet => parquet(file, work).with_context(|| format!("cannot read {name}")),
        SpanFileFormat::Jsonl => {
            let mut reader = BufReader::new(file);
            let (mut piece, mut done, mut count) = (String::new(), 0, 0);
            loop {
                let read = reader.read_line(&mut piece).with_context(|| format!("{name}: after line {count}"))?;
                (done, count) = (done + read as u64, count + 1);
                if read == 0 || piece.len() >= CHUNK_BYTES {
                    if !piece.is_empty() {
                        work(&piece, done as f64 / length as f64)?;
                    }
                    piece.clear();
                }
                if read == 0 {
                    return Ok(());
                }
            }
        }
        SpanFileFormat::Csv => table(file, length, work).with_context(|| format!("cannot read {name}")),
    }
}

/// Bytes of lines that are passed to `work` at a time.
const CHUNK_BYTES: usize = 2 << 20;

/// Returns the format of a file according to its first bytes, or to its name if it is empty.
fn format(path: &Path, start: &[u8]) -> SpanFileFormat {
    match start {
        b"PAR1" => SpanFileFormat::Parquet,
        [b'{', ..] => SpanFileFormat::Jsonl,
        [] if path.extension().is_some_and(|extension| extension == "jsonl") => SpanFileFormat::Jsonl,
        _ => SpanFileFormat::Csv,
    }
}

fn parquet(file: File, mut work: impl FnMut(&str, f64) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let all = builder.metadata().file_metadata().num_rows().max(1) as f64;
    let mut done = 0;
    for batch in builder.with_batch_size(PARQUET_BATCH_ROWS).build()? {
        let batch = batch?;
        done += batch.num_rows();
        // The file may be from another tool, with other types for the same columns.
        let found = SCHEMA.fields().iter().filter_map(|field| Some((field, batch.column_by_name(field.name())?)));
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for (field, array) in found {
            arrays.push(cast(array, field.data_type()).with_context(|| format!("column {}", field.name()))?);
            fields.push(field.as_ref().clone().with_nullable(true));
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
        work(&lines(&batch), done as f64 / all)?;
    }
    Ok(())
}

fn table(file: File, length: u64, mut work: impl FnMut(&str, f64) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut reader = csv::Reader::from_reader(BufReader::new(file));
    let names = reader.headers()?.clone();
    let forms: Vec<Option<CellFormat>> =
        names.iter().map(|name| SCHEMA.field_with_name(name).ok().map(|field| cell_format(name, field.data_type()))).collect();
    if let Some(missing) = REQUIRED_COLUMNS.iter().find(|needed| !names.iter().any(|name| name == **needed)) {
        bail!("the first line has no column {missing}");
    }
    let mut piece = String::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let mut fields = Vec::new();
        for ((name, form), value) in names.iter().zip(&forms).zip(&record).filter(|(_, value)| !value.is_empty()) {
            let Some(form) = form else { continue };
            // Removes the quote that prevents a spreadsheet from interpreting a text as a formula. JSON of a negative number has it too.
            let bare = value.strip_prefix('\'').filter(|_| matches!(form, CellFormat::Text | CellFormat::Json) && is_like_formula(value));
            let value = bare.unwrap_or(value);
            let value = match form {
                CellFormat::Text | CellFormat::Time => serde_json::Value::from(value).to_string(),
                CellFormat::Json | CellFormat::Bare => value.to_owned(),
            };
            fields.push(format!("\"{name}\":{value}"));
        }
        let line = format!("{{{}}}", fields.join(","));
        if let Err(error) = serde_json::from_str::<HashMap<&str, &RawValue>>(&line) {
            bail!("line {}: invalid value: {error}", record.position().map_or(0, csv::Position::line));
        }
        // A value with line breaks would be read as several spans.
        piece += &line.replace(['\n', '\r'], " ");
        piece.push('\n');
        if piece.len() >= CHUNK_BYTES {
            work(&piece, reader.position().byte() as f64 / length as f64)?;
            piece.clear();
        }
    }
    if !piece.is_empty() {
        work(&piece, 1.0)?;
    }
    Ok(())
}
