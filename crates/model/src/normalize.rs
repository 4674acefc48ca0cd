//! Normalization: maps a span in the form of its protocol to the canonical span.
//!
//! This step is independent of protocols: Sentry, OpenTelemetry and Langfuse all produce a [`RawSpan`], and the table in
//! [`attribute_names`] maps their attributes to fields.

mod answer_usage;
pub mod attribute_names;
pub(crate) mod attributes;
pub(crate) mod client_conventions;
pub(crate) mod environment_tags;
mod folded_attributes;
mod labels;
pub(crate) mod message_fields;
pub mod parameters;
pub mod provider_inference;
mod reasoning;
mod response_id;
pub(crate) mod sampling;
pub mod span_kind;
mod span_status;
mod step_names;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::clock::TimeSources;
use crate::dedup::exclusion::Exclusion;
use crate::dedup::usage_completion;
use crate::failure;
use crate::id::{SpanId, TraceId};
use crate::mapping::{MappedSpanFields, MappingRuleSet};
use crate::messages::{self, TextLimit};
use crate::normalize::attribute_names::{AttributeDialect, SpanField};
use crate::normalize::span_kind::KindInferenceInputs;
use crate::price::PriceBook;
use crate::provenance::{FieldProvenance, FieldSource};
use crate::span::{Attributes, MessagePart, Span, SpanStatus, SpanType, Usage};
use crate::usage::{self, ReportedTokenCounts, TokenCountConvention, TokenCountInterpretation};
use crate::{cost, time};
use attributes::RecognizedAttributes;
pub(crate) use token_counts::interpretations_of;
use token_counts::{TokenCountSource, are_reported, count_in_answer, fields_of_unlisted_counts, usage_and_reasoning};

/// Status of a span as the client sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RawStatus {
    /// Not sent, or sent as unknown.
    #[default]
    Unset,
    /// The span succeeded.
    Ok,
    /// The span was cancelled.
    Cancelled,
    /// The span failed.
    Error,
}

/// A span after its protocol was decoded, before normalization.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSpan {
    /// ID of the trace.
    pub trace_id: TraceId,
    /// ID of the span.
    pub span_id: SpanId,
    /// ID of the parent span.
    pub parent_span_id: Option<SpanId>,
    /// Name of the span as sent.
    pub name: String,
    /// Sentry's op; empty if there is none.
    pub op: String,
    /// Sentry's origin, or OpenTelemetry's instrumentation scope.
    pub origin: Option<String>,
    /// Status of the span.
    pub status: RawStatus,
    /// Status message or the detailed status.
    pub status_detail: Option<String>,
    /// Start in microseconds, after the correction of the client's clock.
    pub start_us: i64,
    /// End in microseconds, after the correction of the client's clock.
    pub end_us: i64,
    /// Correction that was added to the times, in microseconds.
    pub clock_shift_us: i64,
    /// Sources of the times, if the times as sent were implausible.
    pub time_sources: TimeSources,
    /// Attributes, without nulls.
    pub attributes: Attributes,
    /// Sentry's measurements: counts in addition to the attributes.
    pub measurements: Vec<(String, f64)>,
    /// Tags that the program set.
    pub tags: BTreeMap<String, String>,
}

/// Returns the canonical span of a raw span, with its cost.
pub fn canonical_span(raw: RawSpan, book: &PriceBook) -> Span {
    canonical_span_of(raw, &AttributeDialect::GENERAL_DIALECT, book)
}

/// Returns the canonical span of a raw span, with its cost, for a client that uses attribute names with its own meanings.
pub fn canonical_span_of(raw: RawSpan, dialect: &AttributeDialect, book: &PriceBook) -> Span {
    mapped_span(raw, dialect, MappingRuleSet::none(), book)
}

