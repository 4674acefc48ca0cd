//! Converts Arrow columns to rows.
//!
//! Reading never fails: a column that is missing or has another type leaves its field at the default. List queries can therefore read a
//! projection without messages, and segments written before a column existed are read like any other.

use arrow::array::{
    Array, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray,
    TimestampMicrosecondArray,
};
use hinomi_model::clock::SpanTimeSource;
use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::failure::FailureCause;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::legacy_sentences;
use hinomi_model::money::Usd;
use hinomi_model::span::{Attributes, Cost, CostSource, Span, SpanStatus, SpanType, Usage, UsageSource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{SpanRow, legacy};

/// Returns the rows of a batch in the same order. Columns may be missing: see the module documentation.
pub fn from_batch(batch: &RecordBatch) -> Vec<SpanRow> {
    let mut decoder = SpanRowDecoder { batch, rows: vec![SpanRow::default(); batch.num_rows()] };
    decoder.row_columns();
    decoder.call_columns();
    decoder.context_columns();
    let mut rows = decoder.rows;
    exclusions(batch, &mut rows);
    usage(batch, &mut rows);
    money(batch, &mut rows);
    rows
}

/// Fills rows from the columns of a batch.
struct SpanRowDecoder<'a> {
    batch: &'a RecordBatch,
    rows: Vec<SpanRow>,
}

impl SpanRowDecoder<'_> {
    fn text(&mut self, name: &str, set: fn(&mut Span, String)) {
        let column = PhysicalColumn::of(self.batch, name);
        for (index, row) in self.rows.iter_mut().enumerate() {
            if let Some(text) = column.text(index) {
                set(&mut row.span, text.to_owned());
            }
        }
    }

    fn int(&mut self, name: &str, set: fn(&mut Span, i64)) {
        let column = PhysicalColumn::of(self.batch, name);
        for (index, row) in self.rows.iter_mut().enumerate() {
            if let Some(n) = column.int(index) {
                set(&mut row.span, n);
            }
        }
    }

    fn bool(&mut self, name: &str, set: fn(&mut Span, bool)) {
        let column = PhysicalColumn::of(self.batch, name);
        for (index, row) in self.rows.iter_mut().enumerate() {
            if let Some(b) = column.bool(index) {
                set(&mut row.span, b);
            }
        }
    }

    /// Reads what belongs to the row and not to its span, and the sample rate.
    fn row_columns(&mut self) {
        let [project, received, local, sample_rate] =
            ["project_id", "received_at", "local_decision", "sample_rate"].map(|name| PhysicalColumn::of(self.batch, name));
        for (index, row) in self.rows.iter_mut().enumerate() {
            row.project_id = project.int(index).unwrap_or(0) as u64;
            row.received_us = received.int(index).unwrap_or(0);
            row.local = local.text(index).and_then(json);
            row.span.sample_rate = sample_rate.float(index);
        }
    }

    fn call_columns(&mut self) {
        self.text("trace_id", |s, t| s.trace_id = TraceId(u128::from_str_radix(&t, 16).unwrap_or(0)));
        self.text("span_id", |s, t| s.span_id = SpanId(u64::from_str_radix(&t, 16).unwrap_or(0)));
        self.text("parent_span_id", |s, t| s.parent_span_id = u64::from_str_radix(&t, 16).ok().map(SpanId));
        self.int("start_time", |s, n| s.start_us = n);
        self.int("end_time", |s, n| s.end_us = n);
        self.int("clock_shift_us", |s, n| s.clock_shift_us = n);
        self.text("time_source", |s, t| s.time_source = SpanTimeSource::from_name(&t).unwrap_or(SpanTimeSource::Sent));
        if let column @ PhysicalColumn::Int(_) = PhysicalColumn::of(self.batch, "duration_us") {
            for (index, row) in self.rows.iter_mut().enumerate() {
                row.span.has_no_duration = column.int(index).is_none();
            }
        }
        self.text("name", |s, t| s.name = t);
        self.text("op", |s, t| s.op = t);
        self.text("kind", |s, t| s.kind = SpanType::from_name(&t).unwrap_or(SpanType::Other));
        self.text("operation", |s, t| s.operation = Some(t));
        self.text("origin", |s, t| s.origin = Some(t));
        self.text("provider", |s, t| s.provider = Some(t));
        self.bool("provider_inferred", |s, b| s.provider_inferred = b);
        self.text("request_model", |s, t| s.request_model = Some(t));
        self.text("response_model", |s, t| s.response_model = Some(t));
        self.text("status", |s, t| s.status = SpanStatus::from_name(&t).unwrap_or(SpanStatus::Ok));
        self.text("status_detail", |s, t| s.status_detail = Some(t));
        self.text("failure", |s, t| s.failure = FailureCause::from_name(&t));
        self.int("time_to_first_token_us", |s, n| s.time_to_first_token_us = Some(n));
        self.bool("streaming", |s, b| s.streaming = Some(b));
        self.bool("counted", |s, b| s.counted = b);
    }

    fn context_columns(&mut self) {
        self.text("session_id", |s, t| s.session_id = Some(t));
        self.text("user_id", |s, t| s.user_id = Some(t));
        self.text("environment", |s, t| s.environment = Some(t));
        self.text("release", |s, t| s.release = Some(t));
        self.text("service", |s, t| s.service = Some(t));
        self.text("pipeline", |s, t| s.pipeline = Some(t));
        self.bool("is_run", |s, b| s.is_run = b);
        self.text("agent", |s, t| s.agent = Some(t));
        self.text("tool", |s, t| s.tool = Some(t));
        self.text("tool_call_id", |s, t| s.tool_call_id = Some(t));
        self.text("prompt", |s, t| s.prompt = Some(t));
        self.text("prompt_version", |s, t| s.prompt_version = Some(t));
        self.text("response_id", |s, t| s.response_id = Some(t));
        self.text("sdk_name", |s, t| s.sdk_name = Some(t));
        self.text("sdk_version", |s, t| s.sdk_version = Some(t));
        self.text("thread", |s, t| s.thread = Some(t));
        self.text("finish_reasons", |s, t| s.finish_reasons = json(&t).unwrap_or_default());
        self.text("tags", |s, t| s.tags = json(&t).unwrap_or_default());
        self.text("input_messages", |s, t| s.input_messages = json(&t).unwrap_or_default());
        self.text("output_messages", |s, t| s.output_messages = json(&t).unwrap_or_default());
        self.text("tool_definitions", |s, t| s.tool_definitions = Some(value(&t)));
        self.text("attributes", |s, t| s.attributes = attributes(&t));
        self.text("reading", |s, t| s.reading = json(&t).unwrap_or_default());
        self.text("joined", |s, t| s.joined = json(&t));
        self.text("also_reported", |s, t| s.also_reported = json(&t));
        self.text("ingest_key", |s, t| s.ingest_key = Some(t));
        self.text("title", |s, t| s.title = Some(t));
    }
}

