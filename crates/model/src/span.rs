//! The canonical span: one shape for whatever any client calls the same thing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dedup::duplicate_reports::DuplicateReport;
use crate::dedup::exclusion::Exclusion;
use crate::id::{SpanId, TraceId};
use crate::legacy_sentences;
use crate::money::Usd;
use crate::partial_spans::PartialSpanState;
use crate::provenance::FieldProvenance;

/// Attributes as the client sent them, by their own names. Scalars keep their type.
pub type Attributes = serde_json::Map<String, serde_json::Value>;

/// One span of a trace, decoded, named, priced.
///
/// Times are microseconds since the Unix epoch. `None` is *unknown*, never zero.
#[serde_with::skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Span {
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// Its own id, unique within the trace.
    pub span_id: SpanId,
    /// The span above it, which may never arrive.
    pub parent_span_id: Option<SpanId>,
    /// What the client calls it, such as `chat gpt-4o`. Empty when not sent.
    pub name: String,
    /// Sentry's op, or one derived from the conventions of other clients, such as `gen_ai.chat`.
    pub op: String,
    /// What sort of step it is.
    pub kind: SpanType,
    /// `gen_ai.operation.name` or its equivalent, such as `chat`.
    pub operation: Option<String>,
    /// Which instrumentation made it, such as `auto.ai.openai`.
    pub origin: Option<String>,
    /// Canonical lower-case name, such as `openai`, `aws.bedrock`.
    pub provider: Option<String>,
    /// True when the provider was not sent but concluded.
    pub provider_inferred: bool,
    /// The model that was asked for.
    pub request_model: Option<String>,
    /// The model that answered.
    pub response_model: Option<String>,
    /// How it ended.
    pub status: SpanStatus,
    /// The status as sent (`resource_exhausted`) or the error's message, where there is more to say than [`SpanStatus`].
    pub status_detail: Option<String>,
    /// Start, after any correction of the client's clock.
    pub start_us: i64,
    /// End, after any correction of the client's clock. Never before the start.
    pub end_us: i64,
    /// What was added to the client's times, zero for a clock that is right.
    pub clock_shift_us: i64,
    /// From the start to the first piece of a streamed answer.
    pub time_to_first_token_us: Option<i64>,
    /// Whether the answer was streamed.
    pub streaming: Option<bool>,
    /// Tokens in exclusive buckets.
    pub usage: Usage,
    /// What it cost, when that is known.
    pub cost: Option<Cost>,
    /// What the client says that it cost, kept beside ours.
    pub client_cost: Option<Usd>,
    /// False when its tokens and cost are already in another span. Only spans of kind `llm` and `embedding` are summed.
    pub counted: bool,
    /// Why it is not counted.
    #[serde(alias = "not_counted_because", deserialize_with = "legacy_sentences::deserialize_exclusion")]
    pub exclusion: Option<Exclusion>,
    /// Conversation.
    pub session_id: Option<String>,
    /// The end user of the program under watch.
    pub user_id: Option<String>,
    /// Deployment environment, such as `production`.
    pub environment: Option<String>,
    /// Version of the program under watch.
    pub release: Option<String>,
    /// The service or host that reported.
    pub service: Option<String>,
    /// The name given to `ai_track`, else the workflow or outermost agent that it runs under. Set for all spans below it too.
    pub pipeline: Option<String>,
    /// True for the span that *is* one run of its pipeline: it has the name and nothing above it has one.
    pub is_run: bool,
    /// The agent that acts.
    pub agent: Option<String>,
    /// The tool that is called.
    pub tool: Option<String>,
    /// Id of the tool call, which several spans may report.
    pub tool_call_id: Option<String>,
    /// Name of the prompt template.
    pub prompt: Option<String>,
    /// Version of the prompt template.
    pub prompt_version: Option<String>,
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// Why the model stopped.
    pub finish_reasons: Vec<String>,
    /// Which SDK reported, such as `sentry.python`.
    pub sdk_name: Option<String>,
    /// Its version.
    pub sdk_version: Option<String>,
    /// The thread that it ran in.
    pub thread: Option<String>,
    /// Tags that the program set.
    pub tags: BTreeMap<String, String>,
    /// What was asked, system instructions first.
    pub input_messages: Vec<ChatMessage>,
    /// What was answered.
    pub output_messages: Vec<ChatMessage>,
    /// Tools that the model could call, as sent.
    pub tool_definitions: Option<serde_json::Value>,
    /// Attributes as sent, but for texts that became messages and what is a field of every span.
    pub attributes: Attributes,
    /// Where its fields were read from.
    pub reading: Vec<FieldProvenance>,
    /// What of it came by itself, for spans that come in pieces.
    pub joined: Option<Box<PartialSpanState>>,
    /// Where another program reports the same call.
    pub also_reported: Option<DuplicateReport>,
    /// The ingest key that it was sent with, by its name. Never the key itself.
    pub ingest_key: Option<String>,
    /// What its client says of it in words, where its name is a template with places for values (Logfire).
    pub title: Option<String>,
    /// What part of all traces its client says that it sends, above 0 and up to 1.
    pub sample_rate: Option<f64>,
    /// True where it can be seen that texts were cut on their way. Known only while the span comes in, and not stored.
    #[serde(skip)]
    pub texts_cut: bool,
}

