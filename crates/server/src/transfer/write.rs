//! Writes batches of spans as a file, in parts.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use hinomi_store::schema::{SCHEMA, written_with};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::SpanFileFormat;
use super::cell::{CellFormat, cell_format, is_like_formula, push_cell};

/// Rows of a row group, which the writer holds in memory.
const ROWS_PER_GROUP: usize = 16_384;
/// Largest compressed size of a row group, in bytes.
const GROUP_BYTES: usize = 16 << 20;

/// Bytes of a batch that are converted at a time.
const PART_BYTES: usize = 4 << 20;

/// Writes one file of spans.
#[derive(Debug)]
pub struct SpanFileWriter(SpanFileWriterKind);

#[derive(Debug)]
enum SpanFileWriterKind {
    Parquet(Box<ArrowWriter<Vec<u8>>>),
    Jsonl,
    Csv { begun: bool },
}

impl SpanFileWriter {
    /// Starts a file.
    ///
    /// # Errors
    ///
    /// Returns an error if the Parquet writer cannot be created.
    pub fn new(format: SpanFileFormat) -> Result<SpanFileWriter, ParquetError> {
        Ok(SpanFileWriter(match format {
            SpanFileFormat::Jsonl => SpanFileWriterKind::Jsonl,
            SpanFileFormat::Csv => SpanFileWriterKind::Csv { begun: false },
            SpanFileFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
                    .set_created_by(concat!("hinomi ", env!("CARGO_PKG_VERSION")).to_owned())
                    .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
                    .set_max_row_group_bytes(Some(GROUP_BYTES))
                    .build();
                SpanFileWriterKind::Parquet(Box::new(ArrowWriter::try_new_with_options(
                    Vec::new(),
                    SCHEMA.clone(),
                    written_with(properties),
                )?))
            }
        }))
    }

    /// Splits a batch into parts of at most `PART_BYTES` in memory, or of one row.
    pub fn parts(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
        let of_row = batch.get_array_memory_size() / batch.num_rows().max(1);
        let rows = (PART_BYTES / of_row.max(1)).max(1);
        (0..batch.num_rows()).step_by(rows).map(move |first| batch.slice(first, rows.min(batch.num_rows() - first)))
    }

    /// Returns the next bytes of the file. The batch must have the columns of the schema, in order.
    ///
    /// # Errors
    ///
    /// Returns an error if the Parquet writer rejects the batch.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ParquetError> {
        match &mut self.0 {
            SpanFileWriterKind::Parquet(writer) => {
                writer.write(batch)?;
                Ok(std::mem::take(writer.inner_mut()))
            }
            SpanFileWriterKind::Jsonl => Ok(lines(batch).into_bytes()),
            SpanFileWriterKind::Csv { begun } => {
                let mut text = if std::mem::replace(begun, true) { String::new() } else { header() };
                csv(batch, &mut text);
                Ok(text.into_bytes())
            }
        }
    }

    /// Returns the last bytes of the file.
    ///
    /// # Errors
    ///
    /// Returns an error if the Parquet writer fails.
    pub fn finish(self) -> Result<Vec<u8>, ParquetError> {
        match self.0 {
            SpanFileWriterKind::Parquet(writer) => writer.into_inner(),
            SpanFileWriterKind::Jsonl | SpanFileWriterKind::Csv { begun: true } => Ok(Vec::new()),
            SpanFileWriterKind::Csv { begun: false } => Ok(header().into_bytes()),
        }
    }
}

/// Returns the columns with their names and formats.
fn columns(batch: &RecordBatch) -> Vec<(&str, CellFormat, &ArrayRef)> {
    let fields = batch.schema_ref().fields().iter().zip(batch.columns());
    fields.map(|(field, array)| (field.name().as_str(), cell_format(field.name(), field.data_type()), array)).collect()
}

/// Returns the rows as JSON objects, one per line.
pub(super) fn lines(batch: &RecordBatch) -> String {
    let columns = columns(batch);
    let mut out = String::new();
    let mut value = String::new();
    for row in 0..batch.num_rows() {
        out.push('{');
        let mut first = true;
        for (name, form, array) in &columns {
            value.clear();
            if !push_cell(array, row, &mut value) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            out.push('"');
            out.push_str(name);
            out.push_str("\":");
            match form {
                CellFormat::Text | CellFormat::Time => out.push_str(&quoted(&value)),
                CellFormat::Json | CellFormat::Bare => out.push_str(&value),
            }
        }
        out.push_str("}\n");
    }
    out
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn header() -> String {
    let names: Vec<&str> = SCHEMA.fields().iter().map(|field| field.name().as_str()).collect();
    names.join(",") + "\n"
}

fn csv(batch: &RecordBatch, out: &mut String) {
    let mut value = String::new();
    for row in 0..batch.num_rows() {
        for (index, array) in batch.columns().iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            value.clear();
            push_cell(array, row, &mut value);
            let is_plain = matches!(
                array.data_type(),
                DataType::Int64 | DataType::Float64 | DataType::Boolean | DataType::Timestamp(..) | DataType::Decimal128(..)
            );
            if !is_plain && is_like_formula(&value) {
                value.insert(0, '\'');
            }
            if is_plain || !value.contains(['"', ',', '\n', '\r']) {
                out.push_str(&value);
            } else {
                out.push('"');
                out.push_str(&value.replace('"', "\"\""));
                out.push('"');
            }
        }
        out.push('\n');
    }
}
