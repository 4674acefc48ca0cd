//! The canonical span: one structure for the data of all clients and conventions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::SpanTimeSource;
use crate::dedup::duplicate_reports::DuplicateReport;
use crate::dedup::exclusion::Exclusion;
use crate::dedup::usage_completion;
use crate::failure::FailureCause;
use crate::id::{SpanId, TraceId};
use crate::legacy_sentences;
use crate::money::Usd;
use crate::normalize::span_kind;
use crate::partial_spans::PartialSpanState;
use crate::provenance::FieldProvenance;

/// Attributes with the names that the client sent. Scalars keep their type.
pub type Attributes = serde_json::Map<String, serde_json::Value>;

/// A span of a trace: decoded, normalized and priced.
///
/// Times are microseconds since the Unix epoch. `None` is *unknown*, never zero.
#[serde_with::skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Span {
    /// ID of the trace.
    pub trace_id: TraceId,
    /// ID of the span, unique within the trace.
    pub span_id: SpanId,
    /// ID of the parent span, which may never arrive.
    pub parent_span_id: Option<SpanId>,
    /// Name of the span as sent, such as `chat gpt-4o`. Empty if the client sends none.
    pub name: String,
    /// Sentry's op, or one derived from the conventions of other clients, such as `gen_ai.chat`.
    pub op: String,
    /// Kind of the span.
    pub kind: SpanType,
    /// `gen_ai.operation.name` or its equivalent, such as `chat`.
    pub operation: Option<String>,
    /// Instrumentation that created the span, such as `auto.ai.openai`.
    pub origin: Option<String>,
    /// Canonical lower-case name of the provider, such as `openai` or `aws.bedrock`.
    pub provider: Option<String>,
    /// True if the client did not send the provider and it is inferred.
    pub provider_inferred: bool,
    /// Requested model.
    pub request_model: Option<String>,
    /// Answering model.
    pub response_model: Option<String>,
    /// Status of the span.
    pub status: SpanStatus,
    /// Status as sent (`resource_exhausted`) or the error message, if it is more precise than [`SpanStatus`].
    pub status_detail: Option<String>,
    /// Cause of the failure, for failed calls.
    pub failure: Option<FailureCause>,
    /// Start, after any correction of the client's clock.
    pub start_us: i64,
    /// End, after any correction of the client's clock. Never before the start.
    pub end_us: i64,
    /// True if no report contains the duration of the span. Start and end are then the times of its reports.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_no_duration: bool,
    /// Origin of start and end.
    #[serde(skip_serializing_if = "SpanTimeSource::is_sent")]
    pub time_source: SpanTimeSource,
    /// Correction that was added to the client's times, in microseconds; zero if its clock is right.
    pub clock_shift_us: i64,
    /// Time from the start to the first chunk of a streamed response.
    pub time_to_first_token_us: Option<i64>,
    /// Whether the response was streamed.
    pub streaming: Option<bool>,
    /// Token usage in exclusive buckets.
    pub usage: Usage,
    /// Cost of the call, if it is known.
    pub cost: Option<Cost>,
    /// Cost as reported by the client, stored in addition to the computed cost.
    pub client_cost: Option<Usd>,
    /// False if another span already contains the tokens and cost of this span. Totals of tokens and cost include all other spans.
    pub counted: bool,
    /// Reason why the span is excluded from totals.
    #[serde(alias = "not_counted_because", deserialize_with = "legacy_sentences::deserialize_exclusion")]
    pub exclusion: Option<Exclusion>,
    /// ID of the conversation.
    pub session_id: Option<String>,
    /// End user of the monitored program.
    pub user_id: Option<String>,
    /// Deployment environment, such as `production`.
    pub environment: Option<String>,
    /// Version of the monitored program.
    pub release: Option<String>,
    /// Service or host that reported the span.
    pub service: Option<String>,
    /// Name given to `ai_track`, otherwise the workflow or outermost agent of the span. All spans below have it too.
    pub pipeline: Option<String>,
    /// True if the span is a run of its pipeline: the span has the name of the pipeline, and no span above it belongs to a pipeline.
    pub is_run: bool,
    /// Name of the agent.
    pub agent: Option<String>,
    /// Name of the tool that is called.
    pub tool: Option<String>,
    /// ID of the tool call, which several spans may report.
    pub tool_call_id: Option<String>,
    /// Name of the prompt template.
    pub prompt: Option<String>,
    /// Version of the prompt template.
    pub prompt_version: Option<String>,
    /// ID that the provider gave to the response.
    pub response_id: Option<String>,
    /// Reasons why the model stopped.
    pub finish_reasons: Vec<String>,
    /// SDK that reported the span, such as `sentry.python`.
    pub sdk_name: Option<String>,
    /// Version of the SDK.
    pub sdk_version: Option<String>,
    /// Thread in which the span ran.
    pub thread: Option<String>,
    /// Tags that the program set.
    pub tags: BTreeMap<String, String>,
    /// Input messages, system instructions first.
    pub input_messages: Vec<ChatMessage>,
    /// Output messages.
    pub output_messages: Vec<ChatMessage>,
    /// Tools that the model could call, as sent.
    pub tool_definitions: Option<serde_json::Value>,
    /// Attributes as sent, except those that became messages and those that are a field of every span.
    pub attributes: Attributes,
    /// Source of each field.
    pub reading: Vec<FieldProvenance>,
    /// Fragments that arrived separately, for a span that arrives in parts.
    pub joined: Option<Box<PartialSpanState>>,
    /// Location of another program's report of the same call.
    pub also_reported: Option<DuplicateReport>,
    /// Name of the ingest key that the span was sent with, never the key itself.
    pub ingest_key: Option<String>,
    /// Readable form of the name if the name is a template with placeholders (Logfire).
    pub title: Option<String>,
    /// Sample rate that the client reports: the fraction of all traces that it sends, above 0 and up to 1.
    pub sample_rate: Option<f64>,
    /// True if texts were visibly truncated before they arrived. Known only during ingestion, not stored.
    #[serde(skip)]
    pub texts_cut: bool,
}

