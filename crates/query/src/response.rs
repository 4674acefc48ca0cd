//! Answers as the API shows them: times RFC 3339 in UTC, durations in milliseconds, money in dollars; null is unknown, never zero.

use std::collections::BTreeMap;

use hinomi_model::explain::SpanExplanation;
use hinomi_model::hints::HintEvidence;
use hinomi_model::span::ChatMessage;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::trace::span_facts::{FieldReading, LinkedSpan, SpanExclusion};

/// Durations of calls in milliseconds; null where there are none. Interpolated between neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct DurationPercentiles {
    /// Median.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
}

/// Sums over a range. Calls are counted calls of models.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct UsageSummary {
    /// Spans of any kind.
    pub spans: u64,
    /// Traces that have one of them.
    pub traces: u64,
    /// Calls.
    pub llm_calls: u64,
    /// Calls that failed.
    pub failed_llm_calls: u64,
    /// Error events; the API fills it in.
    pub errors: u64,
    /// All input, cached included.
    pub input_tokens: u64,
    /// All output, reasoning included.
    pub output_tokens: u64,
    /// Null where there are calls and none is priced.
    pub cost: Option<f64>,
    /// Calls with usage and without a price.
    pub unpriced_calls: u64,
    /// Of calls.
    pub duration_ms: DurationPercentiles,
    /// Runs of pipelines.
    pub runs: u64,
    /// Runs that failed.
    pub failed_runs: u64,
    /// Input at the full price.
    pub new_input_tokens: u64,
    /// Input from caches.
    pub cache_read_tokens: u64,
    /// Input into caches.
    pub cache_write_tokens: u64,
    /// Output that was thought and not said.
    pub reasoning_tokens: u64,
    /// Successful calls of which nobody said what they took.
    pub calls_without_usage: u64,
    /// Calls whose tokens were counted from their texts; they are in the sums above.
    pub estimated_calls: u64,
    /// The part of the input that is theirs.
    pub estimated_input_tokens: u64,
    /// The part of the output that is theirs.
    pub estimated_output_tokens: u64,
    /// The part of the cost that is theirs. Null where there are some and none is priced.
    pub estimated_cost: Option<f64>,
    /// Models of the calls without a price: those with the most calls first, at most 50.
    pub unpriced_models: Vec<String>,
    /// How many such models there are.
    pub unpriced_model_count: u64,
    /// Different end users.
    pub users: u64,
}

/// One line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TimeSeriesGroup {
    /// What the line is of; null for all, and for spans that have no such value.
    pub key: Option<String>,
    /// Start of each bucket and its value.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub points: Vec<(String, Option<f64>)>,
}

/// The groups of a chart beyond the 50 that have lines.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OtherTimeSeriesGroups {
    /// How many they are.
    pub groups: u64,
    /// Start of each bucket and what their values add up to, null where all that is there is unknown; null for durations, which do not add up.
    #[schema(value_type = Option<Vec<Vec<Object>>>)]
    pub points: Option<Vec<(String, Option<f64>)>>,
}

/// Lines of a chart, by measure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TimeSeries {
    /// Starts of the buckets, in microseconds since the Unix epoch.
    pub starts_us: Vec<i64>,
    /// The lines of each measure, the largest first, at most 50; of durations those with the most calls.
    pub measures: BTreeMap<String, Vec<TimeSeriesGroup>>,
    /// All other groups together, for measures that have more.
    pub others: BTreeMap<String, OtherTimeSeriesGroups>,
}

/// Durations of runs in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct RunDurations {
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
}

/// Sums of what has one value in common.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct BreakdownRow {
    /// The value; null for calls that have none.
    pub key: Option<String>,
    /// Spans of any kind.
    pub spans: u64,
    /// Calls.
    pub llm_calls: u64,
    /// Calls that failed.
    pub failed_llm_calls: u64,
    /// All input.
    pub input_tokens: u64,
    /// All output.
    pub output_tokens: u64,
    /// Null where there are calls and none is priced.
    pub cost: Option<f64>,
    /// Calls with usage and without a price.
    pub unpriced_calls: u64,
    /// Of calls.
    pub duration_ms: DurationPercentiles,
    /// Input from caches.
    pub cache_read_tokens: u64,
    /// Input into caches.
    pub cache_write_tokens: u64,
    /// Output that was thought and not said.
    pub reasoning_tokens: u64,
    /// Calls whose tokens were counted from their texts; they are in the sums above.
    pub estimated_calls: u64,
    /// The part of the cost that is theirs. Null where there are some and none is priced.
    pub estimated_cost: Option<f64>,
    /// The provider, where it is only one.
    pub provider: Option<String>,
    /// Runs: of the pipeline, turns of the agent, uses of the tool.
    pub runs: u64,
    /// Runs that failed.
    pub failed_runs: u64,
    /// Over the range; null where that has no length.
    pub runs_per_minute: Option<f64>,
    /// Of runs.
    pub run_duration_ms: RunDurations,
}

