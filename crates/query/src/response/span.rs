//! Spans as the API returns them, in lists and in full.

use std::collections::BTreeMap;

use hinomi_model::clock::SpanTimeSource;
use hinomi_model::explain::{CostLine, SpanExplanation};
use hinomi_model::failure::FailureCause;
use hinomi_model::finding::FindingRecord;
use hinomi_model::score::ScoreRecord;
use hinomi_model::span::{ChatMessage, CostSource, SpanStatus, SpanType, UsageSource};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::trace::span_facts::{FieldReading, LinkedSpan, SpanExclusion};

/// Token usage of a call. Null means that the client did not report the value.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct CallUsage {
    /// Input tokens, including those read from or written to a cache.
    #[schema(required)]
    pub input_tokens: Option<u64>,
    /// Output tokens, including reasoning.
    #[schema(required)]
    pub output_tokens: Option<u64>,
    /// Total that the client reported; if it reported none, input plus output.
    #[schema(required)]
    pub total_tokens: Option<u64>,
    /// Input tokens read from a cache.
    #[schema(required)]
    pub cache_read_tokens: Option<u64>,
    /// Input tokens written to a cache.
    #[schema(required)]
    pub cache_write_tokens: Option<u64>,
    /// Output tokens spent on reasoning.
    #[schema(required)]
    pub reasoning_tokens: Option<u64>,
    /// Input tokens of audio.
    #[schema(required)]
    pub input_audio_tokens: Option<u64>,
    /// Output tokens of audio.
    #[schema(required)]
    pub output_audio_tokens: Option<u64>,
    /// Input tokens of images.
    #[schema(required)]
    pub input_image_tokens: Option<u64>,
    /// Output tokens of images.
    #[schema(required)]
    pub output_image_tokens: Option<u64>,
    /// Units other than tokens that the provider charges for.
    pub units: UsageUnits,
    /// `reported` by the client, `estimated` from the messages, or null if unknown.
    #[schema(required, value_type = Option<UsageSource>)]
    pub source: Option<&'static str>,
}

/// Units other than tokens that a provider charges for. Units that were not reported are null.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct UsageUnits {
    /// Web searches that the provider made and bills.
    #[schema(required)]
    pub searches: Option<u64>,
    /// Images that the model generated.
    #[schema(required)]
    pub images: Option<u64>,
    /// Characters that were spoken or read aloud.
    #[schema(required)]
    pub characters: Option<u64>,
    /// Duration of the audio in seconds.
    #[schema(required)]
    pub audio_seconds: Option<f64>,
    /// Units that a reranking is charged for, as the provider counts them.
    #[schema(required)]
    pub rerank_units: Option<u64>,
}

/// Cost of a call in US dollars.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CallCost {
    /// Cost of the whole call in US dollars.
    pub total: f64,
    /// Input part of the cost; null if it cannot be separated.
    #[schema(required)]
    pub input: Option<f64>,
    /// Output part of the cost; null if it cannot be separated.
    #[schema(required)]
    pub output: Option<f64>,
    /// `computed` from tokens and prices, or reported by the `client`.
    #[schema(value_type = CostSource)]
    pub source: &'static str,
    /// True if the priced tokens are estimated.
    pub estimated: bool,
    /// Entry of the price table, or the custom price as `own:MODEL@date`.
    #[schema(required)]
    pub price: Option<String>,
    /// Cost that the client reported, in US dollars.
    #[schema(required)]
    pub client_total: Option<f64>,
    /// Cost according to Hinomi's prices in US dollars, if `total` is the cost that the client reported. Present only in the detail of one
    /// span.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub computed_total: Option<f64>,
    /// How the cost was computed, by bucket. Present only in the detail of one span, and only if the cost is computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub buckets: Option<Vec<CostLine>>,
}

/// Totals of a span and everything below it, each call once.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct SubtreeTotals {
    /// Number of LLM calls.
    pub llm_calls: u64,
    /// Input tokens, including those read from or written to a cache.
    pub input_tokens: u64,
    /// Output tokens, including reasoning.
    pub output_tokens: u64,
    /// Cost in US dollars; null if there are calls and none of them has a price.
    #[schema(required)]
    pub cost: Option<f64>,
    /// Number of calls that report token usage and have no price.
    pub unpriced_calls: u64,
    /// Number of calls whose tokens are estimated from their messages.
    pub estimated_calls: u64,
}

