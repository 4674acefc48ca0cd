//! Responses of the API. Times are RFC 3339 in UTC, durations are in milliseconds, and amounts are in US dollars. Null means unknown, never
//! zero.

mod span;

use std::collections::BTreeMap;

use hinomi_model::finding::FindingRecord;
use hinomi_model::hints::HintEvidence;
use hinomi_model::score::ScoreRecord;
use hinomi_model::span::SpanStatus;
use serde::Serialize;
use utoipa::ToSchema;

pub use span::*;

/// Percentiles of the durations of calls in milliseconds, interpolated between neighbors; null if there are no calls.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct DurationPercentiles {
    /// Median duration in milliseconds.
    #[schema(required)]
    pub p50: Option<f64>,
    /// 95th percentile of the duration in milliseconds.
    #[schema(required)]
    pub p95: Option<f64>,
    /// 99th percentile of the duration in milliseconds.
    #[schema(required)]
    pub p99: Option<f64>,
}

/// Totals of a time range. "Calls" are counted LLM calls, each call once. Tokens and cost also include other uses of models (rerankings,
/// speech, pictures), and agents if no call below them reports usage.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct UsageSummary {
    /// Number of spans of any kind.
    pub spans: u64,
    /// Number of distinct traces.
    pub traces: u64,
    /// Number of LLM calls.
    pub llm_calls: u64,
    /// Number of LLM calls that failed.
    pub failed_llm_calls: u64,
    /// Number of error events.
    pub errors: u64,
    /// Input tokens, including those read from or written to a cache.
    pub input_tokens: u64,
    /// Output tokens, including reasoning.
    pub output_tokens: u64,
    /// Cost in US dollars; null if there are calls and none of them has a price.
    #[schema(required)]
    pub cost: Option<f64>,
    /// Number of calls that report token usage and have no price.
    pub unpriced_calls: u64,
    /// Durations of the calls.
    pub duration_ms: DurationPercentiles,
    /// Number of runs of pipelines.
    pub runs: u64,
    /// Number of runs of pipelines that failed.
    pub failed_runs: u64,
    /// Input tokens at the full price: neither read from nor written to a cache.
    pub new_input_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// Number of successful calls that report no token usage.
    pub calls_without_usage: u64,
    /// Number of calls whose tokens are estimated from their messages. These calls are part of all totals.
    pub estimated_calls: u64,
    /// Estimated part of the input tokens.
    pub estimated_input_tokens: u64,
    /// Estimated part of the output tokens.
    pub estimated_output_tokens: u64,
    /// Part of the cost that comes from estimated tokens, in US dollars; null if there are such calls and none of them has a price.
    #[schema(required)]
    pub estimated_cost: Option<f64>,
    /// Models of the calls without a price: at most 50, in descending order of their number of calls.
    pub unpriced_models: Vec<String>,
    /// Number of distinct models without a price.
    pub unpriced_model_count: u64,
    /// Number of distinct end users.
    pub users: u64,
}

/// One line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TimeSeriesGroup {
    /// Value of the property that the line groups by; null for the line of all spans, and for spans without the property.
    #[schema(required)]
    pub key: Option<String>,
    /// Start of each bucket (RFC 3339) and the value in it, or null if it is unknown.
    pub points: Vec<(String, Option<f64>)>,
}

/// The groups of a chart beyond the 50 that have a line of their own.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OtherTimeSeriesGroups {
    /// Number of groups without a line of their own.
    pub groups: u64,
    /// Start of each bucket (RFC 3339) and the sum of these groups in it, or null if it is unknown. The whole list is null for durations,
    /// which cannot be added.
    #[schema(required)]
    pub points: Option<Vec<(String, Option<f64>)>>,
}

/// The lines of a chart by measure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TimeSeries {
    /// Start of each bucket in microseconds since the Unix epoch.
    pub starts_us: Vec<i64>,
    /// Lines of each measure, at most 50, the largest first. For durations, the lines with the most calls are first.
    pub measures: BTreeMap<String, Vec<TimeSeriesGroup>>,
    /// Sum of all other groups, for measures with more groups than lines.
    pub others: BTreeMap<String, OtherTimeSeriesGroups>,
}

/// Durations of pipeline runs in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct RunDurations {
    /// Mean duration in milliseconds.
    #[schema(required)]
    pub mean: Option<f64>,
    /// Median duration in milliseconds.
    #[schema(required)]
    pub p50: Option<f64>,
    /// 95th percentile of the duration in milliseconds.
    #[schema(required)]
    pub p95: Option<f64>,
}

