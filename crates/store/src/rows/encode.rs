//! Converts rows to Arrow columns.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringViewBuilder, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use hinomi_model::clock::SpanTimeSource;
use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::failure::FailureCause;
use hinomi_model::money::Usd;
use serde::Serialize;

use super::SpanRow;
use super::preview::preview;
use crate::schema::SCHEMA;

/// Maximum size of a block of text in bytes; a longer column has several blocks.
const MAX_BLOCK_BYTES: usize = 16 << 20;

/// Returns the rows as one batch of [`SCHEMA`] in the same order.
pub fn to_batch(rows: &[SpanRow]) -> RecordBatch {
    let c = SpanColumnEncoder(rows);
    let mut columns = c.identity_columns();
    columns.extend(c.usage_columns());
    columns.extend(c.context_columns());
    columns.extend(c.content_columns());
    columns.extend(c.later_columns());
    RecordBatch::try_new(SCHEMA.clone(), columns).expect("the columns are in the order of SCHEMA, and required columns have no nulls")
}

/// Builds one column at a time from the rows.
struct SpanColumnEncoder<'a>(&'a [SpanRow]);

/// The columns of [`SCHEMA`], in its order.
impl SpanColumnEncoder<'_> {
    fn identity_columns(&self) -> Vec<ArrayRef> {
        let c = self;
        vec![
            c.int_column(|row| Some(row.project_id as i64)),
            c.text_in_blocks(|row, out| write!(out, "{}", row.span.trace_id).is_ok()),
            c.text_in_blocks(|row, out| write!(out, "{}", row.span.span_id).is_ok()),
            c.text_in_blocks(|row, out| row.span.parent_span_id.is_some_and(|id| write!(out, "{id}").is_ok())),
            c.time_column(|row| row.span.start_us),
            c.time_column(|row| row.span.end_us),
            c.int_column(|row| row.span.duration_us()),
            c.time_column(|row| row.received_us),
            c.int_column(|row| Some(row.span.clock_shift_us)),
            c.text_column_of(|row| Some(&row.span.name)),
            c.text_column_of(|row| Some(&row.span.op)),
            c.text_column_of(|row| Some(row.span.kind.as_str())),
            c.text_column_of(|row| row.span.operation.as_deref()),
            c.text_column_of(|row| row.span.origin.as_deref()),
            c.text_column_of(|row| row.span.provider.as_deref()),
            c.bool(|row| Some(row.span.provider_inferred)),
            c.text_column_of(|row| row.span.model()),
            c.text_column_of(|row| row.span.request_model.as_deref()),
            c.text_column_of(|row| row.span.response_model.as_deref()),
            c.text_column_of(|row| Some(row.span.status.as_str())),
            c.text_column_of(|row| row.span.status_detail.as_deref()),
            c.int_column(|row| row.span.time_to_first_token_us),
            c.bool(|row| row.span.streaming),
        ]
    }

    fn usage_columns(&self) -> Vec<ArrayRef> {
        let c = self;
        vec![
            c.count_column(|row| row.span.usage.input_tokens()),
            c.count_column(|row| row.span.usage.output_tokens()),
            c.count_column(|row| row.span.usage.total),
            c.count_column(|row| row.span.usage.input),
            c.count_column(|row| row.span.usage.cache_read),
            c.count_column(|row| row.span.usage.cache_write_5m),
            c.count_column(|row| row.span.usage.cache_write_1h),
            c.count_column(|row| row.span.usage.input_audio),
            c.count_column(|row| row.span.usage.output),
            c.count_column(|row| row.span.usage.reasoning),
            c.count_column(|row| row.span.usage.output_audio),
            c.text_column_of(|row| row.span.usage.source.map(|source| source.as_str())),
            c.money_column(|row| row.span.cost.as_ref().map(|cost| cost.total)),
            c.money_column(|row| row.span.cost.as_ref().and_then(|cost| cost.input)),
            c.money_column(|row| row.span.cost.as_ref().and_then(|cost| cost.output)),
            c.text_column_of(|row| row.span.cost.as_ref().map(|cost| cost.source.as_str())),
            c.text_column_of(|row| row.span.cost.as_ref().and_then(|cost| cost.price.as_deref())),
            c.money_column(|row| row.span.client_cost),
            c.bool(|row| Some(row.span.counted)),
            c.null_column(),
        ]
    }

    fn context_columns(&self) -> Vec<ArrayRef> {
        let c = self;
        vec![
            c.text_column_of(|row| row.span.session_id.as_deref()),
            c.text_column_of(|row| row.span.user_id.as_deref()),
            c.text_column_of(|row| row.span.environment.as_deref()),
            c.text_column_of(|row| row.span.release.as_deref()),
            c.text_column_of(|row| row.span.service.as_deref()),
            c.text_column_of(|row| row.span.pipeline.as_deref()),
            c.bool(|row| Some(row.span.is_run)),
            c.text_column_of(|row| row.span.agent.as_deref()),
            c.text_column_of(|row| row.span.tool.as_deref()),
            c.text_column_of(|row| row.span.tool_call_id.as_deref()),
            c.text_column_of(|row| row.span.prompt.as_deref()),
            c.text_column_of(|row| row.span.prompt_version.as_deref()),
            c.text_column_of(|row| row.span.response_id.as_deref()),
            c.text_column_of(|row| row.span.sdk_name.as_deref()),
            c.text_column_of(|row| row.span.sdk_version.as_deref()),
            c.text_column_of(|row| row.span.thread.as_deref()),
        ]
    }

    fn content_columns(&self) -> Vec<ArrayRef> {
        let c = self;
        vec![
            c.owned_text(|row| preview(&row.span.input_messages, "user")),
            c.owned_text(|row| preview(&row.span.output_messages, "assistant")),
            c.json_column(|row| non_empty(&row.span.finish_reasons)),
            c.json_column(|row| Some(&row.span.tags).filter(|tags| !tags.is_empty())),
            c.json_column(|row| non_empty(&row.span.input_messages)),
            c.json_column(|row| non_empty(&row.span.output_messages)),
            c.json_column(|row| row.span.tool_definitions.as_ref()),
            c.json_column(|row| Some(&row.span.attributes).filter(|attributes| !attributes.is_empty())),
            c.json_column(|row| non_empty(&row.span.reading)),
            c.json_column(|row| row.local.as_ref()),
            c.json_column(|row| row.span.joined.as_ref()),
        ]
    }

    /// Columns that were added to the schema after its first version.
    fn later_columns(&self) -> Vec<ArrayRef> {
        let c = self;
        vec![
            c.count_column(|row| row.span.usage.input_image),
            c.count_column(|row| row.span.usage.output_image),
            c.count_column(|row| row.span.usage.web_searches),
            c.count_column(|row| row.span.usage.images),
            c.json_column(|row| row.span.also_reported.as_ref()),
            c.text_column_of(|row| row.span.ingest_key.as_deref()),
            c.float_column(|row| row.span.sample_rate),
            c.text_column_of(|row| row.span.title.as_deref()),
            c.text_column_of(|row| row.span.exclusion.as_ref().map(Exclusion::kind)),
            c.text_in_blocks(|row, out| row.span.exclusion.and_then(|why| why.span_id()).is_some_and(|id| write!(out, "{id}").is_ok())),
            c.text_in_blocks(|row, out| row.span.exclusion.and_then(|why| why.trace_id()).is_some_and(|id| write!(out, "{id}").is_ok())),
            c.text_column_of(|row| row.span.failure.map(FailureCause::as_str)),
            c.count_column(|row| row.span.usage.characters),
            c.count_column(|row| row.span.usage.audio_ms),
            c.count_column(|row| row.span.usage.rerank_units),
            c.text_column_of(|row| Some(row.span.time_source).filter(|source| *source != SpanTimeSource::Sent).map(SpanTimeSource::as_str)),
        ]
    }
}