/// Reads the exclusion reasons, from the current columns and from the one of earlier versions.
fn exclusions(batch: &RecordBatch, rows: &mut [SpanRow]) {
    let [kind, span_id, trace_id] = legacy::EXCLUSION_COLUMNS.map(|name| PhysicalColumn::of(batch, name));
    let sentence = PhysicalColumn::of(batch, legacy::SENTENCE_COLUMN);
    for (index, row) in rows.iter_mut().enumerate() {
        row.span.exclusion = match kind.text(index) {
            Some(kind) => {
                let span_id = span_id.text(index).and_then(|id| id.parse().ok());
                let trace_id = trace_id.text(index).and_then(|id| id.parse().ok());
                Exclusion::from_columns(kind, span_id, trace_id)
            }
            None => sentence.text(index).and_then(legacy_sentences::exclusion),
        };
    }
}

/// Reads the exclusive buckets and the total. The sums over buckets are derived and not read.
fn usage(batch: &RecordBatch, rows: &mut [SpanRow]) {
    type UsageFieldAccessor = fn(&mut Usage) -> &mut Option<u64>;
    let buckets: [(&str, UsageFieldAccessor); 16] = [
        ("usage_input", |u| &mut u.input),
        ("usage_cache_read", |u| &mut u.cache_read),
        ("usage_cache_write_5m", |u| &mut u.cache_write_5m),
        ("usage_cache_write_1h", |u| &mut u.cache_write_1h),
        ("usage_input_audio", |u| &mut u.input_audio),
        ("usage_output", |u| &mut u.output),
        ("usage_reasoning", |u| &mut u.reasoning),
        ("usage_output_audio", |u| &mut u.output_audio),
        ("usage_input_image", |u| &mut u.input_image),
        ("usage_output_image", |u| &mut u.output_image),
        ("usage_web_searches", |u| &mut u.web_searches),
        ("usage_images", |u| &mut u.images),
        ("usage_characters", |u| &mut u.characters),
        ("usage_audio_ms", |u| &mut u.audio_ms),
        ("usage_rerank_units", |u| &mut u.rerank_units),
        ("total_tokens", |u| &mut u.total),
    ];
    for (name, bucket) in buckets {
        let column = PhysicalColumn::of(batch, name);
        for (index, row) in rows.iter_mut().enumerate() {
            *bucket(&mut row.span.usage) = column.int(index).and_then(|n| u64::try_from(n).ok());
        }
    }
    let source = PhysicalColumn::of(batch, "usage_source");
    for (index, row) in rows.iter_mut().enumerate() {
        row.span.usage.source = source.text(index).and_then(UsageSource::from_name);
    }
}