/// Totals of the spans that share one value of the grouping property.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct BreakdownRow {
    /// Value of the property; null for spans without it.
    #[schema(required)]
    pub key: Option<String>,
    /// Number of spans of any kind.
    pub spans: u64,
    /// Number of LLM calls.
    pub llm_calls: u64,
    /// Number of LLM calls that failed.
    pub failed_llm_calls: u64,
    /// Input tokens, including those read from or written to a cache.
    pub input_tokens: u64,
    /// Output tokens, including reasoning.
    pub output_tokens: u64,
    /// Cost in US dollars; null if there are calls and none of them has a price.
    #[schema(required)]
    pub cost: Option<f64>,
    /// Number of calls that report token usage and have no price.
    pub unpriced_calls: u64,
    /// Durations of the calls.
    pub duration_ms: DurationPercentiles,
    /// Input tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// Number of calls whose tokens are estimated from their messages. These calls are part of all totals.
    pub estimated_calls: u64,
    /// Part of the cost that comes from estimated tokens, in US dollars; null if there are such calls and none of them has a price.
    #[schema(required)]
    pub estimated_cost: Option<f64>,
    /// Provider of the calls, if all calls have the same provider.
    #[schema(required)]
    pub provider: Option<String>,
    /// Number of runs of the pipeline, turns of the agent or uses of the tool.
    pub runs: u64,
    /// Number of these runs that failed.
    pub failed_runs: u64,
    /// Runs per minute of the time range; null if the range has no length.
    #[schema(required)]
    pub runs_per_minute: Option<f64>,
    /// Durations of the runs.
    pub run_duration_ms: RunDurations,
    /// Cost in US dollars that the findings wasted, for rows by finding; null for other properties.
    #[schema(required)]
    pub wasted_cost: Option<f64>,
}

/// A value of a field and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FacetValue {
    /// Value of the field.
    pub value: String,
    /// Number of spans with this value, or of traces with this value if traces are counted.
    pub count: u64,
}

/// A model whose calls report token usage and have no price.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UnpricedModel {
    /// Name of the model; null for calls that name none.
    #[schema(required)]
    pub model: Option<String>,
    /// Provider of the model.
    #[schema(required)]
    pub provider: Option<String>,
    /// Number of calls.
    pub calls: u64,
    /// Input tokens of these calls, including those read from or written to a cache.
    pub input_tokens: u64,
    /// Output tokens of these calls, including reasoning.
    pub output_tokens: u64,
    /// Input tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Total duration of the calls in hours.
    pub hours: f64,
    /// Start of the first call.
    pub first_seen: String,
    /// Start of the last call.
    pub last_seen: String,
}

/// Which values of a field are counted, and how.
#[derive(Debug, Clone)]
pub struct FacetQuery<'a> {
    /// A field of the filter language; `tag` counts the names of tags.
    pub field: &'a str,
    /// Prefix of the counted values. Case is ignored.
    pub prefix: &'a str,
    /// Values that are counted even if they are not among the most frequent ones.
    pub values: Vec<String>,
    /// Maximum number of most frequent values.
    pub limit: usize,
    /// True if traces are counted instead of spans.
    pub counts_traces: bool,
}

/// Kind of object that a word of a text search can be an ID of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuggestedIdField {
    /// End user.
    User,
    /// Conversation.
    Session,
    /// Trace.
    Trace,
    /// Span.
    Span,
}

impl SuggestedIdField {
    /// Returns the name of the field in filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            SuggestedIdField::User => "user",
            SuggestedIdField::Session => "session",
            SuggestedIdField::Trace => "trace",
            SuggestedIdField::Span => "span",
        }
    }
}

/// A word of a text search that is an ID.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IdSuggestion {
    /// Kind of object that the word is an ID of, as a field of the filter language.
    pub field: SuggestedIdField,
    /// The word.
    pub value: String,
    /// Filter that selects the spans of the object with this ID.
    pub q: String,
    /// The trace, or the trace of the span; null for users and sessions.
    #[schema(required)]
    pub trace_id: Option<String>,
    /// The span; null for other IDs.
    #[schema(required)]
    pub span_id: Option<String>,
    /// Start of the newest span with the ID.
    pub last_seen: String,
}

/// One page of a list of spans.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SpanPage {
    /// Spans in the requested order.
    pub spans: Vec<SpanSummary>,
    /// Cursor of the next page; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
    /// IDs that the words of the filter match, if the list is empty.
    pub suggestions: Vec<IdSuggestion>,
}