/// Returns the canonical span of a raw span, with its cost. The mapping rules of the project take precedence over the known attribute
/// names.
pub fn mapped_span(mut raw: RawSpan, dialect: &AttributeDialect, rules: &MappingRuleSet, book: &PriceBook) -> Span {
    folded_attributes::unfold(&mut raw.attributes);
    let mapped = if rules.is_empty() { MappedSpanFields::default() } else { rules.fields_of(&raw) };
    let dialect = &mapped.tokens.map_or(*dialect, |convention| AttributeDialect { input: convention, output: convention, ..*dialect });
    let mut found = RecognizedAttributes::new(&raw.attributes, dialect);
    for value in &mapped.values {
        found.set_mapped(value);
    }
    let kind = mapped.kind.as_ref().map_or_else(|| span_type_of(&raw, &found), |(kind, _)| *kind);
    let sampled = sampling::sample_rate(&raw.attributes);
    let is_call = matches!(kind, SpanType::Llm | SpanType::Embedding);
    let id_in_answer = if is_call && !found.has(SpanField::ResponseId) { response_id::id_in_answer(&found) } else { None };

    // The order matters: each step reads fields that earlier steps have set.
    let mut span = plain_fields(&raw, kind, &found);
    span.tags = raw.tags;
    span.response_id = span.response_id.or_else(|| id_in_answer.as_ref().map(|(_, id)| id.clone()));
    span.sample_rate = sampled.map(|(_, rate)| rate);
    let otel_kind = raw.attributes.get("otel.kind").and_then(Value::as_str);
    span.op = op(raw.op, otel_kind, &found, &span);
    span.name = raw.name;
    span.title = title(&span.name, &raw.attributes);
    if span.agent.is_none() && kind == SpanType::Agent {
        span.agent = step_names::agent_of_name(&span.name, &found);
    }
    if span.tool.is_none() && kind == SpanType::Tool {
        span.tool = step_names::tool_of_name(&span.name, &found);
    }
    if span.is_call() {
        // Some clients put the tool here that the response calls.
        (span.tool, span.tool_call_id) = (None, None);
    }
    let failed = raw.status == RawStatus::Error || found.has(SpanField::ErrorType);
    let source = TokenCountSource { kind, failed, dialect, origin: span.origin.as_deref() };
    let (usage, usage_read) = usage_and_reasoning(&found, &raw.measurements, &source);
    span.usage = usage;
    let sent = match raw.status {
        // LangSmith sets the status of each call to OK and sends the exception in an attribute.
        // Portkey does the same, with counts of zero.
        RawStatus::Ok if span.is_call() && has_no_tokens(&span.usage) && found.has(SpanField::ErrorType) => RawStatus::Error,
        sent => sent,
    };
    (span.status, span.status_detail) = span_status::status(sent, raw.status_detail, kind, &found, &span.tags);
    failure::set_cause(&mut span, span_status::failure_report(&found));
    labels::fill(&mut span, &raw.attributes);
    provider(&mut span, &found, book);
    pipeline(&mut span, &found);
    decide_locally(&mut span);
    message_fields::texts(&mut span, &found);
    count_in_answer(&mut span);
    if matches!(kind, SpanType::Llm | SpanType::Embedding | SpanType::Agent | SpanType::Tool) {
        record_provenance(&mut span, &found, &raw.measurements);
        span.reading.extend(id_in_answer.map(|(name, _)| read(SpanField::ResponseId.as_str(), FieldSource::Attribute(name.into()))));
        span.reading.extend(usage_read);
        span.reading.extend(sampled.map(|(name, _)| read("sample_rate", FieldSource::Attribute(name.into()))));
    }
    mapped.record_provenance(&mut span.reading);
    let of_times = [("start_time", raw.time_sources.start), ("end_time", raw.time_sources.end)];
    let of_times = of_times.into_iter().filter_map(|(field, source)| Some(read(field, FieldSource::Time(source?))));
    span.reading.extend(of_times);
    let mut replaced = found.replaced_attributes();
    // What a rule maps may become no field of this kind of span.
    replaced.retain(|name| mapped.values.iter().all(|value| value.attribute != *name));
    span.attributes = raw.attributes;
    cost::price(&mut span, book);
    for name in replaced {
        span.attributes.remove(&name);
    }
    truncate_span(&mut span);
    span
}