/// A value and how many spans have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// Spans that have it.
    pub count: u64,
}

/// Tokens of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct CallUsage {
    /// All input, cache reads and writes included.
    pub input_tokens: Option<u64>,
    /// All output, reasoning included.
    pub output_tokens: Option<u64>,
    /// As sent, else input and output.
    pub total_tokens: Option<u64>,
    /// Input from caches.
    pub cache_read_tokens: Option<u64>,
    /// Input into caches.
    pub cache_write_tokens: Option<u64>,
    /// Output that was thought and not said.
    pub reasoning_tokens: Option<u64>,
    /// Sound that went in.
    pub input_audio_tokens: Option<u64>,
    /// Sound that came out.
    pub output_audio_tokens: Option<u64>,
    /// Pictures that went in.
    pub input_image_tokens: Option<u64>,
    /// Pictures that came out.
    pub output_image_tokens: Option<u64>,
    /// Searches of the web that the provider made, as it bills them.
    pub web_searches: Option<u64>,
    /// Pictures that were made.
    pub images: Option<u64>,
    /// `reported`, `estimated`, or null when unknown.
    pub source: Option<&'static str>,
}

/// What a call cost, in dollars.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CallCost {
    /// The whole.
    pub total: f64,
    /// Its input part, where it can be told apart.
    pub input: Option<f64>,
    /// Its output part, where it can be told apart.
    pub output: Option<f64>,
    /// `computed` or `client`.
    pub source: &'static str,
    /// True where the tokens that were priced are estimated.
    pub estimated: bool,
    /// The entry of the price table, or the owner's price: `own:MODEL@date`.
    pub price: Option<String>,
    /// What the client says, kept beside ours.
    pub client_total: Option<f64>,
    /// What it is by our prices, where the client's figure is taken; only of one span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computed_total: Option<f64>,
    /// How it came about; only of one span, and only where computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buckets: Option<Vec<CostBucket>>,
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CostBucket {
    /// `input`, `cache_read`, `output` and the like; `request`, `web_search`, `image`, `hour` are no tokens.
    pub bucket: &'static str,
    /// How many; for `hour`, microseconds.
    pub tokens: u64,
    /// The price of a million of them.
    pub usd_per_million: f64,
    /// What they cost.
    pub amount: f64,
}

/// Sums of a span with all below it, each call once.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct SubtreeTotals {
    /// Calls.
    pub llm_calls: u64,
    /// All input.
    pub input_tokens: u64,
    /// All output.
    pub output_tokens: u64,
    /// Null where there are calls and none is priced.
    pub cost: Option<f64>,
    /// Calls with usage and without a price.
    pub unpriced_calls: u64,
    /// Calls whose tokens were counted from their texts.
    pub estimated_calls: u64,
}

/// A span beside others of its project, op and name in the seven days before it, those of its own trace left out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct DurationComparison {
    /// Their median duration; within one per cent of it where they are many.
    pub median_ms: f64,
    /// How many they are.
    pub n: u64,
    /// This one's duration over the median.
    pub ratio: f64,
}

/// The SDK that reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportingSdk {
    /// Such as `sentry.python`.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
}

/// Another report of a call that is reported more than once, in several traces: by a program and its gateway, or by two instrumentations.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DuplicateReportView {
    /// Its trace.
    pub trace_id: String,
    /// Its span.
    pub span_id: String,
    /// True at the span that counts, and takes usage and cost from another that knows more; false at the others, which point to it.
    pub counts: bool,
}