/// Summary of a trace, as in the trace list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TraceSummary {
    /// ID of the trace.
    pub trace_id: String,
    /// ID of the root span, or of the span that represents the trace if the root has not arrived; null if no span has arrived.
    #[schema(required)]
    pub root_span_id: Option<String>,
    /// Name of the root span. If no span has arrived: title or type of the first error event, otherwise the first log line.
    pub name: String,
    /// Readable form of the name if the name is a template with placeholders; null otherwise.
    #[schema(required)]
    pub title: Option<String>,
    /// Op of the root span; empty if no span has arrived.
    pub op: String,
    /// Status of the root span. If no span has arrived: `error` if there are error events.
    #[schema(value_type = SpanStatus)]
    pub status: &'static str,
    /// Start of the earliest span, or time of the first error event or log line if no span has arrived.
    pub start_time: String,
    /// Milliseconds from the earliest start to the latest end.
    pub duration_ms: f64,
    /// Number of spans.
    pub span_count: u64,
    /// Number of LLM calls.
    pub llm_calls: u64,
    /// Number of LLM calls that failed.
    pub failed_llm_calls: u64,
    /// Number of failed calls that were followed by a successful call with the same requested model and the same input.
    pub retries: u64,
    /// Number of tool calls, each tool call ID once.
    pub tool_calls: u64,
    /// Number of error events.
    pub error_count: u64,
    /// First 200 characters of the first error event. If the trace has no error event: first 200 characters of the status of the first
    /// failed span that has no failed span below it. Null if nothing failed, or no reason is known.
    #[schema(required)]
    pub error_preview: Option<String>,
    /// Newest scores of the trace and its spans, at most 20 in a list; empty in the response for one trace, which has its own field.
    pub scores: Vec<ScoreRecord>,
    /// Findings of the trace, the most severe first, at most 20 in a list; empty in the response for one trace, which has its own field.
    pub findings: Vec<FindingRecord>,
    /// Cost in US dollars of failed calls, of calls that a loop repeated, and of a run without an answer. Null if the trace has not been
    /// searched yet, has more than 2,000 spans or 32 MiB, or is the only trace of the response, which has its own field.
    #[schema(required)]
    pub wasted_cost: Option<f64>,
    /// Input tokens, including those read from or written to a cache.
    pub input_tokens: u64,
    /// Output tokens, including reasoning.
    pub output_tokens: u64,
    /// Sum of the totals that the clients reported. A call without a reported total is included with the sum of its input and output.
    pub total_tokens: u64,
    /// Number of successful calls that report no token usage.
    pub calls_without_usage: u64,
    /// Cost in US dollars; null if there are calls and none of them has a price.
    #[schema(required)]
    pub cost: Option<f64>,
    /// Number of calls that report token usage and have no price.
    pub unpriced_calls: u64,
    /// Number of calls whose tokens are estimated from their messages. These calls are part of all totals.
    pub estimated_calls: u64,
    /// Part of the cost that comes from estimated tokens, in US dollars; null if there are such calls and none of them has a price.
    #[schema(required)]
    pub estimated_cost: Option<f64>,
    /// Models of the calls, the most expensive first. A call without a response is ignored if another call with the same requested model
    /// has an answering model.
    pub models: Vec<String>,
    /// User of the first span that has one.
    #[schema(required)]
    pub user_id: Option<String>,
    /// Conversation ID of the first span that has one.
    #[schema(required)]
    pub session_id: Option<String>,
    /// Environment of the first span that has one, such as `production`.
    #[schema(required)]
    pub environment: Option<String>,
    /// Version of the program according to the first span that names a version.
    #[schema(required)]
    pub release: Option<String>,
    /// Pipeline of the first run.
    #[schema(required)]
    pub pipeline: Option<String>,
    /// First 200 characters of the first question.
    #[schema(required)]
    pub input_preview: Option<String>,
    /// First 200 characters of the last answer.
    #[schema(required)]
    pub output_preview: Option<String>,
}

/// One page of a list of traces.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TracePage {
    /// Traces in the requested order.
    pub traces: Vec<TraceSummary>,
    /// Cursor of the next page; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
    /// IDs that the words of the filter match, if the list is empty.
    pub suggestions: Vec<IdSuggestion>,
}

/// A trace with its spans.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceDetail {
    /// Totals of the trace.
    pub trace: TraceSummary,
    /// Spans of the trace by start.
    pub spans: Vec<SpanSummary>,
    /// Hints about the clients that reported the spans.
    pub hints: Vec<HintEvidence>,
}