/// Returns a span with the fields that each depend on the raw span and its recognized attributes alone.
fn plain_fields(raw: &RawSpan, kind: SpanType, found: &RecognizedAttributes) -> Span {
    Span {
        trace_id: raw.trace_id,
        span_id: raw.span_id,
        parent_span_id: raw.parent_span_id.filter(|parent| *parent != raw.span_id),
        kind,
        operation: operation(&raw.op, kind, found),
        request_model: found
            .text(SpanField::RequestModel)
            .or_else(|| step_names::model_of_parameters(found))
            .or_else(|| step_names::model_in_span_name(raw, kind, found))
            .or_else(|| {
                // Reading a body takes time, so only calls without any model are asked.
                let is_unnamed_call = kind == SpanType::Llm && !found.has(SpanField::ResponseModel);
                if is_unnamed_call { answer_usage::model_of_body(found) } else { None }
            }),
        origin: raw.origin.clone().or_else(|| found.text(SpanField::Origin)),
        response_model: step_names::model_behind_alias(found)
            .or_else(|| found.text(SpanField::ResponseModel))
            .or_else(|| answer_usage::model_of_reply(found)),
        start_us: raw.start_us,
        end_us: raw.end_us.max(raw.start_us),
        has_no_duration: raw.time_sources.has_no_duration,
        time_source: raw.time_sources.span_time_source(),
        clock_shift_us: raw.clock_shift_us,
        time_to_first_token_us: first_token(
            found,
            raw.start_us.saturating_sub(raw.clock_shift_us),
            raw.end_us.saturating_sub(raw.start_us),
            raw.time_sources,
        ),
        streaming: found.flag(SpanField::Streaming).or_else(|| is_streamed(found)),
        client_cost: client_conventions::client_cost(kind, found),
        session_id: found.text(SpanField::Session),
        user_id: found.text(SpanField::User).filter(|user| !attribute_names::is_placeholder(user)),
        environment: found.text(SpanField::Environment),
        release: found.text(SpanField::Release),
        service: found.text(SpanField::Service),
        agent: found.text(SpanField::Agent),
        tool: found.text(SpanField::Tool),
        tool_call_id: found.text(SpanField::ToolCallId),
        prompt: found.text(SpanField::Prompt),
        prompt_version: found.text(SpanField::PromptVersion),
        response_id: found.text(SpanField::ResponseId),
        finish_reasons: finish_reasons(found),
        sdk_name: found.text(SpanField::SdkName),
        sdk_version: found.text(SpanField::SdkVersion),
        thread: found.text(SpanField::ThreadName).or_else(|| found.text(SpanField::ThreadId)),
        ..Span::default()
    }
}

fn span_type_of(raw: &RawSpan, found: &RecognizedAttributes) -> SpanType {
    let any = |names: &[&str]| names.iter().any(|name| raw.attributes.contains_key(*name));
    let named = span_kind::of_op(&raw.op).is_some();
    let has_model = found.has(SpanField::RequestModel) || found.has(SpanField::ResponseModel);
    let is_type = found.name(SpanField::Operation) == Some("llm.request.type");
    let has_messages = found.has(SpanField::Input) || found.has(SpanField::Output) || found.has(SpanField::OutputText);
    let has_messages = has_messages || ((has_model || is_type) && message_fields::are_numbered(&raw.attributes));
    let has_usage = are_reported(found);
    // A type of request alone says nothing of a call.
    let is_bare_type = is_type && !has_messages && !has_model && !has_usage;
    span_kind::kind(&KindInferenceInputs {
        op: &raw.op,
        operation: found.str(SpanField::Operation).filter(|_| !is_bare_type),
        // Any program may name the type of its spans so.
        has_foreign_kind: found.name(SpanField::SpanKind).is_some_and(|name| name != "span.type"),
        span_kind: found.str(SpanField::SpanKind),
        marked: span_kind::of_markers(raw.origin.as_deref().unwrap_or_default(), &raw.attributes),
        model: found.str(SpanField::ResponseModel).or_else(|| found.str(SpanField::RequestModel)).unwrap_or_default(),
        has_usage,
        has_agent: found.has(SpanField::Agent),
        vercel: found.str(SpanField::VercelOperation),
        mcp_method: found.str(SpanField::McpMethod),
        has_tool: found.has(SpanField::Tool) || found.has(SpanField::ToolCallId),
        has_retrieval: found.has(SpanField::RetrievalQuery) || found.has(SpanField::RetrievalDocuments),
        has_messages,
        has_model,
        has_embedding_input: found.has(SpanField::EmbeddingInput),
        has_http: !named && any(&["http.request.method", "http.method"]),
        has_db: !named && any(&["db.system.name", "db.system"]),
        origin: raw.origin.as_deref().or_else(|| found.str(SpanField::Origin)).unwrap_or_default(),
        name: &raw.name,
    })
}