/// A span as it stands in lists and traces: without messages and attributes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Span)]
#[expect(missing_docs, reason = "the fields are those of the canonical span, which describes them")]
pub struct SpanSummary {
    pub project_id: u64,
    pub trace_id: String,
    pub span_id: String,
    pub parent_span_id: Option<String>,
    pub name: String,
    /// In words, where its name is a template with places for values; null elsewhere.
    pub title: Option<String>,
    pub op: String,
    pub kind: &'static str,
    pub operation: Option<String>,
    pub origin: Option<String>,
    pub provider: Option<String>,
    /// True when the provider was not sent but concluded.
    pub provider_inferred: bool,
    pub model: Option<String>,
    pub request_model: Option<String>,
    pub response_model: Option<String>,
    pub status: &'static str,
    pub status_detail: Option<String>,
    /// The first 200 characters of the first error event that names the span, else of what its status says of its failure; null where there
    /// is neither.
    pub error_preview: Option<String>,
    /// True while only parts of the span have come, such as its messages, and not its own report.
    pub incomplete: bool,
    pub start_time: String,
    pub duration_ms: f64,
    pub time_to_first_token_ms: Option<f64>,
    pub streaming: Option<bool>,
    pub usage: CallUsage,
    pub cost: Option<CallCost>,
    /// What the client says that it cost, also where we say nothing.
    pub client_cost: Option<f64>,
    pub subtree: SubtreeTotals,
    pub self_time_ms: f64,
    pub compared: Option<DurationComparison>,
    pub counted: bool,
    /// Why it is excluded from totals; null where it is not, and where an earlier version did not say why.
    pub exclusion: Option<SpanExclusion>,
    /// Where another program reports the same call.
    pub also_reported: Option<DuplicateReportView>,
    pub session_id: Option<String>,
    pub user_id: Option<String>,
    pub environment: Option<String>,
    pub release: Option<String>,
    pub service: Option<String>,
    pub pipeline: Option<String>,
    /// True for the span that is one run of its pipeline.
    pub is_run: bool,
    pub agent: Option<String>,
    pub tool: Option<String>,
    pub prompt: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub input_preview: Option<String>,
    pub output_preview: Option<String>,
    pub thread: Option<String>,
    pub sdk: Option<ReportingSdk>,
}

/// One span in full.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SpanDetail {
    /// As it stands in lists.
    #[serde(flatten)]
    pub span: SpanSummary,
    /// What was asked, system instructions first.
    #[schema(value_type = Vec<Object>)]
    pub input_messages: Vec<ChatMessage>,
    /// What was answered.
    #[schema(value_type = Vec<Object>)]
    pub output_messages: Vec<ChatMessage>,
    /// The other report of the same call that messages were taken from; null where they are the span's own.
    pub texts_from: Option<MessageSourceSpan>,
    /// As the client sent them.
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// Why the model stopped.
    pub finish_reasons: Vec<String>,
    /// Temperature and the like, by their short names.
    #[schema(value_type = Object)]
    pub request: Map<String, Value>,
    /// Tools that the model could call, as sent.
    #[schema(value_type = Object)]
    pub tool_definitions: Option<Value>,
    /// What its fields were read from.
    pub reading: Vec<FieldReading>,
    /// How this was read: conventions, sources of all fields, what was ignored, how tokens and cost came about, why it counts.
    #[schema(value_type = Object)]
    pub explanation: SpanExplanation,
    /// Version of the prompt template.
    pub prompt_version: Option<String>,
    /// When it arrived.
    pub received_at: String,
    /// What was added to the client's times, in milliseconds; 0 for a clock that is right.
    pub clock_shift_ms: f64,
    /// Spans that it names, mostly of other traces, as OpenTelemetry's links.
    pub links: Vec<LinkedSpan>,
}

/// A span whose texts stand at another report of its call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageSourceSpan {
    /// Its trace.
    pub trace_id: String,
    /// Its span.
    pub span_id: String,
}

/// A model whose calls have usage and no price.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UnpricedModel {
    /// Its name; null for calls that name none.
    pub model: Option<String>,
    /// Who runs it.
    pub provider: Option<String>,
    /// Calls.
    pub calls: u64,
    /// All input.
    pub input_tokens: u64,
    /// All output.
    pub output_tokens: u64,
    /// Input from caches.
    pub cache_read_tokens: u64,
    /// For how long the calls ran, in hours.
    pub hours: f64,
    /// Start of the first call.
    pub first_seen: String,
    /// Start of the last call.
    pub last_seen: String,
}