/// A span compared with spans of the same project, op and name in the seven days before it, outside of its trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct DurationComparison {
    /// Median duration of the similar spans in milliseconds; accurate to one percent if there are many similar spans.
    pub median_ms: f64,
    /// Number of similar spans.
    pub n: u64,
    /// Duration of this span divided by the median.
    pub ratio: f64,
}

/// The SDK that reported a span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReportingSdk {
    /// Name of the SDK, such as `sentry.python`.
    pub name: String,
    /// Version of the SDK.
    #[schema(required)]
    pub version: Option<String>,
}

/// Another report of the same call in another trace. For example, a program and its gateway both report the call.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DuplicateReportView {
    /// Trace of the other report.
    pub trace_id: String,
    /// Span of the other report.
    pub span_id: String,
    /// True if totals include this span, with the usage and cost of the report that has more; false if totals include the other report.
    pub counts: bool,
}

/// A span in lists and traces: without messages and attributes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Span)]
pub struct SpanSummary {
    /// ID of the project.
    pub project_id: u64,
    /// ID of the trace.
    pub trace_id: String,
    /// ID of the span, unique within the trace.
    pub span_id: String,
    /// ID of the parent span, which may not have arrived; null for a root span.
    #[schema(required)]
    pub parent_span_id: Option<String>,
    /// Name of the span, such as `chat gpt-4o`; empty if the client did not send one.
    pub name: String,
    /// Readable form of the name if the name is a template with placeholders; null otherwise.
    #[schema(required)]
    pub title: Option<String>,
    /// Op of Sentry, or one derived from the conventions of other clients, such as `gen_ai.chat`.
    pub op: String,
    /// Kind of the span: `llm`, `embedding`, `agent`, `tool`, `retriever`, `reranker`, `guardrail`, `evaluator`, `chain`, `handoff`,
    /// `prompt`, `http`, `db`, `function` or `other`.
    #[schema(value_type = SpanType)]
    pub kind: &'static str,
    /// GenAI operation (`gen_ai.operation.name` or its equivalent), such as `chat`; null if unknown.
    #[schema(required)]
    pub operation: Option<String>,
    /// Instrumentation that created the span, such as `auto.ai.openai`; null if unknown.
    #[schema(required)]
    pub origin: Option<String>,
    /// Provider as a canonical lower-case name, such as `openai` or `aws.bedrock`; null if unknown.
    #[schema(required)]
    pub provider: Option<String>,
    /// True if the client did not send the provider, so that Hinomi inferred it.
    pub provider_inferred: bool,
    /// The answering model if it is known, otherwise the requested model; null if both are unknown.
    #[schema(required)]
    pub model: Option<String>,
    /// Requested model; null if unknown.
    #[schema(required)]
    pub request_model: Option<String>,
    /// Answering model; null if unknown.
    #[schema(required)]
    pub response_model: Option<String>,
    /// `ok`, `error` or `cancelled`.
    #[schema(value_type = SpanStatus)]
    pub status: &'static str,
    /// Status as the client sent it, such as `resource_exhausted`, or the error message; null if there is no detail.
    #[schema(required)]
    pub status_detail: Option<String>,
    /// Cause of a failed call, the same for all providers; null for other spans, and for calls that earlier versions stored.
    #[schema(required, value_type = Option<FailureCause>)]
    pub failure: Option<&'static str>,
    /// First 200 characters of the first error event of the span, or of the reason in the span's status if the span has no error event.
    /// Null if the span has neither an error event nor a reason.
    #[schema(required)]
    pub error_preview: Option<String>,
    /// Newest scores of the span.
    pub scores: Vec<ScoreRecord>,
    /// Findings that name the span.
    pub findings: Vec<FindingRecord>,
    /// True while only parts of the span, such as its messages, have arrived.
    pub incomplete: bool,
    /// Start (RFC 3339), after correction of the client's clock.
    pub start_time: String,
    /// Duration in milliseconds; null if no report of the span contains it, for example if only log records report a call.
    #[schema(required)]
    pub duration_ms: Option<f64>,
    /// Origin of start and duration: `sent` by the client; `mended`, if another time of the span replaces an impossible time; `received`,
    /// if the time of receipt replaces impossible times.
    #[schema(value_type = SpanTimeSource)]
    pub time_source: &'static str,
    /// Time from the start to the first part of a streamed response in milliseconds; null if unknown.
    #[schema(required)]
    pub time_to_first_token_ms: Option<f64>,
    /// True if the response was streamed; null if unknown.
    #[schema(required)]
    pub streaming: Option<bool>,
    /// Token usage.
    pub usage: CallUsage,
    /// Cost; null if unknown. For a span that is neither a call nor another priced use of a model, this is the cost that the client
    /// reported. Totals include the cost of such a span only if it is an agent whose own usage is counted.
    #[schema(required)]
    pub cost: Option<CallCost>,
    /// Cost that the client reported in US dollars, even if no price is known; null if it reported none.
    #[schema(required)]
    pub client_cost: Option<f64>,
    /// Totals of the span and everything below it.
    pub subtree: SubtreeTotals,
    /// Duration in milliseconds, minus the time during which child spans ran.
    pub self_time_ms: f64,
    /// Comparison with similar spans; null in lists, and if there are too few similar spans.
    #[schema(required)]
    pub compared: Option<DurationComparison>,
    /// False if usage and cost of the span are already included in another span. Only spans of the kinds `llm` and `embedding` are LLM
    /// calls.
    pub counted: bool,
    /// Why the span is excluded from totals; null if it is included, and for spans of earlier versions that did not record the reason.
    #[schema(required)]
    pub exclusion: Option<SpanExclusion>,
    /// The report of the same call by another program.
    #[schema(required)]
    pub also_reported: Option<DuplicateReportView>,
    /// ID of the conversation; null if unknown.
    #[schema(required)]
    pub session_id: Option<String>,
    /// ID of the end user; null if unknown.
    #[schema(required)]
    pub user_id: Option<String>,
    /// Environment, such as `production`; null if unknown.
    #[schema(required)]
    pub environment: Option<String>,
    /// Version of the program; null if unknown.
    #[schema(required)]
    pub release: Option<String>,
    /// Service or host that reported the span; null if unknown.
    #[schema(required)]
    pub service: Option<String>,
    /// Pipeline: the workflow or outermost agent that the span belongs to; null if there is none.
    #[schema(required)]
    pub pipeline: Option<String>,
    /// True if the span is one run of its pipeline.
    pub is_run: bool,
    /// Name of the agent; null if there is none.
    #[schema(required)]
    pub agent: Option<String>,
    /// Name of the tool; null if there is none.
    #[schema(required)]
    pub tool: Option<String>,
    /// Name of the prompt template; null if there is none.
    #[schema(required)]
    pub prompt: Option<String>,
    /// Version of the prompt template; null if there is none.
    #[schema(required)]
    pub prompt_version: Option<String>,
    /// Tags that the program set.
    pub tags: BTreeMap<String, String>,
    /// Beginning of the input; null if there is none.
    #[schema(required)]
    pub input_preview: Option<String>,
    /// Beginning of the output; null if there is none.
    #[schema(required)]
    pub output_preview: Option<String>,
    /// Thread in which the span ran; null if unknown.
    #[schema(required)]
    pub thread: Option<String>,
    /// SDK that reported the span; null if unknown.
    #[schema(required)]
    pub sdk: Option<ReportingSdk>,
}