impl Default for Span {
    /// Returns a span without any content, to be used as `..Span::default()`.
    fn default() -> Self {
        Span {
            trace_id: TraceId(0),
            span_id: SpanId(0),
            parent_span_id: None,
            name: String::new(),
            op: String::new(),
            kind: SpanType::Other,
            operation: None,
            origin: None,
            provider: None,
            provider_inferred: false,
            request_model: None,
            response_model: None,
            status: SpanStatus::Ok,
            status_detail: None,
            failure: None,
            start_us: 0,
            end_us: 0,
            has_no_duration: false,
            time_source: SpanTimeSource::Sent,
            clock_shift_us: 0,
            time_to_first_token_us: None,
            streaming: None,
            usage: Usage::default(),
            cost: None,
            client_cost: None,
            counted: true,
            exclusion: None,
            session_id: None,
            user_id: None,
            environment: None,
            release: None,
            service: None,
            pipeline: None,
            is_run: false,
            agent: None,
            tool: None,
            tool_call_id: None,
            prompt: None,
            prompt_version: None,
            response_id: None,
            finish_reasons: Vec::new(),
            sdk_name: None,
            sdk_version: None,
            thread: None,
            tags: BTreeMap::new(),
            input_messages: Vec::new(),
            output_messages: Vec::new(),
            tool_definitions: None,
            attributes: Attributes::new(),
            reading: Vec::new(),
            joined: None,
            also_reported: None,
            ingest_key: None,
            title: None,
            sample_rate: None,
            texts_cut: false,
        }
    }
}

impl Span {
    /// Returns true while only parts of the span have arrived: messages of a call whose own report is missing, or updates of something
    /// that was never created. Spans that coding agents report only by log records are complete.
    pub fn is_incomplete(&self) -> bool {
        let Some(joined) = &self.joined else { return false };
        joined.awaited && (self.name.is_empty() || joined.pieces.iter().any(crate::langfuse::is_event))
    }