/// Which values of a field are counted.
#[derive(Debug, Clone)]
pub struct FacetQuery<'a> {
    /// A field of the filter language; `tag` stands for the names of tags.
    pub field: &'a str,
    /// Only values that begin so, whatever the case of letters.
    pub prefix: &'a str,
    /// Values that are counted too where they are not among the most frequent ones.
    pub values: Vec<String>,
    /// The most frequent ones are no more.
    pub limit: usize,
    /// Whether traces are counted, not spans.
    pub of_traces: bool,
}

/// What a word is that was searched in texts: an id.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IdSuggestion {
    /// `user`, `session`, `trace` or `span`.
    pub field: &'static str,
    /// The word.
    pub value: String,
    /// The filter that selects it.
    pub q: String,
    /// The trace that it is, or that it lies in; null for users and sessions.
    pub trace_id: Option<String>,
    /// The span; null for others.
    pub span_id: Option<String>,
    /// The start of its newest span.
    pub last_seen: String,
}

/// Spans of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SpanPage {
    /// In the order asked for.
    pub spans: Vec<SpanSummary>,
    /// Where the list goes on; null at its end.
    pub next_cursor: Option<String>,
    /// What the words of the filter are elsewhere, where nothing matches.
    pub suggestions: Vec<IdSuggestion>,
}

/// A trace in one line.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TraceSummary {
    /// Its id.
    pub trace_id: String,
    /// The span that stands for it.
    pub root_span_id: String,
    /// The root's name.
    pub name: String,
    /// The root's name in words, where it is a template with places for values; null elsewhere.
    pub title: Option<String>,
    /// The root's op.
    pub op: String,
    /// The root's status.
    pub status: &'static str,
    /// The earliest start.
    pub start_time: String,
    /// From the earliest start to the latest end.
    pub duration_ms: f64,
    /// Spans.
    pub span_count: u64,
    /// Calls.
    pub llm_calls: u64,
    /// Calls that failed.
    pub failed_llm_calls: u64,
    /// Failed calls that were followed by a successful one of the same logical call: same requested model and same input.
    pub retries: u64,
    /// Tool calls, each id once.
    pub tool_calls: u64,
    /// Error events; the API fills it in.
    pub error_count: u64,
    /// The first 200 characters of the first error event, else of what the status of the first span that failed by itself says; null where
    /// nothing failed or nobody says why. The API fills the events in.
    pub error_preview: Option<String>,
    /// All input.
    pub input_tokens: u64,
    /// All output.
    pub output_tokens: u64,
    /// Totals as sent, else input and output.
    pub total_tokens: u64,
    /// Successful calls of which nobody said what they took.
    pub calls_without_usage: u64,
    /// Null where there are calls and none is priced.
    pub cost: Option<f64>,
    /// Calls with usage and without a price.
    pub unpriced_calls: u64,
    /// Calls whose tokens were counted from their texts; they are in the sums above.
    pub estimated_calls: u64,
    /// The part of the cost that is theirs. Null where there are some and none is priced.
    pub estimated_cost: Option<f64>,
    /// Models of calls, the most expensive first. A call without an answer adds none where its requested model was answered by another one.
    pub models: Vec<String>,
    /// The first that a span names, as the next four.
    pub user_id: Option<String>,
    /// Conversation.
    pub session_id: Option<String>,
    /// Such as `production`.
    pub environment: Option<String>,
    /// Version of the program.
    pub release: Option<String>,
    /// Of the first run.
    pub pipeline: Option<String>,
    /// The first question.
    pub input_preview: Option<String>,
    /// The last answer.
    pub output_preview: Option<String>,
}

/// Traces of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TracePage {
    /// In the order asked for.
    pub traces: Vec<TraceSummary>,
    /// Where the list goes on; null at its end.
    pub next_cursor: Option<String>,
    /// What the words of the filter are elsewhere, where nothing matches.
    pub suggestions: Vec<IdSuggestion>,
}

/// A trace with its spans, by start.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceDetail {
    /// In one line.
    pub trace: TraceSummary,
    /// All of them.
    pub spans: Vec<SpanSummary>,
    /// What they show of their clients.
    pub hints: Vec<HintEvidence>,
}