impl<'a> SpanColumnEncoder<'a> {
    fn int_column(&self, get: impl Fn(&SpanRow) -> Option<i64>) -> ArrayRef {
        Arc::new(self.0.iter().map(get).collect::<Int64Array>())
    }

    fn count_column(&self, get: impl Fn(&SpanRow) -> Option<u64>) -> ArrayRef {
        self.int_column(|row| get(row).map(|n| i64::try_from(n).unwrap_or(i64::MAX)))
    }

    fn float_column(&self, get: impl Fn(&SpanRow) -> Option<f64>) -> ArrayRef {
        Arc::new(self.0.iter().map(get).collect::<Float64Array>())
    }

    fn bool(&self, get: impl Fn(&SpanRow) -> Option<bool>) -> ArrayRef {
        Arc::new(self.0.iter().map(get).collect::<BooleanArray>())
    }

    fn time_column(&self, get: impl Fn(&SpanRow) -> i64) -> ArrayRef {
        let times = self.0.iter().map(get).collect::<Vec<i64>>();
        Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
    }

    fn money_column(&self, get: impl Fn(&SpanRow) -> Option<Usd>) -> ArrayRef {
        let steps = self.0.iter().map(|row| get(row).map(|usd| i128::from(usd.0))).collect::<Decimal128Array>();
        Arc::new(steps.with_precision_and_scale(18, 12).expect("18 digits, of which 12 are decimal places, are a valid decimal"))
    }