    /// Returns the duration in microseconds; `None` if no report of the span contains it.
    pub fn duration_us(&self) -> Option<i64> {
        (!self.has_no_duration).then(|| self.end_us.saturating_sub(self.start_us))
    }

    /// Returns the model to show: the answering model if known, otherwise the requested model.
    pub fn model(&self) -> Option<&str> {
        self.response_model.as_deref().or(self.request_model.as_deref())
    }

    /// Returns true if Hinomi counted the tokens from the messages, so that the cost is estimated too.
    pub fn is_estimated(&self) -> bool {
        self.usage.source == Some(UsageSource::Estimated)
    }

    /// Returns true for calls of language models and embedding models.
    pub fn is_call(&self) -> bool {
        matches!(self.kind, SpanType::Llm | SpanType::Embedding)
    }

    /// Returns true for priced uses of models that are not LLM calls: rerankings, speech, pictures, video and moderation.
    pub fn is_other_model_use(&self) -> bool {
        span_kind::is_other_model_use(self)
    }

    /// Returns true if the span is included in the totals of tokens and cost: calls, other uses of models, and sums of agents and judges
    /// whose calls report no usage.
    pub fn is_billed(&self) -> bool {
        self.counted && (self.is_call() || self.is_other_model_use() || (usage_completion::reports_sum(self) && !self.usage.is_unknown()))
    }
}

/// Defines a fieldless enum that is stored and shown by name. The module that uses it imports `Serialize` and `Deserialize`.
#[macro_export]
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:tt),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// All values.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// Returns the name used in storage, API and filters.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// Returns the value with this name; `None` if there is none.
            pub fn from_name(name: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|v| v.as_str() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use crate::names;

names!(
    /// Kind of a span.
    SpanType {
        /// Call of a language model.
        Llm = "llm",
        /// Call of an embedding model.
        Embedding = "embedding",
        /// Turn of an agent, or a step that plans and delegates.
        Agent = "agent",
        /// Tool call.
        Tool = "tool",
        /// Retrieval of documents.
        Retriever = "retriever",
        /// Reranking of documents.
        Reranker = "reranker",
        /// Check of an input or output.
        Guardrail = "guardrail",
        /// Evaluation of a response.
        Evaluator = "evaluator",
        /// Named sequence of steps: pipeline, workflow, task.
        Chain = "chain",
        /// Handoff from one agent to another.
        Handoff = "handoff",
        /// Rendering of a prompt template.
        Prompt = "prompt",
        /// HTTP request.
        Http = "http",
        /// Database query.
        Db = "db",
        /// Function of the program.
        Function = "function",
        /// Anything else.
        Other = "other",
    }
);

names!(
    /// Status of a span. An unset status is `ok` unless something else indicates a failure.
    SpanStatus {
        /// The span succeeded, or nothing indicates a failure.
        Ok = "ok",
        /// The span failed.
        Error = "error",
        /// The span was cancelled.
        Cancelled = "cancelled",
    }
);

names!(
    /// Source of token counts.
    UsageSource {
        /// The client sent them.
        Reported = "reported",
        /// Hinomi counted them from the messages. They are marked as estimated wherever they are shown.
        Estimated = "estimated",
    }
);

names!(
    /// Source of a cost.
    CostSource {
        /// Computed from tokens and the price table.
        Computed = "computed",
        /// Reported by the client.
        Client = "client",
    }
);

/// Token usage in buckets that do not overlap: each token is in exactly one.
///
/// `input` and `output` contain only the tokens that are in no other bucket.
#[serde_with::skip_serializing_none]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input tokens at the full price.
    pub input: Option<u64>,
    /// Input tokens read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to the cache for five minutes, or for an unspecified time.
    pub cache_write_5m: Option<u64>,
    /// Input tokens written to the cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// Audio input tokens.
    pub input_audio: Option<u64>,
    /// Image input tokens.
    pub input_image: Option<u64>,
    /// Output tokens that are not in another output bucket.
    pub output: Option<u64>,
    /// Reasoning tokens.
    pub reasoning: Option<u64>,
    /// Audio output tokens.
    pub output_audio: Option<u64>,
    /// Image output tokens.
    pub output_image: Option<u64>,
    /// Number of web searches by the provider for the response, as it bills them. Web searches are not tokens.
    pub web_searches: Option<u64>,
    /// Number of generated images. Images are not tokens.
    pub images: Option<u64>,
    /// Number of characters that were spoken or read aloud. Characters are not tokens.
    pub characters: Option<u64>,
    /// Duration of the audio in milliseconds.
    pub audio_ms: Option<u64>,
    /// Number of units that a reranking is charged for, as the provider counts them.
    pub rerank_units: Option<u64>,
    /// Total tokens as sent, otherwise the sum of input and output if both are known.
    pub total: Option<u64>,
    /// Source of the counts; `None` if there are none.
    pub source: Option<UsageSource>,
}