fn money(batch: &RecordBatch, rows: &mut [SpanRow]) {
    let [total, input, output] = ["cost", "cost_input", "cost_output"].map(|name| PhysicalColumn::of(batch, name));
    let [source, price] = ["cost_source", "cost_price"].map(|name| PhysicalColumn::of(batch, name));
    let client = PhysicalColumn::of(batch, "client_cost");
    for (index, row) in rows.iter_mut().enumerate() {
        row.span.cost = total.money(index).map(|total| Cost {
            total,
            input: input.money(index),
            output: output.money(index),
            source: source.text(index).and_then(CostSource::from_name).unwrap_or(CostSource::Computed),
            price: price.text(index).map(str::to_owned),
        });
        row.span.client_cost = client.money(index);
    }
}

/// One column of a batch by its physical type.
enum PhysicalColumn<'a> {
    View(&'a StringViewArray),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    Int(&'a Int64Array),
    Time(&'a TimestampMicrosecondArray),
    Bool(&'a BooleanArray),
    Float(&'a Float64Array),
    Money(&'a Decimal128Array),
    Missing,
}

impl<'a> PhysicalColumn<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> PhysicalColumn<'a> {
        use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
        let Some(array) = batch.column_by_name(name) else { return PhysicalColumn::Missing };
        match array.data_type() {
            DataType::Utf8View => PhysicalColumn::View(array.as_string_view()),
            DataType::Utf8 => PhysicalColumn::Text(array.as_string()),
            DataType::LargeUtf8 => PhysicalColumn::LargeText(array.as_string()),
            DataType::Int64 => PhysicalColumn::Int(array.as_primitive::<Int64Type>()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => PhysicalColumn::Time(array.as_primitive::<TimestampMicrosecondType>()),
            DataType::Float64 => PhysicalColumn::Float(array.as_primitive()),
            DataType::Boolean => PhysicalColumn::Bool(array.as_boolean()),
            DataType::Decimal128(_, _) => array.as_any().downcast_ref().map_or(PhysicalColumn::Missing, PhysicalColumn::Money),
            _ => PhysicalColumn::Missing,
        }
    }

    fn text(&self, index: usize) -> Option<&'a str> {
        match self {
            PhysicalColumn::View(array) => array.is_valid(index).then(|| array.value(index)),
            PhysicalColumn::Text(array) => array.is_valid(index).then(|| array.value(index)),
            PhysicalColumn::LargeText(array) => array.is_valid(index).then(|| array.value(index)),
            _ => None,
        }
    }

    fn int(&self, index: usize) -> Option<i64> {
        match self {
            PhysicalColumn::Int(array) => array.is_valid(index).then(|| array.value(index)),
            PhysicalColumn::Time(array) => array.is_valid(index).then(|| array.value(index)),
            _ => None,
        }
    }

    fn float(&self, index: usize) -> Option<f64> {
        match self {
            PhysicalColumn::Float(array) => array.is_valid(index).then(|| array.value(index)),
            _ => None,
        }
    }

    fn bool(&self, index: usize) -> Option<bool> {
        match self {
            PhysicalColumn::Bool(array) => array.is_valid(index).then(|| array.value(index)),
            _ => None,
        }
    }

    fn money(&self, index: usize) -> Option<Usd> {
        match self {
            PhysicalColumn::Money(array) => array.is_valid(index).then(|| Usd(array.value(index) as i64)),
            _ => None,
        }
    }
}

fn json<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Parses a JSON text, or returns it as a string if it is nested too deeply for the parser.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Parses the attributes of a span. An attribute that is nested too deeply for the parser is returned as its JSON text; the others are
/// parsed.
fn attributes(text: &str) -> Attributes {
    if let Ok(all) = serde_json::from_str(text) {
        return all;
    }
    let unparsed: std::collections::BTreeMap<String, Box<RawValue>> = json(text).unwrap_or_default();
    unparsed.into_iter().map(|(name, raw)| (name, value(raw.get()))).collect()
}