/// Returns the operation, named as in the conventions.
fn operation(op: &str, kind: SpanType, found: &RecognizedAttributes) -> Option<String> {
    let by_op = || span_kind::operation_of_op(op);
    let by_kind = || span_kind::operation_of_kind(kind).filter(|_| op.is_empty() && !found.has(SpanField::Op));
    found.text(SpanField::Operation).or_else(|| by_op().or_else(by_kind).map(str::to_owned))
}

/// Returns the readable form of a span's name. Logfire names spans by the template of their message, so that they can be grouped, and
/// sends the message in an attribute.
fn title(name: &str, attributes: &Attributes) -> Option<String> {
    let (_, rest) = name.split_once('{')?;
    let message = attributes.get("logfire.msg")?.as_str()?.trim();
    let mut title = Some(message).filter(|message| rest.contains('}') && !message.is_empty() && *message != name)?.to_owned();
    messages::trim_text(&mut title, TextLimit::NAME_LIMIT);
    Some(title)
}

/// Returns the op as sent, otherwise one derived from the conventions in the way that Sentry's own ingestion does.
fn op(sent: String, otel_kind: Option<&str>, found: &RecognizedAttributes, span: &Span) -> String {
    if !sent.is_empty() {
        return sent;
    }
    if let Some(op) = found.text(SpanField::Op) {
        return op;
    }
    match (&span.operation, span.kind) {
        (Some(operation), _) => format!("gen_ai.{operation}"),
        (None, SpanType::Http) => otel_kind.map_or_else(|| "http".into(), |kind| format!("http.{kind}")),
        (None, SpanType::Db) => "db".into(),
        _ => "default".into(),
    }
}

/// Maximum time to first token. A longer one was computed from an implausible time.
const MAX_FIRST_TOKEN_US: i64 = 86_400 * time::SECOND_US;

fn first_token(found: &RecognizedAttributes, start_us: i64, duration_us: i64, sources: TimeSources) -> Option<i64> {
    let in_time = |seconds: &f64| *seconds * 1e6 <= duration_us as f64;
    // Strands sends milliseconds in an attribute for seconds: the first token cannot arrive after the end.
    let meant = |seconds: f64| Some(seconds / 1e3).filter(|shorter| !in_time(&seconds) && in_time(shorter)).unwrap_or(seconds);
    let seconds = found.number(SpanField::FirstTokenSeconds).map(meant);
    let seconds = seconds.or_else(|| found.number(SpanField::FirstTokenMillis).map(|ms| ms / 1000.0));
    let from_start = || {
        if sources.start.is_some() {
            return None;
        }
        let at = time::from_text(found.str(SpanField::FirstTokenTime)?.trim_matches('"'))?;
        at.checked_sub(start_us)
    };
    seconds.and_then(time::from_seconds).or_else(from_start).filter(|us| (0..=MAX_FIRST_TOKEN_US).contains(us))
}

/// A client that reports the chunks of a response streamed it.
fn is_streamed(found: &RecognizedAttributes) -> Option<bool> {
    found.name(SpanField::FirstTokenTime).filter(|name| attribute_names::CHUNK_EVENTS.contains(name)).map(|_| true)
}

fn finish_reasons(found: &RecognizedAttributes) -> Vec<String> {
    let texts = |items: &[Value]| items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    match found.value(SpanField::FinishReasons) {
        Some(Value::Array(items)) => texts(items),
        Some(Value::String(text)) => match crate::lenient_json::value(text) {
            Ok(Value::Array(items)) => texts(&items),
            Ok(Value::String(text)) => vec![text],
            _ => vec![text.clone()],
        },
        _ => Vec::new(),
    }
}