impl Default for Span {
    /// A span without any content, to be filled with `..Span::default()`.
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
            start_us: 0,
            end_us: 0,
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
    /// True while only parts of it have come: messages of a call whose own report is missing, updates of what was never created. What
    /// coding agents tell of by log records alone is whole.
    pub fn is_incomplete(&self) -> bool {
        let Some(joined) = &self.joined else { return false };
        joined.awaited && (self.name.is_empty() || joined.pieces.iter().any(crate::langfuse::is_event))
    }

    /// The model to show: the one that answered where known, else the one asked for.
    pub fn model(&self) -> Option<&str> {
        self.response_model.as_deref().or(self.request_model.as_deref())
    }

    /// True when its tokens, and with them its cost, were counted from its texts by us.
    pub fn is_estimated(&self) -> bool {
        self.usage.source == Some(UsageSource::Estimated)
    }

    /// True for spans whose tokens and cost go into sums while they are [`counted`](Span::counted).
    pub fn is_call(&self) -> bool {
        matches!(self.kind, SpanType::Llm | SpanType::Embedding)
    }
}

/// Fieldless enums that are stored and shown by name.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// The name in storage, API and filters.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The one with this name.
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

pub(crate) use names;

names!(
    /// What sort of step a span is.
    SpanType {
        /// One call of a language model.
        Llm = "llm",
        /// One call of an embedding model.
        Embedding = "embedding",
        /// An agent's turn, or a step that plans and delegates.
        Agent = "agent",
        /// One call of a tool.
        Tool = "tool",
        /// A search for documents.
        Retriever = "retriever",
        /// An ordering of documents.
        Reranker = "reranker",
        /// A check of input or output.
        Guardrail = "guardrail",
        /// A judgement of an answer.
        Evaluator = "evaluator",
        /// A named sequence of steps: pipeline, workflow, task.
        Chain = "chain",
        /// One agent passing to another.
        Handoff = "handoff",
        /// A prompt template being filled.
        Prompt = "prompt",
        /// An HTTP request.
        Http = "http",
        /// A database query.
        Db = "db",
        /// A function of the program.
        Function = "function",
        /// Anything else.
        Other = "other",
    }
);

names!(
    /// How a span ended. What the client left unset is `ok` when nothing says otherwise.
    SpanStatus {
        /// It worked, as far as is known.
        Ok = "ok",
        /// It failed.
        Error = "error",
        /// It was given up.
        Cancelled = "cancelled",
    }
);

names!(
    /// Where token counts come from.
    UsageSource {
        /// The client sent them.
        Reported = "reported",
        /// Counted from the text by us, and marked wherever they are shown.
        Estimated = "estimated",
    }
);

names!(
    /// Where a cost comes from.
    CostSource {
        /// Tokens times the price table.
        Computed = "computed",
        /// The client's own figure.
        Client = "client",
    }
);

