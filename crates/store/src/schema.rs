//! The columns of a stored span: the common schema of memtables and segments.
//!
//! Texts are Arrow string views in memory and plain strings in files, token counts are 64-bit integers, costs are exact decimals with
//! twelve places, times are microseconds in UTC. IDs are lower-case hex digits, as in the page, so any tool that reads a segment can find
//! them.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::properties::WriterProperties;

/// Type of costs: below a million dollars per span, in units of 10^-12.
pub const MONEY: DataType = DataType::Decimal128(18, 12);

/// Returns the type of times.
fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns the options for writing a Parquet file with these columns: without the embedded Arrow schema, which adds no information to the
/// Parquet schema. The Arrow schema would declare texts as string views, which pyarrow and tools that use pyarrow cannot filter.
pub fn written_with(properties: WriterProperties) -> ArrowWriterOptions {
    ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true)
}

/// Returns the columns of a file with texts as string views: files declare texts as plain strings or, in older files, as views.
pub(super) fn with_views(found: &Schema) -> Schema {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => field.clone(),
    };
    Schema::new(found.fields().iter().map(field).collect::<Vec<_>>())
}

/// All columns in order. New columns are added at the end, and columns never change their meaning.
pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    use DataType::{Boolean, Float64, Int64, Utf8View};
    let required = |name: &str, data_type: DataType| Field::new(name, data_type, false);
    let optional = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        required("project_id", Int64),
        required("trace_id", Utf8View),
        required("span_id", Utf8View),
        optional("parent_span_id", Utf8View),
        required("start_time", time()),
        required("end_time", time()),
        // Null if no report says how long the span took.
        optional("duration_us", Int64),
        required("received_at", time()),
        required("clock_shift_us", Int64),
        required("name", Utf8View),
        required("op", Utf8View),
        required("kind", Utf8View),
        optional("operation", Utf8View),
        optional("origin", Utf8View),
        optional("provider", Utf8View),
        required("provider_inferred", Boolean),
        // The model to show: `response_model`, else `request_model`.
        optional("model", Utf8View),
        optional("request_model", Utf8View),
        optional("response_model", Utf8View),
        required("status", Utf8View),
        optional("status_detail", Utf8View),
        optional("time_to_first_token_us", Int64),
        optional("streaming", Boolean),
        // Sums over buckets: all input, all output, and the total as sent or else input plus output.
        optional("input_tokens", Int64),
        optional("output_tokens", Int64),
        optional("total_tokens", Int64),
        // Exclusive buckets.
        optional("usage_input", Int64),
        optional("usage_cache_read", Int64),
        optional("usage_cache_write_5m", Int64),
        optional("usage_cache_write_1h", Int64),
        optional("usage_input_audio", Int64),
        optional("usage_output", Int64),
        optional("usage_reasoning", Int64),
        optional("usage_output_audio", Int64),
        optional("usage_source", Utf8View),
        optional("cost", MONEY),
        optional("cost_input", MONEY),
        optional("cost_output", MONEY),
        optional("cost_source", Utf8View),
        optional("cost_price", Utf8View),
        optional("client_cost", MONEY),
        required("counted", Boolean),
        // A sentence of earlier versions, not written any more: see `rows::legacy`.
        optional("not_counted_because", Utf8View),
        optional("session_id", Utf8View),
        optional("user_id", Utf8View),
        optional("environment", Utf8View),
        optional("release", Utf8View),
        optional("service", Utf8View),
        optional("pipeline", Utf8View),
        required("is_run", Boolean),
        optional("agent", Utf8View),
        optional("tool", Utf8View),
        optional("tool_call_id", Utf8View),
        optional("prompt", Utf8View),
        optional("prompt_version", Utf8View),
        optional("response_id", Utf8View),
        optional("sdk_name", Utf8View),
        optional("sdk_version", Utf8View),
        optional("thread", Utf8View),
        // First 200 characters of the last user message and of the answer.
        optional("input_preview", Utf8View),
        optional("output_preview", Utf8View),
        // JSON texts; null if empty.
        optional("finish_reasons", Utf8View),
        optional("tags", Utf8View),
        optional("input_messages", Utf8View),
        optional("output_messages", Utf8View),
        optional("tool_definitions", Utf8View),
        optional("attributes", Utf8View),
        optional("reading", Utf8View),
        // What the span alone says (JSON of a `dedup::SpanDecision`) if its trace decides otherwise; null if both agree.
        optional("local_decision", Utf8View),
        // State of a span that was joined from partial spans (JSON of a `partial_spans::PartialSpanState`); null for others.
        optional("joined", Utf8View),
        // More exclusive buckets of tokens, and other units that are charged.
        optional("usage_input_image", Int64),
        optional("usage_output_image", Int64),
        optional("usage_web_searches", Int64),
        optional("usage_images", Int64),
        // Location of another report of the same call (JSON of a `duplicate_reports::DuplicateReport`); null for nearly all spans.
        optional("also_reported", Utf8View),
        // Name of the ingest key, and the sample rate that the client reports.
        optional("ingest_key", Utf8View),
        optional("sample_rate", Float64),
        // Readable name, if the span's name is a template.
        optional("title", Utf8View),
        // Exclusion reason, and the span that is counted instead; the trace is null if it is the span's own.
        optional("exclusion_kind", Utf8View),
        optional("exclusion_span_id", Utf8View),
        optional("exclusion_trace_id", Utf8View),
        // Cause of a failed call.
        optional("failure", Utf8View),
        // Units other than tokens that speech and rerankings are charged for.
        optional("usage_characters", Int64),
        optional("usage_audio_ms", Int64),
        optional("usage_rerank_units", Int64),
        // Origin of the times, if they are not as sent.
        optional("time_source", Utf8View),
    ]))
});