    /// Returns a text column that is not written any more: all null.
    fn null_column(&self) -> ArrayRef {
        new_null_array(&DataType::Utf8View, self.0.len())
    }

    fn text_column_of(&self, get: impl Fn(&'a SpanRow) -> Option<&'a str>) -> ArrayRef {
        let rows = self.0;
        text_column(rows.len(), || rows.iter().map(&get))
    }

    fn owned_text(&self, get: impl Fn(&SpanRow) -> Option<String>) -> ArrayRef {
        let texts = self.0.iter().map(get).collect::<Vec<Option<String>>>();
        text_column(texts.len(), || texts.iter().map(Option::as_deref))
    }

    fn json_column<T: Serialize + ?Sized + 'a>(&self, get: impl Fn(&'a SpanRow) -> Option<&'a T>) -> ArrayRef {
        self.text_in_blocks(|row, out| match get(row) {
            Some(value) => {
                serde_json::to_writer(out, value).expect("maps with text keys, numbers and texts have a JSON form");
                true
            }
            None => false,
        })
    }

    /// Returns a text column whose values are written into blocks one after the other, without copies. `write` returns whether a row has
    /// a value.
    fn text_in_blocks(&self, write: impl Fn(&'a SpanRow, &mut Vec<u8>) -> bool) -> ArrayRef {
        let mut places = Vec::with_capacity(self.0.len());
        let (mut blocks, mut block) = (Vec::new(), Vec::new());
        for row in self.0 {
            let start = block.len();
            places.push(write(row, &mut block).then(|| (blocks.len() as u32, start as u32, (block.len() - start) as u32)));
            if block.len() >= MAX_BLOCK_BYTES {
                blocks.push(std::mem::take(&mut block));
            }
        }
        block.shrink_to_fit();
        blocks.push(block);
        let mut builder = StringViewBuilder::with_capacity(places.len());
        for block in blocks {
            builder.append_block(Buffer::from_vec(block));
        }
        for place in places {
            match place {
                Some((block, start, length)) => {
                    builder.try_append_view(block, start, length).expect("the written bytes are text, and are within their block");
                }
                None => builder.append_null(),
            }
        }
        Arc::new(builder.finish())
    }
}

/// Returns a text column whose block is exactly as large as its values. The growth of the builder starts at 8 KiB per column, half a
/// megabyte for a request of one span.
fn text_column<'a, I: Iterator<Item = Option<&'a str>>>(rows: usize, texts: impl Fn() -> I) -> ArrayRef {
    // Values of up to twelve bytes are stored in the view itself.
    let outside: usize = texts().flatten().map(str::len).filter(|length| *length > 12).sum();
    let block = outside.clamp(1, MAX_BLOCK_BYTES) as u32;
    let mut builder = StringViewBuilder::with_capacity(rows).with_fixed_block_size(block);
    for text in texts() {
        builder.append_option(text);
    }
    Arc::new(builder.finish())
}

/// Returns the list unless it is empty.
fn non_empty<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}