/// Attributes in which LangChain names the provider, where instrumentations name LangChain as the provider.
const PROVIDERS_OF_LANGCHAIN: &[&str] = &[
    "traceloop.association.properties.ls_provider",
    "lmnr.association.properties.ls_provider",
    "langsmith.metadata.ls_provider",
    "langfuse.observation.metadata.ls_provider",
    "metadata.ls_provider",
];

/// Sets the canonical provider. If none was sent, or one that the price table does not contain, it is inferred.
fn provider(span: &mut Span, found: &RecognizedAttributes, book: &PriceBook) {
    let sent = found.text(SpanField::Provider).or_else(|| step_names::provider_of_name(span.kind, found));
    let by_framework = || PROVIDERS_OF_LANGCHAIN.iter().find_map(|name| book.canonical_provider(found.attributes.get(*name)?.as_str()?));
    let known = sent.as_deref().and_then(|sent| book.canonical_provider(sent));
    // Most spans are no calls and name no provider.
    let uses_model = span.is_call() || span.is_other_model_use();
    let may_be_named = sent.is_some() || uses_model;
    span.provider = known.or_else(|| may_be_named.then(by_framework).flatten()).map(str::to_owned);
    let address = || found.attributes.get("server.address").and_then(Value::as_str);
    let host = uses_model.then(address).flatten().and_then(provider_inference::of_host);
    if let Some(host) = host.and_then(|host| book.canonical_provider(host)) {
        // Clients of OpenAI's protocol report its name regardless of the server.
        let is_protocol = span.provider.as_deref().is_none_or(|provider| provider == "openai");
        if is_protocol && span.provider.as_deref() != Some(host) {
            span.provider = Some(host.to_owned());
            return;
        }
    }
    if span.provider.is_some() || !(uses_model || span.kind == SpanType::Agent) {
        span.provider = span.provider.take().or_else(|| sent.map(|sent| sent.to_lowercase()));
        return;
    }
    let instrumentation = provider_inference::of_instrumentation(&span.op, span.origin.as_deref());
    let by_model = || [&span.response_model, &span.request_model].into_iter().flatten().find_map(|model| book.vendor_of(model));
    let inferred = instrumentation.or_else(by_model).map(str::to_owned);
    span.provider_inferred = inferred.is_some();
    span.provider = inferred.or_else(|| sent.map(|sent| sent.to_lowercase()));
}

/// Sets the pipeline that the span itself names, and whether the span is a run of it.
fn pipeline(span: &mut Span, found: &RecognizedAttributes) {
    // Vercel's attribute of that name contains its own function, not the program's pipeline.
    let vercel = found.str(SpanField::VercelOperation).is_some_and(|function| function.starts_with("ai."));
    let tracked = matches!(span.op.as_str(), "ai.pipeline" | "ai.run") && !span.name.is_empty();
    let workflow = span.kind == SpanType::Chain && span.origin.as_deref() == Some("auto.ai.openai_agents");
    let named = found.text(SpanField::Pipeline).filter(|_| !vercel);
    let own = named.or_else(|| (tracked || workflow).then(|| span.name.clone()));
    // Creating an agent is not a run of it.
    let acting = span.kind == SpanType::Agent && span.op != "gen_ai.create_agent";
    span.pipeline = own.or_else(|| span.agent.clone().filter(|_| acting));
    if let Some(pipeline) = &mut span.pipeline {
        // All spans below get a copy.
        messages::trim_text(pipeline, TextLimit::NAME_LIMIT);
    }
    span.is_run = span.pipeline.is_some() && (acting || matches!(span.kind, SpanType::Chain | SpanType::Function | SpanType::Other));
}

/// Returns true if every count of tokens is unknown or zero.
fn has_no_tokens(usage: &Usage) -> bool {
    [usage.input_tokens(), usage.output_tokens(), usage.total].iter().all(|count| count.unwrap_or(0) == 0)
}