/// One span with its messages and attributes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SpanDetail {
    /// The span as in lists.
    #[serde(flatten)]
    pub span: SpanSummary,
    /// Messages that were sent to the model, system instructions first.
    pub input_messages: Vec<ChatMessage>,
    /// Messages that the model returned.
    pub output_messages: Vec<ChatMessage>,
    /// The report of the same call that the messages were read from; null if the span itself contains the messages.
    #[schema(required)]
    pub texts_from: Option<MessageSourceSpan>,
    /// Attributes as the client sent them.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub attributes: Map<String, Value>,
    /// Response ID of the provider.
    #[schema(required)]
    pub response_id: Option<String>,
    /// Reasons why the model stopped.
    pub finish_reasons: Vec<String>,
    /// Request parameters such as the temperature, by their short names.
    #[schema(value_type = BTreeMap<String, Value>)]
    pub request: Map<String, Value>,
    /// Tools that the model could call, as the client sent them.
    #[schema(required, value_type = Value)]
    pub tool_definitions: Option<Value>,
    /// Source attribute of each field.
    pub reading: Vec<FieldReading>,
    /// Provenance of the span: conventions, sources of all fields, ignored attributes, how tokens and cost were computed, why totals
    /// include or exclude the span.
    pub explanation: SpanExplanation,
    /// Time at which the server received the span.
    pub received_at: String,
    /// Milliseconds that were added to the client's timestamps; 0 if its clock is right.
    pub clock_shift_ms: f64,
    /// Spans that this span links to, mostly in other traces, as in OpenTelemetry.
    pub links: Vec<LinkedSpan>,
}

/// The span that holds the messages of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageSourceSpan {
    /// Trace of the span.
    pub trace_id: String,
    /// ID of the span.
    pub span_id: String,
}