/// Tokens in buckets that do not overlap: each token is in exactly one.
///
/// `input` and `output` are what is left of the whole after the special buckets.
#[serde_with::skip_serializing_none]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input at the full price.
    pub input: Option<u64>,
    /// Input read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Input written to the cache for five minutes, or for an unnamed time.
    pub cache_write_5m: Option<u64>,
    /// Input written to the cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// Input of sound.
    pub input_audio: Option<u64>,
    /// Input of pictures.
    pub input_image: Option<u64>,
    /// Output that is neither reasoning nor sound nor pictures.
    pub output: Option<u64>,
    /// Output that the model thought and did not say.
    pub reasoning: Option<u64>,
    /// Output of sound.
    pub output_audio: Option<u64>,
    /// Output of pictures.
    pub output_image: Option<u64>,
    /// Searches of the web that the provider made for the answer, as it bills them. They are no tokens.
    pub web_searches: Option<u64>,
    /// Pictures that were made. They are no tokens.
    pub images: Option<u64>,
    /// The total as sent, else input and output where both are known.
    pub total: Option<u64>,
    /// Where the counts come from; `None` when there are none.
    pub source: Option<UsageSource>,
}

impl Usage {
    /// All input, cache reads and writes included. Unknown unless the plain input is known.
    pub fn input_tokens(&self) -> Option<u64> {
        let extra = [self.cache_read, self.cache_write_5m, self.cache_write_1h, self.input_audio, self.input_image];
        self.input.map(|n| extra.iter().flatten().fold(n, |sum, x| sum.saturating_add(*x)))
    }

    /// All output, reasoning included. Unknown unless the plain output is known.
    pub fn output_tokens(&self) -> Option<u64> {
        let extra = [self.reasoning, self.output_audio, self.output_image];
        self.output.map(|n| extra.iter().flatten().fold(n, |sum, x| sum.saturating_add(*x)))
    }

    /// Cache writes of any duration.
    pub fn cache_write_tokens(&self) -> Option<u64> {
        match (self.cache_write_5m, self.cache_write_1h) {
            (None, None) => None,
            (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
        }
    }

    /// True when neither input nor output nor a total is known.
    pub fn is_unknown(&self) -> bool {
        self.input.is_none() && self.output.is_none() && self.total.is_none()
    }
}

/// What a call cost, in US dollars.
#[serde_with::skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The whole.
    pub total: Usd,
    /// Its input part, where it can be told apart.
    pub input: Option<Usd>,
    /// Its output part, where it can be told apart.
    pub output: Option<Usd>,
    /// Where the figure comes from.
    pub source: CostSource,
    /// The entry of the price table, such as `openai:gpt-4o`, or the owner's price, `own:my-model`; with `@date` where it has a start
    /// date.
    pub price: Option<String>,
}

/// A message of a conversation with a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// `system`, `user`, `assistant` or `tool`; anything else as sent.
    pub role: String,
    /// What it consists of.
    pub parts: Vec<MessagePart>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MessagePart {
    /// Plain text.
    Text {
        /// The text.
        text: String,
    },
    /// What the model thought before it answered.
    Reasoning {
        /// The text.
        text: String,
    },
    /// The model asks for a tool.
    ToolCall {
        /// Id by which the result refers to it.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The tool.
        name: String,
        /// JSON text as sent.
        arguments: String,
    },
    /// What the tool answered.
    ToolResult {
        /// Id of the call.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The tool, where said.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The result, JSON text where it is not plain text.
        result: String,
    },
    /// A picture, sound, file: by address, or the client's stand-in for its bytes.
    Media {
        /// `image`, `audio`, `video`, `file`.
        modality: String,
        /// MIME type, where said.
        #[serde(skip_serializing_if = "Option::is_none")]
        mime_type: Option<String>,
        /// Address, data or stand-in.
        content: String,
    },
    /// Something of another shape, as JSON text.
    Other {
        /// JSON text as sent.
        content: String,
    },
}