impl Usage {
    /// Returns all input tokens, cache reads and writes included; `None` unless the plain input is known.
    pub fn input_tokens(&self) -> Option<u64> {
        let extra = [self.cache_read, self.cache_write_5m, self.cache_write_1h, self.input_audio, self.input_image];
        self.input.map(|n| extra.iter().flatten().fold(n, |sum, x| sum.saturating_add(*x)))
    }

    /// Returns all output tokens, reasoning included; `None` unless the plain output is known.
    pub fn output_tokens(&self) -> Option<u64> {
        let extra = [self.reasoning, self.output_audio, self.output_image];
        self.output.map(|n| extra.iter().flatten().fold(n, |sum, x| sum.saturating_add(*x)))
    }

    /// Returns the cache writes of any duration.
    pub fn cache_write_tokens(&self) -> Option<u64> {
        match (self.cache_write_5m, self.cache_write_1h) {
            (None, None) => None,
            (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
        }
    }

    /// Returns true if neither input nor output nor a total is known.
    pub fn is_unknown(&self) -> bool {
        self.input.is_none() && self.output.is_none() && self.total.is_none()
    }
}

/// Cost of a call in US dollars.
#[serde_with::skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Total cost.
    pub total: Usd,
    /// Cost of the input, if it is known separately.
    pub input: Option<Usd>,
    /// Cost of the output, if it is known separately.
    pub output: Option<Usd>,
    /// Source of the cost.
    pub source: CostSource,
    /// ID of the price: an entry of the price table, such as `openai:gpt-4o`, or a custom price, such as `own:my-model`; with `@date` if
    /// the price has a start date.
    pub price: Option<String>,
}

/// A message of a conversation with a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChatMessage {
    /// Role: `system`, `user`, `assistant` or `tool`; others as sent.
    pub role: String,
    /// Parts of the message.
    pub parts: Vec<MessagePart>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MessagePart {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// Reasoning of the model before its response.
    Reasoning {
        /// The text.
        text: String,
    },
    /// Request of the model to call a tool.
    ToolCall {
        /// ID by which the result refers to the call.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        id: Option<String>,
        /// Name of the tool.
        name: String,
        /// Arguments: JSON text as sent.
        arguments: String,
    },
    /// Result of a tool call.
    ToolResult {
        /// ID of the tool call.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        id: Option<String>,
        /// Name of the tool, if sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        name: Option<String>,
        /// Result; JSON text unless it is plain text.
        result: String,
    },
    /// An image, audio, video or file: stored bytes, an address, or the client's placeholder for its bytes.
    Media {
        /// `image`, `audio`, `video` or `file`.
        modality: String,
        /// MIME type, if sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        mime_type: Option<String>,
        /// ID of the stored bytes; null if none are stored.
        #[serde(default)]
        #[schema(required)]
        media_id: Option<String>,
        /// Address, data or placeholder; null if the bytes are stored, or did not fit.
        #[serde(default)]
        #[schema(required)]
        content: Option<String>,
    },
    /// Content of another shape.
    Other {
        /// JSON text as sent.
        content: String,
    },
}