/// Excludes spans with usage or cost that use no model themselves: they repeat the sum of the calls below, or fetch the response of a call.
fn decide_locally(span: &mut Span) {
    let uses_model = span.is_call() || span.is_other_model_use();
    if !uses_model && (span.usage.source.is_some() || span.client_cost.is_some()) {
        span.counted = false;
        span.exclusion =
            Some(if usage_completion::is_fetch(span) { Exclusion::FetchedResponse { span_id: None } } else { Exclusion::SumOfCalls });
    }
}

/// Fields whose source is stored, to be shown as provenance.
const PROVENANCE_FIELDS: &[SpanField] = &[
    SpanField::Operation,
    SpanField::Provider,
    SpanField::RequestModel,
    SpanField::ResponseModel,
    SpanField::System,
    SpanField::Input,
    SpanField::EmbeddingInput,
    SpanField::Output,
    SpanField::OutputText,
    SpanField::OutputToolCalls,
    SpanField::ToolArguments,
    SpanField::ToolResult,
    SpanField::InputTokens,
    SpanField::OutputTokens,
    SpanField::TotalTokens,
    SpanField::CacheRead,
    SpanField::CacheWrite,
    SpanField::CacheWrite1h,
    SpanField::Reasoning,
    SpanField::InputAudio,
    SpanField::OutputAudio,
    SpanField::InputImage,
    SpanField::OutputImage,
    SpanField::WebSearches,
    SpanField::BuiltInTools,
    SpanField::Characters,
    SpanField::AudioSeconds,
    SpanField::RerankUnits,
    SpanField::UsageDetails,
    SpanField::ClientCost,
    SpanField::CostDetails,
    SpanField::Session,
    SpanField::User,
    SpanField::Agent,
    SpanField::Tool,
    SpanField::Prompt,
];

fn read(field: &'static str, source: FieldSource) -> FieldProvenance {
    FieldProvenance { field: field.into(), source }
}

fn record_provenance(span: &mut Span, found: &RecognizedAttributes, measurements: &[(String, f64)]) {
    let measured = |field: SpanField| {
        measurements.iter().map(|(name, _)| name).find(|name| attribute_names::lookup(name).is_some_and(|(known, _)| known == field))
    };
    let among =
        |field: SpanField| found.name(SpanField::Parameters).filter(|_| field == SpanField::RequestModel && span.request_model.is_some());
    let source = |field: SpanField| found.name(field).or_else(|| measured(field).map(String::as_str)).or_else(|| among(field));
    let counts = [SpanField::InputTokens, SpanField::OutputTokens, SpanField::TotalTokens];
    let is_told = |field: &&SpanField| !(counts.contains(field) && span.is_call() && span.usage.is_unknown());
    span.reading = PROVENANCE_FIELDS
        .iter()
        .filter(is_told)
        .filter_map(|field| Some(read(field.as_str(), FieldSource::Attribute(source(*field)?.into()))))
        .collect();
    let spelled = fields_of_unlisted_counts(found).into_iter();
    span.reading.extend(spelled.map(|(field, name)| read(field.as_str(), FieldSource::Attribute(name.into()))));
    if span.provider_inferred {
        let by_instrumentation = provider_inference::of_instrumentation(&span.op, span.origin.as_deref()).is_some();
        let source = if by_instrumentation { FieldSource::Instrumentation } else { FieldSource::ModelVendor };
        span.reading.push(read(SpanField::Provider.as_str(), source));
    }
}

/// Truncates long texts, and turns nested attributes into JSON text.
fn truncate_span(span: &mut Span) {
    let limit = TextLimit::default();
    messages::trim_messages(&mut span.input_messages, limit, true);
    messages::trim_messages(&mut span.output_messages, limit, true);
    for value in span.attributes.values_mut() {
        let nested = match &*value {
            Value::Object(_) => true,
            Value::Array(items) => items.iter().any(|item| item.is_array() || item.is_object()),
            _ => false,
        };
        if nested {
            *value = Value::String(value.to_string());
        }
        messages::trim_value(value, limit);
    }
    if let Some(tools) = &mut span.tool_definitions {
        messages::trim_value(tools, limit);
    }
    messages::trim_text(&mut span.name, limit);
}

#[cfg(test)]
mod tests;
mod token_counts;
